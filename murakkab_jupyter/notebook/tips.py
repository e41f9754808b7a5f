"""Shift-Tab in a cell of ours and on a `%murakkab` line: what stands under the cursor, in a few lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.notebook.views.html import clean, shorten
from murakkab_jupyter.verbs import OPTIONS, VERBS, help_text

if TYPE_CHECKING:
    from murakkab_jupyter.agents.library import Library
    from murakkab_jupyter.notebook.scope import Scope

__all__ = ["connect", "tip"]

CELL = "%%murakkab"
LINE = re.compile(r"\s*%murakkab\s+")


def tip(text: str, offset: int, scope: Scope) -> str | None:
    """What is under the cursor; None where it is nothing of ours.

    Parameters
    ----------
    text
        The whole cell.
    offset
        Of the cursor.
    """
    offset = max(0, min(offset, len(text)))
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    row = text[begin : len(text) if end < 0 else end]
    if text.startswith(CELL):
        return tip_in_cell(text, row, begin, offset, scope)
    found = LINE.match(row)
    return tip_on_line(row, offset - begin) if found and offset - begin >= found.end() else None


def word_at(row: str, place: int) -> tuple[str, int]:
    """The word that a place lies in or ends, dashes and colons included, and where it begins."""
    for found in re.finditer(r"[\w:.-]+", row):
        if found.start() <= place <= found.end():
            return found[0], found.start()
    return "", place


def tip_on_line(row: str, place: int) -> str | None:
    word, _ = word_at(row, place)
    if word.startswith("--"):
        return tip_of_option(word[2:])
    if any(verb.name == word and "magic" in verb.faces for verb in VERBS):
        return help_text("magic", word)
    return None


def tip_of_option(name: str) -> str | None:
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    if name in GOAL_OPTIONS:
        takes, what = GOAL_OPTIONS[name]
        return f"--{name} {takes}\n  {what}"
    if name in OPTIONS:
        option = OPTIONS[name]
        return f"--{name} {option.takes}".rstrip() + f"\n  {option.help}"
    return None


def tip_in_cell(text: str, row: str, begin: int, offset: int, scope: Scope) -> str | None:
    from murakkab_jupyter.workflow.language.describe import spot_at
    from murakkab_jupyter.workflow.language.parse import STEP

    word, start = word_at(row, offset - begin)
    if begin == 0:
        if word.startswith("--"):
            return tip_of_option(word[2:])
        spot = spot_at(text, start + len(word))
        return tip_of_option(spot.owner) if spot.owner else None
    if not word:
        return None
    library = scope.bench.session().library
    spot = spot_at(text, begin + start + len(word))
    match spot.kind:
        case "reference":
            return tip_of_name(text, word, scope)
        case "pin":
            return tip_of_target(word, library, scope)
        case "pin-key":
            return tip_of_key(word, spot.owner, library)
        case "level":
            return tip_of_name(text, word, scope) or f"{word}: once for each of these"
    found = STEP.match(row)
    return tip_of_step(text, found[1], scope) if found else None


def tip_of_name(text: str, name: str, scope: Scope) -> str | None:
    """What a reference means: a step of the cell, or a variable of the notebook."""
    from murakkab_jupyter.workflow.language.describe import names_in_scope

    step = tip_of_step(text, name, scope)
    if step is not None:
        return step
    known = {one.text: one.detail for one in names_in_scope(text, len(text), scope.named())}
    return f"{name}: {known[name]}" if name in known else None


def tip_of_step(text: str, name: str, scope: Scope) -> str | None:
    """What a step says, and what it was bound and planned to when the cell was last run."""
    from murakkab_jupyter.workflow.language.parse import STEP

    rows = (STEP.match(row) for row in text.split("\n"))
    said = next(
        (f"{name} <- {row.string[row.end() :].strip()}" for row in rows if row and row[1] == name), None
    )
    if said is None:
        return None
    lines = [said]
    title = text[len(CELL) :].split("\n", 1)[0].split()
    one = scope.bench.declared.get(title[0] if title and not title[0].startswith("-") else "")
    steps = {} if one is None else {step.name: step for step in one.declaration.workflow.steps}
    if name in steps:
        step = steps[name]
        lines.append(f"  capability: {step.capability}; makes {'many ' if step.opens else ''}{step.kind}")
        lines.append(f"  runs once for each of: {'/'.join(step.at) or 'all'}")
        plan = one.plan if one is not None else None
        if plan is not None and name in plan.steps:
            lines.append(f"  planned: {plan.steps[name].configuration}")
    return "\n".join(lines)


def tip_of_target(word: str, library: Library, scope: Scope) -> str | None:
    """A capability, an agent, or a function of the user's."""
    from murakkab_jupyter.workflow.language.describe import capabilities

    for agent in library.agents():
        if agent.name == word:
            options = ", ".join(f"{option.name}={option.default}" for option in agent.options)
            missing = library.availability(agent).missing
            lines = [f"{agent.name} {agent.version}: {agent.summary}", f"  capability: {agent.capability}"]
            lines += [f"  options: {options}"] if options else []
            lines += [f"  missing here: {'; '.join(missing)}"] if missing else ["  can run here"]
            return "\n".join(lines)
    for one in capabilities(library):
        if one.name == word:
            lines = [f"{one.name}: {one.summary}", *(f"  say: {said}" for said in one.examples[:4])]
            lines += [f"  takes: {', '.join(one.ports)}", f"  makes: {one.output}"]
            lines += [f"  options: {', '.join(one.options)}"] if one.options else []
            lines.append(f"  agents: {', '.join(one.agents) or 'none'}")
            return "\n".join(lines)
    function = scope.named().get(word.removeprefix("python:"))
    if word.startswith("python:") and callable(function):
        told = shorten(getattr(function, "__doc__", "") or "no docstring", 200)
        return f"{word}: your function; {told}"
    return None


def tip_of_key(word: str, target: str, library: Library) -> str | None:
    from murakkab_jupyter.workflow.language.describe import keys_of

    name = word.split("=", maxsplit=1)[0]
    return next(
        (f"{one.text}…  {one.detail}" for one in keys_of(target, library) if one.text == f"{name}="), None
    )


def connect(scope: Scope, shell: Any) -> None:
    """Answer a kernel's requests for help at a place of our cells; all others go where they went."""
    kernel: Any = getattr(shell, "kernel", None)
    before = getattr(kernel, "do_inspect", None)
    if before is None:
        return

    def do_inspect(code: str, cursor_pos: int, *arguments: Any, **named: Any) -> Any:
        try:
            found = tip(code, cursor_pos, scope)
        except MurakkabError:
            found = None
        if found is None:
            return before(code, cursor_pos, *arguments, **named)
        return {"status": "ok", "found": True, "data": {"text/plain": clean(found)}, "metadata": {}}

    kernel.do_inspect = do_inspect
