"""Which limit is to blame, how far it would have to move, and which limits a plan leans on."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from murakkab_jupyter.planner import cpsat
from murakkab_jupyter.planner.branch import Branch, Limits, OutOfNodes
from murakkab_jupyter.planner.check import as_written
from murakkab_jupyter.planner.problem import (
    LATENCY,
    QUALITY,
    TOLERANCE,
    Infeasible,
    Problem,
    Solution,
    Undecided,
)
from murakkab_jupyter.planner.table import tabulate

__all__ = ["binding_limits", "explain_infeasible", "without"]

SEARCH_NODES = 400
BINDING_EFFORT = 0.05
"""Deterministic seconds of the solver for each limit that a plan might lean on."""


class Watch(Protocol):
    """The clock of a solve."""

    stop: threading.Event | None

    @property
    def left(self) -> float:
        """Seconds left."""
        ...

    @property
    def over(self) -> bool:
        """Whether to stop."""
        ...


def limits_of(problem: Problem) -> list[str]:
    """Names of the limits that a problem sets."""
    found = [] if problem.deadline_s is None else ["deadline"]
    if problem.min_quality:
        found.append("quality")
    return found + [f"budget:{name}" for name in sorted(problem.budgets)]


def without(problem: Problem, limit: str) -> Problem:
    """The problem without one limit; without a capacity nothing demands it."""
    kind, _, name = limit.partition(":")
    match kind:
        case "deadline":
            return replace(problem, deadline_s=None)
        case "quality":
            return replace(problem, min_quality=None)
        case "budget":
            return replace(problem, budgets={n: b for n, b in problem.budgets.items() if n != name})
    freed = [
        replace(
            one,
            modes=[replace(m, demand={r: n for r, n in m.demand.items() if r != name}) for m in one.modes],
        )
        for one in problem.activities
    ]
    return replace(
        problem, activities=freed, capacity={r: n for r, n in problem.capacity.items() if r != name}
    )


def value_of(problem: Problem, limit: str) -> float:
    kind, _, name = limit.partition(":")
    if kind == "budget":
        return problem.budgets[name]
    return float((problem.deadline_s if kind == "deadline" else problem.min_quality) or 0.0)


def objective_of(limit: str) -> str:
    return {"deadline": LATENCY, "quality": QUALITY}.get(limit, limit.removeprefix("budget:"))


@dataclass(frozen=True)
class Nearest:
    """The best value found of a limit's figure, and what none can beat."""

    value: float
    bound: float
    proven: bool


def nearest(problem: Problem, limit: str, seconds: float) -> Nearest | None:
    """The best value of a limit's figure in a problem that is without it; None if no schedule was found."""
    from murakkab_jupyter.planner.exact import Clock, Hunt, Impossible

    name = objective_of(limit)
    if name not in (LATENCY, QUALITY) and name not in problem.consumed:
        return Nearest(0.0, 0.0, proven=True)
    try:
        hunt = Hunt(tabulate(problem), (name,), Clock(seconds))
        hunt.warm(None)
        hunt.run()
        solution = hunt.solution()
    except (Impossible, Undecided):
        return None
    return Nearest(solution.totals[name], solution.lower_bound, solution.optimal)


def explain_infeasible(problem: Problem, seconds: float) -> Infeasible:
    """The error for a problem that is proven to have no schedule."""
    limits = limits_of(problem)
    until = time.monotonic() + seconds

    def share(rest: int) -> float:
        return max(0.1 * seconds, (until - time.monotonic()) / max(1, rest))

    found: dict[str, Nearest] = {}
    for at, limit in enumerate(limits):
        value = nearest(without(problem, limit), limit, share(2 * len(limits) - at))
        if value is not None:
            found[limit] = value
    if found:
        blamed = min(
            found, key=lambda one: (missed(value_of(problem, one), found[one].value), limits.index(one))
        )
        return told(problem, blamed, found, ())
    # No single limit is to blame: keep them one by one, and name those that do not fit beside the earlier.
    bare = problem
    for limit in limits:
        bare = without(bare, limit)
    broken: dict[str, Nearest] = {}
    for at, limit in enumerate(limits):
        value = nearest(bare, limit, share(len(limits) - at))
        if value is not None and missed(value_of(problem, limit), value.value) <= TOLERANCE:
            bare = restored(bare, problem, limit)
        elif value is not None:
            broken[limit] = value
    if not broken:
        limit = limits[-1] if limits else "capacity"
        value_there = value_of(problem, limit) if limits else 0.0
        broken[limit] = Nearest(value_there, value_there, proven=False)
    blamed = next(iter(broken))
    return told(problem, blamed, {blamed: broken[blamed]}, tuple(one for one in broken if one != blamed))


def restored(bare: Problem, problem: Problem, limit: str) -> Problem:
    name = limit.removeprefix("budget:")
    match limit:
        case "deadline":
            return replace(bare, deadline_s=problem.deadline_s)
        case "quality":
            return replace(bare, min_quality=problem.min_quality)
    return replace(bare, budgets={**bare.budgets, name: problem.budgets[name]})


def missed(limit: float, value: float) -> float:
    """How far a limit is from what can be reached, as a share of it."""
    return abs(value - limit) / max(abs(limit), 1e-12)


def told(problem: Problem, blamed: str, found: dict[str, Nearest], others: Sequence[str]) -> Infeasible:
    near = found[blamed]
    value, proven = near.value, near.proven
    limit = value_of(problem, blamed)
    said = words(blamed)
    best = "highest" if blamed == "quality" else "lowest"
    sure = "possible" if proven else "found"
    message = f"No schedule keeps {said} {limit:g}: the {best} {sure} is {value:.9g}"
    message += f", even without {', '.join(map(words, others))}." if others else "."
    if not proven and near.bound != value:
        message += f" None {'above' if blamed == 'quality' else 'below'} {near.bound:.6g} is possible."
    rest = [f"{words(one)} {some.value:.9g}" for one, some in found.items() if one != blamed]
    hint = f"Set {said} to {value:.9g}" + (f", or {', or '.join(rest)}." if rest else ".")
    if others:
        hint += f" Then relax {', '.join(map(words, others))} as well."
    return Infeasible(
        message,
        constraint=blamed,
        limit=limit,
        nearest=value,
        choices={one: some.value for one, some in found.items()},
        others=others,
        proven=proven,
        hint=hint,
    )


def words(limit: str) -> str:
    kind, _, name = limit.partition(":")
    return {"deadline": "the deadline", "quality": "the least quality"}.get(kind, f"the {kind} of {name}")


def binding_limits(problem: Problem, solution: Solution, clock: Watch) -> Solution:
    """The solution with the limits without which its first objective would get better than it can be."""
    table = tabulate(problem)
    candidates = [*limits_of(problem), *(f"capacity:{name}" for name in sorted(problem.capacity))]
    name = solution.objectives[0]
    if name != LATENCY:
        free = {one.name: one for one in problem.activities}
        ideal = {
            QUALITY: all(
                free[a].modes[k].quality == max(m.quality for m in free[a].modes)
                for a, k in solution.mode.items()
            )
        }.get(
            name,
            all(
                free[a].modes[k].consumes.get(name, 0.0)
                == min(m.consumes.get(name, 0.0) for m in free[a].modes)
                for a, k in solution.mode.items()
            ),
        )
        if ideal:
            return solution
    found = []
    for limit in candidates:
        if clock.over:
            break
        # A capacity that nobody waits for can still rule out modes that are too large for it.
        kind, _, resource = limit.partition(":")
        if (
            kind == "capacity"
            and resource not in table.resources
            and not any(
                m.demand.get(resource, 0) > problem.capacity[resource]
                for a in problem.activities
                for m in a.modes
            )
        ):
            continue
        if reaches(without(problem, limit), name, solution.lower_bound, clock):
            found.append(limit)
    return replace(solution, binding=tuple(found))


def reaches(problem: Problem, name: str, bound: float, clock: Watch) -> bool:
    """Whether a problem has a schedule that is better than `bound`, found with little work."""
    try:
        table = tabulate(problem)
    except Infeasible:
        return False
    meter = table.meter(name)
    if table.hopeless:
        return False
    if meter >= 0 and table.meters[meter].name == QUALITY:
        if bound <= 0:
            return False
        import math

        most = math.ceil((-math.log(bound) - TOLERANCE) * (4 * len(table.choices)) / TOLERANCE) - 1
    else:
        unit = table.quantum if meter < 0 else (table.meters[meter].unit or Fraction(1))
        most = -(-(as_written(bound) * (1 - Fraction(TOLERANCE))) // unit) - 1
    if most < 0:
        return False
    limits = Limits.of(table).tightened(meter, int(most))
    try:
        if Branch(table, limits, nodes=SEARCH_NODES, prefer=meter).find() is not None:
            return True
    except (OutOfNodes, RecursionError):
        pass
    else:
        return False
    if not cpsat.available():
        return False
    model = cpsat.Model(table, limits, timed=limits.latency is not None)
    return (
        model.minimise(None, min(clock.left, 1.0), stop=clock.stop, effort=BINDING_EFFORT).picks is not None
    )
