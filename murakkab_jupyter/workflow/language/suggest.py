"""Near names and lists of names, for hints."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["listed", "near", "suggestion"]

LONGEST_NAME = 60
"""A longer word is a mistake of another sort: nothing is compared with it (comparing costs its square)."""


def near(word: str, known: Iterable[str]) -> list[str]:
    """Up to three names that look like `word`, the nearest first."""
    if len(word) > LONGEST_NAME:
        return []
    by_folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), list(by_folded), n=3, cutoff=0.6)
    return [by_folded[name] for name in found]


def listed(names: Iterable[str], shown: int = 12) -> str:
    """`a, b, c`, cut after `shown` names; `none` for none."""
    every = list(names)
    more = f" and {len(every) - shown} more" if len(every) > shown else ""
    return (", ".join(every[:shown]) or "none") + more


def suggestion(word: str, known: Iterable[str]) -> str:
    """`Did you mean …?`, else the list of what there is."""
    names = list(known)
    found = near(word, names)
    return f"Did you mean {' or '.join(found)}?" if found else f"There are: {listed(names)}."
