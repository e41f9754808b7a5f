/** Renderers of our MIME types in outputs; what they cannot read is left to the HTML beside it. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel, Widget } from '@lumino/widgets';
import { PLAN_TYPE, RUN_TYPE, readPlan, readRun } from './data';

type Draw = (data: unknown) => Promise<HTMLElement | null>;

class View extends Panel implements IRenderMime.IRenderer {
  constructor(
    private readonly registry: IRenderMimeRegistry,
    private readonly type: string,
    private readonly draw: Draw,
    private readonly both: boolean
  ) {
    super();
    this.addClass('jp-murakkab-output');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const drawn = await this.draw(model.data[this.type]);
    if (this.isDisposed) {
      return;
    }
    for (const child of [...this.widgets]) {
      child.dispose();
    }
    if (drawn) {
      this.addWidget(new Widget({ node: drawn }));
    }
    if ((this.both || !drawn) && model.data['text/html'] !== undefined) {
      // JupyterLab's own renderer, so that trust is handled as for any other HTML.
      const html = this.registry.createRenderer('text/html');
      this.addWidget(html);
      await html.renderModel(model);
    }
  }
}

// The views come in scripts of their own, when the first plan or run is shown.

async function drawPlan(data: unknown): Promise<HTMLElement | null> {
  const plan = readPlan(data);
  return plan && (await import('./planview')).planView(plan);
}

async function drawRun(data: unknown): Promise<HTMLElement | null> {
  const run = readRun(data);
  return run && (await import('./runview')).runView(run);
}

/** The plan by itself; the run above its results and bill, which the HTML shows already. */
export function factories(registry: IRenderMimeRegistry): IRenderMime.IRendererFactory[] {
  const make = (type: string, draw: Draw, both: boolean): IRenderMime.IRendererFactory => ({
    safe: true,
    mimeTypes: [type],
    defaultRank: 0,
    createRenderer: () => new View(registry, type, draw, both)
  });
  return [
    make(PLAN_TYPE, drawPlan, false),
    make(RUN_TYPE, drawRun, true)
  ];
}
