"""Processes with their children, and the CPU time that they have used."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

__all__ = ["tree_cpu_s", "tree_of"]


def tree_of(pids: Collection[int] | None = None) -> dict[int, psutil.Process]:
    """Some processes and their children, by number; this process and its own when None. Those that are gone are left out."""
    import psutil

    found: dict[int, psutil.Process] = {}
    for pid in (os.getpid(),) if pids is None else pids:
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(pid)
            found.update({one.pid: one for one in (parent, *parent.children(recursive=True))})
    return found


def tree_cpu_s(pids: Collection[int] | None = None) -> float:
    """CPU time of some processes (this one when None) and their children so far, those that ended included (s)."""
    import psutil

    used = 0.0
    for process in tree_of(pids).values():
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            used += times.user + times.system
            used += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return used
