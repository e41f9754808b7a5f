/** Commands of the palette. What they do stays in the notebook: they write the line that does it, and run it. */

import { Notification } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { NotebookActions } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import type { KernelLink } from './link';
import { isMurakkab, workflowName } from './tokens';

export const CATEGORY = 'Murakkab';

export const LOAD = '%load_ext murakkab_jupyter';

export const IDS = {
  plan: 'murakkab:plan',
  run: 'murakkab:run',
  stop: 'murakkab:stop',
  resume: 'murakkab:resume',
  panel: 'murakkab:show-panel'
} as const;

/** Put a line into a new cell below the one in front, and run it. */
export async function say(panel: NotebookPanel, code: string): Promise<boolean> {
  const notebook = panel.content;
  NotebookActions.insertBelow(notebook);
  notebook.activeCell?.model.sharedModel.setSource(code);
  return NotebookActions.run(notebook, panel.sessionContext);
}

export class Commander {
  constructor(
    private readonly tracker: INotebookTracker,
    private readonly link: KernelLink
  ) {}

  /** The notebook in front, or a word on what is missing. */
  private front(): NotebookPanel | null {
    const panel = this.tracker.currentWidget;
    if (!panel) {
      Notification.info('Murakkab: open a notebook first.', { autoClose: 4000 });
    }
    return panel;
  }

  private cell(panel: NotebookPanel): string {
    const cell = panel.content.activeCell;
    const source = cell?.model.type === 'code' ? cell.model.sharedModel.getSource() : '';
    return isMurakkab(source.split('\n')[0] ?? '') ? source : '';
  }

  /** Write and run a line, with the line that loads us where the kernel is known to need it. */
  async line(code: string): Promise<void> {
    const panel = this.front();
    if (panel) {
      const needed = this.link.panel === panel && this.link.situation === 'not-loaded';
      await say(panel, needed && code !== LOAD ? `${LOAD}\n${code}` : code);
    }
  }

  /** Plan: the cell in front when it is one of ours, else the latest workflow. */
  async plan(): Promise<void> {
    const panel = this.front();
    if (!panel) {
      return;
    }
    if (this.cell(panel)) {
      await NotebookActions.run(panel.content, panel.sessionContext);
    } else {
      await this.line('%murakkab plan');
    }
  }

  /** Run: the cell in front is declared first when it is one of ours. */
  async run(): Promise<void> {
    const panel = this.front();
    if (!panel) {
      return;
    }
    const source = this.cell(panel);
    if (!source) {
      await this.line('%murakkab run');
      return;
    }
    const header = source.split('\n')[0] ?? '';
    const declared = await NotebookActions.run(panel.content, panel.sessionContext);
    if (declared && !/\s--(run|background)(\s|$)/.test(header)) {
      await this.line(['%murakkab run', workflowName(header)].filter(Boolean).join(' '));
    }
  }

  /** Stop a run: through the panel's comm when the kernel is free to hear it, else by an interrupt. */
  async stop(run?: string): Promise<void> {
    const panel = this.front();
    if (!panel) {
      return;
    }
    const running = this.link.panel === panel ? this.link.state?.runs.find(one => one.status === 'running') : undefined;
    const kernel = panel.sessionContext.session?.kernel;
    const wanted = run ?? running?.id;
    if (wanted && this.link.send({ stop: wanted }) && !this.link.busy) {
      return;
    }
    if (kernel?.status === 'busy') {
      await kernel.interrupt();
    } else if (!wanted) {
      Notification.info('Murakkab: nothing is running in this notebook.', { autoClose: 4000 });
    }
  }

  register(commands: CommandRegistry): void {
    const add = (id: string, label: string, caption: string, execute: () => Promise<void>): void => {
      commands.addCommand(id, {
        label,
        caption,
        execute,
        isEnabled: () => this.tracker.currentWidget !== null,
        describedBy: { args: { type: 'object', properties: {} } }
      });
    };
    add(IDS.plan, 'Plan the Workflow', 'Run the %%murakkab cell in front, or %murakkab plan', () => this.plan());
    add(IDS.run, 'Run the Workflow', 'Declare the %%murakkab cell in front, then %murakkab run', () => this.run());
    add(IDS.stop, 'Stop the Run', 'What is finished is kept', () => this.stop());
    add(IDS.resume, 'Resume the Latest Run', '%murakkab resume', () => this.line('%murakkab resume'));
  }
}
