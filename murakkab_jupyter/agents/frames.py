"""Taking frames from scenes: at even distances, or the sharpest near them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import Agent, Failed, Inputs
from murakkab_jupyter.agents.pictures import Pixels, read_frame
from murakkab_jupyter.core.errors import AgentError, MurakkabError
from murakkab_jupyter.core.kinds import Frame, Scene, Video

__all__ = ["FrameAgent", "SharpFrames", "UniformFrames", "even_times", "sharpness"]


def even_times(start_s: float, end_s: float, count: int) -> list[float]:
    """The middles of `count` even parts."""
    step = (end_s - start_s) / count
    return [start_s + step * (index + 0.5) for index in range(count)]


def sharpness(pixels: Pixels) -> float:
    """How strongly neighbouring pixels differ: low for a blurred, blended or empty picture."""
    step = max(1, min(pixels.shape[:2]) // 240)
    grey = pixels[::step, ::step].astype(np.float32).mean(axis=2)
    across = np.square(np.diff(grey, axis=1)).mean() if grey.shape[1] > 1 else 0.0
    down = np.square(np.diff(grey, axis=0)).mean() if grey.shape[0] > 1 else 0.0
    return float(across + down)


class FrameAgent(Agent):
    """What takers of frames have in common."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Note how many frames are wanted."""
        self._count = int(options["count"])
        if self._count < 1:
            msg = f"At least one frame must be taken from a scene, not {self._count}."
            raise AgentError(msg, hint="Write count=1 or more.")

    def call(self, batch: Sequence[Inputs]) -> Sequence[Any]:
        """The frames of each scene or video, in order of time."""
        results: list[Any] = []
        for item in batch:
            try:
                results.append(self.take(item.values["scene"]))
            except MurakkabError as error:
                results.append(Failed(" ".join(error.lines())))
        return results

    def take(self, value: Any) -> list[Frame] | Failed:
        """The frames of one scene or video; no more than it has pictures."""
        video, start_s, end_s = value, 0.0, 0.0
        if isinstance(value, Scene):
            video, start_s, end_s = value.media, value.start_s, value.end_s
        elif isinstance(value, Video):
            end_s = value.duration_s
        if not isinstance(video, Video):
            return Failed(f"Frames are taken from videos, and a {type(video).__name__} has no pictures.")
        pictures = max(1, int((end_s - start_s) * video.fps + 0.01))
        count = min(self._count, pictures)
        return [Frame(video, time_s) for time_s in self.times(video, start_s, end_s, count)]

    def times(self, video: Video, start_s: float, end_s: float, count: int) -> list[float]:
        """The times of `count` frames."""
        return even_times(start_s, end_s, count)


class UniformFrames(FrameAgent):
    """Frames at even distances, by reference: nothing is decoded."""


class SharpFrames(FrameAgent):
    """The sharpest of a few candidates in each even part."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Note how many frames are wanted and how many are compared for each."""
        super().load(options, cores)
        self._candidates = max(1, int(options["candidates"]))

    def times(self, video: Video, start_s: float, end_s: float, count: int) -> list[float]:
        """In each part, the time of the sharpest candidate."""
        edges = np.linspace(start_s, end_s, count + 1)
        chosen = []
        for begin, end in itertools.pairwise(edges):
            candidates = even_times(float(begin), float(end), self._candidates)
            chosen.append(max(candidates, key=lambda time_s: sharpness(read_frame(Frame(video, time_s)))))
        return chosen
