"""Vision: what a picture shows, and what is written on it."""

from __future__ import annotations

from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library

__all__ = ["OBJECT_DETECTION", "OCR", "register"]

PICTURE = Port("picture", frozenset({"frame", "image"}))

OBJECT_DETECTION = Capability(
    name="object-detection",
    summary="Find the objects in a picture: label, score, box.",
    ports=(PICTURE,),
    output="boxes",
    patterns=(
        "(detect|find|list|recognise|recognize) [all] objects [shown] (in|on) [each|all] {picture}",
        "detect [what is] (in|on) [each|all] {picture}",
    ),
    unit="frames",
    work=lambda inputs, options: 1.0,
    yields=lambda inputs, options: Yield(1.0, {"boxes": 3.0, "tokens": 6.0, "count": 1.0}),
)

OCR = Capability(
    name="ocr",
    summary="Read the text written in a picture.",
    ports=(PICTURE,),
    output="text",
    patterns=(
        "read [all] [text|words|what is written] [in|on|from] [each|all] {picture}",
        "run (ocr|text recognition) on [each|all] {picture}",
    ),
    unit="megapixels",
    work=lambda inputs, options: inputs.get("picture", {}).get("megapixels", 0.0),
    yields=lambda inputs, options: Yield(1.0, {"tokens": 8.0, "count": 1.0}),
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    library.add_capability(OBJECT_DETECTION)
    library.add_capability(OCR)
