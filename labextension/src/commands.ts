/** Commands of the palette. What they do stays in the notebook: they write the line that does it, and run it. */

import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import { Notification } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { NotebookActions } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import type { KernelLink } from './link';
import { headerOf, workflowName } from './tokens';
import type { Verb } from './words';
import { BUSY, obstacle, situationWords, takeCode } from './words';

export const CATEGORY = 'Murakkab';

export const LOAD = '%load_ext murakkab_jupyter';

export const IDS = {
  plan: 'murakkab:plan',
  run: 'murakkab:run',
  stop: 'murakkab:stop',
  resume: 'murakkab:resume',
  panel: 'murakkab:show-panel'
} as const;

const AT_ONCE = /\s--(run|background)(\s|$)/;

function tell(words: string): void {
  Notification.info(`Murakkab: ${words}`, { autoClose: 8000 });
}

/** Put a line into a new cell below the one in front. */
function write(panel: NotebookPanel, code: string): void {
  NotebookActions.insertBelow(panel.content);
  panel.content.activeCell?.model.sharedModel.setSource(code);
}

/** Run the cell in front, whatever else is selected. */
async function runCell(panel: NotebookPanel, cell = panel.content.activeCell): Promise<boolean> {
  panel.content.deselectAll();
  return cell !== null && NotebookActions.runCells(panel.content, [cell], panel.sessionContext);
}

/** Put a line into a new cell below the one that holds `node`, for the person to run; returns whether it could be done. */
export function putLine(tracker: INotebookTracker | null, node: HTMLElement, line: string): boolean {
  const panel = tracker?.find(one => one.node.contains(node));
  if (!panel || panel.content.model?.readOnly) {
    return false;
  }
  const index = panel.content.widgets.findIndex(one => one.node.contains(node));
  if (index >= 0) {
    panel.content.activeCellIndex = index;
  }
  write(panel, line);
  return true;
}

/**
 * Put the line that takes a plan of a saved frontier below its cell, for the person to run: a kernel that is not
 * the one that made it may plan differently by now. Returns what to say of it.
 */
export function takeLine(tracker: INotebookTracker | null, node: HTMLElement, workflow: string, plan: number): string {
  const line = takeCode(workflow, plan);
  return putLine(tracker, node, line)
    ? `The kernel that made this frontier does not answer. The line that takes plan ${plan} is in the cell below, to be run where ${workflow} is declared.`
    : `The kernel that made this frontier does not answer. In a cell: ${line}`;
}

export class Commander {
  constructor(
    private readonly tracker: INotebookTracker,
    private readonly link: KernelLink,
    private readonly dialogs: ISessionContextDialogs | null
  ) {}

  /** The notebook in front, with a kernel of which it is known whether it has loaded us; or a word on what is missing. */
  private async front(): Promise<NotebookPanel | null> {
    const panel = this.tracker.currentWidget;
    if (!panel) {
      tell('open a notebook first.');
      return null;
    }
    const { sessionContext } = panel;
    await sessionContext.ready;
    if (!sessionContext.session?.kernel) {
      await this.dialogs?.selectKernel(sessionContext);
    }
    if (!sessionContext.session?.kernel) {
      tell(situationWords('no-kernel', false));
      return null;
    }
    await this.link.settled();
    return panel;
  }

  /** The first line of the cell in front when it is one of ours. */
  private header(panel: NotebookPanel): string | null {
    const cell = panel.content.activeCell;
    return cell?.model.type === 'code' ? headerOf(cell.model.sharedModel.getSource()) : null;
  }

  /** Whether a verb can be carried out now; says why, where it cannot. */
  private may(verb: Verb, cell: boolean): boolean {
    const { situation, state, busy } = this.link;
    const unloaded = situation === 'not-loaded';
    let why = obstacle(verb, situation, state, busy, cell);
    if (unloaded && (cell || verb === 'resume')) {
      why = busy ? BUSY : '';
    } else if (unloaded && verb !== 'stop') {
      why += ' Select a %%murakkab cell first, or load it by the panel.';
    }
    if (why) {
      tell(why);
    }
    return !why;
  }

  /** Write and run a line, with the line that loads us where the kernel needs it. */
  async line(code: string): Promise<void> {
    const panel = await this.front();
    if (panel) {
      const needed = this.link.situation === 'not-loaded' && code !== LOAD;
      write(panel, needed ? `${LOAD}\n${code}` : code);
      await runCell(panel);
    }
  }

  /** Run the cell in front, which is one of ours, below the line that loads us where the kernel needs it. */
  private async declare(panel: NotebookPanel): Promise<boolean> {
    const cell = panel.content.activeCell;
    if (this.link.situation === 'not-loaded') {
      NotebookActions.insertAbove(panel.content);
      panel.content.activeCell?.model.sharedModel.setSource(LOAD);
      if (!(await runCell(panel))) {
        return false;
      }
      panel.content.activeCellIndex += 1;
    }
    return runCell(panel, cell);
  }

  /** Plan: the cell in front when it is one of ours, else the latest workflow. */
  async plan(): Promise<void> {
    const panel = await this.front();
    const header = panel && this.header(panel);
    if (!panel || !this.may('plan', header !== null)) {
      return;
    }
    if (header === null) {
      await this.line('%murakkab plan');
    } else if (!AT_ONCE.test(header)) {
      await this.declare(panel);
    } else {
      const name = workflowName(header);
      if (name && this.link.state?.workflows.some(one => one.name === name)) {
        await this.line(`%murakkab plan ${name}`);
      } else {
        tell('the cell in front runs at once: take --run out of its first line to plan it only.');
      }
    }
  }

  /** Run: the cell in front is declared first when it is one of ours. */
  async run(): Promise<void> {
    const panel = await this.front();
    const header = panel && this.header(panel);
    if (!panel || !this.may('run', header !== null)) {
      return;
    }
    if (header === null) {
      await this.line('%murakkab run');
      return;
    }
    if ((await this.declare(panel)) && !AT_ONCE.test(header)) {
      await this.line(['%murakkab run', workflowName(header)].filter(Boolean).join(' '));
    }
  }

  async resume(): Promise<void> {
    if ((await this.front()) && this.may('resume', false)) {
      await this.line('%murakkab resume');
    }
  }

  /** Stop a run, the latest that goes on when none is named. */
  async stop(run?: string): Promise<void> {
    const panel = this.tracker.currentWidget;
    const kernel = panel?.sessionContext.session?.kernel;
    if (!panel || !kernel) {
      tell(panel ? 'nothing is running in this notebook.' : 'open a notebook first.');
      return;
    }
    await this.link.settled(false);
    const { state, busy, situation } = this.link;
    const wanted = run ?? state?.runs.find(one => one.status === 'running')?.id;
    if (wanted) {
      // A kernel without subshells hears nothing while its cell runs, and an interrupt stops the run as well.
      if (!(await this.link.stop(wanted)) && this.link.busy) {
        await kernel.interrupt();
      }
    } else if (busy && situation === 'asking') {
      Notification.info('Murakkab: the kernel is busy and does not answer, so that it cannot be said whether a run goes on.', {
        autoClose: false,
        actions: [{ label: 'Interrupt the cell', callback: () => void kernel.interrupt() }]
      });
    } else {
      tell('nothing is running in this notebook.');
    }
  }

  register(commands: CommandRegistry): void {
    const add = (id: string, label: string, caption: string, execute: () => Promise<void>): void => {
      // Never out of use: where one cannot do what it says, it says why.
      commands.addCommand(id, { label, caption, execute, describedBy: { args: { type: 'object', properties: {} } } });
    };
    add(IDS.plan, 'Plan the Workflow', 'Run the %%murakkab cell in front, or %murakkab plan', () => this.plan());
    add(IDS.run, 'Run the Workflow', 'Declare the %%murakkab cell in front, then %murakkab run', () => this.run());
    add(IDS.stop, 'Stop the Run', 'What is finished is kept', () => this.stop());
    add(IDS.resume, 'Resume the Latest Run', '%murakkab resume', () => this.resume());
  }
}
