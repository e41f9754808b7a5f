"""Our own exact search: is there any schedule within these limits? Small, slow, and independent of the solver.

It answers one question, with limits only. "Is this plan optimal?" is the question whether there is a schedule that is
better by one unit, so a wrong certificate of the solver is caught wherever this search ends in time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from murakkab_jupyter.planner.exact.schedule import by_priority, heads_and_tails
from murakkab_jupyter.planner.exact.table import Choice, Picks, Table

__all__ = ["Branch", "Limits", "OutOfNodes"]


class OutOfNodes(Exception):  # noqa: N818 - not an error: the search says that it does not know
    """The allowance is spent."""


class Limits:
    """The most of each meter, and the latest end; None if there is none."""

    def __init__(self, latency: int | None, meters: Sequence[int | None]) -> None:
        self.latency = latency
        self.meters = tuple(meters)

    @classmethod
    def of(cls, table: Table) -> Limits:
        """The limits that the problem sets."""
        return cls(table.deadline, [one.limit for one in table.meters])

    def tightened(self, meter: int, most: int) -> Limits:
        """With one more limit (meter -1 is latency)."""
        if meter < 0:
            return Limits(most if self.latency is None else min(self.latency, most), self.meters)
        before = self.meters[meter]
        changed = list(self.meters)
        changed[meter] = most if before is None else min(before, most)
        return Limits(self.latency, changed)


class Branch:
    """Depth-first search over modes, then over orders, with `nodes` steps to spend."""

    def __init__(
        self, table: Table, limits: Limits, *, nodes: int, prefer: int, until: float | None = None
    ) -> None:
        self.table, self.limits, self.left, self.until = table, limits, nodes, until
        n = len(table.choices)
        if table.hopeless:
            return
        _, self.tails = heads_and_tails(table, table.shortest)
        self.wanted = [m for m, most in enumerate(limits.meters) if most is not None]
        self.tops = [limits.meters[m] or 0 for m in self.wanted]
        self.rest = self.suffix(
            [[min(c.amounts[m] for c in some) for m in self.wanted] for some in table.choices]
        )
        self.areas: list[int] = []
        if limits.latency is not None:
            self.areas = [units * limits.latency for units in table.capacity]
        self.rest_area = self.suffix(
            [
                [min(c.duration * c.demand[r] for c in some) for r in range(len(table.capacity))]
                for some in table.choices
            ]
        )
        # Cheap modes first, by the objective that is to be beaten: a schedule, if there is one, is found soon.
        self.orders = [ranked(some, prefer) for some in table.choices]
        self.picks = [0] * n
        self.starts = [0] * n

    @staticmethod
    def suffix(rows: Sequence[Sequence[int]]) -> list[list[int]]:
        """Sums over each activity and all after it."""
        sums = [[0] * (len(rows[0]) if rows else 0)]
        for row in reversed(rows):
            sums.append([a + b for a, b in zip(sums[-1], row, strict=True)])
        return sums[::-1]

    def find(self) -> tuple[Picks, list[int]] | None:
        """Picks and starts of a schedule within the limits, None if there is none; raises `OutOfNodes`."""
        if self.table.hopeless:
            return None
        zeros = [0] * len(self.wanted)
        return self.choose(0, zeros, [0] * len(self.areas))

    def spend(self) -> None:
        """Count one step."""
        self.left -= 1
        if self.left < 0 or (not self.left % 64 and self.late):
            raise OutOfNodes

    @property
    def late(self) -> bool:
        """Whether time is up."""
        return self.until is not None and time.monotonic() > self.until

    def choose(self, i: int, used: list[int], area: list[int]) -> tuple[Picks, list[int]] | None:
        """Try every mode of activity `i`, given those before it in topological order."""
        table, latest = self.table, self.limits.latency
        if i == len(table.choices):
            return self.arrange()
        ready = 0
        for j in table.before[i]:
            ready = max(ready, self.starts[j] + table.choices[j][self.picks[j]].duration)
        self.starts[i] = ready
        rest, rest_area = self.rest[i + 1], self.rest_area[i + 1]
        for k in self.orders[i]:
            self.spend()
            one = table.choices[i][k]
            if latest is not None and ready + one.duration + self.tails[i] > latest:
                continue
            sums = [a + one.amounts[m] for a, m in zip(used, self.wanted, strict=True)]
            if any(a + b > top for a, b, top in zip(sums, rest, self.tops, strict=True)):
                continue
            held = [a + one.duration * one.demand[r] for r, a in enumerate(area)]
            if any(a + b > top for a, b, top in zip(held, rest_area, self.areas, strict=False)):
                continue
            self.picks[i] = k
            found = self.choose(i + 1, sums, held)
            if found:
                return found
            self.starts[i] = ready
        return None

    def arrange(self) -> tuple[Picks, list[int]] | None:
        """With all modes chosen, find an order in which they end in time."""
        table, latest = self.table, self.limits.latency
        if self.late:  # a schedule of many activities takes as long as many steps
            raise OutOfNodes
        picks = tuple(self.picks)
        starts = by_priority(table, picks)
        durations = [some[k].duration for some, k in zip(table.choices, picks, strict=True)]
        if latest is None or max(s + d for s, d in zip(starts, durations, strict=True)) <= latest:
            return picks, starts
        if not table.capacity:
            return None
        _, tails = heads_and_tails(table, durations)
        found = self.order(picks, durations, tails, {}, {}, 0, -1)
        return (picks, found) if found else None

    def order(
        self,
        picks: Picks,
        durations: Sequence[int],
        tails: Sequence[int],
        placed: dict[int, int],
        ends: dict[int, int],
        now: int,
        last: int,
    ) -> list[int] | None:
        """Place one more activity at or after `now`, when `last` was placed.

        Starts never decrease, and some optimal schedule has each activity start at 0 or when another one ends.
        """
        table, latest = self.table, self.limits.latency
        n = len(picks)
        if len(placed) == n:
            return [placed[i] for i in range(n)]
        instants = sorted({now, *(end for end in ends.values() if end > now)})
        waiting = [i for i in range(n) if i not in placed]
        for instant in instants:
            # Nothing starts between `now` and this instant: whoever waits starts no earlier.
            if latest is not None and any(instant + durations[i] + tails[i] > latest for i in waiting):
                return None
            free = list(table.capacity)
            for i, end in ends.items():
                if end > instant:
                    free = [a - b for a, b in zip(free, table.choices[i][picks[i]].demand, strict=True)]
            for i in waiting:
                self.spend()
                if instant == now and i < last and durations[last]:
                    continue  # the same schedule is met with these two the other way round
                if any(j not in placed or ends[j] > instant for j in table.before[i]):
                    continue
                if durations[i] and any(
                    need > have for need, have in zip(table.choices[i][picks[i]].demand, free, strict=True)
                ):
                    continue
                placed[i], ends[i] = instant, instant + durations[i]
                found = self.order(picks, durations, tails, placed, ends, instant, i)
                if found:
                    return found
                del placed[i], ends[i]
        return None


def ranked(choices: Sequence[Choice], prefer: int) -> list[int]:
    """Places of choices, those with least of a meter (-1: the shortest) first."""
    return sorted(
        range(len(choices)),
        key=lambda k: (choices[k].duration if prefer < 0 else choices[k].amounts[prefer], k),
    )
