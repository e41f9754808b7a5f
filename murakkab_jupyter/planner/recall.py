"""Plans that are known: those made before for the same workflow and inputs, and what of them serves a goal better than its own search.

Plans of different goals, and the points of a frontier, come from different searches, none of which tries everything. What one of them
has found must not be missed by another, or the planner seems to be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from murakkab_jupyter.core.hosts import Share
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.plan import Configuration, Plan
from murakkab_jupyter.planner.search import Picks, Search
from murakkab_jupyter.workflow.declaration import Declaration
from murakkab_jupyter.workflow.goal import Goal

__all__ = ["Recall", "picks_of", "recalled"]

MOST_TRIED = 8
"""Known plans that are simulated again for a goal: one where nothing was learnt since, as their figures are what they were."""

MOST_PLANS = 64
"""Plans kept of a workflow and its inputs, the latest."""

MOST_WORKFLOWS = 4
"""Workflows with their inputs: few, since inputs may be large."""


def picks_of(search: Search, plan: Plan) -> Picks | None:
    """The modes and the reservation of a plan; None where they are not among those considered now."""
    if plan.reserves is None or set(plan.steps) != set(search.names):
        return None
    picks: list[int] = []
    for name in search.names:
        mine = plan.steps[name].configuration
        place = next((n for n, mode in enumerate(search.modes[name]) if mode.configuration == mine), None)
        if place is None:
            return None
        picks.append(place)
    share = plan.reserves.share
    level = next((n for n, held in enumerate(search.estimator.held) if held.share == share), None)
    if level is None or not search.holds((*picks, level)) >> level & 1:
        return None
    found = (*picks, level)
    return None if search.crowded(found) else found


def recalled(search: Search, known: Sequence[Plan], picks: Picks, goal: Goal) -> Picks:
    """`picks`, or the known plan that serves the goal better, by figures of now.

    The figures that plans were made with say which of them are worth a simulation: none where all promise less than `picks`.
    """
    remembered: dict[Picks, Evaluation] = {}
    for plan in known:
        found = picks_of(search, plan)
        if found is not None:
            remembered[found] = Evaluation({}, plan.predicted)
    if not remembered:
        return picks
    before = Search(search.modes, search.estimator, search.judge, search.evaluator, effort=search.effort)
    before.evaluations.update(remembered)
    here = search.key(picks, goal)
    for other in sorted(remembered, key=lambda one: before.key(one, goal))[:MOST_TRIED]:
        if before.key(other, goal) >= here:
            break
        there = search.key(other, goal)
        if there < here:
            picks, here = other, there
    return picks


What = tuple[tuple[tuple[str, Configuration], ...], Share | None]


def what(plan: Plan) -> What:
    """What a plan does: its configurations, and its share of the cluster."""
    share = None if plan.reserves is None else plan.reserves.share
    return tuple((name, step.configuration) for name, step in plan.steps.items()), share


class Recall:
    """Plans made so far in a session, by what they are of."""

    def __init__(self) -> None:
        self._kept: list[tuple[Declaration, dict[What, Plan]]] = []

    def of(self, declaration: Declaration) -> tuple[Plan, ...]:
        """Plans of this workflow and these inputs, whatever their goals, the latest last."""
        return tuple(next((plans.values() for one, plans in self._kept if one.same(declaration)), ()))

    def keep(self, declaration: Declaration, plans: Iterable[Plan]) -> None:
        """Keep plans; of equal ones the latest, whose figures are newest. Those for arrivals are of another question."""
        kept: dict[What, Plan] = {}
        others: list[tuple[Declaration, dict[What, Plan]]] = []
        for one, made in self._kept:
            if one.same(declaration):
                kept = made
            else:
                others.append((one, made))
        self._kept = [*others[1 - MOST_WORKFLOWS :], (declaration, kept)]
        for plan in plans:
            if plan.goal.arrivals_per_s is None:
                kept.pop(what(plan), None)
                kept[what(plan)] = plan
        for key in list(kept)[:-MOST_PLANS]:
            kept.pop(key, None)  # cells of threads may plan at once
