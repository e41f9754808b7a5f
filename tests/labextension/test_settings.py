"""Settings, changed as a person changes them, and what follows at once."""

from __future__ import annotations

import pytest

from tests.labextension.lab import code, shown
from tests.labextension.test_labextension import CELL

PLAN = {
    "application/vnd.murakkab.results+json": {
        "format": 1,
        "title": "Results of data",
        "answers": [],
        "whole": [{"name": "title", "text": "drawn from data"}],
        "groups": [],
    },
    "text/html": "<p>the static form</p>",
    "text/plain": "static",
}


@pytest.fixture
def tidy(desk):
    """A desk whose settings are put back."""
    yield desk
    for name in (
        "murakkab-jupyter:panel",
        "murakkab-jupyter:views",
        "@jupyterlab/codemirror-extension:plugin",
    ):
        desk.lab.setting(name, {})


def settings(desk, title: str):
    """The form of one plugin in the settings editor."""
    desk.command("Settings Editor")
    page = desk.page
    page.locator(".jp-PluginList").wait_for()
    page.locator(".jp-PluginList input").first.fill(title)
    page.locator(".jp-PluginList-entry", has_text=title).first.click()
    return page.locator(".jp-SettingsPanel")


def tab(desk, words: str) -> None:
    desk.page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text=words).first.click()


def test_the_panel_moves_to_the_other_side(tidy):
    desk = tidy
    desk.lab.write("side.ipynb", code("1"))
    desk.open("side.ipynb")
    tab = ".lm-TabBar-tab[data-id=murakkab-panel]"
    desk.page.locator(f".jp-SideBar.jp-mod-right {tab}").wait_for()
    form = settings(desk, "Murakkab: panel")
    form.locator("select[id$=panel_side]").select_option(label="left")
    desk.page.locator(f".jp-SideBar.jp-mod-left {tab}").wait_for()
    desk.panel()
    desk.status("This kernel has not loaded Murakkab.")
    # It is there, too, when the page is loaded again.
    desk.open("side.ipynb")
    desk.page.locator(f".jp-SideBar.jp-mod-left {tab}").wait_for()
    assert desk.said == []


def test_outputs_are_shown_in_their_static_form_when_that_is_wanted(tidy):
    desk = tidy
    desk.lab.write("still.ipynb", code("1", [shown(PLAN)]))
    desk.open("still.ipynb", kernel=False)
    desk.output(0).get_by_text("drawn from data").wait_for()
    form = settings(desk, "Murakkab: plans, runs and results")
    form.locator("input[id$=views_interactive]").uncheck()
    while "false" not in desk.lab.ask("lab/api/settings/murakkab-jupyter:views")["raw"]:
        desk.page.wait_for_timeout(100)  # the time limit of the test ends this
    desk.open("still.ipynb", kernel=False)
    desk.output(0).get_by_text("the static form").wait_for()
    assert desk.output(0).get_by_text("drawn from data").count() == 0


def test_colours_are_switched_off_and_on(tidy):
    desk = tidy
    desk.lab.write("off.ipynb", code(CELL))
    desk.open("off.ipynb", kernel=False)
    desk.page.wait_for_selector(".cm-murakkab-step")
    box = settings(desk, "CodeMirror").get_by_label("Colours in %%murakkab cells")
    box.uncheck()
    tab(desk, desk.name)
    desk.page.wait_for_selector(".jp-CodeCell .cm-murakkab", state="detached")
    tab(desk, "Settings")
    box.check()
    tab(desk, desk.name)
    desk.page.wait_for_selector(".jp-CodeCell .cm-murakkab-step")
