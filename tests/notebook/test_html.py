"""HTML and tables of text: escaped, cleaned, aligned."""

from __future__ import annotations

import re

from murakkab_jupyter.notebook.views.html import clean, shorten, tag, text_table
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.results import results_view
from murakkab_jupyter.notebook.views.values import file_name, value_words
from tests.notebook import samples


def test_tag_escapes_what_is_no_markup():
    assert tag("b", "<i>", tag("i", "x"), title='"') == '<b title="&quot;">&lt;i&gt;<i>x</i></b>'


def test_dollars_and_backslashes_are_no_formulas():
    assert tag("b", "$5 to $9 \\(x\\)").count("<span>$</span>") == 2
    shown = results_view(samples.results()).html + plan_view(samples.plan()).html
    assert re.findall(r"\$[^<]*\$", re.sub(r'"[^"]*"', "", shown)) == []


def test_clean_keeps_letters_of_all_scripts_and_drops_controls():
    assert clean("Grüße 日本 👩‍🚀\n\ta") == "Grüße 日本 👩‍🚀\n\ta"
    assert "\x1b" not in clean("\x1b[31mred")


def test_text_tables_align_wide_characters():
    lines = text_table([("a", "left"), ("b", "right")], [["日本", 1], ["x", 10]]).split("\n")
    assert lines[2] == "日本   1"
    assert lines[3] == "x     10"


def test_shorten_and_file_names():
    assert shorten("a  b\nc", 3) == "a…"
    assert file_name("C:\\films\\a.mp4") == "a.mp4"
    assert value_words(None) == "nothing"
    assert value_words("") == "(empty)"
