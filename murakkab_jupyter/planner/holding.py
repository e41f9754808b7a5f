"""The reservations that a plan may choose from: how many cores of which hosts.

All hosts alike, and where there are several, few choices of hosts beside: one of a kind, half of it, all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from murakkab_jupyter.core.hosts import ClusterView, Share, WorkerView, allotted, host_cores
from murakkab_jupyter.energy.estimate import SECONDS_PER_HOUR
from murakkab_jupyter.planner.modes import ladder

__all__ = [
    "GUESSED_ACTIVE_W",
    "GUESSED_IDLE_W",
    "Held",
    "choices_of_hosts",
    "held_of",
    "idle_watts",
    "reservations",
]

GUESSED_IDLE_W = 0.8
GUESSED_ACTIVE_W = 3.0

MOST_KINDS = 3
"""Kinds of hosts of which a plan may reserve some alone: those with most cores in all."""

ALIKE = 0.1
"""Hosts whose speeds differ by less than about this share are of one kind, where the rest is the same."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a reservation holds.

    Attributes
    ----------
    each
        Cores of each host, at most.
    cores, widest
        In all, and of the largest worker.
    idle_w, rent
        Idle watts and rent (USD/s) of its share of the hosts; the rent is None where prices are unknown.
    hosts
        Which hosts; empty for all.
    speed
        Of its slowest worker.
    active_w
        What a busy core adds (W), at most.
    blind
        Share of its workers that do not see the files.
    """

    each: int
    cores: int
    widest: int
    idle_w: float
    rent: float | None
    hosts: tuple[str, ...] = ()
    speed: float = 1.0
    active_w: float = GUESSED_ACTIVE_W
    blind: float = 0.0

    @property
    def share(self) -> Share:
        """The part of the cluster that a run may use."""
        return Share(self.each, self.hosts)


def reservations(cluster: ClusterView) -> list[Held]:
    """The reservations there are, the one with fewest cores first, and all cores last."""
    sizes = host_cores(cluster.workers)
    found = [
        held_of(cluster, Share(each, hosts))
        for hosts in choices_of_hosts(cluster)
        for each in ladder(
            max((size for host, size in sizes.items() if not hosts or host in hosts), default=1)
        )
    ]
    every = found[-1].cores if found else 0
    return sorted(
        found,
        key=lambda one: (one.cores, one.cores == every and not one.hosts, len(one.hosts or sizes), one.each),
    )


def choices_of_hosts(cluster: ClusterView) -> list[tuple[str, ...]]:
    """Sets of hosts that may be reserved without the others; all of them (the empty set) last."""
    first: dict[str, WorkerView] = {}
    for worker in cluster.workers:
        first.setdefault(worker.host, worker)
    sizes = host_cores(cluster.workers)
    kinds: dict[tuple[object, ...], list[str]] = {}
    for host, worker in first.items():
        speed = round(math.log(worker.speed.value or 1.0) / math.log1p(ALIKE))
        cards = tuple(gpu.name for one in cluster.workers if one.host == host for gpu in one.gpus)
        key = (sizes[host], speed, worker.power, cards, worker.sees_files)
        kinds.setdefault(key, []).append(host)
    found: list[tuple[str, ...]] = []
    largest = sorted(kinds.values(), key=lambda hosts: -sum(sizes[host] for host in hosts))
    for hosts in largest[:MOST_KINDS]:
        counts = sorted({1, max(1, len(hosts) // 2), len(hosts)})
        found += [tuple(hosts[:count]) for count in counts if count < len(first)]
    return [*found, ()]


def idle_watts(worker: WorkerView) -> float:
    """Idle watts of a worker's host as stated, 0 too; a guess where they are unknown."""
    stated = worker.power.idle_w.value
    return GUESSED_IDLE_W * worker.cores if stated is None else stated


def held_of(cluster: ClusterView, share: Share) -> Held:
    """What a share of the cluster holds."""
    workers = [worker for worker in cluster.workers if share.covers(worker.host)]
    by_host = {worker.host: worker for worker in workers}
    sizes = host_cores(workers)
    room = allotted(workers, share)
    shares = {host: min(share.cores or size, size) / size for host, size in sizes.items()}
    power = {host: worker.power for host, worker in by_host.items()}
    idle_w = math.fsum(part * idle_watts(by_host[host]) for host, part in shares.items())
    prices = [one.price_usd_per_hour.value for one in power.values()]
    rent = None
    if prices and all(price is not None for price in prices):
        rent = math.fsum(
            part * (power[host].price_usd_per_hour.value or 0.0) for host, part in shares.items()
        )
    active = [
        one.active_w_per_core.value for one in power.values() if one.active_w_per_core.value is not None
    ]
    return Held(
        each=share.cores or max(sizes.values(), default=1),
        cores=max(1, sum(room.values())),
        widest=max(room.values(), default=1),
        idle_w=idle_w,
        rent=None if rent is None else rent / SECONDS_PER_HOUR,
        hosts=share.hosts,
        speed=min((worker.speed.value or 1.0 for worker in workers), default=1.0),
        active_w=max(active, default=GUESSED_ACTIVE_W),
        blind=sum(1 for worker in workers if not worker.sees_files) / max(1, len(workers)),
    )
