"""What a plan's run has to do first, in words: weights to fetch, engines to start, keys that must be set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.weights.resolver import missing
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.plan import Plan

__all__ = ["with_fetches", "with_keys", "with_starts"]


def with_fetches(plan: Plan, library: Library) -> Plan:
    """A plan with a note of the weights that its run has to fetch first."""
    used = dict.fromkeys(step.configuration.agent for step in plan.steps.values())
    names = [name for agent in used for name in library.agent(agent).needs.weights]
    wanted = [f"{one.name} ({one.download_bytes / 1e6:.0f} MB)" for one in missing(names)]
    if not wanted:
        return plan
    note = f"The first run fetches weights, which its times leave out: {', '.join(wanted)}."
    return replace(plan, notes=(*plan.notes, note))


def with_keys(
    plan: Plan, library: Library, lacking: Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
) -> Plan:
    """A plan with a caution for each variable that a step's server is to be asked with, and that is not set.

    Parameters
    ----------
    lacking
        Of some variables, those that are not set where calls are made, each with the hosts that lack it.
    """
    users: dict[str, list[str]] = {}
    for name, step in plan.steps.items():
        configuration = step.configuration
        # Either the step pins the variable, or the server was attached with it.
        endpoint = getattr(library.agent(configuration.agent).factory, "endpoint", None)
        pinned = dict(configuration.options).get("key_env")
        variable = str(pinned or getattr(endpoint, "key_env", None) or "")
        if variable:
            users.setdefault(variable, []).append(f"{name} (@{configuration.agent})")
    cautions = [
        f"{variable}, the key of {', '.join(users[variable])}, is not set on {', '.join(hosts)}: every call fails until it "
        "is. Set it before the workers start."
        for variable, hosts in (lacking(list(users)) if users else {}).items()
    ]
    return replace(plan, cautions=(*plan.cautions, *cautions))


def with_starts(plan: Plan, view: ClusterView) -> Plan:
    """A plan with a note for each engine that its run has to start first."""
    used = {step.configuration.engine for step in plan.steps.values()}
    kept = "and its GPUs are held to the end of the run" if view.described else "and it stays for later runs"
    notes = [
        f"Engine {one.name} is not running: {'a' if view.described else 'the'} run starts it, in about {one.start.value:.0f} s "
        f"({one.start.source}{f', {one.start.note}' if one.start.note else ''}), {kept}."
        for one in view.engines
        if one.name in used and not one.warm
    ]
    return replace(plan, notes=(*plan.notes, *notes))
