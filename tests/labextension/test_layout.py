"""Views in a narrow page and in a notebook that nobody trusts: all is in sight, in reach and readable."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest

from tests.labextension.lab import code, shown, sit_down
from tests.labextension.test_extremes import PLAIN, views
from tests.labextension.test_screenshots import DIGEST, FLOW, NOTES, SETUP

pytestmark = [pytest.mark.media, pytest.mark.timeout(500)]

PLACES = "[data-murakkab=frontier-point] circle"


@pytest.fixture
def narrow(plain_lab, browser):
    one, context = sit_down(plain_lab, browser, width=800)
    yield one
    context.close()


def open_narrow(desk, name: str) -> None:
    desk.open(name)
    desk.page.keyboard.press("Control+B")  # away with the list of files, as one does on a small screen


def too_wide(desk, index: int, *, figures: bool) -> list[str]:
    """What of ours reaches out of its output; with `figures`, also tables that scroll across."""
    scrolls = ".ms-scroll, .mk-scroll, " if figures else ""
    return desk.output(index).evaluate(
        f"""output => [...output.querySelectorAll('{scrolls}.murakkab, .murakkab-live')]
        .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
        .map(one => `${{one.className}} ${{one.scrollWidth}} > ${{one.clientWidth}}: ${{one.textContent.slice(0, 80)}}`)"""
    )


def test_plan_run_bill_and_frontier_fit_into_800_pixels_live_and_as_they_are_saved(narrow):
    desk = narrow
    desk.lab.write("narrow.ipynb", *(code(one) for one in FLOW[:6]))
    open_narrow(desk, "narrow.ipynb")
    for index in range(6):
        desk.run(index)
    desk.output(5).locator("[data-murakkab=frontier]").wait_for()
    # How long the figures are is as they were measured: only a table may scroll for them.
    for index in (1, 2, 4, 5):
        assert too_wide(desk, index, figures=False) == []
    desk.save()
    desk.lab.end_kernels()
    desk.lab.trust("narrow.ipynb")
    open_narrow(desk, "narrow.ipynb")
    desk.output(5).locator(".murakkab style").wait_for(state="attached")
    for index in (1, 2, 4, 5):
        assert too_wide(desk, index, figures=False) == []


@pytest.mark.parametrize("kind", ["common", "unknown"])
def test_tables_of_given_figures_do_not_scroll_in_800_pixels_live_and_as_they_are_saved(narrow, kind):
    desk = narrow
    live, static = views(kind, PLAIN, "newsroom")
    saved = code("1", [shown({"text/html": html, "text/plain": "static"}) for html in static.values()])
    desk.lab.write("given.ipynb", code(GIVEN.format(views=json.dumps(live))), saved)
    desk.lab.trust("given.ipynb")
    open_narrow(desk, "given.ipynb")
    desk.output(1).locator(".murakkab style").first.wait_for(state="attached")
    assert desk.output(1).locator(".ms-scroll").count() > len(static)
    assert too_wide(desk, 1, figures=True) == []
    desk.run(0)
    for number in range(len(live)):
        desk.output(0).locator(".murakkab-live").nth(number).wait_for()
    assert too_wide(desk, 0, figures=True) == []


def test_cards_of_results_fit_a_column_that_is_narrower_than_a_card_where_nobody_trusts_them(narrow):
    desk = narrow
    _, static = views("common", PLAIN, "newsroom")
    desk.lab.write(
        "cards.ipynb", code("1", [shown({"text/html": static["results"], "text/plain": "static"})])
    )
    desk.open("cards.ipynb", kernel=False)
    cards = desk.output(0).locator(".ms-cards")
    cards.first.wait_for()
    assert desk.output(0).locator("style").count() == 0
    inside = cards.evaluate_all(
        """all => all.map(one => {
          one.parentElement.style.width = '300px';
          return [one.clientWidth, one.scrollWidth, one.children.length];
        })"""
    )
    assert inside
    assert [(wide, needs) for wide, needs, held in inside if needs > wide or not held] == []


GIVEN = """%load_ext murakkab_jupyter
import json
from IPython.display import display
from murakkab_jupyter.notebook.hub import slot
from murakkab_jupyter.notebook.views.html import Bundle

hub = get_ipython().magics_manager.registry['MurakkabMagics'].screen.hub
for kind, sheet in json.loads({views!r}).values():
    display(slot(Bundle("<div>static</div>", "static"), hub.open(kind, sheet)))"""


def test_every_plan_of_a_crowded_frontier_can_be_read_pointed_at_and_reached_by_key(plain_desk):
    desk = plain_desk
    desk.lab.write("crowd.ipynb", code(SETUP), code(NOTES), code(DIGEST), code(CROWD))
    desk.open("crowd.ipynb")
    for index in range(4):
        desk.run(index)
    view = desk.output(3).locator("[data-murakkab=frontier]")
    view.wait_for()
    places = view.locator(PLACES).evaluate_all(
        "all => all.map(one => [one.cx.baseVal.value, one.cy.baseVal.value])"
    )
    assert len(places) == 12
    gaps = [math.dist(a, b) for i, a in enumerate(places) for b in places[:i]]
    assert min(gaps) > 20
    view.scroll_into_view_if_needed()
    hit = view.evaluate(
        """view => [...view.querySelectorAll('[data-murakkab=frontier-point]')].map(one => {
          const box = one.querySelector('circle').getBoundingClientRect();
          const at = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
          return at?.closest('[data-number]')?.dataset.number === one.dataset.number;
        })"""
    )
    assert hit == [True] * 12
    view.locator("[data-murakkab=frontier-point][tabindex='0']").first.focus()
    desk.page.keyboard.press("Home")
    reached = ["1"]
    for _ in range(11):
        desk.page.keyboard.press("ArrowRight")
        reached.append(desk.page.evaluate("document.activeElement.dataset.number"))
    assert all(int(a) + 1 == int(b) for a, b in pairwise(reached))


CROWD = """magics = get_ipython().magics_manager.registry['MurakkabMagics']
one = magics.bench.find('digest')
one.plan = one.plan or magics.bench.plan(one)
magics.screen.frontier(one, [one.plan] * 12)"""


def test_a_notebook_that_nobody_trusts_is_readable_although_its_style_sheets_are_stripped(plain_desk):
    desk = plain_desk
    desk.lab.write("mine.ipynb", *(code(one) for one in FLOW[:3]))
    desk.open("mine.ipynb")
    for index in range(3):
        desk.run(index)
    desk.save()
    cells = desk.lab.read("mine.ipynb")["cells"]
    desk.lab.end_kernels()
    desk.lab.write("stranger.ipynb", *cells, code("1"))
    desk.open("stranger.ipynb", kernel=False)
    run = desk.output(2)
    run.get_by_text("Results (partial)").wait_for()
    assert run.locator("style").count() == 0
    words = run.inner_text()
    assert "ms-table" not in words  # the sheet is gone with its words
    assert "container-type" not in words
    cell = run.locator("table[aria-label], table").first.locator("tbody td").first
    assert cell.evaluate("one => getComputedStyle(one).textAlign") == "left"
    assert cell.inner_text() == "clip0"
    assert run.get_by_text("Bill", exact=True).is_visible()
