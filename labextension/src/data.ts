/**
 * What the kernel says, read with care: a saved notebook may hold anything, and what is not as expected is left
 * to the plain HTML that stands beside it.
 */

import type { Figure } from './figures';
import { isFigure } from './figures';
import type { Raw } from './raw';
import { count, list, record, text } from './raw';

export const PLAN_TYPE = 'application/vnd.murakkab.plan+json';
export const RUN_TYPE = 'application/vnd.murakkab.run+json';

export type Figures = Record<string, Figure>;

export interface Configuration {
  agent: string;
  options: string;
  place: string;
  batch: string;
}

export interface PlanStep extends Configuration {
  name: string;
  items: number;
  predicted: Figures;
  after: string[];
  runnerUp: (Configuration & { reason: string }) | null;
}

export interface Plan {
  title: string;
  workflow: string;
  goal: string;
  steps: PlanStep[];
  predicted: Figures;
  remarks: string[];
}

export interface RunStep {
  name: string;
  agent: string;
  done: number;
  failed: number;
  reused: number;
  predicted: Figures;
  actual: Figures;
}

export interface Bar {
  worker: number;
  slot: number;
  step: number;
  start: number;
  end: number;
  done: number;
  failed: number;
  reused: number;
  batches: number;
  wasted: boolean;
}

export interface Mark {
  at: number;
  kind: string;
  text: string;
}

export interface Run {
  id: string;
  workflow: string;
  status: string;
  message: string;
  seconds: number;
  steps: RunStep[];
  workers: string[];
  bars: Bar[];
  marks: Mark[];
  marksLeftOut: number;
  predicted: Figures;
  actual: Figures;
  bill: Bill | null;
}

/** A table in words: each cell with its quieter second line. */
export interface Bill {
  detail: string;
  columns: { title: string; number: boolean }[];
  rows: [string, string][][];
  notes: string[];
}

function figures(one: unknown): Figures {
  const found: Figures = {};
  for (const [name, value] of Object.entries(record(one))) {
    if (isFigure(value)) {
      found[name] = value;
    }
  }
  return found;
}

function words(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value) ?? '';
}

function configuration(one: Raw): Configuration {
  const cores = count(one.cores, 1);
  const gpus = count(one.gpus);
  return {
    agent: text(one.agent, '?'),
    options: Object.entries(record(one.options))
      .map(([key, value]) => `${key}=${words(value)}`)
      .join(' '),
    place:
      `${text(one.device, 'cpu')}, ${count(one.instances, 1)} × ${cores} ${cores === 1 ? 'core' : 'cores'}` +
      (gpus ? ` + ${gpus} GPU${gpus > 1 ? 's' : ''}` : ''),
    batch: one.siblings === true ? 'all items of a parent in a call' : `batch ${count(one.batch, 1)}`
  };
}

/** A goal as one reads it. */
export function goalWords(one: unknown): string {
  const goal = record(one);
  const said = list(goal.objectives).map(
    name => `${name === 'quality' ? 'maximize' : 'minimize'} ${text(name, '?')}`
  );
  const limit = (value: unknown, before: string, after: string): void => {
    if (typeof value === 'number' || typeof value === 'string') {
      said.push(`${before} ${value}${after}`);
    }
  };
  limit(goal.floor, 'quality', '');
  limit(goal.deadline_s, 'deadline', ' s');
  limit(goal.budget_usd, 'budget', ' USD');
  limit(goal.max_energy_j, 'max energy', ' J');
  return said.join(', ');
}

/** A plan, or null when this is none. */
export function readPlan(data: unknown): Plan | null {
  const raw = record(data);
  const entries = Object.entries(record(raw.steps));
  if (!entries.length) {
    return null;
  }
  // A notebook is saved with its keys sorted: the order of the steps is told apart.
  const order = list(raw.order);
  if (order.length) {
    const at = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
    entries.sort(([a], [b]) => at(a) - at(b));
  }
  const after = record(raw.after);
  const remarks = list(raw.remarks ?? raw.notes).map(one => text(one)).filter(Boolean);
  return {
    title: text(raw.title, 'Plan'),
    workflow: text(raw.workflow) || 'this workflow',
    goal: goalWords(raw.goal),
    predicted: figures(raw.predicted),
    remarks,
    steps: entries.map(([name, value]) => {
      const one = record(value);
      const other = record(one.runner_up);
      return {
        name,
        ...configuration(one),
        items: count(one.items),
        predicted: figures(one.predicted),
        after: list(after[name]).map(source => text(source)).filter(Boolean),
        runnerUp: 'agent' in other ? { ...configuration(other), reason: text(other.reason) } : null
      };
    })
  };
}

function readBill(data: unknown): Bill | null {
  const raw = record(data);
  const columns = list(raw.columns).map(one => {
    const [title, align] = list(one);
    return { title: text(title), number: align === 'right' };
  });
  if (!columns.length) {
    return null;
  }
  return {
    detail: text(raw.detail),
    columns,
    rows: list(raw.rows).map(row =>
      columns.map((_, at) => {
        const [words, detail] = list(list(row)[at]);
        return [text(words), text(detail)];
      })
    ),
    notes: list(raw.notes).map(one => text(one)).filter(Boolean)
  };
}

/** A run, or null when this is none. */
export function readRun(data: unknown): Run | null {
  const raw = record(data);
  if (raw.format !== 1 || typeof raw.run !== 'string') {
    return null;
  }
  const steps = list(raw.steps).map(value => {
    const one = record(value);
    return {
      name: text(one.name, '?'),
      agent: text(one.agent),
      done: count(one.done),
      failed: count(one.failed),
      reused: count(one.reused),
      predicted: figures(one.predicted),
      actual: figures(one.actual)
    };
  });
  const workers = list(raw.workers).map(one => text(one, '?'));
  const bars: Bar[] = [];
  for (const value of list(raw.bars)) {
    const [worker, slot, step, start, end, done, failed, reused, batches, wasted] = list(value).map(one => count(one, -1));
    if (
      worker !== undefined && worker in workers && slot !== undefined && slot >= 0 && slot < 10_000 &&
      step !== undefined && start !== undefined && end !== undefined && start >= 0 && end >= start
    ) {
      bars.push({
        worker, slot, step, start, end,
        done: done ?? 0,
        failed: failed ?? 0,
        reused: reused ?? 0,
        batches: batches ?? 1,
        wasted: wasted === 1
      });
    }
  }
  return {
    id: raw.run,
    workflow: text(raw.workflow),
    status: text(raw.status, 'unknown'),
    message: text(raw.message),
    seconds: Math.max(count(raw.seconds), ...bars.map(bar => bar.end)),
    steps,
    workers,
    bars,
    marks: list(raw.marks).map(value => {
      const one = record(value);
      return { at: count(one.at_s), kind: text(one.kind), text: text(one.text) };
    }),
    marksLeftOut: count(raw.marks_left_out),
    predicted: figures(raw.predicted),
    actual: figures(raw.actual),
    bill: readBill(raw.bill)
  };
}

// --- the panel ---------------------------------------------------------------------------------------------

export interface PanelRun {
  id: string;
  name: string;
  status: string;
  message: string;
  elapsed: number;
  eta: number | null;
  energy: Figure | null;
  planned: Figure | null;
  steps: { name: string; ended: number; failed: number; total: number | null; share: number; busy: boolean }[];
}

export interface PanelWorker {
  name: string;
  host: string;
  cores: number;
  busy: number;
  memory: number | null;
  gpus: string[];
  lost: boolean;
}

export interface PanelState {
  version: string;
  runs: PanelRun[];
  workflows: { name: string; steps: number; goal: string; planned: boolean; latest: boolean }[];
  cluster: PanelCluster;
  /** A Dask client of the notebook's own, and why it cannot be used, if so. */
  client: { address: string; why: string } | null;
  power: Figure[];
}

export interface PanelCluster {
  address: string;
  local: boolean;
  described: boolean;
  /** Why there are no workers. */
  why: string;
  workers: PanelWorker[];
}

function maybe(one: unknown): Figure | null {
  return isFigure(one) ? one : null;
}

function amountOf(one: unknown): number | null {
  return typeof one === 'number' && Number.isFinite(one) ? one : null;
}

/** What a kernel says of itself, or null when it speaks another format. */
export function readState(data: unknown): PanelState | null {
  const raw = record(data);
  if (raw.format !== 1) {
    return null;
  }
  const cluster = record(raw.cluster);
  const client = record(raw.client);
  return {
    version: text(raw.version),
    runs: list(raw.runs).map(value => {
      const one = record(value);
      return {
        id: text(one.id),
        name: text(one.name) || '(no name)',
        status: text(one.status, 'unknown'),
        message: text(one.message),
        elapsed: count(one.elapsed_s),
        eta: amountOf(one.eta_s),
        energy: maybe(one.energy),
        planned: maybe(one.planned_energy),
        steps: list(one.steps).map(step => {
          const s = record(step);
          return {
            name: text(s.name, '?'),
            ended: count(s.ended),
            failed: count(s.failed),
            total: amountOf(s.total),
            share: Math.min(1, Math.max(0, count(s.share))),
            busy: s.busy === true
          };
        })
      };
    }),
    workflows: list(raw.workflows).map(value => {
      const one = record(value);
      return {
        name: text(one.name) || '(no name)',
        steps: count(one.steps),
        goal: text(one.goal),
        planned: one.planned === true,
        latest: one.latest === true
      };
    }),
    cluster: {
      address: text(cluster.address),
      local: cluster.local === true,
      described: cluster.described === true,
      why: text(cluster.why),
      workers: list(cluster.workers).map(value => {
        const one = record(value);
        return {
          name: text(one.name, '?'),
          host: text(one.host),
          cores: count(one.cores),
          busy: count(one.busy),
          memory: amountOf(one.memory_bytes),
          gpus: list(one.gpus).map(gpu => text(gpu)).filter(Boolean),
          lost: one.lost === true
        };
      })
    },
    client: text(client.address) ? { address: text(client.address), why: text(client.why) } : null,
    power: list(raw.power).filter(isFigure)
  };
}
