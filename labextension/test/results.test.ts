import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginning, matches, readResults } from '../src/results';

const raw = {
  format: 1,
  title: 'Results (done)',
  workflow: 'news',
  answers: [
    {
      step: 'answer',
      question: 'When?',
      text: 'At noon.',
      evidence: [
        { where: 'a.mp4 0:05', text: 'noon', at: [0, 0] },
        { where: 'a.mp4 0:09', text: '', at: [0, 7] },
        { where: 'notes', text: '', at: null }
      ]
    }
  ],
  whole: [{ name: 'title', text: 'News' }],
  groups: [
    {
      level: 'videos/scenes',
      left_out: 2,
      items: [{ item: 'videos 0 / scenes 0', where: 'a.mp4 0:00–0:09', values: [{ name: 'objects', text: 'a dog' }, { name: 'transcript', failed: true }] }]
    }
  ],
  failures: [{ step: 'transcript', item: 'videos 0 / scenes 0', why: 'no sound' }],
  failures_left_out: 1
};

test('results are read, and evidence leads only to what is shown', () => {
  const results = readResults(raw);
  assert.ok(results);
  assert.deepEqual(results.answers[0]?.evidence.map(one => one.at), [[0, 0], null, null]);
  assert.deepEqual(results.groups[0]?.items[0]?.values[1], { name: 'transcript', text: '', failed: true });
  assert.equal(results.groups[0]?.leftOut, 2);
  assert.equal(results.failuresLeftOut, 1);
});

test('what are no results is left alone, and nonsense inside becomes nothing', () => {
  for (const one of [null, 3, 'x', [], {}, { format: 1 }, { ...raw, format: 2 }, { ...raw, groups: 3 }]) {
    assert.equal(readResults(one), null);
  }
  const odd = readResults({ format: 1, answers: [null, 4], groups: [3, { items: 'x' }, { items: [null] }], failures: {}, whole: null });
  assert.equal(odd?.answers.length, 2);
  assert.deepEqual(odd?.groups.map(one => one.items.length), [0, 0, 1]);
});

test('items are found by all words, wherever these stand', () => {
  const item = readResults(raw)?.groups[0]?.items[0];
  assert.ok(item);
  assert.ok(matches(item, 'DOG a.mp4'));
  assert.ok(matches(item, ' '));
  assert.ok(!matches(item, 'dog cat'));
});

test('long text is cut where a word ends, and text that nearly fits is whole', () => {
  assert.equal(beginning('one two three', 11), 'one two three');
  assert.equal(beginning('one two three four', 11), 'one two…');
  assert.equal(beginning('x'.repeat(40), 10), `${'x'.repeat(10)}…`);
});
