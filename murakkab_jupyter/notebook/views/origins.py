"""Where figures come from, in words that need no pointer."""

from __future__ import annotations

from collections.abc import Mapping

from murakkab_jupyter.notebook.views.html import Html, note, tag, wrap_text

__all__ = ["Told", "origins_html", "origins_text"]

Told = Mapping[str, Mapping[str, str]]
"""`told[of][figure]` is an origin; `of` is a step, a plan, a worker or an agent."""


def grouped(told: Told) -> list[tuple[str, str]]:
    """Each origin with the figures that have it."""
    found: dict[str, dict[str, list[str]]] = {}
    for of, figures in told.items():
        for figure, origin in figures.items():
            found.setdefault(origin, {}).setdefault(figure, []).append(of)

    def those(names: list[str]) -> str:
        return "" if len(names) == len(told) else f" of {', '.join(names)}"

    return [
        (said, "; ".join(f"{figure}{those(names)}" for figure, names in figures.items()))
        for said, figures in found.items()
    ]


def origins_text(told: Told) -> list[str]:
    """The same as lines."""
    lines = [wrap_text(f"{said}: {figures}", indent="  ") for said, figures in grouped(told)]
    return ["Where the figures come from", *lines] if lines else []


def origins_html(told: Told) -> Html | None:
    """Each origin with the figures that have it, to be opened."""
    lines = [note(tag("strong", said), ": ", figures) for said, figures in grouped(told)]
    if not lines:
        return None
    summary = tag("summary", "Where the figures come from", style="cursor:pointer;margin:4px 0")
    return tag("details", summary, *lines)
