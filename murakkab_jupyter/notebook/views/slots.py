"""What ran when in which worker slot, and what happened meanwhile, from a run's events.

A slot holds one batch at a time, so that nothing on its line overlaps. A long run has more batches than a
saved notebook should hold: neighbours of one step are joined until few enough are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    Event,
    Notice,
    Reconfigured,
    WorkerChanged,
)

__all__ = ["MOST_BARS", "MOST_MARKS", "Bar", "Slots", "joined", "mark_of"]

MOST_BARS = 400
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
