"""The smaller views: history, models, cluster, profile."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.hosts import ClusterView, WorkerView
from murakkab_jupyter.notebook.views.figures import amount, figure, figure_text, legend, origin, size_text
from murakkab_jupyter.notebook.views.html import (
    Align,
    Bundle,
    Cell,
    clean,
    frame,
    heading,
    note,
    shorten,
    table,
    tag,
    text_table,
    wrap_text,
)
from murakkab_jupyter.notebook.views.origins import Told, origins_html, origins_text

__all__ = [
    "Model",
    "PastRun",
    "cluster_view",
    "code_view",
    "history_view",
    "listing_text",
    "message_view",
    "models_view",
    "status_view",
    "table_view",
    "words_view",
]

Columns = Sequence[tuple[str, Align]]

UNBROKEN = "white-space:nowrap"
ROOMY = "display:inline-block;min-width:9em"
"""Words below a name have room for some of them on a line."""

BREAKABLE = "overflow-wrap:anywhere"
"""A path or an address is no reason for a table to scroll."""


def table_view(
    title: str,
    columns: Columns,
    rows: Iterable[Sequence[Cell | object]],
    *,
    detail: str = "",
    notes: Sequence[str] = (),
    empty: str = "There is nothing here yet.",
    widest: int = 56,
    listing: bool = False,
    origins: Told | None = None,
) -> Bundle:
    """A titled table with notes under it, and where its figures come from."""
    listed = [list(row) for row in rows]
    line = f"{title}: {detail}" if detail else title
    if not listed:
        return Bundle(
            frame(title, heading(title, detail), note(empty), *(note("• ", one) for one in notes)),
            clean("\n".join([line, empty, *notes])),
        )
    html = frame(
        title,
        heading(title, detail),
        table(columns, listed, caption=title),
        origins_html(origins or {}),
        *(note(one) for one in notes if one),
    )
    body = listing_text(columns, listed) if listing else text_table(columns, listed, widest=widest)
    text = "\n".join([line, body, *(wrap_text(one) for one in notes if one), *origins_text(origins or {})])
    return Bundle(html, clean(text))


def listing_text(columns: Columns, rows: Sequence[Sequence[Cell | object]]) -> str:
    """A table with long words in text: a paragraph a row, nothing cut."""
    lines: list[str] = []
    for row in rows:
        first, *rest = [one if isinstance(one, Cell) else Cell(one) for one in row]
        lines += ["", str(first.text)]
        if first.detail:
            lines.append(wrap_text(first.detail, indent="    "))
        for (title, _), cell in zip(columns[1:], rest, strict=True):
            words = f"{cell.text}: {cell.detail}" if cell.detail else str(cell.text)
            if words:
                lines.append(wrap_text(f"{title.lower()}: {words}", indent="    "))
    return "\n".join(lines)


def words_view(title: str, text: str) -> Bundle:
    """Text as it is, under a title."""
    html = frame(title, heading(title), tag("div", clean(text), style="white-space:pre-wrap;max-width:900px"))
    return Bundle(html, clean(f"{title}\n{text}"))


def code_view(title: str, text: str) -> Bundle:
    """Text whose columns stand under each other."""
    style = (
        "white-space:pre;overflow-x:auto;margin:0;padding:0;background:transparent;color:inherit;"
        "font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px"
    )
    # It scrolls, by the keyboard too.
    pre = tag("pre", clean(text), tabindex=0, role="group", aria_label=title, style=style)
    return Bundle(frame(title, pre), clean(text))


def message_view(text: str) -> Bundle:
    """One line."""
    return Bundle(frame("Message", tag("div", text)), clean(text))


@dataclass(frozen=True, slots=True)
class PastRun:
    """One line of the history."""

    run_id: str
    name: str
    status: str
    started: float | None = None
    seconds: float | None = None
    items: int | None = None
    message: str = ""


def moment_words(at: float | None) -> str:
    if at is None:
        return "unknown"
    return dt.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def history_view(runs: Sequence[PastRun], *, most: int = 40) -> Bundle:
    """Earlier runs, latest first."""
    rows = [
        [
            Cell(run.run_id),
            run.name or "(no name)",
            run.status,
            Cell(moment_words(run.started), markup=tag("span", moment_words(run.started), style=UNBROKEN)),
            "unknown" if run.seconds is None else amount(run.seconds, "s"),
            "unknown" if run.items is None else run.items,
            Cell(shorten(run.message, 120), markup=tag("span", shorten(run.message, 120), style=BREAKABLE)),
        ]
        for run in runs[:most]
    ]
    rest = len(runs) - len(rows)
    return table_view(
        "History",
        [
            ("Run", "left"),
            ("Workflow", "left"),
            ("Status", "left"),
            ("Started", "left"),
            ("Took", "right"),
            ("Items kept", "right"),
            ("How it ended", "left"),
        ],
        rows,
        notes=[f"{rest} earlier runs are not shown."] if rest else [],
        empty="No runs yet. Run one with %murakkab run, or murakkab run FILE.",
    )


@dataclass(frozen=True, slots=True)
class Model:
    """Weights as `models` shows them."""

    name: str
    summary: str
    origin: str
    licence: str
    size_bytes: int | None
    state: str


def models_view(models: Sequence[Model]) -> Bundle:
    """Weights: origin, licence, size, and whether they are here."""
    return table_view(
        "Models",
        [("Weights", "left"), ("Licence", "left"), ("Size", "right"), ("Here", "left"), ("Origin", "left")],
        [
            [
                Cell(one.name, one.summary, markup=tag("span", one.name, style=ROOMY)),
                one.licence or "not stated",
                "unknown" if one.size_bytes is None else size_text(one.size_bytes),
                one.state,
                one.origin,
            ]
            for one in models
        ],
        notes=["Nothing is fetched before a run needs it; sizes and licences are shown before a fetch."],
        listing=True,
    )


def cluster_view(view: ClusterView, *, address: str = "") -> Bundle:
    """The workers a plan may use."""
    rows = []
    for worker in view.workers:
        cards = Counter(f"{gpu.name} ({size_text(gpu.memory_bytes)})" for gpu in worker.gpus)
        gpus = ", ".join(f"{count} × {name}" if count > 1 else name for name, count in cards.items())
        idle, active = worker.power.idle_w, worker.power.active_w_per_core
        price = worker.power.price_usd_per_hour
        rows.append(
            [
                Cell(worker.name, worker.host if worker.host != worker.name else ""),
                worker.cores,
                size_text(worker.memory_bytes),
                gpus or "none",
                Cell(figure_text(worker.speed), markup=figure(worker.speed)),
                Cell(figure_text(idle), markup=figure(idle)),
                Cell(figure_text(active), markup=figure(active)),
                Cell(figure_text(price), markup=figure(price)),
            ]
        )
    detail = f"{len(view.workers)} {'worker' if len(view.workers) == 1 else 'workers'}, {view.cores} cores"
    if view.described:
        detail += ", described only: plans can be made for it, runs cannot"
    if address:
        detail += f", {address}"
    marks = legend(
        one
        for w in view.workers
        for one in (w.speed, w.power.idle_w, w.power.active_w_per_core, w.power.price_usd_per_hour)
    )
    return table_view(
        "Cluster",
        [
            ("Worker", "left"),
            ("Cores", "right"),
            ("Memory", "right"),
            ("GPUs", "left"),
            ("Speed", "right"),
            ("Idle power", "right"),
            ("Per busy core", "right"),
            ("Rent an hour", "right"),
        ],
        rows,
        detail=detail,
        notes=[
            marks,
            "Speed: of one core, against the machine that made the reference profiles.",
        ],
        empty="No workers.",
        origins={worker.name: origins_of(worker) for worker in view.workers},
    )


def origins_of(worker: WorkerView) -> dict[str, str]:
    """Where the speed, watts and prices of a worker come from; of what a table has no column for, also the figure."""
    power = worker.power
    electricity = power.electricity_usd_per_kwh
    found = {
        "Speed": worker.speed,
        "Idle power": power.idle_w,
        "Per busy core": power.active_w_per_core,
        "Rent an hour": power.price_usd_per_hour,
    }
    if electricity.known:
        found[f"Electricity, {figure_text(electricity)}"] = electricity
    for gpu in worker.gpus:
        found[f"{gpu.name} idle, {figure_text(gpu.idle_w)}"] = gpu.idle_w
        found[f"{gpu.name} at most, {figure_text(gpu.peak_w)}"] = gpu.peak_w
    return {title: origin(one) for title, one in found.items()}


def status_view(runs: Sequence[Mapping[str, Any]]) -> Bundle:
    """Runs of this session: what runs, what ended and how."""
    return table_view(
        "Status",
        [("Run", "left"), ("Workflow", "left"), ("Status", "left"), ("Steps", "left"), ("How", "left")],
        [
            [
                Cell(str(r["id"])),
                r["name"] or "(no name)",
                r["status"],
                r["steps"],
                shorten(r["message"], 200),
            ]
            for r in runs
        ],
        empty="Nothing has been run in this session.",
    )
