"""Text: writing and summarising."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.kinds import Measure

__all__ = ["SUMMARISATION", "TEXT_GENERATION", "register"]

ANYTHING = frozenset({"any"})
WRITTEN_TOKENS = 60.0
"""Expected length of a written text (tokens): a prior."""


def tokens_in_and_out(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    # Each path reads and writes everything again.
    paths = max(1.0, float(options.get("paths", 1)))
    return (sum(m.get("tokens", 0.0) for m in inputs.values()) + WRITTEN_TOKENS) * paths


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
    ),
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
        "(write|compose|draft|generate|compare|rewrite|explain|describe|list|say|tell|translate|combine) {material...}",
        "(write|compose|draft|generate|explain|describe|list|say|tell) ...",
    ),
    unit="tokens",
    work=tokens_in_and_out,
    yields=written,
    prompted=True,
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    library.add_capability(SUMMARISATION)
    library.add_capability(TEXT_GENERATION)
