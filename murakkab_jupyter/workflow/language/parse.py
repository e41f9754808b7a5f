"""Text -> syntax tree. Knows no capability, no variable: only what a cell may look like."""

from __future__ import annotations

import keyword
import re
from dataclasses import replace

from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.workflow.language.pins import read_pin
from murakkab_jupyter.workflow.language.syntax import Cell, PinNode, Place, Ref, StepNode, Word
from murakkab_jupyter.workflow.language.template import scan

__all__ = ["MAGIC", "ROOT_LEVEL", "functions_in", "is_step_line", "parse", "split_words"]

MAGIC = "%%murakkab"
ROOT_LEVEL = "all"
STEP = re.compile(r"([^\W\d]\w*)[ \t]*<-[ \t]*")
INDENTED_STEP = re.compile(r"[ \t]+[^\W\d]\w*[ \t]*<-")
WORD = re.compile(r"\S+")
MEANT = re.compile(r"\S+(?: \S+){0,2}[ \t]*<-.*\{\w+\}|[^\W\d]\w*[ \t]*(?:=|:=|->|<=)[ \t]*[^\W\d].*\{\w+\}")
"""A line of a description that was meant as a step: it would be left out without a word."""


def is_step_line(line: str) -> bool:
    """Whether a line begins a step."""
    return STEP.match(line) is not None


def functions_in(text: str) -> list[str]:
    """Functions that a cell's steps are pinned to, in the order of the text."""
    pins = (step.pin for step in parse(text).steps)
    return list(dict.fromkeys(pin.function for pin in pins if pin is not None and pin.function is not None))


def parse(text: str | bytes) -> Cell:
    """Parse a cell.

    Parameters
    ----------
    text
        A cell, with or without its `%%murakkab` line; bytes are UTF-8.

    Returns
    -------
    Cell
        What was written, with places. A cell without a step parses: it may be a description only.

    Raises
    ------
    LanguageError
        With the place, what was expected and what to type.
    """
    written = decoded(text)
    lines = [line.removesuffix("\r") for line in written.split("\n")]
    name: str | None = None
    options: tuple[Word, ...] = ()
    first = 0
    if lines[0].startswith(MAGIC) and (len(lines[0]) == len(MAGIC) or lines[0][len(MAGIC)].isspace()):
        name, options = header(lines[0])
        first = 1
    begin = next((i for i in range(first, len(lines)) if STEP.match(lines[i])), len(lines))
    for index in range(first, begin):
        line = lines[index]
        if INDENTED_STEP.match(line) and ("{" in line or begin == len(lines)):
            column = len(line) - len(line.lstrip())
            msg = "A step begins at the start of its line."
            raise Place(index + 1, 1, column, line).error(msg, "Remove the spaces before it.")
        if MEANT.match(line) and not line.startswith("#"):
            raise not_a_step(line, index + 1)
    return Cell(written, name, options, trimmed(lines[first:begin]), tuple(read_steps(lines, begin)))


def decoded(text: str | bytes) -> str:
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            line = before.count(b"\n") + 1
            column = error.start - (before.rfind(b"\n") + 1) + 1
            msg = "This is not UTF-8 text."
            raise LanguageError(msg, line=line, column=column, hint="Save the file as UTF-8.") from None
    return text.removeprefix("\ufeff")


def trimmed(lines: list[str]) -> str:
    """Lines as one text, without blank lines before and after."""
    start, end = 0, len(lines)
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return "\n".join(lines[start:end])


# --- the header ----------------------------------------------------------------------------------------------


def header(line: str) -> tuple[str | None, tuple[Word, ...]]:
    words = split_words(line, len(MAGIC))
    if words and not words[0].text.startswith("-"):
        first = words[0]
        if keyword.iskeyword(first.text):
            msg = f"`{first.text}` is a word of Python, so no run can have that name."
            raise first.place.error(msg, f"Name the workflow otherwise: {first.text}_")
        if not first.text.isidentifier():
            fixed = re.sub(r"\W+", "_", first.text).strip("_")
            good = fixed if fixed.isidentifier() else f"w_{fixed}"
            msg = f"`{first.text[:60]}` cannot be the name of a workflow."
            raise first.place.error(
                msg,
                f"Use letters, digits and underscores: {good[:60]}",
            )
        return first.text, words[1:]
    return None, words


def split_words(line: str, start: int = 0, number: int = 1) -> tuple[Word, ...]:
    """Words of an option line; a quote keeps spaces together."""
    words: list[Word] = []
    index = start
    while index < len(line):
        if line[index].isspace():
            index += 1
            continue
        begin = index
        pieces: list[str] = []
        while index < len(line) and not line[index].isspace():
            if line[index] in "\"'":
                end = line.find(line[index], index + 1)
                if end < 0:
                    msg = "A quote that is not closed."
                    raise Place(number, index + 1, 1, line).error(msg, f"Write {line[index]} at its end too.")
                pieces.append(line[index + 1 : end])
                index = end + 1
            else:
                stop = index
                while stop < len(line) and not line[stop].isspace() and line[stop] not in "\"'":
                    stop += 1
                pieces.append(line[index:stop])
                index = stop
        words.append(Word("".join(pieces), Place(number, begin + 1, index - begin, line)))
    return tuple(words)


# --- steps ---------------------------------------------------------------------------------------------------


def read_steps(lines: list[str], begin: int) -> list[StepNode]:
    steps: list[StepNode] = []
    body: list[tuple[int, str]] = []
    seen: dict[str, int] = {}

    def close() -> None:
        if steps and body:
            steps[-1] = with_body(steps[-1], body)
        body.clear()

    for index in range(begin, len(lines)):
        line = lines[index]
        if not line.strip():
            body.append((index + 1, ""))
        elif line.startswith("#"):
            continue
        elif line.startswith(("  ", "\t")):
            body.append((index + 1, line))
        elif line[0].isspace():
            msg = "One space of indent."
            raise Place(index + 1, 1, 1, line).error(
                msg, "Indent a prompt by two spaces or more; begin a step without any."
            )
        else:
            close()
            step = read_step(line, index + 1)
            if step.name in seen:
                msg = f"There is a step `{step.name}` already, in line {seen[step.name]}."
                raise step.place.error(
                    msg,
                    "Give each step a name of its own.",
                )
            seen[step.name] = index + 1
            steps.append(step)
    close()
    return steps


def read_step(line: str, number: int) -> StepNode:
    found = STEP.match(line)
    if found is None:
        raise not_a_step(line, number)
    name = found[1]
    place = Place(number, 1, len(name), line)
    if name == ROOT_LEVEL:
        msg = "`all` names the root level."
        raise place.error(msg, "Give the step another name.")
    start = found.end()
    parts, end = scan(line, number, start, sentence=True)
    pin: PinNode | None = read_pin(line, number, end) if end < len(line) else None
    sentence = line[start:end].rstrip()
    per, per_place = None, None
    head, comma, tail = sentence.rpartition(",")
    words = tail.split()
    if comma and len(words) == 2 and words[0] == "per":
        level_at = start + len(head) + 1 + tail.rindex(words[1])
        level_place = Place(number, level_at + 1, len(words[1]), line)
        level = words[1].removesuffix(".")
        if level.startswith("{") and level.endswith("}") and level[1:-1].isidentifier():
            msg = "A level is a name without braces."
            raise level_place.error(msg, f"Write per {level[1:-1]}.")
        if level.isidentifier():
            per, per_place = level, level_place
            sentence = head.rstrip()
            parts, _ = scan(line[: start + len(head)].rstrip(), number, start, sentence=True)
            parts = [
                replace(part, place=replace(part.place, source=line)) if isinstance(part, Ref) else part
                for part in parts
            ]
    if not sentence.strip():
        msg = "A step needs a sentence after `<-`."
        raise Place(number, found.end(0) or 1, 1, line).error(
            msg,
            f"Say what it should do, for example: {name} <- summarise {{objects}}",
        )
    return StepNode(
        name=name,
        sentence=sentence,
        parts=tuple(parts),
        per=per,
        pin=pin,
        body=None,
        body_refs=(),
        place=place,
        sentence_place=Place(number, start + 1, len(sentence), line),
        per_place=per_place,
    )


def with_body(step: StepNode, lines: list[tuple[int, str]]) -> StepNode:
    """The step with its prompt: blank lines around it and the common indent removed."""
    kept = list(lines)
    while kept and not kept[-1][1]:
        kept.pop()
    while kept and not kept[0][1]:
        kept.pop(0)
    if not kept:
        return step
    indents = [line[: len(line) - len(line.lstrip())] for _, line in kept if line]
    indent = shared(indents)
    refs: list[Ref] = []
    for number, line in kept:
        parts, _ = scan(line, number, 0, sentence=False)
        refs += [part for part in parts if isinstance(part, Ref)]
    first = next((number, line) for number, line in kept if line)
    return replace(
        step,
        body="\n".join(line[indent:] for _, line in kept),
        body_refs=tuple(refs),
        body_place=Place(first[0], indent + 1, max(1, len(first[1].rstrip()) - indent), first[1]),
    )


def shared(indents: list[str]) -> int:
    """How many characters all indents begin with alike."""
    least, most = min(indents), max(indents)
    for index, char in enumerate(least):
        if index >= len(most) or most[index] != char:
            return index
    return len(least)


def not_a_step(line: str, number: int) -> LanguageError:
    first = WORD.match(line)
    width = len(first[0]) if first else 1
    place = Place(number, 1, width, line)
    example = "Write NAME <- what to do, for example: objects <- detect the objects in {frames}"
    name, arrow, rest = line.partition("<-")
    if arrow and name.strip() and not name.strip().isidentifier():
        wrong = name.strip()[:60]
        good = re.sub(r"\W+", "_", wrong).strip("_")
        good = good if good.isidentifier() else f"s_{good}"
        return Place(number, 1, len(name.rstrip()), line).error(
            f"`{wrong}` cannot be a step's name: it has letters, digits and underscores, and begins with no digit.",
            f"Write {good} <-{rest}",
        )
    for wrong in ("->", "<=", ":=", "="):
        name, sign, _ = line.partition(wrong)
        if sign and name.strip().isidentifier():
            at = Place(number, len(name) + 1, len(wrong), line)
            return at.error(f"A step is written with `<-`, not `{wrong}`.", example)
    hint = f"{example}. Describe the workflow before the first step; begin a comment with #; indent a prompt."
    return place.error("This line is no step.", hint)
