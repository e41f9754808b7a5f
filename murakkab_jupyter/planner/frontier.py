"""The frontier: plans of which none is better than another in every respect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.coverage import SAME, Coverage, Frontier
from murakkab_jupyter.planner.evaluate import Evaluator
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.planner.recall import picks_of
from murakkab_jupyter.planner.search import Picks, Search
from murakkab_jupyter.planner.solve import plan_of, prepare
from murakkab_jupyter.planner.standing import Standing
from murakkab_jupyter.planner.told.reasons import amount
from murakkab_jupyter.profiles.profile import Profiles
from murakkab_jupyter.workflow.goal import OBJECTIVES, Goal, Objective
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["MOST_POINTS", "frontier"]

POLISH = 6
"""Evaluations for each objective at each floor: two for what estimates promise, the rest to improve on the best."""

MOST_POINTS = 30
AXES: tuple[Objective, ...] = ("latency", "energy", "cost", "quality")

SHARES = (1.0, 0.95, 0.9, 0.8, 0.65, 0.5, 0.0)
"""Floors, as shares of the reachable quality, at which each objective is minimised in turn: those that goals name, and some between."""


def frontier(
    workflow: Workflow,
    goal: Goal,
    *,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    profiles: Profiles,
    cluster: ClusterView,
    evaluate: Evaluator,
    effort: int | None = None,
    known: Sequence[Plan] = (),
) -> Frontier:
    """Non-dominated plans over cost, energy, latency and quality, fastest first.

    Limits of the goal do not apply, nor arrivals: the frontier is of the inputs at hand, and shows what limits would cost. Each
    plan says what it gives up against the best in each respect (`standing`).

    Parameters
    ----------
    workflow, goal
        What to do; the goal's objectives order what is searched first.
    roots, library, profiles, cluster, evaluate, effort
        As for `make_plan`.
    known
        Plans made before of the same workflow and inputs: no point that they beat is shown.

    Returns
    -------
    Frontier
        At most `MOST_POINTS` plans, and how many of how many they were chosen from.
    """
    goal = replace(goal, arrivals_per_s=None)
    problem = prepare(
        workflow,
        roots=roots,
        library=library,
        profiles=profiles,
        cluster=cluster,
        evaluate=evaluate,
        effort=effort,
    )
    search = problem.search
    objectives: tuple[Objective, ...] = ()
    floors: tuple[float, ...] = ()
    if search.space <= search.effort:
        for picks in search.all():
            search.exact(picks)
    else:
        search.best(Goal(("quality",)))
        # On one's own machine cost is electricity: what is frugal is cheap.
        same = {"quality", "cost"} if problem.estimator.rent is None else {"quality"}
        order = [*goal.objectives, *(one for one in OBJECTIVES if one not in goal.objectives)]
        objectives = tuple(one for one in order if one not in same)
        # What cannot be judged meets no floor but 0.
        shares = SHARES[-1:] if search.judge.blind else SHARES
        floors = tuple(share * search.judge.reachable * (1 - 1e-9) for share in shares)
        for objective in objectives:
            for floor in floors:
                aim = Goal((objective, "quality"), floor)
                pool = [picks for picks in search.promising(aim)[:2] if not search.crowded(picks)]
                search.polish(pool, aim, POLISH)
        for plan in known:
            found = picks_of(search, plan)
            if found is not None:
                search.exact(found)
    points = undominated(search, list(search.evaluations))
    kept = spread(search, points)
    kept.sort(key=lambda picks: (search.value(picks, "latency"), picks))
    best = {axis: min(kept, key=lambda p, axis=axis: search.value(p, axis)) for axis in AXES}  # type: ignore[misc]
    coverage = Coverage(
        space=search.space,
        simulated=len(search.evaluations),
        estimated=problem.estimator.estimated,
        objectives=objectives,
        floors=floors,
        points=len(points),
        shown=len(kept),
        regime=problem.regime,
        unknown=tuple(axis for axis in AXES[:-1] if not all(search.knows(picks, axis) for picks in kept)),
    )
    plans = tuple(
        replace(
            plan_of(problem, picks, replace(goal, quality=None)),
            goal=goal,
            standing=standing(search, picks, best),
        )
        for picks in kept
    )
    return Frontier(plans, coverage)


def values(search: Search, picks: Picks) -> tuple[float, ...]:
    return tuple(search.value(picks, axis) for axis in AXES)


def undominated(search: Search, some: Sequence[Picks]) -> list[Picks]:
    """Those that no other equals or beats in every respect; of nearly equal ones the first by order."""
    rows = {picks: values(search, picks) for picks in some}
    kept: list[Picks] = []
    for picks in sorted(rows, key=lambda p: (rows[p], p)):
        row = rows[picks]
        # Sorted by the first axis, so whatever beats this one clearly comes before it or ties with it there.
        beaten = any(
            all(a <= b + abs(b) * SAME for a, b in zip(rows[other], row, strict=True)) for other in kept
        ) or any(
            other != picks
            and all(a <= b for a, b in zip(mine, row, strict=True))
            and any(a < b for a, b in zip(mine, row, strict=True))
            for other, mine in rows.items()
        )
        if not beaten:
            kept.append(picks)
    # One that comes later may be nearly as good in all, and clearly better in something.
    for picks in list(kept):
        if any(clearly_beats(rows[other], rows[picks]) for other in kept if other != picks):
            kept.remove(picks)
    return kept


def clearly_beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether one row is better by more than `SAME` in some respect, and in none worse by more."""
    return all(a <= b + abs(b) * SAME for a, b in zip(one, other, strict=True)) and any(
        a < b - abs(b) * SAME for a, b in zip(one, other, strict=True)
    )


def spread(search: Search, points: Sequence[Picks]) -> list[Picks]:
    """At most `MOST_POINTS`: the best in each respect, then always the one farthest from those kept."""
    if len(points) <= MOST_POINTS:
        return list(points)
    rows = {picks: values(search, picks) for picks in points}
    low = [min(row[n] for row in rows.values()) for n in range(len(AXES))]
    wide = [(max(row[n] for row in rows.values()) - low[n]) or 1.0 for n in range(len(AXES))]

    def gap(a: Picks, b: Picks) -> float:
        return max(abs(x - y) / w for x, y, w in zip(rows[a], rows[b], wide, strict=True))

    kept = list(dict.fromkeys(min(points, key=lambda p, n=n: (rows[p][n], p)) for n in range(len(AXES))))  # type: ignore[misc]
    while len(kept) < MOST_POINTS:
        rest = [picks for picks in points if picks not in kept]
        kept.append(max(rest, key=lambda picks: (min(gap(picks, one) for one in kept), picks)))
    return kept


def standing(search: Search, picks: Picks, best: Mapping[Objective, Picks]) -> Standing:
    """What a plan gives up against the best in each respect."""
    leads: list[str] = []
    lacks: list[str] = []
    names = {"latency": ("fastest", "s"), "energy": ("least energy", "J"), "cost": ("cheapest", "USD")}
    blind = search.judge.blind
    unsure = [
        name
        for name, pick in zip(search.names, picks, strict=False)
        if name not in blind and search.modes[name][pick].quality.value is None
    ]
    part = " of the steps whose quality is known" if blind else ""
    for axis in AXES:
        if axis == "quality" and len(blind) == len(search.names):
            continue  # nobody knows any
        if axis == "quality" and unsure:
            lacks.append(f"a known quality (that of {', '.join(unsure)} is unknown here)")
            continue
        if axis != "quality" and not (search.knows(picks, axis) and search.knows(best[axis], axis)):
            continue  # its value stands for another figure
        here, there = search.value(picks, axis), search.value(best[axis], axis)
        if here <= there + abs(there) * SAME:
            near = (
                "" if here <= there else f" within {SAME * 100:.0f} %"
            )  # one alone is best, unless they tie
            leads.append(f"best quality{near}{part}" if axis == "quality" else f"{names[axis][0]}{near}")
        elif axis == "quality":
            points = f"{(here - there) * 100:.0f}"
            lacks.append(f"{points} point{'' if points == '1' else 's'} of quality{part}")
        else:
            share = f" ({(here / there - 1) * 100:.0f} %)" if there else ""  # of nothing there are no shares
            lacks.append(amount(here - there, names[axis][1]) + share)
    return Standing(tuple(leads), tuple(lacks))
