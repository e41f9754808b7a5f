"""The measured curve of a model server as a table: one row for each number of requests in flight."""

from __future__ import annotations

from murakkab_jupyter.notebook.views.html import Align, Bundle
from murakkab_jupyter.notebook.views.tables import table_view
from murakkab_jupyter.profiles.engine import EngineCurve

__all__ = ["curve_view"]


def curve_view(curve: EngineCurve) -> Bundle:
    """Speed, times to and between tokens, and joules where they were counted."""
    joules = bool(curve.metered.method) and any(one.j_per_token is not None for one in curve.points)
    notes = [
        f"Measured from {curve.host} on {curve.date}; {curve.prompt_tokens:.0f} tokens in and "
        f"{curve.output_tokens:.0f} out a request. Plans choose from it how many requests are in flight."
    ]
    if curve.refused_at is not None:
        notes.append(
            f"With {curve.refused_at} in flight the server turned requests away (429): more than "
            f"{curve.range[1]} are not planned."
        )
    if held := curve.held_out():
        worst = max(held, key=lambda one: abs(one.error))
        notes.append(
            f"Each level left out, the others predict its tokens a second within {abs(worst.error):.0%} "
            f"(the worst, at {worst.in_flight} in flight)."
        )
    if not joules:
        notes.append(f"Joules a token are {curve.metered.why_none}.")
    elif curve.metered.method == "estimate":
        notes.append(f"Joules a token are an estimate, as no counter reads them: {curve.metered.note}.")
    elif curve.metered.note:
        notes.append(f"Joules a token were counted: {curve.metered.note}.")
    columns: list[tuple[str, Align]] = [
        ("In flight", "right"),
        ("Tokens a second", "right"),
        ("First token p50 / p90", "right"),
        ("Between tokens p50 / p99", "right"),
        ("Whole request", "right"),
    ]
    columns += [(f"A token ({curve.metered.boundary}, {curve.metered.method})", "right")] if joules else []
    columns.append(("Requests", "right"))
    return table_view(
        "Engine",
        columns,
        [
            [
                str(one.in_flight),
                f"{one.tokens_per_s:.1f}",
                f"{one.ttft_s * 1e3:.0f} / {one.ttft_p90_s * 1e3:.0f} ms",
                f"{one.itl_s * 1e3:.1f} / {one.itl_p99_s * 1e3:.1f} ms",
                f"{one.request_s:.2f} s",
                *([f"{one.j_per_token:.2f} J" if one.j_per_token is not None else ""] if joules else []),
                str(one.requests),
            ]
            for one in curve.points
        ],
        detail=f"{curve.name}, measured",
        notes=notes,
    )
