/** Results to explore: answers that lead to their evidence, cards with stills, and words to find among them. */

import { button, el } from './dom';
import { shownAtFirst } from './paged';
import type { Answer, Group, Item, Results, Value } from './results';
import { allOf, beginning, matches, outputsOf } from './results';

const AT_ONCE = 240;
/** So many of each are shown at first. */
const FIRST = { cards: 12, rows: 30, answers: 12, failures: 10, evidence: 6 };
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

/** How much of a text is not in the notebook, and where it is: in a title where many stand beside each other. */
function cut(of: number | null, kept: number, all: string, brief = false): HTMLElement | null {
  if (of === null) {
    return null;
  }
  const said = `${kept.toLocaleString('en-US')} of ${of.toLocaleString('en-US')} characters`;
  return brief
    ? el('span', { class: 'jp-murakkab-detail', title: `All of it: ${all}` }, said)
    : el('span', { class: 'jp-murakkab-detail' }, `${said}; all: `, el('code', {}, all));
}

function words(value: Value, workflow: string, brief = false): HTMLElement {
  if (value.failed) {
    return el('em', {}, 'failed, see below');
  }
  const short = beginning(value.text, AT_ONCE);
  const said = el('span', { class: 'jp-murakkab-value' }, short);
  const rest = cut(value.of, value.text.length, outputsOf(workflow, value.name), brief);
  if (short === value.text) {
    return rest ? el('span', {}, said, rest) : said;
  }
  rest?.toggleAttribute('hidden', true);
  const more = button(
    { class: 'jp-murakkab-more', 'aria-expanded': 'false', 'aria-label': `All of ${value.name}` },
    () => {
      const open = more.getAttribute('aria-expanded') === 'true';
      more.setAttribute('aria-expanded', String(!open));
      more.textContent = open ? 'More' : 'Less';
      said.textContent = open ? short : value.text;
      rest?.toggleAttribute('hidden', open);
    },
    'More'
  );
  return el('span', {}, said, ' ', more, rest);
}

function card(item: Item, still: string | undefined, workflow: string): HTMLElement {
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
          words(value, workflow, true)
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

function row(item: Item, names: string[], workflow: string): HTMLElement {
  return el(
    'tr',
    { tabindex: '-1' },
    el('th', { scope: 'row', title: item.item }, item.where || item.item),
    ...names.map(name => {
      const value = item.values.find(one => one.name === name);
      return el('td', {}, value ? words(value, workflow, true) : '–');
    })
  );
}

function rows(group: Group, made: HTMLElement[], names: string[]): HTMLElement {
  return el(
    'div',
    { class: 'jp-murakkab-scroll', tabindex: '0', role: 'group', 'aria-label': `Results at ${group.level}` },
    el(
      'table',
      { 'aria-label': `Results at ${group.level}` },
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, group.level), ...names.map(name => el('th', { scope: 'col' }, name)))),
      el('tbody', {}, ...made)
    )
  );
}

function answer(one: Answer, workflow: string, show: (at: [number, number]) => void): HTMLElement {
  const proofs = one.evidence.map(found => {
    const { at } = found;
    return el(
      'li',
      { tabindex: '-1' },
      at
        ? button({ class: 'jp-murakkab-link', title: 'Show where it was found' }, () => show(at), found.where)
        : el('strong', {}, found.where),
      found.text ? el('span', { class: 'jp-murakkab-quote' }, ` “${found.text}”`) : null
    );
  });
  const all = el('span', {}, 'All are in ', el('code', {}, outputsOf(workflow, one.step)), '.');
  const listed = shownAtFirst(proofs, FIRST.evidence, one.evidenceLeftOut, 'pieces of evidence', all);
  return el(
    'div',
    { class: 'jp-murakkab-answer', tabindex: '-1' },
    el('div', { class: 'jp-murakkab-detail' }, [one.step, one.where].filter(Boolean).join(' · ')),
    one.question ? el('div', { class: 'jp-murakkab-question' }, one.question) : null,
    el('div', { class: 'jp-murakkab-said-so' }, one.text),
    cut(one.of, one.text.length, outputsOf(workflow, one.step)),
    proofs.length
      ? el('div', {}, el('div', { class: 'jp-murakkab-detail' }, 'Evidence'), el('ul', { class: 'jp-murakkab-evidence' }, ...proofs), listed.bar)
      : el('div', { class: 'jp-murakkab-note' }, 'No evidence was given.')
  );
}

function things(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

/** Results as elements; `pictures` has a still by item, `put` puts a line into a cell below the one of a node. */
export function resultsView(results: Results, pictures: Map<string, string>, put: (node: HTMLElement, line: string) => boolean): HTMLElement {
  const { workflow } = results;
  const names = results.groups.map(group => [...new Set(group.items.flatMap(item => item.values.map(value => value.name)))]);
  const briefly = results.groups.map(group => brief(group, pictures));
  const cards: HTMLElement[][] = results.groups.map((group, g) =>
    group.items.map(item => (briefly[g] ? row(item, names[g] ?? [], workflow) : card(item, pictures.get(item.item), workflow)))
  );
  /** Where what is left out is, with a way to it. */
  const elsewhere = (): HTMLElement => {
    const line = allOf(workflow);
    const where = el('span', {}, 'All are in ', el('code', {}, line || 'run.to_pandas()'), ' where it ran.');
    if (line) {
      const go = button({ class: 'jp-murakkab-more', title: `Puts ${line} into a cell below this one` }, () => {
        if (put(go, line)) {
          go.textContent = 'It is in the cell below.';
        }
      }, 'Put that into a cell');
      where.append(' ', go);
    }
    return where;
  };
  const listed = results.groups.map((group, g) =>
    shownAtFirst(cards[g] ?? [], briefly[g] ? FIRST.rows : FIRST.cards, group.leftOut, group.level, elsewhere())
  );
  const all = results.groups.flatMap(group => group.items);
  const lost = results.groups.reduce((sum, group) => sum + group.leftOut, 0);
  const found = el('span', { class: 'jp-murakkab-found', role: 'status' });
  const box = el('input', {
    type: 'search',
    class: 'jp-murakkab-search',
    placeholder: 'Find in these results',
    'aria-label': 'Find in these results'
  });
  const find = (): void => {
    const wanted = box.value.trim();
    let seen = 0;
    results.groups.forEach((group, g) => {
      const hits = group.items.map(item => matches(item, wanted));
      seen += hits.filter(Boolean).length;
      listed[g]?.only(wanted ? hits : null);
    });
    found.textContent = wanted ? `${seen} of ${things(all.length, 'item')}${lost ? ` that ${all.length === 1 ? 'is' : 'are'} kept here` : ''}` : '';
  };
  box.addEventListener('input', find);
  const show = ([g, i]: [number, number]): void => {
    const one = cards[g]?.[i];
    if (one) {
      box.value = '';
      find();
      listed[g]?.reveal(i);
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
      listed[index]?.bar
    );
  const answers = results.answers.map(one => answer(one, workflow, show));
  const failures = results.failures.map(one => el('li', { tabindex: '-1' }, el('strong', {}, `${one.step}, ${one.item}: `), one.why));
  const detail = [
    workflow,
    answers.length ? things(answers.length + results.answersLeftOut, 'answer') : '',
    ...results.groups.map(one => `${one.items.length + one.leftOut} in ${one.level}`),
    failures.length ? `${failures.length + results.failuresLeftOut} failed` : ''
  ];
  return el(
    'div',
    { class: 'jp-murakkab jp-murakkab-results', role: 'group', 'aria-label': `Results of ${workflow}` },
    el(
      'div',
      { class: 'jp-murakkab-heading' },
      el('strong', {}, results.title),
      el('span', {}, detail.filter(Boolean).join(' · '))
    ),
    ...answers,
    shownAtFirst(answers, FIRST.answers, results.answersLeftOut, 'answers', elsewhere()).bar,
    ...results.whole.map(one =>
      el('div', { class: 'jp-murakkab-answer' }, el('div', { class: 'jp-murakkab-detail' }, one.name), words(one, workflow))
    ),
    all.length >= MANY ? el('div', { class: 'jp-murakkab-find' }, box, found) : null,
    ...results.groups.map(group),
    !answers.length && !results.whole.length && !all.length
      ? el('div', { class: 'jp-murakkab-note' }, 'Nothing has been made yet.')
      : null,
    failures.length
      ? el(
          'div',
          { class: 'jp-murakkab-failures' },
          el('div', { class: 'jp-murakkab-level' }, `✕ ${things(failures.length + results.failuresLeftOut, 'item')} failed`),
          el('ul', {}, ...failures),
          shownAtFirst(failures, FIRST.failures, results.failuresLeftOut, 'failures', el('span', {}, 'All are in ', el('code', {}, `${allOf(workflow) ? workflow : 'run'}.errors`), '.')).bar
        )
      : null
  );
}
