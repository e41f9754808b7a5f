"""Calls of a served language model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest

from murakkab_jupyter.agents.agent import Failed, Tokens
from murakkab_jupyter.agents.language.chat import Request
from murakkab_jupyter.agents.served.calls import Caller
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.loops import background
from murakkab_jupyter.agents.served.openai import OpenAIChat
from murakkab_jupyter.core.errors import AgentError
from tests.agents.served.fake_openai import (
    FakeServer,
    answers,
    breaks_off,
    chunks,
    endless,
    error,
    fake_server,
    never,
    piece,
    wait_until,
)

SECRET = "sk-very-secret-0123456789"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as fake:
        yield fake


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def chat_at() -> Iterator[Callable[..., OpenAIChat]]:
    """Opens chats, and closes their connections at the end."""
    made: list[OpenAIChat] = []

    def opened(
        url: str, waits: list[float] | None = None, *, model="fake-model", key_env=None, **options
    ) -> OpenAIChat:
        async def wait(seconds: float) -> None:
            (waits if waits is not None else []).append(seconds)

        made.append(OpenAIChat(Endpoint(url, model, key_env), sleep=wait, **options))
        return made[-1]

    yield opened
    for chat in made:
        chat.close()


@pytest.fixture
def chat(chat_at, server, waits) -> OpenAIChat:
    return chat_at(server.url, waits)


def request(text: str = "hello") -> Request:
    return Request((), ("", ""), (text,), max_tokens=16)


def test_a_reply_brings_its_tokens(chat):
    (reply,) = chat.complete([request("hello there")])
    assert (reply.text, reply.read, reply.written, reply.cached) == ("heard: hello there", 2, 5, 1)


def test_many_requests_keep_their_order(chat):
    replies = chat.complete([request(f"number {n}") for n in range(20)])
    assert [reply.text for reply in replies] == [f"heard: number {n}" for n in range(20)]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again_with_growing_waits(chat, server, waits, status):
    server.script = [error(status, "busy")] * 3
    assert chat.complete([request()])[0].text == "heard: hello"
    assert len(waits) == 3
    assert all(0 < wait <= 2 for wait in waits)
    assert waits[2] > waits[0]


def test_the_server_may_say_how_long_to_wait(chat, server, waits):
    server.script = [error(429, "slow down", Retry_After="7")]
    chat.complete([request()])
    assert 7.0 <= waits[0] <= 7.7


def test_a_server_that_stays_down_fails_the_item_in_words(chat, server):
    server.script = [error(503, "overloaded")] * 5
    (failed,) = chat.complete([request()])
    assert isinstance(failed, Failed)
    assert "overloaded" in failed.reason


def test_nobody_listening_fails_the_item_in_words(chat_at, waits):
    gone = FakeServer()
    url = gone.url
    gone.server_close()
    (failed,) = chat_at(url, waits, attempts=2).complete([request()])
    assert "cannot be reached" in failed.reason


def test_where_nobody_is_any_more_the_many_calls_after_the_first_are_tried_once(chat_at, waits):
    gone = FakeServer()
    url = gone.url
    gone.server_close()
    chat = chat_at(url, waits, in_flight=2)
    failed = chat.complete([request(str(n)) for n in range(40)])
    assert all("cannot be reached" in one.reason for one in failed)
    assert len(waits) == 8  # of the two that found it out


def test_a_server_that_is_back_is_tried_as_often_as_ever(chat_at, waits):
    with fake_server() as fake:
        chat = chat_at(fake.url, waits)
        chat.caller.down = True
        assert chat.complete([request()])[0].text == "heard: hello"
        fake.script = [error(503, "busy")] * 3
        assert chat.complete([request()])[0].text == "heard: hello"
    assert len(waits) == 3


def test_a_wrong_key_is_an_error_for_all_and_is_never_shown(chat_at, server, monkeypatch, caplog):
    monkeypatch.setenv("THEIR_KEY", SECRET)
    server.script = [error(401, f"Incorrect API key provided: {SECRET}")]
    chat = chat_at(server.url, key_env="THEIR_KEY")
    with pytest.raises(AgentError) as caught:
        chat.complete([request()])
    assert server.keys[-1] == f"Bearer {SECRET}"
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {chat!r} {vars(chat)} {caplog.text}"
    assert SECRET not in shown
    assert "THEIR_KEY" in str(caught.value)


def test_the_key_of_one_service_is_not_sent_to_another(chat_at, server, monkeypatch):
    for variable in ("OPENAI_API_KEY", "MURAKKAB_API_KEY"):
        monkeypatch.setenv(variable, SECRET)
    chat_at(server.url).complete([request()])
    assert server.keys[-1] is None


def test_a_server_that_wants_a_key_says_how_to_name_one(chat_at, server, monkeypatch):
    monkeypatch.setenv("MURAKKAB_API_KEY", SECRET)
    server.script = [error(401, "who are you")]
    with pytest.raises(AgentError, match="key_env=VAR") as caught:
        chat_at(server.url).complete([request()])
    assert "MURAKKAB_API_KEY is set, and goes only where it is named" in str(caught.value)


def test_a_key_is_never_sent_in_the_clear_to_another_host_unasked(chat_at, monkeypatch):
    monkeypatch.setenv("THEIR_KEY", SECRET)
    with pytest.raises(AgentError, match="plain http") as caught:
        chat_at("http://gpu-host.invalid:8000/v1", key_env="THEIR_KEY")
    assert "ssh -L 8000:localhost:8000 gpu-host.invalid" in str(caught.value)
    agreed = Endpoint("http://gpu-host.invalid:8000/v1", "m", "THEIR_KEY", key_over_http=True)
    OpenAIChat(agreed).close()


def test_a_redirect_is_not_followed_with_the_key(chat_at, server, monkeypatch):
    monkeypatch.setenv("THEIR_KEY", SECRET)
    server.script = [answers(307, {}, Location="http://127.0.0.1:9/v1")]
    with pytest.raises(AgentError, match="redirect"):
        chat_at(server.url, key_env="THEIR_KEY").complete([request()])


def test_a_key_that_was_named_and_is_not_set_is_an_error(server, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(AgentError, match="MY_KEY"):
        OpenAIChat(Endpoint(server.url, "m", key_env="MY_KEY"))


def test_too_long_a_request_is_shortened_until_it_fits(chat, server):
    message = (
        "This model's maximum context length is 100 tokens. However, your messages resulted in 400 tokens."
    )
    server.script = [error(400, message)]
    (reply,) = chat.complete([request("word " * 300)])
    assert len(reply.text) < 600
    assert "[…]" in reply.text
    assert chat.shortened == 1


def test_instructions_that_never_fit_fail_in_words(chat, server):
    server.script = [error(400, "context length exceeded")] * 8
    (failed,) = chat.complete([request("word " * 300)])
    assert "context" in failed.reason


@pytest.mark.parametrize("body", [b"<html>", b"[]", {"choices": []}, {"choices": [{"message": None}]}])
def test_an_answer_of_another_shape_fails_the_item(chat, server, body):
    server.script = [answers(200, body)]
    assert isinstance(chat.complete([request()])[0], Failed)


def test_an_unknown_model_is_an_error(chat, server):
    server.script = [error(404, "model not found")]
    with pytest.raises(AgentError, match="model not found"):
        chat.complete([request()])


def test_the_only_model_need_not_be_named(chat_at, server):
    assert chat_at(server.url, model="").endpoint.model == "fake-model"
    server.models = [{"id": "a"}, {"id": "b"}]
    with pytest.raises(AgentError, match="2 models"):
        chat_at(server.url, model="")


def test_one_that_cannot_be_opened_leaves_no_connection(server, monkeypatch):
    closed = []
    close = Caller.close

    async def watched(caller: Caller) -> None:
        closed.append(caller._client is not None)
        await close(caller)

    monkeypatch.setattr(Caller, "close", watched)
    server.models = [{"id": "a"}, {"id": "b"}]
    with pytest.raises(AgentError, match="2 models"):
        OpenAIChat(Endpoint(server.url, ""))
    assert closed == [True]


def test_newer_parameters_are_used_where_the_old_are_refused(chat, server):
    server.script = [error(400, "Unsupported parameter: use 'max_completion_tokens' instead.")]
    assert chat.complete([request()])[0].text == "heard: hello"
    assert "max_completion_tokens" in server.asked[-1]
    assert "temperature" not in server.asked[-1]


# --- bad input, and what becomes of it ------------------------------------------------------------------------------


def test_no_more_are_in_flight_than_planned(chat_at, server):
    server.hold_s = 0.2  # they meet, however busy the machine is
    chat = chat_at(server.url, in_flight=3)
    replies = chat.complete([request(f"number {n}") for n in range(12)])
    assert [reply.text for reply in replies] == [f"heard: number {n}" for n in range(12)]
    assert server.most_in_flight == 3


def test_a_server_that_is_gone_in_the_middle_of_an_answer_is_asked_again_and_the_waste_is_counted(
    chat, server
):
    server.script = [breaks_off("heard:", " he")]
    (reply,) = chat.complete([request()])
    assert reply.text == "heard: hello"
    assert chat.spent() == Tokens(read=1, written=7, cached=1, wasted=2)


def test_a_server_that_always_breaks_off_fails_the_item_in_words(chat, server):
    server.script = [breaks_off("heard:")] * 5
    (failed,) = chat.complete([request()])
    assert "broke off" in failed.reason
    assert chat.spent().wasted == 5


def test_an_answer_that_falls_silent_is_given_up_and_asked_again(chat, server, monkeypatch):
    def pauses(handler, body):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b'data: {"choices": [{"delta": {"content": "he"}}]}\n\n')
        handler.wfile.flush()
        never(handler, body)

    monkeypatch.setattr("murakkab_jupyter.agents.served.calls.SILENCE_S", 1.5)
    server.script = [pauses]
    assert chat.complete([request()])[0].text == "heard: hello"
    assert chat.spent().wasted == 1


def test_a_server_that_never_answers_fails_the_item_at_its_deadline(chat_at, server):
    server.script = [never]
    chat = chat_at(server.url, deadline_s=0.2)
    (failed,) = chat.complete([request()])
    assert "within 0.2 s" in failed.reason
    assert "timeout=" in failed.reason


def test_a_storm_of_refusals_loses_and_doubles_nothing(chat_at, server, waits):
    chat = chat_at(server.url, waits, in_flight=4)
    server.script = [error(429, "slow down", Retry_After="2")] * 9
    replies = chat.complete([request(f"number {n}") for n in range(20)])
    assert [reply.text for reply in replies] == [f"heard: number {n}" for n in range(20)]
    assert len(server.asked) == 29
    assert all(wait <= 2.2 for wait in waits)


def test_a_server_that_takes_three_at_once_soon_gets_three_and_the_user_is_told(chat_at, server):
    """Real waits: they are what keeps requests apart."""
    server.hold_s = 0.1  # they meet, however busy the machine is
    chat = OpenAIChat(Endpoint(server.url, "fake-model"), in_flight=12)
    server.turn_away_above(3)
    try:
        replies = chat.complete([request(f"number {n}") for n in range(60)])
    finally:
        chat.close()
    assert [reply.text for reply in replies] == [f"heard: number {n}" for n in range(60)]
    assert 1 <= chat.crowd.limit <= 5
    assert any("no more requests at times (429)" in note for note in chat.notes)


def test_a_server_that_only_refuses_fails_every_item_and_says_which_way_on(chat_at, server):
    chat = chat_at(server.url, attempts=3)
    server.script = [error(429, "rate limit")] * 12
    failed = chat.complete([request(str(n)) for n in range(4)])
    assert all("answered 429 (rate limit), 3 times" in one.reason for one in failed)


def test_retry_after_may_be_a_date(chat, server, waits):
    server.script = [error(503, "back soon", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")]
    assert chat.complete([request()])[0].text == "heard: hello"
    assert waits == [0.0]


@pytest.mark.parametrize(
    "events", [["{not json"], ["[1]"], [{"choices": [3]}], [{"choices": [{"delta": 3}]}]]
)
def test_malformed_events_fail_the_item_in_words(chat, server, events):
    server.script = [lambda handler, _: handler.stream(*events)]
    (failed,) = chat.complete([request()])
    assert isinstance(failed, Failed)
    assert server.url in failed.reason


def test_a_failure_reported_within_an_answer_is_tried_again(chat, server):
    broken = {"error": {"message": "EngineDeadError", "code": 500}}
    server.script = [lambda handler, _: handler.stream(piece("he"), broken, "[DONE]")]
    assert chat.complete([request()])[0].text == "heard: hello"


def test_an_answer_of_nothing_is_an_empty_reply(chat, server):
    server.script = [lambda handler, _: handler.stream(*chunks(""))]
    assert chat.complete([request()])[0].text == ""


@pytest.mark.parametrize(
    "last",
    [
        piece("", "content_filter"),
        {"choices": [{"delta": {"refusal": "I cannot."}, "finish_reason": "stop"}]},
    ],
)
def test_an_answer_that_is_held_back_is_none(chat, server, last):
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    server.script = [lambda handler, _: handler.stream(piece("Half an"), last, usage, "[DONE]")]
    (failed,) = chat.complete([request()])
    assert isinstance(failed, Failed)
    assert "declined to answer" in failed.reason
    spent = chat.spent()
    assert (spent.read, spent.written, spent.wasted) == (7, 3, 10)


def test_a_server_that_does_not_stream_serves_as_well(chat, server):
    server.streams = False
    assert chat.complete([request()])[0].text == "heard: hello"
    assert chat.spent().written == 5


def test_a_server_that_knows_no_stream_options_is_asked_without(chat, server):
    server.script = [error(400, "Unrecognized request argument supplied: stream_options")]
    assert chat.complete([request()])[0].text == "heard: hello"
    assert "stream_options" not in server.asked[-1]


def test_giving_up_closes_the_connection(chat, server):
    server.script = [endless]
    heard: list[str] = []
    messages = request().messages()
    running = asyncio.run_coroutine_threadsafe(
        chat.converse(messages, request(), heard.append), background().loop
    )
    assert wait_until(lambda: len(heard) > 2)
    assert chat.spent().written >= 2
    running.cancel()
    assert server.over.wait(60)
    assert wait_until(lambda: chat.spent().wasted >= 3)


def test_one_wrong_key_stops_the_others_too(chat_at, server):
    chat = chat_at(server.url, in_flight=2)
    server.script = [endless, error(401, "no")]
    with pytest.raises(AgentError, match="401"):
        chat.complete([request("a"), request("b")])
    assert server.over.wait(60)


def test_a_schema_goes_with_the_request(chat, server):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    chat.complete([Request((), ("", ""), ("hello",), schema=schema)])
    assert server.asked[-1]["response_format"]["json_schema"]["schema"] == schema


def test_what_does_not_fit_fails_where_the_step_says_so(chat, server):
    chat.too_long = "fail"
    server.script = [
        error(
            400,
            "This model's maximum context length is 100 tokens. However, your prompt contains 400 input tokens.",
        )
    ]
    (failed,) = chat.complete([request("word " * 300)])
    assert "400 tokens, 100 fit" in failed.reason
    assert "too_long=shorten" in failed.reason
    assert len(server.asked) == 1


def test_what_was_shortened_is_said(chat, server):
    message = "This model's maximum context length is 2048 tokens. However, your prompt contains at least 1849 input tokens, which exceeds"
    server.script = [error(400, message)]
    chat.complete([Request((), ("", ""), ("word " * 9000,), max_tokens=200)])
    assert len(server.asked[-1]["messages"][-1]["content"]) < 7000
    assert any("shortened" in note for note in chat.notes)


def test_nobody_there_is_said_with_what_to_check_when_it_is_probed(chat_at):
    gone = FakeServer()
    url = gone.url
    gone.server_close()
    with pytest.raises(AgentError, match="cannot be reached") as caught:
        chat_at(url, model="")
    assert "Check that the server runs" in str(caught.value)
    assert "model=" not in str(caught.value)


def test_a_probe_learns_what_is_served(chat, server):
    server.models = [{"id": "fake-model", "owned_by": "vllm", "max_model_len": 2048}]
    chat.probe()
    assert (chat.endpoint.kind, chat.context_tokens) == ("vllm", 2048)
    chat.complete([request()])
    assert server.asked[-1]["stream_options"]["continuous_usage_stats"]


@pytest.mark.parametrize("body", [b"<html>hello</html>", {"hello": "world"}, [1, 2], {"data": [3]}])
def test_what_is_no_openai_server_is_told_apart_when_it_is_probed(chat, server, body):
    server.models_step = answers(200, body)
    with pytest.raises(AgentError, match="does not answer as a server of the OpenAI API"):
        chat.probe()


def test_a_model_that_is_not_served_is_told_when_it_is_probed(chat_at, server):
    with pytest.raises(AgentError, match="fake-model"):
        chat_at(server.url, model="another").probe()


def test_a_server_without_a_list_of_models_serves_as_well(chat, server):
    server.models_step = error(404, "no such page")
    chat.probe()
    assert chat.complete([request()])[0].text == "heard: hello"


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_key_that_a_server_repeats_is_shown_nowhere(chat_at, server, monkeypatch, caplog, status):
    monkeypatch.setenv("THEIR_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    chat = chat_at(server.url, key_env="THEIR_KEY", attempts=2)
    server.script = [error(status, f"bad: {SECRET}"), lambda h, _: h.stream({"error": {"message": SECRET}})]
    (failed,) = chat.complete([request()])
    assert isinstance(failed, Failed)
    assert SECRET not in f"{failed} {caplog.text} {chat.notes}"
