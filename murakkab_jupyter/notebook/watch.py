"""What the side panel shows of one run."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.events import BatchEnded, BatchRetried, BatchStarted, ItemsRestored, WorkerChanged
from murakkab_jupyter.notebook.views.progress import StepMoment, eta_s
from murakkab_jupyter.notebook.views.state import RunState
from murakkab_jupyter.notebook.views.workers import WorkerNames

if TYPE_CHECKING:
    from murakkab_jupyter.core.figure import Figure
    from murakkab_jupyter.run import Run

__all__ = ["Watch"]


class Watch:
    """What a panel shows of one run, kept up to date from the run's events without reading any twice.

    Cells, comms and threads of the link tell panels at once: any of them may read and ask.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.begun = time.monotonic()
        self.ended_s: float | None = None
        self.energy: Figure | None = None
        self._read = 0
        self._lock = threading.Lock()
        self._state = RunState(run.workflow, run.plan, run.cluster)
        self._busy: dict[tuple[str, int], tuple[str, int]] = {}
        self._lost: set[str] = set()
        self._given: Counter[str] = Counter()
        self.joined: dict[str, int] = {}
        """Workers that have joined since it began, and their cores."""
        self.names = WorkerNames(run.cluster.workers)

    def read(self) -> None:
        """Take in the events that have come since."""
        with self._lock:
            self._take()

    def _take(self) -> None:
        for event in self.run.events[self._read :]:
            self._read += 1
            self.names.take(event)
            match event:
                case BatchStarted():
                    self._busy[event.step, event.task] = (event.worker, event.cores)
                case BatchEnded() | BatchRetried():
                    self._busy.pop((event.step, event.task), None)
                    if isinstance(event, BatchEnded):
                        self._given[event.step] += event.reused
                case ItemsRestored():
                    self._given[event.step] += event.done
                case WorkerChanged():
                    if event.change == "lost":
                        self._lost.add(event.worker)
                    else:
                        self._lost.discard(event.worker)
                        self.joined[event.worker] = event.cores
        if self.run.ended:
            self._busy.clear()
            if self.ended_s is None:
                self.ended_s = self._lasted_s()
            self.energy = self.run.energy

    def _lasted_s(self) -> float:
        """How long the run, which has ended, took (s), as its view says: nobody may have looked since for an hour."""
        bill = self.run.bill
        if bill is not None and bill.total.latency_s.value is not None:
            return bill.total.latency_s.value
        return max((event.at_s for event in self.run.events), default=0.0)

    def weigh(self) -> None:
        """What it has used so far, by what has come since the last time: the same energy as its view shows."""
        self._state.read(self.run.events)
        if not self.run.ended:
            self._state.seconds = max(self._state.seconds, time.monotonic() - self.begun)
            spent = self._state.spent().energy_j
            # Before the first batch has ended nothing is known of it, which is not nothing.
            self.energy = spent if spent.value else None

    def busy_cores(self, worker: str) -> int:
        """Cores of a worker that batches of this run hold."""
        with self._lock:
            return sum(cores for where, cores in self._busy.values() if where == worker)

    def lost(self, worker: str) -> bool:
        """Whether the run has lost a worker."""
        return worker in self._lost

    def to_json(self) -> dict[str, Any]:
        """The run as the panel takes it."""
        run = self.run
        with self._lock:
            at_work = {step for step, _ in self._busy}
            given = Counter(self._given)
        steps = {
            name: StepMoment(
                one.done,
                one.failed,
                one.skipped,
                one.total,
                one.expected or 0.0,
                name in at_work,
                given=min(given[name], one.done),
            )
            for name, one in run.progress().items()
        }
        elapsed = self.ended_s if self.ended_s is not None else time.monotonic() - self.begun
        planned = run.plan.predicted.get("energy")
        return {
            "id": run.id,
            "name": run.workflow.name,
            "status": run.status,
            "stopping": run.stopping.is_set() and not run.ended,
            "message": self.names.said(run.message)[:400],
            "elapsed_s": elapsed,
            "eta_s": None if run.ended else eta_s(run.plan, steps, elapsed),
            "energy": None if self.energy is None else self.energy.to_json(),
            "planned_energy": None if planned is None else planned.to_json(),
            "steps": [
                {
                    "name": name,
                    "ended": one.ended,
                    "failed": one.failed,
                    "skipped": one.skipped,
                    "total": one.total,
                    "share": one.share,
                    "busy": one.busy,
                }
                for name, one in steps.items()
            ],
        }
