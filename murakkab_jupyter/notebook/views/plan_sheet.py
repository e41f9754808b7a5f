"""A plan in words and numbers, as plain JSON: what its live view is drawn from."""

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
from murakkab_jupyter.notebook.views.plan import (
    FIGURES,
    agent_words,
    items_text,
    place_words,
    remarks_of,
    totals,
)
from murakkab_jupyter.notebook.views.timeline import needs, spans
from murakkab_jupyter.planner.plan import Plan, StepPlan
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["plan_sheet"]


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
        "goal": str(plan.goal),
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
    """The runner-up and why it lost."""
    other = step.runner_up
    if other is None:
        return None
    agent, options = agent_words(other.configuration)
    where, batch = place_words(other.configuration)
    return {"agent": agent, "options": options, "place": where, "batch": batch, "reason": other.reason}
