"""What a plan's run has to do first, in words: weights to fetch, engines to start."""

from __future__ import annotations

from dataclasses import replace

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.weights.resolver import missing
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.plan import Plan

__all__ = ["with_fetches", "with_starts"]


def with_fetches(plan: Plan, library: Library) -> Plan:
    """A plan with a note of the weights that its run has to fetch first."""
    used = dict.fromkeys(step.configuration.agent for step in plan.steps.values())
    names = [name for agent in used for name in library.agent(agent).needs.weights]
    wanted = [f"{one.name} ({one.download_bytes / 1e6:.0f} MB)" for one in missing(names)]
    if not wanted:
        return plan
    note = f"The first run fetches weights, which its times leave out: {', '.join(wanted)}."
    return replace(plan, notes=(*plan.notes, note))


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
