"""What failed, item by item: where, why, and what to blame."""

from __future__ import annotations

from collections.abc import Sequence

from murakkab_jupyter.core.ancestry import Ancestry, format_ancestry
from murakkab_jupyter.notebook.views.html import Cell, Html, clean, note, table, tag, wrap_text

__all__ = ["MOST_FAILURES", "failures_html", "failures_text"]

MOST_FAILURES = 50

Failure = tuple[str, Ancestry, str]


def failures_html(failures: Sequence[Failure], most: int = MOST_FAILURES) -> Html | None:
    """A table of failed items, at most so many, or None; all are counted."""
    if not failures:
        return None
    shown = failures[:most]
    rest = len(failures) - len(shown)
    return tag(
        "div",
        tag("div", f"✕ {count(failures)}", style="font-weight:600;margin:8px 0 4px"),
        table(
            [("Step", "left"), ("Item", "left"), ("Why", "left")],
            [[Cell(step), format_ancestry(where), reason(why)] for step, where, why in shown],
            caption="Items that failed",
        ),
        note(f"{rest:,} more failed.") if rest else None,
    )


def reason(why: str) -> Html:
    """Why, in a column of its own: a word without end does not make the table wide."""
    return tag("span", clean(why)[:600], style="overflow-wrap:anywhere")


def failures_text(failures: Sequence[Failure], most: int = MOST_FAILURES) -> list[str]:
    """The same as lines."""
    if not failures:
        return []
    lines = ["", f"✕ {count(failures)}"]
    lines += [
        wrap_text(f"{step} at {format_ancestry(where)}: {clean(why)[:600]}", indent="  ")
        for step, where, why in failures[:most]
    ]
    if len(failures) > most:
        lines.append(f"  {len(failures) - most:,} more failed.")
    return lines


def count(failures: Sequence[Failure]) -> str:
    return "1 item failed" if len(failures) == 1 else f"{len(failures):,} items failed"
