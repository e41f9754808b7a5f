"""What tests of drafts share."""

from __future__ import annotations

CALLS = {"calls": ["a.mp3"]}


def lines(draft) -> list[str]:
    """The steps of a draft as they are written."""
    return [line for line in draft.text.splitlines() if "<-" in line]
