"""Files that are written whole or not at all: a full disk costs nothing that was there."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = ["whole"]


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write in the place of `path`: it takes that place once it is written, and is gone where writing it fails.

    What is no ordinary file (a pipe, a device), belongs to somebody else, has several names or may only be read, and one in a
    folder that takes no new files, is opened as it is. Raises `OSError` as writing does.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    part = path.with_name(f".murakkab-{os.getpid()}-{threading.get_ident()}{path.suffix}")
    if not replaceable(path) or not begun(part):
        yield path
        return
    try:
        if path.exists():
            shutil.copymode(path, part)
        yield part
        try:
            part.replace(path)
        except OSError:  # a file that is a mount of its own, as containers have them
            shutil.copyfile(part, path)
    finally:
        part.unlink(missing_ok=True)


def replaceable(path: Path) -> bool:
    """Whether another file may stand in a file's place without anybody noticing."""
    try:
        state = path.stat()
    except OSError:
        return True  # there is none
    ours = state.st_nlink == 1 and state.st_uid == os.geteuid() and os.access(path, os.W_OK)
    return path.is_file() and ours


def begun(part: Path) -> bool:
    """Make an empty file; False where its folder takes none. Raises `OSError` when there is no room for it."""
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return False
    return True
