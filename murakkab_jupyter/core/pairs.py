"""Mappings that are read from files, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Twice", "once_each"]


class Twice(ValueError):  # noqa: N818 - what it is: whoever reads the file says where
    """A key stands twice in one mapping, and one of the two would be lost; `key` is which."""

    def __init__(self, key: object) -> None:
        super().__init__(f"{key} is there twice in one place")
        self.key = key


def once_each(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """A mapping from its pairs (as `object_pairs_hook` of JSON); raises `Twice` for a key that is there twice."""
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Twice(key)
        found[key] = value
    return found
