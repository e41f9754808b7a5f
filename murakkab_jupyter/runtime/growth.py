"""How many items go into a call: as planned, or more where the way to an instance and back takes longer than the work.

Nobody has measured a function of one's own before its first run, so its plan makes a call for each item. What its calls
take is known after a few of them.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from murakkab_jupyter.core.events import Usage

__all__ = ["CALLS", "CALL_S", "WORTH_S", "Growth", "short"]

CALLS = 5
"""Calls in a row that must tell the same before anything is changed."""

CALL_S = 0.5
"""A grown call takes no longer than about this, way and work together: stop, progress and what a loss costs stay small."""

WORTH_S = 2.0
"""What must be saved for a change to be made, and told."""

ENOUGH = 0.1
"""Calls grow until the way takes no more than this share of the work."""


def short(seconds: float) -> str:
    """`under 0.01 ms`, `0.12 ms`, `17 ms`, `0.5 s`."""
    if seconds < 1e-5:
        return "under 0.01 ms"
    return f"{1e3 * seconds:.2g} ms" if seconds < 0.0995 else f"{seconds:.2g} s"


class Growth:
    """How many items a call of one step takes now.

    Parameters
    ----------
    planned
        As planned: never fewer.
    most
        Most items that its agent takes in a call (`planned` where it must not change).

    Attributes
    ----------
    size
        Most items in a call now.
    way_s, each_s
        Of the calls that made it grow: what the way took at least, and the work of an item (median), in seconds.
    """

    def __init__(self, planned: int, most: int) -> None:
        self.planned = planned
        self.most = max(planned, most)
        self.size = planned
        self.grown = False
        self.way_s = 0.0
        self.each_s = 0.0
        self._seen: deque[tuple[float, float, int]] = deque(maxlen=CALLS)

    def saw(self, items: int, took_s: float, usage: Usage, left: int) -> bool:
        """Take in a call of so many items that took so long, from its order to its answer; True when calls begin to grow.

        `left` is how many items are still to be done by this step's instances one after another.
        """
        if self.most <= self.planned or items < 1:
            return False
        net_s = max(0.0, took_s - usage.load_s - usage.start_s)
        way_s = max(0.0, net_s - usage.seconds)
        if self.grown:
            self._adapt(items, net_s, way_s, usage.seconds)
            return False
        self._seen.append((way_s, usage.seconds, items))
        if len(self._seen) < CALLS:
            return False
        # The shortest way: others on the host, or in the queue, make some of them longer than they are by themselves.
        self.way_s = min(way for way, _, _ in self._seen)
        work_s = median(seconds for _, seconds, _ in self._seen)
        self.each_s = median(seconds / number for _, seconds, number in self._seen)
        if self.way_s < work_s or self.gain_s(left) < WORTH_S or 2 * net_s > CALL_S:
            return False
        self.grown = True
        self._adapt(items, net_s, way_s, usage.seconds)
        return True

    def gain_s(self, left: int) -> float:
        """What the largest calls that stay short would save at most of the ways of so many items (s).

        Less is saved where the way grows with the call.
        """
        room_s = max(0.0, CALL_S - self.way_s)
        fits = self.most if self.each_s * self.most <= room_s else int(room_s / self.each_s)
        return self.way_s * left * (1 / self.planned - 1 / max(self.planned, fits))

    def died(self, items: int) -> None:
        """An instance died on a call of so many items: where it was a full one, that may have been too many."""
        if items >= self.size > self.planned:
            self.most = max(self.planned, min(self.most, items // 2))
            self.size = min(self.size, self.most)

    def _adapt(self, items: int, net_s: float, way_s: float, work_s: float) -> None:
        """Double while that pays and a call stays short; the way of large values grows with them, so it is taken to double too."""
        if items >= self.size and way_s > ENOUGH * work_s and 2 * net_s <= CALL_S:
            self.size = min(self.most, 2 * self.size)
        elif net_s > CALL_S:
            # Also of a call that was not full: what an item takes has changed.
            self.size = max(self.planned, min(self.size, int(items * CALL_S / net_s)))
