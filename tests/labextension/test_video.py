"""The video tutorial in the browser: run live, saved, and opened again by its owner and by strangers."""

from __future__ import annotations

import re

import pytest

from tests.labextension.lab import code

pytestmark = [pytest.mark.media, pytest.mark.timeout(700)]

RUN = 3
"""Which code cell is `%murakkab run --fresh`."""
FRONTIER = 8
"""Which is `%murakkab frontier`."""
LAST = "kept"
"""A step of the user's own that this notebook does not have, which ends when it is let go."""
HELD = """
def keep(answer):
    import os, time
    while os.path.exists("held-video"):  # however long the person takes
        time.sleep(0.05)
    return answer"""
STEPS = 7
"""With that one."""


def outputs(newsroom) -> list[dict]:
    return [one for cell in newsroom.cells if cell["cell_type"] == "code" for one in cell["outputs"]]


def test_it_runs_to_its_end_and_the_bars_of_progress_move(newsroom):
    assert not [one for one in outputs(newsroom) if one["output_type"] == "error"]
    assert newsroom.said == []
    # What lies between is seen where a run stands still: test_journey.py.
    assert {0, 100} <= set(newsroom.moved)
    assert {"run", "frontier"} <= set(newsroom.views)


def test_a_click_on_the_frontier_takes_the_plan(newsroom):
    said, chosen = newsroom.taken
    assert "%murakkab run newsroom" in said
    assert chosen == 1


def test_what_is_saved_is_small_and_no_widget_is_in_it(newsroom):
    assert newsroom.size < 300_000
    assert not [kind for one in outputs(newsroom) for kind in one.get("data", {}) if "widget" in kind]


def assert_told(desk, *, extension: bool):
    """Plan, results with stills and bill are there, and no view says that its model is missing."""
    page = desk.page
    run = desk.output(RUN)
    run.get_by_text("Results (done)").wait_for()
    run.get_by_text("Bill", exact=True).wait_for()
    assert run.locator("img[src^='data:image/jpeg']").count() >= 3
    assert "negotiations" in run.inner_text()
    assert "Evidence" in run.inner_text()
    assert desk.output(2).get_by_text("Plan", exact=True).count() == 1
    said = page.locator(".jp-Notebook").first.inner_text()
    for words in ("model not found", "Error displaying", "application/vnd", "[object Object]"):
        assert words not in said
    assert run.locator(".jp-murakkab-run .mk-bar").first.is_visible() is extension
    assert run.get_by_text("By the plan: ").count() == 1
    assert desk.said == []


def done(desk, index: int) -> list[str]:
    """The steps that the view of a run says are done, in a cell that may still be running."""
    rows = desk.output(index).locator("table[aria-label='Progress of each step'] tr", has_text="● done")
    return rows.locator("th").all_inner_texts()


def until_done(desk, index: int, least: int) -> list[str]:
    """Until so many steps are done, and not all of them."""
    for _ in range(2400):
        if least <= len(steps := done(desk, index)):
            assert len(steps) < STEPS
            return steps
        desk.page.wait_for_timeout(100)
    raise AssertionError(done(desk, index))


def test_its_kernel_is_restarted_in_mid_run_it_is_resumed_stopped_and_resumed_again(newsroom, desk, tmp_path):
    cells = ["".join(one["source"]) for one in newsroom.cells if one["cell_type"] == "code"][: RUN + 1]
    # With a journal of its own: from that of the runs before it all would be taken at once.
    cells[0] = f"%env MURAKKAB_JOURNAL={tmp_path / 'resumed.sqlite'}\n{cells[0]}\n{HELD}"
    cells[RUN - 1] = f"{cells[RUN - 1].rstrip()}\n{LAST} <- keep {{answer}} @python:keep\n"
    held = desk.lab.home / "held-video"
    held.touch()
    desk.lab.write("resumed-video.ipynb", *(code(one) for one in (*cells, *["%murakkab resume"] * 2)))
    desk.open("resumed-video.ipynb")
    for index in range(RUN):
        desk.run(index)
    desk.run(RUN, wait=False)
    finished = until_done(desk, RUN, 1)
    desk.restart()
    desk.idle()

    # A new kernel, which has its models to load, goes on; and is stopped when one more step is done, if it can be.
    desk.run(0)
    desk.run(RUN + 1, wait=False)
    finished = until_done(desk, RUN + 1, min(len(finished) + 1, STEPS - 1))
    desk.stop()
    desk.ended(RUN + 1)
    stopped = re.compile(rf"stopped: [1-{STEPS - 1}] of {STEPS} steps done")
    desk.output(RUN + 1).get_by_text(stopped).first.wait_for()
    assert set(finished) <= set(done(desk, RUN + 1))
    desk.idle()

    held.unlink()
    desk.run(RUN + 2)
    run = desk.output(RUN + 2)
    run.get_by_text("Results (done)").wait_for()
    assert "Evidence" in run.inner_text()
    # What was finished at the stop was not made again: no slot was taken for it.
    run.locator(".mk-bar").first.wait_for()
    bars = run.locator(".mk-bar").evaluate_all("all => all.map(one => one.ariaLabel)")
    again = {one.split(",")[0] for one in bars}
    assert LAST in again
    assert again.isdisjoint(finished)
    assert desk.said == []


def test_reopened_without_a_kernel_it_tells_the_same_to_its_owner(newsroom, desk):
    desk.open(newsroom.name)
    assert_told(desk, extension=True)


def test_reopened_by_a_stranger_it_tells_the_same(newsroom, desk):
    # One more cell makes it another notebook, which this user has not signed.
    desk.lab.write("stranger-video.ipynb", *newsroom.cells, code("1"))
    desk.open("stranger-video.ipynb")
    assert_told(desk, extension=True)


def test_reopened_where_there_is_no_extension_it_tells_the_same(newsroom, plain_desk):
    plain_desk.lab.write("video.ipynb", *newsroom.cells)
    plain_desk.open("video.ipynb")
    assert_told(plain_desk, extension=False)


def test_a_frontier_whose_kernel_is_gone_can_be_explored_and_gives_the_line_that_takes_a_plan(newsroom, desk):
    desk.open(newsroom.name)
    frontier = desk.output(FRONTIER).locator(".jp-murakkab-frontier")
    frontier.wait_for()
    points = frontier.locator(".mk-point")
    assert points.count() >= 2
    places = points.evaluate_all("all => all.map(one => one.firstElementChild.getAttribute('cx'))")
    across = frontier.get_by_label("Across")
    others = [one for one in across.locator("option").all_inner_texts() if one != across.input_value()]
    across.select_option(label=others[-1])
    moved = points.evaluate_all("all => all.map(one => one.firstElementChild.getAttribute('cx'))")
    assert moved != places
    other = frontier.locator(".mk-point[aria-pressed=false]").first
    number = other.get_attribute("data-number")
    other.focus()
    assert frontier.locator(".mk-card strong").inner_text() == f"Plan {number}"
    assert re.search(
        r"Energy.*(measured|published|prior)", frontier.locator(".mk-card .mk-from").inner_text()
    )
    before = desk.page.locator(".jp-CodeCell").count()
    other.focus()
    desk.page.keyboard.press("Enter")
    frontier.get_by_text(f"The line that takes plan {number}").wait_for()
    assert desk.page.locator(".jp-CodeCell").count() == before + 1
    line = desk.cell(FRONTIER + 1).locator(".cm-content").inner_text()
    assert line == f"%murakkab frontier newsroom --take {number}"


def test_an_answer_leads_to_its_scene_and_words_are_found_among_the_scenes(newsroom, desk):
    desk.open(newsroom.name)
    results = desk.output(RUN).locator(".jp-murakkab-results")
    results.wait_for()
    results.locator(".mk-evidence button").first.click()
    assert "mk-item" in desk.page.evaluate("document.activeElement.className")
    cards = results.locator(".mk-item:visible")
    every = cards.count()
    assert every >= 3
    clip = cards.first.locator(".mk-item-head").inner_text().split()[0]
    results.get_by_label("Find in these results").fill(clip)
    results.locator(".mk-hits", has_text="of").wait_for()
    assert 0 < cards.count() < every
    results.get_by_label("Find in these results").fill("no such words at all")
    results.get_by_text(f"0 of {every} items").wait_for()
    results.get_by_label("Find in these results").fill("")
    assert cards.count() == every
