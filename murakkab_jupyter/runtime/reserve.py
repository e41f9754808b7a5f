"""The cores that a run keeps for itself: what its pool is given of each worker, and what that comes to over time.

A plan reserves so many cores of each host, or of some hosts. The pool knows no others, so that no call can ever be placed on more. Where a
worker is lost, its host's other workers make up for it; where that is not enough, other hosts do, until the run has
as many cores as it began with (or all there are). What is taken so is kept to the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from murakkab_jupyter.core.events import CoresReserved, Event, RunStarted, WorkerChanged
from murakkab_jupyter.core.hosts import Share, WorkerView, allotted, host_cores
from murakkab_jupyter.runtime.desk import Desk
from murakkab_jupyter.runtime.placement import Demand, Pool

__all__ = ["Reserve", "joined_workers", "reserved_core_s", "reserved_shares"]


class Reserve:
    """Gives the pool its workers, each with the cores that are reserved of it, and tells every change.

    Parameters
    ----------
    pool, desk
        The loop's.
    share
        What is reserved; nothing is told of the whole cluster.
    """

    def __init__(self, pool: Pool, desk: Desk, share: Share) -> None:
        self._pool = pool
        self._desk = desk
        self._share = share
        self._whole: dict[str, WorkerView] = {}
        self._planned = 0

    def begin(self, workers: Iterable[WorkerView]) -> None:
        """The workers that are there at first; of other hosts than were planned with, each is as good as the next."""
        views = list(workers)
        if not any(self._share.covers(view.host) for view in views):
            self._share = replace(self._share, hosts=())
        for view in views:
            self._admit(view)
        self._planned = self._pool.cores

    def knows(self, name: str) -> bool:
        """Whether a worker is there, whether it is used or not."""
        return name in self._whole

    def most(self, host: str) -> int:
        """Cores of the largest worker of a host, reserved or not."""
        return max((view.cores for view in self._whole.values() if view.host == host), default=0)

    def join(self, view: WorkerView) -> bool:
        """A worker is there; False when it was already."""
        if view.name in self._whole:
            return False
        self._admit(view)
        self._planned = self._planned or self._pool.cores
        return True

    def lose(self, name: str) -> bool:
        """A worker is gone; False when it was not known."""
        gone = self._whole.pop(name, None)
        if gone is None:
            return False
        self._pool.lose(name)
        self._tell(name, 0, gone.cores)
        return True

    def make_up(self) -> str:
        """Reserve in the place of what was lost; in words, empty where nothing was taken."""
        if self._share.whole:
            return ""
        more: dict[str, int] = {}
        for name, cores in allotted(self._whole.values(), self._share).items():
            more[name] = max(0, cores - self._held(name))
        short = self._planned - self._pool.cores - sum(more.values())
        by_spare = sorted(
            self._whole, key=lambda name: more[name] + self._held(name) - self._whole[name].cores
        )
        for name in by_spare:
            extra = min(max(0, short), self._whole[name].cores - self._held(name) - more[name])
            more[name] += extra
            short -= extra
        return self._take(more)

    def need(self, demand: Demand) -> str:
        """Reserve what a call needs that fits on no worker as reserved; in words, empty where that does not help."""
        able = [
            view for view in self._whole.values()
            if view.cores >= demand.cores and len(view.gpus) >= demand.gpus and demand.host in ("", view.host)
            and view.name not in self._pool.barred(demand.step)
        ]  # fmt: skip
        if self._share.whole or not able or self._pool.able(demand):
            return ""
        best = max(able, key=lambda view: self._held(view.name))
        more = demand.cores - self._held(best.name)
        if more <= 0 and best.name not in self._pool.workers:
            # It needs no core of that host, only to be there: for its GPUs, or for the engine that listens there.
            self._pool.join(replace(best, cores=0))
            return f"{best.name} is used, too"
        return self._take({best.name: more})

    def _admit(self, view: WorkerView) -> None:
        self._whole[view.name] = view
        there = [one for one in self._whole.values() if one.host == view.host]
        held = sum(self._held(one.name) for one in there if one is not view)
        most = view.cores if self._share.cores is None else max(0, self._share.cores - held)
        cores = min(view.cores, most) if self._share.covers(view.host) else 0
        if self._share.covers(view.host):
            self._pool.join(replace(view, cores=cores))
        self._tell(view.name, cores, view.cores)

    def _held(self, name: str) -> int:
        worker = self._pool.workers.get(name)
        return 0 if worker is None else worker.view.cores

    def _take(self, more: dict[str, int]) -> str:
        words = []
        for name, cores in more.items():
            if cores > 0:
                if name in self._pool.workers:
                    self._pool.grow(name, cores)
                else:
                    self._pool.join(replace(self._whole[name], cores=cores))
                self._tell(name, self._held(name), self._whole[name].cores)
                words.append(f"{cores} more {'core' if cores == 1 else 'cores'} of {name} reserved")
        return ", ".join(words)

    def _tell(self, name: str, cores: int, of: int) -> None:
        if not self._share.whole:
            self._desk.tell(CoresReserved(self._desk.at_s, name, cores, of))


def reserved_core_s(events: Iterable[Event], until_s: float) -> dict[str, float] | None:
    """Core-seconds that were reserved of each worker until then; None where the run reserved whole hosts.

    Parameters
    ----------
    events
        On one clock: where a run was resumed, its parts one after another.
    until_s
        The end of the reckoning (s).
    """
    found: dict[str, float] = {}
    now: dict[str, tuple[int, float]] = {}
    told = False

    def close(name: str, at_s: float) -> None:
        cores, since_s = now.pop(name, (0, at_s))
        found[name] = found.get(name, 0.0) + cores * max(0.0, min(at_s, until_s) - since_s)

    for event in events:
        if isinstance(event, CoresReserved):
            told = True
            close(event.worker, event.at_s)
            now[event.worker] = (event.cores, event.at_s)
        elif isinstance(event, RunStarted):
            # The part before it was killed, and held nothing since.
            for name in list(now):
                close(name, event.at_s)
    for name in list(now):
        close(name, until_s)
    return found if told else None


def joined_workers(events: Iterable[Event], workers: Iterable[WorkerView]) -> list[WorkerView]:
    """Workers that joined a run on hosts that it knew, `workers` being those that it began with.

    Speed, watts and price are the host's: one that was started again has those that it had. Of a host that the run
    did not know nothing is told.
    """
    began = list(workers)
    hosts = {view.host: view for view in began}
    names = {view.name for view in began}
    found: dict[str, WorkerView] = {}
    for event in events:
        if isinstance(event, WorkerChanged) and event.change == "joined" and event.worker not in names:
            host = hosts.get(event.host)
            if host is not None:
                found[event.worker] = replace(host, name=event.worker, cores=event.cores)
    return list(found.values())


def reserved_shares(
    core_s: Mapping[str, float] | None,
    workers: Iterable[WorkerView],
    seconds: float,
    joined: Iterable[WorkerView] = (),
) -> dict[str, float]:
    """Of each host the share of its cores that was reserved, on average over some seconds; 1 for whole hosts.

    What is reserved of workers that `joined` later counts too, but a host is as large as it was at first: as a
    rule such a worker stands in another's place.
    """
    views = list(workers)
    sizes = host_cores(views)
    if core_s is None or seconds <= 0:
        return dict.fromkeys(sizes, 1.0)
    held = dict.fromkeys(sizes, 0.0)
    for view in (*views, *joined):
        held[view.host] += core_s.get(view.name, 0.0)
    return {host: min(1.0, held[host] / (max(1, size) * seconds)) for host, size in sizes.items()}
