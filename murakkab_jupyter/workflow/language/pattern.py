"""Sentence patterns of capabilities, and how a sentence is matched with one.

A pattern is compiled to a little program; matching walks all its paths at once with a set of visited
(instruction, token) pairs, so its time is the pattern's length times the sentence's, whatever they hold.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Slot
from murakkab_jupyter.workflow.language.syntax import Ref, Text

__all__ = ["QUOTED", "Match", "Token", "example", "match", "tokens_of", "well_formed", "words_of"]

ARTICLES = frozenset({"a", "an", "the"})
NUMBERS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred"], 2
    )
}
QUOTED = r"""(?<!\w)'[^']*'(?!\w)|(?<!\w)‘(?:[^‘’]|’(?=\w))*’(?!\w)|"[^"]*"|“[^“”]*”|„[^„“”]*[“”]|(?<!\w)”[^”]*”|«[^«»]*»|»[^«»]*«"""  # noqa: RUF001 - quotes as word processors make them
"""Words in quotes, straight ones or those that a word processor makes of them."""
TOKEN = re.compile(rf"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)|{QUOTED}|[\w']+|[^\w\s]")
PIECE = re.compile(r"\{(\w+)(\.\.\.)?\}|<(\w+)>|(\.\.\.)|([()\[\]|])|([^\s(){}\[\]|<>]+)")
PLURAL = re.compile(r"\((\w+)\|\1s\)")
LONGEST_NUMBER = 5
"""Words of a number: two hundred and twenty five."""
DROPPED = frozenset({"-", "\u2010", "\u2013", "\u2014"})


@dataclass(frozen=True, slots=True)
class Token:
    """A word (folded), a comma, another sign, or a reference; `text` is the word as written, at `start`."""

    word: str
    text: str = ""
    ref: Ref | None = None
    start: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """How a sentence fits a pattern: references by port, values by slot, and how exactly it fits."""

    bound: tuple[tuple[str, Ref], ...]
    slots: tuple[tuple[str, Any], ...]
    literals: int
    wild: int


def words_of(text: str) -> list[Token]:
    """Tokens of plain text: words in lower case, without articles and hyphens."""
    found = []
    for piece in TOKEN.finditer(text):
        word = piece[0].casefold()
        if word not in ARTICLES and word not in DROPPED:
            found.append(Token(word, piece[0], start=piece.start()))
    return numbers_joined(found, text)


def numbers_joined(tokens: Sequence[Token], text: str) -> list[Token]:
    """Tokens with the words of one number as one: "two hundred and fifty" is 250, "twenty five" is 25."""
    joined: list[Token] = []
    at = 0
    while at < len(tokens):
        value, end = number_at([token.word for token in tokens[at : at + LONGEST_NUMBER]])
        if end > 1:
            first, last = tokens[at], tokens[at + end - 1]
            written = text[first.start : last.start + len(last.text)]
            joined.append(Token(str(value), written, start=first.start))
        else:
            joined.append(tokens[at])
        at += max(1, end)
    return joined


def number_at(words: Sequence[str]) -> tuple[int, int]:
    """The number that some words begin with, and how many of them say it (0: none)."""
    value, end = below_hundred(words)
    if words[end : end + 1] == ["hundred"]:
        value, end = 100 * (value if end else 1), end + 1
        more = end + (words[end : end + 1] == ["and"])
        rest, length = below_hundred(words[more:])
        if length:
            value, end = value + rest, more + length
    return value, end


def below_hundred(words: Sequence[str]) -> tuple[int, int]:
    value = NUMBERS.get(words[0], 100) if words else 100
    if value >= 100:
        return 0, 0
    unit = NUMBERS.get(words[1], 0) if len(words) > 1 else 0
    return (value + unit, 2) if value >= 20 and 0 < unit < 10 else (value, 1)


def tokens_of(parts: Sequence[Text | Ref]) -> list[Token]:
    """Tokens of a sentence, without a final full stop."""
    tokens: list[Token] = []
    for part in parts:
        if isinstance(part, Ref):
            tokens.append(Token("{}", ref=part))
        else:
            tokens += words_of(part.text)
    while tokens and tokens[-1].word in {".", "!", "?"}:
        tokens.pop()
    return tokens


# --- compiling -----------------------------------------------------------------------------------------------

Instruction = tuple[Any, ...]
"""`("word", w)`, `("ref", port)`, `("text", port)` any token, `("any",)`, `("slot", slot)`, `("split", a, b)`, `("end",)`."""


def compile_pattern(
    pattern: str, several: frozenset[str], slots: tuple[Slot, ...], *, bare: bool = False
) -> list[Instruction]:
    """The program of a pattern; raises `ValueError` for one that is malformed.

    `bare`: for sentences whose nouns stand for references: up to two words may stand before a noun
    ("the extracted frames"), and a run needs none.
    """
    pieces = list(PIECE.finditer(pattern))
    program: list[Instruction] = []
    position = 0
    by_name = {slot.name: slot for slot in slots}

    def fail() -> ValueError:
        return ValueError(f"The sentence pattern {pattern!r} is malformed.")

    def refs(port: str) -> None:
        if bare:
            start = len(program)
            program.extend(
                [("split", start + 4, start + 1), ("any",), ("split", start + 4, start + 3), ("any",)]
            )
        program.append(("ref", port))
        if port not in several:
            return
        # ( "," "and"? | "and" ) ref, again and again
        loop = len(program)
        program.append(("split", loop + 1, loop + 7))
        program.append(("split", loop + 2, loop + 4))
        program.append(("word", ","))
        program.append(("split", loop + 4, loop + 5))
        program.append(("word", "and"))
        program.append(("ref", port))
        program.append(("jump", loop))

    def run(port: str) -> None:
        # any words and references, with one reference at least
        start = len(program)
        program.append(("split", start + 1, start + 3))
        program.append(("text", port))
        program.append(("jump", start))
        program.append(("ref", port))
        program.append(("split", start + 5, start + 7))
        program.append(("text", port))
        program.append(("jump", start + 4))

    def anything() -> None:
        start = len(program)
        program.append(("split", start + 1, start + 3))
        program.append(("any",))
        program.append(("jump", start))

    def alternatives(closing: str | None) -> None:
        nonlocal position
        jumps: list[int] = []
        while True:
            split = len(program)
            program.append(("split", split + 1, -1))
            sequence(closing)
            mark = pieces[position][5] if position < len(pieces) else None
            if mark == "|":
                position += 1
                jumps.append(len(program))
                program.append(("jump", -1))
                program[split] = ("split", split + 1, len(program))
                continue
            if mark != closing:
                raise fail()
            position += 1
            if closing == "]":
                program[split] = ("split", split + 1, len(program))
            else:
                program[split] = ("jump", split + 1)
            for jump in jumps:
                program[jump] = ("jump", len(program))
            return

    def sequence(closing: str | None) -> None:
        nonlocal position
        while position < len(pieces):
            port, dots, slot, ellipsis, mark, word = pieces[position].groups()
            if mark in {"|", ")", "]"}:
                if closing is None:
                    raise fail()
                return
            position += 1
            if port:
                if not dots:
                    refs(port)
                elif bare:
                    anything()
                else:
                    run(port)
            elif slot:
                if slot not in by_name:
                    raise fail()
                program.append(("slot", by_name[slot]))
            elif ellipsis:
                anything()
            elif mark:
                alternatives(")" if mark == "(" else "]")
            else:
                program.extend(("word", token.word) for token in words_of(word))

    sequence(None)
    program.append(("end",))
    return program


@functools.lru_cache(maxsize=4096)
def compiled(pattern: str, several: frozenset[str], slots: tuple[Slot, ...], bare: bool) -> list[Instruction]:
    return compile_pattern(pattern, several, slots, bare=bare)


@functools.lru_cache(maxsize=4096)
def parsed_well(pattern: str, slots: tuple[Slot, ...]) -> bool:
    try:
        compile_pattern(pattern, frozenset(), slots)
    except ValueError:
        return False
    return True


def well_formed(capability: Capability, pattern: str) -> bool:
    """Whether a pattern can be read; another package's may not be, and then means nothing."""
    return parsed_well(pattern, capability.slots)


def slot_value(slot: Slot, token: Token) -> Any:
    """The value of a slot, or None where the word is no such value."""
    if token.ref is not None or token.word in {",", "and"}:
        return None
    text = token.text
    if slot.type is str:
        return text[1:-1] if re.fullmatch(QUOTED, text) else None if slot.quoted else text
    if token.word in NUMBERS:
        return slot.type(NUMBERS[token.word])
    try:
        return slot.type(token.word)
    except (ValueError, OverflowError):
        return None


def match(
    capability: Capability,
    pattern: str,
    tokens: Sequence[Token],
    *,
    bare: bool = False,
    lists: bool = False,
) -> Match | None:
    """How a sentence fits a pattern, or None. Earlier alternatives and longer runs are preferred.

    In a `bare` sentence a token may be a word and a reference at once. `lists`: every port may stand for
    several references, to find out what a sentence was meant to be.
    """
    several = frozenset(port.name for port in capability.ports if port.several or lists)
    program = compiled(pattern, several, capability.slots, bare)
    # Each path: instruction, token, captures as a linked list, literal words, words taken by wildcards.
    stack: list[tuple[int, int, Any, int, int]] = [(0, 0, None, 0, 0)]
    seen: set[tuple[int, int]] = set()
    while stack:
        pc, at, caught, literals, wild = stack.pop()
        if (pc, at) in seen:
            continue
        seen.add((pc, at))
        step = program[pc]
        name = step[0]
        token = tokens[at] if at < len(tokens) else None
        if name == "end":
            if token is None:
                return collected(caught, literals, wild)
        elif name == "split":
            stack.append((step[2], at, caught, literals, wild))
            stack.append((step[1], at, caught, literals, wild))
        elif name == "jump":
            stack.append((step[1], at, caught, literals, wild))
        elif token is None:
            continue
        elif name == "word":
            if (bare or token.ref is None) and token.word == step[1]:
                stack.append((pc + 1, at + 1, caught, literals + 1, wild))
        elif name == "any":
            if bare or token.ref is None:
                stack.append((pc + 1, at + 1, caught, literals, wild + 1))
        elif name == "slot":
            value = slot_value(step[1], token)
            if value is not None:
                stack.append((pc + 1, at + 1, (caught, (step[1].name, value)), literals + 1, wild))
        elif token.ref is not None:
            stack.append((pc + 1, at + 1, (caught, (step[1], token.ref)), literals, wild))
        elif name == "text":
            stack.append((pc + 1, at + 1, caught, literals, wild + 1))
    return None


def collected(caught: Any, literals: int, wild: int) -> Match:
    bound: list[tuple[str, Ref]] = []
    slots: list[tuple[str, Any]] = []
    while caught is not None:
        caught, (name, value) = caught
        if isinstance(value, Ref):
            bound.append((name, value))
        else:
            slots.append((name, value))
    return Match(tuple(reversed(bound)), tuple(reversed(slots)), literals, wild)


EXAMPLES = {
    "labels": '"praise, complaint"',
    "fields": '"name, date: date"',
    "language": "French",
    "source": "German",
    "words": "80",
}
"""What stands for a slot in an example; a number where it is not here."""


def slot_example(name: str) -> str:
    return EXAMPLES.get(name, "3")


def example(pattern: str) -> str:
    """A sentence that fits a pattern: first alternatives, plural rather than singular, no optional words.

    >>> example("(take|grab) <count> (frame|frames) from [each] {scene}")
    'take 3 frames from {scene}'
    """
    pattern = PLURAL.sub(r"\1s", pattern)
    out: list[str] = []
    skipping: list[str] = []
    for piece in PIECE.finditer(pattern):
        port, _, slot, ellipsis, mark, word = piece.groups()
        if mark in {"(", "["}:
            skipping.append("[" if mark == "[" or "skip" in skipping or "[" in skipping else "(")
        elif mark in {")", "]"}:
            if skipping:
                skipping.pop()
        elif mark == "|":
            if skipping:
                skipping[-1] = "skip"
        elif not ("[" in skipping or "skip" in skipping):
            out.append(f"{{{port}}}" if port else slot_example(slot) if slot else "…" if ellipsis else word)
    return " ".join(out)
