"""What a Python value may be: the kinds it could stand for, before its ports decide.

A string may be a text or the path of a file, a folder or a glob. The port decides: one that takes only
media takes a path. Where a port takes both, a string is a text, unless it ends as media files do (`.mp4`)
and has no spaces, or names a file that is there. A `pathlib.Path`, or a string that ends with `/`, is a path; so is one
without spaces that begins as paths do (`/home/…`, `~/`, `./`, `../`), and one with a `/` that names a folder or matches files.
"""

from __future__ import annotations

import collections
import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from murakkab_jupyter.agents.capability import Port
from murakkab_jupyter.core.kinds import KINDS, kind_of

__all__ = [
    "MEDIA_KINDS",
    "Sort",
    "as_listed",
    "is_folder",
    "is_glob",
    "kinds_in",
    "sort_of",
    "suffix_kind",
    "why_no_data",
]

MEDIA_KINDS = ("video", "audio", "image", "document")
LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class Sort:
    """Kinds that a value could stand for.

    Attributes
    ----------
    likely
        In order of preference, where any port would do.
    possible
        Those that a port may ask for besides (a string without a known suffix may still be a video).
    many
        Whether it is a list or a tuple.
    """

    likely: tuple[str, ...]
    possible: tuple[str, ...] = ()
    many: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """All of them, the most likely first."""
        return self.likely + tuple(kind for kind in self.possible if kind not in self.likely)

    def narrowed(self, port: Port) -> Sort | None:
        """What is left when a port takes the value; None where it cannot."""
        if "any" in port.kinds:
            return self
        likely = tuple(kind for kind in self.likely if port.accepts(kind))
        possible = tuple(kind for kind in self.possible if port.accepts(kind))
        if likely or possible:
            return Sort(likely, possible, self.many)
        return None


def suffix_kind(path: str | Path) -> str | None:
    """Kind of media by a file's suffix."""
    from murakkab_jupyter.agents.media.files import guess_kind

    return guess_kind(path)


def is_glob(text: str) -> bool:
    """Whether a path has wildcards."""
    return any(sign in text for sign in "*?[")


def is_file(path: Path) -> bool:
    try:
        return path.expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def means_file(text: str) -> bool:
    """Whether a text of no known kind is the path of a file all the same: one that is there, or one of an office suite's."""
    from murakkab_jupyter.agents.media.files import unread

    return is_file(Path(text)) or (not any(c.isspace() for c in text) and bool(unread(text)))


def means_path(text: str) -> bool:
    """Whether a text of no known kind is a path without a doubt: by how it begins, or by what is there."""
    if is_file(Path(text)) or not text.strip():
        return False
    begins = text.startswith(("~/", "./", "../")) or bool(re.match(r"/[^/\s]+/", text))
    if begins and not any(c.isspace() for c in text):
        return True
    return "/" in text and (is_folder(Path(text)) or (is_glob(text) and bool(matched(text))))


def matched(pattern: str) -> tuple[str, ...]:
    """Kinds of media among what a glob matches, the first by name first; of many files the first thousand."""
    try:
        names = sorted(islice(glob.iglob(str(Path(pattern).expanduser()), recursive=True), 1000))  # noqa: PTH207 - patterns may be absolute
    except (OSError, ValueError, RuntimeError):
        return ()
    return tuple(dict.fromkeys(kind for name in names if (kind := suffix_kind(name))))


def is_folder(path: Path) -> bool:
    """Whether there is a folder (never raises)."""
    try:
        return path.expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def kinds_in(folder: Path) -> tuple[str, ...]:
    """Kinds of media among a folder's files, the first by name first; files that are not read are taken for documents."""
    from murakkab_jupyter.agents.media.files import unread

    try:
        names = sorted(entry.name for entry in folder.expanduser().iterdir() if is_file(entry))
    except OSError:
        return ()
    found = dict.fromkeys(kind for name in names if (kind := suffix_kind(name)))
    return tuple(found) or (("document",) if any(map(unread, names)) else ())


def as_media(kind: str) -> tuple[str, ...]:
    """What a file of a known kind may stand for: a video also for its sound."""
    return (kind, "audio") if kind == "video" else (kind,)


def of_path(path: Path) -> Sort:
    kind = suffix_kind(path)
    if kind:
        return Sort((kind,), as_media(kind))
    inside = kinds_in(path) if is_folder(path) else ()
    return Sort(inside or MEDIA_KINDS, MEDIA_KINDS)


def of_text(text: str) -> Sort:
    if not text or len(text) > LONGEST_PATH or "\n" in text or "\0" in text:
        return Sort(("text",), MEDIA_KINDS)
    if text.endswith(("/", os.sep)):
        return Sort((*of_path(Path(text)).likely, "text"), MEDIA_KINDS)
    kind = suffix_kind(text)
    if kind is None and means_path(text):
        found = kinds_in(Path(text)) or matched(text) or ("document",)
        return Sort((*found, "text"), MEDIA_KINDS)
    if kind is None and means_file(text):
        return Sort(("document", "text"), MEDIA_KINDS)
    if kind is None:
        inside = kinds_in(Path(text)) if is_folder(Path(text)) else ()
        return Sort(("text",), (*inside, *(k for k in MEDIA_KINDS if k not in inside)))
    if not any(c.isspace() for c in text) or is_file(Path(text)):
        return Sort((kind, "text"), as_media(kind))
    return Sort(("text", kind), as_media(kind))


VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), collections.deque)
COLUMNS = {"pandas": ("Series", "Index", "ExtensionArray"), "polars": ("Series",)}
"""Classes of table packages that hold one column."""


def as_listed(value: object) -> Any:
    """A column of a table, an array of texts, a queue, the view of a dict or what a step made as the list that it is; any other value as it is.

    What a column leaves out (NaN, NA, NaT) is None in the list.
    """
    if isinstance(value, VIEWS):
        many: Any = value
        return list(many)
    if isinstance(value, MappingProxyType) and value and all(map(is_place, value)):
        return list(value.values())
    if isinstance(value, np.ndarray):
        return whole(value.tolist()) if value.ndim == 1 and value.dtype.kind in "OUT" else value
    if is_of(value, COLUMNS):
        column: Any = value
        return whole(column.to_list() if hasattr(column, "to_list") else column.tolist())
    return value


def is_place(key: object) -> bool:
    """Whether the key of a mapping says where a result lies, as the keys of `run.outputs["STEP"]` do."""
    return isinstance(key, tuple) and all(
        isinstance(part, tuple) and len(part) == 2 and isinstance(part[1], int) for part in key
    )


TABLES = {"pandas": ("DataFrame",), "polars": ("DataFrame", "LazyFrame")}
BYTES = bytes | bytearray | memoryview
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
"""How files of pictures begin."""


def is_of(value: object, classes: Mapping[str, Sequence[str]]) -> bool:
    """Whether a value is of such a class of such a package (none is imported for it)."""
    return any(
        one.__name__ in classes.get(one.__module__.split(".", maxsplit=1)[0], ())
        for one in type(value).__mro__
    )


def whole(items: list[Any]) -> list[Any]:
    return [None if is_left_out(one) else one for one in items]


def is_left_out(item: object) -> bool:
    """Whether an item of a column stands for a missing one: what is left out does not equal itself."""
    if type(item).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(item, float) and item != item


def begins_a_picture(value: bytes | bytearray | memoryview) -> bool:
    """Whether bytes begin like a PNG, JPEG, GIF or WebP file."""
    head = bytes(value)[:12]
    return head.startswith(PICTURES) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def of_picture(name: str) -> str:
    return (
        f"It looks like a picture. Make words of it first, and refer to those: "
        f"seen <- describe {{{name}}} @visual-description pictures={{{name}}}"
    )


def why_no_data(
    name: str, value: object, port: Port | None, *, reads: bool = False
) -> tuple[str, str] | None:
    """What is wrong with a value that no port could take or send to a worker, or that a port of texts would read as something else.

    Parameters
    ----------
    name, value
        The variable.
    port
        What takes it; None before that is known.
    reads
        Whether the step reads words even through a port of any kind, as a built-in capability does; a function
        or another's agent takes a table whole.

    Returns
    -------
    tuple of str or None
        What is wrong, and what to write.
    """
    kind = type(value).__name__
    if isinstance(value, Iterator):
        return (
            f"`{name}` is a {kind}, which gives its items only once.",
            f"Write {name} = list({name}) before this cell.",
        )
    if is_of(value, {"murakkab_jupyter": ("Run",)}):
        return (
            f"`{name}` is a run, not data.",
            f'Take what a step made: x = {name}.outputs["STEP"], and write {{x}}.',
        )
    whole = port is not None and "any" in port.kinds
    if port is None or (whole and not reads) or not port.kinds & {"text", "document", "any"}:
        return None
    if isinstance(value, list | tuple) and value:
        if all(is_of(one, TABLES) for one in value):
            return (
                f"`{name}` is a list of tables, and texts are needed.",
                f'Give a column of them: x = [text for one in {name} for text in one["column"]], and write {{x}}.',
            )
        if all(isinstance(one, BYTES) for one in value):
            hint = f'Write {name} = [bytes(one).decode("utf-8") for one in {name}] before this cell.'
            return (
                f"`{name}` is a list of bytes, and texts are needed.",
                of_picture(name) if any(map(begins_a_picture, value)) else hint,
            )
    if is_of(value, TABLES):
        columns = [one for one in map(str, getattr(value, "columns", ())) if '"' not in one]
        column = columns[0] if columns else "column"
        return (
            f"`{name}` is a table, and texts are needed.",
            f'Give a column of it: x = {name}["{column}"], and write {{x}}.',
        )
    if isinstance(value, BYTES):
        decoded = f"{name}.decode" if hasattr(value, "decode") else f"bytes({name}).decode"
        return (
            f"`{name}` is {'a memoryview' if isinstance(value, memoryview) else 'bytes'}, and a text is needed.",
            of_picture(name)
            if begins_a_picture(value)
            else f'Write {name} = {decoded}("utf-8") before this cell.',
        )
    if isinstance(value, set | frozenset):
        ordered = f'", ".join(sorted({name}))' if port.stated else f"sorted({name})"
        return f"`{name}` is a set, which has no order.", f"Write {name} = {ordered} before this cell."
    if whole:
        return None
    sort = sort_of(value)
    if sort.kinds == ("any",) and not sort.many:
        return (
            f"`{name}` is a {kind}, and a text is needed.",
            f"Give a text, or a list of texts: {name} = [str(x) for x in …]",
        )
    return None


def sort_of(value: object) -> Sort:
    """What a value may be."""
    value = as_listed(value)
    match value:
        case str():
            return of_text(value)
        case os.PathLike():
            return of_path(Path(value))
        case list() | tuple():
            return of_list(value)
        case bool() | int() | float():
            return Sort(("text",))
    return Sort((kind_of(value),))


def of_list(values: Sequence[object]) -> Sort:
    sorts = list(dict.fromkeys(sort_of(value) for value in values))
    if not sorts:
        return Sort(("text", *MEDIA_KINDS), tuple(KINDS), many=True)
    common = set(sorts[0].kinds).intersection(*(sort.kinds for sort in sorts))
    likely = tuple(
        kind for kind in sorts[0].kinds if kind in common and all(kind in sort.likely for sort in sorts)
    )
    possible = tuple(kind for kind in sorts[0].kinds if kind in common)
    if not possible:
        return Sort(("any",), many=True)
    return Sort(likely, possible, many=True) if likely else Sort(possible[:1], possible, many=True)
