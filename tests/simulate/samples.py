"""The video workflow of the design on made-up videos, with profiles of round numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

POWER = HostPower(
    idle_w=Figure(10.0, "W", 5.0, 20.0),
    active_w_per_core=Figure(5.0, "W", 4.0, 8.0),
    electricity_usd_per_kwh=Figure(0.3, "USD/kWh"),
)


class RoundProfiles:
    """A fake book: every call takes `call_s` and `item_s` an item and `unit_s` a unit of work, halved by two cores."""

    def __init__(
        self, known: Mapping[str, tuple[float, float, float]] | None = None, *, load_s: float = 1.0
    ) -> None:
        self.known = known
        self.load_s = load_s

    def call(
        self,
        agent: str,
        options: tuple[tuple[str, Any], ...],
        *,
        cores: int,
        items: float,
        work: float,
        speed: float = 1.0,
    ) -> Prediction | None:
        if self.known is not None and agent not in self.known:
            return None
        call_s, item_s, unit_s = (self.known or {}).get(agent, (0.1, 0.1, 0.0))
        cpu = (call_s + items * item_s + work * unit_s) / speed
        seconds = cpu / cores
        return Prediction(
            Figure(seconds, "s", seconds * 0.5, seconds * 2, source="measured"),
            Figure(cpu, "s", cpu * 0.5, cpu * 2, source="measured"),
        )

    def tells_apart(self, agent: str, option: str) -> bool:
        return True

    def load(
        self, agent: str, options: tuple[tuple[str, Any], ...], *, speed: float = 1.0
    ) -> Prediction | None:
        seconds = self.load_s / speed
        return Prediction(Figure(seconds, "s", seconds, seconds, "published"), Figure(seconds, "s"))

    def memory(self, agent: str, options: tuple[tuple[str, Any], ...]) -> Figure:
        return Figure(1e8, "B")

    def quality(self, agent: str, options: tuple[tuple[str, Any], ...]) -> Figure:
        return Figure(0.9, "1", 0.8, 1.0)


def video(name: str, duration_s: float) -> Video:
    return Video(Media(f"/videos/{name}.mp4", name, 1000), duration_s, 640, 360, 25.0, has_audio=True)


def view(name: str = "w0", cores: int = 2, *, speed: float = 1.0, host: str | None = None) -> WorkerView:
    return WorkerView(name, host or name, cores, 8_000_000_000, speed=Figure(speed, "1"), power=POWER)


def cluster(*views: WorkerView) -> ClusterView:
    return ClusterView(views or (view(),))


def library() -> Library:
    return default_library()


def video_flow() -> Workflow:
    """The six steps of the design."""

    def made(
        name: str,
        capability: str,
        at: str,
        kind: str,
        *inputs: tuple[str, str, str],
        opens: bool = False,
        **options: Any,
    ) -> Step:
        return Step(
            name,
            name,
            capability,
            tuple(at.split("/")),
            opens,
            kind,
            tuple(Input(source, port, how) for source, port, how in inputs),
            options,
        )

    scenes = "videos/scenes"
    return Workflow(
        "newsroom",
        "",
        (Variable("videos", "video", ("videos",)), Variable("question", "text", ())),
        (
            made("scenes", "scene-detection", "videos", "scene", ("videos", "video", "same"), opens=True),
            made(
                "frames",
                "frame-extraction",
                scenes,
                "frame",
                ("scenes", "scene", "same"),
                opens=True,
                count=3,
            ),
            made("transcript", "speech-to-text", scenes, "transcript", ("scenes", "speech", "same")),
            made("objects", "object-detection", f"{scenes}/frames", "boxes", ("frames", "picture", "same")),
            made(
                "summary",
                "summarisation",
                scenes,
                "text",
                ("objects", "material", "gather"),
                ("transcript", "material", "same"),
            ),
            made(
                "answer",
                "question-answering",
                "videos",
                "answer",
                ("question", "question", "broadcast"),
                ("summary", "context", "gather"),
            ),
        ),
        Goal(),
        "",
    )


def configurations(workflow: Workflow, **changes: Configuration) -> dict[str, Configuration]:
    return {
        step.name: changes.get(step.name, Configuration(f"{step.name}-agent", batch=4))
        for step in workflow.steps
    }
