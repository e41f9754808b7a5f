"""A reference to a media file that means the same on every host.

A worker that sees the same path (shared storage) reads it there; one that does not reads the copy
that was shipped to its cache under the file's hash.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.plain import only_plain
from murakkab_jupyter.core.private import private_folder, xdg

__all__ = ["Media", "cache_dir", "cache_folder", "find_media", "hash_file", "media_cache"]


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


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Media:
    """A file by path, content hash and size in bytes."""

    path: str
    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: str | Path) -> Media:
        """Reference a file that exists here; raises `InputError` when it does not."""
        file = Path(path).expanduser()
        if not file.is_file():
            msg = f"No file at {file}."
            raise InputError(msg, hint="Check the path; relative paths start at the working directory.")
        return cls(str(file.resolve()), hash_file(file), file.stat().st_size)

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
