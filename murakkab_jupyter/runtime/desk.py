"""What the loop says on each message: decisions, and events that tell the run's story."""

from __future__ import annotations

from murakkab_jupyter.core.ancestry import Ancestry, format_ancestry
from murakkab_jupyter.core.events import BatchEnded, Event, ItemFailed, Notice, Usage
from murakkab_jupyter.runtime.items import Item, State
from murakkab_jupyter.runtime.messages import Decision, SetTimer, Tell
from murakkab_jupyter.runtime.steps import Running, StepState

__all__ = ["TOLD_NOTICES", "Desk"]

TOLD_NOTICES = 3
"""Gathers of a step that are told one by one when they go without something; the rest are summed up."""


class Desk:
    """Collects the decisions of one message; `now_s` is the driver's clock.

    `first_error` is the first failure of the run, for its last line.
    """

    def __init__(self) -> None:
        self.out: list[Decision] = []
        self.now_s = 0.0
        self.start_s = 0.0
        self.first_error = ""

    @property
    def at_s(self) -> float:
        """Seconds since the run began."""
        return self.now_s - self.start_s

    def decide(self, decision: Decision) -> None:
        """Have the driver do something."""
        self.out.append(decision)

    def tell(self, event: Event) -> None:
        """Publish an event."""
        self.out.append(Tell(event))

    def wake(self, name: str, after_s: float) -> None:
        """Have the driver send `TimerFired(name)` after some seconds."""
        self.out.append(SetTimer(name, self.now_s + after_s))

    def bad_root(self, name: str, ancestry: Ancestry, error: str) -> None:
        """A root item that cannot be read."""
        self.first_error = self.first_error or f"{name}, {format_ancestry(ancestry)}: {error}"
        self.tell(ItemFailed(self.at_s, name, ancestry, error))

    def failure(self, item: Item) -> None:
        """An item failed, or was skipped."""
        ancestry = item.node.ancestry
        if item.state is State.FAILED:
            self.bad_root(item.step, ancestry, item.cause)
            return
        error = f"{item.blame} failed: {item.cause}"
        self.tell(ItemFailed(self.at_s, item.step, ancestry, error, item.blame))

    def left_out(self, state: StepState, item: Item) -> None:
        """An item's gathers go without something."""
        state.left_out += item.left_out
        state.losers += 1
        if state.losers <= TOLD_NOTICES:
            what = f"{item.left_out} failed {'value' if item.left_out == 1 else 'values'}"
            where = format_ancestry(item.node.ancestry)
            self.tell(Notice(self.at_s, f"{item.step}, {where}: goes without {what}."))

    def all_left_out(self, state: StepState) -> None:
        """A step has ended: what its gathers went without in all, when not every one was told."""
        if state.losers > TOLD_NOTICES:
            items = f"{state.losers} items of {state.step.name}"
            self.tell(Notice(self.at_s, f"{items} went without {state.left_out} failed values in all."))

    def wasted(self, task: Running, usage: Usage | None, *, failed: int = 0) -> None:
        """A call that made nothing."""
        batch = task.batch
        worker = batch.instance.worker
        self.tell(BatchEnded(self.at_s, batch.step, batch.task, worker, 0, failed, usage=usage, wasted=True))
