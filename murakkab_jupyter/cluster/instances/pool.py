"""The instances of one Dask worker.

Whatever ends a run (its end, a stop, the loss of its client, the closing of the worker) ends its instances.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from murakkab_jupyter.cluster.gpus import GpuLeases
from murakkab_jupyter.cluster.instances.process import InstanceProcess, LostError
from murakkab_jupyter.cluster.instances.wire import Load, Loaded, Progressed, Raised, Returned, Unloadable
from murakkab_jupyter.cluster.memory import free_bytes
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.runtime.messages import InstanceId

__all__ = ["Ending", "NoRoomError", "Pool", "Recipe", "Reply"]

_OVER = "The run, or this batch of it, was stopped."
LEASE_CHECK_S = 1.0

Ending = Literal["returned", "raised", "lost", "unloadable", "no memory", "stopped", "gone"]
"""`gone`: Dask or the network failed, not the instance; `stopped`: the worker was told to stop it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that starting an instance takes, except the agent itself, whose bytes travel beside it.

    `digest` names those bytes; `memory_bytes` is what a loaded instance needs.
    """

    agent: str
    digest: str
    options: tuple[tuple[str, Any], ...]
    cores: int
    gpus: int
    kind: str
    opens: bool
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Reply:
    """How a batch ended. `values` are cloudpickled; `error` says why there are none; `notes` are for the user."""

    ending: Ending
    values: bytes = b""
    error: str = ""
    usage: Usage | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Slot:
    """Where one instance lives: calls take turns under `lock`, so it is loaded once."""

    recipe: Recipe
    lock: threading.Lock = field(default_factory=threading.Lock)
    process: InstanceProcess | None = None
    task: int | None = None
    retired: bool = False


@dataclass
class Running:
    """What a run has on this worker."""

    missed: int = 0
    slots: dict[tuple[str, int], Slot] = field(default_factory=dict)
    tasks: dict[int, Slot] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)


class NoRoomError(ClusterError):
    """The host has too little memory left for an instance."""


class Pool:
    """The instances of one worker.

    Parameters
    ----------
    gpus
        The GPUs of the worker, and who holds which.
    folder
        Where instances' logs go.
    leased
        Whether the client of a run still holds its lease here.
    """

    def __init__(
        self,
        *,
        gpus: GpuLeases | None = None,
        folder: Path | None = None,
        leased: Callable[[str], bool] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="murakkab-instances-", dir=folder))
        self._gpus = GpuLeases() if gpus is None else gpus
        self._leased = leased
        self._runs: dict[str, Running] = {}
        self._stopped: set[str] = set()
        self._processes: dict[InstanceProcess, tuple[str, int]] = {}  # whose it is, and what memory it needs
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._calls_end = threading.Condition(self._lock)
        self._closed = threading.Event()
        if leased is not None:
            threading.Thread(target=self._watch, name="murakkab leases", daemon=True).start()

    # --- batches ---------------------------------------------------------------------------------------------

    def run_batch(
        self,
        run: str,
        task: int,
        instance: InstanceId,
        recipe: Recipe,
        spec: bytes,
        batch: bytes,
        tell: Callable[[Progressed], None],
    ) -> Reply:
        """Call an instance with a batch, starting and loading it first when it is not there yet."""
        key = (instance.step, instance.index)
        with self._lock:
            if self._closed.is_set() or run in self._stopped:
                return Reply("stopped", error=_OVER)
            running = self._runs.setdefault(run, Running())
            if task in running.cancelled:
                return Reply("stopped", error=_OVER)
            slot = running.slots.get(key)
            if slot is None or slot.retired or slot.recipe != recipe:
                if slot is not None and slot.process is not None:
                    slot.process.kill()  # of another configuration
                slot = running.slots[key] = Slot(recipe)
            running.tasks[task] = slot
        try:
            with slot.lock:
                slot.task = task
                try:
                    return self._call(run, running, slot, spec, batch, tell)
                finally:
                    with self._calls_end:
                        slot.task = None
                        self._calls_end.notify_all()
        finally:
            with self._lock:
                running.tasks.pop(task, None)

    def _call(
        self,
        run: str,
        running: Running,
        slot: Slot,
        spec: bytes,
        batch: bytes,
        tell: Callable[[Progressed], None],
    ) -> Reply:
        recipe = slot.recipe
        ready: Loaded | Unloadable | None = None
        try:
            process, fresh = self._process(run, running, slot)
            if fresh:
                order = Load(
                    recipe.agent, spec, dict(recipe.options), recipe.cores, recipe.kind, recipe.opens
                )
                ready = process.load(order, tell)
                if isinstance(ready, Unloadable):
                    process.kill()
                    return Reply("unloadable", error=ready.error, usage=ready.usage)
            answer = process.call(batch, tell)
        except LostError as error:
            over = run in self._stopped or slot.task in running.cancelled
            return Reply("stopped" if over else "lost", error=str(error), usage=error.usage)
        except NoRoomError as error:
            return Reply("no memory", error=str(error))
        except ClusterError as error:
            return Reply("lost", error=str(error))
        usage = answer.usage
        if isinstance(ready, Loaded):
            usage = replace(
                usage, load_s=ready.load_s, load_cpu_s=ready.load_cpu_s,
                fetch_s=ready.fetch_s, fetch_cpu_s=ready.fetch_cpu_s, start_s=ready.start_s,
            )  # fmt: skip
        match answer:
            case Returned():
                return Reply("returned", values=answer.values, usage=usage, notes=answer.notes)
            case Raised():
                return Reply("raised", error=answer.error, usage=usage)

    def _process(self, run: str, running: Running, slot: Slot) -> tuple[InstanceProcess, bool]:
        """The slot's process, and whether it is fresh and must load."""
        recipe = slot.recipe
        with self._calls_end:  # under the lock, so that nothing starts after a stop
            while True:
                if self._closed.is_set() or run in self._stopped or slot.task in running.cancelled:
                    raise LostError(_OVER)
                if slot.process is not None and slot.process.alive:
                    return slot.process, False
                if slot.retired:  # nobody counts what would start in it, or would end it
                    raise LostError(_OVER)
                try:
                    self._make_room(running, recipe)
                    break
                except NoRoomError:
                    if not any(
                        other.task is not None for other in running.slots.values() if other is not slot
                    ):
                        raise
                # Another instance of this run is at work: when its call ends, it can give way.
                self._calls_end.wait(timeout=1.0)
            number, name = next(self._count), re.sub(r"[^\w.-]+", "-", recipe.agent)
            lease = self._gpus.take(f"Agent {recipe.agent}", recipe.gpus)
            try:
                process = InstanceProcess(
                    recipe.agent,
                    cores=recipe.cores,
                    gpus=lease.gpus,
                    log=self.folder / f"{number}-{name}.log",
                )
            except ClusterError:
                self._gpus.give_back(lease)
                raise
            lease.alive = lambda: process.alive
            slot.process = process
            self._processes = {p: what for p, what in self._processes.items() if p.alive}
            self._processes[slot.process] = (run, recipe.memory_bytes)
            return slot.process, True

    def _make_room(self, running: Running, recipe: Recipe) -> None:
        """Raise `NoRoomError` unless the host has room; the run's own idle instances give way first."""
        if self._room() >= recipe.memory_bytes:
            return
        for slot in running.slots.values():
            idle = slot.process is not None and slot.process.alive and slot.lock.acquire(blocking=False)
            if not idle:
                continue
            try:
                if slot.process is not None:
                    slot.process.kill()
                    slot.process.ended.wait(2.0)
                    slot.process = None
            finally:
                slot.lock.release()
            if self._room() >= recipe.memory_bytes:
                return
        msg = (
            f"Agent {recipe.agent} needs {recipe.memory_bytes / 1e9:.1f} GB of memory for an instance, "
            f"and the worker's host has {max(0, self._room()) / 1e9:.1f} GB free."
        )
        raise NoRoomError(msg, hint="Use fewer instances, a smaller agent, or a larger worker.")

    def _room(self) -> int:
        promised = sum(
            max(0, need - process.memory_bytes())
            for process, (_, need) in self._processes.items()
            if process.alive
        )
        return free_bytes() - promised

    # --- ends ------------------------------------------------------------------------------------------------

    def stop_run(self, run: str, *, gently: bool = False) -> list[InstanceProcess]:
        """Refuse more of a run and kill its instances, but, `gently`, not those that are closing; what still lives."""
        with self._calls_end:
            self._stopped.add(run)
            running = self._runs.pop(run, None)
            alive = [p for p, (owner, _) in self._processes.items() if owner == run and p.alive]
            held = {slot.process for slot in running.slots.values()} if running is not None else set()
            self._calls_end.notify_all()
        for process in alive:
            if process in held or not gently:
                process.kill()
        return alive

    def cancel_task(self, run: str, task: int) -> None:
        """Kill the instance that works on a task; refuse the task when it comes later."""
        with self._lock:
            if run in self._stopped:
                return
            running = self._runs.setdefault(run, Running())
            running.cancelled.add(task)
            slot = running.tasks.get(task)
            process = slot.process if slot is not None and slot.task == task else None
        if process is not None:
            process.kill()

    def at_work(self, run: str) -> set[int]:
        """Tasks of a run that have begun here and not ended."""
        with self._lock:
            running = self._runs.get(run)
            return set(running.tasks) if running is not None else set()

    def retire(self, run: str, step: str, index: int) -> None:
        """Let an instance close, in the background."""
        with self._lock:
            running = self._runs.get(run)
            slot = running.slots.pop((step, index), None) if running else None
            if slot is None:
                return
            slot.retired = True
        if slot.process is not None:
            threading.Thread(target=slot.process.close, name="murakkab retires", daemon=True).start()

    def shed(self, run: str, given: Iterable[tuple[str, int]]) -> None:
        """Kill some instances of a run, idle ones and those at work; others of it may come."""
        with self._calls_end:
            running = self._runs.get(run)
            slots = [running.slots.pop(key) for key in given if key in running.slots] if running else []
            for slot in slots:
                slot.retired = True
            self._calls_end.notify_all()
        for slot in slots:
            if slot.process is not None:
                slot.process.kill()

    def close(self) -> None:
        """Kill everything."""
        self._closed.set()
        with self._lock:
            processes = list(self._processes)
            self._runs.clear()
        for process in processes:
            process.kill()
        for process in processes:
            process.ended.wait(2.0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def instances(self, run: str | None = None) -> list[dict[str, Any]]:
        """The living instances: run, step, index, agent, pid, resident bytes."""
        with self._lock:
            found = [
                (name, key, slot.recipe.agent, slot.process)
                for name, running in self._runs.items()
                if run in (None, name)
                for key, slot in running.slots.items()
                if slot.process is not None and slot.process.alive
            ]
        return [
            {
                "run": name,
                "step": step,
                "index": index,
                "agent": agent,
                "pid": process.pid,
                "memory_bytes": process.memory_bytes(),
            }
            for name, (step, index), agent, process in found
        ]

    def pids(self) -> list[int]:
        """Process numbers of everything alive, whoever's it is."""
        with self._lock:
            return sorted(process.pid for process in self._processes if process.alive)

    def _watch(self) -> None:
        """Stop the runs whose client is gone."""
        while not self._closed.wait(LEASE_CHECK_S):
            with self._lock:
                runs = dict(self._runs)
            for run, running in runs.items():
                if self._leased is not None and self._leased(run):
                    running.missed = 0
                    continue
                running.missed += 1
                if running.missed > 1:
                    self.stop_run(run)
