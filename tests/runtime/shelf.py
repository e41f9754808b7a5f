"""What the tests of journal, recorder and reuse share: a small library, steps and values."""

from __future__ import annotations

from typing import Any

from murakkab_jupyter.agents.agent import AgentSpec, Inputs
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.kinds import Scene, Video
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.workflow.model import Input, Step

ANY = frozenset({"any"})


def library(version: str = "1") -> Library:
    made = Library()
    made.add_capability(Capability("splitting", "Split.", (Port("video", ANY),), "scene", opens=True))
    made.add_capability(Capability("hearing", "Hear.", (Port("scene", ANY),), "text"))
    made.add_capability(Capability("writing", "Write.", (Port("context", ANY),), "text", prompted=True))
    for capability in ("splitting", "hearing", "writing"):
        made.add_agent(AgentSpec(f"{capability}-agent", version, capability, "An agent.", "nowhere:Nothing"))
    return made


def step(name: str, capability: str = "hearing", *, opens: bool = False, sentence: str = "do it") -> Step:
    return Step(name, sentence, capability, ("videos",), opens, "text", (Input("videos", "scene", "same"),))


SCENES = step("scenes", "splitting", opens=True)
HEARD = step("heard")


def settings(capability: str = "hearing", **options: Any) -> Configuration:
    return Configuration(f"{capability}-agent", tuple(sorted(options.items())))


def media(path: str = "/films/a.mp4", sha256: str = "a" * 64) -> Media:
    return Media(path, sha256, 1000)


def video(path: str = "/films/a.mp4", sha256: str = "a" * 64) -> Video:
    return Video(media(path, sha256), 60.0, 640, 360, 25.0, True)


def scene(start_s: float = 0.0, path: str = "/films/a.mp4", sha256: str = "a" * 64) -> Scene:
    return Scene(video(path, sha256), start_s, start_s + 5.0)


def at(*path: int) -> Ancestry:
    return tuple(zip(("videos", "scenes", "frames"), path, strict=False))


def inputs(ancestry: Ancestry = (), **more: Any) -> Inputs:
    return Inputs(ancestry, more.pop("values", {"scene": scene()}), **more)
