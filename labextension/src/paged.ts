/** Long lists: some are shown at first, and how many of how many is said, with a way to see more. */

import { button, el } from './dom';
import { shownWords } from './results';

export interface Paged {
  /** What says how many are shown; stands below them. */
  bar: HTMLElement;
  /** Show those that are marked, wherever they stand in the list; all as before with null. */
  only: (hits: boolean[] | null) => void;
  /** Show one, and all before it. */
  reveal: (index: number) => void;
}

/**
 * Show the first of some elements.
 *
 * @param nodes What there is to show.
 * @param first How many of them at first, and more with each press.
 * @param leftOut How many there are besides, which are not here.
 * @param what What they are, in the plural.
 * @param elsewhere Where those that are left out are.
 */
export function shownAtFirst(nodes: HTMLElement[], first: number, leftOut: number, what: string, elsewhere: HTMLElement): Paged {
  let shown = Math.min(first, nodes.length);
  let hits: boolean[] | null = null;
  const said = el('span', { role: 'status' });
  const go = (to: number): void => {
    const next = nodes[shown];
    shown = Math.min(to, nodes.length);
    draw();
    next?.focus({ preventScroll: true });
  };
  const more = button({ class: 'jp-murakkab-button' }, () => go(shown + first));
  const all = button({ class: 'jp-murakkab-button' }, () => go(nodes.length));
  const bar = el('div', { class: 'jp-murakkab-shown', role: 'group', 'aria-label': `How many ${what} are shown` }, said, more, all, elsewhere);
  const draw = (): void => {
    nodes.forEach((node, index) => node.toggleAttribute('hidden', !(hits ? hits[index] : index < shown)));
    const words = shownWords(shown, nodes.length, leftOut);
    const left = nodes.length - shown;
    bar.hidden = !words || hits !== null;
    if (said.textContent !== words) {
      said.textContent = words;
    }
    more.textContent = `Show ${Math.min(first, left)} more`;
    more.hidden = !left;
    all.textContent = leftOut ? `Show all ${nodes.length} kept here` : `Show all ${nodes.length}`;
    all.hidden = left <= first;
    elsewhere.hidden = !leftOut;
  };
  draw();
  return {
    bar,
    only: marked => {
      hits = marked;
      draw();
    },
    reveal: index => {
      shown = Math.max(shown, index + 1);
      draw();
    }
  };
}
