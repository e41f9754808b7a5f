"""Sentences, extractive summaries and what is done with material too long for a model."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.language.chat import CUT, shorten
from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.agents.text.extractive import ExtractiveSummary, ExtractiveText, pick
from murakkab_jupyter.agents.text.sentences import central, clean, coverage, split, unwrapped
from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.core.kinds import Box, Boxes, Segment, Transcript
from murakkab_jupyter.workflow.language import declare


def boxes(*labels: str) -> Boxes:
    return Boxes(tuple(Box(label, 0.9, 0, 0, 1, 1) for label in labels))


def said(text: str) -> Transcript:
    return Transcript((Segment(0.0, 1.0, text),)) if text else Transcript()


def summary(*material: tuple[str, object], words: int = 80) -> object:
    agent = ExtractiveSummary()
    agent.load({"words": words}, 1)
    return agent.call([Inputs((), {"material": list(material)})])[0]


def test_a_summary_keeps_what_was_seen_at_once_and_what_was_said():
    made = summary(
        ("objects", [boxes("person", "person", "tie"), boxes("person")]),
        ("transcript", said("Work starts in May.")),
    )
    assert made == "Seen: 2 x person, tie. Said: “Work starts in May.”"


def test_a_silent_scene_without_objects_says_so():
    made = summary(("objects", [boxes()]), ("transcript", Transcript(note="no audio track")))
    assert made == "Seen: nothing recognised. Nothing is said (no audio track)."


def test_a_scene_without_frames_still_tells_what_was_said():
    assert summary(("objects", []), ("transcript", said("Hello."))) == "Said: “Hello.”"


def test_no_material_at_all_is_said_and_is_no_failure():
    assert summary() == "There is nothing to summarise."


def test_a_long_speech_is_cut_to_whole_sentences_in_their_order():
    speech = [f"The river bridge number {n} was built by the river company." for n in range(40)]
    made = summary(("transcript", said(" ".join(speech))), words=40)
    kept = split(str(made).removeprefix("Said: “").removesuffix("”"))
    assert 1 <= len(kept) <= 4
    assert [one for one in speech if one in kept] == kept


def test_headings_are_no_sentences_of_a_summary():
    text = "# Boats\n\nThe club owns seven boats.\n\n## Insurance\n\nAll of them are insured."
    assert summary(("notes", text)) == "The club owns seven boats. All of them are insured."
    assert summary(("notes", "# Boats")) == "Boats"


def test_texts_stand_under_their_names():
    assert summary(("screen_text", "Exit"), ("objects", boxes("dog"))) == "Seen: dog. Screen text: Exit"


def test_the_extractive_writer_refuses_to_write_from_nothing():
    agent = ExtractiveText()
    agent.load({}, 1)
    (made,) = agent.call([Inputs((), {}, sentence="Write a haiku")])
    assert isinstance(made, Failed)
    assert "smollm2-135m" in made.reason


def test_abbreviations_and_quotes_do_not_end_a_sentence_wrongly():
    assert split("Dr. Okafor led it. She left.") == ["Dr. Okafor led it.", "She left."]
    assert clean('Said: "The council met.') == "The council met."


def test_the_sentence_that_others_repeat_is_central():
    sentences = [
        "The tram line opened in March.",
        "People like the tram line.",
        "Bananas contain potassium today.",
    ]
    scores = central(sentences)
    assert scores.index(min(scores)) == 2


def test_coverage_counts_words_that_carry_meaning():
    assert coverage("The dog swims in the lake", "a dog, a lake, swimming") == 1.0
    assert coverage("The cat sleeps", "a dog, a lake") == 0.0


@given(st.lists(st.text(max_size=60), max_size=6), st.integers(0, 200))
def test_shortened_material_fits_and_short_parts_stay_whole(parts, limit):
    cut = shorten(parts, limit)
    assert len(cut) == len(parts)
    assert sum(map(len, cut)) <= limit or list(cut) == parts
    assert all(len(after) <= len(before) for before, after in zip(parts, cut, strict=True))


def test_the_longest_part_is_cut_in_its_middle():
    short, long = "keep me", "a" * 100 + "b" * 100
    cut = shorten((short, long), 60)
    assert cut[0] == short
    assert cut[1].startswith("aaa")
    assert cut[1].endswith("bbb")
    assert CUT in cut[1]


@given(st.text(max_size=300))
def test_splitting_loses_no_word(text):
    assert "".join("".join(split(text)).split()) == "".join(text.split())


@given(
    st.lists(st.sampled_from(["The dog ran.", "A cat sat.", "It rained all day long."]), max_size=12),
    st.integers(1, 30),
)
def test_what_is_picked_is_part_of_the_text_in_order(sentences, words):
    kept = pick(sentences, words)
    once = list(dict.fromkeys(sentences))
    assert [one for one in once if one in kept] == kept
    assert bool(kept) == bool(sentences)


@pytest.mark.parametrize("agent", [ExtractiveSummary, ExtractiveText])
def test_the_same_material_gives_the_same_text_in_any_batch(agent):
    items = [Inputs((), {"material": [("t", said(f"Number {n} is here. It stays."))]}) for n in range(5)]
    made = agent()
    made.load({"words": 8}, 1)
    assert made.call(items) == [made.call([one])[0] for one in items]
    assert made.tokens().read > 0


def test_a_text_of_thousands_of_sentences_is_reduced_in_parts_to_the_length_asked_for():
    sentences = [f"Chapter {n} tells of the harbour and of ship {n}." for n in range(3000)]
    kept = pick(sentences, 60)
    assert 30 <= sum(len(one.split()) for one in kept) <= 60
    assert [one for one in sentences if one in kept] == kept


def test_lines_that_were_broken_at_a_width_are_joined_and_others_are_not():
    wrapped = "The council of the town met on Monday and\nspoke of the bridge. It was built in 1901\nby two brothers.\n\nAgenda:\n- roof\n- floor\n   x = 1"
    assert unwrapped(wrapped).split("\n") == [
        "The council of the town met on Monday and spoke of the bridge. It was built in 1901 by two brothers.",
        "",
        "Agenda:",
        "- roof",
        "- floor",
        "   x = 1",
    ]


@pytest.mark.parametrize(
    ("step", "wrong", "least"),
    [
        ("summarise {notes} @extractive-summary", "words=-3", 1),
        ("summarise {notes} @extractive-summary", "words=0", 1),
        ("summarise {notes} @summarisation", "words=0", 1),
        ("summarise {notes} @smollm2-summary", "words=-1", 0),
        ("summarise {notes} @smollm2-summary", "max_tokens=0", 1),
        ("answer {question} from {notes} @extractive-qa", "sentences=0", 1),
        ("embed {notes} @minilm", "longest=2", 3),
    ],
)
def test_a_pin_states_no_count_of_nothing(step, wrong, least):
    values = {"notes": "The pier is old.", "question": "What is old?"}
    with pytest.raises(LanguageError, match=re.escape(f"cannot be {wrong.partition('=')[2]}")) as caught:
        declare(f"a <- {step} {wrong}\n", library=default_library(), values=values)
    assert caught.value.column == len(f"a <- {step} {wrong.partition('=')[0]}=") + 1
    assert str(caught.value.hint).startswith(f"Give {least} or more")
    declare(f"a <- {step} {wrong.partition('=')[0]}={least}\n", library=default_library(), values=values)
