"""Leeway: of plans that are as good as the best as far as predictions can tell, the one that takes less of everything else.

Objectives in order of priority, each with a relative tolerance: the hierarchical variant of the lexicographic method (R. T. Marler, J. S. Arora,
Survey of multi-objective optimization methods for engineering, 2004). What could be given up so is looked for as the epsilon-constraint method does:
the next objective, with the first one held within the tolerance of the best found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from murakkab_jupyter.planner.search import (
    SAME,
    Key,
    Picks,
    Search,
    after,
    limits,
)
from murakkab_jupyter.workflow.goal import Goal, Objective

__all__ = ["given_up", "looked", "spared"]

SURE = 3
"""Numbers at the head of a key that are no figures of objectives: limits broken, limits in doubt, objectives unknown."""

TRIED = 8
"""One evaluation in so many more is asked for."""

MORE = {"latency": "slower", "energy": "more energy", "cost": "dearer", "cpu": "more CPU time"}
"""How a plan that takes more is told."""


def looked(search: Search, picks: Picks, goal: Goal) -> Picks:
    """The best plan, after some more were judged that might take less of what comes next, and hardly more of the first objective.

    Parameters
    ----------
    search
        What was judged already; where not all is, `effort / TRIED` more are.
    picks
        The best plan found; where it breaks a limit, nothing is looked for.
    goal
        What for.
    """
    keys = judged(search, picks, goal)
    best = min(keys, key=keys.__getitem__)
    if not keys[best][0] and search.space > search.effort:
        look(search, goal, keys, best)
    return min(keys, key=keys.__getitem__)


def spared(search: Search, best: Picks, goal: Goal) -> Picks:
    """The plan to take instead of the best found: within `SAME` of it in the first objective that is a prediction, and limits kept as surely."""
    keys = judged(search, best, goal)
    return best if keys[best][0] else choice(search, goal, keys)


def judged(search: Search, picks: Picks, goal: Goal) -> dict[Picks, Key]:
    """The keys of all that was judged, for whatever goal."""
    return {one: search.key(one, goal) for one in (*search.evaluations, picks)}


def choice(search: Search, goal: Goal, keys: Mapping[Picks, Key]) -> Picks:
    """The best plan by key, or one that is worse in nothing by more than `SAME`, in something better by more or with fewer GPUs or cores.

    Of those that keep all limits as surely: objective by objective what is within `SAME` of the least that can still be had, then the fewest GPUs and cores.
    """
    best = min(keys, key=keys.__getitem__)
    kept = [
        one
        for one, key in keys.items()
        if key[:SURE] == keys[best][:SURE] and as_good(search, one, best, goal)
    ]
    for axis in predicted(goal):
        most = min(search.value(one, axis) for one in kept)
        most += abs(most) * SAME
        kept = [one for one in kept if search.value(one, axis) <= most]
    found = min(kept, key=lambda one: (search.estimator.gpus_held(one) or 0, one[-1], keys[one]))
    return found if gained(search, found, best, goal) else best


def predicted(goal: Goal) -> list[Objective]:
    """Objectives that are predictions of a run, in the order of a goal."""
    return [axis for axis in (*goal.objectives, *after(goal)) if axis != "quality"]


def told(search: Search, best: Picks, goal: Goal) -> list[Objective]:
    """The same without cost where that is electricity alone, which energy tells."""
    known = search.estimator.rent is None and search.knows(best, "energy")
    return [axis for axis in predicted(goal) if not (axis == "cost" and known)]


def as_good(search: Search, picks: Picks, best: Picks, goal: Goal) -> bool:
    """Whether a plan is worse than the best in no objective by more than `SAME`, holds no more GPUs, and is of as good a quality.

    Quality is no prediction of a run: a little of it is given up only for an objective that was stated after it.
    """
    less = SAME if "quality" in goal.objectives[:-1] else 1e-9
    if search.score(picks) < search.score(best) * (1.0 - less):
        return False
    if (search.estimator.gpus_held(picks) or 0) > (search.estimator.gpus_held(best) or 0):
        return False
    # Where one is known and the other is not, CPU-seconds would be compared with joules or dollars.
    return all(
        search.knows(picks, axis) == search.knows(best, axis)
        and search.value(picks, axis) <= search.value(best, axis) + abs(search.value(best, axis)) * SAME
        for axis in predicted(goal)
    )


def gained(search: Search, picks: Picks, best: Picks, goal: Goal) -> list[str]:
    """What a plan takes less of than the best found, in words: more than `SAME` of an objective, GPUs or cores."""
    less: list[str] = []
    for axis in told(search, best, goal):
        here, there = search.value(picks, axis), search.value(best, axis)
        if search.knows(best, axis) and search.knows(picks, axis) and here < there * (1 - SAME):
            less.append(part_of(axis, here, there))
    fewer = reserved_less(search, picks, best)
    return [*less, *([fewer] if fewer else [])]


def look(search: Search, goal: Goal, keys: dict[Picks, Key], best: Picks) -> None:
    """Judge plans that take less of what comes next, and hardly more of the first objective than the best, by estimate."""
    near = nearby(search, goal, best)
    if near is None:
        return
    left = max(1, search.effort // TRIED)
    pool = [one for one in search.promising(near) if not search.crowded(one) and one not in keys]
    for one in search.spread(pool, (left + 1) // 2):
        keys[one] = search.key(one, goal)
        left -= 1
    here = choice(search, goal, keys)
    improved = True
    while improved and left > 0:
        improved = False
        for one in search.interleaved(here, near):
            if one in keys:
                continue
            keys[one] = search.key(one, goal)
            left -= 1
            there = choice(search, goal, keys)
            if there != here:
                here, improved = there, True
                break
            if left <= 0:
                break


def nearby(search: Search, goal: Goal, best: Picks) -> Goal | None:
    """The goal of the next objective with the first one held within `SAME` of the best, all by estimate; None where an estimate stands for something else."""
    first, *later = (one for one in (*goal.objectives, *after(goal)) if one != "quality")
    following = [one for one in later if one not in search.unknown]
    if first in search.unknown or not following:
        return None
    found = search.estimator.estimate(best)
    held = {"latency": found.latency_s, "energy": found.energy_j, "cost": found.cost_usd}[first]
    if not 0 < held < math.inf:
        return None
    # Estimates have no bands: limits are drawn in by the usual margin, and then it goes by what is expected.
    most = {
        name: limit / (1.0 + search.usual_margin(name, goal.confidence)) for name, _, limit in limits(goal)
    }
    name = {"latency": "deadline", "energy": "max-energy", "cost": "budget"}[first]
    if not all(limit > 0 for limit in most.values()):
        return None  # a margin without an end
    most[name] = min(most.get(name, held * (1.0 + SAME)), held * (1.0 + SAME))
    floor = search.score(best) * (1 - 1e-9) if goal.objectives == ("quality",) else goal.floor
    return replace(
        goal,
        objectives=(following[0],),
        quality=0.0 if floor is None else floor,
        confidence=0.5,
        deadline_s=most.get("deadline"),
        budget_usd=most.get("budget"),
        max_energy_j=most.get("max-energy"),
    )


def given_up(search: Search, picks: Picks, best: Picks, goal: Goal) -> tuple[str, ...]:
    """In a sentence all that a plan gives up against the best found, and what it takes less of; none where it gives up nothing."""
    lost: list[str] = []
    for axis in told(search, best, goal):
        here, there = search.value(picks, axis), search.value(best, axis)
        more = MORE[axis if search.knows(best, axis) else "cpu"]
        if here > there * (1 + 1e-9) and not any(one.endswith(more) for one in lost):
            lost.append(f"{share_of(here, there)} {more}")
    if (points := 100 * (search.score(best) - search.score(picks))) > 1e-7:
        lost.append(f"{points:.2g} points less quality")
    cores, others = (search.estimator.held[one[-1]].cores for one in (picks, best))
    if cores > others:
        lost.append(f"{cores - others} more core{'' if cores - others == 1 else 's'} reserved")
    if not lost:
        return ()
    gains = " and ".join(gained(search, picks, best, goal))
    said = " and ".join(lost)
    why = f"predictions do not tell plans within {100 * SAME:.0f} % of each other apart"
    return (f"{said[0].upper()}{said[1:]} than the best plan found, for {gains}: {why}.",)


def share_of(here: float, there: float) -> str:
    """By how much a figure is more, as a share."""
    share = 100.0 * (here / there - 1.0) if there else 0.0
    return f"{share:.1f} %" if share >= 0.1 else f"{share:.2g} %" if share >= 0.001 else "less than 0.001 %"


def part_of(axis: Objective, here: float, there: float) -> str:
    """What a plan takes of a figure, where that is less: `1/4 of the cost`, `31 % less energy`."""
    what = "time" if axis == "latency" else axis
    if here <= 0:
        return f"no {what}"
    if here < there / 2:
        return f"1/{there / here:.2g} of the {what}"
    return f"{100 * (1 - here / there):.0f} % less {what}"


def reserved_less(search: Search, picks: Picks, best: Picks) -> str:
    """`2 GPUs instead of 8`, or the same of cores, where fewer are reserved."""
    gpus, theirs = (search.estimator.gpus_held(one) or 0 for one in (picks, best))
    if gpus != theirs:  # never more
        return f"{gpus} GPU{'' if gpus == 1 else 's'} instead of {theirs}"
    cores, others = (search.estimator.held[one[-1]].cores for one in (picks, best))
    return f"{cores} core{'' if cores == 1 else 's'} reserved instead of {others}" if cores < others else ""
