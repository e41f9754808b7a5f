"""How much of a resource there would have to be: the least capacity with which a schedule keeps all other limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from murakkab_jupyter.planner.exact import cpsat
from murakkab_jupyter.planner.exact.bounds import beyond
from murakkab_jupyter.planner.exact.branch import Branch, Limits, OutOfNodes
from murakkab_jupyter.planner.exact.problem import MOST_UNITS, Infeasible, Problem
from murakkab_jupyter.planner.exact.start import begin
from murakkab_jupyter.planner.exact.table import tabulate
from murakkab_jupyter.planner.exact.words import moves

__all__ = ["Least", "blame", "explain_capacity", "feasible", "least_capacities", "told"]

NODES = 2_000
"""Steps of our own search for one capacity, before the solver is asked."""


@dataclass(frozen=True)
class Least:
    """The least capacity with which a schedule was found, and whether less is proven not to do."""

    value: int
    proven: bool


def lend(problem: Problem, units: Mapping[str, int]) -> Problem:
    """The problem with other capacities."""
    return replace(problem, capacity={**problem.capacity, **units})


def feasible(problem: Problem, seconds: float, *, stop: threading.Event | None = None) -> bool | None:
    """Whether some schedule keeps all limits; None if time was too short to know."""
    until = time.monotonic() + seconds
    try:
        table = tabulate(problem)
    except Infeasible:
        return False
    limits = Limits.of(table)
    if table.hopeless or beyond(table, limits):
        return False

    def over() -> bool:
        return time.monotonic() > until or (stop is not None and stop.is_set())

    if not begin(table, limits, [-1], rounds=8, over=over).missed:
        return True
    try:
        return Branch(table, limits, nodes=NODES, prefer=-1, until=until).find() is not None
    except (OutOfNodes, RecursionError):
        pass
    if over() or not cpsat.available():
        return None
    model = cpsat.Model(table, limits, timed=limits.latency is not None)
    outcome = model.minimise(None, until - time.monotonic(), stop=stop)
    return True if outcome.picks is not None else False if outcome.impossible else None


def least_capacity(
    problem: Problem, name: str, low: int, seconds: float, *, stop: threading.Event | None = None
) -> Least | None:
    """By halving, since more capacity never makes a schedule impossible; None if no capacity is known to do.

    Parameters
    ----------
    low
        Less is known not to do.
    """
    until = time.monotonic() + seconds

    def tried(units: int) -> bool | None:
        left = until - time.monotonic()
        return feasible(lend(problem, {name: units}), max(0.02, 0.5 * left), stop=stop)

    there = tried(low)
    if there:
        return Least(low, proven=True)
    proven = there is not None
    # With this much nobody ever waits for it.
    high = sum(max(mode.demand.get(name, 0) for mode in one.modes) for one in problem.activities)
    high = min(high, MOST_UNITS)
    if high <= low or not tried(high):
        return None
    low += 1
    while low < high:
        if time.monotonic() > until:
            return Least(high, proven=False)
        middle = (low + high) // 2
        there = tried(middle)
        if there:
            high = middle
        else:
            proven, low = proven and there is not None, middle + 1
    return Least(high, proven)


def explain_capacity(
    problem: Problem,
    seconds: float,
    relax: Callable[[Problem, float], Infeasible],
    *,
    stop: threading.Event | None = None,
) -> Infeasible:
    """The error for a problem with an activity none of whose modes fits the capacity.

    Parameters
    ----------
    relax
        Explains what else stands in the way once everything fits.
    """
    until = time.monotonic() + seconds
    needs: dict[str, tuple[int, str]] = {}
    for name in sorted(problem.capacity):
        need = needed(problem, name)
        if need is not None:
            needs[name] = need
    found = least_capacities(problem, {name: units for name, (units, _) in needs.items()}, seconds, stop=stop)
    if found:
        blamed = blame(problem, found)
        units, activity = needs[blamed]
        return told(problem, lacking(problem, activity, blamed, units), blamed, found)
    # No single one would do: in each activity's mode that lacks least, all that it lacks.
    joint: dict[str, tuple[int, str]] = {}
    for one in problem.activities:
        lacks = [{r: n for r, n in m.demand.items() if n > problem.capacity[r]} for m in one.modes]
        least = min(lacks, key=lambda lack: (len(lack), sum(factor(problem, r, n) for r, n in lack.items())))
        for r, n in least.items():
            joint[r] = max(joint.get(r, (0, "")), (n, one.name), key=lambda pair: pair[0])
    units_of = {name: units for name, (units, _) in joint.items()}
    blamed = max(units_of, key=lambda name: (factor(problem, name, units_of[name]), name))
    others = [f"capacity:{name}" for name in sorted(units_of) if name != blamed]
    enough = lend(problem, units_of)
    there = feasible(enough, max(0.02, 0.5 * (until - time.monotonic())), stop=stop)
    values = {f"capacity:{name}": float(n) for name, n in sorted(units_of.items())}
    hint = f"Set {' and '.join(moves(values))}."
    limits: list[str] = []
    together = values if there else {}
    if there is False:
        also = relax(enough, max(0.1 * seconds, until - time.monotonic()))
        limits = [also.constraint, *also.others]
        more = also.together or ({} if also.others else {also.constraint: also.nearest})
        together = {**values, **more} if more else {}
        hint += (
            f" Then also {' and '.join(moves(more))}."
            if more
            else f" Then relax {' and '.join(limits)} as well."
        )
    units, activity = joint[blamed]
    return Infeasible(
        lacking(problem, activity, blamed, units) + " That is not all that stands in the way.",
        constraint=f"capacity:{blamed}",
        limit=float(problem.capacity[blamed]),
        nearest=float(units),
        others=tuple(dict.fromkeys(one for one in (*others, *limits) if one != f"capacity:{blamed}")),
        together=together,
        proven=there is not None,
        hint=hint,
    )


def least_capacities(
    problem: Problem, lows: Mapping[str, int], seconds: float, *, stop: threading.Event | None = None
) -> dict[str, Least]:
    """For each resource the least capacity that alone would do, where there is one."""
    until = time.monotonic() + seconds
    found = {}
    for at, (name, low) in enumerate(lows.items()):
        left = max(0.1 * seconds / len(lows), (until - time.monotonic()) / (len(lows) - at))
        least = least_capacity(problem, name, low, left, stop=stop)
        if least is not None:
            found[name] = least
    return found


def blame(problem: Problem, found: Mapping[str, Least]) -> str:
    """The resource that is short by the smallest factor."""
    return min(found, key=lambda name: (factor(problem, name, found[name].value), name))


def told(problem: Problem, said: str, blamed: str, found: Mapping[str, Least]) -> Infeasible:
    """The error where one capacity is to blame."""
    near = found[blamed]
    sure = "The least that would do" if near.proven else "The least that was found to do"
    choices = [f"the capacity of {name} to {one.value}" for name, one in found.items()]
    choices.sort(key=lambda one: not one.startswith(f"the capacity of {blamed} "))
    return Infeasible(
        f"{said} {sure}, all other limits kept, is {near.value}.",
        constraint=f"capacity:{blamed}",
        limit=float(problem.capacity[blamed]),
        nearest=float(near.value),
        choices={f"capacity:{name}": float(one.value) for name, one in found.items()},
        proven=near.proven,
        hint=f"Set {', or '.join(choices)}.",
    )


def needed(problem: Problem, name: str) -> tuple[int, str] | None:
    """What the neediest activity needs of a resource, and its name; None if more of this one alone does not do."""
    most = (problem.capacity[name], "")
    for one in problem.activities:
        some = [m.demand.get(name, 0) for m in one.modes if fits(m.demand, problem, name)]
        if not some:
            return None
        if min(some) > most[0]:
            most = min(some), one.name
    return most if most[1] else None


def fits(demand: Mapping[str, int], problem: Problem, apart: str) -> bool:
    """Whether a demand fits the capacity, one resource left aside."""
    return all(units <= problem.capacity[r] for r, units in demand.items() if r != apart)


def factor(problem: Problem, name: str, units: int) -> float:
    return units / max(1, problem.capacity[name])


def lacking(problem: Problem, activity: str, name: str, units: int) -> str:
    return f"Activity {activity!r} needs {units} of {name}, and there are {problem.capacity[name]}."
