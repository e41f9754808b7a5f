"""Where figures come from, in words that need no pointer."""

from __future__ import annotations

from collections.abc import Mapping

from murakkab_jupyter.notebook.views.html import Html, note, tag

__all__ = ["origins_html"]


def origins_html(told: Mapping[str, Mapping[str, str]]) -> Html | None:
    """Each origin with the figures that have it; `told[of][figure]` is an origin, `of` a step or a plan."""
    found: dict[str, dict[str, list[str]]] = {}
    for of, figures in told.items():
        for figure, origin in figures.items():
            found.setdefault(origin, {}).setdefault(figure, []).append(of)
    if not found:
        return None

    def those(names: list[str]) -> str:
        return "" if len(names) == len(told) else f" of {', '.join(names)}"

    lines = [
        note(
            tag("strong", said),
            ": ",
            "; ".join(f"{figure}{those(names)}" for figure, names in figures.items()),
        )
        for said, figures in found.items()
    ]
    summary = tag("summary", "Where the figures come from", style="cursor:pointer;margin:4px 0")
    return tag("details", summary, *lines)
