"""Inputs that keep arriving: what arrives, and what a plan does with it in the steady state, by replays over time.

Every step is a stage then, all work at once on different items, and the slowest one sets the pace. Of a set of modes two things are asked
of the simulator. How many values it could take a second: it replays as many as keep all instances busy for some rounds, and
twice as many; what the second half takes longer is what one value more takes. And what happens at the rate that is asked for:
values come one by one (`stream`), queues build, and each value's way from its arrival to its end is timed. A workflow without a
list is a run for each arrival, one after the other, loading included.

Energy and cost are an hour's, of what is held and of what arrives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.figure import Figure, unknown, weakest
from murakkab_jupyter.core.hosts import ClusterView, Share
from murakkab_jupyter.energy.estimate import SECONDS_PER_HOUR
from murakkab_jupyter.planner.evaluate import Evaluation, Evaluator
from murakkab_jupyter.planner.expect import expect
from murakkab_jupyter.planner.pipeline import ROUNDS, Replay, spread
from murakkab_jupyter.planner.plan import Configuration, StepPlan
from murakkab_jupyter.planner.rate import Rate
from murakkab_jupyter.planner.stream import (
    Kind,
    Stream,
    drain,
    evenly,
    growth,
    most_at_once,
    poisson,
    queue,
    share_of,
    steady_part,
    steady_share,
)
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["Arrivals", "scaled_to"]

LEAST_VALUES = 8
USUAL_VALUES = 64
"""Values of the smaller replay, at least, and where they have few items: where the replays end then matters by a percent or two."""

MOST_ITEMS = 600
"""Items over all steps of the smaller replay, at most (but for `LEAST_VALUES`), and of a stream."""

STREAM_VALUES = 200
"""Values of a stream, where they have few items."""

LEAST_STREAM = 12
"""Values of a Poisson stream, at least: its tail is worked out, not seen (`steady_share`)."""

LEAST_EVENLY = 24
"""Values of an evenly spaced stream, at least: of fewer, nobody sees whether a backlog grows."""

VALUES_PER_CORE = 32
MOST_VALUES = 4_096
"""Values that modes are made for: batches and instances that these can fill."""

MOST = 0.95
"""The share of values whose time a deadline is for."""

Roots = Mapping[str, Sequence[Any]]


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
        gathering = next(
            (s.name for s in workflow.steps if not s.at and any(i.how == "gather" for i in s.inputs)), ""
        )
        if lists and gathering:
            msg = f"{gathering} is made from all of {lists[0]}, which keep arriving: it would never be made."
            raise UsageError(msg, hint=f"Write ', per {lists[0]}' at its step, or leave out --arrivals.")
        rented = any(worker.power.price_usd_per_hour.known for worker in cluster.workers)
        return cls(workflow, roots, library, rate_per_s, lists[0] if lists else "", rented)

    def many(self, cores: int) -> Roots:
        """The values again and again, so many that they fill batches on all cores: what modes are made for."""
        most = min(MOST_VALUES, max(USUAL_VALUES, VALUES_PER_CORE * cores, self.count))
        return self.values(most) if self.variable else self.roots

    @property
    def once(self) -> frozenset[str]:
        """Steps that are done once for all values, not for each: no stages."""
        if not self.variable:
            return frozenset()
        own = next(one.level for one in self.workflow.variables if one.name == self.variable)
        return frozenset(step.name for step in self.workflow.steps if step.at[: len(own)] != own)

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
                wanted = max(wanted, ROUNDS * one.instances * (1 if one.whole else one.batch) / each)
        items = sum(one.items for one in expected.values()) / self.count
        return max(LEAST_VALUES, min(math.ceil(wanted), int(MOST_ITEMS / max(1.0, items))))

    def values(self, size: int) -> Roots:
        """So many values like those at hand: some of them, or all of them again and again."""
        here = self.roots[self.variable]
        some = spread(here, size) if len(here) >= size else [here[n % len(here)] for n in range(size)]
        return {**self.roots, self.variable: some}

    @property
    def items_each(self) -> float:
        """Items of all steps that a value is, or a run; one at least."""
        expected = expect(self.workflow, self.roots, self.library).steps
        return max(1.0, math.fsum(one.items for one in expected.values()) / self.count)

    @property
    def burden(self) -> float:
        """How many times `MOST_ITEMS` the shortest stream has; 1 at least. So many times fewer plans are replayed."""
        return max(1.0, LEAST_STREAM * self.items_each / MOST_ITEMS) if self.variable else 1.0

    @property
    def stretch(self) -> Roots:
        """The values of a Poisson stream."""
        return self.stretch_of(LEAST_STREAM)

    def stretch_of(self, least: int) -> Roots:
        """The values of a stream, no fewer than so many: whole rounds of those at hand where these are few."""
        size = max(least, min(STREAM_VALUES, int(MOST_ITEMS / self.items_each)))
        if size > self.count:
            size = self.count * math.ceil(size / self.count)
        return self.values(size)

    def times(self, kind: Kind, count: int, rate_per_s: float | None = None) -> tuple[float, ...]:
        """When so many arrive (s)."""
        return (evenly if kind == "evenly" else poisson)(count, rate_per_s or self.rate_per_s)

    def most_s(self, delays_s: Sequence[float], each_s: float) -> float:
        """What 95 % of the values of a long Poisson stream take at most (s), by what those of a stretch took.

        `each_s` is what the bottleneck needs for a value (s).
        """
        times = self.times("poisson", len(delays_s))
        return steady_share(delays_s, times, each_s, self.rate_per_s, MOST)

    def evaluator(self, replay: Replay) -> Evaluator:
        """Judges configurations by what happens at the rate.

        `latency` is what 95 % of the values of a long Poisson stream take at most (s), `between` the least time between two that is
        sustained (s), `energy` (J), `cost` (USD) and `cpu` (s) are an hour's. Where arrivals come faster than is sustained there is
        no steady state: `latency` then only says which is worse.
        """
        stretch = self.stretch if self.variable else self.roots
        count = len(stretch[self.variable]) if self.variable else STREAM_VALUES

        def evaluate(configurations: Mapping[str, Configuration], reserve: Share) -> Evaluation:
            if not self.variable:
                run = replay(self.roots, configurations, reserve)
                each = run.totals["latency"]
                each_s = max(each.value or 0.0, 1e-9)
                delays = queue(each_s, self.times("poisson", count))
                return self.hour(run, run, 1, 1, each_s, delays)
            size = self.sample(configurations)
            if size > self.count:
                size = self.count * math.ceil(size / self.count)  # whole rounds of the values there are
            few, more = (replay(self.values(n), configurations, reserve) for n in (size, 2 * size))
            late, before = (one.totals["latency"].value or 0.0 for one in (more, few))
            # Noise must not promise a pace that no stage has.
            each_s = max((late - before) / size, 1e-9)
            if each_s * self.rate_per_s > 1.0 + 1e-9:
                return self.hour(more, more, 2 * size, 2 * size, each_s, ())
            seen = replay(stretch, configurations, reserve, self.times("poisson", count))
            return self.hour(more, seen, 2 * size, count, each_s, seen.delays_s)

        return evaluate

    def hour(
        self,
        busy: Evaluation,
        seen: Evaluation,
        many: int,
        count: int,
        each_s: float,
        delays_s: tuple[float, ...],
    ) -> Evaluation:
        """An hour at the rate: held as in a busy replay (of `many` values), and added by each value as was seen of `count`."""
        here = busy.totals["latency"]
        late = here.value or 0.0
        latency = self.most_s(delays_s, each_s) if delays_s else each_s * max(many, count)
        arriving = self.rate_per_s * SECONDS_PER_HOUR / count

        def step_sum(one: Evaluation, key: str) -> float | None:
            parts = [figures[key].value for figures in one.steps.values() if key in figures]
            return None if any(part is None for part in parts) else math.fsum(part or 0.0 for part in parts)

        def an_hour(key: str, unit: str) -> Figure:
            total, active, added = busy.totals.get(key), step_sum(busy, key), step_sum(seen, key)
            if total is None or total.value is None or active is None or added is None or not late:
                return unknown(unit)
            held = max(0.0, total.value - active) / late * SECONDS_PER_HOUR
            return scaled_to(total, held + added * arriving, unit)

        energy, cost, rent = an_hour("energy", "J"), an_hour("cost", "USD"), busy.totals.get("cost")
        if self.rented and rent is not None and rent.value is not None and late:
            cost = scaled_to(rent, rent.value / late * SECONDS_PER_HOUR, "USD")
        cpu = seen.totals["cpu"]
        return Evaluation(
            seen.steps,
            {
                "latency": scaled_to(here, latency, "s"),
                "between": scaled_to(here, each_s, "s"),
                "energy": energy,
                "cost": cost,
                "cpu": scaled_to(cpu, (cpu.value or 0.0) * arriving, "s"),
            },
            delays_s=delays_s,
        )

    def stream(
        self,
        kind: Kind,
        replay: Replay,
        configurations: Mapping[str, Configuration],
        reserve: Share,
        rate_per_s: float | None = None,
        *,
        each_s: float = 0.0,
    ) -> Stream:
        """What the simulator sees while values arrive, at the rate or at another one.

        `each_s` is what the bottleneck needs for a value (s): of a Poisson stream it says what 95 % take in the long run.
        """
        rate = rate_per_s or self.rate_per_s
        least = LEAST_EVENLY if kind == "evenly" else LEAST_STREAM
        values = self.stretch_of(least)[self.variable] if self.variable else [None] * STREAM_VALUES

        def played(some: Sequence[Any]) -> tuple[tuple[float, ...], Evaluation, tuple[float, ...]]:
            arrive_s = self.times(kind, len(some), rate)
            if self.variable:
                found = replay({**self.roots, self.variable: some}, configurations, reserve, arrive_s)
                return arrive_s, found, found.delays_s
            found = replay(self.roots, configurations, reserve)
            return arrive_s, found, queue(found.totals["latency"].value or 0.0, arrive_s)

        arrive_s, seen, delays_s = played(values)
        grows = 0.0
        if kind == "evenly":
            half = len(values) // 2
            # The later half ends with the same values.
            fewer_s, _, some_s = played(values[half:])
            grows = growth(drain(fewer_s, some_s), drain(arrive_s, delays_s), half, rate)
        here, steady = seen.totals["latency"], steady_part(delays_s)
        most_s = share_of(steady, MOST)
        if kind == "poisson" and each_s:
            most_s = steady_share(delays_s, arrive_s, each_s, rate, MOST)
        return Stream(
            kind,
            len(delays_s),
            scaled_to(here, share_of(steady, 0.5), "s"),
            scaled_to(here, most_s, "s"),
            most_at_once(arrive_s, delays_s),
            grows,
        )

    def rate(self, found: Evaluation, slowest: str, streams: Sequence[Stream]) -> Rate:
        """What a plan does with the arrivals."""
        each = found.totals["between"]
        pace = 1.0 / (each.value or math.inf)
        low = None if not each.high else 1.0 / each.high
        high = None if not each.low else 1.0 / each.low
        sustained = Figure(pace, "1/s", low, high, weakest((each.source, "prior")))
        return Rate(
            self.rate_per_s,
            self.what,
            sustained,
            slowest,
            found.totals["energy"],
            found.totals["cost"],
            tuple(streams),
        )


def scaled_to(like: Figure, value: float, unit: str) -> Figure:
    """Another value that is as sure as a figure."""

    def end(number: float | None) -> float | None:
        return None if number is None or not like.value else value * number / like.value

    return Figure(value, unit, end(like.low), end(like.high), like.source, like.method, like.note)
