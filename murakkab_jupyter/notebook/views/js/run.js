// A run under way: steps, what was used against the plan, lanes by worker slot, what happened, and a stop button.

const COLOURS = 8;
const colour = step => (step < 0 ? 'var(--mk-7)' : `var(--mk-${step % COLOURS})`);

export default function run({ el, say, each, rove }, root, act) {
  const name = el('strong');
  const detail = el('span', { class: 'mk-quiet' });
  const spoken = el('span', { class: 'mk-hidden', role: 'status' });
  const stop = el(
    'button',
    {
      class: 'mk-button',
      type: 'button',
      'data-murakkab': 'stop',
      title: 'Stop the run: what is finished is kept',
      click: () => {
        stop.disabled = true;
        say(stop, '■ Stopping…');
        act({ what: 'stop' });
        waiting = setTimeout(() => {
          say(answer, 'The kernel has not answered: it will when its cell ends. The notebook’s own stop button (■) stops the run at once.');
        }, 2500);
      }
    },
    '■ Stop'
  );
  let waiting = 0;
  const answer = el('div', { class: 'mk-note', role: 'status' });
  const plan = el('div', { class: 'mk-note' });
  const why = el('div', { class: 'mk-why', hidden: true });
  const steps = el('tbody');
  const spent = el('tbody');
  const sofar = el('th', { class: 'mk-num', scope: 'col' }, 'So far');
  const planned = el('th', { class: 'mk-num', scope: 'col' }, 'Plan for all');
  const marks = el('ul', { class: 'mk-marks', tabindex: '0', 'aria-label': 'What happened' });
  const unmarked = el('div', { class: 'mk-note' });
  const marked = el('div', { hidden: true }, el('div', { class: 'mk-title' }, 'What happened'), marks, unmarked);
  const quiet = 'Point at a bar or a mark, or move there with Tab and the arrow keys, to see what it was.';
  const said = el('div', { class: 'mk-said' }, quiet);
  const latest = el('tbody');
  const came = el(
    'div',
    { hidden: true },
    el('div', { class: 'mk-title' }, 'Latest values'),
    el('table', { class: 'mk-latest', 'aria-label': 'The value of each step that came last' }, latest)
  );
  const lanes = el('div', { class: 'mk-lanes', role: 'group', 'aria-label': 'What ran when, by worker slot' });
  const keys = el('div', { class: 'mk-keys' });
  const more = el('div', { class: 'mk-note' });
  const when = el('div', { class: 'mk-title' });
  const timeline = el('div', { hidden: true }, when, lanes, more, keys, said);
  const note = el('div', { class: 'mk-note' });

  root.setAttribute('role', 'group');
  root.append(
    el('div', { class: 'mk-head' }, name, detail, el('span', { class: 'mk-grow' }), stop, spoken),
    answer,
    why,
    plan,
    el(
      'div',
      { class: 'mk-scroll', tabindex: '0', role: 'group', 'aria-label': 'Steps' },
      el('table', { class: 'mk-steps', 'aria-label': 'Progress of each step' }, steps)
    ),
    el(
      'div',
      { class: 'mk-columns' },
      el(
        'div',
        {},
        el('div', { class: 'mk-title' }, 'Used, beside the plan'),
        el(
          'div',
          { class: 'mk-scroll', tabindex: '0', role: 'group', 'aria-label': 'Used, beside the plan' },
          el(
            'table',
            { 'aria-label': 'What was used so far, beside the plan' },
            el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'What'), sofar, planned, el('th', { scope: 'col' }, 'How it was got'))),
            spent
          )
        )
      ),
      marked
    ),
    came,
    timeline,
    note
  );

  const point = (step, words) => {
    lanes.classList.toggle('mk-pointing', step !== null);
    for (const bar of lanes.querySelectorAll('.mk-bar')) bar.classList.toggle('mk-this', bar.dataset.step === String(step));
    say(said, words);
  };
  const pointing = node => {
    const on = () => point(node.dataset.step ?? null, node.getAttribute('aria-label'));
    const off = () => point(null, quiet);
    for (const kind of ['pointerenter', 'focus']) node.addEventListener(kind, on);
    for (const kind of ['pointerleave', 'blur']) node.addEventListener(kind, off);
    return node;
  };

  const meter = () => el('div', { class: 'mk-meter', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 }, el('span'));
  const fill = (node, share, label, tint) => {
    node.firstChild.style.width = `${(100 * Math.min(1, share)).toFixed(1)}%`;
    node.style.setProperty('--mk-colour', tint);
    node.setAttribute('aria-valuenow', Math.round(100 * share));
    node.setAttribute('aria-label', label);
  };

  const stepRow = () =>
    el('tr', {}, el('th', { scope: 'row' }), el('td', { class: 'mk-wide' }, meter()), el('td'), el('td'), el('td', { class: 'mk-quiet' }));
  const showStep = (row, step, index) => {
    const [head, bar, state, count, left] = row.children;
    row.dataset.step = index;
    say(head, step.name);
    head.title = [step.name, step.agent].filter(Boolean).join(': ');
    fill(bar.firstChild, step.share, `${step.name}: ${step.count}`, colour(index));
    say(state, `${step.icon} ${step.state}`);
    say(count, step.count);
    say(left, step.left);
  };

  const spentRow = () => el('tr', {}, el('th', { scope: 'row' }), el('td', { class: 'mk-num' }), el('td', { class: 'mk-num mk-band' }), el('td', { class: 'mk-quiet' }));
  const showSpent = (row, one) => {
    // Where there is little room, a line ends before a band, and not within a figure.
    const plan = one.plan.replace(/ (?!\()/g, '\u00a0').replace('\u00a0to\u00a0', ' to\u00a0');
    [one.what, one.used, plan, one.how].forEach((words, index) => say(row.children[index], words));
  };

  const showMark = (row, mark) => {
    [mark.icon, mark.at, mark.text].forEach((words, index) => say(row.children[index], words));
    row.children[0].title = mark.word;
  };

  let drawn = '';
  const tracks = [];
  const flags = el('div', { class: 'mk-track mk-plain', role: 'group', 'aria-label': 'What happened, on the time line' });
  const axis = el('div', { class: 'mk-axis' }, el('span', {}, '0 s'), el('span'));
  // The plan's end stands below the axis, behind a space that gives way where there is no room for both.
  const ends = el('div', { class: 'mk-at' }, el('span'), el('span'));

  const showLanes = sheet => {
    timeline.hidden = !sheet.bars.length;
    const at = seconds => `${Math.max(0, (100 * Math.min(seconds, sheet.end_s)) / sheet.end_s).toFixed(2)}%`;
    const layout = JSON.stringify(sheet.lanes);
    if (layout !== drawn) {
      drawn = layout;
      tracks.length = 0;
      lanes.replaceChildren(el('span'), el('span'), el('div', {}, flags));
      let last = '';
      for (const lane of sheet.lanes) {
        const bars = el('div', { class: 'mk-bars' });
        const ticks = el('div');
        lanes.append(
          el('span', { class: 'mk-lane-name', title: lane.title.includes(lane.worker) ? lane.title : `${lane.worker}, ${lane.title}` }, lane.title === last ? '' : lane.worker),
          el('span', { class: 'mk-quiet' }, `slot ${lane.slot}`),
          el('div', { class: 'mk-track' }, bars, ticks)
        );
        last = lane.title;
        tracks.push({ bars, ticks });
      }
      lanes.append(el('span'), el('span'), el('div', { 'aria-hidden': 'true' }, axis, ends));
    }
    tracks.forEach(({ bars, ticks }, number) => {
      const mine = sheet.bars.filter(bar => bar[0] === number);
      each(
        bars,
        mine,
        (bar, index) => {
          const node = pointing(el('button', { class: 'mk-bar', type: 'button', tabindex: index ? '-1' : '0' }));
          node.addEventListener('keydown', event => rove([...bars.children], event, [...bars.children].indexOf(node)));
          return node;
        },
        (node, [, step, start, end, words, state]) => {
          node.style.left = `min(${at(start)}, 100% - 3px)`;
          node.style.width = `${((100 * Math.max(0, Math.min(end, sheet.end_s) - start)) / sheet.end_s).toFixed(2)}%`;
          node.style.setProperty('--mk-colour', colour(step));
          node.dataset.step = step;
          node.classList.toggle('mk-wasted', (state & 1) > 0);
          node.classList.toggle('mk-failed', (state & 2) > 0);
          if (node.getAttribute('aria-label') !== words) node.setAttribute('aria-label', words);
        }
      );
      const lines = sheet.marks.filter(mark => mark.kind !== 'notice').map(mark => ['mk-tick', mark.at_s]);
      if (sheet.plan_s !== null) lines.push(['mk-tick mk-plan-end', sheet.plan_s]);
      each(ticks, lines, () => el('span'), (node, [kind, seconds]) => {
        node.className = kind;
        node.style.left = `min(${at(seconds)}, 100% - 2px)`;
      });
    });
    each(
      flags,
      sheet.marks,
      (mark, index) => {
        const node = pointing(el('button', { class: 'mk-flag', type: 'button', tabindex: index ? '-1' : '0' }));
        node.addEventListener('keydown', event => rove([...flags.children], event, [...flags.children].indexOf(node)));
        return node;
      },
      (node, mark) => {
        say(node, mark.icon);
        node.style.left = `clamp(9px, ${at(mark.at_s)}, 100% - 9px)`;
        node.setAttribute('aria-label', `${mark.at}: ${mark.text}`);
      }
    );
    flags.hidden = !sheet.marks.length;
    say(axis.children[1], sheet.end);
    const [space, label] = ends.children;
    ends.hidden = sheet.plan_s === null;
    if (sheet.plan_s !== null) {
      // Beside its line, on the side with more room.
      const early = sheet.plan_s < sheet.end_s / 2;
      ends.classList.toggle('mk-late', !early);
      space.style.width = early ? at(sheet.plan_s) : `calc(100% - ${at(sheet.plan_s)})`;
      say(label, `${early ? '┆ ' : ''}the plan’s end, ${sheet.plan_end}${early ? '' : ' ┆'}`);
    }
    say(more, sheet.lanes_left_out ? `and ${sheet.lanes_left_out} more slots` : '');
    const used = sheet.steps.map((step, index) => [step, index]).filter(([, index]) => sheet.bars.some(bar => bar[1] === index));
    each(keys, used, () => el('span', { class: 'mk-key' }), (node, [step, index]) => {
      say(node, step.name);
      node.style.setProperty('--mk-colour', colour(index));
    });
  };

  return {
    show(sheet) {
      root.setAttribute('aria-label', `Run of ${sheet.name}`);
      const running = sheet.status === 'running';
      say(name, `Run · ${sheet.icon} ${sheet.status}`);
      say(detail, [sheet.name, sheet.ended, sheet.elapsed, sheet.left].filter(Boolean).join(' · '));
      say(plan, sheet.by);
      say(why, sheet.message);
      why.hidden = !sheet.message;
      say(spoken, `${sheet.name}: ${sheet.status}, ${sheet.ended}${sheet.message ? `: ${sheet.message}` : ''}`);
      say(sofar, running ? 'So far' : 'Used');
      say(planned, running ? 'Plan for all' : 'Plan');
      say(when, `What ${running ? 'runs' : 'ran'} when, by worker slot`);
      stop.hidden = !running;
      if (!running) clearTimeout(waiting);
      each(steps, sheet.steps, stepRow, showStep);
      each(spent, sheet.spent, spentRow, showSpent);
      marked.hidden = !sheet.marks.length;
      say(unmarked, sheet.left_out ? `${sheet.left_out} more in between are left out.` : '');
      each(marks, sheet.marks, () => el('li', {}, el('span', { 'aria-hidden': 'true' }), el('span'), el('span')), showMark);
      say(note, sheet.note);
      if (sheet.latest) {
        came.hidden = !sheet.latest.length;
        each(latest, sheet.latest, () => el('tr', {}, el('th', { scope: 'row' }), el('td', { class: 'mk-quiet' }), el('td')), (row, words) => {
          words.forEach((text, index) => {
            say(row.children[index], text);
            row.children[index].title = text;
          });
        });
      }
      if (sheet.bars) showLanes(sheet);
    },
    said(text) {
      clearTimeout(waiting);
      say(answer, text);
    },
    lost() {
      if (stop.hidden) return;
      clearTimeout(waiting);
      stop.hidden = true;
      say(name, 'Run · ■ not heard of any more');
      say(
        answer,
        'The kernel was started anew: this is what was heard last. In a new kernel, %murakkab resume goes on with the rest.'
      );
    }
  };
}
