"""What goes into the run loop (`...` happened) and what comes out (do `...`).

`RunLoop.handle(message, now_s) -> list[Decision]`. Messages are one for a batch, never one for an item.
Drivers carry the decisions out: Dask in real life, a virtual clock in the simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.events import Event, RunStatus, Usage
from murakkab_jupyter.core.hosts import WorkerView
from murakkab_jupyter.planner.plan import Configuration

__all__ = [
    "Arrived",
    "Batch",
    "BatchCrashed",
    "BatchDone",
    "Begin",
    "Called",
    "Cancel",
    "Decision",
    "EngineLost",
    "EngineReady",
    "Finish",
    "InstanceId",
    "Message",
    "Outcome",
    "Record",
    "Recorded",
    "Restored",
    "Retire",
    "SetTimer",
    "StartEngine",
    "StopEngine",
    "StopRequested",
    "Submit",
    "Tell",
    "TimerFired",
    "WorkerJoined",
    "WorkerLost",
]


@dataclass(frozen=True, slots=True)
class InstanceId:
    """An instance: the n-th of its step, on a worker."""

    step: str
    index: int
    worker: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one item ended: done (`error` None), with its number of children where its step opens a level, or failed."""

    ancestry: Ancestry
    children: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one step that are done in one call."""

    task: int
    step: str
    instance: InstanceId
    keys: tuple[Ancestry, ...]
    configuration: Configuration


# --- messages in ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The run begins.

    `roots`: for each variable its items; `bad`: root items that cannot be read, and why; `coming`: those that have not
    arrived yet (`Arrived` says when they do): nothing is done for them before.
    """

    roots: Mapping[str, tuple[Ancestry, ...]]
    workers: tuple[WorkerView, ...]
    bad: Mapping[tuple[str, Ancestry], str] = field(default_factory=dict)
    coming: frozenset[Ancestry] = frozenset()


@dataclass(frozen=True, slots=True)
class Arrived:
    """A root item that was still to come is there."""

    ancestry: Ancestry


@dataclass(frozen=True, slots=True)
class Restored:
    """Items that an earlier run of the same id finished; sent right after `Begin`, openers before what they open."""

    step: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A call returned; one outcome for each item. `reused` items came from the journal, without a call."""

    task: int
    outcomes: tuple[Outcome, ...]
    usage: Usage | None = None
    reused: int = 0


@dataclass(frozen=True, slots=True)
class BatchCrashed:
    """A call did not return. `lost`: its worker or instance died (retry elsewhere); else the agent raised (bisect).

    `unable`: its agent cannot be loaded on that worker, so that none of its step's calls is to be made there.
    """

    task: int
    error: str
    lost: bool = False
    usage: Usage | None = None
    unable: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """What `Record` asked for is durable."""

    task: int


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker is there to be used."""

    worker: WorkerView


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker is gone, with every instance on it; `aside`: nothing died, but it gives no sign of life."""

    worker: str
    aside: bool = False


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The user stops the run."""

    reason: str = "stopped"


@dataclass(frozen=True, slots=True)
class Called:
    """A batch is really being done: not all of it was known from earlier runs. Sent for `RunLoop.heralds` only."""

    step: str


@dataclass(frozen=True, slots=True)
class EngineReady:
    """An engine answers; those that call it must be on `host`, unless that is empty."""

    engine: str
    host: str = ""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class EngineLost:
    """An engine is gone. Its calls wait in the driver for it to come back, unless it is `final`."""

    engine: str
    error: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that `SetTimer` asked for."""

    name: str


Message = (
    Begin
    | Arrived
    | Restored
    | BatchDone
    | BatchCrashed
    | Recorded
    | WorkerJoined
    | WorkerLost
    | StopRequested
    | Called
    | EngineReady
    | EngineLost
    | TimerFired
)


# --- decisions out -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submit:
    """Run a batch on its instance (started when it is not running yet)."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Cancel:
    """Abort a running batch: its instance is killed if it must be."""

    task: int


@dataclass(frozen=True, slots=True)
class Record:
    """Make the outcomes of a task durable, then send `Recorded`: only then do they count."""

    task: int
    step: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Retire:
    """Stop an instance that is not needed any more."""

    instance: InstanceId


@dataclass(frozen=True, slots=True)
class StartEngine:
    """Have an engine answer (it may do so already), then send `EngineReady`, or a final `EngineLost`."""

    engine: str


@dataclass(frozen=True, slots=True)
class StopEngine:
    """The run needs an engine no more; the driver keeps it for the next one as long as that pays."""

    engine: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send `TimerFired(name)` at `at_s`."""

    name: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Publish an event."""

    event: Event


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    status: RunStatus
    message: str = ""


Decision = Submit | Cancel | Record | Retire | StartEngine | StopEngine | SetTimer | Tell | Finish
