"""Reading the sound of a video or audio file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from murakkab_jupyter.agents.media.container import decoded, open_container, origin_s, pyav, sound_stream
from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.kinds import Audio, Video

__all__ = ["RATE", "Samples", "has_sound", "read_audio"]

RATE = 16_000
"""Samples a second of everything that `read_audio` returns."""

GAP_S = 0.05
"""Where the samples so far end by more than this before or after the next frame's time, silence is filled in or samples are
left out, so that times stay true: also of small jumps that add up, as where many clips were joined."""

LONGEST_GAP_S = 4 * 3600.0
"""A longer one is taken for a fault: clocks of broadcasts begin anew after 26 hours."""

Samples = npt.NDArray[np.float32]


def has_sound(track: Video | Audio) -> bool:
    """Whether there is a track of sound at all."""
    return track.has_audio if isinstance(track, Video) else True


def read_audio(track: Video | Audio, start_s: float = 0.0, end_s: float | None = None) -> Samples:
    """Mono samples at 16 kHz of `[start_s, end_s)`; empty where there is no track or nothing in that stretch.

    Sample `i` lies at `start_s + i / 16000` of the source. Raises `InputError` where the source's times jump by hours.
    """
    if not has_sound(track):
        return np.zeros(0, np.float32)
    av = pyav()
    pieces: list[Samples] = []
    have = 0
    want = None if end_s is None else max(0, round((end_s - start_s) * RATE))
    path = track.media.local()
    with ExitStack() as stack:
        container = stack.enter_context(open_container(path))
        if start_s > 0.5 and not seek_before(container, origin_s(container) + start_s - 0.5):
            container = stack.enter_context(open_container(path))  # read from its start
        stream = sound_stream(container)
        if stream is None or want == 0:
            return np.zeros(0, np.float32)
        begin = origin_s(container)
        resampler, shape = av.AudioResampler(format="flt", layout="mono", rate=RATE), None
        expected_s: float | None = None
        skip = surplus = 0
        for frame in decoded(container, stream):
            time_s = (frame.time - begin) if frame.time is not None else (expected_s or 0.0)
            if expected_s is None:
                skip = round((start_s - time_s) * RATE)
                if skip < 0:  # the sound begins later than the stretch
                    pieces.append(silence(-skip, want, path))
                    have, skip = pieces[-1].size, 0
            elif time_s - expected_s > GAP_S:
                gap = round((time_s - expected_s) * RATE)
                # Times that went back come forward again: so much of it is sound that was to be left out, not a gap.
                undone = min(gap, surplus)
                surplus -= undone
                gap -= undone
                before = min(gap, max(0, skip - have))  # of the gap, what lies before the stretch is not made
                skip -= before
                left = None if want is None else want + skip - have
                pieces.append(silence(gap - before, left, path))
                have += pieces[-1].size
                expected_s = time_s
            elif expected_s - time_s > GAP_S:
                surplus += round((expected_s - time_s) * RATE)
                expected_s = time_s
            expected_s = (time_s if expected_s is None else expected_s) + frame.samples / frame.sample_rate
            frame.pts = None  # times are kept here; the resampler would refuse jumps
            made: list[Any] = []
            if shape not in (None, shape_of(frame)):
                # A recording may go from mono to stereo, and a resampler takes one of them.
                made += resampler.resample(None)
                resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            shape = shape_of(frame)
            for part in (*made, *resampler.resample(frame)):
                samples = part.to_ndarray().reshape(-1)
                cut = min(surplus, samples.size)
                surplus -= cut
                pieces.append(samples[cut:])
                have += samples.size - cut
            if want is not None and have - skip >= want + RATE // 10:
                break
        else:
            for part in resampler.resample(None):
                samples = part.to_ndarray().reshape(-1)
                pieces.append(samples[surplus:])
                surplus = max(0, surplus - samples.size)
    if not pieces:
        return np.zeros(0, np.float32)
    whole = np.concatenate(pieces)[skip:]
    return np.ascontiguousarray(whole if want is None else whole[:want], dtype=np.float32)


def silence(samples: int, wanted: int | None, path: Path) -> Samples:
    """So many samples of silence, of a stretch that ends after `wanted` samples no more than these (and a little).

    Raises `InputError` for a gap that only times which jump can make (`LONGEST_GAP_S`).
    """
    if wanted is not None:
        samples = min(samples, max(0, wanted) + RATE)
    if samples > LONGEST_GAP_S * RATE:
        msg = f"The times of the sound in {path} jump by {samples / RATE / 3600:.0f} hours."
        raise InputError(msg, hint="Mend them: ffmpeg -i FILE -c copy MENDED.mkv")
    return np.zeros(samples, np.float32)


def shape_of(frame: Any) -> tuple[str, str, int]:
    """What a resampler must be made anew for."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def seek_before(container: Any, time_s: float) -> bool:
    """Stand at or before a time; False where the file cannot be sought in."""
    av = pyav()
    try:
        container.seek(int(time_s * 1e6), backward=True)
    except (av.error.FFmpegError, OSError):
        return False
    return True
