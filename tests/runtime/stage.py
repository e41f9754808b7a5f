"""What the tests of report and export share: a small workflow and its values, without a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.events import Event
from murakkab_jupyter.core.kinds import Answer, Box, Boxes, Evidence, Segment, Transcript, Video
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.workflow.goal import MIN_COST
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.runtime.shelf import at, scene, video
from tests.runtime.till import plan

TEXT = "answer <- answer {question} from {heard}, per video"


def made(name: str, kind: str, *level: str, opens: bool = False) -> Step:
    return Step(name, "do it", "something", level, opens, kind, (Input("videos", "video", "same"),))


WORKFLOW = Workflow(
    "news",
    "What is said?",
    (Variable("videos", "video", ("videos",)), Variable("question", "text", ())),
    (
        made("scenes", "scene", "videos", opens=True),
        made("heard", "transcript", "videos", "scenes"),
        made("seen", "boxes", "videos", "scenes"),
        made("vector", "vector", "videos", "scenes"),
        made("answer", "answer", "videos"),
        made("whole", "record"),
    ),
    MIN_COST,
    TEXT,
)

A, B = "/films/a.mp4", "/films/b.mp4"


def transcript(start_s: float, *words: str) -> Transcript:
    return Transcript(tuple(Segment(start_s + n, start_s + n + 0.5, w) for n, w in enumerate(words)), "en")


def values() -> dict[str, dict[Ancestry, Any]]:
    import numpy as np

    films: dict[Ancestry, Video] = {at(0): video(A), at(1): video(B, "b" * 64)}
    return {
        "videos": films,
        "question": {(): "Who?"},
        "scenes": {at(0, 0): scene(0.0), at(0, 1): scene(5.0), at(1, 0): scene(0.0, B, "b" * 64)},
        "heard": {at(0, 0): transcript(0.0, "hello", "there"), at(1, 0): Transcript(note="no audio track")},
        "seen": {at(0, 1): Boxes((Box("cat", 0.9, 0.0, 0.0, 1.0, 1.0), Box("cat", 0.8, 0.0, 0.0, 1.0, 1.0)))},
        "vector": {at(0, 0): np.array([1.0, 2.0], dtype=np.float32)},
        "answer": {at(0): Answer("A cat.", (Evidence(A, 5.0, 10.0, "cat"),))},
        "whole": {(): {"films": 2}},
    }


@dataclass
class FakeStore:
    """Values by name, as a `ValueStore` gives them."""

    made: dict[str, dict[Ancestry, Any]] = field(default_factory=values)

    def outputs(self, name: str) -> Mapping[Ancestry, Any]:
        return self.made[name]


@dataclass
class FakeRun:
    """What a report reads of a run."""

    id: str = "one"
    workflow: Workflow = WORKFLOW
    plan: Plan = field(default_factory=lambda: plan("heard", "seen"))
    store: FakeStore = field(default_factory=FakeStore)
    events: list[Event] = field(default_factory=list)
    status: str = "partial"
    message: str = "1 failed"
    bill: Bill | None = None
