"""The bill: what each step used, beside what the plan said, with how each joule was got."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook.views.figures import figure_text, legend
from murakkab_jupyter.notebook.views.html import (
    Align,
    Bundle,
    Cell,
    clean,
    frame,
    heading,
    note,
    table,
    text_table,
    wrap_text,
)
from murakkab_jupyter.runtime.bill import Bill, Line

__all__ = ["bill_json", "bill_view"]

COLUMNS = (("latency", "Time"), ("cpu", "CPU time"), ("energy", "Energy"), ("cost", "Cost"))


@dataclass(frozen=True, slots=True)
class Told:
    """What a bill says, before it is drawn."""

    detail: str
    columns: list[tuple[str, Align]]
    rows: list[list[Cell | object]]
    notes: tuple[str, ...]
    marks: str


def told(bill: Bill, name: str) -> Told:
    """One row a step, then idle and total; actual above predicted."""
    boundaries = sorted({boundary for line in bill.lines for boundary in line.counted})
    wasted = any(wasted_of(line) for line in bill.lines)
    methods = {method_of(line) for line in bill.lines}
    columns: list[tuple[str, Align]] = [("Step", "left"), ("Items", "right")]
    columns += [(title, "right") for _, title in COLUMNS]
    # A column of one word many times would cost the others their room.
    columns += [("Energy by", "left")] if len(methods) > 1 else []
    columns += [(f"Counted: {boundary}", "right") for boundary in boundaries]
    columns += [("Wasted", "right")] if wasted else []
    rows = []
    for line in bill.lines:
        row: list[Cell | object] = [
            Cell(line.name, " · ".join(one for one in (line.agent, tokens_of(line)) if one)),
            items_of(line),
        ]
        row += [amount_cell(line, key) for key, _ in COLUMNS]
        row += [method_of(line)] if len(methods) > 1 else []
        row += [figure_text(line.counted.get(boundary)) for boundary in boundaries]
        row += [wasted_of(line)] if wasted else []
        rows.append(row)
    detail = (
        f"{name} · what was used, and below it what the plan said"
        if name
        else "what was used, and what the plan said"
    )
    notes = (
        *([f"How energy was got, in every line: {methods.pop()}."] if len(methods) == 1 else []),
        *bill.notes,
        "Steps and idle add up to the total; steps run beside each other, so their times do not.",
    )
    shown = [one for line in bill.lines for one in (*line.predicted.values(), *line.actual().values())]
    return Told(detail, columns, rows, notes, legend(shown))


def bill_view(bill: Bill, *, name: str = "") -> Bundle:
    """A bill as a table."""
    said = told(bill, name)
    html = frame(
        f"Bill of {name or 'a run'}",
        heading("Bill", said.detail),
        table(said.columns, said.rows, caption="Bill: one row a step, then idle and total", last_strong=True),
        *(note("• ", one) for one in said.notes),
        note(said.marks) if said.marks else None,
    )
    lines = [
        f"Bill: {said.detail}",
        text_table(said.columns, said.rows, widest=64),
        *(wrap_text(f"• {one}") for one in said.notes),
    ]
    if said.marks:
        lines.append(said.marks)
    return Bundle(html, clean("\n".join(lines)))


def bill_json(bill: Bill, *, name: str = "") -> dict[str, Any]:
    """The same table in words, for front ends that draw it themselves: each cell with its quieter second line."""
    said = told(bill, name)
    return {
        "detail": clean(said.detail),
        "columns": [list(column) for column in said.columns],
        "rows": [[words_of(one) for one in row] for row in said.rows],
        "notes": [clean(f"• {one}") for one in said.notes] + ([clean(said.marks)] if said.marks else []),
    }


def words_of(value: Cell | object) -> list[str]:
    """What a cell says, and its quieter second line."""
    one = value if isinstance(value, Cell) else Cell(value)
    return [clean(one.text), clean(one.detail)]


def method_of(line: Line) -> str:
    """How its joules were got."""
    return line.energy_j.method or line.energy_j.source


def positive(one: Figure) -> bool:
    return one.value is not None and one.value > 0


def amount_cell(line: Line, key: str) -> Cell:
    actual = line.actual().get(key)
    predicted = line.predicted.get(key)
    detail = f"plan {figure_text(predicted)}" if predicted is not None else ""
    return Cell(figure_text(actual), detail)


def items_of(line: Line) -> str:
    if not (line.agent or line.done or line.failed):
        return ""
    if not line.begun:
        return "not begun"
    words = f"{line.done:,}"
    if line.failed:
        words += f", {line.failed:,} failed"
    if line.reused:
        words += f", {line.reused:,} reused"
    return words


def tokens_of(line: Line) -> str:
    if line.tokens_in is None and line.tokens_out is None:
        return ""
    came, went = ("unknown" if one is None else one for one in (line.tokens_in, line.tokens_out))
    cached = f", {line.tokens_cached} cached" if line.tokens_cached else ""
    return f"tokens {came} in{cached}, {went} out"


def wasted_of(line: Line) -> str:
    words = []
    if positive(line.wasted_cpu_s) or positive(line.wasted_j):
        words += [figure_text(line.wasted_cpu_s), figure_text(line.wasted_j)]
    if line.tokens_wasted:
        words.append(f"{line.tokens_wasted} tokens")
    return ", ".join(words)
