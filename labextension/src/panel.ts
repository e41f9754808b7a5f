/** The side panel: energy now, runs, workflows and workers of the kernel in front. */

import { LabIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import type { OwnCluster, PanelCluster, PanelRun, PanelState, PanelWorker } from './data';
import { button, el, offer, replace } from './dom';
import type { Figure } from './figures';
import { figure, origin, size, spoken, time } from './figures';
import type { KernelLink } from './link';
import type { Verb } from './words';
import { ICONS, VERBS, obstacle, schedulerWords, situationWords, stepIcon, stepWords } from './words';

export const icon = new LabIcon({
  name: 'murakkab:icon',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16"><g class="jp-icon3" fill="#616161">' +
    '<circle cx="3" cy="3.5" r="2"/><circle cx="3" cy="12.5" r="2"/><circle cx="13" cy="8" r="2.2"/>' +
    '<path d="M4.6 3.2 6.6 3.2Q8.4 3.2 8.9 4.9L9.4 6.4Q9.7 7.3 10.6 7.4L10.6 8.6Q9.7 8.7 9.4 9.6L8.9 11.1Q8.4 12.8 6.6 12.8L4.6 12.8 4.6 11.5 6.5 11.5Q7.4 11.5 7.7 10.6L8.1 9.2Q8.3 8.4 8.8 8 8.3 7.6 8.1 6.8L7.7 5.4Q7.4 4.5 6.5 4.5L4.6 4.5Z"/></g></svg>'
});

/** What the panel asks for. */
export interface Actions {
  load: () => void;
  act: (verb: Verb) => void;
  stop: (run: string) => void;
  say: (line: string) => void;
}

function meter(share: number, label: string, tone = ''): HTMLElement {
  const percent = Math.round(100 * Math.min(1, Math.max(0, share)));
  return el(
    'div',
    {
      class: `jp-murakkab-meter ${tone}`,
      role: 'progressbar',
      'aria-label': label,
      'aria-valuenow': percent,
      'aria-valuemin': 0,
      'aria-valuemax': 100
    },
    el('div', { style: `width:${percent}%` })
  );
}

function section(title: string, ...children: (HTMLElement | null)[]): HTMLElement {
  return el('section', { 'aria-label': title }, el('h3', {}, title), ...children);
}

function things(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

function quiet(words: string): HTMLElement {
  return el('p', { class: 'jp-murakkab-quiet' }, words);
}

/** So many workers of a cluster of the notebook's own are shown at once. */
const FEW = 4;

/** From this share of what was planned on, the bar says that it is nearly used up. */
const NEAR = 0.8;

const BOUNDARIES: [string, string][] = [
  ['package', 'CPU packages'],
  ['gpu', 'GPUs'],
  ['node', 'whole host']
];

function boundary(one: Figure): string {
  const note = (one.note ?? '').toLowerCase();
  return BOUNDARIES.find(([key]) => note.includes(key))?.[1] ?? '';
}

function energy(state: PanelState): HTMLElement {
  const running = state.runs.find(run => run.status === 'running');
  if (!running) {
    const last = state.runs[0];
    return section(
      'Energy now',
      quiet(last ? `Nothing runs. The latest run used ${figure(last.energy)}.` : 'Measured while a run goes on.')
    );
  }
  const spent = running.energy?.value ?? null;
  const planned = running.planned?.value ?? null;
  const share = spent !== null && planned !== null && planned > 0 ? spent / planned : 0;
  const tone = share > 1 ? 'jp-mod-over' : share > NEAR ? 'jp-mod-near' : '';
  return section(
    'Energy now',
    state.power.length
      ? el(
          'div',
          { class: 'jp-murakkab-watts' },
          ...state.power.map(one =>
            el(
              'div',
              { title: origin(one) },
              el('strong', {}, figure(one)),
              el('span', {}, ` ${[boundary(one), one.method ?? ''].filter(Boolean).join(', ')}`)
            )
          )
        )
      : quiet('Watts come with the next look, if this host is where it runs.'),
    el(
      'p',
      { class: 'jp-murakkab-small' },
      `${running.energy ? `${figure(running.energy)} so far of ` : ''}${figure(running.planned)} planned${share > 1 ? ': more than planned' : share > NEAR ? ': nearly all of it' : ''}`
    ),
    share > 0 ? meter(share, 'Energy against the plan', tone) : null
  );
}

function runItem(run: PanelRun, actions: Actions, reason: string, stop: string, why: (words: string) => void): HTMLElement {
  const ended = run.steps.filter(step => step.total !== null && step.ended >= step.total).length;
  const running = run.status === 'running';
  const share = run.steps.length ? run.steps.reduce((sum, step) => sum + step.share, 0) / run.steps.length : 0;
  const when = running
    ? `${spoken(run.elapsed)}${run.eta !== null ? `, about ${spoken(run.eta)} to go` : ''}`
    : time(run.elapsed);
  return el(
    'li',
    { class: 'jp-murakkab-item' },
    el(
      'div',
      { class: 'jp-murakkab-row' },
      el('span', { class: `jp-murakkab-state jp-mod-${run.status}`, 'aria-hidden': 'true' }, ICONS[run.status] ?? '○'),
      el('strong', { title: `${run.name}, run ${run.id}` }, run.name),
      el('span', { class: 'jp-murakkab-grow' }, run.stopping ? 'being stopped' : run.status),
      running
        ? offer(
            { class: 'jp-murakkab-button', 'aria-label': `Stop ${run.name}`, 'data-key': `stop-${run.id}` },
            run.stopping ? 'It is being stopped; what is finished is kept.' : stop,
            () => actions.stop(run.id),
            why,
            'Stop'
          )
        : null,
      !running && run.status !== 'done'
        ? offer(
            { class: 'jp-murakkab-button', 'aria-label': `Resume ${run.name}`, 'data-key': `resume-${run.id}` },
            reason,
            () => actions.say(`%murakkab resume ${run.id}`),
            why,
            'Resume'
          )
        : null
    ),
    running ? meter(share, `Progress of ${run.name}`) : null,
    el(
      'details',
      { 'data-key': `run-${run.id}`, open: running },
      el('summary', { 'data-key': `summary-${run.id}` }, `${ended} of ${run.steps.length} steps · ${when}${run.energy ? ` · ${figure(run.energy)}` : ''}`),
      el(
        'ul',
        { class: 'jp-murakkab-steps' },
        ...run.steps.map(step =>
          el(
            'li',
            {},
            el('span', { 'aria-hidden': 'true' }, stepIcon(step, running)),
            el('span', { class: 'jp-murakkab-grow', title: step.name }, step.name),
            el('span', {}, stepWords(step))
          )
        )
      ),
      run.message ? el('p', { class: 'jp-murakkab-small jp-murakkab-message', title: run.message }, run.message) : null
    )
  );
}

function worker(one: PanelWorker): HTMLElement {
  const detail = [
    things(one.cores, 'core'),
    one.memory !== null ? size(one.memory) : '',
    one.gpus.length ? one.gpus.join(', ') : 'no GPU',
    one.label.includes(one.host) ? '' : one.host
  ].filter(Boolean);
  return el(
    'li',
    { class: 'jp-murakkab-item' },
    el(
      'div',
      { class: 'jp-murakkab-row' },
      el('span', { class: 'jp-murakkab-grow', title: one.name === one.label ? one.name : `${one.label}, ${one.name}` }, one.label),
      el('span', {}, one.lost ? '✕ lost' : `${one.busy} of ${one.cores} busy`)
    ),
    one.lost ? null : meter(one.cores ? one.busy / one.cores : 0, `Busy cores of ${one.label}`),
    el('p', { class: 'jp-murakkab-small' }, detail.join(' · '))
  );
}

/** Where the workers are, or why there are none; and Dask clusters of the notebook's own, with the way to use them. */
function cluster(state: PanelState, actions: Actions, reason: string, why: (words: string) => void): HTMLElement {
  const { address, local, described, workers }: PanelCluster = state.cluster;
  const where = described
    ? `${address}: described only, to plan for`
    : local
      ? 'Started here by Murakkab'
      : address
        ? `A Dask scheduler ${schedulerWords(address)}`
        : '';
  return section(
    'Cluster',
    workers.length && where ? el('p', { class: 'jp-murakkab-small', title: local ? null : address }, where) : null,
    workers.length ? el('ul', {}, ...workers.map(worker)) : quiet(state.cluster.why),
    ...state.own.map(one => ownCluster(one, actions, reason, why))
  );
}

/** A Dask cluster that the notebook's own code made: its workers, and what stands in the way of its use. */
function ownCluster(one: OwnCluster, actions: Actions, reason: string, why: (words: string) => void): HTMLElement {
  const what = one.kind || 'Dask client';
  const cores = (one.workers ?? []).reduce((sum, each) => sum + each.cores, 0);
  const size = `${things((one.workers?.length ?? 0) + one.leftOut, 'worker')}${one.leftOut ? '' : `, ${things(cores, 'core')}`}`;
  const name = one.name || what;
  return el(
    'div',
    { class: 'jp-murakkab-own', role: 'group', 'aria-label': `Cluster ${name} of this notebook` },
    el(
      'div',
      { class: 'jp-murakkab-row', title: one.address },
      one.name ? el('strong', { title: one.name }, one.name) : null,
      el('span', { class: 'jp-murakkab-grow' }, one.name ? '' : `A ${what}`),
      offer(
        { class: 'jp-murakkab-button', 'data-key': `use-${one.address}`, 'aria-label': `Plan for ${name}` },
        one.why || reason,
        () => actions.say(`%murakkab plan --cluster ${one.address}`),
        words => why(`Plan for ${name}: ${words}`),
        'Plan for it'
      )
    ),
    one.kind ? el('p', { class: 'jp-murakkab-small' }, `${one.kind}, made by this notebook’s own code`) : el('p', { class: 'jp-murakkab-small' }, `Made by this notebook’s own code; its scheduler is ${schedulerWords(one.address)}`),
    one.why ? el('p', { class: 'jp-murakkab-small jp-murakkab-why' }, one.why) : null,
    one.workers?.length
      ? el(
          'details',
          { 'data-key': `own-${one.address}`, open: one.workers.length <= FEW },
          el('summary', { 'data-key': `own-summary-${one.address}` }, size),
          el('ul', {}, ...one.workers.map(worker)),
          one.leftOut ? quiet(`and ${one.leftOut} more`) : null
        )
      : null
  );
}

export class MurakkabPanel extends Widget {
  private readonly status = el('p', { class: 'jp-murakkab-status', role: 'status' });
  private readonly where = el('p', { class: 'jp-murakkab-where' });
  private readonly tools = el('div', { class: 'jp-murakkab-tools', role: 'group', 'aria-label': 'The latest workflow' });
  private readonly reason = el('p', { class: 'jp-murakkab-small', role: 'status' });
  private readonly body = el('div', { class: 'jp-murakkab-body' });
  private pending = 0;
  /** What stood in the way of each button when these were drawn. */
  private offered = '';

  constructor(
    private readonly link: KernelLink,
    private readonly actions: Actions
  ) {
    super({ node: el('div', { role: 'region', 'aria-label': 'Murakkab' }) });
    this.id = 'murakkab-panel';
    this.addClass('jp-murakkab-panel');
    this.title.icon = icon;
    this.title.caption = 'Murakkab: runs, workflows, workers, energy';
    this.node.append(el('h2', {}, 'Murakkab'), this.where, this.status, this.tools, this.reason, this.body);
    link.changed.connect(this.later, this);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.link.watch();
    this.draw();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.link.rest();
  }

  protected override onBeforeDetach(message: Message): void {
    cancelAnimationFrame(this.pending);
    super.onBeforeDetach(message);
  }

  /** Many changes in one frame are drawn once, and none while nobody sees it. */
  private later(): void {
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => this.isVisible && this.draw());
  }

  private draw(): void {
    const { situation, state, panel, busy } = this.link;
    const words = situationWords(situation, busy);
    if (this.status.textContent !== words) {
      this.status.textContent = words;
    }
    const name = panel?.context.path.split('/').pop() ?? '';
    this.where.textContent = name ? `Kernel of ${name}` : '';
    const why = (reason: string): void => {
      this.reason.textContent = reason;
    };
    const next = JSON.stringify(VERBS.map(([verb]) => obstacle(verb, situation, state, busy)));
    if (next !== this.offered) {
      this.offered = next;
      why('');
      replace(
        this.tools,
        ...VERBS.map(([verb, label]) =>
          offer(
            { class: 'jp-murakkab-button', 'data-key': verb },
            obstacle(verb, situation, state, busy),
            () => this.actions.act(verb),
            words => why(`${label}: ${words}`),
            label
          )
        )
      );
    }
    if (situation === 'silent' || situation === 'not-python') {
      replace(this.body, button({ class: 'jp-murakkab-button', 'data-key': 'again' }, () => this.link.askAgain(), 'Ask again'));
      return;
    }
    if (situation === 'not-loaded') {
      replace(
        this.body,
        quiet('It is loaded by one line, which is put into the notebook:'),
        button({ class: 'jp-murakkab-button', 'data-key': 'load' }, this.actions.load, 'Insert and run %load_ext murakkab_jupyter')
      );
      return;
    }
    if (!state) {
      replace(this.body);
      return;
    }
    replace(
      this.body,
      energy(state),
      section(
        'Runs',
        state.runs.length
          ? el('ul', {}, ...state.runs.map(run => runItem(run, this.actions, obstacle('resume', situation, state, busy), obstacle('stop', situation, state, busy), why)))
          : quiet('None yet. %murakkab run starts one.')
      ),
      section(
        'Workflows',
        state.workflows.length
          ? el(
              'ul',
              {},
              ...state.workflows.map(one =>
                el(
                  'li',
                  { class: 'jp-murakkab-item' },
                  el(
                    'div',
                    { class: 'jp-murakkab-row' },
                    el('strong', { title: one.name || null }, one.name || '(no name)'),
                    el('span', { class: 'jp-murakkab-grow' }, things(one.steps, 'step')),
                    offer(
                      { class: 'jp-murakkab-button', 'data-key': `go-${one.name}`, 'aria-label': `Run ${one.name || 'the workflow without a name'}` },
                      obstacle('run', situation, state, busy),
                      () => this.actions.say(['%murakkab run', one.name].filter(Boolean).join(' ')),
                      why,
                      'Run'
                    )
                  ),
                  el('p', { class: 'jp-murakkab-small' }, `${one.goal}${one.planned ? '' : ', not planned yet'}`)
                )
              )
            )
          : quiet('None yet. A %%murakkab cell declares one.')
      ),
      cluster(state, this.actions, obstacle('plan', situation, state, busy), why),
      el(
        'p',
        { class: 'jp-murakkab-small' },
        `murakkab_jupyter ${state.version}${this.link.heard ? ` · as of ${this.link.heard.toLocaleTimeString()}` : ''}`
      )
    );
  }
}
