"""A plan in words: what was chosen, what it is predicted to take, what else there was, and what limits it."""

from __future__ import annotations

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.planner.told.reasons import amount

__all__ = ["explain", "say"]


def say(figure: Figure | None) -> str:
    """`12.3 s (8.1-20 s, prior)`, or `unknown`."""
    if figure is None or figure.value is None:
        return "unknown"
    band = ""
    if figure.low is not None and figure.high is not None and figure.high > figure.low:
        low, high = amount(figure.low, figure.unit), amount(figure.high, figure.unit)
        band = f"{low.removesuffix(' ' + high.rpartition(' ')[2])}-{high}, "
    return f"{amount(figure.value, figure.unit)} ({band}{figure.source})"


def explain(plan: Plan) -> str:
    """Why a plan is as it is, in words with figures."""
    lines = [f"Plan for {plan.workflow or 'the workflow'}: {plan.chosen_by}."]
    known = {key: say(one) for key, one in plan.predicted.items() if one.value is not None}
    lines += plan.cautions
    takes = [
        known.get("latency", "an unknown time"),
        f"{known['cpu']} of CPU time" if "cpu" in known else "CPU time unknown",
        *(known.get(key, f"{key} unknown") for key in ("energy", "cost")),
    ]
    lines.append(f"It is predicted to take {', '.join(takes)}; quality {known.get('quality', 'unknown')}.")
    if plan.reserves is not None:
        lines.append(plan.reserves.words)
    if plan.proof:
        lines.append(plan.proof)
    if plan.binding:
        lines.append(f"What limits it is {plan.binding}.")
    lines += plan.trades
    for name, step in plan.steps.items():
        items = f"{step.items:.0f} item{'s' if round(step.items) != 1 else ''}"
        lines.append(f"{name}: {step.configuration}, {items}; quality {say(step.predicted.get('quality'))}.")
        if step.runner_up is not None:
            lines.append(f"  Runner-up: {step.runner_up.reason}")
        else:
            lines.append("  There was no other way to do it here.")
    lines += [f"Prior: {prior}" for prior in plan.priors]
    lines += [f"Note: {note}" for note in plan.remarks]
    return "\n".join(lines)
