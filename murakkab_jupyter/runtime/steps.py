"""What the loop keeps of each step, and which step is the most urgent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.batching import ReadyQueue
from murakkab_jupyter.runtime.growth import Growth
from murakkab_jupyter.runtime.items import Item
from murakkab_jupyter.runtime.messages import Batch
from murakkab_jupyter.runtime.placement import Demand, Instance
from murakkab_jupyter.workflow.model import Step, Workflow

__all__ = ["Running", "StepProgress", "StepState", "by_remaining_path", "upstream_of"]


class StepProgress(NamedTuple):
    """How far a step is: items that ended each way, how many there are (None while unknown), how many were expected."""

    done: int
    failed: int
    skipped: int
    total: int | None
    expected: float | None


class Running(NamedTuple):
    """A call under way."""

    batch: Batch
    items: list[Item]
    instance: Instance
    since_s: float


class StepState:
    """What the loop keeps of one step. `most`: items that a call may grow to (as planned when 0)."""

    __slots__ = (
        "active",
        "blocked_s",
        "call_s",
        "configuration",
        "demand",
        "ended",
        "flush",
        "growth",
        "left_out",
        "linger",
        "losers",
        "patient",
        "queue",
        "running",
        "started",
        "step",
        "upstream",
    )

    def __init__(
        self, step: Step, configuration: Configuration, upstream: tuple[str, ...], most: int = 0
    ) -> None:
        self.step = step
        self.configuration = configuration
        self.upstream = upstream
        cores = 0 if configuration.waits else configuration.cores  # of its engine's: once it answers
        limit = max(1, configuration.instances)
        # A server's GPUs are its engine's, whoever calls it.
        gpus = 0 if configuration.waits else configuration.gpus
        self.demand = Demand(step.name, cores, gpus, limit)
        self.queue = ReadyQueue(siblings=configuration.siblings, part=configuration.part)
        # A server is filled by its requests in flight, and one parent's items are a call (or parts of one) as planned.
        fixed = configuration.waits or configuration.siblings
        self.growth = Growth(self.batch, self.batch if fixed else most)
        self.active = 0  # calls running or being recorded
        self.running = 0  # items in these
        self.started = False
        self.ended = False
        self.linger = False  # a timer is set
        self.flush = False  # it has fired
        self.blocked_s: float | None = None
        self.patient = True
        self.call_s: float | None = None
        self.left_out = 0
        self.losers = 0

    @property
    def batch(self) -> int:
        """Most items in a call, as planned."""
        return max(1, self.configuration.batch)


def upstream_of(workflow: Workflow) -> dict[str, tuple[str, ...]]:
    """For each step, every step that something must come from first."""
    above: dict[str, tuple[str, ...]] = {}
    for step in workflow.steps:
        found: dict[str, None] = {}
        for name in (*(one.source for one in step.inputs), *step.at):
            if name in above:
                found |= {name: None, **dict.fromkeys(above[name])}
        above[step.name] = tuple(found)
    return above


def by_remaining_path(workflow: Workflow, seconds: Mapping[str, float]) -> list[str]:
    """Steps with the longest way to the end first: what is late there makes everything late."""
    left: dict[str, float] = {}
    for step in reversed(workflow.steps):
        after = [left[other.name] for other in workflow.steps if other.name in left and feeds(step, other)]
        left[step.name] = max(1e-9, seconds.get(step.name, 1.0)) + max(after, default=0.0)
    place = {step.name: n for n, step in enumerate(workflow.steps)}
    return sorted(left, key=lambda name: (-left[name], place[name]))


def feeds(step: Step, other: Step) -> bool:
    return step.name in other.at or any(one.source == step.name for one in other.inputs)
