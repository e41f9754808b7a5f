"""Check a schedule against the problem itself, by code that shares nothing with the solver.

Everything is done in exact fractions of the numbers as they are written (0.1 is a tenth), and only the comparison
allows `TOLERANCE`: starts are floats, and a sum of floats is off by its last digit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from murakkab_jupyter.planner.exact.problem import LATENCY, QUALITY, TOLERANCE, Problem, Solution

__all__ = ["as_written", "faults", "faults_of", "limits_broken"]

SLACK = Fraction(TOLERANCE) * 2
"""Twice the tolerance: a figure may be at the very edge of what is allowed and then rounded to a float."""


LEAST = Fraction(sys.float_info.min)
"""A product of many small qualities may be less than a float can say."""


@lru_cache(maxsize=2**16)
def as_written(value: float) -> Fraction:
    """The number that a float was written as: 0.1 is one tenth."""
    return Fraction(Decimal(repr(float(value))))


def faults_of(problem: Problem, solution: Solution) -> list[str]:
    """What is wrong with a solution; empty if nothing is. Also checks the figures that it states."""
    found = faults(problem, solution.start_s, solution.mode)
    if found:
        return found
    ends = [
        as_written(solution.start_s[one.name]) + as_written(one.modes[solution.mode[one.name]].duration_s)
        for one in problem.activities
    ]
    found += unlike("makespan_s", max(ends), solution.makespan_s)
    stated = dict(solution.totals)
    found += unlike("totals[latency]", max(ends), stated.pop(LATENCY, math.nan))
    found += unlike("totals[quality]", quality_of(problem, solution.mode), stated.pop(QUALITY, math.nan))
    for name, used in used_up(problem, solution.mode).items():
        found += unlike(f"totals[{name}]", used, stated.pop(name, math.nan))
    found += [f"totals has {name}, which nothing consumes" for name in stated]
    for name, bound in solution.bounds.items():
        value = solution.totals.get(name, math.nan)
        worse = bound < value if name == QUALITY else bound > value
        if worse:
            found.append(f"the bound of {name} is {bound}, but {value} was reached")
    return found


def unlike(what: str, true: Fraction, stated: float) -> list[str]:
    if not math.isfinite(stated) or abs(as_written(stated) - true) > SLACK * abs(true) + LEAST:
        return [f"{what} is stated as {stated}, but is {float(true)}"]
    return []


def faults(problem: Problem, start_s: Mapping[str, float], mode: Mapping[str, int]) -> list[str]:
    """Broken rules of a schedule: modes, precedence, capacity at every instant, and the limits."""
    names = {one.name for one in problem.activities}
    if set(start_s) != names or set(mode) != names:
        return ["the schedule does not have exactly the problem's activities"]
    found = []
    spans: dict[str, tuple[Fraction, Fraction]] = {}
    for one in problem.activities:
        pick, start = mode[one.name], start_s[one.name]
        if not 0 <= pick < len(one.modes):
            return [f"{one.name} has no mode {pick}"]
        if not math.isfinite(start) or start < 0:
            return [f"{one.name} starts at {start}"]
        begin = as_written(start)
        spans[one.name] = begin, begin + as_written(one.modes[pick].duration_s)
    last = max(end for _, end in spans.values())
    edge = last * SLACK
    for one in problem.activities:
        found += [
            f"{one.name} starts at {float(spans[one.name][0])}, before {before} ends at {float(spans[before][1])}"
            for before in one.predecessors
            if spans[one.name][0] < spans[before][1] - edge
        ]
    for resource, units in problem.capacity.items():
        found += overfull(problem, resource, units, spans, mode, edge)
    return found + limits_broken(problem, last, mode)


def limits_broken(problem: Problem, last: Fraction, mode: Mapping[str, int]) -> list[str]:
    """Limits that modes, and a schedule of them that ends at `last` (s), do not keep."""
    found = []
    if problem.deadline_s is not None and last > as_written(problem.deadline_s) * (1 + SLACK):
        found.append(f"it ends at {float(last)}, after the deadline {problem.deadline_s}")
    used = used_up(problem, mode) if problem.budgets else {}
    found += [
        f"it consumes {float(used[name])} of {name}, more than the budget {budget}"
        for name, budget in problem.budgets.items()
        if used.get(name, Fraction(0)) > as_written(budget) * (1 + SLACK)
    ]
    if problem.min_quality is not None:
        reached = quality_of(problem, mode)
        if reached < as_written(problem.min_quality) * (1 - SLACK):
            found.append(f"its quality is {float(reached)}, less than {problem.min_quality}")
    return found


def overfull(
    problem: Problem,
    resource: str,
    units: int,
    spans: Mapping[str, tuple[Fraction, Fraction]],
    mode: Mapping[str, int],
    edge: Fraction,
) -> list[str]:
    """A sweep over all starts and ends; what ends within `edge` of an instant has ended."""
    moments: list[tuple[Fraction, int, int]] = []
    for one in problem.activities:
        held = one.modes[mode[one.name]].demand.get(resource, 0)
        if held > units:
            return [f"{one.name} holds {held} of {resource}, of which there are {units}"]
        begin, end = spans[one.name]
        if held and end - begin > edge:
            moments += [(begin, 1, held), (end - edge, 0, -held)]
    load = 0
    for instant, _, change in sorted(moments):
        load += change
        if load > units:
            return [f"{load} of {resource} are held at {float(instant)}, of which there are {units}"]
    return []


def used_up(problem: Problem, mode: Mapping[str, int]) -> dict[str, Fraction]:
    """What is consumed in all, by name."""
    totals = dict.fromkeys(problem.consumed, Fraction(0))
    for one in problem.activities:
        for name, amount in one.modes[mode[one.name]].consumes.items():
            totals[name] += as_written(amount)
    return totals


def quality_of(problem: Problem, mode: Mapping[str, int]) -> Fraction:
    """The product of qualities."""
    return math.prod(
        (as_written(one.modes[mode[one.name]].quality) for one in problem.activities), start=Fraction(1)
    )
