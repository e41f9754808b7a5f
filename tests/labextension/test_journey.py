"""What a person does with a run that takes long: watch it, stop it, lose the kernel, go on."""

from __future__ import annotations

import pytest

from tests.labextension.lab import code

ITEMS = 60
SETUP = f"""%load_ext murakkab_jupyter
import os, time

def slow(text):
    with open("calls.txt", "a") as file:
        file.write(text + "\\n")
    time.sleep(0.25)
    while os.path.exists("held"):  # however long the person takes
        time.sleep(0.05)
    return text.upper()

many = [f"w{{i}}" for i in range({ITEMS})]"""
CELL = "%%murakkab long\nloud <- shout {many} @python:slow"


def calls(desk) -> int:
    file = desk.lab.home / "calls.txt"
    return len(file.read_text().split()) if file.exists() else 0


def until_calls(desk, least: int) -> None:
    """Until so many items have been begun."""
    for _ in range(2400):
        if calls(desk) >= least:
            return
        desk.page.wait_for_timeout(100)
    raise AssertionError(calls(desk))


def until_partway(desk) -> None:
    """Until the bar of a run that stands still shows the items that were made, of which the first are."""
    desk.page.wait_for_function(
        "() => [...document.querySelectorAll('[data-murakkab=run] [role=progressbar]')]"
        ".map(bar => Number(bar.getAttribute('aria-valuenow'))).some(at => 0 < at && at < 100)"
    )


def whole(desk, index: int, *, drawn: bool) -> None:
    """Until a cell's results are there to the last; where they are drawn by the script, the first of many are shown."""
    results = desk.output(index)
    if drawn:
        results.get_by_role("button", name="Show 30 more").click()
    results.get_by_text(f"W{ITEMS - 1}").first.wait_for()


@pytest.mark.parametrize("which", ["desk", "plain_desk"])
def test_stop_ends_a_run_and_after_a_restart_in_mid_run_it_is_resumed(which, request):
    desk = request.getfixturevalue(which)
    (desk.lab.home / "calls.txt").unlink(missing_ok=True)
    held = desk.lab.home / "held"
    held.unlink(missing_ok=True)
    desk.lab.write("journey.ipynb", code(SETUP), code(CELL), code("%murakkab run"), code("%murakkab run"))
    desk.open("journey.ipynb")
    if which == "desk":
        desk.panel()
    for index in (0, 1):
        desk.run(index)

    # Stop, by the notebook's own button and by that of the live view.
    desk.run(2, wait=False)
    until_calls(desk, 4)
    held.touch()
    until_partway(desk)
    if which == "desk":
        desk.stop()
    else:
        desk.output(2).locator("[data-murakkab=stop]").click()
    desk.ended(2)
    desk.output(2).get_by_text("stopped: 0 of 1 steps done").first.wait_for()
    desk.idle()
    assert desk.lab.ask("api/sessions")[0]["kernel"]["execution_state"] == "idle"
    at_stop = calls(desk)
    assert at_stop < ITEMS

    # Again; the kernel is restarted in mid-run.
    held.unlink()
    desk.run(3, wait=False)
    until_calls(desk, at_stop + 4)
    held.touch()
    desk.restart()
    desk.idle()
    lost = calls(desk)
    assert lost < ITEMS
    # Nothing says that it goes on, and nothing is offered that nobody would hear.
    desk.output(3).get_by_text("not heard of any more").wait_for()
    assert desk.output(3).locator("[data-murakkab=stop]").is_hidden()
    held.unlink()
    desk.run(0)
    if which == "desk":
        desk.status("Connected.")
        tools = desk.page.get_by_role("group", name="The latest workflow")
        tools.get_by_role("button", name="Resume").click()
        resumed = 1  # below the cell in front
    else:
        desk.select(3)
        desk.page.keyboard.press("Escape")
        desk.page.keyboard.press("b")
        desk.page.keyboard.press("Enter")
        desk.page.keyboard.type("%murakkab resume")
        desk.page.keyboard.press("Control+Enter")
        resumed = 4
    desk.ended(resumed)
    assert "%murakkab resume" in desk.cell(resumed).locator(".cm-content").inner_text()
    whole(desk, resumed, drawn=True)
    # What was finished was not made again: only what was under way when it was stopped and lost.
    assert calls(desk) < ITEMS + 20

    # Saved, and opened again when its kernel is gone: what was stopped and what was finished is still told.
    desk.save()
    desk.lab.end_kernels()
    desk.open("journey.ipynb")
    whole(desk, resumed, drawn=which == "desk")
    said = desk.page.locator(".jp-Notebook").inner_text()
    assert "stopped: 0 of 1 steps done" in said
    assert "not found" not in said
    assert desk.said == []
