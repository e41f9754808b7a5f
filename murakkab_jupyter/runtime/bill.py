"""The bill: what a run used, by step, with what was predicted beside it.

Pure: made from events, a plan, the view of the cluster and, where there was one, a meter's reading.
What it says always adds up: steps + idle = total, to the last digit, for core-seconds, CPU-seconds,
joules (each boundary for itself) and dollars. To that end every amount lies on a binary grid (a
microjoule, a microsecond, a tenth of a nanodollar), on which sums are exact in any order.

How shared things are split
---------------------------
- CPU-seconds are each step's own, as its instances measured them, loading included.
- `energy_j` is the estimate that the planner's figures can be compared with: a step pays what its
  CPU-seconds (and its GPU, by counter) add; `idle` is what the hosts that were used burn for the whole
  run, busy or not.
- `counted` is what hardware counters read, one boundary each, never added to the others: idle watts x
  seconds (at most all of it) are `idle`, and the rest is shared among steps by CPU-seconds. A GPU's is shared
  by what its calls counted. A counter sees the whole host, other programs included.
- On a rented host a step pays for the core-seconds it held, and `idle` is the rest of the rent of the
  hosts that were used. On one's own host a step, and `idle`, pay for the electricity of their energy.
- `wasted` is a part of a step's own figures, never beside them: calls that were aborted or tried again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from murakkab_jupyter.core.events import Event
from murakkab_jupyter.core.figure import Figure, total, unknown
from murakkab_jupyter.core.hosts import ClusterView, WorkerView
from murakkab_jupyter.energy.estimate import active_energy_j, cost_usd, idle_energy_j, product
from murakkab_jupyter.energy.reading import Boundary, Reading
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.runtime.usage import Calls, collect

__all__ = ["GRID", "Bill", "Line"]

GRID: Mapping[str, float] = {"J": 2.0**-20, "s": 2.0**-20, "USD": 2.0**-34}

UNMEASURED_QUALITY = "not measured: a run without labels or a pilot does not know how good it was"


def on_grid(figure: Figure) -> Figure:
    """The figure with its value on the grid of its unit, and a band that still holds it."""
    if figure.value is None:
        return figure
    step = GRID[figure.unit]
    value = round(figure.value / step) * step
    low = None if figure.low is None else min(figure.low, value)
    high = None if figure.high is None else max(figure.high, value)
    return replace(figure, value=value, low=low, high=high)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill: a step, `idle` or `total`.

    Attributes
    ----------
    name, agent, device
        The step and who did it, where; empty for `idle` and `total`.
    done, failed, reused
        Items that it made, that failed, and that were taken from an earlier run (these are among `done`).
    latency_s
        From the first start to the last end (s); of `total`, of the whole run.
    seconds
        Seconds its instances were busy, loading included: several at once add up.
    core_s
        Core-seconds it held.
    cpu_s
        CPU-seconds it used.
    energy_j
        Energy (J) that can be compared with the predicted.
    cost_usd
        Cost (USD).
    counted
        For each boundary that a counter read: energy (J).
    tokens_in, tokens_out
        Tokens of language models; None where none are counted.
    wasted_cpu_s, wasted_j
        The part of `cpu_s` and `energy_j` that came to nothing.
    predicted
        What the plan said: `latency`, `cpu`, `energy`, `cost`, `quality`.
    """

    name: str
    latency_s: Figure
    seconds: Figure
    core_s: Figure
    cpu_s: Figure
    energy_j: Figure
    cost_usd: Figure
    agent: str = ""
    device: str = ""
    done: int = 0
    failed: int = 0
    reused: int = 0
    counted: Mapping[Boundary, Figure] = field(default_factory=dict)
    tokens_in: int | None = None
    tokens_out: int | None = None
    wasted_cpu_s: Figure = field(default_factory=lambda: Figure(0.0, "s", source="measured"))
    wasted_j: Figure = field(default_factory=lambda: Figure(0.0, "J", source="measured"))
    predicted: Mapping[str, Figure] = field(default_factory=dict)

    def actual(self) -> dict[str, Figure]:
        """What was used, under the names that plans use."""
        return {
            "latency": self.latency_s,
            "cpu": self.cpu_s,
            "energy": self.energy_j,
            "cost": self.cost_usd,
            "quality": unknown("1", UNMEASURED_QUALITY),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "name": self.name,
            "agent": self.agent,
            "device": self.device,
            "done": self.done,
            "failed": self.failed,
            "reused": self.reused,
            "latency_s": self.latency_s.to_json(),
            "seconds": self.seconds.to_json(),
            "core_s": self.core_s.to_json(),
            "cpu_s": self.cpu_s.to_json(),
            "energy_j": self.energy_j.to_json(),
            "cost_usd": self.cost_usd.to_json(),
            "counted": {boundary: figure.to_json() for boundary, figure in self.counted.items()},
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "wasted": {"cpu_s": self.wasted_cpu_s.to_json(), "energy_j": self.wasted_j.to_json()},
            "predicted": {name: figure.to_json() for name, figure in self.predicted.items()},
        }


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run used. Make one with `Bill.of`.

    Attributes
    ----------
    steps
        One line a step, in the plan's order.
    idle
        What nobody used but somebody held.
    total
        Steps and idle together.
    notes
        What is not in it, and why.
    """

    steps: tuple[Line, ...]
    idle: Line
    total: Line
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        events: Iterable[Event],
        plan: Plan,
        cluster: ClusterView,
        reading: Reading | None = None,
        *,
        seconds: float | None = None,
    ) -> Bill:
        """Make the bill of a run, ended or still under way.

        Parameters
        ----------
        events
            The run's events so far.
        plan
            The plan it carries out.
        cluster
            The workers it runs on, with watts and prices.
        reading
            What a meter of this host read over the run, if there was one.
        seconds
            How long the run has taken; by default until its last event.
        """
        calls, lasted_s = collect(events, plan.steps)
        return Draft(plan, cluster, calls, lasted_s if seconds is None else seconds).bill(reading)

    @property
    def lines(self) -> tuple[Line, ...]:
        """Steps, idle, total."""
        return (*self.steps, self.idle, self.total)

    @property
    def predicted(self) -> Mapping[str, Figure]:
        """The plan's totals."""
        return self.total.predicted

    @property
    def actual(self) -> dict[str, Figure]:
        """Totals of what was used, under the names that plans use."""
        return self.total.actual()

    def step(self, name: str) -> Line:
        """The line of a step; raises `KeyError`."""
        for line in self.steps:
            if line.name == name:
                return line
        raise KeyError(name)

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a line, for a table: names and counts as they are, amounts as figures."""
        return [
            {
                "step": line.name,
                "agent": line.agent,
                "device": line.device,
                "done": line.done,
                "failed": line.failed,
                "reused": line.reused,
                "latency_s": line.latency_s,
                "seconds": line.seconds,
                "cpu_s": line.cpu_s,
                "energy_j": line.energy_j,
                "cost_usd": line.cost_usd,
                **{f"counted_{boundary}_j": figure for boundary, figure in line.counted.items()},
                "tokens_in": line.tokens_in,
                "tokens_out": line.tokens_out,
                "wasted_cpu_s": line.wasted_cpu_s,
                "wasted_j": line.wasted_j,
                **{f"predicted_{name}": figure for name, figure in line.predicted.items()},
            }
            for line in self.lines
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "steps": {line.name: line.to_json() for line in self.steps},
            "idle": self.idle.to_json(),
            "total": self.total.to_json(),
            "notes": list(self.notes),
        }


class Draft:
    """A bill being made out."""

    def __init__(self, plan: Plan, cluster: ClusterView, calls: Mapping[str, Calls], seconds: float) -> None:
        self.plan = plan
        self.calls = calls
        self.seconds = seconds
        self.workers = {worker.name: worker for worker in cluster.workers}
        self.host_cores: dict[str, int] = {}
        for worker in cluster.workers:
            self.host_cores[worker.host] = self.host_cores.get(worker.host, 0) + worker.cores
        used = {name for one in calls.values() for name in one.cpu_by_worker}
        self.unseen = sorted(used - set(self.workers))
        # One worker for each host that was used: power and price are the host's.
        self.hosts: dict[str, WorkerView] = {}
        for name in sorted(used & set(self.workers)):
            self.hosts.setdefault(self.workers[name].host, self.workers[name])

    def bill(self, reading: Reading | None) -> Bill:
        lines = [self.line(name, calls) for name, calls in self.calls.items()]
        idle_parts = [idle_energy_j(self.seconds, host.power) for host in self.hosts.values()]
        idle_j = on_grid(total(idle_parts, "J", "node: what the hosts in use burn, busy or not"))
        reserved = self.seconds * sum(self.host_cores[host] for host in self.hosts)
        held = math.fsum(line.core_s.value or 0.0 for line in lines)
        idle = Line(
            "idle",
            latency_s=measured(self.seconds),
            seconds=measured(0.0),
            core_s=measured(max(0.0, reserved - held)),
            cpu_s=measured(0.0),
            energy_j=idle_j,
            cost_usd=unknown("USD"),
        )
        lines, idle = self.with_costs(lines, idle)
        lines, idle = self.with_counters(lines, idle, reading)
        whole = self.sum_of([*lines, idle])
        return Bill(tuple(lines), idle, whole, tuple(self.notes(reading)))

    def line(self, name: str, calls: Calls) -> Line:
        step = self.plan.steps[name]
        energy = on_grid(self.energy(calls.cpu_by_worker, calls.gpu_j))
        return Line(
            name,
            latency_s=unknown("s", "no calls")
            if calls.began_s is None
            else measured((calls.ended_s or 0.0) - calls.began_s),
            seconds=measured(calls.seconds),
            core_s=measured(math.fsum(calls.core_s_by_worker.values())),
            cpu_s=measured(math.fsum(calls.cpu_by_worker.values())),
            energy_j=energy,
            cost_usd=unknown("USD"),
            agent=step.configuration.agent,
            device=step.configuration.device,
            done=calls.done,
            failed=calls.failed,
            reused=calls.reused,
            tokens_in=calls.tokens_in,
            tokens_out=calls.tokens_out,
            wasted_cpu_s=measured(math.fsum(calls.wasted_cpu_by_worker.values())),
            wasted_j=on_grid(self.energy(calls.wasted_cpu_by_worker, calls.wasted_gpu_j)),
            predicted=step.predicted,
        )

    def energy(self, cpu_by_worker: Mapping[str, float], gpu_j: float | None) -> Figure:
        parts = [
            active_energy_j(cpu_s, self.workers[name].power) if name in self.workers else unknown("J")
            for name, cpu_s in cpu_by_worker.items()
        ]
        note = "node: CPU-seconds x watts a busy core adds"
        if gpu_j is not None:
            parts.append(Figure(gpu_j, "J", source="measured", method="counter"))
            note += ", and the GPU by counter"
        return total(parts, "J", note)

    def with_costs(self, lines: list[Line], idle: Line) -> tuple[list[Line], Line]:
        """Rent and electricity of each step and of idle."""
        rented = [host for host in self.hosts.values() if is_rented(host)]
        own = [host for host in self.hosts.values() if not is_rented(host)]
        power = [on_grid(self.cost(self.calls[line.name], rented=False)) for line in lines]
        burnt = [
            cost_usd(idle_energy_j(self.seconds, host.power), self.seconds, 1.0, host.power) for host in own
        ]
        left = [on_grid(total(burnt, "USD", burnt[0].note if burnt else "no hosts"))]
        held = [self.cost(self.calls[line.name], rented=True) for line in lines]
        if rented:
            rent = on_grid(
                total((cost_usd(None, self.seconds, 1.0, host.power) for host in rented), "USD", held[0].note)
            )
            # More may be held than there is (runs that share a host): then the rent is shared out.
            weights = [part.value or 0.0 for part in held]
            held, rest = split(rent, min(rent.value or 0.0, math.fsum(weights)), weights)
            left = [rest, *(left if own else ())]
        costs = [
            joined([part for part, there in ((rents, rented), (watts, own)) if there])
            for rents, watts in zip(held, power, strict=True)
        ]
        if self.unseen:
            costs = [
                unknown("USD", "the price of a worker is unknown")
                if set(self.calls[line.name].cpu_by_worker) & set(self.unseen)
                else cost
                for line, cost in zip(lines, costs, strict=True)
            ]
        return [replace(line, cost_usd=cost) for line, cost in zip(lines, costs, strict=True)], replace(
            idle, cost_usd=joined(left)
        )

    def cost(self, calls: Calls, *, rented: bool) -> Figure:
        """What a step pays on rented hosts, or on one's own."""
        parts: list[Figure] = []
        for name, held_s in calls.core_s_by_worker.items():
            worker = self.workers.get(name)
            if worker is not None and is_rented(worker) is rented:
                energy = active_energy_j(calls.cpu_by_worker[name], worker.power)
                share = 1.0 / max(1, self.host_cores[worker.host])
                parts.append(cost_usd(energy, held_s, share, worker.power))
        return total(parts, "USD", parts[0].note if parts else "")

    def with_counters(
        self, lines: list[Line], idle: Line, reading: Reading | None
    ) -> tuple[list[Line], Line]:
        """Share out what counters read, each boundary for itself."""
        shared: dict[Boundary, tuple[list[Figure], Figure]] = {}
        for boundary, one in self.counters(reading).items():
            figure = on_grid(one.energy_j)
            if boundary == "gpu":
                weights = [self.calls[line.name].gpu_j or 0.0 for line in lines]
                rest = min(figure.value or 0.0, math.fsum(weights))
                rule = "by what its calls counted"
            else:
                weights = [line.cpu_s.value or 0.0 for line in lines]
                idle_w = total([host.power.idle_w for host in self.hosts.values()], "W")
                burnt = product(idle_w, measured(self.seconds), "J").value or 0.0
                rest = max(0.0, (figure.value or 0.0) - burnt)
                rule = "by CPU-seconds, after idle watts x seconds"
            shared[boundary] = split(replace(figure, note=f"{figure.note}; shared {rule}"), rest, weights)
        if not shared:
            return lines, idle
        counted = [
            replace(line, counted={boundary: parts[number] for boundary, (parts, _) in shared.items()})
            for number, line in enumerate(lines)
        ]
        return counted, replace(idle, counted={boundary: left for boundary, (_, left) in shared.items()})

    def counters(self, reading: Reading | None) -> dict[Boundary, Reading]:
        """The readings by counter that cover everything this run used."""
        if reading is None or not set(self.hosts) <= set(reading.hosts) or self.unseen:
            return {}
        used_gpu = any(calls.gpu_j is not None for calls in self.calls.values())
        return {
            boundary: one
            for boundary, one in reading.by_boundary().items()
            if one.energy_j.known and one.energy_j.method == "counter" and (boundary != "gpu" or used_gpu)
        }

    def sum_of(self, lines: list[Line]) -> Line:
        def added(name: str, unit: str, note: str = "") -> Figure:
            return total((getattr(line, name) for line in lines), unit, note)

        def tokens(name: str) -> int | None:
            known = [getattr(line, name) for line in lines if getattr(line, name) is not None]
            return sum(known) if known else None

        boundaries = lines[-1].counted
        return Line(
            "total",
            latency_s=measured(self.seconds),
            seconds=added("seconds", "s"),
            core_s=added("core_s", "s"),
            cpu_s=added("cpu_s", "s"),
            energy_j=added("energy_j", "J", "node: CPU-seconds x watts, and idle watts of the hosts in use"),
            cost_usd=added("cost_usd", "USD", lines[-1].cost_usd.note),
            done=sum(line.done for line in lines),
            failed=sum(line.failed for line in lines),
            reused=sum(line.reused for line in lines),
            counted={
                boundary: total((line.counted[boundary] for line in lines), "J", boundaries[boundary].note)
                for boundary in boundaries
            },
            tokens_in=tokens("tokens_in"),
            tokens_out=tokens("tokens_out"),
            wasted_cpu_s=added("wasted_cpu_s", "s"),
            wasted_j=added("wasted_j", "J"),
            predicted=self.plan.predicted,
        )

    def notes(self, reading: Reading | None) -> Iterable[str]:
        unread = sum(calls.unread for calls in self.calls.values())
        if unread:
            what = "call" if unread == 1 else "calls"
            yield f"{unread} {what} ended with no reading (the process was lost): what they used is not in the steps."
        if self.unseen:
            yield f"Watts and price of {', '.join(self.unseen)} are unknown."
        if reading is None:
            return
        if set(self.hosts) - set(reading.hosts):
            yield "Other hosts were used, which this host's counters do not see: no counted energy is shown."
        by_counter = [one for one in reading.by_boundary().values() if one.energy_j.method == "counter"]
        if not by_counter:
            yield "No energy counter on this host: CPU-seconds are measured, joules are estimated from them."


def is_rented(worker: WorkerView) -> bool:
    return worker.power.price_usd_per_hour.known


def measured(seconds: float) -> Figure:
    """Seconds on the grid."""
    return on_grid(Figure(max(0.0, seconds), "s", source="measured"))


def joined(parts: list[Figure]) -> Figure:
    """The sum, with the notes of all."""
    notes = dict.fromkeys(part.note for part in parts if part.note)
    return total(parts, "USD", "; ".join(notes))


def split(whole: Figure, rest: float, weights: list[float]) -> tuple[list[Figure], Figure]:
    """Share `rest` of a whole by weights, on the grid and never more than all of it; and what is left."""
    step = GRID[whole.unit]
    amount = whole.value or 0.0
    heavy = math.fsum(weights)
    # Rounded down, so that the parts never exceed the whole.
    values = [math.floor(min(rest, amount) * (w / heavy) / step) * step if heavy else 0.0 for w in weights]
    over = math.fsum(values) - amount
    if over > 0:
        heaviest = max(range(len(values)), key=values.__getitem__)
        values[heaviest] -= over
    bare = replace(whole, low=None, high=None)
    return [replace(bare, value=value) for value in values], replace(bare, value=amount - math.fsum(values))
