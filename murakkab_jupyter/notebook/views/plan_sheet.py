"""A plan in words and numbers, as plain JSON: what the static view, the live one and the extension's say."""

from __future__ import annotations

from typing import Any

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook.views.figures import (
    band,
    figure_text,
    is_prior,
    legend,
    origin,
    time_text,
)
from murakkab_jupyter.notebook.views.html import cleaned
from murakkab_jupyter.notebook.views.timeline import needs, spans
from murakkab_jupyter.planner.plan import Configuration, Plan, StepPlan
from murakkab_jupyter.planner.told.reasons import difference
from murakkab_jupyter.workflow.model import Workflow

__all__ = [
    "FIGURES",
    "agent_words",
    "items_text",
    "place_words",
    "plan_sheet",
    "remarks_of",
    "totals",
]

FIGURES = (
    ("latency", "Time"),
    ("cpu", "CPU time"),
    ("energy", "Energy"),
    ("cost", "Cost"),
    ("quality", "Quality"),
)


def agent_words(configuration: Configuration) -> tuple[str, str]:
    """The agent, and its options in words."""
    return configuration.agent, " ".join(f"{key}={value}" for key, value in configuration.options)


def place_words(configuration: Configuration) -> tuple[str, str]:
    """Device and parallelism: `cpu, 2 x 1 core`, and how items are batched."""
    one = configuration
    parts = "core" if one.cores == 1 else "cores"
    gpus = f" + {one.gpus} GPU{'s' if one.gpus > 1 else ''}" if one.gpus else ""
    batch = f"batch {one.batch}"
    if one.siblings:
        batch = "all items of a parent in a call" if one.whole else f"{one.part} items of a parent in a call"
    if one.engine_cores:
        held = f"{one.engine_cores} {'core' if one.engine_cores == 1 else 'cores'}"
        return f"{one.device}, holds {held} of {one.engine}", batch
    return f"{one.device}, {one.instances} × {one.cores} {parts}{gpus}", batch


def totals(plan: Plan) -> list[tuple[str, Figure | None]]:
    """The totals a plan predicts, in the order they are shown."""
    return [(title, plan.predicted.get(key)) for key, title in FIGURES]


def items_text(items: float) -> str:
    """Expected items: whole numbers as such, others with a tenth."""
    return f"{items:,.0f}" if abs(items - round(items)) < 0.05 else f"{items:,.1f}"


def remarks_of(plan: Plan) -> list[str]:
    """What its figures count on, what holds a plan back, what is proven of it, and its notes."""
    remarks = [*plan.cautions, *([plan.reserves.words] if plan.reserves is not None else [])]
    if plan.binding:
        remarks.append(f"Held back by: {plan.binding}")
    if plan.proof:
        remarks.append(plan.proof)
    priors = [*plan.priors[:1]]
    if len(plan.priors) > 1:
        priors.append("Other priors would change the choice too: explain says which.")
    return [*remarks, *plan.trades, *priors, *plan.remarks]


def fact(title: str, one: Figure | None) -> list[str]:
    """A labelled figure with its band and its origin."""
    return [title, band(one), origin(one)]


def plan_sheet(plan: Plan, workflow: Workflow | None = None, *, title: str = "Plan") -> dict[str, Any]:
    """A plan as plain JSON.

    Parameters
    ----------
    plan
        What was chosen.
    workflow
        Whose plan it is: with it, the sheet says what each step waits for.
    title
        Heading.
    """
    found = spans(plan) or {}
    after = needs(workflow, set(plan.steps))
    end = max((stop for _, stop in found.values()), default=0.0)
    shown = [one for step in plan.steps.values() for key, _ in FIGURES if (one := step.predicted.get(key))]
    sheet: dict[str, Any] = {
        "title": title,
        "name": plan.workflow or "this workflow",
        "goal": plan.chosen_by,
        "totals": [[label, band(one), is_prior(one), origin(one)] for label, one in totals(plan)],
        "end_s": end,
        "end": time_text(end),
        "steps": [
            {
                "name": name,
                **choice(step),
                "items": f"{items_text(step.items)} {'item' if step.items == 1 else 'items'}",
                "after": after.get(name, []),
                "span": list(found[name]) if name in found else None,
                "time": f"{time_text(found[name][0])} – {time_text(found[name][1])}" if name in found else "",
                "brief": f"{figure_text(step.predicted.get('cpu'))} CPU, {figure_text(step.predicted.get('energy'))}",
                "prior": is_prior(step.predicted.get("latency")),
                "facts": [fact(label, step.predicted.get(key)) for key, label in FIGURES],
                "second": second(step),
            }
            for name, step in plan.steps.items()
        ],
        "remarks": remarks_of(plan),
        "note": legend([*shown, *plan.predicted.values()]),
    }
    checked: dict[str, Any] = cleaned(sheet)
    return checked


def choice(step: StepPlan) -> dict[str, str]:
    agent, options = agent_words(step.configuration)
    where, batch = place_words(step.configuration)
    return {"agent": agent, "options": options, "place": where, "batch": batch}


def second(step: StepPlan) -> dict[str, str] | None:
    """The runner-up and why it lost; what sets it apart is said once: before the reason only where the choice does not show it."""
    other = step.runner_up
    if other is None:
        return None
    agent, options = agent_words(other.configuration)
    where, batch = place_words(other.configuration)
    why = other.reason
    mine = step.configuration
    if (agent_words(mine), place_words(mine)) != ((agent, options), (where, batch)):
        why = why.removeprefix(f"{difference(mine, other.configuration)}: ")
    return {"agent": agent, "options": options, "place": where, "batch": batch, "reason": why}
