/** Renderers of our MIME types in outputs; what they cannot read is left to the HTML beside it. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel, Widget } from '@lumino/widgets';
import { readBill } from './data';
import { el } from './dom';
import type { Drawing } from './drawing';
import { record, text } from './raw';
import type { Kind, Sheet } from './sheets';
import { FRONTIER_TYPE, PLAN_TYPE, RESULTS_TYPE, RUN_TYPE, readSheet, slotName } from './sheets';

/** What says all that the HTML says. */
interface Drawn {
  nodes: HTMLElement[];
  /** To be called when they are no longer shown. */
  gone?: () => void;
}

/** Take a plan of a frontier that no kernel answers for; returns what to say of it. */
export type Take = (node: HTMLElement, workflow: string, plan: number) => string;

/** Put a line into a cell below the one that holds a node; returns whether it could be done. */
export type Put = (node: HTMLElement, line: string) => boolean;

type Data = IRenderMime.IMimeModel['data'];
type Draw = (data: Data) => Promise<Drawn | null>;

class View extends Panel implements IRenderMime.IRenderer {
  private gone: (() => void) | undefined;

  constructor(
    private readonly registry: IRenderMimeRegistry,
    private readonly draw: Draw
  ) {
    super();
    this.addClass('jp-murakkab-output');
  }

  override dispose(): void {
    this.gone?.();
    this.gone = undefined;
    super.dispose();
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const drawn = await this.draw(model.data);
    if (this.isDisposed) {
      drawn?.gone?.();
      return;
    }
    this.gone?.();
    this.gone = drawn?.gone;
    for (const child of [...this.widgets]) {
      child.dispose();
    }
    for (const node of drawn?.nodes ?? []) {
      this.addWidget(new Widget({ node }));
    }
    if (!drawn && model.data['text/html'] !== undefined) {
      // JupyterLab's own renderer, so that trust is handled as for any other HTML.
      const html = this.registry.createRenderer('text/html');
      this.addWidget(html);
      await html.renderModel(model);
    }
  }
}

// The views come in scripts of their own, when the first of them is shown.

async function drawSheet(kind: Kind, sheet: Sheet | null, act?: (message: Record<string, unknown>) => string): Promise<Drawing | null> {
  if (!sheet) {
    return null;
  }
  const { drawing } = await import('./drawing');
  const drawn = drawing(kind, sheet, { act: message => drawn?.said(act?.(message) ?? '') });
  return drawn;
}

async function drawPlan(data: Data): Promise<Drawn | null> {
  const sheet = readSheet('plan', data[PLAN_TYPE]);
  const drawn = await drawSheet('plan', sheet);
  if (!sheet || !drawn) {
    return null;
  }
  drawn.node.append((await import('./figurestable')).figuresTable(sheet));
  return { nodes: [drawn.node], gone: drawn.gone };
}

/**
 * A frontier in the slot that the kernel named: where that kernel is still there it draws its own over it, which
 * takes plans at once. Where it is gone, this one stays.
 */
async function drawFrontier(data: Data, take: Take): Promise<Drawn | null> {
  const sheet = readSheet('frontier', data[FRONTIER_TYPE]);
  const slot = el('div', { class: 'murakkab-slot', 'data-murakkab-view': slotName(data['text/html']) || null });
  const drawn = await drawSheet('frontier', sheet, message => take(slot, text(sheet?.name), Number(message.plan)));
  if (!drawn) {
    return null;
  }
  slot.append(drawn.node);
  return { nodes: [slot], gone: drawn.gone };
}

/** What a run made; the stills are in the HTML beside it, which is only read: nothing of it runs or is fetched. */
async function drawResults(data: Data, put: Put): Promise<Drawn | null> {
  const { drawing } = await import('./drawing');
  const place = new DOMParser().parseFromString(text(data['text/html']), 'text/html');
  const drawn = drawing('results', data[RESULTS_TYPE], { put, place });
  return drawn && { nodes: [drawn.node], gone: drawn.gone };
}

/** What a run made, how it went, and its bill, in the order of the HTML. */
async function drawRun(data: Data, put: Put): Promise<Drawn | null> {
  const told = record(data[RUN_TYPE]);
  const results = await drawResults(data, put);
  const went = results && (await drawSheet('run', readSheet('run', told)));
  if (!went) {
    return null;
  }
  const bill = readBill(told.bill);
  const bills = bill ? [(await import('./billview')).billView(bill)] : [];
  return { nodes: [...results.nodes, went.node, ...bills], gone: went.gone };
}

/** Plans, frontiers, runs and results, each by its type. */
export function factories(registry: IRenderMimeRegistry, take: Take, put: Put): IRenderMime.IRendererFactory[] {
  const make = (type: string, draw: Draw, defaultRank: number): IRenderMime.IRendererFactory => ({
    safe: true,
    mimeTypes: [type],
    defaultRank,
    createRenderer: () => new View(registry, draw)
  });
  return [
    make(PLAN_TYPE, drawPlan, 0),
    make(FRONTIER_TYPE, data => drawFrontier(data, take), 0),
    // A run that carries its results is drawn as a run.
    make(RUN_TYPE, data => drawRun(data, put), 0),
    make(RESULTS_TYPE, data => drawResults(data, put), 1)
  ];
}
