"""Vectors of a served encoder, by the `/embeddings` of the OpenAI API.

Texts go in groups, several in flight; a group that the server refuses is halved, so that one text that it cannot take fails
alone. One that is too long for the encoder is shortened in its middle until it fits, which is told to the user; with
`too_long=fail` it fails instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import Agent, Failed, Inputs, Tokens
from murakkab_jupyter.agents.language.chat import SHORTENED, TooLong, Unfit, shorten
from murakkab_jupyter.agents.served.calls import Caller, object_of
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.loops import background
from murakkab_jupyter.agents.served.reading import count_in, vector_of
from murakkab_jupyter.agents.served.refusals import Refused
from murakkab_jupyter.agents.text.search import Encoding, WordLlamaEmbedding, WordLlamaSearch
from murakkab_jupyter.agents.text.vectors import Encoder, Vectors, unit
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Passage, text_of

__all__ = ["ServedEmbedding", "ServedEncoder", "ServedSearch", "ServedVectors"]

GROUP = 32
"""Texts of one request."""


EMPTY = "The text is empty: a server makes no vector of nothing."

Row = list[float] | Failed


class TextRefusedError(AgentError):
    """A text of which the server makes no vector; others may fare better."""


class ServedEncoder(Encoder):
    """Texts to vectors of length 1, by a server.

    Parameters
    ----------
    caller
        Calls the endpoint.
    in_flight
        Requests in flight at once.
    too_long
        What happens to a text that does not fit.
    """

    name = "served"

    def __init__(self, caller: Caller, *, in_flight: int = 8, too_long: Unfit = "shorten") -> None:
        self.caller = caller
        self.in_flight = max(1, in_flight)
        self.too_long = too_long
        self.read = 0
        """Tokens read, since loading, as the server counted them."""
        self.notes: dict[str, None] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row for each text; raises `TextRefusedError` where there is no vector of one, `AgentError` where of none."""
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        rows = self.rows(texts)
        for row in rows:
            if isinstance(row, Failed):
                raise TextRefusedError(row.reason)
        return unit(rows)

    def rows(self, texts: Sequence[str]) -> list[Row]:
        """A vector for each text, not of length 1 yet, or why there is none; raises `AgentError` where nothing can be asked."""
        asked = [text for text in texts if text.strip()]
        made = iter(background().run(self.all(asked)) if asked else [])
        return [next(made) if text.strip() else Failed(EMPTY) for text in texts]

    def count(self, texts: Sequence[str]) -> int:
        """Nothing: the server counts when it reads."""
        return 0

    async def all(self, texts: Sequence[str]) -> list[Row]:
        """The vectors of some texts, in order."""
        gate = asyncio.Semaphore(self.in_flight)

        async def group(some: Sequence[str]) -> list[Row]:
            async with gate:
                return await self.fit(some)

        groups = [texts[n : n + GROUP] for n in range(0, len(texts), GROUP)]
        tasks = [asyncio.ensure_future(group(some)) for some in groups]
        try:
            rows = [row for found in await asyncio.gather(*tasks) for row in found]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if len({len(row) for row in rows if not isinstance(row, Failed)}) > 1:
            msg = f"{self.caller.endpoint.url} gave vectors of unlike lengths."
            raise AgentError(msg, hint="Is it a model that embeds?")
        return rows

    async def fit(self, texts: Sequence[str]) -> list[Row]:
        """The vectors of a group, with those that are too long shortened."""
        half = len(texts) // 2
        try:
            return list(await self.ask(texts))
        except Refused as refused:
            # What was tried again and again, or never answered, is no fault of one text's.
            if refused.advice or not half:
                return [Failed(refused.reason)] * len(texts)
            return [*await self.fit(texts[:half]), *await self.fit(texts[half:])]
        except TooLong:
            if half:
                return [*await self.fit(texts[:half]), *await self.fit(texts[half:])]
            if self.too_long == "fail" or len(texts[0]) < 16:
                why = f"A text of {len(texts[0])} characters does not fit into the encoder's context."
                return [Failed(f"{why} Give shorter texts, or let them be shortened: too_long=shorten.")]
            self.notes[SHORTENED] = None
            return await self.fit(shorten(texts, int(len(texts[0]) * 0.6)))

    async def ask(self, texts: Sequence[str]) -> list[list[float]]:
        """One request."""
        endpoint = self.caller.endpoint
        body = {"model": endpoint.model, "input": list(texts), "encoding_format": "float"}
        found = await self.caller.ask("POST", "/embeddings", body, lambda answer: object_of(endpoint, answer))
        try:
            # A few leave the index out, and keep the order.
            rows = sorted(found["data"], key=lambda row: count_in(row, "index"))
            vectors = [vector for row in rows if (vector := vector_of(row["embedding"])) is not None]
        except (KeyError, TypeError):
            vectors = []
        if len(vectors) != len(texts):
            msg = f"{endpoint.url} answered something that is no {len(texts)} vectors."
            raise Refused(msg)
        self.read += count_in(found.get("usage"), "prompt_tokens")
        return vectors


Opener = Callable[[Mapping[str, Any]], ServedEncoder]


class ServedEncoding(Encoding):
    """What agents with a served encoder share."""

    def __init__(self, opener: Opener) -> None:
        super().__init__()
        self.opener = opener
        self.before = 0

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Open the encoder."""
        self.options = dict(options)
        self.loaded = self.opener(options)

    def tokens(self) -> Tokens:
        """Tokens read since the last time, as the server counted them."""
        now = self.loaded.read if isinstance(self.loaded, ServedEncoder) else 0
        made, self.before = Tokens(now - self.before), now
        return made

    def notes(self) -> Sequence[str]:
        """What the encoder has to say."""
        if not isinstance(self.loaded, ServedEncoder):
            return []
        said = list(self.loaded.notes)
        self.loaded.notes.clear()
        return said

    def close(self) -> None:
        """Close the connections."""
        if isinstance(self.loaded, ServedEncoder):
            background().run(self.loaded.caller.close())


class ServedEmbedding(ServedEncoding, WordLlamaEmbedding):
    """Texts to vectors of a served encoder."""

    def call(self, batch: Sequence[Inputs]) -> list[Any]:
        """One vector for each item; one of which the server makes none fails alone."""
        encoder = self.encoder
        assert isinstance(encoder, ServedEncoder)
        rows = encoder.rows([text_of(inputs.values.get("text")) for inputs in batch])
        return [row if isinstance(row, Failed) else unit([row])[0] for row in rows]


class ServedSearch(ServedEncoding, WordLlamaSearch):
    """The passages nearest to a question, by a served encoder."""

    def one(self, inputs: Inputs) -> list[Passage] | Failed:
        """The passages of one item."""
        try:
            return super().one(inputs)
        except TextRefusedError as refused:
            return Failed(refused.message)


@dataclass(frozen=True)
class ServedVectors:
    """Makes, in the instance's process, an agent of one capability for a served encoder. Holds no key."""

    capability: str
    endpoint: Endpoint
    deadline_s: float = 120.0

    def __call__(self) -> Agent:
        """The agent."""
        return (ServedEmbedding if self.capability == "embedding" else ServedSearch)(self.open)

    def open(self, options: Mapping[str, Any]) -> ServedEncoder:
        """The encoder."""
        caller = Caller(self.endpoint, deadline_s=float(options.get("timeout") or self.deadline_s))
        return ServedEncoder(
            caller,
            in_flight=int(options.get("in_flight") or 8),
            too_long="fail" if options.get("too_long") == "fail" else "shorten",
        )
