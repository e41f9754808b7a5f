"""The entry point through which the built-in capabilities and agents are registered."""

from __future__ import annotations

from murakkab_jupyter.agents.functions import python
from murakkab_jupyter.agents.language import hub_llm, llm
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.perception import clip, eyes, speech, stand_in, video, vision
from murakkab_jupyter.agents.served import serving
from murakkab_jupyter.agents.text import (
    answering,
    capabilities,
    chunking,
    classify,
    extract,
    extractive,
    retrieval,
    search,
)

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
        capabilities,
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
