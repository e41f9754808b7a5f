"""The planning problem, stated once: activities with modes, capacity, limits; and what is said of it.

In the field's words: multi-mode resource-constrained project scheduling (MRCPSP); without capacity it is the
discrete time-cost-quality trade-off problem. `docs/planning.md`, "The exact problem", says what each word means.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import SupportsFloat

from murakkab_jupyter.core.errors import InfeasibleError, MurakkabError, UsageError

__all__ = [
    "LATENCY",
    "QUALITY",
    "TOLERANCE",
    "Activity",
    "BadProblem",
    "Faulty",
    "Infeasible",
    "Mode",
    "Problem",
    "Solution",
    "Undecided",
    "check_objectives",
    "number",
]

LATENCY = "latency"
QUALITY = "quality"

TOLERANCE = 1e-9
"""Figures closer than this share of themselves may be taken as equal: a limit is kept up to it."""

MOST_SECONDS = 1e12
MOST_CONSUMED = 1e15
MOST_UNITS = 2**40


class BadProblem(UsageError, ValueError):  # noqa: N818 - what it is, as a user reads it
    """A problem that makes no sense, whatever the solver."""


class Faulty(MurakkabError):  # noqa: N818 - a fault of ours, found by a check
    """The schedule that was about to be returned breaks a rule, or there is one where none was said to be."""


class Infeasible(InfeasibleError):  # noqa: N818 - the name of the low-level door
    """No schedule keeps every limit, and that is proven.

    Parameters
    ----------
    constraint
        The limit to blame: `deadline`, `quality`, `budget:NAME` or `capacity:NAME`.
    limit
        What it was.
    nearest
        The nearest value of that limit at which there is a schedule, all other limits kept
        (if `others` is not empty: the best value it could have at all; of a capacity, one that does with the others).
    choices
        Every limit that alone would do, with the value it would have to have.
    others
        Limits that cannot be kept either, if moving one is not enough.
    together
        With `others`: values of it and of them at which there is a schedule, if one is known.
    proven
        Whether `nearest` is the nearest there is, or only the nearest that was found in time.
    proof
        What it rests on that there is no schedule, in the words of `Solution.proof`: `bound` (plain arithmetic, or the linear
        relaxation), `search` (our own), `two` (the solver, confirmed by our own search), `forms` (the solver, asked in two
        ways: in another formulation, or where there is only one without its own simplifications) or `solver` (its certificate alone).
    """

    def __init__(
        self,
        message: str,
        *,
        constraint: str,
        limit: float,
        nearest: float,
        choices: Mapping[str, float] | None = None,
        others: Sequence[str] = (),
        together: Mapping[str, float] | None = None,
        proven: bool = True,
        proof: str = "bound",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, binding=constraint, nearest=nearest, hint=hint)
        self.constraint = constraint
        self.limit = limit
        self.nearest: float = nearest
        self.choices = dict(choices or {constraint: nearest})
        self.others = tuple(others)
        self.together = dict(together or {})
        self.proven = proven
        self.proof = proof


class Undecided(MurakkabError):  # noqa: N818 - the third answer beside a solution and Infeasible
    """Time was up before any schedule within the limits was found, or proven not to exist.

    Parameters
    ----------
    nearest
        The schedule that was found to miss the limits by least; its bounds are those of the limits as they are set.
    breaks
        Limits that it does not keep (`deadline`, `quality`, `budget:NAME`): what was set, and what it has.
    bounds
        For each objective what no schedule within the limits can beat, if there is one.
    earliest_s
        What no schedule can end before that keeps all limits but the deadline; None if that was not looked into.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        nearest: Solution | None = None,
        breaks: Mapping[str, tuple[float, float]] | None = None,
        bounds: Mapping[str, float] | None = None,
        earliest_s: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.nearest = nearest
        self.breaks = dict(breaks or {})
        self.bounds = dict(bounds or {})
        self.earliest_s = earliest_s


def number(value: object, what: str, *, most: float, whole: bool = False, limit: bool = False) -> float:
    """A finite number from 0 to `most`, or an error that says what is wrong with it.

    `limit`: it could be left out instead.
    """
    if isinstance(value, bool) or not isinstance(value, SupportsFloat) or not isinstance(value, numbers.Real):
        msg = f"{what} must be a number, not {value!r:.60}."
        raise BadProblem(msg)
    try:
        figure = float(value)
    except OverflowError:
        msg = f"{what} is a number of hundreds of digits: too large to be meant."
        raise BadProblem(msg) from None
    if not math.isfinite(figure):
        msg = f"{what} must be finite, not {figure}."
        raise BadProblem(msg, hint="Leave a limit out if there is none." if limit else None)
    if figure < 0:
        msg = f"{what} must not be negative, but is {figure:g}."
        raise BadProblem(msg)
    if figure > most:
        said = f"{what} is {figure:g}, more than {most:g}"
        msg = f"{said}: a share of one." if most == 1 else f"{said}: too large to be meant."
        raise BadProblem(msg, hint=None if most == 1 else "Check the unit (seconds, joules, dollars).")
    if whole and not figure.is_integer():
        msg = f"{what} must be a whole number, but is {figure:g}."
        raise BadProblem(msg)
    return figure


def named(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        msg = f"{what} must map names to numbers, not be {value!r:.60}."
        raise BadProblem(msg)
    for name in value:
        if not isinstance(name, str) or not name:
            msg = f"{what} has the name {name!r:.60}: names are texts."
            raise BadProblem(msg)
        if name in (LATENCY, QUALITY):
            msg = f"{what} cannot be called {name!r}: that is an objective of its own."
            raise BadProblem(msg)
    return dict(value)


@dataclass(frozen=True)
class Mode:
    """One way to do an activity.

    Parameters
    ----------
    duration_s
        Seconds from start to end; it cannot be interrupted.
    demand
        Units of each resource that are held all that time, given back at the end.
    consumes
        What is used up by it (joules, dollars, tokens), by name; a name that is missing is not consumed.
    quality
        From 0 to 1. A plan's quality is the product.
    """

    duration_s: float
    demand: Mapping[str, int] = field(default_factory=dict)
    consumes: Mapping[str, float] = field(default_factory=dict)
    quality: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "duration_s", number(self.duration_s, "A mode's duration_s", most=MOST_SECONDS)
        )
        demand = {
            name: int(number(units, f"A mode's demand of {name!r}", most=MOST_UNITS, whole=True))
            for name, units in named(self.demand, "A mode's demand").items()
        }
        consumes = {
            name: number(units, f"A mode's consumption of {name!r}", most=MOST_CONSUMED)
            for name, units in named(self.consumes, "A mode's consumption").items()
        }
        object.__setattr__(self, "demand", demand)
        object.__setattr__(self, "consumes", consumes)
        object.__setattr__(self, "quality", number(self.quality, "A mode's quality", most=1.0))


@dataclass(frozen=True)
class Activity:
    """Something to be done once, in one of its modes, after all of its predecessors have ended."""

    name: str
    modes: Sequence[Mode]
    predecessors: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            msg = f"An activity's name must be a text, not {self.name!r:.60}."
            raise BadProblem(msg)
        for what, value in (("modes", self.modes), ("predecessors", self.predecessors)):
            if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence | set | frozenset):
                msg = f"The {what} of activity {self.name!r} must be a list, not {value!r:.60}."
                raise BadProblem(msg)
        object.__setattr__(self, "modes", tuple(self.modes))
        given = self.predecessors
        for before in given:
            if not isinstance(before, str):
                msg = f"The predecessors of activity {self.name!r} must be names, not {before!r:.60}."
                raise BadProblem(msg)
        ordered = tuple(dict.fromkeys(given if isinstance(given, Sequence) else sorted(given)))
        object.__setattr__(self, "predecessors", ordered)
        if not self.modes:
            msg = f"Activity {self.name!r} has no modes."
            raise BadProblem(msg, hint="An activity needs at least one way to be done.")
        for mode in self.modes:
            if not isinstance(mode, Mode):
                msg = f"The modes of activity {self.name!r} must be Mode objects, not {mode!r:.60}."
                raise BadProblem(msg)


@dataclass(frozen=True)
class Problem:
    """Activities, what there is at any instant, and what must be kept.

    Parameters
    ----------
    activities
        In any order; names are unique.
    capacity
        Units of each resource that exist. A resource that a mode demands must be named here, if only with 0.
    budgets
        The most that may be consumed of something, summed over all activities.
    deadline_s
        The latest end of the last activity; starts count from 0.
    min_quality
        The least product of qualities.
    """

    activities: Sequence[Activity]
    capacity: Mapping[str, int] = field(default_factory=dict)
    budgets: Mapping[str, float] = field(default_factory=dict)
    deadline_s: float | None = None
    min_quality: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.activities, str | Mapping) or not isinstance(self.activities, Sequence):
            msg = "The activities must be a list."
            raise BadProblem(msg)
        object.__setattr__(self, "activities", tuple(self.activities))
        capacity = {
            name: int(number(units, f"The capacity of {name!r}", most=MOST_UNITS, whole=True))
            for name, units in named(self.capacity, "The capacity").items()
        }
        budgets = {
            name: number(units, f"The budget of {name!r}", most=MOST_CONSUMED, limit=True)
            for name, units in named(self.budgets, "A budget").items()
        }
        object.__setattr__(self, "capacity", capacity)
        object.__setattr__(self, "budgets", budgets)
        if self.deadline_s is not None:
            deadline_s = number(self.deadline_s, "The deadline", most=MOST_SECONDS, limit=True)
            object.__setattr__(self, "deadline_s", deadline_s)
        if self.min_quality is not None:
            least = number(self.min_quality, "The least quality", most=1.0, limit=True)
            object.__setattr__(self, "min_quality", least)
        self.check_activities()

    def check_activities(self) -> None:
        """Raise `BadProblem` unless the activities are an acyclic graph over known names and resources."""
        if not self.activities:
            msg = "The problem has no activities."
            raise BadProblem(msg)
        names: set[str] = set()
        for activity in self.activities:
            if not isinstance(activity, Activity):
                msg = f"The activities must be Activity objects, not {activity!r:.60}."
                raise BadProblem(msg)
            if activity.name in names:
                msg = f"Two activities are called {activity.name!r}."
                raise BadProblem(msg)
            names.add(activity.name)
        for activity in self.activities:
            for before in activity.predecessors:
                if before not in names:
                    msg = f"Activity {activity.name!r} comes after {before!r}, which there is not."
                    raise BadProblem(msg, hint=f"Activities: {', '.join(sorted(names)[:12])}")
            for mode in activity.modes:
                for name in mode.demand:
                    if name not in self.capacity:
                        msg = f"A mode of activity {activity.name!r} demands {name!r}, of which the capacity says nothing."
                        raise BadProblem(
                            msg, hint=f"Name it in the capacity, for example capacity={{{name!r}: 1}}."
                        )
        circle = find_cycle({one.name: one.predecessors for one in self.activities})
        if circle:
            msg = f"Activities wait for each other in a circle: {' -> '.join(circle)}."
            raise BadProblem(msg, hint="Take one of these predecessors away.")

    @cached_property
    def consumed(self) -> tuple[str, ...]:
        """Names of all that any mode consumes, sorted."""
        return tuple(sorted({n for a in self.activities for m in a.modes for n in m.consumes}))


def find_cycle(before: Mapping[str, Sequence[str]]) -> list[str]:
    """A circle of names, first one again at the end; empty if there is none."""
    done: set[str] = set()
    for root in before:
        if root in done:
            continue
        path, on_path = [root], {root}
        trails = [iter(before[root])]
        while path:
            for name in trails[-1]:
                if name in on_path:
                    circle = path[path.index(name) :]
                    return [*reversed([*circle, name])]
                if name not in done:
                    path.append(name)
                    on_path.add(name)
                    trails.append(iter(before[name]))
                    break
            else:
                trails.pop()
                last = path.pop()
                on_path.discard(last)
                done.add(last)
    return []


@dataclass(frozen=True)
class Solution:
    """A schedule that was checked, and how good it is known to be.

    Parameters
    ----------
    start_s
        When each activity starts.
    mode
        The index of the mode of each activity.
    makespan_s
        The end of the last activity.
    totals
        `latency`, `quality`, and the sum of everything that any mode consumes.
    lower_bound
        The bound of the first objective: no schedule can be better (for quality: higher).
    bounds
        The same for each objective, among schedules that are as good as this one in all earlier objectives.
    optimal
        Whether every objective is proven to be at its best.
    binding
        Limits and capacities without which the first objective is known to get better.
    proof
        What the claim `optimal` rests on: `two` (the solver, and a search of our own that found nothing better),
        `search` (that search alone), `bound` (it reaches a bound by plain arithmetic), `solver` (its certificate
        alone), `overruled` (the solver certified a worse plan, and that search proved this one), or `none`.
    """

    start_s: Mapping[str, float]
    mode: Mapping[str, int]
    makespan_s: float
    totals: Mapping[str, float]
    lower_bound: float
    bounds: Mapping[str, float]
    optimal: bool
    binding: tuple[str, ...]
    objectives: tuple[str, ...] = (LATENCY,)
    proof: str = "none"

    @property
    def gap(self) -> float:
        """How far the first objective may be from the best there is, as a share of its value; 0 if optimal."""
        value = self.totals[self.objectives[0]]
        away = abs(value - self.lower_bound)
        return 0.0 if self.optimal or away == 0 else away / max(abs(value), abs(self.lower_bound))


def check_objectives(problem: Problem, objectives: Sequence[str]) -> tuple[str, ...]:
    """The objectives as a tuple, or `BadProblem`."""
    if not isinstance(objectives, Sequence) or isinstance(objectives, bytes):
        msg = f"The objectives must be a list of names in order of priority, not {objectives!r:.60}."
        raise BadProblem(msg)
    wanted = (objectives,) if isinstance(objectives, str) else tuple(objectives)
    if not wanted:
        msg = "There is no objective."
        raise BadProblem(msg, hint='For example objectives=("latency",).')
    known = (LATENCY, QUALITY, *problem.consumed)
    for name in wanted:
        if name not in known:
            msg = f"Nothing consumes {name!r}, so it cannot be an objective."
            raise BadProblem(msg, hint=f"Objectives here: {', '.join(known)}")
    if len(set(wanted)) < len(wanted):
        msg = f"An objective is named twice: {', '.join(wanted)}."
        raise BadProblem(msg)
    return wanted
