"""From the search's whole numbers to an answer in the problem's own figures: a solution, or what is known without one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from murakkab_jupyter.planner.exact.bounds import least, stated
from murakkab_jupyter.planner.exact.check import as_written
from murakkab_jupyter.planner.exact.problem import LATENCY, QUALITY, TOLERANCE, Problem, Solution, Undecided
from murakkab_jupyter.planner.exact.schedule import Profile
from murakkab_jupyter.planner.exact.start import Draft
from murakkab_jupyter.planner.exact.table import Table
from murakkab_jupyter.planner.exact.words import as_set

__all__ = ["Pass", "Timed", "in_seconds", "solution_of", "stating", "undecided"]

PROOFS = ("none", "overruled", "solver", "search", "two", "bound")
"""From the weakest to the strongest; a solution states the weakest of its objectives'."""


Timed = tuple[dict[str, float], dict[str, int], float]
"""Starts in seconds and modes by activity, and the end of the last one."""


@dataclass
class Pass:
    """What became of one objective."""

    meter: int
    bound: int
    proof: str = "none"

    @classmethod
    def plain(cls, table: Table, meter: int) -> Pass:
        """Nothing done yet: the bound by plain arithmetic, 0 where rounding left an activity no choice."""
        return cls(meter, 0 if table.hopeless else least(table, meter))


def solution_of(table: Table, objectives: Sequence[str], draft: Draft, passes: Sequence[Pass]) -> Solution:
    """A draft in seconds, joules and the like, with its bounds."""
    return stating(table, objectives, in_seconds(table, draft), passes)


def stating(table: Table, objectives: Sequence[str], timed: Timed, passes: Sequence[Pass]) -> Solution:
    """What a schedule in the problem's own figures comes to, with its bounds."""
    start_s, mode, makespan_s = timed
    by_name = {one.name: one for one in table.problem.activities}
    totals: dict[str, float] = {
        LATENCY: makespan_s,
        QUALITY: math.prod(by_name[name].modes[k].quality for name, k in mode.items()),
    }
    for name in table.problem.consumed:
        totals[name] = float(
            sum(as_written(by_name[a].modes[k].consumes.get(name, 0.0)) for a, k in mode.items())
        )
    bounds = {}
    for name, one in zip(objectives, passes, strict=True):
        value = totals[name]
        if one.proof != "none":
            bounds[name] = value
        else:
            figure = stated(table, one.meter, one.bound)
            bounds[name] = max(figure, value) if name == QUALITY else min(figure, value)
    proofs = {one.proof for one in passes}
    return Solution(
        start_s=start_s,
        mode=mode,
        makespan_s=makespan_s,
        totals=totals,
        lower_bound=bounds[objectives[0]],
        bounds=bounds,
        optimal="none" not in proofs,
        binding=(),
        objectives=tuple(objectives),
        proof=next(one for one in PROOFS if one in proofs),
    )


def in_seconds(table: Table, held: Draft) -> Timed:
    """Starts in seconds: true durations in the order of the whole-number schedule, which never ends later.

    Sums are plain sums of floats, so that an activity starts exactly where another ends.
    """
    problem = table.problem
    by_name = {one.name: one for one in problem.activities}
    mode = {name: some[k].index for name, some, k in zip(table.names, table.choices, held.picks, strict=True)}
    starts = [0.0] * len(table.names)
    profile: Profile[float] = Profile(table.capacity, 0.0)
    makespan_s = 0.0
    ends = [0.0] * len(table.names)
    for i in sorted(range(len(table.names)), key=lambda i: (held.starts[i], i)):
        name = table.names[i]
        duration_s = by_name[name].modes[mode[name]].duration_s
        demand = table.choices[i][held.picks[i]].demand
        ready = max((ends[j] for j in table.before[i]), default=0.0)
        starts[i] = profile.earliest(ready, duration_s, demand)
        profile.hold(starts[i], duration_s, demand)
        ends[i] = starts[i] + duration_s
        makespan_s = max(makespan_s, ends[i])
    order = {one.name: n for n, one in enumerate(problem.activities)}
    names = sorted(table.names, key=order.__getitem__)
    place = {name: i for i, name in enumerate(table.names)}
    return {name: starts[place[name]] for name in names}, {name: mode[name] for name in names}, makespan_s


def undecided(
    table: Table,
    objectives: Sequence[str],
    nearest: Draft | None,
    passes: Sequence[Pass],
    soonest: int | None,
    limit_s: float | None,
    *,
    solver: bool,
) -> Undecided:
    """The error for a search that found neither a schedule nor a proof, with all that it did find.

    `soonest` is a bound of the makespan, in quanta, while the deadline is left out and all other limits are kept;
    `limit_s` is None where the search was interrupted.
    """
    until = "before the interrupt" if limit_s is None else f"in {limit_s:g} s"
    said = f"No schedule within the limits was found {until}, and none is proven impossible."
    hint = "Give it more time, or relax a limit."
    bounds = {name: stated(table, one.meter, one.bound) for name, one in zip(objectives, passes, strict=True)}
    closest = None
    breaks: dict[str, tuple[float, float]] = {}
    if nearest is not None:
        closest = solution_of(table, objectives, nearest, [Pass(one.meter, one.bound) for one in passes])
        breaks = broken(table.problem, closest)
        said += f" The nearest found: {'; '.join(told(name, *pair) for name, pair in breaks.items())}."
        hint = f"Give it more time, or relax {' and '.join(breaks) or 'a limit'}."
    earliest_s = None
    if soonest is not None:
        earliest_s = stated(table, -1, soonest)
        said += f" With the other limits kept, none can end before {earliest_s:.6g} s."
    if not solver:
        hint += " The solver is missing: pip install 'murakkab-jupyter[planner]'."
    return Undecided(said, nearest=closest, breaks=breaks, bounds=bounds, earliest_s=earliest_s, hint=hint)


def broken(problem: Problem, solution: Solution) -> dict[str, tuple[float, float]]:
    """Limits that a schedule breaks: what was set, and what it has."""
    found: dict[str, tuple[float, float]] = {}
    if problem.deadline_s is not None and solution.makespan_s > problem.deadline_s * (1 + TOLERANCE):
        found["deadline"] = problem.deadline_s, solution.makespan_s
    if problem.min_quality is not None and solution.totals[QUALITY] < problem.min_quality * (1 - TOLERANCE):
        found["quality"] = problem.min_quality, solution.totals[QUALITY]
    for name, budget in problem.budgets.items():
        used = solution.totals.get(name, 0.0)
        if used > budget * (1 + TOLERANCE):
            found[f"budget:{name}"] = budget, used
    return found


def told(limit: str, most: float, value: float) -> str:
    away = f", {abs(value / most - 1):.1%} off" if most else ""
    return f"{limit} {value:.9g} instead of {as_set(most)}{away}"
