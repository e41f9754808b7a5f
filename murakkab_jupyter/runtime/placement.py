"""Where a call runs: workers, the instances on them, and what is free.

Cores are held by a running call, not by a loaded instance that waits; GPUs are held by the instance,
because a loaded model keeps its GPU's memory. So is memory, where it is known: on a worker that cannot hold two models
at once an idle one is let go for the other, which loads again when it is needed. Nothing is ever given twice.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from murakkab_jupyter.core.hosts import WorkerView
from murakkab_jupyter.runtime.messages import InstanceId

__all__ = ["Demand", "Instance", "Place", "Pool"]


@dataclass(frozen=True, slots=True)
class Demand:
    """What one call of a step needs: cores while it runs, GPUs and memory while its instance lives, at most `limit` instances.

    On `host` only, unless that is empty: its engine listens on loopback there. More memory than a worker has is all of it:
    what an instance takes may be a guess, and is no reason to refuse.
    """

    step: str
    cores: int
    gpus: int
    limit: int
    host: str = ""
    memory_bytes: float = 0.0


@dataclass(slots=True)
class Worker:
    """A worker and what is free on it."""

    view: WorkerView
    order: int
    free_cores: int
    free_gpus: int
    free_memory: float = 0.0
    instances: int = 0


@dataclass(slots=True)
class Instance:
    """A loaded agent; `task` is the call that it is busy with."""

    id: InstanceId
    gpus: int
    task: int | None = None
    cores: int = 0
    memory_bytes: float = 0.0


@dataclass(slots=True)
class Place:
    """Where a call can go: an idle instance, or a new one on `worker` once `evict` is retired."""

    worker: str
    instance: Instance | None = None
    evict: list[Instance] = field(default_factory=list)


class Pool:
    """All workers and instances of a run."""

    def __init__(self, workers: Iterable[WorkerView] = ()) -> None:
        self.workers: dict[str, Worker] = {}
        self.instances: dict[str, dict[int, Instance]] = {}
        self.idle: dict[str, dict[int, Instance]] = {}
        self._order = itertools.count()
        self._index: dict[str, itertools.count[int]] = {}
        self._freest: list[tuple[int, int, int, str]] = []
        self._barred: dict[str, set[str]] = {}
        for view in workers:
            self.join(view)

    # --- workers --------------------------------------------------------------------------------------------

    @property
    def cores(self) -> int:
        """Cores of all workers."""
        return sum(worker.view.cores for worker in self.workers.values())

    def join(self, view: WorkerView) -> bool:
        """A worker is there; False when it was already."""
        if view.name in self.workers:
            return False
        worker = Worker(view, next(self._order), view.cores, len(view.gpus), float(view.memory_bytes))
        self.workers[view.name] = worker
        self._note(worker)
        return True

    def grow(self, name: str, cores: int) -> None:
        """A worker has so many cores more."""
        worker = self.workers[name]
        worker.view = replace(worker.view, cores=worker.view.cores + cores)
        worker.free_cores += cores
        self._note(worker)

    def lose(self, name: str) -> list[Instance] | None:
        """A worker is gone: the instances that went with it, or None when it was not known."""
        if self.workers.pop(name, None) is None:
            return None
        gone = [i for each in self.instances.values() for i in each.values() if i.id.worker == name]
        for instance in gone:
            self.drop(instance)
        return gone

    def able(self, demand: Demand) -> bool:
        """Whether any worker could ever run such a call."""
        return any(
            worker.view.cores >= demand.cores
            and len(worker.view.gpus) >= demand.gpus
            and demand.host in ("", worker.view.host)
            and worker.view.name not in self.barred(demand.step)
            for worker in self.workers.values()
        )

    def bar(self, step: str, worker: str) -> None:
        """Make no call of a step on a worker any more: its agent cannot be loaded there."""
        self._barred.setdefault(step, set()).add(worker)

    def open(self, step: str) -> None:
        """Let a step's calls be made anywhere again."""
        self._barred.pop(step, None)

    def barred(self, step: str) -> Collection[str]:
        """Workers on which no call of a step is made."""
        return self._barred.get(step, ())

    def has(self, host: str) -> bool:
        """Whether a worker of some host is among them."""
        return any(worker.view.host == host for worker in self.workers.values())

    def most(self, cores: int, host: str = "") -> int:
        """So many cores, or as many as the largest worker has (of that host, where one is named)."""
        return min(
            cores, max((w.view.cores for w in self.workers.values() if host in ("", w.view.host)), default=0)
        )

    def room(self, demand: Demand, most: int) -> int:
        """How many more such calls could start now, at most `most`."""
        free = demand.limit - len(self.instances.get(demand.step, ())) + len(self.idle.get(demand.step, ()))
        most = min(most, max(0, free))
        if not demand.cores:
            return most
        found = 0
        barred = self.barred(demand.step)
        for worker in self.workers.values():
            if worker.view.name in barred:
                continue
            found += max(0, worker.free_cores) // demand.cores
            if found >= most:
                return most
        return found

    def describe(self) -> str:
        """`2 workers, 4 cores`."""
        number = len(self.workers)
        return f"{number} {'worker' if number == 1 else 'workers'}, {self.cores} {'core' if self.cores == 1 else 'cores'}"

    def lack(self, demand: Demand) -> str:
        """What a call needs that no worker has, in words."""
        wants = [f"{demand.cores} {'core' if demand.cores == 1 else 'cores'}"] if demand.cores else []
        wants += [f"{demand.gpus} {'GPU' if demand.gpus == 1 else 'GPUs'}"] if demand.gpus else []
        views = [worker.view for worker in self.workers.values()]
        most = f"{max((view.cores for view in views), default=0)} cores"
        if demand.gpus:
            most += f" and {max((len(view.gpus) for view in views), default=0)} GPUs"
        return f"step {demand.step} needs a worker with {' and '.join(wants)}; the largest has {most}"

    # --- choosing -------------------------------------------------------------------------------------------

    def find(
        self, demand: Demand, *, avoid: str | None = None, closed: Collection[str] = (), move: bool = False
    ) -> Place | None:
        """A place for one call: a warm instance first, then a new one on the freest worker.

        Parameters
        ----------
        demand
            What the call needs.
        avoid
            A worker to take only when no other can.
        closed
            Workers that are kept for somebody else.
        move
            Whether an idle instance may be given up for a new one elsewhere.
        """
        if barred := self.barred(demand.step):
            closed = {*closed, *barred}
        warm = self._warm(demand, avoid, closed)
        if warm is not None and warm.id.worker != avoid:
            return Place(warm.id.worker, warm)
        idle = self.idle.get(demand.step, {})
        full = len(self.instances.get(demand.step, ())) >= demand.limit
        spare = next(iter(idle.values()), None) if full and move else None
        if not full or spare is not None:
            place = self._fresh(demand, None if warm is None else avoid, avoid, closed)
            if place is not None:
                if full and spare is not None and spare not in place.evict:
                    place.evict.append(spare)
                return place
        return None if warm is None else Place(warm.id.worker, warm)

    def target(self, demand: Demand) -> str | None:
        """The worker to keep free for a call that nothing has room for: the freest of those that are large enough."""
        able = [
            worker
            for worker in self.workers.values()
            if worker.view.cores >= demand.cores
            and len(worker.view.gpus) >= demand.gpus
            and worker.view.name not in self.barred(demand.step)
        ]
        best = min(able, key=lambda worker: (-worker.free_cores, worker.order), default=None)
        return None if best is None else best.view.name

    def _warm(self, demand: Demand, avoid: str | None, closed: Collection[str]) -> Instance | None:
        best: Instance | None = None
        best_key = (True, 0)
        seen = 0
        for instance in self.idle.get(demand.step, {}).values():
            name = instance.id.worker
            free = self.workers[name].free_cores
            if free < demand.cores or (name in closed):
                continue
            if demand.host not in ("", self.workers[name].view.host):
                continue
            key = (name == avoid, -free)
            if best is None or key < best_key:
                best, best_key = instance, key
            seen += 1
            if seen >= 32 and not best_key[0]:  # enough of a choice; idle instances may be thousands
                break
        return best

    def _fresh(
        self, demand: Demand, never: str | None, avoid: str | None, closed: Collection[str]
    ) -> Place | None:
        if not demand.gpus and not demand.host and not closed and avoid is None:
            worker = self._top()
            if worker is None or worker.free_cores < demand.cores:
                return None
            if worker.free_memory >= needed(demand, worker):
                return Place(worker.view.name)
        best: Worker | None = None
        best_key: tuple[bool, int, int, int, int] | None = None
        evict: list[Instance] = []
        for worker in self.workers.values():
            name = worker.view.name
            if worker.free_cores < demand.cores or name == never or name in closed:
                continue
            if demand.host not in ("", worker.view.host):
                continue
            spare: list[Instance] = []
            gpus, memory = demand.gpus - worker.free_gpus, needed(demand, worker) - worker.free_memory
            if gpus > 0 or memory > 0:
                spare = self._evictable(name, gpus, memory)
                if not spare:
                    continue
            key = (name == avoid, len(spare), -worker.free_cores, worker.instances, worker.order)
            if best_key is None or key < best_key:
                best, best_key, evict = worker, key, spare
        return None if best is None else Place(best.view.name, evict=evict)

    def _evictable(self, worker: str, gpus: int, memory: float) -> list[Instance]:
        """Idle instances on a worker whose GPUs and memory would be enough; empty when they would not."""
        found: list[Instance] = []
        for each in self.idle.values():
            for instance in each.values():
                if instance.id.worker != worker:
                    continue
                if (gpus > 0 and instance.gpus) or (memory > 0 and instance.memory_bytes):
                    found.append(instance)
                    gpus -= instance.gpus
                    memory -= instance.memory_bytes
                if gpus <= 0 and memory <= 0:
                    return found
        return []

    def _top(self) -> Worker | None:
        """The worker with the most free cores, then the fewest instances, then the oldest."""
        heap = self._freest
        while heap:
            cores, instances, _, name = heap[0]
            worker = self.workers.get(name)
            if worker is not None and (-worker.free_cores, worker.instances) == (cores, instances):
                return worker
            heapq.heappop(heap)
        return None

    def _note(self, worker: Worker) -> None:
        entry = (-worker.free_cores, worker.instances, worker.order, worker.view.name)
        heapq.heappush(self._freest, entry)
        if len(self._freest) > 1000 + 8 * len(self.workers):  # mostly entries that are out of date
            self._freest = [(-w.free_cores, w.instances, w.order, w.view.name) for w in self.workers.values()]
            heapq.heapify(self._freest)

    # --- taking and giving back -----------------------------------------------------------------------------

    def start(self, demand: Demand, worker: str) -> Instance:
        """Count a new instance on a worker."""
        index = next(self._index.setdefault(demand.step, itertools.count()))
        host = self.workers[worker]
        memory = needed(demand, host)
        instance = Instance(InstanceId(demand.step, index, worker), demand.gpus, memory_bytes=memory)
        host.free_gpus -= demand.gpus
        host.free_memory -= memory
        host.instances += 1
        self._note(host)
        self.instances.setdefault(demand.step, {})[index] = instance
        self.idle.setdefault(demand.step, {})[index] = instance
        return instance

    def occupy(self, instance: Instance, task: int, cores: int) -> None:
        """A call begins on an idle instance."""
        worker = self.workers[instance.id.worker]
        worker.free_cores -= cores
        self._note(worker)
        instance.task, instance.cores = task, cores
        del self.idle[instance.id.step][instance.id.index]

    def widen(self, step: str, cores: int) -> None:
        """Calls of a step that are under way hold so many cores from now on; a worker may then have less than none free."""
        for instance in self.of_step(step):
            worker = self.workers.get(instance.id.worker)
            if worker is not None and instance.task is not None and cores > instance.cores:
                worker.free_cores -= cores - instance.cores
                instance.cores = cores
                self._note(worker)

    def release(self, instance: Instance) -> None:
        """A call has ended; the instance stays loaded."""
        worker = self.workers.get(instance.id.worker)
        if worker is not None:
            worker.free_cores += instance.cores
            self._note(worker)
        instance.task, instance.cores = None, 0
        if instance.id.index in self.instances.get(instance.id.step, {}):
            self.idle[instance.id.step][instance.id.index] = instance

    def drop(self, instance: Instance) -> None:
        """An instance is gone (retired, or dead)."""
        worker = self.workers.get(instance.id.worker)
        if worker is not None:
            worker.free_cores += instance.cores
            worker.free_gpus += instance.gpus
            worker.free_memory += instance.memory_bytes
            worker.instances -= 1
            self._note(worker)
        instance.task, instance.cores = None, 0
        self.instances[instance.id.step].pop(instance.id.index, None)
        self.idle[instance.id.step].pop(instance.id.index, None)

    def of_step(self, step: str) -> list[Instance]:
        """Every instance of a step."""
        return list(self.instances.get(step, {}).values())


def needed(demand: Demand, worker: Worker) -> float:
    """Memory that an instance takes of a worker: at most all of it; none where the worker's is not known."""
    return min(demand.memory_bytes, float(worker.view.memory_bytes))
