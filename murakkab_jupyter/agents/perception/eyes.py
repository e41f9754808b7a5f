"""Eyes: pictures in words, and questions answered from pictures. What they are; who does them is elsewhere.

A model that sees does them (`watching`, over the OpenAI API); where none is known, objects, written words and what else is
at hand stand in (`stand_in`), and the plan says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.kinds import Measure

__all__ = ["PICTURE_TOKENS", "VISUAL_DESCRIPTION", "VISUAL_QUESTION_ANSWERING", "register"]

PICTURE_TOKENS = 500.0
"""What a picture costs a model that sees, at the size it is sent (tokens): a prior; models differ from 64 to 1,500."""
WRITTEN_TOKENS = 60.0
"""Expected length of a description or an answer (tokens): a prior."""

PICTURES = frozenset({"frame", "image"})
WORDS = frozenset({"text", "transcript", "passage", "document", "answer", "boxes", "record"})


def tokens(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    """Each picture's tokens, those of the words beside it, and those written."""
    shown = inputs.get("pictures", {}).get("count", 1.0)
    read = sum(m.get("tokens", 0.0) for name, m in inputs.items() if name != "pictures")
    return PICTURE_TOKENS * shown + read + WRITTEN_TOKENS


def written(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    return Yield(1.0, {"tokens": WRITTEN_TOKENS, "count": 1.0})


PICTURE_PORT = Port("pictures", PICTURES, takes="either")
CONTEXT_PORT = Port("context", WORDS, takes="either", optional=True, several=True)

VISUAL_DESCRIPTION = Capability(
    name="visual-description",
    summary="Say in words what pictures show; of several of one scene, what they show together.",
    ports=(PICTURE_PORT, CONTEXT_PORT),
    output="text",
    patterns=(
        "(describe|caption) [each|all] {pictures}",
        "(describe|caption) [each|all] {pictures} (given|knowing|with) {context...}",
        "(describe|say|tell) what is [shown|seen|visible|happening] (in|on) [each|all] {pictures}",
        "(describe|say|tell) what is [shown|seen|visible|happening] (in|on) [each|all] {pictures} (given|knowing|with) {context...}",
        "(describe|say|tell) what [each|all] {pictures} (show|shows)",
        "(write|make|give) [short|brief|detailed] (description|descriptions|caption|captions) of [each|all] {pictures}",
    ),
    unit="tokens",
    work=tokens,
    yields=written,
    prompted=True,
)

VISUAL_QUESTION_ANSWERING = Capability(
    name="visual-question-answering",
    summary="Answer a question from pictures, with those that show it as evidence.",
    ports=(Port("question", frozenset({"text"})), PICTURE_PORT, CONTEXT_PORT),
    output="answer",
    patterns=(
        "answer [question] {question} (from|by|using|with) [looking] [at] [all] {pictures}",
        "answer [question] {question} (from|by|using|with) [looking] [at] [all] {pictures} (given|knowing|and) {context...}",
        "answer [question] {question} (from|by|using|with) [all] {context...} and {pictures}",
        "look at [all] {pictures} (and|to) answer [question] {question}",
    ),
    unit="tokens",
    work=tokens,
    yields=written,
    prompted=True,
)


def register(library: Library) -> None:
    """Register the capabilities of this module."""
    library.add_capability(VISUAL_DESCRIPTION)
    library.add_capability(VISUAL_QUESTION_ANSWERING)
