"""The entry point through which the built-in capabilities and agents are registered."""

from __future__ import annotations

from murakkab_jupyter.agents import (
    answering,
    chunking,
    classify,
    clip,
    extract,
    extractive,
    eyes,
    hub_llm,
    llm,
    python,
    retrieval,
    search,
    serving,
    speech,
    stand_in,
    text,
    video,
    vision,
)
from murakkab_jupyter.agents.library import Library

__all__ = ["register"]


def register(library: Library) -> None:
    """Register every built-in capability and agent."""
    for module in (
        video,
        speech,
        vision,
        clip,
        eyes,
        stand_in,
        text,
        retrieval,
        python,
        chunking,
        extractive,
        answering,
        search,
        classify,
        extract,
        llm,
        hub_llm,
        serving,
    ):
        module.register(library)
