"""The planning problem as a workflow poses it: steps over items, instances that load, hosts that burn power while they wait.

Data only. `lower` turns it into the exact problem of `problem`: once as a relaxation, whose optimum no plan beats,
and once as something whose solution is a plan to try. The model of time is the run loop's, as the simulator replays it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

__all__ = ["Amount", "CallCost", "Flow", "Host", "Limits", "RichMode", "RichProblem", "RichStep"]


@dataclass(frozen=True, slots=True)
class CallCost:
    """What one call takes of something: `call + items x item + work x unit`.

    `idle` are call and item of a call that has no work at all (silent scenes), if that takes less than the line says.
    """

    call: float = 0.0
    item: float = 0.0
    unit: float = 0.0
    idle: tuple[float, float] | None = None

    def at(self, items: float, work: float) -> float:
        """The amount for a call of so many items with so much work in all."""
        found = self.call + items * self.item + work * self.unit
        if work <= 0 and self.idle is not None:
            found = min(found, self.idle[0] + items * self.idle[1])
        return found

    def plus(self, each_call: float) -> CallCost:
        """The same with something added to every call."""
        idle = None if self.idle is None else (self.idle[0] + each_call, self.idle[1])
        return CallCost(self.call + each_call, self.item, self.unit, idle)

    def times(self, factor: float) -> CallCost:
        """So many times as much."""
        idle = None if self.idle is None else (self.idle[0] * factor, self.idle[1] * factor)
        return CallCost(self.call * factor, self.item * factor, self.unit * factor, idle)

    def or_less(self, other: CallCost) -> CallCost:
        """No more than either: what holds for it holds for both."""
        some = [one.idle for one in (self, other) if one.idle is not None]
        return CallCost(
            min(self.call, other.call),
            min(self.item, other.item),
            min(self.unit, other.unit),
            (min(call for call, _ in some), min(item for _, item in some)) if some else None,
        )

    def least(self, works: Sequence[float], work: float, batch: int) -> float:
        """At least so much for items (their works ascending, and all of it), however they fall into calls of at most `batch`.

        Items without work are cheapest in calls of their own, or beside others: whichever takes less.
        """
        count = len(works)
        busy = count if self.idle is None else count - bisect_right(works, 0.0)
        calls, fewest = math.ceil(count / batch), math.ceil(busy / batch)
        found = fewest * self.call + busy * self.item + work * self.unit
        if self.idle is not None:
            found += (calls - fewest) * min(self.call, self.idle[0])
            found += (count - busy) * min(self.item, self.idle[1])
        return found


@dataclass(frozen=True, slots=True)
class Amount:
    """What a step has to do: the work of each item, least first, and how they fall into families (one parent each).

    Attributes
    ----------
    works
        Work of each item, ascending.
    families
        `(items, work)` of each group of siblings.
    """

    works: tuple[float, ...]
    families: tuple[tuple[int, float], ...] = ()
    _sums: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "works", tuple(sorted(self.works)))
        object.__setattr__(self, "_sums", tuple(accumulate(self.works, initial=0.0)))

    @property
    def items(self) -> int:
        """How many items."""
        return len(self.works)

    def least(self, count: int) -> float:
        """Work of the `count` items that have least."""
        return self._sums[min(count, len(self.works))]

    def or_less(self, other: Amount) -> Amount:
        """No more than either: what holds for it holds for both."""
        works = tuple(map(min, self.works, other.works))
        mine, theirs = sorted(self.families), sorted(other.families)
        families = tuple(
            (min(a, c), min(b, d))
            for (a, b), (c, d) in zip(mine, theirs, strict=False)  # the shorter list is the lesser
        )
        return Amount(works, families)


@dataclass(frozen=True)
class Host:
    """What may be held of the cluster: so many cores, and what they burn and cost for as long as the run takes.

    Attributes
    ----------
    cores
        In all.
    idle_w, usd_per_s
        Burnt and paid whether anything runs or not.
    crowding
        For calls of each number of cores, how much more of the cores they take at the least where all are busy, since
        calls slow one another down; empty where they do not.
    reserve
        Cores of each host that this stands for (the most, where several reservations are taken together).
    gpus
        The most GPUs that engines may hold beside them; what they burn and cost is in the watts and the rent.
    """

    cores: int
    idle_w: float = 0.0
    usd_per_s: float = 0.0
    crowding: Mapping[int, float] = field(default_factory=dict)
    reserve: int = 0
    gpus: int = 0

    def as_good_as(self, other: Host) -> bool:
        """Whether whatever could be done under another holding could be done under this one, for no more watts and rent."""
        return (
            self.cores >= other.cores
            and self.reserve >= other.reserve
            and self.gpus >= other.gpus
            and self.idle_w <= other.idle_w
            and self.usd_per_s <= other.usd_per_s
        )


@dataclass(frozen=True, slots=True)
class RichMode:
    """One way to do a step.

    Attributes
    ----------
    seconds, busy_s, cpu_j, gpu_j
        Of one call: wall time, the part of it that others slow down, what its CPU time adds to idle hosts and to an idle GPU (J).
    load_s, load_j
        Set-up of each instance that is not warm, and what it adds.
    cores
        Held by each call while it runs (0: it waits for a server).
    instances, batch
        At most so many calls at once, of at most so many items.
    siblings
        Whether a call holds all items of one parent instead.
    quality
        Factor of the plan's quality.
    engine
        The server that does its calls, if one is shared or holds GPUs.
    start_s
        Time from the start of the run before which its server cannot answer, where other steps come before it (of a first
        step, it is part of `load_s`).
    gpus
        GPUs that its server holds for the whole run.
    amount
        What the step has to do if this mode does it.
    warm
        Instances that are loaded already.
    """

    seconds: CallCost
    busy_s: CallCost
    cpu_j: CallCost
    gpu_j: CallCost = CallCost()
    load_s: float = 0.0
    load_j: float = 0.0
    cores: int = 1
    instances: int = 1
    batch: int = 1
    siblings: bool = False
    quality: float = 1.0
    engine: str | None = None
    start_s: float = 0.0
    gpus: int = 0
    amount: Amount = Amount((0.0,))
    warm: int = 0

    @property
    def calls(self) -> int:
        """The fewest calls that do it."""
        if self.siblings:
            return len(self.amount.families)
        return math.ceil(self.amount.items / self.batch)

    @property
    def setup_s(self) -> float:
        """Loading, if no instance is warm."""
        return 0.0 if self.warm else self.load_s

    def total(self, cost: CallCost) -> float:
        """At least so much of something, over all calls."""
        if self.siblings:
            return math.fsum(cost.at(items, work) for items, work in self.amount.families)
        return self.least(cost, self.amount.items)

    def least(self, cost: CallCost, count: int) -> float:
        """At least so much of something for any `count` items."""
        return cost.least(self.amount.works[:count], self.amount.least(count), self.batch)

    def one_call(self) -> float:
        """No call is shorter than this (s)."""
        if not self.amount.items:
            return 0.0
        if self.siblings:
            return min((self.seconds.at(n, work) for n, work in self.amount.families), default=0.0)
        return self.seconds.at(1, self.amount.works[0])

    def elapsed(self, count: int) -> float:
        """At least so long (s) from the first call's start to the end of `count` items, whichever they are.

        All of them are spread over the instances, each of which loads first; and on some instance lies its full share
        of the items, the least of them taken.
        """
        amount = self.amount
        count = min(count, amount.items)
        if count <= 0:
            return 0.0
        if self.siblings:
            spans = sorted(self.seconds.at(n, work) for n, work in amount.families)
            sizes = sorted((n for n, _ in amount.families), reverse=True)
            need, held = 0, 0
            while held < count and need < len(sizes):
                held += sizes[need]
                need += 1
            share = math.ceil(need / self.instances)
            longest = spans[-1] if need == len(spans) else 0.0
            return self.setup_s + max(
                math.fsum(spans[:need]) / self.instances, math.fsum(spans[:share]), longest
            )
        used = max(1, min(self.instances, count))
        spread = self.least(self.seconds, count) / used
        alone = self.least(self.seconds, math.ceil(count / used))
        longest = self.seconds.at(1, amount.works[-1]) if count == amount.items else 0.0
        return self.setup_s + max(spread, alone, longest)

    @property
    def wall_s(self) -> float:
        """At least so long (s) from its first call's start to its last call's end."""
        return self.elapsed(self.amount.items)

    def core_s(self, host: Host) -> float:
        """At least so many core-seconds of what is held it takes."""
        if not self.cores or not self.calls:
            return 0.0
        busy = self.total(self.busy_s if host.crowding else self.seconds) + self.setup_s
        return self.cores * busy * host.crowding.get(self.cores, 1.0)


@dataclass(frozen=True, slots=True)
class Flow:
    """How a step waits for another.

    Attributes
    ----------
    source
        The other step.
    starts
        The step can begin only after so many items of the other are done (None: it need not wait).
    whole
        Whether it can begin only after all of them (a gather of everything).
    ends
        Whether its last call comes after the other's last call.
    """

    source: str
    starts: int | None = 1
    whole: bool = False
    ends: bool = True


@dataclass(frozen=True, slots=True)
class RichStep:
    """One step: its modes, and what it waits for.

    `release_s` is when the first of its inputs arrive, `complete_s` when the last do, if they are not there from the start.
    """

    name: str
    modes: Sequence[RichMode]
    flows: Sequence[Flow] = ()
    release_s: float = 0.0
    complete_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a goal; None where there is none."""

    deadline_s: float | None = None
    energy_j: float | None = None
    cost_usd: float | None = None
    quality: float | None = None


@dataclass(frozen=True, slots=True)
class RichProblem:
    """Everything a plan is made of.

    Attributes
    ----------
    steps
        In topological order.
    holdings
        What may be held of the cluster, one of these for the whole run.
    usd_per_j
        Dollars a joule (0 where energy is in the rent).
    engines
        For each shared server, how many calls it does at once.
    engine_start_s
        Of those that are still to be started, how long that takes.
    limits
        What must be kept.
    """

    steps: Sequence[RichStep]
    holdings: Sequence[Host]
    usd_per_j: float = 0.0
    engines: Mapping[str, int] = field(default_factory=dict)
    engine_start_s: Mapping[str, float] = field(default_factory=dict)
    limits: Limits = Limits()
