"""Text with references: `{name}` refers, `{{` and `}}` are braces, `@@` is `@` in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from murakkab_jupyter.workflow.language.syntax import Place, Ref, Text

__all__ = ["fill", "plain", "scan"]

SPECIAL = re.compile(r"[{}@]")


def scan(line: str, number: int, start: int, *, sentence: bool) -> tuple[list[Text | Ref], int]:
    """Split a line from `start` on; returns its parts and where they end (at a pin's `@`, else at the end).

    Parameters
    ----------
    line, number
        The whole line and its number, for places.
    start
        Where to begin (from 0).
    sentence
        Whether `@` begins a pin; in a body it is plain text.

    Raises
    ------
    LanguageError
        For a brace that is neither doubled nor around a name, and for an `@` inside a word.
    """
    parts: list[Text | Ref] = []
    words: list[str] = []
    at = start
    while (found := SPECIAL.search(line, at)) is not None:
        index = found.start()
        words.append(line[at:index])
        sign = line[index]
        if sign == "@" and not sentence:
            words.append("@")
            at = index + 1
        elif line.startswith(sign * 2, index):
            words.append(sign)
            at = index + 2
        elif sign == "@":
            if index > start and not line[index - 1].isspace():
                msg = "An `@` inside a word."
                raise Place(number, index + 1, 1, line).error(
                    msg,
                    "Write a space before it to pin an agent or capability, or @@ for the sign itself.",
                )
            return finish(parts, words), index
        elif sign == "}":
            msg = "A `}` without its `{`."
            raise Place(number, index + 1, 1, line).error(
                msg, "Write {name} to refer to something, or }} for the sign itself."
            )
        else:
            ref = reference(line, number, index)
            finish(parts, words)
            words = []
            parts.append(ref)
            at = index + len(ref.name) + 2
    words.append(line[at:])
    return finish(parts, words), len(line)


def finish(parts: list[Text | Ref], words: list[str]) -> list[Text | Ref]:
    text = "".join(words)
    if text:
        parts.append(Text(text))
    return parts


def reference(line: str, number: int, index: int) -> Ref:
    """The reference that begins at `index`."""
    end = line.find("}", index)
    if end < 0:
        msg = "A `{` without its `}`."
        raise Place(number, index + 1, 1, line).error(
            msg, "Write {name} to refer to something, or {{ for the sign itself."
        )
    name = line[index + 1 : end]
    place = Place(number, index + 1, end - index + 1, line)
    if not name.strip():
        msg = "There is no name between these braces."
        raise place.error(
            msg,
            "Write {name} with a step or a Python variable, or {{ and }} for the signs themselves.",
        )
    if not name.isidentifier():
        bare = name.strip()
        if bare.isidentifier():
            msg = "Spaces between braces."
            raise place.error(msg, f"Write {{{bare}}}.")
        msg = "Only the name of a step or of a Python variable can stand between braces."
        raise place.error(
            msg,
            "Give it a name in Python first (x = …) and write {x}; write {{ and }} for the signs themselves.",
        )
    return Ref(name, place)


def parts_of(text: str, *, sentence: bool) -> list[Text | Ref]:
    parts: list[Text | Ref] = []
    for number, line in enumerate(text.split("\n"), 1):
        if number > 1:
            parts.append(Text("\n"))
        parts += scan(line, number, 0, sentence=sentence)[0]
    return parts


def fill(body: str, words: Mapping[str, str]) -> str:
    """A body with the references filled in and its doubled braces undone; runs no code.

    >>> fill("Say {{hi}} to {name}.", {"name": "Ada"})
    'Say {hi} to Ada.'
    """
    return "".join(
        part.text if isinstance(part, Text) else words.get(part.name, "")
        for part in parts_of(body, sentence=False)
    )


def plain(sentence: str) -> str:
    """A sentence as people read it: references without braces, doubled signs undone.

    >>> plain("take 3 frames from {scenes}")
    'take 3 frames from scenes'
    """
    return "".join(
        part.text if isinstance(part, Text) else part.name for part in parts_of(sentence, sentence=True)
    )
