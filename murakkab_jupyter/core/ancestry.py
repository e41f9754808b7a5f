"""Ancestry: the key of one item, and the level it lives at.

An item is known by the path that led to it, `(videos 0) / (scenes 3) / (frames 1)`, never by a bare
position in a list, so that items may arrive in any order and still be joined to their own parents.
(The idea is nested ancestry, from ALTO, arXiv 2403.04311 v2.)
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ROOT",
    "Ancestry",
    "Level",
    "ancestry_from_json",
    "ancestry_to_json",
    "child",
    "common_level",
    "format_ancestry",
    "format_level",
    "is_prefix",
    "level_of",
]

Level = tuple[str, ...]
"""Names of the openers from the root down, e.g. `("videos", "scenes")`; `()` is the root."""

Ancestry = tuple[tuple[str, int], ...]
"""One `(opener, index)` pair for each part of the level, e.g. `(("videos", 0), ("scenes", 3))`."""

ROOT: Ancestry = ()


def level_of(ancestry: Ancestry) -> Level:
    """The level an item lives at."""
    return tuple(name for name, _ in ancestry)


def child(parent: Ancestry, opener: str, index: int) -> Ancestry:
    """The key of child `index` that `opener` made under `parent`."""
    return (*parent, (opener, index))


def is_prefix(shallow: Sequence[object], deep: Sequence[object]) -> bool:
    """Whether `shallow` lies on the way from the root to `deep` (equal counts); for levels and ancestries."""
    return tuple(deep[: len(shallow)]) == tuple(shallow)


def common_level(a: Level, b: Level) -> Level:
    """The deepest level that both `a` and `b` lie under."""
    size = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        size += 1
    return a[:size]


def format_level(level: Level) -> str:
    """`videos/scenes`; the root is `all`."""
    return "/".join(level) or "all"


def format_ancestry(ancestry: Ancestry) -> str:
    """`videos 0 / scenes 3`; the root is `all`."""
    return " / ".join(f"{name} {index}" for name, index in ancestry) or "all"


def ancestry_to_json(ancestry: Ancestry) -> list[list[str | int]]:
    """`[["videos", 0], ["scenes", 3]]`."""
    return [[name, index] for name, index in ancestry]


def ancestry_from_json(data: object) -> Ancestry:
    """Inverse of `ancestry_to_json`; raises `ValueError` on any other shape."""
    if not isinstance(data, list):
        msg = f"An ancestry is a list of [name, index] pairs, not {data!r}."
        raise ValueError(msg)
    pairs: list[tuple[str, int]] = []
    for pair in data:
        match pair:
            case [str(name), int(index)] if not isinstance(index, bool) and index >= 0:
                pairs.append((name, index))
            case _:
                msg = f"An ancestry is a list of [name, index] pairs, but it holds {pair!r}."
                raise ValueError(msg)
    return tuple(pairs)
