"""The pattern mini-language."""

from __future__ import annotations

import time

import pytest

from murakkab_jupyter.agents.capability import Capability, Port, Slot
from murakkab_jupyter.workflow.language.parse import parse
from murakkab_jupyter.workflow.language.pattern import compile_pattern, example, match, tokens_of

ANY = frozenset({"any"})


def capability(**changes):
    fields = {
        "name": "c",
        "summary": "",
        "ports": (Port("x", ANY), Port("many", ANY, several=True)),
        "output": "text",
        "slots": (Slot("count", int), Slot("word", str), Slot("share", float)),
    }
    return Capability(**{**fields, **changes})


def fit(pattern: str, sentence: str):
    found = match(capability(), pattern, tokens_of(parse(f"s <- {sentence}").steps[0].parts))
    if found is None:
        return None
    return [(port, ref.name) for port, ref in found.bound], dict(found.slots)


@pytest.mark.parametrize(
    "sentence",
    ["take 3 frames from {v}", "Take the 3 frames from each {v}.", "GRAB three frame from {v}"],
)
def test_case_articles_and_a_final_full_stop_do_not_count(sentence):
    assert fit("(take|grab) <count> (frame|frames) from [each] {x}", sentence) == (
        [("x", "v")],
        {"count": 3},
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "take frames from {v}",
        "take 3 pictures from {v}",
        "take 3 frames from {v} now",
        "take 3.5 frames from {v}",
    ],
)
def test_a_sentence_that_differs_does_not_match(sentence):
    assert fit("take <count> frames from {x}", sentence) is None


def test_hyphens_join_words_as_spaces_do():
    assert fit("run speech-to-text on {x}", "run speech to text on {v}") == ([("x", "v")], {})
    assert fit("run speech to text on {x}", "Run speech-to-text on {v}") == ([("x", "v")], {})


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("use {a}", ["a"]),
        ("use {a} and {b}", ["a", "b"]),
        ("use {a}, {b} and {c}", ["a", "b", "c"]),
        ("use {a}, {b}, and {c}", ["a", "b", "c"]),
    ],
)
def test_a_port_of_several_takes_a_list_in_words(sentence, names):
    assert fit("use {many}", sentence) == ([("many", name) for name in names], {})


def test_a_port_of_one_takes_no_list():
    assert fit("use {x}", "use {a} and {b}") is None


def test_a_run_takes_words_and_references_but_needs_a_reference():
    assert fit("say {many...}", "say, in short, what {a} and then {b} show") == (
        [("many", "a"), ("many", "b")],
        {},
    )
    assert fit("say {many...}", "say what it shows") is None


def test_dots_take_any_words_but_no_reference():
    assert fit("say ...", "say what it shows") == ([], {})
    assert fit("say ...", "say") == ([], {})
    assert fit("say ...", "say what {a} shows") is None


def test_slots_have_types():
    assert fit("keep <share> of {x}", "keep 0.25 of {v}") == ([("x", "v")], {"share": 0.25})
    assert fit("name it <word> {x}", 'name it "New York" {v}') == ([("x", "v")], {"word": "New York"})
    assert fit("take <count> of {x}", "take -1 of {v}") == ([("x", "v")], {"count": -1})


def test_options_and_alternatives_nest():
    pattern = "go [(very|rather) (fast|slow [and steady])] to {x}"
    for words in ("", "very fast ", "rather slow and steady "):
        assert fit(pattern, f"go {words}to {{v}}") == ([("x", "v")], {})
    assert fit(pattern, "go very to {v}") is None


@pytest.mark.parametrize("pattern", ["(a|b", "a]", "a|b", "<nothing> {x}", "[a"])
def test_a_malformed_pattern_is_told(pattern):
    with pytest.raises(ValueError, match="malformed"):
        compile_pattern(pattern, frozenset(), ())


def test_matching_takes_time_in_proportion_to_the_sentence():
    pattern = "[a1|a1 a1|a1 a1 a1] " * 10 + "{many...} end"
    words = " ".join(["a1"] * 20_000)
    began = time.perf_counter()
    assert fit(pattern, f"{words} {{v}} {words}") is None
    assert time.perf_counter() - began < 60  # under a second; a square of it would take hours


def test_an_example_of_a_pattern_fits_it():
    pattern = "(take|grab) <count> (frame|frames) [very] (from|of (the|a)) [each (one|two)] {x}"
    assert example(pattern) == "take 3 frames from {x}"
    assert fit(pattern, example(pattern)) == ([("x", "x")], {"count": 3})
