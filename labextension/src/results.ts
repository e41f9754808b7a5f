/** What a run made, read with care: answers, values, and what failed. */

import { count, list, record, text } from './raw';

export const RESULTS_TYPE = 'application/vnd.murakkab.results+json';

export interface Evidence {
  where: string;
  text: string;
  /** Group and item in which it was found, when that is shown. */
  at: [number, number] | null;
}

export interface Answer {
  step: string;
  where: string;
  question: string;
  text: string;
  /** How many characters there are, where these are not all. */
  of: number | null;
  evidence: Evidence[];
  evidenceLeftOut: number;
}

export interface Value {
  name: string;
  text: string;
  /** How many characters there are, where these are not all. */
  of: number | null;
  failed: boolean;
}

export interface Item {
  item: string;
  where: string;
  values: Value[];
}

export interface Group {
  level: string;
  items: Item[];
  leftOut: number;
}

export interface Results {
  title: string;
  workflow: string;
  answers: Answer[];
  answersLeftOut: number;
  whole: Value[];
  groups: Group[];
  failures: { step: string; item: string; why: string }[];
  failuresLeftOut: number;
}

function value(one: unknown): Value {
  const raw = record(one);
  return { name: text(raw.name, '?'), text: text(raw.text), of: count(raw.of) || null, failed: raw.failed === true };
}

/** Results, or null when this is none. */
export function readResults(data: unknown): Results | null {
  const raw = record(data);
  if (raw.format !== 1 || !Array.isArray(raw.groups) || !Array.isArray(raw.answers)) {
    return null;
  }
  const groups = raw.groups.map(one => {
    const group = record(one);
    return {
      level: text(group.level, '?'),
      leftOut: count(group.left_out),
      items: list(group.items).map(entry => {
        const item = record(entry);
        return { item: text(item.item), where: text(item.where), values: list(item.values).map(value) };
      })
    };
  });
  return {
    title: text(raw.title, 'Results'),
    workflow: text(raw.workflow) || 'this workflow',
    answers: raw.answers.map(one => {
      const said = record(one);
      return {
        step: text(said.step),
        where: text(said.where),
        question: text(said.question),
        text: text(said.text),
        of: count(said.of) || null,
        evidence: list(said.evidence).map(entry => {
          const found = record(entry);
          const [group, item] = list(found.at).map(at => count(at, -1));
          const shown = group !== undefined && item !== undefined && groups[group]?.items[item] !== undefined;
          return { where: text(found.where), text: text(found.text), at: shown ? [group, item] : null };
        }),
        evidenceLeftOut: count(said.evidence_left_out)
      };
    }),
    answersLeftOut: count(raw.answers_left_out),
    whole: list(raw.whole).map(value),
    groups,
    failures: list(raw.failures).map(one => {
      const failed = record(one);
      return { step: text(failed.step, '?'), item: text(failed.item), why: text(failed.why) };
    }),
    failuresLeftOut: count(raw.failures_left_out)
  };
}

/** Whether what an item says holds every word that is looked for. */
export function matches(item: Item, wanted: string): boolean {
  const said = [item.item, item.where, ...item.values.flatMap(one => [one.name, one.text])].join('\n').toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every(word => said.includes(word));
}

/** Text cut where a word ends, when it is longer than one wants to see at once. */
export function beginning(words: string, longest: number): string {
  if (words.length <= longest * 1.25) {
    return words;
  }
  const part = words.slice(0, longest);
  const end = part.search(/\s+\S*$/);
  return `${(end > longest / 2 ? part.slice(0, end) : part).trimEnd()}…`;
}

const IDENTIFIER = /^[A-Za-z_]\w*$/;

/** The Python that gives all results of a workflow; empty where it has no name that could hold its run. */
export function allOf(workflow: string): string {
  return IDENTIFIER.test(workflow) ? `${workflow}.to_pandas()` : '';
}

/** The Python that gives one step's values. */
export function outputsOf(workflow: string, step: string): string {
  return `${IDENTIFIER.test(workflow) ? workflow : 'run'}.outputs[${JSON.stringify(step)}]`;
}

/** How many of how many are shown; nothing where all are. */
export function shownWords(shown: number, kept: number, leftOut: number): string {
  const all = (kept + leftOut).toLocaleString('en-US');
  return shown < kept || leftOut ? `${shown.toLocaleString('en-US')} of ${all} shown` : '';
}
