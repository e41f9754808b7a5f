"""Long results say how many are shown of how many, and lead to the rest."""

from __future__ import annotations

from murakkab_jupyter.core.kinds import Answer, Evidence
from murakkab_jupyter.notebook.views.found import RESULTS_TYPE, results_json
from murakkab_jupyter.notebook.views.results import Results, results_view
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.labextension.lab import code, serious, shown
from tests.notebook import samples

SCENES = 300


def output(results: Results) -> dict:
    """As a run leaves it: data, and beside it the HTML that holds the stills."""
    html = results_view(results).html
    return shown({RESULTS_TYPE: results_json(results), "text/html": html, "text/plain": "static"})


def scenes() -> Results:
    """Three hundred scenes, and an answer with evidence in the fortieth."""
    found = samples.results(SCENES)
    values = {name: dict(these) for name, these in found.values.items()}
    keys = sorted(values["scenes"])
    proofs = [
        Evidence(scene.media.media.path, scene.start_s, scene.end_s, f"proof {number}")
        for number in range(39, 49)
        for scene in (values["scenes"][keys[number]],)
    ]
    values["answer"] = {(): Answer("Yes.", tuple(proofs))}
    return Results(found.workflow, values, (), samples.jpeg)


def texts() -> Results:
    """Five hundred short values, and one long one."""
    level = ("notes",)
    flow = Workflow(
        "digest",
        "",
        (Variable("notes", "text", level),),
        (
            Step("gist", "shorten", "python", level, False, "text", (Input("notes", "text", "same"),)),
            Step("story", "tell", "python", (), False, "text", (Input("gist", "text", "gathered"),)),
        ),
        Goal(),
        "",
    )
    keys = [(("notes", number),) for number in range(500)]
    return Results(
        flow,
        {
            "notes": {key: f"note {number}" for number, key in enumerate(keys)},
            "gist": {key: f"gist {number}" for number, key in enumerate(keys)},
            "story": {(): "word " * 3000},
        },
        tuple(("gist", key, "too long") for key in keys[:15]),
    )


def test_some_cards_are_shown_and_more_on_demand_and_the_rest_is_a_line_away(desk):
    desk.lab.write("long.ipynb", code("1", [output(scenes())]))
    desk.open("long.ipynb", kernel=False)
    view = desk.output(0).locator(".jp-murakkab-results")
    cards = view.locator(".mk-item:visible")
    scenes_bar = view.get_by_role("group", name="How many videos/scenes are shown")
    scenes_bar.get_by_text(f"12 of {SCENES} shown").wait_for()
    assert cards.count() == 12
    assert serious(desk.page) == []
    scenes_bar.get_by_role("button", name="Show 12 more").click()
    scenes_bar.get_by_text(f"24 of {SCENES} shown").wait_for()
    assert cards.count() == 24
    # Whoever asked by key goes on where the new ones begin.
    focused = "one => [...document.querySelectorAll('.mk-item')].indexOf(document.activeElement)"
    assert view.evaluate(focused) == 12

    # Words are looked for among all that are kept, and where there are more it is said.
    find = view.get_by_label("Find in these results")
    find.fill("scene")
    view.locator(".mk-hits", has_text="of 60 items that are kept here").wait_for()
    assert not scenes_bar.is_visible()
    find.fill("")
    assert cards.count() == 24

    # Evidence, of which some is shown at first, leads to a scene that was not shown yet.
    proofs = view.locator(".mk-evidence li:visible")
    assert proofs.count() == 6
    view.get_by_role("group", name="How many pieces of evidence").get_by_text("6 of 10 shown").wait_for()
    view.get_by_role("group", name="How many pieces of evidence").get_by_role("button").first.click()
    assert proofs.count() == 10
    proofs.first.get_by_role("button").click()
    assert view.evaluate(focused) == 39
    assert cards.count() == 40

    scenes_bar.get_by_role("button", name="Show all 60 kept here").click()
    scenes_bar.get_by_text(f"60 of {SCENES} shown").wait_for()
    assert cards.count() == 60
    assert scenes_bar.get_by_role("button", name="Show").count() == 0
    scenes_bar.get_by_role("button", name="Put that into a cell").click()
    desk.cell(1).wait_for()
    assert desk.cell(1).locator(".cm-content").inner_text() == "newsroom.to_pandas()"
    assert desk.said == []


def test_rows_failures_and_long_texts_say_what_they_leave_out(desk):
    desk.lab.write("rows.ipynb", code("1", [output(texts())]))
    with desk.lab.theme("Dark"):
        desk.open("rows.ipynb", kernel=False)
        desk.page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    view = desk.output(0).locator(".jp-murakkab-results")
    rows = view.get_by_role("group", name="How many notes are shown")
    rows.get_by_text("30 of 500 shown").wait_for()
    assert serious(desk.page) == []
    assert view.locator("tbody tr:visible").count() == 30
    kept = int(rows.get_by_role("button", name="kept here").inner_text().split()[2])
    rows.get_by_role("button", name="kept here").click()
    rows.get_by_text(f"{kept} of 500 shown").wait_for()
    assert view.locator("tbody tr:visible").count() == kept > 30
    failures = view.get_by_role("group", name="How many failures are shown")
    failures.get_by_text("10 of 15 shown").wait_for()
    failures.get_by_role("button", name="Show 5 more").click()
    assert view.locator(".mk-failures li:visible").count() == 15
    assert not failures.is_visible()
    view.get_by_role("button", name="More of story", exact=True).click()
    view.get_by_text('4,000 of 14,999 characters; all: digest.outputs["story"]').wait_for()
    view.get_by_role("button", name="Less of story", exact=True).click()
    assert not view.get_by_text("of 14,999 characters").is_visible()
