import { el } from './dom';

/** Labelled numbers in a row. */
export function pills(pairs: [string, string][]): HTMLElement {
  return el(
    'div',
    { class: 'jp-murakkab-pills' },
    ...pairs.map(([label, value]) =>
      el('span', { class: 'jp-murakkab-pill' }, el('span', {}, `${label} `), el('strong', {}, value))
    )
  );
}
