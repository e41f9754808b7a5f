"""What a language model is asked in a form, and what is made of its replies. The model itself is a fake."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.language.chat import Chat, Message, Reply, Request
from murakkab_jupyter.agents.language.structured import (
    ClassWriter,
    RecordWriter,
    TranslationWriter,
    json_in,
    parts_of,
)
from murakkab_jupyter.agents.language.writing import SummaryWriter

LABELS = "praise, complaint"


class FakeChat(Chat):
    """Replies from a function; keeps what it was asked."""

    def __init__(self, answer, context_tokens=None) -> None:
        super().__init__()
        self.answer = answer
        self.context_tokens = context_tokens
        self.asked: list[tuple[Request, str]] = []

    def send(self, messages: Sequence[Message], request: Request) -> Reply | Failed:
        words = messages[-1]["content"]
        self.asked.append((request, words))
        made = self.answer(request, words)
        return made if isinstance(made, Failed | Reply) else Reply(made, 10, 2)


def opened(writer, answer, **options):
    chat = FakeChat(answer, options.pop("context_tokens", None))
    agent = writer(lambda _options, _cores: chat)
    agent.load(options, 1)
    return agent, chat


def ticket(text: str = "It broke.", **values: object) -> Inputs:
    return Inputs((), {"text": [("ticket", text)], **values})


def test_a_label_is_asked_for_by_schema_and_read_from_json_or_from_bare_words():
    for reply in ('{"label": "complaint"}', "Complaint.", 'Sure: {"label": "COMPLAINT"}'):
        agent, chat = opened(ClassWriter, lambda _r, _w, reply=reply: reply, labels=LABELS)
        assert agent.call([ticket()]) == ["complaint"]
        assert chat.asked[0][0].schema["properties"]["label"]["enum"] == [
            "praise",
            "complaint",
        ]
        assert agent.tokens().read == 10


@pytest.mark.parametrize("reply", ["", "something else", '{"label": "spam"}', '{"label": '])
def test_a_reply_that_is_no_label_fails_its_item(reply):
    agent, _ = opened(ClassWriter, lambda _r, _w: reply, labels=LABELS)
    (made,) = agent.call([ticket()])
    assert isinstance(made, Failed)
    assert "none of the labels" in made.reason


def test_an_item_that_cannot_be_asked_fails_alone():
    agent, chat = opened(ClassWriter, lambda _r, _w: "praise", labels=LABELS)
    empty, good = agent.call([ticket(" "), ticket("Great!")])
    assert isinstance(empty, Failed)
    assert good == "praise"
    assert len(chat.asked) == 1


def test_a_server_that_knows_no_schema_is_asked_without():
    def answer(request: Request, _: str) -> object:
        if request.schema:
            return Failed("http://x answered 400: response_format is not supported.")
        return "praise"

    agent, chat = opened(ClassWriter, answer, labels=LABELS)
    assert agent.call([ticket()]) == ["praise"]
    assert [bool(request.schema) for request, _ in chat.asked] == [True, False]


def test_a_record_has_exactly_its_fields():
    reply = json.dumps({"total": "12.50", "due": None, "made_up": 1})
    agent, _ = opened(RecordWriter, lambda _r, _w: reply, fields="total: number, due: date")
    assert agent.call([ticket()]) == [{"total": 12.5, "due": None}]


def test_a_record_that_is_cut_off_says_what_to_change():
    agent, _ = opened(RecordWriter, lambda _r, _w: Reply('{"total": 1', 5, 5, complete=False), fields="total")
    (made,) = agent.call([ticket()])
    assert isinstance(made, Failed)
    assert "max_tokens" in made.reason


def test_a_long_text_is_translated_in_parts_and_none_is_left_out():
    text = " ".join(f"Sentence number {n} says something." for n in range(120)) + "\nLast line."
    agent, chat = opened(
        TranslationWriter, lambda _r, words: words.split("\n\n", 1)[1].upper(), language="French"
    )
    (made,) = agent.call([Inputs((), {"text": text})])
    assert made.split() == text.upper().split()
    assert len(chat.asked) == len(parts_of(text)) > 2
    assert all("French" in words for _, words in chat.asked)


def test_a_part_that_is_cut_off_or_fails_fails_the_translation():
    for reply in (Reply("Bon", 1, 1, complete=False), Failed("no")):
        agent, _ = opened(TranslationWriter, lambda _r, _w, reply=reply: reply, language="French")
        assert isinstance(agent.call([Inputs((), {"text": "Good day."})])[0], Failed)


def test_the_language_may_come_from_a_variable_of_each_item():
    agent, chat = opened(TranslationWriter, lambda _r, words: words.split(":", 1)[0])
    items = [Inputs((), {"text": "Good day.", "language": one}) for one in ("French", "Dutch", "")]
    french, dutch, none = agent.call(items)
    assert (french, dutch) == ("Translate into French", "Translate into Dutch")
    assert isinstance(none, Failed)
    assert len(chat.asked) == 2


def test_an_empty_translation_fails():
    agent, _ = opened(TranslationWriter, lambda _r, _w: Reply("", 3, 0), language="French")
    assert agent.call([Inputs((), {"text": "Good day."})]) == [Failed("The model wrote nothing.")]


def test_a_text_that_was_replaced_by_the_material_is_said():
    agent, _ = opened(SummaryWriter, lambda _r, _w: "Elephants rule Mars.")
    (made,) = agent.call([Inputs((), {"material": [("notes", "The council decided to build a bridge.")]})])
    assert "council" in made
    assert any("did not stand in the material" in note for note in agent.notes())


def test_without_a_language_it_is_said_what_to_type():
    agent, chat = opened(TranslationWriter, lambda _r, _w: "x")
    (made,) = agent.call([Inputs((), {"text": "Good day."})])
    assert "into French" in made.reason
    assert not chat.asked


def test_json_is_found_among_words():
    assert json_in('Here: {"a": {"b": 1}} as asked') == {"a": {"b": 1}}
    assert json_in("[1]") is json_in("none") is None
    assert json_in('With {braces}: {"a": 1}, and {"b": 2} too.') == {"a": 1}
    assert json_in('{"a": {"b": 1}, "c": "half a') is json_in('{"a": {"b": 1},') is json_in('{"a": 1') is None
    assert json_in('{"a":' * 5000) is None


def test_words_that_do_not_fit_are_summarised_in_parts_and_then_together():
    text = " ".join(f"The council met on day {n} and spoke of the bridge." for n in range(300))

    def first_sentence(_: Request, words: str) -> str:
        return words.removeprefix("Said: ").split(".")[0] + "."

    agent, chat = opened(SummaryWriter, first_sentence, context_tokens=900, max_tokens=96, words=12)
    (made,) = agent.call([Inputs((), {"material": [("minutes", text)]})])
    assert made == "The council met on day 0 and spoke of the bridge."
    assert len(chat.asked) > 3
    assert all(len(words) < 900 * 3.2 for _, words in chat.asked)
    assert chat.shortened == 0
    assert agent.tokens().read == 10 * len(chat.asked)


def test_a_summary_keeps_to_the_words_asked_for():
    reply = "The council met on day 1. It spoke of the bridge. It spoke of the path."
    agent, _ = opened(SummaryWriter, lambda _r, _w: reply, words=11)
    (made,) = agent.call([Inputs((), {"material": [("minutes", reply)]})])
    assert made == "The council met on day 1. It spoke of the bridge."
