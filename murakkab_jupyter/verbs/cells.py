"""What a cell says before it is bound: the names it needs, and the options of its first line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.verbs.table import VERBS

__all__ = ["header_options", "names_in", "placed", "refuse_unused", "steps_in"]

STEP_NAME = re.compile(r"([^\W\d]\w*)[ \t]*<-")


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


def refuse_unused(given: Iterable[str], text: str) -> None:
    """Raise `UsageError` for the first value whose name a workflow's text does not refer to."""
    from murakkab_jupyter.workflow.language.suggest import near

    needed = names_in(text)
    for name in given:
        if name in needed:
            continue
        close = near(name, needed)
        wanted = ", ".join(f"{{{one}}}" for one in needed)
        msg = f"Nothing in the workflow refers to {{{name[:60]}}}."
        hint = f"Did you mean {{{close[0]}}}?" if close else f"It refers to {wanted or 'no variable'}."
        raise UsageError(msg, hint=hint)


def placed(error: LanguageError, text: str) -> LanguageError:
    """An error in the joined text of several cells, at its place in one of them; in an earlier one where it is not in this.

    Parameters
    ----------
    error
        Its line is one of the joined text, in which steps are written anew.
    text
        The cell that was run, as it was written.
    """
    source, lead = error.source, error.source[: error.column - 1]
    fragment = source[error.column - 1 : error.column - 1 + error.width]
    step = STEP_NAME.match(source)
    for number, line in enumerate(text.split("\n"), 1):
        begun = STEP_NAME.match(line)
        same = begun is not None and step is not None and begun[1] == step[1]
        if not same and (step is not None or line.strip() != source.strip()):
            continue
        at = -1
        for _ in range(lead.count(fragment) + 1):
            at = line.find(fragment, at + 1)
        column = at + 1 if at >= 0 else len(line) - len(line.lstrip()) + 1
        width = error.width if at >= 0 else len(line.strip())
        return LanguageError(
            error.message, line=number, column=column, source=line, width=width, hint=error.hint
        )
    if step is None:
        return error
    error.message = f"In an earlier cell of this workflow: {error.message}"
    return error


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
