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


def filled(line: str, space: Mapping[str, object]) -> str:
    """The line with each `{name}` replaced by the text or number of that variable.

    Raises
    ------
    UsageError
        There is no such variable, or it holds something else than a text or a number.
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
        return shlex.quote(str(value)) if isinstance(value, str) and " " in value else str(value)

    return REFERENCE.sub(value_of, line)
