"""How much a core slows down when the host's other cores are busy too: hyperthreads, caches, memory, clock.

A micro-benchmark of about a second and a half, kept for a month: work per CPU-second of one process alone, and with
every other core kept busy. On a host that is busy already nothing can be learnt: the figure is then a prior, and not kept.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.media import cache_dir
from murakkab_jupyter.core.private import write_private
from murakkab_jupyter.profiles.hardware import PARTS, VALID_DAYS, busy, cpu_model, host_cores

__all__ = ["GUESS", "NO_INTERFERENCE", "host_interference", "slowdown"]

NO_INTERFERENCE = Figure(1.0, "1", 1.0, 1.6, "prior", note="not measured; taken as none")

GUESS = Figure(
    1.25, "1", 1.0, 1.6, "prior", note="not measured, the host being busy; cores are often threads of one"
)
"""Of a host whose factor is not known. It lies in the middle of its band: the runs of `benchmarks/results/goals.md` used 1.3
times the CPU-seconds that the same calls use alone, and a plan that takes it for 1 promises too much."""

ALONE_S = 0.5
SLICE_S = 0.02
MOST = 2.5
"""Two hyperthreads never do less than one; more than this is noise."""

BUSY = """
import numpy as np, time
block, square = np.ones(1_000_000, dtype=np.float32), np.ones((64, 64), dtype=np.float32)
print("ready", flush=True)
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    block = np.sqrt(block * np.float32(1.0001))
    for _ in range(50):
        square = (square @ square) / np.float32(64)
"""
"""What the neighbours do: passes over memory and small matrix products, as models do."""


def rates(seconds: float) -> dict[str, float]:
    """Rounds per CPU-second of each part: the median of short slices."""
    found: dict[str, float] = {}
    for name, once in PARTS.items():
        once()
        slices: list[float] = []
        started = time.perf_counter()
        while time.perf_counter() - started < seconds / len(PARTS) or not slices:
            spent, rounds = time.process_time(), 0
            while (used := time.process_time() - spent) < SLICE_S:
                once()
                rounds += 1
            slices.append(rounds / used)
        found[name] = median(slices)
    return found


def measure(cores: int) -> float:
    """The factor, by keeping the other cores busy."""
    alone = rates(ALONE_S)
    code = BUSY.format(seconds=ALONE_S * 4)
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    others = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=one_thread)
        for _ in range(cores - 1)
    ]
    try:
        for other in others:
            if other.stdout is not None:
                other.stdout.readline()
        together = rates(ALONE_S)
    finally:
        for other in others:
            other.kill()
            other.communicate()
    return median(alone[name] / together[name] for name in PARTS)


def host_interference(*, cache: Path | None = None, today: datetime.date | None = None) -> Figure:
    """Factor on seconds and CPU-seconds of a call when all cores of this host are busy; cached for a month.

    Parameters
    ----------
    cache
        Folder of the cached figure; the cache folder when None.
    today
        Date that the cached figure's age is counted from.
    """
    cores = host_cores()
    if cores < 2:
        return Figure(1.0, "1", 1.0, 1.0, "measured", note="a single core")
    day = today or datetime.datetime.now(datetime.UTC).date()
    file = (cache or cache_dir()) / "host_interference.json"
    factor = cached(file, day, cores)
    if factor is None:
        if busy():
            return GUESS
        factor = min(MOST, max(1.0, measure(cores)))
        with contextlib.suppress(OSError):  # a home that may only be read: measured again next time
            write_private(
                file,
                json.dumps({"cpu": cpu_model(), "cores": cores, "date": day.isoformat(), "factor": factor}),
            )
    return Figure(
        factor, "1", 1.0 + (factor - 1.0) * 0.5, 1.0 + (factor - 1.0) * 2.0, "measured", "estimate",
        "micro-benchmark of one core alone and beside busy ones",
    )  # fmt: skip


def cached(file: Path, day: datetime.date, cores: int) -> float | None:
    """The cached factor, if it is of this CPU and not too old."""
    try:
        data = json.loads(file.read_text())
        age = (day - datetime.date.fromisoformat(data["date"])).days
        factor = float(data["factor"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a cache: anything odd is measured again
    known = data.get("cpu") == cpu_model() and data.get("cores") == cores and 0 <= age <= VALID_DAYS
    return factor if known and 1.0 <= factor <= MOST else None


def slowdown(factor: float, busy_share: float) -> float:
    """The factor when that share of the other cores is busy: in proportion."""
    return 1.0 + (factor - 1.0) * min(1.0, max(0.0, busy_share))
