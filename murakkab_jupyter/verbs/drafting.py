"""A description alone: its steps, to read and to edit. Nothing runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.verbs.outcome import Outcome

if TYPE_CHECKING:
    from murakkab_jupyter.session import Session
    from murakkab_jupyter.workflow.decompose import Draft

__all__ = ["draft", "is_description", "meant", "needs"]


def is_description(text: str) -> bool:
    """Whether a cell or a file describes a workflow and has no step yet."""
    from murakkab_jupyter.workflow.language import parse

    cell = parse(text)
    return bool(cell.description) and not cell.steps


def meant(text: str, space: Mapping[str, Any]) -> dict[str, Any]:
    """Variables that a description speaks of: those in braces, else those whose names stand in it ("in 50 words" names none)."""
    said = text.partition("\n")[2] if text.startswith("%%") else text
    words = set(re.findall(r"\{([^\W\d]\w*)\}", said)) or set(
        re.findall(r"(?<![\w'])(?<!\d )([^\W\d]\w*)", said)
    )
    return {
        name: value
        for name, value in space.items()
        if name in words and value is not None and not callable(value) and not isinstance(value, ModuleType)
    }


def draft(session: Session, text: str, values: Mapping[str, Any], model: str | None = None) -> Outcome:
    """The steps of a description, by the language model of an agent or (without one) by words and kinds.

    Raises
    ------
    UsageError
        When it needs what nobody offers, or a text looks like a step that went wrong.
    """
    from murakkab_jupyter.workflow.language import parse
    from murakkab_jupyter.workflow.language.bind import goal_of

    cell = parse(text)
    arrow = next((line for line in cell.description.splitlines() if "->" in line or "<-" in line), None)
    if arrow is not None:
        msg = f"This looks like a step and is none: {arrow.strip()[:80]}"
        raise UsageError(
            msg, hint="Write NAME <- what to do, for example: objects <- detect the objects in {frames}"
        )
    made = session.decompose(cell.description, values, model=model, name=cell.name, goal=goal_of(cell))
    json = {"text": made.text, "wants": dict(made.wants), "notes": list(made.notes)}
    return Outcome("draft", made, json)


def needs(made: Draft) -> str:
    """What a draft still needs, and what was assumed, in words."""
    lines = ["Nothing has run. Edit these steps where they are not what you meant, then run them."]
    lines += [f"{name} has no value yet. It should hold {what}" for name, what in made.wants.items()]
    return "\n".join([*lines, *made.notes])
