"""Plans for inputs that keep arriving: the cheapest reservation whose slowest stage keeps up with them.

In the steady state every step is a stage, all work at once on different items, and the slowest one sets the pace. The pace of a
plan is read off the simulator: it replays as many values as keep all instances busy for some rounds, and twice as many;
what the second half takes longer is what one value more takes. A workflow without a list is a run for each arrival, one
after the other, loading included.

What is judged is then an hour: energy and cost of what is held and of what arrives, and seconds between two arrivals that the
slowest stage needs at least. So the search that plans a job plans a rate as well, the time between arrivals being its deadline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import InfeasibleError, UsageError
from murakkab_jupyter.core.figure import Figure, per_time, unknown, weakest
from murakkab_jupyter.core.hosts import ClusterView, Share
from murakkab_jupyter.energy.estimate import JOULES_PER_KWH, SECONDS_PER_HOUR
from murakkab_jupyter.planner.estimate import Estimate, Estimator, quicker
from murakkab_jupyter.planner.evaluate import Evaluation, Evaluator
from murakkab_jupyter.planner.expect import expect
from murakkab_jupyter.planner.pipeline import ROUNDS, Replay, spread, stages
from murakkab_jupyter.planner.plan import Configuration, StepPlan
from murakkab_jupyter.planner.rate import Rate
from murakkab_jupyter.planner.search import Picks, Search
from murakkab_jupyter.workflow.goal import Goal, Objective
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["EFFORT", "Arrivals", "Steady", "cannot", "steady_goal"]

LEAST_VALUES = 8
USUAL_VALUES = 64
"""Values of the smaller replay, at least, and where they have few items: where the replays end then matters by a percent or two."""

MOST_ITEMS = 600
"""Items over all steps of the smaller replay, at most (but for `LEAST_VALUES`)."""

VALUES_PER_CORE = 32
MOST_VALUES = 4_096
"""Values that modes are made for: batches and instances that these can fill."""

EFFORT = 24
"""Plans that are replayed on both samples."""

ALMOST = 0.98
"""Share of what stages need at least that a replay may say: batches are not all alike."""

MOST_SMALLER = 12
"""Smaller reservations on which a plan's modes are tried."""

Roots = Mapping[str, Sequence[Any]]


def steady_goal(goal: Goal) -> Goal:
    """The same goal about an hour: the time between arrivals is the deadline of the slowest stage.

    Nothing is gained by being faster than what arrives, so that latency as an objective gives way to cost.
    """
    rate = goal.arrivals_per_s or 0.0
    objectives = tuple(dict.fromkeys("cost" if one == "latency" else one for one in goal.objectives))
    return replace(
        goal, objectives=objectives, quality=goal.floor, deadline_s=1.0 / rate, arrivals_per_s=None
    )


@dataclass(frozen=True)
class Arrivals:
    """What arrives: values of a list, or runs of the whole workflow.

    Attributes
    ----------
    rate_per_s
        How many a second.
    variable
        The list whose values arrive; empty where each arrival is a run.
    rented
        Whether hosts are rented: an hour then costs what is held of them, busy or not.
    """

    workflow: Workflow
    roots: Roots
    library: Library
    rate_per_s: float
    variable: str
    rented: bool = False

    @classmethod
    def of(
        cls, workflow: Workflow, roots: Roots, library: Library, cluster: ClusterView, rate_per_s: float
    ) -> Arrivals:
        """What arrives at a workflow; raises `UsageError` where that is not one thing."""
        lists = [one.name for one in workflow.variables if one.level]
        if len(lists) > 1:
            msg = f"Arrivals are of one list, and this workflow has {' and '.join(lists)}."
            raise UsageError(msg, hint="Leave out --arrivals, or plan for each list by itself.")
        if lists and not roots.get(lists[0]):
            msg = f"{lists[0]} is empty: nobody knows what arrives."
            raise UsageError(msg, hint="Give it some values that are like those that will arrive.")
        rented = any(worker.power.price_usd_per_hour.known for worker in cluster.workers)
        return cls(workflow, roots, library, rate_per_s, lists[0] if lists else "", rented)

    def many(self, cores: int) -> Roots:
        """The values again and again, so many that they fill batches on all cores: what modes are made for."""
        most = min(MOST_VALUES, max(USUAL_VALUES, VALUES_PER_CORE * cores, self.count))
        return self.values(most) if self.variable else self.roots

    @property
    def what(self) -> str:
        """In words."""
        return f"values of {self.variable}" if self.variable else "runs, one after the other"

    @property
    def count(self) -> int:
        """How many of them the inputs at hand are."""
        return len(self.roots[self.variable]) if self.variable else 1

    def items(self, steps: Mapping[str, StepPlan]) -> dict[str, float]:
        """Items of each step that the inputs at hand are."""
        options = {name: dict(step.configuration.options) for name, step in steps.items()}
        expected = expect(self.workflow, self.roots, self.library, options).steps
        return {name: one.items for name, one in expected.items()}

    def sample(self, configurations: Mapping[str, Configuration]) -> int:
        """Values of the smaller replay: some rounds of full batches on all instances of every stage, as far as that is not too many."""
        options = {name: dict(one.options) for name, one in configurations.items()}
        expected = expect(self.workflow, self.roots, self.library, options).steps
        wanted = float(USUAL_VALUES)
        for name, one in configurations.items():
            each = expected[name].items / self.count
            if each > 0:
                wanted = max(wanted, ROUNDS * one.instances * (1 if one.siblings else one.batch) / each)
        items = sum(one.items for one in expected.values()) / self.count
        return max(LEAST_VALUES, min(math.ceil(wanted), int(MOST_ITEMS / max(1.0, items))))

    def values(self, size: int) -> Roots:
        """So many values like those at hand: some of them, or all of them again and again."""
        here = self.roots[self.variable]
        some = spread(here, size) if len(here) >= size else [here[n % len(here)] for n in range(size)]
        return {**self.roots, self.variable: some}

    def evaluator(self, replay: Replay) -> Evaluator:
        """Judges configurations by an hour of arrivals: `latency` is the least time between two (s), `energy` (J) and `cost` (USD) are an hour's."""

        def evaluate(configurations: Mapping[str, Configuration], reserve: Share) -> Evaluation:
            if not self.variable:
                return self.hour(None, replay(self.roots, configurations, reserve), 1)
            size = self.sample(configurations)
            if size > self.count:
                size = self.count * math.ceil(size / self.count)  # whole rounds of the values there are
            few, more = (replay(self.values(n), configurations, reserve) for n in (size, 2 * size))
            return self.hour(few, more, size)

        return evaluate

    def hour(self, few: Evaluation | None, more: Evaluation, size: int) -> Evaluation:
        """An hour at the rate, from what `size` values more take."""
        here, late = more.totals["latency"], more.totals["latency"].value or 0.0
        before = 0.0 if few is None else few.totals["latency"].value or 0.0
        # Noise must not promise a pace that no stage has.
        each_s = max((late - before) / size, 1e-9)
        latency = scaled_to(here, each_s, "s")
        arriving = self.rate_per_s * SECONDS_PER_HOUR / size

        def step_sum(one: Evaluation | None, key: str) -> float | None:
            parts = (
                []
                if one is None
                else [figures[key].value for figures in one.steps.values() if key in figures]
            )
            return None if any(part is None for part in parts) else math.fsum(part or 0.0 for part in parts)

        def an_hour(key: str, unit: str) -> Figure:
            total, active = more.totals.get(key), step_sum(more, key)
            earlier = 0.0 if few is None else step_sum(few, key)
            if total is None or total.value is None or active is None or earlier is None or not late:
                return unknown(unit)
            held = max(0.0, total.value - active) / late * SECONDS_PER_HOUR
            return scaled_to(total, held + (active - earlier) * arriving, unit)

        energy, cost, rent = an_hour("energy", "J"), an_hour("cost", "USD"), more.totals.get("cost")
        if self.rented and rent is not None and rent.value is not None and late:
            cost = scaled_to(rent, rent.value / late * SECONDS_PER_HOUR, "USD")
        cpu = more.totals["cpu"]
        spent = ((cpu.value or 0.0) - (0.0 if few is None else few.totals["cpu"].value or 0.0)) * arriving
        return Evaluation(
            more.steps,
            {"latency": latency, "energy": energy, "cost": cost, "cpu": scaled_to(cpu, spent, "s")},
        )

    def rate(self, found: Evaluation, slowest: str) -> Rate:
        """What a plan does with the arrivals."""
        each = found.totals["latency"]
        pace = 1.0 / (each.value or math.inf)
        low = None if not each.high else 1.0 / each.high
        high = None if not each.low else 1.0 / each.low
        sustained = Figure(pace, "1/s", low, high, weakest((each.source, "prior")))
        return Rate(
            self.rate_per_s, self.what, sustained, slowest, found.totals["energy"], found.totals["cost"]
        )


def scaled_to(like: Figure, value: float, unit: str) -> Figure:
    """Another value that is as sure as a figure."""

    def end(number: float | None) -> float | None:
        return None if number is None or not like.value else value * number / like.value

    return Figure(value, unit, end(like.low), end(like.high), like.source, like.method, like.note)


class SteadyEstimator(Estimator):
    """Estimates of an hour of arrivals, by the stages' rates; `latency_s` is the least time between two arrivals."""

    def __init__(self, base: Estimator, arrivals: Arrivals) -> None:
        self.__dict__.update(vars(base))
        self._estimates = {}
        self._plain = base
        self._arrivals = arrivals
        self._count = len(base.roots[arrivals.variable]) if arrivals.variable else 1

    def compute(self, picks: tuple[int, ...]) -> Estimate:
        found, held, count = self._plain.compute(picks), self.held[picks[-1]], self._count
        expectation = self.expectation(picks)
        pace = held.speed / self.speed
        loads = [
            quicker(self.load(name, pick, expectation), pace)
            for name, pick in zip(self.names, picks, strict=False)
        ]
        each_s, cpu_s, load_cpu_s = found.latency_s, found.cpu_s, 0.0
        if self._arrivals.variable:
            each_s = self.between(picks, pace)
            load_cpu_s = math.fsum(load.load_cpu_s for load in loads)
        arriving = self._arrivals.rate_per_s * SECONDS_PER_HOUR
        active_j = found.energy_j - held.idle_w * found.latency_s - held.active_w * load_cpu_s
        active_j = active_j / count
        energy = held.idle_w * SECONDS_PER_HOUR + max(0.0, active_j) * arriving
        cost = energy / JOULES_PER_KWH * self.kwh if held.rent is None else held.rent * SECONDS_PER_HOUR
        return Estimate(each_s, (cpu_s - load_cpu_s) * arriving / count, energy, cost, found.score)

    def between(self, picks: tuple[int, ...], pace: float) -> float:
        """Seconds between two values that the slowest stage, or all cores together, need on hosts of such a pace.

        Instances stay loaded: in the steady state only calls count, and each call's way to its instance and back.
        """
        expectation, held = self.expectation(picks), self.held[picks[-1]]
        dispatch_s = float(getattr(self.profiles, "dispatch_s", 0.0))
        slowest = area = 0.0
        for name, pick in zip(self.names, picks, strict=False):
            load, one = self.load(name, pick, expectation), self.modes[name][pick].configuration
            way_s = load.calls * dispatch_s
            slowest = max(slowest, (load.calls * load.call_s / pace + way_s) / load.instances)
            area += (load.core_s - load.load_core_s) / pace + max(one.cores, one.held_cores) * way_s
        return max(slowest, area / held.cores) / self._count

    def least_s(self, picks: tuple[int, ...]) -> float:
        """The same on the fastest of the hosts: no replay is faster, but by chance; 0 where each arrival is a run."""
        share = self.held[picks[-1]].share
        speeds = [one.speed.value or 1.0 for one in self.cluster.workers if share.covers(one.host)]
        if not self._arrivals.variable:
            return 0.0
        return self.between(picks, max(speeds, default=self.speed) / self.speed)


class SteadySearch(Search):
    """A search whose replays promise no pace that no stage has: they are short beside rounds of many instances."""

    estimator: SteadyEstimator

    def exact(self, picks: Picks) -> Evaluation:
        """True figures, asked for once."""
        if picks not in self.evaluations:
            found = super().exact(picks)
            here, least = found.totals["latency"], ALMOST * self.estimator.least_s(picks)
            if here.value is not None and here.value < least:
                totals = {**found.totals, "latency": scaled_to(here, least, "s")}
                self.evaluations[picks] = replace(found, totals=totals)
        return self.evaluations[picks]


class Steady:
    """The search for a plan that keeps up with arrivals.

    Parameters
    ----------
    search
        Of the job, whose modes and reservations are taken.
    arrivals
        What arrives.
    replay
        Replays configurations on some values.
    """

    def __init__(self, search: Search, arrivals: Arrivals, replay: Replay) -> None:
        self.arrivals = arrivals
        self.search = SteadySearch(
            search.modes,
            SteadyEstimator(search.estimator, arrivals),
            search.judge,
            arrivals.evaluator(replay),
            effort=search.effort,
        )

    def slowest(self, picks: Picks) -> str:
        """The stage that sets the pace."""
        return stages(self.search.estimator, picks, self.arrivals.count)[0].step

    def rate(self, picks: Picks) -> Rate:
        """What some modes do with the arrivals."""
        return self.arrivals.rate(self.search.exact(picks), self.slowest(picks))

    def best(self, goal: Goal) -> Picks:
        """The best plan that keeps up, or the one to say why none does; its modes are tried on all that is smaller."""
        within = steady_goal(goal)
        picks = self.search.best(within)
        while True:
            there = min((picks, *self.smaller(picks)), key=lambda some: self.search.key(some, within))
            if there == picks:
                return picks
            picks = there

    def smaller(self, picks: Picks) -> Iterator[Picks]:
        """The same modes with fewer cores reserved, the most first; where these do not hold them, with fewer instances."""
        search, held = self.search, self.search.estimator.held
        cores = held[picks[-1]].cores
        fewer = [level for level in range(len(held)) if held[level].cores < cores]
        for level in sorted(fewer, key=lambda level: (-held[level].cores, level))[:MOST_SMALLER]:
            some = [self.narrowed(place, pick, level) for place, pick in enumerate(picks[:-1])]
            whole = [pick for pick in some if pick is not None]
            if len(whole) == len(some) and not search.crowded((*whole, level)):
                yield (*whole, level)

    def narrowed(self, place: int, pick: int, level: int) -> int | None:
        """A mode, or the same with as many instances as a reservation holds; None where it holds none of them."""
        search = self.search
        if search.holding[place][pick] >> level & 1:
            return pick
        modes = search.modes[search.names[place]]
        one = modes[pick].configuration
        alike = [
            other
            for other in search.fitting[level][place]
            if replace(modes[other].configuration, instances=one.instances) == one
        ]
        return max(alike, key=lambda other: modes[other].configuration.instances, default=None)

    def missed(self, picks: Picks, goal: Goal) -> tuple[str, Picks] | None:
        """The limit to blame where some modes keep not all of them, and the modes that come closest; None where they do."""
        within = steady_goal(goal)
        if not self.search.excess(picks, within):
            return None
        fastest = self.search.best(Goal(("latency",), within.floor, confidence=goal.confidence))
        broken = self.search.excess(fastest, replace(within, budget_usd=None, max_energy_j=None))
        if "deadline" in broken or "quality" in broken:
            return ("arrivals" if "deadline" in broken else "quality"), fastest
        stated: list[tuple[str, Picks]] = []
        limits: tuple[tuple[str, Objective, float | None], ...] = (
            ("budget", "cost", goal.budget_usd),
            ("max-energy", "energy", goal.max_energy_j),
        )
        for limit, objective, most in limits:
            if most is not None:
                freed = replace(within, objectives=(objective,), budget_usd=None, max_energy_j=None)
                closest = self.search.best(freed)
                if limit in self.search.excess(closest, within):
                    return limit, closest
                stated.append((limit, closest))
        # Both can be kept, but not together; or the rate, but not what else is asked.
        return stated[0] if stated else ("arrivals", fastest)

    def reason(self, picks: Picks, goal: Goal) -> str:
        """Why a plan reserves no less: what the best plan that was tried with fewer cores would sustain, and what else it lacks."""
        search, within = self.search, steady_goal(goal)
        estimator = search.estimator
        held = estimator.held
        cores = held[picks[-1]].cores
        fewer = [some for some in self.search.starts() if held[some[-1]].cores < cores]
        if fewer:
            self.search.exact(min(fewer, key=lambda some: (estimator.estimate(some).latency_s, some)))
        tried = [
            some
            for some in search.evaluations
            if held[some[-1]].cores < cores and not search.judge.shortfall(search.score(some), within.floor)
        ]
        if not tried:
            return ""
        best = min(tried, key=lambda some: search.key(some, within))
        if "deadline" in search.excess(best, within):
            best = min(tried, key=lambda some: (search.value(some, "latency"), some))
        pace = 1.0 / (search.value(best, "latency") or math.inf)
        words = f"of the plans tried with fewer cores the best would sustain {per_time(pace)}"
        broken, doubt = search.excess(best, within), search.risk(best, within)
        if "deadline" in broken or pace < self.arrivals.rate_per_s:
            return words
        if broken:
            return f"{words}, but not keep the {min(broken)}"
        if "deadline" in doubt:
            surely = self.arrivals.rate_per_s / (1 + doubt["deadline"])
            return f"{words}, but only {per_time(surely)} surely enough"
        return f"{words}, and its hour takes no less {within.objectives[0]}"


def cannot(limit: str, rate: Rate, goal: Goal, nearest: Any) -> InfeasibleError:
    """The error of arrivals that no plan keeps up with within the goal."""
    asked = per_time(rate.asked_per_s)
    if limit == "arrivals":
        most = rate.sustained.value or 0.0
        floor = f" at quality {goal.floor}" if goal.floor else ""
        return InfeasibleError(
            f"No plan sustains arrivals of {asked}{floor}: the largest rate found is {per_time(most)} ({rate.of}); "
            f"{rate.slowest} is the slowest stage.",
            binding="arrivals",
            nearest=nearest,
            hint=f"Say --arrivals {per_time(0.99 * most)} or less, or add workers.",
        )
    if limit == "quality":
        return InfeasibleError(
            f"No plan that takes arrivals of {asked} has quality {goal.floor}.",
            binding="quality",
            nearest=nearest,
            hint="Say --quality fair or basic.",
        )
    figure, stated, unit = (
        (rate.cost, goal.budget_usd, "$") if limit == "budget" else (rate.energy, goal.max_energy_j, "J")
    )
    if figure.value is None:
        return InfeasibleError(
            f"No plan surely keeps the {limit} of an hour: it is unknown here.", binding=limit, nearest=nearest,
            hint="State watts and prices in a cluster file (--cluster), or leave the limit out.",
        )  # fmt: skip
    option = f"{figure.value * 1.01:.3g}{'usd' if limit == 'budget' else 'J'}"
    return InfeasibleError(
        f"No plan that takes arrivals of {asked} keeps the {limit} of {stated:g} {unit} an hour: the best needs "
        f"{figure.value:.3g} {unit}.",
        binding=limit,
        nearest=nearest,
        hint=f"Say --{limit} {option}: with --arrivals it is for an hour.",
    )
