"""The frontier: plans of which none is better than another in every respect, and what each gives up."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from typing import Any

from murakkab_jupyter.notebook.views.figures import amount, figure_text, legend, origin
from murakkab_jupyter.notebook.views.html import (
    ACCENT,
    Align,
    Bundle,
    Cell,
    Html,
    clean,
    cleaned,
    coded,
    frame,
    heading,
    join,
    note,
    table,
    tag,
    text_table,
    wrap_text,
)
from murakkab_jupyter.notebook.views.origins import origins_html
from murakkab_jupyter.notebook.views.plan_sheet import place_words
from murakkab_jupyter.notebook.views.spread import spread
from murakkab_jupyter.planner.coverage import Frontier
from murakkab_jupyter.planner.plan import Configuration, Plan

__all__ = ["FRONTIER_TYPE", "frontier_sheet", "frontier_view", "ticks"]

FRONTIER_TYPE = "application/vnd.murakkab.frontier+json"

AXES = (("cost", "Cost"), ("energy", "Energy"), ("latency", "Time"), ("quality", "Quality"))
COLUMNS = (
    ("latency", "Time"),
    ("cpu", "CPU time"),
    ("energy", "Energy"),
    ("cost", "Cost"),
    ("quality", "Quality"),
)
UNITS = {"cost": "USD", "energy": "J", "latency": "s", "quality": "1"}
WIDTH, HEIGHT = 640, 300
ABOVE = 4
"""Room over it for the highest letters of any font."""
DISC = 9
"""Radius of a plan's disc in the picture."""
SIGN = 6.4
"""About as wide is a sign of the picture's words."""
MOVED = 4
"""From so far on, a disc that had to make room has a line to where it should be."""


def same_plan(one: Plan, other: Plan | None) -> bool:
    """Whether two plans do every step in the same way, on the same cores."""
    if other is None:
        return False
    ours, theirs = (
        (
            {name: step.configuration for name, step in plan.steps.items()},
            plan.reserves and plan.reserves.share,
        )
        for plan in (one, other)
    )
    return ours == theirs


def reserved(plan: Plan) -> list[str]:
    """Cores, and GPUs of engines, that a plan reserves of each host."""
    kept = plan.reserves
    if kept is None:
        return ["whole hosts", ""]
    counts = {(min(kept.cores, of), of) for of in kept.hosts.values()}
    if len(counts) == 1:
        cores, of = counts.pop()
        words = f"{cores} of {of} {'core' if of == 1 else 'cores'}"
    else:
        words = f"at most {kept.cores} {'core' if kept.cores == 1 else 'cores'}"
    if len(kept.hosts) > 1:
        words += " a host"
    if kept.spared:
        of = len(kept.hosts) + len(kept.spared)
        words += (
            f" of {next(iter(kept.hosts))}" if len(kept.hosts) == 1 else f", {len(kept.hosts)} of {of} hosts"
        )
    gpus = sum(kept.gpus.values())
    if gpus:
        words += f", {gpus} {'GPU' if gpus == 1 else 'GPUs'}"
    return [words, ""]


def frontier_sheet(plans: Sequence[Plan], *, chosen: Plan | None = None, name: str = "") -> dict[str, Any]:
    """A frontier in words and numbers, as plain JSON; static and live view are drawn from it."""
    steps = list(plans[0].steps) if plans else []
    changing = [
        step
        for step in steps
        if len({str(plan.steps[step].configuration) for plan in plans if step in plan.steps}) > 1
    ]
    held = len({reserved(plan)[0] for plan in plans}) > 1
    points = []
    for number, plan in enumerate(plans, start=1):
        values = {key: plan.predicted.get(key) for key, _ in COLUMNS}
        points.append(
            {
                "number": number,
                "chosen": same_plan(plan, chosen),
                "values": {key: None if one is None else one.value for key, one in values.items()},
                "texts": {key: figure_text(one) for key, one in values.items()},
                "notes": {key: origin(one) for key, one in values.items()},
                "choices": [
                    *([reserved(plan)] if held else []),
                    *(choice(step, plan, plans) for step in changing),
                ],
                "gives": "" if plan.standing is None else plan.standing.brief,
            }
        )
    axes = {}
    for key, title in AXES:
        known = [
            one.value
            for plan in plans
            if (one := plan.predicted.get(key)) is not None and one.value is not None
        ]
        if known:
            axes[key] = {"title": title, **ticks(min(known), max(known), UNITS[key])}
    objective = plans[0].goal.objectives[0] if plans else "energy"
    first = objective if objective != "quality" and objective in axes else next(iter(axes), "")
    second = next(
        (key for key in ("quality", "latency", "energy", "cost") if key in axes and key != first), ""
    )
    same = [step for step in steps if step not in changing]
    same += [f"the agent of {step} ({agent})" for step in changing if (agent := shared_agent(step, plans))]
    sheet: dict[str, Any] = {
        "name": name or (plans[0].workflow if plans else "") or "this workflow",
        "points": points,
        "changing": [*(["Reserves"] if held else []), *changing],
        "axes": axes,
        "x": first,
        "y": second,
        "columns": [[key, title] for key, title in COLUMNS],
        "same": f"The same in every plan: {', '.join(same)}." if same and len(plans) > 1 else "",
        "coverage": plans.coverage.words if isinstance(plans, Frontier) else "",
        "cautions": cautions(plans, chosen) if isinstance(plans, Frontier) else [],
        "note": " · ".join(
            one
            for one in (
                "gives up: against the best of these in each respect" if len(plans) > 1 else "",
                legend(one for plan in plans for one in plan.predicted.values()),
            )
            if one
        ),
    }
    checked: dict[str, Any] = cleaned(sheet)
    return checked


def cautions(plans: Frontier, chosen: Plan | None) -> list[str]:
    """What to know before all else, and a point that serves the chosen plan's goal better."""
    outdone = None if chosen is None else plans.outdoes(chosen)
    if outdone is None:
        return list(plans.cautions)
    number, first, there, here = outdone
    unit = UNITS[first]
    told = (
        f"Plan {number} serves the goal better than the chosen one: {first} {amount(there, unit)}, not {amount(here, unit)}, "
        "and nothing that the goal asks for is worse. The frontier looks at more plans than a goal does; planned anew, the goal knows them."
    )
    return [*plans.cautions, told]


def choice(step: str, plan: Plan, plans: Sequence[Plan]) -> list[str]:
    """What a plan chose for a step, and of its options and its place only what differs among the plans."""
    if step not in plan.steps:
        return ["–", ""]
    mine = plan.steps[step].configuration
    words = difference(step, plan, plans)
    return [words, ""] if words and shared_agent(step, plans) else [mine.agent, words]


def shared_agent(step: str, plans: Sequence[Plan]) -> str:
    """The agent that does a step in every plan, or nothing."""
    agents = {plan.steps[step].configuration.agent for plan in plans if step in plan.steps}
    return agents.pop() if len(agents) == 1 else ""


def difference(step: str, plan: Plan, plans: Sequence[Plan]) -> str:
    """Options, place and batch of a step, as far as they differ."""
    mine = plan.steps[step].configuration
    all_of_it = [one.steps[step].configuration for one in plans if step in one.steps]
    # Options mean the same only for the same agent.
    rivals = [one for one in all_of_it if one.agent == mine.agent]
    options = [
        f"{key}={value}"
        for key, value in mine.options
        if any(dict(one.options).get(key) != value for one in rivals)
    ]
    where = ""
    if len({place_words(one)[0] for one in all_of_it}) > 1:
        device, _, held = place_words(mine)[0].partition(", ")
        where = f"on {held}" if len({one.device for one in all_of_it}) == 1 else f"on {device}, {held}"
    # Batches are told where nothing else would tell two plans apart.
    twins = [one for one in rivals if told_apart(one) == told_apart(mine)]
    batch = place_words(mine)[1] if len({place_words(one)[1] for one in twins}) > 1 else ""
    return ", ".join(part for part in (" ".join([*options, where]).strip(), batch) if part)


def told_apart(one: Configuration) -> tuple[object, str]:
    """Options and place."""
    return one.options, place_words(one)[0]


def ticks(low: float, high: float, unit: str, most: int = 5) -> dict[str, Any]:
    """Where an axis begins and ends, and its round marks: `{low, high, ticks: [[value, text]]}`."""
    wide = high - low or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(wide / most))
    for factor in (1, 2, 2.5, 5, 10):
        if wide / (step * factor) <= most:
            step *= factor
            break
    first, last = low - 0.08 * wide, high + 0.08 * wide
    marks = [
        mark for n in range(math.ceil(first / step), math.floor(last / step) + 1) if (mark := step * n) >= 0
    ]
    words = [amount(round(one, 12), unit) for one in marks]
    while len(set(words)) < len(words):
        # Amounts are short: where neighbours would be called the same, every second mark does.
        marks, words = marks[::2], words[::2]
    return {"low": first, "high": last, "ticks": [list(one) for one in zip(marks, words, strict=True)]}


# --- drawn without scripts ----------------------------------------------------------------------------------------


def frontier_view(
    plans: Sequence[Plan], *, chosen: Plan | None = None, name: str = "", takes: bool = True
) -> Bundle:
    """A frontier as a picture, a table and text; it says how a plan is taken where one can be (`takes`)."""
    sheet = frontier_sheet(plans, chosen=chosen, name=name)
    figured: list[tuple[str, Align]] = [("Plan", "left"), *((title, "right") for _, title in COLUMNS)]
    rows = [
        [
            Cell(f"{point['number']}{' (chosen)' if point['chosen'] else ''}", strong=point["chosen"]),
            *(point["texts"][key] for key, _ in COLUMNS),
        ]
        for point in sheet["points"]
    ]
    # Text has a column a step, and what each gives up on lines of its own; a page has less room across.
    text_columns: list[tuple[str, Align]] = [*figured, *((step, "left") for step in sheet["changing"])]
    text_rows = [
        [*row, *(Cell(agent, detail) for agent, detail in point["choices"])]
        for row, point in zip(rows, sheet["points"], strict=True)
    ]
    many = len(plans) > 1
    detail = (
        f"{len(plans)} plans; none is better than another in every respect"
        if many
        else "one plan; no other that was simulated is better in any respect"
    )
    notes = [
        *sheet["cautions"],
        sheet["same"],
        TAKE if many and takes else "",
        sheet["coverage"],
        sheet["note"],
    ]
    markup = frame(
        "Frontier",
        heading("Frontier", f"{sheet['name']} · {detail}"),
        picture(sheet) if many else None,
        table(
            figured,
            rows,
            caption="Frontier: for each plan its figures, what it gives up, and where it differs",
            below=[told(sheet, point) for point in sheet["points"]],
        ),
        origins_html(
            {
                f"plan {point['number']}": {title: point["notes"][key] for key, title in COLUMNS}
                for point in sheet["points"]
            }
        ),
        *(note(*coded(one)) for one in notes if one),
    )
    text = "\n".join(
        [
            f"Frontier: {sheet['name']}: {detail}",
            text_table(text_columns, text_rows, widest=48),
            *(wrap_text(f"{p['number']}: {p['gives']}", indent="  ") for p in sheet["points"] if p["gives"]),
            *(wrap_text(one) for one in notes if one),
        ]
    )
    return Bundle(markup, clean(text), {FRONTIER_TYPE: {"format": 1, "sheet": sheet}})


def told(sheet: dict[str, Any], point: dict[str, Any]) -> Html:
    """What a plan gives up, and in small how it does what not all do alike."""
    how = differs(sheet, point)
    between = tag("br") if point["gives"] and how else None
    return join([point["gives"], between, tag("small", how) if how else None])


def differs(sheet: dict[str, Any], point: dict[str, Any]) -> str:
    """What a plan chose where not all plans chose the same."""
    return " · ".join(
        f"{step}: {' '.join(one for one in choice if one)}"
        for step, choice in zip(sheet["changing"], point["choices"], strict=True)
    )


TAKE = "`%murakkab frontier --take N` takes plan N; `%murakkab run` then runs it."


def place(sheet: dict[str, Any], key: str, value: float, size: float) -> float:
    axis = sheet["axes"][key]
    share: float = (value - axis["low"]) / ((axis["high"] - axis["low"]) or 1.0)
    return size * share


INK = "#0d47a1"
"""Of numbers on white discs."""
GREY = "#777"
"""Of lines and words in a picture, which knows nothing of the page's theme: legible on white and on black."""


def picture(sheet: dict[str, Any]) -> Html | None:
    """The plans over two of the goal's figures, by number.

    An image, not SVG in the page: where that is stripped (a notebook that is not trusted), its words stay behind.
    """
    x, y = sheet["x"], sheet["y"]
    if not x or not y:
        return None
    # The words of an axis stand beside each other and in the picture, however long they are.
    left = max(78, 10 + SIGN * max((len(text) for _, text in sheet["axes"][y]["ticks"]), default=0))
    bottom = 34
    wide, high = WIDTH - left - 16, HEIGHT - bottom - 14

    def across(value: float) -> float:
        return round(left + place(sheet, x, value, wide), 1)

    def up(value: float) -> float:
        return round(14 + high - place(sheet, y, value, high), 1)

    marks: list[Html] = []
    taken = 0.0
    for value, text in sheet["axes"][x]["ticks"]:
        marks.append(line(across(value), 14, across(value), 14 + high))
        half = SIGN * len(text) / 2
        middle = min(across(value), WIDTH - half)
        if middle - half < taken:
            continue
        taken = middle + half + SIGN
        marks.append(words(text, middle, 14 + high + 15, "middle"))
    for value, text in sheet["axes"][y]["ticks"]:
        marks.append(line(left, up(value), left + wide, up(value)))
        marks.append(words(text, left - 8, up(value) + 4, "end"))
    marks.append(words(sheet["axes"][x]["title"], left + wide, HEIGHT - 3, "end"))
    marks.append(words(sheet["axes"][y]["title"], left, 9, "start"))
    known = [p for p in sheet["points"] if p["values"][x] is not None and p["values"][y] is not None]
    true = [(across(point["values"][x]), up(point["values"][y])) for point in known]
    room = (left + DISC, 14 + DISC), (left + wide - DISC, 14 + high - DISC)
    places = spread(true, 2 * DISC + 2, *room)
    for (x1, y1), (x2, y2) in zip(true, places, strict=True):
        if math.hypot(x2 - x1, y2 - y1) > MOVED:
            marks.append(line(x1, y1, round(x2, 1), round(y2, 1), ".9"))
            marks.append(tag("circle", cx=x1, cy=y1, r=2, fill=GREY))
    for point, (cx, cy) in zip(known, places, strict=True):
        at = {"cx": round(cx, 1), "cy": round(cy, 1), "r": DISC}
        marks.append(
            tag("circle", **at, fill=ACCENT if point["chosen"] else "#fff", stroke=ACCENT, stroke_width="1.5")
        )
        colour = "#fff" if point["chosen"] else INK
        marks.append(words(str(point["number"]), at["cx"], at["cy"] + 4, "middle", colour))
    drawn = tag(
        "svg", *marks, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 -{ABOVE} {WIDTH} {HEIGHT + ABOVE}"
    )
    return tag(
        "img",
        src=f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode('ascii')}",
        alt=f"Plans over {sheet['axes'][x]['title'].lower()} and {sheet['axes'][y]['title'].lower()}; the table has the numbers",
        width=WIDTH,
        style="display:block;max-width:100%;height:auto",
    )


def words(text: str, x: float, y: float, anchor: str, fill: str = GREY) -> Html:
    """A word in the picture; dollars stand as they are there, since nothing reads formulas in an image."""
    said = Html(html.escape(clean(text), quote=False))
    return tag(
        "text",
        said,
        x=x,
        y=y,
        text_anchor=anchor,
        font_size=11,
        font_family="system-ui,sans-serif",
        fill=fill,
    )


def line(x1: float, y1: float, x2: float, y2: float, opacity: str = ".3") -> Html:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=GREY, stroke_opacity=opacity)
