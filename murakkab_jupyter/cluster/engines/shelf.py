"""The engines of one Dask worker, and what Dask runs there to start, watch and end them.

An engine lives as long as somebody holds it: a client whose lease is here. When the last one is gone (closed, or
killed), so is the engine; when the worker ends, all of them end with it.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from distributed import Worker, WorkerPlugin

from murakkab_jupyter.cluster.engines.config import PYTHON, EngineConfig, memory_needed_bytes
from murakkab_jupyter.cluster.engines.lifetime import UNKNOWN_S
from murakkab_jupyter.cluster.engines.server import Engine, own_cpus
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.cluster.gpus import GpuLeases, Lease
from murakkab_jupyter.cluster.host import leases_of
from murakkab_jupyter.cluster.memory import free_bytes
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.media import cache_dir
from murakkab_jupyter.core.private import private_folder

__all__ = [
    "Shelf",
    "engine_lease_key",
    "engine_log",
    "engine_status",
    "engine_use",
    "keep_engine",
    "shelf_of",
    "start_engine",
    "stop_engine",
]

WATCH_S = 1.0
LOOK_S = 5.0
KEPT_LOGS = 20


@dataclass(eq=False)
class Place:
    """An engine on the shelf: who holds it, and its GPUs."""

    engine: Engine
    lease: Lease
    holders: set[str] = field(default_factory=set)
    missed: dict[str, int] = field(default_factory=dict)
    looked_s: float = 0.0


class Shelf:
    """The engines of one worker.

    Parameters
    ----------
    leases
        GPUs of the worker, and who holds which.
    folder
        Where logs go; they outlive engine and worker.
    cores
        Cores of the worker.
    held
        Whether a client is still there.
    changed
        Called when GPUs were taken or given back.
    """

    def __init__(
        self,
        *,
        leases: GpuLeases,
        folder: Path,
        cores: int = 0,
        held: Callable[[str], bool] = lambda _: True,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.leases = leases
        self._folder = folder
        self._cores = cores
        self._held = held
        self._changed = changed
        self._places: dict[str, Place] = {}
        self._lock = threading.RLock()
        self._count = itertools.count()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="murakkab engines", daemon=True).start()
        threading.Thread(target=self._look, name="murakkab engines' use", daemon=True).start()

    def start(self, config: EngineConfig, holder: str) -> EngineStatus:
        """Start an engine, or join those who hold one like it already; returns at once, while it starts.

        Raises
        ------
        ClusterError
            There is no room, GPU, port, program or model for it; or another engine has its name.
        """
        with self._lock:
            if self._closed.is_set():
                msg = "This worker is closing."
                raise ClusterError(msg)
            place = self._places.get(config.name)
            if place is not None and not place.engine.over:
                same = replace(place.engine.config, keep_alive_s=None, worker="", gpus=None)
                if same != replace(config, keep_alive_s=None, worker="", gpus=None):
                    msg = f"An engine {config.name} runs here already, and it was started in another way."
                    raise ClusterError(msg, hint="Stop it first, or give this one another name: --name NAME.")
                place.holders.add(holder)
                return place.engine.status()
            wanted = config.gpus
            if wanted is None:
                wanted = config.tensor_parallel * config.replicas if self.leases.names else 0
            config = replace(config, gpus=wanted)
            self._check_memory(config)
            lease = self.leases.take(f"Engine {config.name}", wanted)
            try:
                check_gpu_memory(lease.gpus, config)
                engine = Engine(
                    config,
                    log=self._log(config.name),
                    gpus=lease.gpus,
                    cpus=() if wanted else own_cpus(config.cores or self._cores),
                    python=os.environ.get(PYTHON, ""),
                    at_end=self._changed,
                )
            except BaseException:
                self.leases.give_back(lease)
                raise
            lease.alive = lambda: not engine.over
            self._places[config.name] = Place(engine, lease, {holder})
        self._changed()
        return engine.status()

    def find(self, name: str) -> Engine | None:
        """An engine by name."""
        with self._lock:
            place = self._places.get(name)
        return place.engine if place is not None else None

    def engines(self) -> list[Engine]:
        """Every engine, those that have ended among them."""
        with self._lock:
            return [place.engine for place in self._places.values()]

    def stop(self, name: str, holder: str = "") -> bool:
        """Let go of an engine, and end it when nobody else holds it (at once, for no holder); whether it ends."""
        with self._lock:
            place = self._places.get(name)
            if place is None:
                return False
            place.holders.discard(holder)
            if holder and place.holders:
                return False
        place.engine.stop(wait=False)
        return True

    def close(self) -> None:
        """End everything, now."""
        self._closed.set()
        for engine in self.engines():
            engine.stop(wait=False)
        for engine in self.engines():
            engine.kill()

    def _living(self) -> list[tuple[Place, set[str]]]:
        """Engines that have not ended, and who holds each."""
        with self._lock:
            return [(one, set(one.holders)) for one in self._places.values() if not one.engine.over]

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_S):
            for place, holders in self._living():
                place.missed = {one: place.missed.get(one, 0) + 1 for one in holders if not self._held(one)}
                # Missed once is no sign: a holder's value may be on its way.
                lost = {one for one, times in place.missed.items() if times > 1}
                for one in lost:
                    place.engine.forget(one)
                limit = place.engine.keep_alive_s
                idle = place.engine.idle_s > (UNKNOWN_S if limit is None else limit)
                if lost == holders or (idle and place.engine.use_seen):
                    place.engine.stop(wait=False)

    def _look(self) -> None:
        """A look of its own now and then, as somebody may use an engine by its address alone.

        Beside the watch, for a server may take its time to answer.
        """
        while not self._closed.wait(WATCH_S):
            for place, _ in self._living():
                if place.engine.state == "ready" and time.monotonic() - place.looked_s > LOOK_S:
                    place.engine.look()
                    place.looked_s = time.monotonic()

    def _check_memory(self, config: EngineConfig) -> None:
        needed, free = memory_needed_bytes(config), free_bytes() - self._promised_bytes()
        if needed is not None and needed > free:
            msg = (
                f"Engine {config.name} needs about {needed / 1e9:.1f} GB of memory, "
                f"and its worker's host has {max(0, free) / 1e9:.1f} GB free."
            )
            raise ClusterError(
                msg, hint="Use a smaller model, a larger worker, or say what it really takes: --memory-gb N."
            )

    def _promised_bytes(self) -> int:
        """Memory that engines which are being started here will take and have not taken yet."""
        loading = [
            place.engine for place, _ in self._living() if place.engine.state in ("starting", "restarting")
        ]
        wanted = [(memory_needed_bytes(one.config) or 0, one.status().memory_bytes) for one in loading]
        return sum(max(0, needed - taken) for needed, taken in wanted)

    def _log(self, name: str) -> Path:
        private_folder(self._folder, ours=True)
        old = []
        for file in self._folder.glob("*.log"):
            with contextlib.suppress(FileNotFoundError):  # another worker of this host tidies up, too
                old.append((file.stat().st_mtime, file))
        for _, file in sorted(old)[:-KEPT_LOGS]:
            file.unlink(missing_ok=True)
        plain = re.sub(r"[^\w.-]+", "-", name)
        return self._folder / f"{plain}-{os.getpid()}-{next(self._count)}.log"


def check_gpu_memory(gpus: Sequence[str], config: EngineConfig) -> None:
    """Whether each GPU has free what the server will take of it; raises `ClusterError`."""
    if not gpus:
        return
    import pynvml

    try:
        pynvml.nvmlInit()
        for gpu in gpus:
            handle = (
                pynvml.nvmlDeviceGetHandleByIndex(int(gpu))
                if gpu.isdigit()
                else pynvml.nvmlDeviceGetHandleByUUID(gpu)
            )
            found = pynvml.nvmlDeviceGetMemoryInfo(handle)
            wanted = config.gpu_memory_utilization * int(found.total)
            if int(found.free) < wanted:
                msg = (
                    f"Engine {config.name} takes {wanted / 1e9:.1f} GB of GPU {gpu}, "
                    f"and {int(found.free) / 1e9:.1f} GB of {int(found.total) / 1e9:.1f} are free."
                )
                raise ClusterError(msg, hint="End what else uses it, or take less: --gpu-memory 0.5.")
    except pynvml.NVMLError:
        return  # nobody can say; the server will


# --- what Dask runs on a worker -------------------------------------------------------------------------------


def engine_lease_key(client: str, worker: str) -> str:
    """Key of a small value that a client holds on each worker where it has engines: gone when the client is."""
    return f"murakkab-engines-{client}-{worker}"


class ShelfEnd(WorkerPlugin):  # type: ignore[misc]
    """Ends a worker's engines when the worker closes."""

    name = "murakkab-engines"

    def teardown(self, worker: Worker) -> None:
        shelf = _shelves.pop(worker, None)
        if shelf is not None:
            shelf.close()


_shelves: weakref.WeakKeyDictionary[Worker, Shelf] = weakref.WeakKeyDictionary()
_shelves_lock = threading.Lock()


def shelf_of(worker: Worker) -> Shelf:
    """The engines of a worker; made when first needed."""
    with _shelves_lock:
        shelf = _shelves.get(worker)
        if shelf is None:
            address, reference = worker.address, weakref.ref(worker)
            total = dict(worker.state.total_resources)

            def held(client: str) -> bool:
                alive = reference()
                return alive is not None and engine_lease_key(client, address) in alive.data

            def changed() -> None:
                """Dask shall not give away what engines hold."""
                alive = reference()
                if alive is None or "GPU" not in total:
                    return
                engines = sum(who.startswith("Engine ") for who in leases_of(alive).held().values())
                with contextlib.suppress(RuntimeError):  # its loop is over
                    alive.loop.add_callback(alive.set_resources, GPU=max(0, total["GPU"] - engines))

            shelf = Shelf(
                leases=leases_of(worker),
                folder=cache_dir() / "engines",
                cores=int(total.get("cores", worker.state.nthreads)),
                held=held,
                changed=changed,
            )
            _shelves[worker] = shelf
            worker.plugins[ShelfEnd.name] = ShelfEnd()
            atexit.register(shelf.close)
        return shelf


def start_engine(config: EngineConfig, client: str, *, dask_worker: Worker) -> EngineStatus:
    """Start an engine here, or join who holds it; returns at once."""
    return replace(shelf_of(dask_worker).start(config, client), worker=dask_worker.address)


def engine_status(*, dask_worker: Worker) -> list[EngineStatus]:
    """What every engine here says of itself."""
    return [engine.status(worker=dask_worker.address) for engine in shelf_of(dask_worker).engines()]


def stop_engine(name: str, client: str = "", *, dask_worker: Worker) -> bool:
    """Let go of an engine here; for no client, end it whoever holds it."""
    return shelf_of(dask_worker).stop(name, client)


def engine_log(name: str, lines: int, *, dask_worker: Worker) -> str | None:
    """The last lines of an engine's log; None where it is not."""
    engine = shelf_of(dask_worker).find(name)
    return None if engine is None else engine.words(lines)


def keep_engine(name: str, seconds: float, *, dask_worker: Worker) -> None:
    """Say how long an engine here stays idle, unless its configuration said so."""
    engine = shelf_of(dask_worker).find(name)
    if engine is not None and engine.config.keep_alive_s is None:
        engine.keep_alive_s = seconds


def engine_use(name: str, who: str, begins: bool, client: str, *, dask_worker: Worker) -> None:
    """Somebody of a client's begins or ends to use an engine here; when the client is gone, so is the use."""
    engine = shelf_of(dask_worker).find(name)
    if engine is None:
        return
    if begins:
        engine.use(who, client)
    else:
        engine.done(who)
