"""Cues in words: which tasks a stretch of text names, by stems in order."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from murakkab_jupyter.agents.text.sentences import bare_stem
from murakkab_jupyter.workflow.decompose.cues import Task

__all__ = ["Hit", "cue_words", "found", "hits_in", "stems"]

GAP = 4
LONG = 6
WORD = re.compile(r"[\w']+(?:[-;/][\w']+)*|[:?]")
PART = re.compile(r"\*|[\w':;/-]+(?:\|[\w';/-]+)*")


@dataclass(frozen=True, slots=True)
class Hit:
    """A cue in a stretch: its first word, the one after its last, how many words it has, whether it only counts alone."""

    start: int
    end: int
    size: int
    weak: bool = False
    places: tuple[int, ...] = ()
    """Where each of its words is."""


def stems(text: str) -> list[str]:
    """Stems of all words, in order; `-` and `;` keep words together."""
    low = re.sub(r"^(what|where|who|how)'s\b", r"\1 is", text.lower())
    return [bare_stem(word) for word in WORD.findall(low)]


@cache
def parsed(cue: str) -> tuple[bool, bool, tuple[frozenset[str], ...]]:
    """Whether a cue is weak (`~`), whether it begins a clause (`^`), and its parts by stems."""
    bare = cue.removeprefix("~")
    first = bare.startswith("^")
    parts = tuple(
        frozenset(("*",)) if part == "*" else frozenset(bare_stem(word) for word in part.split("|"))
        for part in PART.findall(bare.removeprefix("^").lower())
    )
    return cue.startswith("~"), first, parts


@cache
def cue_words(cue: str) -> frozenset[str]:
    """The words of a cue, as written."""
    return frozenset(re.findall(r"[a-z]+", cue.lower()))


def same(part: frozenset[str], word: str) -> bool:
    """Whether a word is one of a cue's: of a long one ("summar") the beginning is enough."""
    return word in part or any(len(one) >= LONG and word.startswith(one) for one in part)


def found(cue: str, words: Sequence[str]) -> Hit | None:
    """Where a cue lies in some stems, or None."""
    weak, first, parts = parsed(cue)
    for start, word in enumerate(words[:1] if first else words):
        if not same(parts[0], word):
            continue
        at, gap, ok, places = start + 1, 0, True, [start]
        for part in parts[1:]:
            if "*" in part:
                gap = GAP
                continue
            place = next((n for n in range(at, min(len(words), at + gap + 1)) if same(part, words[n])), None)
            if place is None:
                ok = False
                break
            at, gap = place + 1, 0
            places.append(place)
        if ok:
            return Hit(start, at, len(parts), weak, tuple(places))
    return None


def hits_in(words: Sequence[str], tasks: Mapping[str, Task], nouns: Collection[str]) -> dict[str, Hit]:
    """The first cue of each task in a stretch.

    A word that names an input is no cue ("the letters"), nor is one inside a longer cue of another task ("price tags");
    a weak cue counts only where no other task is named.
    """
    every: list[tuple[str, Hit]] = []
    for name, task in tasks.items():
        for cue in task.cues:
            hit = found(cue, words)
            if hit is not None and not (hit.end - hit.start == 1 and words[hit.start] in nouns):
                every.append((name, hit))
    hits: dict[str, Hit] = {}
    strong = {name for name, hit in every if not hit.weak}
    for name, hit in every:
        inside = any(
            other != name
            and one.start <= hit.start
            and hit.end <= one.end
            and one.end - one.start == one.size > hit.size
            for other, one in every
        )
        if inside or (hit.weak and strong - {name}):
            continue
        kept = hits.get(name)
        if kept is None or (hit.weak, hit.start, hit.end) < (kept.weak, kept.start, kept.end):
            hits[name] = hit
    return hits
