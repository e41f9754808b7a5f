import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PanelState } from '../src/data';
import { readState } from '../src/data';
import { VERBS, obstacle, schedulerWords, situationWords, stepIcon, stepWords, takeCode } from '../src/words';

const flow = { name: 'news', steps: 2, goal: '', planned: true, latest: true };

function state(runs: object[], workflows: object[] = [flow]): PanelState | null {
  return readState({ format: 1, runs, workflows, cluster: { why: 'x', workers: [] }, own: [], power: [] });
}

const reasons = (one: PanelState | null, busy = false): string[] => VERBS.map(([verb]) => obstacle(verb, 'live', one, busy));

test('the verbs are those of the line', () => {
  // The same file is checked against the verbs in Python by tests/labextension/test_words.py.
  const path = join(__dirname, '..', '..', 'test', 'cells.json');
  const { verbs } = JSON.parse(readFileSync(path, 'utf-8')) as { verbs: string[] };
  assert.deepEqual(VERBS.map(([verb]) => verb), verbs);
});

test('what cannot be done says why, and what can be done says nothing', () => {
  assert.deepEqual(reasons(state([])), ['', '', 'Nothing is running.', '']);
  const [plan, run, , resume] = reasons(state([], []));
  assert.match(plan ?? '', /no workflow yet/);
  assert.match(run ?? '', /no workflow yet/);
  assert.equal(resume, '');
});

test('while a run goes on it can be stopped, and nothing else begins', () => {
  const going = state([{ id: 'r', status: 'running' }]);
  const [plan, run, stop, resume] = reasons(going, true);
  assert.equal(stop, '');
  for (const one of [plan, run, resume]) {
    assert.match(one ?? '', /A cell is running/);
  }
  assert.match(reasons(going)[3] ?? '', /going on/);
});

test('without a kernel that has loaded us every button says so', () => {
  for (const [verb] of VERBS) {
    assert.equal(obstacle(verb, 'not-loaded', null, false), 'This kernel has not loaded Murakkab.');
    assert.match(obstacle(verb, 'no-notebook', null, false), /Open a notebook/);
  }
});

test('a cell of ours in front needs no workflow that is declared already', () => {
  const none = state([], []);
  assert.equal(obstacle('plan', 'live', none, false, true), '');
  assert.equal(obstacle('run', 'live', none, false, true), '');
  assert.match(obstacle('run', 'live', none, true, true), /A cell is running/);
});

test('after a cell that declares nothing the workflows of others can be run by their names', () => {
  const old = state([], [{ ...flow, latest: false }]);
  assert.deepEqual(reasons(old), ['', '', 'Nothing is running.', '']);
  assert.equal(obstacle('run', 'live', old, false, true), '');
});

test('a scheduler is told by its host, not by its port', () => {
  assert.equal(schedulerWords('tcp://127.0.0.1:40123'), 'on this host');
  assert.equal(schedulerWords('tls://[::1]:8786'), 'on this host');
  assert.equal(schedulerWords('tcp://10.0.0.1:8786'), 'on 10.0.0.1');
  assert.equal(schedulerWords('inproc://10.0.0.1/7/1'), 'on this host');
  assert.equal(schedulerWords('tcp://lab:8786'), 'on lab');
});

test('a kernel that does not answer says why, and what to do', () => {
  assert.match(situationWords('silent', false), /comms.*Restart it, then load Murakkab/);
  assert.match(situationWords('not-python', false), /not a Python kernel.*Change Kernel/);
});

test('the line that takes a plan names its workflow, in whatever script it is written', () => {
  assert.equal(takeCode('news', 2), '%murakkab frontier news --take 2');
  assert.equal(takeCode('schön', 2), '%murakkab frontier schön --take 2');
  assert.equal(takeCode('خطوة', 3), '%murakkab frontier خطوة --take 3');
  assert.equal(takeCode('this workflow', 1), '%murakkab frontier --take 1');
  assert.equal(takeCode('a\nimport os', 1), '%murakkab frontier --take 1');
});

test('a connection that is lost is told, and offers nothing', () => {
  assert.match(situationWords('cut-off', true), /connection.*lost.*Runs go on/);
  for (const [verb] of VERBS) {
    assert.match(obstacle(verb, 'cut-off', state([]), false), /connection.*lost/);
  }
});

test('a kernel that is late may be busy with the cell of another page', () => {
  assert.equal(situationWords('starting', false), 'The kernel is starting.');
  assert.match(situationWords('starting', true), /has not answered yet.*busy with a cell/);
});

test('a step with failed or skipped items has the sign that the view of the run gives it', () => {
  const step = { name: 's', ended: 3, failed: 0, skipped: 0, total: 3, share: 1, busy: false };
  assert.equal(stepIcon(step, true), '●');
  assert.equal(stepIcon({ ...step, failed: 1 }, true), '▲');
  assert.equal(stepIcon({ ...step, skipped: 1 }, false), '▲');
  assert.equal(stepIcon({ ...step, ended: 2, skipped: 1 }, true), '◐');
  assert.equal(stepIcon({ ...step, ended: 0 }, true), '○');
  assert.equal(stepIcon({ ...step, ended: 0 }, false), '■');
  assert.equal(stepWords({ ...step, total: 4, skipped: 2 }), '3 of 4, 2 skipped');
});
