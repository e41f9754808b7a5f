"""Every run refines the profiles: what a call took is observed beside the work it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.core.kinds import Measure, measure
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.recorder import Recorder
from murakkab_jupyter.workflow.model import Step

__all__ = ["Observed", "Observing", "measures_of", "work_of"]


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
    ) -> None:
        """Take in one call: items, work in the capability's unit, seconds, CPU-seconds, load, memory in bytes."""


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


class Observing:
    """A recorder that tells the profiles of each call before it hands the items on."""

    def __init__(self, recorder: Recorder, library: Library, profiles: Observed) -> None:
        self._recorder = recorder
        self._library = library
        self._profiles = profiles

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
        if usage is None or not items or any(isinstance(value, Failed) for _, _, value in items):
            return
        capability = self._library.capability(step.capability)
        options = dict(configuration.options)
        works = [work_of(capability, inputs, options) for _, inputs, _ in items if inputs is not None]
        if len(works) != len(items):
            return
        self._profiles.observe(
            configuration.agent,
            configuration.options,
            cores=configuration.cores,
            items=len(items),
            work=sum(works),
            seconds=usage.seconds,
            cpu_s=usage.cpu_s,
            load_s=usage.load_s,
            load_cpu_s=usage.load_cpu_s,
            memory_bytes=usage.memory_bytes,
        )
