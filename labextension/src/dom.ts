/** Elements without a framework. Whatever is given as text stays text. */

type Child = Node | string | null | undefined | false;
type Value = string | number | boolean | null | undefined;

/** An element with attributes and children; `null`, `undefined` and `false` are left out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? '' : String(value));
    }
  }
  node.append(...children.filter((child): child is Node | string => Boolean(child) || child === ''));
  return node;
}

/** A real button, with what it does when pressed. */
export function button(
  attributes: Record<string, Value>,
  press: () => void,
  ...children: Child[]
): HTMLButtonElement {
  const node = el('button', { type: 'button', ...attributes }, ...children);
  node.addEventListener('click', press);
  return node;
}

/**
 * A button that may be out of use. It stays in reach of the keyboard, so that one can learn why: from its title, and
 * by pressing it, which says the reason instead of doing anything.
 */
export function offer(
  attributes: Record<string, Value>,
  reason: string,
  press: () => void,
  say: (reason: string) => void,
  ...children: Child[]
): HTMLButtonElement {
  return button(
    reason ? { ...attributes, 'aria-disabled': 'true', title: reason } : attributes,
    () => (reason ? say(reason) : press()),
    ...children
  );
}

/** Put new content in the place of the old, and leave focus and opened details as they were (by `data-key`). */
export function replace(host: HTMLElement, ...children: Child[]): void {
  const active = document.activeElement;
  const focused = active instanceof HTMLElement && host.contains(active) ? active.dataset.key : undefined;
  const open = new Map<string, boolean>();
  host.querySelectorAll<HTMLDetailsElement>('details[data-key]').forEach(one => {
    open.set(one.dataset.key ?? '', one.open);
  });
  host.replaceChildren(...children.filter((child): child is Node | string => Boolean(child)));
  host.querySelectorAll<HTMLDetailsElement>('details[data-key]').forEach(one => {
    one.open = open.get(one.dataset.key ?? '') ?? one.open;
  });
  if (focused) {
    for (const one of host.querySelectorAll<HTMLElement>('[data-key]')) {
      if (one.dataset.key === focused) {
        one.focus();
        break;
      }
    }
  }
}
