/**
 * Sheets: plans, frontiers and runs in words and numbers, as the kernel's own views are drawn from. A saved notebook
 * may hold anything; what has not the shape of a sheet is left to the plain HTML that stands beside it.
 */

import { record } from './raw';

export const PLAN_TYPE = 'application/vnd.murakkab.plan+json';
export const FRONTIER_TYPE = 'application/vnd.murakkab.frontier+json';
export const RUN_TYPE = 'application/vnd.murakkab.run+json';
export const RESULTS_TYPE = 'application/vnd.murakkab.results+json';

export type Kind = 'plan' | 'frontier' | 'run';

/** What the kernel said, in the shape that the script of its kind reads. */
export type Sheet = Record<string, unknown>;

type Check = (one: unknown) => boolean;

const text: Check = one => typeof one === 'string';
const number: Check = one => typeof one === 'number' && Number.isFinite(one);
const flag: Check = one => typeof one === 'boolean';
const maybe =
  (check: Check): Check =>
  one =>
    one === null || one === undefined || check(one);
const many =
  (check: Check): Check =>
  one =>
    Array.isArray(one) && one.every(check);
const row =
  (...checks: Check[]): Check =>
  one =>
    Array.isArray(one) && checks.every((check, at) => check(one[at]));
const each =
  (check: Check): Check =>
  one =>
    typeof one === 'object' && one !== null && !Array.isArray(one) && Object.values(one).every(check);
const shape =
  (fields: Record<string, Check>): Check =>
  one =>
    typeof one === 'object' && one !== null && Object.entries(fields).every(([key, check]) => check((one as Sheet)[key]));

const choice = { agent: text, options: text, place: text, batch: text };

const plan = shape({
  title: text,
  name: text,
  goal: text,
  totals: many(row(text, text, flag, text)),
  end_s: number,
  end: text,
  steps: many(
    shape({
      ...choice,
      name: text,
      items: text,
      after: many(text),
      span: maybe(row(number, number)),
      time: text,
      brief: text,
      prior: flag,
      facts: many(row(text, text, text)),
      second: maybe(shape({ ...choice, reason: text }))
    })
  ),
  remarks: many(text),
  note: text
});

const frontier = shape({
  name: text,
  x: text,
  y: text,
  points: many(
    shape({
      number: number,
      chosen: flag,
      values: each(maybe(number)),
      texts: each(text),
      notes: each(text),
      choices: many(row(text, text)),
      gives: text
    })
  ),
  changing: many(text),
  axes: each(shape({ title: text, low: number, high: number, ticks: many(row(number, text)) })),
  columns: many(row(text, text)),
  cautions: many(text),
  same: text,
  coverage: text,
  note: text
});

const run = shape({
  name: text,
  run: text,
  status: text,
  icon: text,
  by: text,
  message: text,
  elapsed: text,
  left: maybe(text),
  ended: text,
  steps: many(shape({ name: text, agent: text, icon: text, state: text, share: number, count: text, left: text })),
  spent: many(shape({ what: text, used: text, plan: text, how: text })),
  marks: many(shape({ kind: text, icon: text, word: text, at: text, at_s: number, text })),
  end_s: number,
  end: text,
  plan_s: maybe(number),
  plan_end: maybe(text),
  lanes: many(shape({ worker: text, title: text, slot: number })),
  lanes_left_out: number,
  bars: many(row(number, number, number, number, text, number)),
  note: text
});

const CHECKS: Record<Kind, Check> = { plan, frontier, run };

/** The sheet of an output, or null where there is none that can be drawn. */
export function readSheet(kind: Kind, data: unknown): Sheet | null {
  const sheet = record(data).sheet;
  return CHECKS[kind](sheet) ? (sheet as Sheet) : null;
}

const SLOT = /\bdata-murakkab-view="([a-z]+-[0-9a-f]{12})"/;

/** The name of the slot in which the kernel draws its live view, if it made one. */
export function slotName(html: unknown): string {
  return typeof html === 'string' ? (SLOT.exec(html)?.[1] ?? '') : '';
}
