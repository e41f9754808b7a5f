/** Results to explore: answers that lead to their evidence, cards with stills, and words to find among them. */

import { button, el } from './dom';
import type { Answer, Group, Item, Results, Value } from './results';
import { beginning, matches } from './results';

const AT_ONCE = 240;
/** From so many items on, one looks for words. */
const MANY = 4;
/** A value of at most so many characters stands in a row of a table. */
const ROW = 90;

const STILL = /^data:image\/jpeg;base64,[A-Za-z0-9+/=]+$/;

/** The stills in the HTML beside the data, by the item they show. Nothing of it runs or is fetched: it is only read. */
export function stills(html: unknown): Map<string, string> {
  const found = new Map<string, string>();
  if (typeof html !== 'string' || !html.includes('data-murakkab-still')) {
    return found;
  }
  const read = new DOMParser().parseFromString(html, 'text/html');
  read.querySelectorAll('img[data-murakkab-still]').forEach(one => {
    const source = one.getAttribute('src') ?? '';
    if (STILL.test(source)) {
      found.set(one.getAttribute('data-murakkab-still') ?? '', source);
    }
  });
  return found;
}

function words(value: Value): HTMLElement {
  if (value.failed) {
    return el('em', {}, 'failed, see below');
  }
  const short = beginning(value.text, AT_ONCE);
  const said = el('span', { class: 'jp-murakkab-value' }, short);
  if (short === value.text) {
    return said;
  }
  const more = button(
    { class: 'jp-murakkab-more', 'aria-expanded': 'false', 'aria-label': `All of ${value.name}` },
    () => {
      const open = more.getAttribute('aria-expanded') === 'true';
      more.setAttribute('aria-expanded', String(!open));
      more.textContent = open ? 'More' : 'Less';
      said.textContent = open ? short : value.text;
    },
    'More'
  );
  return el('span', {}, said, ' ', more);
}

function card(item: Item, still: string | undefined): HTMLElement {
  return el(
    'article',
    { class: 'jp-murakkab-card', 'aria-label': item.where || item.item, tabindex: '-1' },
    el('div', { class: 'jp-murakkab-card-head', title: item.item }, item.where || item.item),
    el(
      'div',
      { class: 'jp-murakkab-card-body' },
      still ? el('img', { class: 'jp-murakkab-still', src: still, alt: `A still of ${item.where}` }) : null,
      ...item.values.map(value =>
        el(
          'div',
          { class: 'jp-murakkab-field' },
          el('div', { class: 'jp-murakkab-detail' }, value.name),
          words(value)
        )
      )
    )
  );
}

/** Whether items say so little that a row each is enough. */
function brief(group: Group, pictures: Map<string, string>): boolean {
  return group.items.every(
    item => !pictures.has(item.item) && item.values.every(value => value.text.length <= ROW && !value.text.includes('\n'))
  );
}

function row(item: Item, names: string[]): HTMLElement {
  return el(
    'tr',
    { tabindex: '-1' },
    el('th', { scope: 'row', title: item.item }, item.where || item.item),
    ...names.map(name => {
      const value = item.values.find(one => one.name === name);
      return el('td', {}, value ? words(value) : '–');
    })
  );
}

function rows(group: Group, made: HTMLElement[], names: string[]): HTMLElement {
  return el(
    'div',
    { class: 'jp-murakkab-scroll jp-murakkab-long', tabindex: '0', role: 'group', 'aria-label': `Results at ${group.level}` },
    el(
      'table',
      { 'aria-label': `Results at ${group.level}` },
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, group.level), ...names.map(name => el('th', { scope: 'col' }, name)))),
      el('tbody', {}, ...made)
    )
  );
}

function answer(one: Answer, show: (at: [number, number]) => void): HTMLElement {
  return el(
    'div',
    { class: 'jp-murakkab-answer' },
    el('div', { class: 'jp-murakkab-detail' }, [one.step, one.where].filter(Boolean).join(' · ')),
    one.question ? el('div', { class: 'jp-murakkab-question' }, one.question) : null,
    el('div', { class: 'jp-murakkab-said-so' }, one.text),
    one.evidence.length
      ? el(
          'div',
          {},
          el('div', { class: 'jp-murakkab-detail' }, 'Evidence'),
          el(
            'ul',
            { class: 'jp-murakkab-evidence' },
            ...one.evidence.map(found => {
              const { at } = found;
              return el(
                'li',
                {},
                at
                  ? button({ class: 'jp-murakkab-link', title: 'Show where it was found' }, () => show(at), found.where)
                  : el('strong', {}, found.where),
                found.text ? el('span', { class: 'jp-murakkab-quote' }, ` “${found.text}”`) : null
              );
            })
          ),
          one.evidenceLeftOut ? el('div', { class: 'jp-murakkab-note' }, `and ${one.evidenceLeftOut} more`) : null
        )
      : el('div', { class: 'jp-murakkab-note' }, 'No evidence was given.')
  );
}

function things(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

/** Results as elements; `pictures` has a still by item. */
export function resultsView(results: Results, pictures: Map<string, string>): HTMLElement {
  const names = results.groups.map(group => [...new Set(group.items.flatMap(item => item.values.map(value => value.name)))]);
  const briefly = results.groups.map(group => brief(group, pictures));
  const cards: HTMLElement[][] = results.groups.map((group, g) =>
    group.items.map(item => (briefly[g] ? row(item, names[g] ?? []) : card(item, pictures.get(item.item))))
  );
  const all = results.groups.flatMap(group => group.items);
  const found = el('span', { class: 'jp-murakkab-found', role: 'status' });
  const box = el('input', {
    type: 'search',
    class: 'jp-murakkab-search',
    placeholder: 'Find in the results',
    'aria-label': 'Find in the results'
  });
  const find = (): void => {
    const wanted = box.value.trim();
    let seen = 0;
    results.groups.forEach((group, g) =>
      group.items.forEach((item, i) => {
        const shown = !wanted || matches(item, wanted);
        seen += Number(shown);
        cards[g]?.[i]?.toggleAttribute('hidden', !shown);
      })
    );
    found.textContent = wanted ? `${seen} of ${things(all.length, 'item')}` : '';
  };
  box.addEventListener('input', find);
  const show = ([g, i]: [number, number]): void => {
    const one = cards[g]?.[i];
    if (one) {
      one.hidden = false;
      one.scrollIntoView({ block: 'nearest' });
      one.focus();
    }
  };
  const group = (one: Group, index: number): HTMLElement =>
    el(
      'div',
      {},
      el('div', { class: 'jp-murakkab-level' }, `${one.level} (${one.items.length + one.leftOut})`),
      briefly[index]
        ? rows(one, cards[index] ?? [], names[index] ?? [])
        : el('div', { class: 'jp-murakkab-cards' }, ...(cards[index] ?? [])),
      one.leftOut ? el('div', { class: 'jp-murakkab-note' }, `${one.leftOut} more are in run.outputs and run.to_pandas().`) : null
    );
  const detail = [
    results.workflow,
    results.answers.length ? things(results.answers.length, 'answer') : '',
    ...results.groups.map(one => `${one.items.length + one.leftOut} in ${one.level}`),
    results.failures.length ? `${results.failures.length + results.failuresLeftOut} failed` : ''
  ];
  return el(
    'div',
    { class: 'jp-murakkab jp-murakkab-results', role: 'group', 'aria-label': `Results of ${results.workflow}` },
    el(
      'div',
      { class: 'jp-murakkab-heading' },
      el('strong', {}, results.title),
      el('span', {}, detail.filter(Boolean).join(' · '))
    ),
    ...results.answers.map(one => answer(one, show)),
    ...results.whole.map(one =>
      el('div', { class: 'jp-murakkab-answer' }, el('div', { class: 'jp-murakkab-detail' }, one.name), words(one))
    ),
    all.length >= MANY ? el('div', { class: 'jp-murakkab-find' }, box, found) : null,
    ...results.groups.map(group),
    !results.answers.length && !results.whole.length && !all.length
      ? el('div', { class: 'jp-murakkab-note' }, 'Nothing has been made yet.')
      : null,
    results.failures.length
      ? el(
          'div',
          { class: 'jp-murakkab-failures' },
          el('div', { class: 'jp-murakkab-level' }, `✗ ${things(results.failures.length + results.failuresLeftOut, 'item')} failed`),
          el(
            'ul',
            {},
            ...results.failures.map(one => el('li', {}, el('strong', {}, `${one.step}, ${one.item}: `), one.why))
          ),
          results.failuresLeftOut ? el('div', { class: 'jp-murakkab-note' }, `${results.failuresLeftOut} more failed.`) : null
        )
      : null
  );
}
