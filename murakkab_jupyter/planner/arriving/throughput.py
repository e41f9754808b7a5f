"""The steady state as the exact problem: which modes and which reservation sustain a rate, at what least figure.

One activity for each step, and one more, `hold`, that chooses what is held of the cluster. In the steady state nothing waits for the
rest of a list, so there is no makespan of all values: what is scheduled is one value on its way through the steps (its path is
the least time that it can take), and what all values share are amounts in the time between two arrivals:

- a stage whose instances need longer than that time for a value is no mode of it (*bottleneck throughput*);
- core-seconds of all steps for a value fit in the held cores x that time: an amount with a budget;
- a server that steps share has its calls done one after the other: another amount;
- energy and cost are an hour's: what values add, and what is held for the hour.

That is the *discrete time-cost-quality trade-off problem*: no capacity, so no intervals. All of it errs to the low side, so its
optimum bounds every plan that the simulator finds to sustain the rate.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from murakkab_jupyter.energy.estimate import SECONDS_PER_HOUR
from murakkab_jupyter.planner.exact.problem import Activity, Infeasible, Mode, Problem, Undecided
from murakkab_jupyter.planner.exact.solve import solve
from murakkab_jupyter.planner.proofs.lower import Grain, active_j
from murakkab_jupyter.planner.proofs.rich import Amount, Host, RichMode, RichProblem, RichStep
from murakkab_jupyter.workflow.goal import Objective

__all__ = ["HOLD", "LeastRate", "Throughput"]

HOLD = "what is held"
ENERGY, COST = "energy", "cost"

LIMIT_S = 10.0
"""Seconds for the exact problem: it is small, and usually solved in a fraction of one. What is proven by then counts."""


@dataclass(frozen=True, slots=True)
class LeastRate:
    """What the exact problem says.

    Attributes
    ----------
    value
        No plan that sustains the rate within the limits does better: an hour's energy (J) or cost (USD), seconds of a value, or
        the product of qualities. None where there is none.
    picks
        The modes of its solution, by step; None where none was found.
    """

    value: float | None
    picks: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Throughput:
    """What values need of each step in each of its modes.

    Parameters
    ----------
    rich
        The workflow's problem of all values of a stretch together.
    alone
        The same of each value by itself; empty where they are too many.
    count
        Values of the stretch.
    rate_per_s
        How many arrive a second.
    single
        Steps that have exactly one item for each value.
    runs
        Whether each arrival is a run of the whole workflow, loading included.
    """

    rich: RichProblem
    alone: Sequence[RichProblem]
    count: int
    rate_per_s: float
    single: Collection[str] = ()
    runs: bool = False

    @classmethod
    def of(
        cls,
        rich: RichProblem,
        alone: Sequence[RichProblem],
        count: int,
        rate_per_s: float,
        *,
        single: Collection[str] = (),
        once: Collection[str] = (),
        runs: bool = False,
    ) -> Throughput:
        """The same without set-up, where instances stay loaded, and without steps that are done `once` for all values."""
        if not runs:
            rich, alone = loaded(rich, once), [loaded(one, once) for one in alone]
        return cls(rich, alone, count, rate_per_s, single, runs)

    # --- what a value needs at the least --------------------------------------------------------------------------

    def stage_s(self, mode: RichMode) -> float:
        """Seconds between two values that a stage needs at the least."""
        return mode.total(mode.seconds) / mode.instances / self.count

    def core_s(self, mode: RichMode) -> float:
        """Core-seconds of a value, as calls hold them where nothing slows them down."""
        return mode.core_s(PLAIN) / self.count

    def between_s(self, picks: Mapping[str, int], cores: int) -> float:
        """No replay of some modes on so many cores shows less time between two values (s)."""
        modes = [step.modes[picks[step.name]] for step in self.rich.steps]
        area = math.fsum(self.core_s(mode) for mode in modes) / max(1, cores)
        return max(area, *(self.stage_s(mode) for mode in modes), *self.served(modes))

    def served(self, modes: Sequence[RichMode]) -> Iterator[float]:
        """Seconds between two values that servers shared by steps need at the least."""
        for name, slots in self.rich.engines.items():
            calls = [mode.total(mode.seconds) for mode in modes if mode.engine == name]
            yield math.fsum(calls) / self.count / slots

    def most_per_s(self) -> float:
        """A rate (1/s) that no plan can sustain more than, whatever it costs."""
        stage = max((min(self.stage_s(mode) for mode in step.modes) for step in self.rich.steps), default=0.0)
        work = math.fsum(min(self.core_s(mode) for mode in step.modes) for step in self.rich.steps)
        least = max(stage, work / max(1, *(one.cores for one in self.rich.holdings)))
        return 1.0 / least if least > 0 else math.inf

    def way_s(self, step: int, mode: int) -> float:
        """The least time (s) that a value is at a step."""
        if self.alone:
            return min(one.steps[step].modes[mode].wall_s for one in self.alone)
        here = self.rich.steps[step]
        return here.modes[mode].one_call() if here.name in self.single else 0.0

    def waits(self, step: int) -> tuple[list[str], dict[str, float], list[str]]:
        """Of a value's way: steps that end before this one starts, those that it needs the first items of, those that end before it does.

        Of the second, with the least seconds until these items can be there.
        """
        if not self.alone:
            here = self.rich.steps[step]
            return (
                [
                    f.source
                    for f in here.flows
                    if f.starts is not None and {f.source, here.name} <= {*self.single}
                ],
                {},
                [],
            )
        whole: list[str] = []
        lags: dict[str, float] = {}
        ends: list[str] = []
        for source in dict.fromkeys(flow.source for flow in self.alone[0].steps[step].flows):
            place = [one.name for one in self.rich.steps].index(source)
            some = [
                (one.steps[place], next((f for f in one.steps[step].flows if f.source == source), None))
                for one in self.alone
            ]
            if all(flow is not None and (flow.whole or only(before, flow.starts)) for before, flow in some):
                whole.append(source)
                continue
            if all(flow is not None and flow.starts is not None for _, flow in some):
                lags[source] = min(
                    mode.elapsed(flow.starts or 0) for before, flow in some if flow for mode in before.modes
                )
            if all(flow is not None and flow.ends for _, flow in some):
                ends.append(source)
        return whole, lags, ends

    # --- the exact problem ----------------------------------------------------------------------------------------

    def problem(self) -> Problem | None:
        """The exact problem; None where some step has no mode that keeps up."""
        rich, rate, each_s = self.rich, self.rate_per_s, (1.0 + 1e-9) / self.rate_per_s
        hour = rate * SECONDS_PER_HOUR
        longest = math.fsum(
            max(self.way_s(n, k) for k in range(len(step.modes))) for n, step in enumerate(rich.steps)
        )
        time = Grain.of(2.0 * longest)
        work = math.fsum(max(self.core_s(mode) for mode in step.modes) for step in rich.steps)
        room = max(work, *(one.cores * each_s for one in rich.holdings))
        sums = Grain.of(room)
        most_gpus = max(one.gpus for one in rich.holdings)
        joules = Grain.of(
            math.fsum(max(self.added_j(mode) for mode in step.modes) for step in rich.steps) * hour
            + max(one.idle_w for one in rich.holdings) * SECONDS_PER_HOUR
        )
        most_usd = max(
            joules.size * 1e6 * rich.usd_per_j,
            max(one.usd_per_s for one in rich.holdings) * SECONDS_PER_HOUR,
        )
        dollars = Grain.of(most_usd)
        made: list[Activity] = []
        last: dict[str, tuple[str, ...]] = {}
        for n, step in enumerate(rich.steps):
            modes = []
            for k, mode in enumerate(step.modes):
                spent = self.added_j(mode) * hour
                consumes = {
                    ENERGY: joules.down(spent),
                    COST: dollars.down(spent * rich.usd_per_j),
                    AREA: sums.down(self.core_s(mode)),
                }
                if mode.gpus:
                    consumes[f"GPUs of {step.name}"] = float(mode.gpus)
                if mode.engine in rich.engines:
                    consumes[f"engine {mode.engine}"] = sums.down(mode.total(mode.seconds) / self.count)
                if self.stage_s(mode) > each_s:
                    # It keeps its place, but no budget allows it.
                    consumes[TOO_SLOW] = 1.0
                modes.append(
                    Mode(time.down(self.way_s(n, k)), {}, plain(consumes), min(1.0, max(0.0, mode.quality)))
                )
            if all(TOO_SLOW in one.consumes for one in modes):
                return None
            whole, lags, ends = self.waits(n)
            before = [name for source in whole for name in last[source]]
            for source, lag_s in lags.items():
                name = f"first of {source} for {step.name}"
                made.append(Activity(name, [Mode(time.down(lag_s))], self.before(made, source)))
                before.append(name)
            made.append(Activity(step.name, modes, before))
            last[step.name] = (step.name,)
            if ends:
                tail = f"tail of {step.name}"
                after = list(dict.fromkeys(name for source in ends for name in last[source]))
                least = min(min(m.one_call() for m in one.steps[n].modes) for one in self.alone)
                made.append(Activity(tail, [Mode(time.down(least))], after))
                last[step.name] = (step.name, tail)
        made.append(
            Activity(
                HOLD,
                [self.held(one, sums, joules, dollars, room, most_gpus, each_s) for one in rich.holdings],
            )
        )
        limits = rich.limits
        budgets = {AREA: sums.up(room), TOO_SLOW: 0.0}
        budgets |= {
            f"GPUs of {step.name}": float(most_gpus) for step in rich.steps if any(m.gpus for m in step.modes)
        }
        budgets |= {f"engine {name}": sums.up(slots * each_s) for name, slots in rich.engines.items()}
        if limits.energy_j is not None:
            budgets[ENERGY] = joules.up(limits.energy_j)
        if limits.cost_usd is not None:
            budgets[COST] = dollars.up(limits.cost_usd)
        ends_s = [one for one in (limits.deadline_s, each_s if self.runs else None) if one is not None]
        deadline = time.up(min(ends_s)) if ends_s else None
        consumed = {name for activity in made for mode in activity.modes for name in mode.consumes}
        return Problem(
            made,
            {},
            {name: most for name, most in budgets.items() if name in consumed},
            deadline,
            limits.quality or None,
        )

    def added_j(self, mode: RichMode) -> float:
        """Joules that a value adds to idle hosts at a step, at the least."""
        return (active_j(mode) + mode.total(mode.gpu_j)) / self.count

    def held(
        self,
        one: Host,
        sums: Grain,
        joules: Grain,
        dollars: Grain,
        room: float,
        most_gpus: int,
        each_s: float,
    ) -> Mode:
        """What an hour of some reservation takes, and the core-seconds and GPUs that it lacks of the most there can be."""
        idle = one.idle_w * SECONDS_PER_HOUR
        consumes = {
            ENERGY: joules.down(idle),
            COST: dollars.down(one.usd_per_s * SECONDS_PER_HOUR + idle * self.rich.usd_per_j),
            AREA: sums.down(max(0.0, room - one.cores * each_s)),
        }
        for step in self.rich.steps:
            if any(mode.gpus for mode in step.modes):
                consumes[f"GPUs of {step.name}"] = float(most_gpus - one.gpus)
        return Mode(0.0, {}, plain(consumes))

    @staticmethod
    def before(made: Sequence[Activity], step: str) -> Sequence[str]:
        """What a step waits for."""
        return next(one.predecessors for one in made if one.name == step)

    def best(self, objective: Objective) -> LeastRate:
        """What no plan that sustains the rate within the limits does better than."""
        problem = self.problem()
        if problem is None:
            return LeastRate(None)
        if objective not in ("latency", "quality", *problem.consumed):
            return LeastRate(0.0)  # nothing takes any of it
        try:
            found = solve(problem, (objective,), LIMIT_S)
        except Infeasible:
            return LeastRate(None)
        except Undecided as error:
            return LeastRate(error.bounds.get(objective, 1.0 if objective == "quality" else 0.0))
        return LeastRate(found.lower_bound, {step.name: found.mode[step.name] for step in self.rich.steps})


AREA = "core-seconds of a value"
TOO_SLOW = "stages that are too slow"
PLAIN = Host(1)
"""Calls as they are where nothing slows them down."""


def plain(consumes: Mapping[str, float]) -> dict[str, float]:
    """Nothing of what is not consumed."""
    return {name: value for name, value in consumes.items() if value > 0}


def only(step: RichStep, starts: int | None) -> bool:
    """Whether so many items are all that a step has, in every mode."""
    return starts is not None and all(mode.amount.items <= starts for mode in step.modes)


def loaded(rich: RichProblem, once: Collection[str]) -> RichProblem:
    """The same where everything is loaded, started and brought already, and done where it is done but once."""

    def ready(mode: RichMode, done: bool) -> RichMode:
        amount = Amount(()) if done else mode.amount
        return replace(mode, load_s=0.0, load_j=0.0, start_s=0.0, amount=amount)

    steps = [
        replace(
            step,
            modes=[ready(mode, step.name in once) for mode in step.modes],
            release_s=0.0,
            complete_s=0.0,
        )
        for step in rich.steps
    ]
    return replace(rich, steps=steps, engine_start_s={})
