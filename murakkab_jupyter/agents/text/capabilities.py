"""Text: writing, summarising, classifying, extracting and translating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port, Slot, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.kinds import Measure

__all__ = [
    "CLASSIFICATION",
    "EXTRACTION",
    "SUMMARISATION",
    "TEXTUAL",
    "TEXT_GENERATION",
    "TRANSLATION",
    "register",
]

ANYTHING = frozenset({"any"})
TEXTUAL = frozenset({"text", "transcript", "passage", "document", "answer", "boxes", "record"})
"""Kinds that can be read as words."""
SAID = frozenset({"text", "record"})
WRITTEN_TOKENS = 60.0
"""Expected length of a written text (tokens): a prior."""


def paths_of(options: Mapping[str, Any]) -> float:
    """How often everything is done: each path reads and writes all of it again."""
    return max(1.0, float(options.get("paths", 1)))


def tokens_in_and_out(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    return (sum(m.get("tokens", 0.0) for m in inputs.values()) + WRITTEN_TOKENS) * paths_of(options)


def written(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    return Yield(1.0, {"tokens": WRITTEN_TOKENS, "count": 1.0})


SUMMARISATION = Capability(
    name="summarisation",
    summary="Summarise what some inputs say or show.",
    ports=(Port("material", ANYTHING, takes="either", several=True),),
    output="text",
    patterns=(
        "(summarise|summarize) {material...}",
        "(write|make|give) [short|brief] summary of {material...}",
        "(summarise|summarize) {material...} in [at most|about|around] <words> words",
        "(write|make|give) [short|brief] summary of {material...} in [at most|about|around] <words> words",
    ),
    slots=(Slot("words", int),),
    unit="tokens",
    work=tokens_in_and_out,
    yields=written,
    prompted=True,
)

TEXT_GENERATION = Capability(
    name="text-generation",
    summary="Write a text as the sentence (or its body) says, from some inputs.",
    ports=(Port("material", ANYTHING, takes="either", optional=True, several=True),),
    output="text",
    patterns=(
        "(write|compose|draft|generate|compare|rewrite|explain|describe|list|say|tell|combine) {material...}",
        "(write|compose|draft|generate|explain|describe|list|say|tell) ...",
    ),
    unit="tokens",
    work=tokens_in_and_out,
    yields=written,
    prompted=True,
)


CLASSIFICATION = Capability(
    name="classification",
    summary="Say which of some labels fits a text.",
    ports=(Port("text", TEXTUAL, takes="either", several=True), Port("labels", SAID, stated=True)),
    output="text",
    patterns=(
        "(classify|categorise|categorize|label|sort) [each|all] {text} (into|as|by|with|under) [one of] {labels}",
        "(classify|categorise|categorize|label|sort) [each|all] {text} (into|as|by|with|under) [one of] <labels>",
        "(decide|say|tell) which of {labels} [best] (fits|describes) [each|all] {text}",
    ),
    slots=(Slot("labels", str, quoted=True),),
    unit="tokens",
    work=lambda inputs, options: inputs.get("text", {}).get("tokens", 0.0) * paths_of(options),
    yields=lambda inputs, options: Yield(1.0, {"tokens": 2.0, "count": 1.0}),
    prompted=True,
)

EXTRACTION = Capability(
    name="extraction",
    summary="Pull named fields out of a text, as a record.",
    ports=(Port("text", TEXTUAL, takes="either", several=True), Port("fields", SAID, stated=True)),
    output="record",
    patterns=(
        "(extract|pull|get|read) [fields|data] {fields} (from|out of) [each|all] {text}",
        "(extract|pull|get|read) [fields|data] <fields> (from|out of) [each|all] {text}",
        "fill [in] {fields} (from|with) [each|all] {text}",
    ),
    slots=(Slot("fields", str, quoted=True),),
    unit="tokens",
    work=lambda inputs, options: inputs.get("text", {}).get("tokens", 0.0),
    yields=lambda inputs, options: Yield(1.0, {"tokens": 30.0, "count": 1.0}),
    prompted=True,
)

TRANSLATION = Capability(
    name="translation",
    summary="Translate a text into another language.",
    ports=(
        Port("text", TEXTUAL - {"boxes", "record"}),
        Port("language", frozenset({"text"}), stated=True),
        Port("source", frozenset({"text"}), optional=True, stated=True),
    ),
    output="text",
    patterns=(
        "translate [each|all] {text} [from (<source>|{source})] (into|to) (<language>|{language})",
        "(put|turn) [each|all] {text} into the <language> language",
    ),
    slots=(Slot("language", str), Slot("source", str)),
    unit="tokens",
    # It writes about as much as it reads.
    work=lambda inputs, options: 2.0 * inputs.get("text", {}).get("tokens", 0.0),
    prompted=True,
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    for capability in (SUMMARISATION, TEXT_GENERATION, CLASSIFICATION, EXTRACTION, TRANSLATION):
        library.add_capability(capability)
