"""A fake of a model server, true to the protocol: real HTTP, streamed answers, the errors that servers make."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Step = Callable[["Handler", dict[str, Any]], None]
"""What the server does with one call, in place of answering it."""


class FakeServer(ThreadingHTTPServer):
    """Answers from a script of steps; then with completions that echo what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Step] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.models: list[dict[str, Any]] = [{"id": "fake-model"}]
        self.models_step: Step | None = None
        self.pages: dict[str, object] = {}
        self.streams = True
        self.sees = False
        self.embeds = True
        self.only_vectors: set[str] = set()
        self.most_characters = 10**9
        self.in_flight = 0
        self.most_in_flight = 0
        self.hold_s = 0.0
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.slots: threading.Semaphore | None = None
        self.turns_away_above = 10**9

    def turn_away_above(self, count: int) -> None:
        """Answer 429 to calls beyond so many at once."""
        self.turns_away_above = count

    def most_at_once(self, count: int) -> None:
        """Work on so many calls at once; others wait."""
        self.slots = threading.Semaphore(count)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: FakeServer
    protocol_version = "HTTP/1.1"
    inside = False
    """Whether the call it answers counts as in flight."""

    def leave(self) -> None:
        """The call is in flight no more: said before its last bytes go, for the client may send its next call on them."""
        with self.server.lock:
            self.server.in_flight -= self.inside
            self.inside = False

    def answer(self, status: int, body: object, **headers: str) -> None:
        """One whole answer."""
        self.leave()
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, *events: object, close: bool = False) -> None:
        """Server-sent events; `close` hangs up after the last one."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events, 1):
            if number == len(events):
                self.leave()
            text = event if isinstance(event, str) else json.dumps(event)
            data = f"data: {text}\n\n".encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        if close:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("Authorization"))
        if self.server.models_step is not None:
            self.server.models_step(self, {})
        elif self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": self.server.models})
        elif self.path in self.server.pages:
            self.answer(200, self.server.pages[self.path])
        else:
            self.answer(404, {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.asked.append(body)
            server.keys.append(self.headers.get("Authorization"))
            server.in_flight += 1
            self.inside = True
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            step = server.script.pop(0) if server.script else None
            crowded = server.in_flight > server.turns_away_above
            if crowded:
                step = error(429, "too many at once")
        try:
            if server.hold_s and not crowded:
                with server.slots or contextlib.nullcontext():
                    server.over.wait(server.hold_s)
            if step is not None:
                step(self, body)
            elif "messages" in body and len(said(body)) > server.most_characters:
                fits, has = server.most_characters // 4, len(said(body)) // 4
                message = f"This model's maximum context length is {fits} tokens. However, your prompt contains {has} input tokens."
                self.answer(400, {"error": {"message": message}})
            elif self.path == "/v1/embeddings":
                if server.embeds and server.only_vectors in (set(), {body["model"]}):
                    self.answer(200, embedded(body))
                else:
                    self.answer(404, {"error": {"message": "Not Found"}})
            elif body.get("model") in server.only_vectors:
                self.answer(400, {"error": {"message": "The model does not support Chat Completions API"}})
            elif server.streams and body.get("stream"):
                self.stream(*chunks(f"heard: {said(body)}", len(said(body)) // 4))
            else:
                read = len(said(body)) // 4 + (100 if server.sees and pictured(body) else 0)
                self.answer(200, whole(f"heard: {said(body)}", read))
        finally:
            self.leave()

    def log_message(self, *_: object) -> None:
        return


def said(body: dict[str, Any]) -> str:
    """The last message's text."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def pictured(body: dict[str, Any]) -> bool:
    """Whether the last message brings a picture."""
    return not isinstance(body["messages"][-1]["content"], str)


def embedded(body: dict[str, Any]) -> dict[str, Any]:
    """Vectors that tell texts of unlike length apart, in reverse order, as the protocol allows."""
    texts = body["input"]
    rows = [{"index": n, "embedding": [float(len(text)), 1.0]} for n, text in enumerate(texts)]
    return {"data": rows[::-1], "usage": {"prompt_tokens": sum(map(len, texts)) // 4}}


def whole(text: str, read: int = 2, finish: str = "stop") -> dict[str, Any]:
    """A completion in one piece."""
    return {
        "choices": [{"message": {"content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": read, "completion_tokens": 5},
    }


def piece(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


def chunks(text: str, read: int = 2) -> list[object]:
    """A completion in pieces, with its usage at the end."""
    words = text.split(" ")
    pieces = [piece(word if n == 0 else f" {word}") for n, word in enumerate(words)]
    usage = {"prompt_tokens": read, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}}
    return [*pieces, piece("", "stop"), {"choices": [], "usage": usage}, "[DONE]"]


def answers(status: int, body: object, **headers: str) -> Step:
    """A step that answers so."""
    return lambda handler, _: handler.answer(status, body, **headers)


def error(status: int, message: str, **headers: str) -> Step:
    """A step that refuses so."""
    return answers(status, {"error": {"message": message}}, **headers)


def says(text: str) -> Step:
    """A step that writes a text."""
    return lambda handler, _: handler.stream(*chunks(text))


def breaks_off(*words: str) -> Step:
    """A step that hangs up in the middle of an answer."""
    return lambda handler, _: handler.stream(*(piece(word) for word in words), close=True)


def endless(handler: Handler, body: dict[str, Any]) -> None:
    """A step that writes until nobody listens any more, and then says so: `over`."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    try:
        while not handler.server.over.wait(0.01):
            handler.wfile.write(f"data: {json.dumps(piece('on and '))}\n\n".encode())
            handler.wfile.flush()
    except OSError:
        handler.server.over.set()
    handler.close_connection = True


def never(handler: Handler, body: dict[str, Any]) -> None:
    """A step that takes a call and never answers it."""
    handler.server.over.wait(600)
    handler.close_connection = True


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    """A running server."""
    fake = FakeServer()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.over.set()
        fake.shutdown()
        fake.server_close()


def wait_until(true: Callable[[], bool], limit_s: float = 60.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.01)
    return bool(true())
