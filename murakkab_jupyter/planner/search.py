"""Search over one mode for each step, and the cores of each host that are reserved for all of them.

A small space is tried out whole, with true figures. A large one is searched by estimates first (whole where
that is quick, else descent by one and by two steps at a time from several starts), and the most promising sets
of modes are then judged with true figures, and improved from there. Everything is counted, nothing timed, so
the same question has the same answer.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from murakkab_jupyter.core.hosts import ClusterView, Share
from murakkab_jupyter.planner.estimate import Estimate, Estimator
from murakkab_jupyter.planner.evaluate import Evaluation, Evaluator
from murakkab_jupyter.planner.margin import margin_of
from murakkab_jupyter.planner.modes import Mode
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.quality import Judge
from murakkab_jupyter.workflow.goal import Goal, Objective

__all__ = ["EVALUATIONS", "Picks", "Search", "after", "hundredths", "limits"]

Picks = tuple[int, ...]
"""One index into the modes of each step, and the last one into the reservations (`Estimator.held`, all cores last)."""

Key = tuple[float, ...]

EVALUATIONS = 100
"""True evaluations that a search may ask for: 2-10 ms each for a video workflow."""

ESTIMATES = 4000
"""A space of at most this many is estimated whole."""

PAIR_MODES = 10
"""Modes of each step that are tried two steps at a time."""

OFF = 1.2
"""Estimates may be off by this factor: what breaks a limit by less may keep it."""

DOUBTED = 12
"""One evaluation in so many goes to plans that break a limit by no more than that, by estimate."""

ANCHORS: tuple[Objective, ...] = ("energy", "latency")
"""Goals whose best plans every search looks at."""

AFTER: tuple[Objective, ...] = ("energy", "latency", "cost")
"""What breaks ties after the stated objectives."""

AFTER_QUALITY: tuple[Objective, ...] = ("latency", "energy", "cost")
"""The same where quality is asked for first: whoever wants the best wants it soon."""

SAME = 0.01
"""Objectives that differ by less than this share are ties for the next one: no prediction tells them apart."""


class Search:
    """Finds sets of modes for goals; keeps every figure it was told."""

    def __init__(
        self,
        modes: Mapping[str, Sequence[Mode]],
        estimator: Estimator,
        judge: Judge,
        evaluate: Evaluator,
        *,
        effort: int = EVALUATIONS,
    ) -> None:
        self.names = tuple(modes)
        self.modes = {name: tuple(some) for name, some in modes.items()}
        self.sizes = (*(len(self.modes[name]) for name in self.names), len(estimator.held))
        self.estimator = estimator
        self.judge = judge
        self.evaluator = evaluate
        self.effort = effort
        self.holding = [[self.able(mode) for mode in self.modes[name]] for name in self.names]
        """For each mode the reservations that hold all its instances, as bits."""
        self.fitting = [
            [[pick for pick, bits in enumerate(each) if bits >> level & 1] for each in self.holding]
            for level in range(self.sizes[-1])
        ]
        self.space = sum(math.prod(len(some) for some in each) for each in self.fitting)
        if estimator.uses_gpus and self.space <= ESTIMATES:
            self.space = sum(1 for _ in self.all())
        self.unknown = unknown_of(estimator.cluster)
        self.evaluations: dict[Picks, Evaluation] = {}
        self.margins: dict[tuple[str, float], float] = {}

    # --- reservations -------------------------------------------------------------------------------------------

    def able(self, mode: Mode) -> int:
        """The reservations that hold a mode, as bits. Whose instances hold GPUs reserves hosts whole; an engine, its GPUs' share.

        Whoever calls a server that listens on loopback, or will once it is started, is on its host.
        """
        one, most = mode.configuration, len(self.estimator.held) - 1
        bits = 1 << most
        if one.gpus and not one.waits:
            return bits
        wide = one.held_cores * one.instances
        host = engine_host(self.estimator.cluster, one.engine)
        for n, held in enumerate(self.estimator.held):
            there = not host or held.share.covers(host)
            if there and one.held_cores <= held.widest and wide <= held.cores:
                bits |= 1 << n
        return bits

    def need(self, mode: Mode) -> int:
        """The smallest reservation for a mode."""
        return lowest(self.able(mode))

    def crowded(self, picks: Picks) -> bool:
        """Whether the engines of some modes need more GPUs than there are: such picks are never a plan."""
        return self.estimator.gpus_held(picks) is None

    def settled(self, picks: Picks) -> Picks:
        """The same modes, with the next larger reservation that holds them, if theirs does not."""
        bits = self.holds(picks) >> picks[-1]
        return picks if bits & 1 else (*picks[:-1], picks[-1] + lowest(bits))

    def holds(self, picks: Picks) -> int:
        """The reservations that hold some modes, as bits: the last one always."""
        bits = (1 << self.sizes[-1]) - 1
        for each, pick in zip(self.holding, picks, strict=False):
            bits &= each[pick]
        return bits

    def reserved(self, picks: Picks) -> Share:
        """What is reserved of the cluster."""
        return self.estimator.held[picks[-1]].share

    def levels(self, picks: Picks) -> list[Picks]:
        """The same modes with every reservation that holds them, the smallest first."""
        bits = self.holds(picks)
        return [(*picks[: len(self.names)], level) for level in range(self.sizes[-1]) if bits >> level & 1]

    # --- figures ------------------------------------------------------------------------------------------------

    def configurations(self, picks: Picks) -> dict[str, Configuration]:
        """The configurations that some picks stand for."""
        return {
            name: self.modes[name][pick].configuration for name, pick in zip(self.names, picks, strict=False)
        }

    def exact(self, picks: Picks) -> Evaluation:
        """True figures, asked for once."""
        found = self.evaluations.get(picks)
        if found is None:
            found = self.evaluations[picks] = self.evaluator(self.configurations(picks), self.reserved(picks))
        return found

    def limits(self, goal: Goal) -> Iterable[tuple[str, str, float]]:
        """`(name, figure, limit)` of what a plan must keep, quality aside."""
        return limits(goal)

    def foreseen(self, found: Estimate, limit: str) -> float:
        """The estimate of what a limit is of."""
        return {"deadline": found.latency_s, "budget": found.cost_usd, "max-energy": found.energy_j}[limit]

    def score(self, picks: Picks) -> float:
        """Product of the qualities that can be judged."""
        return math.prod(
            self.judge.factor(name, self.modes[name][pick])
            for name, pick in zip(self.names, picks, strict=False)
        )

    def value(self, picks: Picks, objective: Objective) -> float:
        """True figure of an objective, the less the better; an unknown energy or cost goes by CPU-seconds."""
        if objective == "quality":
            return -self.score(picks)
        totals = self.exact(picks).totals
        figure = totals.get(objective)
        if figure is None or figure.value is None:
            figure = totals.get("cpu")
        return figure.value if figure is not None and figure.value is not None else 0.0

    def knows(self, picks: Picks, objective: Objective) -> bool:
        """Whether the figure of an objective is known, so that nothing stands in its place."""
        figure = self.exact(picks).totals.get(objective)
        return figure is not None and figure.value is not None

    def excess(self, picks: Picks, goal: Goal) -> dict[str, float]:
        """By how much each limit is broken, as a share of it; only those that are. Unknown breaks it."""
        totals = self.exact(picks).totals
        broken: dict[str, float] = {}
        for name, key, limit in self.limits(goal):
            figure = totals.get(key)
            if figure is None or figure.value is None:
                broken[name] = math.inf
            elif figure.value > limit * (1 + 1e-9):
                broken[name] = figure.value / limit - 1.0
        short = self.judge.shortfall(self.score(picks), goal.floor)
        if short > 0:
            broken["quality"] = short
        return broken

    def risk(self, picks: Picks, goal: Goal) -> dict[str, float]:
        """By how much each limit that is expected to be kept is broken with its margin, as a share of it; only those that are."""
        totals = self.exact(picks).totals
        doubtful: dict[str, float] = {}
        for name, key, limit in self.limits(goal):
            figure = totals.get(key)
            if figure is None or figure.value is None or figure.value > limit * (1 + 1e-9):
                continue
            careful = figure.value * (1.0 + margin_of(totals, name, goal.confidence))
            if careful > limit * (1 + 1e-9):
                doubtful[name] = careful / limit - 1.0
        return doubtful

    def key(self, picks: Picks, goal: Goal) -> Key:
        """Sorts sets of modes: limits kept first, surely kept next, known figures before unknown ones, then the objectives and what breaks ties, fewer cores last of all."""
        if self.crowded(picks):
            return (math.inf, *picks)  # never simulated
        broken = math.fsum(min(1e6, share) for share in self.excess(picks, goal).values())
        doubt = math.fsum(self.risk(picks, goal).values())
        # Where some figures are known and others not, CPU-seconds in their place would be compared with joules or dollars.
        unknown = sum(not self.knows(picks, one) for one in goal.objectives if one != "quality")
        return (
            broken,
            hundredths(doubt),
            unknown,
            *ranked(goal, lambda objective: self.value(picks, objective)),
            picks[-1],
            *picks,
        )

    def guess(self, picks: Picks, goal: Goal) -> Key:
        """The same by estimates."""
        if self.crowded(picks):
            return (math.inf, *picks)
        found = self.estimator.estimate(picks)
        broken = doubt = 0.0
        for name, _, limit in self.limits(goal):
            value = self.foreseen(found, name)
            broken += max(0.0, value / limit - 1.0)
            if value <= limit:
                doubt += max(0.0, value * (1.0 + self.usual_margin(name, goal.confidence)) / limit - 1.0)
        broken += self.judge.shortfall(found.score, goal.floor)
        return (
            broken,
            hundredths(doubt),
            *ranked(goal, lambda one: found.cpu_s if one in self.unknown else estimated(found, one)),
            picks[-1],
            *picks,
        )

    def usual_margin(self, limit: str, confidence: float) -> float:
        """The margin of plans here as far as one of them tells: estimates have no bands."""
        key = (limit, confidence)
        if key not in self.margins:
            picks = next((one for one in (*self.evaluations, *self.starts()) if not self.crowded(one)), None)
            self.margins[key] = (
                0.0 if picks is None else margin_of(self.exact(picks).totals, limit, confidence)
            )
        return self.margins[key]

    # --- search -------------------------------------------------------------------------------------------------

    def best(self, goal: Goal) -> Picks:
        """The best set of modes found; it may break limits where none was found that keeps them."""
        if self.space <= self.effort:
            return min(self.all(), key=lambda picks: self.key(picks, goal))
        spare = self.effort - self.effort // 2
        for objective in ANCHORS:
            # What is fast is often frugal: plans found on the way to one goal are candidates for the others.
            other = replace(
                goal, objectives=(objective,), quality=goal.floor if goal.floor is not None else 0.0
            )
            if other != goal:
                spare -= self.effort // 4
                self.polish(self.promising(other), other, self.effort // 4)
        if goal.limited and self.effort >= DOUBTED:
            near = [picks for picks in self.promising(loosened(goal, OFF)) if not self.crowded(picks)]
            for picks in self.spread(near, self.effort // DOUBTED):
                spare -= picks not in self.evaluations
                self.exact(picks)
        return self.polish(self.promising(goal), goal, self.effort // 2 + spare)

    def all(self) -> Iterator[Picks]:
        """Every set of modes with every reservation that holds it."""
        for level, each in enumerate(self.fitting):
            for picks in itertools.product(*each):
                if not self.crowded(picks):
                    yield (*picks, level)

    def promising(self, goal: Goal) -> list[Picks]:
        """Sets of modes whose estimates are best, the best first."""
        if self.space <= ESTIMATES:
            return heapq.nsmallest(self.effort, self.all(), key=lambda picks: self.guess(picks, goal))
        seen: dict[Picks, Key] = {}

        def guess(picks: Picks) -> Key:
            key = seen.get(picks)
            if key is None:
                key = seen[picks] = self.guess(picks, goal)
            return key

        for start in self.starts():
            self.descend(start, guess)
        here = min(seen, key=seen.__getitem__)
        for _ in range(4):
            there = min(self.pairs(here, guess), key=guess, default=here)
            if guess(there) >= guess(here):
                break
            here = self.descend(there, guess)
        return heapq.nsmallest(self.effort, seen, key=seen.__getitem__)

    def starts(self) -> list[Picks]:
        """Where descents begin: at each step the best mode by one measure, for every reservation."""
        expectation = self.estimator.expectation(tuple(0 for _ in self.names))

        def at_each(measure: Callable[[str, int], tuple[float, ...]]) -> Iterator[Picks]:
            for level in reversed(range(self.sizes[-1])):
                each = self.fitting[level]
                if all(each):
                    yield (
                        *(
                            min(some, key=lambda pick, name=name: (*measure(name, pick), pick))  # type: ignore[misc]
                            for name, some in zip(self.names, each, strict=True)
                        ),
                        level,
                    )

        def load(name: str, pick: int) -> tuple[float, float, float]:
            found = self.estimator.load(name, pick, expectation)
            return found.wall_s, found.cpu_s, found.core_s

        def quality(name: str, pick: int) -> float:
            return -self.judge.factor(name, self.modes[name][pick])

        made = [
            at_each(lambda name, pick: (load(name, pick)[0],)),
            at_each(lambda name, pick: (load(name, pick)[1], load(name, pick)[0])),
            at_each(lambda name, pick: (load(name, pick)[2],)),
            at_each(lambda name, pick: (quality(name, pick), load(name, pick)[0])),
            at_each(lambda name, pick: (quality(name, pick), load(name, pick)[1])),
        ]
        return list(dict.fromkeys(itertools.chain.from_iterable(made)))

    def swapped(self, picks: Picks, place: int, other: int) -> Picks:
        """With another mode at one step (and the cores it needs), or another reservation as far as it holds the modes."""
        return self.settled((*picks[:place], other, *picks[place + 1 :]))

    def neighbours(self, picks: Picks) -> Iterator[Picks]:
        """Sets that differ in one step, or in the cores reserved."""
        for place, size in enumerate(self.sizes):
            for other in range(size):
                there = self.swapped(picks, place, other)
                if there != picks:
                    yield there

    def descend(self, start: Picks, guess: Callable[[Picks], Key]) -> Picks:
        """Go to the best neighbour while it is better."""
        here = start
        while True:
            there = min(self.neighbours(here), key=guess, default=here)
            if guess(there) >= guess(here):
                return here
            here = there

    def pairs(self, picks: Picks, guess: Callable[[Picks], Key]) -> Iterator[Picks]:
        """Sets that differ in two steps, over the most promising modes of each."""
        few: list[list[int]] = []
        for place, size in enumerate(self.sizes):
            options = ((self.swapped(picks, place, other), other) for other in range(size))
            ranked_options = heapq.nsmallest(PAIR_MODES, options, key=lambda one: guess(one[0])[:3])
            few.append([other for _, other in ranked_options])
        for a, b in itertools.combinations(range(len(picks)), 2):
            for x, y in itertools.product(few[a], few[b]):
                if x != picks[a] and y != picks[b]:
                    changed = list(picks)
                    changed[a], changed[b] = x, y
                    yield self.settled(tuple(changed))

    def polish(self, pool: Sequence[Picks], goal: Goal, left: int) -> Picks:
        """Judge the most promising with true figures, `left` of them at most, then improve the best step by step."""
        count = max(1, left // 2)
        tried: dict[Picks, Key] = {}

        def judge(picks: Picks) -> Key:
            nonlocal left
            if picks not in tried:
                if picks not in self.evaluations:
                    left -= 1
                tried[picks] = self.key(picks, goal)
            return tried[picks]

        for picks in self.spread(pool, count):
            judge(picks)
        # What was judged for other goals is judged for this one at no cost.
        for picks in list(self.evaluations):
            judge(picks)
        here = min(tried, key=tried.__getitem__)
        improved = True
        while improved and left > 0:
            improved = False
            for picks in self.interleaved(here, goal):
                if picks in tried:
                    continue
                if judge(picks) < tried[here]:
                    here, improved = picks, True
                    break
                if left <= 0:
                    break
        return here

    def interleaved(self, here: Picks, goal: Goal) -> list[Picks]:
        """Neighbours by estimate, but of each step the best ones early.

        Where estimates take another step for the one that everything waits for, whatever is changed elsewhere looks alike, and would be tried first.
        """
        turns: list[tuple[int, int, Picks]] = []
        seen = [0] * len(self.sizes)
        near = [picks for picks in dict.fromkeys(self.neighbours(here)) if not self.crowded(picks)]
        for rank, picks in enumerate(sorted(near, key=lambda one: self.guess(one, goal))):
            place = next(n for n, (a, b) in enumerate(zip(here, picks, strict=True)) if a != b)
            turns.append((min(rank, seen[place] * len(seen)), rank, picks))
            seen[place] += 1
        return [picks for _, _, picks in sorted(turns)]

    def spread(self, pool: Sequence[Picks], count: int) -> list[Picks]:
        """The first of the pool, but none that only differ where estimates see little difference."""
        chosen: list[Picks] = []
        alike: set[tuple[object, ...]] = set()
        for picks in pool:
            shape = (
                picks[-1],
                *(
                    (self.modes[name][pick].configuration.agent, self.modes[name][pick].configuration.cores)
                    for name, pick in zip(self.names, picks, strict=False)
                ),
            )
            if shape not in alike:
                alike.add(shape)
                chosen.append(picks)
            if len(chosen) == count:
                break
        return chosen


def engine_host(cluster: ClusterView, name: str) -> str:
    """The host that an engine of the cluster's own is on, or would be; empty for one that any host may call."""
    engine = cluster.engine(name) if name else None
    if engine is None or cluster.described:
        return "" if engine is None else engine.host
    return engine.host or next((one.host for one in cluster.workers if one.name == engine.worker), "")


def unknown_of(cluster: ClusterView) -> set[Objective]:
    """Of energy and cost, what no worker knows: plans are compared by CPU-seconds in its place."""
    powers = {worker.power for worker in cluster.workers}
    burns = [one for one in powers if one.idle_w.known and one.active_w_per_core.known]
    found: set[Objective] = set() if burns else {"energy"}
    if not any(one.electricity_usd_per_kwh.known for one in burns) and not any(
        one.price_usd_per_hour.known for one in powers
    ):
        found.add("cost")
    return found


def lowest(bits: int) -> int:
    """The place of the lowest bit that is set."""
    return (bits & -bits).bit_length() - 1


def limits(goal: Goal) -> Iterable[tuple[str, str, float]]:
    """`(name, figure, limit)` of the limits that a goal states, quality aside."""
    for name, key, limit in (
        ("deadline", "latency", goal.deadline_s),
        ("budget", "cost", goal.budget_usd),
        ("max-energy", "energy", goal.max_energy_j),
    ):
        if limit is not None:
            yield name, key, limit


def loosened(goal: Goal, factor: float) -> Goal:
    """The goal with limits so many times as large, its floor of quality the same."""

    def wider(limit: float | None) -> float | None:
        return None if limit is None else limit * factor

    return replace(
        goal,
        deadline_s=wider(goal.deadline_s),
        budget_usd=wider(goal.budget_usd),
        max_energy_j=wider(goal.max_energy_j),
    )


def estimated(found: Estimate, objective: Objective) -> float:
    """An objective's estimate, the less the better."""
    if objective == "quality":
        return -found.score
    return {"cost": found.cost_usd, "energy": found.energy_j, "latency": found.latency_s}[objective]


def ranked(goal: Goal, value: Callable[[Objective], float]) -> list[float]:
    """The values that sort plans: objectives in order of priority, then what breaks ties.

    Where several objectives are stated, one that differs by less than `SAME` leaves the choice to the next.
    """
    stated = [value(objective) for objective in goal.objectives]
    rough = [bucket(number) for number in stated[:-1]]
    rest = [value(objective) for objective in after(goal)]
    return [*rough, *(significant(number) for number in stated[::-1]), *(significant(n) for n in rest)]


def after(goal: Goal) -> tuple[Objective, ...]:
    """What breaks ties of a goal, in this order: objectives that it does not state."""
    some = AFTER_QUALITY if goal.objectives[0] == "quality" else AFTER
    return tuple(objective for objective in some if objective not in goal.objectives)


def hundredths(doubt: float) -> float:
    """A doubt in whole hundredths, none only where there is none: a plan that keeps a limit more surely by less is no better for it."""
    return math.ceil(100 * doubt - 1e-9) / 100


def bucket(number: float) -> float:
    """Numbers within about `SAME` of each other share a bucket."""
    if number == 0:
        return 0.0
    return math.copysign(1.0, number) * (math.floor(math.log(abs(number)) / math.log1p(SAME)) + 1e5)


def significant(number: float) -> float:
    """Nine significant digits: what summing in another order may change is no difference."""
    return float(f"{number:.9g}")
