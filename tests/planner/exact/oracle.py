"""Brute force for the exact problem, and random instances of it. Shares no code with the solver.

All combinations of modes, and for each all orders of activities that respect precedence, every activity placed as early
as it fits. Only what is plainly no better than what was already seen is left out.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from murakkab_jupyter.planner.exact.check import faults_of
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem, Solution

TOLERANCE = Fraction(1, 10**9)


def exactly(value: float) -> Fraction:
    return Fraction(str(value))


class Oracle:
    """All plans of one problem, their figures, and the best of them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.acts = list(problem.activities)
        self.index = {one.name: i for i, one in enumerate(self.acts)}
        self.preds = [[self.index[name] for name in one.predecessors] for one in self.acts]
        # Whole numbers where one scale serves all durations; exact fractions would be slow, and floats not exact.
        every = [exactly(m.duration_s) for one in self.acts for m in one.modes]
        self.scale = math.lcm(*(d.denominator for d in every))
        self.memory: dict[tuple, int] = {}
        limit = problem.deadline_s
        self.deadline = None if limit is None else exactly(limit) * (1 + TOLERANCE) * self.scale
        self.plans = [
            picks
            for picks in itertools.product(*(range(len(a.modes)) for a in self.acts))
            if self.allowed(picks)
        ]

    def mode(self, i: int, picks: Sequence[int]) -> Mode:
        return self.acts[i].modes[picks[i]]

    def allowed(self, picks: Sequence[int]) -> bool:
        """Limits that depend on modes alone."""
        modes = [a.modes[k] for a, k in zip(self.acts, picks, strict=True)]
        if any(n > self.problem.capacity[r] for m in modes for r, n in m.demand.items()):
            return False
        for name, budget in self.problem.budgets.items():
            if self.total(name, picks) > exactly(budget) * (1 + TOLERANCE):
                return False
        floor = self.problem.min_quality
        return floor is None or self.quality(picks) >= exactly(floor) * (1 - TOLERANCE)

    def total(self, name: str, picks: Sequence[int]) -> Fraction:
        return sum(
            (exactly(a.modes[k].consumes.get(name, 0)) for a, k in zip(self.acts, picks, strict=True)),
            Fraction(0),
        )

    def quality(self, picks: Sequence[int]) -> Fraction:
        return math.prod(
            (exactly(a.modes[k].quality) for a, k in zip(self.acts, picks, strict=True)), start=Fraction(1)
        )

    def path(self, picks: Sequence[int]) -> int:
        """The longest path: no schedule of these modes ends earlier."""
        ends: dict[int, int] = {}

        def end(i: int) -> int:
            if i not in ends:
                ends[i] = max((end(j) for j in self.preds[i]), default=0) + self.length(i, picks)
            return ends[i]

        return max(end(i) for i in range(len(self.acts)))

    def length(self, i: int, picks: Sequence[int]) -> int:
        return int(exactly(self.mode(i, picks).duration_s) * self.scale)

    def makespan(self, picks: Sequence[int]) -> int:
        """The earliest end of all, over all orders."""
        lengths = tuple(self.length(i, picks) for i in range(len(self.acts)))
        needs = tuple(tuple(sorted(self.mode(i, picks).demand.items())) for i in range(len(self.acts)))
        key = (lengths, needs)
        if key not in self.memory:
            self.memory[key] = self.try_orders(lengths, [dict(one) for one in needs], self.path(picks))
        return self.memory[key]

    def try_orders(self, lengths: Sequence[int], needs: Sequence[dict[str, int]], path: int) -> int:
        n = len(lengths)
        best = sum(lengths)
        placed: list[tuple[int, int, int]] = []
        ends: dict[int, int] = {}

        def fits(i: int, start: int) -> bool:
            stop = start + lengths[i]
            for r, need in needs[i].items():
                instants = [start, *(s for s, _, _ in placed if start < s < stop)]
                for instant in instants:
                    load = sum(needs[j].get(r, 0) for s, e, j in placed if s <= instant < e)
                    if load + need > self.problem.capacity[r]:
                        return False
            return True

        def go(last: int) -> None:
            nonlocal best
            if last >= best and len(placed) < n:
                return
            if len(placed) == n:
                best = min(best, last)
                return
            for i in range(n):
                if i in ends or any(j not in ends for j in self.preds[i]):
                    continue
                ready = max((ends[j] for j in self.preds[i]), default=0)
                if lengths[i] == 0:
                    start = ready
                else:
                    start = next(
                        t for t in sorted({ready, *(e for _, e, _ in placed if e > ready)}) if fits(i, t)
                    )
                placed.append((start, start + lengths[i], i))
                ends[i] = start + lengths[i]
                go(max(last, ends[i]))
                placed.pop()
                del ends[i]
                if best == path:
                    return

        go(0)
        return best

    def in_time(self, picks: Sequence[int]) -> bool:
        return self.deadline is None or (
            self.path(picks) <= self.deadline and self.makespan(picks) <= self.deadline
        )

    def best(self, objectives: Sequence[str]) -> tuple[Fraction, ...] | None:
        """The best value of each objective, in order of priority; None if there is no schedule."""
        plans = self.plans
        found: list[Fraction] = []
        for name in objectives:
            value = self.least(name, plans)
            if value is None:
                return None
            found.append(value)
            if name == "quality":
                plans = [p for p in plans if self.quality(p) >= value * (1 - TOLERANCE)]
            elif name == "latency":
                most = value * self.scale * (1 + TOLERANCE)
                # From here on the plan also has to end as early.
                self.deadline = most if self.deadline is None else min(most, self.deadline)
                plans = [p for p in plans if self.path(p) <= most]
            else:
                plans = [p for p in plans if self.total(name, p) <= value * (1 + TOLERANCE)]
        return tuple(found)

    def least(self, name: str, plans: Sequence[Sequence[int]]) -> Fraction | None:
        if name == "latency":
            best: int | None = None
            for length, picks in sorted((self.path(p), p) for p in plans):
                if (best is not None and length >= best) or (
                    self.deadline is not None and length > self.deadline
                ):
                    break
                value = self.makespan(picks)
                if (self.deadline is None or value <= self.deadline) and (best is None or value < best):
                    best = value
            return None if best is None else Fraction(best, self.scale)

        def figure(picks: Sequence[int]) -> Fraction:
            return -self.quality(picks) if name == "quality" else self.total(name, picks)

        for value, picks in sorted((figure(p), p) for p in plans):
            if self.in_time(picks):
                return abs(value)
        return None


def best_of(problem: Problem, objectives: Sequence[str]) -> tuple[float, ...] | None:
    found = Oracle(problem).best(objectives)
    return None if found is None else tuple(map(float, found))


def compare(problem: Problem, objectives: Sequence[str], answer: Solution | Infeasible) -> list[str]:
    """What is wrong with an answer, beside brute force; empty if nothing is."""
    best = best_of(problem, objectives)
    if isinstance(answer, Infeasible):
        return [] if best is None else [f"called infeasible, but {best} can be reached"]
    if best is None:
        return [f"solved with {answer.totals}, but it is infeasible"]
    wrong = faults_of(problem, answer)
    if not answer.optimal:
        wrong.append("not optimal")
    for name, value in zip(objectives, best, strict=True):
        if abs(answer.totals[name] - value) > 1e-8 * abs(value) + 1e-12:
            wrong.append(f"{name} {answer.totals[name]} instead of {value}")
        if answer.bounds[name] != answer.totals[name]:
            wrong.append(f"{name} optimal at {answer.totals[name]} with the bound {answer.bounds[name]}")
    return wrong


SIZES = (("tiny", 0.74), ("small", 0.24), ("six", 0.02))


def random_case(seed: int) -> tuple[Problem, tuple[str, ...], str]:
    """A random problem with objectives; most are tiny, some are 6 activities with 6 modes."""
    rng = random.Random(seed)
    size = rng.choices([name for name, _ in SIZES], [share for _, share in SIZES])[0]
    if size == "tiny":
        n, modes = rng.randint(2, 4), (1, 3)
    elif size == "small":
        n, modes = rng.randint(3, 5), (2, 4)
    else:
        n, modes = 6, (6, 6)
    kind = rng.choices(("whole", "decimal", "float"), (0.6, 0.25, 0.15))[0]

    def figure(low: float, high: float) -> float:
        if kind == "whole":
            return float(rng.randint(int(low), int(high)))
        value = rng.uniform(low, high)
        return round(value, rng.choice((1, 2, 3))) if kind == "decimal" else value

    capacity = rng.choice(
        (
            {"cpu": 2, "gpu": 1},
            {"cpu": 3},
            {"cpu": 4, "gpu": 2},
            {"cpu": 1, "gpu": 1},
            {"gpu": 0, "cpu": 2},
            {},
        )
    )
    consumed = rng.choice((("energy",), ("energy", "usd"), ()))
    activities = []
    for i in range(n):
        some = []
        for _ in range(rng.randint(*modes)):
            demand = {}
            for name, units in capacity.items():
                held = rng.choice((0, 1, 1, 2)) if units < 3 else rng.randint(0, units)
                if held:
                    demand[name] = min(held, units) if rng.random() < 0.93 else held
            duration = 0.0 if rng.random() < 0.04 else figure(1, 9)
            consumes = {name: figure(0, 20) for name in consumed if rng.random() < 0.95}
            some.append(Mode(duration, demand, consumes, rng.choice((1.0, 1.0, 0.95, 0.9, 0.8, 0.6, 0.36))))
        chance = rng.choice((0.25, 0.5))
        activities.append(Activity(f"a{i}", some, [f"a{j}" for j in range(i) if rng.random() < chance]))
    rng.shuffle(activities)
    problem = Problem(activities, capacity)
    objectives = ["latency", "quality", *problem.consumed]
    rng.shuffle(objectives)
    wanted = tuple(objectives[: rng.choice((1, 2, 2, 3))])
    return with_limits(problem, rng, kind), wanted, size


def with_limits(problem: Problem, rng: random.Random, kind: str) -> Problem:
    """Limits somewhere between what is easy and what is impossible."""
    total = sum(max(m.duration_s for m in one.modes) for one in problem.activities)
    if rng.random() < 0.45:
        deadline = total * rng.uniform(0.3, 0.9)
        problem = replace(problem, deadline_s=float(round(deadline)) if kind == "whole" else deadline)
    if rng.random() < 0.35:
        problem = replace(
            problem,
            min_quality=round(math.prod(rng.choice(one.modes).quality for one in problem.activities), 6),
        )
    for name in problem.consumed:
        if rng.random() < 0.3:
            picks = [sorted(m.consumes.get(name, 0.0) for m in one.modes) for one in problem.activities]
            budget = sum(rng.choice(some[: max(1, len(some) // 2 + 1)]) for some in picks)
            problem = replace(problem, budgets={**problem.budgets, name: budget})
    return problem


FAMILIES = ("no capacity", "loose", "capacity", "correlated")


def layered(seed: int, *, steps: int, modes: int, family: str, limits: bool = True) -> Problem:
    """A random layered graph, as workflows are: wide and narrow layers, one or two predecessors each.

    `no capacity` leaves the choice of modes only; `capacity` has about a third of what all would like at once, `loose`
    twice that; `correlated` has that too, and faster modes there cost more and are better. Limits are set between what
    is easy and what is impossible: deadline and quality at 35 % of their ranges.
    """
    rng = random.Random(f"{seed} {family} {steps} {modes}")
    layers: list[list[str]] = []
    activities: list[Activity] = []
    while len(activities) < steps:
        layer = []
        for _ in range(min(steps - len(activities), rng.randint(1, max(2, steps // 5)))):
            some = []
            for _ in range(modes):
                duration = round(rng.uniform(1, 20), 2)
                energy, quality = round(rng.uniform(1, 100), 2), round(rng.uniform(0.7, 1), 3)
                cpu, gpu = rng.choice((1, 1, 2, 4)), rng.choice((0, 0, 1))
                if family == "correlated":
                    size = rng.uniform(0, 1)
                    cpu = rng.choice((1, 2, 4))
                    duration = round((4 + 16 * size) / cpu**0.7 * rng.uniform(0.9, 1.1), 2)
                    energy = round((4 + 16 * size) * (2 + cpu**0.3) * rng.uniform(0.9, 1.1), 2)
                    quality = round(0.7 + 0.29 * size**0.5, 3)
                demand = {} if family == "no capacity" else {"cpu": cpu, **({"gpu": gpu} if gpu else {})}
                some.append(Mode(duration, demand, {"energy": energy}, quality))
            before = rng.sample(layers[-1], min(len(layers[-1]), rng.randint(1, 2))) if layers else []
            layer.append(f"s{len(activities)}")
            activities.append(Activity(layer[-1], some, before))
        layers.append(layer)
    width = max(map(len, layers))
    share = {"no capacity": 0.0, "loose": 1.4, "capacity": 0.7, "correlated": 0.7}[family]
    capacity = (
        {}
        if family == "no capacity"
        else {"cpu": max(4, round(width * share)), "gpu": max(1, round(width * share / 4))}
    )
    problem = Problem(activities, capacity)
    if not limits:
        return problem
    low, high = easy_path(problem, min), easy_path(problem, max)
    logs = [sorted(math.log(m.quality) for m in one.modes) for one in activities]
    worst, best = sum(one[0] for one in logs), sum(one[-1] for one in logs)
    work = 0.0
    for name, units in capacity.items():
        work = max(
            work,
            sum(min(m.duration_s * m.demand.get(name, 0) for m in one.modes) for one in activities) / units,
        )
    deadline = max(low + 0.35 * (high - low), 2.0 * work)
    return replace(
        problem, deadline_s=round(deadline, 2), min_quality=round(math.exp(worst + 0.65 * (best - worst)), 9)
    )


def easy_path(problem: Problem, pick: Callable[[list[float]], float]) -> float:
    ends: dict[str, float] = {}
    for one in problem.activities:
        ends[one.name] = max((ends[n] for n in one.predecessors), default=0.0) + pick(
            [m.duration_s for m in one.modes]
        )
    return max(ends.values())
