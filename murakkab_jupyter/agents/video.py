"""Video: splitting into scenes, taking frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.agent import AgentSpec, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port, Slot, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.kinds import Measure

__all__ = [
    "CONTENT_SCENES",
    "FRAME_EXTRACTION",
    "KEYFRAME_SCENES",
    "SCENE_DETECTION",
    "UNIFORM_FRAMES",
    "register",
]

SCENE_S = 5.0
"""Expected length of a scene (s): a prior, corrected as soon as the counts are known."""

DEFAULT_FRAMES = 2


def decoded_megapixels(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    video = inputs.get("video", {})
    return video.get("frames", 0.0) * video.get("megapixels", 0.0)


def scenes(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    video = inputs.get("video", {})
    count = max(1.0, round(video.get("duration_s", 0.0) / SCENE_S))
    each = {**video, "duration_s": video.get("duration_s", 0.0) / count, "count": 1.0}
    for shared in ("frames", "audio_s"):
        if shared in each:
            each[shared] /= count
    return Yield(count, each)


def frames(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    scene = inputs.get("scene", {})
    count = float(options.get("count", DEFAULT_FRAMES))
    return Yield(count, {"megapixels": scene.get("megapixels", 0.0), "count": 1.0})


SCENE_DETECTION = Capability(
    name="scene-detection",
    summary="Split a video into scenes where the picture changes.",
    ports=(Port("video", frozenset({"video"})),),
    output="scene",
    opens=True,
    patterns=(
        "(split|cut|divide|segment) [each|all] {video} into (scenes|shots|chapters)",
        "(find|detect) [all] (scenes|shots|chapters|scene changes|shot changes|cuts) (in|of) [each|all] {video}",
        "run (scene detection|shot detection) on [each|all] {video}",
    ),
    unit="megapixels",
    work=decoded_megapixels,
    yields=scenes,
)

FRAME_EXTRACTION = Capability(
    name="frame-extraction",
    summary="Take still frames from a scene or a video.",
    ports=(Port("scene", frozenset({"scene", "video"})),),
    output="frame",
    opens=True,
    patterns=(
        "(take|extract|grab|sample) <count> [key|still] (frames|frame|keyframes|stills) (from|of) [each|every|all] {scene}",
        "(take|extract|grab|sample) [key|still] (frames|frame|keyframes|stills) (from|of) [each|every|all] {scene}",
    ),
    slots=(Slot("count", int),),
    unit="frames",
    work=lambda inputs, options: float(options.get("count", DEFAULT_FRAMES)),
    yields=frames,
)


MIN_SCENE = Option("min_scene_s", float, 1.0, help="no scene is shorter (s)")

CONTENT_SCENES = AgentSpec(
    name="content-scenes",
    version="1",
    capability="scene-detection",
    summary="Cuts where the colours of the picture change abruptly (PySceneDetect); decodes the whole video.",
    factory="murakkab_jupyter.agents.scenes:ContentScenes",
    options=(
        # Looking at every picture found no more cuts than leaving out every other one, only their times more exactly:
        # a plan does not choose it, a pin may.
        Option(
            "frame_skip",
            int,
            1,
            (1, 3),
            lever=True,
            help="pictures left out between two that are looked at; a plan takes 1 or 3, 0 has the most exact times",
        ),
        Option("threshold", float, 27.0, help="how much must change: lower finds more cuts"),
        MIN_SCENE,
    ),
    needs=Needs(modules=("scenedetect", "av"), memory_bytes=150_000_000),
    max_cores=4,
    max_batch=4,
)

KEYFRAME_SCENES = AgentSpec(
    name="keyframe-scenes",
    version="1",
    capability="scene-detection",
    summary="Cuts where the encoder set a key frame out of turn; decodes nothing, misses cuts of some encoders.",
    factory="murakkab_jupyter.agents.scenes:KeyframeScenes",
    options=(Option("longest_s", float, 15.0, help="longer scenes are divided evenly (s)"), MIN_SCENE),
    needs=Needs(modules=("av",), memory_bytes=80_000_000),
    max_batch=16,
)

# A third frame showed nothing that two did not (11 of 13 labels both): a plan takes it only where a sentence says so.
COUNT = Option("count", int, DEFAULT_FRAMES, (1, 2), lever=True, help="frames taken from each scene")

UNIFORM_FRAMES = AgentSpec(
    name="uniform-frames",
    version="1",
    capability="frame-extraction",
    summary="Frames at even distances; only their times are noted, nothing is decoded.",
    factory="murakkab_jupyter.agents.frames:UniformFrames",
    options=(COUNT,),
    needs=Needs(memory_bytes=60_000_000),
    max_batch=256,
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    library.add_capability(SCENE_DETECTION)
    library.add_capability(FRAME_EXTRACTION)
    for agent in (CONTENT_SCENES, KEYFRAME_SCENES, UNIFORM_FRAMES):
        library.add_agent(agent)
