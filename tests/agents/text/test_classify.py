"""Labels: what a step may say, and the label nearest to a text."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.text.classify import NearestLabel
from murakkab_jupyter.agents.text.labels import labels_of, labels_problem
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.kinds import Segment, Transcript

SUPPORT = {
    "refund": "the customer wants the money back",
    "delivery": "the parcel is late or lost in the post",
    "technical": "the app crashes or shows an error",
}


@pytest.mark.parametrize(
    "stated",
    [
        "refund, delivery or technical",
        "refund;delivery;technical",
        '"refund", "delivery", "technical"',
        SUPPORT,
    ],
)
def test_labels_are_named_with_commas_or_with_their_meanings(stated):
    assert list(labels_of(stated)) == ["refund", "delivery", "technical"]


@pytest.mark.parametrize("stated", ["", "only one", "spam, spam", "{not json", {"a": ""}])
def test_what_leaves_nothing_to_choose_is_refused(stated):
    with pytest.raises(UsageError, match=r"label"):
        labels_of(stated)


def test_a_pin_that_names_too_few_labels_is_told_so_and_no_pin_at_all_is_not():
    assert labels_problem("spam")
    assert labels_problem("") == labels_problem("spam, other") == ""


@pytest.fixture(scope="module")
def nearest():
    pytest.importorskip("wordllama")
    agent = NearestLabel()
    agent.load({"labels": ""}, 1)
    return agent


@pytest.mark.media
def test_the_nearest_label_is_found_by_meaning(nearest):
    texts = {
        "My parcel should have come last week.": "delivery",
        "Give me my money back please.": "refund",
        "The app crashes whenever I log in.": "technical",
    }
    made = nearest.call([Inputs((), {"text": [("ticket", text)], "labels": SUPPORT}) for text in texts])
    assert made == list(texts.values())
    assert nearest.tokens().read > 0


@pytest.mark.media
def test_words_may_come_from_a_transcript_and_none_fail_alone(nearest):
    said = Transcript((Segment(0.0, 2.0, "The app shows an error again."),))
    asked = [
        Inputs((), {"text": [("call", said)], "labels": SUPPORT}),
        Inputs((), {"text": [("call", Transcript())], "labels": SUPPORT}),
        Inputs((), {"text": [("call", said)]}),
    ]
    label, silent, unlabelled = nearest.call(asked)
    assert label == "technical"
    assert isinstance(silent, Failed)
    assert "no words" in silent.reason
    assert isinstance(unlabelled, Failed)
    assert "label" in unlabelled.reason
