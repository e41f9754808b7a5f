"""All views: the same numbers as HTML and text, nothing from outside, everything escaped, small."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView
from murakkab_jupyter.core.kinds import Answer, Box, Boxes, Evidence, Passage, Scene, Segment, Transcript
from murakkab_jupyter.notebook import views as rooms
from murakkab_jupyter.notebook.show import profile_view
from murakkab_jupyter.notebook.views.bill import bill_view
from murakkab_jupyter.notebook.views.frontier import frontier_view
from murakkab_jupyter.notebook.views.html import STYLE, Bundle, once
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.results import Results, results_view
from murakkab_jupyter.notebook.views.run import run_view
from murakkab_jupyter.notebook.views.tables import (
    Model,
    PastRun,
    cluster_view,
    code_view,
    history_view,
    message_view,
    models_view,
    words_view,
)
from murakkab_jupyter.planner.plan import Alternative, Configuration
from tests.notebook import samples
from tests.notebook.pages import EVIL, assert_inert, tags_of, words_of


def every_view() -> dict[str, Bundle]:
    chosen = samples.plan()
    failures = (("transcript", (("videos", 0), ("scenes", 3)), "cannot be decoded"),)
    return {
        "plan": plan_view(chosen, samples.newsroom()),
        "results": results_view(samples.results(5, failures)),
        "bill": bill_view(samples.bill(), name="newsroom"),
        "run": run_view(samples.run_state()),
        "frontier": frontier_view([chosen, chosen], chosen=chosen),
        "history": history_view([PastRun("ab12", "newsroom", "done", 1.7e9, 15.2, 31, "")]),
        "models": models_view([Model("tiny", "a model", "package x", "MIT", None, "no")]),
        "cluster": cluster_view(ClusterView((WorkerView("w", "h", 2, 8 * 10**9),))),
    }


@pytest.mark.parametrize("name", list(every_view()))
def test_a_view_is_small_closed_and_asks_nothing_of_the_network_or_of_scripts(name):
    shown = every_view()[name]
    assert len(shown.html) < 100_000
    assert re.findall(r"<style.*?</style>", shown.html) in ([], [STYLE])
    for tag_name, attributes in tags_of(shown):
        assert tag_name not in {"script", "link", "iframe", "object"}
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href"):
            assert attributes.get(key, "data:").startswith("data:image/") if key in attributes else True
    assert "http" not in shown.html.replace("http://www.w3.org/2000/svg", "")
    assert shown.text.strip()


@pytest.mark.parametrize("name", list(every_view()))
def test_every_number_with_a_unit_in_the_text_is_in_the_html(name):
    shown = every_view()[name]
    numbers = re.findall(r"[~°]?\$?\d[\d.,]*(?:e-\d+)? ?(?:ms|s|J|kJ|GB)\b", shown.text)
    words = words_of(shown)
    assert all(" ".join(number.split()) in words for number in numbers), [
        n for n in numbers if n not in words
    ]


@pytest.mark.parametrize("name", list(every_view()))
def test_tables_have_headers_and_pictures_have_words(name):
    found = tags_of(every_view()[name])
    for tag_name, attributes in found:
        if tag_name == "table":
            assert attributes.get("aria-label")
        if tag_name == "th":
            assert attributes.get("scope") or name == "plan"
        if tag_name == "img":
            assert attributes.get("alt")
        if tag_name == "svg":
            assert attributes.get("aria-label")
            assert attributes.get("role") == "img"


def test_figures_do_not_run_together_where_a_page_strips_styles():
    for name in ("plan", "run"):
        bare = re.sub(r"<(style).*?</\1>|<[^>]*>", "", every_view()[name].html)
        assert not re.search(r"\)(CPU time|Energy|Cost|Quality)", bare), name
        assert not re.search(r"\b0 s\d", bare), name


def test_a_history_breaks_paths_and_not_the_times_of_runs():
    long = "/home/somebody/a/path/without/any/blank.jpg cannot be read"
    shown = history_view([PastRun("ab12", "newsroom", "failed", 1.7e9, 15.2, 31, long)])
    looks = [attributes.get("style", "") for name, attributes in tags_of(shown) if name == "span"]
    assert "white-space:nowrap" in looks
    assert "overflow-wrap:anywhere" in looks
    assert long in words_of(shown)


def test_a_frontier_says_how_a_plan_is_taken_where_one_can_be():
    two = [samples.plan(), samples.plan()]
    assert "frontier --take N" in frontier_view(two).text
    assert "--take" not in frontier_view(two, takes=False).text


def test_script_tags_are_inert_in_results_through_every_kind_of_value():
    where = (("videos", 0),)
    key = (*where, ("scenes", 0))
    video = replace(samples.VIDEO, media=replace(samples.VIDEO.media, path=f"/m/{EVIL.replace('/', '')}.mp4"))
    values = {
        "videos": {where: video},
        "question": {(): EVIL},
        "scenes": {key: Scene(video, 0, 4)},
        "frames": {},
        "objects": {(*key, ("frames", 0)): Boxes((Box(EVIL, 0.9, 0, 0, 1, 1),))},
        "transcript": {key: Transcript((Segment(0, 1, EVIL),), note=EVIL)},
        "summary": {key: {EVIL: [EVIL, Passage(EVIL)]}},
        "answer": {(): Answer(EVIL, (Evidence(f"/x/{EVIL}", 1, 2, EVIL),))},
    }
    failures = (("transcript", key, EVIL),)
    flow = replace(samples.newsroom(), name=EVIL)
    assert_inert(results_view(Results(flow, values, failures, samples.jpeg)))


def test_script_tags_are_inert_in_names_options_reasons_and_notes_of_a_plan():
    chosen = samples.plan()
    bad = Configuration(EVIL, ((EVIL, EVIL),))
    steps = {EVIL: replace(chosen.steps["scenes"], configuration=bad, runner_up=Alternative(bad, EVIL))}
    steps[EVIL].predicted["latency"] = Figure(1, "s", note=EVIL)
    assert_inert(plan_view(replace(chosen, workflow=EVIL, steps=steps, binding=EVIL, notes=(EVIL,))))
    assert_inert(frontier_view([replace(chosen, steps=steps)]))


def test_script_tags_are_inert_everywhere_else():
    assert_inert(history_view([PastRun(EVIL, EVIL, EVIL, None, None, None, EVIL)]))
    assert_inert(models_view([Model(EVIL, EVIL, EVIL, EVIL, 1, EVIL)]))
    assert_inert(cluster_view(ClusterView((WorkerView(EVIL, EVIL, 1, 1),)), address=EVIL))
    assert_inert(words_view(EVIL, EVIL))
    assert_inert(message_view(EVIL))
    bill = samples.bill()
    line = replace(bill.steps[0], name=EVIL, agent=EVIL)
    assert_inert(bill_view(replace(bill, steps=(line,), notes=(EVIL,)), name=EVIL))


def test_views_in_one_output_share_one_style_sheet():
    two = plan_view(samples.plan()).html + bill_view(samples.bill()).html
    assert two.count(STYLE) == 2
    assert once(two).count(STYLE) == 1
    assert once(two).replace(STYLE, "") == two.replace(STYLE, "")
    assert once("<div>none</div>") == "<div>none</div>"


def test_what_scrolls_is_reached_by_the_keyboard_and_has_a_name():
    shown = (
        plan_view(samples.plan(), samples.newsroom()),
        run_view(samples.run_state()),
        bill_view(samples.bill()),
        cluster_view(samples.cluster()),
        results_view(samples.results()),
        code_view("Code", "a <- b {c}"),
    )
    scrollers = [a for view in shown for _, a in tags_of(view) if "overflow-x:auto" in a.get("style", "")]
    assert len(scrollers) >= 7
    assert [
        a for a in scrollers if a.get("tabindex") != "0" or not a.get("role") or not a.get("aria-label")
    ] == []


def test_where_the_figures_of_a_cluster_and_a_profile_come_from_is_printed_in_page_and_text():
    idle = Figure(31.0, "W", source="published", note="a data sheet")
    worker = WorkerView("w", "h", 2, 8 * 10**9, power=HostPower(idle_w=idle))
    row = {"agent": "reader", "capability": "reading", "work": 1.0, "unit": "page"}
    row |= dict.fromkeys(("call_s", "call_cpu_s", "load_s", "memory"), Figure(2.0, "s", source="measured"))
    row["quality"] = Figure(0.8, "1", source="prior", note="a guess")
    cluster = cluster_view(ClusterView((worker,)))
    for shown, told in (
        (cluster, "published: a data sheet: Idle power"),
        (profile_view([row]), "prior: a guess: Quality"),
        (profile_view([row]), "measured: One call; Its CPU time; Loading; Memory"),
    ):
        for words in (words_of(shown).replace(" :", ":"), shown.text):
            assert told in words.split("Where the figures come from", 1)[1]


def test_what_scrolls_in_a_live_view_is_reached_by_the_keyboard_and_has_a_name():
    scripts = Path(rooms.__file__).parent / "js"
    made = [
        found
        for script in sorted(scripts.glob("*.js"))
        for found in re.findall(r"\{ class: 'mk-(?:scroll|marks)'[^}]*\}", script.read_text())
    ]
    assert len(made) >= 4
    assert [
        one for one in made if "tabindex: '0'" not in one or not re.search(r"'aria-label': ['`]", one)
    ] == []


STRIPPED = re.compile(r"(?:^|;)(?:background|background-color|border[a-z-]*|color|fill|stroke):[^;]*var\(")
"""What JupyterLab strips from a notebook that is not trusted: theme variables in colours."""


@pytest.mark.parametrize("name", list(every_view()))
def test_lines_and_shades_are_such_as_a_notebook_that_is_not_trusted_keeps(name):
    for _, attributes in tags_of(every_view()[name]):
        assert not STRIPPED.search(attributes.get("style") or "")
