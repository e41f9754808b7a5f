"""Taking frames from scenes, at even distances.

Taking the sharpest of several candidates was tried and left out: it cost decoding and, on the clips of
`benchmarks/agents_quality.py`, found fewer of the objects of a scene than even distances do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.agent import Agent, Failed, Inputs
from murakkab_jupyter.core.errors import AgentError, MurakkabError
from murakkab_jupyter.core.kinds import Frame, Scene, Video

__all__ = ["UniformFrames", "even_times"]


def even_times(start_s: float, end_s: float, count: int) -> list[float]:
    """The middles of `count` even parts."""
    step = (end_s - start_s) / count
    return [start_s + step * (index + 0.5) for index in range(count)]


class UniformFrames(Agent):
    """Frames at even distances, by reference: nothing is decoded."""

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
        return [Frame(video, time_s) for time_s in even_times(start_s, end_s, count)]
