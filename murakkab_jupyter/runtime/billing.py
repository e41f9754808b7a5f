"""How a bill is reckoned: whose each amount is, on a grid on which sums are exact (see `bill`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from murakkab_jupyter.core.events import Event, WorkerChanged
from murakkab_jupyter.core.figure import Figure, total, unknown
from murakkab_jupyter.core.hosts import ClusterView, WorkerView, host_cores
from murakkab_jupyter.core.transfer import Transfer
from murakkab_jupyter.energy.estimate import active_energy_j, boundary_words, cost_usd, idle_energy_j, product
from murakkab_jupyter.energy.reading import Boundary, Reading
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.runtime.line import Line, measured, on_grid, split
from murakkab_jupyter.runtime.reserve import joined_workers, reserved_core_s, reserved_shares
from murakkab_jupyter.runtime.usage import Calls

__all__ = ["Draft"]


class Draft:
    """A bill being made out.

    Parameters
    ----------
    plan, cluster
        What was to be done, and the workers that the run began with.
    calls
        What the calls of each step used.
    seconds
        How long the run has taken.
    events
        The run's, on one clock: which workers joined, and which cores were reserved.
    """

    def __init__(
        self,
        plan: Plan,
        cluster: ClusterView,
        calls: Mapping[str, Calls],
        seconds: float,
        events: Sequence[Event] = (),
    ) -> None:
        self.plan = plan
        self.calls = calls
        self.seconds = seconds
        joined = joined_workers(events, cluster.workers)
        reserved = reserved_core_s(events, seconds)
        self.workers = {worker.name: worker for worker in (*cluster.workers, *joined)}
        self.host_cores = host_cores(cluster.workers)
        self.shares = reserved_shares(reserved, cluster.workers, seconds, joined)
        used = {name for one in calls.values() for name in one.cpu_by_worker}
        self.host_of = {one.worker: one.host for one in events if isinstance(one, WorkerChanged) and one.host}
        self.unseen = sorted(used - set(self.workers))
        # One worker for each host that was used: power and price are the host's.
        self.hosts: dict[str, WorkerView] = {}
        for name in sorted(used & set(self.workers)):
            self.hosts.setdefault(self.workers[name].host, self.workers[name])
        self.of = sum(self.host_cores[host] for host in self.hosts)
        self.held = math.fsum(self.shares[host] * self.host_cores[host] for host in self.hosts)
        self.covers = boundary_words(None if reserved is None else self.held, self.of)
        self.outside: dict[Boundary, Figure] = {}
        self.transfer = Transfer.of(events)

    def lines(self, reading: Reading | None) -> tuple[tuple[Line, ...], Line, Line]:
        """The lines of the steps, of idle, and of the total; `outside` is known after it."""
        lines = [self.line(name, calls) for name, calls in self.calls.items()]
        idle_parts = [
            idle_energy_j(self.seconds, host.power, self.shares[name]) for name, host in self.hosts.items()
        ]
        idle_j = on_grid(total(idle_parts, "J", f"{self.covers}: what the hosts in use burn, busy or not"))
        reserved = self.seconds * self.held
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
        return tuple(lines), idle, whole

    def line(self, name: str, calls: Calls) -> Line:
        """The line of a step, without its cost and what counters read."""
        step = self.plan.steps[name]
        energy = on_grid(self.energy(calls.cpu_by_worker, calls.gpu_j))
        return Line(
            name,
            latency_s=measured(0.0 if calls.began_s is None else (calls.ended_s or 0.0) - calls.began_s),
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
            begun=calls.began_s is not None or calls.over,
            tokens_in=calls.tokens_in,
            tokens_out=calls.tokens_out,
            tokens_cached=calls.tokens_cached,
            tokens_wasted=calls.tokens_wasted,
            wasted_cpu_s=measured(math.fsum(calls.wasted_cpu_by_worker.values())),
            wasted_j=on_grid(self.energy(calls.wasted_cpu_by_worker, calls.wasted_gpu_j)),
            predicted=step.predicted,
        )

    def energy(self, cpu_by_worker: Mapping[str, float], gpu_j: float | None) -> Figure:
        """What CPU-seconds, and a GPU, add to the idle hosts."""
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
        rented = {name: host for name, host in self.hosts.items() if is_rented(host)}
        own = {name: host for name, host in self.hosts.items() if not is_rented(host)}
        power = [on_grid(self.cost(self.calls[line.name], rented=False)) for line in lines]
        burnt = [
            cost_usd(
                idle_energy_j(self.seconds, host.power, self.shares[name]), self.seconds, 1.0, host.power
            )
            for name, host in own.items()
        ]
        left = [on_grid(total(burnt, "USD", burnt[0].note if burnt else "no hosts"))]
        held = [self.cost(self.calls[line.name], rented=True) for line in lines]
        if rented:
            rent = on_grid(
                total(
                    (
                        cost_usd(None, self.seconds, self.shares[name], host.power)
                        for name, host in rented.items()
                    ),
                    "USD",
                    held[0].note,
                )
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
        idles = {boundary: left for boundary, (_, left) in shared.items()}
        for boundary, left in idles.items():
            # What of the idle lies outside the reserved cores is the meter's, and not this run's.
            out = 0.0 if boundary == "gpu" else (left.value or 0.0) * (1.0 - self.idle_share())
            (self.outside[boundary],), idles[boundary] = split(left, out, [1.0])
        counted = [
            replace(line, counted={boundary: parts[number] for boundary, (parts, _) in shared.items()})
            for number, line in enumerate(lines)
        ]
        return counted, replace(idle, counted=idles)

    def idle_share(self) -> float:
        """Share of the idle watts of the hosts in use that was reserved."""
        watts = {name: host.power.idle_w.value or 1.0 for name, host in self.hosts.items()}
        whole = math.fsum(watts.values())
        return math.fsum(self.shares[name] * one for name, one in watts.items()) / whole if whole else 1.0

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
        """The total: every amount of the lines, added up."""

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
            energy_j=added(
                "energy_j", "J", f"{self.covers}: CPU-seconds x watts, and idle watts of the hosts in use"
            ),
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
            tokens_cached=tokens("tokens_cached"),
            tokens_wasted=tokens("tokens_wasted"),
            wasted_cpu_s=added("wasted_cpu_s", "s"),
            wasted_j=added("wasted_j", "J"),
            predicted=self.plan.predicted,
        )

    def notes(self, reading: Reading | None) -> Iterable[str]:
        """What is not in the bill, and why."""
        if self.held < self.of * (1 - 1e-9):
            yield (
                f"Boundary: {self.covers} of the hosts in use. Idle energy, rent and electricity are charged for that share."
            )
        if self.transfer is not None:
            planned = self.plan.transfer
            foreseen = "none was planned" if planned is None else f"planned: {planned.words}"
            yield f"Files were brought to hosts that do not see them: {self.transfer.words} ({foreseen})."
        for boundary, figure in self.outside.items():
            if figure.value:
                yield (
                    f"The {boundary} counter saw {figure.value:.3g} J more: idle of cores that this run did not reserve, "
                    "which its total leaves out."
                )
        unread = sum(calls.unread for calls in self.calls.values())
        if unread:
            what = "call" if unread == 1 else "calls"
            yield f"{unread} {what} ended with no reading (the process was lost): what they used is not in the steps."
        fetch_s = sum(calls.fetch_s for calls in self.calls.values())
        if fetch_s:
            yield (
                f"Weights were fetched for {fetch_s:.3g} s of this run: no plan counts that, and the next run finds them here."
            )
        if self.unseen:
            called = sorted({self.host_of.get(name, name) for name in self.unseen})
            yield f"Watts and price of {', '.join(called)} are unknown: nobody measured them before the run began."
        if reading is None:
            return
        if set(self.hosts) - set(reading.hosts):
            yield "Other hosts were used, which this host's counters do not see: no counted energy is shown."
        by_counter = [one for one in reading.by_boundary().values() if one.energy_j.method == "counter"]
        if not by_counter:
            yield "No energy counter on this host: CPU-seconds are measured, joules are estimated from them."


def is_rented(worker: WorkerView) -> bool:
    return worker.power.price_usd_per_hour.known


def joined(parts: list[Figure]) -> Figure:
    """The sum, with the notes of all."""
    notes = dict.fromkeys(part.note for part in parts if part.note)
    return total(parts, "USD", "; ".join(notes))
