"""Kinds of value that flow between steps, and the one codec of each.

Journals and caches hold what these codecs write (JSON or npy), never pickles. A value whose kind
has no codec (`any`) stays in memory and is recomputed on resume.

A scene and a frame are references into a video, so they are cheap to keep; pixels and samples are
read on demand, where the work is done.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from murakkab_jupyter.core.media import Media
from murakkab_jupyter.core.plain import only_plain

__all__ = [
    "KINDS",
    "REACH_S",
    "Answer",
    "Audio",
    "Box",
    "Boxes",
    "Document",
    "Evidence",
    "Frame",
    "Image",
    "Kind",
    "Measure",
    "Origin",
    "Passage",
    "Scene",
    "Segment",
    "Transcript",
    "Video",
    "count_tokens",
    "decode",
    "encode",
    "faithful",
    "kind_of",
    "measure",
    "origin_of",
    "text_of",
]

Measure = Mapping[str, float]
"""Natural units of a value: `duration_s`, `audio_s` (0 without a track of sound), `megapixels` (of one frame), `decoded_megapixels`
(to reach it), `tokens`, `bytes`, `count`, `boxes`."""

REACH_S = 1.5
"""So much of a video (s) is decoded to reach a picture of it: the pictures that are looked at lie a second or two apart, and whoever
reads one goes on from the last, or from a key frame; a prior."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the user's media something comes from: `source` is a path, times are seconds in it, `place` a page or section."""

    source: str
    start_s: float | None = None
    end_s: float | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Video:
    """A video file. Times in seconds, sizes in pixels as shown (rotation applied)."""

    media: Media
    duration_s: float
    width: int
    height: int
    fps: float
    has_audio: bool


@dataclass(frozen=True, slots=True)
class Audio:
    """An audio file."""

    media: Media
    duration_s: float


@dataclass(frozen=True, slots=True)
class Image:
    """An image file."""

    media: Media
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Document:
    """A text document; `text` is read at declaration. Pages end with a form feed, headings are lines that begin with `#`."""

    media: Media
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch `[start_s, end_s)` of a video (or of an audio file)."""

    media: Video | Audio
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a video, by reference: decoded where it is needed."""

    video: Video
    time_s: float


@dataclass(frozen=True, slots=True)
class Segment:
    """Speech between two times of the source (not of the scene)."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """Timed speech; no segments means that nothing was said, and `note` may say why (no audio track)."""

    segments: tuple[Segment, ...] = ()
    language: str = ""
    note: str = ""

    @property
    def text(self) -> str:
        """The words alone."""
        return " ".join(segment.text.strip() for segment in self.segments).strip()


@dataclass(frozen=True, slots=True)
class Box:
    """One object: corners as fractions of width and height, score in 0..1."""

    label: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Boxes:
    """What a detector saw in one picture."""

    boxes: tuple[Box, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many of each label, most frequent first."""
        found: dict[str, int] = {}
        for box in self.boxes:
            found[box.label] = found.get(box.label, 0) + 1
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer rests on: `source` is a path, times are seconds in it, `text` the words used, `place` a page or section."""

    source: str
    start_s: float | None = None
    end_s: float | None = None
    text: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and the evidence it used."""

    text: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text found for a question, with its score and where it comes from."""

    text: str
    score: float = 0.0
    origin: Origin | None = None


def origin_of(value: object) -> Origin | None:
    """Where a value lies in the user's media, when the value itself says so."""
    match value:
        case Scene():
            return Origin(value.media.media.path, value.start_s, value.end_s)
        case Frame():
            return Origin(value.video.media.path, value.time_s, value.time_s)
        case Video() | Audio():
            return Origin(value.media.path, 0.0, value.duration_s)
        case Image() | Document():
            return Origin(value.media.path)
        case Passage():
            return value.origin
    return None


def count_tokens(text: str) -> float:
    """A rough count of language-model tokens (four characters each), for planning only."""
    return len(text) / 4.0


def text_of(value: object) -> str:
    """A value in words, as a prompt, a template or a search index would see it."""
    match value:
        case None:
            return ""
        case str():
            return value
        case Transcript():
            return value.text
        case Boxes():
            return ", ".join(
                label if count == 1 else f"{count} x {label}" for label, count in value.counts().items()
            )
        case Answer() | Passage() | Document() | Segment():
            return value.text
        case Scene():
            return f"{value.start_s:.1f}-{value.end_s:.1f} s of {value.media.media.name}"
        case Frame():
            return f"{value.time_s:.1f} s of {value.video.media.name}"
        case Video() | Audio() | Image():
            return value.media.name
        case Mapping():
            record = {str(key): part for key, part in value.items()}
            return json.dumps(record, ensure_ascii=False, sort_keys=True, skipkeys=True, default=text_of)
        case np.ndarray():
            return np.array2string(value, threshold=8)
        case bytes() | bytearray() | memoryview():
            return f"{memoryview(value).nbytes} bytes"
        case Sequence():
            return "\n".join(filter(None, (text_of(part) for part in value)))
    return str(value)


def measure(value: object) -> Measure:
    """A value's natural units; lists add up (megapixels: the largest)."""
    match value:
        case Video():
            return {
                "duration_s": value.duration_s,
                "audio_s": value.duration_s if value.has_audio else 0.0,
                "megapixels": value.width * value.height / 1e6,
                "frames": value.duration_s * value.fps,
                "count": 1.0,
            }
        case Audio():
            return {"duration_s": value.duration_s, "audio_s": value.duration_s, "count": 1.0}
        case Scene():
            whole = dict(measure(value.media))
            length = max(0.0, value.end_s - value.start_s)
            if "frames" in whole:
                share = length / value.media.duration_s if value.media.duration_s else 0.0
                whole["frames"] *= share
            audio = length if whole["audio_s"] > 0 else 0.0
            return {**whole, "duration_s": length, "audio_s": audio, "count": 1.0}
        case Frame():
            size = value.video.width * value.video.height / 1e6
            return {
                "megapixels": size,
                "decoded_megapixels": size * max(1.0, value.video.fps * REACH_S),
                "count": 1.0,
            }
        case Image():
            size = value.width * value.height / 1e6
            return {"megapixels": size, "decoded_megapixels": size, "count": 1.0}
        case Boxes():
            return {"boxes": float(len(value.boxes)), "tokens": count_tokens(text_of(value)), "count": 1.0}
        case list() | tuple() if value and only_plain(value):
            return {"count": float(len(value)), "tokens": plain_tokens(value)}
        case list() | tuple():
            summed: dict[str, float] = {"count": 0.0}
            for part in value:
                for unit, amount in measure(part).items():
                    if unit == "megapixels":
                        summed[unit] = max(summed.get(unit, 0.0), amount)
                    else:
                        summed[unit] = summed.get(unit, 0.0) + amount
            return summed
        case np.ndarray():
            return {"count": 1.0, "bytes": float(value.nbytes)}
        case bytes() | bytearray() | memoryview():
            return {"count": 1.0, "bytes": float(memoryview(value).nbytes)}
    return {"tokens": count_tokens(text_of(value)), "count": 1.0}


LONG = 10_000
"""Of a list of more numbers than this, some ten thousand tell how long all are, written out."""


def plain_tokens(values: Sequence[object]) -> float:
    """Tokens of texts and numbers together, as `measure` would add them up one by one."""
    texts = [one for one in values if isinstance(one, str)]
    others = values if not texts else [one for one in values if not isinstance(one, str)]
    some = others[:: max(1, len(others) // LONG)]
    written = sum(len(text_of(one)) for one in some)
    return (sum(map(len, texts)) + (written * len(others) / len(some) if some else 0.0)) / 4.0


# --- codecs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of value: its name, its Python type, and how it is written down.

    Attributes
    ----------
    name
        What ports and patterns call it.
    type
        The Python type of its values.
    encode, decode
        To and from bytes; None for a kind without a codec.
    opens
        Whether a variable bound to a port of this kind is a collection of files.
    """

    name: str
    type: type
    encode: Callable[[Any], bytes] | None
    decode: Callable[[bytes], Any] | None
    opens: bool = field(default=False)


def dump(data: object) -> bytes:
    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:  # a file's name that is no UTF-8: an escape holds it
        return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


def media_of(data: Mapping[str, Any]) -> Media:
    return Media(str(data["path"]), str(data["sha256"]), int(data["size_bytes"]))


def media_to(media: Media) -> dict[str, object]:
    return {"path": media.path, "sha256": media.sha256, "size_bytes": media.size_bytes}


def video_to(video: Video | Audio) -> dict[str, object]:
    if isinstance(video, Audio):
        return {"media": media_to(video.media), "duration_s": video.duration_s}
    return {
        "media": media_to(video.media),
        "duration_s": video.duration_s,
        "width": video.width,
        "height": video.height,
        "fps": video.fps,
        "has_audio": video.has_audio,
    }


def video_from(data: Mapping[str, Any]) -> Video:
    return Video(
        media_of(data["media"]),
        float(data["duration_s"]),
        int(data["width"]),
        int(data["height"]),
        float(data["fps"]),
        bool(data["has_audio"]),
    )


def track_from(data: Mapping[str, Any]) -> Video | Audio:
    if "width" in data:
        return video_from(data)
    return Audio(media_of(data["media"]), float(data["duration_s"]))


def origin_to(origin: Origin | None) -> list[object] | None:
    if origin is None:
        return None
    return [origin.source, origin.start_s, origin.end_s, *([origin.place] if origin.place else [])]


def origin_from(data: Any) -> Origin | None:
    if data is None:
        return None
    return Origin(str(data[0]), time_of(data[1]), time_of(data[2]), str(data[3]) if len(data) > 3 else "")


def time_of(data: Any) -> float | None:
    return None if data is None else float(data)


def npy_dump(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def npy_load(data: bytes) -> np.ndarray[Any, Any]:
    buffer = io.BytesIO(data)
    major, _ = np.lib.format.read_magic(buffer)
    header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(buffer)
    # A header may promise terabytes: it is believed only when the bytes are there.
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - buffer.tell():
        msg = f"no array of {shape} x {dtype}"
        raise ValueError(msg)
    loaded: np.ndarray[Any, Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return loaded


def scalar_load(data: bytes) -> Any:
    array = npy_load(data)
    if array.ndim:
        msg = f"{array.ndim} dimensions"
        raise ValueError(msg)
    return array[()]


def json_kind(
    name: str, cls: type, to: Callable[[Any], object], back: Callable[[Any], object], *, opens: bool = False
) -> Kind:
    return Kind(name, cls, lambda value: dump(to(value)), lambda data: back(json.loads(data)), opens)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        json_kind("video", Video, video_to, video_from, opens=True),
        json_kind("audio", Audio, video_to, track_from, opens=True),
        json_kind(
            "image",
            Image,
            lambda v: {"media": media_to(v.media), "width": v.width, "height": v.height},
            lambda d: Image(media_of(d["media"]), int(d["width"]), int(d["height"])),
            opens=True,
        ),
        json_kind(
            "document",
            Document,
            lambda v: {"media": media_to(v.media), "text": v.text},
            lambda d: Document(media_of(d["media"]), str(d["text"])),
            opens=True,
        ),
        json_kind(
            "scene",
            Scene,
            lambda v: {"media": video_to(v.media), "start_s": v.start_s, "end_s": v.end_s},
            lambda d: Scene(track_from(d["media"]), float(d["start_s"]), float(d["end_s"])),
        ),
        json_kind(
            "frame",
            Frame,
            lambda v: {"video": video_to(v.video), "time_s": v.time_s},
            lambda d: Frame(video_from(d["video"]), float(d["time_s"])),
        ),
        json_kind(
            "transcript",
            Transcript,
            lambda v: {
                "segments": [[s.start_s, s.end_s, s.text] for s in v.segments],
                "language": v.language,
                "note": v.note,
            },
            lambda d: Transcript(
                tuple(Segment(float(a), float(b), str(t)) for a, b, t in d["segments"]),
                str(d["language"]),
                str(d["note"]),
            ),
        ),
        json_kind(
            "boxes",
            Boxes,
            lambda v: [[b.label, b.score, b.x1, b.y1, b.x2, b.y2] for b in v.boxes],
            lambda d: Boxes(tuple(Box(str(row[0]), *(float(n) for n in row[1:])) for row in d)),
        ),
        json_kind(
            "answer",
            Answer,
            lambda v: {
                "text": v.text,
                "evidence": [
                    {"source": e.source, "start_s": e.start_s, "end_s": e.end_s, "text": e.text}
                    | ({"place": e.place} if e.place else {})
                    for e in v.evidence
                ],
            },
            lambda d: Answer(
                str(d["text"]),
                tuple(
                    Evidence(
                        str(e["source"]),
                        time_of(e["start_s"]),
                        time_of(e["end_s"]),
                        str(e["text"]),
                        str(e.get("place", "")),
                    )
                    for e in d["evidence"]
                ),
            ),
        ),
        json_kind(
            "passage",
            Passage,
            lambda v: {"text": v.text, "score": v.score, "origin": origin_to(v.origin)},
            lambda d: Passage(str(d["text"]), float(d["score"]), origin_from(d["origin"])),
        ),
        json_kind("text", str, lambda v: v, str),
        json_kind("record", dict, lambda v: v, dict),
        Kind("vector", np.ndarray, npy_dump, npy_load),
        Kind("any", object, None, None),
    )
}


def kind_of(value: object) -> str:
    """The name of a value's kind; plain numbers, lists and None are records; anything else is `any`."""
    for name, kind in KINDS.items():
        if name != "any" and isinstance(value, kind.type):
            return name
    return "any"


def encode(value: object) -> tuple[str, bytes] | None:
    """`(kind, bytes)` of a value, or None where its kind has no codec.

    A plain number, bool, None or a list of JSON values is written as kind `json`, bytes as they are as kind `bytes`, numpy's
    numbers as kind `scalar`. What would come back as
    something else (a tuple, a mapping whose keys are no text) has no codec.
    """
    name = kind_of(value)
    kind = KINDS[name]
    encoder = kind.encode
    if name == "any" and (value is None or isinstance(value, int | float | list)):
        name, encoder = "json", dump
    elif name == "any" and type(value) is bytes:
        name, encoder = "bytes", bytes
    elif name == "any" and isinstance(value, np.number | np.bool_):
        name, encoder = "scalar", npy_dump
    if encoder is None:
        return None
    try:
        return (name, encoder(value)) if faithful(value) else None
    except (TypeError, ValueError, RecursionError):
        return None


def faithful(value: object) -> bool:
    """Whether what JSON or npy gives back is the value itself: not where keys become text, tuples lists, or masks vanish."""
    match value:
        case np.ma.MaskedArray():
            return False
        case np.ndarray():
            return not value.dtype.hasobject
        case dict():
            return all(isinstance(key, str) and faithful(part) for key, part in value.items())
        case list():
            return only_plain(value) or all(map(faithful, value))
        case tuple():
            return False
    return True


def decode(name: str, data: bytes) -> Any:
    """Inverse of `encode`; raises `ValueError` for an unknown kind or bad bytes. Runs no code from the data."""
    kind = KINDS.get(name)
    plain: dict[str, Callable[[bytes], Any]] = {"json": json.loads, "bytes": bytes, "scalar": scalar_load}
    decoder = plain.get(name) or (kind.decode if kind is not None else None)
    if decoder is None:
        msg = f"No codec for values of kind {name!r}."
        raise ValueError(msg)
    try:
        return decoder(data)
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        msg = f"These bytes are no {name}: {error}."
        raise ValueError(msg) from error
