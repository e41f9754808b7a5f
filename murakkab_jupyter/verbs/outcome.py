"""What a verb answers: data for a view, and the same as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import UsageError

__all__ = ["Outcome", "write_json"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb answers.

    Attributes
    ----------
    kind
        Which view shows it: `plan`, `run`, `frontier`, `history`, `agents`, `models`, …
    data
        What that view takes.
    json
        The same as plain JSON, for `--json`.
    exit_code
        0 every output, 3 partial, 4 infeasible, 2 usage, 130 stopped.
    """

    kind: str
    data: Any
    json: Any = None
    exit_code: int = 0


def write_json(data: Any, target: str) -> str | None:
    """Write JSON to a file; for `-` the text comes back instead. Raises `UsageError` when it cannot be written."""
    import json

    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file's name that is no UTF-8: an escape holds it
        text = json.dumps(data, indent=1, allow_nan=False)
    if target == "-":
        return text
    try:
        Path(target).expanduser().write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror or error}."
        raise UsageError(msg, hint="Give --json another file, or - to print it.") from None
    return None
