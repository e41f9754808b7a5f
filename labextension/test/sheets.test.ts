import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Kind } from '../src/sheets';
import { readSheet, slotName } from '../src/sheets';

// Made by the kernel's own code: tests/labextension/test_sheets.py.
const made = JSON.parse(readFileSync(join(__dirname, '..', '..', 'test', 'sheets.json'), 'utf-8')) as Record<Kind, Record<string, unknown>>;
const KINDS: Kind[] = ['plan', 'frontier', 'run'];

test('what the kernel makes is a sheet', () => {
  for (const kind of KINDS) {
    assert.equal(readSheet(kind, { sheet: made[kind] }), made[kind], kind);
  }
});

test('what is no sheet, or a sheet of another kind, is left to the HTML', () => {
  for (const kind of KINDS) {
    for (const data of [null, undefined, 3, 'x', [], {}, { sheet: null }, { sheet: [] }, { sheet: {} }]) {
      assert.equal(readSheet(kind, data), null);
    }
    const other = KINDS[(KINDS.indexOf(kind) + 1) % KINDS.length] as Kind;
    assert.equal(readSheet(kind, { sheet: made[other] }), null);
  }
});

test('a field that is missing or of another type anywhere is noticed', () => {
  const steps = made.plan.steps as Record<string, unknown>[];
  const [first, ...others] = steps;
  const wrong = [
    { ...made.plan, steps: [{ ...first, after: 'scenes' }, ...others] },
    { ...made.plan, steps: [{ ...first, span: ['0', 1] }, ...others] },
    { ...made.plan, totals: [['Time', '1 s']] },
    { ...made.plan, remarks: [{}] }
  ];
  for (const sheet of wrong) {
    assert.equal(readSheet('plan', { sheet }), null);
  }
  assert.equal(readSheet('frontier', { sheet: { ...made.frontier, axes: { cost: { title: 'Cost' } } } }), null);
  assert.equal(readSheet('run', { sheet: { ...made.run, bars: [[0, 0, 0, 1, 2, 0]] } }), null);
  assert.equal(readSheet('run', { sheet: { ...made.run, end_s: null } }), null);
});

test('unknown times are no mistake', () => {
  const steps = (made.plan.steps as Record<string, unknown>[]).map(step => ({ ...step, span: null, time: '', second: null }));
  assert.ok(readSheet('plan', { sheet: { ...made.plan, steps } }));
  assert.ok(readSheet('run', { sheet: { ...made.run, plan_s: null, plan_end: null, left: null } }));
});

test('the slot of a live view is read from the HTML, and nothing else', () => {
  assert.equal(slotName('<div class="murakkab-slot" data-murakkab-view="frontier-0123456789ab"><p>x</p></div>'), 'frontier-0123456789ab');
  for (const html of ['<div data-murakkab-view="x onload=y"></div>', '<p>x</p>', 3, undefined, null]) {
    assert.equal(slotName(html), '');
  }
});
