import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { INotebookTracker } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { KernelLink } from '../src/link';

const US = 'this page';
const STATE = { format: 1, runs: [], workflows: [], cluster: { why: 'x', workers: [] }, own: [], power: [] };

class FakeComm {
  sent: object[] = [];
  isDisposed = false;
  opened = false;
  onMsg: (message: object) => void = () => undefined;
  onClose: (message: object) => void = () => undefined;
  open(): void {
    this.opened = true;
  }
  send(data: object): void {
    this.sent.push(data);
  }
  dispose(): void {
    this.isDisposed = true;
  }
  /** The kernel tells its state. */
  tell(): void {
    this.onMsg({ content: { data: STATE } });
  }
}

class FakeKernel {
  clientId = US;
  status = 'idle';
  connectionStatus = 'connected';
  isDisposed = false;
  supportsSubshells = false;
  info = Promise.resolve();
  comms: FakeComm[] = [];
  iopubMessage = new Signal<this, object>(this);
  connectionStatusChanged = new Signal<this, string>(this);
  createComm(): FakeComm {
    const comm = new FakeComm();
    this.comms.push(comm);
    return comm;
  }
  connection(status: string): void {
    this.connectionStatus = status;
    this.status = 'unknown';
    this.connectionStatusChanged.emit(status);
  }
  /** The kernel says that something asked by a page makes it busy, or is done. */
  says(state: string, of: string, process: string, page = US): void {
    this.status = state;
    this.iopubMessage.emit({
      header: { msg_type: 'status', session: process },
      parent_header: { msg_type: of, session: page },
      content: { execution_state: state }
    });
  }
  /** The kernel begins with a cell. */
  takes(code: string): void {
    this.iopubMessage.emit({ header: { msg_type: 'execute_input' }, parent_header: {}, content: { code } });
  }
  /** What JupyterLab asks after each connection is answered. */
  introduces(process: string): void {
    this.says('busy', 'kernel_info_request', process);
    this.says('idle', 'kernel_info_request', process);
  }
}

/** What waits its turn is done, the timers of 0 ms too; the patience of the link does not end. */
const turn = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 5));

interface Page {
  kernel: FakeKernel;
  link: KernelLink;
  comm: FakeComm;
  session: { statusChanged: Signal<object, string> };
  /** Let the patience of the link end, which by itself it does not. */
  wait: () => Promise<void>;
}

/** A page that has asked a kernel, which says what it is and nothing more. */
async function asked(): Promise<Page> {
  let held: (() => void)[] = [];
  const window = {
    setTimeout: (done: () => void, ms: number) => (ms ? held.push(done) : setTimeout(done, ms)),
    clearTimeout: () => undefined
  };
  Object.assign(globalThis, { window });
  const kernel = new FakeKernel();
  const context = { session: { kernel }, isReady: true };
  const sessionContext = Object.assign(context, {
    kernelChanged: new Signal<object, void>(context),
    statusChanged: new Signal<object, string>(context)
  });
  const tracker = { currentWidget: { sessionContext } };
  const given = Object.assign(tracker, { currentChanged: new Signal<object, null>(tracker) });
  const link = new KernelLink(given as unknown as INotebookTracker);
  link.watch();
  await turn();
  const [comm] = kernel.comms;
  assert.ok(comm?.opened);
  kernel.introduces('first');
  const wait = async (): Promise<void> => {
    const due = held;
    held = [];
    due.forEach(done => done());
    await turn();
  };
  return { kernel, link, comm, session: sessionContext, wait };
}

/** A page that has met a kernel and heard its state. */
async function met(): Promise<Page> {
  const page = await asked();
  page.comm.tell();
  assert.equal(page.link.situation, 'live');
  return page;
}

test('a connection that comes back to the same process keeps what was heard and asks for what was missed', async () => {
  const { kernel, link, comm } = await met();
  kernel.connection('connecting');
  assert.equal(link.situation, 'cut-off');
  assert.ok(link.state);
  kernel.connection('connected');
  kernel.introduces('first');
  await turn();
  assert.equal(link.situation, 'live');
  assert.deepEqual(comm.sent, [{ ask: 'state' }]);
  assert.equal(kernel.comms.length, 1);
});

test('a kernel that another page restarted meanwhile is asked anew, and what the old one said is gone', async () => {
  const { kernel, link, comm } = await met();
  kernel.connection('connecting');
  kernel.connection('connected');
  kernel.introduces('second');
  assert.equal(link.situation, 'asking');
  assert.equal(link.state, null);
  // The new process cannot close what it does not know: nobody waits for that.
  assert.ok(comm.isDisposed);
  assert.ok(!comm.sent.some(one => 'bye' in one));
  await turn();
  const [, second] = kernel.comms;
  assert.ok(second?.opened);
  second.onClose({});
  assert.equal(link.situation, 'not-loaded');
});

test('a restart by another page is seen without a lost connection, once', async () => {
  const { kernel, link } = await met();
  kernel.says('busy', 'kernel_info_request', 'second', 'another page');
  kernel.says('idle', 'kernel_info_request', 'second', 'another page');
  await turn();
  kernel.comms[1]?.tell();
  kernel.introduces('second');
  await turn();
  assert.equal(link.situation, 'live');
  assert.equal(kernel.comms.length, 2);
});

test('what is being opened while this page itself restarts the kernel is left alone', async () => {
  const { kernel, link, session } = await met();
  session.statusChanged.emit('restarting');
  kernel.says('idle', 'shutdown_request', 'first', 'the server');
  session.statusChanged.emit('idle');
  await turn();
  assert.ok(kernel.comms[1]?.opened);
  kernel.introduces('second');
  await turn();
  assert.equal(kernel.comms.length, 2);
  assert.equal(kernel.comms[1]?.isDisposed, false);
  kernel.comms[1]?.tell();
  assert.equal(link.situation, 'live');
});

test('a cell whose end was lost with the connection does not run for ever', async () => {
  const { kernel, link } = await met();
  kernel.says('busy', 'execute_request', 'first');
  assert.equal(link.busy, true);
  // What is answered beside the cell, or asked by another page, is no sign of its end.
  kernel.says('idle', 'comm_msg', 'first');
  kernel.says('idle', 'kernel_info_request', 'first', 'another page');
  assert.equal(link.busy, true);
  kernel.connection('connecting');
  kernel.connection('connected');
  assert.equal(link.busy, true);
  kernel.introduces('first');
  assert.equal(link.busy, false);
});

test('a cell that ran in a process that is gone does not run on', async () => {
  const { kernel, link } = await met();
  kernel.says('busy', 'execute_request', 'first');
  kernel.connection('connecting');
  kernel.connection('connected');
  kernel.introduces('second');
  assert.equal(link.busy, false);
});

test('a kernel that does not answer is asked anew when another page has restarted it', async () => {
  const { kernel, link, wait } = await asked();
  await wait();
  assert.equal(link.situation, 'asking');
  await wait();
  assert.equal(link.situation, 'silent');
  assert.equal(kernel.comms.length, 2);
  kernel.says('busy', 'kernel_info_request', 'second', 'another page');
  kernel.says('idle', 'kernel_info_request', 'second', 'another page');
  await turn();
  assert.equal(link.situation, 'asking');
  const [, silent, third] = kernel.comms;
  // The new process knows nothing of what the old one was asked.
  assert.deepEqual(silent?.sent, []);
  assert.ok(silent?.isDisposed);
  assert.ok(third?.opened);
  third.tell();
  assert.equal(link.situation, 'live');
});

test('after a cell that loads us and whose end was lost the kernel is asked', async () => {
  const { kernel, link, comm } = await asked();
  comm.onClose({});
  assert.equal(link.situation, 'not-loaded');
  kernel.says('busy', 'execute_request', 'first');
  kernel.takes('%load_ext murakkab_jupyter');
  kernel.connection('connecting');
  kernel.connection('connected');
  assert.equal(kernel.comms.length, 1);
  kernel.introduces('first');
  await turn();
  assert.ok(kernel.comms[1]?.opened);
  kernel.comms[1]?.tell();
  assert.equal(link.situation, 'live');
});
