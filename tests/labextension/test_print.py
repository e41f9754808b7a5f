"""On paper nothing can be scrolled: what a page shows in part is there whole."""

from __future__ import annotations

from itertools import pairwise

import pytest

from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.results import Results, results_view
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.notebook import samples

PAPER = 690
"""Pixels of the width of A4 between its margins."""
BEYOND = """() => [...document.querySelectorAll('.ms-scroll')].flatMap(one => {
  const page = one.getBoundingClientRect();
  return [...one.querySelectorAll('th, td')].filter(cell => cell.getBoundingClientRect().right > page.right + 1).map(cell => cell.textContent);
})"""


def chain(steps: int) -> Results:
    """A workflow of many steps, each with words for each of three notes."""
    level = ("notes",)
    names = ["notes", *(f"step_number_{number}" for number in range(steps))]
    made = tuple(
        Step(name, "do", "python", level, False, "text", (Input(before, "text", "same"),))
        for before, name in pairwise(names)
    )
    flow = Workflow("chain", "", (Variable("notes", "text", level),), made, Goal(), "")
    keys = [(("notes", number),) for number in range(3)]
    return Results(flow, {name: dict.fromkeys(keys, "what the harbour's council said") for name in names})


@pytest.mark.parametrize(
    "shown", [results_view(chain(12)), plan_view(samples.plan())], ids=["results", "plan"]
)
def test_no_column_is_lost_on_paper(browser, shown):
    page = browser.new_page(viewport={"width": PAPER, "height": 1000})
    page.set_content(f"<body style='margin:0'>{shown.html}</body>")
    page.emulate_media(media="print")
    assert page.locator(".ms-scroll th").count() > 8
    assert page.evaluate(BEYOND) == []
    page.close()


def test_on_a_screen_a_wide_table_scrolls(browser):
    page = browser.new_page(viewport={"width": PAPER, "height": 1000})
    page.set_content(f"<body style='margin:0'>{results_view(chain(12)).html}</body>")
    assert page.evaluate(BEYOND) != []
    page.close()
