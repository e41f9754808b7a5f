"""Prove how good any plan can be: the optimum of the relaxation, by OR-tools or by our own arithmetic and search.

The makespan is cut into windows (`lower`). Windows in which arithmetic alone shows that nothing beats the plan at hand
are dropped; the rest is solved, and the window that holds the optimum is cut finer. All effort is counted, so that
the same question has the same answer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from murakkab_jupyter.planner.exact import cpsat
from murakkab_jupyter.planner.exact.bounds import least, stated
from murakkab_jupyter.planner.exact.branch import Branch, Limits, OutOfNodes
from murakkab_jupyter.planner.exact.schedule import heads_and_tails
from murakkab_jupyter.planner.exact.table import Choice, Table, tabulate
from murakkab_jupyter.planner.proofs.lower import (
    COST,
    ENERGY,
    LOGLOSS,
    REST,
    SECONDS,
    Window,
    candidate,
    relaxation,
)
from murakkab_jupyter.planner.proofs.rich import Host, RichProblem
from murakkab_jupyter.workflow.goal import Objective

__all__ = ["EFFORT", "Bound", "attempt", "prove"]

METERS: dict[Objective, str] = {"latency": SECONDS, "energy": ENERGY, "cost": COST, "quality": LOGLOSS}

WINDOWS = 24
"""Windows that the makespans are first cut into."""

FINER = 8
ROUNDS = 2
"""The window with the optimum is cut into so many, so many times."""

EFFORT = 0.15
"""Deterministic seconds of OR-tools for each round."""

MOST_S = 20.0
"""Seconds after which OR-tools stops whatever its count says: only a machine in trouble comes to that."""

QUIET = {"catch_sigint_signal": False}
"""An interrupt is for whoever asked for the plan: the solver, which would take it for its own, is through in a moment."""

NODES = 4_000
"""Steps of our own search for each window, where there is no OR-tools."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What is proven of an objective.

    Attributes
    ----------
    value
        No plan does better (in the objective's unit; for quality no plan has more).
    picks
        The modes of the relaxation's best solution, by step: a plan to try. None where only arithmetic was done.
    held
        What it holds of the cluster.
    """

    value: float
    picks: dict[str, int] | None = None
    held: Host | None = None


def prove(rich: RichProblem, objective: Objective, reached: float, *, effort: float = EFFORT) -> Bound:
    """A bound of an objective that no plan within the limits beats.

    Parameters
    ----------
    rich
        The problem, with its limits.
    objective
        What is minimised (quality: maximised).
    reached
        What a plan at hand has; where nothing better can be excluded, the bound comes close to it.
    effort
        Deterministic seconds of OR-tools for each round.
    """
    windows = cut(rich, objective, reached)
    best = Bound(math.inf if objective == "quality" else 0.0)
    for _ in range(ROUNDS + 1):
        found = Hunt(rich, windows, METERS[objective], meter_of(objective, reached)).solve(effort)
        if found is None:
            # Nothing within the limits is better than the plan at hand.
            return Bound(reached, best.picks, best.held)
        value = math.exp(-found.value) if objective == "quality" else found.value
        if meter_of(objective, value) > meter_of(objective, best.value):
            best = replace(best, value=value)
        if found.window is None:
            break
        window = windows[found.window]
        best = Bound(best.value, found.picks, window.held)
        if objective == "quality" or window.later_s is None:
            break
        # What ties with it under another holding is cut as well, or each would take a round of its own.
        windows = [part for one in windows for part in (finer(one) if alike(one, window) else [one])]
    return best


def alike(one: Window, window: Window) -> bool:
    """Whether a window overlaps another one and is not much finer."""
    if one.later_s is None or window.later_s is None:
        return one == window
    width = window.later_s - window.earlier_s
    overlap = min(one.later_s, window.later_s) - max(one.earlier_s, window.earlier_s)
    return one == window or (overlap > 0 and one.later_s - one.earlier_s > width / 2)


def attempt(
    rich: RichProblem, objective: Objective, reached: float, held: Host, *, effort: float = EFFORT
) -> dict[str, int] | None:
    """Modes of a plan to try, by step: the best in which each step holds its cores from start to end.

    None without OR-tools, or where nothing better than what was reached is found.
    """
    if not cpsat.available():
        return None
    windows = cut(replace(rich, holdings=[held]), objective, reached)
    if not windows:
        return None
    table = tabulate(candidate(rich, windows))
    meter = place_of(table, METERS[objective])
    if meter is None or table.hopeless:
        return None
    model = cpsat.Model(table, Limits.of(table), timed=True)
    outcome = model.minimise({meter: 1}, MOST_S, effort=effort, params=QUIET)
    return None if outcome.picks is None else named(table, outcome.picks)


def meter_of(objective: Objective, value: float) -> float:
    """A figure as it is summed up: the less the better."""
    if objective != "quality":
        return value
    if value <= 0:
        return math.inf
    return -math.log(value) if math.isfinite(value) else -math.inf


def cut(rich: RichProblem, objective: Objective, reached: float) -> list[Window]:
    """Windows from the earliest makespan there can be to where nothing is better than what was reached."""
    windows: list[Window] = []
    name, deadline = METERS[objective], rich.limits.deadline_s
    count = max(4, WINDOWS // max(1, len(rich.holdings) // 2))
    for held in rich.holdings:
        work = math.fsum(min(mode.core_s(held) for mode in step.modes) for step in rich.steps)
        table = tabulate(relaxation(rich, [Window(0.0, None, held)]))
        if table.hopeless:
            continue  # some step has no mode that keeps the limits
        path = least(table, -1) * float(table.quantum)
        first = max(path, work / held.cores if held.cores else 0.0) * (1 - 1e-9)
        if deadline is not None and first > deadline * (1 + 1e-9):
            continue
        last = 4.0 * first
        rate = held.idle_w if objective == "energy" else held.usd_per_s + held.idle_w * rich.usd_per_j
        if objective == "latency":
            last = reached
        elif objective in ("energy", "cost") and rate > 0:
            spent = stated(table, at, least(table, at)) if (at := place_of(table, name)) is not None else 0.0
            last = (reached - spent) / rate
        if deadline is not None:
            last = min(last, deadline)
        if first <= 0 or last <= first:
            windows.append(Window(max(0.0, first), None, held))
            continue
        ratio = (last / first) ** (1 / count)
        edges = [first * ratio**n for n in range(count)] + [last]
        windows += [Window(a, b, held) for a, b in itertools.pairwise(edges)]
        if last != deadline:
            windows.append(Window(last, None, held))
    return windows


def place_of(table: Table, name: str) -> int | None:
    """The place of a meter; None where nothing is consumed of it."""
    return next((n for n, one in enumerate(table.meters) if one.name == name), None)


def finer(window: Window) -> list[Window]:
    """The same makespans in smaller windows."""
    later = window.later_s or window.earlier_s
    step = (later - window.earlier_s) / FINER
    edges = [window.earlier_s + step * n for n in range(FINER)] + [later]
    return [Window(a, b, window.held) for a, b in itertools.pairwise(edges)]


@dataclass(frozen=True, slots=True)
class Found:
    """The optimum of a relaxation, or a bound on it: in which window, with which modes, where that is known."""

    value: float
    window: int | None = None
    picks: dict[str, int] | None = None


class Hunt:
    """One relaxation: what arithmetic leaves of each window, and the optimum of the rest."""

    def __init__(self, rich: RichProblem, windows: Sequence[Window], name: str, reached: float) -> None:
        self.windows, self.reached = windows, reached
        self.table = tabulate(relaxation(rich, windows)) if windows else None
        self.meter = None if self.table is None else place_of(self.table, name)

    def solve(self, effort: float) -> Found | None:
        """The best solution that beats what was reached; None if there surely is none."""
        if self.table is None or self.table.hopeless:
            return None
        rest = self.table.names.index(REST)
        left: dict[int, tuple[int, Table]] = {}
        for place, choice in enumerate(self.table.choices[rest]):
            within = self.window(self.table, rest, choice)
            if within is not None and (self.meter is None or self.amount(within[0]) < self.reached):
                left[place] = within
        if not left:
            return None
        if self.meter is None:
            return Found(0.0)
        if cpsat.available():
            return self.by_solver(self.table, rest, left, effort)
        return self.by_search(self.table, rest, left)

    def amount(self, units: int) -> float:
        """A sum in whole numbers as a figure, never more than it is."""
        return 0.0 if self.table is None or self.meter is None else stated(self.table, self.meter, units)

    def window(self, table: Table, rest: int, choice: Choice) -> tuple[int, Table] | None:
        """The least of the meter in one window by arithmetic, and the table of the modes that fit it; None if none do."""
        limits = Limits.of(table)
        some = [list(one) for one in table.choices]
        some[rest] = [choice]
        for _ in range(3):
            if not all(some):
                return None
            shortest = [min(c.duration for c in one) for one in some]
            heads, tails = heads_and_tails(table, shortest)
            floor = [sum(min(c.amounts[m] for c in one) for one in some) for m in range(len(table.meters))]
            before = sum(map(len, some))
            kept: list[list[Choice]] = []
            for i, one in enumerate(some):
                low = [min(c.amounts[m] for c in one) for m in range(len(table.meters))]
                kept.append(
                    [
                        c
                        for c in one
                        if (limits.latency is None or heads[i] + c.duration + tails[i] <= limits.latency)
                        and all(
                            most is None or floor[m] - low[m] + c.amounts[m] <= most
                            for m, most in enumerate(limits.meters)
                        )
                    ]
                )
            some = kept
            if sum(map(len, some)) == before:
                break
        if not all(some):
            return None
        made = replace(table, choices=tuple(tuple(one) for one in some))
        return (0 if self.meter is None else least(made, self.meter)), made

    def by_solver(
        self, table: Table, rest: int, left: dict[int, tuple[int, Table]], effort: float
    ) -> Found | None:
        """All windows at once by OR-tools."""
        meter = self.meter or 0
        plain = min(bound for bound, _ in left.values())
        choices = list(table.choices)
        choices[rest] = tuple(table.choices[rest][place] for place in left)
        table = replace(table, choices=tuple(choices))
        model = cpsat.Model(table, Limits.of(table), timed=True)
        outcome = model.minimise({meter: 1}, MOST_S, effort=effort, params=QUIET)
        if outcome.impossible:
            return None
        bound = max(plain, plain if outcome.bound is None else outcome.bound)
        if outcome.picks is None:
            return Found(self.amount(bound))
        window = table.choices[rest][outcome.picks[rest]].index
        return Found(self.amount(bound), window, named(table, outcome.picks))

    def by_search(self, table: Table, rest: int, left: dict[int, tuple[int, Table]]) -> Found | None:
        """The windows one by one, the most promising first: each is searched whole, or has its plain bound."""
        best: tuple[int, int, dict[str, int] | None] | None = None
        for place, (plain, within) in sorted(left.items(), key=lambda one: (one[1][0], one[0])):
            if best is not None and plain >= best[0]:
                break
            bound, picks = self.search(within, plain)
            if bound is not None and (best is None or bound < best[0]):
                best = bound, table.choices[rest][place].index, picks
        return None if best is None else Found(self.amount(best[0]), best[1], best[2])

    def search(self, table: Table, plain: int) -> tuple[int | None, dict[str, int] | None]:
        """The least of the meter in a window (None: nothing is in it); its plain bound where there is no end in time."""
        meter, limits, left = self.meter or 0, Limits.of(table), NODES
        value: int | None = None
        picks: dict[str, int] | None = None
        while True:
            branch = Branch(table, limits, nodes=left, prefer=meter)
            try:
                solution = branch.find()
            except (OutOfNodes, RecursionError):
                return plain, picks
            if solution is None:
                return value, picks
            left = branch.left
            value, picks = table.amount(meter, solution[0]), named(table, solution[0])
            if value <= plain:
                return value, picks
            limits = limits.tightened(meter, value - 1)


def named(table: Table, picks: Sequence[int]) -> dict[str, int]:
    """The modes of a solution, by activity."""
    return {name: some[k].index for name, some, k in zip(table.names, table.choices, picks, strict=True)}
