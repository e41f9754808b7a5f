"""A variable's text is one word of the line, whatever it holds."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.notebook.fill import filled
from murakkab_jupyter.workflow.language.parse import split_words

LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)


@pytest.mark.parametrize("value", ["energy\t--json\t/tmp/x", "it's", "", 'a "b" c', "a\\ b", "#5", "{x}"])
def test_no_text_becomes_options_or_an_error_of_quoting(value):
    line = filled("plan news --minimize {aim} --fresh", {"aim": value})
    assert shlex.split(line) == ["plan", "news", "--minimize", value, "--fresh"]
    assert [one.text for one in split_words(line)] == shlex.split(
        line
    )  # a cell's first line is read by the language


@given(LINES.filter(lambda text: not text.startswith("-")))
def test_any_text_is_one_word_by_itself_and_within_quotes(value):
    for line in ("run {x} --fresh", 'run "{x}" --fresh', "run '{x}' --fresh"):
        made = filled(line, {"x": value})
        assert shlex.split(made) == ["run", value, "--fresh"]
        assert [one.text for one in split_words(made)] == ["run", value, "--fresh"]


def test_a_reference_may_be_part_of_a_word():
    assert shlex.split(filled('export "{folder}/a.csv"', {"folder": "/my files"})) == [
        "export",
        "/my files/a.csv",
    ]
    assert filled("--quality={floor}", {"floor": 0.5}) == "--quality=0.5"


@pytest.mark.parametrize("line", ["run {x}", "run '{x}'", "{x}"])
def test_a_variable_gives_no_option(line):
    with pytest.raises(UsageError, match="begins with a dash"):
        filled(line, {"x": "--fresh"})


def test_a_text_of_several_lines_is_told():
    with pytest.raises(UsageError, match="several lines"):
        filled("%%murakkab news --minimize {x}", {"x": "energy\nscenes <- split"})
