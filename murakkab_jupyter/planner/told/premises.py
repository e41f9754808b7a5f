"""What a plan rests on, in words: what of its inputs cannot be read, what is expected of them, what its agents are for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from murakkab_jupyter.agents.functions.python import PYTHON
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.planner.expect import count_notes
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.workflow.declaration import Declaration
from murakkab_jupyter.workflow.language.sorts import is_folder, kinds_in
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["with_premises"]


def with_premises(
    plan: Plan, declaration: Declaration, library: Library, *, wants: Sequence[str] = ()
) -> Plan:
    """A plan with notes of what it expects of its inputs and counts on.

    Parameters
    ----------
    wants
        What the cluster lacks, in sentences: said before all else.
    """
    options = {name: dict(step.configuration.options) for name, step in plan.steps.items()}
    counts = count_notes(declaration.workflow, declaration.readable(), library, options)
    only = {spec.name: spec.only for spec in library.agents() if spec.only}
    agents = {name: step.configuration.agent for name, step in plan.steps.items()}
    limits = (f"{name}: {agent} {only[agent]}" for name, agent in agents.items() if agent in only)
    return replace(
        plan,
        cautions=(*plan.cautions, *folders(declaration)),
        notes=(
            *wants,
            *plan.notes,
            *declaration.roots.notes,
            *unread(declaration),
            *alone(declaration.workflow),
            *counts,
            *limits,
        ),
    )


def unread(declaration: Declaration) -> Iterator[str]:
    """For each variable, what of it cannot be read, and so is left out."""
    for name, sources in declaration.roots.sources.items():
        bad = [source for n, source in enumerate(sources) if (name, ((name, n),)) in declaration.roots.bad]
        if bad:
            shown = ", ".join(Path(str(one)).name for one in bad[:3])
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            yield f"{name}: {len(bad)} of {len(sources)} cannot be read and will fail, the others go on: {shown}{more}."


def folders(declaration: Declaration) -> Iterator[str]:
    """For each text that is read as one and names a folder with files to read, how it would be these."""
    for variable in declaration.workflow.variables:
        value = next(iter(declaration.roots.values.get(variable.name, ())), None)
        if variable.level or variable.kind != "text" or not isinstance(value, str) or not value.strip():
            continue
        read = any(
            one.source == variable.name
            for step in declaration.workflow.steps
            if step.capability != PYTHON.name
            for one in step.inputs
        )
        if read and is_folder(Path(value)) and kinds_in(Path(value)):
            slashed = f"{value}/"
            yield (
                f"{variable.name} is the text {value!r}, and a folder of that name is here: "
                f"to read its files, give {slashed!r}."
            )


def alone(workflow: Workflow) -> Iterator[str]:
    """For each step that writes from its own words alone, how it would read something."""
    for step in workflow.steps:
        if not step.inputs and step.capability != PYTHON.name:
            yield f"{step.name} refers to nothing, so it is made from its own words alone. To read something, put its name into braces."
