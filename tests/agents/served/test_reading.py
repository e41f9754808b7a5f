"""Servers that send what no server should: an item fails and says why, others go on, and nothing is counted that is no count."""

from __future__ import annotations

import asyncio
import json
import ssl
import time

import httpx2
import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.agents.language.chat import Reply, Request
from murakkab_jupyter.agents.served.calls import Caller
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.openai import OpenAIChat
from murakkab_jupyter.agents.served.reading import count_in, json_of, plain, vector_of
from murakkab_jupyter.agents.served.vectors import ServedEncoder
from murakkab_jupyter.cluster.engines.ask import Server, probe_server
from murakkab_jupyter.core.errors import AgentError, ClusterError
from tests.agents.served.fake_openai import FakeServer, Handler, Step, answers, error, fake_server, piece

DEEP = b"[" * 200_000
CHOICES = [{"message": {"content": "hi"}, "finish_reason": "stop"}]


async def at_once(seconds: float) -> None:
    """No waiting between tries."""


def asked(fake: FakeServer, *steps: Step) -> tuple[OpenAIChat, list[Reply | Failed]]:
    """What comes of one request for each step, and one more that is answered well."""
    fake.script = list(steps)
    chat = OpenAIChat(Endpoint(fake.url, "fake-model"), in_flight=1, deadline_s=20, attempts=1, sleep=at_once)
    try:
        return chat, chat.complete([Request((), ("", ""), ("hello",), 8)] * (len(steps) + 1))
    finally:
        chat.close()


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "abc", "completion_tokens": None},
        {"prompt_tokens": -5, "completion_tokens": -7},
        {"prompt_tokens": float("inf"), "completion_tokens": float("nan")},
        {"prompt_tokens": 10**30, "completion_tokens": True},
        {"prompt_tokens": [1], "completion_tokens": {}, "prompt_tokens_details": "x"},
    ],
)
def test_counts_that_are_none_are_not_counted_and_the_answer_stands(usage) -> None:
    body = {"choices": CHOICES, "usage": usage}
    streamed: Step = lambda handler, _: handler.stream(piece("hi", "stop"), {"choices": [], "usage": usage}, "[DONE]")  # fmt: skip # noqa: E731
    with fake_server() as fake:
        chat, replies = asked(fake, answers(200, body), streamed)
    assert [one.text for one in replies[:2]] == ["hi", "hi"]
    assert [(one.read, one.written) for one in replies[:2]] == [(0, 0), (0, 0)]
    assert chat.spent().read == replies[2].read > 0


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (answers(200, DEEP), "is not JSON (nested too deeply)"),
        (lambda handler, _: handler.stream("[" * 100_000), "sent an event that is not JSON"),
        (answers(400, DEEP), "answered 400"),
        (answers(400, b'{"error":' * 50_000), "answered 400"),
    ],
)
def test_json_that_is_nested_too_deeply_fails_its_item_alone(step, said) -> None:
    with fake_server() as fake:
        _, (first, second) = asked(fake, step)
    assert isinstance(first, Failed)
    assert said in first.reason
    assert isinstance(second, Reply)


def test_an_answer_without_end_is_given_up_before_it_fills_the_memory(monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.agents.served.calls.LARGEST_STREAM", 2**20)

    def endless(handler: Handler, _: object) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        event = f"data: {json.dumps(piece('a' * 50_000))}\n\n".encode()
        try:
            while not handler.server.over.is_set():
                handler.wfile.write(event)
        except OSError:
            pass
        handler.close_connection = True

    with fake_server() as fake:
        _, (first, second) = asked(fake, endless)
    assert "went on for more than 1 MiB, which no answer has" in first.reason
    assert isinstance(second, Reply)


def test_what_a_server_says_cannot_command_a_terminal() -> None:
    with fake_server() as fake:
        _, (first, _) = asked(fake, error(400, "\x1b[31mred\x1b]0;title\x07\r\nnext"))
    assert first.reason.isprintable()
    assert "red" in first.reason


def rows(*vectors: object, **more: object) -> Step:
    return answers(200, {"data": [{"embedding": one} for one in vectors], **more})


def encoded(step: Step) -> tuple[ServedEncoder, np.ndarray]:
    with fake_server() as fake:
        fake.script = [step]
        encoder = ServedEncoder(Caller(Endpoint(fake.url, "fake-model"), attempts=1, sleep=at_once))
        return encoder, encoder.encode(["hello"])


@pytest.mark.parametrize("usage", ["x", [1], {"prompt_tokens": "x"}, {"prompt_tokens": float("inf")}])
def test_vectors_stand_whatever_is_said_of_their_tokens(usage) -> None:
    encoder, made = encoded(rows([3.0, 4.0], usage=usage))
    assert made.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]
    assert encoder.read == 0


@pytest.mark.parametrize("vector", [[], [1e308], [10**400], ["1"], [[1.0]], "AACAPw==", [True], None])
def test_what_is_no_vector_fails(vector) -> None:
    with pytest.raises(AgentError, match="is no 1 vectors"):
        encoded(rows(vector))


@pytest.mark.parametrize("index", [float("inf"), "x", None, [1]])
def test_an_index_that_is_none_keeps_the_order(index) -> None:
    _, made = encoded(answers(200, {"data": [{"index": index, "embedding": [0.0, 2.0]}]}))
    assert made.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    "listed", [DEEP, {"data": [{"id": 5}]}, {"data": [{"id": ["a"]}]}, {"data": [{"id": "\x1b[2J"}]},
               {"data": [{"id": "a" * 1000}]}, {"data": [None]}, {"data": {"id": "a"}}],
)  # fmt: skip
def test_a_list_of_models_that_is_none_is_said(listed) -> None:
    with fake_server() as fake:
        fake.models_step = answers(200, listed)
        with pytest.raises(ClusterError, match="/models lists no models"):
            probe_server(fake.url)


def test_a_model_that_is_listed_twice_or_as_its_own_parent_is_one_model() -> None:
    with fake_server() as fake:
        fake.models = [{"id": "m", "parent": "m"}, {"id": "m", "parent": "m"}]
        assert probe_server(fake.url).models == ("m",)


@pytest.mark.parametrize("choices", [[None], "x", {"0": 1}, [{"text": "legacy"}], []])
def test_what_is_no_chat_completion_is_refused_when_it_is_attached(choices) -> None:
    with fake_server() as fake:
        fake.script = [answers(200, {"choices": choices})]
        with pytest.raises(ClusterError, match="something that is no chat completion"):
            probe_server(fake.url)


def test_a_server_that_drips_byte_by_byte_is_not_waited_for() -> None:
    def drips(handler: Handler, _: object) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while not handler.server.over.wait(0.1):
                handler.wfile.write(b"X")
        except OSError:
            pass
        handler.close_connection = True

    with fake_server() as fake:
        fake.models_step = drips
        began = time.monotonic()
        answer = Server(fake.url).ask(
            f"{fake.url}/models", timeout_s=2.0
        )  # however slow, it drips within that
        assert time.monotonic() - began < 30
    assert (answer.status, answer.problem) == (0, "cannot be reached (no whole answer within 2 s)")


def test_readings() -> None:
    assert json_of('{"a": 1}') == {"a": 1}
    with pytest.raises(ValueError, match="nested too deeply"):
        json_of(DEEP)
    assert [count_in({"n": value}, "n") for value in (3, 3.0, "3", None, True, -1)] == [3, 3, 0, 0, 0, 0]
    assert count_in("x", "n") == 0
    assert vector_of([1, 2.5]) == [1.0, 2.5]
    assert plain("a\x1b[0m\n b", 4) == "a [0"


def test_certificates_are_trusted_as_the_library_of_the_calls_does_where_there_are_any(monkeypatch) -> None:
    made: list[ssl.SSLContext] = []
    own = httpx2.create_ssl_context

    def create() -> ssl.SSLContext:
        made.append(own())
        return made[-1]

    monkeypatch.setattr(httpx2, "create_ssl_context", create)
    for url, contexts in (("http://127.0.0.1:9/v1", 0), ("https://localhost:9/v1", 1)):
        caller = Caller(Endpoint(url, "fake-model"))
        assert caller.client is caller.client
        assert len(made) == contexts
        asyncio.run(caller.close())
