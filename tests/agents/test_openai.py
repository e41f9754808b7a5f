"""A served language model. The server here is a fake that keeps to the protocol, over real HTTP."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.chat import Request
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.openai import OpenAIChat, OpenAIWriter, register_openai
from murakkab_jupyter.agents.retrieval import register as register_retrieval
from murakkab_jupyter.agents.text import register as register_text
from murakkab_jupyter.core.errors import AgentError

SECRET = "sk-very-secret-0123456789"


class FakeServer(ThreadingHTTPServer):
    """Answers from a script: a list of (status, body, headers); then completions that echo the request's size."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, object, dict[str, str]]] = []
        self.asked: list[dict] = []
        self.keys: list[str | None] = []
        self.models = ["fake-model"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("Authorization"))
        self.answer(200, {"data": [{"id": name} for name in self.server.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        if self.server.script:
            self.answer(*self.server.script.pop(0))
            return
        text = body["messages"][-1]["content"]
        self.answer(
            200,
            {
                "choices": [{"message": {"content": f"heard: {text}"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": len(text) // 4, "completion_tokens": 5},
            },
        )

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield fake
    fake.shutdown()
    fake.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def chat(server, waits) -> OpenAIChat:
    return OpenAIChat(server.url, "fake-model", wait=waits.append)


def request(text: str = "hello") -> Request:
    return Request((), ("", ""), (text,), max_tokens=16)


def error(status: int, message: str, **headers: str) -> tuple[int, object, dict[str, str]]:
    return status, {"error": {"message": message}}, headers


def test_a_reply_brings_its_tokens(chat):
    (reply,) = chat.complete([request("hello there")])
    assert (reply.text, reply.read, reply.written) == ("heard: hello there", 2, 5)


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
    server.script = [(429, {"error": {"message": "slow down"}}, {"Retry-After": "7"})]
    chat.complete([request()])
    assert waits == [7.0]


def test_a_server_that_stays_down_fails_the_item_in_words(chat, server):
    server.script = [error(503, "overloaded")] * 5
    (failed,) = chat.complete([request()])
    assert isinstance(failed, Failed)
    assert "overloaded" in failed.reason


def test_nobody_listening_fails_the_item_in_words(waits):
    gone = FakeServer()
    url = gone.url
    gone.server_close()
    (failed,) = OpenAIChat(url, "m", attempts=2, wait=waits.append).complete([request()])
    assert "cannot be reached" in failed.reason


def test_a_wrong_key_is_an_error_for_all_and_is_never_shown(server, monkeypatch, caplog):
    monkeypatch.setenv("MURAKKAB_API_KEY", SECRET)
    server.script = [error(401, f"Incorrect API key provided: {SECRET}")]
    chat = OpenAIChat(server.url, "fake-model")
    with pytest.raises(AgentError) as caught:
        chat.complete([request()])
    assert server.keys[-1] == f"Bearer {SECRET}"
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {chat!r} {vars(chat)} {caplog.text}"
    assert SECRET not in shown
    assert "MURAKKAB_API_KEY" in str(caught.value)


def test_the_key_of_one_service_is_not_sent_to_another(server, monkeypatch):
    monkeypatch.delenv("MURAKKAB_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    OpenAIChat(server.url, "fake-model").complete([request()])
    assert server.keys[-1] is None


def test_a_redirect_is_not_followed_with_the_key(server, monkeypatch):
    monkeypatch.setenv("MURAKKAB_API_KEY", SECRET)
    server.script = [(307, {}, {"Location": "http://127.0.0.1:9/v1"})]
    with pytest.raises(AgentError, match="redirect"):
        OpenAIChat(server.url, "fake-model").complete([request()])


def test_specs_and_pickles_hold_no_key(server, monkeypatch):
    monkeypatch.setenv("MURAKKAB_API_KEY", SECRET)
    library = Library()
    register_text(library)
    register_retrieval(library)
    specs = register_openai(server.url, "fake-model", library=library)
    assert [spec.name for spec in specs] == ["fake-model", "fake-model-summary", "fake-model-qa"]
    assert SECRET.encode() not in pickle.dumps(specs)
    assert SECRET not in repr(specs)
    assert all(spec.remote for spec in specs)


def test_a_key_that_was_named_and_is_not_set_is_an_error(server, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(AgentError, match="MY_KEY"):
        OpenAIChat(server.url, "m", key_env="MY_KEY")


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x/v1", "http://", "http://user:pw@x/v1", "http://x/v1?key=1"]
)
def test_a_url_that_will_not_do_is_refused(url):
    with pytest.raises(AgentError) as caught:
        OpenAIChat(url, "m")
    assert "pw" not in str(caught.value)


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
    server.script = [(200, body, {})]
    assert isinstance(chat.complete([request()])[0], Failed)


def test_an_unknown_model_is_an_error(chat, server):
    server.script = [error(404, "model not found")]
    with pytest.raises(AgentError, match="model not found"):
        chat.complete([request()])


def test_the_only_model_need_not_be_named(server):
    assert OpenAIChat(server.url).model == "fake-model"
    server.models = ["a", "b"]
    with pytest.raises(AgentError, match="2 models"):
        OpenAIChat(server.url)


def test_newer_parameters_are_used_where_the_old_are_refused(chat, server):
    server.script = [error(400, "Unsupported parameter: use 'max_completion_tokens' instead.")]
    assert chat.complete([request()])[0].text == "heard: hello"
    assert "max_completion_tokens" in server.asked[-1]
    assert "temperature" not in server.asked[-1]


def test_a_step_is_written_by_the_served_model(server):
    agent = OpenAIWriter("text-generation", server.url, "fake-model")()
    agent.load({"max_tokens": 32, "temperature": 0.0}, 1)
    item = Inputs((), {"material": [("notes", "Rain tomorrow.")]}, sentence="Write a warning from notes")
    (text,) = agent.call([item])
    assert "Rain tomorrow." in text
    assert "Write a warning" in text
    assert server.asked[-1]["temperature"] == 0
    assert agent.tokens().written == 5


def test_a_body_is_the_prompt(server):
    agent = OpenAIWriter("text-generation", server.url, "fake-model")()
    agent.load({}, 1)
    item = Inputs((), {"material": [("notes", "Rain.")]}, prompt="Translate: Rain.", sentence="Write notes")
    assert agent.call([item]) == ["heard: Translate: Rain."]


def test_no_server_named_says_what_to_pin():
    with pytest.raises(AgentError, match="url=") as caught:
        OpenAIWriter("text-generation")().load({}, 1)
    assert "openai" in str(caught.value)
