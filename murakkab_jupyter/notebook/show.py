"""From what a verb answers, or a run, to a bundle of HTML and text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.kinds import Frame, Image
from murakkab_jupyter.notebook.views import tables
from murakkab_jupyter.notebook.views.agents import agents_view
from murakkab_jupyter.notebook.views.bill import bill_json, bill_view
from murakkab_jupyter.notebook.views.curve import curve_view
from murakkab_jupyter.notebook.views.engines import engines_view
from murakkab_jupyter.notebook.views.figures import figure, figure_text, legend, origin
from murakkab_jupyter.notebook.views.found import RESULTS_TYPE, results_json
from murakkab_jupyter.notebook.views.frontier import frontier_view
from murakkab_jupyter.notebook.views.html import Bundle, Cell, once
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.progress import steps_done
from murakkab_jupyter.notebook.views.results import MOST_LINES, Results, results_view
from murakkab_jupyter.notebook.views.run import MOST_STATIC_BARS, run_sheet, run_view
from murakkab_jupyter.notebook.views.workers import WorkerNames
from murakkab_jupyter.verbs import Outcome, needs

if TYPE_CHECKING:
    from murakkab_jupyter.run import Run

__all__ = ["RESULTS_TYPE", "RUN_TYPE", "brief_bundle", "picked", "run_bundle", "run_results", "show"]


def show(outcome: Outcome, *, takes: bool = True) -> Bundle:
    """The view of what a verb answers; `takes`: plans of a frontier can be taken here, as in a notebook."""
    data = outcome.data
    match outcome.kind:
        case "plan":
            return plan_view(*data)
        case "run":
            return run_bundle(data)
        case "words":
            return tables.words_view(*data)
        case "code":
            return tables.code_view("Python", data)
        case "draft":
            return join(tables.code_view("Steps to edit", data.text), tables.message_view(needs(data)))
        case "help":
            return tables.code_view("Help", data)
        case "message":
            return tables.message_view(data)
        case "frontier":
            plans, chosen, name = data
            return frontier_view(plans, chosen=chosen, name=name, takes=takes)
        case "status":
            return tables.status_view([status_row(run) for run in data])
        case "history":
            return tables.history_view([past(record) for record in data])
        case "bill":
            bill, name = data
            return bill_view(bill, name=name)
        case "agents":
            library, only = data
            return agents_view(library, only)
        case "models":
            return tables.models_view([model(weight, state) for weight, state in data])
        case "engines":
            return engines_view(*data)
        case "cluster":
            view, address = data
            return tables.cluster_view(view, address=address)
        case "profile":
            return profile_view(data)
        case "measured":
            told, rows = data
            return join(tables.message_view(told), profile_view(rows))
        case "curve":
            return curve_view(data)
    msg = f"There is no view for {outcome.kind!r}."
    raise ValueError(msg)


def join(*bundles: Bundle) -> Bundle:
    """Several views, one below the other."""
    return Bundle(once("".join(one.html for one in bundles)), "\n\n".join(one.text for one in bundles))


# --- runs -----------------------------------------------------------------------------------------------------

RUN_TYPE = "application/vnd.murakkab.run+json"


def thumbnail(value: Any, width: int) -> bytes:
    """A small still, by the agents' own reader."""
    from murakkab_jupyter.agents.media import pictures

    if not isinstance(value, Frame | Image):
        msg = f"There is no still of a {type(value).__name__}."
        raise TypeError(msg)
    return pictures.thumbnail(value, width)


def run_results(run: Run, *, pictures: bool = True, variable: str | None = "") -> Results:
    """What a results view needs, from a run under way or ended; `variable` as in `Results`."""
    names = [v.name for v in run.workflow.variables] + [s.name for s in run.workflow.steps]
    values: dict[str, Mapping[Ancestry, Any]] = {name: run.store.outputs(name) for name in names}
    called = WorkerNames(run.cluster.workers, tuple(run.events))
    errors = tuple((step, ancestry, called.said(text)) for step, ancestry, text in run.errors)
    return Results(run.workflow, values, errors, thumbnail if pictures else None, variable)


def run_bundle(
    run: Run, *, pictures: bool = True, most_lines: int = MOST_LINES, variable: str | None = ""
) -> Bundle:
    """Results, then how the run went, then the bill; `most_lines` is of `results_view`, `variable` of `Results`."""
    from murakkab_jupyter.notebook.live import state_of

    title = f"Results ({run.status})"
    results = run_results(run, pictures=pictures, variable=variable)
    state = state_of(run)
    shown = [results_view(results, title=title, most_lines=most_lines), run_view(state)]
    told: dict[str, Any] = {
        "format": 2,
        "run": run.id,
        "sheet": run_sheet(state, most_bars=MOST_STATIC_BARS),
    }
    if run.bill is not None:
        shown.append(bill_view(run.bill, name=run.workflow.name))
        told["bill"] = bill_json(run.bill, name=run.workflow.name)
    return replace(join(*shown), data={RUN_TYPE: told, RESULTS_TYPE: results_json(results, title=title)})


def brief_bundle(run: Run, *, variable: str = "") -> Bundle:
    """The answers of a run, how far it came and what it took, in little room; and where the rest is found."""
    from murakkab_jupyter.notebook.live import state_of

    held = run_results(run, pictures=False, variable=variable)
    name = str(held.variable)
    brief = (
        f"In brief, to keep this notebook small: `{name}` in a cell shows every result and the bill. "
        "`%config MurakkabMagics.saved_kb = 0` lifts the limit."
    )
    brief += f" {reach(run, name)}"
    results = results_view(held, title=f"Results ({run.status})", brief=brief)
    return join(results, run_view(state_of(run), bars=False))


MOST_OUTPUTS = 8


def reach(run: Run, name: str) -> str:
    """How to come by the values of each step at the end of a workflow: `name.outputs["gist"]`, and how many there are."""
    made = [(step.name, len(run.store.outputs(step.name))) for step in run.workflow.sinks()]
    said = [
        f"`{name}.outputs[{json.dumps(step, ensure_ascii=False)}]` has {count:,} {'value' if count == 1 else 'values'}"
        for step, count in made[:MOST_OUTPUTS]
    ]
    rest = len(made) - len(said)
    more = f"; {rest} more steps are in `{name}.outputs`" if rest else ""
    return f"{', '.join(said)}{more}; `{name}.to_pandas()` has all in a table."


def status_row(run: Run) -> dict[str, Any]:
    from murakkab_jupyter.notebook.live import state_of

    steps = state_of(run).steps()
    return {
        "id": run.id,
        "name": run.workflow.name,
        "status": run.status,
        "steps": f"{steps_done(steps)} of {len(steps)}",
        "message": run.message,
    }


# --- the rest -------------------------------------------------------------------------------------------------


def past(record: Any) -> tables.PastRun:
    """One line of the history from a record of the journal."""
    killed = record.status == "running" and not record.alive
    return tables.PastRun(
        record.run_id,
        record.name,
        "killed" if killed else record.status,
        record.started,
        None if record.ended is None else record.ended - record.started,
        record.items,
        record.message,
    )


ENDINGS = {"partial": "lacked items", "stopped": "was stopped", "killed": "was killed"}


def picked(record: Any) -> str:
    """Which run is gone on with where none was named: whose, when it began, how it ended."""
    one = past(record)
    whose = f" of {one.name}" if one.name else ""
    when = tables.moment_words(one.started)
    return (
        f"Going on with run {one.run_id}{whose}, begun {when}, which {ENDINGS.get(one.status, one.status)}."
    )


def model(weight: Any, state: Any) -> tables.Model:
    """One line of the models."""
    where = {"path": "yes, at a path you gave", "cache": "yes, in the cache", "package": "yes, installed"}
    here = where.get(state.where, "") if state.here else ""
    fetch = "no, fetched when needed" if state.where == "index" else "no, on the hub: fetched if allowed"
    return tables.Model(
        weight.name,
        weight.summary,
        f"{weight.origin}; {weight.source}; upstream: {weight.upstream}",
        weight.licence,
        weight.size_bytes or None,
        here or fetch,
    )


def profile_view(rows: list[dict[str, Any]]) -> Bundle:
    """What is known of agents: one call of one item of ordinary size on one core."""
    titles = {
        "call_s": "One call",
        "call_cpu_s": "Its CPU time",
        "load_s": "Loading",
        "memory": "Memory",
        "quality": "Quality",
    }
    shown = []
    for row in rows:
        figures: list[Figure | None] = [row[key] for key in titles]
        shown.append(
            [
                Cell(row["agent"], row["capability"]),
                f"{row['work']:.3g} {row['unit']}",
                *(Cell(figure_text(one), markup=figure(one)) for one in figures),
            ]
        )
    marks = legend(row[key] for row in rows for key in titles)
    return tables.table_view(
        "Profile",
        [
            ("Agent", "left"),
            ("Work", "left"),
            *((title, "right") for title in titles.values()),
        ],
        shown,
        detail="one call of one item of ordinary size, on one core of this host",
        notes=[marks, "Every run refines these."],
        origins={row["agent"]: {title: origin(row[key]) for key, title in titles.items()} for row in rows},
    )
