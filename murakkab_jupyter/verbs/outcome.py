"""What a verb answers: data for a view, and the same as JSON."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.whole import whole

__all__ = ["Outcome", "check_target", "write_json"]

BEYOND_PLAIN = re.compile(r"[^\x20-\x7e\n]")


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


def check_target(target: str | None) -> None:
    """Raise `UsageError` where JSON surely cannot be written to `target`; writes nothing."""
    if target is None or target == "-":
        return
    path = Path(target).expanduser()
    if path.is_dir():
        why = "it is a folder"
    elif not path.parent.is_dir():
        why = f"there is no folder {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "you may not write there"
    else:
        return
    raise unwritable(target, why)


FOR_JSON = "Give --json another file, or - to print it."


def unwritable(target: str, why: str, hint: str = FOR_JSON) -> UsageError:
    """The error of a target that takes nothing."""
    return UsageError(f"{target} cannot be written: {why}.", hint=hint)


def write_json(data: Any, target: str, *, hint: str = FOR_JSON) -> str | None:
    """Write JSON to a file; for `-` the text comes back instead. Raises `UsageError`, with this hint, when it cannot be written.

    What comes back is for a screen: characters that could steer one are escapes, which any reader of JSON takes back.
    """
    import json

    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file's name that is no UTF-8: an escape holds it
        text = json.dumps(data, indent=1, allow_nan=False)
    if target == "-":
        return BEYOND_PLAIN.sub(
            lambda one: one[0] if one[0].isprintable() else json.dumps(one[0])[1:-1], text
        )
    try:
        with whole(Path(target).expanduser()) as file:
            file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(target, error.strerror or str(error), hint) from None
    return None
