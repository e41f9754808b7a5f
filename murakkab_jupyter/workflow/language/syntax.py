"""The syntax tree of a cell: what was written, and where.

Cell
├── name, options       the header line
├── description         every line before the first step
└── StepNode            `name <- sentence[, per level] [@pin key=value …]`, and its body
    ├── Text | Ref      parts of the sentence
    ├── PinNode         target, and KeyNode for each key=value
    └── Ref             of the body
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.core.redact import masked

__all__ = ["Cell", "KeyNode", "PinNode", "Place", "Ref", "StepNode", "Text", "Word"]

LONGEST_SHOWN = 400
"""A longer line is cut in a message, and not shown at all when the place lies beyond."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one line; `line` and `column` count from 1, `source` is the whole line."""

    line: int
    column: int
    width: int = 1
    source: str = field(default="", repr=False)

    def error(self, message: str, hint: str | None = None) -> LanguageError:
        """An error that points here."""
        source, width = masked(self.source), self.width
        if len(source) > LONGEST_SHOWN:
            source = f"{source[:LONGEST_SHOWN]}…" if self.column + width <= LONGEST_SHOWN else ""
        return LanguageError(
            masked(message),
            line=self.line,
            column=self.column,
            source=source,
            width=width,
            hint=masked(hint) if hint else hint,
        )


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text of a sentence, with its escapes undone."""

    text: str


@dataclass(frozen=True, slots=True)
class Ref:
    """`{name}`."""

    name: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the header line, quotes removed."""

    text: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class KeyNode:
    """`key=value` of a pin; `value` is the literal as text (quotes removed), or a reference."""

    name: str
    value: str | Ref
    form: Literal["word", "string", "ref"]
    place: Place = field(compare=False)
    value_place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class PinNode:
    """`@target key=value …`."""

    target: str
    keys: tuple[KeyNode, ...]
    place: Place = field(compare=False)

    @property
    def function(self) -> str | None:
        """The name after `python:`, or None for an agent or capability."""
        return self.target.removeprefix("python:") if self.target.startswith("python:") else None


@dataclass(frozen=True, slots=True)
class StepNode:
    """One step as written.

    Attributes
    ----------
    name
        Its name.
    sentence
        As written, escapes and braces kept, without level and pins.
    parts
        The sentence, split.
    per
        The level as written, or None.
    pin
        Its pin, or None.
    body
        Its prompt without the indent, or None.
    body_refs
        References of the body.
    place
        Of the name; `sentence_place` of the sentence, `per_place` of the level.
    """

    name: str
    sentence: str
    parts: tuple[Text | Ref, ...]
    per: str | None
    pin: PinNode | None
    body: str | None
    body_refs: tuple[Ref, ...]
    place: Place = field(compare=False)
    sentence_place: Place = field(compare=False)
    per_place: Place | None = field(default=None, compare=False)
    body_place: Place | None = field(default=None, compare=False)

    @property
    def refs(self) -> tuple[Ref, ...]:
        """References of the sentence, in order."""
        return tuple(part for part in self.parts if isinstance(part, Ref))

    def all_refs(self) -> tuple[Ref, ...]:
        """References of the sentence, the pin and the body."""
        pinned = tuple(key.value for key in self.pin.keys if isinstance(key.value, Ref)) if self.pin else ()
        return (*self.refs, *pinned, *self.body_refs)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as written.

    Attributes
    ----------
    text
        The whole cell.
    name
        The name in its header, or None.
    options
        The other words of its header.
    description
        Every line before the first step, without blank lines around it.
    steps
        In the order written.
    """

    text: str
    name: str | None
    options: tuple[Word, ...]
    description: str
    steps: tuple[StepNode, ...]
