"""One value of any kind, in words a person can read."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from murakkab_jupyter.core.kinds import (
    Answer,
    Audio,
    Boxes,
    Document,
    Evidence,
    Frame,
    Image,
    Passage,
    Scene,
    Segment,
    Transcript,
    Video,
)
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.notebook.views.figures import time_text, timecode
from murakkab_jupyter.notebook.views.html import MUTED, Html, clean, join, tag

__all__ = [
    "LONGEST",
    "NAMES",
    "evidence_words",
    "file_name",
    "names_apart",
    "passage_words",
    "place_of",
    "value_html",
    "value_words",
]

LONGEST = 600
"""Characters of a value that a view shows."""


def file_name(path: str) -> str:
    """The last part of a path (of this system or another), for display."""
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


NAMES: Mapping[str, str] = {}
"""Of files whose own names tell them apart, nothing needs to be said."""


def names_apart(paths: Iterable[str]) -> dict[str, str]:
    """For files that share a name, by path: the fewest last parts of the path that no other of these ends with."""
    parts = {path: path.replace("\\", "/").strip("/").split("/") for path in paths}
    found: dict[str, str] = {}
    left, size = parts, 1
    while left:
        ends = Counter(tuple(one[-size:]) for one in left.values())
        alone = {path for path, one in left.items() if ends[tuple(one[-size:])] == 1 or size >= len(one)}
        if size > 1:
            found |= {path: "/".join(left[path][-size:]) for path in alone}
        left = {path: one for path, one in left.items() if path not in alone}
        size += 1
    return found


def place_of(value: object, names: Mapping[str, str] = NAMES) -> str:
    """Where a value lies in the user's media: `clip.mp4 0:05–0:12`; empty when it has no place.

    `names` says, by path, what to call files that share a name.
    """

    def name(media: Media) -> str:
        return names.get(media.path, media.name)

    match value:
        case Scene():
            return f"{name(value.media.media)} {timecode(value.start_s)}–{timecode(value.end_s)}"
        case Frame():
            return f"{name(value.video.media)} {timecode(value.time_s)}"
        case Video() | Audio():
            return f"{name(value.media)} ({time_text(value.duration_s)})"
        case Image() | Document():
            return name(value.media)
    return ""


def evidence_words(evidence: Evidence, names: Mapping[str, str] = NAMES) -> str:
    """`clip.mp4 0:05–0:12`, `report.pdf, page 3`; `names` as in `place_of`."""
    name = names.get(evidence.source) or file_name(evidence.source)
    if evidence.start_s is None:
        return f"{name}, {evidence.place}" if evidence.place else name
    if evidence.end_s is None or evidence.end_s == evidence.start_s:
        return f"{name} {timecode(evidence.start_s)}"
    return f"{name} {timecode(evidence.start_s)}–{timecode(evidence.end_s)}"


def cut(text: str, longest: int) -> str:
    text = clean(text).strip()
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def seen_in(frames: Sequence[Boxes]) -> str:
    """What several pictures show: of each label how many, and how many of the pictures show it."""
    counts: dict[str, list[int]] = {}
    for one in frames:
        for label, number in one.counts().items():
            counts.setdefault(label, []).append(number)
    if not counts:
        return "nothing recognised"
    total = len(frames)
    shown = []
    for label, seen in sorted(counts.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        most = max(seen)
        words = label if most == 1 else f"{'up to ' if min(seen) < most else ''}{most} × {label}"
        shown.append(words if len(seen) == total else f"{words} ({len(seen)} of {total})")
    return ", ".join(shown)


def passage_words(value: Passage, longest: int, names: Mapping[str, str] = NAMES) -> tuple[str, str]:
    """A passage in two parts that share `longest` characters: its text, and where it comes from (`report.pdf, page 3`)."""
    one = value.origin
    if one is None:
        return cut(value.text, longest), ""
    place = cut(
        evidence_words(Evidence(one.source, one.start_s, one.end_s, place=one.place), names), longest // 2
    )
    return cut(value.text, longest - len(place) - 3), place


def right_to_left(text: str) -> bool:
    """Whether a text has letters of a script that is written from right to left."""
    return any(unicodedata.bidirectional(one) in {"R", "AL"} for one in text)


def value_words(value: Any, longest: int = LONGEST, names: Mapping[str, str] = NAMES) -> str:
    """A value as text, at most `longest` characters of it; `names` as in `place_of`."""
    match value:
        case None:
            return "nothing"
        case str():
            return cut(value, longest) or "(empty)"
        case bool() | int():
            return str(value)
        case float():
            return f"{value:.6g}"
        case Transcript():
            return cut(value.text, longest) or (f"no speech ({value.note})" if value.note else "no speech")
        case Boxes():
            counts = value.counts()
            return (
                cut(", ".join(k if n == 1 else f"{n} × {k}" for k, n in counts.items()), longest)
                or "nothing recognised"
            )
        case Answer():
            return cut(value.text, longest) or "(no answer)"
        case Passage():
            text, place = passage_words(value, longest, names)
            return f"{text} ({place})".lstrip() if place else text
        case Segment():
            return cut(f"{timecode(value.start_s)} {value.text}", longest)
        case Scene() | Frame() | Video() | Audio() | Image() | Document():
            return cut(place_of(value, names), longest)
        case np.ndarray():
            return f"vector of {value.size} numbers"
        case Mapping():
            return cut(
                "; ".join(f"{key}: {value_words(one, 120, names)}" for key, one in value.items()), longest
            )
        case Sequence() if value and all(isinstance(one, Boxes) for one in value):
            return cut(seen_in(value), longest)
        case Sequence():
            return cut("; ".join(value_words(one, 160, names) for one in value), longest) or "nothing"
    return cut(str(value), longest)


def value_html(value: Any, longest: int = LONGEST, names: Mapping[str, str] = NAMES) -> Html:
    """The same for HTML; records become lines, a passage's origin stands back."""
    if isinstance(value, Mapping) and value:
        return tag(
            "div",
            *(
                tag("div", tag("small", f"{key}: "), value_html(one, max(40, min(200, longest)), names))
                for key, one in list(value.items())[:30]
            ),
        )
    if isinstance(value, Passage) and value.origin is not None:
        text, place = passage_words(value, longest, names)
        return tag("span", text, " ", tag("span", f"({place})", style=MUTED))
    said = value_words(value, longest, names)
    lines, leftward = "\n" in said, right_to_left(said)
    if not lines and not leftward:
        return join([said])
    return tag(
        "span", said, dir="auto" if leftward else None, style="white-space:pre-wrap" if lines else None
    )
