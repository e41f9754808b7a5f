// Results: the static cards, with a search among them and evidence that leads to its scene. Nothing is drawn anew.

export default function results({ el, say }, root, act, place) {
  root.hidden = true; // nothing is drawn here: results stand where they stood
  root.removeAttribute('data-murakkab');
  const field = el('input', { type: 'search', placeholder: 'Find in these results', 'aria-label': 'Find in these results', input: () => find() });
  const told = el('span', { role: 'status' });
  const bar = el('div', { class: 'mk-find' }, field, told);
  let slot = place;
  const cards = () => [...slot.querySelectorAll('[data-murakkab-card]')];

  const find = () => {
    const words = field.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards()) {
      const text = card.textContent.toLocaleLowerCase();
      const here = words.every(word => text.includes(word));
      card.toggleAttribute('hidden', !here);
      card.style.display = here ? '' : 'none';
      shown += here ? 1 : 0;
    }
    say(told, words.length ? `${shown} of ${cards().length} shown` : '');
  };

  /** The card of the scene that a piece of evidence lies in. */
  const cardOf = proof => proof.dataset.card && cards().find(card => card.dataset.murakkabCard === proof.dataset.card);

  const lead = proof => {
    const card = cardOf(proof);
    if (!card) return;
    field.value = '';
    find();
    cards().forEach(one => one.classList.toggle('mk-found', one === card));
    card.setAttribute('tabindex', '-1');
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  };

  const arm = () => {
    slot.dataset.murakkab = 'results';
    if (cards().length >= 4) cards()[0].parentElement.before(bar);
    for (const proof of slot.querySelectorAll('[data-murakkab-evidence]')) {
      const name = proof.querySelector('strong');
      if (!name || !cardOf(proof) || proof.querySelector('button')) continue;
      const button = el('button', { type: 'button', class: 'mk-lead', title: 'Show the scene', click: () => lead(proof) });
      button.textContent = name.textContent;
      name.replaceWith(button);
    }
  };

  return {
    show: arm,
    moved(to) {
      slot = to;
      arm();
    }
  };
}
