/** Plans, frontiers and runs, drawn from their sheets by the scripts of the kernel's own live views. */

import frontier from '../../murakkab_jupyter/notebook/views/js/frontier.js';
import { kit } from '../../murakkab_jupyter/notebook/views/js/kit.js';
import plan from '../../murakkab_jupyter/notebook/views/js/plan.js';
import run from '../../murakkab_jupyter/notebook/views/js/run.js';
import { el } from './dom';
import type { Kind, Sheet } from './sheets';

const SCRIPTS = { plan, frontier, run };

export interface Drawing {
  node: HTMLElement;
  /** Say something in the view. */
  said: (text: string) => void;
  /** To be called when it is no longer shown. */
  gone: () => void;
}

/**
 * Draw a sheet; null where its script cannot.
 *
 * @param act Called with what was done in the view.
 */
export function drawing(kind: Kind, sheet: Sheet, act: (message: Record<string, unknown>) => void = () => undefined): Drawing | null {
  const root = el('div', { class: `murakkab-live murakkab-live-${kind} jp-murakkab-${kind} tex2jax_ignore mathjax_ignore` });
  // Keys that a view understands are not the notebook's.
  root.addEventListener('keydown', event => {
    if (['Enter', ' '].includes(event.key)) {
      event.stopPropagation();
    }
  });
  try {
    const view = SCRIPTS[kind](kit, root, act);
    view.show(sheet);
    return { node: root, said: text => view.said?.(text), gone: () => view.gone?.() };
  } catch {
    // A sheet of another version: the HTML beside it says the same.
    return null;
  }
}
