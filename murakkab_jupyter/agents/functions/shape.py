"""Shape: what a user's function returns, as a value of the kind its step makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.core.kinds import (
    KINDS,
    Answer,
    Box,
    Boxes,
    Frame,
    Passage,
    Scene,
    Segment,
    Transcript,
    Video,
)

__all__ = ["shaped"]

WANTED = {
    "boxes": "a Boxes, or a list of (label, score, x1, y1, x2, y2) with corners as fractions",
    "transcript": "a Transcript, a text, or a list of (start_s, end_s, text)",
    "vector": "a list of numbers or a one-dimensional array",
    "scene": "a Scene, or (start_s, end_s)",
    "frame": "a Frame, or its time in seconds",
    "answer": "an Answer or a text",
    "passage": "a Passage or a text",
    "text": "a text",
    "record": "a dict",
}


def shaped(value: Any, kind: str, name: str, inputs: Inputs) -> Any:
    """The value itself where it has the kind; a plain Python value turned into it; `Failed` otherwise."""
    if kind == "any" or isinstance(value, KINDS[kind].type):
        return value
    try:
        made = built(value, kind, inputs)
    except (TypeError, ValueError, IndexError, KeyError):
        made = None
    if made is None:
        return Failed(
            f"{name} returned a {type(value).__name__}; its step makes {WANTED.get(kind, f'a {kind}')}."
        )
    return made


def built(value: Any, kind: str, inputs: Inputs) -> Any:
    """A value of a kind from plain Python: times in seconds, boxes of `(label, score, x1, y1, x2, y2)`; None where it cannot be one."""
    match kind, value:
        case "boxes", list() | tuple():
            return Boxes(tuple(box_of(row) for row in value))
        case "transcript", str():
            return Transcript((Segment(*span_of(inputs), value),) if value.strip() else ())
        case "transcript", list() | tuple():
            return Transcript(tuple(Segment(float(a), float(b), str(text)) for a, b, text in value))
        case "answer", str():
            return Answer(value)
        case "passage", str():
            return Passage(value)
        case "vector", _ if isinstance(value, Sequence | np.ndarray):
            array = np.asarray(value, dtype=np.float32)
            return array if array.ndim == 1 else None
        case "scene", (start, end):
            parent = next((v for v in inputs.values.values() if isinstance(v, Video | Scene)), None)
            media = parent.media if isinstance(parent, Scene) else parent
            return None if media is None else Scene(media, float(start), float(end))
        case "frame", int() | float():
            parent = next((v for v in inputs.values.values() if isinstance(v, Video | Scene)), None)
            media = parent.media if isinstance(parent, Scene) else parent
            return Frame(media, float(value)) if isinstance(media, Video) else None
    return None


def box_of(row: Any) -> Box:
    if isinstance(row, Box):
        return row
    label, score, *corners = row
    x1, y1, x2, y2 = (float(corner) for corner in corners)
    return Box(str(label), float(score), x1, y1, x2, y2)


def span_of(inputs: Inputs) -> tuple[float, float]:
    """Where the item lies: all that is known of the times of a text without any."""
    for value in inputs.values.values():
        match value:
            case Scene():
                return value.start_s, value.end_s
            case _ if hasattr(value, "duration_s"):
                return 0.0, float(value.duration_s)
    return 0.0, 0.0
