"""Videos for benchmarks: shots and narration put together the same way every time.

    python benchmarks/clip.py OUT.mp4

`clip` gave no profile. Pictures are those of the demo's clips, in other sizes, orders and speeds than any profile was measured on;
the speech is the president's own and two readings that come inside the wheel of `moonshine-voice`. `dense_clip` is for
measuring profiles: half a minute in which somebody speaks nearly all the time, from a part of a reading that `clip` does not have. Only
PyAV is needed.
"""

from __future__ import annotations

import argparse
import importlib.util
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from murakkab_jupyter.agents.weights.resolver import resolve
from murakkab_jupyter.core.media import cache_dir

__all__ = ["QUESTION", "clip", "compose", "dense_clip"]

RATE = 16_000
VERSION = 1
QUESTION = "What should one do after failing?"


@dataclass(frozen=True)
class Shot:
    """A stretch of the made video: which clip, from when, how long, mirrored or not, and what is heard."""

    source: str
    start_s: float
    seconds: float
    mirrored: bool
    sound: str
    sound_start_s: float = 0.0


@dataclass(frozen=True)
class Film:
    """Shots in their order, and the size and rate of the pictures."""

    width: int
    height: int
    fps: int
    shots: tuple[Shot, ...]


CLIP = Film(512, 288, 20, (
    Shot("obama-speech", 0.0, 8.6, False, "obama-speech"),
    Shot("bikes", 3.0, 6.0, True, "beckett"),
    Shot("obama-speech", 2.0, 4.0, True, "beckett", 6.0),
    Shot("bikes", 0.5, 9.0, True, "two_cities"),
    Shot("bikes", 0.0, 2.8, False, "two_cities", 9.0),
))  # fmt: skip

DENSE = Film(640, 360, 25, (
    Shot("bikes", 1.0, 7.0, False, "two_cities", 12.0),
    Shot("obama-speech", 1.0, 5.0, False, "two_cities", 19.0),
    Shot("bikes", 0.0, 9.5, True, "two_cities", 24.0),
    Shot("obama-speech", 0.0, 3.0, True, "two_cities", 33.5),
    Shot("bikes", 2.0, 7.5, False, "two_cities", 36.5),
))  # fmt: skip


def frames_of(path: Path, film: Film) -> list[tuple[float, Any]]:
    """Every picture of a clip with its time, at the size of the made video (black at the sides)."""
    import av

    found = []
    with av.open(str(path)) as opened:
        for frame in opened.decode(video=0):
            scale = min(film.width / frame.width, film.height / frame.height)
            width, height = int(frame.width * scale) // 2 * 2, int(frame.height * scale) // 2 * 2
            picture = np.zeros((film.height, film.width, 3), np.uint8)
            top, left = (film.height - height) // 2, (film.width - width) // 2
            picture[top : top + height, left : left + width] = frame.to_ndarray(
                format="rgb24", width=width, height=height
            )
            found.append((float(frame.time or 0.0), picture))
    return found


def sound_of(name: str) -> Any:
    """Speech as mono float at `RATE`: of a clip, or of a reading in the wheel of `moonshine-voice`."""
    import av

    if name in {shot.source for shot in CLIP.shots}:
        path = resolve(name)
    else:
        spec = importlib.util.find_spec("moonshine_voice")
        if spec is None or spec.origin is None:
            msg = 'The readings come with moonshine-voice: pip install "murakkab-jupyter[demo]"'
            raise SystemExit(msg)
        path = Path(spec.origin).parent / "assets" / f"{name}.wav"
        with wave.open(str(path)) as opened:
            if opened.getframerate() == RATE and opened.getnchannels() == 1:
                return np.frombuffer(opened.readframes(opened.getnframes()), np.int16) / np.float32(32768)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts = []
    with av.open(str(path)) as opened:
        for frame in opened.decode(audio=0):
            parts += [one.to_ndarray()[0] for one in resampler.resample(frame)]
    return np.concatenate(parts) / np.float32(32768)


def pictures(film: Film) -> Iterator[Any]:
    """The pictures of the made video in order."""
    known = {name: frames_of(resolve(name), film) for name in {shot.source for shot in film.shots}}
    for shot in film.shots:
        frames = known[shot.source]
        times = np.array([time for time, _ in frames])
        for n in range(round(shot.seconds * film.fps)):
            index = int(np.searchsorted(times, shot.start_s + n / film.fps, side="right")) - 1
            picture = frames[max(0, index)][1]
            yield np.ascontiguousarray(picture[:, ::-1]) if shot.mirrored else picture


def compose(path: Path, film: Film = CLIP) -> Path:
    """Write the video."""
    import av

    speech = {name: sound_of(name) for name in {shot.sound for shot in film.shots}}
    track = np.concatenate(
        [
            padded(speech[s.sound][round(s.sound_start_s * RATE) :], round(s.seconds * RATE))
            for s in film.shots
        ]
    )
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        video = out.add_stream(
            "libx264", rate=film.fps, options={"preset": "veryfast", "threads": "1", "crf": "24"}
        )
        video.width, video.height, video.pix_fmt = film.width, film.height, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="mono")
        for picture in pictures(film):
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
        for start in range(0, len(track), 1024):
            block = (np.clip(track[start : start + 1024], -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block[None, :], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    part.replace(path)
    return path


def padded(sound: Any, size: int) -> Any:
    """Exactly `size` samples."""
    return np.pad(sound[:size], (0, max(0, size - len(sound))))


def clip() -> Path:
    """The video that gave no profile, made once and kept in the cache."""
    return made("benchmark-clip", CLIP)


def dense_clip() -> Path:
    """A video to measure profiles with, in which somebody speaks nearly all the time."""
    return made("dense-clip", DENSE)


def made(name: str, film: Film) -> Path:
    """A video in the cache, made when it is not there."""
    path = cache_dir() / f"{name}-{VERSION}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path if path.exists() else compose(path, film)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    print(compose(parser.parse_args().out))
