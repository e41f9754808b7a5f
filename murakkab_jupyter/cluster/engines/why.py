"""Why a server ended, as its log tells: what was raised, without the frames and usage in between."""

from __future__ import annotations

import re
from pathlib import Path

from murakkab_jupyter.cluster.group import last_lines

__all__ = ["last_words"]

READ = 400
"""So many of the last lines are looked at: of a server of several processes, the one that failed first speaks early."""
MOST_REASONS = 3
PREFIX = re.compile(r"^(?:\([\w-]+ pid=\d+\) )?(?:[A-Z]+ [\d-]+ [\d:]+ \[[\w.]+:\d+\] )?")
"""vLLM's, before each line of each process."""
RAISED = re.compile(r"(?:\w+\.)*[A-Z]\w*(?:Error|Exception)\b(?::|$)|\S+: error: ")
"""How a line begins that says what was raised, or what an option lacks."""


def last_words(log: Path, lines: int) -> str:
    """The last lines of a log that say something, and before them what was raised earlier; empty when there is none.

    Parameters
    ----------
    log
        Its file.
    lines
        So many are given at most.
    """
    kept: list[str] = []
    inside = False
    for line in last_lines(log, READ).splitlines():
        bare = PREFIX.sub("", line)
        # What logs write before a traceback differs; a line may well speak of usage.
        begins = "Traceback (most recent call last)" in bare or bare.startswith("usage:")
        # A trace and a usage go on for as long as lines are indented.
        if begins or (inside and (not bare.strip() or bare.startswith(" "))):
            inside = True
            continue
        inside = False
        kept.append(bare.rstrip())
    raised = list(dict.fromkeys(line for line in kept if RAISED.match(line)))
    raised = raised[:1] + raised[1:][1 - MOST_REASONS :]  # the first is the cause of the others
    first = [line for line in raised if line not in kept[-lines:]]
    while first and (more := [line for line in raised if line not in kept[-(lines - len(first)) :]]) != first:
        first = more
    return "\n".join([*first, *kept[-(lines - len(first)) :]])
