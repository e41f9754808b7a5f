"""The root items of a workflow: what its variables hold, as values of their kinds.

A path becomes one file, a folder or a glob its files of the kind in order of name, a list its items in
the order given, a scalar one value.
"""

from __future__ import annotations

import contextlib
import glob
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.kinds import KINDS, Document, kind_of
from murakkab_jupyter.workflow.language.sorts import (
    MEDIA_KINDS,
    as_listed,
    is_folder,
    is_glob,
    kinds_in,
    suffix_kind,
)
from murakkab_jupyter.workflow.model import Variable, Workflow

__all__ = ["Roots", "alike", "gather", "unchanged"]

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Roots:
    """Root items.

    Attributes
    ----------
    values
        For each variable its values in order; None stands for one that is in `bad`.
    bad
        Items that cannot be read, by variable and ancestry, and why.
    sources
        For each collection, what each of its items was read from (a path, for media), readable or not.
    notes
        What the user should know of them: files of a folder that are left out.
    written
        For each collection, of each item that is a file its size and when it was written; None for any other.
    """

    values: Mapping[str, list[Any]]
    bad: Mapping[tuple[str, Ancestry], str] = field(default_factory=dict)
    sources: Mapping[str, list[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    written: Mapping[str, list[tuple[int, int] | None]] = field(default_factory=dict)


def gather(workflow: Workflow, values: Mapping[str, object], *, lost: bool = False) -> Roots:
    """Read the inputs of a workflow.

    Parameters
    ----------
    workflow
        Bound with the same values: it says the kind of each variable.
    values
        Python variables or command-line inputs.
    lost
        Whether a listed file may be gone, as one that an earlier run had: it is `bad` then, and the others keep their places.

    Raises
    ------
    InputError
        For a path that is missing, a folder or glob without files of the kind, an empty list, a web
        address, a value of another kind; and when none of a variable's files can be read. One unreadable
        file among others (of no permission, a pipe, a link that leads nowhere, damaged) only becomes `bad`.
    """
    found: dict[str, list[Any]] = {}
    bad: dict[tuple[str, Ancestry], str] = {}
    read_from: dict[str, list[Any]] = {}
    stamps: dict[str, list[tuple[int, int] | None]] = {}
    notes: list[str] = []
    for variable in workflow.variables:
        name = variable.name
        value = values.get(name)
        if value is None:
            msg = f"The variable {name} has no value."
            raise InputError(msg, hint=f"Give it one: {name} = …")
        if not variable.level:
            found[name] = [one(value, variable, lambda what, file: notes.append(f"{file}: {what}."))]
            continue
        sources = expanded(value, variable, notes, lost=lost)
        items: list[Any] = []
        doubts: dict[str, list[str]] = {}

        def doubt(what: str, file: str, into: dict[str, list[str]] = doubts) -> None:
            into.setdefault(what, []).append(file)

        for index, source in enumerate(sources):
            try:
                items.append(one(source, variable, doubt))
            except InputError as error:
                items.append(None)
                bad[name, ((name, index),)] = " ".join(error.lines())
        failed = [why for (owner, _), why in bad.items() if owner == name]
        if len(failed) == len(sources):
            raise none_readable(variable, failed)
        for what, doubtful in doubts.items():
            more = f" and {len(doubtful) - MOST_SHOWN} more" if len(doubtful) > MOST_SHOWN else ""
            notes.append(f"{name}: {what}: {', '.join(doubtful[:MOST_SHOWN])}{more}.")
        found[name] = items
        read_from[name] = list(sources)
        stamps[name] = [stamp(source, variable) for source in sources]
    return Roots(found, bad, read_from, tuple(notes), stamps)


def unchanged(workflow: Workflow, values: Mapping[str, object], roots: Roots) -> bool:
    """Whether collections still hold what was gathered: the items of a list, the files of a folder as they were written.

    What is inside an item that is no file is not looked at: it is the same object, and a run takes it as it is then.
    """
    for variable in workflow.variables:
        if not variable.level:
            continue
        try:
            sources = expanded(values.get(variable.name), variable, [])
        except InputError:
            return False
        before = roots.sources[variable.name]
        if len(sources) != len(before) or not all(map(alike, sources, before)):
            return False
        if [stamp(source, variable) for source in sources] != roots.written[variable.name]:
            return False
    return True


def alike(one: object, other: object) -> bool:
    """Whether two sources are one object, or equal texts, numbers or paths."""
    plain = (str, bytes, int, float, os.PathLike)
    return one is other or (type(one) is type(other) and isinstance(one, plain) and one == other)


def stamp(source: object, variable: Variable) -> tuple[int, int] | None:
    """A file's size (bytes) and when it was written (ns); None for what is no file, or is gone."""
    if variable.kind not in MEDIA_KINDS or not isinstance(source, str | os.PathLike):
        return None
    try:
        found = Path(source).stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def none_readable(variable: Variable, failed: Sequence[str]) -> InputError:
    shown = "\n".join(f"  {why}" for why in failed[:MOST_SHOWN])
    more = f"\n  … and {len(failed) - MOST_SHOWN} more" if len(failed) > MOST_SHOWN else ""
    if len(failed) == 1:
        return InputError(
            f"{variable.name} cannot be read: {failed[0]}", hint=f"Give {variable.name} another value."
        )
    return InputError(
        f"None of the {len(failed)} items of {variable.name} can be read:\n{shown}{more}",
        hint=f"Give {variable.name} files that hold {variable.kind}.",
    )


# --- from a value to its sources -----------------------------------------------------------------------------


def expanded(value: object, variable: Variable, notes: list[str], *, lost: bool = False) -> list[object]:
    """The sources of a collection: paths for media, items as they are for anything else; what is left out goes to `notes`.

    A path of a list that cannot be read stays one: `is_no_more` says which.
    """
    listed = as_listed(value)
    many: Iterable[object] = listed if isinstance(listed, list | tuple) else [value]
    sources: list[object] = []
    for item in many:
        if variable.kind in MEDIA_KINDS and isinstance(item, str | os.PathLike):
            of_many = isinstance(listed, list | tuple) and (lost or len(listed) > 1)
            one_file = of_many and is_no_more(os.fspath(item), variable, lost=lost)
            sources += [Path(item)] if one_file else files(item, variable, notes)
        else:
            sources.append(item)
    place = next((index for index, source in enumerate(sources) if source is None), None)
    if place is not None:
        msg = f"{variable.name} holds None at position {place}."
        raise InputError(msg, hint=f"Leave it out of {variable.name}, or give it a value.")
    if not sources:
        msg = f"{variable.name} is an empty list."
        raise InputError(msg, hint=f"Give {variable.name} at least one {variable.kind}.")
    return sources


def files(item: str | os.PathLike[str], variable: Variable, notes: list[str]) -> list[object]:
    """The files that a path, folder or glob means."""
    text = os.fspath(item)
    if URL.match(text):
        msg = f"{variable.name}: {text} is a web address; only files on this machine can be read."
        raise InputError(msg, hint="Download it first, and give the path of the file.")
    if not text.strip():
        msg = f"{variable.name} holds an empty path."
        raise InputError(msg, hint="Give the path of a file, a folder, or a glob such as clips/*.mp4.")
    if "\0" in text:
        msg = f"{variable.name} holds a path that no file can have."
        raise InputError(msg, hint="Give the path of a file, a folder, or a glob such as clips/*.mp4.")
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # no such user: the path is then missing, and said so below
        path = path.expanduser()
    if is_folder(path):
        return list(in_folder(path, variable, notes))
    if exists(path):
        return [path]
    if is_glob(text):
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - patterns may be absolute
        kept = [one for one in found if not is_folder(one)]
        if not kept:
            msg = f"{variable.name}: no file matches {text}."
            raise InputError(msg, hint=f"Check the pattern; it is looked for from {Path.cwd()}.")
        return list(kept)
    shown = text if len(text) <= 300 else f"{text[:300]}…"
    msg = f"{variable.name}: no file at {shown}."
    raise InputError(msg, hint=f"Check the path; a relative one starts at {Path.cwd()}.")


def is_no_more(path: str, variable: Variable, *, lost: bool) -> bool:
    """Whether a path that is one of many was that of one file, and cannot be read as one now.

    A folder without any such files has its name. With `lost`, when each path was a file's once, any folder stands in its
    place, or nothing is there.
    """
    if URL.match(path) or "\0" in path or not path.strip():
        return False
    file = Path(path)
    if is_folder(file):
        return lost or (suffix_kind(file) == variable.kind and variable.kind not in kinds_in(file))
    return lost and not exists(file) and not is_glob(path)


def exists(path: Path) -> bool:
    """Whether something is at a path, be it a link that leads nowhere, or in a folder that may not be looked into."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def in_folder(folder: Path, variable: Variable, notes: list[str]) -> list[Path]:
    """Files of a kind in a folder by name, hidden ones and folders inside left out; other files are told in `notes`."""
    from murakkab_jupyter.agents.media.files import SUFFIXES, how_to_read

    try:
        inside = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        msg = f"{variable.name}: the folder {folder} cannot be read ({error.strerror})."
        raise InputError(msg, hint="Check its permissions.") from None
    kept = [entry for entry in inside if suffix_kind(entry) == variable.kind and not is_folder(entry)]
    others = [entry for entry in inside if entry not in set(kept) and not is_folder(entry)]
    shown = ", ".join(one.name for one in others[:MOST_SHOWN])
    shown += f" and {len(others) - MOST_SHOWN} more" if len(others) > MOST_SHOWN else ""
    if not kept:
        what = "is empty" if not inside else f"holds no {variable.kind} files"
        msg = f"{variable.name}: the folder {folder} {what}{f', only {shown}' if others else ''}."
        hint = how_to_read(others, variable.kind) if others else ""
        example = f"**/*{SUFFIXES[variable.kind][0]}"
        hint += f" Only the folder itself is searched; for folders inside, write a glob: {example}"
        raise InputError(msg, hint=hint.strip())
    folders = [entry.name for entry in inside if is_folder(entry)]
    if folders:
        shown_in = ", ".join(folders[:MOST_SHOWN]) + (", …" if len(folders) > MOST_SHOWN else "")
        count = f"{len(folders)} folder{' is' if len(folders) == 1 else 's are'}"
        notes.append(
            f"{variable.name}: {count} in {folder} and not searched ({shown_in}). For what is in folders inside, "
            f"write a glob, or a list of globs: {folder}/**/*{SUFFIXES[variable.kind][0]}"
        )
    if others:
        count = f"{len(others)} file{' is' if len(others) == 1 else 's are'}"
        notes.append(
            f"{variable.name}: {count} left out of {folder}, being no {variable.kind}: {shown}. "
            f"{how_to_read(others, variable.kind)}".strip()
        )
    return kept


# --- from a source to a value --------------------------------------------------------------------------------


def one(source: object, variable: Variable, doubt: Callable[[str, str], None]) -> Any:
    """One value of the variable's kind; `doubt` hears what is doubtful about a file."""
    kind = variable.kind
    if isinstance(source, float) and math.isnan(source):
        msg = f"{variable.name} holds NaN, which stands for nothing."
        raise InputError(msg, hint=f"Leave it out of {variable.name}, or give it a value.")
    if kind == "any":
        return source
    if kind in MEDIA_KINDS and isinstance(source, str | os.PathLike):
        return read(Path(source), variable, doubt)
    if kind == "text":
        return text(source, variable)
    if kind == "audio" and kind_of(source) == "video":
        return source
    if not isinstance(source, KINDS[kind].type):
        msg = f"{variable.name} holds a {type(source).__name__}, and a {kind} is needed."
        raise InputError(msg, hint=f"Give {variable.name} values of kind {kind}.")
    return source


def read(file: Path, variable: Variable, doubt: Callable[[str, str], None]) -> Any:
    """What a file holds; meetings and talks are often saved as videos that have no picture."""
    from murakkab_jupyter.agents.media.files import probe

    try:
        return probe(file, variable.kind, doubt)
    except InputError:
        if variable.heard:
            with contextlib.suppress(InputError):
                return probe(file, "audio", doubt)
        raise


def text(source: object, variable: Variable) -> str:
    if isinstance(source, bool | int | float):
        return str(source)
    if isinstance(source, Document):
        return source.text
    if not isinstance(source, str):
        msg = f"{variable.name} holds a {type(source).__name__}, and a text is needed."
        raise InputError(msg, hint=f"Give {variable.name} a text, or a list of texts.")
    if not source.strip():
        msg = f"{variable.name} holds an empty text."
        raise InputError(msg, hint=f"Give {variable.name} some words.")
    return source
