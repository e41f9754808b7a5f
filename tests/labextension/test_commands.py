"""The commands of the palette: with a cell of ours in front and without, with a kernel, none, and a busy one."""

from __future__ import annotations

import pytest

from tests.labextension.lab import code

SETUP = """%load_ext murakkab_jupyter
import time

def slow(text):
    time.sleep(0.3)
    return text.upper()

words = ["a", "b"]
many = [f"w{i}" for i in range(2000)]"""
CELL = "%%murakkab loud\nsaid <- shout {words} @python:slow"
LONG = "%%murakkab endless --background --fresh\nsaid <- shout {many} @python:slow"
AT_ONCE = "%%murakkab direct --run\nsaid <- shout {words} @python:slow"
WAIT = "for _ in range(3000): time.sleep(0.1)"


def told(desk, words: str) -> None:
    """Until a notification that has not been seen yet says this."""
    desk.page.locator(".Toastify__toast:not([data-seen])", has_text=words).first.wait_for()
    desk.page.evaluate(
        "document.querySelectorAll('.Toastify__toast').forEach(one => { one.dataset.seen = 'yes' })"
    )


def runs(desk, index: int) -> bool:
    """Whether a cell runs, by its prompt."""
    return "*" in desk.cell(index).locator(".jp-InputPrompt").inner_text()


def sources(desk) -> list[str]:
    return desk.page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea .cm-content").all_inner_texts()


def test_without_a_notebook_each_says_that_one_is_needed(desk):
    desk.page.goto(f"{desk.lab.url}/lab?token=t0k&reset", wait_until="domcontentloaded")
    desk.page.wait_for_selector(".jp-Launcher")
    for label in ("Plan the Workflow", "Run the Workflow", "Stop the Run", "Resume the Latest Run"):
        desk.command(label)
        told(desk, "open a notebook first")


def test_a_cell_of_ours_in_front_is_planned_and_run_and_murakkab_is_loaded_first(desk):
    setup = SETUP.split("\n", 1)[1]
    desk.lab.write("front.ipynb", code(setup), code(CELL))
    desk.open("front.ipynb")
    desk.run(0)
    desk.select(1)
    desk.command("Plan the Workflow")
    desk.output(2).get_by_text("Plan", exact=True).first.wait_for()
    assert sources(desk)[1:] == ["%load_ext murakkab_jupyter", CELL]
    desk.idle()
    desk.command("Run the Workflow")
    desk.output(3).get_by_text("Results (done)").wait_for()
    assert sources(desk)[-1] == "%murakkab run loud"


def test_without_a_cell_of_ours_the_latest_workflow_is_meant_and_none_is_said(desk):
    desk.lab.write("latest.ipynb", code(SETUP), code(CELL), code("1"))
    desk.open("latest.ipynb")
    desk.select(2)
    desk.command("Run the Workflow")
    told(desk, "This kernel has not loaded Murakkab. Select a %%murakkab cell first")
    desk.run(0)
    desk.select(2)
    desk.command("Plan the Workflow")
    told(desk, "There is no workflow yet")
    assert len(sources(desk)) == 3
    desk.run(1)
    desk.idle()
    desk.select(2)
    desk.command("Plan the Workflow")
    desk.output(3).get_by_text("Plan", exact=True).first.wait_for()
    assert sources(desk)[3] == "%murakkab plan"


def test_only_the_cell_in_front_is_run_when_several_are_selected(desk):
    desk.lab.write("several.ipynb", code(SETUP), code(CELL), code("1 / 0"))
    desk.open("several.ipynb")
    desk.run(0)
    desk.select(2)
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("Shift+ArrowUp")
    desk.page.locator(".jp-Cell.jp-mod-selected").nth(1).wait_for()
    desk.command("Plan the Workflow")
    desk.output(1).get_by_text("Plan", exact=True).first.wait_for()
    assert "ZeroDivisionError" not in desk.page.locator(".jp-Notebook").inner_text()


def test_a_cell_that_runs_at_once_is_not_run_by_plan(desk):
    desk.lab.write("once.ipynb", code(SETUP), code(AT_ONCE))
    desk.open("once.ipynb")
    desk.run(0)
    desk.select(1)
    desk.command("Plan the Workflow")
    told(desk, "take --run out of its first line")
    desk.command("Run the Workflow")
    desk.output(1).get_by_text("Results (done)").wait_for()
    assert len(sources(desk)) == 2
    desk.idle()
    desk.select(1)
    desk.command("Plan the Workflow")
    desk.output(2).get_by_text("Plan", exact=True).first.wait_for()
    assert sources(desk)[2] == "%murakkab plan direct"


@pytest.mark.parametrize("label", ["Plan the Workflow", "Run the Workflow", "Resume the Latest Run"])
def test_without_a_kernel_one_is_asked_for_and_nothing_is_written(desk, label):
    desk.lab.write("none.ipynb", code(CELL))
    desk.open("none.ipynb")
    desk.menu("Kernel", "Shut Down Kernel")
    desk.page.locator("#jp-main-statusbar", has_text="No Kernel").wait_for()
    desk.select(0)
    desk.command(label)
    dialog = desk.page.locator(".jp-Dialog", has_text="Select Kernel")
    dialog.wait_for()
    dialog.get_by_role("combobox").select_option(label="No Kernel")
    dialog.locator("button.jp-mod-accept").click()
    told(desk, "This notebook has no kernel")
    assert sources(desk) == [CELL]
    desk.command("Stop the Run")
    told(desk, "nothing is running")


def test_a_busy_kernel_is_not_given_more_and_a_cell_that_is_none_of_ours_is_not_interrupted(desk):
    desk.lab.write("busy.ipynb", code(SETUP), code(CELL), code(WAIT))
    desk.open("busy.ipynb")
    for index in (0, 1):
        desk.run(index)
    desk.run(2, wait=False)
    desk.page.locator("#jp-main-statusbar", has_text="| Busy").wait_for()
    desk.select(1)
    for label in ("Plan the Workflow", "Run the Workflow", "Resume the Latest Run"):
        desk.command(label)
        told(desk, "A cell is running: this would wait until it has ended.")
    assert len(sources(desk)) == 3
    desk.command("Stop the Run")
    told(desk, "nothing is running")
    assert runs(desk, 2)
    desk.stop()
    desk.ended(2)


def test_stop_ends_a_run_in_the_background_and_leaves_the_cell_beside_it_alone(desk):
    desk.lab.write("beside.ipynb", code(SETUP), code(LONG), code(WAIT))
    desk.open("beside.ipynb")
    under_way = desk.panel().get_by_role("button", name="Stop endless")
    for index in (0, 1):
        desk.run(index)
    under_way.wait_for()
    desk.run(2, wait=False)
    desk.page.locator("#jp-main-statusbar", has_text="| Busy").wait_for()
    desk.command("Stop the Run")
    desk.output(1).get_by_text("stopped", exact=False).first.wait_for()
    assert runs(desk, 2)
    desk.stop()
    desk.ended(2)
    desk.idle()
    desk.select(1)
    desk.command("Resume the Latest Run")
    desk.page.locator(".jp-Notebook .jp-CodeCell .cm-content", has_text="%murakkab resume").wait_for()
    assert len(sources(desk)) == 4
    under_way.wait_for()  # before that there is nothing to stop yet
    desk.command("Stop the Run")
    desk.idle()


def test_with_several_notebooks_the_one_in_front_is_meant(desk):
    page = desk.page
    for name, flow in (("left.ipynb", "endless"), ("right.ipynb", "other")):
        cell = LONG if flow == "endless" else f"%%murakkab {flow}\nsaid <- shout {{words}} @python:slow"
        desk.lab.write(name, code(SETUP), code(cell))
    desk.open("left.ipynb")
    panel = desk.panel()
    for index in (0, 1):
        desk.run(index)
    stop = panel.get_by_role("button", name="Stop endless")
    stop.wait_for()

    desk.turn_to("right.ipynb")
    desk.status("This kernel has not loaded Murakkab.")
    desk.command("Stop the Run")
    told(desk, "nothing is running in this notebook")
    for index in (0, 1):
        desk.run(index)
    panel.locator("section[aria-label=Workflows]", has_text="other").wait_for()
    assert stop.count() == 0  # that is of the other notebook
    desk.command("Run the Workflow")
    desk.cell(2).locator(".jp-OutputArea").get_by_text("Results (done)").first.wait_for()

    desk.turn_to("left.ipynb")
    stop.wait_for()
    assert len(front(desk)) == 2
    desk.command("Stop the Run")
    panel.get_by_role("button", name="Resume endless").wait_for()
    assert len(front(desk)) == 2
    page.locator(".lm-TabBar-tab", has_text="right.ipynb").first.click()
    desk.cell(2).locator(".cm-content", has_text="%murakkab run other").wait_for()
    assert front(desk)[2] == "%murakkab run other"


def front(desk) -> list[str]:
    """The cells of the notebook in front."""
    shown = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputArea .cm-content"
    return desk.page.locator(shown).all_inner_texts()
