"""Who has a run: one open file a run, locked. The kernel drops the lock when the process that holds it dies.

A process id says less: one that was killed and not yet waited for still has its number, and start times move with the
wall clock. A lock belongs to an open file, so two sessions of one process exclude each other, too. No child has it: the
file is closed by `exec`, and by `os.fork` in the child, which would keep the lock after its owner's end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path

from murakkab_jupyter.core.private import private_folder

__all__ = ["drop", "holds", "is_held", "keep", "take"]

PAUSE_S = 0.005

_held: dict[Path, int] = {}
"""The open lock files of this process."""
_gate = threading.RLock()
"""Held by whoever opens, closes or forks: a child must find every lock file that it was born with."""


def take(path: Path, *, patience_s: float = 0.0) -> bool:
    """Lock a file, made where there is none; False where another holds it for longer than `patience_s`.

    Raises `OSError` where it cannot be made, or the file system has no locks.
    """
    private_folder(path.parent, ours=True)
    deadline_s = time.monotonic() + patience_s
    while True:
        taken = _try(path)
        if taken or (taken is not None and time.monotonic() >= deadline_s):
            return taken
        time.sleep(PAUSE_S)


def keep(path: Path) -> bool:
    """Whether this process still holds a lock. Where somebody deleted its file, it is made and locked again, if nobody else has."""
    with _gate:
        handle = _held.get(path)
        if handle is None or _is_at(handle, path):
            return handle is not None
        _close(_held.pop(path))
    return take(path)


def holds(path: Path) -> bool:
    """Whether this process holds a lock."""
    return path in _held


def is_held(path: Path) -> bool:
    """Whether any process holds a lock; also where that cannot be seen."""
    with _gate:
        if path in _held:
            return True
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            return not _lock(handle, fcntl.LOCK_SH)
        except OSError:
            return False  # without locks, nobody can hold one
        finally:
            _close(handle)


def drop(path: Path) -> None:
    """Unlock and delete a file, where this process holds it."""
    with _gate:
        handle = _held.pop(path, None)
        if handle is None:
            return
        if _is_at(handle, path):
            with contextlib.suppress(OSError):
                path.unlink()
        _close(handle)


def _try(path: Path) -> bool | None:
    """Whether a file could be locked; None where to try again: it was deleted meanwhile, or somebody only looks whether it is held."""
    with _gate:
        if path in _held:
            return False
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        keeps = False
        try:
            if not _lock(handle, fcntl.LOCK_EX):
                # Who looks has a shared lock for a moment; an owner lets nobody share.
                return None if _lock(handle, fcntl.LOCK_SH) else False
            if not _is_at(handle, path):
                return None
            _held[path] = handle
            keeps = True
            return True
        finally:
            if not keeps:
                _close(handle)


def _lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _close(handle: int) -> None:
    with contextlib.suppress(OSError):
        # Said outright: a child that some library forked behind Python's back has a copy of the file.
        fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        return False


def _forget() -> None:
    # Closed, not unlocked: the lock is the parent's.
    for handle in _held.values():
        os.close(handle)
    _held.clear()
    _gate.release()


os.register_at_fork(before=_gate.acquire, after_in_parent=_gate.release, after_in_child=_forget)
