"""What a model, a file, a step or an error says is text on every path to the screen, whatever it says."""

from __future__ import annotations

import base64
import os
import re
import shutil
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.engines.entry import Entry
from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    ItemFailed,
    Notice,
    Reconfigured,
    RunEnded,
    WorkerChanged,
)
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, WorkerView
from murakkab_jupyter.core.kinds import Answer, Box, Boxes, Evidence, Passage, Scene, Segment, Transcript
from murakkab_jupyter.notebook.errors import nearest_plan
from murakkab_jupyter.notebook.hub import KINDS, hub_module, slot, source
from murakkab_jupyter.notebook.views.agents import agents_view
from murakkab_jupyter.notebook.views.answer import answer_view
from murakkab_jupyter.notebook.views.bill import bill_view
from murakkab_jupyter.notebook.views.engines import engines_view
from murakkab_jupyter.notebook.views.found import results_json
from murakkab_jupyter.notebook.views.frontier import frontier_sheet, frontier_view
from murakkab_jupyter.notebook.views.html import STYLE, Bundle
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.plan_sheet import plan_sheet
from murakkab_jupyter.notebook.views.results import Results, results_view
from murakkab_jupyter.notebook.views.run import run_sheet, run_view
from murakkab_jupyter.notebook.views.state import RunState
from murakkab_jupyter.notebook.views.tables import (
    Model,
    PastRun,
    cluster_view,
    code_view,
    history_view,
    message_view,
    models_view,
    status_view,
    words_view,
)
from murakkab_jupyter.planner.plan import Alternative, Configuration
from murakkab_jupyter.planner.standing import Standing
from tests.notebook import samples
from tests.notebook.pages import TAGS

PAYLOADS = (
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '" onmouseover=window.hit=1 x="',
    "' onfocus=window.hit=1 autofocus='",
    "<svg/onload=window.hit=1>",
    "<a href=javascript:window.hit=1>x</a>",
    "javascript:window.hit=1",
    "<iframe srcdoc='<script>parent.hit=1</script>'>",
    "<style>*{display:none}</style>",
    "--><!--",
    "]]>",
    "&lt;script&gt;",
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\x00\x08\x7f",
    "\u202eright to left\u2066",
    "$x$ \\(y\\)",
    "```\n# head",
)
evil = st.lists(st.sampled_from(PAYLOADS) | st.text(max_size=12), min_size=1, max_size=4).map("".join)
ALLOWED = TAGS | {"circle", "text", "ol", "code", "p"}


class Strict(HTMLParser):
    """Fails at any element or attribute that our views never make."""

    def handle_starttag(self, tag, attrs) -> None:
        assert tag in ALLOWED, tag
        for key, value in attrs:
            assert not key.startswith("on"), key
            assert key not in {"href", "srcdoc", "action", "formaction", "xlink:href"}, key
            if key == "src":
                assert value.startswith(("data:image/jpeg;base64,", "data:image/svg+xml;base64,"))
            if key == "style":
                assert "url(" not in value
                assert "expression" not in value

    handle_startendtag = handle_starttag


def check(bundle: Bundle) -> None:
    parser = Strict(convert_charrefs=False)
    parser.feed(bundle.html.replace(STYLE, "", 1))  # ours, and the only one
    for picture in re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", bundle.html):
        parser.feed(base64.b64decode(picture).decode())
    for text in (bundle.html, bundle.text):
        assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t"]
        assert not set(text) & set("\u202e\u202d\u2066\u2067\u2068")


def texts(data: object) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        return [one for pair in data.items() for part in pair for one in texts(part)]
    return [one for part in data for one in texts(part)] if isinstance(data, list) else []


def evil_plan(said: str):
    chosen = samples.plan()
    bad = Configuration(said, ((said, said),))
    step = replace(chosen.steps["scenes"], configuration=bad, runner_up=Alternative(bad, said))
    figures = {**step.predicted, "latency": Figure(1, "s", note=said)}
    steps = {said: replace(step, predicted=figures), "frames": chosen.steps["frames"]}
    return replace(
        chosen, workflow=said, steps=steps, binding=said, notes=(said,), standing=Standing((said,), (said,))
    )


def evil_results(said: str) -> Results:
    key = (("videos", 0), ("scenes", 0))
    values = {
        "videos": {(("videos", 0),): samples.VIDEO},
        "question": {(): said},
        "scenes": {key: Scene(samples.VIDEO, 0, 1)},
        "objects": {(*key, ("frames", 0)): Boxes((Box(said, 0.9, 0, 0, 1, 1),))},
        "transcript": {key: Transcript((Segment(0, 1, said),), note=said)},
        "summary": {key: {said: [said, Passage(said)]}},
        "answer": {(): Answer(said, (Evidence(f"/x/{said}", 1, 2, said),))},
    }
    flow = replace(samples.newsroom(), name=said)
    return Results(flow, values, (("transcript", key, said),), samples.jpeg)


def evil_state(said: str) -> RunState:
    flow = replace(samples.newsroom(), name=said)
    state = RunState(flow, evil_plan(said), ClusterView((WorkerView(said, said, 2, 1),)))
    state.read(
        [
            BatchStarted(0, "frames", 1, said, 0, 1, 1),
            BatchRetried(1, "frames", 1, said),
            WorkerChanged(1, said, "lost"),
            Reconfigured(1, said, said, said, said),
            BatchStarted(1, said, 2, said, 0, 1, 1),
            BatchEnded(2, said, 2, said, 1, 0),
            ItemFailed(2, "frames", (("videos", 0),), said),
            Notice(2, said),
            RunEnded(3, "failed", said),
        ]
    )
    return state


def views(said: str) -> list[Bundle]:
    plan = evil_plan(said)
    bill = samples.bill()
    line = replace(bill.steps[0], name=said, agent=said)
    return [
        plan_view(plan),
        slot(plan_view(plan, samples.newsroom()), "plan-1"),
        frontier_view([plan, samples.plan()], chosen=plan, name=said),
        run_view(evil_state(said), told=said),
        results_view(evil_results(said), title=said),
        answer_view(Answer(said, (Evidence(said, 1, 2, said),))),
        bill_view(replace(bill, steps=(line,), notes=(said,)), name=said),
        history_view([PastRun(said, said, said, None, None, None, said)]),
        models_view([Model(said, said, said, said, 1, said)]),
        cluster_view(ClusterView((WorkerView(said, said, 1, 1),)), address=said),
        words_view(said, said),
        message_view(said),
        results_view(evil_results(said), title=said, brief=said),
        run_view(evil_state(said), bars=False, latest=[(said, said, said)]),
        code_view(said, said),
        status_view([dict.fromkeys(("id", "name", "status", "steps", "message"), said)]),
        engines_view([Entry(said, None, (said,), problem=said)], said),
        agents_view(evil_library(said)),
        nearest_plan(InfeasibleError(said, binding=said, nearest=evil_plan(said))),
    ]


def evil_library(said: str) -> Library:
    library = Library()
    library.add_capability(Capability("humming", said, (Port("tune", frozenset({"audio"})),), "audio"))
    library.broken[said] = said
    return library


def sheets(said: str) -> dict[str, object]:
    return {
        "plan": plan_sheet(evil_plan(said), samples.newsroom()),
        "frontier": frontier_sheet([evil_plan(said), samples.plan()], name=said),
        "run": run_sheet(evil_state(said)),
        "results": results_json(evil_results(said)),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(evil)
def test_no_view_makes_markup_of_what_it_is_told(said):
    for bundle in views(said):
        check(bundle)


@settings(max_examples=60, deadline=None)
@given(evil)
def test_what_scripts_are_given_has_no_character_that_steers_a_screen(said):
    for text in texts(sheets(said)):
        assert not [
            c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c not in "\n\t\u200d"
        ]


def test_payloads_are_still_there_to_be_read():
    said = "<script>window.hit=1</script>"
    assert said in results_view(evil_results(said)).text
    assert said in str(sheets(said)["run"])


PAGE = """
const { default: hub } = await import(URL.createObjectURL(new Blob([given.hub], { type: 'text/javascript' })));
let hear = null;
const asked = [];
const on = (name, call) => { if (name === 'msg:custom') hear = call; else window.lose = call; };
hub.initialize({ model: { on, send: message => asked.push(message) } });
hear({ do: 'style', source: given.style });
for (const [kind, script] of Object.entries(given.scripts)) hear({ do: 'script', kind, source: script });
const show = () => { for (const kind of Object.keys(given.scripts)) hear({ do: 'show', view: kind, kind, data: given.sheets[kind] }); };
window.show = show;
show();
await new Promise(done => setTimeout(done, 300));
for (const node of document.querySelectorAll('.murakkab-live button, .mk-point, .mk-bar, .mk-flag')) {
  node.dispatchEvent(new MouseEvent('pointerenter'));
  node.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
  node.focus();
  node.dispatchEvent(new MouseEvent('click', { bubbles: true }));
}
await new Promise(done => setTimeout(done, 200));
const live = [...document.querySelectorAll('.murakkab-live')];
return {
  hit: window.hit ?? null,
  asked: asked.map(one => one.ask),
  drawn: live.map(one => one.dataset.murakkab),
  text: live.map(one => one.textContent).join(' '),
  strange: live.flatMap(one => [...one.querySelectorAll('script, img:not(.mk-still), iframe, a, style, object, embed')].map(two => two.outerHTML)),
  stills: live.flatMap(one => [...one.querySelectorAll('img')].map(two => two.getAttribute('src').slice(0, 23))),
  handlers: live.flatMap(one => [...one.querySelectorAll('*')]).flatMap(one => one.getAttributeNames().filter(name => name.startsWith('on')))
};
"""


def browser() -> str | None:
    return os.environ.get("MURAKKAB_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


WANTED = os.environ.get("MURAKKAB_BROWSER_TESTS") == "required"


@pytest.mark.skipif(browser() is None and not WANTED, reason="needs chromium, to run the views' scripts in")
def test_scripts_draw_what_they_are_told_as_text():
    if not WANTED:
        pytest.importorskip("playwright.sync_api", reason="needs playwright, to drive chromium")
    from playwright import sync_api as api

    said = " ".join(PAYLOADS)
    given_ = {
        "hub": hub_module(),
        "style": source("views.css"),
        "scripts": {kind: source(f"{kind}.js") for kind in KINDS},
        "sheets": sheets(said),
    }
    static = {kind: Bundle("<div>static</div>", "") for kind in KINDS} | {
        "results": results_view(evil_results(said))
    }
    html = "".join(slot(static[kind], kind).html for kind in KINDS)
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser(), args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_content(f"<!doctype html><body>{html}</body>")
        found = page.evaluate(f"async given => {{{PAGE}}}", given_)
        chromium.close()
    assert errors == []
    assert found["hit"] is None
    assert found["strange"] == []
    assert set(found["stills"]) == {"data:image/jpeg;base64,"}
    assert found["handlers"] == []
    assert set(found["drawn"]) == set(KINDS)
    assert "act" in found["asked"]  # the frontier's points and the stop button do something
    assert re.search(r"<script>window\.hit=1</script>", found["text"])
