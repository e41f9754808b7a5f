"""Which limit is to blame, how far it would have to move, and which limits a plan leans on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from murakkab_jupyter.planner.exact import capacity, cpsat
from murakkab_jupyter.planner.exact.branch import Branch, Limits, OutOfNodes
from murakkab_jupyter.planner.exact.check import as_written, faults
from murakkab_jupyter.planner.exact.clock import Clock
from murakkab_jupyter.planner.exact.hunt import BUILDING_S, Impossible, hunted
from murakkab_jupyter.planner.exact.problem import (
    LATENCY,
    MOST_UNITS,
    QUALITY,
    TOLERANCE,
    Faulty,
    Infeasible,
    Problem,
    Solution,
    Undecided,
)
from murakkab_jupyter.planner.exact.table import LOG_ZERO, tabulate
from murakkab_jupyter.planner.exact.words import as_set, figure, moves, words

__all__ = ["binding_limits", "explain_infeasible", "without"]

SEARCH_NODES = 400
BINDING_EFFORT = 0.05
"""Deterministic seconds of the solver for each limit that a plan might lean on."""


def limits_of(problem: Problem) -> list[str]:
    """Names of the limits that a problem sets."""
    found = [] if problem.deadline_s is None else ["deadline"]
    if problem.min_quality:
        found.append("quality")
    # What nothing consumes keeps any budget.
    return found + [f"budget:{name}" for name in sorted(problem.budgets) if name in problem.consumed]


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
    schedule: Solution | None = None


def nearest(
    problem: Problem, limit: str, seconds: float, *, stop: threading.Event | None = None
) -> Nearest | None:
    """The best value of a limit's figure in a problem that is without it; None if no schedule was found."""
    name = objective_of(limit)
    try:
        solution = hunted(tabulate(problem), (name,), Clock(seconds, stop))
    except (Impossible, Undecided):
        return None
    return Nearest(solution.totals[name], solution.lower_bound, solution.optimal, solution)


def explain_infeasible(
    problem: Problem, seconds: float, *, stop: threading.Event | None = None
) -> Infeasible:
    """The error for a problem that is proven to have no schedule; raises `Faulty` where one is found all the same."""
    limits = limits_of(problem)
    until = time.monotonic() + seconds

    # So little even where time is up that all of them together are within a tenth of what there was.
    floor = 0.1 * seconds / (2 * len(limits) + 1)

    def share(rest: int) -> float:
        return max(floor, (until - time.monotonic()) / max(1, rest))

    found: dict[str, Nearest] = {}
    for at, limit in enumerate(limits):
        value = nearest(without(problem, limit), limit, share(2 * len(limits) - at), stop=stop)
        if value is not None:
            refute(problem, limit, value)
            found[limit] = value
    if found:
        blamed = min(
            found, key=lambda one: (missed(value_of(problem, one), found[one].value), limits.index(one))
        )
        return told(problem, blamed, found)
    # More of one resource may do where no other limit alone does.
    lows = {name: units + 1 for name, units in sorted(problem.capacity.items()) if units < MOST_UNITS}
    capacities = capacity.least_capacities(problem, lows, share(2), stop=stop)
    if capacities:
        blamed = capacity.blame(problem, capacities)
        said = f"No schedule keeps {' and '.join(map(words, limits))} with {problem.capacity[blamed]} of {blamed}."
        return capacity.told(problem, said, blamed, capacities)
    # No single limit is to blame: keep them one by one, and name those that do not fit beside the earlier.
    bare = problem
    for limit in limits:
        bare = without(bare, limit)
    broken: dict[str, Nearest] = {}
    complete = True
    for at, limit in enumerate(limits):
        value = nearest(bare, limit, share(len(limits) - at), stop=stop)
        if value is not None and reached(problem, limit, value.value):
            bare = moved(bare, limit, value_of(problem, limit))
        elif value is not None:
            broken[limit] = value
            bare = moved(bare, limit, value.value)
        else:
            complete = False
    if not broken:
        complete = False
        limit = limits[-1] if limits else "capacity"
        value_there = value_of(problem, limit) if limits else 0.0
        broken[limit] = Nearest(value_there, value_there, proven=False)
    blamed = next(iter(broken))
    others = {one: broken[one] for one in broken if one != blamed}
    return told(problem, blamed, {blamed: broken[blamed]}, others, complete=complete)


def refute(problem: Problem, limit: str, value: Nearest) -> None:
    """Raise `Faulty` of a schedule that was made without a limit and keeps it: what said that there is none was wrong."""
    there = value.schedule
    # Half the tolerance: at its very edge rounding decides.
    if there is None or not reached(problem, limit, value.value, TOLERANCE / 2):
        return
    if not faults(problem, there.start_s, there.mode):
        msg = "A fault in the planner: no schedule was said to keep the limits, and there is one."
        raise Faulty(msg, hint="Please report it with the problem.")


def moved(problem: Problem, limit: str, value: float) -> Problem:
    """The problem with a limit set to a value."""
    match limit:
        case "deadline":
            return replace(problem, deadline_s=value)
        case "quality":
            return replace(problem, min_quality=value)
    return replace(problem, budgets={**problem.budgets, limit.removeprefix("budget:"): value})


def reached(problem: Problem, limit: str, value: float, tolerance: float = TOLERANCE) -> bool:
    """Whether a value keeps a limit."""
    most = value_of(problem, limit)
    return value >= most * (1 - tolerance) if limit == "quality" else value <= most * (1 + tolerance)


def missed(limit: float, value: float) -> float:
    """How far a limit is from what can be reached, as a share of it."""
    return abs(value - limit) / max(abs(limit), 1e-12)


def told(
    problem: Problem,
    blamed: str,
    found: Mapping[str, Nearest],
    others: Mapping[str, Nearest] | None = None,
    *,
    complete: bool = True,
) -> Infeasible:
    """The error; `found` are limits of which any one would do, `others` must move together with the one blamed.

    `complete`: a schedule was found that keeps all limits once these are moved.
    """
    others = others or {}
    near = found[blamed]
    value, proven = near.value, near.proven
    limit = value_of(problem, blamed)
    said = words(blamed)
    best = "highest" if blamed == "quality" else "lowest"
    sure = "possible" if proven else "found"
    up = blamed != "quality"
    message = f"No schedule keeps {said} {as_set(limit)}: the {best} {sure} is {figure(value, up=up)}"
    message += f", even without {', '.join(map(words, others))}." if others else "."
    if not proven and near.bound != value:
        message += f" None {'below' if up else 'above'} {figure(near.bound, up=not up)} is possible."
    values = {blamed: value, **{one: some.value for one, some in found.items() if one != blamed}}
    hint = f"Set {', or '.join(moves(values))}."
    more = {one: some.value for one, some in others.items()}
    if more:
        hint += f" Then also {' and '.join(moves(more))}."
    return Infeasible(
        message,
        constraint=blamed,
        limit=limit,
        nearest=value,
        choices={one: some.value for one, some in found.items()},
        others=tuple(others),
        together={blamed: value, **more} if more and complete else {},
        proven=proven,
        hint=hint,
    )


def binding_limits(problem: Problem, solution: Solution, clock: Clock) -> Solution:
    """The solution with the limits without which its first objective would get better than it can be."""
    each_s = BUILDING_S * sum(len(one.modes) for one in problem.activities)
    if clock.left < 2 * each_s:
        return solution
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
        if clock.over or clock.left < 2 * each_s:
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


def reaches(problem: Problem, name: str, bound: float, clock: Clock) -> bool:
    """Whether a problem has a schedule that is better than `bound`, found with little work."""
    if name == LATENCY:
        problem = replace(problem, deadline_s=min(bound, problem.deadline_s or bound))
    elif name != QUALITY:
        problem = replace(
            problem, budgets={**problem.budgets, name: min(bound, problem.budgets.get(name, bound))}
        )
    try:
        table = tabulate(problem)
    except Infeasible:
        return False
    meter = table.meter(name)
    if table.hopeless:
        return False
    if meter >= 0 and table.meters[meter].name == QUALITY:
        # Of a plan of quality 0 anything above is better.
        log = -math.log(bound) - TOLERANCE if bound > 0 else 0.9 * LOG_ZERO
        most = math.ceil(log * (4 * len(table.choices)) / TOLERANCE) - 1
    else:
        unit = table.quantum if meter < 0 else (table.meters[meter].unit or Fraction(1))
        most = -(-(as_written(bound) * (1 - Fraction(TOLERANCE))) // unit) - 1
    if most < 0:
        return False
    limits = Limits.of(table).tightened(meter, int(most))
    try:
        if Branch(table, limits, nodes=SEARCH_NODES, prefer=meter, until=clock.until).find() is not None:
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
