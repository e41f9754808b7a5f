"""What Dask runs on a worker: batches as tasks, and everything else beside its scheduling.

`run_batch` is the task; the other functions run in the worker's event loop and return at once.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed import Status, Worker, WorkerPlugin, get_worker

from murakkab_jupyter.cluster.gpus import GpuLeases, gpus_here
from murakkab_jupyter.cluster.instances.pool import Pool, Recipe, Reply
from murakkab_jupyter.cluster.instances.wire import Progressed
from murakkab_jupyter.runtime.messages import InstanceId

__all__ = [
    "cancel_task",
    "instances",
    "lease_key",
    "leases_of",
    "pool_of",
    "retire",
    "run_batch",
    "shed",
    "stop_run",
    "topic",
    "waits",
]


def lease_key(run: str, worker: str) -> str:
    """Key of a small value that the run's client holds on each worker: gone when the client is."""
    return f"murakkab-lease-{run}-{worker}"


def topic(run: str) -> str:
    """Where a run's workers say what its client should know."""
    return f"murakkab-{run}"


class PoolEnd(WorkerPlugin):  # type: ignore[misc]
    """Closes a worker's pool when the worker closes."""

    name = "murakkab-pool"

    def teardown(self, worker: Worker) -> None:
        pool = _pools.pop(worker, None)
        if pool is not None:
            pool.close()


_pools: weakref.WeakKeyDictionary[Worker, Pool] = weakref.WeakKeyDictionary()
_leases: weakref.WeakKeyDictionary[Worker, GpuLeases] = weakref.WeakKeyDictionary()
_pools_lock = threading.RLock()


def leases_of(worker: Worker) -> GpuLeases:
    """Who holds which GPU of a worker; where NVML sees none, as many as it declares, by number."""
    with _pools_lock:
        if worker not in _leases:
            declared = int(worker.state.total_resources.get("GPU", 0))
            names = [name for name, _ in gpus_here()] or [str(index) for index in range(declared)]
            _leases[worker] = GpuLeases(names)
        return _leases[worker]


def pool_of(worker: Worker) -> Pool:
    """The pool of a worker, made when it is first needed."""
    with _pools_lock:
        pool = _pools.get(worker)
        if pool is None:
            address = worker.address
            reference = weakref.ref(worker)

            def leased(run: str) -> bool:
                alive = reference()
                return alive is not None and lease_key(run, address) in alive.data

            pool = Pool(gpus=leases_of(worker), folder=Path(worker.local_directory), leased=leased)
            _pools[worker] = pool
            worker.plugins[PoolEnd.name] = PoolEnd()
            atexit.register(pool.close)
        return pool


def run_batch(
    run: str, task: int, instance: InstanceId, recipe: Recipe, spec: bytes, batch: bytes, lease: object
) -> Reply:
    """The Dask task: one batch on one instance of this worker; `lease` only has to be here before it begins."""
    worker = get_worker()
    told = 0.0

    def tell(progress: Progressed) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < 1.0 and progress.done_bytes != progress.total_bytes:
            return
        told = now
        worker.log_event(
            topic(run),
            {
                "step": instance.step,
                "agent": recipe.agent,
                "what": progress.what,
                "done_bytes": progress.done_bytes,
                "total_bytes": progress.total_bytes,
            },
        )

    return pool_of(worker).run_batch(run, task, instance, recipe, spec, batch, tell)


async def stop_run(run: str, *, patience_s: float = 0.0, dask_worker: Worker) -> int:
    """End all instances of a run on this worker; those that are closing have `patience_s` to do so."""
    pool = pool_of(dask_worker)
    deadline = time.monotonic() + patience_s
    alive = pool.stop_run(run, gently=patience_s > 0)
    while any(process.alive for process in alive) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    for process in alive:
        process.kill()
    return len(alive)


def cancel_task(run: str, task: int, *, dask_worker: Worker) -> None:
    """Kill the instance that works on a task here."""
    pool_of(dask_worker).cancel_task(run, task)


def retire(run: str, step: str, index: int, *, dask_worker: Worker) -> None:
    """Let an instance close."""
    pool_of(dask_worker).retire(run, step, index)


def shed(run: str, given: list[tuple[str, int]], *, dask_worker: Worker) -> None:
    """Kill instances (step, index) of a run that goes on without them."""
    pool_of(dask_worker).shed(run, given)


def waits(run: str, tasks: list[int], *, dask_worker: Worker) -> tuple[list[int], list[str], bool]:
    """Those of a run's tasks that have not begun here, the keys of other tasks that are at work here, and whether Dask has paused it."""
    begun = pool_of(dask_worker).at_work(run)
    keys = [str(one.key) for one in dask_worker.state.executing]
    others = [key for key in keys if not key.startswith(f"murakkab-{run}-")]
    return [task for task in tasks if task not in begun], others, dask_worker.status == Status.paused


def instances(run: str | None = None, *, dask_worker: Worker) -> list[Mapping[str, Any]]:
    """The living instances on this worker."""
    return list(pool_of(dask_worker).instances(run))
