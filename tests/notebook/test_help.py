"""Help from the kernel: completion with descriptions, Shift-Tab, `%config`."""

from __future__ import annotations

from inspect import getdoc

import pytest

from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.core.errors import WIDTH
from murakkab_jupyter.notebook.complete import TYPE_CHARS, on_a_line
from murakkab_jupyter.notebook.magics import MurakkabMagics
from murakkab_jupyter.verbs.table import OPTIONS, VERBS
from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

CELL = """%%murakkab digested --minimize cost --quality fair
Digest.

gist  <- summarise {notes} @extractive-summary words=25
reply <- answer {question} from {notes}, per all
loud  <- shout {gist} @python:shout"""


@pytest.fixture(scope="module")
def loaded(kernel):
    assert kernel.run("%load_ext murakkab_jupyter").error is None
    code = '''def shout(text):
    """Say it louder."""
    return text.upper()

notes = ["One thing happened.", "Another thing happened."]
question = "What happened?"'''
    assert kernel.run(code).error is None
    assert kernel.run(CELL).error is None
    return kernel


def inspect(kernel, code, cursor):
    content = kernel.client.inspect(code, cursor, reply=True, timeout=60)["content"]
    return content["data"].get("text/plain", "") if content["found"] else ""


def plain(words):
    return words.replace("\u00a0", " ").replace("\u2011", "-")


def types(kernel, code):
    content = kernel.client.complete(code, len(code), reply=True, timeout=60)["content"]
    found = content["metadata"]["_jupyter_types_experimental"]
    said = {one["text"]: one["type"] for one in found}
    # JupyterLab would end a line at each blank and hyphen, and the next item lies over the second line.
    assert [one for one in said.values() if len(one) > TYPE_CHARS or " " in one or "-" in one] == []
    return {text: plain(one) for text, one in said.items()}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--minimize", "what to spend least of"),
        ("--quality", "floor"),
        ("cost", "what to spend least of"),
        ("extractive-summary", "capability: summarisation"),
        ("words=", "option"),
        ("python:shout", "Say it louder."),
        ("notes}", "variable: list of text"),
        ("gist}", "gist <- summarise {notes}"),
        ("answer {", "capability: question-answering"),
        ("reply", "planned:"),
    ],
)
def test_shift_tab_says_what_is_under_the_cursor(loaded, word, said):
    assert said in inspect(loaded, CELL, CELL.rindex(word) + 2)


def test_shift_tab_on_a_line_knows_verbs_and_options(loaded):
    line = "%murakkab frontier --take 2"
    assert "plans of which none is better" in inspect(loaded, line, 13)
    assert "take plan N" in inspect(loaded, line, 22)


def test_shift_tab_elsewhere_is_as_before(loaded):
    assert "Say it louder." in inspect(loaded, "shout", 3)
    assert inspect(loaded, "nothing_like_it", 3) == ""
    assert "declares the workflow in the cell" in inspect(loaded, "%murakkab", 5)


def test_the_help_of_the_magic_is_no_wider_than_a_narrow_notebook():
    lines = getdoc(MurakkabMagics.murakkab).split("\n")
    assert len(lines) < 40
    assert [line for line in lines if len(line) > WIDTH] == []


@pytest.mark.parametrize("cursor", range(0, len(CELL) + 5, 7))
def test_shift_tab_never_fails(loaded, cursor):
    assert loaded.client.inspect(CELL, cursor, reply=True, timeout=60)["content"]["status"] == "ok"


def test_every_completion_says_what_it_is(loaded):
    assert (
        types(loaded, "%%murakkab w --back")["--background"] == "do not wait: the run goes on while you work"
    )
    assert types(loaded, "%murakkab fron")["frontier"] == "plans of which none is better in every respect"
    assert types(loaded, "%murakkab frontier --ta")["--take"].startswith("take plan N")
    body = CELL + "\nmore <- shout {"
    found = types(loaded, body)
    assert found["question"] == "variable: text"
    assert found["gist"].startswith("step: summarise")
    assert types(loaded, "%%murakkab w\na <- summarise {notes} @summarisation wor")["words="].startswith(
        "option: "
    )


@pytest.mark.parametrize(
    ("verb", "option"),
    [
        (verb.name, option)
        for verb in VERBS
        if "magic" in verb.faces
        for option in (*verb.options, *(GOAL_OPTIONS if verb.goal else ()))
        if option not in OPTIONS or "magic" in OPTIONS[option].faces
    ],
)
def test_every_option_of_a_line_is_completed_and_explained(loaded, verb, option):
    what = GOAL_OPTIONS[option][1] if option in GOAL_OPTIONS else OPTIONS[option].help
    line = f"%murakkab {verb} --{option}"
    assert types(loaded, line[:-1])[f"--{option}"] == plain(on_a_line(what))
    assert what in inspect(loaded, line, len(line) - 1)


def test_every_option_of_a_cell_is_completed_and_explained(loaded):
    known = types(loaded, "%%murakkab w --")
    assert {f"--{name}" for name in (*GOAL_OPTIONS, "run", "background", "fresh", "cluster")} <= set(known)
    for option, what in known.items():
        assert len(what) > 8
        head = f"%%murakkab w {option}"
        said = inspect(loaded, f"{head}\na <- summarise {{notes}}", len(head) - 1)
        assert what.removesuffix("…") in said, option


def test_every_capability_agent_and_option_of_a_body_is_completed_with_a_description(loaded):
    body = "%%murakkab w\na <- summarise {notes} @"
    targets = types(loaded, body)
    library = default_library()
    assert {agent.name for agent in library.agents() if agent.capability == "summarisation"} <= set(targets)
    assert {"summarisation", "python:shout"} <= set(targets)
    assert all(targets.values())
    for agent in library.agents():
        if agent.options:
            keys = types(loaded, f"{body}{agent.name} ")
            assert {f"{option.name}=" for option in agent.options} <= set(keys), agent.name
            assert all(keys.values())


def test_config_lists_documented_traits_and_sets_them(loaded):
    said = loaded.run("%config MurakkabMagics").streams[0]
    assert "MurakkabMagics.live_views" in said
    assert "where the front end can draw them" in said
    assert "MurakkabMagics.pictures" in said
    assert "MurakkabMagics.saved_kb" in said
    assert loaded.run("%config MurakkabMagics.live_views = False").error is None
    reply = loaded.run(CELL)
    assert "murakkab-slot" not in reply.html
    assert loaded.run("%config MurakkabMagics.live_views = True").error is None
    assert "murakkab-slot" in loaded.run(CELL).html


def test_question_mark_fits_a_screen(loaded):
    message = loaded.client.execute("%murakkab?", reply=True, timeout=60)
    (page,) = message["content"]["payload"]
    text = page["data"]["text/plain"]
    assert 10 < len(text.splitlines()) < 40
    assert {verb.name for verb in VERBS if "magic" in verb.faces} <= set(text.split())
