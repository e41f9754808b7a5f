"""Variables in the line of a magic: `--minimize {goal}` takes the notebook's variable `goal`.

So a goal can be set from Python, and by tools that set variables (papermill's parameters).
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping

from murakkab_jupyter.core.errors import UsageError

__all__ = ["filled"]

REFERENCE = re.compile(r"\{([^{}]*)\}")


def open_quote(text: str) -> str:
    """The quote that stands open at the end of a text, or nothing."""
    quote = ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
    return quote


def filled(line: str, space: Mapping[str, object]) -> str:
    """The line with each `{name}` replaced by the text or number of that variable.

    Raises
    ------
    UsageError
        There is no such variable, or it holds something else than a number or a text of one line that is no option.
    """

    def value_of(found: re.Match[str]) -> str:
        name = found[1].strip()
        if name not in space:
            near = difflib.get_close_matches(name, [key for key in space if not key.startswith("_")], n=1)
            msg = f"There is no variable {name[:60]!r} for this line."
            hint = f"Did you mean {{{near[0]}}}?" if near else f"Set {name[:60]} = … in a cell above."
            raise UsageError(msg, hint=hint)
        value = space[name]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            msg = f"{name} is a {type(value).__name__}; a line takes texts and numbers."
            raise UsageError(msg, hint=f"Give {name} a text or a number.")
        if not isinstance(value, str):
            return str(value)
        if len(f"{value}.".splitlines()) > 1:
            msg = f"{name} holds several lines; a line takes a text of one."
            raise UsageError(msg, hint=f"Give {name} a text without line breaks.")
        before = line[: found.start()]
        if value.startswith("-") and not before.rstrip("\"'")[-1:].strip():
            msg = f"{name} begins with a dash, as options do; a variable gives a value."
            raise UsageError(msg, hint="Write the option itself into the line.")
        # One word of the line whatever it holds; within quotes these are closed before it and opened after it.
        word, quote = shlex.quote(value), open_quote(before)
        return word if word == value else f"{quote}{word}{quote}"

    return REFERENCE.sub(value_of, line)
