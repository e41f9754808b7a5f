"""What an earlier run has to do with a workflow of now: whether its values are the same still, and whether its agents may stay."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.media import find_media
from murakkab_jupyter.planner.plan import Alternative, Plan, StepPlan
from murakkab_jupyter.planner.solve import Maker
from murakkab_jupyter.runtime.records import kept_as
from murakkab_jupyter.workflow.declaration import Declaration, hashes_of, saved_values

__all__ = ["as_good", "changed_since", "makers_that_stay", "others_now"]


def changed_since(
    declaration: Declaration,
    before: Mapping[str, Collection[str]],
    begun: Mapping[str, Sequence[str | None]],
) -> list[str]:
    """Paths of the media of a declaration that have another hash now than some result had of them.

    Parameters
    ----------
    before
        By path, the hashes that results were made from.
    begun
        As `hashes_of` had them when the run began: a path that leads to another file now (a link) is told by its place.
    """
    media = {one.path: one.sha256 for one in find_media(declaration.readable())}
    found = {path for path, digest in media.items() if set(before.get(path, ())) - {digest}}
    used = {digest for digests in before.values() for digest in digests}
    for name, hashes in hashes_of(declaration).items():
        for source, was, now in zip(
            declaration.roots.sources[name], begun.get(name, ()), hashes, strict=False
        ):
            replaced = was in used and now not in (None, was)
            if (
                replaced
                and isinstance(source, str | os.PathLike)
                and str(Path(source).resolve()) not in found
            ):
                found.add(os.fspath(source))
    return sorted(found)


def others_now(declaration: Declaration, before: Mapping[str, Any], names: Collection[str]) -> list[str]:
    """Which of some variables hold other items, or the same in another order, than the journal kept of a run."""
    now = saved_values(declaration)
    return [name for name in before if name in names and not kept_as(now.get(name, []), before[name])]


def maker_of(step: StepPlan) -> Maker:
    """Whose results a step of a plan makes."""
    return step.configuration.agent, step.configuration.options


def beside(step: StepPlan, other: StepPlan) -> Alternative | None:
    """The runner-up of a step that keeps its agent because of what is made, where the planner would choose another or had one beside."""
    if maker_of(step) != maker_of(other):
        chosen = words_of(other, step)
        return Alternative(
            other.configuration, f"{chosen} is what the planner would choose now, were nothing made yet."
        )
    if step.runner_up is None and other.runner_up is not None:
        chosen = other.runner_up.configuration.agent
        return Alternative(
            other.runner_up.configuration, f"{chosen} was not looked at, as what is made stays."
        )
    return step.runner_up


def words_of(step: StepPlan, other: StepPlan) -> str:
    """The agent of a step, with the options that tell it from another where the agent is the same."""
    one, last = step.configuration, other.configuration
    if one.agent != last.agent:
        return one.agent
    before = dict(last.options)
    return " ".join(
        [one.agent, *(f"{key}={value}" for key, value in one.options if before.get(key) != value)]
    )


def quality_of(plan: Plan, names: Sequence[str]) -> float | None:
    """The product of the qualities of some steps; None where one of them is not known."""
    known = [plan.steps[name].predicted.get("quality") for name in names]
    values = [one.value for one in known if one is not None and one.value is not None]
    return math.prod(values) if len(values) == len(names) else None


def makers_that_stay(plan: Plan, last: Plan) -> dict[str, Maker]:
    """Whose results each step of an earlier plan made, where these may stay in place of those of a plan of now; empty where not.

    They may where the goal is the same, no person took the plan, and the agents of both plans were to be had then and are now.
    """
    if last.taken or last.goal != plan.goal or last.steps.keys() != plan.steps.keys():
        return {}
    before = {name: maker_of(one) for name, one in last.steps.items()}
    agents = {one.configuration.agent for one in (*plan.steps.values(), *last.steps.values())}
    if not others_by(plan, last) or not agents <= {*last.considered} & {*plan.considered}:
        return {}
    return before


def others_by(plan: Plan, last: Plan) -> list[str]:
    """Steps whose results are made by another agent, or with other options, in an earlier plan."""
    return [name for name, one in plan.steps.items() if maker_of(one) != maker_of(last.steps[name])]


def as_good(again: Plan, plan: Plan, last: Plan, run_id: str) -> Plan | None:
    """A plan of now by the agents of an earlier run, told as such; None where it is a worse answer than a plan chosen freely."""
    others = others_by(plan, last)
    was, now = (quality_of(one, others) for one in (again, plan))
    if was is None or now is None or was < now * (1 - 1e-9) or not {*again.cautions} <= {*plan.cautions}:
        return None
    chosen = ", ".join(f"{name} by {words_of(plan.steps[name], last.steps[name])}" for name in others)
    note = f"Run {run_id} has made everything already, so its agents stay; without it the planner would now choose {chosen}."
    steps = {name: replace(one, runner_up=beside(one, plan.steps[name])) for name, one in again.steps.items()}
    # It was chosen among the plans of these agents alone: nothing is proven of the others.
    return replace(again.unproven(), steps=steps, notes=(note, *again.notes))
