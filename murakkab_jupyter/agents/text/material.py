"""Material: what a step brings to a text agent, as pieces of text that know where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.core.kinds import (
    Answer,
    Boxes,
    Evidence,
    Origin,
    Passage,
    Transcript,
    origin_of,
    text_of,
)

__all__ = ["Piece", "evidence_of", "label_of", "pieces", "seen_in"]

Sort = Literal["seen", "said", "text"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text: from which input, of what sort, and where it lies in the user's media."""

    name: str
    text: str
    origin: Origin | None = None
    sort: Sort = "text"


def pieces(inputs: Inputs, port: str) -> list[Piece]:
    """What a port brings, as pieces in order: each segment of a transcript is one, with its own times.

    Takes every shape a port may have: a value, a gathered list, or `(name, value)` pairs of these.
    A value without words makes no piece.
    """
    value = inputs.values.get(port)
    origin = inputs.origins.get(port)
    if named(value):
        origins = (
            origin if isinstance(origin, Sequence) and len(origin) == len(value) else [None] * len(value)
        )
        return [
            piece
            for (name, part), place in zip(value, origins, strict=True)
            for piece in walk(str(name), part, place)
        ]
    return list(walk(port, value, origin))


def named(value: Any) -> TypeGuard[list[tuple[str, Any]]]:
    """Whether a value is that of a port of several: `(name, value)` pairs."""
    return isinstance(value, list) and all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in value
    )


def walk(name: str, value: Any, origin: Any) -> Iterator[Piece]:
    """The pieces of text within a value of any kind, each with its place in the media (s) where one is known."""
    match value:
        case None:
            return
        case Transcript():
            for segment in value.segments:
                if segment.text.strip():
                    place = (
                        Origin(origin.source, segment.start_s, segment.end_s)
                        if isinstance(origin, Origin)
                        else None
                    )
                    yield Piece(name, segment.text.strip(), place, "said")
        case Boxes():
            words = text_of(value)
            if words:
                yield Piece(name, words, place_of(value, origin), "seen")
        case Answer() if value.evidence:
            first = value.evidence[0]
            yield Piece(name, value.text, Origin(first.source, first.start_s, first.end_s, first.place))
        case list() | tuple():
            places = (
                origin
                if isinstance(origin, Sequence) and len(origin) == len(value)
                else [origin] * len(value)
            )
            for part, place in zip(value, places, strict=True):
                yield from walk(name, part, place)
        case _:
            words = text_of(value).strip()
            if words:
                yield Piece(name, words, place_of(value, origin))


def place_of(value: Any, origin: Any) -> Origin | None:
    """A passage knows better than its step where it comes from."""
    if isinstance(value, Passage) and value.origin is not None:
        return value.origin
    return origin if isinstance(origin, Origin) else origin_of(value)


def seen_in(boxes: Sequence[Boxes]) -> dict[str, int]:
    """Labels seen in some pictures of one place, with the most seen at once; most first."""
    most: dict[str, int] = {}
    for picture in boxes:
        for label, count in picture.counts().items():
            most[label] = max(most.get(label, 0), count)
    return dict(sorted(most.items(), key=lambda pair: (-pair[1], pair[0])))


def evidence_of(piece: Piece, text: str | None = None) -> Evidence:
    """A piece as evidence; where nothing comes from a file, the source is the name of the input."""
    words, origin = piece.text if text is None else text, piece.origin
    if origin is None:
        return Evidence(piece.name, text=words)
    return Evidence(origin.source, origin.start_s, origin.end_s, words, origin.place)


def label_of(name: str) -> str:
    """An input's name as a label: `on_screen_text` reads `On screen text`."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
