"""Live views say what static ones say: why a run failed, what is left out, what a plan gives up, where evidence lies."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from murakkab_jupyter.core.kinds import Answer, Evidence, Scene
from murakkab_jupyter.notebook.hub import hub_module, slot, source
from murakkab_jupyter.notebook.views.found import results_json
from murakkab_jupyter.notebook.views.html import Bundle
from murakkab_jupyter.notebook.views.results import Results, results_view
from tests.labextension.test_sheets import sheets
from tests.notebook import samples
from tests.notebook.test_safe import PAGE

pytestmark = pytest.mark.media


def drawn(page, shown: dict, static: dict[str, Bundle] | None = None) -> str:
    """The text of live views, drawn in a plain page."""
    given = {"hub": hub_module(), "style": source("views.css"), "sheets": shown}
    given["scripts"] = {kind: source(f"{kind}.js") for kind in shown}
    still = Bundle("<div>static</div>", "")
    page.set_content("".join(slot((static or {}).get(kind, still), kind).html for kind in shown))
    return page.evaluate(f"async given => {{{PAGE}}}", given)["text"]


@pytest.fixture
def page(browser):
    one = browser.new_page()
    yield one
    one.close()


def test_a_live_run_says_why_it_failed_and_how_many_marks_are_left_out(page):
    run = sheets()["run"]
    said = drawn(page, {"run": run})
    assert "are left out" not in said
    assert "What runs when, by worker slot" in said
    assert not page.locator(".mk-why").is_visible()
    said = drawn(page, {"run": {**run, "status": "failed", "message": "No worker is left.", "left_out": 7}})
    assert "7 more in between are left out." in said
    assert page.locator(".mk-why").inner_text() == "No worker is left."
    assert "What ran when, by worker slot" in said


def test_the_table_of_a_live_frontier_says_what_each_plan_gives_up(page):
    frontier = sheets()["frontier"]
    for number, point in enumerate(frontier["points"]):
        point["gives"] = f"In between; gives up {number + 3} J."
    drawn(page, {"frontier": frontier})
    table = page.locator(".mk-plans").inner_text()
    assert re.findall(r"gives up (\d+) J", table) == ["3", "4"]


def test_views_of_a_kernel_that_is_gone_say_so_and_what_they_cannot_do_any_more_is_not_offered(page):
    drawn(page, {kind: sheets()[kind] for kind in ("run", "frontier")})
    run = page.locator(".murakkab-live-run")
    stop = run.locator("[data-murakkab=stop]")
    before = run.inner_text()
    page.evaluate("window.lose()")
    assert "not heard of any more" in run.inner_text()
    assert "The kernel was started anew: this is what was heard last" in run.inner_text()
    assert stop.is_hidden()
    # The static frontier names the line that takes a plan.
    assert page.locator(".murakkab-live-frontier").count() == 0
    assert page.locator("[data-murakkab-view=frontier]").inner_text() == "static"

    page.evaluate("window.show()")  # it was the connection alone
    assert stop.is_visible()
    assert "The kernel was started anew" not in run.inner_text()
    assert "not heard of any more" not in run.inner_text()
    assert run.locator(".mk-head").inner_text().startswith(before.split("\n", 1)[0])


def test_evidence_leads_to_the_scene_of_its_own_file(page):
    made = samples.values(2)["videos"][(("videos", 0),)]
    clips = [replace(made, media=replace(made.media, path=f"/{one}/clip.mp4")) for one in "ab"]
    keys = [(("videos", number), ("scenes", 0)) for number in range(2)]
    values = {
        "scenes": {key: Scene(clip, 0.0, 5.0) for key, clip in zip(keys, clips, strict=True)},
        "answer": {(("videos", 1),): Answer("Yes.", (Evidence("/b/clip.mp4", 1.0, 2.0),))},
    }
    results = Results(samples.newsroom(), values)
    drawn(page, {"results": results_json(results)}, {"results": results_view(results)})
    page.locator(".mk-evidence .mk-link").click()
    assert page.evaluate("document.activeElement.innerText").startswith("b/clip.mp4 0:00–0:05")


def test_live_results_stand_in_the_place_of_static_ones_with_their_stills(page):
    results = samples.results()
    drawn(page, {"results": results_json(results)}, {"results": results_view(results)})
    assert not page.locator(".ms-card").first.is_visible()
    stills = page.evaluate(
        "[...document.querySelectorAll('.mk-item img')].map(one => one.getAttribute('src'))"
    )
    own = page.evaluate("[...document.querySelectorAll('.ms-card img')].map(one => one.getAttribute('src'))")
    assert stills == own != []
    # Without a notebook to put it into, no button offers to put a line there.
    assert page.get_by_role("button", name="Put that into a cell").count() == 0
    page.get_by_label("Find in these results").fill("no such words anywhere")
    page.get_by_text(f"0 of {len(results.values['scenes'])} items").wait_for()
    assert page.locator(".mk-item:visible").count() == 0


def test_long_live_results_say_where_the_rest_is(page):
    results = samples.results(70)
    said = drawn(page, {"results": results_json(results)}, {"results": results_view(results)})
    assert "60 of 70 shown" in said  # what is drawn has had every button pressed
    assert "All are in newsroom.to_pandas() where it ran." in said
    assert page.get_by_role("button", name="Put that into a cell").count() == 0


def test_buttons_for_more_of_a_value_are_named_by_what_they_do_whose_and_of_what(page):
    values = samples.values(2)
    keys = list(values["scenes"])
    values = {"scenes": values["scenes"], "transcript": dict.fromkeys(keys, "word " * 200)}
    results = Results(samples.newsroom(), values)
    drawn(page, {"results": results_json(results)}, {"results": results_view(results)})
    buttons = page.locator(".mk-link[aria-expanded]")
    where = [one["where"] for group in results_json(results)["groups"] for one in group["items"]]
    assert len(set(where)) == buttons.count() == len(keys)

    def named(word: str) -> None:
        assert buttons.all_inner_texts() == [word] * len(keys)
        labels = [one.get_attribute("aria-label") for one in buttons.all()]
        assert labels == [f"{word} of transcript, {one}" for one in where]

    named("Less")  # what is drawn has had every button pressed
    for button in buttons.all():
        button.click()
    named("More")


def test_plans_that_the_picture_of_a_frontier_lacks_are_told_as_long_as_it_lacks_them(page):
    frontier = sheets()["frontier"]
    x, y = frontier["x"], frontier["y"]
    other = next(key for key in frontier["axes"] if key not in (x, y))
    frontier["points"][0]["values"][x] = None
    drawn(page, {"frontier": frontier})
    note = page.get_by_text("1 more is in the table")
    note.wait_for()
    assert page.get_by_text("chosen one already").or_(page.get_by_text("Taking plan")).count() == 1
    page.get_by_label("Across").select_option(other)
    note.wait_for(state="detached")
    page.get_by_label("Across").select_option(x)
    note.wait_for()
