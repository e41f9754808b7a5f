"""Markup in whatever a model, a file name, a cell or an error says stays text, in the page and in the saved notebook."""

from __future__ import annotations

import json
import wave

import pytest

from murakkab_jupyter.notebook.views.html import STYLE
from tests.labextension.lab import code, shown
from tests.labextension.test_sheets import FILE as SHEETS

EVIL = (
    "<img src=x onerror=window.pwned=1><script>window.pwned=2</script><svg onload=window.pwned=3></svg>"
    "<iframe srcdoc='<script>parent.pwned=4</script>'></iframe><a href=javascript:window.pwned=5>link</a>"
    "</td></table></div><style>body{display:none}</style>$\\\\unicode{<img src=x onerror=window.pwned=6>}$"
)
FILE = "<img src=x onerror=window.pwned=7>.wav"

SETUP = f"""%load_ext murakkab_jupyter
from murakkab_jupyter.core.kinds import Answer, Box, Boxes, Evidence, Passage, Segment, Transcript

EVIL = {EVIL!r}
sounds = [{FILE!r}]

def hear(sound):
    return Transcript((Segment(0, 1, EVIL),), note=EVIL)

def see(sound):
    return Boxes((Box(EVIL, 0.9, 0, 0, 1, 1),))

def note(heard):
    return {{EVIL: [EVIL, Passage(EVIL)]}}

def reply(notes):
    return Answer(EVIL, (Evidence("/x/" + EVIL, 1, 2, EVIL),))

def fail(sound):
    raise ValueError(EVIL)"""

CELL = """%%murakkab inert --run --fresh
<script>window.pwned=8</script> <img src=x onerror=window.pwned=8>

heard  <- hear <img src=x onerror=window.pwned=9> in {sounds} @python:hear
seen   <- look at {sounds} @python:see
noted  <- note <script>window.pwned=10</script> of {heard} @python:note
said   <- answer from {noted}, per all @python:reply
broken <- break {sounds} @python:fail"""

MISTAKE = """%%murakkab wrong
a <- do <img src=x onerror=window.pwned=11> with {sownds}"""

CELLS = (SETUP, CELL, MISTAKE, "%murakkab help '<img src=x onerror=window.pwned=12>'", "%murakkab bill")
OURS = ".jp-OutputArea, #murakkab-panel"


def assert_inert(desk):
    """Nothing of it ran, and nothing of it is an element of the page."""
    page = desk.page
    assert page.evaluate("window.pwned") is None
    # What opens a dialog or runs later would have been asked for by now: the picture that cannot be loaded is.
    found = page.evaluate(
        """([where, own]) => [...document.querySelectorAll(where)].flatMap(area => [...area.querySelectorAll(
             'script, iframe, [onerror], [onload], img[src="x"], a[href^="javascript:"], style')])
             .filter(one => one.outerHTML !== own).map(one => one.outerHTML.slice(0, 200))""",
        [OURS, STYLE],
    )
    assert found == []
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    assert desk.said == []


def write(lab):
    with wave.open(str(lab.home / FILE), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\0" * 16_000)
    return lab.write("hostile.ipynb", *(code(one) for one in CELLS))


@pytest.mark.parametrize("which", ["desk", "plain_desk"])
def test_markup_from_everywhere_is_text_with_the_extension_and_without_and_when_reopened(which, request):
    desk = request.getfixturevalue(which)
    desk.open(write(desk.lab))
    if which == "desk":
        desk.panel()
    for index in range(len(CELLS)):
        desk.run(index)
    results = desk.output(1)
    results.get_by_text("window.pwned=2").first.wait_for()
    assert "window.pwned=7" in results.inner_text()  # the file's name is shown, as text
    assert "ValueError" in results.inner_text()
    assert "pwned=11" in desk.output(2).inner_text()
    assert "pwned=12" in desk.output(3).inner_text()
    assert_inert(desk)
    desk.save()
    desk.lab.end_kernels()
    desk.open("hostile.ipynb")
    desk.output(1).get_by_text("window.pwned=2").first.wait_for()
    assert_inert(desk)
    # The same from a stranger: trusted by nobody.
    desk.lab.write("stranger.ipynb", *desk.lab.read("hostile.ipynb")["cells"], code("1"))
    desk.open("stranger.ipynb")
    desk.output(1).get_by_text("window.pwned=2").first.wait_for()
    assert_inert(desk)


def evil(kind: str, bad: str) -> dict:
    """A sheet in which every word that is shown is hostile."""

    def of(one, key=""):
        if isinstance(one, dict):
            return {name: of(value, name) for name, value in one.items()}
        if isinstance(one, list):
            return [of(value, key) for value in one]
        return bad if isinstance(one, str) and key not in {"x", "y", "kind", "columns"} else one

    found: dict = of(json.loads(SHEETS.read_text())[kind])
    return found


def test_a_saved_plan_frontier_or_run_from_anybody_is_only_text(desk):
    bad = "\"'><img src=x onerror=window.pwned=1><script>window.pwned=2</script>;background:url(x)"
    value = {"name": EVIL, "text": EVIL}
    results = {
        "format": 1,
        "title": EVIL,
        "answers": [
            {"step": EVIL, "text": EVIL, "question": EVIL, "evidence": [{"where": EVIL, "text": EVIL}]}
        ],
        "whole": [value],
        "groups": [{"level": EVIL, "items": [{"item": EVIL, "where": EVIL, "values": [value]}]}],
        "failures": [{"step": EVIL, "item": EVIL, "why": EVIL}],
    }
    bill = {"detail": bad, "columns": [[bad, bad]], "rows": [[[bad, bad]]], "notes": [bad]}
    still = '<img data-murakkab-still="a" src="javascript:window.pwned=14">'
    html = f"<p>results</p><img src=x onerror=window.pwned=8>{still}"
    kind = "application/vnd.murakkab.{}+json".format
    outputs = [
        {kind("plan"): {"sheet": evil("plan", bad)}},
        {kind("frontier"): {"sheet": evil("frontier", bad)}},
        {kind("run"): {"sheet": evil("run", bad), "bill": bill}, kind("results"): results},
        {kind("results"): results},
        {kind("run"): {"sheet": evil("run", bad)}},  # its results cannot be read
    ]
    shows = [shown({**one, "text/html": html, "text/plain": "static"}) for one in outputs]
    desk.lab.write("evil.ipynb", *(code(f"x = {i}", [one]) for i, one in enumerate(shows)))
    desk.open("evil.ipynb")
    plan, frontier, run, alone, unread = (desk.output(i) for i in range(5))
    plan.locator(".mk-what").first.click()
    plan.locator(".mk-detail").first.wait_for()
    plan.get_by_text("All figures in a table").click()
    run.locator(".mk-bar").first.focus()
    run.locator(".jp-murakkab-bill").wait_for()
    alone.locator(".jp-murakkab-results :is(.mk-item, tbody tr)").first.wait_for()
    unread.get_by_text("results", exact=True).wait_for()
    frontier.locator(".mk-point").last.focus()
    # It puts a cell below.
    frontier.get_by_role("button", name="Take plan").first.click()
    frontier.get_by_text("The line that takes plan").wait_for()
    ours = ":is(.jp-murakkab, .murakkab-live)"
    assert desk.page.locator(f"{ours} img, {ours} script, {ours} [onerror]").count() == 0
    assert desk.page.evaluate("window.pwned") is None
    assert desk.said == []
