"""Secrets that people write into addresses and cells: found, and left out of what is kept or shown."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["MASK", "key_like", "masked", "redacted"]

MASK = "***"
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
USER = re.compile(r"(?<=://)[^/?#]+(?=@)")
QUERY = re.compile(
    r"(?<=[?&;#])([\w.%-]*(?:key|token|secret|passw(?:or)?d|pwd|sig(?:nature)?|auth(?:orization)?|credentials?)=)([^&;#]+)",
    re.IGNORECASE,
)
SETTING = re.compile(
    r"(?<![\w?&;#-])([\w-]*(?:api[_-]?key|secret|passwd|password)\s*=\s*)(\"[^\"]*\"?|'[^']*'?|[^\s\"']+)",
    re.IGNORECASE,
)
"""A pin such as `api_key=sk-9`: no agent has such an option, but people try."""

NAMED = re.compile(r"(\bkey[_-]env(?:\s*=\s*|\s+)[\"']?)([^\s\"']+)", re.IGNORECASE)
"""The name of a variable with a key, in whose place people put the key."""

BEGIN = r"(?:hf_|gsk_|r8_|fw_|gh[opsur]_|jina_|xai-|pplx-|csk-|tvly-)"
"""How keys of services begin that go on in letters and digits alone."""
BARE = re.compile(
    r"(?<=\bBearer )(?=\S*\d)[\w.~+/=-]{8,}|\bhf_[A-Za-z0-9]{16,}"
    rf"|\b{BEGIN}(?=[A-Za-z]*\d)[A-Za-z0-9]{{16,}}"
    r"|\b(?:sk-|sk_live_|sk_test_|glpat-|github_pat_|xox[abeoprs]-)(?=[\w-]*\d)[\w-]{16,}"
    r"|\b(?:AIza|nvapi-)(?=[\w-]*\d)[\w-]{30,}|\bAKIA(?=[A-Z]*\d)[A-Z0-9]{16}\b",
    re.IGNORECASE,
)
"""Keys that stand in a text by themselves, as the answers of servers and the errors of clients repeat them."""


SHORT = re.compile(rf"(?:{BEGIN}|sk[-_])(?=\w*(?:\d|[a-z][A-Z]))\w{{6,}}")
MIXED = re.compile(r"(?=[A-Za-z0-9]{16})[A-Za-z]*\d+[A-Za-z]+\d")


def key_like(word: str) -> bool:
    """Whether a word looks like a key rather than like a name that somebody made up.

    It begins as the keys of a service do, or has a run of 16 or more letters and digits that change twice or more.
    """
    return bool(
        BARE.fullmatch(word)
        or SHORT.fullmatch(word)
        or any(map(MIXED.match, re.split(r"[^A-Za-z0-9]+", word)))
    )


def hidden(text: str, mask: Callable[[str], str]) -> str:
    """A text without keys of well-known forms, and whose addresses hold no user, no password and no key."""
    text = BARE.sub(lambda key: mask(key[0]), text)

    def address(found: re.Match[str]) -> str:
        bare = USER.sub(lambda user: mask(user[0]), found[0])
        return QUERY.sub(lambda pair: pair[1] + mask(pair[2]), bare)

    return ADDRESS.sub(address, text) if "://" in text else text


def redacted(text: str) -> str:
    """A text without the users, passwords and keys of the addresses in it, and without bare keys.

    Parameters
    ----------
    text
        Anything that is about to be kept, or the words of an error that is about to be shown.
    """
    return hidden(text, lambda _: MASK)


def masked(line: str) -> str:
    """A line of a cell to show beneath an error: secrets become as many stars, so that places stay where they are.

    Parameters
    ----------
    line
        The line as it was written.
    """
    stars = hidden(line, lambda secret: "*" * len(secret))
    stars = NAMED.sub(lambda pair: pair[1] + "*" * len(pair[2]) if key_like(pair[2]) else pair[0], stars)
    return SETTING.sub(lambda pair: pair[1] + "*" * len(pair[2]), stars)
