"""A stand-in for a model server: real HTTP, the OpenAI API's shapes and a server's metrics, but no model.

    python standin.py --host 127.0.0.1 --port 8000 --name M [--how well|sick|silent|mute|staring|dying|stubborn|web|keyed]
        [--wait S] [--think S] [--metrics vllm|llamacpp|sglang|tgi|none]

`silent` does not listen, `mute` accepts and never answers, `staring` never answers where it is shown a picture.

For tests of what surrounds a server, where a real one would be too slow; the real one is in tests/vllm.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METRICS = {
    "vllm": ("vllm:num_requests_running", "vllm:prompt_tokens_total", "vllm:generation_tokens_total"),
    "llamacpp": (
        "llamacpp:requests_processing",
        "llamacpp:prompt_tokens_total",
        "llamacpp:tokens_predicted_total",
    ),
    "sglang": ("sglang:num_running_reqs", "sglang:prompt_tokens_total", "sglang:generation_tokens_total"),
    "tgi": ("tgi_batch_current_size", "tgi_request_count", "tgi_other"),
}
"""What each kind calls the requests it works on, and what it has read and written (requests, for tgi)."""


class StandIn(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        host: str,
        port: int,
        *,
        name: str = "stand-in",
        how: str = "well",
        think_s: float = 0.0,
        metrics: str = "vllm",
    ):
        super().__init__((host, port), Handler)
        self.name, self.how, self.think_s, self.metrics = name, how, think_s, metrics
        self.key = os.environ.get("STANDIN_KEY", "")
        self.lock = threading.Lock()
        self.running = self.read = self.wrote = 0
        self.seen: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def answer(self, status: int, body: object, kind: str = "application/json") -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def barred(self) -> bool:
        said = self.headers.get("Authorization")
        self.server.seen.append(said)
        if self.server.how == "keyed" and said != f"Bearer {self.server.key}":
            self.answer(401, {"error": {"message": f"Incorrect API key provided: {said}"}})
            return True
        return False

    def never(self) -> None:
        """Say in the log that it was asked, and do not answer: longer than any test waits."""
        sys.stderr.write("asked\n")
        time.sleep(600)

    def do_GET(self) -> None:
        server = self.server
        if server.how == "mute":
            self.never()
        if self.path == "/health":
            self.answer(200, "")
        elif server.how == "web":
            self.answer(200, "<html>It works!</html>", "text/html")
        elif self.path == "/metrics" and server.metrics != "none":
            values = zip(METRICS[server.metrics], (server.running, server.read, server.wrote), strict=True)
            lines = [f'{name}{{model_name="{server.name}"}} {float(value)}' for name, value in values]
            self.answer(200, "\n".join(("# HELP some Requests", *lines, "")), "text/plain")
        elif self.path == "/version":
            self.answer(200, {"version": "0.0.0+standin"})
        elif self.path == "/v1/models":
            if not self.barred():
                self.answer(200, {"data": [{"id": server.name, "owned_by": "vllm", "max_model_len": 2048}]})
        else:
            self.answer(404, {"error": {"message": "Not Found"}})

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.barred():
            return
        if server.how == "mute" or (
            server.how == "staring" and isinstance(body["messages"][-1]["content"], list)
        ):
            self.never()
        if server.how == "web" or self.path != "/v1/chat/completions":
            self.answer(404, {"error": {"message": "Not Found"}})
            return
        if server.how == "sick":
            self.answer(500, {"error": {"message": "dequant kernels require CUDA tensors"}})
            return
        if body["model"] != server.name:
            self.answer(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
            return
        with server.lock:
            server.running += 1
        time.sleep(server.think_s)
        said = body["messages"][-1]["content"]
        text = said if isinstance(said, str) else json.dumps(said)
        read, wrote = len(text.split()), 5
        with server.lock:
            server.running -= 1
            server.read += read
            server.wrote += wrote
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": f"heard: {text[-60:]}"},
            "finish_reason": "stop",
        }
        usage = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
        if not body.get("stream"):
            self.answer(200, {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        parts = [
            {
                "choices": [
                    {"index": 0, "delta": {"role": "assistant", "content": choice["message"]["content"]}}
                ]
            },
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": usage},
        ]
        stream = "".join(f"data: {json.dumps(part)}\n\n" for part in parts) + "data: [DONE]\n\n"
        self.answer(200, stream, "text/event-stream")

    def log_message(self, *_: object) -> None:
        return


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--host", default="127.0.0.1")
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--name", default="stand-in")
    words.add_argument("--how", default="well")
    words.add_argument("--wait", type=float, default=0.0)
    words.add_argument("--think", type=float, default=0.0)
    words.add_argument("--metrics", default="vllm")
    told = words.parse_args()
    # As vLLM has its workers: a process of its own that would outlive it.
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    sys.stdout.write("stand-in starting\n")
    sys.stdout.flush()
    if told.how == "dying":
        sys.exit("torch.OutOfMemoryError: a stand-in has no memory")
    if told.how == "stubborn":
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if told.how == "silent":
        time.sleep(600)
    time.sleep(told.wait)
    server = StandIn(
        told.host, told.port, name=told.name, how=told.how, think_s=told.think, metrics=told.metrics
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
