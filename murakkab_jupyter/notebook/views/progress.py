"""A run under way: for each step how far it is, and how long it will still take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    Event,
    Notice,
    Reconfigured,
    WorkerChanged,
)
from murakkab_jupyter.notebook.views.figures import time_text
from murakkab_jupyter.notebook.views.html import (
    ACCENT,
    BORDER,
    MUTED,
    WARN,
    Bundle,
    Html,
    clean,
    frame,
    heading,
    note,
    shorten,
    tag,
)
from murakkab_jupyter.planner.plan import Plan

__all__ = [
    "Moment",
    "StepMoment",
    "busy_steps",
    "eta_s",
    "happenings",
    "progress_line",
    "progress_view",
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
    happened
        What the user should know, latest last.
    """

    name: str
    steps: Mapping[str, StepMoment]
    elapsed_s: float
    eta_s: float | None = None
    status: str = "running"
    happened: Sequence[str] = ()


def spoken(seconds: float) -> str:
    """A time that changes while one looks: tenths below ten seconds, else whole seconds."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 99.5 else time_text(seconds)


def steps_done(steps: Mapping[str, StepMoment]) -> int:
    """How many steps are complete."""
    return sum(1 for step in steps.values() if step.complete)


def eta_s(plan: Plan | None, steps: Mapping[str, StepMoment], elapsed_s: float) -> float | None:
    """Seconds still to go: the plan's work left, at the pace seen so far; the plan's own time before any pace is seen."""
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
    planned_left = None if latency is None or latency.value is None else max(0.0, latency.value - elapsed_s)
    if share >= 1.0:
        return 0.0
    if share < 0.05:
        return planned_left or None
    paced = elapsed_s * (1 - share) / share
    if planned_left is None:
        return paced
    # The pace says little at first and all at the end.
    return share * paced + (1 - share) * planned_left


def happenings(events: Sequence[Event], most: int = 4) -> list[str]:
    """Retries, lost workers, reconfigurations and notices in words, latest last."""
    told: list[str] = []
    for event in events:
        when = time_text(event.at_s)
        match event:
            case Notice():
                told.append(f"{when}: {event.message}")
            case BatchRetried():
                told.append(f"{when}: {event.step} is tried again: {event.reason}")
            case WorkerChanged():
                told.append(
                    f"{when}: worker {event.worker} {'was lost' if event.change == 'lost' else 'joined'}"
                )
            case Reconfigured():
                gain = f" ({event.gain})" if event.gain else ""
                told.append(f"{when}: {event.cause}: {event.before} → {event.after}{gain}")
    return told[-most:]


def busy_steps(events: Sequence[Event]) -> set[str]:
    """The steps of which a batch is under way."""
    under_way: dict[tuple[str, int], str] = {}
    for event in events:
        if isinstance(event, BatchStarted):
            under_way[event.step, event.task] = event.step
        elif isinstance(event, BatchEnded | BatchRetried):
            under_way.pop((event.step, event.task), None)
    return set(under_way.values())


def state_word(step: StepMoment, status: str) -> str:
    if step.complete:
        return "with failures" if step.failed or step.skipped else "done"
    if status != "running":
        return "stopped"
    return "running" if step.ended or step.busy else "waiting"


def count_words(step: StepMoment) -> str:
    if step.total is not None:
        words = f"{step.ended} of {step.total}"
    elif step.expected:
        words = f"{step.ended} of about {max(step.ended, round(step.expected))}"
    else:
        words = f"{step.ended}"
    if step.failed:
        words += f", {step.failed} failed"
    if step.skipped:
        words += f", {step.skipped} skipped"
    return words


def progress_view(moment: Moment) -> Bundle:
    """One bar a step, with counts and a word for its state."""
    ended = steps_done(moment.steps)
    detail = f"{ended} of {len(moment.steps)} steps done · {spoken(moment.elapsed_s)}"
    if moment.status == "running" and moment.eta_s is not None:
        detail += f" · about {spoken(moment.eta_s)} to go"
    name = moment.name or "this workflow"
    line = "padding:2px 12px 2px 0;border:0;text-align:left;white-space:nowrap;vertical-align:middle;background:transparent"
    rows: list[Html] = []
    lines = [f"Run of {name}: {moment.status}: {detail}"]
    longest = max((len(shorten(one, 24)) for one in moment.steps), default=0)
    for step_name, step in moment.steps.items():
        word = state_word(step, moment.status)
        percent = round(100 * step.share)
        rows.append(
            tag(
                "tr",
                tag("th", shorten(step_name, 32), scope="row", style=f"{line};font-weight:600"),
                tag("td", bar(step, word), style=f"{line};width:260px"),
                tag("td", f"{ICONS[word]} {word}", style=line),
                tag("td", count_words(step), style=f"{line};{MUTED};font-variant-numeric:tabular-nums"),
                style="background:transparent;border:0",
            )
        )
        blocks = "█" * round(step.share * 20)
        lines.append(
            f"  {shorten(step_name, 24):<{longest}}  {blocks:░<20}  {percent:>3}%  {ICONS[word]} {word:<13} {count_words(step)}"
        )
    html = frame(
        f"Progress of {name}",
        heading(f"Run · {moment.status}", f"{name} · {detail}"),
        tag(
            "table",
            tag("tbody", *rows),
            aria_label="Progress of each step",
            style="border-collapse:collapse;border:0;margin:0;font-size:13px",
        ),
        *(note("• ", shorten(one, 300)) for one in moment.happened),
    )
    lines += [f"  • {shorten(one, 160)}" for one in moment.happened]
    return Bundle(html, clean("\n".join(line.rstrip() for line in lines)))


def bar(step: StepMoment, word: str) -> Html:
    percent = 100 * step.share
    colour = WARN if word == "with failures" else ACCENT
    return tag(
        "div",
        tag("div", "", style=f"width:{percent:.1f}%;height:10px;background:{colour};border-radius:5px"),
        role="progressbar",
        aria_valuenow=round(percent),
        aria_valuemin=0,
        aria_valuemax=100,
        aria_label=count_words(step),
        style=f"width:260px;height:10px;border:{BORDER};border-radius:6px;overflow:hidden;background:rgba(128,128,128,.12)",
    )


def progress_line(moment: Moment, width: int = 79) -> str:
    """One line for a terminal."""
    busy = [
        f"{name} {count_words(step)}"
        for name, step in moment.steps.items()
        if not step.complete and step.ended
    ]
    words = f"{steps_done(moment.steps)} of {len(moment.steps)} steps done, {spoken(moment.elapsed_s)}"
    if moment.eta_s is not None and moment.status == "running":
        words += f", about {spoken(moment.eta_s)} to go"
    if busy:
        words += ": " + ", ".join(busy)
    return shorten(words, width)
