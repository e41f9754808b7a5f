"""A notebook that has seen several runs stays small enough for a repository, with the extension's data in it too."""

from __future__ import annotations

import html
import json
import re

SETUP = """%load_ext murakkab_jupyter
%config MurakkabMagics.saved_kb = 0
from murakkab_jupyter.notebook import screen
screen.has_extension = lambda: True  # its data is saved as well

WORDS = "the council met and decided that the east pier of the harbour is to be rebuilt in stone "

def first(text):
    return text[:60]

def longer(text):
    return text * 3

def told(text):
    return {"what": text[:120], "length": len(text)}

notes = [f"{i}: {WORDS * 4}" for i in range(80)]"""

CELL = """%%murakkab many
gist   <- summarise {notes} @python:first
more   <- summarise {notes} @python:longer
fields <- summarise {more} @python:told"""

NOTES = """few = ["Monday. The council met for three hours.", "Tuesday. A storm closed the ferry."]"""

DIGEST = """%%murakkab digest --minimize cost --quality basic
gist <- summarise {few}"""

RUN = "%murakkab run many --fresh"
CELLS = (SETUP, CELL, RUN, RUN, RUN, NOTES, DIGEST, "%murakkab frontier")


def saved(source: str, shown: list[dict]) -> int:
    """Bytes of a cell in a notebook as Jupyter writes it: indented, a line of text a string."""
    split = [
        {
            kind: said.splitlines(keepends=True) if isinstance(said, str) else said
            for kind, said in data.items()
        }
        for data in shown
    ]
    outputs = [{"output_type": "display_data", "metadata": {}, "data": data} for data in split]
    cell = {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": outputs}
    return len(json.dumps({"cells": [cell]}, indent=1, ensure_ascii=False).encode())


def test_plans_a_frontier_and_three_runs_of_eighty_items_fit_into_300_kb(kernel):
    sizes = {}
    for number, source in enumerate(CELLS):
        reply = kernel.run(source, timeout_s=180)
        assert reply.error is None, reply.error
        sizes[number, source.split("\n")[0]] = saved(source, reply.shown)
    assert "application/vnd.murakkab.results+json" in kernel.run(RUN).shown[-1]
    assert sum(sizes.values()) < 300_000, sizes


def test_all_agents_take_no_more_than_a_run(kernel):
    assert saved("%murakkab agents", kernel.run("%murakkab agents").shown) < 75_000


def test_what_is_not_shown_of_a_run_is_counted_and_where_it_is_found_is_said(kernel):
    shown = kernel.run("%%murakkab long --run --fresh\ngist <- summarise {notes} @python:longer")
    assert shown.error is None, shown.error
    left = int(
        re.search(r"and (\d+) more rows: all are in long.outputs and long.to_pandas\(\)", shown.html)[1]
    )
    assert 0 < left <= 50
    assert shown.html.count("<td") > 80 - left
    assert int(re.search(r"and (\d+) more rows", shown.text)[1]) >= 55
    assert kernel.run("len(long.outputs['gist'])").text == "80"


def test_where_a_runs_name_is_taken_the_rest_is_said_to_be_where_it_is(kernel):
    kernel.run("held = 'mine'")
    for name in ("list", "held"):
        shown = kernel.run(f"%%murakkab {name} --run --fresh\ngist <- summarise {{notes}} @python:longer")
        assert shown.error is None, shown.error
        values, rows = re.search(r"more rows: all are in (\S+) and (\S+\(\))\.", shown.html).groups()
        assert kernel.run(f"len({values}['gist']), len({rows}) > 0").text == "(80, True)"
        assert f"{name}.outputs" not in shown.html + shown.text
    kernel.run("kept = murakkab_run")
    asked = kernel.run("kept")
    assert "all are in kept.outputs and kept.to_pandas()" in asked.html
    kernel.run("del kept")


def test_a_run_in_brief_whose_name_is_taken_says_where_its_values_are(kernel):
    assert kernel.run("%config MurakkabMagics.saved_kb = 1").error is None
    shown = kernel.run("%%murakkab list --run --fresh\ngist <- summarise {notes} @python:longer")
    assert kernel.run("%config MurakkabMagics.saved_kb = 0").error is None
    assert "In brief" in shown.text
    assert "list.outputs" not in shown.html + shown.text
    (values,) = re.findall(r'`(\S+\["gist"\])` has 80 values', " ".join(shown.text.split()))
    assert kernel.run(f"len({values})").text == "80"


def test_many_short_values_are_shown_in_full(kernel):
    kernel.run("short = [f'n{i}' for i in range(80)]")
    shown = kernel.run("%%murakkab brief --run --fresh\nsame <- repeat {short} @python:first")
    assert shown.error is None, shown.error
    assert "more rows" not in shown.html
    assert ">n79<" in shown.html


def test_a_notebook_of_many_runs_stays_small_and_says_which_are_in_brief(kernel):
    assert (
        kernel.run(
            "from murakkab_jupyter.notebook.room import Room\nmagics = get_ipython().magics_manager.registry['MurakkabMagics']\nmagics.screen.room = Room(lambda: 1000 * magics.saved_kb)\n%config MurakkabMagics.saved_kb = 300"
        ).error
        is None
    )
    replies = [kernel.run(RUN, timeout_s=180) for _ in range(10)]
    assert all(reply.error is None for reply in replies)
    brief = ["In brief" in reply.html for reply in replies]
    assert not brief[0]
    assert brief == sorted(brief)
    assert sum(saved(RUN, reply.shown) for reply in replies) < 300_000
    last = replies[-1]
    assert last.shown[-1].keys() == {"text/html", "text/plain"}
    for words in (last.html, last.text):
        assert "in a cell shows every result and the bill" in words
        assert "80 of 80" in words
        plain = " ".join(html.unescape(re.sub("<[^>]+>|`", "", words)).split())
        assert 'many.outputs["fields"] has 80 values' in plain
    assert kernel.run('len(many.outputs["fields"]), many.to_pandas().shape[0] > 0').text == "(80, True)"
    assert "In brief" not in kernel.run("many").html
    assert kernel.run("%config MurakkabMagics.saved_kb = 0").error is None
    assert "In brief" not in kernel.run(RUN, timeout_s=180).html
