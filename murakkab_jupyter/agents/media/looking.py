"""A cheap look at a video before anything is run: how many scenes it seems to have.

Most encoders set a key frame where the picture changes. So the file's index (or its packets) says where cuts may be, and
a few key frames, decoded small, say whether the picture really changed from one to the next. Only where no key frame marks
a cut, and the last one is long before the end, a stretch from there is decoded too. That is well under a second for any
length. What was seen is kept by the file's hash.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from murakkab_jupyter.agents.media.container import decoded, open_container, origin_s, pyav, video_stream
from murakkab_jupyter.agents.media.noted import note, noted
from murakkab_jupyter.agents.media.scenes import keep_apart, out_of_turn
from murakkab_jupyter.core.kinds import Video

__all__ = ["SCENE_S", "Look", "look_at"]

LOG = logging.getLogger(__name__)

VERSION = 1
"""Part of the cache's key: what is looked at, and how it is counted."""

SCENE_S = 5.0
"""Length of a scene (s) where nothing tells: a prior."""

SHORTEST_S = 1.0
"""No scene is taken for shorter: the default of every agent that finds scenes."""

MEGAPIXELS = 24.0
"""Decoded for a look, at most (a third of a second on one core), ..."""

STRETCH_MEGAPIXELS = 60.0
"""Decoded one after the other where there are no key frames, at most: a fifth of a second on one core."""

STEP_S = 0.2
"""Pictures of such a stretch are compared at this distance (s)."""

PICTURES = (6, 48)
"""... but so many pictures at least, and at most."""

READ_BYTES = 200_000_000
"""Read of a file without an index, at most; the rest is taken to be like what was read."""

INDEXED = ("mp4", "matroska")
"""Containers that hold a table of their key frames."""

CLOSE_S = 0.3
"""Key frames closer than this (s) are looked at as one."""

CHANGED = 20.0
"""Mean difference of two pictures (16 x 9, of 255 levels of grey) above which they are of two scenes. On 16 real clips
pictures of one scene differed by at most 12, those of two by at least 24 (`benchmarks/results/expectations.md`)."""

UNMARKED = 0.2
"""Share of files whose encoder sets no key frames at cuts, where a file does not tell: a prior."""

Grey = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a video says.

    Attributes
    ----------
    scenes, low, high
        Scenes expected where the picture changes, and the band.
    key_scenes
        Scenes that begin with a key frame out of turn.
    pictures, keys
        Pictures that were compared, and key frames there are.
    """

    scenes: float
    low: float
    high: float
    key_scenes: float
    pictures: int
    keys: int


_known: dict[str, Look | None] = {}


def look_at(video: object) -> Look | None:
    """What a look at a video says; None when it is no video, is not on this host, or cannot be read so.

    Never raises: a plan without it rests on a prior.
    """
    if not isinstance(video, Video):
        return None
    key = video.media.sha256
    if key not in _known:
        _known[key] = kept(key)
        if _known[key] is None:
            try:
                _known[key] = look(video)
            except Exception as error:  # noqa: BLE001 - a file that is odd in any way must not keep a plan from being made
                LOG.debug("no look at %s: %s", video.media.path, error)
            keep(key, _known[key])
    return _known[key]


def kept(key: str) -> Look | None:
    found = noted(f"{key}-{VERSION}")
    try:
        return None if found is None else Look(**found)  # type: ignore[arg-type]  # two are whole numbers, which only a person reads
    except TypeError:
        return None  # a cache: anything odd is looked at again


def keep(key: str, found: Look | None) -> None:
    if found is not None:
        note(f"{key}-{VERSION}", asdict(found))


def look(video: Video) -> Look | None:
    """A look, whatever is kept."""
    path = video.media.here()
    if path is None or video.duration_s <= 0:
        return None
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            return None
        every, until_s = key_frames(container, stream, video.duration_s)
        keys = thinned(every)
        stream.codec_context.thread_count = 1
        stream.codec_context.skip_frame = "NONKEY"
        size = max(1e-3, video.width * video.height / 1e6)
        most = int(min(PICTURES[1], max(PICTURES[0], MEGAPIXELS / size)))
        pairs = chosen(len(keys) - 1, most)
        greys: dict[int, Grey | None] = {}
        for at in sorted({n for pair in pairs for n in (pair, pair + 1)}):
            greys[at] = grey(container, stream, keys[at])
        turned = out_of_turn(every)
        marked = keep_apart(turned, until_s, SHORTEST_S)
        changed = {pair: differ(greys[pair], greys[pair + 1]) for pair in pairs}
        known = {pair: one for pair, one in changed.items() if one is not None}
        cuts, marks_cuts = counted(keys, turned, marked, known, until_s)
        # After the last key frame nothing was looked at; an encoder that marks cuts would have marked one there.
        rest_s, unsure = until_s - keys[-1], 0.0
        if not marks_cuts and rest_s > SHORTEST_S:
            found, seen_s = stretch(container, stream, keys[-1], until_s, STRETCH_MEGAPIXELS / size)
            if seen_s > SHORTEST_S:
                cuts += found * rest_s / seen_s
                unsure = (rest_s - seen_s) / SCENE_S
            else:
                cuts += UNMARKED * rest_s / SCENE_S
                unsure = (1.0 - UNMARKED) * rest_s / SCENE_S
    factor = video.duration_s / until_s if 0 < until_s < video.duration_s else 1.0
    most_cuts = max(0.0, video.duration_s / SHORTEST_S - 1.0)
    cuts, unsure = min(most_cuts, cuts * factor), unsure * factor
    return Look(
        scenes=1.0 + round(cuts),
        low=1.0 + max(0.0, math.floor(0.7 * cuts - 0.5)),
        high=1.0 + math.ceil(min(most_cuts, 1.4 * cuts + unsure + 0.5)),
        key_scenes=1.0 + round(len(marked) * factor),
        pictures=len(greys),
        keys=len(every) + 1,
    )


def key_frames(container: Any, stream: Any, duration_s: float) -> tuple[list[float], float]:
    """Times (s) of the key frames after the first, in order, and until when they are known."""
    begin = origin_s(container)
    base = stream.time_base
    # Other formats' indexes are made while reading, and say little of which pictures are key frames.
    tabled = any(name in container.format.name for name in INDEXED)
    entries = [
        (float(entry.timestamp * base) - begin, bool(entry.is_keyframe))
        for entry in (getattr(stream, "index_entries", None) or () if tabled else ())
    ]
    if entries and max(time_s for time_s, _ in entries) >= 0.8 * duration_s:
        times, until_s = [time_s for time_s, is_key in entries if is_key], duration_s
    else:
        times, until_s = packets(container, stream, begin, duration_s)
    return sorted(time_s for time_s in times if 0.0 < time_s < duration_s), until_s


def thinned(times: Sequence[float]) -> list[float]:
    """The beginning, and key frames without those that follow another at once: some files have several at their start."""
    kept = [0.0]
    for time_s in times:
        if time_s - kept[-1] > CLOSE_S:
            kept.append(time_s)
    return kept


def packets(container: Any, stream: Any, begin: float, duration_s: float) -> tuple[list[float], float]:
    """The same from the packets, for a file without an index; of a large one, of its beginning."""
    times: list[float] = []
    read, last = 0, 0.0
    av = pyav()
    with contextlib.suppress(av.error.FFmpegError, OSError):  # cut short: what was read stands
        for packet in container.demux():
            read += packet.size or 0
            if packet.stream.index == stream.index and packet.pts is not None:
                last = max(last, float(packet.pts * packet.time_base) - begin)
                if packet.is_keyframe:
                    times.append(float(packet.pts * packet.time_base) - begin)
            if read > READ_BYTES:
                return times, last
    return times, duration_s


def chosen(gaps: int, most: int) -> list[int]:
    """Which gaps between key frames are looked at: all, or some at even distances."""
    if gaps + 1 <= most:
        return list(range(gaps))
    number = max(1, most // 2)
    return sorted({int((n + 0.5) * gaps / number) for n in range(number)})


def grey(container: Any, stream: Any, time_s: float) -> Grey | None:
    """The key frame at a time, small and grey; None where none can be decoded."""
    av = pyav()
    # An index tells when a picture is decoded, which is some pictures before it is shown.
    later_s = origin_s(container) + time_s + 0.7 * CLOSE_S
    try:
        container.seek(int(later_s / float(stream.time_base)), stream=stream, backward=True)
        for packet in container.demux(stream):
            for frame in packet.decode():
                small: Grey = frame.reformat(16, 9, "gray").to_ndarray().astype(np.float32)
                return small
    except (av.error.FFmpegError, OSError):
        return None
    return None


def stretch(
    container: Any, stream: Any, start_s: float, until_s: float, pictures: float
) -> tuple[int, float]:
    """Cuts in a stretch from a key frame on, decoded whole, and how long (s) it is: so many pictures at most."""
    av = pyav()
    begin = origin_s(container)
    stream.codec_context.skip_frame = "DEFAULT"
    last: Grey | None = None
    cuts, number, due_s, seen_s = 0, 0, start_s, 0.0
    with contextlib.suppress(av.error.FFmpegError, OSError):
        later_s = begin + start_s + 0.7 * CLOSE_S
        container.seek(int(later_s / float(stream.time_base)), stream=stream, backward=True)
        for frame in decoded(container, stream):
            number += 1
            time_s = float(frame.time) - begin if frame.time is not None else start_s
            if number > pictures or time_s > until_s:
                break
            if time_s >= due_s:
                due_s, seen_s = time_s + STEP_S, time_s - start_s
                small: Grey = frame.reformat(16, 9, "gray").to_ndarray().astype(np.float32)
                cuts += differ(last, small) or 0
                last = small
    return cuts, seen_s


def differ(one: Grey | None, other: Grey | None) -> bool | None:
    """Whether two pictures are of two scenes; None where one could not be seen."""
    if one is None or other is None:
        return None
    return float(np.abs(one - other).mean()) > CHANGED


def counted(
    keys: Sequence[float],
    turned: Sequence[float],
    marks: Sequence[float],
    changed: dict[int, bool],
    until_s: float,
) -> tuple[float, bool]:
    """Cuts expected up to the last key frame, and whether key frames are known to mark them.

    Parameters
    ----------
    keys
        Times (s) of key frames, from the beginning.
    turned, marks
        Times (s) of those out of turn, and of those among them that are far enough from each other and from the end.
    changed
        Of some gaps (between `keys[n]` and `keys[n + 1]`), whether the picture is another after them.
    until_s
        Until when key frames are known.
    """
    gaps = range(len(keys) - 1)
    marked = [n for n in gaps if nearest(keys[n + 1], marks) < SHORTEST_S]
    regular = [n for n in gaps if n not in marked and nearest(keys[n + 1], turned) > CLOSE_S]
    sure = [n for n in marked if changed.get(n)]
    cuts = share(marked, changed) * len(marks)
    # Key frames in their turn say nothing of themselves: that the picture changed since the last one means a cut or more.
    # A gap has room for as many scenes as the shortest fits into; where cuts come at random, it has none with a
    # probability of (1 - cuts / room) ** room.
    looked = [n for n in regular if n in changed]
    if looked:
        part = share(regular, changed)
        room = max(1.0, sum(keys[n + 1] - keys[n] for n in regular) / len(regular) / SHORTEST_S)
        doubtful = min(part, 1.0 - 0.5 / len(looked))
        cuts += max(part, room * (1.0 - (1.0 - doubtful) ** (1.0 / room))) * len(regular)
    return cuts, bool(sure)


def nearest(time_s: float, others: Sequence[float]) -> float:
    return min((abs(time_s - other) for other in others), default=math.inf)


def share(gaps: Sequence[int], changed: dict[int, bool]) -> float:
    """Share of some gaps over which the picture changed, of those looked at; all of them where none was."""
    looked = [changed[n] for n in gaps if n in changed]
    return sum(looked) / len(looked) if looked else 1.0
