import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { headerOf, isMurakkab, tokens, workflowName } from '../src/tokens';

/** `kind:text` of every token. */
function said(text: string): string[] {
  return tokens(text).map(({ from, to, kind }) => `${kind}:${text.slice(from, to)}`);
}

/** The same of the body below a header. */
function body(...lines: string[]): string[] {
  return said(['%%murakkab', ...lines].join('\n')).slice(1);
}

test('cells are read as the language reads them', () => {
  // The same file is checked against the parser in Python by tests/labextension/test_words.py.
  const path = join(__dirname, '..', '..', 'test', 'cells.json');
  const { cells } = JSON.parse(readFileSync(path, 'utf-8')) as { cells: { cell: string; read: Record<string, unknown> }[] };
  assert.ok(cells.length > 20);
  for (const { cell, read } of cells) {
    const of = (kind: string): string[] =>
      tokens(cell)
        .filter(one => one.kind === kind)
        .map(one => cell.slice(one.from, one.to));
    const mine = of('error').length
      ? { error: true }
      : {
          name: of('name')[0] ?? null,
          options: of('option'),
          steps: of('step'),
          refs: of('ref').map(one => one.slice(1, -1)),
          levels: of('level').map(one => one.replace(/^per\s+|\.$/g, '')),
          pins: of('pin').map(one => one.slice(1)),
          keys: of('key')
        };
    assert.deepEqual(mine, read, cell);
    assert.equal(workflowName(cell.split('\n')[0] ?? ''), read.name ?? null, cell);
  }
});

test('only a cell whose first line is the magic is ours', () => {
  assert.ok(isMurakkab('%%murakkab'));
  assert.ok(isMurakkab('%%murakkab news --run'));
  for (const line of ['%%murakkabx', ' %%murakkab', '%murakkab run', '%%bash', 'x = "%%murakkab"', '']) {
    assert.ok(!isMurakkab(line), line);
    assert.deepEqual(tokens(`${line}\na <- b {c}`), []);
  }
});

test('empty lines before the magic are passed over, as IPython does', () => {
  assert.equal(headerOf('\n  \n%%murakkab news\na <- b'), '%%murakkab news');
  assert.equal(headerOf('x = 1\n%%murakkab news'), null);
  assert.equal(headerOf(''), null);
  assert.deepEqual(said('\n\n%%murakkab news --run\na <- b').slice(0, 4), ['magic:%%murakkab', 'name:news', 'option:--run', 'step:a']);
});

test('a header has a name, options and values', () => {
  assert.deepEqual(said('%%murakkab news --minimize energy --deadline=2min --run'), [
    'magic:%%murakkab',
    'name:news',
    'option:--minimize',
    'value:energy',
    'option:--deadline',
    'value:2min',
    'option:--run'
  ]);
});

test('a header may lack a name, hold quotes, and take variables', () => {
  assert.deepEqual(said('%%murakkab --cluster "my file" --minimize {goal}').slice(1), [
    'option:--cluster',
    'string:"my file"',
    'option:--minimize',
    'ref:{goal}'
  ]);
});

test('what cannot be a name is marked', () => {
  assert.deepEqual(said('%%murakkab my-flow'), ['magic:%%murakkab', 'error:my-flow']);
});

test('the name of a workflow is read from the first line', () => {
  assert.equal(workflowName('%%murakkab news --run'), 'news');
  assert.equal(workflowName('%%murakkab --run'), null);
  assert.equal(workflowName('%%murakkab'), null);
  assert.equal(workflowName('print()'), null);
});

test('a step has a name, an arrow and references', () => {
  assert.deepEqual(body('scenes     <- split {videos} into scenes'), ['step:scenes', 'arrow:<-', 'ref:{videos}']);
});

test('names in any script are names', () => {
  assert.deepEqual(body('مشاهد <- split {vidéos} into scenes'), ['step:مشاهد', 'arrow:<-', 'ref:{vidéos}']);
});

test('a level is read at the end of the sentence, before a pin', () => {
  assert.deepEqual(body('answer <- answer {question} from {summary}, per video'), [
    'step:answer',
    'arrow:<-',
    'ref:{question}',
    'ref:{summary}',
    'level:per video'
  ]);
  assert.deepEqual(body('a <- answer {q} from {s}, per all @retrieval top_k=5'), [
    'step:a',
    'arrow:<-',
    'ref:{q}',
    'ref:{s}',
    'level:per all',
    'pin:@retrieval',
    'key:top_k',
    'value:5'
  ]);
});

test('"per" in the middle of a sentence is a word', () => {
  assert.deepEqual(body('a <- take 3 frames per scene, please, from {scenes}'), ['step:a', 'arrow:<-', 'ref:{scenes}']);
});

test('a pin takes words, texts and references', () => {
  assert.deepEqual(body('a <- ask {q} @python:my_function note="two words" question={q}'), [
    'step:a',
    'arrow:<-',
    'ref:{q}',
    'pin:@python:my_function',
    'key:note',
    'string:"two words"',
    'key:question',
    'ref:{q}'
  ]);
});

test('texts in double quotes are strings, unless they hold a reference', () => {
  assert.deepEqual(body('a <- sort {q} into "good news" or "bad", per all'), ['step:a', 'arrow:<-', 'ref:{q}', 'string:"good news"', 'string:"bad"', 'level:per all']);
  assert.deepEqual(body('a <- say "{q}" and "no end'), ['step:a', 'arrow:<-', 'ref:{q}']);
});

test('doubled signs are plain text', () => {
  assert.deepEqual(body('a <- write {{x}} to me@@example about {q}'), ['step:a', 'arrow:<-', 'ref:{q}']);
});

test('braces that are neither doubled nor around a name are marked', () => {
  assert.deepEqual(body('a <- see {x.y} and {q'), ['step:a', 'arrow:<-', 'error:{x.y}', 'error:{']);
  assert.deepEqual(body('a <- see } of {q}'), ['step:a', 'arrow:<-', 'error:}', 'ref:{q}']);
});

test('lines before the first step describe', () => {
  assert.deepEqual(body('List {the} objects.', '# not a comment yet', '', 'a <- see {q}'), [
    'description:List {the} objects.',
    'description:# not a comment yet',
    'step:a',
    'arrow:<-',
    'ref:{q}'
  ]);
});

test('after it, indented lines are a prompt and # begins a comment', () => {
  assert.deepEqual(body('a <- ask {q}', '  Reply as JSON {{"x": 1}} using {q}, per @us.', '# why', '  more'), [
    'step:a',
    'arrow:<-',
    'ref:{q}',
    'prompt:Reply as JSON {{"x": 1}} using ',
    'ref:{q}',
    'prompt:, per @us.',
    'comment:# why',
    'prompt:more'
  ]);
});

test('a line that is no step is marked', () => {
  assert.deepEqual(body('a <- see {q}', 'b = see {q}'), ['step:a', 'arrow:<-', 'ref:{q}', 'error:b = see {q}']);
});

test('tokens come in order, do not overlap and stay inside the text, whatever it is', () => {
  const pieces = ['%%murakkab', ' ', 'a', ' <- ', '{', '}', '{{', '@', '@@', ', per x', '"', "'", '=', '#', '\n', '\n  ', '\t', '--x', '😀', '\r'];
  let seed = 1;
  const next = (most: number): number => {
    seed = (seed * 48271) % 2147483647;
    return seed % most;
  };
  for (let round = 0; round < 3000; round += 1) {
    let text = '%%murakkab ';
    for (let index = 0; index < 40; index += 1) {
      text += pieces[next(pieces.length)] ?? '';
    }
    let last = 0;
    for (const { from, to } of tokens(text)) {
      assert.ok(from >= last && to > from && to <= text.length, JSON.stringify(text));
      assert.ok(!text.slice(from, to).includes('\n'), JSON.stringify(text));
      last = to;
    }
  }
});

test('a long cell is read quickly', () => {
  const text = '%%murakkab\n' + 'a <- see {q} and {r}, per video @pin k="v" x={y}\n  and {{so}} on {z}\n'.repeat(3000);
  const began = process.cpuUsage().user;
  tokens(text);
  assert.ok((process.cpuUsage().user - began) / 1000 < 500);
  const wide = '%%murakkab\n' + '{'.repeat(9000) + '\na <- ' + '{'.repeat(9001) + ' @' + '"'.repeat(901);
  const then = process.cpuUsage().user;
  tokens(wide);
  assert.ok((process.cpuUsage().user - then) / 1000 < 500);
});
