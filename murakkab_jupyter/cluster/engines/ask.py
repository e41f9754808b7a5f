"""What can be asked of a model server over HTTP: which models, is it vLLM, does it answer, how busy is it.

A key goes into one header and nowhere else: no message, log or object shows it.
"""

from __future__ import annotations

import difflib
import json
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, IncompleteRead
from typing import Any

from murakkab_jupyter.agents.served.calls import events_in, models_in
from murakkab_jupyter.agents.served.endpoint import KEY_AGAIN, Ability, Endpoint, checked_url, key_problem
from murakkab_jupyter.agents.served.reading import json_of, plain, vector_of
from murakkab_jupyter.agents.served.refusals import UNPAID, after_s, distrusted, said_in
from murakkab_jupyter.cluster.engines.limits import limits_of
from murakkab_jupyter.core.errors import AgentError, ClusterError

__all__ = ["PATIENT_S", "Answer", "Found", "KeyWantedError", "NoModelError", "Server", "probe_server"]

QUICK_S = 5.0
ANSWER_S = 120.0
"""How long a single token may take: a busy server queues."""
SHOWN = 20
"""So many names of models are told; some services have hundreds."""
NO_LIST = (404, 405, 501)
"""Statuses of a server that lists no models."""
PASSING = (408, 425, 429, 502, 503, 504, 529)
"""Statuses that may be others a moment later: whoever attaches asks again."""
TRIES = 4
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 5.0
"""Between tries, whatever the server says."""
PATIENT_S = 20.0
"""How long a list of models may take whoever attaches, all tries together: some servers start when they are asked."""
LEEWAY_S = 0.5
"""What a socket may take beyond its own timeout to say so."""
ROOM = 64
"""Tokens for a model that thinks before it writes, where one token is refused."""

VECTORS_MODEL = re.compile(
    r"embed|minilm|mpnet|paraphrase|sentence|(?<![a-z0-9])(?:bge|e5|gte|labse)(?![a-z0-9])", re.IGNORECASE
)
"""Names of models that make vectors, as their makers give them."""

LARGEST_ANSWER = 16 * 2**20
AGENT = "murakkab-jupyter"
DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAGElEQVR42mNsYMAPmBhGFYwq"
    "GFUwQhUAAJe+AMD8WknZAAAAAElFTkSuQmCC"
)
"""A grey picture of 32 x 32 pixels."""
SAMPLE = re.compile(
    r"^([A-Za-z_:][\w:]*)(?:\{([^}]*)\})?[ \t]+([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)(?:[ \t]+-?\d+)?[ \t\r]*$",
    re.MULTILINE,
)


class KeyWantedError(ClusterError):
    """A server that takes no call without a key, or not with this one."""


class NoModelError(ClusterError):
    """A server that does not have the model which is asked for; the hint says what it has."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status (0 when nothing did), the body, and what went wrong, in words.

    `passing`: a moment later it may be another answer; after `after_s`, where the server says so.
    """

    status: int
    body: Any = None
    problem: str = ""
    passing: bool = False
    after_s: float | None = None


class Server:
    """A model server at a base URL.

    Parameters
    ----------
    url
        Ends before `/chat/completions`.
    key
        Sent as a bearer token; shown nowhere.
    patient
        Whether to ask again what may pass: it is busy, or hung up. May be changed.
    """

    def __init__(self, url: str, key: str = "", *, patient: bool = False) -> None:
        self.url = checked_url(url)
        self.patient = patient
        self._streams = False
        """Whether it answers in a stream only."""
        self.root = self.url.removesuffix("/v1")
        self._key = key
        self._newer = False
        """Whether its model takes `max_completion_tokens`, as newer ones of api.openai.com do."""
        # Nothing is followed elsewhere with the key, and nothing goes by way of a proxy to this very host.
        proxies = [urllib.request.ProxyHandler({})] if Endpoint(self.url, "").loopback else []
        self._opener = urllib.request.build_opener(NoRedirect, *proxies)

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def ask(self, url: str, body: object | None = None, *, timeout_s: float = QUICK_S) -> Answer:
        """One request; what goes wrong is part of the answer. All tries end within `timeout_s` however slowly a server drips."""
        ends_s = time.monotonic() + timeout_s
        answer = self._within(url, body, timeout_s)
        for number in range(TRIES - 1 if self.patient else 0):
            if not answer.passing:
                break
            wait_s = FIRST_WAIT_S * 2**number if answer.after_s is None else answer.after_s
            wait_s = min(LONGEST_WAIT_S, wait_s)
            # A try that has no time would only hide what was said.
            if time.monotonic() + wait_s + QUICK_S > ends_s:
                break
            time.sleep(wait_s)
            answer = self._within(url, body, ends_s - time.monotonic())
        return answer

    def _within(self, url: str, body: object | None, timeout_s: float) -> Answer:
        came: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        # Beside this thread: a socket's own timeout begins anew with every byte.
        threading.Thread(
            target=lambda: came.put(self._ask(url, body, timeout_s)), name="murakkab-ask", daemon=True
        ).start()
        try:
            return came.get(timeout=timeout_s + LEEWAY_S)
        except queue.Empty:
            return Answer(0, problem=f"cannot be reached (no whole answer within {timeout_s:.3g} s)")

    def _ask(self, url: str, body: object | None, timeout_s: float) -> Answer:
        # Some services turn Python's own name away before they look at anything else.
        headers = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": AGENT}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers)  # noqa: S310 - the URL is checked above
        try:
            with self._opener.open(request, timeout=timeout_s) as answer:
                raw = answer.read(LARGEST_ANSWER).decode(errors="replace")
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            if 300 <= error.code < 400:
                error.close()
                where = plain(self._hidden(error.headers.get("Location") or "elsewhere"), 200)
                return Answer(error.code, problem=f"answers {error.code}, a redirect to {where}")
            with error:
                raw = error.read(65536)
            said = said_in(raw.decode(errors="replace"), self._key)
            return Answer(
                error.code,
                problem=f"answers {error.code}: {said}",
                passing=error.code in PASSING and not UNPAID.search(raw),
                after_s=after_s(error.headers.get("Retry-After")),
            )
        except (OSError, HTTPException, ValueError) as error:
            why = getattr(error, "reason", None) or error
            said = plain(self._hidden(str(why)), 200)
            return Answer(
                0,
                problem=f"cannot be reached ({said or type(error).__name__})",
                # It was there, and hung up.
                passing=isinstance(why, ConnectionResetError | BrokenPipeError | IncompleteRead),
            )
        try:
            return Answer(status, json_of(raw))
        except ValueError:
            return Answer(status, raw)

    def models(self, named: str = "") -> tuple[Mapping[str, Any], ...]:
        """The models it lists, or the one that is named where it lists none; raises `ClusterError` that says what it is."""
        answer = self.ask(f"{self.url}/models", timeout_s=PATIENT_S if self.patient else QUICK_S)
        if answer.status in (401, 403):
            msg = f"{self.url} wants a key, or another one ({answer.problem})."
            raise KeyWantedError(
                msg,
                hint="Set it in an environment variable and name that: --key-env VAR. It is sent there alone, and not stored.",
            )
        if named and answer.status in NO_LIST:
            return ({"id": named},)
        if answer.problem:
            hint = "Check that the server runs, and its address: it often ends in /v1."
            if answer.status in NO_LIST:
                hint += " Where a server has no list of models, say which one is meant: --model NAME."
            if 300 <= answer.status < 400:  # it would take the key elsewhere
                hint = "Redirects are not followed: give the final address, up to /v1."
            if re.search(r"timed out|no whole answer", answer.problem):
                hint += " One that starts when it is asked may need longer: attach it again in a while."
            hint = distrusted(answer.problem) or hint
            msg = f"{self.url} {answer.problem}."
            raise ClusterError(msg, hint=hint)
        listed = models_in(answer.body)
        if listed is None:
            msg = f"{self.url} answers, but not as a server of the OpenAI API does: /models lists no models."
            raise ClusterError(
                msg, hint="Give the base URL that ends before /chat/completions, often in /v1."
            )
        return listed

    def complete(self, model: str, *, timeout_s: float = ANSWER_S) -> tuple[Ability, Answer]:
        """A real answer of one token: by chat, else as a vector; what it can do, and what came back."""
        chat = self.chat(model, "Hi", timeout_s=timeout_s)
        if not chat.problem and not chatted(chat):
            # Some say what is wrong with status 200.
            wrong = isinstance(chat.body, dict) and chat.body.get("error")
            said = said_in(chat.body, self._key) if wrong else "something that is no chat completion"
            chat = Answer(chat.status, chat.body, f"answers {said}")
        if chat.status not in (400, 404, 405, 422, 501):
            return "chat", chat
        vector = self.ask(f"{self.url}/embeddings", {"model": model, "input": "Hi"}, timeout_s=timeout_s)
        made = isinstance(vector.body, dict) and vector.body.get("data")
        return ("embeddings", vector) if not vector.problem and made else ("chat", chat)

    def chat(self, model: str, content: object, *, timeout_s: float = ANSWER_S) -> Answer:
        """What comes back for one message: of one token, or a few more where a model takes no less."""
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
        forms: list[dict[str, Any]] = [{"max_tokens": 1, "temperature": 0}]
        if self._newer:
            forms = [{"max_completion_tokens": ROOM}]
        while True:
            answer = self.completion({**body, **forms[-1]}, timeout_s)
            said = answer.problem
            if answer.status not in (400, 422) or not re.search(r"max_(?:completion_|output_)?tokens", said):
                return answer
            if len(forms) == 1 and "max_completion_tokens" in said and not self._newer:
                forms.append({"max_completion_tokens": 1})
            elif next(iter(forms[-1].values())) == 1:
                forms.append({next(iter(forms[-1])): ROOM})
            else:
                return answer
            self._newer = "max_completion_tokens" in forms[-1]

    def completion(self, body: Mapping[str, Any], timeout_s: float) -> Answer:
        """A chat completion in one piece; of a server that answers in a stream only, put together."""
        url = f"{self.url}/chat/completions"
        if not self._streams:
            answer = self.ask(url, body, timeout_s=timeout_s)
            if answer.status not in (400, 422) or not re.search(r"\bstream", answer.problem):
                return answer
        counting = {"stream": True, "stream_options": {"include_usage": True}}
        answer = self.ask(url, {**body, **counting}, timeout_s=timeout_s)
        events = events_in(answer.body.encode()) if isinstance(answer.body, str) else None
        if answer.problem or events is None:
            return answer
        self._streams = True
        return Answer(answer.status, put_together(events))

    def embeds(self, model: str, *, timeout_s: float = ANSWER_S) -> bool:
        """Whether a model makes a vector of a text."""
        answer = self.ask(f"{self.url}/embeddings", {"model": model, "input": "Hi"}, timeout_s=timeout_s)
        rows = answer.body.get("data") if isinstance(answer.body, dict) and not answer.problem else None
        first = rows[0] if isinstance(rows, list) and rows else None
        return isinstance(first, dict) and vector_of(first.get("embedding")) is not None

    def pair(self, models: Sequence[str]) -> tuple[str, str] | None:
        """Of two models the one that chats and the one that makes vectors, as its name says; None where it is not so.

        Where no name says it, neither is asked: a server may have to load a model for an answer.
        """
        named = [one for one in models if VECTORS_MODEL.search(one)]
        if len(models) != 2 or len(named) != 1:
            return None
        (other,) = (one for one in models if one not in named)
        patient, self.patient = self.patient, False  # of vectors it is asked once
        vectors = self.embeds(named[0])
        self.patient = patient
        if not vectors or not chatted(self.chat(other, "Hi")):
            return None
        return other, named[0]

    def sees(self, model: str, text: Answer, *, timeout_s: float = ANSWER_S) -> bool:
        """Whether a model looks at a picture that is sent to it: then it reads more tokens than of the words alone.

        A server may take a picture and drop it, so an answer is no sign; `text` is what came back for the words alone.
        """
        parts = [{"type": "image_url", "image_url": {"url": DOT}}, {"type": "text", "text": "Hi"}]
        answer = self.chat(model, parts, timeout_s=timeout_s)
        with_picture, without = tokens_read(answer), tokens_read(text)
        return with_picture is not None and without is not None and with_picture > without

    def more(
        self, model: str, text: Answer, *, vectors: str = "", timeout_s: float = ANSWER_S
    ) -> set[Ability]:
        """What a model that chats can do besides, `text` being its answer in words; `vectors` is known to make them."""
        found: set[Ability] = set()
        if self.sees(model, text, timeout_s=timeout_s):
            found.add("images")
        if vectors or self.embeds(model, timeout_s=timeout_s):
            found.add("embeddings")
        return found

    def metrics(self) -> dict[str, float] | None:
        """Counters and gauges of `/metrics` by name, summed over their labels; None where there are none."""
        return counted(self.page()) or None

    def page(self) -> str:
        """`/metrics` as it stands; empty where there is none."""
        answer = self.ask(f"{self.root}/metrics")
        return "" if answer.problem or not isinstance(answer.body, str) else answer.body

    def told(self, path: str) -> Any:
        """The JSON at a path of its root; None where there is none."""
        answer = self.ask(f"{self.root}{path}")
        return None if answer.problem or isinstance(answer.body, str) else answer.body

    def _hidden(self, said: str) -> str:
        return said.replace(self._key, "***") if self._key else said


def counted(page: str) -> dict[str, float]:
    """Samples of a page of metrics by name, summed over their labels."""
    found: dict[str, float] = {}
    for name, _, value in SAMPLE.findall(page):
        with suppress(ValueError):  # many servers answer every path with a web page
            found[name] = found.get(name, 0.0) + float(value)
    return found


def chatted(answer: Answer) -> bool:
    """Whether an answer is a chat completion."""
    choices = answer.body.get("choices") if isinstance(answer.body, dict) and not answer.problem else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return isinstance(first, dict) and isinstance(first.get("message"), dict)


def put_together(events: Sequence[str]) -> dict[str, Any]:
    """The pieces of a streamed answer as one completion: its text and its counts, or the error in it."""
    text, usage, heard = "", None, False
    for event in events:
        with suppress(ValueError):  # "[DONE]"
            piece = json_of(event)
            if not isinstance(piece, dict):
                continue
            if piece.get("error"):
                return {"error": piece["error"]}
            usage = piece.get("usage") or usage
            choices = piece.get("choices")
            first = choices[0] if isinstance(choices, list) and choices else None
            delta = first.get("delta") if isinstance(first, dict) else None
            if isinstance(delta, dict):
                heard = True
                text += str(delta.get("content") or "")
    return {"choices": [{"message": {"content": text}}] if heard else [], "usage": usage}


def tokens_read(answer: Answer) -> int | None:
    """Tokens of a question, as its answer counts them."""
    usage = answer.body.get("usage") if isinstance(answer.body, dict) and not answer.problem else None
    found = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return found if isinstance(found, int) else None


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse."""
        return


def some_of(names: Sequence[str], like: str = "") -> str:
    """Names of models in words: those that are like another first, not too many."""
    near = difflib.get_close_matches(like, names, n=SHOWN, cutoff=0.5) if like else []
    shown = [*near, *(name for name in names if name not in near)][:SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return (", ".join(shown) or "none") + more


@dataclass(frozen=True, slots=True)
class Found:
    """What a server turned out to be.

    Attributes
    ----------
    endpoint
        What agents are made of.
    models
        Every model it lists.
    version
        Of vLLM; empty for another server.
    metrics
        Whether it has `/metrics`.
    busy
        Requests it is working on now; None where it does not say.
    notes
        What else it said, in sentences.
    """

    endpoint: Endpoint
    models: tuple[str, ...]
    version: str = ""
    metrics: bool = False
    busy: int | None = None
    notes: tuple[str, ...] = field(default=())


def probe_server(
    url: str,
    *,
    model: str = "",
    key: str = "",
    key_env: str | None = None,
    key_over_http: bool = False,
    answer: bool = True,
) -> Found:
    """Look at a server, up to a real answer of one token.

    Parameters
    ----------
    url
        Base URL.
    model
        Which of its models; may be left out where it has one.
    key, key_env, key_over_http
        The key itself, for asking now; the name of the variable that will hold it; whether it may go without encryption.
    answer
        Whether to have it answer; without, its list of models is believed.

    Raises
    ------
    ClusterError
        It cannot be reached, is no such server, refuses the key, has no such model, or cannot answer.
    AgentError
        The key would be sent where others can read it, or is none that can be sent.
    """
    Endpoint(url, model, key_env, key_over_http=key_over_http).check_key(wanted=bool(key))
    if problem := key_problem(key):
        raise AgentError(problem, hint=KEY_AGAIN)
    server = Server(url, key, patient=answer)
    listed = server.models(model)
    names = tuple(str(one["id"]) for one in listed)
    if model and model not in names:
        msg = f"{server.url} has no model {model[:80]!r}."
        raise NoModelError(msg, hint=f"It has {some_of(names, model)}.")
    # An adapter names the model it adapts as its parent.
    bare = [str(one["id"]) for one in listed if one.get("parent") in (None, "", one["id"])]
    vectors = ""
    if not model and len(bare) == 2 and answer and (pair := server.pair(bare)) is not None:
        model, vectors = pair
    if not model and len(bare) != 1:
        if not names:
            msg = f"{server.url} serves no model."
            raise ClusterError(msg, hint="Load one there, then attach it again.")
        msg = f"{server.url} serves {len(names)} models, so one has to be named."
        raise ClusterError(msg, hint=f"Say --model NAME. It has {some_of(names)}.")
    chosen = model or bare[0]
    abilities: set[Ability] = {"chat"}
    if answer:
        ability, came = server.complete(chosen)
        if came.problem:
            msg = f"{server.url} lists {chosen}, but {came.problem}."
            if came.status in (401, 403):  # some show their list to everybody
                hint = "Set a valid key in an environment variable and name that: --key-env VAR."
                raise KeyWantedError(msg, hint=hint)
            hint = "Look at the server's log; a list of models is no sign that it can answer."
            if came.status == 404:
                hint = (
                    "Check the model's name, and the address: it ends before /chat/completions, often in /v1."
                )
            if re.search(r"chat.template", came.problem):
                hint = (
                    "Its model was not made to chat, or does not say how: start it with a chat template "
                    "(vLLM: --chat-template FILE), or serve one that was tuned to follow instructions."
                )
            if came.status == 429:
                hint = "It takes no more requests now: wait, or look at the limits of your account, and attach it again."
            raise ClusterError(msg, hint=hint)
        abilities = {ability}
        server.patient = False  # what follows may be missing
        if ability == "chat":
            abilities |= server.more(chosen, came, vectors=vectors)
    row = next(one for one in listed if one["id"] == chosen)
    version = server.ask(f"{server.root}/version")
    told = version.body.get("version") if isinstance(version.body, dict) else None
    page = server.page()
    counters = counted(page)
    vllm = any(name.startswith("vllm:") for name in counters) or any(
        one.get("owned_by") == "vllm" for one in listed
    )
    running = counters.get("vllm:num_requests_running")
    limits = limits_of(server.told, row, page)
    endpoint = Endpoint(
        server.url,
        chosen,
        key_env=key_env,
        max_in_flight=limits.max_in_flight,
        context_tokens=limits.context_tokens,
        kind="vllm" if vllm else "openai",
        abilities=frozenset(abilities),
        key_over_http=key_over_http,
        vectors_model=vectors,
    )
    return Found(
        endpoint,
        names,
        str(told) if vllm and told else "",
        bool(counters),
        None if running is None else int(running),
        limits.notes,
    )
