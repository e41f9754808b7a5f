/** Renderers of our MIME types in outputs; what they cannot read is left to the HTML beside it. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel, Widget } from '@lumino/widgets';
import { PLAN_TYPE, RUN_TYPE, readPlan, readRun } from './data';
import { RESULTS_TYPE, readResults } from './results';

interface Drawn {
  nodes: HTMLElement[];
  /** Whether they say all that the HTML says. */
  whole: boolean;
}

type Data = IRenderMime.IMimeModel['data'];
type Draw = (data: Data) => Promise<Drawn>;

class View extends Panel implements IRenderMime.IRenderer {
  constructor(
    private readonly registry: IRenderMimeRegistry,
    private readonly draw: Draw
  ) {
    super();
    this.addClass('jp-murakkab-output');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const { nodes, whole } = await this.draw(model.data);
    if (this.isDisposed) {
      return;
    }
    for (const child of [...this.widgets]) {
      child.dispose();
    }
    for (const node of nodes) {
      this.addWidget(new Widget({ node }));
    }
    if (!whole && model.data['text/html'] !== undefined) {
      // JupyterLab's own renderer, so that trust is handled as for any other HTML.
      const html = this.registry.createRenderer('text/html');
      html.node.classList.toggle('jp-murakkab-beside', nodes.length > 0);
      this.addWidget(html);
      await html.renderModel(model);
    }
  }
}

// The views come in scripts of their own, when the first of them is shown.

async function drawPlan(data: Data): Promise<Drawn> {
  const plan = readPlan(data[PLAN_TYPE]);
  return plan ? { nodes: [(await import('./planview')).planView(plan)], whole: true } : { nodes: [], whole: false };
}

async function drawResults(data: Data): Promise<Drawn> {
  const results = readResults(data[RESULTS_TYPE]);
  if (!results) {
    return { nodes: [], whole: false };
  }
  const view = await import('./resultsview');
  return { nodes: [view.resultsView(results, view.stills(data['text/html']))], whole: true };
}

/** A run, then what it made, then its bill; the HTML where the results cannot be read. */
async function drawRun(data: Data): Promise<Drawn> {
  const run = readRun(data[RUN_TYPE]);
  if (!run) {
    return { nodes: [], whole: false };
  }
  const shown = (await import('./runview')).runView(run);
  const results = await drawResults(data);
  if (!results.whole) {
    return { nodes: [shown], whole: false };
  }
  const bill = run.bill ? [(await import('./billview')).billView(run.bill)] : [];
  return { nodes: [shown, ...results.nodes, ...bill], whole: true };
}

/** Plans, runs and results, each by its type. */
export function factories(registry: IRenderMimeRegistry): IRenderMime.IRendererFactory[] {
  const make = (type: string, draw: Draw, defaultRank: number): IRenderMime.IRendererFactory => ({
    safe: true,
    mimeTypes: [type],
    defaultRank,
    createRenderer: () => new View(registry, draw)
  });
  // A run that carries its results is drawn as a run.
  return [make(PLAN_TYPE, drawPlan, 0), make(RUN_TYPE, drawRun, 0), make(RESULTS_TYPE, drawResults, 1)];
}
