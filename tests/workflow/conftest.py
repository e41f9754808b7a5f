"""A library of the built-in capabilities, with agents that have the options these tests pin."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.agent import AgentSpec, Option
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.workflow.language import declare

NEWSROOM = """%%murakkab newsroom --minimize energy --quality good --deadline 2min
List the objects shown or mentioned in the videos.

scenes     <- split {videos} into scenes
frames     <- take 3 frames from {scenes}
transcript <- transcribe the speech in {scenes}
objects    <- detect the objects in {frames}
summary    <- summarise the scene from {objects} and {transcript}
answer     <- answer {question} from {summary}, per video
"""

VALUES = {
    "videos": ["a.mp4", "b.mp4"],
    "question": "What is shown?",
    "q": "Who speaks?",
    "passages": ["one", "two"],
    "podcast": "talk.mp3",
}


def fresh_library() -> Library:
    library = Library()
    library.load_entry_points()
    assert not library.broken, library.broken
    if not any(c.name == "python" for c in library.capabilities()):
        anything = frozenset({"any"})
        library.add_capability(
            Capability(
                name="python",
                summary="Call a Python function.",
                ports=(Port("arguments", anything, takes="either", optional=True, several=True),),
                output="any",
            )
        )
    options = (
        Option("paths", int, 1, choices=(1, 3), lever=True),
        Option("temperature", float, 0.0),
        Option("style", str, "plain", choices=("plain", "terse")),
        Option("strict", bool, False),
    )
    for name, capability in (("tester-qa", "question-answering"), ("tester-text", "text-generation")):
        library.add_agent(AgentSpec(name, "1", capability, "A test fixture.", "nothing:Nothing", options))
    library.add_agent(
        AgentSpec(
            "tester-search",
            "1",
            "retrieval",
            "A test fixture.",
            "nothing:Nothing",
            (Option("top_k", int, 5),),
        )
    )
    return library


@pytest.fixture(scope="session")
def library():
    return fresh_library()


@pytest.fixture
def bound(library):
    def declare_text(text, goal=None, **values):
        return declare(text, library=library, values={**VALUES, **values}, goal=goal)

    return declare_text
