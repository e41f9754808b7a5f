/**
 * What stands where in a `%%murakkab` cell: text to tokens, without an editor.
 *
 * It knows the look of the language, not its meaning, and takes any text: a cell that is half typed is the
 * normal case. The parser in Python has the last word.
 */

export type Kind =
  | 'magic'
  | 'name'
  | 'option'
  | 'value'
  | 'string'
  | 'description'
  | 'comment'
  | 'step'
  | 'arrow'
  | 'ref'
  | 'level'
  | 'pin'
  | 'key'
  | 'prompt'
  | 'error';

/** A stretch of the text: `from` and `to` count characters from its start. */
export interface Token {
  from: number;
  to: number;
  kind: Kind;
}

const MAGIC = /^%%murakkab(?=\s|$)/;
const STEP = /^([\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}_]*)([ \t]*)(<-)[ \t]*/u;
const IDENTIFIER = /^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}_]*$/u;
const LEVEL = /,\s*per\s+[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}_]*\.?\s*$/u;
/** A longer line is shown without colours: nobody reads it, and typing must stay quick. */
const LONGEST_LINE = 10_000;

/** Whether a cell is one of ours, by its first line. */
export function isMurakkab(firstLine: string): boolean {
  return MAGIC.test(firstLine);
}

/** The first line of a cell when it is one of ours, else null; IPython passes over empty lines before it. */
export function headerOf(source: string): string | null {
  const line = source.split('\n').find(one => one.trim());
  return line !== undefined && isMurakkab(line) ? line : null;
}

/** Whether a word can name a workflow or a step, in any script. */
export function isName(word: string): boolean {
  return IDENTIFIER.test(word);
}

/** The workflow's name in a cell's first line, if it has one. */
export function workflowName(firstLine: string): string | null {
  const found = MAGIC.exec(firstLine);
  const word = found ? firstLine.slice(found[0].length).trim().split(/\s+/)[0] : '';
  return word && isName(word) ? word : null;
}

/** Tokens of a cell in the order of the text; none when it is not one of ours. */
export function tokens(text: string): Token[] {
  if (headerOf(text) === null) {
    return [];
  }
  const lines = text.split('\n');
  const first = lines.findIndex(line => line.trim());
  const found: Token[] = [];
  let at = 0;
  let steps = false;
  lines.forEach((line, index) => {
    if (index < first || line.length > LONGEST_LINE) {
      // no colours
    } else if (index === first) {
      header(line, at, found);
    } else {
      steps = steps || STEP.test(line);
      body(line, at, steps, found);
    }
    at += line.length + 1;
  });
  return found;
}

function header(line: string, start: number, found: Token[]): void {
  const magic = MAGIC.exec(line);
  let at = magic ? magic[0].length : 0;
  found.push({ from: start, to: start + at, kind: 'magic' });
  let first = true;
  while (at < line.length) {
    if (/\s/.test(line.charAt(at))) {
      at += 1;
      continue;
    }
    const end = endOfWord(line, at);
    const word = line.slice(at, end);
    if (word.startsWith('-')) {
      const equals = word.indexOf('=');
      const stop = equals < 0 ? end : at + equals;
      found.push({ from: start + at, to: start + stop, kind: 'option' });
      if (equals >= 0 && stop + 1 < end) {
        found.push({ from: start + stop + 1, to: start + end, kind: literal(word.slice(equals + 1)) });
      }
    } else if (first) {
      found.push({ from: start + at, to: start + end, kind: isName(word) ? 'name' : 'error' });
    } else {
      found.push({ from: start + at, to: start + end, kind: literal(word) });
    }
    first = false;
    at = end;
  }
}

/** What a value is, by how it begins. */
function literal(word: string): Kind {
  return word.startsWith('{') ? 'ref' : /^["']/.test(word) ? 'string' : 'value';
}

/** Where the word that begins at `at` ends; quotes keep spaces together. */
function endOfWord(line: string, at: number): number {
  let end = at;
  while (end < line.length && !/\s/.test(line.charAt(end))) {
    const sign = line.charAt(end);
    const close = sign === '"' || sign === "'" ? line.indexOf(sign, end + 1) : -1;
    end = close < 0 ? end + 1 : close + 1;
  }
  return end;
}

function body(line: string, start: number, steps: boolean, found: Token[]): void {
  if (!line.trim()) {
    return;
  }
  if (!steps) {
    found.push({ from: start, to: start + line.length, kind: 'description' });
  } else if (line.startsWith('#')) {
    found.push({ from: start, to: start + line.length, kind: 'comment' });
  } else if (line.startsWith('  ') || line.startsWith('\t')) {
    prompt(line, start, found);
  } else {
    step(line, start, found);
  }
}

function step(line: string, start: number, found: Token[]): void {
  const head = STEP.exec(line);
  if (!head) {
    const written = line.trimEnd();
    found.push({ from: start, to: start + written.length, kind: 'error' });
    return;
  }
  const name = head[1] ?? '';
  const arrow = name.length + (head[2] ?? '').length;
  found.push({ from: start, to: start + name.length, kind: 'step' });
  found.push({ from: start + arrow, to: start + arrow + 2, kind: 'arrow' });
  const first = head[0].length;
  const pin = pinAt(line, first);
  const sentence = line.slice(first, pin);
  const level = LEVEL.exec(sentence);
  const end = level ? first + level.index : pin;
  references(line, first, end, start, found, true);
  if (level) {
    const words = level[0].trimEnd();
    found.push({ from: start + end + 1 + leading(words.slice(1)), to: start + end + words.length, kind: 'level' });
  }
  if (pin < line.length) {
    pins(line, pin, start, found);
  }
}

function leading(text: string): number {
  return text.length - text.trimStart().length;
}

/** Where a sentence's pin begins: the first `@` that is not doubled; else the line's end. */
function pinAt(line: string, from: number): number {
  for (let at = from; at < line.length; at += 1) {
    if (line.charAt(at) === '@') {
      if (line.charAt(at + 1) === '@') {
        at += 1;
      } else {
        return at;
      }
    }
  }
  return line.length;
}

/** `{name}`, and braces that are neither doubled nor around a name; with `quotes`, texts in double quotes, too. */
function references(line: string, from: number, to: number, start: number, found: Token[], quotes = false): void {
  let closing = -1;
  for (let at = from; at < to; at += 1) {
    const sign = line.charAt(at);
    if (quotes && sign === '"' && at !== closing) {
      closing = line.indexOf('"', at + 1);
      if (closing > 0 && closing < to && !/[{}]/.test(line.slice(at, closing))) {
        found.push({ from: start + at, to: start + closing + 1, kind: 'string' });
        at = closing;
      }
      continue;
    }
    if (sign !== '{' && sign !== '}') {
      continue;
    }
    if (at + 1 < to && line.charAt(at + 1) === sign) {
      at += 1;
      continue;
    }
    const close = sign === '{' ? line.indexOf('}', at) : -1;
    if (close < 0 || close >= to) {
      found.push({ from: start + at, to: start + at + 1, kind: 'error' });
      continue;
    }
    const kind = IDENTIFIER.test(line.slice(at + 1, close)) ? 'ref' : 'error';
    found.push({ from: start + at, to: start + close + 1, kind });
    at = close;
  }
}

function pins(line: string, at: number, start: number, found: Token[]): void {
  let end = at;
  while (end < line.length && !/\s/.test(line.charAt(end))) {
    end += 1;
  }
  found.push({ from: start + at, to: start + end, kind: 'pin' });
  while (end < line.length) {
    if (/\s/.test(line.charAt(end))) {
      end += 1;
      continue;
    }
    const stop = endOfWord(line, end);
    const equals = line.slice(end, stop).indexOf('=');
    if (equals < 0) {
      found.push({ from: start + end, to: start + stop, kind: 'error' });
    } else {
      found.push({ from: start + end, to: start + end + equals, kind: 'key' });
      const value = end + equals + 1;
      if (value < stop) {
        found.push({ from: start + value, to: start + stop, kind: literal(line.slice(value, stop)) });
      }
    }
    end = stop;
  }
}

/** A prompt: plain text around its references. */
function prompt(line: string, start: number, found: Token[]): void {
  const inside: Token[] = [];
  references(line, 0, line.length, start, inside);
  let at = start + leading(line);
  for (const token of inside) {
    if (token.from > at) {
      found.push({ from: at, to: token.from, kind: 'prompt' });
    }
    found.push(token);
    at = token.to;
  }
  if (at < start + line.length) {
    found.push({ from: at, to: start + line.length, kind: 'prompt' });
  }
}
