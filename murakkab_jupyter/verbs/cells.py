"""What a cell says before it is bound: the names it needs, and the options of its first line."""

from __future__ import annotations

from typing import Any

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.verbs.table import VERBS

__all__ = ["header_options", "names_in", "steps_in"]


def names_in(text: str) -> list[str]:
    """Variables and functions that a cell refers to and does not make itself, in the order of the text."""
    from murakkab_jupyter.workflow.language import parse

    cell = parse(text)
    made = {step.name for step in cell.steps}
    found: dict[str, None] = {}
    for step in cell.steps:
        for ref in step.all_refs():
            if ref.name not in made:
                found.setdefault(ref.name)
        if step.pin is not None and step.pin.function is not None:
            found.setdefault(step.pin.function)
    return list(found)


def steps_in(text: str) -> list[str]:
    """Names of a cell's steps."""
    from murakkab_jupyter.workflow.language import parse

    return [step.name for step in parse(text).steps]


def header_options(text: str) -> dict[str, Any]:
    """Options of a cell's first line besides its goal; a wrong one is a `LanguageError` that points at it."""
    from murakkab_jupyter.workflow.language import parse, parse_goal_options
    from murakkab_jupyter.workflow.language.bind import goal_of

    cell = parse(text)
    if cell.name in {verb.name for verb in VERBS}:
        msg = f"`{cell.name}` is a verb, so a workflow cannot be called that."
        raise UsageError(
            msg, hint=f"Name it otherwise, or write the line %murakkab {cell.name} (one percent sign)."
        )
    goal_of(cell)
    return parse_goal_options([word.text for word in cell.options])[1]
