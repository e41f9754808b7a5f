"""Getting media to where they are read: by shared path when the worker sees it, else by hash, in chunks.

A worker keeps what it was sent in its media cache under the file's hash, where `Media.local()` finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from distributed import Client

from murakkab_jupyter.cluster.instances.ship import limit_bytes
from murakkab_jupyter.cluster.silence import unless_gone
from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.media import Media, cache_folder, find_media, hash_file, open_file
from murakkab_jupyter.core.private import private_file

__all__ = ["SHIP_LIMIT_BYTES", "MediaShipper", "find_media", "sees_files"]

SHIP_LIMIT_BYTES = 2 * 1024**3
CHUNK_BYTES = 4 * 1024**2
HASHED_BYTES = 64 * 1024**2
"""A file at the same path and of the same size is hashed to be sure, up to this size."""


class MediaShipper:
    """Makes media readable on workers, each file once a worker.

    Parameters
    ----------
    client
        A client of the scheduler that has the workers.
    told
        Is told of each file that was sent: the worker, the file, and the seconds that took.
    gone
        Whether a worker is lost: then its answers are waited for no longer.
    """

    def __init__(
        self,
        client: Client,
        told: Callable[[str, Media, float], None] | None = None,
        gone: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._client = client
        self._told = told
        self._gone = gone
        self._there: set[tuple[str, str]] = set()
        self._refused: dict[tuple[str, str], str] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def known(self, worker: str, media: Media) -> bool:
        """Whether a worker is known to have a file."""
        return (worker, media.sha256) in self._there

    def ensure(self, worker: str, media: Media) -> None:
        """Make a file readable on a worker; raises `InputError` when that cannot be."""
        key = (worker, media.sha256)
        if key in self._there:
            return
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:  # one thread ships, the others wait for it
            if key in self._there:
                return
            if key in self._refused:
                raise InputError(self._refused[key])
            try:
                if not self._ask(worker, have_file, media):
                    began_s = time.monotonic()
                    self._ship(worker, media)
                    if self._told is not None:
                        self._told(worker, media, time.monotonic() - began_s)
            except InputError as error:
                with self._lock:
                    self._refused[key] = str(error)
                raise
            with self._lock:
                self._there.add(key)

    def forget(self, worker: str) -> None:
        """Know nothing of a worker any more (it is gone)."""
        with self._lock:
            self._there = {key for key in self._there if key[0] != worker}
            self._refused = {key: why for key, why in self._refused.items() if key[0] != worker}

    def _ask(self, worker: str, function: Any, *arguments: Any) -> Any:
        async def ask() -> Any:
            return await self._client.run(function, *arguments, workers=[worker], asynchronous=True)

        return unless_gone(self._client, ask, lambda: self._gone(worker))[worker]

    def _ship(self, worker: str, media: Media) -> None:
        source = media.here()
        if source is None:
            msg = (
                f"{media.path} is not on this host any more, or has changed, and worker {worker} has no copy."
            )
            raise InputError(msg, hint="Put it back, or declare the workflow again.")
        most = limit_bytes("MURAKKAB_SHIP_LIMIT", SHIP_LIMIT_BYTES)
        if media.size_bytes > most:
            msg = (
                f"{media.path} has {media.size_bytes / 1e6:.0f} MB, more than the {most / 1e6:.0f} MB that are "
                f"sent to a worker, and worker {worker} cannot see that path."
            )
            raise InputError(
                msg, hint="Put it on storage that workers share, or set MURAKKAB_SHIP_LIMIT=4GiB or more."
            )
        part = f"{media.sha256}.{uuid.uuid4().hex}.part"
        try:
            with open_file(source) as file:
                offset = 0
                while chunk := file.read(CHUNK_BYTES):
                    self._write(worker, media, part, offset, chunk)
                    offset += len(chunk)
        except OSError as error:
            self._ask(worker, drop_part, part)
            msg = f"{media.path} could not be read to send it to worker {worker}: {error.strerror or error}."
            raise InputError(msg) from error
        if not self._ask(worker, finish_file, media, part):
            msg = f"{media.path} did not arrive whole at worker {worker}: it changed while it was read."
            raise InputError(msg, hint="Declare the workflow again.")

    def _write(self, worker: str, media: Media, part: str, offset: int, chunk: bytes) -> None:
        trouble = self._ask(worker, write_part, part, offset, chunk, media.size_bytes)
        if trouble:
            msg = f"{media.path} cannot be kept on worker {worker}: {trouble}."
            raise InputError(
                msg,
                hint="Free disk space there, or set MURAKKAB_CACHE of the worker to a folder that has it.",
            )


# --- on the worker -------------------------------------------------------------------------------------------


def readable(path: Path, media: Media, *, hashed_bytes: int = HASHED_BYTES) -> bool:
    """Whether `path` can be opened and is that file, as far as its size (and, if small, its hash) says."""
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
        if size != media.size_bytes:
            return False
        return size > hashed_bytes or hash_file(path) == media.sha256
    except OSError:
        return False


async def sees_files(some: Sequence[Media]) -> bool:
    """Whether the worker reads all of some files, at their own paths or in its cache, as far as their sizes say."""
    return await asyncio.to_thread(
        lambda: all(
            readable(Path(one.path), one, hashed_bytes=-1) or readable(one.cached(), one, hashed_bytes=-1)
            for one in some
        )
    )


async def have_file(media: Media) -> bool:
    """Whether the worker can read a file, at its own path or in its cache."""
    return await asyncio.to_thread(
        lambda: readable(Path(media.path), media) or readable(media.cached(), media)
    )


def part_file(part: str) -> Path:
    from murakkab_jupyter.core.media import media_cache

    return media_cache() / part


async def write_part(part: str, offset: int, chunk: bytes, total_bytes: int) -> str:
    """Write a piece of a file; what stands in the way, or nothing."""

    def write() -> str:
        path = part_file(part)
        try:
            cache_folder("media")
            if offset == 0:
                free = shutil.disk_usage(path.parent).free
                if free < total_bytes:
                    return f"{path.parent} has {free / 1e6:.0f} MB free, and the file has {total_bytes / 1e6:.0f} MB"
            if offset == 0:
                private_file(path)
            with path.open("r+b" if offset else "wb") as file:
                file.seek(offset)
                file.write(chunk)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            return f"{path.parent}: {error.strerror or error}"
        return ""

    return await asyncio.to_thread(write)


async def finish_file(media: Media, part: str) -> bool:
    """Check a file that has arrived, and put it in its place."""

    def finish() -> bool:
        path = part_file(part)
        whole = media.size_bytes == 0 or path.stat().st_size == media.size_bytes
        if media.size_bytes == 0:
            cache_folder("media")
            private_file(path)
        if not whole or hash_file(path) != media.sha256:
            path.unlink(missing_ok=True)
            return False
        path.replace(media.cached())
        return True

    return await asyncio.to_thread(finish)


def drop_part(part: str) -> None:
    """Throw away a piece that will never be whole."""
    part_file(part).unlink(missing_ok=True)
