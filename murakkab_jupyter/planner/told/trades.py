"""Shadow trade-offs: what a little more of one thing would save of another, from plans that were simulated anyway."""

from __future__ import annotations

from collections.abc import Sequence

from murakkab_jupyter.planner.search import Picks, Search
from murakkab_jupyter.planner.told.reasons import UNITS, amount
from murakkab_jupyter.workflow.goal import Goal, Objective

__all__ = ["trades"]

AXES: tuple[Objective, ...] = ("latency", "energy", "cost", "quality")

WORTH = 0.10
"""Less than this share saved is not worth a sentence; of quality, so many hundredths gained as `WORTH_QUALITY`."""

WORTH_QUALITY = 0.02
SAME = 0.01
MOST_PRICE = 1.0
"""Twice as much of anything is not `a little more`."""

MOST = 2
"""Offers that are told, those that bring most for what they take."""


def trades(search: Search, picks: Picks, goal: Goal) -> tuple[str, ...]:
    """The best offers, as sentences (`5.2 s more would save 31 % of energy.`): what the plan gives up for its goal.

    Offers keep the floor of quality; one that breaks another limit says so.
    """
    first = goal.objectives[0]
    own_machine = search.estimator.rent is None
    axes = [
        axis
        for axis in AXES
        if (axis == "quality" or search.knows(picks, axis)) and not (axis == "cost" and own_machine)
    ]
    here = {axis: search.value(picks, axis) for axis in axes}
    offers: dict[Objective, tuple[float, Picks]] = {}
    for other in search.evaluations:
        if other == picks or any(axis != "quality" and not search.knows(other, axis) for axis in axes):
            continue
        there = {axis: search.value(other, axis) for axis in axes}
        worse = {axis: share(axis, here[axis], there[axis]) for axis in axes}
        lost = {axis: more for axis, more in worse.items() if more > SAME}
        price = max(lost.values(), default=0.0)
        broken = search.excess(other, goal)
        if not lost or price > MOST_PRICE or "quality" in broken:
            continue  # what a lower floor would save is said of the limit that binds
        for axis in axes:
            gain = -worse[axis]
            if axis == first or gain < (WORTH_QUALITY if axis == "quality" else WORTH):
                continue
            rate = gain / price
            if axis not in offers or rate > offers[axis][0]:
                offers[axis] = rate, other
    told: dict[str, list[str]] = {}
    """What is asked for, and what each plan that asks for as much would bring."""
    for axis, (_, other) in sorted(offers.items(), key=lambda one: -one[1][0]):
        there = {one: search.value(other, one) for one in axes}
        missed = sorted(search.excess(other, goal))
        over = f" (over your {' and '.join(missed)})" if missed else ""
        asked = " and ".join(
            loss(one, here[one], there[one]) for one in axes if share(one, here[one], there[one]) > SAME
        )
        asked += over
        told.setdefault(asked, []).append(saving(axis, here[axis], there[axis]))
    return tuple(
        f"{asked[0].upper()}{asked[1:]} would {together(some)}." for asked, some in list(told.items())[:MOST]
    )


def together(savings: Sequence[str]) -> str:
    """`save 74 % of cost and 71 % of energy`."""
    verb = "save "
    later = [one.removeprefix(verb) if savings[0].startswith(verb) else one for one in savings[1:]]
    return " and ".join([savings[0], *later])


def share(axis: Objective, here: float, there: float) -> float:
    """By how much another plan is worse, as a share (of quality: points of 1)."""
    if axis == "quality":
        return there - here  # values of quality are negative: the less the better
    return there / here - 1.0 if here else 0.0


def loss(axis: Objective, here: float, there: float) -> str:
    if axis == "quality":
        return f"quality {-there:.2f} instead of {-here:.2f}"
    what = "" if axis == "latency" else f" of {axis}"
    return f"{amount(there - here, UNITS[axis])} more{what}"


def saving(axis: Objective, here: float, there: float) -> str:
    if axis == "quality":
        return f"bring quality {-there:.2f} instead of {-here:.2f}"
    return f"save {100 * (1 - there / here):.0f} % of {'the time' if axis == 'latency' else axis}"
