"""Whatever was planned or measured, nothing of ours reaches out of its output, is cut without a title, or hides words.

Figures from nothing to days and megajoules, with bands or unknown; names with no place to break; what is short and
last; each at widths from a large screen's to a phone's.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from functools import cache

import pytest

from murakkab_jupyter.cluster.measuring.agents import Progress
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchStarted,
    Event,
    Notice,
    Reconfigured,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    Usage,
    WorkerChanged,
)
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, WorkerView
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.notebook.hub import hub_module, slot, source
from murakkab_jupyter.notebook.views.bill import bill_view
from murakkab_jupyter.notebook.views.found import results_json
from murakkab_jupyter.notebook.views.frontier import frontier_sheet, frontier_view
from murakkab_jupyter.notebook.views.html import Bundle
from murakkab_jupyter.notebook.views.measuring import measuring_view
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.plan_sheet import plan_sheet
from murakkab_jupyter.notebook.views.results import Results, results_view
from murakkab_jupyter.notebook.views.run import run_sheet, run_view
from murakkab_jupyter.notebook.views.state import RunState
from murakkab_jupyter.notebook.views.tables import Model, PastRun, cluster_view, history_view, models_view
from murakkab_jupyter.planner.plan import Alternative, Configuration, Plan, StepPlan
from murakkab_jupyter.runtime.bill import Bill, Line
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.labextension.test_width import CUT, SHOW
from tests.notebook import samples

pytestmark = [pytest.mark.media, pytest.mark.timeout(500)]

UNENDING = "a_name_without_any_place_to_break_which_goes_on_and_on_for_longer_than_a_page_is_wide"
PLAIN = ("scenes", "transcript", "objects", "summary")
UNITS = {"latency": "s", "cpu": "s", "energy": "J", "cost": "USD"}
KINDS: dict[str, tuple[float, float, float, float] | None] = {
    "none": (0.0, 0.0, 0.0, 0.0),
    "tiny": (6.3e-6, 6.3e-6, 1.1e-6, 5.41e-8),
    "common": (0.63, 1.26, 15.8, 2.93e-6),
    "slow": (758.0, 2638.0, 4.05e4, 0.00258),
    "endless": (362_242.0, 362_242.0, 5.84e7, 10_000.0),
    "unknown": None,
}
"""Time, CPU time, energy and cost of each step."""

OVER = """() => {
  // Words that lie on other words, as far as both are seen.
  const found = [];
  for (const area of document.querySelectorAll('.jp-OutputArea-output')) {
    const words = [];
    const walk = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const [node, host] = [walk.currentNode, walk.currentNode.parentElement];
      // What happened at the same time shares its place on the time line; the list beside it tells all.
      if (!node.textContent.trim() || host.closest('style, title, select, .mk-hidden, .mk-flag') || !host.checkVisibility()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) {
        let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
        for (let up = host; up !== area.parentElement; up = up.parentElement) {
          if (getComputedStyle(up).display === 'inline' || getComputedStyle(up).overflowX === 'visible') continue;
          const edge = up.getBoundingClientRect();
          [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
          [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
        }
        if (right - left > 1 && bottom - top > 3) words.push({ left, top, right, bottom, host, said: node.textContent.trim() });
      }
    }
    words.sort((one, other) => one.top - other.top);
    words.forEach((one, index) => {
      for (const other of words.slice(index + 1)) {
        if (other.top >= one.bottom) break;
        const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
        const high = Math.min(one.bottom, other.bottom) - other.top;
        if (wide > 1 && high > 4 && one.host !== other.host) found.push([one.said.slice(0, 60), other.said.slice(0, 60), wide, high]);
      }
    });
  }
  return found;
}"""
SCROLLED = """() => [...document.querySelectorAll('.ms-scroll, .mk-scroll, .murakkab, .murakkab-live')]
  .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth)
  .map(one => `${one.getAttribute('aria-label')}: ${one.scrollWidth} > ${one.clientWidth}`)"""
WIDER = """() => [...document.querySelectorAll('.murakkab, .murakkab-live')]
  .filter(one => one.scrollWidth > one.clientWidth)
  .map(one => `${one.scrollWidth} > ${one.clientWidth}: ${one.textContent.slice(0, 60)}`)"""
OPEN = """() => {
  document.querySelectorAll('.mk-what').forEach(one => one.click());
  document.querySelectorAll('details').forEach(one => { one.open = true; });
}"""


# --- views of given figures -------------------------------------------------------------------------------------


def flow(names: tuple[str, ...], name: str = "newsroom") -> Workflow:
    """Steps that take from each other, of a collection of videos."""
    steps = [
        Step(one, "do it", "python", samples.V, False, "text", (Input(before, "text", "same"),))
        for before, one in zip(("videos", *names), names, strict=False)
    ]
    return Workflow(name, "", (Variable("videos", "video", samples.V),), tuple(steps), Goal(("energy",)), "")


def figures(kind: str, times: float = 1.0) -> dict[str, Figure]:
    """What a step or a plan takes, each a prior with a band where it is known."""
    sizes = KINDS[kind]
    if sizes is None:
        return {key: unknown(unit, "no meter is here") for key, unit in UNITS.items()} | {
            "quality": unknown("1", "never judged")
        }
    known = {
        key: Figure(size * times, unit, 0.7 * size * times, 1.8 * size * times, "prior")
        for (key, unit), size in zip(UNITS.items(), sizes, strict=True)
    }
    return known | {"quality": Figure(min(1.0, 0.5 * times), "1", 0.4, 1.0, "prior")}


def plan(kind: str, workflow: Workflow, times: float = 1.0, agent: str = "python:hear") -> Plan:
    """Steps one after the other; the last is over in no time."""
    steps = {}
    whole = (KINDS[kind] or (0.0,))[0] * times * len(workflow.steps)
    for number, step in enumerate(workflow.steps):
        predicted = figures(kind, times)
        if KINDS[kind] is not None:
            last = number == len(workflow.steps) - 1
            begin = whole if last else whole * number / len(workflow.steps)
            predicted |= {
                "start": Figure(begin, "s"),
                "end": Figure(whole if last else whole * (number + 1) / len(workflow.steps), "s"),
            }
        chosen = Configuration(agent, (), instances=2, batch=24)
        other = Alternative(replace(chosen, batch=8), "it takes the same energy but ends 2.4 s later")
        steps[step.name] = StepPlan(chosen, 24, predicted, other)
    return Plan(workflow.name, Goal(("energy", "latency")), steps, figures(kind, times), notes=("A note.",))


def events(kind: str, workflow: Workflow, status: str) -> list[Event]:
    """A run that loses a worker at its end, whose last batch is short and last; `running` ends with its items half done."""
    takes, cpu = (KINDS[kind] or (0.0, 0.0))[:2]
    whole = takes * len(workflow.steps)
    told: list[Event] = [RunStarted(0.0, "ab12", {step.name: 24 for step in workflow.steps})]
    for number, step in enumerate(workflow.steps):
        begin = whole if number == len(workflow.steps) - 1 else takes * number
        end = min(whole, begin + takes)
        told += [
            StepStarted(begin, step.name),
            BatchStarted(begin, step.name, number, samples.LEFT, 0, 24, 1),
            BatchEnded(
                end,
                step.name,
                number,
                samples.LEFT,
                3 if status == "running" else 24,
                0,
                usage=Usage(takes, cpu, tokens_in=123_456_789, tokens_out=987_654),
            ),
        ]
        if status != "running":
            told.append(StepEnded(end, step.name, 24, 0, 0))
    told += [
        WorkerChanged(0.0, samples.RIGHT, "joined"),
        WorkerChanged(whole, samples.RIGHT, "lost"),
        Reconfigured(
            whole, f"worker {samples.RIGHT} was lost", "2 workers, 4 cores", f"1 worker; {UNENDING}"
        ),
        Notice(whole, f"{UNENDING} goes without 1 failed value."),
    ]
    told.sort(key=lambda one: one.at_s)
    if status != "running":
        told.append(RunEnded(whole, "partial", message=f"{UNENDING} failed."))
    return told


def bill(kind: str, workflow: Workflow, *, counted: bool = False) -> Bill:
    """What such a run used; with what a counter read, where there is one."""
    made = Bill.of(events(kind, workflow, "partial"), plan(kind, workflow), samples.cluster())
    if not counted:
        return made
    read = Figure((KINDS[kind] or (0.0, 0.0, 0.0))[2], "J", source="measured", method="counter")

    def counter(line: Line) -> Line:
        return replace(line, counted={"package": read})

    return replace(
        made, steps=tuple(map(counter, made.steps)), idle=counter(made.idle), total=counter(made.total)
    )


def results(workflow: Workflow, word: str) -> Results:
    """Values of all lengths, with and without places to break, and items that failed."""
    media = [Media(f"/media/{word}{number}.mp4", "0" * 64, 1000) for number in range(3)]
    videos = {
        (("videos", number),): Video(one, 24.0, 1280, 720, 25.0, True) for number, one in enumerate(media)
    }
    said = ("yes", "word " * 200, word * 4, "漢字" * 80, "line\nline", "")
    values = {
        step.name: {key: said[(number + at) % len(said)] for at, key in enumerate(videos)}
        for number, step in enumerate(workflow.steps)
    }
    failures = tuple((workflow.steps[0].name, key, f"{word} is black") for key in videos)
    return Results(workflow, {"videos": videos, **values}, failures)


@cache
def views(kind: str, names: tuple[str, ...], name: str) -> tuple[dict[str, tuple[str, dict]], dict[str, str]]:
    """Every view of given figures: live ones as kind and sheet, static ones as HTML."""
    workflow = flow(names, name)
    one = plan(kind, workflow)
    several = [one, plan(kind, workflow, 1.4, "python:see"), plan(kind, workflow, 1.9, name)]
    live: dict[str, tuple[str, dict]] = {
        "plan": ("plan", plan_sheet(one, workflow)),
        "frontier": ("frontier", frontier_sheet(several, chosen=one)),
        "results": ("results", results_json(results(workflow, name))),
    }
    static = {
        "plan": plan_view(one, workflow).html,
        "frontier": frontier_view(several, chosen=one).html,
        "results": results_view(results(workflow, name)).html,
        "bill": bill_view(bill(kind, workflow), name=name).html,
        "counted": bill_view(bill(kind, workflow, counted=True), name=name).html,
    }
    latest = [(step.name, "(videos 0)", name) for step in workflow.steps]
    for status in ("running", "partial"):
        state = RunState(workflow, one, samples.cluster())
        state.read(events(kind, workflow, status))
        live[status] = "run", run_sheet(state, latest=latest)
        static[status] = run_view(state, latest=latest).html
    return live, static


def tables() -> dict[str, str]:
    """The smaller views, of long names."""
    host = "-".join(UNENDING.split("_")) + ".example.org"
    worker = WorkerView("tcp://127.0.0.1:4001", host, 128, 8 * 10**12, power=samples.POWER)
    return {
        "measuring": measuring_view(Progress(3, 7, f"{UNENDING} on cpu, 16 × 16 cores")).html,
        "cluster": cluster_view(ClusterView((worker,)), address=f"tcp://{host}:8786").html,
        "history": history_view(
            [PastRun("ab12cd34", UNENDING, "partial", 1e9, 362_242.0, 1_234_567, UNENDING)]
        ).html,
        "models": models_view(
            [Model(UNENDING, "weights", f"https://{host}/", "Apache-2.0", 10**12, "here")]
        ).html,
    }


def drawn(html: str) -> str:
    """A static view with its pictures as drawings of the page, for words in an image are seen by no script."""

    def picture(found: re.Match[str]) -> str:
        svg = base64.b64decode(found["svg"]).decode("utf-8")
        return svg.replace("<svg ", f"<svg {found['rest']} ", 1)

    return re.sub(r'<img src="data:image/svg\+xml;base64,(?P<svg>[^"]+)"(?P<rest>[^>]*)>', picture, html)


def shown(browser, live: dict[str, tuple[str, dict]], static: dict[str, str], width: int):
    """A page of so many pixels without margins, with all of it drawn."""
    named = {f"live-{name}": view for name, view in live.items()}
    given = {"hub": hub_module(), "style": source("views.css"), "views": named}
    given["scripts"] = {kind: source(f"{kind}.js") for kind in {kind for kind, _ in live.values()}}
    slots = [slot(Bundle("<div>static</div>", ""), name).html for name in named]
    areas = "".join(
        f"<div class=jp-OutputArea-output>{one}</div>" for one in [*slots, *map(drawn, static.values())]
    )
    page = browser.new_page(viewport={"width": width, "height": 1600})
    page.set_content(f"<!doctype html><html lang=en><body style='margin:0'>{areas}</body></html>")
    page.evaluate(f"async given => {{{SHOW}}}", given)
    return page


# --- what holds of them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1200, 820, 600, 464, 320])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_reaches_out_is_cut_or_hides_words(browser, kind, width):
    live, static = views(kind, ("scenes", UNENDING, "s", f"{UNENDING}_2", "last"), UNENDING)
    page = shown(browser, live, {**static, **tables()}, width)
    try:
        for opened in (False, True):
            if opened:
                page.evaluate(OPEN)
            for script in (WIDER, CUT, OVER):
                found = page.evaluate(script)
                assert found == [], json.dumps(found, indent=1)
    finally:
        page.close()


@pytest.mark.parametrize(
    ("kind", "width"), [("none", 600), ("common", 600), ("unknown", 600), ("tiny", 640), ("slow", 640)]
)
def test_no_table_of_figures_scrolls_in_a_narrow_page(browser, kind, width):
    live, static = views(kind, PLAIN, "newsroom")
    page = shown(browser, live, static, width)
    found = page.evaluate(SCROLLED)
    page.close()
    assert found == []


def test_the_words_of_a_static_picture_are_looked_at():
    _, static = views("common", PLAIN, "newsroom")
    assert "<text " not in static["frontier"]
    assert drawn(static["frontier"]).count("<text ") > 5


BAD = """<div class=jp-OutputArea-output><div class=murakkab style="width:100px"><div style="width:101px">a</div>
<div style="position:relative;height:20px"><b style="position:absolute;left:0">words</b><b style="position:absolute;left:9px">words</b></div>
<div class=ms-scroll style="overflow-x:auto"><div style="width:200px">b</div></div></div></div>"""


def test_what_reaches_out_hides_words_or_scrolls_is_found(browser):
    page = browser.new_page()
    page.set_content(BAD)
    found = [len(page.evaluate(script)) for script in (WIDER, OVER)]
    scrolled = page.evaluate(SCROLLED)
    page.close()
    assert found == [1, 1]
    assert len(scrolled) == 2


@pytest.mark.parametrize("width", [820, 600])
def test_a_name_without_end_leaves_the_words_beside_it_their_room(browser, width):
    live, _ = views("slow", (UNENDING, "s"), "newsroom")
    page = shown(browser, {"running": live["running"]}, {}, width)
    highs = page.locator(".mk-steps tr").evaluate_all("all => all.map(one => one.clientHeight)")
    page.close()
    assert max(highs) < 70
