"""What a Dask worker says about itself and its host."""

from __future__ import annotations

import os
import platform
import socket
import time
from dataclasses import dataclass

import cloudpickle
from distributed import Worker

from murakkab_jupyter.cluster.gpus import gpus_here
from murakkab_jupyter.cluster.memory import free_bytes
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import Gpu, HostPower
from murakkab_jupyter.core.media import cache_dir
from murakkab_jupyter.core.private import private_folder
from murakkab_jupyter.core.version import VERSION
from murakkab_jupyter.profiles.hardware import host_power, host_speed

__all__ = ["Probe", "probe", "survey"]


@dataclass(frozen=True, slots=True)
class Probe:
    """What one worker found.

    Attributes
    ----------
    address, name
        Dask's address and name of it.
    host, pid
        Host name and process.
    cores
        What it declares as the resource `cores`, in whole ones, else its threads; with none it is not used.
    declared
        Whether it declares `cores` and `GPU` as resources.
    threads
        Dask tasks it runs at once.
    memory_bytes, free_bytes
        Memory it may use in all, and now.
    python, murakkab, cloudpickle
        Versions.
    gpus
        GPUs that NVML shows and `CUDA_VISIBLE_DEVICES` leaves.
    gpu_slots
        GPUs that an engine may hold: those, or as many as it declares where NVML cannot see them.
    cache
        Where it keeps shipped media; empty when it cannot write there, and `cache_error` says why.
    time_s
        Its clock (Unix time).
    """

    address: str
    host: str
    pid: int
    cores: int
    declared: bool
    threads: int
    memory_bytes: int
    free_bytes: int
    python: str
    murakkab: str
    cloudpickle: str
    gpus: tuple[Gpu, ...]
    cache: str
    cache_error: str
    time_s: float
    name: str = ""
    gpu_slots: int = 0


def writable_cache() -> tuple[str, str]:
    folder = cache_dir()
    try:
        private_folder(folder)
    except OSError as error:
        return "", f"{folder}: {error.strerror or error}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "", f"{folder}: not writable"
    return str(folder), ""


def probe(*, dask_worker: Worker) -> Probe:
    """Look around on a worker."""
    from distributed.system import MEMORY_LIMIT

    resources = dict(dask_worker.state.total_resources)
    cache, cache_error = writable_cache()
    gpus = tuple(gpu for _, gpu in gpus_here())
    if resources.keys() & {"cores", "GPU"}:
        gpus = gpus[: int(resources.get("GPU", 0))]
    return Probe(
        address=dask_worker.address,
        host=socket.gethostname(),
        pid=os.getpid(),
        cores=int(resources.get("cores", dask_worker.state.nthreads)),
        declared="cores" in resources,
        threads=int(dask_worker.state.nthreads),
        memory_bytes=int(MEMORY_LIMIT),
        free_bytes=free_bytes(),
        python=platform.python_version(),
        murakkab=VERSION,
        cloudpickle=str(cloudpickle.__version__),
        gpus=gpus,
        cache=cache,
        cache_error=cache_error,
        time_s=time.time(),
        name=str(dask_worker.name),
        gpu_slots=len(gpus) or int(resources.get("GPU", 0)),
    )


def survey() -> tuple[Figure, HostPower]:
    """Speed and watts of a worker's host; the first time it takes two seconds, so it is a task of its own."""
    return host_speed(), host_power()
