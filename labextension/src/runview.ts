/** A run to explore: what ran when in which worker slot, and what happened on the way. */

import type { Bar, Run } from './data';
import { button, el } from './dom';
import { figure, time } from './figures';
import { pills } from './pills';
import { ICONS } from './words';

const COLOURS = 8;

function things(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function describe(run: Run, bar: Bar): string {
  const step = run.steps[bar.step];
  return [
    `${step?.name ?? 'a step'}${step?.agent ? ` by ${step.agent}` : ''}`,
    `${time(bar.start)} to ${time(bar.end)}`,
    bar.batches > 1 ? things(bar.batches, 'batch', 'batches') : '',
    things(bar.done, 'item', 'items'),
    bar.failed > 0 ? `${bar.failed} failed` : '',
    bar.reused > 0 ? `${bar.reused} from an earlier run` : '',
    bar.wasted ? 'tried again or in vain' : '',
    `slot ${bar.slot + 1} of ${run.workers[bar.worker] ?? 'a worker'}`
  ]
    .filter(Boolean)
    .join(' · ');
}

/** How a run stands, and why; a message that begins with it is not told twice. */
function standing(run: Run): string {
  return !run.message ? run.status : run.message.startsWith(run.status) ? run.message : `${run.status}: ${run.message}`;
}

/** Lanes by worker and slot; the bars are one stop of the Tab key, arrows move among them. */
function lanes(run: Run): HTMLElement | null {
  if (!run.bars.length) {
    return null;
  }
  const last = run.seconds || 1;
  const share = (seconds: number): string => `${((100 * seconds) / last).toFixed(3)}%`;
  const quiet = 'Point at a bar, or move with Tab and the arrow keys, to see what ran.';
  const said = el('div', { class: 'jp-murakkab-said', 'aria-hidden': 'true' }, quiet);
  const host = el('div', { class: 'jp-murakkab-timeline', role: 'group', 'aria-label': 'What ran when, by worker and slot' });
  const ordered = [...run.bars].sort((a, b) => a.worker - b.worker || a.slot - b.slot || a.start - b.start);
  const tracks = new Map<string, HTMLElement>();
  const bars: HTMLButtonElement[] = [];
  const point = (step: number | null, words: string): void => {
    host.classList.toggle('jp-mod-pointing', step !== null);
    host.querySelectorAll<HTMLElement>('[data-step]').forEach(one => {
      one.classList.toggle('jp-mod-this', one.dataset.step === String(step));
    });
    said.textContent = words;
  };
  ordered.forEach((bar, index) => {
    const key = `${bar.worker}/${bar.slot}`;
    let track = tracks.get(key);
    if (!track) {
      const first = bar.slot === 0;
      track = el('span', { class: 'jp-murakkab-track' });
      tracks.set(key, track);
      const worker = run.workers[bar.worker] ?? '';
      host.append(
        el(
          'div',
          { class: 'jp-murakkab-line' },
          el('span', { class: 'jp-murakkab-line-name', title: worker }, first ? worker.replace(/^\w+:\/\//, '') : ''),
          el('span', { class: 'jp-murakkab-line-time' }, `slot ${bar.slot + 1}`),
          track
        )
      );
    }
    const words = describe(run, bar);
    const show = (): void => point(bar.step, words);
    const hide = (): void => point(null, quiet);
    const node = button(
      {
        class: 'jp-murakkab-bar' + (bar.wasted ? ' jp-mod-wasted' : '') + (bar.failed > 0 ? ' jp-mod-failed' : ''),
        style: `left:${share(bar.start)};width:max(3px,${share(bar.end - bar.start)})`,
        'data-step': bar.step,
        'data-colour': bar.step < 0 ? null : bar.step % COLOURS,
        tabindex: index === 0 ? '0' : '-1',
        'aria-label': words
      },
      show,
      bar.failed > 0 ? '✗' : ''
    );
    node.addEventListener('pointerenter', show);
    node.addEventListener('focus', show);
    node.addEventListener('pointerleave', hide);
    node.addEventListener('blur', hide);
    node.addEventListener('keydown', event => {
      const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const to = move === undefined ? undefined : bars[index + move];
      if (to) {
        event.preventDefault();
        event.stopPropagation();
        node.tabIndex = -1;
        to.tabIndex = 0;
        to.focus();
      }
    });
    bars.push(node);
    track.append(node);
  });
  run.marks.forEach(mark => {
    tracks.forEach(track => {
      track.append(el('span', { class: 'jp-murakkab-tick', style: `left:${share(Math.min(mark.at, last))}`, title: mark.text }));
    });
  });
  host.append(
    el(
      'div',
      { class: 'jp-murakkab-line jp-murakkab-axis', 'aria-hidden': 'true' },
      el('span', {}),
      el('span', {}),
      el('span', {}, el('span', {}, '0 s'), el('span', {}, time(last)))
    ),
    el(
      'div',
      { class: 'jp-murakkab-legend' },
      ...run.steps.map((step, index) => {
        const words = `${step.name}: ${things(step.done, 'item', 'items')}, energy ${figure(step.actual.energy)}`;
        const node = el(
          'span',
          { class: 'jp-murakkab-key', 'data-step': index },
          el('span', { class: 'jp-murakkab-swatch', 'data-colour': index % COLOURS, 'aria-hidden': 'true' }),
          step.name
        );
        node.addEventListener('pointerenter', () => point(index, words));
        node.addEventListener('pointerleave', () => point(null, quiet));
        return node;
      })
    ),
    said
  );
  return host;
}

/** A run as elements: what the static view does not have. */
export function runView(run: Run): HTMLElement {
  const compared: [string, string][] = [
    ['Time', 'latency'],
    ['CPU time', 'cpu'],
    ['Energy', 'energy'],
    ['Cost', 'cost']
  ];
  return el(
    'div',
    { class: 'jp-murakkab jp-murakkab-run', role: 'group', 'aria-label': `Run of ${run.workflow || 'a workflow'}` },
    el(
      'div',
      { class: 'jp-murakkab-heading' },
      el('strong', {}, 'Run'),
      el('span', {}, `${run.workflow || 'workflow'} · ${ICONS[run.status] ?? '○'} ${standing(run)}`)
    ),
    pills(
      compared
        .filter(([, key]) => run.actual[key])
        .map(([title, key]) => [title, `${figure(run.actual[key])}${run.predicted[key] ? ` of ${figure(run.predicted[key])} planned` : ''}`])
    ),
    lanes(run),
    ...run.marks.map(mark => el('div', { class: 'jp-murakkab-note', 'data-kind': mark.kind }, `• ${time(mark.at)}: ${mark.text}`)),
    run.marksLeftOut ? el('div', { class: 'jp-murakkab-note' }, `${run.marksLeftOut} more.`) : null
  );
}
