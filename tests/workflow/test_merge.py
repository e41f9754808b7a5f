"""One workflow in several cells."""

from __future__ import annotations

from murakkab_jupyter.workflow.language import bind, parse
from murakkab_jupyter.workflow.language.merge import merge

from .conftest import VALUES

FIRST = parse(
    "%%murakkab news --minimize energy\nWhat is said.\nt <- transcribe {videos}\ns <- summarise {t}\n  Briefly: {t}"
)


def test_steps_of_several_cells_make_one_workflow(library):
    second = parse("%%murakkab news\na <- answer {question} from {s} @question-answering paths=3")
    merged = merge(merge({}, FIRST, "cell-1").cells, second, "cell-2")
    assert [step.name for step in merged.cell.steps] == ["t", "s", "a"]
    assert merged.notices == ()
    workflow = bind(merged.cell, library=library, values=VALUES)
    assert workflow.goal.objectives == ("energy",)
    assert workflow.description == "What is said."
    assert bind(parse(workflow.text), library=library, values=VALUES) == workflow


def test_the_later_of_two_steps_of_one_name_wins_with_a_notice():
    second = parse("s <- summarise {videos}")
    merged = merge({"cell-1": FIRST}, second, "cell-2")
    assert [(step.name, step.sentence) for step in merged.cell.steps] == [
        ("t", "transcribe {videos}"),
        ("s", "summarise {videos}"),
    ]
    assert merged.notices == ("Step `s` of an earlier cell is replaced.",)


def test_running_a_cell_again_replaces_its_own_steps_silently():
    again = parse("t <- transcribe {videos}\nshort <- summarise {t}")
    merged = merge({"cell-1": FIRST}, again, "cell-1")
    assert [step.name for step in merged.cell.steps] == ["t", "short"]
    assert merged.notices == ()


def test_without_an_id_a_cell_is_known_by_the_names_it_defines():
    once = merge({}, FIRST).cells
    again = merge(once, parse("s <- summarise {t}\nt <- transcribe all {videos}"))
    assert len(again.cells) == 1
    assert again.notices == ()


def test_a_cell_whose_steps_are_all_taken_over_is_gone():
    merged = merge({"cell-1": FIRST}, parse("s <- write a poem\nt <- write a song"), "cell-2")
    assert list(merged.cells) == ["cell-2"]
    assert len(merged.notices) == 2


def test_merging_changes_nothing_that_was_given():
    cells = {"cell-1": FIRST}
    merge(cells, parse("s <- write a poem"), "cell-2")
    assert cells == {"cell-1": FIRST}
