"""Opening a media file with PyAV, and the times in it.

All times that leave this module are seconds since the container's first timestamp, so that sound and
picture of one file stay together whatever their own first timestamps are.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import AgentError, InputError

__all__ = [
    "begins_anew",
    "decoded",
    "open_container",
    "origin_s",
    "real_end_s",
    "sound_stream",
    "video_stream",
]

TAIL_S = 1.0
"""A file whose last packet lies further than this before its stated end is measured packet by packet."""

GUESSING = frozenset({"mp3", "aac", "ac3", "eac3", "amr", "dts", "mpegvideo", "m4v", "h264", "hevc"})
"""Formats without a table of contents: their length is guessed from the rate of their beginning, so it is counted instead."""

CLOCKED = frozenset({"mpegts", "mpeg"})
"""Formats without one clock for the file: two joined end to end are a file, whose times begin anew where they meet."""

SAMPLES = 64
"""Places of such a file at which its clock is looked at: what is joined on and is shorter than one part is not found."""

BACK_S = 1.0
"""Times that go back by more than this (s) are another clock's."""


def pyav() -> Any:
    """PyAV, or an `AgentError` that says how to get it."""
    try:
        import av
        import av.logging
    except ImportError as error:
        msg = "Reading video and sound needs PyAV, which is not installed."
        raise AgentError(msg, hint='Install it: pip install "murakkab-jupyter[demo]".') from error
    av.logging.set_level(av.logging.PANIC)
    return av


@contextlib.contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """Open a local file for reading; a file that no demuxer knows is an `InputError` that names it.

    Only the `file` protocol is allowed, so that a playlist that poses as a video reaches no network.
    """
    av = pyav()
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"}, **tolerance(av))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        msg = f"{path} cannot be read as video or sound: {reason(error)}."
        raise InputError(
            msg, hint="It may be damaged, cut short, or no media file. Does it play elsewhere?"
        ) from error
    try:
        yield container
    finally:
        container.close()


def tolerance(av: Any) -> dict[str, str]:
    """What has PyAV open files whose tags are in no encoding: from 19 on it always does, and takes no word on it."""
    return {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}


def reason(error: BaseException) -> str:
    """FFmpeg's words without its number and the path."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text).rstrip(".").lower()


def video_stream(container: Any) -> Any | None:
    """The first stream of moving pictures (cover art of a song is none), or None."""
    for stream in container.streams.video:
        if not is_cover(stream) and stream.codec_context is not None:
            return stream
    return None


def sound_stream(container: Any) -> Any | None:
    """The first stream of sound that can be decoded, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def is_cover(stream: Any) -> bool:
    disposition = getattr(stream, "disposition", None)
    return disposition is not None and "attached_pic" in str(disposition)


def origin_s(container: Any) -> float:
    """The container's first timestamp (s)."""
    return float(container.start_time or 0) / 1e6


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames of a stream from where the container stands; damaged packets are passed over."""
    av = pyav()
    ended, fault = av.error.EOFError, av.error.FFmpegError  # held here: the module may go first at exit
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (fault, OSError):
            return  # the file ends in the middle of a packet
        try:
            yield from packet.decode()
        except ended:
            return
        except fault:
            continue


def real_end_s(container: Any, stream: Any, longest_gap_s: float | None = None) -> float:
    """Where a stream's last packet really ends (s): what a file that was cut short, or has no index, says of itself is not believed.

    With `longest_gap_s` every packet is looked at, and one that begins later than that after all before it is not believed either.
    """
    begin = origin_s(container)
    stated = 0.0
    if stream.duration and stream.time_base:
        first = float(stream.start_time * stream.time_base) if stream.start_time is not None else begin
        stated = first - begin + float(stream.duration * stream.time_base)
    elif container.duration:
        stated = float(container.duration) / 1e6
    if stated > 0.0 and longest_gap_s is None and not GUESSING & set(container.format.name.split(",")):
        found = last_packet_end_s(container, stream, stated)
        if found is not None and found >= stated - max(TAIL_S, 0.02 * stated):
            return max(stated, 0.0)
    # Opened anew, since not every file can be gone back in.
    with open_container(Path(container.name)) as again:
        whole = last_packet_end_s(again, again.streams[stream.index], None, longest_gap_s)
    if whole is None and longest_gap_s is not None:
        return 0.0
    return whole if whole is not None else stated


def last_packet_end_s(
    container: Any, stream: Any, near_s: float | None, longest_gap_s: float | None = None
) -> float | None:
    """End of the last packet (s), looked for from shortly before `near_s`, or in all packets of a file just opened.

    A raw stream, whose packets have no times, is as long as they last together: pictures as many as the stream's rate has in a second.
    """
    av = pyav()
    begin = origin_s(container)
    last: float | None = None
    together_s = 0.0
    each_s = 1.0 / float(stream.average_rate or stream.guessed_rate or 25) if stream.type == "video" else 0.0
    # A file that ends in the middle of a packet raises there: what was read stands.
    with contextlib.suppress(av.error.FFmpegError, OSError):
        if near_s is not None:
            container.seek(int((begin + max(0.0, near_s - TAIL_S)) * 1e6), backward=True)
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_corrupt:
                continue
            length_s = float((packet.duration or 0) * packet.time_base)
            begins_s = None if packet.pts is None else float(packet.pts * packet.time_base) - begin
            if (
                begins_s is not None
                and longest_gap_s is not None
                and begins_s - (last or 0.0) > longest_gap_s
            ):
                continue  # a stray one, or another clock's
            together_s += each_s or length_s
            if begins_s is not None:
                end = begins_s + length_s
                last = end if last is None else max(last, end)
    if last is None and near_s is None and together_s > 0.0:
        return together_s
    return last


def begins_anew(container: Any, stream: Any) -> bool:
    """Whether the times of a stream go back somewhere in its file, by a look at a few places of it."""
    if container.format.name not in CLOCKED:
        return False
    path = Path(container.name)
    part = path.stat().st_size // SAMPLES
    with open_container(path) as again:
        own = again.streams[stream.index]
        first = [next(times_from(again, own, part * place), None) for place in range(SAMPLES)]
        known = [(place, time_s) for place, time_s in enumerate(first) if time_s is not None]
        return any(
            later_s < time_s - BACK_S and goes_back(times_from(again, own, part * place))
            for (place, time_s), (_, later_s) in itertools.pairwise(known)
        )


def times_from(container: Any, stream: Any, offset: int) -> Iterator[float]:
    """Times (s) of a stream's packets, as they are decoded, from a byte of the file on; none where it cannot be sought in."""
    with contextlib.suppress(pyav().error.FFmpegError, OSError):
        container.seek(offset, unsupported_byte_offset=True)
        for packet in container.demux(stream):
            if packet.dts is not None and not packet.is_corrupt:
                yield float(packet.dts * packet.time_base)


def goes_back(times: Iterator[float]) -> bool:
    """Whether a time is earlier than one before it."""
    most = -math.inf
    for time_s in times:
        if time_s < most - BACK_S:
            return True
        most = max(most, time_s)
    return False
