"""Language models behind any URL that speaks the OpenAI API: vLLM, llama.cpp, Ollama, a paid service.

Keys come from the environment of the process that asks, and from nowhere else: they are in no option,
plan, journal, log or message.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Needs, Option
from murakkab_jupyter.agents.chat import Chat, Message, Reply, Request, TooLong
from murakkab_jupyter.agents.endpoint import KEY, OWN_KEY, checked_url, name_problem, url_problem
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.agents.writing import TASKS, writer_of
from murakkab_jupyter.core.errors import AgentError

__all__ = ["OpenAIChat", "OpenAIWriter", "register", "register_openai"]

logger = logging.getLogger(__name__)

VERSION = "1"
PARALLEL = 8
ATTEMPTS = 5
LONGEST_WAIT_S = 30.0
LARGEST_ANSWER = 16 * 2**20
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
COUNTS = re.compile(
    r"maximum context length is (\d+) tokens.*?(?:you requested|resulted in|has) (?:about )?(\d+)", re.DOTALL
)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Refuse."""
        return


class OpenAIChat(Chat):
    """A served language model. Retries what may pass (429, 5xx, a lost connection), with growing, jittered waits."""

    parallel = PARALLEL

    def __init__(
        self,
        url: str,
        model: str = "",
        *,
        key_env: str = "",
        timeout_s: float = 120.0,
        attempts: int = ATTEMPTS,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        super().__init__()
        self.url = checked_url(url)
        self.timeout_s = timeout_s
        self.attempts = max(1, attempts)
        self.wait = wait
        self.key_env = key_env
        host = urlsplit(self.url).hostname or ""
        self.key_names = [key_env] if key_env else [KEY, *([OWN_KEY] if host == "api.openai.com" else [])]
        if key_env and not os.environ.get(key_env):
            msg = f"The environment variable {key_env} is not set on the host that asks {host}."
            raise AgentError(
                msg, hint=f"Set {key_env} before the workers start; keys are read from the environment only."
            )
        if self.key and not self.url.startswith("https:") and host not in {"localhost", "127.0.0.1", "::1"}:
            logger.warning("The key for %s is sent without encryption: use https.", host)
        self.opener = urllib.request.build_opener(NoRedirect)
        self.legacy = True
        self.model = model or self.only_model()

    @property
    def key(self) -> str:
        """The key, read when it is needed and kept nowhere."""
        return next((value for name in self.key_names if (value := os.environ.get(name, "").strip())), "")

    def __repr__(self) -> str:
        return f"OpenAIChat({self.url!r}, {self.model!r})"

    def only_model(self) -> str:
        """The model of a server that serves a single one."""
        answer = self.ask("GET", "/models", None)
        if isinstance(answer, Failed):
            raise AgentError(answer.reason, hint="Name the model: model=NAME.")
        data = answer.get("data")
        names = (
            [str(one.get("id")) for one in data if isinstance(one, Mapping)] if isinstance(data, list) else []
        )
        if len(names) != 1:
            msg = f"{self.url} serves {len(names)} models, so one has to be named."
            raise AgentError(
                msg, hint=f"Pin it: model=NAME. There are: {', '.join(sorted(names)[:20]) or 'none'}."
            )
        return names[0]

    def send(self, messages: Sequence[Message], request: Request) -> Reply | Failed:
        """Ask once."""
        limit = "max_tokens" if self.legacy else "max_completion_tokens"
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            limit: request.max_tokens,
        }
        if self.legacy:
            body |= {"temperature": request.temperature, "seed": request.seed}
        answer = self.ask("POST", "/chat/completions", body)
        if isinstance(answer, Failed):
            if self.legacy and "max_completion_tokens" in answer.reason:
                # Newer models of api.openai.com take neither max_tokens nor a temperature.
                self.legacy = False
                return self.send(messages, request)
            return answer
        try:
            choice = answer["choices"][0]
            text = choice["message"].get("content") or ""
        except (KeyError, IndexError, TypeError, AttributeError):
            return Failed(f"{self.url} answered something that is no chat completion.")
        usage = answer.get("usage") or {}
        text = re.sub(r"<think>.*?(?:</think>|\Z)", "", str(text), flags=re.DOTALL).strip()
        return Reply(
            text,
            int(usage.get("prompt_tokens") or 0),
            int(usage.get("completion_tokens") or 0),
            choice.get("finish_reason") != "length",
        )

    def ask(self, method: str, path: str, body: object | None) -> dict[str, Any] | Failed:
        """One call of the API with its retries; raises `AgentError` where no retry and no other item would help."""
        problem = ""
        for attempt in range(self.attempts):
            stated: float | None = None
            try:
                return self.once(method, path, body)
            except urllib.error.HTTPError as error:
                problem = self.refused(error)
                if isinstance(problem, Failed):
                    return problem
                stated = after(error.headers.get("Retry-After"))
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                problem = f"cannot be reached ({type(error).__name__}: {self.hide(str(reason))})"
            except ValueError as error:
                return Failed(
                    f"{self.url} answered something that is not JSON ({self.hide(str(error))[:200]})."
                )
            if attempt + 1 < self.attempts:
                # Full jitter, so that many workers do not come back at once.
                pause = min(LONGEST_WAIT_S, 0.5 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311
                self.wait(min(LONGEST_WAIT_S, stated) if stated is not None else pause)
        return Failed(f"{self.url} {problem}, {self.attempts} times. Check the server, then resume the run.")

    def once(self, method: str, path: str, body: object | None) -> dict[str, Any]:
        """One HTTP request."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        asked = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310 - checked
        with self.opener.open(asked, timeout=self.timeout_s) as answer:
            raw = answer.read(LARGEST_ANSWER + 1)
        if len(raw) > LARGEST_ANSWER:
            msg = "more than 16 MiB"
            raise ValueError(msg)
        found = json.loads(raw)
        if not isinstance(found, dict):
            msg = "no object"
            raise ValueError(msg)
        return found

    def refused(self, error: urllib.error.HTTPError) -> Any:
        """What a status means: a text to try again, `Failed` for this item alone, or an exception for all."""
        with error:
            said = self.hide(message_in(error.read(65536)))
        where = f"{self.url} answered {error.code}"
        if error.code in AGAIN and "insufficient_quota" not in said:
            return f"answered {error.code} ({said})"
        if error.code in {401, 403}:
            names = " or ".join(self.key_names)
            msg = f"{where}: {said}."
            raise AgentError(msg, hint=f"Set a valid key in the environment variable {names} of the workers.")
        if error.code == 404:
            msg = f"{where}: {said}."
            raise AgentError(
                msg, hint="The URL ends before /chat/completions (often in /v1); check the model's name too."
            )
        if 300 <= error.code < 400:
            msg = f"{where}, a redirect, which is not followed."
            raise AgentError(msg, hint="Give the final URL.")
        if error.code in {400, 413} and re.search(
            r"context.{0,10}(length|size|window)|too long|exceeds", said
        ):
            counts = COUNTS.search(said)
            raise TooLong(int(counts[2]), int(counts[1])) if counts else TooLong()
        return Failed(f"{where}: {said}.")

    def hide(self, text: str) -> str:
        """A text without the key."""
        return text.replace(self.key, "***") if self.key else text


def message_in(raw: bytes) -> str:
    """What a server says went wrong, in one line."""
    text = raw.decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        error = found.get("error", found)
        text = str(error.get("message") or error) if isinstance(error, dict) else str(error)
    return " ".join(text.split())[:400].rstrip(".") or "without a reason"


def after(stated: str | None) -> float | None:
    """Seconds of a Retry-After header; a date or nonsense is left to the own wait."""
    try:
        seconds = float(stated or "")
    except ValueError:
        return None
    return seconds if seconds >= 0 else None


URL = Option(
    "url",
    str,
    "",
    help="Base URL of the server, e.g. http://localhost:8000/v1.",
    required=True,
    check=url_problem,
)
MODEL = Option("model", str, "", help="Name of the model; may be left out where the server has only one.")
KEY_ENV = Option(
    "key_env",
    str,
    "",
    help=f"Environment variable that holds the key ({KEY} by default).",
    check=name_problem,
)
TIMEOUT = Option("timeout", float, 120.0, help="Seconds to wait for an answer.")


@dataclass(frozen=True)
class OpenAIWriter:
    """Makes, in the instance's process, an agent of one capability for a served model. Holds no key."""

    capability: str
    url: str = ""
    model: str = ""
    key_env: str = ""
    timeout_s: float = 120.0

    def __call__(self) -> Agent:
        """The agent."""
        return writer_of(self.capability, self.open)

    def open(self, options: Mapping[str, Any], cores: int) -> Chat:
        """The model."""
        url = str(options.get("url") or self.url)
        if not url:
            msg = "No server is named."
            raise AgentError(msg, hint="Pin it in the step: @openai url=http://localhost:8000/v1 model=NAME")
        return OpenAIChat(
            url,
            str(options.get("model") or self.model),
            key_env=str(options.get("key_env") or self.key_env),
            timeout_s=float(options.get("timeout") or self.timeout_s),
        )


def register_openai(
    url: str,
    model: str = "",
    name: str | None = None,
    *,
    key_env: str = "",
    timeout_s: float = 120.0,
    library: Library | None = None,
) -> tuple[AgentSpec, ...]:
    """Let a served model write, summarise and answer: one line in a notebook.

    Parameters
    ----------
    url
        Base URL, e.g. `http://localhost:8000/v1`.
    model
        Its name there; may be left out where the server has only one.
    name
        What pins call it; made of the model's name or the host by default. Its summaries and answers are
        `NAME-summary` and `NAME-qa`.
    key_env
        Environment variable that holds the key on the workers; `MURAKKAB_API_KEY` by default
        (and `OPENAI_API_KEY` for api.openai.com alone).
    timeout_s
        Seconds to wait for an answer.
    library
        Where to register; the default library if None.

    Returns
    -------
    tuple of AgentSpec
        The agents, one for each capability. Their quality is unknown until a pilot or a label says it.
    """
    base = checked_url(url)
    called = name or re.sub(r"[^a-z0-9]+", "-", (model or urlsplit(base).netloc).lower()).strip("-")
    into = library if library is not None else default_library()
    made = []
    for capability, task in TASKS.items():
        spec = AgentSpec(
            name=f"{called}{task.suffix}",
            version=f"{VERSION}-{model or base}",
            capability=capability,
            summary=f"{task.summary} with {model or 'the model'} at {base}.",
            factory=OpenAIWriter(capability, base, model, key_env, timeout_s),
            options=task.options,
            needs=Needs(modules=task.modules, memory_bytes=150_000_000),
            max_batch=PARALLEL,
            remote=True,
            url=base,
        )
        into.add_agent(spec, replace=True)
        made.append(spec)
    return tuple(made)


def register(library: Library) -> None:
    """Register agents that ask whatever server a step pins."""
    for capability, task in TASKS.items():
        library.add_agent(
            AgentSpec(
                name=f"openai{task.suffix}",
                version=VERSION,
                capability=capability,
                summary=f"{task.summary} with a served model that the step pins: url=URL model=NAME (OpenAI API).",
                factory=OpenAIWriter(capability),
                options=(*task.options, URL, MODEL, KEY_ENV, TIMEOUT),
                needs=Needs(modules=task.modules, memory_bytes=150_000_000),
                max_batch=PARALLEL,
                remote=True,
                fixture="Needs a server: pin it with url=URL, or call register_openai(URL).",
            )
        )
