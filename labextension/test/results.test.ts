import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

interface Item {
  item: string;
  values: { name: string; text: string; of: number | null; failed: boolean }[];
}

interface Found {
  variable: string;
  answers: { of: number | null; evidence: { at: [number, number] | null }[] }[];
  answersLeftOut: number;
  whole: { of: number | null }[];
  groups: { items: Item[]; leftOut: number }[];
  failuresLeftOut: number;
}

interface Reading {
  read: (data: unknown) => Found | null;
  matches: (item: Item, wanted: string) => boolean;
  beginning: (words: string, longest: number) => string;
  allOf: (workflow: string) => string;
  outputsOf: (workflow: string, step: string) => string;
  shownWords: (shown: number, kept: number, leftOut: number) => string;
}

/** The script that live views and the extension draw results with: one module, which imports nothing. */
const SCRIPT = readFileSync(join(__dirname, '..', '..', '..', 'murakkab_jupyter', 'notebook', 'views', 'js', 'results.js'), 'base64');
// TypeScript would make a `require` of an import here.
const load = new Function('url', 'return import(url)') as (url: string) => Promise<{ reading: Reading }>; // eslint-disable-line @typescript-eslint/no-implied-eval
const script = load(`data:text/javascript;base64,${SCRIPT}`).then(one => one.reading);

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

test('results are read, and evidence leads only to what is shown', async () => {
  const { read } = await script;
  const results = read(raw);
  assert.ok(results);
  assert.deepEqual(results.answers[0]?.evidence.map(one => one.at), [[0, 0], null, null]);
  assert.deepEqual(results.groups[0]?.items[0]?.values[1], { name: 'transcript', text: '', of: null, failed: true });
  assert.equal(results.groups[0]?.leftOut, 2);
  assert.equal(results.failuresLeftOut, 1);
});

test('what are no results is left alone, and nonsense inside becomes nothing', async () => {
  const { read } = await script;
  for (const one of [null, 3, 'x', [], {}, { format: 1 }, { ...raw, format: 2 }, { ...raw, groups: 3 }]) {
    assert.equal(read(one), null);
  }
  const odd = read({ format: 1, answers: [null, 4], groups: [3, { items: 'x' }, { items: [null] }], failures: {}, whole: null });
  assert.equal(odd?.answers.length, 2);
  assert.deepEqual(odd?.groups.map(one => one.items.length), [0, 0, 1]);
});

test('items are found by all words, wherever these stand', async () => {
  const { read, matches } = await script;
  const item = read(raw)?.groups[0]?.items[0];
  assert.ok(item);
  assert.ok(matches(item, 'DOG a.mp4'));
  assert.ok(matches(item, ' '));
  assert.ok(!matches(item, 'dog cat'));
});

test('long text is cut where a word ends, and text that nearly fits is whole', async () => {
  const { beginning } = await script;
  assert.equal(beginning('one two three', 11), 'one two three');
  assert.equal(beginning('one two three four', 11), 'one two…');
  assert.equal(beginning('x'.repeat(40), 10), `${'x'.repeat(10)}…`);
});

test('what is not shown is counted, and nothing is said where all is', async () => {
  const { shownWords } = await script;
  assert.equal(shownWords(12, 60, 240), '12 of 300 shown');
  assert.equal(shownWords(60, 60, 1940), '60 of 2,000 shown');
  assert.equal(shownWords(12, 20, 0), '12 of 20 shown');
  assert.equal(shownWords(20, 20, 0), '');
  assert.equal(shownWords(0, 0, 0), '');
});

test('text that was cut says how long it is', async () => {
  const { read } = await script;
  const found = read({ format: 1, answers: [{ text: 'a', of: 9000 }], groups: [], whole: [{ name: 'x', text: 'y', of: '9' }], answers_left_out: 7 });
  assert.equal(found?.answers[0]?.of, 9000);
  assert.equal(found?.answersLeftOut, 7);
  assert.equal(found?.whole[0]?.of, null);
});

test('the line that gives all is Python with the variable that holds the run, and nothing else', async () => {
  const { read, allOf, outputsOf } = await script;
  assert.equal(allOf('news'), 'news.to_pandas()');
  assert.equal(outputsOf('news', 'a"b'), 'news.outputs["a\\"b"]');
  const named = (more: object): string | undefined => read({ ...raw, ...more })?.variable;
  assert.equal(named({}), 'news');
  assert.equal(named({ variable: 'murakkab_run' }), 'murakkab_run');
  for (const name of ['schön', '日本語', 'خطوة', 'n1', '_']) {
    assert.equal(named({ variable: name }), name);
  }
  for (const bad of ['1n', 'a b', 'news; import os', 'this workflow', '', 3, null]) {
    assert.equal(named({ variable: bad }), 'news');
    assert.equal(named({ variable: bad, workflow: bad }), 'murakkab_run');
  }
});
