import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { amount, figure, origin, spoken } from '../src/figures';

test('amounts read as the kernel says them', () => {
  // The same file is checked against the Python views by tests/labextension/test_figures.py.
  const path = join(__dirname, '..', '..', 'test', 'amounts.json');
  const cases = JSON.parse(readFileSync(path, 'utf-8')) as [number | null, string, string][];
  assert.ok(cases.length > 20);
  for (const [value, unit, words] of cases) {
    assert.equal(amount(value, unit), words, `${value} ${unit}`);
  }
});

test('a figure carries the mark of its source, and unknown is never 0', () => {
  assert.equal(figure({ value: 2, unit: 'J', source: 'prior' }), '~2.00 J');
  assert.equal(figure({ value: 2, unit: 'J', source: 'published' }), '°2.00 J');
  assert.equal(figure({ value: 2, unit: 'J', source: 'measured' }), '2.00 J');
  assert.equal(figure({ value: null, unit: 'J' }), 'unknown');
  assert.equal(figure(undefined), 'unknown');
});

test('the origin names source, note and method', () => {
  assert.equal(origin({ value: 2, unit: 'J', source: 'prior', note: 'TDP', method: 'estimate' }), 'prior: TDP (estimate)');
  assert.equal(origin({ value: null, unit: 'J', note: 'no counter' }), 'no counter');
});

test('a time that changes is not told more closely than one can read', () => {
  assert.deepEqual([0.04, 0.25, 9.94, 9.96, 10.5, 69.4, 125].map(spoken), ['0.0 s', '0.3 s', '9.9 s', '10 s', '11 s', '69 s', '2 min 05 s']);
});
