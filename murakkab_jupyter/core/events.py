"""The one stream of events that views, journal, bill, report and tests read.

Times (`at_s`) are seconds since the run began, on the run's own clock (real or virtual).
One event for a batch, never one for an item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from murakkab_jupyter.core.ancestry import Ancestry, ancestry_from_json, ancestry_to_json

__all__ = [
    "BatchEnded",
    "BatchRetried",
    "BatchStarted",
    "CoresReserved",
    "EngineUsed",
    "Event",
    "FilesBrought",
    "ItemFailed",
    "ItemsRestored",
    "LevelClosed",
    "Notice",
    "Reconfigured",
    "RunEnded",
    "RunStarted",
    "StepEnded",
    "StepStarted",
    "Usage",
    "WorkerChanged",
    "event_from_json",
    "event_to_json",
]

RunStatus = Literal["running", "done", "partial", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one batch used, as its instance measured it.

    Attributes
    ----------
    seconds
        Wall time of the call.
    cpu_s
        CPU time of the instance's process and its children during the call.
    load_s, load_cpu_s
        Wall and CPU time of loading the agent, when this call was its first (else 0).
    memory_bytes
        Peak resident memory of the instance's process.
    tokens_in, tokens_out
        Tokens of a language model, None where the agent counts none.
    tokens_cached, tokens_wasted
        Of `tokens_in`, those that its server still knew; of both, those that came to nothing (tries that failed).
    energy_j
        GPU energy of the call by NVML counter, None where there is no GPU.
    work
        The batch's work in the capability's unit.
    worker
        The worker that it was called on; empty where that is not told.
    fetch_s, fetch_cpu_s
        Of loading, what went into fetching the agent's weights: they come once, and say nothing of the next loading.
    start_s
        Before loading, wall time until the instance's process was there, when this call was its first (else 0).
    """

    seconds: float
    cpu_s: float
    load_s: float = 0.0
    load_cpu_s: float = 0.0
    memory_bytes: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_wasted: int | None = None
    energy_j: float | None = None
    work: float = 0.0
    worker: str = ""
    fetch_s: float = 0.0
    fetch_cpu_s: float = 0.0
    start_s: float = 0.0

    def after(self, before: Usage | None) -> Usage:
        """What several rounds of one batch used together: this one and those before it."""
        if before is None:
            return self

        def both(one: float | None, other: float | None) -> Any:
            return other if one is None else one if other is None else one + other

        return replace(
            self,
            seconds=before.seconds + self.seconds,
            cpu_s=before.cpu_s + self.cpu_s,
            load_s=before.load_s + self.load_s,
            load_cpu_s=before.load_cpu_s + self.load_cpu_s,
            fetch_s=before.fetch_s + self.fetch_s,
            fetch_cpu_s=before.fetch_cpu_s + self.fetch_cpu_s,
            start_s=before.start_s + self.start_s,
            memory_bytes=max(before.memory_bytes, self.memory_bytes),
            tokens_in=both(before.tokens_in, self.tokens_in),
            tokens_out=both(before.tokens_out, self.tokens_out),
            tokens_cached=both(before.tokens_cached, self.tokens_cached),
            tokens_wasted=both(before.tokens_wasted, self.tokens_wasted),
            energy_j=both(before.energy_j, self.energy_j),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""

    at_s: float


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The run began; `expected` maps each step to the items it is expected to make."""

    run_id: str
    expected: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """The first batch of a step was submitted."""

    step: str


@dataclass(frozen=True, slots=True)
class BatchStarted(Event):
    """A batch was submitted to `instance` of its step on `worker`."""

    step: str
    task: int
    worker: str
    instance: int
    items: int
    cores: int


@dataclass(frozen=True, slots=True)
class BatchEnded(Event):
    """A batch ended: how many items are done, failed, or taken from an earlier run, and what it used."""

    step: str
    task: int
    worker: str
    done: int
    failed: int
    reused: int = 0
    usage: Usage | None = None
    wasted: bool = False


@dataclass(frozen=True, slots=True)
class BatchRetried(Event):
    """A batch is tried again (elsewhere, or in halves), and why."""

    step: str
    task: int
    reason: str


@dataclass(frozen=True, slots=True)
class ItemFailed(Event):
    """One item failed, or was skipped because of `blame`, the step that failed for it."""

    step: str
    ancestry: Ancestry
    error: str
    blame: str | None = None


@dataclass(frozen=True, slots=True)
class ItemsRestored(Event):
    """Items of a step that an earlier part of a resumed run had made: they are final and not made again."""

    step: str
    done: int


@dataclass(frozen=True, slots=True)
class LevelClosed(Event):
    """An opener ended for one parent with `children` children."""

    step: str
    ancestry: Ancestry
    children: int


@dataclass(frozen=True, slots=True)
class StepEnded(Event):
    """Every item of a step is done, failed or skipped."""

    step: str
    done: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class WorkerChanged(Event):
    """A worker was lost or joined; of one that joined, its cores and its host's name."""

    worker: str
    change: Literal["lost", "joined"]
    cores: int = 0
    host: str = ""


@dataclass(frozen=True, slots=True)
class CoresReserved(Event):
    """From now on the run may use `cores` of a worker's `of` cores, and no more; their idle is charged to it."""

    worker: str
    cores: int
    of: int


@dataclass(frozen=True, slots=True)
class FilesBrought(Event):
    """Files were sent to a worker whose host does not see them: how many, bytes in all, and the seconds that took."""

    worker: str
    files: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Reconfigured(Event):
    """The plan changed under way: cause, what was before, what is after, predicted gain in words."""

    cause: str
    before: str
    after: str
    gain: str = ""


@dataclass(frozen=True, slots=True)
class EngineUsed(Event):
    """CPU-seconds that an engine on a worker spent while the run used it: a step's share of them, by its tokens."""

    step: str
    engine: str
    worker: str
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something the user should know."""

    message: str


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """The run ended, and how."""

    status: RunStatus
    message: str = ""


def event_to_json(event: Event) -> dict[str, Any]:
    """`{"event": "BatchEnded", ...}` with plain JSON values."""
    data = asdict(event)
    if "ancestry" in data:
        data["ancestry"] = ancestry_to_json(data["ancestry"])
    return {"event": type(event).__name__, **data}


_EVENTS: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        RunStarted,
        StepStarted,
        BatchStarted,
        BatchEnded,
        BatchRetried,
        ItemFailed,
        ItemsRestored,
        LevelClosed,
        StepEnded,
        WorkerChanged,
        CoresReserved,
        FilesBrought,
        Reconfigured,
        EngineUsed,
        Notice,
        RunEnded,
    )
}


def event_from_json(data: Mapping[str, Any]) -> Event:
    """Inverse of `event_to_json`; raises `ValueError` on any other shape."""
    name = data.get("event") if isinstance(data, Mapping) else None
    cls = _EVENTS.get(name) if isinstance(name, str) else None
    if cls is None:
        msg = f"This is no event: {data!r:.200}"
        raise ValueError(msg)
    known = {one.name for one in fields(cls)}
    values = {key: value for key, value in data.items() if key in known}
    try:
        if "ancestry" in values:
            values["ancestry"] = ancestry_from_json(values["ancestry"])
        if values.get("usage") is not None:
            used = {one.name for one in fields(Usage)}
            values["usage"] = Usage(**{key: value for key, value in values["usage"].items() if key in used})
        return cls(**values)
    except (AttributeError, TypeError) as error:
        msg = f"This is no {cls.__name__}: {error}."
        raise ValueError(msg) from error
