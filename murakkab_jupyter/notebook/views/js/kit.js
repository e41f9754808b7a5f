// What the scripts of views draw with. The hub's script begins with this one; the JupyterLab extension draws with it too.
// What comes from the kernel is text for textContent and attributes; it is never read as markup.

const SVG = 'http://www.w3.org/2000/svg';
const SHAPES = new Set(['svg', 'g', 'path', 'line', 'circle', 'rect', 'text', 'title']);

/** An element; attributes that are null or false are left out, listeners are given as functions. */
function el(name, attributes = {}, ...children) {
  const node = SHAPES.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(key, value);
    else if (key === 'style') node.style.cssText = value;
    else node.setAttribute(key, value === true ? '' : String(value));
  }
  node.append(...children.filter(child => child !== null && child !== undefined && child !== ''));
  return node;
}

/** Set the text of a node only when it changed, so that nothing is read out twice. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Make the children of `host` one for each item: kept where they are, updated, added, removed. */
function each(host, items, make, update) {
  while (host.children.length > items.length) host.lastChild.remove();
  items.forEach((item, index) => {
    if (index >= host.children.length) host.append(make(item, index));
    update(host.children[index], item, index);
  });
}

/** One stop of the Tab key for a row of things; arrow keys move among them. */
function rove(nodes, event, index) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const to = event.key === 'Home' ? nodes[0] : event.key === 'End' ? nodes[nodes.length - 1] : nodes[index + step];
  if (!to || (step === undefined && event.key !== 'Home' && event.key !== 'End')) return;
  event.preventDefault();
  event.stopPropagation();
  nodes[index].setAttribute('tabindex', '-1');
  to.setAttribute('tabindex', '0');
  to.focus();
}

/** Where figures come from, in words that need no pointer: `[label, origin]` pairs, those of one origin together. */
function origins(pairs) {
  const found = new Map();
  for (const [label, origin] of pairs) if (origin) found.set(origin, [...(found.get(origin) ?? []), label]);
  return el('div', { class: 'mk-from' }, ...[...found].map(([origin, labels]) => el('span', {}, el('small', {}, labels.join(', ')), origin)));
}

export const kit = { el, say, each, rove, origins };
