"""Words of any script, many columns, many values and many steps, as a page without widgets shows them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from murakkab_jupyter.core.kinds import Answer
from murakkab_jupyter.notebook.views.answer import answer_view
from murakkab_jupyter.notebook.views.html import table
from murakkab_jupyter.notebook.views.progress import StepMoment, count_words
from murakkab_jupyter.notebook.views.results import Results, results_view
from murakkab_jupyter.notebook.views.run import run_sheet
from murakkab_jupyter.notebook.views.values import value_html
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.notebook import samples

ARABIC = "مرحبا بالعالم، هذا نص (قصير)."


def test_a_text_from_right_to_left_is_set_so_and_others_cost_no_markup():
    assert value_html(ARABIC) == f'<span dir="auto">{ARABIC}</span>'
    assert value_html("שלום") == '<span dir="auto">שלום</span>'
    assert value_html("plain") == "plain"
    assert 'dir="auto"' not in value_html("two\nlines")
    assert 'dir="auto"' in value_html(f"{ARABIC}\n{ARABIC}")
    assert 'dir="auto" style="font-size:15px' in answer_view(Answer(ARABIC)).html


def test_long_words_in_a_table_of_many_columns_keep_room_and_short_ones_do_not():
    names = [f"s{number}" for number in range(9)]
    columns = [(name, "left") for name in names]
    rows = [["short"] * 8 + ["words that are more than a column is wide"], ["short"] * 8 + ["x"]]
    made = table(columns, rows, caption="c")
    assert made.count("min-width") == 1
    assert '<th scope="col" style="text-align:left;min-width:9em">s8</th>' in made
    # Few columns share the page's width by themselves.
    assert "min-width" not in table(columns[-3:], [row[-3:] for row in rows], caption="c")


def test_thousands_are_told_apart():
    assert count_words(StepMoment(done=1990, failed=10, total=12000)) == "2,000 of 12,000, 10 failed"
    assert count_words(StepMoment(done=1500, expected=2500.0)) == "1,500 of about 2,500"
    level = ("notes",)
    flow = Workflow(
        "digest",
        "",
        (Variable("notes", "text", level),),
        (Step("gist", "shorten", "python", level, False, "text", (Input("notes", "text", "same"),)),),
        Goal(),
        "",
    )
    keys = [(("notes", number),) for number in range(1200)]
    shown = results_view(Results(flow, {name: dict.fromkeys(keys, "x") for name in ("notes", "gist")}))
    assert "digest · 1,200 values" in shown.text
    assert re.search(r"and 1,\d{3} more rows", shown.html)


def test_code_keeps_its_indents():
    code = "def f(x):\n    return x"
    assert value_html(code) == f'<span style="white-space:pre-wrap">{code}</span>'
    assert "white-space:pre-wrap" in answer_view(Answer(code)).html


@pytest.mark.parametrize(("brief", "shown"), [("in brief", 3), ("", 50)])
def test_all_that_failed_are_counted_however_few_are_shown(brief, shown):
    found = samples.results()
    failures = tuple(("summary", (("videos", 0), ("scenes", number)), "x" * 300) for number in range(60))
    view = results_view(replace(found, failures=failures), brief=brief)
    for said in (view.html, view.text):
        assert "✕ 60 items failed" in said
        assert f"{60 - shown} more failed." in said
    assert view.html.count('overflow-wrap:anywhere">xxx') == shown


def test_steps_that_run_alike_are_told_together():
    state = samples.run_state()
    one = next(iter(state.plan.steps.values())).configuration
    state.plan = replace(
        state.plan, steps={name: replace(step, configuration=one) for name, step in state.plan.steps.items()}
    )
    by = run_sheet(state)["by"]
    assert by.endswith(f"{', '.join(state.plan.steps)} by {one.agent} (stride=2) on cpu, 1 × 2 cores")
