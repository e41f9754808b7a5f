"""Ending with one's parent.

    python -I parent.py PARENT_PID PROGRAM [ARGUMENT…]

becomes that program, bound to its parent. Nothing of this package is imported, so its environment may be another one's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

__all__ = ["bound", "die_with"]

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent (the thread of it that started us) ends; Linux only."""
    if sys.platform == "linux":
        # The C library is there wherever CPython is.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it ended before we could ask


def bound(words: Sequence[str]) -> list[str]:
    """The words that start a program which ends when this process does."""
    return [sys.executable, "-I", __file__, str(os.getpid()), *words]


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell: the words are a list
    except OSError as error:
        sys.exit(f"{sys.argv[2]} cannot be started: {error.strerror}")
