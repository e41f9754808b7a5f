"""A run, under way or ended: steps, what was used against the plan, what ran in which worker slot, what happened.

Everything is put in words once, as a sheet of plain JSON: the static view and the live one are both drawn
from it, so they cannot say different things.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook.views.figures import band, figure_text, legend, time_text
from murakkab_jupyter.notebook.views.frontier import reserved
from murakkab_jupyter.notebook.views.html import (
    BORDER,
    MUTED,
    WARN,
    Bundle,
    Html,
    clean,
    cleaned,
    frame,
    heading,
    note,
    scroller,
    shorten,
    spaced,
    table,
    tag,
    text_table,
    wrap_text,
)
from murakkab_jupyter.notebook.views.plan import agent_words, place_words
from murakkab_jupyter.notebook.views.progress import ICONS, count_words, eta_s, spoken, state_word, steps_done
from murakkab_jupyter.notebook.views.slots import Bar, joined
from murakkab_jupyter.notebook.views.state import RunState

__all__ = ["COLOURS", "MOST_STATIC_BARS", "Latest", "run_section", "run_sheet", "run_view"]

COLOURS = ("#1976d2", "#c25700", "#2e7d32", "#8e5bd0", "#b0386c", "#00838f", "#7a6a00", "#5f6b7a")
"""Of steps in time lines, in the workflow's order; legible on white and on black."""

MARKS = {
    "lost": ("✕", "worker lost"),
    "joined": ("+", "worker joined"),
    "retried": ("↻", "tried again"),
    "reconfigured": ("⇄", "reconfigured"),
    "notice": ("•", "notice"),
}
SPENT = (("latency", "Time"), ("cpu", "CPU time"), ("energy", "Energy"), ("cost", "Cost"))
MOST_STATIC_BARS = 60
MOST_LANES = 24
LEAST_END_S = 1e-3
"""Where a time line ends at least: a run may take no time at all."""
TEXT_LANE = 60
"""Signs of a lane in text."""
STATUS = {
    "running": "◐",
    "done": "●",
    "partial": "▲",
    "failed": "✕",
    "stopped": "■",
}


Latest = Sequence[tuple[str, str, str]]
"""For each step, the value that came last: `(step, item, value)`, in words."""


def run_sheet(
    state: RunState, *, most_bars: int | None = None, bars: bool = True, latest: Latest | None = None
) -> dict[str, Any]:
    """A run in words and numbers, as plain JSON.

    Parameters
    ----------
    state
        What the events have told so far; `state.seconds` is now.
    most_bars
        Join neighbours until about so many are left; as they are by default.
    bars
        Whether to put the time line in.
    latest
        What came last of each step; None leaves what a view shows of it as it is.
    """
    running = state.status == "running"
    actual = state.spent().actual()
    moments = state.steps()
    left = eta_s(state.plan, moments, state.seconds) if running else None
    sheet: dict[str, Any] = {
        "name": state.workflow.name or "this workflow",
        "run": state.run_id,
        "status": state.status,
        "icon": STATUS.get(state.status, "◐"),
        "by": plan_words(state),
        # Of a run that is done its heading says it all.
        "message": "" if state.status == "done" else shorten(state.names.said(state.message), 400),
        "elapsed": spoken(state.seconds),
        "left": None if left is None else f"about {spoken(left)} to go",
        "ended": f"{steps_done(moments)} of {len(moments)} steps done",
        "steps": [],
        "spent": spent_rows(state, actual),
        "marks": [
            {
                "kind": mark["kind"],
                "icon": MARKS[mark["kind"]][0],
                "word": MARKS[mark["kind"]][1],
                "at": spoken(mark["at_s"]),
                "at_s": round(mark["at_s"], 3),
                "text": shorten(f"reconfigured: {text}" if mark["kind"] == "reconfigured" else text, 300),
            }
            for mark in state.marks
            for text in (state.names.said(mark["text"]),)
        ],
        "left_out": state.marks_left_out,
        "note": legend([*actual.values(), *state.plan.predicted.values()]),
    }
    if latest is not None:
        sheet["latest"] = [list(one) for one in latest]
    for name, moment in moments.items():
        word = state_word(moment, state.status)
        seconds = state.left_s(name)
        planned = state.plan.steps.get(name)
        sheet["steps"].append(
            {
                "name": name,
                "agent": planned.configuration.agent if planned is not None else "",
                "icon": ICONS[word],
                "state": word,
                "share": round(moment.share, 4),
                "count": count_words(moment),
                "left": ""
                if seconds is None
                else f"about {spoken(seconds)} to go"
                if moment.ended
                else f"by plan in {spoken(seconds)}",
            }
        )
    checked: dict[str, Any] = cleaned(sheet)
    if bars:  # there may be hundreds: clean as they are made
        checked |= lines_of(state, most_bars)
    return checked


def plan_words(state: RunState) -> str:
    """By which plan it ran: a plan that is made or taken later is shown in its cell's place, above runs that had another."""
    alike: dict[str, list[str]] = {}
    for name, step in state.plan.steps.items():
        agent, options = agent_words(step.configuration)
        where = place_words(step.configuration)[0]
        alike.setdefault(f"by {agent}{f' ({options})' if options else ''} on {where}", []).append(name)
    chosen = [f"{', '.join(names)} {words}" for words, names in alike.items()]
    by = f"By {state.plan.taken}" if state.plan.taken else f"By the plan: {state.plan.goal}"
    kept = f" · reserves {reserved(state.plan)[0]}" if state.plan.reserves is not None else ""
    return shorten(f"{by}{kept} · {'; '.join(chosen)}", 1200)


def spent_rows(state: RunState, actual: Mapping[str, Figure]) -> list[dict[str, Any]]:
    """What was used so far beside what the plan said for the whole run, and how each figure was got."""
    nothing = "none yet" if state.status == "running" else "none"
    rows = []
    for key, title in SPENT:
        used = actual.get(key)
        planned = state.plan.predicted.get(key)
        rows.append(
            {
                "what": title,
                "used": nothing if used is not None and used.value == 0 else figure_text(used),
                "plan": band(planned),
                "how": how(key, used),
            }
        )
    return rows


def how(key: str, used: Figure | None) -> str:
    """How a figure of the run was got, in words."""
    if used is None or used.value is None:
        return "not known"
    if used.value == 0:
        return ""
    if key == "energy":
        return {"counter": "by counter", "estimate": "estimate from CPU-seconds"}.get(
            used.method or "", used.source
        )
    if key == "cost":
        return "from energy or rent" if used.source == "prior" else used.source
    return "measured" if used.source == "measured" else used.source


def lines_of(state: RunState, most: int | None) -> dict[str, Any]:
    """The time line: lanes by worker slot, bars on them, and where the axis ends."""
    if state.status == "running":
        state.slots.last_s = max(state.slots.last_s, state.seconds)
    every = state.slots.bars()
    # The plan's time is for the whole run: on an axis of its last part alone it has no place.
    planned = None if state.resumed else state.plan.predicted.get("latency")
    plan_s = planned.value if planned is not None and planned.value is not None else None
    # Of a run that was resumed the bars are of its last part, and what it took is the time of all.
    end = max(state.slots.last_s or state.seconds, LEAST_END_S)
    if state.status == "running" and plan_s is not None:
        end = max(end * 1.02, min(plan_s, 3 * end))
    # All alike, so that no bar ends after the axis; of short runs to as many digits as of long ones.
    digits = max(3, 3 - math.floor(math.log10(end)))
    order = {worker: number for number, worker in enumerate(state.slots.workers)}
    held = sorted({(order[bar.worker], bar.slot, bar.worker) for bar in every})
    places = {(worker, slot): number for number, (_, slot, worker) in enumerate(held)}
    found = [bar for bar in every if places[bar.worker, bar.slot] < MOST_LANES]
    if most is not None and len(found) > most:
        found = joined([replace(bar) for bar in found], most)
    names = {step.name: index for index, step in enumerate(state.workflow.steps)}
    return {
        "end_s": round(end, digits),
        "end": time_text(end),
        "plan_s": None if plan_s is None or plan_s > end else round(plan_s, digits),
        "plan_end": None if plan_s is None else figure_text(planned),
        "lanes": [
            {"worker": shorten(state.names.of(worker), 32), "title": clean(worker), "slot": slot + 1}
            for worker, slot in list(places)[:MOST_LANES]
        ],
        "lanes_left_out": max(0, len(places) - MOST_LANES),
        "bars": [
            [
                places[bar.worker, bar.slot],
                names.get(bar.step, -1),
                round(bar.start_s, digits),
                round(bar.end_s, digits),
                bar_words(bar),
                int(bar.wasted) + 2 * int(bar.failed > 0),
            ]
            for bar in found
        ],
    }


def bar_words(bar: Bar) -> str:
    """What a bar says when one points at it."""
    words = [f"{shorten(bar.step, 40)}, {time_text(bar.start_s)} to {time_text(bar.end_s)}"]
    if bar.batches > 1:
        words.append(f"{bar.batches} batches")
    if bar.done:
        words.append(f"{bar.done} done")
    if bar.failed:
        words.append(f"{bar.failed} failed")
    if bar.reused:
        words.append(f"{bar.reused} from an earlier run")
    if bar.wasted:
        words.append("in vain, tried again")
    return ", ".join(words)


# --- drawn without scripts ----------------------------------------------------------------------------------------


def run_view(state: RunState, *, told: str = "", latest: Latest = (), bars: bool = True) -> Bundle:
    """A run as HTML and text; `told` is a last quiet line, `latest` what came last of each step, `bars` its time line and the bars of its steps."""
    sheet = run_sheet(state, most_bars=MOST_STATIC_BARS, latest=latest, bars=bars)
    html, text = run_section(sheet)
    extra = [note(told)] if told else []
    whole = frame(f"Run of {sheet['name']}", *html, *extra)
    return Bundle(whole, clean("\n".join([*text, *([told] if told else [])])))


def run_section(sheet: dict[str, Any]) -> tuple[list[Html | None], list[str]]:
    """The parts of a run's static view, as HTML and as lines."""
    detail = " · ".join(
        one for one in (sheet["name"], sheet["ended"], sheet["elapsed"], sheet["left"] or "") if one
    )
    title = f"Run · {sheet['icon']} {sheet['status']}"
    why = sheet["message"]
    html: list[Html | None] = [
        heading(title, detail),
        tag("div", why, style=f"border-left:3px solid {WARN};padding:2px 8px;margin:4px 0") if why else None,
        note(sheet["by"]),
        steps_html(sheet, bars="bars" in sheet),
    ]
    lines = [
        f"Run of {sheet['name']}: {sheet['status']}: {detail}",
        *([wrap_text(why, indent="  ")] if why else []),
        wrap_text(sheet["by"], indent="  "),
        *steps_text(sheet),
    ]
    html.append(spent_html(sheet))
    lines += ["", *spent_text(sheet)]
    if sheet.get("latest"):
        html.append(latest_html(sheet["latest"]))
        lines += ["", "Latest values"]
        lines += [wrap_text(f"{step}, {item}: {said}", indent="  ") for step, item, said in sheet["latest"]]
    html.append(lanes_html(sheet))
    lines += lanes_text(sheet)
    marked, said = marks_parts(sheet)
    html += marked
    lines += said
    if sheet["note"]:
        html.append(note(sheet["note"]))
        lines.append(sheet["note"])
    return html, lines


LINE = "text-align:left"


def steps_html(sheet: dict[str, Any], *, bars: bool = True) -> Html:
    rows = []
    for index, step in enumerate(sheet["steps"]):
        colour = COLOURS[index % len(COLOURS)]
        rows.append(
            tag(
                "tr",
                tag(
                    "th",
                    shorten(step["name"], 32),
                    scope="row",
                    title=step["name"] if len(step["name"]) > 32 else None,
                    style=f"{LINE};font-weight:600",
                ),
                tag("td", bar_html(step, colour), style=f"{LINE};width:220px") if bars else None,
                tag("td", f"{step['icon']} {step['state']}", style=LINE),
                tag("td", step["count"], style=LINE),
                tag("td", step["left"], style=f"{LINE};{MUTED}") if step["left"] else None,
            )
        )
    return scroller(
        "Steps",
        tag(
            "table",
            tag("tbody", *rows),
            aria_label="Progress of each step",
            class_="ms-steps",
            style="border-collapse:collapse;border:0;margin:0 0 8px;font-size:13px;table-layout:auto;font-variant-numeric:tabular-nums",
        ),
    )


def bar_html(step: dict[str, Any], colour: str) -> Html:
    percent = 100 * step["share"]
    return tag(
        "div",
        tag("div", "", style=f"width:{percent:.1f}%;height:10px;background:{colour};border-radius:5px"),
        role="progressbar",
        aria_valuenow=round(percent),
        aria_valuemin=0,
        aria_valuemax=100,
        aria_label=f"{step['name']}: {step['count']}",
        style=f"width:220px;height:10px;border:{BORDER};border-radius:6px;overflow:hidden;background:#8882",
    )


def steps_text(sheet: dict[str, Any]) -> list[str]:
    longest = max((len(shorten(step["name"], 24)) for step in sheet["steps"]), default=0)
    lines = []
    for step in sheet["steps"]:
        blocks = "█" * round(step["share"] * 20)
        line = (
            f"  {shorten(step['name'], 24):<{longest}}  {blocks:░<20}  {round(100 * step['share']):>3}%  "
            f"{step['icon']} {step['state']:<13} {step['count']}  {step['left']}"
        )
        lines.append(line.rstrip())
    return lines


def spent_html(sheet: dict[str, Any]) -> Html:
    return table(
        [("", "left"), ("So far", "right"), ("Plan for all", "right"), ("How it was got", "left")]
        if sheet["status"] == "running"
        else [("", "left"), ("Used", "right"), ("Plan", "right"), ("How it was got", "left")],
        [[row["what"], row["used"], row["plan"], row["how"]] for row in sheet["spent"]],
        caption="What was used, beside the plan",
    )


def spent_text(sheet: dict[str, Any]) -> list[str]:
    head = ("So far", "Plan for all") if sheet["status"] == "running" else ("Used", "Plan")
    columns: list[tuple[str, Any]] = [("", "left"), (head[0], "right"), (head[1], "right"), ("How", "left")]
    rows = [[row["what"], row["used"], row["plan"], row["how"]] for row in sheet["spent"]]
    return [f"  {line}" for line in text_table(columns, rows).split("\n")]


def latest_html(latest: list[list[str]]) -> Html:
    return table(
        [("Step", "left"), ("Item", "left"), ("Latest value", "left")],
        latest,
        caption="The value of each step that came last",
    )


def lanes_html(sheet: dict[str, Any]) -> Html | None:
    """What ran when in which worker slot; positions are shares of the width, so that it fits any page."""
    if not sheet.get("bars"):
        return None
    end = sheet["end_s"]

    def at(seconds: float) -> str:
        return f"{100 * seconds / end:.2f}%"

    def begins(seconds: float) -> str:
        """Where what has a least width begins: what is at the very end is still seen."""
        return at(min(seconds, 0.997 * end))

    ticks = [
        tag(
            "div",
            "",
            title=f"{mark['at']}: {shorten(mark['text'], 90)}",
            style=f"position:absolute;left:{begins(mark['at_s'])};width:2px;top:0;bottom:0;background:{WARN}",
        )
        for mark in sheet["marks"]
        if mark["kind"] != "notice"
    ]
    if sheet["plan_s"] is not None:
        ends = f"position:absolute;left:{begins(sheet['plan_s'])};top:0;bottom:0;border-left:2px dashed #888"
        ticks.append(tag("div", "", title=f"the plan's end, {sheet['plan_end']}", style=ends))
    rows = []
    for number, lane in enumerate(sheet["lanes"]):
        bars = [bar for bar in sheet["bars"] if bar[0] == number]
        first = number == 0 or sheet["lanes"][number - 1]["title"] != lane["title"]
        cell = "padding:2px 10px 2px 0;border:0;text-align:left;white-space:nowrap;background:transparent"
        rows.append(
            tag(
                "tr",
                tag(
                    "th",
                    lane["worker"] if first else "",
                    scope="row",
                    title=lane["title"],
                    style=f"{cell};font-weight:600",
                ),
                tag("td", f"slot {lane['slot']}", style=f"{cell};{MUTED}"),
                tag(
                    "td",
                    tag(
                        "div",
                        *(static_bar(bar, at, begins) for bar in bars),
                        *ticks,
                        style="position:relative;height:16px;background:#8881;border-radius:3px;overflow:hidden",
                    ),
                    style="padding:2px 0;border:0;width:100%;background:transparent",
                ),
                style="background:transparent;border:0",
            )
        )
    when = when_words(sheet)
    keys = [
        tag(
            "span",
            tag(
                "span",
                "",
                style=f"display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px;background:{COLOURS[i % len(COLOURS)]}",
            ),
            step["name"],
            tag("span", f" {when[i]}", style=MUTED),
            style="display:inline-block;margin-right:10px",
        )
        for i, step in enumerate(sheet["steps"])
        if i in when
    ]
    more = sheet["lanes_left_out"]
    return tag(
        "div",
        tag("div", "What ran when, by worker slot", style="font-weight:600;margin:6px 0 2px"),
        tag(
            "table",
            tag("tbody", *rows),
            aria_label="What ran when, by worker slot",
            style="border-collapse:collapse;border:0;margin:0;font-size:12px;table-layout:auto;width:100%;max-width:900px",
        ),
        tag(
            "div",
            tag("span", *spaced(keys)),
            tag("span", axis_words(sheet), style=f"float:right;{MUTED}"),
            style="font-size:12px;max-width:900px;margin:2px 0 6px;overflow:hidden;overflow-wrap:anywhere",
        ),
        note(f"and {more} more slots") if more else None,
        bars_in_words(sheet),
        class_="murakkab-lanes",
    )


def bars_in_words(sheet: dict[str, Any]) -> Html:
    """What each bar says, a line a slot: for the keyboard, for print, and for those who hear the page."""
    lines = []
    for number, lane in enumerate(sheet["lanes"]):
        said = [bar[4] for bar in sheet["bars"] if bar[0] == number]
        lines.append(note(tag("strong", f"{lane['worker']}, slot {lane['slot']}"), ": ", "; ".join(said)))
    summary = tag("summary", "Each bar in words", style="cursor:pointer;margin:4px 0")
    return tag("details", summary, *lines)


def static_bar(bar: list[Any], at: Callable[[float], str], begins: Callable[[float], str]) -> Html:
    _, step, start, stop, words, flags = bar
    look = f"left:{begins(start)};width:{at(max(0.0, stop - start))};min-width:2px;background:{COLOURS[step % len(COLOURS)]}"
    if flags & 1:
        look += ";opacity:.4"
    if flags & 2:  # some of its items failed: an edge, as the live one has
        look += f";border-bottom:4px solid {WARN};box-sizing:border-box"
    return tag("div", "", title=words, style=f"position:absolute;height:16px;{look}")


def when_words(sheet: dict[str, Any]) -> dict[int, str]:
    """Of each step with bars, by its number: from when to when it ran, and whether some of that failed or was in vain."""
    spans: dict[int, tuple[float, float, int]] = {}
    for _, step, start, stop, _, flags in sheet["bars"]:
        first, last, seen = spans.get(step, (start, stop, 0))
        spans[step] = min(first, start), max(last, stop), seen | flags
    told = {}
    for step, (first, last, seen) in spans.items():
        extra = [word for flag, word in ((2, "some failed"), (1, "some in vain")) if seen & flag]
        told[step] = ", ".join([f"{time_text(first)} to {time_text(last)}", *extra])
    return told


def axis_words(sheet: dict[str, Any]) -> str:
    """Where the time line ends, and where the plan does."""
    ends = f"; ┆ the plan's end, {sheet['plan_end']}" if sheet["plan_s"] is not None else ""
    return f"0 s to {sheet['end']}{ends}"


def lanes_text(sheet: dict[str, Any], width: int = TEXT_LANE) -> list[str]:
    """The time line in text: a letter a step, one line a worker slot."""
    if not sheet.get("bars"):
        return []
    names = [f"{lane['worker']} slot {lane['slot']}" for lane in sheet["lanes"]]
    longest = max(len(name) for name in names)
    lines = ["", "What ran when, by worker slot"]
    share = width / sheet["end_s"]
    for number, name in enumerate(names):
        track = [" "] * width
        if sheet["plan_s"] is not None:
            track[min(width - 1, int(sheet["plan_s"] * share))] = "┆"
        for lane, step, start, stop, _, flags in sheet["bars"]:
            if lane != number:
                continue
            left = min(width - 1, int(start * share))
            sign = "░" if flags & 1 else chr(ord("a") + step % 26) if step >= 0 else "?"
            size = max(1, min(width, round(stop * share)) - left)
            track[left : left + size] = sign * size
            if flags & 2:
                track[left + size - 1] = "✕"
        lines.append(f"  {name:<{longest}}  │{''.join(track)}│")
    when = when_words(sheet)
    keys = [
        f"{chr(ord('a') + index % 26)} {step['name']}, {when[index]}"
        for index, step in enumerate(sheet["steps"])
        if index in when
    ]
    lines.append(wrap_text(f"{axis_words(sheet)} · {' · '.join(keys)}", indent="  "))
    if sheet["lanes_left_out"]:
        lines.append(f"  and {sheet['lanes_left_out']} more slots")
    return lines


def marks_parts(sheet: dict[str, Any]) -> tuple[list[Html | None], list[str]]:
    """What happened on the way, each with its time and cause."""
    if not sheet["marks"]:
        return [], []
    items = [
        tag(
            "li",
            tag("strong", f"{mark['icon']} {mark['at']}", style="font-weight:600", title=mark["word"]),
            f"  {mark['text']}",
            style="margin:2px 0;list-style:none",
        )
        for mark in sheet["marks"]
    ]
    lines = ["", "What happened"]
    lines += [
        wrap_text(f"{mark['icon']} {mark['at']}  {mark['text']}", indent="  ") for mark in sheet["marks"]
    ]
    left = f"{sheet['left_out']} more in between are left out." if sheet["left_out"] else ""
    if left:
        lines.append(f"  {left}")
    return [
        tag("div", "What happened", style="font-weight:600;margin:6px 0 2px"),
        tag("ul", *items, style="margin:0 0 6px;padding:0;font-size:12px"),
        note(left) if left else None,
    ], lines
