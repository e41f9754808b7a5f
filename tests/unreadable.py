"""Files that may not be read, made for tests; root, who may read all, gives that right up for a while."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["AWAY", "spoil", "without_rights"]

AWAY = ("no permission", "pipe", "device", "dangling link", "link to itself", "folder", "gone")
"""What a file can become."""

READ_ALL = 0b110
"""The rights to read and to look into what permissions forbid: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
VERSION = 0x20080522


def spoil(path: Path, how: str) -> None:
    """Let a file become what cannot be read."""
    if how == "no permission":
        path.chmod(0)
        return
    if how in AWAY:
        path.unlink()
    match how:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "dangling link":
            path.symlink_to(path.with_name("nowhere"))
        case "link to itself":
            path.symlink_to(path)
        case "folder":
            path.mkdir()


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """This thread without root's rights over files; anybody else has none to lose."""
    libc = ctypes.CDLL(None, use_errno=True)
    head = (ctypes.c_uint32 * 2)(VERSION, 0)
    rights = (ctypes.c_uint32 * 6)()
    assert libc.capget(head, rights) == 0
    before = rights[0]
    try:
        rights[0] = before & ~READ_ALL
        assert libc.capset(head, rights) == 0
        yield
    finally:
        rights[0] = before
        assert libc.capset(head, rights) == 0
