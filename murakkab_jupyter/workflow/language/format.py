"""Workflow -> text that parses and binds to the same workflow."""

from __future__ import annotations

from murakkab_jupyter.workflow.language.options import goal_words
from murakkab_jupyter.workflow.language.pins import literal
from murakkab_jupyter.workflow.model import Step, Workflow

__all__ = ["format_step", "format_workflow"]


def format_workflow(workflow: Workflow) -> str:
    """The cell that says a workflow, in one canonical form: steps in order, what is pinned said in full."""
    lines = [" ".join(["%%murakkab", workflow.name, *goal_words(workflow.goal)])]
    if workflow.description:
        lines += [*workflow.description.split("\n"), ""]
    lines += [format_step(step) for step in workflow.steps]
    return "\n".join(lines) + "\n"


def format_step(step: Step) -> str:
    """One step as the cell writes it."""
    line = f"{step.name} <- {step.sentence}"
    if step.per is not None:
        line += f", per {step.per}"
    if step.pin is not None:
        line += f" @{step.pin}"
        line += "".join(f" {one.port}={{{one.source}}}" for one in step.inputs if one.port)
        line += "".join(f" {key}={literal(value)}" for key, value in step.options.items())
    if step.body is not None:
        line += "".join(f"\n  {row}" if row else "\n" for row in step.body.split("\n"))
    return line
