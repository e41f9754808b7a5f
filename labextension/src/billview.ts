/** The bill: what each step used, and below it what the plan said. */

import type { Bill } from './data';
import { el } from './dom';

export function billView(bill: Bill): HTMLElement {
  const kind = (at: number): string | null => (bill.columns[at]?.number ? 'jp-mod-number' : null);
  return el(
    'div',
    { class: 'jp-murakkab jp-murakkab-bill', role: 'group', 'aria-label': 'Bill' },
    el('div', { class: 'jp-murakkab-heading' }, el('strong', {}, 'Bill'), el('span', {}, bill.detail)),
    el(
      'div',
      { class: 'jp-murakkab-scroll', tabindex: '0', role: 'group', 'aria-label': 'Lines of the bill' },
      el(
        'table',
        { 'aria-label': 'Bill: one row a step, then idle and total' },
        el('thead', {}, el('tr', {}, ...bill.columns.map((one, at) => el('th', { scope: 'col', class: kind(at) }, one.title)))),
        el(
          'tbody',
          {},
          ...bill.rows.map((row, index) =>
            el(
              'tr',
              { class: index === bill.rows.length - 1 ? 'jp-murakkab-total' : null },
              ...row.map(([words, detail], at) =>
                el(
                  at ? 'td' : 'th',
                  { scope: at ? null : 'row', class: kind(at) },
                  words,
                  detail ? el('span', { class: 'jp-murakkab-detail' }, detail) : null
                )
              )
            )
          )
        )
      )
    ),
    ...bill.notes.map(one => el('div', { class: 'jp-murakkab-note' }, one))
  );
}
