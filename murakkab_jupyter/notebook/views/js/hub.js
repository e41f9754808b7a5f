// The front end's end of live views: finds their slots in the page and draws them there.
// `kit.js` stands before it in the module that is sent: `el` and `kit` are from there.

const STYLE = 'murakkab-views-style';

export default {
  initialize({ model, signal }) {
    const scripts = new Map(); // kind -> promise of its module
    const views = new Map(); // name -> { kind, data, drawn: [{ slot, root, view }] }
    const slots = document.getElementsByClassName('murakkab-slot');
    let greeted = false;
    let pause = 500;

    const script = (kind, source) => {
      const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
      scripts.set(kind, import(url).finally(() => URL.revokeObjectURL(url)));
    };

    const act = (name, message) => model.send({ ask: 'act', view: name, ...message });

    const draw = async (name, view, slot) => {
      const module = await scripts.get(view.kind);
      if (!module || view.drawn.some(one => one.slot === slot)) return;
      // The output was drawn anew: what stood in the old slot moves over, with the focus and the scrolling it had.
      const old = view.drawn.find(one => !one.slot.isConnected);
      const root = old ? old.root : el('div', { class: `murakkab-live murakkab-live-${view.kind} tex2jax_ignore mathjax_ignore`, 'data-murakkab': view.kind });
      const wide = old ? [...root.querySelectorAll('*')].filter(one => one.scrollLeft || one.scrollTop) : [];
      const places = wide.map(one => [one, one.scrollLeft, one.scrollTop]);
      const one = old ?? { root, focused: null, view: null };
      one.slot = slot;
      slot.firstElementChild?.toggleAttribute('hidden', true);
      slot.prepend(root);
      places.forEach(([node, left, top]) => {
        node.scrollLeft = left;
        node.scrollTop = top;
      });
      if (old) {
        one.focused?.focus({ preventScroll: true });
        one.view.moved?.();
        return;
      }
      root.addEventListener('focusin', event => {
        one.focused = event.target;
      });
      root.addEventListener('focusout', () => {
        if (root.isConnected) one.focused = null;
      });
      // Keys that a view understands are not the notebook's.
      root.addEventListener('keydown', event => {
        if (['Enter', ' '].includes(event.key)) event.stopPropagation();
      });
      view.drawn.push(one);
      one.view = module.default(kit, root, message => act(name, message), slot);
      one.view.show(view.data);
    };

    const place = () => {
      for (const slot of [...slots]) {
        const name = slot.dataset.murakkabView;
        const view = views.get(name);
        if (view && !view.drawn.some(one => one.slot === slot)) {
          void draw(name, view, slot);
        }
      }
    };

    const finish = name => {
      for (const { slot, root, view } of views.get(name)?.drawn ?? []) {
        view?.gone?.();
        root.remove();
        slot.firstElementChild?.removeAttribute('hidden');
      }
      views.delete(name);
    };

    model.on('msg:custom', message => {
      switch (message?.do) {
        case 'style':
          if (!document.getElementById(STYLE)) document.head.append(el('style', { id: STYLE }, message.source));
          break;
        case 'script':
          if (!scripts.has(message.kind)) script(message.kind, message.source);
          break;
        case 'show': {
          const view = views.get(message.view) ?? { kind: message.kind, drawn: [] };
          view.data = message.data;
          views.set(message.view, view);
          if (view.lost) view.drawn.forEach(one => one.view?.said?.(''));
          view.lost = false;
          view.drawn.forEach(one => one.view?.show(message.data));
          place();
          break;
        }
        case 'said':
          views.get(message.view)?.drawn.forEach(one => one.view?.said?.(message.text));
          break;
        case 'end': {
          // The static form takes its place in a moment; where it does not (the page was loaded anew), it stays.
          const drawn = views.get(message.view)?.drawn ?? [];
          views.delete(message.view);
          setTimeout(() => drawn.filter(one => one.slot.isConnected).forEach(one => one.view?.said?.(message.text)), 1500);
          break;
        }
        case 'hello':
          greeted = true;
          break;
      }
    });

    // The kernel was started anew: what is drawn is what was heard last, until more comes.
    model.on('comm_live_update', () => {
      for (const [name, view] of [...views]) {
        view.lost = true;
        // Where the static form can do as much, it takes its place again.
        if (view.drawn.some(one => one.view?.lost?.() === 'static')) finish(name);
      }
    });

    const observer = new MutationObserver(place);
    observer.observe(document.body, { childList: true, subtree: true });
    // The first word may come before the kernel listens beside its cells: it is said until it is answered.
    const greet = () => {
      if (greeted || signal?.aborted) return;
      model.send({ ask: 'all' });
      setTimeout(greet, pause);
      pause = Math.min(2 * pause, 30000);
    };
    greet();
    place();
    return () => {
      observer.disconnect();
      [...views.keys()].forEach(finish);
    };
  }
};
