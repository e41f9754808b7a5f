"""The tree of errors a user can meet. Every message says what to do.

    MurakkabError
    ├── LanguageError      a cell that does not parse or bind: line, column, carets, what to type
    ├── UsageError         a wrong option or verb
    ├── InputError         a missing or unreadable input
    ├── InfeasibleError    no plan meets the goal: the binding limit and the nearest plan
    ├── WeightsError       weights that are not here and may not or cannot be fetched
    ├── AgentError         an agent that cannot load or broke its contract
    ├── ClusterError       no scheduler, unlike versions, resources nobody has
    ├── JournalError       a journal that is missing, corrupt, or of another format
    └── ProfileError       a profile store that is corrupt, or a profile that makes no sense

`_render_traceback_` is IPython's hook for the lines to show: the message without a Python traceback,
sent as a real `error` message, so that a test of the notebook turns red. `%tb` still has the stack.
"""

from __future__ import annotations

import inspect
import textwrap
import traceback
from typing import Any

from murakkab_jupyter.core.clean import clean
from murakkab_jupyter.core.redact import redacted

__all__ = [
    "AgentError",
    "ClusterError",
    "InfeasibleError",
    "InputError",
    "JournalError",
    "LanguageError",
    "MurakkabError",
    "ProfileError",
    "UsageError",
    "WeightsError",
]

WIDTH = 74
"""Characters of a line of an error in a notebook: JupyterLab breaks longer ones within words in a window of 800 pixels."""


class MurakkabError(Exception):
    """A mistake or a lack that the user can do something about.

    Parameters
    ----------
    message
        What is wrong, in one sentence.
    hint
        What to do or type; shown on a line of its own.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        # It may hold an address, or repeat what a library or a server said: neither may bring a key into a notebook.
        self.message = redacted(message)
        self.hint = redacted(hint) if hint else hint
        super().__init__(self.message)

    def lines(self) -> list[str]:
        """The lines to show, without a traceback and without what could steer a screen."""
        shown = [self.message]
        if self.hint:
            shown.append(self.hint)
        return [clean(line) for line in shown]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _render_traceback_(self) -> list[str]:
        if stack_wanted():
            return [clean(part) for part in traceback.format_exception(self)]
        return [folded(f"{type(self).__name__}: {self}")]

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments would be lost on the way from another process.
        return _made_again, (type(self), self.args), self.__dict__


def _made_again(cls: type[MurakkabError], args: tuple[Any, ...]) -> MurakkabError:
    return cls.__new__(cls, *args)


def folded(text: str, width: int = WIDTH) -> str:
    """Long lines folded between words; code, carets under it, and what one is to paste stay as they are."""
    return "\n".join(
        line
        if len(line) <= width or line[:1].isspace() or line.startswith("%") or "<-" in line
        else "\n".join(textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False))
        for line in text.split("\n")
    )


def stack_wanted() -> bool:
    """Whether `%tb` asks: IPython renders by the same hook then, and the user wants the stack."""
    frame = inspect.currentframe()
    while frame is not None:
        if (
            frame.f_code.co_name == "tb"
            and frame.f_globals.get("__name__") == "IPython.core.magics.execution"
        ):
            return True
        frame = frame.f_back
    return False


class LanguageError(MurakkabError):
    """A cell that does not parse or bind.

    `line` and `column` count from 1; `width` is the number of carets; `source` is the whole line.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int,
        column: int,
        source: str = "",
        width: int = 1,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.column = column
        self.source = source
        self.width = max(1, width)

    def lines(self) -> list[str]:
        """Position and message, the source line, carets under the place, and what to type."""
        shown = [f"line {self.line}, column {self.column}: {self.message}"]
        if self.source:
            # A tab before the place is kept, so that the carets stand under it.
            lead = "".join("\t" if c == "\t" else " " for c in self.source[: self.column - 1])
            shown += [f"  {self.source}", f"  {lead}{'^' * self.width}"]
        if self.hint:
            shown.append(self.hint)
        # One character for one, so that the carets stay under their place.
        return [clean(line) for line in shown]


class UsageError(MurakkabError):
    """A wrong option, verb or argument."""


class InputError(MurakkabError):
    """An input that is missing or cannot be read."""


class InfeasibleError(MurakkabError):
    """No plan meets the goal.

    `binding` names the limit that no plan meets; `nearest` is the plan that comes closest
    (a `murakkab_jupyter.planner.plan.Plan`, or None when a step has no agent at all).
    """

    exit_code = 4

    def __init__(
        self, message: str, *, binding: str, nearest: object | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.binding = binding
        self.nearest = nearest


class WeightsError(MurakkabError):
    """Weights that are not on this machine and may not, or cannot, be fetched."""


class AgentError(MurakkabError):
    """An agent that cannot load, or that broke its contract (wrong number of values, wrong kind)."""


class ClusterError(MurakkabError):
    """A cluster that cannot be reached, is of another version, or lacks what a step needs."""


class JournalError(MurakkabError):
    """A journal that is missing, corrupt, or of another format."""


class ProfileError(MurakkabError):
    """A profile store that is corrupt, or a profile whose figures make no sense."""
