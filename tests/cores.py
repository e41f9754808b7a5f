"""How many cores what the tests start finds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def as_on_two_cores() -> Iterator[None]:
    """What is started within finds two cores, so that a run takes as long on a large machine as on a small one."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if before:
        os.sched_setaffinity(0, sorted(before)[:2])
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)
