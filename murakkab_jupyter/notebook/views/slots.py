"""A run as data for front ends that can draw more than HTML: its steps, and what ran when in which worker slot.

A slot holds one batch at a time, so that nothing on its line overlaps. A long run has more batches than a
saved notebook should hold: neighbours of one step are joined until few enough are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    Event,
    Notice,
    Reconfigured,
    WorkerChanged,
)
from murakkab_jupyter.notebook.views.workers import WorkerNames

if TYPE_CHECKING:
    from murakkab_jupyter.core.figure import Figure
    from murakkab_jupyter.run import Run

__all__ = ["MOST_BARS", "MOST_MARKS", "Bar", "Slots", "bars_of", "joined", "mark_of", "marks_of", "run_json"]

FORMAT = 1
MOST_BARS = 400
MOST_SAVED = 80
"""Bars of a run as a notebook keeps it: Jupyter writes each number of them on a line of its own."""
MOST_MARKS = 60


@dataclass(slots=True)
class Bar:
    """One batch (or several joined) in a slot of a worker."""

    worker: str
    slot: int
    step: str
    start_s: float
    end_s: float
    done: int = 0
    failed: int = 0
    reused: int = 0
    batches: int = 1
    wasted: bool = False


class Slots:
    """What ran when and where, kept up to date event by event; a slot holds one batch at a time."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._held: dict[str, list[Bar | None]] = {}
        self._open: dict[tuple[str, int], Bar] = {}
        self._closed: list[Bar] = []
        self.last_s = 0.0

    def take(self, event: Event) -> None:
        """Take in one event."""
        self.last_s = max(self.last_s, event.at_s)
        match event:
            case BatchStarted():
                before = self._open.pop((event.step, event.task), None)
                if before is not None:  # begun anew elsewhere without a word of its end
                    self._free(before, event.at_s)
                mine = self._held.setdefault(event.worker, [])
                slot = next((i for i, held in enumerate(mine) if held is None), len(mine))
                bar = Bar(event.worker, slot, event.step, event.at_s, event.at_s)
                mine[slot : slot + 1] = [bar]
                self._open[event.step, event.task] = bar
            case BatchEnded():
                ended = self._open.pop((event.step, event.task), None)
                if ended is not None:
                    ended.done, ended.failed, ended.reused = event.done, event.failed, event.reused
                    ended.wasted = event.wasted
                    self._free(ended, event.at_s)
            case BatchRetried():
                tried = self._open.pop((event.step, event.task), None)
                if tried is not None:
                    tried.wasted = True
                    self._free(tried, event.at_s)

    def _free(self, bar: Bar, at_s: float) -> None:
        bar.end_s = max(bar.start_s, at_s)
        self._held[bar.worker][bar.slot] = None
        self._closed.append(bar)
        if self._most is not None and len(self._closed) >= 2 * self._most:
            self._closed = joined(self._closed, self._most)

    @property
    def busy(self) -> set[str]:
        """The steps of which a batch is under way."""
        return {step for step, _ in self._open}

    @property
    def workers(self) -> list[str]:
        """Workers in the order in which they were first used."""
        return list(self._held)

    def bars(self) -> list[Bar]:
        """Every bar, by beginning; what has not ended lasts until the last event (or `last_s` as it was set)."""
        for bar in self._open.values():
            bar.end_s = max(bar.start_s, self.last_s)
        return sorted([*self._closed, *self._open.values()], key=lambda bar: bar.start_s)


def bars_of(events: Iterable[Event]) -> list[Bar]:
    """What ran when and where; a batch that never ended lasts until the last event."""
    slots = Slots()
    for event in events:
        slots.take(event)
    return slots.bars()


def joined(bars: Sequence[Bar], most: int = MOST_BARS) -> list[Bar]:
    """At most about `most` bars: those of one step in one slot that lie close together become one."""
    found = sorted(bars, key=lambda bar: (bar.worker, bar.slot, bar.start_s))
    end = max((bar.end_s for bar in found), default=0.0)
    gap = end / 2000
    while len(found) > most:
        kept: list[Bar] = []
        for bar in found:
            last = kept[-1] if kept else None
            if (
                last is not None
                and (last.worker, last.slot, last.step) == (bar.worker, bar.slot, bar.step)
                and bar.start_s - last.end_s <= gap
                and last.wasted == bar.wasted
            ):
                last.end_s = max(last.end_s, bar.end_s)
                last.done += bar.done
                last.failed += bar.failed
                last.reused += bar.reused
                last.batches += bar.batches
            else:
                kept.append(bar)
        found = kept
        if gap > end:  # steps that take turns in a slot cannot be joined: the longest tell most
            longest = sorted(found, key=lambda bar: bar.start_s - bar.end_s)[:most]
            return sorted(longest, key=lambda bar: (bar.worker, bar.slot, bar.start_s))
        gap = gap * 3 or 1e-9
    return found


def mark_of(event: Event) -> dict[str, Any] | None:
    """A worker that changed, a retry, a reconfiguration or a notice in words; None for other events."""
    match event:
        case WorkerChanged():
            said = f"worker {event.worker} {'was lost' if event.change == 'lost' else 'joined'}"
            return {"at_s": event.at_s, "kind": event.change, "text": said}
        case BatchRetried():
            why = event.reason if event.reason.startswith("tried ") else f"tried again: {event.reason}"
            said = f"{event.step} is {why}"
            return {"at_s": event.at_s, "kind": "retried", "text": said}
        case Reconfigured():
            gain = f" ({event.gain})" if event.gain else ""
            said = f"{event.cause}: {event.before} → {event.after}{gain}"
            return {"at_s": event.at_s, "kind": "reconfigured", "text": said}
        case Notice():
            return {"at_s": event.at_s, "kind": "notice", "text": event.message}
    return None


def marks_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """What happened to the run: workers, retries, reconfigurations and notices, each with its time."""
    return [mark for event in events if (mark := mark_of(event)) is not None]


def short_json(one: Figure) -> dict[str, Any]:
    """A figure as JSON with no more digits than anybody reads."""
    return {key: float(f"{v:.6g}") if isinstance(v, float) else v for key, v in one.to_json().items()}


def run_json(run: Run) -> dict[str, Any]:
    """A run as compact JSON: how it stands, its steps with what was planned and used, its bars and marks."""
    events = tuple(run.events)
    bars = joined(bars_of(events), MOST_SAVED)
    marks = marks_of(events)
    bill = run.bill
    lines = {} if bill is None else {line.name: line for line in bill.steps}
    names = list(run.plan.steps)
    workers = list(dict.fromkeys(bar.worker for bar in bars))
    called = WorkerNames(run.cluster.workers, events)
    progress = run.progress()
    steps = []
    for name, step in run.plan.steps.items():
        line = lines.get(name)
        one = progress.get(name)
        steps.append(
            {
                "name": name,
                "agent": step.configuration.agent,
                "device": step.configuration.device,
                "done": 0 if one is None else one.done,
                "failed": 0 if one is None else one.failed,
                "skipped": 0 if one is None else one.skipped,
                "reused": 0 if line is None else line.reused,
                "predicted": {key: short_json(figure) for key, figure in step.predicted.items()},
                "actual": {}
                if line is None
                else {key: short_json(figure) for key, figure in line.actual().items()},
            }
        )
    return {
        "format": FORMAT,
        "run": run.id,
        "workflow": run.workflow.name,
        "status": run.status,
        "message": called.said(run.message)[:2000],
        "seconds": round(max((event.at_s for event in events), default=0.0), 4),
        "steps": steps,
        "workers": [called.of(worker) for worker in workers],
        "addresses": workers,
        "bars": [
            [
                workers.index(bar.worker),
                bar.slot,
                names.index(bar.step) if bar.step in names else -1,
                round(bar.start_s, 4),
                round(bar.end_s, 4),
                bar.done,
                bar.failed,
                bar.reused,
                bar.batches,
                int(bar.wasted),
            ]
            for bar in bars
        ],
        "marks": [
            {**mark, "at_s": round(mark["at_s"], 4), "text": called.said(mark["text"])[:400]}
            for mark in marks[:MOST_MARKS]
        ],
        "marks_left_out": max(0, len(marks) - MOST_MARKS),
        "predicted": {key: short_json(figure) for key, figure in run.plan.predicted.items()},
        "actual": {}
        if bill is None
        else {key: short_json(figure) for key, figure in bill.total.actual().items()},
    }
