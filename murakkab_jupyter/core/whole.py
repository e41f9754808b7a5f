"""Files that are written whole or not at all: a full disk costs nothing that was there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["whole"]

MOST_LINKS = 40


@contextlib.contextmanager
def whole(path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """A file to write in the place of `path`: it takes that place once it is written, and is gone where writing it fails.

    What is no ordinary file (a pipe, a device), is open already (`/dev/stdout`), belongs to somebody else, has several names,
    a group or attributes that a new file would not have, or may only be read, and one in a folder that takes no new files, is
    opened as it is. A file where none was gets `mode`, less what the umask takes. Raises `OSError` as writing does.
    """
    real = Path(os.path.realpath(path))  # a link stays one
    part = beside(real, mode) if replaceable(path) else None
    if part is None:
        yield path
        return
    try:
        yield part
        try:
            part.replace(real)
        except OSError:  # a file that is a mount of its own, as containers have them
            shutil.copyfile(part, real)
    finally:
        part.unlink(missing_ok=True)


def replaceable(path: Path) -> bool:
    """Whether another file may stand in a file's place without anybody noticing."""
    if is_open(path):
        return False
    try:
        state = path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False  # opening it says why
    ours = state.st_nlink == 1 and state.st_uid == os.geteuid() and os.access(path, os.W_OK)
    return stat.S_ISREG(state.st_mode) and ours


def is_open(path: Path) -> bool:
    """Whether a name, or a link that it follows, is one of what a process has open: `/dev/stdout`, `/dev/fd/3`."""
    for _ in range(MOST_LINKS):
        path = Path(os.path.realpath(path.parent)) / path.name
        if path.is_relative_to("/proc") or path.is_relative_to("/dev/fd"):
            return True
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return False


def beside(path: Path, mode: int) -> Path | None:
    """An empty file that can take a file's place; None where there can be none. Raises `OSError` when there is no room for it."""
    part = path.with_name(f".murakkab-{secrets.token_hex(6)}{path.suffix}")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return None
    if path.exists() and not made_alike(part, path):
        part.unlink()
        return None
    return part


def made_alike(part: Path, path: Path) -> bool:
    """Give a new file the rights of another; False where its group or attributes (access lists) would still differ."""
    try:
        shutil.copymode(path, part)
        return part.stat().st_gid == path.stat().st_gid and attributes(part) == attributes(path)
    except OSError:
        return False


def attributes(path: Path) -> dict[str, bytes]:
    """A file's extended attributes, of which access lists and security labels are some."""
    if not hasattr(os, "listxattr"):
        return {}
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
