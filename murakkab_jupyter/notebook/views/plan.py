"""The plan: what was chosen for each step, what it will take, what came second, and when each step runs."""

from __future__ import annotations

from murakkab_jupyter.notebook.views.figures import (
    band,
    figure,
    figure_text,
    is_prior,
    legend,
    origin,
    range_of,
)
from murakkab_jupyter.notebook.views.html import (
    Align,
    Bundle,
    Cell,
    Html,
    clean,
    frame,
    heading,
    note,
    pills,
    table,
    tag,
    text_table,
    wrap_text,
)
from murakkab_jupyter.notebook.views.origins import origins_html
from murakkab_jupyter.notebook.views.plan_sheet import (
    FIGURES,
    agent_words,
    items_text,
    place_words,
    plan_sheet,
    remarks_of,
    totals,
)
from murakkab_jupyter.notebook.views.timeline import needs, timeline, timeline_text
from murakkab_jupyter.planner.plan import Alternative, Plan
from murakkab_jupyter.workflow.model import Workflow

__all__ = [
    "FIGURES",
    "PLAN_TYPE",
    "agent_words",
    "items_text",
    "place_words",
    "plan_view",
    "remarks_of",
    "totals",
]

PLAN_TYPE = "application/vnd.murakkab.plan+json"

DASHED = " · dashed: a prior"


def whole(words: str) -> str:
    """Words between which no line ends."""
    return words.replace(" ", "\u00a0")


def plan_view(plan: Plan, workflow: Workflow | None = None, *, title: str = "Plan") -> Bundle:
    """A plan as table, time line, totals and notes.

    Parameters
    ----------
    plan
        What was chosen.
    workflow
        Whose plan it is: with it, the time line shows what each step waits for.
    title
        Heading.
    """
    figured: list[tuple[str, Align]] = [("Items", "right"), *((name, "right") for _, name in FIGURES)]
    # A page is narrower than a terminal is wide: there, where a step runs stands below its agent.
    columns: list[tuple[str, Align]] = [("Step", "left"), ("Agent, and where it runs", "left"), *figured]
    text_columns: list[tuple[str, Align]] = [
        ("Step", "left"),
        ("Agent", "left"),
        ("Runs on", "left"),
        *figured,
    ]
    rows = []
    text_rows = []
    for name, step in plan.steps.items():
        agent, options = agent_words(step.configuration)
        place, batch = place_words(step.configuration)
        figures = [step.predicted.get(key) for key, _ in FIGURES]
        rows.append(
            [
                Cell(name),
                Cell(agent, " · ".join(part for part in (options, whole(place), whole(batch)) if part)),
                items_text(step.items),
                *(Cell(figure_text(one), markup=figure(one)) for one in figures),
            ]
        )
        text_rows.append(
            [
                name,
                Cell(agent, options),
                Cell(place, batch),
                items_text(step.items),
                *(figure_text(one) for one in figures),
            ]
        )
    shown = [one for step in plan.steps.values() for key, _ in FIGURES if (one := step.predicted.get(key))]
    marks = legend([*shown, *plan.predicted.values()])
    summed = [(label, band(one)) for label, one in totals(plan)]
    name = plan.workflow or "this workflow"
    detail = f"{name} · {plan.chosen_by}"

    lost = [
        (step_name, step.runner_up) for step_name, step in plan.steps.items() if step.runner_up is not None
    ]
    remarks = remarks_of(plan)
    bands = bands_of(plan)

    html = frame(
        f"Plan of {name}",
        heading(title, detail),
        pills(summed, guessed={label for label, one in totals(plan) if is_prior(one)}),
        table(columns, rows, caption=f"Plan of {name}: one row a step"),
        timeline(plan, workflow),
        runners_up(lost),
        origins(plan),
        bands_html(bands),
        *(note("• ", remark) for remark in remarks),
        note(f"{marks}{DASHED if any(is_prior(one) for _, one in totals(plan)) else ''}") if marks else None,
    )
    lines = [
        f"{title}: {detail}",
        "  ".join(f"{label} {value}" for label, value in summed),
        "",
        text_table(text_columns, text_rows, widest=40),
        "",
        timeline_text(plan),
        *(["", "Bands", *(wrap_text(one, indent="  ") for one in bands)] if bands else []),
    ]
    if lost:
        lines += ["", "Second choice, and why it lost"]
        for step_name, other in lost:
            lines.append(wrap_text(f"{step_name}: {other.configuration}: {other.reason}", indent="  "))
    if remarks:
        lines += ["", *(wrap_text(f"• {remark}") for remark in remarks)]
    if marks:
        lines.append(marks)
    after = needs(workflow, set(plan.steps))
    return Bundle(
        html,
        clean("\n".join(lines)),
        {
            PLAN_TYPE: {
                **plan.to_json(),
                "remarks": remarks,
                "title": title,
                "after": after,
                # A notebook is saved with its keys sorted, which would be the order of the steps.
                "order": list(plan.steps),
                # What the extension draws it from.
                "sheet": plan_sheet(plan, workflow, title=title),
            }
        },
    )


def origins(plan: Plan) -> Html | None:
    """Where the figures of the steps come from."""
    return origins_html(
        {
            name: {label: origin(step.predicted.get(key)) for key, label in FIGURES}
            for name, step in plan.steps.items()
        }
    )


def bands_of(plan: Plan) -> list[str]:
    """The bands of each step's figures, in words that need no pointer."""
    lines = []
    for name, step in plan.steps.items():
        known = [f"{label} {wide}" for key, label in FIGURES if (wide := range_of(step.predicted.get(key)))]
        if known:
            lines.append(f"{name}: {', '.join(known)}")
    return lines


def bands_html(lines: list[str]) -> Html | None:
    if not lines:
        return None
    summary = tag("summary", "In which bands they are expected", style="cursor:pointer;margin:4px 0")
    return tag("details", summary, *map(note, lines))


def runners_up(lost: list[tuple[str, Alternative]]) -> Html | None:
    """The second choice of each step, and why it lost."""
    if not lost:
        return None
    rows = []
    for name, other in lost:
        configuration = other.configuration
        agent, options = agent_words(configuration)
        place, batch = place_words(configuration)
        rows.append([name, Cell(agent, options), Cell(place, batch), other.reason])
    return tag(
        "details",
        tag("summary", "Second choice for each step, and why it lost", style="cursor:pointer;margin:4px 0"),
        table(
            [("Step", "left"), ("Second choice", "left"), ("Would run on", "left"), ("Why it lost", "left")],
            rows,
            caption="Second choice for each step",
        ),
        open=True,
    )
