"""What a simulated run was: figures of each step and the calls on each worker, for views and the planner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from murakkab_jupyter.core.events import Event, RunStatus
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.transfer import Transfer

__all__ = ["Call", "SimulatedStep", "Simulation"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call on a worker: when, how many items, cores held, seconds of loading in it, and whether it was lost."""

    step: str
    worker: str
    instance: int
    start_s: float
    end_s: float
    items: int
    cores: int
    load_s: float = 0.0
    wasted: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedStep:
    """One step of a simulated run.

    Attributes
    ----------
    start, end
        Of its first and last call (s); None for a step without items.
    latency
        From its first start to its last end (s).
    cpu
        CPU-seconds of its calls and loads (s).
    gpu
        GPU energy of its calls (J), the GPUs' idle power included; None where it uses none.
    called_s
        Seconds that its calls took in all, one after another.
    cpu_by_worker, core_seconds
        By worker: CPU-seconds (s), and cores held times seconds.
    wasted_core_seconds
        Of these, what was held by calls that were lost.
    loads, load_s
        Instances that were loaded, and the seconds that took in all.
    calls, items
        Calls, and items they did.
    """

    start: Figure | None
    end: Figure | None
    latency: Figure
    cpu: Figure
    gpu: Figure | None
    called_s: float
    cpu_by_worker: Mapping[str, Figure]
    core_seconds: Mapping[str, float]
    wasted_core_seconds: float
    loads: int
    load_s: float
    calls: int
    items: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated run.

    Attributes
    ----------
    steps
        By name, in the workflow's order.
    makespan_s, makespan
        End of the last call (s), and the same with its band.
    calls
        Every call in the order they ended.
    events
        What the loop told, as a real run would.
    status, message
        How it ended.
    reserved_core_s
        Core-seconds that were reserved of each worker; None for whole hosts.
    cpu_band
        Band of all CPU-seconds together, as factors: steps' errors even out in part.
    transfer
        Files that were brought to hosts that do not see them; None where there were none.
    guessed
        Agents that no profile knows: a guess stands for their durations.
    delays_s
        Of values that arrive one by one: seconds from each one's arrival to the end of its last call, in their order.
    """

    steps: Mapping[str, SimulatedStep]
    makespan_s: float
    makespan: Figure
    calls: tuple[Call, ...]
    events: tuple[Event, ...]
    status: RunStatus
    message: str
    guessed: tuple[str, ...] = ()
    cpu_band: tuple[float, float] = (1.0, 1.0)
    reserved_core_s: Mapping[str, float] | None = None
    transfer: Transfer | None = None
    delays_s: tuple[float, ...] = ()

    def timeline(self) -> dict[str, list[Call]]:
        """The calls of each worker, by start."""
        found: dict[str, list[Call]] = {}
        for call in sorted(self.calls, key=lambda one: (one.start_s, one.step, one.instance)):
            found.setdefault(call.worker, []).append(call)
        return found
