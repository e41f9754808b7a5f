"""When each step runs, and what it waits for: one bar a step on a time axis, arrows for dependencies.

Names, times and bars are cells of a table; only the arrows are SVG. Where SVG is stripped (a notebook that is
not trusted), the column "after …" says what they show; where styles are stripped too (GitHub), words and
times remain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from murakkab_jupyter.notebook.views.figures import is_prior, time_text
from murakkab_jupyter.notebook.views.html import ACCENT, BORDER, MUTED, Html, scroller, shorten, tag
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["needs", "spans", "timeline", "timeline_text"]

ROW = 30
WIDTH = 400
"""Of the drawing, in units of its own: it is as wide as the page leaves it room."""
NARROWEST = 160
"""In pixels; below this the time line scrolls."""
BAR = 16


def spans(plan: Plan) -> dict[str, tuple[float, float]] | None:
    """Predicted start and end of each step; None when any is unknown."""
    found: dict[str, tuple[float, float]] = {}
    for name, step in plan.steps.items():
        start, end = step.predicted.get("start"), step.predicted.get("end")
        if start is None or end is None or start.value is None or end.value is None:
            return None
        found[name] = (start.value, max(start.value, end.value))
    return found or None


def needs(workflow: Workflow | None, names: set[str]) -> dict[str, list[str]]:
    """For each step, the steps it takes something from."""
    if workflow is None:
        return {}
    return {
        step.name: list(dict.fromkeys(one.source for one in step.inputs if one.source in names))
        for step in workflow.steps
        if step.name in names
    }


def timeline(plan: Plan, workflow: Workflow | None = None) -> Html | None:
    """The plan's time line, or None where the plan has no predicted times."""
    found = spans(plan)
    if found is None:
        return None
    end = max(stop for _, stop in found.values()) or 1.0
    after = needs(workflow, set(found))
    names = list(found)
    row_of = {name: index for index, name in enumerate(names)}
    height = ROW * len(names)

    def x(seconds: float) -> float:
        return round(4 + (WIDTH - 12) * seconds / end, 1)

    marks: list[Html] = []
    for name, sources in after.items():
        marks.extend(arrow(found, row_of, source, name, x) for source in sources)
    words = "; ".join(f"{name} after {', '.join(sources)}" for name, sources in after.items() if sources)
    arrows = tag(
        "div",
        tag(
            "svg",
            *marks,
            viewBox=f"0 0 {WIDTH} {height}",
            preserveAspectRatio="none",
            role="img",
            aria_label=f"What waits for what: {words}",
            # In its style, for pages give pictures a height of their own.
            style=f"position:absolute;left:0;top:-{(ROW - BAR) // 2}px;width:100%;height:{height}px;overflow:visible",
        ),
        style="position:relative;height:0",
    )
    line = f"height:{ROW}px;padding:0 10px 0 0;border:0;text-align:left;white-space:nowrap;vertical-align:middle;line-height:18px;background:transparent"
    rows = []
    for index, name in enumerate(names):
        start, stop = found[name]
        rows.append(
            tag(
                "tr",
                tag("th", shorten(name, 22), scope="row", title=name, style=f"{line};font-weight:600"),
                tag(
                    "td",
                    f"{time_text(start)} – {time_text(stop)}",
                    style=f"{line};{MUTED};font-variant-numeric:tabular-nums",
                ),
                tag(
                    "td",
                    "after " + shorten(", ".join(after[name]), 26) if after.get(name) else "at once",
                    style=f"{line};{MUTED}",
                ),
                tag(
                    "td",
                    arrows if marks and index == 0 else None,
                    tag("div", "", style=bar_style(x(start), x(stop), guessed=guessed(plan, name))),
                    style=f"padding:{(ROW - BAR) // 2}px 0;border:0;border-left:{BORDER};vertical-align:top;width:100%",
                ),
                style=f"height:{ROW}px;background:transparent;border:0",
            )
        )
    axis = tag(
        "tr",
        tag("th", "", style=f"{line};height:20px"),
        tag("td", "", style=f"{line};height:20px"),
        tag("td", "", style=f"{line};height:20px"),
        tag(
            "td",
            tag("span", "0 s"),
            " ",
            tag("span", time_text(end), style="float:right"),
            tag("div", "", style=f"min-width:{NARROWEST}px"),
            style=f"padding:0 2px;border:0;border-top:{BORDER};font-size:12px;text-align:left;{MUTED};width:100%",
        ),
        style="background:transparent;border:0",
    )
    return tag(
        "details",
        tag("summary", "When each step runs", style="cursor:pointer;margin:4px 0"),
        scroller(
            "When each step runs",
            tag(
                "table",
                tag("tbody", *rows, axis),
                aria_label="When each step runs",
                style="border-collapse:collapse;border:0;margin:2px 0 6px;font-size:13px;table-layout:auto;width:100%;max-width:760px",
            ),
        ),
        open=True,
    )


def guessed(plan: Plan, name: str) -> bool:
    """Whether the time of a step is a prior."""
    return is_prior(plan.steps[name].predicted.get("latency"))


def bar_style(left: float, right: float, *, guessed: bool) -> str:
    """A bar between two places of the axis; of a prior it is paler, with a dashed edge."""
    start, wide = (f"{100 * part / WIDTH:.2f}%" for part in (left, right - left))
    look = f"background:{ACCENT}44;border:1px dashed {ACCENT}" if guessed else f"background:{ACCENT}"
    return f"margin-left:{start};width:{wide};min-width:3px;height:{BAR}px;{look};border-radius:4px;box-sizing:border-box"


def arrow(
    found: Mapping[str, tuple[float, float]],
    row_of: Mapping[str, int],
    source: str,
    name: str,
    x: Callable[[float], float],
) -> Html:
    """From where a step begins to give, down to where the one that takes from it begins."""
    down = 1 if row_of[name] > row_of[source] else -1
    middle = ROW / 2
    x1 = min(x(found[source][1]), max(x(found[source][0]) + 4, x(found[name][0]) - 8))
    y1 = row_of[source] * ROW + middle + down * BAR / 2
    x2, y2 = x(found[name][0]), row_of[name] * ROW + middle - down * BAR / 2
    x2 = max(x2 + 4, x1) if x1 > x2 + 4 else x2 + 4
    return tag(
        "path",
        d=f"M{x1:.1f} {y1:.1f}L{x1:.1f} {y2 - down * 7:.1f}L{x2:.1f} {y2 - down * 7:.1f}L{x2:.1f} {y2:.1f}"
        f"M{x2 - 3:.1f} {y2 - down * 4:.1f}L{x2:.1f} {y2:.1f}L{x2 + 3:.1f} {y2 - down * 4:.1f}",
        fill="none",
        stroke="currentColor",
        stroke_opacity=".55",
        stroke_width="1.2",
        vector_effect="non-scaling-stroke",
    )


def timeline_text(plan: Plan, width: int = 40) -> str:
    """The same in text: a bar of blocks a step."""
    found = spans(plan)
    if found is None:
        return ""
    end = max(stop for _, stop in found.values()) or 1.0
    longest = max(len(shorten(name, 24)) for name in found)
    lines = []
    for name, (start, stop) in found.items():
        left = min(width - 1, round(width * start / end))
        size = max(1, min(width - left, round(width * (stop - start) / end)))
        bar = f"{' ' * left}{'█' * size}".ljust(width)
        lines.append(f"{shorten(name, 24):<{longest}}  │{bar}│ {time_text(start)} – {time_text(stop)}")
    return "\n".join(lines)
