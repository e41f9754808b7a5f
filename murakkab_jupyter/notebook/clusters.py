"""What the side panel shows of the cluster in use.

Nobody is asked and nothing is started for it: a panel must not make a kernel wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.notebook.views.workers import WorkerNames

if TYPE_CHECKING:
    from murakkab_jupyter.core.hosts import ClusterView
    from murakkab_jupyter.notebook.watch import Watch
    from murakkab_jupyter.session import Session

__all__ = ["addresses", "cluster_json"]

FIRST = "The first run starts a Dask worker on this host, or joins the scheduler that --cluster names."


def cluster_json(sessions: Sequence[Session], watches: Sequence[Watch]) -> dict[str, Any]:
    """The cluster of the latest run, else of the latest session: where it is, its workers, and why there are none."""
    latest = watches[-1] if watches else None
    session = next(
        (one for one in sessions if latest is not None and latest.run.id in one.runs),
        sessions[-1] if sessions else None,
    )
    used = None if session is None else session.cluster
    address = used.address if used is not None else (session.address if session is not None else None)
    view, why = seen(session, latest)
    return {
        "address": address or "",
        "local": used is not None and used.local,
        "described": session is not None and session.described is not None,
        "why": why,
        "workers": [] if view is None else workers_json(view, watches),
    }


def seen(session: Session | None, latest: Watch | None) -> tuple[ClusterView | None, str]:
    """The workers to show, or why there are none."""
    if session is None:
        return (None, FIRST) if latest is None else (latest.run.cluster, "")
    used = session.cluster
    if used is not None and not used.alive:
        said = (
            f"The scheduler at {used.address} is gone. Finished items are kept: start it again, then resume."
        )
        return None, said
    if latest is not None:
        return latest.run.cluster, ""
    if session.described is not None:
        return session.described, ""
    if used is not None:
        view = used.seen()
        return view, "" if view.workers else f"The scheduler at {used.address} has no workers."
    if session.address is not None:
        return None, f"The scheduler at {session.address} is asked when a workflow is planned for it."
    return None, FIRST


def workers_json(view: ClusterView, watches: Sequence[Watch]) -> list[dict[str, Any]]:
    """Workers, busy, idle or lost; those that joined since a run began stand at the end."""
    latest = watches[-1] if watches else None
    known = {worker.name for worker in view.workers}
    names = WorkerNames(view.workers) if latest is None else latest.names
    rows: list[tuple[str, str, int, int | None, list[str]]] = [
        (one.name, one.host, one.cores, one.memory_bytes, [gpu.name for gpu in one.gpus])
        for one in view.workers
    ]
    joined = {} if latest is None else latest.joined
    rows += [(name, name, cores, None, []) for name, cores in joined.items() if name not in known]
    return [
        {
            "name": name,
            "label": names.of(name),
            "host": host,
            "cores": cores,
            "busy": sum(watch.busy_cores(name) for watch in watches),
            "memory_bytes": memory_bytes,
            "gpus": gpus,
            "lost": latest is not None and latest.lost(name),
        }
        for name, host, cores, memory_bytes, gpus in rows
    ]


def addresses(sessions: Sequence[Session]) -> list[str]:
    """Of the schedulers in use."""
    return [one.cluster.address for one in sessions if one.cluster is not None]
