"""How long the process of an instance takes to start on this host, before it can load anything.

The first plan knows it from starting two of them, once a month: their CPU time, which is what a process takes on an idle host (it reads
files that are in memory and computes on one core). Of a busy host, where it may be twice as much, it is kept for a day, with a wider band.
Runs then learn it as they see it.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.media import cache_dir
from murakkab_jupyter.core.private import write_private
from murakkab_jupyter.core.version import VERSION
from murakkab_jupyter.profiles.hardware import VALID_DAYS, busy, cpu_model

__all__ = ["INSTANCE", "PROCESS", "host_start"]

INSTANCE = "murakkab_jupyter.cluster.instances.instance"
"""The main program of an instance."""

PROCESS = Figure(0.25, "s", 0.1, 0.6, "prior", note="the start of a process, a guess")
"""Of a host that nobody asked: a prior."""

BAND = (0.8, 1.6)
"""Waking, pipes and a disk that is asked for the first time come on top of CPU time; a neighbour may have slowed it."""

BUSY_BAND = (0.4, 1.6)
"""The same, as measured on a busy host: 0.21 to 0.28 s of CPU time where an idle one took 0.12 s."""

STARTS = 2
"""The first may find the package's files unread."""

PATIENCE_S = 20.0


def start_cpu_s() -> float:
    """CPU-seconds of a process that starts as an instance does, and ends; raises `OSError` where none can be started."""
    home = str(Path(__file__).parents[2])
    paths = dict.fromkeys([home, *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, "-c", f"import {INSTANCE}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    late = threading.Timer(PATIENCE_S, process.kill)
    late.daemon = True
    late.start()
    try:
        _, status, used = os.wait4(process.pid, 0)
    finally:
        late.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        msg = f"a process ended with {process.returncode}"
        raise OSError(msg)
    return used.ru_utime + used.ru_stime


def host_start(*, cache: Path | None = None, today: datetime.date | None = None) -> Figure:
    """Seconds that an instance's process takes to start here; measured once a month and cached, `PROCESS` where it cannot be.

    Parameters
    ----------
    cache
        Folder of the cached figure; the cache folder when None.
    today
        Date that the cached figure's age is counted from.
    """
    day = today or datetime.datetime.now(datetime.UTC).date()
    file = (cache or cache_dir()) / "host_start.json"
    known = cached(file, day)
    if known is None:
        disturbed = busy()
        try:
            seconds = min(start_cpu_s() for _ in range(STARTS))
        except OSError:
            return PROCESS
        if seconds <= 0:
            return PROCESS
        disturbed = busy() or disturbed  # somebody may have come meanwhile
        with contextlib.suppress(OSError):  # a home that may only be read: measured again next time
            write_private(
                file, json.dumps({**maker(), "date": day.isoformat(), "seconds": seconds, "busy": disturbed})
            )
        known = seconds, disturbed
    seconds, disturbed = known
    low, high = BUSY_BAND if disturbed else BAND
    return Figure(
        seconds, "s", seconds * low, seconds * high, "measured", "estimate",
        "CPU time of a process that starts as an instance does",
    )  # fmt: skip


def maker() -> dict[str, str]:
    """What the figure is of: another Python or another version of the package reads other files."""
    return {"cpu": cpu_model(), "python": f"{sys.executable} {sys.version.split()[0]}", "version": VERSION}


def cached(file: Path, day: datetime.date) -> tuple[float, bool] | None:
    """The cached seconds, and whether the host was busy, if they are of this CPU, Python and package, and not too old."""
    try:
        data = json.loads(file.read_text())
        age = (day - datetime.date.fromisoformat(data["date"])).days
        seconds = float(data["seconds"])
        same = all(data.get(name) == value for name, value in maker().items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # a cache: anything odd is measured again
    disturbed = bool(data.get("busy"))
    known = same and 0 <= age <= (0 if disturbed else VALID_DAYS)
    return (seconds, disturbed) if known and math.isfinite(seconds) and seconds > 0 else None
