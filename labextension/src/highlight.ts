/** Colours in `%%murakkab` cells while they are typed; every other cell is left as it is. */

import type { Extension } from '@codemirror/state';
import { RangeSetBuilder } from '@codemirror/state';
import type { DecorationSet, EditorView, ViewUpdate } from '@codemirror/view';
import { Decoration, ViewPlugin } from '@codemirror/view';
import type { Kind } from './tokens';
import { isMurakkab, tokens } from './tokens';

const marks = new Map<Kind, Decoration>();

function mark(kind: Kind): Decoration {
  let found = marks.get(kind);
  if (!found) {
    found = Decoration.mark({ class: `cm-murakkab cm-murakkab-${kind}` });
    marks.set(kind, found);
  }
  return found;
}

/** The whole cell in one quiet colour: what Python's highlighter makes of our words means nothing. */
const whole = Decoration.mark({ class: 'cm-murakkab-cell' });

function decorate(view: EditorView): DecorationSet {
  const doc = view.state.doc;
  let first = 1;
  while (first < doc.lines && !doc.line(first).text.trim()) {
    first += 1;
  }
  if (!isMurakkab(doc.line(first).text)) {
    return Decoration.none;
  }
  // A cell's lines depend on those before them, so it is read from its start to the last line on screen.
  const end = doc.lineAt(view.viewport.to).to;
  const built = new RangeSetBuilder<Decoration>();
  const found = tokens(doc.sliceString(0, end));
  let at = 0;
  const plain = (to: number): void => {
    if (to > at) {
      built.add(at, to, whole);
    }
  };
  for (const { from, to, kind } of found) {
    plain(from);
    built.add(from, to, mark(kind));
    at = to;
  }
  plain(end);
  return built.finish();
}

class Highlighter {
  decorations: DecorationSet;

  constructor(view: EditorView) {
    this.decorations = decorate(view);
  }

  update(update: ViewUpdate): void {
    if (update.docChanged || update.viewportChanged) {
      this.decorations = decorate(update.view);
    }
  }
}

/** The editor extension. */
export const highlighting: Extension = ViewPlugin.fromClass(Highlighter, {
  decorations: plugin => plugin.decorations
});
