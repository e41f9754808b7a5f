// A plan: what waits for what on a time axis, and each step's choice, prediction and second choice on demand.

const COLOURS = 8;
const MOST = 3; // remarks that are not folded away
let count = 0;

export default function plan({ el, say, origins }, root) {
  const head = el('div', { class: 'mk-head' });
  const pills = el('div', { class: 'mk-pills', role: 'list', 'aria-label': 'What the whole plan takes' });
  const graph = el('div', { class: 'mk-graph', role: 'group' });
  const foot = el('div');
  root.setAttribute('role', 'group');
  root.append(head, pills, graph, foot);
  const watch = new ResizeObserver(() => arrows());
  watch.observe(graph);
  let rows = new Map();
  let sheet = null;
  let edges = null;

  /** What a step takes stands beside its times where there is room for it; times without room end where the axis does. */
  const fit = ({ time, brief, side }, room) => {
    time.style.cssText = side;
    if (brief) {
      brief.hidden = false;
      brief.hidden = time.offsetWidth > room;
    }
    const tight = time.offsetWidth > room;
    time.classList.toggle('mk-tight', tight);
    if (tight) time.style.cssText = side.startsWith('right') ? 'left:0' : 'right:0';
  };

  /** Arrows from where a step begins to give to where the one that takes from it begins. */
  const arrows = () => {
    if (!sheet || !edges) return;
    const page = graph.getBoundingClientRect();
    if (!page.width) return;
    for (const { node, fit } of rows.values()) fit(node.parentElement.clientWidth);
    const made = [];
    for (const step of sheet.steps) {
      for (const source of step.after) {
        const from = rows.get(source)?.node.getBoundingClientRect();
        const to = rows.get(step.name)?.node.getBoundingClientRect();
        if (!from || !to) continue;
        const down = to.top > from.top;
        const x2 = to.left - page.left + Math.min(5, to.width / 2);
        const x1 = Math.max(from.left - page.left + 3, Math.min(from.right - page.left - 2, x2 - 9));
        const y1 = (down ? from.bottom : from.top) - page.top;
        const y2 = (down ? to.top : to.bottom) - page.top;
        const turn = down ? y2 - 6 : y2 + 6;
        made.push(
          el('path', {
            class: 'mk-edge',
            'data-from': source,
            'data-to': step.name,
            d: `M${x1} ${y1}V${turn}H${x2}V${y2}M${x2 - 3} ${down ? y2 - 4 : y2 + 4}L${x2} ${y2}L${x2 + 3} ${down ? y2 - 4 : y2 + 4}`
          })
        );
      }
    }
    edges.replaceChildren(...made);
    point(pointed);
  };

  let pointed = null;
  const point = name => {
    pointed = name;
    graph.classList.toggle('mk-pointing', name !== null);
    for (const edge of edges.children) edge.classList.toggle('mk-this', edge.dataset.from === name || edge.dataset.to === name);
  };

  const remarks = some => some.map(remark => el('div', { class: 'mk-note' }, `• ${remark}`));

  // A plan that was taken from a frontier, or is the nearest to a limit, was not compared with second choices.
  const compared = () => sheet.steps.some(step => step.second);

  const facts = pairs => el('div', { class: 'mk-facts' }, ...pairs.map(([label, text, title]) => el('span', { title }, el('small', {}, label), text)));

  const detail = step => {
    const lines = [
      facts([
        ['Does', [step.agent, step.options].filter(Boolean).join(' '), null],
        ['on', `${step.place}, ${step.batch}`, null],
        ['for', step.items, null],
        ['after', step.after.join(', ') || 'nothing: at once', null]
      ]),
      facts(step.facts),
      origins(step.facts.map(([label, , origin]) => [label, origin]))
    ];
    if (step.second) {
      const other = step.second;
      lines.push(
        el(
          'div',
          {},
          el('small', {}, 'Second choice '),
          el('strong', {}, [other.agent, other.options].filter(Boolean).join(' ')),
          ` on ${other.place}, ${other.batch}: ${other.reason}`
        )
      );
    } else if (compared()) {
      lines.push(el('small', {}, 'There was no other choice.'));
    }
    return lines;
  };

  const row = (step, index) => {
    const tint = `--mk-colour:var(--mk-${index % COLOURS})`;
    const id = `mk-plan-${(count += 1)}`;
    const [start, end] = step.span ?? [0, sheet.end_s || 1];
    const whole = sheet.end_s || 1;
    const left = (100 * start) / whole;
    const wide = Math.max(0.5, (100 * (end - start)) / whole);
    const node = el('div', { class: `mk-node${step.prior ? ' mk-prior' : ''}`, style: `${tint};left:min(${left}%, 100% - 6px);width:${wide}%` });
    // Words stand where there is most room: right of the bar, left of it, or on it.
    const rooms = [
      [100 - left - wide, `left:calc(${left + wide}% + 2px)`],
      [left, `right:calc(${100 - left}% + 2px)`],
      [wide, `left:${left}%`]
    ];
    const [room, side] = rooms.reduce((best, one) => (one[0] > best[0] ? one : best));
    const brief = step.time ? el('span', { class: 'mk-quiet' }, ` · ${step.brief}`) : null;
    const time = el(
      'span',
      { class: `mk-node-time${side === rooms[2][1] ? '' : ' mk-beside'}`, style: side, title: step.time || null },
      step.time || 'time unknown',
      brief
    );
    const more = el('div', { id, class: 'mk-detail', style: tint, hidden: true });
    const what = el(
      'button',
      {
        class: 'mk-what',
        type: 'button',
        'aria-expanded': 'false',
        'aria-controls': id,
        'data-step': step.name,
        title: 'What it takes, and its second choice',
        click: () => {
          more.hidden = !more.hidden;
          if (!more.hasChildNodes()) more.append(...detail(step));
          what.setAttribute('aria-expanded', String(!more.hidden));
          arrows();
        }
      },
      el('span', {}, el('strong', {}, step.name), step.second || !compared() ? '' : el('small', {}, ' only choice')),
      el('span', { class: 'mk-quiet' }, `${step.agent} · ${step.place}`)
    );
    const line = el(
      'div',
      {
        class: 'mk-row',
        pointerenter: () => point(step.name),
        pointerleave: () => point(null),
        focusin: () => point(step.name),
        focusout: () => point(null)
      },
      what,
      el('div', { class: 'mk-track' }, node, time)
    );
    rows.set(step.name, { node, fit: track => fit({ time, brief, side }, (room / 100) * track - 2) });
    return [line, more];
  };

  return {
    show(data) {
      sheet = data;
      rows = new Map();
      root.setAttribute('aria-label', `Plan of ${sheet.name}`);
      graph.setAttribute('aria-label', `Steps of ${sheet.name} on a time axis`);
      head.replaceChildren(el('strong', {}, sheet.title), el('span', { class: 'mk-quiet' }, `${sheet.name} · ${sheet.goal}`));
      pills.replaceChildren(
        ...sheet.totals.map(([label, text, prior, title]) =>
          el('span', { class: `mk-pill${prior ? ' mk-prior' : ''}`, role: 'listitem', title }, el('small', {}, `${label} `), el('strong', {}, text))
        )
      );
      edges = el('svg', { 'aria-hidden': 'true' });
      graph.replaceChildren(
        edges,
        ...sheet.steps.flatMap(row),
        el('div', { class: 'mk-row', 'aria-hidden': 'true' }, el('span'), el('div', { class: 'mk-axis' }, el('span', {}, '0 s'), el('span', {}, sheet.end_s ? sheet.end : '')))
      );
      foot.replaceChildren(
        ...remarks(sheet.remarks.slice(0, MOST)),
        sheet.remarks.length > MOST
          ? el('details', { class: 'mk-note' }, el('summary', {}, sheet.remarks.length === MOST + 1 ? '1 more remark' : `${sheet.remarks.length - MOST} more remarks`), ...remarks(sheet.remarks.slice(MOST)))
          : '',
        sheet.note ? el('div', { class: 'mk-note' }, `${sheet.note}${sheet.totals.some(one => one[2]) ? ' · dashed: a prior' : ''}`) : ''
      );
      arrows();
    },
    moved: () => arrows(),
    gone: () => watch.disconnect()
  };
}
