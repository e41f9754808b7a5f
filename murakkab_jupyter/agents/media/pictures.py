"""Reading single pictures: frames of a video, images, thumbnails."""

from __future__ import annotations

import io
import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from murakkab_jupyter.agents.media.container import decoded, open_container, origin_s, pyav, video_stream
from murakkab_jupyter.core.errors import AgentError, InputError
from murakkab_jupyter.core.kinds import Frame, Image

__all__ = [
    "MAX_MEGAPIXELS",
    "READING",
    "Pixels",
    "is_animated",
    "jpeg",
    "open_image",
    "pixels_of",
    "read_frame",
    "thumbnail",
]

Pixels = npt.NDArray[np.uint8]
"""Height x width x 3, RGB."""

READING = "pictures2"
"""Raised when `read_frame` gives other pixels: part of the version of every agent that looks at pictures, so that nothing
that was made of the former ones is reused. 2: streams without an index, images of fractions."""

MAX_MEGAPIXELS = 200.0
"""A larger image is refused: it would unpack to more than half a gigabyte."""

FORWARD_S = 3.0
"""Decode on instead of seeking when the wanted time lies no further ahead than this."""

BACKS_S = (0.0, 10.0, 40.0, 160.0)
"""Where seeking landed too late (behind the key frame that is needed), it is tried again so much (s) earlier."""

EPSILON_S = 1e-3
"""Times are compared with this tolerance: timestamps are fractions, times are floats."""


def pixels_of(frame: Any) -> Pixels:
    """A decoded frame as RGB, turned the way it is shown."""
    pixels: Pixels = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns)) if quarter_turns else pixels


class VideoReader:
    """An open video that finds the picture shown at a time: seeks to a key frame, then decodes forward.

    Where seeking lands too late or is not possible (recordings cut at any place, raw streams), it begins anew and decodes up to there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._seeks = True
        self._open()

    def _open(self) -> None:
        """Stand at the first picture."""
        self._stack.close()
        self._container = self._stack.enter_context(open_container(self._path))
        stream = video_stream(self._container)
        if stream is None:
            self.close()
            msg = f"{self._path} holds no picture."
            raise InputError(msg, hint="Give a video, or use a step that takes sound.")
        self._stream = stream
        self._stream.codec_context.thread_count = 1
        self._begin_s = origin_s(self._container)
        self._step_s = 1.0 / float(stream.average_rate or stream.guessed_rate or 25)
        self._stand(0.0)

    def _stand(self, first_s: float | None) -> None:
        """Forget what was decoded; `first_s` is the next picture's time (s) where its file says none, None where that is unknown."""
        self._frames: Iterator[Any] = decoded(self._container, self._stream)
        self._current: tuple[float, Any] | None = None
        self._next: tuple[float, Any] | None = None
        self._due_s = first_s

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def at(self, time_s: float) -> Pixels:
        """The picture shown at a time (s): the last one that begins no later (the first or last one at the ends).

        An array of `(height, width, 3)`, RGB, 0 to 255. Raises `InputError` where none can be decoded.
        """
        found = self._ahead(time_s) and self._reach(time_s)
        for earlier_s, back_s in itertools.pairwise((-math.inf, *BACKS_S)):
            if found or earlier_s >= time_s:
                break  # the last try was from the beginning
            found = self._seek(time_s - back_s) and self._reach(time_s)
        if not found:
            self._open()
            self._reach(time_s)
        if self._current is None:
            msg = f"No picture can be decoded from {self._path}."
            raise InputError(msg, hint="The file is damaged or cut short. Does it play elsewhere?")
        return pixels_of(self._current[1])

    def _ahead(self, time_s: float) -> bool:
        if self._current is None:
            return False
        lead = time_s - self._current[0]
        return lead >= -EPSILON_S and (lead <= FORWARD_S or not self._seeks)

    def _seek(self, time_s: float) -> bool:
        """Stand at or before a time; False where the file cannot be sought in."""
        if not self._seeks:
            return False
        av = pyav()
        offset = int((self._begin_s + max(0.0, time_s)) / float(self._stream.time_base))
        try:
            self._container.seek(offset, stream=self._stream, backward=True)
        except (av.error.FFmpegError, OSError):
            self._seeks = False
            return False
        self._stand(None)
        return True

    def _reach(self, time_s: float) -> bool:
        """Decode up to a time; whether a picture that begins no later was met."""
        while True:
            if self._next is None:
                self._next = self._pull()
            if self._next is None:
                break
            if self._current is not None and self._next[0] > time_s + EPSILON_S:
                break
            self._current, self._next = self._next, None
        return self._current is not None and self._current[0] <= time_s + EPSILON_S

    def _pull(self) -> tuple[float, Any] | None:
        """The next picture and its time (s); one whose time nothing tells is passed over."""
        for frame in self._frames:
            time_s = float(frame.time) - self._begin_s if frame.time is not None else self._due_s
            if time_s is not None:
                self._due_s = time_s + self._step_s
                return time_s, frame
        return None


class Cache:
    """Some open videos and some decoded pictures, the least used dropped first."""

    def __init__(self, max_bytes: int = 64_000_000, max_open: int = 2) -> None:
        self._pixels: OrderedDict[tuple[str, float], Pixels] = OrderedDict()
        self._readers: OrderedDict[str, VideoReader] = OrderedDict()
        self._max_bytes = max_bytes
        self._max_open = max_open
        self._lock = threading.Lock()

    def frame(self, frame: Frame) -> Pixels:
        """The picture of a frame."""
        key = (frame.video.media.sha256, frame.time_s)
        with self._lock:
            if key in self._pixels:
                self._pixels.move_to_end(key)
                return self._pixels[key]
            pixels = self._reader(frame).at(frame.time_s)
            pixels.flags.writeable = False
            self._pixels[key] = pixels
            while sum(held.nbytes for held in self._pixels.values()) > self._max_bytes:
                self._pixels.popitem(last=False)
            return pixels

    def _reader(self, frame: Frame) -> VideoReader:
        key = frame.video.media.sha256
        if key not in self._readers:
            self._readers[key] = VideoReader(frame.video.media.local())
            while len(self._readers) > self._max_open:
                self._readers.popitem(last=False)[1].close()
        self._readers.move_to_end(key)
        return self._readers[key]

    def clear(self) -> None:
        """Close every file and drop every picture."""
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()
            self._pixels.clear()


CACHE = Cache()


def pillow() -> Any:
    """Pillow's image module, or an `AgentError` that says how to get it."""
    try:
        from PIL import Image as pil_image  # noqa: N813 - Pillow's name of the module is a class's name
    except ImportError as error:
        msg = "Reading images needs Pillow, which is not installed."
        raise AgentError(msg, hint='Install it: pip install "murakkab-jupyter[demo]".') from error
    return pil_image


def open_image(path: Path) -> Any:
    """A Pillow image, turned the way it is shown; `InputError` when it cannot be read or is far too large."""
    pil_image = pillow()
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with pil_image.open(path) as image:
            megapixels = image.width * image.height / 1e6
            if megapixels > MAX_MEGAPIXELS:
                msg = f"{path} has {megapixels:.0f} megapixels; at most {MAX_MEGAPIXELS:.0f} are read."
                raise InputError(msg, hint="Make it smaller.")
            image.load()
            return ImageOps.exif_transpose(image)
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        pil_image.DecompressionBombError,
    ) as error:
        msg = f"{path} cannot be read as an image."
        raise InputError(msg, hint="It may be damaged, cut short, or no image.") from error


def is_animated(path: Path) -> bool:
    """Whether an image that can be read holds several pictures."""
    with pillow().open(path) as image:
        return bool(getattr(image, "is_animated", False))


def read_frame(picture: Frame | Image) -> Pixels:
    """The pixels of a frame or an image: height x width x 3, RGB, turned the way it is shown; read-only.

    Raises `InputError`, naming the file, when there is no picture to decode.
    """
    if isinstance(picture, Frame):
        return CACHE.frame(picture)
    pixels: Pixels = np.asarray(opaque(open_image(picture.media.local())))
    return pixels


def opaque(image: Any) -> Any:
    """An image in RGB: what is transparent as on white paper (it is often drawn in black), 16 bits as 8, fractions as shares of white."""
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = pillow().new("RGBA", image.size, "white")
        image = pillow().alpha_composite(paper, image)
    elif image.mode == "F":
        share = np.nan_to_num(np.asarray(image).astype(np.float64))
        # Some measure from 0 to 1, some write what would be 8 or 16 bits.
        most = next((white for white in (1.0, 255.0, 65535.0) if share.max() <= white), share.max())
        image = pillow().fromarray((255.0 * share / most).clip(0, 255).astype(np.uint8))
    elif image.mode.startswith("I"):
        # Pillow would cut off whatever is brighter than 255.
        deep = np.asarray(image).astype(np.float64)
        image = pillow().fromarray(
            (deep / (257.0 if deep.max() > 255 else 1.0)).clip(0, 255).astype(np.uint8)
        )
    return image.convert("RGB")


def thumbnail(picture: Frame | Image, width: int = 240) -> bytes:
    """A small JPEG of a frame or an image, at most `width` wide."""
    return as_jpeg(picture, (width, 4 * width), 65)[0]


def jpeg(picture: Frame | Image, side: int) -> tuple[bytes, bool]:
    """A JPEG whose longer side has at most so many pixels, and whether that made it smaller."""
    return as_jpeg(picture, (side, side), 85)


def as_jpeg(picture: Frame | Image, box: tuple[int, int], quality: int) -> tuple[bytes, bool]:
    """A JPEG that fits a box of pixels, and whether that made it smaller."""
    image = pillow().fromarray(read_frame(picture))
    before = image.size
    image.thumbnail(box)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue(), image.size != before
