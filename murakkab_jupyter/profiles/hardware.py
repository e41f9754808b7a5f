"""What hardware there is: this host's speed and watts, and clusters that are only written down.

Speed is relative to the machine that made the reference profiles, by a micro-benchmark of two seconds
(interpreted loops, small matrix products, passes over memory; CPU time of one thread, so that a busy host
does not look slow). Watts without a meter are priors per logical core, with their boundary said.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, Gpu, HostPower, WorkerView
from murakkab_jupyter.core.media import cache_dir

__all__ = [
    "REFERENCE_MACHINE",
    "benchmark",
    "cpu_model",
    "host_cores",
    "host_key",
    "host_memory_bytes",
    "host_power",
    "host_speed",
    "load_cluster",
    "local_worker_view",
]

REFERENCE_MACHINE = "2 cores of an AMD EPYC (family 26, Zen 5) virtual machine, 24 GB"

REFERENCE_RATES: Mapping[str, float] = {"loop": 1620.0, "matrix": 3150.0, "memory": 187.0}
"""Rounds per CPU-second of each part on the reference machine, 2026-11-24."""

CGROUP = Path("/sys/fs/cgroup")

VALID_DAYS = 30

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


def memory_round() -> None:
    block = np.ones(1_000_000, dtype=np.float32)
    for _ in range(3):
        block = np.sqrt(block * np.float32(1.0001))


PARTS: Mapping[str, Callable[[], None]] = {"loop": loop_round, "matrix": matrix_round, "memory": memory_round}


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
        rates = benchmark()
        if all(rate > 0 for rate in rates.values()):
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                new = file.with_suffix(f".{os.getpid()}")
                new.write_text(json.dumps({"cpu": cpu_model(), "date": day.isoformat(), "rates": rates}))
                new.replace(file)
            except OSError:
                pass  # a read-only home only means that it is measured again next time
    ratios = [rates[name] / REFERENCE_RATES[name] for name in PARTS]
    if any(ratio <= 0 for ratio in ratios):
        return Figure(
            1.0,
            "1",
            0.3,
            3.0,
            "prior",
            note="the micro-benchmark gave nothing; taken as the reference machine",
        )
    value = math.exp(math.fsum(math.log(ratio) for ratio in ratios) / len(ratios))
    return Figure(
        value,
        "1",
        min(*ratios, value * 0.8),
        max(*ratios, value * 1.25),
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
    return rates if sound and data.get("cpu") == cpu_model() and 0 <= age <= VALID_DAYS else None


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


# --- described clusters ---------------------------------------------------------------------------------------

WORKER_KEYS = {
    "name", "host", "count", "cores", "memory_gb", "gpus", "speed", "price_usd_per_hour", "idle_w",
    "active_w_per_core", "electricity_usd_per_kwh", "source", "note",
}  # fmt: skip


def load_cluster(path: str | Path) -> ClusterView:
    """Read a described cluster from YAML or JSON.

    A file holds `workers`, a list of `{name, count, cores, memory_gb, gpus: [{name, memory_gb, count}], speed,
    idle_w, active_w_per_core, price_usd_per_hour, electricity_usd_per_kwh, source, note}`. What is left out
    is unknown, save the speed (1, a prior). `source` is `prior`, or `published` with a citation in `note`.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The cluster file {file} cannot be read: {error}."
        raise UsageError(msg) from error
    try:
        if file.suffix.lower() == ".json":
            data: Any = json.loads(text)
        else:
            import yaml  # type: ignore[import-untyped] # Dask brings it along; its stubs are another package

            data = yaml.safe_load(text)
    except Exception as error:
        # Both parsers raise their own families of errors; all mean the same to the user.
        msg = f"The cluster file {file} does not parse: {error}."
        raise UsageError(msg) from error
    described = data.get("workers") if isinstance(data, Mapping) else None
    if not isinstance(described, list) or not described:
        msg = f"The cluster file {file} holds no list of workers."
        raise UsageError(msg, hint="Write `workers:` and under it `- {name: w, cores: 8, memory_gb: 32}`.")
    workers: list[WorkerView] = []
    for index, raw in enumerate(described):
        workers.extend(described_workers(raw, index, file))
    names = [worker.name for worker in workers]
    if len(set(names)) != len(names):
        msg = f"The cluster file {file} names a worker twice."
        raise UsageError(msg)
    return ClusterView(tuple(workers), described=True)


def described_workers(raw: Any, index: int, file: Path) -> list[WorkerView]:
    """The workers that one entry of a cluster file stands for."""
    where = f"worker {index + 1} of {file}"
    if not isinstance(raw, Mapping):
        msg = f"In {where}: a worker is a mapping, not {raw!r}."
        raise UsageError(msg)
    strange = sorted(str(key) for key in raw if key not in WORKER_KEYS)
    if strange:
        msg = f"In {where}: there is no {', '.join(strange)}."
        raise UsageError(msg, hint=f"There are: {', '.join(sorted(WORKER_KEYS))}.")

    def amount(
        data: Mapping[Any, Any], key: str, default: float | None, *, least: float = 0.0
    ) -> float | None:
        value = data.get(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 1e9:
            msg = f"In {where}: {key} must be a number from {least:g} to 1e9, not {value!r}."
            raise UsageError(msg)
        return float(value)

    def whole(data: Mapping[Any, Any], key: str, default: int | None) -> int:
        value = amount(data, key, default, least=1)
        if value is None or value != int(value):
            msg = f"In {where}: {key} must be a whole number from 1, not {data.get(key)!r}."
            raise UsageError(msg)
        return int(value)

    source = raw.get("source", "prior")
    if source not in ("prior", "published"):
        msg = f"In {where}: source is prior or published, not {source!r}."
        raise UsageError(msg, hint="Nothing about hardware that is only written down was measured here.")
    note = str(raw.get("note", ""))

    def figure(key: str, unit: str) -> Figure:
        value = amount(raw, key, None)
        return unknown(unit) if value is None else Figure(value, unit, value, value, source, note=note)

    gpus: list[Gpu] = []
    for one in raw.get("gpus", ()) or ():
        if not isinstance(one, Mapping) or "name" not in one:
            msg = f"In {where}: a GPU is {{name, memory_gb, count}}, not {one!r}."
            raise UsageError(msg)
        memory = amount(one, "memory_gb", None)
        if memory is None:
            msg = f"In {where}: GPU {one['name']} has no memory_gb."
            raise UsageError(msg)
        gpus += [
            Gpu(len(gpus) + n, str(one["name"]), int(memory * 1e9)) for n in range(whole(one, "count", 1))
        ]
    speed = amount(raw, "speed", 1.0, least=0.001) or 1.0
    memory_gb = amount(raw, "memory_gb", None)
    if memory_gb is None:
        msg = f"In {where}: memory_gb is missing."
        raise UsageError(msg)
    name, count = str(raw.get("name", f"worker-{index + 1}")), whole(raw, "count", 1)
    made: list[WorkerView] = []
    for number in range(count):
        full = name if count == 1 else f"{name}-{number + 1}"
        made.append(
            WorkerView(
                name=full,
                host=str(raw.get("host", full)),
                cores=whole(raw, "cores", None),
                memory_bytes=int(memory_gb * 1e9),
                gpus=tuple(gpus),
                speed=Figure(speed, "1", speed * 0.7, speed * 1.4, "prior", note=note),
                power=HostPower(
                    figure("idle_w", "W"),
                    figure("active_w_per_core", "W"),
                    figure("price_usd_per_hour", "USD/h"),
                    figure("electricity_usd_per_kwh", "USD/kWh"),
                ),
            )
        )
    return made
