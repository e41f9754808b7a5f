"""Dask clusters that the notebook's own code made: found where it keeps them, and asked beside its cells.

To find them asks nobody: objects of this process are looked at. To `ask` how their workers do waits for their
schedulers, so it belongs into a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.core.hosts import WorkerView
from murakkab_jupyter.notebook.views.workers import WorkerNames

__all__ = ["OwnCluster", "OwnClusters", "find"]

ASK_S = 1.5
"""A scheduler that has not answered by then is said not to answer."""
MOST = 4
MOST_WORKERS = 100
HERE = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """A cluster of the notebook's own.

    Attributes
    ----------
    address
        Of its scheduler.
    name
        The variable that holds it, or a client of it; empty where none does.
    kind
        What it is, as its class is called; empty for a client of a scheduler that runs elsewhere.
    holder
        The Dask client or cluster through which its scheduler can be asked.
    lost
        Whether the connection to its scheduler has broken.
    """

    address: str
    name: str
    kind: str
    holder: Any = field(compare=False)
    lost: bool = False


def find(space: Mapping[str, Any], used: Collection[str] = ()) -> list[OwnCluster]:
    """Clusters that code in `space` made, but for those whose schedulers' addresses are in `used`; asks nobody."""
    module = sys.modules.get("distributed")
    if module is None:
        return []
    found: dict[str, OwnCluster] = {}
    names = {id(one): name for name, one in reversed(list(space.items())) if not name.startswith("_")}
    for holder in holders(module, space):
        with contextlib.suppress(Exception):  # one that is half made or half closed says all sorts of things
            one = look(module, holder, names.get(id(holder), ""))
            if one is None or one.address in used:
                continue
            known = found.get(one.address)
            if known is None:
                found[one.address] = one
            elif not known.name and one.name:
                found[one.address] = OwnCluster(known.address, one.name, known.kind, known.holder)
    return list(found.values())[:MOST]


def holders(module: Any, space: Mapping[str, Any]) -> Iterator[Any]:
    """Dask's clusters and clients: those that variables hold, those of these clients, and the client that is in use."""
    kinds = (module.deploy.Cluster, module.Client)
    held = [one for one in list(space.values()) if issubclass(type(one), kinds)]
    with contextlib.suppress(ValueError):
        held.append(module.Client.current(allow_global=True))
    # Clusters first: they tell more of themselves. Those that no variable holds are found by Dask's own list.
    yield from (one for one in held if isinstance(one, kinds[0]))
    yield from (one.cluster for one in held if isinstance(getattr(one, "cluster", None), kinds[0]))
    yield from list(getattr(module.SpecCluster, "_instances", ()))
    yield from (one for one in held if isinstance(one, kinds[1]))


def look(module: Any, holder: Any, name: str) -> OwnCluster | None:
    """What is known of a client or cluster; None for one that has ended, has not begun, or is ours."""
    if isinstance(holder, module.Client):
        if holder.status not in ("running", "connecting") or holder.scheduler is None:
            return None
        return OwnCluster(str(holder.scheduler.address), name, "", holder, holder.status == "connecting")
    specs = getattr(holder, "worker_spec", None) or {}
    ours = any(
        getattr(spec.get("cls"), "__module__", "").startswith("murakkab_jupyter.") for spec in specs.values()
    )
    if ours or holder.status.name != "running":
        return None
    return OwnCluster(str(holder.scheduler_address), name, type(holder).__name__, holder)


class OwnClusters:
    """The clusters of a notebook's own code, and what their schedulers have said of their workers.

    Parameters
    ----------
    space
        The notebook's variables.
    used
        `used() -> addresses` of schedulers that are in use, and shown, already.
    """

    def __init__(self, space: Mapping[str, Any], used: Callable[[], Collection[str]] = tuple) -> None:
        self._space = space
        self._used = used
        self._said: dict[str, Mapping[str, Any] | None] = {}
        """By address: the workers as their scheduler told them; None where it has not answered."""

    def ask(self) -> None:
        """Ask each scheduler for its workers, and wait shortly."""
        clusters = find(self._space, self._used())
        # An asynchronous client lives in the loop of the cells, which hears nothing while one runs.
        self._said = {
            one.address: None if one.lost else asked(one.holder)
            for one in clusters
            if not one.holder.asynchronous
        }

    def to_json(self) -> list[dict[str, Any]]:
        """What the panel shows of each, by what is known now."""
        return [self._json(one) for one in find(self._space, self._used())]

    def _json(self, one: OwnCluster) -> dict[str, Any]:
        workers = self._said.get(one.address)
        if workers is None:
            workers = told(one.holder)
        why = obstacle(one, workers, silent=self._said.get(one.address, {}) is None)
        return {
            "address": one.address,
            "name": one.name,
            "kind": one.kind,
            "why": why,
            "workers": None if workers is None else workers_json(workers),
            "left_out": 0 if workers is None else max(0, len(workers) - MOST_WORKERS),
        }


def obstacle(one: OwnCluster, workers: Mapping[str, Any] | None, *, silent: bool) -> str:
    """Why a cluster cannot be planned for; empty where it can."""
    if one.lost:
        return "Its scheduler is gone, or cannot be reached any more. Dask goes on trying for a while."
    if silent:
        return "Its scheduler does not answer."
    if one.address.split("://", maxsplit=1)[0] not in {"tcp", "tls"}:
        return "Its workers live in this process: agents need workers in processes of their own."
    if workers is not None and not workers:
        grow = (
            f"{one.name}.scale(2) starts two."
            if one.name and one.kind
            else "Start some: dask worker ADDRESS."
        )
        return f"It has no workers yet. {grow}"
    return ""


def told(holder: Any) -> Mapping[str, Any] | None:
    """The workers as a cluster that was made here knows them without asking; None of any other."""
    known = getattr(holder, "scheduler_info", None)
    workers = known.get("workers") if isinstance(known, dict) else None
    return workers if isinstance(workers, dict) else None


def asked(holder: Any) -> Mapping[str, Any] | None:
    """The workers as their scheduler tells them now; None where it does not answer in time."""
    made_here = isinstance(getattr(holder, "scheduler_info", None), dict)
    try:
        scheduler = holder.scheduler_comm if made_here else holder.scheduler
        loop = holder.loop.asyncio_loop
        future = asyncio.run_coroutine_threadsafe(identity(scheduler), loop)
    except (AttributeError, RuntimeError):  # it has just been closed
        return None
    try:
        workers = future.result(ASK_S)["workers"]
    except Exception:  # noqa: BLE001 - whatever a broken connection says, the panel says that nobody answers
        future.cancel()
        return None
    return workers if isinstance(workers, dict) else None


async def identity(scheduler: Any) -> dict[str, Any]:
    """What a scheduler says of itself and of its workers."""
    return dict(await scheduler.identity(n_workers=-1))


def workers_json(workers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Workers as the panel takes them, in the order in which they joined."""
    some = list(workers.items())[:MOST_WORKERS]
    hosts = {address: host_of(address, worker) for address, worker in some}
    names = WorkerNames(WorkerView(address, host, 1, 0) for address, host in hosts.items())
    return [
        {
            "name": address,
            "label": names.of(address),
            "host": hosts[address],
            "cores": worker.get("nthreads", 0),
            "busy": busy(worker),
            "memory_bytes": worker.get("memory_limit") or None,
            "gpus": gpus(worker),
            "lost": worker.get("status") == "closed",
        }
        for address, worker in some
    ]


def host_of(address: str, worker: Mapping[str, Any]) -> str:
    host = str(worker.get("host", ""))
    return "this host" if host in HERE or address.startswith("inproc://") else host or "an unknown host"


def busy(worker: Mapping[str, Any]) -> int:
    """Threads that run a task, by the worker's last word."""
    counts = (worker.get("metrics") or {}).get("task_counts") or {}
    return min(int(worker.get("nthreads", 0)), int(counts.get("executing", 0)))


def gpus(worker: Mapping[str, Any]) -> list[str]:
    """GPUs that a worker tells of: by their names, else by how many it declares."""
    names = (worker.get("gpu") or {}).get("name") or ()
    if names:
        return [names] if isinstance(names, str) else [str(one) for one in names]
    count = int((worker.get("resources") or {}).get("GPU", 0))
    return [] if not count else ["1 GPU" if count == 1 else f"{count} GPUs"]
