/** What the kernel says of itself and of its bills, read with care: what is not as expected becomes the nearest nothing. */

import type { Figure } from './figures';
import { isFigure } from './figures';
import { count, list, record, text } from './raw';

/** A table in words: each cell with its quieter second line. */
export interface Bill {
  detail: string;
  columns: { title: string; number: boolean }[];
  rows: [string, string][][];
  notes: string[];
}

/** A bill, or null when this is none. */
export function readBill(data: unknown): Bill | null {
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

// --- the panel ---------------------------------------------------------------------------------------------

export interface PanelRun {
  id: string;
  name: string;
  status: string;
  /** It has been asked to stop, and has not ended yet. */
  stopping: boolean;
  message: string;
  elapsed: number;
  eta: number | null;
  energy: Figure | null;
  planned: Figure | null;
  steps: { name: string; ended: number; failed: number; skipped: number; total: number | null; share: number; busy: boolean }[];
}

export interface PanelWorker {
  /** Its address. */
  name: string;
  /** What a person calls it. */
  label: string;
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
  /** Dask clusters that the notebook's own code made, and that are not in use. */
  own: OwnCluster[];
  power: Figure[];
}

export interface OwnCluster {
  address: string;
  /** The variable that holds it; empty where none does. */
  name: string;
  /** What it is, by its class; empty for a client of a scheduler elsewhere. */
  kind: string;
  /** Why it cannot be planned for; empty where it can. */
  why: string;
  /** Null until its scheduler has told them. */
  workers: PanelWorker[] | null;
  leftOut: number;
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

function workersOf(one: unknown): PanelWorker[] {
  return list(one).map(value => {
    const raw = record(value);
    return {
      name: text(raw.name, '?'),
      label: text(raw.label) || text(raw.name, '?'),
      host: text(raw.host),
      cores: count(raw.cores),
      busy: count(raw.busy),
      memory: amountOf(raw.memory_bytes),
      gpus: list(raw.gpus).map(gpu => text(gpu)).filter(Boolean),
      lost: raw.lost === true
    };
  });
}

/** What a kernel says of itself, or null when it speaks another format. */
export function readState(data: unknown): PanelState | null {
  const raw = record(data);
  if (raw.format !== 1) {
    return null;
  }
  const cluster = record(raw.cluster);
  return {
    version: text(raw.version),
    runs: list(raw.runs).map(value => {
      const one = record(value);
      return {
        id: text(one.id),
        name: text(one.name) || '(no name)',
        status: text(one.status, 'unknown'),
        stopping: one.stopping === true,
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
            skipped: count(s.skipped),
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
        name: text(one.name),
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
      workers: workersOf(cluster.workers)
    },
    own: list(raw.own).map(value => {
      const one = record(value);
      return {
        address: text(one.address),
        name: text(one.name),
        kind: text(one.kind),
        why: text(one.why),
        workers: Array.isArray(one.workers) ? workersOf(one.workers) : null,
        leftOut: count(one.left_out)
      };
    }),
    power: list(raw.power).filter(isFigure)
  };
}
