"""A run as its events tell it: what views of a run under way, or ended, are made from. Nothing else is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchStarted,
    CoresReserved,
    EngineUsed,
    Event,
    ItemFailed,
    ItemsRestored,
    LevelClosed,
    RunEnded,
    RunStarted,
    StepEnded,
    WorkerChanged,
)
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.notebook.views.progress import Moment, StepMoment, eta_s, remaining_s
from murakkab_jupyter.notebook.views.slots import MOST_BARS, MOST_MARKS, Slots, mark_of
from murakkab_jupyter.notebook.views.workers import WorkerNames
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.runtime.billing import Draft
from murakkab_jupyter.runtime.line import Line
from murakkab_jupyter.runtime.usage import Calls
from murakkab_jupyter.workflow.model import Step, Workflow

__all__ = ["RunState"]


class Counts:
    """What the events say of one step's items."""

    __slots__ = ("began_s", "children", "done", "ended", "failed", "given", "reused", "skipped")

    def __init__(self) -> None:
        self.done = self.failed = self.given = self.reused = self.skipped = 0
        self.children = 0  # of what it opens, so far
        self.began_s: float | None = None
        self.ended = False


class RunState:
    """Everything a view of a run shows, kept up to date event by event.

    An event costs the same however many came before, so that ten thousand items are no more work for a view
    than ten.

    Parameters
    ----------
    workflow, plan, cluster
        What is run, how, and where; the plan's predictions stand beside what was used.
    """

    def __init__(self, workflow: Workflow, plan: Plan, cluster: ClusterView) -> None:
        self.workflow = workflow
        self.plan = plan
        self.cluster = cluster
        self.run_id = ""
        self.status = "running"
        self.message = ""
        self.seconds = 0.0
        """When the last event came (s); a view that knows better sets it."""
        self.resumed = False
        """Whether its events are of the last part of a run that was stopped before."""
        self.total: Line | None = None
        """What was used, of a run that has ended and has a bill."""
        self.slots = Slots(MOST_BARS)
        self.names = WorkerNames(cluster.workers)
        self.marks: list[dict[str, Any]] = []
        self.marks_left_out = 0
        self.expected: dict[str, float] = {name: step.items for name, step in plan.steps.items()}
        self._counts = {step.name: Counts() for step in workflow.steps}
        self._calls = {name: Calls() for name in plan.steps}
        self._started: dict[int, BatchStarted] = {}
        self._changes: list[Event] = []  # of its workers and their cores
        self._read = 0

    # --- events in --------------------------------------------------------------------------------------------

    def read(self, events: Sequence[Event]) -> int:
        """Take in what has come since the last call of a list that only grows; returns how many were new."""
        fresh = events[self._read :]
        self._read += len(fresh)
        for event in fresh:
            self.take(event)
        return len(fresh)

    def take(self, event: Event) -> None:
        """Take in one event."""
        self.seconds = max(self.seconds, event.at_s)
        self.slots.take(event)
        self.names.take(event)
        if isinstance(event, CoresReserved | RunStarted | WorkerChanged):
            self._changes.append(event)
        mark = mark_of(event)
        if mark is not None:
            self._mark(mark)
        match event:
            case RunStarted():
                self.run_id = event.run_id
                self.expected |= event.expected
            case BatchStarted():
                self._started[event.task] = event
                if (counts := self._counts.get(event.step)) is not None and counts.began_s is None:
                    counts.began_s = event.at_s
                if (calls := self._calls.get(event.step)) is not None:
                    calls.start(event)
            case BatchEnded():
                if (counts := self._counts.get(event.step)) is not None:
                    counts.done += event.done
                    counts.reused += event.reused
                    counts.given += event.reused
                if (calls := self._calls.get(event.step)) is not None:
                    calls.end(event, self._started.pop(event.task, None))
            case EngineUsed():
                if (calls := self._calls.get(event.step)) is not None:
                    calls.engine(event)
            case ItemsRestored():
                self.resumed = True
                if (counts := self._counts.get(event.step)) is not None:
                    counts.done += event.done
                    counts.given += event.done
            case ItemFailed():
                if (counts := self._counts.get(event.step)) is not None:
                    if event.blame in (None, event.step):
                        counts.failed += 1
                    else:
                        counts.skipped += 1
            case LevelClosed():
                if (counts := self._counts.get(event.step)) is not None:
                    counts.children += event.children
            case StepEnded():
                if (counts := self._counts.get(event.step)) is not None:
                    counts.done, counts.failed, counts.skipped = event.done, event.failed, event.skipped
                    counts.ended = True
            case RunEnded():
                self.status, self.message = event.status, event.message

    def end(self, status: str, message: str, total: Line | None = None) -> None:
        """The run has ended, whatever the events say; `total` is the last line of its bill."""
        self.status, self.message, self.total = status, message, total
        if total is not None and total.latency_s.value is not None:
            self.seconds = total.latency_s.value

    def _mark(self, mark: dict[str, Any]) -> None:
        # The first tell how it began to go wrong, the last how it is now.
        self.marks.append(mark)
        if len(self.marks) > MOST_MARKS:
            del self.marks[MOST_MARKS // 2]
            self.marks_left_out += 1

    # --- what is shown ----------------------------------------------------------------------------------------

    def steps(self) -> dict[str, StepMoment]:
        """How far each step is, in the workflow's order."""
        busy = self.slots.busy
        return {
            step.name: StepMoment(
                counts.done,
                counts.failed,
                counts.skipped,
                self._total(step, counts),
                self.expected.get(step.name, 0.0),
                step.name in busy,
                counts.reused,
                counts.given,
            )
            for step in self.workflow.steps
            for counts in (self._counts[step.name],)
        }

    def _total(self, step: Step, counts: Counts) -> int | None:
        """How many items a step has, None while what opens its level has still to say."""
        if counts.ended:
            return counts.done + counts.failed + counts.skipped
        if not step.at:
            return 1
        opener = self._counts.get(step.at[-1])
        if opener is not None:
            return opener.children if opener.ended else None
        # A variable's level: its items are counted when the plan is made.
        items = self.expected.get(step.name)
        return None if items is None else round(items)

    def left_s(self, name: str) -> float | None:
        """Seconds a step will still take: by the plan until it has a pace of its own; None where neither tells."""
        counts = self._counts[name]
        step = self.steps_of(name)
        if step.complete or self.status != "running":
            return None
        whole = float(step.total) if step.total is not None else max(step.expected, step.ended + 1.0)
        planned = self.plan.steps.get(name)
        start, end = (planned.predicted.get(key) if planned is not None else None for key in ("start", "end"))
        begins, ends = (None if one is None else one.value for one in (start, end))
        # What was there already took none of its time.
        fresh = step.ended - step.given
        if counts.began_s is None or fresh <= 0:
            return None if ends is None else max(0.0, ends - self.seconds) or None
        elapsed = self.seconds - counts.began_s
        paced = elapsed * max(0.0, whole - step.ended) / fresh
        if begins is None or ends is None:
            return paced
        left = max(1.0, whole - step.given)
        planned_s = (ends - begins) * left / max(1.0, whole)
        return remaining_s(paced, planned_s, min(step.share, fresh / left), elapsed)

    def steps_of(self, name: str) -> StepMoment:
        """How far one step is."""
        step = self.workflow.step(name)
        counts = self._counts[name]
        total = self._total(step, counts)
        expected = self.expected.get(name, 0.0)
        return StepMoment(
            counts.done,
            counts.failed,
            counts.skipped,
            total,
            expected,
            reused=counts.reused,
            given=counts.given,
        )

    def moment(self) -> Moment:
        """How far the run is, for a line of a terminal."""
        steps = self.steps()
        eta = eta_s(self.plan, steps, self.seconds) if self.status == "running" else None
        return Moment(self.workflow.name, steps, self.seconds, eta, self.status)

    def spent(self) -> Line:
        """What the run has used so far, idle of what it holds included: the total of a bill made out now."""
        if self.total is not None:
            return self.total
        _, _, whole = Draft(self.plan, self.cluster, self._calls, self.seconds, self._changes).lines(None)
        return whole
