"""Workflows, plans and values made by hand, for tests of what is shown."""

from __future__ import annotations

import io
from collections.abc import Sequence

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    Event,
    ItemFailed,
    LevelClosed,
    Notice,
    Reconfigured,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    Usage,
    WorkerChanged,
)
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView
from murakkab_jupyter.core.kinds import (
    Answer,
    Box,
    Boxes,
    Evidence,
    Frame,
    Scene,
    Segment,
    Transcript,
    Video,
)
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.notebook.views.results import Results
from murakkab_jupyter.notebook.views.state import RunState
from murakkab_jupyter.planner.plan import Alternative, Configuration, Plan, StepPlan
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

VIDEO = Video(Media("/media/council.mp4", "0" * 64, 1000), 24.0, 1280, 720, 25.0, True)
V, S = ("videos",), ("videos", "scenes")
ROOT = ()


def newsroom() -> Workflow:
    return Workflow(
        "newsroom",
        "List the objects.",
        (Variable("videos", "video", V), Variable("question", "text", ())),
        (
            Step(
                "scenes",
                "split {videos} into scenes",
                "scene-detection",
                V,
                True,
                "scene",
                (Input("videos", "video", "same"),),
            ),
            Step(
                "frames",
                "take frames from {scenes}",
                "frame-extraction",
                S,
                True,
                "frame",
                (Input("scenes", "scene", "same"),),
            ),
            Step(
                "transcript",
                "transcribe the speech in {scenes}",
                "speech-to-text",
                S,
                False,
                "transcript",
                (Input("scenes", "audio", "same"),),
            ),
            Step(
                "objects",
                "detect the objects in {frames}",
                "object-detection",
                (*S, "frames"),
                False,
                "boxes",
                (Input("frames", "image", "same"),),
            ),
            Step(
                "summary",
                "summarise the scene from {objects} and {transcript}",
                "text-generation",
                S,
                False,
                "text",
                (Input("objects", "context", "gather"), Input("transcript", "context", "same")),
            ),
            Step(
                "answer",
                "answer {question} from {summary}, per all",
                "question-answering",
                (),
                False,
                "answer",
                (Input("question", "question", "same"), Input("summary", "context", "gather")),
                per="all",
            ),
        ),
        Goal(("energy",)),
        "",
    )


def figures(
    start: float, end: float, cpu: float, quality: float | None = 0.9, source: str = "prior"
) -> dict[str, Figure]:
    return {
        "latency": Figure(end - start, "s", (end - start) * 0.7, (end - start) * 1.6, source),
        "cpu": Figure(cpu, "s", cpu * 0.8, cpu * 1.3, source),
        "energy": Figure(cpu * 9.5, "J", source="prior", method="estimate", note="package, from CPU-seconds"),
        "cost": Figure(cpu * 9.5 / 3.6e6 * 0.3, "USD", source="prior"),
        "quality": unknown("1", "never judged")
        if quality is None
        else Figure(quality, "1", source="published"),
        "start": Figure(start, "s", source=source),
        "end": Figure(end, "s", source=source),
    }


def plan() -> Plan:
    rows = {
        "scenes": (
            Configuration("scenedetect-content", (("stride", 2),), cores=2),
            1,
            figures(0, 3.1, 4.2, 0.95, "measured"),
            None,
        ),
        "frames": (Configuration("still-frames", (("count", 3),)), 5, figures(0.9, 4.4, 1.4, 1.0), None),
        "transcript": (
            Configuration("moonshine-tiny", (), cores=1, siblings=True),
            5,
            figures(3.1, 7.8, 4.6, 0.87),
            Alternative(
                Configuration("whisper-base", (("beam", 5),), cores=2),
                "it is 4 points better but takes 2.6x the energy (113 J, not 44 J), and the goal puts energy first",
            ),
        ),
        "objects": (
            Configuration("ssd-mobilenet-v2", (), instances=2, batch=4),
            15,
            figures(1.4, 6.2, 5.1, None),
            Alternative(
                Configuration("ssd-mobilenet-v2", (), instances=1, batch=8),
                "it takes the same energy but ends 2.4 s later",
            ),
        ),
        "summary": (
            Configuration("smollm2-135m", (("max_tokens", 96),)),
            5,
            figures(6.2, 14.9, 8.6, 0.7),
            None,
        ),
        "answer": (Configuration("extractive", ()), 1, figures(14.9, 15.1, 0.2, 0.62), None),
    }
    totals = figures(0, 15.1, 24.1, 0.41)
    return Plan(
        "newsroom",
        Goal(("energy", "latency")),
        {name: StepPlan(c, items, f, other) for name, (c, items, f, other) in rows.items()},
        {key: totals[key] for key in ("latency", "cpu", "energy", "cost", "quality")},
        binding="quality good (95 % of what the agents here can reach) keeps whisper-tiny out",
        notes=("Tesseract is not installed, so ocr could only be done by rapidocr.",),
    )


SAID = (
    "Good evening, and welcome. The council met today to decide on the new bridge over the river.",
    "Cyclists have asked for a lane of their own since 2019.",
    "",
    "The vote was nine to four in favour, the mayor said after the meeting.",
    "Work begins in May.",
)


def values(scenes: int = 5) -> dict[str, dict]:
    cut = VIDEO.duration_s / scenes
    keys = [(("videos", 0), ("scenes", i)) for i in range(scenes)]
    found: dict[str, dict] = {
        "videos": {(("videos", 0),): VIDEO},
        "question": {(): "What did the council decide?"},
        "scenes": {key: Scene(VIDEO, i * cut, (i + 1) * cut) for i, key in enumerate(keys)},
        "frames": {},
        "objects": {},
        "transcript": {},
        "summary": {},
    }
    for i, key in enumerate(keys):
        words = SAID[i % len(SAID)]
        found["transcript"][key] = Transcript(
            (Segment(i * cut, (i + 1) * cut, words),) if words else (),
            "en",
            "" if words else "no audio track",
        )
        found["summary"][key] = f"A person speaks at a bench. {words}".strip()
        for j in range(3):
            one = (*key, ("frames", j))
            found["frames"][one] = Frame(VIDEO, i * cut + j)
            labels = ("person", "person", "tie") if j else ("person", "bicycle")
            found["objects"][one] = Boxes(tuple(Box(label, 0.9, 0, 0, 1, 1) for label in labels))
    found["answer"] = {
        (): Answer(
            "The council voted nine to four to build the new bridge.",
            (
                Evidence(
                    "/media/council.mp4",
                    14.4,
                    19.2,
                    "The vote was nine to four in favour, the mayor said after the meeting.",
                ),
                Evidence(
                    "/media/council.mp4",
                    0.0,
                    4.8,
                    "The council met today to decide on the new bridge over the river.",
                ),
            ),
        )
    }
    return found


def jpeg(value: object, width: int) -> bytes:
    """A real JPEG, drawn here: stands in for a still of a film."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    at = getattr(value, "time_s", 0.0)
    picture = Pictures.new("RGB", (width, width * 9 // 16), (40, int(90 + at * 4) % 255, 140))
    ImageDraw.Draw(picture).ellipse([width // 3, 10, width // 2, width // 3], fill=(220, 200, 160))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=60)
    return out.getvalue()


def results(scenes: int = 5, failures: tuple = ()) -> Results:
    return Results(newsroom(), values(scenes), failures, jpeg)


POWER = HostPower(
    Figure(12.0, "W", source="prior"),
    Figure(9.5, "W", source="prior"),
    electricity_usd_per_kwh=Figure(0.3, "USD/kWh", source="prior"),
)
LEFT, RIGHT = "tcp://127.0.0.1:4001", "tcp://127.0.0.1:4002"


def cluster() -> ClusterView:
    """Two workers on two hosts."""
    return ClusterView(
        (
            WorkerView(LEFT, "left", 2, 8 * 10**9, power=POWER),
            WorkerView(RIGHT, "right", 2, 8 * 10**9, power=POWER),
        )
    )


def story() -> list[Event]:
    """Events of a run that loses a worker in the middle and is not over yet."""
    video = (("videos", 0),)
    scene = (*video, ("scenes", 4))
    return [
        RunStarted(0.0, "ab12", {"scenes": 1, "frames": 5, "transcript": 5, "objects": 15}),
        StepStarted(0.0, "scenes"),
        BatchStarted(0.0, "scenes", 0, LEFT, 0, 1, 2),
        BatchEnded(3.0, "scenes", 0, LEFT, 1, 0, usage=Usage(3.0, 4.0)),
        LevelClosed(3.0, "scenes", video, 5),
        StepEnded(3.0, "scenes", 1, 0, 0),
        BatchStarted(3.0, "frames", 1, LEFT, 0, 2, 1),
        BatchStarted(3.0, "transcript", 2, RIGHT, 0, 5, 1),
        BatchEnded(4.0, "frames", 1, LEFT, 2, 0, usage=Usage(1.0, 0.9)),
        BatchStarted(4.0, "frames", 3, LEFT, 0, 3, 1),
        ItemFailed(4.5, "frames", scene, "the frame is black"),
        WorkerChanged(5.0, RIGHT, "lost"),
        BatchEnded(5.0, "transcript", 2, RIGHT, 0, 0, wasted=True),
        BatchRetried(5.0, "transcript", 2, f"tried again: worker {RIGHT} was lost"),
        Reconfigured(
            5.0, f"worker {RIGHT} was lost", "2 workers, 4 cores", "1 worker, 2 cores; 5 items go elsewhere"
        ),
        BatchStarted(5.1, "transcript", 4, LEFT, 0, 5, 1),
        Notice(5.2, "objects goes without 1 failed value."),
    ]


def run_state(events: Sequence[Event] | None = None) -> RunState:
    """The run of `story`, one second after its last event."""
    state = RunState(newsroom(), plan(), cluster())
    state.read(story() if events is None else events)
    state.seconds += 1.0
    return state


def bill():
    """A real bill, from events as a run would publish them."""
    from murakkab_jupyter.runtime.bill import Bill

    events: list = [RunStarted(0.0, "ab12", {})]
    at = 0.0
    for task, (name, step) in enumerate(plan().steps.items()):
        took = (step.predicted["cpu"].value or 0) * 1.1
        events += [
            StepStarted(at, name),
            BatchStarted(at, name, task, "local", 0, int(step.items), 1),
            BatchEnded(
                at + took,
                name,
                task,
                "local",
                int(step.items),
                0,
                usage=Usage(
                    took,
                    took,
                    tokens_in=812 if name == "summary" else None,
                    tokens_out=190 if name == "summary" else None,
                ),
            ),
            StepEnded(at + took, name, int(step.items), 0, 0),
        ]
        at += took / 2
    events.append(RunEnded(at + 1, "done"))
    return Bill.of(events, plan(), ClusterView((WorkerView("local", "here", 2, 8 * 10**9, power=POWER),)))
