"""An answer with the evidence it points at."""

from __future__ import annotations

from collections.abc import Mapping

from murakkab_jupyter.core.kinds import Answer
from murakkab_jupyter.notebook.views.html import (
    ACCENT,
    BORDER,
    MUTED,
    Bundle,
    Html,
    clean,
    frame,
    note,
    shorten,
    tag,
    wrap_text,
)
from murakkab_jupyter.notebook.views.values import NAMES, evidence_words, value_words

__all__ = ["answer_html", "answer_text", "answer_view"]

MOST_EVIDENCE = 12
LONGEST_ANSWER = 1500


def answer_html(
    said: Answer, *, head: str = "", question: str = "", names: Mapping[str, str] = NAMES
) -> Html:
    """A box with the answer, and below it where it comes from; `names` says what to call files that share a name."""
    proofs = [
        tag(
            "li",
            tag("strong", evidence_words(one, names), style="font-weight:600"),
            None if not one.text else tag("span", " “", shorten(one.text, 260), "”", style=MUTED),
            style="margin:2px 0",
            data_murakkab_evidence=True,
        )
        for one in said.evidence[:MOST_EVIDENCE]
    ]
    return tag(
        "div",
        tag("div", head, style=f"font-size:12px;{MUTED}") if head else None,
        tag("div", question, dir="auto", style=f"font-style:italic;{MUTED}") if question else None,
        tag(
            "div",
            value_words(said, LONGEST_ANSWER),
            dir="auto",
            style="font-size:15px;margin:2px 0 4px;white-space:pre-wrap",
        ),
        tag("div", "Evidence", style=f"font-size:12px;{MUTED}") if proofs else None,
        tag("ul", *proofs, style="margin:0 0 0 18px;padding:0") if proofs else note("No evidence was given."),
        note(more_words(said)) if more_words(said) else None,
        style=f"border:{BORDER};border-left:4px solid {ACCENT};border-radius:6px;padding:8px 12px;margin:0 0 8px;"
        "max-width:900px",
    )


def answer_text(
    said: Answer, *, head: str = "", question: str = "", names: Mapping[str, str] = NAMES
) -> list[str]:
    """The same as lines."""
    lines = [head] if head else []
    if question:
        lines.append(wrap_text(question, indent="  "))
    lines.append(wrap_text(value_words(said, LONGEST_ANSWER), indent="  > "))
    for one in said.evidence[:MOST_EVIDENCE]:
        quote = f' "{shorten(one.text, 160)}"' if one.text else ""
        lines.append(wrap_text(f"- {evidence_words(one, names)}{quote}", indent="    "))
    if more_words(said):
        lines.append(f"    {more_words(said)}")
    return lines


def more_words(said: Answer) -> str:
    rest = len(said.evidence) - MOST_EVIDENCE
    return f"and {rest} more pieces of evidence" if rest > 0 else ""


def answer_view(said: Answer) -> Bundle:
    """An answer by itself, as `run.outputs["answer"]` shows it."""
    return Bundle(frame("Answer", answer_html(said)), clean("\n".join(answer_text(said))))
