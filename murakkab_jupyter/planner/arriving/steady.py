"""Search for the plan that keeps up with arrivals: the limits of a goal, and a stage that is too slow breaks one more.

Two searches share their replays. One has a value's time from arrival to end for its latency (what 95 % of the values of a Poisson stream take
at most), and `arrivals` among its limits: the time between two values must not be less than what is sustained. The other looks for
the pace alone: what is the most that could be sustained, and why nothing smaller does. The best that was found is held against
the exact problem (`throughput`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.figure import per_time, unknown
from murakkab_jupyter.core.hosts import Share
from murakkab_jupyter.energy.estimate import JOULES_PER_KWH, SECONDS_PER_HOUR
from murakkab_jupyter.planner.arriving.arrivals import MOST, Arrivals, scaled_to
from murakkab_jupyter.planner.arriving.throughput import Throughput
from murakkab_jupyter.planner.estimate import Estimate, Estimator, quicker
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.modes import Load
from murakkab_jupyter.planner.pipeline import Replay, stages
from murakkab_jupyter.planner.plan import Configuration, Plan
from murakkab_jupyter.planner.proofs.pose import pose
from murakkab_jupyter.planner.proofs.proof import (
    BEATEN,
    NONE,
    Proof,
    apart,
    away,
    beaten,
    better_of,
    partly_known,
    tried_out,
)
from murakkab_jupyter.planner.proofs.rich import RichProblem
from murakkab_jupyter.planner.proofs.scenarios import TooMany
from murakkab_jupyter.planner.rate import Rate
from murakkab_jupyter.planner.search import Picks, Search, limits
from murakkab_jupyter.planner.told.reasons import UNITS, amount
from murakkab_jupyter.workflow.goal import Goal, Objective

__all__ = ["EFFORT", "Steady", "cannot"]

EFFORT = 24
"""Plans that are replayed."""

ALMOST = 0.98
"""Share of what stages need at least that a replay may say: batches are not all alike."""

MOST_SMALLER = 12
"""Smaller reservations on which a plan's modes are tried."""

MOST_ALONE = 8
"""Values that are posed one by one: of more, only steps with one item for each value are known to take time for every one."""

LEVELS = 2
"""Reservations that are tried with the exact problem's modes."""

CHECKS = 6
HALVINGS = 20
"""How often a rate is lowered by what its backlog still grows in a stretch of it, before it is halved."""


FASTER = 3
FASTER_BY = 1.001
"""How often a plan is looked for whose pace is faster, by what factor at least, where a backlog grows."""


@dataclass(frozen=True, slots=True)
class SteadyEstimate(Estimate):
    """Totals of an hour; `latency_s` is a value's time from arrival to end, `between_s` the least between two that is sustained."""

    between_s: float = 0.0


def pace_goal(goal: Goal) -> Goal:
    """The same goal about the pace alone: the time between arrivals is the deadline of the slowest stage."""
    rate = goal.arrivals_per_s or 0.0
    objectives = tuple(dict.fromkeys("cost" if one == "latency" else one for one in goal.objectives))
    return replace(
        goal, objectives=objectives, quality=goal.floor, deadline_s=1.0 / rate, arrivals_per_s=None
    )


class SteadyEstimator(Estimator):
    """Estimates of an hour of arrivals, by the stages' rates and what values wait for them."""

    def __init__(self, base: Estimator, arrivals: Arrivals) -> None:
        self.__dict__.update(vars(base))
        self._estimates = {}
        self._plain = base
        self._arrivals = arrivals
        self._count = len(base.roots[arrivals.variable]) if arrivals.variable else 1
        self._once = arrivals.once

    def compute(self, picks: tuple[int, ...]) -> SteadyEstimate:
        """An hour's figures (J, USD, CPU-seconds) and a value's time from arrival to end (s) under these picks, estimated."""
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
        way_s = self.way(loads, each_s)
        return SteadyEstimate(
            way_s, (cpu_s - load_cpu_s) * arriving / count, energy, cost, found.score, each_s
        )

    def way(self, loads: Sequence[Load], each_s: float) -> float:
        """A value's time from arrival to end: the longest way through the steps, with what it waits at each.

        Waiting by Sakasegawa's approximation for Poisson arrivals and calls of one length (M/D/c); a busy cluster counts as one more queue.
        """
        rate, busy = self._arrivals.rate_per_s, min(0.99, each_s * self._arrivals.rate_per_s)
        if not self._arrivals.variable:
            return each_s + waiting_s(each_s, 1, busy)
        end: dict[str, float] = {}
        for (name, inputs), load in zip(self._order, loads, strict=True):
            if name in self._once:
                continue
            calls = max(1.0, load.calls / self._count)
            rounds = math.ceil(calls / max(1.0, load.instances))
            used = min(0.99, rate * load.calls * load.call_s / max(1.0, load.instances) / self._count)
            start = max((end[source] for source, _, _ in inputs if source in end), default=0.0)
            end[name] = (
                start + rounds * load.call_s + waiting_s(load.call_s, max(1, int(load.instances)), used)
            )
        return max(end.values(), default=0.0) + waiting_s(each_s, 1, busy)

    def between(self, picks: tuple[int, ...], pace: float) -> float:
        """Seconds between two values that the slowest stage, or all cores together, need on hosts of such a pace.

        Instances stay loaded: in the steady state only calls count, and each call's way to its instance and back.
        """
        expectation, held = self.expectation(picks), self.held[picks[-1]]
        dispatch_s = float(getattr(self.profiles, "dispatch_s", 0.0))
        slowest = area = 0.0
        for name, pick in zip(self.names, picks, strict=False):
            if name in self._once:
                continue
            load, one = self.load(name, pick, expectation), self.modes[name][pick].configuration
            way_s = load.calls * dispatch_s
            slowest = max(slowest, (load.calls * load.call_s / pace + way_s) / load.instances)
            area += (load.core_s - load.load_core_s) / pace + max(one.cores, one.held_cores) * way_s
        return max(slowest, area / held.cores) / self._count

    def most_s(self, delays_s: Sequence[float], each_s: float) -> float:
        """What 95 % of the values take at most (s) where the bottleneck needs so long for each: see `Arrivals.most_s`."""
        return self._arrivals.most_s(delays_s, each_s)

    def least_s(self, picks: tuple[int, ...]) -> float:
        """The same on the fastest of the hosts: no replay is faster, but by chance; 0 where each arrival is a run."""
        share = self.held[picks[-1]].share
        speeds = [one.speed.value or 1.0 for one in self.cluster.workers if share.covers(one.host)]
        if not self._arrivals.variable:
            return 0.0
        fastest = max(speeds, default=self.speed)
        return self.between(picks, fastest / self.speed)


def waiting_s(service_s: float, servers: int, used: float) -> float:
    """What a value waits (s) at a queue of which such a share is used: Sakasegawa's formula, arrivals Poisson, service constant."""
    power = math.sqrt(2.0 * (servers + 1)) - 1.0
    return float(0.5 * service_s * used**power / servers / (1.0 - used))


class SteadySearch(Search):
    """A search with the rate among its limits. No pace is taken for more than stages by themselves can have."""

    estimator: SteadyEstimator
    exact_least: Throughput | None = None

    def limits(self, goal: Goal) -> Iterable[tuple[str, str, float]]:
        """Those of the goal, and the time between two arrivals."""
        if goal.arrivals_per_s is not None:
            yield "arrivals", "between", 1.0 / goal.arrivals_per_s
        yield from limits(goal)

    def foreseen(self, found: Estimate, limit: str) -> float:
        """The estimate of what a limit is of."""
        if limit == "arrivals" and isinstance(found, SteadyEstimate):
            return found.between_s
        return super().foreseen(found, limit)

    def exact(self, picks: Picks) -> Evaluation:
        """True figures, asked for once."""
        if picks not in self.evaluations:
            found = super().exact(picks)
            here, least = found.totals["between"], ALMOST * self.estimator.least_s(picks)
            if self.exact_least is not None:
                chosen = dict(zip(self.names, picks, strict=False))
                least = max(least, self.exact_least.between_s(chosen, self.estimator.held[picks[-1]].cores))
            if here.value is not None and here.value < least:
                totals = {**found.totals, "between": scaled_to(here, least, "s")}
                if found.delays_s:
                    most_s = self.estimator.most_s(found.delays_s, least)
                    totals["latency"] = scaled_to(found.totals["latency"], most_s, "s")
                self.evaluations[picks] = replace(found, totals=totals)
        return self.evaluations[picks]


class PaceEstimator(SteadyEstimator):
    """Estimates whose latency is the least time between two values."""

    def __init__(self, base: SteadyEstimator) -> None:
        self.__dict__.update(vars(base))
        self._estimates = {}

    def compute(self, picks: tuple[int, ...]) -> SteadyEstimate:
        found = super().compute(picks)
        return replace(found, latency_s=found.between_s)


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
        self.arrivals, self.replay = arrivals, replay
        self._places: dict[str, dict[Configuration, int]] = {}
        self._shares: dict[Share, int] = {}
        estimator = SteadyEstimator(search.estimator, arrivals)
        self.search = SteadySearch(
            search.modes, estimator, search.judge, arrivals.evaluator(replay), effort=search.effort
        )
        self.pace = Search(
            search.modes, PaceEstimator(estimator), search.judge, self.paced, effort=search.effort
        )
        self.least = self.posed(Goal(("cost",), 0.0))
        if self.least is not None and not self.least.runs:
            self.search.exact_least = self.least

    def paced(self, configurations: Mapping[str, Configuration], reserve: Share) -> Evaluation:
        """The same replays with the time between two values for their latency."""
        found = self.search.exact(self.picks_of(configurations, reserve))
        return replace(found, totals={**found.totals, "latency": found.totals["between"]})

    def picks_of(self, configurations: Mapping[str, Configuration], reserve: Share) -> Picks:
        """The picks that stand for some configurations."""
        search = self.search
        if not self._places:
            for name in search.names:
                self._places[name] = {one.configuration: n for n, one in enumerate(search.modes[name])}
            self._shares = {one.share: n for n, one in enumerate(search.estimator.held)}
        return (*(self._places[name][configurations[name]] for name in search.names), self._shares[reserve])

    def slowest(self, picks: Picks) -> str:
        """The stage that sets the pace."""
        some = stages(self.search.estimator, picks, self.arrivals.count)
        return next((one.step for one in some if one.step not in self.arrivals.once), some[0].step)

    def rate(self, picks: Picks) -> Rate:
        """What some modes do with the arrivals: both streams at the rate, replayed."""
        search, arrivals = self.search, self.arrivals
        args = self.replay, search.configurations(picks), search.reserved(picks)
        found = search.exact(picks)
        each_s = found.totals["between"].value or 0.0
        streams = [arrivals.stream("evenly", *args), arrivals.stream("poisson", *args, each_s=each_s)]
        return arrivals.rate(found, self.slowest(picks), streams)

    def sustained(self, picks: Picks) -> float:
        """The largest rate (1/s) at which a stretch of evenly spaced arrivals shows no growing backlog, no more than the pace."""
        search = self.search
        rate = 1.0 / (self.pace.value(picks, "latency") or math.inf)
        args = self.replay, search.configurations(picks), search.reserved(picks)
        for check in range(CHECKS + HALVINGS):
            grows = self.arrivals.stream("evenly", *args, 0.99 * rate).grows_per_s
            if not grows:
                break
            # However a stretch is disturbed, nothing waits where values come seldom enough.
            rate = rate - grows if check < CHECKS and grows < rate else 0.5 * rate
        return rate

    # --- the exact problem ----------------------------------------------------------------------------------------

    def posed(self, goal: Goal) -> Throughput | None:
        """The steady state as the exact problem has it, with the limits of a goal; None where there are too many items to walk."""
        arrivals, estimator = self.arrivals, self.search.estimator
        job = replace(goal, arrivals_per_s=None)

        def rich(values: Sequence[object] | None) -> RichProblem:
            roots = arrivals.roots if values is None else {**arrivals.roots, arrivals.variable: values}
            return pose(
                arrivals.workflow,
                self.search.modes,
                job,
                roots=roots,
                library=estimator.library,
                profiles=estimator.profiles,
                cluster=estimator.cluster,
                judge=self.search.judge,
                levels=[held.each for held in estimator.held],
            )

        try:
            if not arrivals.variable:
                run = rich(None)
                return Throughput.of(run, [run], 1, arrivals.rate_per_s, runs=True)
            stretch = arrivals.stretch[arrivals.variable]
            different = list({id(value): value for value in stretch}.values())
            alone = [rich([value]) for value in different] if len(different) <= MOST_ALONE else []
            own = next(one.level for one in arrivals.workflow.variables if one.name == arrivals.variable)
            steps = arrivals.workflow.steps
            return Throughput.of(
                rich(stretch),
                alone,
                len(stretch),
                arrivals.rate_per_s,
                single={step.name for step in steps if step.at == own},
                once=arrivals.once,
            )
        except TooMany:
            return None

    def proven(self, picks: Picks, goal: Goal) -> tuple[Picks, Proof | None]:
        """A plan that is no worse, and how good any could be."""
        search, objective = self.search, goal.objectives[0]
        if objective in ("energy", "cost") and partly_known(search.estimator.cluster, objective):
            return picks, None
        if objective != "quality" and not search.knows(picks, objective):
            return picks, None
        if search.space <= search.effort:
            said = "arrivals were simulated for the whole space of {} plans"
            return picks, tried_out(search, picks, goal, said, what_of)
        least = self.posed(goal)
        if least is None:
            return picks, None
        found = least.best(objective)
        if found.picks is not None:
            some = search.levels((*(found.picks[name] for name in search.names), 0))
            tries = sorted(some, key=lambda one: search.guess(one, goal))[:LEVELS]
            picks = min((picks, *tries), key=lambda one: search.key(one, goal))
        value = abs(search.value(picks, objective))
        if search.excess(picks, goal):
            return picks, None
        # That nothing keeps the limits is no better a bound: this plan does.
        if found.value is None or beaten(found.value, value, objective):
            return picks, Proof(None, None, BEATEN)
        bound, gap = apart(found.value, value, objective)
        if objective != "quality" and bound <= 0 < value:
            return picks, None
        return picks, Proof(bound, gap, words_of(objective, bound, gap))

    # --- the search -----------------------------------------------------------------------------------------------

    def best(self, goal: Goal) -> Picks:
        """The best plan that keeps up, or the one to say why none does; its modes are tried on all that is smaller."""
        goal = replace(goal, quality=goal.floor)
        picks = self.search.best(goal)
        while True:
            there = min((picks, *self.smaller(picks)), key=lambda some: self.search.key(some, goal))
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
        """The limit to blame where some modes keep not all of them, and the modes that come closest; None where they do.

        Each limit is given up in turn, the others kept, and the one missed by least is named; "" where that finds modes that keep all.
        """
        goal = replace(goal, quality=goal.floor)
        if not self.search.excess(picks, goal):
            return None
        fastest = self.pace.best(Goal(("latency",), goal.floor, confidence=goal.confidence))
        free = replace(goal, deadline_s=None, budget_usd=None, max_energy_j=None)
        broken = self.search.excess(fastest, free)
        if "arrivals" in broken or "quality" in broken:
            return ("arrivals" if "arrivals" in broken else "quality"), fastest
        found: list[tuple[int, float, str, Picks]] = []
        for limit, objective in BLAMED.items():
            if not any(limit == name for name, _, _ in limits(goal)):
                continue
            given_up = replace(goal, objectives=(objective,), **{FIELDS[limit]: None})  # type: ignore[arg-type]
            for within in (given_up, replace(free, objectives=(objective,))):
                closest = self.best(within)
                broken = self.search.excess(closest, goal)
                if not broken:
                    return "", closest
                if limit in broken and not {"arrivals", "quality"} & set(broken):
                    found.append((len(broken), broken[limit], limit, closest))
                    break
        if not found:
            return "arrivals", fastest
        _, _, limit, closest = min(found)
        return limit, closest

    def faster(self, rate: Rate, goal: Goal) -> Picks | None:
        """A plan with a faster pace whose backlog does not grow, where that of a plan did that keeps all limits; None where none is found."""
        needed = goal.arrivals_per_s or 0.0
        for _ in range(FASTER):
            grows = max((one.grows_per_s for one in rate.streams), default=0.0)
            # No less than the growth more, and more than the pace that this one was taken to have.
            needed = max(needed + grows, FASTER_BY * (rate.sustained.value or 0.0))
            harder = replace(goal, quality=goal.floor, arrivals_per_s=needed)
            picks = self.best(harder)
            if self.search.excess(picks, harder):
                return None
            rate = self.rate(picks)
            if not rate.grows:
                return picks
        return None

    def reason(self, picks: Picks, goal: Goal) -> str:
        """Why a plan reserves no less: what the best plan that was tried with fewer cores would sustain, and what else it lacks."""
        search, within = self.pace, pace_goal(goal)
        estimator = search.estimator
        held = estimator.held
        cores = held[picks[-1]].cores
        for some in list(self.search.evaluations):
            search.exact(some)
        fewer = [some for some in search.starts() if held[some[-1]].cores < cores]
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


BLAMED: Mapping[str, Objective] = {"deadline": "latency", "budget": "cost", "max-energy": "energy"}
FIELDS = {"deadline": "deadline_s", "budget": "budget_usd", "max-energy": "max_energy_j"}


def words_of(objective: str, bound: float, gap: float) -> str:
    """The proof in a sentence."""
    what = what_of(objective, bound)
    if gap < NONE:
        return f"Optimal under these profiles: no plan of the modes considered that sustains the rate {what}."
    return (
        f"Proven: under these profiles no plan of the modes considered that sustains the rate {what}; "
        f"this one is within {away(objective, gap)} of that."
    )


def what_of(objective: str, value: float) -> str:
    """`has less energy an hour than 3 J`."""
    shown = amount(value, UNITS.get(objective, "1"))
    return {
        "latency": f"has {MOST:.0%} of values done in less than {shown}",
        "quality": f"has more quality than {shown}",
    }.get(objective, f"has {better_of(objective)} an hour than {shown}")


def cannot(
    limit: str, rate: Rate, goal: Goal, nearest: Plan, sustained_per_s: float, most_per_s: float
) -> InfeasibleError:
    """The error of arrivals that no plan keeps up with within the goal.

    Parameters
    ----------
    limit
        Which limit is to blame.
    rate, nearest
        What the plan that comes closest does with the arrivals, and that plan.
    sustained_per_s
        The largest rate at which it was seen to keep up.
    most_per_s
        A rate that nothing here could keep up with (infinite where nobody knows).
    """
    asked = per_time(rate.asked_per_s)
    floor = f" at quality {goal.floor}" if goal.floor else ""
    if limit == "arrivals":
        grows = max((one.grows_per_s for one in rate.streams), default=0.0)
        longer = (
            f", and its backlog grows by {per_time(grows)} at the rate that was asked for" if grows else ""
        )
        proven = (
            f" No plan can sustain more than {per_time(most_per_s)}." if math.isfinite(most_per_s) else ""
        )
        return InfeasibleError(
            f"No plan sustains arrivals of {asked}{floor}: the largest rate found is {per_time(sustained_per_s)} ({rate.of}); "
            f"{rate.slowest} is the slowest stage{longer}.{proven}",
            binding="arrivals",
            nearest=nearest,
            hint=f"Say --arrivals {per_time(0.99 * sustained_per_s)} or less, or add workers.",
        )
    if limit == "quality":
        return InfeasibleError(
            f"No plan that takes arrivals of {asked} has quality {goal.floor}.",
            binding="quality",
            nearest=nearest,
            hint="Say --quality fair or basic.",
        )
    most = next((one.most for one in rate.streams if one.kind == "poisson"), unknown("s"))
    needs = {"deadline": most, "budget": rate.cost, "max-energy": rate.energy}
    figure = needs[limit].value
    if figure is None:
        return InfeasibleError(
            f"No plan surely keeps the {limit} of an hour: it is unknown here.", binding=limit, nearest=nearest,
            hint="State watts and prices in a cluster file (--cluster), or leave the limit out.",
        )  # fmt: skip
    stated = {name: asked_for for name, _, asked_for in limits(goal)}
    over = {name: needs[name].value for name in stated if name != limit}
    over = {name: value for name, value in over.items() if value is None or value > stated[name] * (1 + 1e-9)}
    kept = " and the ".join(name for name in stated if name != limit and name not in over)
    takes = f"No plan that takes arrivals of {asked}{floor}{f' within the {kept}' if kept else ''}"
    # What the nearest plan needs of everything that it misses: said together, it is a plan.
    options = [option_of(limit, figure), *(option_of(name, value) for name, value in over.items() if value)]
    timed = "deadline" in (limit, *over)
    if len(options) == 1:
        what = "it is for each value" if limit == "deadline" else "it is for an hour"
    else:
        what = "a deadline is for each value, the rest for an hour" if timed else "they are for an hour"
    hint = f"Say {' '.join(options)}: with --arrivals {what}."
    if limit == "deadline":
        message = (
            f"{takes} has {MOST:.0%} of the values done within {goal.deadline_s:g} s of their arrival: the quickest needs "
            f"{figure:.3g} s."
        )
    else:
        unit = "$" if limit == "budget" else "J"
        message = f"{takes} keeps the {limit} of {stated[limit]:g} {unit} an hour: the best needs {figure:.3g} {unit}."
    return InfeasibleError(message, binding=limit, nearest=nearest, hint=hint)


def option_of(limit: str, figure: float) -> str:
    """The option that leaves a plan with such a figure."""
    more, unit = {"deadline": (1.02, "s"), "budget": (1.01, "usd"), "max-energy": (1.01, "J")}[limit]
    return f"--{limit} {figure * more:.3g}{unit}"
