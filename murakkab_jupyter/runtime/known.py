"""Beforehand: which items of a plan earlier runs have made already, and which steps are stale.

The run loop itself is played, with lookups in the place of calls: what is not known fails, and with it
whatever would be made from it.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.events import Event, ItemFailed, RunStarted
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import (
    Batch,
    BatchDone,
    Begin,
    EngineReady,
    Message,
    Outcome,
    Record,
    Recorded,
    SetTimer,
    StartEngine,
    Submit,
    TimerFired,
)
from murakkab_jupyter.runtime.recorder import MISSING, Recorder
from murakkab_jupyter.runtime.steps import upstream_of
from murakkab_jupyter.runtime.values import ValueStore
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["Known", "known_beforehand", "still_whole", "unread_before"]

PATIENCE_S = 0.5
"""A look at very many items ends after so long; what was not looked at is not spoken of."""


@dataclass(frozen=True, slots=True)
class Known:
    """For each step the items that are known, and those that are to be made as far as they can be counted.

    `whole` tells whether all items were looked at.
    """

    items: Mapping[str, int]
    missing: Mapping[str, int]
    whole: bool = True

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be made."""
        return self.whole and any(self.items.values()) and not any(self.missing.values())

    def __str__(self) -> str:
        """One sentence or two; empty where nothing is known."""
        if not any(self.items.values()):
            return ""
        taken, made = [], []
        for name, count in self.items.items():
            of = count + self.missing[name]
            if not count:
                made.append(name)
            elif self.missing[name]:
                taken.append(f"{name} ({count} of {of})")
                made.append(f"the rest of {name}")
            else:
                taken.append(name)
        said = f"Taken from earlier runs: {', '.join(taken)}."
        if not self.whole:
            return f"{said} Not all items were looked for."
        if made:
            return f"{said} To be made, because it or what it is made from is new: {', '.join(made)}."
        return f"Nothing has changed: a run takes everything from earlier runs ({', '.join(taken)}), unless it is --fresh."


def known_beforehand(
    loop: RunLoop, begin: Begin, store: ValueStore, recorder: Recorder, *, patience_s: float = PATIENCE_S
) -> Known:
    """Play a loop that has not begun, and see what the recorder knows.

    Parameters
    ----------
    loop, begin, store
        As for a driver: the values of variables are in the store.
    recorder
        Is asked, and told nothing.
    patience_s
        How long it may take (s).
    """
    until_s = time.monotonic() + patience_s
    upstream = upstream_of(loop.workflow)
    absent = {step.name: Absent() for step in loop.workflow.steps}
    known = dict.fromkeys(absent, 0)
    messages: deque[Message] = deque([begin])
    timers: deque[Message] = deque()

    def look(batch: Batch, key: Ancestry) -> Outcome:
        step = loop.workflow.step(batch.step)
        value: Any = MISSING
        # A list that lacks what is still to be made is not the list that the run will have.
        if not any(absent[name].touches(key) for name in upstream[step.name]):
            with contextlib.suppress(KeyError):
                value = recorder.lookup(step, batch.configuration, store.inputs_for(step, key))
        if value is MISSING:
            absent[step.name].add(key)
            return Outcome(key, error="to be made")
        known[step.name] += 1
        store.put(step.name, key, value)
        return Outcome(key, children=len(value) if step.opens else None)

    whole = True
    while (messages or timers) and not loop.finished:
        message = messages.popleft() if messages else timers.popleft()
        for decision in loop.handle(message, 0.0):
            match decision:
                case Submit(batch):
                    messages.append(BatchDone(batch.task, tuple(look(batch, key) for key in batch.keys)))
                case Record(task):
                    messages.append(Recorded(task))
                case StartEngine(engine):
                    messages.append(EngineReady(engine))
                case SetTimer(name):
                    timers.append(TimerFired(name))
        if time.monotonic() > until_s:
            whole = False
            break
    missing = {name: one.failed + one.skipped for name, one in loop.progress().items()}
    for name, names in upstream.items():
        # Of an opener that is to be made nobody knows how many items there will be below.
        if not known[name] and any(missing[one] for one in names):
            missing[name] = max(1, missing[name])
    return Known(known, missing, whole)


def still_whole(
    workflow: Workflow,
    kept: Sequence[tuple[str, Ancestry, Any]],
    found: Collection[tuple[str, Ancestry]] = (),
) -> list[tuple[str, Ancestry, Any]]:
    """What of an earlier run's items stays when its failed ones are tried again: not these, nor what was made of a list that lacked them.

    Parameters
    ----------
    workflow
        The run's.
    kept
        `(step, ancestry, value)`, the value of a failed item `Failed`.
    found
        Values of variables, `(variable, ancestry)`, that could not be read then and can be now.
    """
    lacking = {step.name: Absent() for step in workflow.steps}
    upstream = upstream_of(workflow)
    items: dict[str, list[int]] = {}
    for index, (name, _, _) in enumerate(kept):
        items.setdefault(name, []).append(index)
    # What was made of such a value itself was made while it could be read; lists that it belongs to may lack it.
    lists: dict[str, set[Ancestry]] = {}
    for name, key in found:
        lists.setdefault(name, set()).update(key[:size] for size in range(len(key)))
    sources = {step.name: {one.source for one in step.inputs} for step in workflow.steps}
    left: set[int] = set()
    for step in workflow.steps:  # in topological order
        read = sources[step.name].union(*(sources[name] for name in upstream[step.name]))
        for index in items.get(step.name, ()):
            _, key, value = kept[index]
            if (
                isinstance(value, Failed)
                or any(lacking[name].touches(key) for name in upstream[step.name])
                or any(key in lists[name] for name in read & lists.keys())
            ):
                lacking[step.name].add(key)
            else:
                left.add(index)
    return [one for index, one in enumerate(kept) if index in left]


def unread_before(events: Iterable[Event], variables: Collection[str]) -> set[tuple[str, Ancestry]]:
    """Values of variables, `(variable, ancestry)`, that the latest part of a run could not read."""
    found: set[tuple[str, Ancestry]] = set()
    for event in events:
        if isinstance(event, RunStarted):
            found.clear()
        elif isinstance(event, ItemFailed) and event.step in variables:
            found.add((event.step, event.ancestry))
    return found


class Absent:
    """Items of a step that are to be made, by ancestry."""

    def __init__(self) -> None:
        self._own: set[Ancestry] = set()
        self._above: set[Ancestry] = set()

    def add(self, key: Ancestry) -> None:
        """One more."""
        self._own.add(key)
        self._above.update(key[:size] for size in range(len(key) + 1))

    def touches(self, key: Ancestry) -> bool:
        """Whether one of them is this, above it or below it."""
        return key in self._above or any(key[:size] in self._own for size in range(len(key)))
