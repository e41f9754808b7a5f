"""What the calls of each step used, collected from the events of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from murakkab_jupyter.core.events import BatchEnded, BatchStarted, EngineUsed, Event, RunStarted, StepEnded

__all__ = ["Calls", "collect", "one_clock"]


@dataclass(slots=True)
class Calls:
    """All calls of one step so far.

    Attributes
    ----------
    done, failed, reused
        Items that were made, failed, or taken from an earlier run (these are among `done`).
    began_s, ended_s
        First start and last end, on the run's clock.
    seconds
        Seconds instances were busy, loading included.
    cpu_by_worker, core_s_by_worker
        CPU-seconds used and core-seconds held on each worker, loading included.
    gpu_j
        GPU energy by counter, None where no call counted any.
    wasted_cpu_by_worker, wasted_gpu_j
        The part of these that came to nothing.
    tokens_in, tokens_out, tokens_cached, tokens_wasted
        None where no call counted any; `tokens_wasted` of those in and out came to nothing.
    fetch_s
        Of `seconds`, those in which weights were fetched.
    unread
        Calls that ended with no usage although they ran.
    over
        Whether every item is done, failed or skipped: where there were none, without a call.
    """

    done: int = 0
    failed: int = 0
    reused: int = 0
    began_s: float | None = None
    ended_s: float | None = None
    seconds: float = 0.0
    cpu_by_worker: dict[str, float] = field(default_factory=dict)
    core_s_by_worker: dict[str, float] = field(default_factory=dict)
    gpu_j: float | None = None
    wasted_cpu_by_worker: dict[str, float] = field(default_factory=dict)
    wasted_gpu_j: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_wasted: int | None = None
    fetch_s: float = 0.0
    unread: int = 0
    over: bool = False

    def start(self, event: BatchStarted) -> None:
        """A call began."""
        self.began_s = event.at_s if self.began_s is None else min(self.began_s, event.at_s)

    def end(self, event: BatchEnded, started: BatchStarted | None) -> None:
        """A call ended."""
        self.done += event.done
        self.failed += event.failed
        self.reused += event.reused
        self.ended_s = event.at_s if self.ended_s is None else max(self.ended_s, event.at_s)
        usage = event.usage
        if usage is None:
            # Nothing ran when every item was taken from an earlier run.
            if event.wasted or event.done + event.failed > event.reused:
                self.unread += 1
                held_s = 0.0 if started is None else event.at_s - started.at_s
                self.hold(event.worker, held_s, 0.0, 1 if started is None else started.cores)
            return
        cpu_s = usage.cpu_s + usage.load_cpu_s
        cores = 1 if started is None else started.cores
        self.fetch_s += usage.fetch_s
        self.hold(event.worker, usage.seconds + usage.load_s + usage.start_s, cpu_s, cores)
        self.gpu_j = added(self.gpu_j, usage.energy_j)
        self.tokens_in = added(self.tokens_in, usage.tokens_in)
        self.tokens_out = added(self.tokens_out, usage.tokens_out)
        self.tokens_cached = added(self.tokens_cached, usage.tokens_cached)
        wasted_tokens = usage.tokens_wasted
        if event.wasted:
            wasted_tokens = added(usage.tokens_in, usage.tokens_out)
        self.tokens_wasted = added(self.tokens_wasted, wasted_tokens)
        if event.wasted:
            wasted = self.wasted_cpu_by_worker
            wasted[event.worker] = wasted.get(event.worker, 0.0) + cpu_s
            self.wasted_gpu_j = added(self.wasted_gpu_j, usage.energy_j)

    def engine(self, event: EngineUsed) -> None:
        """An engine spent CPU-seconds on it."""
        spent = self.cpu_by_worker
        spent[event.worker] = spent.get(event.worker, 0.0) + event.cpu_s

    def hold(self, worker: str, seconds: float, cpu_s: float, cores: int) -> None:
        """Add busy time of an instance."""
        self.seconds += seconds
        self.cpu_by_worker[worker] = self.cpu_by_worker.get(worker, 0.0) + cpu_s
        self.core_s_by_worker[worker] = self.core_s_by_worker.get(worker, 0.0) + seconds * cores


Number = TypeVar("Number", int, float)


def added(total: Number | None, more: Number | None) -> Number | None:
    """The sum of what is known."""
    if more is None:
        return total
    return more if total is None else total + more


def one_clock(events: Iterable[Event]) -> Iterator[Event]:
    """A run that was resumed begins its clock again: its parts, one after another."""
    last_s = before_s = 0.0
    for told in events:
        if isinstance(told, RunStarted):
            before_s = last_s
        event = replace(told, at_s=told.at_s + before_s) if before_s else told
        last_s = max(last_s, event.at_s)
        yield event


def collect(events: Iterable[Event], steps: Iterable[str]) -> tuple[dict[str, Calls], float]:
    """The calls of every step, and the time of the last event (s); steps that are not in `steps` are left out.

    Events are on one clock.
    """
    calls = {name: Calls() for name in steps}
    started: dict[int, BatchStarted] = {}
    last_s = 0.0
    for event in events:
        last_s = max(last_s, event.at_s)
        match event:
            case RunStarted():
                started.clear()
            case EngineUsed() if event.step in calls:
                calls[event.step].engine(event)
            case BatchStarted() if event.step in calls:
                started[event.task] = event
                calls[event.step].start(event)
            case BatchEnded() if event.step in calls:
                calls[event.step].end(event, started.pop(event.task, None))
            case StepEnded() if event.step in calls:
                calls[event.step].over = True
    return calls, last_s
