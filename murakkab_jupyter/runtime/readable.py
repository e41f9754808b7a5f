"""Values as JSON that people and other programs read (not the codecs: nothing is read back from it)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from murakkab_jupyter.core.kinds import (
    Answer,
    Audio,
    Boxes,
    Document,
    Frame,
    Image,
    Origin,
    Passage,
    Scene,
    Transcript,
    Video,
)

__all__ = ["LONGEST_LIST", "readable"]

LONGEST_LIST = 1024
"""Arrays with more numbers are summarised."""


def readable(value: Any) -> Any:
    """Any value as plain JSON; what has no form of its own as the text that Python shows."""
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return number(value)
        case Answer():
            evidence = [
                {"source": one.source, "start_s": one.start_s, "end_s": one.end_s, "text": one.text}
                | ({"place": one.place} if one.place else {})
                for one in value.evidence
            ]
            return {"text": value.text, "evidence": evidence}
        case Transcript():
            segments = [{"start_s": s.start_s, "end_s": s.end_s, "text": s.text} for s in value.segments]
            return {"text": value.text, "language": value.language, "note": value.note, "segments": segments}
        case Boxes():
            boxes = [
                {"label": b.label, "score": b.score, "x1": b.x1, "y1": b.y1, "x2": b.x2, "y2": b.y2}
                for b in value.boxes
            ]
            return {"counts": value.counts(), "boxes": boxes}
        case Scene():
            return {"source": value.media.media.path, "start_s": value.start_s, "end_s": value.end_s}
        case Frame():
            return {"source": value.video.media.path, "time_s": value.time_s}
        case Passage():
            return {"text": value.text, "score": value.score, "origin": readable(value.origin)}
        case Origin():
            where = {"place": value.place} if value.place else {}
            return {"source": value.source, "start_s": value.start_s, "end_s": value.end_s, **where}
        case Video():
            size = {"width": value.width, "height": value.height, "fps": value.fps}
            return {
                "source": value.media.path,
                "duration_s": value.duration_s,
                **size,
                "has_audio": value.has_audio,
            }
        case Audio():
            return {"source": value.media.path, "duration_s": value.duration_s}
        case Image():
            return {"source": value.media.path, "width": value.width, "height": value.height}
        case Document():
            return {"source": value.media.path, "text": value.text}
        case np.ndarray():
            return array(value)
        case np.generic():
            return readable(value.item())
        case Mapping():
            return {str(key): readable(part) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [readable(part) for part in value]
        case bytes() | bytearray():
            return {"bytes": len(value)}
    return {"repr": repr(value)[:1000]}


def number(value: float) -> float | None:
    """JSON has no infinity, and no number that is none."""
    return value if isinstance(value, int) or math.isfinite(value) else None


def array(value: np.ndarray[Any, Any]) -> Any:
    """A short array as lists; a long one by its shape, range and first numbers."""
    if value.size <= LONGEST_LIST:
        return readable(value.tolist())
    summary: dict[str, Any] = {"shape": list(value.shape), "dtype": str(value.dtype)}
    if np.issubdtype(value.dtype, np.number) and not np.issubdtype(value.dtype, np.complexfloating):
        summary |= {name: number(float(getattr(value, name)())) for name in ("min", "max", "mean")}
    return {**summary, "first": readable(value.ravel()[:8].tolist())}
