"""The language model in process, with real weights; and what is done with what it writes."""

from __future__ import annotations

import pickle
import urllib.error
import urllib.request

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.language.chat import Chat, Reply, Request, TooLong
from murakkab_jupyter.agents.language.llm import GgufWriter, LlamaChat, register_gguf
from murakkab_jupyter.agents.language.writing import (
    TASKS,
    AnswerWriter,
    SmallAnswerWriter,
    SummaryWriter,
    TextWriter,
)
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Box, Boxes, Origin, Segment, Transcript

SPEECH = "The council approved a new cycle path. Work will start in May."


class FakeChat(Chat):
    """Says what it is told to, in order, and keeps what it was asked."""

    def __init__(self, *replies: str, context: int | None = None) -> None:
        super().__init__()
        self.replies = list(replies)
        self.asked: list[str] = []
        self.most = context

    def send(self, messages, request):
        text = messages[-1]["content"]
        if self.most is not None and len(text) > self.most:
            raise TooLong(len(text), self.most)
        self.asked.append(text)
        return Reply(self.replies.pop(0), 10, 5)


def over(kind, *replies: str, **options: object):
    chat = FakeChat(*replies)
    agent = kind(lambda options, cores: chat)
    agent.load(options, 1)
    return agent, chat


def scene(text: str = SPEECH) -> Inputs:
    seen = [Boxes((Box("person", 0.9, 0, 0, 1, 1),))]
    spoken = Transcript((Segment(0, 5, text),) if text else ())
    return Inputs((), {"material": [("objects", seen), ("transcript", spoken)]})


def question(words: str = "When will the work start?") -> Inputs:
    spoken = Transcript(
        (
            Segment(1.0, 3.0, "The council approved a new cycle path."),
            Segment(3.0, 5.0, "Work will start in May."),
        )
    )
    return Inputs(
        (), {"question": words, "context": [("t", [spoken])]}, {"context": [[Origin("/a.mp4", 0.0, 9.0)]]}
    )


def test_a_summary_that_stands_in_the_material_is_kept():
    agent, _ = over(SummaryWriter, "The council approved a cycle path, and work starts in May.")
    assert agent.call([scene()]) == [
        "Seen: person. The council approved a cycle path, and work starts in May."
    ]
    assert agent.extracted == 0
    assert agent.tokens().written == 5


@pytest.mark.parametrize(
    "invented",
    [
        "Aliens landed in Nevada.",
        "The council approved a cycle path in 1999.",
        "The council of Paris approved a cycle path.",
        "",
    ],
)
def test_an_invented_summary_is_replaced_by_the_words_that_were_said(invented):
    agent, _ = over(SummaryWriter, invented)
    assert agent.call([scene()]) == [f"Seen: person. {SPEECH}"]
    assert agent.extracted == 1


def test_a_silent_scene_is_not_asked_about():
    agent, chat = over(SummaryWriter)
    assert agent.call([scene("")]) == ["Seen: person. Nothing is said."]
    assert chat.asked == []
    assert any("no words to summarise" in note for note in agent.notes())


def test_an_answer_rests_on_the_passage_it_used():
    agent, _ = over(AnswerWriter, "The work will start in May.")
    (answer,) = agent.call([question()])
    assert answer.text == "The work will start in May."
    assert [(e.start_s, e.end_s) for e in answer.evidence] == [(3.0, 5.0)]


def test_an_invented_answer_is_replaced_by_the_best_sentence():
    agent, _ = over(AnswerWriter, "It begins on 4 July at Wembley.")
    (answer,) = agent.call([question()])
    assert answer.text == "Work will start in May."
    assert agent.extracted == 1


def test_a_model_that_is_trusted_reads_whole_passages_and_has_the_last_word():
    agent, model = over(AnswerWriter, "Im Mai.", grounded=False)
    hits = [f"Passage {n} about the pier. It has a second sentence of its own." for n in range(8)]
    asked = Inputs((), {"question": "Worum geht es?", "context": [("hits", hits)]})
    (answer,) = agent.call([asked])
    assert answer.text == "Im Mai."
    assert agent.extracted == 0
    said = model.asked[-1]
    assert all(hit in said for hit in hits)


def test_of_more_than_fits_a_trusted_model_reads_the_passages_that_come_nearest():
    agent, model = over(AnswerWriter, "Seven.", grounded=False)
    model.context_tokens = 400
    hits = [f"Passage {n} about something else, {'and more of it, ' * 12}in all." for n in range(9)]
    hits[5] = "The ferry to Bergen has seven cabins."
    asked = Inputs((), {"question": "How many cabins has the ferry to Bergen?", "context": [("hits", hits)]})
    agent.call([asked])
    said = model.asked[-1]
    assert hits[5] in said
    assert not all(hit in said for hit in hits)


def of(words: str, *context: object) -> Inputs:
    return Inputs((), {"question": words, "context": [("notes", list(context))]})


def test_a_model_that_is_attached_is_asked_also_where_no_sentence_comes_near():
    agent, chat = over(AnswerWriter, "The fare is four euros.")
    (answer,) = agent.call([of("What is the fare?", "Tickets cost four euros.", "The pier is old.")])
    assert answer.text == "The fare is four euros."
    assert [one.text for one in answer.evidence] == ["Tickets cost four euros."]
    assert "The pier is old." in chat.asked[0]
    assert agent.notes() == []


def test_a_model_that_is_attached_is_asked_for_objects_too():
    agent, chat = over(AnswerWriter, "A person is visible.")
    seen = Boxes((Box("person", 0.9, 0, 0, 1, 1),))
    (answer,) = agent.call([of("Which objects are visible?", seen)])
    assert "Seen: person." in chat.asked[0]
    assert answer.text == "A person is visible."
    assert answer.evidence


def test_a_model_may_say_that_nothing_answers():
    agent, chat = over(AnswerWriter, "Nothing in the notes answers this question.")
    (answer,) = agent.call([of("Who built the pier?", "The pier is old.")])
    assert (answer.text, answer.evidence) == ("Nothing in the material answers this.", ())
    assert len(chat.asked) == 1
    assert agent.notes() == []


def test_an_invented_answer_for_which_no_sentence_comes_near_is_told_of():
    agent, _ = over(AnswerWriter, "It was Isambard in 1852.")
    (answer,) = agent.call([of("How do I reset my password?", "The pier is old.")])
    assert answer.text == "Nothing in the material answers this."
    assert any("no sentence of it came near" in note for note in agent.notes())


def test_of_a_long_text_that_does_not_fit_the_nearest_sentences_are_read_and_that_is_said():
    agent, chat = over(AnswerWriter, "It has seven cabins.")
    chat.context_tokens = 500
    text = "The harbour is quiet today. " * 60 + "The ferry has seven cabins. " + "Gulls sleep. " * 60
    (answer,) = agent.call([of("How many cabins has the ferry?", text)])
    assert "The ferry has seven cabins." in chat.asked[0]
    assert len(chat.asked[0]) < 1600
    assert "The ferry has seven cabins." in [one.text for one in answer.evidence]
    assert any("did not fit" in note for note in agent.notes())


def test_where_a_step_wants_it_to_fail_all_of_a_long_text_is_sent():
    agent, chat = over(AnswerWriter, "Seven.", too_long="fail")
    chat.context_tokens = 500
    agent.call([of("How many cabins?", "The harbour is quiet today. " * 60 + "It has seven cabins.")])
    assert len(chat.asked[0]) > 1600


def test_without_material_a_model_is_not_asked_and_that_is_said():
    agent, chat = over(AnswerWriter)
    (answer,) = agent.call([of("How many cabins?")])
    assert answer.text == "Nothing in the material answers this."
    assert chat.asked == []
    assert any("no material" in note for note in agent.notes())


@pytest.mark.parametrize("words", ["How do I reset my password?", "Which objects are visible?"])
def test_a_very_small_model_is_not_asked_what_it_would_only_invent_and_that_is_said(words):
    agent, chat = over(SmallAnswerWriter)
    (unknown,) = agent.call([question(words)])
    assert unknown.evidence == ()
    assert chat.asked == []
    assert any("answered without the model" in note for note in agent.notes())


def test_a_very_small_model_that_is_trusted_is_asked():
    agent, chat = over(SmallAnswerWriter, "By post.", grounded=False)
    (answer,) = agent.call([question("How do I reset my password?")])
    assert answer.text == "By post."
    assert len(chat.asked) == 1


def test_an_empty_question_fails():
    agent, chat = over(AnswerWriter)
    (empty,) = agent.call([question("")])
    assert isinstance(empty, Failed)
    assert chat.asked == []


def test_material_too_long_for_the_model_is_shortened_and_counted():
    chat = FakeChat("done", context=500)
    agent = TextWriter(lambda options, cores: chat)
    agent.load({"max_tokens": 10}, 1)
    item = Inputs((), {"material": [("long", "x" * 3000), ("short", "Keep me.")]}, sentence="Write about it")
    assert agent.call([item]) == ["done"]
    assert "Keep me." in chat.asked[0]
    assert "[…]" in chat.asked[0]
    assert agent.shortened == 1


def test_where_a_step_says_so_material_too_long_for_a_model_of_any_kind_fails():
    class SmallChat(FakeChat):
        def send(self, messages, request):
            raise TooLong(900, 500)

    agent = TextWriter(lambda options, cores: SmallChat("done", context=500))
    agent.load({"max_tokens": 10, "too_long": "fail"}, 1)
    (made,) = agent.call([Inputs((), {"material": [("long", "x" * 3000)]}, sentence="Write about it")])
    assert "900 tokens, 500 fit" in made.reason
    library = Library()
    library.load_entry_points()
    writers = [one for one in library.agents("summarisation") if one.option("max_tokens") is not None]
    assert len(writers) > 3
    assert all(one.option("too_long") is not None for one in writers)


def test_a_step_without_material_is_only_its_sentence():
    agent, chat = over(TextWriter, "An old silent pond.")
    assert agent.call([Inputs((), {}, sentence="Write a haiku")]) == ["An old silent pond."]
    assert chat.asked == ["Write a haiku"]


def test_a_file_that_is_missing_or_no_gguf_is_an_error(tmp_path):
    with pytest.raises(AgentError, match="no GGUF file at"):
        LlamaChat(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(AgentError, match="is no GGUF file"):
        LlamaChat(tmp_path / "text.gguf")
    with pytest.raises(AgentError, match="no GGUF file"):
        register_gguf(tmp_path / "none.gguf", library=Library())


def test_a_gguf_that_is_cut_short_is_an_error(tmp_path):
    pytest.importorskip("xllamacpp")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(AgentError, match="cannot load"):
        LlamaChat(tmp_path / "cut.gguf")


def test_the_gguf_agent_says_what_to_pin():
    with pytest.raises(AgentError, match="gguf="):
        GgufWriter("text-generation")().load({}, 1)


@pytest.fixture(scope="module")
def small():
    pytest.importorskip("xllamacpp")
    from murakkab_jupyter.agents.weights.resolver import resolve

    return resolve("smollm2-135m-q4_1")


@pytest.mark.media
def test_a_real_model_writes_the_same_alone_and_in_a_batch_and_shortens_what_is_too_long(small):
    chat = LlamaChat(small, context=512)
    asks = [Request((), ("Say in one word what ", " is."), (thing,), 8) for thing in ("rain", "a dog")]
    alone = [chat.complete([one])[0] for one in asks]
    assert chat.complete(asks) == alone
    assert all(reply.text and reply.read and reply.written for reply in alone)
    (long,) = chat.complete([Request((), ("Summarise: ", ""), ("word and word " * 600,), 8)])
    assert isinstance(long, Reply)
    assert chat.shortened == 1
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{chat.server.listening_address}/v1/models", timeout=5)
    chat.close()


@pytest.mark.media
def test_any_gguf_is_registered_in_one_line_and_answers(small):
    library = Library()
    library.load_entry_points()
    specs = register_gguf(small, "mine", library=library)
    assert [spec.name for spec in specs] == [f"mine{task.suffix}" for task in TASKS.values()]
    assert specs[0].version == register_gguf(small, "mine", library=library)[0].version
    spec = pickle.loads(pickle.dumps(library.agent("mine-qa")))
    agent = spec.make()
    agent.load(spec.settings({}), 1)
    (answer,) = agent.call([question()])
    assert "May" in answer.text
    assert answer.evidence[-1].source == "/a.mp4"
    assert agent.tokens().read > 0
    agent.close()
