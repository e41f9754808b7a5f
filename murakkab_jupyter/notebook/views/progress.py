"""A run under way: for each step how far it is, and how long it will still take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from murakkab_jupyter.core.figure import fixed
from murakkab_jupyter.notebook.views.figures import time_text
from murakkab_jupyter.notebook.views.html import shorten
from murakkab_jupyter.planner.plan import Plan

__all__ = [
    "ICONS",
    "Moment",
    "StepMoment",
    "count_words",
    "eta_s",
    "progress_line",
    "remaining_s",
    "spoken",
    "state_word",
    "steps_done",
]

ICONS = {
    "waiting": "○",
    "running": "◐",
    "done": "●",
    "with failures": "▲",
    "stopped": "■",
}


@dataclass(frozen=True, slots=True)
class StepMoment:
    """How far a step is: items done, failed, skipped, the total once it is known, and the expected one."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    total: int | None = None
    expected: float = 0.0
    busy: bool = False
    """Whether a batch of it is under way."""
    reused: int = 0
    """Of those that are done, how many an earlier run had made."""
    given: int = 0
    """Of those that are over, how many were so when this part of the run began, or came of earlier runs: they took none of its time."""

    @property
    def ended(self) -> int:
        """Items that are over, however they ended."""
        return self.done + self.failed + self.skipped

    @property
    def complete(self) -> bool:
        """Whether every item is over."""
        return self.total is not None and self.ended >= self.total

    @property
    def share(self) -> float:
        """0..1; below 1 until the total is known and reached."""
        if self.complete:
            return 1.0
        whole = float(self.total) if self.total is not None else max(self.expected, self.ended + 1.0)
        return min(0.99, self.ended / whole) if whole > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything a progress view shows.

    Attributes
    ----------
    name
        Of the workflow.
    steps
        How far each step is.
    elapsed_s
        Seconds since the run began.
    eta_s
        Seconds it will still take, None when nobody can say.
    status
        `running`, or how it ended.
    """

    name: str
    steps: Mapping[str, StepMoment]
    elapsed_s: float
    eta_s: float | None = None
    status: str = "running"


def spoken(seconds: float) -> str:
    """A time that changes while one looks: tenths below ten seconds, else whole seconds."""
    if seconds < 9.95:
        return f"{fixed(seconds, 1)} s"
    return f"{fixed(seconds)} s" if seconds < 99.5 else time_text(seconds)


def steps_done(steps: Mapping[str, StepMoment]) -> int:
    """How many steps are complete."""
    return sum(1 for step in steps.values() if step.complete)


def eta_s(plan: Plan | None, steps: Mapping[str, StepMoment], elapsed_s: float) -> float | None:
    """Seconds still to go: the plan's work left, at the pace seen so far; the plan's own time before any pace is seen.

    What was there already, of a part that was stopped or of earlier runs, says nothing of the pace, and is no part of what the plan's time is for.
    """
    weights: dict[str, float] = {}
    for name in steps:
        planned = plan.steps.get(name) if plan else None
        cpu = planned.predicted.get("cpu") if planned else None
        weights[name] = (cpu.value if cpu is not None and cpu.value else None) or 0.01
    whole = sum(weights.values())
    if whole <= 0:
        return None
    share = sum(weights[name] * step.share for name, step in steps.items()) / whole
    latency = plan.predicted.get("latency") if plan else None
    planned_s = None if latency is None else latency.value
    if share >= 1.0:
        return 0.0
    given = sum(
        weights[name] * step.share * step.given / step.ended
        for name, step in steps.items()
        if step.given and step.ended
    )
    if given:
        left = max(1e-6, 1 - given / whole)
        share = max(0.0, share - given / whole) / left
        planned_s = None if planned_s is None else planned_s * left
    if share < 0.05:
        return None if planned_s is None else max(0.0, planned_s - elapsed_s) or None
    paced = elapsed_s * (1 - share) / share
    return paced if planned_s is None else remaining_s(paced, planned_s, share, elapsed_s)


def remaining_s(paced: float, planned: float, share: float, elapsed_s: float) -> float:
    """Seconds to go, between the pace seen so far and the plan; a run that is late is not said to be nearly over.

    Parameters
    ----------
    paced
        Seconds to go at the pace seen so far.
    planned
        Seconds that the plan gives to the whole.
    share
        0..1: of the work, how much is done. The pace says little at first, for models are being loaded, and all
        at the end; the root lets it count early enough where the plan rests on a guess.
    elapsed_s
        Seconds since it began.
    """
    by_plan = max(planned - elapsed_s, planned * (1 - share))
    trust = math.sqrt(share)
    return trust * paced + (1 - trust) * by_plan


def state_word(step: StepMoment, status: str) -> str:
    """How a step of a run of this status stands, in a word of `ICONS`."""
    if step.complete:
        return "with failures" if step.failed or step.skipped else "done"
    if status != "running":
        return "stopped"
    return "running" if step.ended or step.busy else "waiting"


def count_words(step: StepMoment) -> str:
    """`3 of 5, 1 failed`."""
    if step.total is not None:
        words = f"{step.ended:,} of {step.total:,}"
    elif step.expected:
        words = f"{step.ended:,} of about {max(step.ended, round(step.expected)):,}"
    else:
        words = f"{step.ended:,}"
    if step.reused:
        words += f", {step.reused:,} from an earlier run"
    if step.failed:
        words += f", {step.failed:,} failed"
    if step.skipped:
        words += f", {step.skipped:,} skipped"
    return words


def progress_line(moment: Moment, width: int = 79) -> str:
    """One line for a terminal."""
    busy = [
        f"{name} {count_words(step)}"
        for name, step in moment.steps.items()
        if not step.complete and (step.ended or step.busy)
    ]
    words = f"{steps_done(moment.steps)} of {len(moment.steps)} steps done, {spoken(moment.elapsed_s)}"
    if moment.eta_s is not None and moment.status == "running":
        words += f", about {spoken(moment.eta_s)} to go"
    if busy:
        words += ": " + ", ".join(busy)
    return shorten(words, width)
