import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBill, readState } from '../src/data';

test('what is no state or bill is left alone', () => {
  for (const raw of [null, undefined, 3, 'x', [], {}, { format: 2, runs: [] }]) {
    assert.equal(readState(raw), null);
    assert.equal(readBill(raw), null);
  }
});

test('a bill has a cell for every column, with its quieter second line', () => {
  const bill = readBill({
    detail: 'news',
    columns: [['Step', 'left'], ['Energy', 'right']],
    rows: [[['scenes', 'scenedetect'], ['3 J', 'plan 2 J']], [['idle']], 'x'],
    notes: ['a note', 3]
  });
  assert.deepEqual(bill?.columns, [{ title: 'Step', number: false }, { title: 'Energy', number: true }]);
  assert.deepEqual(bill?.rows, [
    [['scenes', 'scenedetect'], ['3 J', 'plan 2 J']],
    [['idle', ''], ['', '']],
    [['', ''], ['', '']]
  ]);
  assert.deepEqual(bill?.notes, ['a note']);
});

test('a worker has a name for people, and its address when it has none', () => {
  const workers = [{ name: 'tcp://10.0.0.2:1', label: 'worker on lab' }, { name: 'tcp://10.0.0.3:1' }];
  const state = readState({ format: 1, cluster: { workers } });
  assert.deepEqual(state?.cluster.workers.map(one => one.label), ['worker on lab', 'tcp://10.0.0.3:1']);
});

test('a state keeps unknown apart from nothing', () => {
  const state = readState({ format: 1, version: '0.1.0', runs: [{ id: 'r', name: '', steps: [{ share: 7 }] }], workflows: [], cluster: null, power: [] });
  assert.deepEqual(state?.cluster, { address: '', local: false, described: false, why: '', workers: [] });
  assert.deepEqual(state?.own, []);
  assert.equal(state?.runs[0]?.energy, null);
  assert.equal(state?.runs[0]?.name, '(no name)');
  assert.equal(state?.runs[0]?.steps[0]?.share, 1);
  assert.equal(state?.runs[0]?.steps[0]?.total, null);
});

test("a cluster of the notebook's own has workers, none, or none that are known yet", () => {
  const one = { address: 'tcp://10.0.0.1:1', name: 'mine', kind: 'LocalCluster', why: '', workers: [{ name: 'w', cores: 2 }], left_out: 3 };
  const own = readState({ format: 1, own: [one, { ...one, workers: null }, { ...one, workers: [], why: 3 }, null] })?.own;
  assert.deepEqual(own?.map(each => each.workers?.length), [1, undefined, 0, undefined]);
  assert.equal(own?.[0]?.leftOut, 3);
  assert.equal(own?.[2]?.why, '');
});
