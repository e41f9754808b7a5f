"""Hosts of unlike kinds: which kinds a run may use, told apart so that each case has a bound of its own.

The fastest host's speed beside the cheapest host's watts and rent bounds every run, but loosely. A run is charged for the hosts
that it uses. Either these are all of one kind, and it is bounded as if there were no others; or they are of several, and
it pays for two at least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from murakkab_jupyter.core.hosts import ClusterView, WorkerView, host_cores
from murakkab_jupyter.planner.modes import Mode

__all__ = ["cases", "kinds_of"]

MOST_KINDS = 3
"""More kinds are not told apart: each is a proof of its own."""

Kind = tuple[float, ...]


def kinds_of(cluster: ClusterView) -> dict[Kind, list[WorkerView]]:
    """Workers by what their hosts take, for each core: speed, watts, price."""
    sizes = host_cores(cluster.workers)
    found: dict[Kind, list[WorkerView]] = {}
    for worker in cluster.workers:
        power, size = worker.power, max(1, sizes[worker.host])
        kind = (
            round(worker.speed.value or 1.0, 9),
            round(power.active_w_per_core.value or 0.0, 9),
            round((power.idle_w.value or 0.0) / size, 9),
            round((power.price_usd_per_hour.value or 0.0) / size, 9),
        )
        found.setdefault(kind, []).append(worker)
    return found


def cases(cluster: ClusterView, modes: Iterable[Sequence[Mode]]) -> list[tuple[ClusterView, int]]:
    """Clusters to bound one by one, each with the least number of kinds of hosts that a run of this case pays for.

    One case where hosts are alike, where there are many kinds, and where servers do calls or hold GPUs: what they take is not a
    matter of the hosts that the run's own calls use.
    """
    whole = [(cluster, 1)]
    hosts: dict[str, set[Kind]] = {}
    kinds = kinds_of(cluster)
    for kind, workers in kinds.items():
        for worker in workers:
            hosts.setdefault(worker.host, set()).add(kind)
    if not 2 <= len(kinds) <= MOST_KINDS or any(len(some) > 1 for some in hosts.values()):
        return whole
    if any(worker.gpus for worker in cluster.workers):
        return whole
    if any(mode.configuration.waits for some in modes for mode in some):
        return whole
    alone = [(replace(cluster, workers=tuple(workers)), 1) for workers in kinds.values()]
    return [*alone, (cluster, 2)]
