"""The old plan in the problem as it is now: its modes laid out anew, which no answer may be worse than."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from murakkab_jupyter.planner.exact.answer import Timed, in_seconds
from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.check import as_written, limits_broken
from murakkab_jupyter.planner.exact.problem import Activity, Mode, Problem, Solution
from murakkab_jupyter.planner.exact.schedule import by_priority, place_in_order, topological_by
from murakkab_jupyter.planner.exact.start import Draft, draft
from murakkab_jupyter.planner.exact.table import Table, fits, tabulate

__all__ = ["Old", "laid_out_anew"]


@dataclass(frozen=True)
class Old:
    """The old plan, each activity as early as the order of the better of two layouts allows."""

    timed: Timed
    keeps: bool
    """Whether it keeps every limit of the problem; that it breaks no other rule is checked where it is returned."""

    def draft(self, table: Table, limits: Limits, wanted: Sequence[int]) -> Draft:
        """It in whole numbers. What stands in for a mode that another equals or beats keeps the order.

        Serial placement in the order of a schedule's starts never ends later than it, if no activity takes longer or
        holds more; laid out by its own priorities the better mode could (Graham's anomaly).
        """
        start_s, mode, _ = self.timed
        by_name = {one.name: one for one in table.problem.activities}
        picks = []
        for name, some in zip(table.names, table.choices, strict=True):
            modes, index = by_name[name].modes, mode[name]
            at = next((k for k, c in enumerate(some) if c.index == index), None)
            if at is None:
                at = table.beats(modes, index, some)
            picks.append(alike(modes[index], [modes[c.index] for c in some]) if at is None else at)
        order = topological_by(table, [start_s[name] for name in table.names])
        chosen = tuple(picks)
        return draft(table, limits, wanted, chosen, place_in_order(table, chosen, order))


def laid_out_anew(problem: Problem, hint: Solution) -> Old | None:
    """The old plan's modes in the old order and by priority, whichever ends first.

    In the order of its starts a schedule that can still be kept as it is never ends later. Where a mode is gone, or too large by now, that which is most like it. None if an activity fits in no mode.
    """
    mode = {}
    for one in problem.activities:
        index = hint.mode.get(one.name, -1)
        known = 0 <= index < len(one.modes)
        if not known or not fits(one.modes[index], problem.capacity):
            there = [k for k, m in enumerate(one.modes) if fits(m, problem.capacity)]
            if not there:
                return None
            some = [one.modes[k] for k in there]
            index = there[alike(one.modes[index], some) if known else fastest(some)]
        mode[one.name] = index
    held = Problem(
        [Activity(one.name, [one.modes[mode[one.name]]], one.predecessors) for one in problem.activities],
        problem.capacity,
    )
    table = tabulate(held)
    picks = (0,) * len(table.names)
    order = topological_by(table, [hint.start_s.get(name, 0.0) for name in table.names])
    free = Limits.of(table)
    drafts = [
        draft(table, free, [-1], picks, starts)
        for starts in (place_in_order(table, picks, order), by_priority(table, picks))
    ]
    start_s, _, last_s = in_seconds(table, min(drafts, key=lambda one: one.values))
    return Old((start_s, mode, last_s), keeps=not limits_broken(problem, as_written(last_s), mode))


def fastest(some: Sequence[Mode]) -> int:
    return min(range(len(some)), key=lambda k: some[k].duration_s)


def alike(old: Mode, some: Sequence[Mode]) -> int:
    """The place of a mode that is no worse than an old one in anything, else of the one that is worse in least."""
    counts = []
    for k, mode in enumerate(some):
        worse = (mode.duration_s > old.duration_s) + (mode.quality < old.quality)
        worse += sum(units > old.demand.get(name, 0) for name, units in mode.demand.items())
        worse += sum(amount > old.consumes.get(name, 0.0) for name, amount in mode.consumes.items())
        if not worse:
            return k
        counts.append((worse, abs(mode.duration_s - old.duration_s), k))
    return min(counts)[2]
