/** A plan to explore: the table with each step's second choice on demand, and the time line that answers. */

import type { Plan, PlanStep } from './data';
import { button, el } from './dom';
import { band, figure, legend, origin, time } from './figures';
import { pills } from './pills';

const FIGURES: [string, string][] = [
  ['latency', 'Time'],
  ['cpu', 'CPU time'],
  ['energy', 'Energy'],
  ['cost', 'Cost'],
  ['quality', 'Quality']
];

let counter = 0;

function items(count: number): string {
  return Math.abs(count - Math.round(count)) < 0.05 ? String(Math.round(count)) : count.toFixed(1);
}

function two(first: string, second: string): HTMLElement {
  return el('span', {}, first, second ? el('span', { class: 'jp-murakkab-detail' }, second) : null);
}

function row(step: PlanStep, columns: number): HTMLElement[] {
  const other = step.runnerUp;
  const name = el('th', { scope: 'row' });
  const line = el(
    'tr',
    { 'data-step': step.name },
    name,
    el('td', {}, two(step.agent, step.options)),
    el('td', {}, two(step.place, step.batch)),
    el('td', { class: 'jp-mod-number' }, items(step.items)),
    ...FIGURES.map(([key]) => {
      const one = step.predicted[key];
      const known = one && one.value !== null;
      return el('td', { class: `jp-mod-number${known ? '' : ' jp-mod-unknown'}`, title: origin(one) || null }, figure(one));
    })
  );
  if (!other) {
    name.append(el('span', { class: 'jp-murakkab-only' }, step.name));
    return [line];
  }
  const id = `jp-murakkab-second-${(counter += 1)}`;
  const second = el(
    'tr',
    { id, class: 'jp-murakkab-second', hidden: true },
    el('td', {}),
    el(
      'td',
      { colspan: columns - 1 },
      el('span', { class: 'jp-murakkab-label' }, 'Second choice '),
      el('strong', {}, other.agent),
      other.options ? ` ${other.options}` : '',
      ` · ${other.place}, ${other.batch}`,
      el('div', { class: 'jp-murakkab-reason' }, other.reason)
    )
  );
  const opener = button(
    {
      class: 'jp-murakkab-opener',
      'aria-expanded': 'false',
      'aria-controls': id,
      title: 'Second choice, and why it lost'
    },
    () => {
      second.hidden = !second.hidden;
      opener.setAttribute('aria-expanded', String(!second.hidden));
    },
    el('span', { class: 'jp-murakkab-chevron', 'aria-hidden': 'true' }, '›'),
    step.name
  );
  name.append(opener);
  return [line, second];
}

interface Span {
  step: PlanStep;
  start: number;
  end: number;
}

function spans(plan: Plan): Span[] | null {
  const found: Span[] = [];
  for (const step of plan.steps) {
    const start = step.predicted.start?.value;
    const end = step.predicted.end?.value;
    if (typeof start !== 'number' || typeof end !== 'number') {
      return null;
    }
    found.push({ step, start, end: Math.max(start, end) });
  }
  return found;
}

function timeline(plan: Plan): HTMLElement | null {
  const found = spans(plan);
  if (!found || !found.length) {
    return null;
  }
  const last = Math.max(...found.map(one => one.end)) || 1;
  const share = (seconds: number): string => `${((100 * seconds) / last).toFixed(3)}%`;
  const lines = new Map<string, HTMLElement>();
  const said = el('div', { class: 'jp-murakkab-said', 'aria-hidden': 'true' });
  const quiet = 'Point at a bar, or move to it with Tab, to see what it waits for and takes.';
  said.textContent = quiet;
  const host = el('div', { class: 'jp-murakkab-timeline', role: 'group', 'aria-label': 'When each step runs' });
  const children = (name: string): string[] =>
    plan.steps.filter(step => step.after.includes(name)).map(step => step.name);
  const show = (span: Span | null): void => {
    host.classList.toggle('jp-mod-pointing', span !== null);
    lines.forEach((line, name) => {
      line.classList.toggle('jp-mod-this', name === span?.step.name);
      line.classList.toggle('jp-mod-before', span?.step.after.includes(name) ?? false);
      line.classList.toggle('jp-mod-after', span ? children(span.step.name).includes(name) : false);
    });
    said.textContent = span ? words(span) : quiet;
  };
  const words = ({ step, start, end }: Span): string => {
    const then = children(step.name);
    return [
      `${step.name}: ${time(start)} to ${time(end)}`,
      step.after.length ? `after ${step.after.join(', ')}` : 'at once',
      then.length ? `before ${then.join(', ')}` : '',
      `energy ${figure(step.predicted.energy)}`,
      `CPU time ${figure(step.predicted.cpu)}`
    ]
      .filter(Boolean)
      .join(' · ');
  };
  for (const span of found) {
    const { step, start, end } = span;
    const bar = button(
      {
        class: 'jp-murakkab-bar',
        style: `left:${share(start)};width:max(4px,${share(end - start)})`,
        'aria-label': words(span)
      },
      () => show(span)
    );
    bar.addEventListener('pointerenter', () => show(span));
    bar.addEventListener('focus', () => show(span));
    bar.addEventListener('pointerleave', () => show(null));
    bar.addEventListener('blur', () => show(null));
    const line = el(
      'div',
      { class: 'jp-murakkab-line' },
      el('span', { class: 'jp-murakkab-line-name', title: step.name }, step.name),
      el('span', { class: 'jp-murakkab-line-time' }, `${time(start)} – ${time(end)}`),
      el('span', { class: 'jp-murakkab-track' }, bar)
    );
    lines.set(step.name, line);
    host.append(line);
  }
  host.append(
    el(
      'div',
      { class: 'jp-murakkab-line jp-murakkab-axis', 'aria-hidden': 'true' },
      el('span', {}),
      el('span', {}),
      el('span', {}, el('span', {}, '0 s'), el('span', {}, time(last)))
    ),
    said
  );
  return host;
}

/** A plan as elements. */
export function planView(plan: Plan): HTMLElement {
  const titles = ['Step', 'Agent', 'Runs on', 'Items', ...FIGURES.map(([, title]) => title)];
  const rows = plan.steps.flatMap(step => row(step, titles.length));
  const all = [...plan.steps.flatMap(step => FIGURES.map(([key]) => step.predicted[key])), ...Object.values(plan.predicted)];
  const marks = legend(all);
  return el(
    'div',
    { class: 'jp-murakkab jp-murakkab-plan', role: 'group', 'aria-label': `Plan of ${plan.workflow}` },
    el('div', { class: 'jp-murakkab-heading' }, el('strong', {}, plan.title), el('span', {}, `${plan.workflow} · ${plan.goal}`)),
    pills(FIGURES.map(([key, title]) => [title, band(plan.predicted[key])])),
    el(
      'div',
      { class: 'jp-murakkab-scroll', tabindex: '0', role: 'group', 'aria-label': 'Steps of the plan' },
      el(
        'table',
        { 'aria-label': `Plan of ${plan.workflow}: one row a step` },
        el('thead', {}, el('tr', {}, ...titles.map((title, i) => el('th', { scope: 'col', class: i > 2 ? 'jp-mod-number' : null }, title)))),
        el('tbody', {}, ...rows)
      )
    ),
    timeline(plan),
    ...plan.remarks.map(remark => el('div', { class: 'jp-murakkab-note' }, `• ${remark}`)),
    marks ? el('div', { class: 'jp-murakkab-note' }, marks) : null
  );
}
