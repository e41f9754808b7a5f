"""What jobs have taught: sets that inputs allow, what is added and left out, and what the user is told of it."""

from __future__ import annotations

import numpy as np
import pytest

from murakkab_jupyter.agents.text.vectors import Encoder, unit
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.workflow.decompose import decompose
from murakkab_jupyter.workflow.decompose.cues import TASKS
from murakkab_jupyter.workflow.decompose.hear import Heard
from murakkab_jupyter.workflow.decompose.judge import judged
from murakkab_jupyter.workflow.decompose.learnt import CAPABILITIES, Learnt, allowed, learnt, seen
from murakkab_jupyter.workflow.decompose.match import stems

SIZE = len(TASKS) + 4 * 256


class Blank(Encoder):
    """All texts are alike."""

    name = "blank"

    def encode(self, texts):
        return unit(np.ones((len(texts), 256)))

    def count(self, texts):
        return len(texts)


def model(**odds: dict[str, float]) -> Learnt:
    """Weights of some words, by word and capability; everything else is unlikely."""
    names = {"one": 0, **{f"word {stems(word)[0]}": number for number, word in enumerate(odds, 1)}}
    weights = np.zeros((len(names), len(CAPABILITIES)))
    weights[0] = -3
    for number, of in enumerate(odds.values(), 1):
        for capability, value in of.items():
            weights[number, CAPABILITIES.index(capability)] = value
    return Learnt(names, weights, np.zeros((SIZE, len(CAPABILITIES))))


def sets(kinds, question=False):
    return [
        {name for name, there in zip(CAPABILITIES, row, strict=True) if there}
        for row in allowed(frozenset(kinds), question)
    ]


@pytest.mark.parametrize(
    ("kinds", "question", "never"),
    [
        ({"audio"}, False, lambda one: "speech-to-text" not in one or "ocr" in one),
        ({"text"}, False, lambda one: one & {"speech-to-text", "ocr", "frame-extraction"}),
        ({"video"}, False, lambda one: "ocr" in one and "frame-extraction" not in one),
        ({"image"}, False, lambda one: one == {"summarisation"}),
        ({"document"}, False, lambda one: "retrieval" in one and "chunking" not in one),
        ({"document"}, False, lambda one: one == {"question-answering"}),
        ({"text"}, True, lambda one: one == {"summarisation"}),
    ],
)
def test_only_sets_that_can_be_had_from_the_inputs_are_allowed(kinds, question, never):
    found = sets(kinds, question)
    assert found
    assert not any(never(one) for one in found)
    assert set() not in found


def test_what_the_rules_missed_is_added_with_the_words_that_speak_for_it():
    haiku = model(haiku={"text-generation": 6.0})
    found = judged([], (), "Here are the facts. Haiku of them.", {"facts": "text"}, "", Blank(), haiku)
    assert found is not None
    assert [(one.capability, one.clause, one.how) for one in found.heard] == [
        ("text-generation", "Haiku of them.", "learnt")
    ]
    assert found.notes == ["“Haiku of them.” was taken as text-generation, by “Haiku”."]


def test_what_does_not_fit_is_left_out_and_the_user_is_told():
    heard = [Heard("extraction", 0, "put it in verse", number=0)]
    verse = model(verse={"text-generation": 9.0, "extraction": -6.0})
    found = judged(heard, {"extraction"}, "Put it in verse.", {"facts": "text"}, "", Blank(), verse)
    assert found is not None
    assert [one.capability for one in found.heard] == ["text-generation"]
    assert "“put it in verse” was not taken as extraction" in found.notes[0]


def test_what_is_called_by_its_name_stays():
    said = "One embedding of each."
    against = model(each={"embedding": -1.5, "classification": 1.0})
    one = seen(said, {"notes": "text"}, "", Blank())
    assert against.chosen(one, {"notes": "text"}, "", {"embedding"}) == {"embedding"}
    with_less = model(each={"embedding": -9.0, "classification": 9.0})
    assert "classification" in with_less.chosen(one, {"notes": "text"}, "", {"embedding"})


def test_nothing_is_added_where_every_clause_was_heard_unless_much_speaks_for_it():
    one = seen("Sum it up.", {"note": "text"}, "", Blank())
    little = model(sum={"translation": 4.5, "summarisation": 3.0})
    assert little.chosen(one, {"note": "text"}, "", {"summarisation"}) == {"summarisation", "translation"}
    assert little.chosen(one, {"note": "text"}, "", {"summarisation"}, whole=True) == {"summarisation"}


def test_the_reading_of_the_rules_stands_where_nothing_speaks_against_it():
    heard = [Heard("summarisation", 0, "Sum it up", number=0)]
    plain = model(sum={"summarisation": 3.0})
    assert judged(heard, {"summarisation"}, "Sum it up.", {"note": "text"}, "", Blank(), plain) is None


def test_words_that_have_never_asked_for_anything_ask_for_nothing():
    likely = model()
    likely.words[0, CAPABILITIES.index("classification")] = 2.0
    assert judged([], (), "Xyzzy plugh.", {"notes": "text"}, "", Blank(), likely) is None


def test_the_weights_that_are_shipped_fit_the_features_and_repeat(library):
    kept = learnt()
    assert kept.words.shape == (len(kept.names), len(CAPABILITIES))
    assert kept.dense.shape == (SIZE, len(CAPABILITIES))
    said = "Could somebody who was not there have it in six sentences?"
    drafts = [decompose(said, library=library, values={"sermon": ["a.mp3"]}) for _ in range(2)]
    assert drafts[0] == drafts[1]
    assert "\nsummary <- summarise {transcript}" in drafts[0].text
    assert any("was taken as summarisation, by" in note for note in drafts[0].notes)


def test_a_capability_that_is_likely_and_offered_by_nobody_is_refused_by_its_name(library):
    haiku = model(haiku={"text-generation": 6.0})
    poor = library.copy()
    for agent in list(poor.agents("text-generation")):
        poor.remove_agent(agent.name)
    with pytest.raises(UsageError, match="Nobody offers text-generation"):
        decompose("Haiku of them.", library=poor, values={"facts": ["One."]}, encoder=Blank(), model=haiku)


def test_a_clause_that_rules_heard_something_in_is_not_left_with_nothing():
    one = seen("Sum it up. Grade it.", {"note": "text"}, "", Blank())
    against = model(grade={"classification": -0.5}, sum={"summarisation": 4.0})
    both = {"summarisation", "classification"}
    at = {"summarisation": 0, "classification": 1}
    assert against.chosen(one, {"note": "text"}, "", both) == {"summarisation"}
    assert against.chosen(one, {"note": "text"}, "", both, clause_of=at) == both


@pytest.mark.parametrize(
    "said",
    [
        "Shorten each ticket, then decide: refund, bug or praise.",
        "Each ticket should land under one of: refund, bug or praise.",
    ],
)
def test_alternatives_that_are_named_are_labels_and_no_fields(library, said):
    made = decompose(said, library=library, values={"tickets": ["One."]}).text
    assert 'into "refund, bug, praise"' in made
    assert "extract" not in made
