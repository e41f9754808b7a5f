// A frontier: plans over two figures; a click or Enter on one takes it, and it says what it gives up.

const HIGH = 330;
const PAD = { left: 84, right: 24, top: 26, bottom: 44 };
const SIGN = 6.8; // about as wide is a sign of the picture's words
const DISC = 11; // radius: large enough to be hit with a finger
const MOVED = 4; // from so far on, a disc that had to make room has a line to where it should be

/** Discs that lie on each other are pushed apart; the same as the static picture's (spread.py). */
function spread(points, gap, low, high) {
  const places = points.map(point => [...point]);
  for (let round = 0; round < 80; round += 1) {
    let moved = false;
    for (let one = 0; one < places.length; one += 1) {
      for (let other = one + 1; other < places.length; other += 1) {
        const [a, b] = [places[one], places[other]];
        let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
        let apart = Math.hypot(dx, dy);
        if (apart >= gap - 0.01) continue;
        moved = true;
        const missing = apart < 1e-6 ? gap : gap - apart;
        if (apart < 1e-6) {
          const turn = other * Math.PI * (3 - Math.sqrt(5));
          [dx, dy, apart] = [Math.cos(turn), Math.sin(turn), 1];
        }
        [dx, dy].forEach((part, axis) => {
          a[axis] -= ((part / apart) * missing) / 2;
          b[axis] += ((part / apart) * missing) / 2;
        });
      }
    }
    for (const place of places) for (const axis of [0, 1]) place[axis] = Math.min(high[axis], Math.max(low[axis], place[axis]));
    if (!moved) break;
  }
  return places;
}

export default function frontier({ el, say, rove, origins }, root, act) {
  let wide = 720;
  let sheet = null;
  let x = '';
  let y = '';
  const head = el('div', { class: 'mk-head' });
  const across = el('select', { 'aria-label': 'Across', change: () => draw((x = across.value)) });
  const up = el('select', { 'aria-label': 'Up', change: () => draw((y = up.value)) });
  const plot = el('svg', { class: 'mk-plot', role: 'group' });
  const card = el('div', { class: 'mk-card' });
  const said = el('div', { class: 'mk-note', role: 'status' });
  /** How many plans the picture lacks, for as long as it does. */
  const unseen = el('div', { class: 'mk-note', role: 'status' });
  const headings = el('tr');
  const body = el('tbody');
  const foot = el('div');
  let points = [];
  root.setAttribute('role', 'group');
  root.append(
    head,
    el('div', { class: 'mk-head' }, el('label', {}, el('small', {}, 'Up '), up), el('label', {}, el('small', {}, 'Across '), across), el('span', { class: 'mk-quiet' }, 'A click, or Enter, takes a plan.')),
    plot,
    unseen,
    card,
    said,
    el('div', { class: 'mk-scroll', tabindex: '0', role: 'group', 'aria-label': 'The same plans as a table' }, el('table', { class: 'mk-plans', 'aria-label': 'Frontier: for each plan its figures, and where it differs' }, el('thead', {}, headings), body)),
    foot
  );

  // Drawn as wide as the page has room, so that words keep their size.
  const watch = new ResizeObserver(() => {
    const room = Math.max(360, Math.min(720, Math.floor(root.clientWidth)));
    if (root.clientWidth && room !== wide) {
      wide = room;
      if (sheet) draw();
    }
  });
  watch.observe(root);

  const take = point => {
    if (point.chosen) {
      say(said, `Plan ${point.number} is the chosen one already.`);
      return;
    }
    say(said, `Taking plan ${point.number}…`);
    act({ what: 'take', plan: point.number });
  };

  const choices = point =>
    sheet.changing.map((step, index) => el('span', { class: 'mk-choice' }, el('small', {}, `${step} `), point.choices[index].filter(Boolean).join(' ')));

  const words = point => sheet.columns.map(([key, title]) => `${title} ${point.texts[key]}`).join(', ');

  const tell = point => {
    for (const row of body.children) row.classList.toggle('mk-this', row.dataset.number === String(point?.number));
    for (const node of points) node.classList.toggle('mk-this', node.dataset.number === String(point?.number));
    const one = point ?? sheet.points.find(other => other.chosen) ?? sheet.points[0];
    if (!one) return;
    card.replaceChildren(
      el('div', {}, el('strong', {}, `Plan ${one.number}${one.chosen ? ', chosen' : ''}`), ` · ${one.gives}`),
      el('div', { class: 'mk-facts' }, ...sheet.columns.map(([key, title]) => el('span', { title: one.notes[key] }, el('small', {}, title), one.texts[key]))),
      origins(sheet.columns.map(([key, title]) => [title, one.notes[key]])),
      el('div', {}, ...choices(one))
    );
  };

  const draw = () => {
    plot.setAttribute('viewBox', `0 0 ${wide} ${HIGH}`);
    plot.style.width = `${wide}px`;
    const [ax, ay] = [sheet.axes[x], sheet.axes[y]];
    if (!ax || !ay) {
      plot.replaceChildren();
      say(unseen, '');
      return;
    }
    // The words of an axis stand beside each other and in the picture, however long they are.
    const start = Math.max(PAD.left, 12 + SIGN * Math.max(0, ...ay.ticks.map(([, text]) => text.length)));
    const right = wide - PAD.right;
    const bottom = HIGH - PAD.bottom;
    const px = value => start + ((right - start) * (value - ax.low)) / (ax.high - ax.low || 1);
    const py = value => bottom - ((bottom - PAD.top) * (value - ay.low)) / (ay.high - ay.low || 1);
    const made = [];
    let taken = 0;
    for (const [value, text] of ax.ticks) {
      made.push(el('line', { class: 'mk-grid', x1: px(value), x2: px(value), y1: PAD.top, y2: bottom }));
      const half = (SIGN * text.length) / 2;
      const middle = Math.min(px(value), wide - half);
      if (middle - half < taken) continue;
      taken = middle + half + SIGN;
      made.push(el('text', { x: middle, y: bottom + 17, 'text-anchor': 'middle' }, text));
    }
    for (const [value, text] of ay.ticks) {
      made.push(el('line', { class: 'mk-grid', x1: start, x2: right, y1: py(value), y2: py(value) }));
      made.push(el('text', { x: start - 10, y: py(value) + 4, 'text-anchor': 'end' }, text));
    }
    const better = key => (key === 'quality' ? 'more is better' : 'less is better');
    made.push(el('text', { x: right, y: HIGH - 6, 'text-anchor': 'end' }, `${ax.title} (${better(x)})`));
    made.push(el('text', { x: start, y: 12 }, `${ay.title} (${better(y)})`));
    const known = sheet.points.filter(point => point.values[x] !== null && point.values[y] !== null);
    const wanted = known.map(point => [px(point.values[x]), py(point.values[y])]);
    const places = spread(wanted, 2 * DISC + 2, [start + DISC, PAD.top + DISC], [right - DISC, bottom - DISC]);
    wanted.forEach(([x1, y1], index) => {
      const [x2, y2] = places[index];
      if (Math.hypot(x2 - x1, y2 - y1) <= MOVED) return;
      made.push(el('line', { class: 'mk-lead-line', x1, y1, x2, y2 }), el('circle', { class: 'mk-true', cx: x1, cy: y1, r: 2 }));
    });
    points = known.map((point, index) => {
      const [cx, cy] = places[index];
      const node = el(
        'g',
        {
          class: 'mk-point',
          role: 'button',
          tabindex: (known.some(one => one.chosen) ? point.chosen : index === 0) ? '0' : '-1',
          'aria-pressed': String(point.chosen),
          'aria-label': `Plan ${point.number}${point.chosen ? ', chosen' : ''}: ${words(point)}. ${point.gives}`,
          'data-murakkab': 'frontier-point',
          'data-number': point.number,
          click: () => take(point),
          pointerenter: () => tell(point),
          pointerleave: () => tell(null),
          focus: () => tell(point),
          keydown: event => {
            if (event.key === 'Enter' || event.key === ' ') {
              event.preventDefault();
              take(point);
            } else rove(points, event, index);
          }
        },
        el('circle', { cx, cy, r: DISC }),
        el('text', { x: cx, y: cy }, String(point.number))
      );
      return node;
    });
    const less = sheet.points.length - known.length;
    const left = less ? `${less} more ${less === 1 ? 'is' : 'are'} in the table: ${ax.title.toLowerCase()} or ${ay.title.toLowerCase()} is unknown.` : '';
    plot.setAttribute('aria-label', `Plans over ${ax.title.toLowerCase()} and ${ay.title.toLowerCase()}; arrow keys move among them`);
    plot.replaceChildren(...made, ...points);
    say(unseen, left);
  };

  return {
    show(data) {
      const again = document.activeElement;
      const number = root.contains(again) ? again.dataset.number : undefined;
      sheet = data;
      root.setAttribute('aria-label', `Frontier of ${sheet.name}`);
      if (!(x in sheet.axes)) x = sheet.x;
      if (!(y in sheet.axes)) y = sheet.y;
      const options = () => Object.entries(sheet.axes).map(([key, axis]) => el('option', { value: key }, axis.title));
      across.replaceChildren(...options());
      up.replaceChildren(...options());
      across.value = x;
      up.value = y;
      const many = sheet.points.length;
      head.replaceChildren(
        el('strong', {}, 'Frontier'),
        el('span', { class: 'mk-quiet' }, `${sheet.name} · ${many === 1 ? 'one plan' : `${many} plans; none is better than another in every respect`}`)
      );
      draw();
      tell(null);
      headings.replaceChildren(
        el('th', { scope: 'col' }, 'Plan'),
        el('th', { scope: 'col' }, 'Take'),
        ...sheet.columns.map(([, title]) => el('th', { scope: 'col', class: 'mk-num' }, title)),
      );
      body.replaceChildren(
        ...sheet.points.flatMap(point => {
          const look = { class: point.chosen ? 'mk-chosen' : null, 'data-number': point.number };
          const button = el('button', { class: 'mk-button', type: 'button', 'data-number': point.number, 'aria-label': `Take plan ${point.number}`, click: () => take(point) }, 'Take');
          // What it gives up and where it differs stand below its figures, as wide as these are together.
          const how = sheet.changing.length > 0 || point.gives;
          const rowspan = how ? 2 : null;
          const cells = [
            el('th', { scope: 'row', rowspan }, String(point.number)),
            el('td', { rowspan }, point.chosen ? '◆ chosen' : button),
            ...sheet.columns.map(([key]) => el('td', { class: 'mk-num', title: point.notes[key] }, point.texts[key]))
          ];
          return [
            el('tr', look, ...cells),
            ...(how ? [el('tr', { ...look, class: `mk-under ${look.class ?? ''}` }, el('td', { class: 'mk-wrap', colspan: sheet.columns.length }, point.gives && el('div', {}, point.gives), ...choices(point)))] : [])
          ];
        })
      );
      foot.replaceChildren(...[...sheet.cautions, sheet.same, sheet.coverage, sheet.note].filter(Boolean).map(text => el('div', { class: 'mk-note' }, text)));
      // Whoever took a plan by key is still at it.
      if (number) points.find(one => one.dataset.number === number)?.focus({ preventScroll: true });
    },
    said: text => say(said, text),
    lost: () => 'static',
    gone: () => watch.disconnect()
  };
}
