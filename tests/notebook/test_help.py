"""Help from the kernel: completion with descriptions, Shift-Tab, `%config`."""

from __future__ import annotations

import pytest

from murakkab_jupyter.verbs.table import VERBS

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
    content = kernel.client.inspect(code, cursor, reply=True, timeout=20)["content"]
    return content["data"].get("text/plain", "") if content["found"] else ""


def types(kernel, code):
    content = kernel.client.complete(code, len(code), reply=True, timeout=20)["content"]
    return {one["text"]: one["type"] for one in content["metadata"]["_jupyter_types_experimental"]}


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


@pytest.mark.parametrize("cursor", range(0, len(CELL) + 5, 7))
def test_shift_tab_never_fails(loaded, cursor):
    assert loaded.client.inspect(CELL, cursor, reply=True, timeout=20)["content"]["status"] == "ok"


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


def test_config_lists_documented_traits_and_sets_them(loaded):
    said = loaded.run("%config MurakkabMagics").streams[0]
    assert "MurakkabMagics.live_views" in said
    assert "where the front end can draw them" in said
    assert "MurakkabMagics.pictures" in said
    assert loaded.run("%config MurakkabMagics.live_views = False").error is None
    reply = loaded.run(CELL)
    assert "murakkab-slot" not in reply.html
    assert loaded.run("%config MurakkabMagics.live_views = True").error is None
    assert "murakkab-slot" in loaded.run(CELL).html


def test_question_mark_fits_a_screen(loaded):
    message = loaded.client.execute("%murakkab?", reply=True, timeout=20)
    (page,) = message["content"]["payload"]
    text = page["data"]["text/plain"]
    assert 10 < len(text.splitlines()) < 40
    assert {verb.name for verb in VERBS if "magic" in verb.faces} <= set(text.split())
