"""Finding scenes: by what the picture shows, or by where the encoder began anew."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import Agent, Failed, Inputs
from murakkab_jupyter.agents.media.container import decoded, open_container, origin_s, pyav, video_stream
from murakkab_jupyter.core.errors import AgentError, InputError, MurakkabError
from murakkab_jupyter.core.kinds import Scene, Video

__all__ = ["ContentScenes", "KeyframeScenes", "SceneAgent", "keep_apart", "scenes_of"]


def keep_apart(cuts: Sequence[float], duration_s: float, shortest_s: float) -> list[float]:
    """Cuts in order, none closer than `shortest_s` to another or to an end of the video."""
    kept: list[float] = []
    for cut in sorted(cuts):
        if cut - (kept[-1] if kept else 0.0) >= shortest_s and duration_s - cut >= shortest_s:
            kept.append(cut)
    return kept


def scenes_of(video: Video, cuts: Sequence[float], shortest_s: float) -> list[Scene]:
    """Scenes that cover the whole video without gaps; a video without a cut is one scene."""
    edges = [0.0, *keep_apart(cuts, video.duration_s, shortest_s), video.duration_s]
    return [Scene(video, start, end) for start, end in itertools.pairwise(edges)]


class SceneAgent(Agent):
    """What finders of scenes have in common: one video at a time, failures told by item."""

    def call(self, batch: Sequence[Inputs]) -> Sequence[Any]:
        """The scenes of each video."""
        results: list[Any] = []
        for item in batch:
            video = item.values["video"]
            if not isinstance(video, Video):
                results.append(Failed(f"Scenes are found in videos, not in a {type(video).__name__}."))
                continue
            try:
                results.append(scenes_of(video, self.cuts(video), self.shortest_s))
            except MurakkabError as error:
                results.append(Failed(" ".join(error.lines())))
        return results

    shortest_s: float = 1.0

    def cuts(self, video: Video) -> list[float]:
        """Times (s) where a scene may begin."""
        raise NotImplementedError


MOST_APART_S = 0.4
"""Pictures that are looked at lie no further apart than this (s), so of slow videos (lectures, cameras at one picture a second) none is left out."""


def pictures(container: Any, video: Video, size: int, cores: int, skip: int) -> Iterator[tuple[float, Any]]:
    """Pictures with their times, shrunk while they are converted: a cut shows in small pictures too.

    Times in seconds from the beginning; frames of PyAV in BGR, of which the longer side has at most `size` pixels. With
    `skip`, that many are left out between two; pictures that no other depends on are then not decoded. Raises
    `InputError` where there is no picture, or none can be decoded.
    """
    stream = video_stream(container)
    if stream is None:
        msg = f"{video.media.path} holds no picture."
        raise InputError(msg, hint="Give a video.")
    stream.codec_context.thread_count = cores
    stream.thread_type = "AUTO" if cores > 1 else "SLICE"
    scale = min(1.0, size / max(stream.codec_context.width, stream.codec_context.height, 1))
    width = max(2, round(stream.codec_context.width * scale) // 2 * 2)
    height = max(2, round(stream.codec_context.height * scale) // 2 * 2)
    fps = max(video.fps, 1.0)
    skip = min(skip, int(MOST_APART_S * fps))
    if skip:
        stream.codec_context.skip_frame = "NONREF"
    begin = origin_s(container)
    due_s, count = -math.inf, 0
    for frame in decoded(container, stream):
        time_s = float(frame.time) - begin if frame.time is not None else count / fps
        count += 1
        if time_s >= due_s:
            due_s = time_s + (skip + 0.5) / fps if skip else -math.inf
            yield time_s, frame.reformat(width, height, "bgr24")
    if count == 0:
        msg = f"No picture can be decoded from {video.media.path}."
        raise InputError(msg, hint="The file is damaged or cut short. Does it play elsewhere?")


class ContentScenes(SceneAgent):
    """PySceneDetect's content detector on small pictures decoded by PyAV."""

    size = 256

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Import the detector."""
        try:
            from scenedetect import FrameTimecode
            from scenedetect.detectors import ContentDetector
        except ImportError as error:
            msg = f"PySceneDetect cannot be loaded: {error}."
            raise AgentError(msg, hint="pip install scenedetect-headless") from error
        pyav()
        self._detector = ContentDetector
        self._timecode = FrameTimecode
        self._threshold = float(options["threshold"])
        self._skip = int(options["frame_skip"])
        self.shortest_s = float(options["min_scene_s"])
        self._cores = cores

    def cuts(self, video: Video) -> list[float]:
        """Times where the colours of neighbouring pictures differ much."""
        detector = self._detector(threshold=self._threshold, min_scene_len=1)
        times: list[float] = []
        found: list[float] = []
        with open_container(video.media.local()) as container:
            shown = pictures(container, video, self.size, self._cores, self._skip)
            for number, (time_s, frame) in enumerate(shown):
                times.append(time_s)
                # The detector counts pictures; times come from the video, so a variable rate is no matter.
                cuts = detector.process_frame(self._timecode(number, 25.0), frame.to_ndarray())
                found.extend(times[cut.frame_num] for cut in cuts)
        return found


class KeyframeScenes(SceneAgent):
    """Cuts where the encoder put a key frame out of turn, read from the packets without decoding a picture."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Nothing to load but PyAV."""
        pyav()
        self._longest_s = float(options["longest_s"])
        self.shortest_s = float(options["min_scene_s"])

    def cuts(self, video: Video) -> list[float]:
        """Key frames out of turn; what is still longer than `longest_s` is divided evenly."""
        keys = self.keyframes(video)
        cuts = keep_apart(out_of_turn(keys), video.duration_s, self.shortest_s)
        edges = [0.0, *cuts, video.duration_s]
        for start, end in itertools.pairwise(edges):
            parts = math.ceil((end - start) / self._longest_s)
            cuts += [start + (end - start) * n / parts for n in range(1, parts)]
        return sorted(cuts)

    def keyframes(self, video: Video) -> list[float]:
        """Times (s) of key frames after the first; raises `InputError` where a file holds no picture."""
        av = pyav()
        times: list[float] = []
        with open_container(video.media.local()) as container:
            stream = video_stream(container)
            if stream is None:
                msg = f"{video.media.path} holds no picture."
                raise InputError(msg, hint="Give a video.")
            begin = origin_s(container)
            # A file that ends in the middle of a packet raises there: what was read stands.
            with contextlib.suppress(av.error.FFmpegError, OSError):
                times.extend(
                    float(packet.pts * packet.time_base) - begin
                    for packet in container.demux(stream)
                    if packet.is_keyframe and packet.pts is not None
                )
        return [time_s for time_s in times if time_s > 0.0]


REGULAR_S = 4.5
"""A longest distance of key frames of at least this is taken for the encoder's own, even when it does not repeat."""


def out_of_turn(keys: Sequence[float]) -> list[float]:
    """Key frames that came before they were due.

    An encoder sets a key frame when the picture changes, or when the longest distance it allows is reached.
    The longest distance seen is taken for that one when it repeats, or is long.
    """
    gaps = np.diff(np.array([0.0, *keys]))
    if gaps.size == 0:
        return []
    longest = float(gaps.max())
    due = 0.97 * longest
    is_rule = int((gaps >= due).sum()) > 1 or longest >= REGULAR_S
    return [key for key, gap in zip(keys, gaps, strict=True) if not is_rule or gap < due]
