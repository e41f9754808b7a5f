"""What hardware there is here: this host's speed and watts.

Speed is relative to the machine that made the reference profiles, by a micro-benchmark of two seconds
(interpreted loops, small matrix products, passes over memory; CPU time of one thread, so that a busy host
does not look much slower). An agent is code, products and passes in turn, and none of the libraries that agents compute with is
the one that is timed here; of the two machines that profiles were made on, the models' speeds went with the part at which a machine is
worst (0.79, models 0.65-0.8), not with the mean of the parts (1.10). So that part counts. Watts without a meter are priors per logical core, with their boundary said.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import math
import mmap
import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower, WorkerView
from murakkab_jupyter.core.media import cache_dir
from murakkab_jupyter.core.private import write_private

__all__ = [
    "benchmark",
    "cpu_model",
    "host_cores",
    "host_key",
    "host_memory_bytes",
    "host_power",
    "host_speed",
    "local_worker_view",
    "reference_rates",
]

CGROUP = Path("/sys/fs/cgroup")

VALID_DAYS = 30

SPEED_NOISE = 1.08
"""Factor by which the micro-benchmark itself may be off."""

IDLE_SHARE = 0.2
"""Share of the host's CPU time in use above which it is too busy to learn much from."""

WATCH_S = 0.3
"""How long it is watched for that. The load average would not do: for minutes it counts what has ended already."""

WATTS_NOTE = (
    "CPU share only (no memory, disks, cooling), per logical core of a cloud server: Cloud Carbon Footprint, "
    "average of its Azure hosts, 0.78 W idle and 3.76 W busy"
)
IDLE_W_PER_CORE = 0.78
BUSY_W_PER_CORE = 3.76
ELECTRICITY = Figure(
    0.20, "USD/kWh", 0.08, 0.45, "prior", note="a round guess between industrial and household tariffs"
)


def cpu_model() -> str:
    """The CPU's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model"):
                return value.strip()
    except OSError:
        pass  # not Linux: ask the platform
    return platform.processor() or platform.machine() or "unknown"


def host_cores(cgroup: Path = CGROUP) -> int:
    """Logical cores that this process may use: its affinity, and its container's quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        count = os.cpu_count() or 1
    quota, period = words_of(cgroup / "cpu.max", 2)  # version 2
    if quota is None:
        (quota,), (period,) = (
            words_of(cgroup / "cpu" / name, 1) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )
    if quota and period and quota > 0:
        count = min(count, max(1, round(quota / period)))
    return count


def host_memory_bytes(cgroup: Path = CGROUP) -> int:
    """Memory of this host, or of its container where that is less."""
    import psutil

    total = int(psutil.virtual_memory().total)
    for file in (cgroup / "memory.max", cgroup / "memory" / "memory.limit_in_bytes"):
        (limit,) = words_of(file, 1)
        if limit:
            total = min(total, limit)
    return total


def words_of(file: Path, count: int) -> list[int | None]:
    """The first words of a file as numbers; None for what is none, or `max`."""
    try:
        words = file.read_text().split()
    except OSError:
        words = []
    numbers = [int(word) if word.lstrip("-").isdigit() else None for word in words[:count]]
    return numbers + [None] * (count - len(numbers))


def host_key() -> str:
    """What observations of this host are filed under."""
    return f"{platform.node()} | {cpu_model()} | {host_cores()} cores"


# --- speed ----------------------------------------------------------------------------------------------------


def loop_round() -> None:
    total = 0
    for number in range(20_000):
        total += number * number % 7


def matrix_round(size: int = 64) -> None:
    # Small enough that the linear algebra library stays on one thread.
    left = np.ones((size, size), dtype=np.float32)
    for _ in range(50):
        left = (left @ left) * np.float32(1.0 / size)


def fresh_block(count: int = 1_000_000) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    # Straight from the system: what the allocator kept from earlier work would make the pass five times faster or not.
    return np.frombuffer(
        mmap.mmap(-1, 4 * count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), dtype=np.float32
    )


def memory_round() -> None:
    block = fresh_block()
    block.fill(1.0)
    for _ in range(3):
        grown = np.multiply(block, np.float32(1.0001), out=fresh_block())
        block = np.sqrt(grown, out=fresh_block())


PARTS: Mapping[str, Callable[[], None]] = {
    "loop": loop_round,
    "matrix": matrix_round,
    "fresh_memory": memory_round,
}


@functools.cache
def reference_rates() -> Mapping[str, float]:
    """Rounds per CPU-second of each part on the reference machine: `machine.json`, written with the profiles that ship."""
    data = json.loads(files("murakkab_jupyter.profiles").joinpath("machine.json").read_text())
    return {str(name): float(rate) for name, rate in data["rates"].items()}


def benchmark(seconds: float = 2.0) -> dict[str, float]:
    """Rounds per CPU-second of each part; the best of several slices, since a neighbour can only slow one down."""
    rates: dict[str, float] = {}
    slices = 5
    for name, once in PARTS.items():
        once()
        best = 0.0
        for _ in range(slices):
            started, spent, rounds = time.perf_counter(), time.process_time(), 0
            while time.perf_counter() - started < seconds / len(PARTS) / slices:
                once()
                rounds += 1
            used = time.process_time() - spent
            if used > 0:
                best = max(best, rounds / used)
        rates[name] = best
    return rates


def busy() -> bool:
    """Whether anything uses this host now."""
    import psutil

    try:
        return float(psutil.cpu_percent(WATCH_S)) > 100.0 * IDLE_SHARE
    except (OSError, psutil.Error):  # not known on this system
        return False


def host_speed(*, cache: Path | None = None, today: datetime.date | None = None) -> Figure:
    """Speed of one core of this host against the reference machine; measured once a month and cached.

    Parameters
    ----------
    cache
        Folder of the cached figure; the cache folder when None.
    today
        Date that the cached figure's age is counted from.
    """
    day = today or datetime.datetime.now(datetime.UTC).date()
    file = (cache or cache_dir()) / "host_speed.json"
    rates = cached_rates(file, day)
    if rates is None:
        disturbed = busy()
        rates = benchmark()
        if all(rate > 0 for rate in rates.values()):
            with contextlib.suppress(
                OSError
            ):  # a read-only home only means that it is measured again next time
                write_private(
                    file,
                    json.dumps(
                        {"cpu": cpu_model(), "date": day.isoformat(), "rates": rates, "busy": disturbed}
                    ),
                )
    reference = reference_rates()
    ratios = {name: rates[name] / reference[name] for name in PARTS if name in reference}
    if not ratios or any(ratio <= 0 for ratio in ratios.values()):
        return Figure(
            1.0,
            "1",
            0.3,
            3.0,
            "prior",
            note="the micro-benchmark gave nothing; taken as the reference machine",
        )
    value, best = min(ratios.values()), max(ratios.values())
    # The more the parts disagree, the less any of them says of what is not timed.
    doubt = max(SPEED_NOISE, math.sqrt(best / value))
    return Figure(
        value,
        "1",
        value / doubt,
        value * doubt,
        "measured",
        "estimate",
        "micro-benchmark of one core, against the reference machine",
    )


def cached_rates(file: Path, day: datetime.date) -> dict[str, float] | None:
    """The cached rates, if they are of this CPU, of the same parts and not too old."""
    try:
        data = json.loads(file.read_text())
        age = (day - datetime.date.fromisoformat(data["date"])).days
        rates = {name: float(data["rates"][name]) for name in PARTS}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a cache: anything odd is measured again
    sound = all(math.isfinite(rate) and rate > 0 for rate in rates.values())
    # What a busy host gave is tried again the next day.
    days = 0 if data.get("busy") else VALID_DAYS
    return rates if sound and data.get("cpu") == cpu_model() and 0 <= age <= days else None


# --- watts ----------------------------------------------------------------------------------------------------


def host_power(cores: int | None = None) -> HostPower:
    """Watts of this host as priors, electricity at a guessed price; its price per hour is unknown.

    Parameters
    ----------
    cores
        Logical cores that are reserved: their share of the host's idle power is what a run is charged.
    """
    count = cores if cores is not None else host_cores()
    idle, added = IDLE_W_PER_CORE * count, BUSY_W_PER_CORE - IDLE_W_PER_CORE
    return HostPower(
        idle_w=Figure(idle, "W", idle * 0.5, idle * 4.0, "prior", "estimate", WATTS_NOTE),
        active_w_per_core=Figure(added, "W", added * 0.5, added * 3.0, "prior", "estimate", WATTS_NOTE),
        price_usd_per_hour=unknown("USD/h", "one's own machine"),
        electricity_usd_per_kwh=ELECTRICITY,
    )


def beyond_host(cores: int | None) -> str | None:
    """What to say where more cores are planned for than this host has; None where it has them."""
    here = host_cores()
    if cores is None or cores <= here:
        return None
    return (
        f"Planned for {cores} cores; this host has {here}: time, energy and cost are as if they were there, and a run "
        "here takes longer."
    )


def local_worker_view(
    *,
    name: str = "local",
    cores: int | None = None,
    memory_bytes: int | None = None,
    speed: Figure | None = None,
) -> WorkerView:
    """The host as one worker, as far as it is free to use."""
    count = cores if cores is not None else host_cores()
    return WorkerView(
        name=name,
        host=platform.node() or "localhost",
        cores=count,
        memory_bytes=memory_bytes if memory_bytes is not None else int(host_memory_bytes() * 0.8),
        speed=speed if speed is not None else host_speed(),
        power=host_power(count),
    )
