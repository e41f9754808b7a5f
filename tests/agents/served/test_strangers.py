"""Servers that speak the OpenAI API in their own way. Bodies as their documentation or their sources show them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.language.chat import Reply, Request
from murakkab_jupyter.agents.language.writing import writer_of
from murakkab_jupyter.agents.served.calls import Caller
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.openai import OpenAIChat
from murakkab_jupyter.agents.served.vectors import ServedEmbedding, ServedEncoder, ServedSearch
from murakkab_jupyter.core.errors import AgentError
from tests.agents.served.fake_openai import (
    FakeServer,
    Handler,
    Step,
    answers,
    breaks_off,
    chunks,
    error,
    fake_server,
    piece,
    whole,
)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as fake:
        yield fake


async def at_once(seconds: float) -> None:
    """Tries follow each other without a wait."""


@pytest.fixture
def opened(server) -> Iterator[Callable[..., OpenAIChat]]:
    made: list[OpenAIChat] = []

    def one(**options: Any) -> OpenAIChat:
        made.append(OpenAIChat(Endpoint(server.url, "fake-model"), sleep=at_once, **options))
        return made[-1]

    yield one
    for chat in made:
        chat.close()


@pytest.fixture
def chat(opened) -> OpenAIChat:
    return opened()


def request(text: str = "hello", **more: Any) -> Request:
    return Request((), ("", ""), (text,), max_tokens=16, **more)


def raw(body: str, kind: str = "text/event-stream") -> Step:
    """A step that sends a body as it stands."""

    def step(handler: Handler, _: object) -> None:
        handler.send_response(200)
        if kind:
            handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return step


def refuses(name: str, message: str, status: int = 400) -> Step:
    """A step that refuses a parameter for as long as it is sent."""

    def step(handler: Handler, body: dict[str, Any]) -> None:
        if name in body:
            handler.answer(status, {"error": {"message": message}})
        elif body["stream"]:
            handler.stream(*chunks("fine"))
        else:
            handler.answer(200, whole("fine"))

    return step


# --- answers of another shape -------------------------------------------------------------------------------------


def test_signs_of_life_in_a_stream_are_no_answer(chat, server):
    lines = [
        ": OPENROUTER PROCESSING",
        "event: ping\ndata:",
        *(f"data: {json.dumps(one)}" for one in chunks("fine")[:-1]),
    ]
    server.script = [raw("\n\n".join([*lines, "data: [DONE]", ""]))]
    assert chat.complete([request()])[0].text == "fine"


@pytest.mark.parametrize("kind", ["", "text/plain", "TEXT/EVENT-STREAM; charset=utf-8"])
def test_a_stream_is_known_by_what_it_is(chat, server, kind):
    events = chunks("fine by me")[:-1]
    server.script = [
        raw("".join(f"data: {json.dumps(one)}\n\n" for one in events) + "data: [DONE]\n\n", kind)
    ]
    (reply,) = chat.complete([request()])
    assert (reply.text, reply.written) == ("fine by me", 5)


def test_an_answer_that_ends_without_a_reason_and_says_that_it_ended_is_whole(chat, server):
    server.script = [lambda handler, _: handler.stream(piece("fine"), "[DONE]")]
    assert chat.complete([request()])[0].text == "fine"
    assert any("does not count tokens" in note for note in chat.notes)


@pytest.mark.parametrize("end", [[], ["[DONE]"]])
def test_an_answer_that_ends_before_it_began_is_asked_for_again(chat, server, end):
    server.script = [lambda handler, _: handler.stream({"choices": [{"delta": {"role": "assistant"}}]}, *end)]
    assert chat.complete([request()])[0].text == "heard: hello"
    assert len(server.asked) == 2


def test_a_text_in_parts_is_read_without_its_thoughts(chat, server):
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    parts = [thought, {"type": "text", "text": "fine"}]
    server.script = [answers(200, {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]})]
    assert chat.complete([request()])[0].text == "fine"


@pytest.mark.parametrize("written", ["<think>hm</think>\nfine", "hm, well\n</think>\n\nfine"])
def test_thoughts_are_left_out_also_where_only_their_end_is_written(chat, server, written):
    server.script = [lambda handler, _: handler.stream(*chunks(written))]
    assert chat.complete([request()])[0].text == "fine"


def test_a_model_that_only_thought_has_used_up_its_tokens(server, opened):
    thought = {"choices": [{"delta": {"content": None, "reasoning_content": "hm"}, "finish_reason": None}]}
    server.script = [lambda handler, _: handler.stream(thought, piece("", "length"), "[DONE]")]
    agent = writer_of("text-generation", lambda options, cores: opened())
    agent.load({}, 1)
    (made,) = agent.call([Inputs((), {}, sentence="Write")])
    assert "before it wrote anything" in made.reason
    assert "max_tokens=N" in made.reason


def test_a_text_that_is_cut_off_is_given_and_told_of_once(server, opened):
    server.script = [lambda handler, _: handler.stream(piece("Half a", "length"), "[DONE]")]
    agent = writer_of("text-generation", lambda options, cores: opened())
    agent.load({}, 1)
    assert agent.call([Inputs((), {}, sentence="Write")]) == ["Half a"]
    assert any("cut off" in note for note in agent.notes())
    agent.call([Inputs((), {}, sentence="Write")])
    assert not agent.notes()  # they are of the last call alone


def test_a_model_that_calls_a_tool_fails_its_item_and_says_so(chat, server):
    message = {
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "search", "arguments": "{}"}}],
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    choices = [{"message": message, "finish_reason": "tool_calls"}]
    server.script = [answers(200, {"choices": choices, "usage": usage})]
    (failed,) = chat.complete([request()])
    assert "wanted to call a tool" in failed.reason
    assert chat.spent().wasted == 10


@pytest.mark.parametrize(
    "body", [{"choices": [3]}, {"choices": {"a": 1}}, {"choices": [{"message": "hi"}]}, [], {}]
)
def test_what_is_no_completion_fails_its_item_in_words(chat, server, body):
    server.script = [answers(200, body)]
    (failed,) = chat.complete([request()])
    assert "no chat completion" in failed.reason


# --- errors in other places ---------------------------------------------------------------------------------------


def test_an_error_of_status_200_says_what_it_is(chat, server):
    server.script = [answers(200, {"error": {"message": "model is not loaded", "code": 400}})]
    (failed,) = chat.complete([request()])
    assert "model is not loaded" in failed.reason


@pytest.mark.parametrize(
    "event",
    [
        {"error": {"message": "overloaded", "code": 429}},
        {"error": {"message": "upstream gone"}},
        {
            "choices": [
                {"delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "bad"}}
            ]
        },
        {"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]},
    ],
)
def test_a_failure_in_the_middle_that_may_pass_is_tried_again(chat, server, event):
    server.script = [lambda handler, _: handler.stream(piece("he"), event, "[DONE]")]
    assert chat.complete([request()])[0].text == "heard: hello"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "request (900 tokens) exceeds the available context size (100 tokens), try increasing it"),
        (
            422,
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 100. Given: 900 `inputs` tokens",
        ),
        (400, "prompt is too long: 900 tokens > 100 maximum"),
        (500, "the request exceeds the available context size. try increasing the context size"),
    ],
)
@pytest.mark.parametrize("too_long", ["shorten", "fail"])
def test_what_is_too_long_is_understood_however_it_is_said(chat, server, status, said, too_long):
    chat.too_long = too_long
    server.script = [error(status, said)]
    (made,) = chat.complete([request("word " * 300)])
    if too_long == "fail":
        assert "does not fit into the model's context" in made.reason
        assert len(server.asked) == 1
    else:
        assert isinstance(made, Reply)
        assert "[…]" in made.text


def test_an_answer_longer_than_the_context_is_refused_before_anything_is_asked(chat, server):
    server.models = [{"id": "fake-model", "max_model_len": 16}]
    chat.probe()
    (failed,) = chat.complete([request()])
    assert "max_tokens=16 leaves no room" in failed.reason
    assert not server.asked
    assert not chat.notes


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, {"error": {"message": "Insufficient Balance"}}),
        (429, {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}),
    ],
)
def test_an_account_without_money_ends_the_step_and_not_each_item_after_five_tries(
    chat, server, status, body
):
    server.script = [answers(status, body)] * 9
    with pytest.raises(AgentError, match=f"answered {status}") as caught:
        chat.complete([request()])
    assert "balance" in str(caught.value)
    assert len(server.asked) == 1


def test_pictures_that_exceed_the_context_are_said_to(chat, server):
    said = (
        "This model's maximum context length is 100 tokens. However, your prompt contains 4000 input tokens."
    )
    server.script = [error(400, said)] * 6
    (failed,) = chat.complete([request(images=("data:image/jpeg;base64,AAAA",))])
    assert "images exceed the model's context" in failed.reason
    assert "pictures=N" in failed.reason


def test_a_deadline_says_what_its_last_try_came_to(server, opened):
    chat = opened(deadline_s=3.0)

    async def long(seconds: float) -> None:
        import asyncio

        await asyncio.sleep(60)  # longer than the deadline

    chat.caller.sleep = long
    server.script = [error(429, "slow down")]
    (failed,) = chat.complete([request()])
    assert "within 3 s" in failed.reason
    assert "answered 429 (slow down)" in failed.reason


# --- parameters that some refuse ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said", "status"),
    [
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", 400),
        ("stream_options", "Unrecognized request argument supplied: stream_options", 400),
        (
            "seed",
            "[{'type': 'extra_forbidden', 'loc': ['body', 'seed'], 'msg': 'Extra inputs are not permitted'}]",
            422,
        ),
        ("temperature", "temperature is not supported with this model", 400),
    ],
)
def test_eight_at_once_find_out_together_what_a_server_does_not_take(server, opened, name, said, status):
    """Each of them was in flight before the first refusal came: none may fail for that."""
    server.hold_s = 0.1
    server.script = [refuses(name, said, status)] * 16
    replies = opened(in_flight=8).complete([request(str(n)) for n in range(8)])
    assert [one.text for one in replies] == ["fine"] * 8
    assert name not in server.asked[-1]


def test_a_server_that_cannot_stream_is_asked_for_whole_answers(chat, server):
    def step(handler: Handler, body: dict[str, Any]) -> None:
        if body["stream"]:
            handler.answer(400, {"error": {"message": "Streaming is not supported by this server"}})
        else:
            handler.answer(200, whole("fine"))

    server.script = [step, step]
    assert chat.complete([request()])[0].text == "fine"
    assert "stream_options" not in server.asked[-1]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "This response_format type is unavailable now"),
        (
            500,
            "[{'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]",
        ),
    ],
)
def test_a_form_that_a_server_does_not_know_is_asked_for_in_the_next_way_and_that_is_remembered(
    chat, server, status, said
):
    server.script = [error(status, said)]
    chat.complete([request(schema=SCHEMA)])
    chat.complete([request(schema=SCHEMA)])
    forms = [body.get("response_format", {}).get("type") for body in server.asked]
    assert forms == ["json_schema", "json_object", "json_object"]
    assert any("takes no JSON schema" in note for note in chat.notes)


def test_a_server_that_knows_no_form_is_asked_in_words(chat, server):
    server.script = [refuses("response_format", "response_format: not supported")] * 3
    assert chat.complete([request(schema=SCHEMA)])[0].text == "fine"
    assert "response_format" not in server.asked[-1]


# --- vectors ------------------------------------------------------------------------------------------------------


@pytest.fixture
def encoder(server) -> Iterator[ServedEncoder]:
    from murakkab_jupyter.agents.served.loops import background

    made = ServedEncoder(Caller(Endpoint(server.url, "fake-model"), sleep=at_once))
    yield made
    background().run(made.caller.close())


def rows_of(body: dict[str, Any], *, index: bool) -> dict[str, Any]:
    rows = [{"embedding": [float(len(text)), 1.0]} for text in body["input"]]
    return {"data": [{**row, **({"index": n} if index else {})} for n, row in enumerate(rows)]}


def test_vectors_without_an_index_keep_their_order(encoder, server):
    server.script = [lambda handler, body: handler.answer(200, rows_of(body, index=False))]
    vectors = encoder.encode(["a", "bbbb", "cc"])
    assert [round(float(row[0] / row[1])) for row in vectors] == [1, 4, 2]


@pytest.mark.parametrize(
    ("status", "said", "where"),
    [
        (422, "batch size 32 > maximum allowed batch size 4", 4),
        (413, "Input validation error: `inputs` must have less than 5 tokens. Given: 6", 4),
    ],
)
def test_a_group_that_is_too_large_is_halved_until_it_fits(encoder, server, status, said, where):
    def step(handler: Handler, body: dict[str, Any]) -> None:
        if len(body["input"]) > where:
            handler.answer(status, {"error": {"message": said}})
        else:
            handler.answer(200, rows_of(body, index=True))

    server.script = [step] * 100
    vectors = encoder.encode(["x" * (n + 1) for n in range(40)])
    assert [round(float(row[0] / row[1])) for row in vectors] == list(range(1, 41))


def poisoned(handler: Handler, body: dict[str, Any]) -> None:
    if "poison" in body["input"]:
        handler.answer(400, {"error": {"message": "invalid input"}})
    else:
        handler.answer(200, rows_of(body, index=True))


def test_one_text_of_which_there_is_no_vector_fails_alone(encoder, server):
    server.script = [poisoned] * 100
    agent = ServedEmbedding(lambda options: encoder)
    agent.load({}, 1)
    made = agent.call([Inputs((n,), {"text": text}) for n, text in enumerate(["a", "b", "poison", "d"])])
    assert [isinstance(one, Failed) for one in made] == [False, False, True, False]
    assert "invalid input" in made[2].reason


def test_an_empty_text_fails_alone_and_is_not_sent(encoder, server):
    agent = ServedEmbedding(lambda options: encoder)
    agent.load({}, 1)
    first, empty, last = agent.call([Inputs((), {"text": text}) for text in ("a", " \n", "bbbb")])
    assert isinstance(empty, Failed)
    assert "empty" in empty.reason
    assert [round(float(row[0] / row[1])) for row in (first, last)] == [1, 4]
    assert server.asked[-1]["input"] == ["a", "bbbb"]
    (alone,) = agent.call([Inputs((), {"text": ""})])
    assert isinstance(alone, Failed)
    assert len(server.asked) == 1


def test_passages_are_encoded_once_for_many_questions(encoder, server):
    agent = ServedSearch(lambda options: encoder)
    agent.load({"top_k": 1}, 1)
    passages = ["one", "three", "seventeen"]
    items = [
        Inputs((n,), {"question": q, "passages": passages})
        for n, q in enumerate(["six six", "ten", "poison"])
    ]
    server.script = [poisoned] * 20
    found = agent.call(items)
    assert [len(one) for one in found[:2]] == [1, 1]
    assert isinstance(found[2], Failed)
    assert [body["input"] for body in server.asked].count(passages) == 1


def test_a_storm_of_refusals_fails_texts_and_ends_no_step(encoder, server):
    server.script = [error(429, "slow down")] * 5
    rows = encoder.rows(["a"] * 20)
    assert all("answered 429 (slow down), 5 times" in row.reason for row in rows)
    assert len(server.asked) == 5  # one after another would be the storm again
    assert len(encoder.encode(["a"])) == 1


def test_breaking_off_is_still_told_from_an_end(chat, server):
    server.script = [breaks_off("heard:")] * 5
    assert "broke off" in chat.complete([request()])[0].reason
