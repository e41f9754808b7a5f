"""A reference to a media file that means the same on every host.

A worker that sees the same path (shared storage) reads it there; one that does not reads the copy
that was shipped to its cache under the file's hash.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.plain import only_plain
from murakkab_jupyter.core.private import private_folder, xdg

__all__ = [
    "Media",
    "cache_dir",
    "cache_folder",
    "find_media",
    "hash_file",
    "media_cache",
    "open_file",
    "unreadable",
]


def cache_dir() -> Path:
    """Where weights and shipped media are kept: `MURAKKAB_CACHE`, else the user's cache folder."""
    stated = os.environ.get("MURAKKAB_CACHE")
    return Path(stated) if stated else xdg("XDG_CACHE_HOME", ".cache")


def cache_folder(name: str) -> Path:
    """A folder of the cache, made where it is not there, which its owner alone can read; raises `OSError`."""
    private_folder(cache_dir())
    return private_folder(cache_dir() / name, ours=True)


def media_cache() -> Path:
    """Where media shipped from another host are kept, one file a hash."""
    return cache_dir() / "media"


def open_file(path: Path) -> io.BufferedReader:
    """An ordinary file, opened for reading; never waits for a writer, as opening a pipe does.

    Raises
    ------
    OSError
        Where there is none, it may not be read, or it is a folder, a pipe, a socket or a device.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device", str(path))
    # It may have become a pipe since.
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hex; raises `OSError` as `open_file` does."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Media:
    """A file by path, content hash and size in bytes."""

    path: str
    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: str | Path) -> Media:
        """Reference a file that can be read here; raises `InputError`, which says why not."""
        try:
            file = Path(path).expanduser().resolve()
            return cls(str(file), hash_file(file), file.stat().st_size)
        except (OSError, ValueError, RuntimeError) as error:
            raise unreadable(path, error) from None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.path).name

    def cached(self) -> Path:
        """Where a shipped copy lies, whether or not it is there."""
        return media_cache() / f"{self.sha256}{Path(self.path).suffix}"

    def here(self) -> Path | None:
        """The file on this host, in the cache (right by its name) or at its own path; None when it can be read at neither."""
        for place in (self.cached(), Path(self.path)):
            try:
                if place.is_file() and place.stat().st_size == self.size_bytes and os.access(place, os.R_OK):
                    return place
            except OSError:
                continue  # a folder that may not be looked into
        return None

    def local(self) -> Path:
        """The file on this host; raises `InputError` when it is neither at its path nor in the cache."""
        found = self.here()
        if found is None:
            msg = f"{self.path} is not on this host, or has changed since the workflow was declared."
            raise InputError(
                msg, hint="Declare the workflow again, or put the file on storage that workers share."
            )
        return found


def unreadable(path: str | Path, error: Exception) -> InputError:
    """What is wrong with a file that the system does not let one read, and what to do."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            if Path(path).is_symlink():
                msg = f"{path} is a link to a file that is not there."
                return InputError(msg, hint="Put that file back, or leave the link out.")
            msg = f"No file at {path}."
            return InputError(msg, hint="Check the path; relative paths start at the working directory.")
        case IsADirectoryError():
            return InputError(f"{path} is a folder, and a file is needed.", hint="Give the file itself.")
        case PermissionError():
            return InputError(
                f"{path} may not be read ({error.strerror}).", hint="Check its permissions and its folder's."
            )
    why = getattr(error, "strerror", None) or error
    return InputError(
        f"{path} cannot be read: {why}.", hint="Copy what it holds to an ordinary file, and give that."
    )


def find_media(value: object) -> Iterator[Media]:
    """Every media reference in a value, however deep."""
    match value:
        case Media():
            yield value
        case None | str() | bytes() | int() | float() | np.ndarray():
            return
        case Mapping():
            for part in value.values():
                yield from find_media(part)
        case list() | tuple() if only_plain(value):
            return
        case list() | tuple() | set() | frozenset():
            for part in value:
                yield from find_media(part)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            for one in dataclasses.fields(value):
                yield from find_media(getattr(value, one.name))
