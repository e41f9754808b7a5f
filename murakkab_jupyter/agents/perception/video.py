"""Video: splitting into scenes, taking frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.agent import AgentSpec, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port, Slot, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.media.looking import SCENE_S, look_at
from murakkab_jupyter.core.kinds import REACH_S, Measure

__all__ = [
    "CONTENT_SCENES",
    "FRAME_EXTRACTION",
    "KEYFRAME_SCENES",
    "SCENE_DETECTION",
    "UNIFORM_FRAMES",
    "register",
]

PRIOR_FACTOR = 3.0
"""The band of a guessed number of scenes, as a factor both ways."""

SEEN = ("scenes", "scenes_low", "scenes_high", "key_scenes")
"""What a look adds to the measures of a video."""

DEFAULT_FRAMES = 2


def decoded_megapixels(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    video = inputs.get("video", {})
    return video.get("frames", 0.0) * video.get("megapixels", 0.0)


def scenes(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    video = dict(inputs.get("video", {}))
    length_s = video.get("duration_s", 0.0)
    seen, low, high, marked = (video.pop(unit, None) for unit in SEEN)
    if seen is None or low is None or high is None:
        count, why = max(1.0, round(length_s / SCENE_S)), f"a guess, one each {SCENE_S:.0f} s"
        band = (max(1.0, count / PRIOR_FACTOR), count * PRIOR_FACTOR)
    else:
        count, band, why = seen, (low, high), "by a look at key frames"
        if "longest_s" in options and marked is not None:
            # That agent goes by key frames alone, and divides what is longer than it allows.
            count = max(marked, length_s / float(options["longest_s"]))
            band = (count / 2, count * 2)
    count = max(1.0, count)
    each = {**video, "duration_s": length_s / count, "count": 1.0}
    for shared in ("frames", "audio_s", "speech_s"):
        if shared in each:
            each[shared] /= count
    return Yield(count, each, (max(1.0, band[0]), max(count, band[1])), why)


def seen_scenes(value: object) -> Measure:
    look = look_at(value)
    if look is None:
        return {}
    return dict(zip(SEEN, (look.scenes, look.low, look.high, look.key_scenes), strict=True))


def frames(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    scene = inputs.get("scene", {})
    count = float(options.get("count", DEFAULT_FRAMES))
    size, length_s = scene.get("megapixels", 0.0), scene.get("duration_s", 0.0)
    fps = scene.get("frames", 0.0) / length_s if length_s else 0.0
    decoded = size * max(1.0, fps * REACH_S)
    return Yield(count, {"megapixels": size, "decoded_megapixels": decoded, "count": 1.0})


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
    looks=seen_scenes,
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
    version="2",
    capability="scene-detection",
    summary="Cuts where the colours of the picture change abruptly (PySceneDetect); decodes the whole video.",
    factory="murakkab_jupyter.agents.media.scenes:ContentScenes",
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
    factory="murakkab_jupyter.agents.media.scenes:KeyframeScenes",
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
    factory="murakkab_jupyter.agents.media.frames:UniformFrames",
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
