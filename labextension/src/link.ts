/** The way to the kernel of the notebook in front: a comm, which the kernel answers by itself. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { PanelState } from './data';
import { readState } from './data';

const TARGET = 'murakkab';
const PATIENCE_MS = 4000;
/** So often a kernel that is free is asked before it is said that it does not answer. */
const TRIES = 2;
/** A busy kernel with subshells answers within this time; one without cannot. */
const BUSY_MS = 3500;
const MOMENT_MS = 500;
const HEARD_MS = 900;
/** What is sent to a kernel in these states is lost, or an error. */
const GONE: Kernel.Status[] = ['restarting', 'autorestarting', 'terminating', 'dead'];

/** Why the panel shows something, or nothing. */
export type Situation =
  | 'no-notebook'
  | 'no-kernel'
  | 'starting'
  | 'dead'
  | 'asking'
  | 'silent'
  | 'not-python'
  | 'not-loaded'
  | 'other-version'
  | 'cut-off'
  | 'live';

/**
 * Wait, shortly, for the subshell in which a kernel may hear comms while a cell runs; without one it hears them when
 * its cell has ended.
 */
async function opened(kernel: Kernel.IKernelConnection, comm: Kernel.IComm): Promise<void> {
  const { supportsSubshells } = kernel as { supportsSubshells?: boolean };
  const { subshellStarted } = comm as { subshellStarted?: Promise<unknown> };
  if (supportsSubshells && subshellStarted && String(kernel.commsOverSubshells) !== 'disabled') {
    await Promise.race([subshellStarted, new Promise(resolve => setTimeout(resolve, 2000))]);
  }
}

/** Follows the notebook in front and keeps what its kernel says of itself. */
export class KernelLink {
  private session: ISessionContext | null = null;
  private kernel: Kernel.IKernelConnection | null = null;
  private comm: Kernel.IComm | null = null;
  /** Whether the comm has been opened: the kernel knows of it, or will when it hears. */
  private told = false;
  private ours = false;
  /** Whether to ask again if the kernel closes the comm: a cell has named us since it was opened. */
  private again = false;
  /** How often this kernel was asked, free as it was, without an answer. */
  private unheard = 0;
  /** What messages of executions have said since this kernel was met; null before the first. */
  private executing: boolean | null = null;
  /** The process behind the kernel, by the session that it writes under; null before its first message. */
  private process: string | null = null;
  /** Whether this kernel has said what it is: one that runs a cell says that when the cell has ended. */
  private informed = false;
  /** Whether it was met some time ago and has not even said that. */
  private late = false;
  private readonly _changed = new Signal<this, void>(this);

  panel: NotebookPanel | null = null;
  /** What was last known of the kernel itself. */
  private known: Situation = 'no-notebook';
  state: PanelState | null = null;
  /** When the state came. */
  heard: Date | null = null;
  /** Whether anybody looks; without, a kernel is not asked. */
  private watched = false;

  constructor(tracker: INotebookTracker) {
    tracker.currentChanged.connect((_, panel) => this.attach(panel));
    this.attach(tracker.currentWidget);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether the kernel runs a cell now, or has said nothing for so long that it may. */
  get busy(): boolean {
    return this.executes || this.late;
  }

  /**
   * Whether the kernel is known to run a cell. Its status alone does not tell: what is answered beside a cell, in a
   * subshell, makes it idle.
   */
  private get executes(): boolean {
    return this.executing ?? this.kernel?.status === 'busy';
  }

  /** Why there is something to show, or nothing; what a kernel that cannot be reached now has said is old. */
  get situation(): Situation {
    return this.known === 'live' && this.kernel?.connectionStatus !== 'connected' ? 'cut-off' : this.known;
  }

  /** Whether the notebook in front is known to be in another language. */
  private get foreign(): boolean {
    return !['', 'python'].includes((this.panel?.model?.defaultKernelLanguage ?? '').toLowerCase());
  }

  /** Ask a kernel again that did not answer. */
  askAgain(): void {
    this.unheard = 0;
    this.drop();
    this.ask(true);
  }

  /** Somebody looks at the panel: ask the kernel, if it has not been asked. */
  watch(): void {
    this.watched = true;
    if (!this.comm && this.situation !== 'not-loaded') {
      this.ask();
    }
  }

  /** Nobody looks any more: the kernel need not tell. */
  rest(): void {
    this.watched = false;
    if (this.comm) {
      this.drop();
      this.set('asking');
    }
  }

  /**
   * Ask the kernel, if nobody has, and wait shortly for what it says; a busy one may not be able to.
   *
   * @param free Wait as well until it is free again: to answer makes it busy for a moment.
   */
  async settled(free = true): Promise<void> {
    if (!this.comm && this.kernel) {
      this.ask(true);
    }
    await this.until(() => this.situation !== 'asking' && this.situation !== 'starting', this.executes ? BUSY_MS : PATIENCE_MS + 1000);
    if (free) {
      await this.until(() => !this.executes, MOMENT_MS);
    }
  }

  /** Ask the kernel to stop a run, and wait shortly until it says that it has heard; false where it has not. */
  async stop(run: string): Promise<boolean> {
    if (!this.comm || this.situation !== 'live') {
      return false;
    }
    this.comm.send({ stop: run });
    const heard = (): boolean => {
      const one = this.state?.runs.find(other => other.id === run);
      return !one || one.stopping || one.status !== 'running';
    };
    return this.until(heard, HEARD_MS);
  }

  /** Wait until something holds, at most so long; returns whether it does. */
  private until(holds: () => boolean, most: number): Promise<boolean> {
    return new Promise(resolve => {
      const end = (): void => {
        window.clearTimeout(timer);
        this._changed.disconnect(look);
        resolve(holds());
      };
      const look = (): void => {
        if (holds()) {
          end();
        }
      };
      const timer = window.setTimeout(end, most);
      this._changed.connect(look);
      look();
    });
  }

  private attach(panel: NotebookPanel | null): void {
    if (panel === this.panel && panel) {
      return;
    }
    this.session?.kernelChanged.disconnect(this.onKernel, this);
    this.session?.statusChanged.disconnect(this.onStatus, this);
    this.panel = panel;
    this.session = panel?.sessionContext ?? null;
    this.session?.kernelChanged.connect(this.onKernel, this);
    this.session?.statusChanged.connect(this.onStatus, this);
    this.use(this.session?.session?.kernel ?? null);
  }

  private onKernel(): void {
    this.use(this.session?.session?.kernel ?? null);
  }

  private onStatus(_: unknown, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.executing = null;
      this.process = null;
      this.unheard = 0;
      this.drop();
      this.set(status === 'dead' ? 'dead' : 'starting');
    } else if (this.situation === 'starting' && (status === 'idle' || status === 'busy')) {
      this.drop();
      this.ask();
    } else {
      this._changed.emit();
    }
  }

  private use(kernel: Kernel.IKernelConnection | null): void {
    this.drop();
    this.kernel?.iopubMessage.disconnect(this.onMessage, this);
    this.kernel?.connectionStatusChanged.disconnect(this.onConnection, this);
    this.kernel = kernel;
    this.executing = null;
    this.process = null;
    this.unheard = 0;
    this.informed = false;
    this.late = false;
    const introduced = (): void => this.introduced(kernel);
    kernel?.info.then(introduced, introduced);
    window.setTimeout(() => {
      if (kernel && kernel === this.kernel && !this.informed) {
        this.late = true;
        this._changed.emit();
      }
    }, PATIENCE_MS);
    kernel?.iopubMessage.connect(this.onMessage, this);
    kernel?.connectionStatusChanged.connect(this.onConnection, this);
    if (!this.session) {
      this.set('no-notebook');
    } else if (!kernel) {
      this.set(this.session.isReady ? 'no-kernel' : 'starting');
    } else if (kernel.status === 'unknown' || kernel.status === 'starting') {
      this.set('starting');
    } else {
      this.ask();
    }
  }

  private introduced(kernel: Kernel.IKernelConnection | null): void {
    if (kernel === this.kernel) {
      this.informed = true;
      this.late = false;
      this._changed.emit();
    }
  }

  /** The way to the kernel was lost, or is there again: what was said meanwhile may be lost, so it is asked. */
  private onConnection(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status === 'connected' && this.known === 'live') {
      this.comm?.send({ ask: 'state' });
    }
    this._changed.emit();
  }

  private onMessage(_: unknown, message: KernelMessage.IIOPubMessage): void {
    const parent = message.parent_header as Partial<KernelMessage.IHeader>;
    if (message.header.msg_type === 'status' && parent.msg_type && message.header.session !== parent.session) {
      const before = this.process;
      this.process = message.header.session;
      if (before !== null && before !== this.process) {
        this.replaced();
      }
    }
    if (message.header.msg_type === 'execute_input') {
      const { code } = message.content as KernelMessage.IExecuteInputMsg['content'];
      this.ours = this.ours || code.includes('murakkab');
    } else if (message.header.msg_type === 'status' && parent.msg_type === 'kernel_info_request') {
      const { execution_state } = message.content as KernelMessage.IStatusMsg['content'];
      if (execution_state === 'idle' && parent.session === this.kernel?.clientId && this.executing) {
        // What JupyterLab asks after each connection is answered between cells: the end of one was not heard.
        this.executing = false;
        this._changed.emit();
        this.ended();
      }
    } else if (message.header.msg_type === 'status' && parent.msg_type === 'execute_request') {
      const { execution_state } = message.content as KernelMessage.IStatusMsg['content'];
      this.executing = execution_state === 'busy';
      this._changed.emit();
      if (!this.executing) {
        this.ended();
      }
    }
  }

  /** A cell has ended; after one that names us the kernel may answer now. */
  private ended(): void {
    if (!this.ours) {
      return;
    }
    this.ours = false;
    if (this.unheard >= TRIES) {
      this.askAgain();
    } else if (!this.comm) {
      this.ask();
    } else if (this.known !== 'live') {
      this.again = true; // it has been asked, and will answer
    }
  }

  /** Another page has restarted the kernel: it keeps its id, and knows nothing of what answered before. */
  private replaced(): void {
    this.executing = null;
    this.unheard = 0;
    if (!this.heard && this.known !== 'silent' && this.known !== 'not-python') {
      return; // what is being opened may reach the new process
    }
    const { kernel } = this;
    this.drop(true);
    this.set('asking');
    // A comm that is made at once would be given the subshell of the one that goes, which the new process lacks too.
    window.setTimeout(() => {
      if (kernel === this.kernel && this.known === 'asking') {
        this.ask();
      }
    }, 0);
  }

  private ask(sure = false): void {
    const kernel = this.kernel;
    if (!kernel || this.comm) {
      return;
    }
    if (!this.watched && !sure) {
      this.set('asking');
      return;
    }
    this.set('asking');
    const comm = kernel.createComm(TARGET);
    this.comm = comm;
    this.told = false;
    this.again = false;
    const mine = (): boolean => this.comm === comm;
    comm.onMsg = message => {
      if (mine()) {
        this.state = readState(message.content.data);
        this.unheard = 0;
        this.heard = new Date();
        this.set(this.state ? 'live' : 'other-version');
      }
    };
    comm.onClose = () => {
      if (mine()) {
        this.comm = null;
        this.state = null;
        if (this.again) {
          this.ask(true);
        } else {
          this.set('not-loaded');
        }
      }
    };
    void opened(kernel, comm).then(() => {
      if (mine()) {
        this.told = true;
        comm.open({});
      }
    });
    this.patience(comm);
  }

  /**
   * A kernel that is free answers at once; what was sent while it restarted is lost, so it is asked again. One that
   * still says nothing is listened to, and what can be done is said.
   */
  private patience(comm: Kernel.IComm): void {
    window.setTimeout(() => {
      if (this.comm !== comm || this.situation !== 'asking') {
        return;
      }
      // A status of idle alone tells little: what another page is answered beside a cell makes the kernel idle too.
      if (this.kernel?.status === 'idle' && this.informed && !this.executes) {
        this.unheard += 1;
        if (this.unheard >= TRIES) {
          this.set(this.foreign ? 'not-python' : 'silent');
          return;
        }
        this.drop();
        this.ask(true);
      } else {
        this.patience(comm);
      }
    }, PATIENCE_MS);
  }

  /**
   * Let the comm go. The kernel is asked to close it: closed from here, its subshell would end before the kernel has
   * heard of it, and asyncio would complain ("Task was destroyed but it is pending!") in the output of some cell.
   *
   * @param lost Whether the kernel knows nothing of it: then there is nobody to close it.
   */
  private drop(lost = false): void {
    const comm = this.comm;
    this.comm = null;
    this.state = null;
    this.heard = null;
    if (comm && !comm.isDisposed) {
      const hears = this.kernel && !this.kernel.isDisposed && this.kernel.connectionStatus === 'connected' && !GONE.includes(this.kernel.status);
      if (hears && this.told && !lost) {
        comm.send({ bye: true });
      } else {
        comm.dispose();
      }
    }
  }

  private set(situation: Situation): void {
    this.known = situation;
    this._changed.emit();
  }
}
