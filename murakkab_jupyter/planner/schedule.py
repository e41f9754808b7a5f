"""Build a schedule from chosen modes: each activity as early as what is already placed allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from murakkab_jupyter.planner.table import Picks, Table

__all__ = ["Profile", "by_priority", "heads_and_tails", "place_in_order"]

Time = TypeVar("Time", int, float)


class Profile(Generic[Time]):
    """What is held of every resource over time, as steps; all times are ends or starts of what was placed."""

    def __init__(self, capacity: Sequence[int], zero: Time) -> None:
        self.capacity = tuple(capacity)
        self.times: list[Time] = [zero]
        self.free: list[list[int]] = [list(capacity)]

    def earliest(self, ready: Time, duration: Time, demand: Sequence[int]) -> Time:
        """The earliest start from `ready` on at which the demand is free for the whole duration."""
        if not duration or not any(demand):
            return ready
        times, free = self.times, self.free
        at = bisect_after(times, ready) - 1
        start = ready
        while True:
            end = start + duration
            scan = at
            blocked = -1
            while scan < len(times) and times[scan] < end:
                if any(need > left for need, left in zip(demand, free[scan], strict=True)):
                    blocked = scan
                scan += 1
            if blocked < 0:
                return start
            at = blocked + 1
            start = times[at]

    def hold(self, start: Time, duration: Time, demand: Sequence[int]) -> None:
        """Take the demand away from `start` to its end."""
        if not duration or not any(demand):
            return
        first, last = self.split(start), self.split(start + duration)
        for i in range(first, last):
            self.free[i] = [left - need for left, need in zip(self.free[i], demand, strict=True)]

    def split(self, instant: Time) -> int:
        """The place of the step that begins at this instant, made if there is none."""
        at = bisect_after(self.times, instant) - 1
        if self.times[at] == instant:
            return at
        self.times.insert(at + 1, instant)
        self.free.insert(at + 1, list(self.free[at]))
        return at + 1


def bisect_after(times: Sequence[Time], instant: Time) -> int:
    low, high = 0, len(times)
    while low < high:
        middle = (low + high) // 2
        if instant < times[middle]:
            high = middle
        else:
            low = middle + 1
    return low


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


def topological_by(table: Table, keys: Sequence[int]) -> list[int]:
    """An order that respects precedence and otherwise follows the keys."""
    import heapq

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
