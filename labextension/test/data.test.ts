import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goalWords, readPlan, readRun, readState } from '../src/data';

const joules = { value: 12.5, unit: 'J', low: null, high: null, source: 'prior' };

const step = {
  agent: 'whisper',
  options: { beams: 1, words: true },
  device: 'cpu',
  cores: 2,
  gpus: 0,
  instances: 3,
  batch: 4,
  siblings: false,
  items: 6,
  predicted: { energy: joules, broken: { value: 'x' } },
  runner_up: { agent: 'moonshine', options: {}, device: 'gpu', cores: 1, gpus: 1, instances: 1, batch: 1, siblings: true, reason: 'slower' }
};

test('a plan is read with its places, second choices and what waits for what', () => {
  const plan = readPlan({
    title: 'Plan',
    workflow: 'news',
    goal: { objectives: ['energy', 'quality'], floor: 'good', deadline_s: 120 },
    binding: 'the deadline',
    bound: 10,
    remarks: ['Held back by: the deadline', 'a note'],
    predicted: { energy: joules },
    after: { transcript: ['scenes'] },
    steps: { transcript: step }
  });
  assert.ok(plan);
  const [one] = plan.steps;
  assert.equal(one?.place, 'cpu, 3 × 2 cores');
  assert.equal(one?.options, 'beams=1 words=true');
  assert.equal(one?.runnerUp?.place, 'gpu, 1 × 1 core + 1 GPU');
  assert.equal(one?.runnerUp?.batch, 'all items of a parent in a call');
  assert.deepEqual(one?.after, ['scenes']);
  assert.deepEqual(Object.keys(one?.predicted ?? {}), ['energy']);
  assert.equal(plan.goal, 'minimize energy, maximize quality, quality good, deadline 120 s');
  assert.deepEqual(plan.remarks, ['Held back by: the deadline', 'a note']);
});

test('the steps of a saved plan stand in the order that it tells', () => {
  const steps = { answer: step, scenes: step, frames: step, other: step };
  const names = (order: unknown): string[] | undefined => readPlan({ order, steps })?.steps.map(one => one.name);
  assert.deepEqual(names(['scenes', 'frames', 'answer']), ['scenes', 'frames', 'answer', 'other']);
  assert.deepEqual(names(3), ['answer', 'scenes', 'frames', 'other']);
});

test('what is no plan, run or state is left alone', () => {
  for (const raw of [null, undefined, 3, 'x', [], {}, { steps: [] }, { steps: null }, { format: 2, run: 'x' }]) {
    assert.equal(readPlan(raw), null);
    assert.equal(readRun(raw), null);
    assert.equal(readState(raw), null);
  }
});

test('a goal of nothing says nothing', () => {
  assert.equal(goalWords(null), '');
});

test('bars of a run that make no sense are left out', () => {
  const run = readRun({
    format: 1,
    run: 'r1',
    workflow: 'news',
    status: 'done',
    message: '',
    seconds: 2,
    steps: [{ name: 'a', agent: 'x', done: 1, failed: 0, reused: 0, predicted: {}, actual: { energy: joules } }],
    workers: ['tcp://w:1'],
    bars: [
      [0, 0, 0, 0, 1.5, 3, 0, 0, 1, 0],
      [0, 1, 0, 1, 2.5, 2, 1, 0, 1, 1],
      [7, 0, 0, 0, 1, 1, 0, 0, 1, 0],
      [0, 0, 0, 2, 1, 1, 0, 0, 1, 0],
      [0, 0, 0, 'x', 1, 1, 0, 0, 1, 0],
      'x'
    ],
    marks: [{ at_s: 1, kind: 'lost', text: 'worker w was lost' }],
    marks_left_out: 0,
    predicted: {},
    actual: {}
  });
  assert.equal(run?.bars.length, 2);
  assert.equal(run?.bars[1]?.wasted, true);
  assert.equal(run?.seconds, 2.5);
  assert.deepEqual(run?.marks, [{ at: 1, kind: 'lost', text: 'worker w was lost' }]);
});

test('a state keeps unknown apart from nothing', () => {
  const state = readState({ format: 1, version: '0.1.0', runs: [{ id: 'r', name: '', steps: [{ share: 7 }] }], workflows: [], cluster: null, power: [] });
  assert.deepEqual(state?.cluster, { address: '', local: false, described: false, why: '', workers: [] });
  assert.equal(state?.client, null);
  assert.equal(state?.runs[0]?.energy, null);
  assert.equal(state?.runs[0]?.name, '(no name)');
  assert.equal(state?.runs[0]?.steps[0]?.share, 1);
  assert.equal(state?.runs[0]?.steps[0]?.total, null);
});
