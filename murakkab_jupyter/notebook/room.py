"""How large a saved notebook may become: what its cells show is counted, and runs beyond that are shown in brief."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Place", "Room", "saved_bytes"]

FULL_SHARE = 0.68
"""Of the whole; the rest is for runs in brief, for code and for words."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is shown.

    Attributes
    ----------
    cell
        The front end's id of the cell; empty where it sends none.
    execution
        Which execution this is: another one of the same cell replaces what the cell showed.
    """

    cell: str = ""
    execution: int = 0

    @property
    def key(self) -> str:
        """What one cell has; without an id, each execution counts as a cell of its own."""
        return self.cell or f"execution {self.execution}"


class Room:
    """Bytes that the outputs of one notebook take.

    Parameters
    ----------
    limit_bytes
        `limit_bytes() -> int`: for the whole notebook; 0 for no limit.
    """

    def __init__(self, limit_bytes: Callable[[], int]) -> None:
        self._limit_bytes = limit_bytes
        self._held: dict[str, tuple[int, int]] = {}

    def take(self, place: Place, size: int) -> None:
        """Count `size` bytes more for a cell."""
        self._held[place.key] = (place.execution, self.held(place) + size)

    def replace(self, place: Place, before: int, after: int) -> None:
        """Count `after` bytes for what took the place of `before`; a cell that was run again since does not show it any more."""
        if self._held.get(place.key, (None, 0))[0] == place.execution:
            self.take(place, after - before)

    def fits(self, place: Place, size: int) -> bool:
        """Whether `size` bytes more in a cell leave room for the brief forms of what comes after."""
        limit = self._limit_bytes()
        others = sum(held for key, (_, held) in self._held.items() if key != place.key)
        return limit <= 0 or others + self.held(place) + size <= FULL_SHARE * limit

    def held(self, place: Place) -> int:
        """Bytes that this execution of a cell shows."""
        execution, held = self._held.get(place.key, (place.execution, 0))
        return held if execution == place.execution else 0


def saved_bytes(data: Mapping[str, object]) -> int:
    """Bytes of an output in a notebook as Jupyter writes it: indented, a line of text a string."""
    split = {
        kind: one.splitlines(keepends=True) if isinstance(one, str) else one for kind, one in data.items()
    }
    # A line is indented by all that it lies in, which is much where there are many short ones.
    within = {"cells": [{"outputs": [{"data": split}]}]}
    return len(json.dumps(within, indent=1, ensure_ascii=False).encode("utf-8", "replace"))
