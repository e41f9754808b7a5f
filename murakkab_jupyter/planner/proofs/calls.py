"""What calls surely cost, as lines over items and work: no more than profiles say, so that bounds hold."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.cards import idle_w
from murakkab_jupyter.planner.modes import ladder
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.proofs.rich import Amount, CallCost
from murakkab_jupyter.profiles.profile import Prediction, Profiles

__all__ = ["Costs"]

MOST_UNLIKE = 4
"""Kinds of hosts (speed, watts of a busy core) that are told apart in what CPU time adds."""


class Costs:
    """Profiles as `call + items x item + work x unit`, found by asking them.

    Times are those of the fastest host. What CPU time adds is asked for each host's speed and watts, and is the least of them: a
    slow host is frugal only if its watts are less by more than it is slow. Without a cluster a CPU-second adds one joule.
    """

    def __init__(self, profiles: Profiles, speed: float, cluster: ClusterView | None = None) -> None:
        self.profiles, self.speed, self.cluster = profiles, speed, cluster
        self.dispatch_s = float(getattr(profiles, "dispatch_s", 0.0))
        hosts = dict.fromkeys(
            (worker.speed.value or 1.0, worker.power.active_w_per_core.value or 0.0)
            for worker in (cluster.workers if cluster is not None else ())
        )
        self.least_w = min((watts for _, watts in hosts), default=1.0)
        self.hosts = tuple(hosts) if 1 <= len(hosts) <= MOST_UNLIKE else ((speed, self.least_w),)
        """Speed and watts of a busy core of each kind of host; of very many kinds the best of all."""
        self._known: dict[Any, tuple[CallCost, CallCost, CallCost]] = {}

    def load(self, one: Configuration) -> tuple[float, float]:
        """Seconds of loading an instance, and what it adds (J)."""
        found = self.profiles.load(one.agent, one.options, speed=self.speed)
        if found is None:
            return 0.0, 0.0
        there = [(self.profiles.load(one.agent, one.options, speed=speed), w) for speed, w in self.hosts]
        load_j = min(max(0.0, load.cpu_s.value or 0.0) * w for load, w in there if load is not None)
        return max(0.0, found.seconds.value or 0.0), load_j

    def of(self, one: Configuration, amount: Amount) -> tuple[CallCost, CallCost, CallCost]:
        """Of a call, seconds, and the joules that its CPU time and its GPU add."""
        mean = amount.least(amount.items) / amount.items if amount.items else 0.0
        key = (one.agent, one.options, one.cores, one.batch, one.siblings, mean)
        if key not in self._known:
            most = max((n for n, _ in amount.families), default=1) if one.whole else one.batch
            most, work = max(1, min(most, amount.items or 1)), mean or 1.0
            asked = {
                speed: self.ask(one, work, most, speed) for speed in {self.speed, *(s for s, _ in self.hosts)}
            }
            seconds, _, gpu_j = asked[self.speed]
            cpu_j = functools.reduce(CallCost.or_less, (asked[s][1].times(w) for s, w in self.hosts))
            self._known[key] = seconds, cpu_j, gpu_j
        return self._known[key]

    def ask(
        self, one: Configuration, work: float, most: int, speed: float
    ) -> tuple[CallCost, CallCost, CallCost]:
        """Seconds, CPU-seconds and GPU joules of a call on a host of some speed."""
        # Idle watts are those of what is held for the whole run.
        watts = idle_w(one, self.cluster) if self.cluster is not None else 0.0

        def at(items: float, amount: float) -> tuple[float, float, float]:
            found = self.profiles.call(
                one.agent, one.options, cores=max(1, one.cores), items=items, work=amount, speed=speed
            )
            seconds, cpu, gpu = figures_of(found)
            return seconds, cpu, gpu - watts * seconds if gpu > 0 else 0.0

        if one.engine and one.gpus:
            counts = ladder(most)
            return tuple(tangent(lambda *p, n=n: at(*p)[n], counts, work) for n in range(3))  # type: ignore[return-value]  # as below

        sizes = sorted({1, 2, most, (1 + most) // 2})
        points = [(float(n), n * work * share) for n in sizes for share in (0.5, 1.0, 2.0)]
        seen = [at(*point) for point in points]
        base, more_items, more_work = at(1, work), at(2, work), at(1, 2 * work)
        empty = [at(n, 0.0) for n in sizes]
        return tuple(  # type: ignore[return-value]  # three, one for each figure
            with_idle(
                fitted(base[n], more_items[n], more_work[n], work, points, [row[n] for row in seen]),
                sizes,
                [row[n] for row in empty],
            )
            for n in range(3)
        )


def figures_of(found: Prediction | None) -> tuple[float, float, float]:
    """Seconds, CPU-seconds and GPU joules as the simulator reads them; 0 where nothing is known."""
    if found is None or found.seconds.value is None:
        return 0.0, 0.0, 0.0
    seconds = max(0.0, found.seconds.value)
    cpu = seconds if found.cpu_s.value is None else max(0.0, found.cpu_s.value)
    gpu = 0.0 if found.energy_j is None else max(0.0, found.energy_j.value or 0.0)
    return seconds, cpu, gpu


LEAN = 0.98
"""Least cost of an item at a server, against the least of some numbers of items: between them a curve may dip a little."""


def tangent(at: Callable[[float, float], float], counts: Sequence[int], work: float) -> CallCost:
    """No more than a call to a busy server takes: `items x item + work x unit`.

    Each item is cheaper beside others, and a call is convex in its work (answers have a length of their own, however short
    the prompt), so what a large work adds is taken at each number of items, and the least of all.
    """
    far = 64.0 * work + 1000.0
    slopes, items = [], []
    for count in counts:
        near, farther = at(count, count * far), at(count, 2 * count * far)
        slopes.append((farther - near) / (count * far))
        items.append((near - slopes[-1] * count * far) / count)
    if min(items) < 0 or min(slopes) < 0:
        # Nothing is added where more is burnt idle than in serving.
        return CallCost(max(0.0, min(at(count, share * count) for count in counts for share in (0.0, work))))
    return CallCost(0.0, LEAN * min(items), LEAN * min(slopes))


def fitted(
    base: float,
    more_items: float,
    more_work: float,
    work: float,
    points: Sequence[tuple[float, float]],
    seen: Sequence[float],
) -> CallCost:
    """The parameters, if the profile is of that form where there is work; else only the least call that was seen."""
    item, unit = more_items - base, (more_work - base) / work
    call = base - item - unit * work
    made = CallCost(max(0.0, call), max(0.0, item), max(0.0, unit))
    scale = max(seen, default=0.0) * 1e-7
    if all(abs(made.at(*point) - value) <= scale for point, value in zip(points, seen, strict=True)):
        return CallCost(made.call * (1 - 1e-7), made.item * (1 - 1e-7), made.unit * (1 - 1e-7))
    return CallCost(min(seen, default=0.0))


def with_idle(made: CallCost, sizes: Sequence[int], seen: Sequence[float]) -> CallCost:
    """The same, with what calls without work take where that is less: `sizes` items each, and what was seen of them."""
    if all(value >= made.at(n, 0.0) for n, value in zip(sizes, seen, strict=True)):
        return made
    item = max(0.0, (seen[-1] - seen[0]) / (sizes[-1] - sizes[0])) if len(sizes) > 1 else 0.0
    call = max(0.0, min(value - n * item for n, value in zip(sizes, seen, strict=True)))
    if any(value < call + n * item for n, value in zip(sizes, seen, strict=True)):
        call, item = min(seen), 0.0
    return replace(made, idle=(call * (1 - 1e-7), item * (1 - 1e-7)))
