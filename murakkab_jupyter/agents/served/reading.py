"""Reading what a server sends: anybody may be behind a URL, so nothing it sends is taken on trust."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["count_in", "json_of", "plain", "vector_of"]

MOST = 10**12
"""No count of tokens is as large."""
LARGEST = 1e15
"""No number of a vector is; the squares of larger ones are beyond single precision."""


def json_of(text: str | bytes) -> Any:
    """What a JSON text says; raises `ValueError` for what is none, and for what is nested too deeply to be one's answer."""
    try:
        return json.loads(text)
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None


def count_in(found: Any, key: str) -> int:
    """A count under a key; 0 where there is none, or something else."""
    value = found.get(key) if isinstance(found, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
        return 0
    return int(value)


def plain(text: str, most: int) -> str:
    """A text in one line, without what could command a terminal, cut to so many characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:most]


def vector_of(found: Any) -> list[float] | None:
    """The numbers of a vector; None where it is none."""
    if not isinstance(found, list) or not found:
        return None
    good = all(
        isinstance(one, int | float) and not isinstance(one, bool) and -LARGEST < one < LARGEST
        for one in found
    )
    return [float(one) for one in found] if good else None
