"""Answers that need no workflow: agents, models, the cluster, bills of earlier runs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.verbs.outcome import Outcome

if TYPE_CHECKING:
    from murakkab_jupyter.agents.agent import AgentSpec
    from murakkab_jupyter.agents.capability import Capability
    from murakkab_jupyter.agents.library import Library
    from murakkab_jupyter.core.hosts import ClusterView
    from murakkab_jupyter.runtime.bill import Bill
    from murakkab_jupyter.session import Session

__all__ = ["agents", "cluster_json", "models", "past_bill", "record_json"]


def agents(session: Session, word: str | None) -> Outcome:
    """Capabilities of the library with their agents, or those of one name."""
    session.engines.recall()
    library = session.library
    names = [*(c.name for c in library.capabilities()), *(a.name for a in library.agents())]
    if word is not None and word not in names:
        near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
        msg = f"There is no capability or agent {word[:60]!r}."
        raise UsageError(msg, hint=f"Did you mean {near[0]}?" if near else "See all: murakkab agents.")
    found = []
    for capability in library.capabilities():
        offered = [
            agent for agent in library.agents(capability.name) if word in (None, capability.name, agent.name)
        ]
        if offered or word in (None, capability.name):
            found.append(capability_json(capability, offered, library))
    return Outcome("agents", (library, word), found)


def capability_json(capability: Capability, offered: Sequence[AgentSpec], library: Library) -> dict[str, Any]:
    """A capability as JSON: what it takes and makes, sentences that mean it, and agents that offer it."""
    from murakkab_jupyter.workflow.language.pattern import example

    return {
        "capability": capability.name,
        "summary": capability.summary,
        "ports": [
            {
                "name": port.name,
                "kinds": sorted(port.kinds),
                "takes": port.takes,
                "optional": port.optional,
                "several": port.several,
            }
            for port in capability.ports
        ],
        "output": capability.output,
        "opens": capability.opens,
        "sentences": list(dict.fromkeys(example(pattern) for pattern in capability.patterns)),
        "slots": [{"name": slot.name, "type": slot.type.__name__} for slot in capability.slots],
        "prompted": capability.prompted,
        "package": library.package_of(capability.name),
        "agents": [
            {
                "agent": agent.name,
                "version": agent.version,
                "summary": agent.summary,
                "options": {option.name: option.default for option in agent.options},
                "missing": list(library.availability(agent).missing),
                "package": library.package_of(agent.name),
            }
            for agent in offered
        ],
    }


def models(session: Session, word: str | None) -> Outcome:
    """Weights, and whether they are here."""
    from murakkab_jupyter.agents.weights import resolver as weights

    known = weights.catalogue() if word is None else (weights.weight(word),)
    rows = [(one, weights.state(one.name)) for one in known]
    return Outcome(
        "models",
        rows,
        [
            {
                "name": one.name,
                "summary": one.summary,
                "licence": one.licence,
                "upstream": one.upstream,
                "origin": one.origin,
                "source": one.source,
                "size_bytes": one.size_bytes or None,
                "here": state.here,
                "where": state.where,
            }
            for one, state in rows
        ],
    )


def past_bill(session: Session, record: Any) -> Bill:
    """The bill of a run of the journal, at the watts and prices of the cluster as it is now.

    A local cluster's worker had another address then; on the same host it is the same worker.
    """
    import platform

    from murakkab_jupyter.core.events import BatchStarted
    from murakkab_jupyter.core.hosts import ClusterView
    from murakkab_jupyter.planner.plan import Plan
    from murakkab_jupyter.runtime.bill import Bill

    events = list(session.journal.events(record.run_id))
    view = session.view
    used = list(dict.fromkeys(event.worker for event in events if isinstance(event, BatchStarted)))
    if session.address is None and record.host == platform.node() and len(used) == len(view.workers) == 1:
        view = ClusterView((replace(view.workers[0], name=used[0]),))
    return Bill.of(events, Plan.from_json(record.plan), view)


def record_json(record: Any) -> dict[str, Any]:
    """A run of the journal as JSON."""
    return {
        "run": record.run_id,
        "workflow": record.name,
        "status": record.status,
        "started": record.started,
        "ended": record.ended,
        "message": record.message,
    }


def cluster_json(view: ClusterView) -> dict[str, Any]:
    """A cluster as JSON."""
    return {
        "described": view.described,
        "network_mb_per_s": view.network.to_json(),
        "workers": [
            {
                "name": worker.name,
                "host": worker.host,
                "cores": worker.cores,
                "memory_bytes": worker.memory_bytes,
                "sees_files": worker.sees_files,
                "gpus": [
                    {
                        "name": gpu.name,
                        "memory_bytes": gpu.memory_bytes,
                        "idle_w": gpu.idle_w.to_json(),
                        "peak_w": gpu.peak_w.to_json(),
                    }
                    for gpu in worker.gpus
                ],
                "speed": worker.speed.to_json(),
                "idle_w": worker.power.idle_w.to_json(),
                "active_w_per_core": worker.power.active_w_per_core.to_json(),
                "price_usd_per_hour": worker.power.price_usd_per_hour.to_json(),
                "electricity_usd_per_kwh": worker.power.electricity_usd_per_kwh.to_json(),
            }
            for worker in view.workers
        ],
    }
