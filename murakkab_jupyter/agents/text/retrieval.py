"""Retrieval: vectors, search, and answers with their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.capabilities import TEXTUAL
from murakkab_jupyter.core.kinds import Measure

__all__ = ["EMBEDDING", "QUESTION_ANSWERING", "RETRIEVAL", "register"]

QUESTION = Port("question", frozenset({"text"}))
DEFAULT_TOP_K = 5


def tokens(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    return sum(m.get("tokens", 0.0) for m in inputs.values())


def tokens_of_paths(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    """Each of several paths reads everything again."""
    return tokens(inputs, options) * max(1.0, float(options.get("paths", 1)))


def tokens_encoded(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    """Tokens of a text, as far as its encoder reads it (its option says so)."""
    longest = options.get("longest")
    return min(tokens(inputs, options), float(longest)) if longest else tokens(inputs, options)


EMBEDDING = Capability(
    name="embedding",
    summary="Turn a text into a vector.",
    ports=(Port("text", TEXTUAL),),
    output="vector",
    patterns=("embed [each|all] {text}",),
    unit="tokens",
    work=tokens_encoded,
    yields=lambda inputs, options: Yield(1.0, {"count": 1.0}),
)

RETRIEVAL = Capability(
    name="retrieval",
    summary="Find the passages that answer a question.",
    ports=(Port("passages", TEXTUAL, takes="many"), QUESTION),
    output="passage",
    opens=True,
    patterns=(
        "find in {passages} what answers {question}",
        "(search|retrieve) [in|from] {passages} for {question}",
    ),
    unit="tokens",
    work=tokens,
    yields=lambda inputs, options: Yield(
        float(options.get("top_k", DEFAULT_TOP_K)), {"tokens": 40.0, "count": 1.0}
    ),
)

QUESTION_ANSWERING = Capability(
    name="question-answering",
    summary="Answer a question from some inputs, with the evidence used.",
    ports=(QUESTION, Port("context", TEXTUAL, takes="either", several=True)),
    output="answer",
    patterns=("answer [question] {question} (from|using|with) [all] {context}",),
    unit="tokens",
    work=tokens_of_paths,
    yields=lambda inputs, options: Yield(1.0, {"tokens": 40.0, "count": 1.0}),
    prompted=True,
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    library.add_capability(EMBEDDING)
    library.add_capability(RETRIEVAL)
    library.add_capability(QUESTION_ANSWERING)
