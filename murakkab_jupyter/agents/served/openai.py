"""Language models behind any URL that speaks the OpenAI API: vLLM, llama.cpp, Ollama, a paid service.

Keys come from the environment of the process that asks, and from nowhere else: they are in no option,
plan, journal, log or message.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.agents.agent import Failed, Tokens
from murakkab_jupyter.agents.language.chat import Chat, Message, Reply, Request, TooLong
from murakkab_jupyter.agents.served.calls import (
    ATTEMPTS,
    DEADLINE_S,
    Caller,
    body_of,
    event_of,
    events_in,
    models_in,
    object_in,
    object_of,
    read_events,
)
from murakkab_jupyter.agents.served.crowd import Crowd
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.loops import background
from murakkab_jupyter.agents.served.reading import count_in
from murakkab_jupyter.agents.served.refusals import Lost, Refused, raise_for_error, said_by
from murakkab_jupyter.core.errors import AgentError

if TYPE_CHECKING:
    import httpx2

__all__ = ["IN_FLIGHT", "Models", "OpenAIChat", "models_of"]

IN_FLIGHT = 8
"""Requests in flight where nobody plans them."""
THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
THOUGHT = "</think>"
FORMS = ("json_schema", "json_object", "")
"""How a JSON answer is asked for: what a server refuses is asked for in the next way, in the end by words alone."""
REFUSED_FORM = re.compile(
    r"response_format|json.schema|structured.output|guided.decoding|grammar", re.IGNORECASE
)
REFUSED_STREAM = re.compile(
    r"\bstream(?:ing)?\b[^.]{0,40}\b(?:not|un)[ -]?(?:support|allow|implement|available)"
    r"|\b(?:not support|unsupported|cannot)\b[^.]{0,30}\bstream",
    re.IGNORECASE,
)
OPTIONAL = ("stream_options", "seed", "temperature")
"""Parameters that some servers refuse, and that an answer can be had without."""


@dataclass(frozen=True, slots=True)
class Models:
    """What a server says it serves: names, the context of each where it says so (vLLM does), and what serves."""

    names: tuple[str, ...]
    context_tokens: Mapping[str, int]
    kind: str


async def models_of(caller: Caller) -> Models:
    """Ask a server for its models.

    Raises
    ------
    AgentError
        It is no OpenAI server, or takes another key.
    Refused
        It cannot be reached.
    """
    url = caller.endpoint.url
    try:
        found = await caller.ask("GET", "/models", None, lambda answer: object_of(caller.endpoint, answer))
    except Refused as refused:
        if "not JSON" in refused.reason or "no object" in refused.reason:
            raise not_openai(url) from None
        raise
    listed = models_in(found)
    if listed is None:
        raise not_openai(url)
    lengths = {
        str(one["id"]): one["max_model_len"] for one in listed if isinstance(one.get("max_model_len"), int)
    }
    kind = "vllm" if any(one.get("owned_by") == "vllm" for one in listed) else "openai"
    return Models(tuple(str(one["id"]) for one in listed), lengths, kind)


def not_openai(url: str) -> AgentError:
    return AgentError(
        f"{url} does not answer as a server of the OpenAI API does.",
        hint="Its base URL often ends in /v1, e.g. http://localhost:8000/v1; open URL/models to see.",
    )


@dataclass(slots=True)
class Heard:
    """What has come of one try."""

    parts: list[str] = field(default_factory=list)
    finish: str | None = None
    pieces: int = 0
    usage: Mapping[str, Any] | None = None
    refusal: str = ""
    called: bool = False
    """Whether the model wanted to call a tool, of which there are none."""

    def take(self, event: Mapping[str, Any]) -> str:
        """Add an event of a stream (or a whole completion); the text that it brings."""
        usage = event.get("usage")
        if isinstance(usage, Mapping):
            self.usage = usage
        choices = event.get("choices") or ()
        if not choices:
            return ""
        choice = choices[0]
        said = choice.get("delta") or choice.get("message") or {}
        text = words_of(said.get("content"))
        self.called = self.called or bool(said.get("tool_calls") or said.get("function_call"))
        self.refusal += said.get("refusal") or ""
        if text or said.get("reasoning_content") or said.get("reasoning"):
            self.pieces += 1
        if text:
            self.parts.append(text)
        self.finish = choice.get("finish_reason") or self.finish
        return text

    def tokens(self) -> Tokens:
        """As the server counted them; the pieces that came, while it has not."""
        if self.usage is None:
            return Tokens(0, self.pieces)
        return Tokens(
            count_in(self.usage, "prompt_tokens"),
            count_in(self.usage, "completion_tokens"),
            count_in(self.usage.get("prompt_tokens_details"), "cached_tokens"),
        )

    def reply(self) -> Reply:
        """As a reply, without what the model only thought."""
        counted = self.tokens()
        # Some chat templates open the thought themselves, so that only its end is written.
        text = THINKING.sub("", "".join(self.parts)).rpartition(THOUGHT)[2].strip()
        return Reply(text, counted.read, counted.written, self.finish != "length", counted.cached)


def words_of(content: object) -> str:
    """The text of a message: a text, or parts of which those that are thoughts are left out."""
    if isinstance(content, list):
        return "".join(
            str(part.get("text") or "")
            for part in content
            if part.get("type", "text") in ("text", "output_text")
        )
    return "" if content is None else str(content)


class OpenAIChat(Chat):
    """A served language model: several requests in flight from one thread, answers streamed.

    Parameters
    ----------
    endpoint
        Where, and which model; one without a name is asked for its only model.
    in_flight
        Requests in flight at once.
    deadline_s, attempts, sleep
        As of `Caller`.

    Raises
    ------
    AgentError
        The key's variable is not set, or the model has to be named.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        in_flight: int = IN_FLIGHT,
        deadline_s: float = DEADLINE_S,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        super().__init__()
        self.caller = Caller(endpoint, deadline_s=deadline_s, attempts=attempts, sleep=sleep)
        self.parallel = max(1, in_flight)
        self.crowd = Crowd(self.parallel)
        self.caller.crowded = self.turned_away
        self.endpoint = endpoint
        self.context_tokens = endpoint.context_tokens
        self.legacy = True
        self.without: set[str] = set()
        """Parameters that the server refuses."""
        self.form = 0
        """Which of `FORMS` a JSON answer is asked for in."""
        self._ended = Tokens()
        self._open: dict[int, Heard] = {}
        if not endpoint.model:
            self.probe_or_close()

    def __repr__(self) -> str:
        return f"OpenAIChat({self.endpoint.url!r}, {self.endpoint.model!r})"

    def probe_or_close(self) -> None:
        """Probe; where that fails, no connection stays open."""
        try:
            self.probe()
        except BaseException:
            self.close()
            raise

    def probe(self) -> None:
        """Ask what is served: fills in the only model's name, the context, and what serves.

        Raises `AgentError` for a wrong key, for what is no OpenAI server, for a model that is not there. A server that
        cannot be reached now, or lists no models, is found out when it is asked.
        """
        try:
            found = background().run(models_of(self.caller))
        except Refused as refused:
            if not self.endpoint.model:
                hint = "Check that the server runs, and its address: it often ends in /v1."
                raise AgentError(refused.what, hint=hint) from None
            return
        except AgentError as error:
            if self.endpoint.model and " answered 404" in error.message:
                return
            raise
        model = self.endpoint.model or only(found.names, self.endpoint.url)
        if model not in found.names:
            listed = ", ".join(sorted(found.names)[:20]) or "none"
            msg = f"{self.endpoint.url} serves no model {model!r}."
            raise AgentError(msg, hint=f"There are: {listed}.")
        self.context_tokens = self.context_tokens or found.context_tokens.get(model)
        kind = found.kind if self.endpoint.kind == "openai" else self.endpoint.kind
        self.endpoint = replace(self.endpoint, model=model, kind=kind)

    # --- asking ---------------------------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message], request: Request) -> Reply | Failed:
        """Ask once."""
        return background().run(self.converse(messages, request))

    def complete(self, requests: Sequence[Request]) -> list[Reply | Failed]:
        """Ask everything, as many in flight as planned; an interrupt closes every connection."""
        if not requests:
            return []
        return background().run(self.all(requests))

    async def all(self, requests: Sequence[Request]) -> list[Reply | Failed]:
        """Ask everything; one reply for each request, in order."""

        async def one(request: Request) -> Reply | Failed:
            async with self.crowd:
                return await self.fit(request)

        tasks = [asyncio.ensure_future(one(request)) for request in requests]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def turned_away(self) -> None:
        """The server takes no more: fewer are in flight from now on, and whoever asked is told."""
        self.crowd.fewer()
        self.notes[
            f"{self.endpoint.host} takes no more requests at times (429): fewer are in flight then."
        ] = None

    async def fit(self, request: Request) -> Reply | Failed:
        """Ask once, with the material shortened until it fits."""
        if (roomless := self.roomless(request)) is not None:
            return roomless
        asking = self.fitting(request)
        messages = next(asking)
        while True:
            heard: Reply | Failed | TooLong
            try:
                heard = await self.converse(messages, request)
            except TooLong as too_long:
                heard = too_long
            try:
                messages = asking.send(heard)
            except StopIteration as done:
                reply: Reply | Failed = done.value
                return reply

    async def converse(
        self,
        messages: Sequence[Message],
        request: Request,
        told: Callable[[str], None] = lambda text: None,
    ) -> Reply | Failed:
        """Ask once, with retries; `told` hears the text as it comes (again from the beginning after a retry; thoughts as "")."""
        answered: Heard | None = None

        async def read(answer: httpx2.Response) -> Heard:
            nonlocal answered
            heard = Heard()
            self._open[id(heard)] = heard
            try:
                await self.listen(answer, heard, told)
                answered = heard
            finally:
                del self._open[id(heard)]
                self.count(heard, wasted=answered is not heard)
            return heard

        for _ in range(len(FORMS) + len(OPTIONAL) + 2):
            sent = self.body(messages, request)
            try:
                heard = await self.caller.ask("POST", "/chat/completions", sent, read)
            except Refused as refused:
                if self.adapted(sent, refused.what):
                    continue
                return Failed(refused.reason)
            if heard.finish == "content_filter" or heard.refusal:
                # What came before a filter cut in is no answer.
                self.waste(heard.tokens())
                why = said_by(self.endpoint, heard.refusal or "its filter held the answer back")
                return Failed(f"{self.endpoint.url} declined to answer: {why}.")
            reply = heard.reply()
            if heard.called and not reply.text:
                self.waste(heard.tokens())
                return Failed(
                    f"{self.endpoint.url} wanted to call a tool in place of an answer, and was offered none. "
                    "Is it an agent of its own? Give the URL of a plain model."
                )
            if heard.usage is None:
                self.notes[
                    f"{self.endpoint.host} does not count tokens: those written are counted as the pieces that came, "
                    "those read are not in the bill."
                ] = None
            if self.cut_by_context(reply, request):
                self.waste(heard.tokens())
                raise TooLong(reply.read, self.context_tokens)
            return reply
        return Failed(f"{self.endpoint.url} refuses every form of the request.")

    def adapted(self, sent: Mapping[str, Any], said: str) -> bool:
        """Whether a refusal is of a parameter that can be done without; remembered, so that it is found out once.

        What was sent counts, not what is known by now: others were in flight when it was found out.
        """
        if "max_tokens" in sent and "max_completion_tokens" in said:
            self.legacy = False  # newer models of api.openai.com take neither max_tokens nor a temperature
            return True
        for name in OPTIONAL:
            if name in sent and re.search(rf"\b{name}\b", said):
                self.without.add(name)
                if name == "temperature":
                    self.notes[f"{self.endpoint.host} chooses its temperature itself: answers may vary."] = (
                        None
                    )
                return True
        if "response_format" in sent and REFUSED_FORM.search(said):
            self.form = max(self.form, FORMS.index(sent["response_format"]["type"]) + 1)
            self.notes[
                f"{self.endpoint.host} takes no JSON schema: the form is asked for in words, and checked here."
            ] = None
            return True
        if sent["stream"] and REFUSED_STREAM.search(said):
            self.without |= {"stream", "stream_options"}
            return True
        return False

    def cut_by_context(self, reply: Reply, request: Request) -> bool:
        """Whether an answer ended early because the question left it no room: vLLM does not refuse such requests."""
        return (
            not reply.complete
            and self.context_tokens is not None
            and 0 < reply.written < request.max_tokens
            and reply.read + reply.written >= self.context_tokens
        )

    def body(self, messages: Sequence[Message], request: Request) -> dict[str, Any]:
        """The request as the API wants it."""
        made: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": [dict(message) for message in messages],
            "max_tokens" if self.legacy else "max_completion_tokens": request.max_tokens,
            "stream": "stream" not in self.without,
        }
        if self.legacy:
            made |= {"temperature": request.temperature, "seed": request.seed}
        made["stream_options"] = {"include_usage": True}
        if self.endpoint.kind == "vllm":
            # Counts that are right even for an answer that is given up.
            made["stream_options"]["continuous_usage_stats"] = True
        if request.schema is not None and (form := FORMS[self.form]):
            made["response_format"] = {"type": form}
            if form == "json_schema":
                shape = {"name": "reply", "schema": dict(request.schema), "strict": True}
                made["response_format"]["json_schema"] = shape
        return {key: value for key, value in made.items() if key == "stream" or key not in self.without}

    async def listen(self, answer: httpx2.Response, heard: Heard, told: Callable[[str], None]) -> None:
        """Take an answer in, streamed or whole; raises `Lost` where it breaks off, `Refused` where it is none."""
        shape = f"{self.endpoint.url} answered something that is no chat completion."

        def take(event: Mapping[str, Any]) -> None:
            before = heard.pieces
            try:
                for choice in event.get("choices") or ():
                    raise_for_error(self.endpoint, choice)
                text = heard.take(event)
            except (KeyError, IndexError, TypeError, AttributeError, ValueError):
                raise Refused(shape) from None
            if heard.pieces > before:
                told(text)

        if "text/event-stream" in answer.headers.get("content-type", "").lower():
            done = await read_events(self.endpoint, answer, take)
        else:
            raw = await body_of(self.endpoint, answer)
            events = events_in(raw)
            if events is None:
                found = object_in(self.endpoint, raw)
                choices = found.get("choices")
                if not (isinstance(choices, list) and choices and isinstance(choices[0], Mapping)):
                    raise Refused(shape)
                if not isinstance(choices[0].get("message"), Mapping):
                    raise Refused(shape)
                take(found)
                return
            done = events[-1:] == ["[DONE]"]
            for event in events[: len(events) - done]:
                take(event_of(self.endpoint, event))
        # Some never say why they ended, and say only that they did.
        whole = heard.finish is not None or (done and heard.pieces > 0)
        if not whole or heard.finish == "error":
            msg = "ended in the middle of an answer"
            raise Lost(msg)

    # --- counting -------------------------------------------------------------------------------------------------

    def count(self, heard: Heard, *, wasted: bool) -> None:
        """Add a try that ended."""
        one, so_far = heard.tokens(), self._ended
        self._ended = Tokens(
            so_far.read + one.read,
            so_far.written + one.written,
            so_far.cached + one.cached,
            so_far.wasted + (one.read + one.written if wasted else 0),
        )

    def waste(self, tokens: Tokens) -> None:
        """Say of tokens that are counted already that nothing came of them."""
        self._ended = replace(self._ended, wasted=self._ended.wasted + tokens.read + tokens.written)

    def spent(self) -> Tokens:
        """All tokens since loading, with those of answers that are coming in."""
        now = self._ended
        under_way = [heard.tokens() for heard in tuple(self._open.values())]
        return Tokens(
            now.read + sum(one.read for one in under_way),
            now.written + sum(one.written for one in under_way),
            now.cached + sum(one.cached for one in under_way),
            now.wasted,
        )

    def close(self) -> None:
        """Close the connections."""
        background().run(self.caller.close())


def only(names: Sequence[str], url: str) -> str:
    """The single model of a server; raises `AgentError`, which names them, where there are more or none."""
    if len(names) == 1:
        return names[0]
    msg = f"{url} serves {len(names)} models, so one has to be named."
    raise AgentError(msg, hint=f"Pin it: model=NAME. There are: {', '.join(sorted(names)[:20]) or 'none'}.")
