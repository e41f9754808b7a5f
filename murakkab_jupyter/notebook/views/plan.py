"""The plan: what was chosen for each step, what it will take, what came second, and when each step runs."""

from __future__ import annotations

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook.views.figures import band, figure, figure_text, is_prior, legend
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
from murakkab_jupyter.notebook.views.timeline import needs, timeline, timeline_text
from murakkab_jupyter.planner.plan import Alternative, Configuration, Plan
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

FIGURES = (
    ("latency", "Time"),
    ("cpu", "CPU time"),
    ("energy", "Energy"),
    ("cost", "Cost"),
    ("quality", "Quality"),
)

DASHED = " · dashed: a prior"


def agent_words(configuration: Configuration) -> tuple[str, str]:
    """The agent, and its options in words."""
    return configuration.agent, " ".join(f"{key}={value}" for key, value in configuration.options)


def place_words(configuration: Configuration) -> tuple[str, str]:
    """Device and parallelism: `cpu, 2 x 1 core`, and how items are batched."""
    one = configuration
    parts = "core" if one.cores == 1 else "cores"
    gpus = f" + {one.gpus} GPU{'s' if one.gpus > 1 else ''}" if one.gpus else ""
    batch = "all items of a parent in a call" if one.siblings else f"batch {one.batch}"
    if one.engine_cores:
        held = f"{one.engine_cores} {'core' if one.engine_cores == 1 else 'cores'}"
        return f"{one.device}, holds {held} of {one.engine}", batch
    return f"{one.device}, {one.instances} × {one.cores} {parts}{gpus}", batch


def whole(words: str) -> str:
    """Words between which no line ends."""
    return words.replace(" ", "\u00a0")


def totals(plan: Plan) -> list[tuple[str, Figure | None]]:
    """The totals a plan predicts, in the order they are shown."""
    return [(title, plan.predicted.get(key)) for key, title in FIGURES]


def items_text(items: float) -> str:
    """Expected items: whole numbers as such, others with a tenth."""
    return f"{items:.0f}" if abs(items - round(items)) < 0.05 else f"{items:.1f}"


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
    detail = f"{name} · {plan.goal}"

    lost = [
        (step_name, step.runner_up) for step_name, step in plan.steps.items() if step.runner_up is not None
    ]
    remarks = remarks_of(plan)

    html = frame(
        f"Plan of {name}",
        heading(title, detail),
        pills(summed, guessed={label for label, one in totals(plan) if is_prior(one)}),
        table(columns, rows, caption=f"Plan of {name}: one row a step"),
        timeline(plan, workflow),
        runners_up(lost),
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
            }
        },
    )


def remarks_of(plan: Plan) -> list[str]:
    """What its figures count on, what holds a plan back, what is proven of it, and its notes."""
    remarks = [*plan.cautions, *([plan.reserves.words] if plan.reserves is not None else [])]
    if plan.binding:
        remarks.append(f"Held back by: {plan.binding}")
    if plan.proof:
        remarks.append(plan.proof)
    priors = [*plan.priors[:1]]
    if len(plan.priors) > 1:
        priors.append("Other priors would change the choice too: explain says which.")
    return [*remarks, *plan.trades, *priors, *plan.notes]


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
