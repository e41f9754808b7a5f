"""Large values as files named by the hash of what they hold: written beside, made durable, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from murakkab_jupyter.core.errors import JournalError
from murakkab_jupyter.core.private import private_folder, tighten

__all__ = ["Blobs"]

NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """A folder of content-addressed files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tighten(folder)

    def path(self, digest: str) -> Path:
        """Where a file lies; raises `JournalError` for a name that is no SHA-256 hash, so that a journal cannot point elsewhere."""
        if not NAME.fullmatch(digest):
            msg = f"{digest!r} is no SHA-256 hash."
            raise JournalError(msg, hint="The journal is corrupt; restore it, or choose another path.")
        return self.folder / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Keep bytes; returns their SHA-256 (hex) once they are durable. Raises `JournalError` where they cannot be written."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        with contextlib.suppress(OSError):
            if path.stat().st_size == len(data):
                return digest
        try:
            private_folder(path.parent, ours=True)
            write_beside(path, data)
        except OSError as error:
            msg = f"A value could not be written to {path.parent}: {error.strerror or error}."
            hint = "Free some space, or set MURAKKAB_JOURNAL to a path on another disk."
            raise JournalError(msg, hint=hint) from error
        sync_folder(path.parent)
        return digest

    def get(self, digest: str) -> bytes | None:
        """The bytes, or None when the file is gone; raises `JournalError` when it holds anything else."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(data).hexdigest() != digest:
            msg = f"{path} is damaged: it does not hold what its name says."
            raise JournalError(msg, hint="Restore it, or delete it: the value is then made again.")
        return data

    def has(self, digest: str) -> bool:
        """Whether the file is there."""
        return self.path(digest).is_file()

    def digests(self) -> Iterator[tuple[str, Path]]:
        """Every file kept."""
        for path in self.folder.glob("??/*"):
            if NAME.fullmatch(path.name):
                yield path.name, path

    def size_bytes(self) -> int:
        """Bytes of all files."""
        size = 0
        for _, path in self.digests():
            with contextlib.suppress(FileNotFoundError):
                size += path.stat().st_size
        return size


def write_beside(path: Path, data: bytes) -> None:
    """Write a file under another name, make it durable, then give it its own."""
    handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename durable; not every file system lets a folder be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
