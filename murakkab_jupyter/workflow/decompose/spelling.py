"""Slips of the keyboard: a word that is nearly one that tasks are said with is read as that word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from murakkab_jupyter.agents.text.sentences import bare_stem

__all__ = ["corrected", "replaced"]

SHORTEST = 5
"""Letters of a word that is corrected: shorter ones are too near to each other."""
ALIKE = 0.86
"""Least likeness (of difflib): one pair of letters swapped, or one left out of seven."""
WORD = re.compile(r"(?<![\w{@/.])[a-z]+(?![\w}/@]|\.\w)")


def corrected(text: str, words: Iterable[str]) -> tuple[str, dict[str, str]]:
    """A text with its slips corrected, and what was read as what.

    Parameters
    ----------
    text
        In the user's words. Only words in small letters are looked at: others are names.
    words
        What may be meant.
    """
    known = sorted({word for word in words if len(word) >= SHORTEST})
    stems = {bare_stem(word) for word in known}
    made: dict[str, str] = {}
    for word in dict.fromkeys(WORD.findall(text)):
        if len(word) < SHORTEST or word in known or bare_stem(word) in stems:
            continue
        near = [
            one for one in get_close_matches(word, known, 3, ALIKE) if one[0] == word[0] and slip(word, one)
        ]
        if near:
            made[word] = near[0]
    return replaced(text, made), made


def replaced(text: str, made: Mapping[str, str]) -> str:
    """A text with some words replaced by others."""
    for word, meant in made.items():
        text = re.sub(rf"(?<![\w{{]){word}(?![\w}}])", meant, text)
    return text


def slip(word: str, meant: str) -> bool:
    """Whether a word is another with letters swapped, or one left out, doubled or wrong inside; endings are inflections, no slips."""
    if len(word) == len(meant):
        wrong = [n for n, (a, b) in enumerate(zip(word, meant, strict=True)) if a != b]
        swapped = (
            len(wrong) == 2
            and wrong[1] == wrong[0] + 1
            and word[wrong[0]] == meant[wrong[1]]
            and word[wrong[1]] == meant[wrong[0]]
        )
        return swapped or sorted(word) == sorted(meant)
    short, long = sorted((word, meant), key=len)
    return len(long) - len(short) == 1 and any(
        long[:n] + long[n + 1 :] == short for n in range(1, len(long) - 1)
    )
