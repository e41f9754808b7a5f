"""A frontier as data: its plans, and how much of what there is they were chosen from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from murakkab_jupyter.planner.plan import Plan, Regime
from murakkab_jupyter.workflow.goal import Objective

__all__ = ["Coverage", "Frontier"]

SAME = 0.01
"""Plans within this share of each other in every respect are one point."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a frontier was found.

    Attributes
    ----------
    space
        Plans there are: a mode of those considered for each step, and a reservation that holds them.
    simulated
        How many of them were evaluated by simulation; the points are chosen from these.
    estimated
        How many were estimated, to find those worth a simulation; 0 where all were simulated.
    objectives
        What was minimised in turn under floors of quality (the epsilon-constraint method); empty where all were
        simulated.
    floors
        The floors of quality for each of them (0 is none).
    points, shown
        Points found that no other beats, and how many of them the frontier holds.
    regime
        Of the plans; in `pipeline` figures are continued from samples.
    unknown
        What is compared by CPU time, because its own figure is unknown here.
    unpredicted
        Whether a step has no profile on this hardware, so that nothing can be said of how the plans compare.
    """

    space: int
    simulated: int
    estimated: int
    objectives: tuple[Objective, ...]
    floors: tuple[float, ...]
    points: int
    shown: int
    regime: Regime = "schedule"
    unknown: tuple[Objective, ...] = ()
    unpredicted: bool = False

    @property
    def whole(self) -> bool:
        """Whether every plan there is was simulated."""
        return self.simulated == self.space

    @property
    def exact(self) -> bool:
        """Whether no plan of the modes considered can be missing, under these profiles."""
        return self.whole and self.regime == "schedule" and not self.unpredicted

    @property
    def words(self) -> str:
        """All of it in a sentence."""
        if self.whole:
            said = f"all {count(self.space)} plans of the modes considered were simulated"
        else:
            guessed = "all" if self.estimated == self.space else count(self.estimated)
            said = (
                f"{count(self.simulated)} of {count(self.space)} plans of the modes considered were simulated, after "
                f"{guessed} were estimated; found by the epsilon-constraint method ({self.method})"
            )
        if self.unpredicted:
            said += "; a step has no profile on this hardware, so how they compare is not known"
        elif self.exact:
            said += (
                ": under these profiles the frontier is exact, plans within "
                f"{SAME * 100:.0f} % of each other in every respect being one point"
            )
        elif self.whole:
            said += ", on samples of the items: not proven"
        else:
            said += ", not proven: there may be others"
        if self.unknown:
            said += f"; unknown here, and so compared by CPU time: {listed(self.unknown)}"
        if self.shown < self.points:
            said += f"; {self.shown} of its {self.points} points are shown, the ends and those farthest apart"
        return f"Coverage: {said}."

    @property
    def method(self) -> str:
        """What was brought to its best, under what."""
        names = listed(self.objectives)
        if len(self.floors) < 2:
            return f"the best quality, then the least {names} without a floor of quality"
        return f"the best quality, then the least {names} at each of {len(self.floors)} floors of quality"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: the counts, the method, and the sentence as `words`."""
        return {
            "plans": self.space,
            "simulated": self.simulated,
            "estimated": self.estimated,
            "whole": self.whole,
            "exact": self.exact,
            "method": "exhaustive" if self.whole else "epsilon-constraint",
            "objectives": list(self.objectives),
            "floors": list(self.floors),
            "unknown": list(self.unknown),
            "points": self.points,
            "shown": self.shown,
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class Frontier(Sequence[Plan]):
    """Plans of which none is better than another in every respect, fastest first: a sequence of them.

    Attributes
    ----------
    plans
        The points.
    coverage
        How many of how many plans they were chosen from, and how.
    cautions
        What to know before all else, as in each of the plans.
    """

    plans: tuple[Plan, ...]
    coverage: Coverage
    cautions: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Plan: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Plan, ...]: ...
    def __getitem__(self, index: int | slice) -> Plan | tuple[Plan, ...]:
        return self.plans[index]

    def __len__(self) -> int:
        return len(self.plans)

    def outdoes(self, chosen: Plan) -> tuple[int, Objective, float, float] | None:
        """The point that serves the goal of a chosen plan better than it does: a frontier is a wider search, and may find one.

        Parameters
        ----------
        chosen
            A plan of the same workflow, by the same profiles.

        Returns
        -------
        tuple or None
            The point's number (from 1), the first objective, and its predicted value there and in the chosen plan; None where no
            point is better by more than 1 % while its quality, and what the goal limits, are no worse than the chosen plan's.
        """
        goal = chosen.goal
        first = goal.objectives[0]
        if chosen.taken or goal.arrivals_per_s is not None:
            return None  # the person's own choice; or another question than the frontier's
        limited = {"latency": goal.deadline_s, "cost": goal.budget_usd, "energy": goal.max_energy_j}
        kept = [key for key, limit in limited.items() if limit is not None and key != first]
        kept += [] if first == "quality" else ["quality"]

        def value(plan: Plan, key: str) -> float | None:
            """The less the better; None where it is unknown."""
            figure = plan.predicted.get(key)
            if figure is None or figure.value is None:
                return None
            return -figure.value if key == "quality" else figure.value

        def serves(plan: Plan) -> bool:
            ours, theirs = value(plan, first), value(chosen, first)
            if ours is None or theirs is None or not ours < theirs - abs(theirs) * SAME:
                return False
            pairs = [(value(plan, key), value(chosen, key)) for key in kept]
            return all(a is not None and b is not None and a <= b + abs(b) * 1e-9 for a, b in pairs)

        better = [number for number, plan in enumerate(self.plans, start=1) if serves(plan)]
        if not better:
            return None
        found = min(better, key=lambda number: (value(self.plans[number - 1], first), number))
        there, here = value(self.plans[found - 1], first) or 0.0, value(chosen, first) or 0.0
        return found, first, abs(there), abs(here)

    def each(self, change: Callable[[Plan], Plan]) -> Frontier:
        """The same with every plan changed; what is then no longer predicted is no longer compared."""
        plans = tuple(change(plan) for plan in self.plans)
        latencies = [plan.predicted.get("latency") for plan in plans]
        unpredicted = any(one is None or one.value is None for one in latencies)
        return replace(self, plans=plans, coverage=replace(self.coverage, unpredicted=unpredicted))


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def count(number: int) -> str:
    """A count for people: `2,340`, `about 5.2 x 10^9`."""
    if number < 1_000_000:
        return f"{number:,}"
    power = len(str(number)) - 1
    return f"about {number / 10**power:.1f} x 10^{power}"
