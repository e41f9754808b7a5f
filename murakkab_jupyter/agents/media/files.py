"""What a media file holds: its kind by suffix, its facts by looking into it, its sound and pictures.

A file is opened when it is declared, so that one that is empty, cut short or no media at all is named
at once. Pixels and samples are read later, where the work is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from murakkab_jupyter.agents.media.container import (
    TAIL_S,
    begins_anew,
    decoded,
    open_container,
    real_end_s,
    sound_stream,
    video_stream,
)
from murakkab_jupyter.agents.media.pictures import is_animated, open_image, pixels_of, read_frame, thumbnail
from murakkab_jupyter.agents.media.reading import docx_text, html_text, pdf_text
from murakkab_jupyter.agents.media.sound import LONGEST_GAP_S, RATE, read_audio
from murakkab_jupyter.core.errors import InputError, UsageError
from murakkab_jupyter.core.kinds import Audio, Document, Image, Video
from murakkab_jupyter.core.media import Media, unreadable

__all__ = ["MEDIA_KINDS", "RATE", "guess_kind", "probe", "read_audio", "read_frame", "thumbnail"]

MEDIA_KINDS = ("video", "audio", "image", "document")

SUFFIXES: dict[str, tuple[str, ...]] = {
    "video": (
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".ts", ".mts", ".m2ts",
        ".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".vob", ".mxf", ".m1v", ".m2v", ".h264", ".y4m",
    ),
    "audio": (
        ".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".ac3", ".wma", ".wv", ".mka", ".amr", ".aif",
        ".aiff",
    ),
    "image": (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jfif", ".jp2", ".tga"),
    "document": (
        ".pdf", ".docx", ".txt", ".md", ".rst", ".srt", ".vtt", ".csv", ".tsv", ".json", ".jsonl", ".html", ".htm", ".xhtml", ".xml",
        ".log", ".yaml", ".yml", ".tex",
    ),
}  # fmt: skip

UNREAD: dict[str, str] = {
    **dict.fromkeys((".doc", ".odt", ".rtf", ".pages", ".wpd"), "save it as .docx, .pdf or .txt"),
    **dict.fromkeys((".pptx", ".ppt", ".odp", ".key"), "save it as .pdf"),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "save each sheet as .csv"),
    **dict.fromkeys((".epub", ".mobi", ".azw3", ".djvu"), "convert it to .pdf or .html"),
    **dict.fromkeys((".eml", ".msg"), "save it as .txt"),
    ".ipynb": "export it: jupyter nbconvert --to markdown",
    **dict.fromkeys((".zip", ".tar", ".gz", ".7z", ".rar"), "unpack it, and give the folder"),
    **dict.fromkeys((".heic", ".heif", ".avif", ".svg"), "save it as .jpg or .png"),
}
"""Kinds of files that people have and that are not read, and what to do with one."""
PLAIN = frozenset({".eml", ".ipynb"})
"""Those of them that are plain text all the same, and read where one is named."""

ANIMATED = frozenset({".gif", ".webp", ".png"})
"""Images that may hold several pictures, shown one after the other."""

HTML = frozenset({".html", ".htm", ".xhtml"})
DECLARED = re.compile(
    rb"<(?:meta\b[^>]*charset|\?xml\b[^>]*encoding)\s*=\s*[\"']?([A-Za-z0-9_.:-]+)", re.IGNORECASE
)
"""The encoding that a page of HTML, or XML, says it has."""
MAX_DOCUMENT_BYTES = 64_000_000
SAMPLED_PAIRS = 2048
OFTEN, RARELY = 0.4, 0.02
"""Shares of zero bytes: of one half of the bytes of UTF-16, and of a text that holds some by mistake."""


def guess_kind(path: str | Path) -> str | None:
    """`video`, `audio`, `image` or `document` by a file's suffix; None for any other."""
    suffix = Path(path).suffix.lower()
    return next((kind for kind, known in SUFFIXES.items() if suffix in known), None)


def unread(path: str | Path) -> str:
    """What to do with a file of a well-known kind that is not read; empty for any other."""
    return UNREAD.get(Path(path).suffix.lower(), "")


def how_to_read(files: Iterable[Path], kind: str) -> str:
    """What to do so that some files are read after all, and which are; empty where nobody would want that."""
    ways = dict.fromkeys(
        f"{file.suffix.lower()}: {what}"
        for file in files
        if (what := unread(file)) and kind in ("document", "image")
    )
    return f"{'; '.join(ways)}. {read_as(kind)}." if ways else ""


def read_as(kind: str) -> str:
    """Which files are read as a kind, in words."""
    return f"What is read as {kind}: {', '.join(SUFFIXES[kind])}"


Tell = Callable[[str, str], None]
"""Told of what is doubtful in a file that was read: what it is, in words that fit many files, and the file."""


def probe(
    path: str | Path, kind: str, tell: Tell = lambda what, file: None
) -> Video | Audio | Image | Document:
    """Look into a file that should be of a kind; `tell` hears what is doubtful about a document or an image that was read.

    Raises
    ------
    InputError
        When it is missing, may not be read, is no ordinary file, is empty, cannot be decoded, or holds nothing of that
        kind; the message names it.
    """
    if kind not in MEDIA_KINDS:
        msg = f"There is no kind of media {kind!r}."
        raise UsageError(msg, hint=f"There are: {', '.join(MEDIA_KINDS)}.")
    media = Media.of(path)
    if media.size_bytes == 0:
        msg = f"{media.path} is empty (0 bytes)."
        raise InputError(msg, hint="Copy or download it again.")
    try:
        match kind:
            case "video":
                return probe_video(media)
            case "audio":
                return probe_audio(media)
            case "image":
                return probe_image(media, tell)
        return probe_document(media, tell)
    except OSError as error:  # it may change or go while it is looked into
        raise unreadable(media.path, error) from None


def probe_image(media: Media, tell: Tell) -> Image:
    """An image with its size (pixels), turned as its camera says; raises `InputError` for what cannot be read."""
    try:
        image = open_image(media.local())
        if Path(media.path).suffix.lower() in ANIMATED and is_animated(media.local()):
            tell("animated, and taken as one image (for a video of it: ffmpeg -i x.gif x.mp4)", media.path)
    except InputError as error:
        if what := unread(media.path):
            error.hint = f"{Path(media.path).suffix.lower()} is not read here: {what}."
        raise
    return Image(media, image.width, image.height)


def probe_video(media: Media) -> Video:
    """A video with its length (s), size (pixels), pictures a second and whether it has sound; raises `InputError` for one that is damaged."""
    path = media.local()
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            msg = f"{media.path} holds no picture."
            raise InputError(msg, hint="Give a video, or use a step that takes sound.")
        frame = next(decoded(container, stream), None)
        if frame is None:
            msg = f"No picture can be decoded from {media.path}."
            raise InputError(msg, hint="The file is damaged or cut short. Does it play elsewhere?")
        if begins_anew(container, stream):
            raise two_clocks(media, "-vf setpts=N/FR/TB -af asetpts=N/SR/TB")
        height, width = pixels_of(frame).shape[:2]
        fps = float(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)
        sound = sound_stream(container)
        # A single picture has no length of its own: it is shown for one frame's time.
        duration_s = max(real_end_s(container, stream), 1.0 / fps)
        heard_s = real_end_s(container, sound) if sound is not None else 0.0
        if heard_s > duration_s + LONGEST_GAP_S:
            heard_s = real_end_s(container, sound, LONGEST_GAP_S)
        if heard_s > duration_s + TAIL_S:
            duration_s = heard_s  # the last picture stays while somebody speaks on: a talk with one slide
        return Video(media, duration_s, width, height, fps, sound is not None)


def probe_audio(media: Media) -> Audio:
    """Sound with its length (s); raises `InputError` where there is none, or it is damaged."""
    with open_container(media.local()) as container:
        stream = sound_stream(container)
        if stream is None:
            msg = f"{media.path} holds no sound."
            raise InputError(msg, hint="Give a file with a track of sound.")
        frame = next(decoded(container, stream), None)
        if frame is None:
            msg = f"No sound can be decoded from {media.path}."
            raise InputError(msg, hint="The file is damaged or cut short. Does it play elsewhere?")
        if begins_anew(container, stream):
            raise two_clocks(media, "-af asetpts=N/SR/TB")
        least_s = frame.samples / frame.sample_rate
        return Audio(media, max(real_end_s(container, stream), least_s))


def two_clocks(media: Media, filters: str) -> InputError:
    """What to do with a file in which two times are alike: of two pictures only one can be found by its time."""
    return InputError(
        f"The times of {media.path} begin anew inside it, as in files that were joined end to end.",
        hint=f"Number them anew: ffmpeg -i FILE {filters} MENDED.mkv",
    )


def probe_document(media: Media, tell: Tell) -> Document:
    """A document with its text; raises `InputError` for one that is too large, holds no words or cannot be read."""
    path = media.local()
    if media.size_bytes > MAX_DOCUMENT_BYTES:
        msg = f"{media.path} has {media.size_bytes / 1e6:.0f} MB; at most {MAX_DOCUMENT_BYTES / 1e6:.0f} MB of text are read."
        raise InputError(msg, hint="Split it into smaller files.")
    suffix = Path(media.path).suffix.lower()
    if suffix == ".pdf":
        pages = pdf_text(path)
        if bare := [str(number) for number, page in enumerate(pages.split("\f"), 1) if not page.strip()]:
            where = ", ".join(bare[:5]) + (", …" if len(bare) > 5 else "")
            tell(
                "pages without text, of which nothing is read (ocr reads pictures)", f"{media.path} ({where})"
            )
        return Document(media, pages)
    if suffix == ".docx":
        return Document(media, docx_text(path))
    if unread(media.path) and suffix not in PLAIN:
        raise no_document(media)
    data = path.read_bytes()
    text = decoded_text(data, media, tell)
    if suffix in HTML:
        text = html_text(text)
    if not text.strip():
        msg = f"{media.path} holds no words."
        raise InputError(msg, hint="Is it the right file? What a page loads by a script is not in it.")
    return Document(media, text)


def decoded_text(data: bytes, media: Media, tell: Tell) -> str:
    """The text of a file's bytes; raises `InputError` where they are none."""
    bom = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
    encoding = next((name for mark, name in bom.items() if data.startswith(mark)), "utf-8")
    if encoding != "utf-16" and b"\0" in data:
        return text_with_zeros(data, media, tell)
    stated = DECLARED.search(data[:2048])
    for name in (encoding, stated[1].decode() if stated else encoding):
        try:
            return data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    if encoding == "utf-16":
        raise no_document(media)
    tell("no UTF-8, so read as Windows-1252 (save it as UTF-8 where letters are wrong)", media.path)
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # every byte means something in it, so old files stay readable


def text_with_zeros(data: bytes, media: Media, tell: Tell) -> str:
    """The text of bytes with zeros among them: UTF-16 without its mark, or a text that holds a stray one; `InputError` for anything else."""
    head = data[: 2 * SAMPLED_PAIRS]
    pairs = max(1, len(head) // 2)
    even, odd = head[0::2].count(0) / pairs, head[1::2].count(0) / pairs
    if max(even, odd) > OFTEN and min(even, odd) < RARELY and len(data) % 2 == 0:
        with suppress(UnicodeDecodeError):
            text = data.decode("utf-16-le" if odd > even else "utf-16-be")
            tell("taken as UTF-16, though its mark is missing", media.path)
            return text
    if data.count(0) < RARELY * len(data):
        with suppress(UnicodeDecodeError):
            text = data.replace(b"\0", b"").decode()
            tell("zero bytes in it were left out", media.path)
            return text
    raise no_document(media, "it holds zero bytes, as no text does")


def no_document(media: Media, why: str = "") -> InputError:
    """What to do with a file that is not read as a document."""
    msg = f"{media.path} is no file that can be read as a document{f': {why}' if why else ''}."
    what = unread(media.path) or "turn it into plain text first"
    return InputError(msg, hint=f"{what[0].upper()}{what[1:]}. {read_as('document')}, and any plain text.")
