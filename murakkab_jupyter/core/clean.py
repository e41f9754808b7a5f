"""What may be shown: text without what could steer a terminal or reorder a line."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

__all__ = ["clean", "cleaned"]

JOINERS = "\u200c\u200d"
"""Part of the spelling of Persian and of Indic languages, and of emoji: they neither steer nor reorder."""


def clean(text: object) -> str:
    """Text without what could steer a terminal or reorder a line: control and direction characters, but not newlines."""
    said = str(text)
    if said.isprintable():  # nearly always, and much faster
        return said
    return "".join(
        c
        if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"} or c in JOINERS
        else "\ufffd"
        for c in said.replace("\r\n", "\n")
    )


def cleaned(data: Any) -> Any:
    """Plain JSON with every text in it clean, for views that scripts draw."""
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, Mapping):
        return {clean(key): cleaned(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [cleaned(value) for value in data]
    return data
