// Results to explore: answers that lead to their evidence, cards with stills, and words to find among them.
// What the data has not is left out, whatever else it holds: a saved notebook may come from anybody.

const AT_ONCE = 240; // characters of a value at first
const ROW = 90; // a value of at most so many characters stands in a row of a table
const MANY_COLUMNS = 6; // in a table of so many, columns of long words keep room for some on a line, and it scrolls
const LONG_CELL = 24;
const MANY = 4; // from so many items on, one looks for words
const FIRST = { cards: 12, rows: 30, answers: 12, failures: 10, evidence: 6 };
const NAME = /^[\p{XID_Start}_]\p{XID_Continue}*$/u; // of Python
const STILL = /^data:image\/jpeg;base64,[A-Za-z0-9+/=]+$/;

// --- what is read: what is not as expected becomes the nearest nothing ---

const record = one => (typeof one === 'object' && one !== null && !Array.isArray(one) ? one : {});
const list = one => (Array.isArray(one) ? one : []);
const text = (one, otherwise = '') => (typeof one === 'string' ? one : otherwise);
const count = (one, otherwise = 0) => (typeof one === 'number' && Number.isFinite(one) ? one : otherwise);

function valueOf(one) {
  const raw = record(one);
  return { name: text(raw.name, '?'), text: text(raw.text), of: count(raw.of) || null, failed: raw.failed === true };
}

/** The variable of Python that holds the run: results that were kept before they told it have their workflow's name. */
const variableOf = raw => [text(raw.variable), text(raw.workflow)].find(one => NAME.test(one)) ?? 'murakkab_run';

/** Results, or null when this is none; `of` says how many characters a text has where these are not all. */
function read(data) {
  const raw = record(data);
  if (raw.format !== 1 || !Array.isArray(raw.groups) || !Array.isArray(raw.answers)) return null;
  const groups = raw.groups.map(record).map(group => ({
    level: text(group.level, '?'),
    leftOut: count(group.left_out),
    items: list(group.items).map(record).map(item => ({ item: text(item.item), where: text(item.where), values: list(item.values).map(valueOf) }))
  }));
  const evidence = one => {
    const [group, item] = list(one.at).map(at => count(at, -1));
    return { where: text(one.where), text: text(one.text), at: groups[group]?.items[item] ? [group, item] : null };
  };
  return {
    title: text(raw.title, 'Results'),
    workflow: text(raw.workflow) || 'this workflow',
    variable: variableOf(raw),
    answers: raw.answers.map(record).map(said => ({
      step: text(said.step),
      where: text(said.where),
      question: text(said.question),
      text: text(said.text),
      of: count(said.of) || null,
      evidence: list(said.evidence).map(record).map(evidence),
      evidenceLeftOut: count(said.evidence_left_out)
    })),
    answersLeftOut: count(raw.answers_left_out),
    whole: list(raw.whole).map(valueOf),
    groups,
    failures: list(raw.failures).map(record).map(one => ({ step: text(one.step, '?'), item: text(one.item), why: text(one.why) })),
    failuresLeftOut: count(raw.failures_left_out)
  };
}

// --- words ---

/** Whether what an item says holds every word that is looked for. */
function matches(item, wanted) {
  const said = [item.item, item.where, ...item.values.flatMap(one => [one.name, one.text])].join('\n').toLowerCase();
  return wanted.toLowerCase().split(/\s+/).every(word => said.includes(word));
}

/** Text cut where a word ends, when it is longer than one wants to see at once. */
function beginning(words, longest) {
  if (words.length <= longest * 1.25) return words;
  const part = words.slice(0, longest);
  const end = part.search(/\s+\S*$/);
  return `${(end > longest / 2 ? part.slice(0, end) : part).trimEnd()}…`;
}

/** The Python that gives all results of a run. */
const allOf = variable => `${variable}.to_pandas()`;

/** The Python that gives one step's values. */
const outputsOf = (variable, step) => `${variable}.outputs[${JSON.stringify(step)}]`;

/** How many of how many are shown; nothing where all are. */
const shownWords = (shown, kept, leftOut) =>
  shown < kept || leftOut ? `${shown.toLocaleString('en-US')} of ${(kept + leftOut).toLocaleString('en-US')} shown` : '';

const things = (number, one) => `${number} ${one}${number === 1 ? '' : 's'}`;

export const reading = { read, matches, beginning, allOf, outputsOf, shownWords };

/** `kit.put(node, line)` puts a line into a cell below a node, where that can be done. `place` holds the static form. */
export default function results({ el, say, put }, root, act, place) {
  const quiet = (...children) => el('div', { class: 'mk-quiet' }, ...children);
  const press = (attributes, click, ...children) => el('button', { type: 'button', ...attributes, click }, ...children);

  /** The stills of the static form, by the item they show: a saved notebook holds each once. */
  const stills = () => {
    const found = new Map();
    for (const one of place?.querySelectorAll('img[data-murakkab-still]') ?? []) {
      const source = one.getAttribute('src') ?? '';
      if (STILL.test(source)) found.set(one.getAttribute('data-murakkab-still'), source);
    }
    return found;
  };

  /**
   * Show the first of some elements: `bar` says how many and leads to more, `only` shows those that are marked, or all
   * as before with null, `reveal` shows one and all before it.
   */
  const paged = (nodes, first, leftOut, what, elsewhere) => {
    let shown = Math.min(first, nodes.length);
    let hits = null;
    const said = el('span', { role: 'status' });
    const go = to => {
      const next = nodes[shown];
      shown = Math.min(to, nodes.length);
      draw();
      next?.focus({ preventScroll: true });
    };
    const more = press({ class: 'mk-button' }, () => go(shown + first));
    const all = press({ class: 'mk-button' }, () => go(nodes.length));
    const bar = el('div', { class: 'mk-shown', role: 'group', 'aria-label': `How many ${what} are shown` }, said, more, all, elsewhere);
    const draw = () => {
      nodes.forEach((node, index) => node.toggleAttribute('hidden', !(hits ? hits[index] : index < shown)));
      const words = shownWords(shown, nodes.length, leftOut);
      const left = nodes.length - shown;
      bar.hidden = !words || hits !== null;
      say(said, words);
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
  };

  /** How much of a text is not in the notebook, and where it is: in a title where many stand beside each other. */
  const cut = (of, kept, all, brief) => {
    if (of === null) return null;
    const said = `${kept.toLocaleString('en-US')} of ${of.toLocaleString('en-US')} characters`;
    return brief ? el('div', { class: 'mk-quiet', title: `All of it: ${all}` }, said) : quiet(`${said}; all: `, el('code', {}, all));
  };

  /** A value; `where` says whose it is, for those who meet its button without seeing what stands around it. */
  const words = (value, where, variable, brief) => {
    if (value.failed) return el('em', {}, 'failed, see below');
    const short = beginning(value.text, AT_ONCE);
    const said = el('span', { class: 'mk-value', dir: 'auto' }, short);
    const rest = cut(value.of, value.text.length, outputsOf(variable, value.name), brief);
    if (short === value.text) return rest ? el('div', {}, said, rest) : said;
    rest?.toggleAttribute('hidden', true);
    const of = [value.name, where].filter(Boolean).join(', ');
    const toggle = () => {
      const open = more.getAttribute('aria-expanded') === 'true';
      const now = open ? 'More' : 'Less';
      more.setAttribute('aria-expanded', String(!open));
      more.setAttribute('aria-label', `${now} of ${of}`);
      more.textContent = now;
      said.textContent = open ? short : value.text;
      rest?.toggleAttribute('hidden', open);
    };
    const more = press({ class: 'mk-link', 'aria-expanded': 'false', 'aria-label': `More of ${of}` }, toggle, 'More');
    return el('div', {}, said, ' ', more, rest);
  };

  const card = (item, still, variable) =>
    el(
      'article',
      { class: 'mk-item', 'aria-label': item.where || item.item, tabindex: '-1' },
      el('div', { class: 'mk-item-head', title: item.item }, item.where || item.item),
      el(
        'div',
        { class: 'mk-item-body' },
        still ? el('img', { class: 'mk-still', src: still, alt: `A still of ${item.where}` }) : null,
        ...item.values.map(value => el('div', { class: 'mk-field' }, quiet(value.name), words(value, item.where || item.item, variable, true)))
      )
    );

  const row = (item, names, variable) =>
    el(
      'tr',
      { tabindex: '-1' },
      el('th', { scope: 'row', title: item.item }, item.where || item.item),
      ...names.map(name => {
        const value = item.values.find(one => one.name === name);
        return el('td', {}, value ? words(value, item.where || item.item, variable, true) : '–');
      })
    );

  /** Whether a column of a table of many has words enough to need room for some of them on a line. */
  const roomy = (group, name) => group.items.some(({ values }) => values.some(one => one.name === name && one.text.length > LONG_CELL));

  const rows = (group, made, names) =>
    el(
      'div',
      { class: 'mk-scroll', tabindex: '0', role: 'group', 'aria-label': `Results at ${group.level}` },
      el(
        'table',
        { class: 'mk-rows', 'aria-label': `Results at ${group.level}` },
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            el('th', { scope: 'col' }, group.level),
            ...names.map(name => el('th', { scope: 'col', class: names.length >= MANY_COLUMNS && roomy(group, name) ? 'mk-roomy' : null }, name))
          )
        ),
        el('tbody', {}, ...made)
      )
    );

  const answer = (one, variable, lead) => {
    const all = outputsOf(variable, one.step);
    const proofs = one.evidence.map(({ where, text: quote, at }) =>
      el(
        'li',
        { tabindex: '-1' },
        at ? press({ class: 'mk-link', title: 'Show where it was found' }, () => lead(at), where) : el('strong', {}, where),
        quote ? el('span', { class: 'mk-quiet' }, ` “${quote}”`) : null
      )
    );
    const { bar } = paged(proofs, FIRST.evidence, one.evidenceLeftOut, 'pieces of evidence', el('span', {}, 'All are in ', el('code', {}, all), '.'));
    return el(
      'div',
      { class: 'mk-answer', tabindex: '-1' },
      quiet([one.step, one.where].filter(Boolean).join(' · ')),
      one.question ? el('div', { class: 'mk-question', dir: 'auto' }, one.question) : null,
      el('div', { class: 'mk-answer-text', dir: 'auto' }, one.text),
      cut(one.of, one.text.length, all, false),
      ...(proofs.length ? [quiet('Evidence'), el('ul', { class: 'mk-evidence' }, ...proofs), bar] : [el('div', { class: 'mk-note' }, 'No evidence was given.')])
    );
  };

  const draw = found => {
    const { workflow, variable } = found;
    const pictures = stills();
    const names = found.groups.map(group => [...new Set(group.items.flatMap(item => item.values.map(value => value.name)))]);
    /** Whether items say so little that a row each is enough. */
    const brief = found.groups.map(group =>
      group.items.every(item => !pictures.has(item.item) && item.values.every(value => value.text.length <= ROW && !value.text.includes('\n')))
    );
    const made = found.groups.map((group, g) =>
      group.items.map(item => (brief[g] ? row(item, names[g], variable) : card(item, pictures.get(item.item), variable)))
    );
    /** Where what is left out is, with a way to it. */
    const elsewhere = () => {
      const line = allOf(variable);
      const where = el('span', {}, 'All are in ', el('code', {}, line), ' where it ran.');
      if (put) {
        const go = press({ class: 'mk-link', title: `Puts ${line} into a cell below this one` }, () => {
          if (put(go, line)) go.textContent = 'It is in the cell below.';
        }, 'Put that into a cell');
        where.append(' ', go);
      }
      return where;
    };
    const listed = found.groups.map((group, g) => paged(made[g], brief[g] ? FIRST.rows : FIRST.cards, group.leftOut, group.level, elsewhere()));
    const items = found.groups.flatMap(group => group.items);
    const lost = found.groups.reduce((sum, group) => sum + group.leftOut, 0);

    const told = el('span', { class: 'mk-quiet mk-hits', role: 'status' });
    const find = () => {
      const wanted = box.value.trim();
      let seen = 0;
      found.groups.forEach((group, g) => {
        const hits = group.items.map(item => matches(item, wanted));
        seen += hits.filter(Boolean).length;
        listed[g].only(wanted ? hits : null);
      });
      const kept = lost ? ` that ${items.length === 1 ? 'is' : 'are'} kept here` : '';
      say(told, wanted ? `${seen} of ${things(items.length, 'item')}${kept}` : '');
    };
    const box = el('input', { type: 'search', class: 'mk-search', placeholder: 'Find in these results', 'aria-label': 'Find in these results', input: find });
    const lead = ([g, i]) => {
      box.value = '';
      find();
      listed[g].reveal(i);
      made[g][i].scrollIntoView({ block: 'nearest' });
      made[g][i].focus();
    };

    const answers = found.answers.map(one => answer(one, variable, lead));
    const failures = found.failures.map(one => el('li', { tabindex: '-1' }, el('strong', {}, `${one.step}, ${one.item}: `), one.why));
    const failed = failures.length + found.failuresLeftOut;
    const errors = el('span', {}, 'All are in ', el('code', {}, `${variable}.errors`), '.');
    const detail = [
      workflow,
      answers.length ? things(answers.length + found.answersLeftOut, 'answer') : '',
      ...found.groups.map(one => `${(one.items.length + one.leftOut).toLocaleString('en-US')} in ${one.level}`),
      failures.length ? `${failed} failed` : ''
    ];
    const nothing = !answers.length && !found.whole.length && !items.length;
    root.setAttribute('role', 'group');
    root.setAttribute('aria-label', `Results of ${workflow}`);
    root.replaceChildren(
      el('div', { class: 'mk-head' }, el('strong', {}, found.title), el('span', { class: 'mk-quiet' }, detail.filter(Boolean).join(' · '))),
      ...answers,
      paged(answers, FIRST.answers, found.answersLeftOut, 'answers', elsewhere()).bar,
      ...found.whole.map(one => el('div', { class: 'mk-answer' }, quiet(one.name), words(one, '', variable, false))),
      ...(items.length >= MANY ? [el('div', { class: 'mk-find' }, box, told)] : []),
      ...found.groups.flatMap((group, g) => [
        el('div', { class: 'mk-title' }, `${group.level} (${(group.items.length + group.leftOut).toLocaleString('en-US')})`),
        brief[g] ? rows(group, made[g], names[g]) : el('div', { class: 'mk-cards' }, ...made[g]),
        listed[g].bar
      ]),
      ...(nothing ? [el('div', { class: 'mk-note' }, 'Nothing has been made yet.')] : []),
      ...(failures.length
        ? [
            el('div', { class: 'mk-title' }, `✕ ${things(failed, 'item')} failed`),
            el('ul', { class: 'mk-failures' }, ...failures),
            paged(failures, FIRST.failures, found.failuresLeftOut, 'failures', errors).bar
          ]
        : [])
    );
  };

  return {
    show(data) {
      const found = read(data);
      if (!found) throw new TypeError('These are no results.');
      draw(found);
    }
  };
}
