"""One workflow said in several cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from murakkab_jupyter.workflow.language.pins import literal
from murakkab_jupyter.workflow.language.syntax import Cell, PinNode, Ref, StepNode

__all__ = ["Merged", "cell_key", "merge"]


@dataclass(frozen=True, slots=True)
class Merged:
    """Cells of a workflow after one more was run.

    Attributes
    ----------
    cells
        Each cell with the steps that are still its own, by identity, in the order run.
    cell
        All of them as one cell, to be bound.
    notices
        One sentence for each step that a later cell took over.
    """

    cells: Mapping[str, Cell]
    cell: Cell
    notices: tuple[str, ...] = ()


def cell_key(cell: Cell, cell_id: str | None = None) -> str:
    """A cell's identity: the front end's id, else the set of names it defines."""
    return cell_id or "names: " + ", ".join(sorted(step.name for step in cell.steps))


def merge(previous: Mapping[str, Cell], cell: Cell, cell_id: str | None = None) -> Merged:
    """Add a cell to those of the same workflow that were run before.

    Running a cell again replaces its own steps, silently. A step of another cell gives way to a later one
    of its name, with a notice.
    """
    key = cell_key(cell, cell_id)
    names = {step.name for step in cell.steps}
    notices: list[str] = []
    cells: dict[str, Cell] = {}
    for other, before in previous.items():
        if other == key:
            continue
        kept = tuple(step for step in before.steps if step.name not in names)
        notices += [
            f"Step `{step.name}` of an earlier cell is replaced."
            for step in before.steps
            if step.name in names
        ]
        if kept:
            cells[other] = before if len(kept) == len(before.steps) else replace(before, steps=kept)
    cells[key] = cell
    return Merged(cells, joined(list(cells.values())), tuple(notices))


def joined(cells: list[Cell]) -> Cell:
    """Cells as one: header and description of the last that has one, steps in order."""
    if len(cells) == 1:
        return cells[0]
    name = next((cell.name for cell in reversed(cells) if cell.name), None)
    options = next((cell.options for cell in reversed(cells) if cell.options), ())
    description = next((cell.description for cell in reversed(cells) if cell.description), "")
    steps = tuple(step for cell in cells for step in cell.steps)
    head = " ".join(["%%murakkab", *([name] if name else []), *(quoted(word.text) for word in options)])
    lines = [head, *([description, ""] if description else []), *(written(step) for step in steps)]
    return Cell("\n".join(lines) + "\n", name, options, description, steps)


def quoted(word: str) -> str:
    if word and not any(c.isspace() or c in "\"'" for c in word):
        return word
    return f"'{word}'" if "'" not in word else f'"{word}"'


def written(step: StepNode) -> str:
    line = f"{step.name} <- {step.sentence}"
    if step.per:
        line += f", per {step.per}"
    if step.pin:
        line += pin_text(step.pin)
    if step.body is not None:
        line += "".join(f"\n  {row}" if row else "\n" for row in step.body.split("\n"))
    return line


def pin_text(pin: PinNode) -> str:
    keys = "".join(
        f" {key.name}={{{key.value.name}}}"
        if isinstance(key.value, Ref)
        else f" {key.name}={value_text(key.value, key.form)}"
        for key in pin.keys
    )
    return f" @{pin.target}{keys}"


def value_text(text: str, form: str) -> str:
    return text if form == "word" else literal(text)
