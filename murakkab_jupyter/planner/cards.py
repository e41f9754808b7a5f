"""GPUs that a plan's engines hold: where they would stand, what share of its hosts that is, what they burn in any case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, EngineView, Share
from murakkab_jupyter.planner.plan import Configuration

__all__ = ["gpu_shares", "gpus_of_hosts", "held_gpus", "idle_w", "unstated_note"]


def held_gpus(configurations: Iterable[Configuration], cluster: ClusterView) -> dict[str, int] | None:
    """GPUs of each worker that engines hold for some steps; None where the cluster has not so many.

    Steps that call one engine share it. The GPUs of one replica are on one worker: the largest are placed first, each
    where a GPU's share of its host costs least, then burns least; where not all find room so, each where it leaves least.
    """
    wanted: dict[str, int] = {}
    for one in configurations:
        if one.engine and one.gpus:
            wanted[one.engine] = max(one.gpus, wanted.get(one.engine, 0))
    if not wanted:
        return {}
    views = [(view, gpus) for name, gpus in wanted.items() if (view := cluster.engine(name)) and view.gpus]
    dear = expense(cluster)
    held = placed(views, cluster, dear)
    # Best fit finds room where that does not, for all that it may cost.
    return held if held is not None or len(set(dear.values())) < 2 else placed(views, cluster, {})


def expense(cluster: ClusterView) -> dict[str, tuple[float, float]]:
    """Of each worker with GPUs, what a GPU's share of its host costs an hour and burns idle; 0 where it is not known."""
    count = gpus_of_hosts(cluster)
    power = {worker.host: worker.power for worker in reversed(cluster.workers)}
    return {
        worker.name: (
            (power[worker.host].price_usd_per_hour.value or 0.0) / count[worker.host],
            (power[worker.host].idle_w.value or 0.0) / count[worker.host],
        )
        for worker in cluster.workers
        if worker.gpus
    }


def placed(
    views: Iterable[tuple[EngineView, int]], cluster: ClusterView, dear: Mapping[str, tuple[float, float]]
) -> dict[str, int] | None:
    """GPUs of each worker when replicas are placed one by one; None where one finds no room."""
    free = {worker.name: Counter(gpu.name for gpu in worker.gpus) for worker in cluster.workers}
    held: Counter[str] = Counter()
    for view, gpus in sorted(views, key=lambda pair: (-pair[0].gpus, pair[0].name)):
        for _ in range(gpus // view.gpus):
            room = {name: sum(cards[kind] for kind in view.gpu_names) for name, cards in free.items()}
            able = [name for name in room if room[name] >= view.gpus]
            if not able:
                return None
            worker = min(able, key=lambda name: (*dear.get(name, (0.0, 0.0)), room[name], name))
            take(free[worker], view.gpu_names, view.gpus)
            held[worker] += view.gpus
    return dict(held)


def take(cards: Counter[str], kinds: Iterable[str], count: int) -> None:
    for kind in kinds:
        some = min(count, cards[kind])
        cards[kind] -= some
        count -= some


def gpus_of_hosts(cluster: ClusterView) -> dict[str, int]:
    """GPUs of each host: of all its workers together."""
    found: dict[str, int] = {}
    for worker in cluster.workers:
        found[worker.host] = found.get(worker.host, 0) + len(worker.gpus)
    return found


def gpu_shares(held: Mapping[str, int], cluster: ClusterView) -> dict[str, float]:
    """Of each host the share of its GPUs that is held."""
    on_host: dict[str, int] = {}
    for worker in cluster.workers:
        on_host[worker.host] = on_host.get(worker.host, 0) + held.get(worker.name, 0)
    return {host: on_host[host] / of if of else 0.0 for host, of in gpus_of_hosts(cluster).items()}


def unstated_note(energy: Figure | None, cluster: ClusterView, share: Share) -> tuple[str, ...]:
    """Why an energy is unknown where nobody stated the idle watts of GPUs on hosts that are reserved."""
    if energy is not None and energy.known:
        return ()
    hosts = {
        worker.host
        for worker in cluster.workers
        if share.covers(worker.host)
        and not worker.power.idle_w.known
        and any(not gpu.idle_w.known for gpu in worker.gpus)
    }
    if not hosts:
        return ()
    named = f"{len(hosts)} hosts" if len(hosts) > 1 else min(hosts)
    return (
        f"Energy is unknown: nobody stated the idle watts of the GPUs of {named}, which burn with their host.",
    )


def idle_w(configuration: Configuration, cluster: ClusterView) -> float:
    """Watts that a configuration's GPUs burn whether they serve or not, as far as they are in their host's idle watts.

    They are counted there for the whole run, so they are no part of what serving adds.
    """
    view = cluster.engine(configuration.engine) if configuration.engine and configuration.gpus else None
    if view is None:
        return 0.0
    # Where any GPU of a worker has no idle watts, a described host has none either.
    known = [
        min(gpu.idle_w.value or 0.0 for gpu in worker.gpus if gpu.name in view.gpu_names)
        for worker in cluster.workers
        if any(gpu.name in view.gpu_names for gpu in worker.gpus)
        and worker.power.idle_w.known
        and all(gpu.idle_w.known for gpu in worker.gpus)
    ]
    return configuration.gpus * min(known, default=0.0)
