"""What the tests of bill and report share: a plan, a cluster and events of calls."""

from __future__ import annotations

from typing import Any

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchStarted,
    CoresReserved,
    Event,
    RunEnded,
    RunStarted,
    Usage,
)
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView
from murakkab_jupyter.energy.reading import Boundary, Reading
from murakkab_jupyter.planner.plan import Alternative, Configuration, Plan, StepPlan
from murakkab_jupyter.workflow.goal import MIN_COST

OWN = HostPower(
    Figure(10.0, "W", 8.0, 14.0),
    Figure(5.0, "W", 4.0, 7.0),
    electricity_usd_per_kwh=Figure(0.36, "USD/kWh"),
)
RENTED = HostPower(
    Figure(10.0, "W"), Figure(5.0, "W"), price_usd_per_hour=Figure(3.6, "USD/h", source="published")
)


def worker(name: str = "w1", host: str = "127.0.0.1", power: HostPower = OWN, cores: int = 4) -> WorkerView:
    return WorkerView(name, host, cores, 8 * 2**30, power=power)


def figures(**values: float) -> dict[str, Figure]:
    units = {
        "latency": "s",
        "cpu": "s",
        "energy": "J",
        "cost": "USD",
        "quality": "1",
        "start": "s",
        "end": "s",
    }
    return {name: Figure(value, units[name], value * 0.5, value * 2) for name, value in values.items()}


def plan(*steps: str) -> Plan:
    chosen = {
        name: StepPlan(
            Configuration(f"{name}-agent", (("beam", 5),), cores=2, instances=1, batch=4),
            3.0,
            figures(latency=1.0, cpu=2.0, energy=10.0, cost=0.1, quality=0.9),
            Alternative(Configuration("other-agent"), "Slower."),
        )
        for name in steps or ("heard", "seen")
    }
    totals = figures(latency=2.0, cpu=4.0, energy=30.0, cost=0.3, quality=0.8)
    return Plan("news", MIN_COST, chosen, totals, notes=("a note",))


class Tape:
    """Events of calls, one after another."""

    def __init__(self) -> None:
        self.events: list[Event] = [RunStarted(0.0, "one")]
        self.at_s = 0.0

    def reserve(self, cores: int, of: int = 4, on: str = "w1") -> Tape:
        self.events.append(CoresReserved(self.at_s, on, cores, of))
        return self

    def call(
        self,
        step: str = "heard",
        *,
        lasts_s: float = 1.0,
        on: str = "w1",
        cores: int = 2,
        done: int = 1,
        failed: int = 0,
        reused: int = 0,
        wasted: bool = False,
        read: bool = True,
        **usage: Any,
    ) -> Tape:
        task = len(self.events)
        self.events.append(BatchStarted(self.at_s, step, task, on, 0, done + failed, cores))
        self.at_s += lasts_s
        used = Usage(**{"seconds": lasts_s, "cpu_s": lasts_s, **usage}) if read else None
        self.events.append(BatchEnded(self.at_s, step, task, on, done, failed, reused, used, wasted))
        return self

    def end(self, at_s: float) -> Tape:
        self.events.append(RunEnded(at_s, "done"))
        return self


def counted(value: float, boundary: Boundary = "package", *, beside: tuple[Reading, ...] = ()) -> Reading:
    figure = Figure(value, "J", source="measured", method="counter", note=f"{boundary}: fake")
    return Reading(figure, boundary, 10.0, 1.0, ("127.0.0.1", "localhost"), beside)


def cluster(*workers: WorkerView) -> ClusterView:
    return ClusterView(workers or (worker(),))
