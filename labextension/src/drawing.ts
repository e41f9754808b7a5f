/** Plans, frontiers, runs and results, drawn from what the kernel said by the scripts of its own live views. */

import frontier from '../../murakkab_jupyter/notebook/views/js/frontier.js';
import { kit } from '../../murakkab_jupyter/notebook/views/js/kit.js';
import plan from '../../murakkab_jupyter/notebook/views/js/plan.js';
import results from '../../murakkab_jupyter/notebook/views/js/results.js';
import run from '../../murakkab_jupyter/notebook/views/js/run.js';
import { el } from './dom';
import type { Kind } from './sheets';

const SCRIPTS = { plan, frontier, run, results };

export interface Drawing {
  node: HTMLElement;
  /** Say something in the view. */
  said: (text: string) => void;
  /** To be called when it is no longer shown. */
  gone: () => void;
}

/** What a view may need besides what it shows. */
export interface Around {
  /** Called with what was done in the view. */
  act?: (message: Record<string, unknown>) => void;
  /** Put a line into a cell below the one that holds a node; returns whether it could be done. */
  put?: (node: HTMLElement, line: string) => boolean;
  /** The static form, which holds the stills. */
  place?: ParentNode;
}

/** Draw what the kernel said of a plan, frontier, run or results; null where its script cannot. */
export function drawing(kind: Kind | 'results', said: unknown, { act = () => undefined, put, place }: Around = {}): Drawing | null {
  const root = el('div', { class: `murakkab-live murakkab-live-${kind} jp-murakkab-${kind} tex2jax_ignore mathjax_ignore` });
  // Keys that a view understands are not the notebook's.
  root.addEventListener('keydown', event => {
    if (['Enter', ' '].includes(event.key)) {
      event.stopPropagation();
    }
  });
  try {
    const view = SCRIPTS[kind]({ ...kit, put }, root, act, place);
    view.show(said);
    return { node: root, said: text => view.said?.(text), gone: () => view.gone?.() };
  } catch {
    // Of another version: the HTML beside it says the same.
    return null;
  }
}
