"""Other ways to plan, to be compared with: each gets the same modes, profiles and simulator as the planner itself.

How each is made, and with which advantages, stands at its function; `benchmarks/planners.py` compares them by simulated
and by real runs. Where a method knows nothing of a goal (HEFT of energy, the paper's program of latency), the
extension that it was given is said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from murakkab_jupyter.energy.estimate import JOULES_PER_KWH
from murakkab_jupyter.planner.expect import Expectation
from murakkab_jupyter.planner.modes import Load, Mode
from murakkab_jupyter.planner.quality import SHARES
from murakkab_jupyter.planner.search import Picks, Search, limits
from murakkab_jupyter.workflow.goal import Goal, Objective

__all__ = ["BASELINES", "Baseline", "coordinate_ascent", "greedy", "heft", "naive", "whole_program"]

Baseline = Callable[[Search, Goal], Picks]
"""Chooses one mode for each step; what it returns may break the goal's limits. None of the methods knows of reserved
cores: those that do not try neighbours are given the best reservation for their modes, by simulation."""

WEIGHT_STEP = 0.1
"""Distance of the weights that the greedy score is tuned over."""

MOST_LABELS = 400
"""Partial programs kept at each step of the paper's program: the best by its objective, where there are more."""


@dataclass(frozen=True)
class Sheet:
    """What the modes of every step are estimated to take, each for itself."""

    search: Search
    expectation: Expectation

    @classmethod
    def of(cls, search: Search) -> Sheet:
        """With every step's first mode for what flows on."""
        return cls(search, search.estimator.expectation(tuple(0 for _ in search.names)))

    def load(self, name: str, pick: int) -> Load:
        """Seconds and CPU-seconds of a mode."""
        return self.search.estimator.load(name, pick, self.expectation)

    def quality(self, name: str, pick: int) -> float:
        """Quality of a mode, 1 where a step cannot be judged."""
        return self.search.judge.factor(name, self.search.modes[name][pick])

    def spent(self, name: str, pick: int, objective: Objective) -> float:
        """What a mode adds to an objective if every step is taken by itself, the less the better."""
        load = self.load(name, pick)
        if objective == "quality":
            return -math.log(max(1e-9, self.quality(name, pick)))
        if objective == "latency":
            return load.wall_s
        estimator = self.search.estimator
        if objective == "cost" and estimator.rent is not None:
            return load.core_s
        held_idle_w = estimator.idle_w / estimator.cores
        return estimator.held[-1].active_w * load.cpu_s + held_idle_w * load.core_s

    def floor(self, goal: Goal) -> float:
        """The least product of qualities that a goal allows."""
        judge = self.search.judge
        if goal.floor is None:
            return 0.0
        return SHARES[goal.floor] * judge.reachable if isinstance(goal.floor, str) else float(goal.floor)


def whole(search: Search, picks: Picks) -> Picks:
    """Modes with all cores reserved."""
    return (*picks, search.sizes[-1] - 1)


def reserving(search: Search, picks: Picks, goal: Goal) -> Picks:
    """Modes with the reservation that is best for them."""
    return min(search.levels(picks), key=lambda one: search.key(one, goal))


# --- best model everywhere ------------------------------------------------------------------------------------


def naive(search: Search, goal: Goal) -> Picks:
    """The best model for every step, as who writes a workflow by hand takes it; of its shapes the fastest.

    Its advantage over real life: nobody's hand-written workflow has the batch and the instances that its profile
    says are fastest.
    """
    sheet = Sheet.of(search)

    def best(name: str, size: int) -> int:
        return min(
            range(size), key=lambda pick: (-sheet.quality(name, pick), sheet.load(name, pick).wall_s, pick)
        )

    picks = tuple(best(name, size) for name, size in zip(search.names, search.sizes, strict=False))
    return reserving(search, picks, goal)


# --- greedy weighted score ------------------------------------------------------------------------------------


def greedy(search: Search, goal: Goal) -> Picks:
    """A weighted score of quality, speed and frugality at each step by itself.

    This is how an open re-implementation of the paper chooses (0.5, 0.3 and 0.2). Here the weights are tuned for each
    workflow and goal: every combination in steps of a tenth makes a plan, the simulator judges each, and the
    best one counts.
    """
    sheet = Sheet.of(search)
    columns: dict[str, list[tuple[float, float, float]]] = {}
    for name, size in zip(search.names, search.sizes, strict=False):
        raw = [
            (
                sheet.quality(name, pick),
                -sheet.load(name, pick).wall_s,
                -sheet.spent(name, pick, "energy"),
            )
            for pick in range(size)
        ]
        ends = [(min(column), max(column)) for column in zip(*raw, strict=True)]
        columns[name] = [
            tuple(
                (v - low) / (high - low) if high > low else 1.0
                for v, (low, high) in zip(row, ends, strict=True)
            )  # type: ignore[misc]
            for row in raw
        ]
    steps = round(1 / WEIGHT_STEP)
    plans: dict[Picks, None] = {}
    for a, b in itertools.product(range(steps + 1), repeat=2):
        if a + b <= steps:
            weights = (a * WEIGHT_STEP, b * WEIGHT_STEP, (steps - a - b) * WEIGHT_STEP)
            plans[
                tuple(
                    max(
                        range(len(rows)),
                        key=lambda pick, rows=rows, weights=weights: (dot(rows[pick], weights), -pick),  # type: ignore[misc]
                    )
                    for rows in columns.values()
                )
            ] = None
    return reserving(search, min(plans, key=lambda picks: search.key(whole(search, picks), goal)), goal)


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


# --- coordinate ascent ----------------------------------------------------------------------------------------


def coordinate_ascent(search: Search, goal: Goal, *, starts: int = 3) -> Picks:
    """One step after the other gets the mode that is best for the whole, the others as they are, until none changes.

    LLMSelector's search with the simulator in the place of its judge, which it may ask without limit: from the
    best model everywhere (its own start) and from the planner's own first starts. It usually asks several times as often as
    the planner does.
    """
    best: Picks | None = None
    for start in list(dict.fromkeys([naive(search, goal), *search.starts()]))[:starts]:
        here = start
        while True:
            before = here
            for place, size in enumerate(search.sizes):
                options = [search.swapped(here, place, pick) for pick in range(size)]
                here = min(options, key=lambda picks: search.key(picks, goal))
            if here == before:
                break
        if best is None or search.key(here, goal) < search.key(best, goal):
            best = here
    return best if best is not None else naive(search, goal)


# --- the paper's program --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Label:
    """A part of a configuration of the whole workflow: what it sums up to, and its modes so far."""

    objective: float
    latency_s: float
    cost_usd: float
    energy_j: float
    loss: float
    picks: Picks


def whole_program(search: Search, goal: Goal) -> Picks:
    """The paper's A.5 program (from a transcription, not from the paper itself) for one job.

    A.5 chooses a configuration of the whole workflow and one hardware profile for it, by sums: no graph, no overlap,
    latency as first token plus tokens times rate, one after the other, and reserved hardware paid for linearly. So here: every
    instance has the same number of cores, one instance a step (the demand of one job), the best batch by the profile; the
    filters are the sum of the steps' seconds against the deadline and the product of qualities against the floor. Solved exactly
    by labels (`MOST_LABELS` a step, which the workflows at hand do not reach by much). A.5 cannot minimise latency; it is given
    that objective, as its own sum. Of the numbers of cores, the one whose program has the best objective counts.
    """
    sheet = Sheet.of(search)
    cores = sorted({m.configuration.cores for some in search.modes.values() for m in some})
    found = [label for count in cores if (label := program_with(sheet, goal, count)) is not None]
    if not found:
        return naive(search, goal)
    return reserving(search, min(found, key=lambda label: (label.objective, label.picks)).picks, goal)


def program_with(sheet: Sheet, goal: Goal, cores: int) -> Label | None:
    """The best configuration with so many cores an instance (or as many as a step can use)."""
    search = sheet.search
    labels = [Label(0.0, 0.0, 0.0, 0.0, 0.0, ())]
    most_loss = -math.log(floor) if (floor := sheet.floor(goal)) > 0 else math.inf
    # What the steps to come lose at least, so that a partial configuration that cannot reach the floor is dropped.
    rest = [
        min(sheet.spent(name, pick, "quality") for pick in range(size))
        for name, size in zip(search.names, search.sizes, strict=False)
    ]
    for place, name in enumerate(search.names):
        to_come = math.fsum(rest[place + 1 :])
        grown: list[Label] = []
        for pick in shapes_with(sheet, name, cores):
            load = sheet.load(name, pick)
            energy = sheet.spent(name, pick, "energy")
            cost = sheet.spent(name, pick, "cost")
            loss = sheet.spent(name, pick, "quality")
            adds = sheet.spent(name, pick, goal.objectives[0])
            grown += [
                Label(
                    one.objective + adds, one.latency_s + load.wall_s, one.cost_usd + usd(search, cost),
                    one.energy_j + energy, one.loss + loss, (*one.picks, pick),
                )
                for one in labels
                if one.loss + loss + to_come <= most_loss + 1e-9
            ]  # fmt: skip
        allowed = [one for one in grown if within(one, goal)]
        labels = undominated(allowed)[:MOST_LABELS]
    return min(labels, key=lambda one: (one.objective, one.latency_s, one.picks), default=None)


def usd(search: Search, cost: float) -> float:
    """What `Sheet.spent` says of cost, in dollars."""
    estimator = search.estimator
    if estimator.rent is not None:
        return cost * estimator.rent / estimator.cores
    return cost / JOULES_PER_KWH * estimator.kwh


def within(one: Label, goal: Goal) -> bool:
    """Whether a partial configuration keeps the limits that are sums."""
    sums = {"deadline": one.latency_s, "budget": one.cost_usd, "max-energy": one.energy_j}
    return all(sums[name] <= limit for name, _, limit in limits(goal))


def shapes_with(sheet: Sheet, name: str, cores: int) -> list[int]:
    """Of each agent and its options the fastest mode of one instance with so many cores, or the nearest there is."""
    best: dict[tuple[object, ...], tuple[tuple[float, ...], int]] = {}
    for pick, mode in enumerate(sheet.search.modes[name]):
        one = mode.configuration
        rank = (float(one.instances), float(abs(one.cores - cores)), sheet.load(name, pick).wall_s)
        key = (one.agent, one.options)
        if key not in best or rank < best[key][0]:
            best[key] = (rank, pick)
    return [pick for _, pick in best.values()]


def undominated(labels: Sequence[Label]) -> list[Label]:
    """Labels that no other equals or beats in everything, best objective first."""
    kept: list[Label] = []
    for one in sorted(labels, key=lambda label: (label.objective, label.latency_s, label.loss, label.picks)):
        if not any(
            other.latency_s <= one.latency_s
            and other.loss <= one.loss
            and other.energy_j <= one.energy_j
            and other.cost_usd <= one.cost_usd
            for other in kept
        ):
            kept.append(one)
    return kept


# --- HEFT -----------------------------------------------------------------------------------------------------


def heft(search: Search, goal: Goal) -> Picks:
    """Heterogeneous earliest finish time: steps by upward rank, each in the mode that ends first on the cores then free.

    HEFT knows neither quality nor energy. The floor is given to it as the same share of the best for each step, and for
    several such shares (the loosest that keeps the floor as a product counts); where energy or cost is to be minimised, it
    takes the mode that adds least of it, and the earliest finish among equals. The simulator chooses among the variants.
    """
    sheet = Sheet.of(search)
    floor = sheet.floor(goal)
    share = floor / search.judge.reachable if search.judge.reachable else 0.0
    plans: dict[Picks, None] = {}
    for power in (1.0, 0.5, 1.0 / max(1, len(search.names)), 0.0):
        for by in dict.fromkeys(("latency", goal.objectives[0])):
            plans[placed(sheet, share**power if share > 0 else 0.0, by)] = None
    return reserving(search, min(plans, key=lambda picks: search.key(whole(search, picks), goal)), goal)


def placed(sheet: Sheet, share: float, by: Objective) -> Picks:
    """One list schedule: modes at least so good, chosen by an objective."""
    search = sheet.search
    workflow = search.estimator.workflow
    steps = {step.name: step for step in workflow.steps}
    able = {name: list(good_enough(sheet, name, share)) for name in search.names}
    mean = {
        name: math.fsum(sheet.load(name, pick).wall_s for pick in picks) / len(picks)
        for name, picks in able.items()
    }
    after: dict[str, list[str]] = {name: [] for name in search.names}
    for step in workflow.steps:
        for one in step.inputs:
            if one.source in after:
                after[one.source].append(step.name)
    rank: dict[str, float] = {}
    for step in reversed(workflow.steps):
        rank[step.name] = mean[step.name] + max((rank[n] for n in after[step.name]), default=0.0)
    free = [0.0] * search.estimator.cores
    end: dict[str, float] = {}
    chosen: dict[str, int] = {}
    position = {name: n for n, name in enumerate(search.names)}
    for name in sorted(search.names, key=lambda n: (-rank[n], position[n])):
        ready = max((end[i.source] for i in steps[name].inputs if i.source in end), default=0.0)

        def finish(pick: int, name: str = name, ready: float = ready) -> tuple[float, int]:
            one = search.modes[name][pick].configuration
            width = min(len(free), one.cores * one.instances)
            return max(ready, free[width - 1]) + sheet.load(name, pick).wall_s, width

        def rank_of(pick: int, name: str = name) -> tuple[float, float, int]:
            return (0.0 if by == "latency" else sheet.spent(name, pick, by)), finish(pick)[0], pick

        pick = min(able[name], key=rank_of)
        end[name], width = finish(pick)
        free[:width] = [end[name]] * width
        free.sort()
        chosen[name] = pick
    return tuple(chosen[name] for name in search.names)


def good_enough(sheet: Sheet, name: str, share: float) -> Iterator[int]:
    """Modes whose quality is at least a share of the step's best."""
    modes: Sequence[Mode] = sheet.search.modes[name]
    best = max(sheet.quality(name, pick) for pick in range(len(modes)))
    yield from (pick for pick in range(len(modes)) if sheet.quality(name, pick) >= share * best - 1e-12)


BASELINES: Mapping[str, Baseline] = {
    "naive": naive,
    "greedy": greedy,
    "coordinate-ascent": coordinate_ascent,
    "paper-a5": whole_program,
    "heft": heft,
}
"""Every baseline by its name."""
