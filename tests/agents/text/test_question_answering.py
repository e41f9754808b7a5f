"""Answers: their words, their evidence, and silence where the material holds none."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.text.answering import NOTHING, MiniLMAnswer, WordLlamaAnswer
from murakkab_jupyter.core.kinds import Answer, Box, Boxes, Evidence, Origin, Passage, Segment, Transcript

FIRST = Transcript(
    (Segment(0.0, 4.0, "The council approved a cycle path."), Segment(4.0, 7.5, "Work will start in May."))
)
SECOND = Transcript((Segment(12.0, 15.0, "Bruno the dog swims in the lake every morning."),))
PLACES = [Origin("/a.mp4", 0.0, 10.0), Origin("/a.mp4", 10.0, 20.0)]


@pytest.fixture(scope="module")
def agent() -> WordLlamaAnswer:
    pytest.importorskip("wordllama")
    made = WordLlamaAnswer()
    made.load({"sentences": 2}, 1)
    return made


def ask(agent: WordLlamaAnswer, question: object, context: object, places: object = None) -> Answer | Failed:
    return agent.call([Inputs((), {"question": question, "context": context}, {"context": places})])[0]


def test_evidence_of_a_transcript_is_the_segment_itself(agent):
    answer = ask(agent, "When will the work start?", [("transcript", [FIRST, SECOND])], [PLACES])
    assert "May" in answer.text
    assert Evidence("/a.mp4", 4.0, 7.5, "Work will start in May.") in answer.evidence


def test_evidence_of_a_summary_is_its_scene(agent):
    context = [
        (
            "summary",
            ["Said: “The council approved a cycle path.”", "Seen: dog. Said: “Bruno swims in the lake.”"],
        )
    ]
    answer = ask(agent, "Where does Bruno swim?", context, [PLACES])
    assert answer.text == "Bruno swims in the lake."
    assert answer.evidence == (Evidence("/a.mp4", 10.0, 20.0, "Bruno swims in the lake."),)


def test_where_a_sentence_stands_twice_the_tightest_place_is_the_evidence(agent):
    context = [("summary", ["Said: “Work will start in May.”"]), ("transcript", [FIRST])]
    answer = ask(agent, "When will the work start?", context, [PLACES[:1], PLACES[:1]])
    assert (4.0, 7.5) in {(e.start_s, e.end_s) for e in answer.evidence}


def test_a_passage_brings_its_own_place(agent):
    passage = Passage("Work will start in May.", 0.9, Origin("/b.mp4", 3.0, 4.0))
    answer = ask(agent, "When will the work start?", [("hits", [passage])], [[None]])
    assert answer.evidence[0].source == "/b.mp4"


def test_what_comes_from_no_file_is_named_by_its_variable(agent):
    answer = ask(agent, "When will the work start?", [("notes", "Work will start in May.")], [None])
    assert answer.evidence == (Evidence("notes", None, None, "Work will start in May."),)


@pytest.mark.parametrize(
    "context", [[], [("summary", [])], [("summary", ["", ""])], [("transcript", Transcript())]]
)
def test_nothing_to_answer_from_is_said_without_evidence(agent, context):
    assert ask(agent, "Who is it?", context) == Answer(NOTHING)


def test_a_question_the_material_does_not_answer_gets_no_invention(agent):
    assert ask(agent, "How do I reset my password?", [("transcript", [FIRST, SECOND])], [PLACES]) == Answer(
        NOTHING
    )


@pytest.mark.parametrize("question", ["", "  ", "?", None])
def test_an_empty_question_fails_and_says_what_to_do(agent, question):
    answer = ask(agent, question, [("transcript", [FIRST])], [PLACES[:1]])
    assert isinstance(answer, Failed)
    assert "question" in answer.reason


def test_a_question_about_objects_lists_them_all(agent):
    context = [("summary", ["Seen: 2 x person, tie.", "Seen: dog. Nothing is said."])]
    answer = ask(agent, "Which objects are visible?", context, [PLACES])
    assert answer.text == "person, dog, tie"
    assert [e.start_s for e in answer.evidence] == [0.0, 10.0]


def test_boxes_can_be_the_context(agent):
    seen = [Boxes((Box("dog", 0.9, 0, 0, 1, 1),)), Boxes()]
    assert ask(agent, "What objects are shown?", [("objects", seen)], [PLACES]).text == "dog"


def test_a_question_about_everything_is_answered_by_the_main_sentences(agent):
    answer = ask(agent, "What is the video about?", [("transcript", [FIRST, SECOND])], [PLACES])
    assert answer.evidence
    assert "cycle path" in answer.text


def test_a_why_is_answered_by_the_sentence_that_follows(agent):
    words = "Traffic fell by ten percent. That is because the tram line opened."
    assert "tram" in ask(agent, "Why did traffic fall?", [("text", words)]).text


def test_an_empty_question_does_not_spoil_its_batch(agent):
    good = Inputs((), {"question": "Where does Bruno swim?", "context": [("transcript", SECOND)]})
    bad = Inputs((), {"question": "", "context": [("transcript", SECOND)]})
    made = agent.call([bad, good, bad])
    assert [type(one) for one in made] == [Failed, Answer, Failed]
    assert agent.tokens().read > 0


@pytest.mark.media
def test_minilm_finds_what_is_said_in_other_words():
    made = MiniLMAnswer()
    made.load({"sentences": 1}, 1)
    answer = ask(made, "Where does the dog take a bath?", [("transcript", [FIRST, SECOND])], [PLACES])
    assert answer.evidence[0].start_s == 12.0


def test_a_sentence_that_a_cut_between_scenes_split_is_quoted_whole(agent):
    scenes = [
        "Seen: 2 x person. Said: “The bridge was built in spring.”",
        "Seen: car. Said: “The old harbour will be closed”",
        "Seen: boat. Said: “until the first of May. Ferries leave from the north pier.”",
    ]
    places = [Origin("/a.mp4", 5.0 * n, 5.0 * n + 5.0) for n in range(3)]
    answer = ask(agent, "Until when is the old harbour closed?", scenes, places)
    assert answer.text == "The old harbour will be closed until the first of May."
    assert [(one.start_s, one.text) for one in answer.evidence] == [
        (5.0, "The old harbour will be closed"),
        (10.0, "until the first of May."),
    ]


def test_what_goes_on_elsewhere_or_much_later_is_not_joined(agent):
    scenes = ["It rains.", "The old harbour will be closed", "until noon. Then it opens again."]
    for places in (
        [Origin("/a.mp4", 0.0, 5.0), Origin("/a.mp4", 5.0, 9.0), Origin("/b.mp4", 0.0, 5.0)],
        [Origin("/a.mp4", 0.0, 5.0), Origin("/a.mp4", 5.0, 9.0), Origin("/a.mp4", 60.0, 65.0)],
    ):
        answer = ask(agent, "Will the old harbour be closed?", scenes, places)
        assert answer.text == "The old harbour will be closed"


def test_a_recogniser_that_writes_no_end_marks_is_quoted_piece_by_piece(agent):
    scenes = ["the weather is fine", "the old harbour will be closed", "the ferries leave from the pier"]
    answer = ask(agent, "Will the old harbour be closed?", scenes)
    assert answer.text == "the old harbour will be closed"
