"""Build a schedule from chosen modes: each activity as early as what is already placed allows."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from typing import Generic, TypeVar

from murakkab_jupyter.planner.exact.table import Picks, Table

__all__ = ["Profile", "by_priority", "heads_and_tails", "place_in_order", "topological_by"]

Time = TypeVar("Time", int, float)


class Profile(Generic[Time]):
    """What is free of every resource over time, as steps; all times are ends or starts of what was placed."""

    def __init__(self, capacity: Sequence[int], zero: Time) -> None:
        self.times: list[Time] = [zero]
        self.free: list[list[int]] = [[units] for units in capacity]
        """For each resource what is free from each of the times on; of the last all that there is."""

    def earliest(self, ready: Time, duration: Time, demand: Sequence[int]) -> Time:
        """The earliest start from `ready` on at which the demand is free for the whole duration."""
        needs = [(self.free[r], units) for r, units in enumerate(demand) if units]
        if not duration or not needs:
            return ready
        times = self.times
        last = len(times)
        at = bisect_right(times, ready) - 1
        start, end = ready, ready + duration
        while at < last and times[at] < end:
            for free, units in needs:
                if free[at] < units:
                    start = times[at + 1]
                    end = start + duration
                    break
            at += 1
        return start

    def hold(self, start: Time, duration: Time, demand: Sequence[int]) -> None:
        """Take the demand away from `start` to its end."""
        if not duration or not any(demand):
            return
        first, last = self.split(start), self.split(start + duration)
        for r, units in enumerate(demand):
            if units:
                free = self.free[r]
                for at in range(first, last):
                    free[at] -= units

    def split(self, instant: Time) -> int:
        """The place of the step that begins at this instant, made if there is none."""
        at = bisect_right(self.times, instant) - 1
        if self.times[at] == instant:
            return at
        self.times.insert(at + 1, instant)
        for free in self.free:
            free.insert(at + 1, free[at])
        return at + 1


def place_in_order(table: Table, picks: Picks, order: Sequence[int]) -> list[int]:
    """Starts in quanta, placing activities in the given order (predecessors come first in it)."""
    starts = [0] * len(picks)
    profile: Profile[int] = Profile(table.capacity, 0)
    for i in order:
        one = table.choices[i][picks[i]]
        ready = 0
        for j in table.before[i]:
            ready = max(ready, starts[j] + table.choices[j][picks[j]].duration)
        starts[i] = profile.earliest(ready, one.duration, one.demand) if table.capacity else ready
        if table.capacity:
            profile.hold(starts[i], one.duration, one.demand)
    return starts


def heads_and_tails(table: Table, durations: Sequence[int]) -> tuple[list[int], list[int]]:
    """For each activity the longest path before its start, and from its end to the end of all."""
    n = len(durations)
    heads, tails = [0] * n, [0] * n
    for i in range(n):
        for j in table.before[i]:
            heads[i] = max(heads[i], heads[j] + durations[j])
    for i in reversed(range(n)):
        for j in table.before[i]:
            tails[j] = max(tails[j], tails[i] + durations[i])
    return heads, tails


def by_priority(table: Table, picks: Picks) -> list[int]:
    """A good schedule fast: whatever has the longest way to go is placed first."""
    durations = [some[k].duration for some, k in zip(table.choices, picks, strict=True)]
    heads, tails = heads_and_tails(table, durations)
    if not table.capacity:
        return heads
    order = topological_by(table, [-(d + t) for d, t in zip(durations, tails, strict=True)])
    first = place_in_order(table, picks, order)
    again = place_in_order(
        table, picks, topological_by(table, [h - t for h, t in zip(first, tails, strict=True)])
    )

    def last(starts: Sequence[int]) -> int:
        return max(s + d for s, d in zip(starts, durations, strict=True))

    return first if last(first) <= last(again) else again


def topological_by(table: Table, keys: Sequence[float]) -> list[int]:
    """An order that respects precedence and otherwise follows the keys."""
    waiting = [len(some) for some in table.before]
    ready = [(keys[i], i) for i, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(i)
        for j in table.after[i]:
            waiting[j] -= 1
            if not waiting[j]:
                heapq.heappush(ready, (keys[j], j))
    return order
