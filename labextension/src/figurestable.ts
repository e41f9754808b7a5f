/** Every figure of a plan in a table: what the picture says on demand, at once. */

import { el } from './dom';
import { list, record, text } from './raw';
import type { Sheet } from './sheets';

export function figuresTable(sheet: Sheet): HTMLElement {
  const steps = list(sheet.steps).map(record);
  const titles = list(record(steps[0]).facts).map(one => text(list(one)[0]));
  const cell = (fact: unknown): HTMLElement => {
    const [, words, origin] = list(fact).map(one => text(one));
    return el('td', { class: 'mk-num', title: origin || null }, words ?? '');
  };
  const name = text(sheet.name);
  return el(
    'details',
    { class: 'jp-murakkab-figures' },
    el('summary', {}, 'All figures in a table'),
    el(
      'div',
      { class: 'mk-scroll', tabindex: '0', role: 'group', 'aria-label': 'Figures of each step' },
      el(
        'table',
        { 'aria-label': `Plan of ${name}: one row a step` },
        el('thead', {}, el('tr', {}, ...['Step', 'Agent', 'Runs on', 'Items'].map(one => el('th', { scope: 'col' }, one)), ...titles.map(one => el('th', { scope: 'col', class: 'mk-num' }, one)))),
        el(
          'tbody',
          {},
          ...steps.map(step =>
            el(
              'tr',
              {},
              el('th', { scope: 'row' }, text(step.name)),
              el('td', {}, text(step.agent), el('small', {}, text(step.options))),
              el('td', {}, text(step.place), el('small', {}, text(step.batch))),
              el('td', {}, text(step.items)),
              ...list(step.facts).map(cell)
            )
          )
        )
      )
    )
  );
}
