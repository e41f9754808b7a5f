"""A problem in whole numbers: seconds as quanta, quality as -log; what the solvers work on.

Where all durations (or amounts) are multiples of one quantum and few enough, whole numbers are exact. Otherwise they
are rounded *up* to a quantum so fine that all rounding together stays far below `TOLERANCE`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from murakkab_jupyter.planner.exact.check import as_written
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

FINEST = 2**40
"""The most quanta that the longest schedule may have."""

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

    def amount(self, meter: int, picks: Picks) -> int:
        """The sum of a meter over a plan."""
        return sum(some[k].amounts[meter] for some, k in zip(self.choices, picks, strict=True))

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
    usable = [[(k, m) for k, m in enumerate(one.modes) if fits(m, problem.capacity)] for one in order]
    for one, some in zip(order, usable, strict=True):
        if not some:
            raise too_large(one, problem.capacity)
    resources = tuple(sorted(name for name in problem.capacity if contended(name, usable, problem.capacity)))
    longest = sum((as_written(max(m.duration_s for _, m in some)) for some in usable), Fraction(0))
    horizon = longest
    if problem.deadline_s is not None:
        horizon = min(horizon, as_written(problem.deadline_s) * (1 + Fraction(TOLERANCE)))
    quantum, exact = quantum_of((as_written(m.duration_s) for some in usable for _, m in some), horizon)
    slack = 0 if exact else len(order)
    deadline = None
    if problem.deadline_s is not None:
        deadline = most_units(problem.deadline_s, quantum, slack, longest, len(order))
    meters: list[Meter] = []
    columns: list[Callable[[Mode], int]] = []
    for name in sorted({*problem.consumed, *problem.budgets}):
        meter, column = consumed_meter(name, problem, usable)
        meters.append(meter)
        columns.append(column)
    meter, column = quality_meter(problem, len(order))
    meters.append(meter)
    columns.append(column)
    # Bytes become gigabytes where all demands are: small numbers do not overflow in the solver.
    units = [math.gcd(*(m.demand.get(name, 0) for some in usable for _, m in some)) for name in resources]
    most = (deadline, *(one.limit for one in meters))
    choices = []
    for some in usable:
        found = []
        for k, m in some:
            amounts = (units_of(as_written(m.duration_s), quantum), *(column(m) for column in columns))
            # What breaks a limit by itself is left out; its whole numbers could be too large to add up.
            if all(top is None or amount <= top for amount, top in zip(amounts, most, strict=True)):
                demand = tuple(
                    m.demand.get(name, 0) // unit for name, unit in zip(resources, units, strict=True)
                )
                found.append(Choice(k, amounts[0], demand, amounts[1:]))
        choices.append(undominated(found))
    return Table(
        problem=problem,
        names=tuple(one.name for one in order),
        before=before,
        after=tuple(map(tuple, after)),
        choices=tuple(choices),
        resources=resources,
        capacity=tuple(problem.capacity[name] // unit for name, unit in zip(resources, units, strict=True)),
        meters=tuple(meters),
        quantum=quantum,
        slack=slack,
        deadline=deadline,
        horizon=sum(max((one.duration for one in some), default=0) for some in choices),
    )


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


def contended(name: str, usable: Sequence[Sequence[tuple[int, Mode]]], capacity: Mapping[str, int]) -> bool:
    """Whether activities could ever wait for this resource."""
    return sum(max(m.demand.get(name, 0) for _, m in some) for some in usable) > capacity[name]


def quantum_of(values: Iterable[Fraction], most: Fraction) -> tuple[Fraction, bool]:
    """The largest quantum that divides all values, if `most` has few enough of it; else a very fine one."""
    counted = [one for one in values if one]
    if not counted or not most:
        return Fraction(1), True
    scale = math.lcm(*(one.denominator for one in counted))
    common = math.gcd(*(one.numerator * (scale // one.denominator) for one in counted))
    quantum = Fraction(common, scale)
    if most <= quantum * FINEST:
        return quantum, True
    return most / FINEST, False


def units_of(value: Fraction, unit: Fraction) -> int:
    """How many units a value has, rounded up."""
    return -(-value.numerator * unit.denominator // (value.denominator * unit.numerator))


def most_units(limit: float, unit: Fraction, slack: int, largest: Fraction, n: int) -> int:
    """A limit in units, and no more than `largest`, what `n` activities can add up to: solvers take no huge numbers."""
    return min(
        math.floor(as_written(limit) * (1 + Fraction(TOLERANCE)) / unit) + slack, units_of(largest, unit) + n
    )


def consumed_meter(
    name: str, problem: Problem, usable: Sequence[Sequence[tuple[int, Mode]]]
) -> tuple[Meter, Callable[[Mode], int]]:
    amounts = [[m.consumes.get(name, 0.0) for _, m in some] for some in usable]
    largest = most = sum((as_written(max(some)) for some in amounts), Fraction(0))
    budget = problem.budgets.get(name)
    if budget is not None:
        most = min(most, as_written(budget) * (1 + Fraction(TOLERANCE)))
    unit, exact = quantum_of((as_written(one) for some in amounts for one in some), most)
    slack = 0 if exact else len(usable)
    limit = None if budget is None else most_units(budget, unit, slack, largest, len(usable))

    def column(mode: Mode) -> int:
        return units_of(as_written(mode.consumes.get(name, 0.0)), unit)

    return Meter(name, unit, slack, limit), column


def quality_meter(problem: Problem, n: int) -> tuple[Meter, Callable[[Mode], int]]:
    """-log of quality in units so small that rounding over a whole plan is a quarter of the tolerance."""
    scale = 4 * n / TOLERANCE
    limit = None
    if problem.min_quality:
        limit = math.floor((TOLERANCE - math.log(problem.min_quality)) * scale)

    def column(mode: Mode) -> int:
        return round((-math.log(mode.quality) if mode.quality else LOG_ZERO) * scale)

    return Meter(QUALITY, None, n, limit), column


def undominated(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Drop a mode that another equals or beats in everything."""
    kept: list[tuple[Choice, tuple[int, ...]]] = []
    rows = sorted(
        ((one, (one.duration, *one.demand, *one.amounts)) for one in choices), key=lambda row: row[1]
    )
    for one, row in rows:
        if not any(covers(other, row) for _, other in kept):
            kept.append((one, row))
    return tuple(one for one, _ in sorted(kept, key=lambda pair: pair[0].index))


def covers(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether no figure of one is above that of the other; a plain loop, for there are very many."""
    for a, b in zip(one, other, strict=True):  # noqa: SIM110
        if a > b:
            return False
    return True
