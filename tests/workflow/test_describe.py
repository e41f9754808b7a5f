"""Help and completion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.workflow.language import declare
from murakkab_jupyter.workflow.language.describe import capabilities, names_in_scope, spot_at, suggestions

from .conftest import NEWSROOM, VALUES


def shout(text):
    return text.upper()


def offered(library, text, **values):
    """What is offered at the mark `|`."""
    offset = text.index("|")
    spot, found = suggestions(text.replace("|", ""), offset, library=library, values={**VALUES, **values})
    return spot.kind, [one.text for one in found]


def test_every_capability_is_told_with_sentences_that_mean_it(library):
    told = {one.name: one for one in capabilities(library)}
    assert "take 3 frames from {scene}" in told["frame-extraction"].examples
    assert told["frame-extraction"].output == "many frame"
    assert told["question-answering"].package == "murakkab-jupyter"
    assert "tester-qa" in told["question-answering"].agents
    assert "paths" in told["question-answering"].options


def test_examples_of_built_in_capabilities_bind(library):
    values = {
        "video": "a.mp4", "scene": "a.mp4", "speech": "a.mp3", "picture": "a.png", "pictures": "a.png", "text": "words",
        "passages": ["one"], "question": "why?", "context": "words", "material": "words",
        "labels": "good, bad", "fields": "name", "document": "a.md",
    }  # fmt: skip
    for one in capabilities(library):
        for sentence in one.examples:
            if "…" in sentence or one.package != "murakkab-jupyter":
                continue
            per = ", per all" if "{passages}" in sentence else ""
            step = declare(f"x <- {sentence}{per}", library=library, values=values).step("x")
            assert step.capability == one.name, sentence


def test_names_in_scope_are_other_steps_then_variables():
    offset = NEWSROOM.index("{objects}")
    names = [
        one.text
        for one in names_in_scope(NEWSROOM, offset, {**VALUES, "_hidden": 1, "shout": shout, "none": None})
    ]
    assert names == [
        "scenes", "frames", "transcript", "objects", "answer",
        "videos", "question", "q", "passages", "podcast",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "some"),
    [
        ("%%murakkab x --mi|", "option", "--minimize"),
        ("%%murakkab x --minimize |", "option-value", "energy"),
        ("%%murakkab x --quality g|", "option-value", "good"),
        ("%%murakkab x --quality {q|", "reference", "q"),
        ("%%murakkab x --maximize |", "option-value", "quality"),
        ("a <- write a poem\nb <- summarise {|", "reference", "a"),
        ("b <- summarise {vid|} now", "reference", "videos"),
        ("b <- summarise {videos} @spee|", "pin", "speech-to-text"),
        ("b <- summarise {videos} @tester|", "pin", "tester-qa"),
        ("b <- shout {videos} @python:s|", "pin", "python:shout"),
        ("b <- answer {q} @question-answering |", "pin-key", "context="),
        ("b <- answer {q} @tester-qa context={q} pa|", "pin-key", "paths="),
        ("s <- split {videos} into scenes\nb <- summarise {s}, per |", "level", "s"),
        ("b <- summarise {passages}, per a|", "level", "all"),
        ("b <- take|", "sentence", "take 3 frames from {scene}"),
    ],
)
def test_what_fits_is_offered(library, text, kind, some):
    found, names = offered(library, text, shout=shout)
    assert found == kind
    assert some in names


def test_a_description_offers_nothing(library):
    assert offered(library, "%%murakkab x\nSome wor|ds") == ("text", [])


def test_doubled_braces_are_no_reference():
    assert spot_at("b <- say {{na", 13).kind == "sentence"


@given(st.text(), st.integers(-5, 200))
def test_any_text_has_a_spot_at_any_offset(text, offset):
    spot = spot_at(text, offset)
    assert 0 <= spot.start <= len(text)
