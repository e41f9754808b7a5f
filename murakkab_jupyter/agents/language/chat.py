"""Chat: what text agents ask of a language model, wherever it runs.

Material that is too long for the model's context is shortened by rule: the longest piece first, cut in
its middle (its beginning and its end stay), with a mark where something is left out. A text cannot carry a notice of its own, so
the model keeps one for whoever asked (`notes`). Where the step says `too_long=fail`, such an item fails instead.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from murakkab_jupyter.agents.agent import Failed, Option, Tokens

__all__ = [
    "CUT",
    "SHORTENED",
    "TOO_LONG",
    "Chat",
    "Message",
    "Reply",
    "Request",
    "TooLong",
    "Unfit",
    "shorten",
    "wrote_nothing",
]

logger = logging.getLogger(__name__)

Message = Mapping[str, Any]
"""`{"role": "system" | "user" | "assistant", "content": ...}`; the content is a text, or parts with pictures."""

CUT = " […] "
CHARACTERS_PER_TOKEN = 3.2
"""For the first guess at what fits; the model itself has the last word."""
OVERHEAD_TOKENS = 48
"""What a chat template adds, at most."""
SHORTENED = (
    "Some material was too long for the model's context: the longest inputs were shortened in their middle "
    "(too_long=fail fails such items instead)."
)

Unfit = Literal["shorten", "fail"]
TOO_LONG = Option(
    "too_long",
    str,
    "shorten",
    ("shorten", "fail"),
    help="What to do with material that does not fit into the model's context.",
)


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask.

    Attributes
    ----------
    lead
        Messages that stand first (the system's, examples).
    frame
        The user's message, with `{}` where each of the parts goes, in order; parts are never parsed.
    parts
        The material: what may be shortened.
    max_tokens
        Most tokens to write.
    temperature, seed
        0 is deterministic.
    images
        Pictures to look at, as `data:` URLs; for models that see.
    schema
        JSON schema that the reply must keep to; None for plain text.
    """

    lead: tuple[Message, ...]
    frame: tuple[str, ...]
    parts: tuple[str, ...]
    max_tokens: int = 160
    temperature: float = 0.0
    seed: int = 0
    images: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None

    def messages(self, limit: int | None = None) -> list[Message]:
        """The messages, with parts shortened to `limit` characters in all."""
        parts = self.parts if limit is None else shorten(self.parts, limit)
        woven = [self.frame[0]]
        for part, after in zip(parts, self.frame[1:], strict=True):
            woven += [part, after]
        text = "".join(woven)
        if not self.images:
            return [*self.lead, {"role": "user", "content": text}]
        looked_at = [{"type": "image_url", "image_url": {"url": url}} for url in self.images]
        return [*self.lead, {"role": "user", "content": [*looked_at, {"type": "text", "text": text}]}]

    @property
    def fixed(self) -> int:
        """Characters that cannot be shortened."""
        return sum(len(m["content"]) for m in self.lead) + sum(map(len, self.frame))

    @property
    def free(self) -> int:
        """Characters that can be."""
        return sum(map(len, self.parts))


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote, and the tokens of it; `complete` is false where it was cut off at `max_tokens`.

    `cached` are the tokens read that its server still knew from before.
    """

    text: str
    read: int = 0
    written: int = 0
    complete: bool = True
    cached: int = 0


def wrote_nothing(reply: Reply) -> Failed:
    """Why a reply without a text fails its item: a model may have spent all its tokens on thinking."""
    if not reply.complete:
        return Failed("The model used up its tokens before it wrote anything. Give it more: max_tokens=N.")
    return Failed("The model wrote nothing.")


class TooLong(Exception):  # noqa: N818 - not a fault: the request is shortened and sent again
    """A request longer than the model's context; counts of tokens where the model states them."""

    def __init__(self, tokens: int | None = None, context: int | None = None) -> None:
        has = "too many" if tokens is None else str(tokens)
        super().__init__(f"{has} tokens" + ("" if context is None else f", {context} fit"))
        self.tokens = tokens
        self.context = context


def shorten(parts: Sequence[str], limit: int) -> tuple[str, ...]:
    """Parts with at most `limit` characters in all: the longest are cut first, in their middle.

    Every part longer than a common cap is cut to that cap, so short parts stay whole.
    """
    if sum(map(len, parts)) <= limit:
        return tuple(parts)
    left, cap = max(0, limit), 0
    for done, size in enumerate(sorted(map(len, parts))):
        cap = left // (len(parts) - done)
        if size > cap:
            break
        left -= size
    return tuple(middle_out(part, cap) for part in parts)


def middle_out(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    if size <= len(CUT) + 2:
        return text[: max(0, size)]
    keep = size - len(CUT)
    head = (keep + 1) // 2
    return text[:head].rstrip() + CUT + text[len(text) - (keep - head) :].lstrip()


class Chat(ABC):
    """A language model that can be asked several things at once."""

    context_tokens: int | None = None
    """Tokens that fit, question and answer together; None where the model only says so when asked too much."""
    parallel: int = 1
    """Requests that it answers at once."""

    too_long: Unfit = "shorten"
    """What happens to material that does not fit."""

    def __init__(self) -> None:
        self.shortened = 0
        """Requests whose material had to be shortened, since loading."""
        self.notes: dict[str, None] = {}
        """What whoever asked should know, each thing once."""

    @abstractmethod
    def send(self, messages: Sequence[Message], request: Request) -> Reply | Failed:
        """Ask once; raises `TooLong` when the context is too small, `AgentError` when nothing can be asked at all."""

    def spent(self) -> Tokens | None:
        """All tokens since loading, those of requests under way and of failed ones among them; None where only replies are counted."""
        return None

    def close(self) -> None:  # noqa: B027 - optional to override
        """Let go of the model."""

    def complete(self, requests: Sequence[Request]) -> list[Reply | Failed]:
        """Ask everything, several at once; one reply for each request, in order."""
        if self.parallel <= 1 or len(requests) <= 1:
            return [self.fitted(request) for request in requests]
        with ThreadPoolExecutor(min(self.parallel, len(requests)), "chat") as pool:
            return list(pool.map(self.fitted, requests))

    def fitted(self, request: Request) -> Reply | Failed:
        """Ask once, with the material shortened until it fits."""
        if (roomless := self.roomless(request)) is not None:
            return roomless
        asking = self.fitting(request)
        messages = next(asking)
        while True:
            heard: Reply | Failed | TooLong
            try:
                heard = self.send(messages, request)
            except TooLong as too_long:
                heard = too_long
            try:
                messages = asking.send(heard)
            except StopIteration as done:
                reply: Reply | Failed = done.value
                return reply

    def roomless(self, request: Request) -> Failed | None:
        """Why a request cannot fit, whatever its material is cut to; None where it may."""
        if self.context_tokens is None or request.max_tokens < self.context_tokens:
            return None
        return Failed(
            f"max_tokens={request.max_tokens} leaves no room for a question: "
            f"question and answer together may have {self.context_tokens} tokens here. Give fewer: max_tokens=N."
        )

    def fitting(self, request: Request) -> Generator[list[Message], Reply | Failed | TooLong, Reply | Failed]:
        """Yields messages to send and takes what came of them, until something fits: the rule without the sending."""
        limit: int | None = None
        if self.context_tokens is not None and self.too_long == "shorten":
            room = self.context_tokens - request.max_tokens - OVERHEAD_TOKENS
            # An estimate on the safe side for most texts; when it is not, the model says so below.
            guess = int(room * CHARACTERS_PER_TOKEN * 1.4) - request.fixed
            limit = guess if guess < request.free else None
        for _ in range(6):
            heard = yield request.messages(limit)
            if isinstance(heard, TooLong):
                if self.too_long == "fail":
                    return Failed(
                        f"The material does not fit into the model's context ({heard}). Give less of it, choose a model "
                        "with a longer context, or let it be shortened: too_long=shorten."
                    )
                limit = smaller(request.free if limit is None else limit, request, heard)
                if limit <= 0:
                    break
                continue
            if limit is not None and isinstance(heard, Reply):
                self.shortened += 1
                self.notes[SHORTENED] = None
                logger.warning(
                    "The material of a request was shortened from %d to %d characters to fit the model's context.",
                    request.free,
                    limit,
                )
            return heard
        if request.images:
            return Failed(
                "The images exceed the model's context. Send fewer or smaller ones: pictures=N, side=PIXELS."
            )
        return Failed(
            "The step's instructions alone do not fit into the model's context. "
            "Shorten the prompt, or choose a model with a longer context."
        )


def smaller(before: int, request: Request, too_long: TooLong) -> int:
    """A limit that should fit, from what the model said."""
    if too_long.tokens and too_long.context:
        room = too_long.context - request.max_tokens
        whole = before + request.fixed
        return min(int(whole * room / too_long.tokens * 0.95) - request.fixed, int(before * 0.9))
    if too_long.context:
        room = too_long.context - request.max_tokens - OVERHEAD_TOKENS
        return min(int(room * CHARACTERS_PER_TOKEN) - request.fixed, int(before * 0.8))
    return int(before * 0.6)


def total(replies: Sequence[Reply | Failed]) -> Tokens:
    """Tokens of some replies."""
    good = [reply for reply in replies if isinstance(reply, Reply)]
    return Tokens(sum(r.read for r in good), sum(r.written for r in good), sum(r.cached for r in good))
