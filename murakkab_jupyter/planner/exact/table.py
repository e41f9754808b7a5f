"""A problem in whole numbers: seconds as quanta, quality as -log; what the solvers work on.

Where all durations (or amounts) are multiples of one quantum and few enough, whole numbers are exact. Otherwise they
are rounded *up* to a quantum so fine that all rounding together stays far below `TOLERANCE`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from murakkab_jupyter.planner.exact.check import as_written
from murakkab_jupyter.planner.exact.column import Column, Whole, units_of
from murakkab_jupyter.planner.exact.problem import (
    LATENCY,
    QUALITY,
    TOLERANCE,
    Activity,
    Infeasible,
    Mode,
    Problem,
)

__all__ = ["Choice", "Meter", "Picks", "Table", "tabulate"]

LOG_ZERO = 1000.0
"""-log of quality 0; the smallest float above 0 has 745, so less than that is still a quality."""

Picks = tuple[int, ...]
"""For each activity, the place of its choice in the table (not the index of the mode)."""


@dataclass(frozen=True)
class Choice:
    """A mode in whole numbers; `index` is its place in the activity."""

    index: int
    duration: int
    demand: tuple[int, ...]
    amounts: tuple[int, ...]


@dataclass(frozen=True)
class Meter:
    """Something that is summed over activities: an amount consumed, or -log of quality."""

    name: str
    unit: Fraction | None
    slack: int
    """How far rounding can be off over a whole plan, in its units; 0 if exact."""
    limit: int | None = None


@dataclass(frozen=True)
class Table:
    """The problem in whole numbers, activities in topological order."""

    problem: Problem
    names: tuple[str, ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    choices: tuple[tuple[Choice, ...], ...]
    resources: tuple[str, ...]
    capacity: tuple[int, ...]
    meters: tuple[Meter, ...]
    quantum: Fraction
    slack: int
    deadline: int | None
    horizon: int

    def meter(self, name: str) -> int:
        """The place of a meter; -1 for latency."""
        return -1 if name == LATENCY else next(i for i, one in enumerate(self.meters) if one.name == name)

    @cached_property
    def shortest(self) -> tuple[int, ...]:
        """For each activity the least duration; of a table that is not hopeless."""
        return tuple(min(c.duration for c in some) for some in self.choices)

    def amount(self, meter: int, picks: Picks) -> int:
        """The sum of a meter over a plan."""
        return sum(some[k].amounts[meter] for some, k in zip(self.choices, picks, strict=True))

    def beats(self, modes: Sequence[Mode], index: int, some: Sequence[Choice]) -> int | None:
        """The place of the first choice that in whole numbers is no worse in anything than a mode of its activity; None if none is."""
        mode = modes[index]
        shortest = int(Column([mode.duration_s]).units(self.quantum)[0])
        amounts = [
            log_units(mode.quality, len(self.names))
            if one.unit is None
            else int(Column([mode.consumes.get(one.name, 0.0)]).units(one.unit)[0])
            for one in self.meters
        ]
        for k, c in enumerate(some):
            held = modes[c.index].demand
            if (
                c.duration <= shortest
                and all(held.get(name, 0) <= mode.demand.get(name, 0) for name in self.resources)
                and all(a <= b for a, b in zip(c.amounts, amounts, strict=True))
            ):
                return k
        return None

    @property
    def hopeless(self) -> bool:
        """Whether some activity has no choice that keeps the limits by itself."""
        return not all(self.choices)

    def limits(self) -> list[str]:
        """Names of the limits that are set."""
        found = [] if self.deadline is None else ["deadline"]
        return found + [
            "quality" if one.name == QUALITY else f"budget:{one.name}"
            for one in self.meters
            if one.limit is not None
        ]


def tabulate(problem: Problem) -> Table:
    """Lower a problem to whole numbers; raises `Infeasible` for an activity that fits no capacity."""
    order = topological(problem.activities)
    place = {one.name: i for i, one in enumerate(order)}
    before = tuple(tuple(sorted(place[name] for name in one.predecessors)) for one in order)
    after: list[list[int]] = [[] for _ in order]
    for i, earlier in enumerate(before):
        for j in earlier:
            after[j].append(i)
    usable = Usable.of(order, problem.capacity)
    n = len(order)
    resources = tuple(
        sorted(r for r in problem.capacity if usable.most(usable.demand[r]) > problem.capacity[r])
    )
    durations = Column([m.duration_s for m in usable.modes])
    longest = usable.largest(durations)
    horizon = longest
    if problem.deadline_s is not None:
        horizon = min(horizon, as_written(problem.deadline_s) * (1 + Fraction(TOLERANCE)))
    quantum, exact = durations.quantum(horizon)
    slack = 0 if exact else n
    deadline = None
    if problem.deadline_s is not None:
        deadline = most_units(problem.deadline_s, quantum, slack, longest, n)
    meters, amounts = [], [durations.units(quantum)]
    for name in sorted({*problem.consumed, *problem.budgets}):
        meter, units = consumed_meter(name, problem, usable)
        meters.append(meter)
        amounts.append(units)
    meter, units = quality_meter(problem, usable)
    meters.append(meter)
    amounts.append(units)
    # Bytes become gigabytes where all demands are: small numbers do not overflow in the solver.
    shares = [int(np.gcd.reduce(usable.demand[r])) for r in resources]
    # What breaks a limit by itself is left out; its whole numbers could be too large to add up.
    kept = np.ones(len(usable.modes), dtype=bool)
    for most, column in zip((deadline, *(one.limit for one in meters)), amounts, strict=True):
        if most is not None:
            kept &= column <= most
    demands = [usable.demand[r] // share for r, share in zip(resources, shares, strict=True)]
    rows = np.stack([amounts[0], *demands, *amounts[1:]], axis=1)
    choices: list[list[Choice]] = [[] for _ in order]
    at = np.flatnonzero(kept)
    at = at[undominated(rows[at], usable.owner[at])]
    split = 1 + len(resources)
    for i, k, row in zip(
        usable.owner[at].tolist(), usable.index[at].tolist(), rows[at].tolist(), strict=True
    ):
        choices[i].append(Choice(k, row[0], tuple(row[1:split]), tuple(row[split:])))
    return Table(
        problem=problem,
        names=tuple(one.name for one in order),
        before=before,
        after=tuple(map(tuple, after)),
        choices=tuple(map(tuple, choices)),
        resources=resources,
        capacity=tuple(problem.capacity[r] // share for r, share in zip(resources, shares, strict=True)),
        meters=tuple(meters),
        quantum=quantum,
        slack=slack,
        deadline=deadline,
        horizon=sum(max((one.duration for one in some), default=0) for some in choices),
    )


@dataclass(frozen=True)
class Usable:
    """The modes that fit the capacity, of all activities one after another; every activity has some."""

    modes: Sequence[Mode]
    owner: Whole
    """The place of each mode's activity."""
    index: Whole
    """The place of each mode in its activity."""
    demand: Mapping[str, Whole]
    """By resource, what each mode demands."""
    first: Whole
    """Where each activity's modes begin."""

    @classmethod
    def of(cls, order: Sequence[Activity], capacity: Mapping[str, int]) -> Usable:
        """Raises `Infeasible` for an activity none of whose modes fits."""
        every = [m for one in order for m in one.modes]
        counts = [len(one.modes) for one in order]
        owner = np.repeat(np.arange(len(order)), counts)
        index = np.concatenate([np.arange(count) for count in counts])
        fit = np.ones(len(every), dtype=bool)
        demand = {}
        for name, units in capacity.items():
            demand[name] = np.array([m.demand.get(name, 0) for m in every], dtype=np.int64)
            fit &= demand[name] <= units
        owner = owner[fit]
        there, first = np.unique(owner, return_index=True)
        if len(there) < len(order):
            lost = next(i for i, one in enumerate([*there.tolist(), len(order)]) if i != one)
            raise too_large(order[lost], capacity)
        modes = every if bool(fit.all()) else [every[k] for k in np.flatnonzero(fit)]
        return cls(modes, owner, index[fit], {name: units[fit] for name, units in demand.items()}, first)

    def most(self, column: Whole) -> int:
        """The sum of what each activity has at most in a column."""
        return int(np.maximum.reduceat(column, self.first).sum())

    def largest(self, column: Column) -> Fraction:
        """The same of a column of figures."""
        return sum(map(as_written, np.maximum.reduceat(column.array, self.first).tolist()), Fraction(0))


def topological(activities: Sequence[Activity]) -> list[Activity]:
    """Predecessors first, otherwise in the order given."""
    waiting = {one.name: len(one.predecessors) for one in activities}
    followers: dict[str, list[Activity]] = {one.name: [] for one in activities}
    for one in activities:
        for name in one.predecessors:
            followers[name].append(one)
    ready = [one for one in activities if not one.predecessors]
    for one in ready:
        for next_one in followers[one.name]:
            waiting[next_one.name] -= 1
            if waiting[next_one.name] == 0:
                ready.append(next_one)
    return ready


def fits(mode: Mode, capacity: Mapping[str, int]) -> bool:
    return all(units <= capacity[name] for name, units in mode.demand.items())


def too_large(activity: Activity, capacity: Mapping[str, int]) -> Infeasible:
    """The error for an activity none of whose modes fits, blaming what is missed by the smallest factor."""

    def lacking(mode: Mode) -> dict[str, int]:
        return {name: units for name, units in mode.demand.items() if units > capacity[name]}

    lacks = [lacking(mode) for mode in activity.modes]
    least = min(lacks, key=lambda some: (len(some), sum(n / max(1, capacity[r]) for r, n in some.items())))
    name, units = max(least.items(), key=lambda item: item[1] / max(1, capacity[item[0]]))
    return Infeasible(
        f"Activity {activity.name!r} needs {units} of {name}, and there are {capacity[name]}.",
        constraint=f"capacity:{name}",
        limit=float(capacity[name]),
        nearest=float(units),
        others=tuple(f"capacity:{other}" for other in least if other != name),
        hint="It would need "
        + " and ".join(f"{n} of {r}" for r, n in sorted(least.items()))
        + ", in its smallest mode.",
    )


def most_units(limit: float, unit: Fraction, slack: int, largest: Fraction, n: int) -> int:
    """A limit in units, and no more than `largest`, what `n` activities can add up to: solvers take no huge numbers."""
    return min(
        math.floor(as_written(limit) * (1 + Fraction(TOLERANCE)) / unit) + slack, units_of(largest, unit) + n
    )


def consumed_meter(name: str, problem: Problem, usable: Usable) -> tuple[Meter, Whole]:
    column = Column([m.consumes.get(name, 0.0) for m in usable.modes])
    largest = most = usable.largest(column)
    budget = problem.budgets.get(name)
    if budget is not None:
        most = min(most, as_written(budget) * (1 + Fraction(TOLERANCE)))
    unit, exact = column.quantum(most)
    n = len(usable.first)
    slack = 0 if exact else n
    limit = None if budget is None else most_units(budget, unit, slack, largest, n)
    return Meter(name, unit, slack, limit), column.units(unit)


def quality_meter(problem: Problem, usable: Usable) -> tuple[Meter, Whole]:
    """-log of quality in units so small that rounding over a whole plan is a quarter of the tolerance."""
    n = len(usable.first)
    scale = 4 * n / TOLERANCE
    limit = None
    if problem.min_quality:
        limit = math.floor((TOLERANCE - math.log(problem.min_quality)) * scale)
    logs = [log_units(m.quality, n) for m in usable.modes]
    return Meter(QUALITY, None, n, limit), np.array(logs, dtype=np.int64)


def log_units(quality: float, n: int) -> int:
    """-log of a quality in the units of a problem of `n` activities."""
    # Not numpy's logarithm: equal qualities must be equal numbers, wherever in the column they stand.
    return round((-math.log(quality) if quality else LOG_ZERO) * (4 * n / TOLERANCE))


PAIRS = 4_000_000
"""Pairs of modes that are compared at a time."""
WIDE = 2_500
"""Modes of one activity up to which all pairs are compared: that takes their square in memory and time."""
PIVOTS = 500
"""Of more, so many that most others are beaten by, if they are beaten at all."""


def undominated(rows: Whole, owner: Whole) -> Whole:
    """Places of the rows that no other of the same activity equals or beats in everything; of equal ones the first.

    Of very many modes of one activity some that are beaten may be left.

    Parameters
    ----------
    rows
        Figures of modes, shape (modes, figures); less is better.
    owner
        The activity of each mode, in ascending order.
    """
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    _, first, counts = np.unique(owner, return_index=True, return_counts=True)
    wide = counts > WIDE
    kept = [
        begin + thinned(rows[begin : begin + count])
        for begin, count in zip(first[wide].tolist(), counts[wide].tolist(), strict=True)
    ]
    first, counts = first[~wide], counts[~wide]
    widest = int(counts.max(initial=1))
    step = max(1, PAIRS // widest**2)
    earlier = np.tri(widest, k=-1, dtype=bool).T
    for begin in range(0, len(first), step):
        starts, sizes = first[begin : begin + step], counts[begin : begin + step]
        there = np.arange(widest) < sizes[:, None]
        at = np.where(there, starts[:, None] + np.arange(widest), 0)
        no_worse = np.ones((len(starts), widest, widest), dtype=bool)
        worse = np.zeros_like(no_worse)
        for figures in rows.T:
            some = figures[at]
            no_worse &= some[:, :, None] <= some[:, None, :]
            worse |= some[:, :, None] < some[:, None, :]
        beaten = (no_worse & (worse | earlier) & there[:, :, None]).any(axis=1)
        kept.append(at[there & ~beaten])
    return np.sort(np.concatenate(kept))


def thinned(rows: Whole) -> Whole:
    """Places of the rows of one activity that none of its `PIVOTS` lowest ones beats; of equal ones the first."""
    _, at = np.unique(rows, axis=0, return_index=True)
    at = np.sort(at)
    some = rows[at]
    ranks = np.argsort(np.argsort(some, axis=0, kind="stable"), axis=0).sum(axis=1)
    pivots = some[np.argsort(ranks, kind="stable")[:PIVOTS]]
    beaten = np.zeros(len(some), dtype=bool)
    for begin in range(0, len(some), WIDE):
        block = some[begin : begin + WIDE]
        no_worse = np.ones((len(pivots), len(block)), dtype=bool)
        better = np.zeros_like(no_worse)
        for pivot, figures in zip(pivots.T, block.T, strict=True):
            no_worse &= pivot[:, None] <= figures
            better |= pivot[:, None] < figures
        beaten[begin : begin + WIDE] = (no_worse & better).any(axis=0)
    return np.asarray(at[~beaten], dtype=np.int64)
