"""Speech: from sound to timed words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.kinds import Measure

__all__ = ["SPEECH_TO_TEXT", "register"]

TOKENS_PER_SECOND = 3.5
"""Expected tokens a second of speech: 150 words a minute, 1.4 tokens a word; a prior."""


def audio_seconds(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    return inputs.get("speech", {}).get("duration_s", 0.0)


def words(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    return Yield(1.0, {"tokens": TOKENS_PER_SECOND * audio_seconds(inputs, options), "count": 1.0})


SPEECH_TO_TEXT = Capability(
    name="speech-to-text",
    summary="Transcribe the speech of a scene, a video or an audio file, with times.",
    ports=(Port("speech", frozenset({"scene", "video", "audio"})),),
    output="transcript",
    patterns=(
        "transcribe [all] [speech|audio|words|what is said] [in|from|of] [each|all] {speech}",
        "run (speech-to-text|speech recognition|transcription) on [each|all] {speech}",
    ),
    unit="audio_s",
    work=audio_seconds,
    yields=words,
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    library.add_capability(SPEECH_TO_TEXT)
