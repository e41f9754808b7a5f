"""Figures for papers and reports: frontiers and time lines as plotly figures, to be restyled or written to a file.

They say what the views say, with the same numbers. Plotly is imported when one is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.notebook.views.frontier import frontier_sheet
from murakkab_jupyter.notebook.views.run import COLOURS, run_sheet

if TYPE_CHECKING:
    from murakkab_jupyter.planner.plan import Plan
    from murakkab_jupyter.run import Run

__all__ = ["frontier_plot", "timeline_plot"]

UNITS = {"cost": "USD", "energy": "J", "latency": "s", "quality": ""}


def frontier_plot(
    plans: Sequence[Plan], *, x: str = "energy", y: str = "quality", chosen: Plan | None = None
) -> Any:
    """Plans over two of cost (USD), energy (J), latency (s) and quality (0..1).

    Parameters
    ----------
    plans
        Of `Session.frontier`.
    x, y
        `cost`, `energy`, `latency` or `quality`.
    chosen
        The plan to mark.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    InputError
        An axis that is none of the four.
    """
    import plotly.graph_objects as go

    for axis in (x, y):
        if axis not in UNITS:
            msg = f"A frontier has no axis {axis!r}; it has: {', '.join(UNITS)}."
            raise InputError(msg)
    sheet = frontier_sheet(plans, chosen=chosen)
    points = [
        one
        for one in sheet["points"]
        if one["values"].get(x) is not None and one["values"].get(y) is not None
    ]
    figure = go.Figure(
        go.Scatter(
            x=[one["values"][x] for one in points],
            y=[one["values"][y] for one in points],
            mode="markers+text",
            text=[str(one["number"]) for one in points],
            textposition="top center",
            hovertext=[one["gives"] for one in points],
            marker={
                "size": 11,
                "color": [COLOURS[1] if one["chosen"] else COLOURS[0] for one in points],
                "symbol": ["diamond" if one["chosen"] else "circle" for one in points],
            },
        )
    )
    figure.update_layout(
        template="plotly_white",
        xaxis_title=titled(x),
        yaxis_title=titled(y),
        showlegend=False,
        margin={"l": 70, "r": 20, "t": 20, "b": 55},
    )
    return figure


def titled(axis: str) -> str:
    name = "time" if axis == "latency" else axis
    return f"{name.capitalize()} ({UNITS[axis]})" if UNITS[axis] else name.capitalize()


def timeline_plot(run: Run) -> Any:
    """What ran when in which worker slot, and what happened on the way.

    Returns
    -------
    plotly.graph_objects.Figure
        Seconds since the run began across, one line a worker slot; one colour a step.
    """
    import plotly.graph_objects as go

    from murakkab_jupyter.notebook.live import state_of

    sheet = run_sheet(state_of(run))
    lanes = [f"{lane['worker']}, slot {lane['slot']}" for lane in sheet["lanes"]]
    figure = go.Figure()
    for index, step in enumerate(sheet["steps"]):
        mine = [bar for bar in sheet["bars"] if bar[1] == index]
        if not mine:
            continue
        figure.add_bar(
            name=step["name"],
            orientation="h",
            base=[bar[2] for bar in mine],
            x=[bar[3] - bar[2] for bar in mine],
            y=[lanes[bar[0]] for bar in mine],
            hovertext=[bar[4] for bar in mine],
            hoverinfo="text",
            marker={
                "color": COLOURS[index % len(COLOURS)],
                "opacity": [0.4 if bar[5] & 1 else 1 for bar in mine],
            },
        )
    for mark in sheet["marks"]:
        if mark["kind"] != "notice":
            figure.add_vline(x=mark["at_s"], line_dash="dot", line_color=COLOURS[1])
    figure.update_layout(
        template="plotly_white",
        barmode="overlay",
        xaxis_title="Time (s)",
        margin={"l": 140, "r": 20, "t": 20, "b": 55},
    )
    return figure
