/** What the panel says of its connection, and what can be done about it. */

import type { PanelRun, PanelState } from './data';
import type { Situation } from './link';
import { isName } from './tokens';

/** How a run stands, as a sign beside the word. */
export const ICONS: Record<string, string> = {
  running: '◐',
  done: '●',
  partial: '▲',
  failed: '✕',
  stopped: '■'
};

type PanelStep = PanelRun['steps'][number];

/** How a step stands, as a sign: the one that the view of the run has. */
export function stepIcon(step: PanelStep, running: boolean): string {
  if (step.total !== null && step.ended >= step.total) {
    return step.failed || step.skipped ? '▲' : '●';
  }
  if (!running) {
    return '■';
  }
  return step.busy || step.ended > 0 ? '◐' : '○';
}

/** A number of things, as the views write it. */
function count(things: number): string {
  return things.toLocaleString('en-US');
}

/** How far a step is, in numbers of items. */
export function stepWords(step: PanelStep): string {
  const of = step.total !== null ? ` of ${count(step.total)}` : '';
  const failed = step.failed ? `, ${count(step.failed)} failed` : '';
  const skipped = step.skipped ? `, ${count(step.skipped)} skipped` : '';
  return `${count(step.ended)}${of}${failed}${skipped}`;
}

/** One sentence, for each situation. */
export function situationWords(situation: Situation, busy: boolean): string {
  switch (situation) {
    case 'no-notebook':
      return 'Open a notebook: the panel follows the notebook in front.';
    case 'no-kernel':
      return 'This notebook has no kernel. Choose one, and run a cell.';
    case 'starting':
      return busy ? 'The kernel has not answered yet: it is starting, or busy with a cell.' : 'The kernel is starting.';
    case 'dead':
      return 'The kernel has died. Restart it; %murakkab resume goes on with the run.';
    case 'asking':
      return busy
        ? 'The kernel is busy and has not answered yet; it will when its cell has ended.'
        : 'Asking the kernel.';
    case 'silent':
      return 'The kernel is free, but does not answer the panel: messages beside cells (comms) do not reach it. Restart it, then load Murakkab. Cells and their outputs work without the panel.';
    case 'not-python':
      return 'This kernel does not answer the panel: it is not a Python kernel. Choose one by Kernel > Change Kernel.';
    case 'not-loaded':
      return 'This kernel has not loaded Murakkab.';
    case 'other-version':
      return 'The kernel has another version of Murakkab than this extension. Update both, and restart the kernel.';
    case 'cut-off':
      return 'The connection to the kernel is lost, and is tried again. Runs go on meanwhile; what is shown here is what was last heard.';
    case 'live':
      return busy ? 'The kernel is busy; figures are pushed while it runs.' : 'Connected.';
  }
}

/** Where a Dask scheduler is, for a person: its host, for a port tells nobody anything. */
export function schedulerWords(address: string): string {
  const [protocol, place = address] = address.split('://');
  const host = place.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  const here = protocol === 'inproc' || /^(127\.\d+\.\d+\.\d+|localhost|::1)$/.test(host);
  return here ? 'on this host' : `on ${host}`;
}

export const BUSY = 'A cell is running: this would wait until it has ended.';

/** The line that takes a plan of a workflow's frontier; without a name it is the latest workflow's. */
export function takeCode(workflow: string, plan: number): string {
  return ['%murakkab frontier', isName(workflow) ? workflow : '', `--take ${plan}`].filter(Boolean).join(' ');
}

export type Verb = 'plan' | 'run' | 'stop' | 'resume';

export const VERBS: [Verb, string][] = [
  ['plan', 'Plan'],
  ['run', 'Run'],
  ['stop', 'Stop'],
  ['resume', 'Resume']
];

/** Why something cannot be done now; empty where it can. With `cell`, one of our cells is in front, which declares what it needs. */
export function obstacle(verb: Verb, situation: Situation, state: PanelState | null, busy: boolean, cell = false): string {
  if (situation !== 'live' || !state) {
    return situationWords(situation, busy);
  }
  const running = state.runs.some(run => run.status === 'running');
  if (verb === 'stop') {
    return running ? '' : 'Nothing is running.';
  }
  if (busy) {
    return BUSY;
  }
  if (verb === 'resume') {
    return running ? 'A run is going on.' : '';
  }
  // After a cell that declared nothing the kernel refuses a line without a name, and says why; one with a name it takes.
  return cell || state.workflows.length ? '' : 'There is no workflow yet: run a %%murakkab cell.';
}
