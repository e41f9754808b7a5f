"""The JupyterLab extension in a browser: colours, the plan and the run beside the panel, commands."""

from __future__ import annotations

import json
import re

from tests.labextension.lab import code, serious, shown

SETUP = """%load_ext murakkab_jupyter
import time

def shout(text):
    return text.upper()

def slow(text):
    time.sleep(0.3)
    return text.lower()

words = [f"word{i}" for i in range(8)]
many = [f"word{i}" for i in range(2000)]"""

CELL = """%%murakkab loud --minimize latency
Says words loudly.
shouted <- shout {words} @python:shout
quiet   <- make quiet {shouted} @python:slow"""

ALL = """%%murakkab whole --cluster "my file" --deadline 2min
Says words loudly.
shouted <- shout {words}, per words @python:shout note="out loud" times=2
# for the reader
reply   <- answer "why so loud" from {shouted}, per all
  Reply to {shouted} in one line.
wrong   <- take {no.such}
"""

LONG = """%%murakkab endless
heard <- shout {many} @python:slow"""

PYTHON = """# a comment
def hello(name: str) -> str:
    return f"<- {name}"
"""


KINDS = [
    "magic",
    "name",
    "option",
    "value",
    "string",
    "description",
    "step",
    "arrow",
    "ref",
    "level",
    "pin",
    "key",
    "comment",
    "prompt",
    "error",
]


def tokens(desk, index):
    """`(kind, text, contrast)` of the coloured stretches of a cell, and the colour each is drawn in."""
    return desk.page.evaluate(
        """i => {
          const channels = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
          const light = colour => channels(colour).map(one => one / 255)
            .map(one => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
            .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
          const cell = [...document.querySelectorAll('.jp-CodeCell')][i];
          let ground = cell.querySelector('.cm-editor');
          while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
          const page = light(getComputedStyle(ground).backgroundColor);
          return [...cell.querySelectorAll('.cm-murakkab')].map(e => {
            let leaf = e; while (leaf.firstElementChild) leaf = leaf.firstElementChild;
            const colour = getComputedStyle(leaf).color;
            const [low, high] = [light(colour), page].sort((a, b) => a - b);
            return [e.className.match(/cm-murakkab-(\\w+)/)[1], e.textContent, colour, (high + 0.05) / (low + 0.05)];
          });
        }""",
        index,
    )


def markup(desk, index):
    return desk.cell(index).locator(".cm-content").inner_html()


def test_cells_are_coloured_before_they_run_and_python_is_as_it_was(desk):
    desk.lab.write("colours.ipynb", code(ALL), code(PYTHON))
    desk.open("colours.ipynb")
    desk.page.wait_for_selector(".cm-murakkab-error")
    found = tokens(desk, 0)
    kinds = {text.strip(): kind for kind, text, *_ in found}
    # Python's own stretches may divide ours.
    whole = {kind: "".join(text for other, text, *_ in found if other == kind) for kind in KINDS}
    assert kinds["%%murakkab"] == "magic"
    assert kinds["whole"] == "name"
    assert whole["option"] == "--cluster--deadline"
    assert whole["value"] == "2min2"
    assert whole["string"] == '"my file""out loud""why so loud"'
    assert whole["description"] == "Says words loudly."
    assert kinds["shouted"] == kinds["reply"] == "step"
    assert whole["ref"] == "{words}{shouted}{shouted}"
    assert whole["level"] == "per wordsper all"
    assert whole["pin"] == "@python:shout"
    assert whole["key"] == "notetimes"
    assert whole["comment"] == "# for the reader"
    assert whole["prompt"] == "Reply to  in one line."
    assert whole["error"] == "{no.such}"
    assert {kind for kind, *_ in found} == set(KINDS)
    colours = {kind: colour for kind, _, colour, _ in found}
    apart = ("magic", "step", "ref", "option", "description", "pin", "string", "comment")
    assert len({colours[kind] for kind in apart}) >= len(apart) - 1
    assert tokens(desk, 1) == []
    assert "murakkab" not in markup(desk, 1)
    assert desk.said == []


def test_colours_follow_what_is_typed(desk):
    desk.lab.write("typed.ipynb", code("x = 1"))
    desk.open("typed.ipynb")
    desk.select(0)
    desk.page.keyboard.press("Control+A")
    desk.page.keyboard.type("%%murakkab news")
    desk.page.wait_for_selector(".cm-murakkab-name")
    desk.page.keyboard.press("Home")
    desk.page.keyboard.type("#")
    desk.page.wait_for_selector(".cm-murakkab", state="detached")


def test_colours_follow_the_theme_and_can_be_read_in_both(desk):
    desk.lab.write("theme.ipynb", code(ALL))
    desk.open("theme.ipynb")
    desk.page.wait_for_selector(".cm-murakkab-error")
    light = tokens(desk, 0)
    with desk.lab.theme("Dark"):
        desk.open("theme.ipynb")
        desk.page.wait_for_selector("body[data-jp-theme-light=false] .cm-murakkab-error")
        dark = tokens(desk, 0)
    assert [one[:2] for one in light] == [one[:2] for one in dark]
    assert {one[2] for one in light} != {one[2] for one in dark}
    assert [one for one in (*light, *dark) if one[3] < 3] == []


def test_colours_can_be_switched_off(desk):
    desk.lab.write("off.ipynb", code(CELL))
    desk.lab.setting(
        "@jupyterlab/codemirror-extension:plugin", {"defaultConfig": {"murakkab-highlighting": False}}
    )
    try:
        desk.open("off.ipynb")
        assert tokens(desk, 0) == []
    finally:
        desk.lab.setting("@jupyterlab/codemirror-extension:plugin", {})


def test_what_is_no_plan_is_shown_as_the_html_beside_it(desk):
    data = {
        "application/vnd.murakkab.plan+json": {"steps": 3},
        "text/html": "<p>the static plan</p>",
        "text/plain": "static",
    }
    desk.lab.write("broken.ipynb", code("a", [shown(data)]))
    desk.open("broken.ipynb")
    desk.page.locator("text=the static plan").wait_for()


def test_the_panel_finds_the_kernel_and_follows_plan_run_and_stop(desk):
    page = desk.page
    desk.lab.write("whole.ipynb", code("1 + 1"), code(SETUP), code(CELL), code("%murakkab run"), code(LONG))
    before = len(desk.lab.log.read_text())
    desk.open("whole.ipynb")
    panel = desk.panel()
    # The panel says why it is empty, and what to do.
    desk.status("This kernel has not loaded Murakkab.")
    assert panel.get_by_role("button", name="Insert and run %load_ext").is_visible()
    desk.run(1)
    desk.status("Connected.")
    desk.run(2)
    panel.locator("section[aria-label=Workflows]", has_text="loud").wait_for()

    # The plan, explored by keyboard.
    plan = desk.cell(2).locator(".jp-murakkab-plan")
    plan.wait_for()
    assert plan.locator(".mk-what strong").all_inner_texts() == ["shouted", "quiet"]
    assert plan.locator("path[data-from=shouted][data-to=quiet]").count() == 1
    step = plan.locator(".mk-what").nth(1)
    step.focus()
    page.keyboard.press("Enter")
    assert step.get_attribute("aria-expanded") == "true"
    assert re.search(r"after\s*shouted", plan.locator(".mk-detail:visible").inner_text())
    # Where its figures come from is printed, for those who have no pointer.
    assert re.search(
        r"Energy.*(measured|published|prior)", plan.locator(".mk-detail:visible .mk-from").inner_text()
    )
    plan.get_by_text("All figures in a table").click()
    assert plan.locator("tbody th").all_inner_texts() == ["shouted", "quiet"]

    # A run, with its view and its numbers in the panel.
    desk.run(3)
    run = desk.cell(3).locator(".jp-murakkab-run")
    run.wait_for()
    assert run.get_by_text("By the plan: ").is_visible()
    assert run.locator(".mk-bar").count() >= 2
    run.locator(".mk-bar[tabindex='0']").first.focus()
    first = run.locator(".mk-said").inner_text()
    page.keyboard.press("ArrowRight")
    assert run.locator(".mk-said").inner_text() != first
    assert desk.cell(3).locator("text=Results").first.is_visible()
    runs = panel.locator("section[aria-label=Runs]")
    runs.locator("li", has_text="loud").first.locator("text=done").first.wait_for()
    assert "2 of 2 steps" in runs.inner_text()
    cluster = panel.locator("section[aria-label=Cluster]").inner_text()
    assert "core" in cluster
    assert "://" not in panel.inner_text()  # an address tells nobody which machine it is

    # A run that takes long: pushed while its cell blocks the kernel, stopped from the panel.
    desk.run(4)
    desk.select(4)
    desk.command("Run the Workflow")
    stop = panel.get_by_role("button", name="Stop endless")
    stop.wait_for()
    # What cannot be done meanwhile says why, when pressed as in its title.
    resume = panel.get_by_role("group", name="The latest workflow").get_by_role("button", name="Resume")
    assert resume.get_attribute("aria-disabled") == "true"
    assert "A cell is running" in resume.get_attribute("title")
    resume.click(force=True)  # out of use for playwright, in reach for a person
    panel.get_by_text("Resume: A cell is running").wait_for()
    moving = panel.locator("section[aria-label=Runs] .jp-murakkab-meter").first
    page.wait_for_function(
        "() => Number(document.querySelector('#murakkab-panel section[aria-label=Runs] .jp-murakkab-meter')?.ariaValueNow) > 0"
    )
    desk.status("The kernel is busy; figures are pushed while it runs.")
    assert int(moving.get_attribute("aria-valuenow")) < 100
    panel.locator("section[aria-label='Energy now'] .jp-murakkab-watts").wait_for()
    # The panel with runs, watts and a live run beside it; at 800 pixels too.
    found = serious(page)
    size = page.viewport_size
    page.set_viewport_size({"width": 800, "height": size["height"]})
    found += serious(page)
    page.set_viewport_size(size)
    assert found == [], json.dumps(found, indent=1)
    stop.click()
    panel.get_by_role("button", name="Resume endless").wait_for()
    assert "stopped" in panel.locator("section[aria-label=Runs] li", has_text="endless").first.inner_text()
    assert desk.said == []
    assert desk.elsewhere == []
    assert "murakkab_jupyter/notebook" not in desk.lab.log.read_text()[before:]  # no traceback of ours

    # After a restart the kernel knows nothing, and the panel says so.
    desk.restart()
    desk.status("This kernel has not loaded Murakkab.")


def test_the_panel_says_what_is_missing_without_a_notebook(desk):
    desk.page.goto(f"{desk.lab.url}/lab?token=t0k&reset", wait_until="domcontentloaded")
    desk.page.wait_for_selector(".jp-Launcher")
    desk.panel()
    desk.status("Open a notebook")


def test_the_panel_loads_murakkab_when_asked(desk):
    desk.lab.write("load.ipynb", code("x = 1"))
    desk.open("load.ipynb")
    panel = desk.panel()
    panel.get_by_role("button", name="Insert and run %load_ext").click()
    desk.status("Connected.")
    assert "%load_ext murakkab_jupyter" in desk.cell(1).locator(".cm-content").inner_text()
