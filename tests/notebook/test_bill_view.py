"""The view of a bill: the plan beside it, what never began, what is added up."""

from __future__ import annotations

from dataclasses import replace

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook.views.bill import bill_json, bill_view
from murakkab_jupyter.notebook.views.figures import figure_text
from tests.notebook import samples
from tests.notebook.pages import words_of


def test_a_bills_legend_has_no_bullet_in_front_ends_either():
    *notes, marks = bill_json(samples.bill())["notes"]
    assert marks.startswith("~ prior")
    assert notes
    assert all(one.startswith("• ") for one in notes)


def test_a_bill_shows_the_plan_beside_and_its_lines_add_up():
    bill = samples.bill()
    shown = bill_view(bill, name="newsroom")
    assert "plan ~15.1 s" in shown.text
    assert "estimate" in shown.text
    assert "idle" in shown.text
    assert figure_text(bill.total.energy_j) in words_of(shown)
    assert "tokens 812 in, 190 out" in shown.text


def test_a_step_that_never_began_says_so_in_its_bill():
    bill = samples.bill()
    nothing = Figure(0.0, "s", source="measured")
    line = replace(bill.steps[-1], done=0, begun=False, latency_s=nothing, cpu_s=nothing)
    assert "not begun" not in bill_view(bill).text
    text = bill_view(replace(bill, steps=(*bill.steps[:-1], line))).text
    row = next(one for one in text.splitlines() if one.startswith(line.name))
    assert "not begun" in row
    assert "unknown" not in row


def test_a_bill_does_not_claim_that_times_add_up():
    assert "their times do not" in bill_view(samples.bill()).text
