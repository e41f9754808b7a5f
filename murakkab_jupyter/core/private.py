"""Files and folders that their owner alone can read, from the moment that they are made; older ones are tightened.

Never opened to be tightened: closing a SQLite file would drop the locks that this process has on it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from murakkab_jupyter.core.whole import whole

__all__ = ["data_dir", "private_file", "private_folder", "tighten", "write_private", "xdg"]


def xdg(variable: str, otherwise: str) -> Path:
    """`murakkab` in one of the user's folders: the one that a variable names, else `otherwise` under the home."""
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / otherwise) / "murakkab"


def data_dir() -> Path:
    """Where the user's journal, profiles and list of engines are by default."""
    return xdg("XDG_DATA_HOME", ".local/share")


def private_folder(path: Path, *, ours: bool = False) -> Path:
    """Make a folder, and those above it, that its owner alone can enter, and return it; raises `OSError` as `mkdir` does.

    One that is there already is tightened only where it is `ours` (nothing else is kept in it) or a default one: a folder
    that the user named may be shared on purpose.
    """
    try:
        if not path.parent.is_dir():
            private_folder(path.parent)
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        if ours or path in (data_dir(), xdg("XDG_CACHE_HOME", ".cache")):
            tighten(path)
    return path


def private_file(path: Path) -> None:
    """Make an empty file that its owner alone can read, or tighten the one that is there, with SQLite's files beside it.

    SQLite gives the files that it makes beside a database the rights of the database. Raises `OSError`.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        for suffix in ("", "-wal", "-shm", "-journal"):
            tighten(path.with_name(path.name + suffix))


def tighten(path: Path) -> None:
    """Take the rights of group and others from a file or folder of ours; what is somebody else's stays as it is."""
    with contextlib.suppress(OSError):
        state = path.stat()
        mode = stat.S_IMODE(state.st_mode)
        kind = stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)
        if kind and state.st_uid == os.geteuid() and mode & 0o077:
            path.chmod(mode & 0o700)


def write_private(path: Path, text: str) -> None:
    """Write a text, whole or not at all, to a file that its owner alone can read; raises `OSError`."""
    private_folder(path.parent)
    tighten(path)  # a new file takes the rights of the one in whose place it comes
    with whole(path, mode=0o600) as new:
        new.write_text(text, encoding="utf-8")
