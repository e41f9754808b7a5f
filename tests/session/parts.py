"""What tests of a session share: a cell of the user's own functions, and values for it."""

from __future__ import annotations

CELL = """%%murakkab shouting --minimize latency
Shout.

loud  <- shout {words} @python:shout
count <- count {loud}, per all @python:count
"""


def shout(word: str) -> str:
    if word == "poison":
        msg = "will not shout poison"
        raise ValueError(msg)
    return word.upper()


def count(words: list[str]) -> str:
    return f"{len(words)}: {' '.join(words)}"


def values(*words: str) -> dict[str, object]:
    return {"words": list(words), "shout": shout, "count": count}


def joined(words: list[str]) -> str:
    return " ".join(words)


def initial(text: object) -> str:
    """The first letter of a text or a document."""
    return str(getattr(text, "text", text))[0]


def initials(texts: list[object]) -> str:
    return " ".join(initial(text) for text in texts)
