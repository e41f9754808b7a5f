"""Video: splitting into scenes, taking frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port, Slot, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.kinds import Measure

__all__ = ["FRAME_EXTRACTION", "SCENE_DETECTION", "register"]

SCENE_S = 5.0
"""Expected length of a scene (s): a prior, corrected as soon as the counts are known."""

DEFAULT_FRAMES = 3


def decoded_megapixels(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    video = inputs.get("video", {})
    return video.get("frames", 0.0) * video.get("megapixels", 0.0)


def scenes(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    video = inputs.get("video", {})
    count = max(1.0, round(video.get("duration_s", 0.0) / SCENE_S))
    each = {**video, "duration_s": video.get("duration_s", 0.0) / count, "count": 1.0}
    if "frames" in each:
        each["frames"] /= count
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
        "(split|cut|divide) [each] {video} into (scenes|shots|chapters)",
        "(find|detect) [all] (scenes|shots|chapters) (in|of) {video}",
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
        "(take|extract|grab|sample) <count> (frame|frames) (from|of) [each] {scene}",
        "(take|extract|grab|sample) (frame|frames) (from|of) [each] {scene}",
    ),
    slots=(Slot("count", int),),
    unit="frames",
    work=lambda inputs, options: float(options.get("count", DEFAULT_FRAMES)),
    yields=frames,
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    library.add_capability(SCENE_DETECTION)
    library.add_capability(FRAME_EXTRACTION)
