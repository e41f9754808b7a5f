"""Every run refines the profiles: what a call took is observed beside the work it did."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.core.hosts import WorkerView
from murakkab_jupyter.core.kinds import Measure, measure
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.recorder import Recorder
from murakkab_jupyter.workflow.model import Step

__all__ = ["Observed", "Observing", "measures_of", "place_of", "work_of", "worked"]

MOST_KEPT_OUT = 3
"""Calls in a row that another process may keep out of the profiles; each of them waits for it, for seconds."""


class Observed(Protocol):
    """Whoever learns from calls (the profile book)."""

    def observe(
        self,
        agent: str,
        options: tuple[tuple[str, Any], ...],
        *,
        cores: int,
        items: int,
        work: float,
        seconds: float,
        cpu_s: float,
        load_s: float,
        load_cpu_s: float,
        memory_bytes: int,
        start_s: float = 0.0,
        host: str | None = None,
        speed: float | None = None,
    ) -> None:
        """Take in one call: items, work in the capability's unit, seconds, CPU-seconds, load, memory in bytes, start.

        `host` and `speed` say where it was made, when that is not this host.
        """


def measures_of(capability: Capability, inputs: Inputs) -> dict[str, Measure]:
    """The measures of each port of one item; references of a port of several are summed."""
    ports: dict[str, Measure] = {}
    for name, value in inputs.values.items():
        port = capability.port(name)
        if port is not None and port.several and isinstance(value, list):
            ports[name] = measure([one for _, one in value])
        else:
            ports[name] = measure(value)
    return ports


def work_of(capability: Capability, inputs: Inputs, options: Mapping[str, Any]) -> float:
    """The work of one item in the capability's unit."""
    return capability.work(measures_of(capability, inputs), options)


def worked(capability: Capability, inputs: Inputs, options: Mapping[str, Any], value: Any) -> float:
    """The work that one item turned out to be: as what it made tells, where the capability knows, else as its inputs do."""
    measures = measures_of(capability, inputs)
    if capability.worked is not None:
        return capability.worked(measures, options, value)
    return capability.work(measures, options)


def place_of(view: WorkerView) -> tuple[str | None, float | None] | None:
    """The host and speed that calls on a worker are filed under: None and None for this very host.

    None where nobody measured the speed of another host: what its calls took then teaches nothing.
    """
    if view.host == platform.node():
        return None, None
    speed = view.speed
    if speed.value is None or speed.value <= 0 or speed.source != "measured":
        return None
    return f"{view.host} | {view.cores} cores", speed.value


class Observing:
    """A recorder that tells the profiles of each call once its items are recorded.

    Calls on a host that joined on the way, whose speed nobody has measured yet, are kept until `settle`.

    Parameters
    ----------
    recorder
        What records the items.
    library, profiles
        Where capabilities are looked up, and who learns.
    workers
        The workers as they are now, those that joined included, for a cluster of other hosts: a call is filed under its
        worker's host and speed. None for a cluster of this host alone.
    notify
        Told, once, that the profiles cannot be written (their disk is full, another process holds them for long). That is no
        reason to end a run: it goes on, and nothing more is learnt of it. A call that another process kept out is left out.
    """

    def __init__(
        self,
        recorder: Recorder,
        library: Library,
        profiles: Observed,
        workers: Callable[[], Iterable[WorkerView]] | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._library = library
        self._profiles = profiles
        self._workers = workers
        self._notify = notify
        self._learns = True
        self._kept_out = 0
        self._unsettled: list[tuple[str, dict[str, Any]]] = []

    def lookup(self, step: Step, configuration: Configuration, inputs: Inputs) -> Any:
        """Ask the recorder underneath."""
        return self._recorder.lookup(step, configuration, inputs)

    def record(
        self,
        step: Step,
        configuration: Configuration,
        items: Sequence[tuple[Ancestry, Inputs | None, Any | Failed]],
        usage: Usage | None,
    ) -> None:
        """Record the items, then observe the call; a call with a failed item tells nothing of the rate."""
        self._recorder.record(step, configuration, items, usage)
        if (
            not self._learns
            or usage is None
            or not items
            or any(isinstance(value, Failed) for _, _, value in items)
        ):
            return
        capability = self._library.capability(step.capability)
        options = dict(configuration.options)
        works = [
            worked(capability, inputs, options, value) for _, inputs, value in items if inputs is not None
        ]
        if len(works) != len(items):
            return
        call: dict[str, Any] = {
            "agent": configuration.agent,
            "options": configuration.options,
            "cores": configuration.cores,
            "items": len(items),
            "work": sum(works),
            "seconds": usage.seconds,
            "cpu_s": usage.cpu_s,
            "load_s": max(0.0, usage.load_s - usage.fetch_s),
            "load_cpu_s": max(0.0, usage.load_cpu_s - usage.fetch_cpu_s),
            "memory_bytes": usage.memory_bytes,
            "start_s": usage.start_s,
        }
        if self._workers is None:
            self._observe(call)
        elif not self._file(usage.worker, call):
            self._unsettled.append((usage.worker, call))

    @property
    def unsettled(self) -> int:
        """Calls on hosts whose speed is not known yet."""
        return len(self._unsettled)

    def settle(self) -> None:
        """File the calls that were kept, under the workers as they are now; those of hosts still unknown teach nothing."""
        kept, self._unsettled = self._unsettled, []
        for worker, call in kept:
            self._file(worker, call)

    def _file(self, worker: str, call: Mapping[str, Any]) -> bool:
        """Observe a call under its worker's host; says whether that host and its speed are known."""
        view = next((one for one in self._workers() if one.name == worker), None) if self._workers else None
        place = None if view is None else place_of(view)
        if place is None:
            return False
        host, speed = place
        self._observe({**call, "host": host, "speed": speed})
        return True

    def _observe(self, call: Mapping[str, Any]) -> None:
        if not self._learns:
            return
        try:
            self._profiles.observe(**call)
            self._kept_out = 0
        except ProfileError as error:
            self._kept_out += 1
            if "locked" in str(error) and self._kept_out < MOST_KEPT_OUT:
                return
            self._learns = False
            if self._notify is not None:
                self._notify(
                    f"The run goes on, but the profiles learn no more of it. {' '.join(str(error).split())}"
                )
