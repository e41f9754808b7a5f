"""How a mistake is shown: its message without a traceback, yet as a real error.

A cell with IPython's own `UsageError` passes a test of the notebook, so ours are ordinary exceptions
with IPython's hook for the lines to show; `%tb` still has the stack.
"""

from __future__ import annotations

from typing import Any

from murakkab_jupyter.core.errors import InfeasibleError, LanguageError, MurakkabError
from murakkab_jupyter.notebook.views.html import Bundle, join, tag
from murakkab_jupyter.notebook.views.plan import PLAN_TYPE, plan_view
from murakkab_jupyter.planner.plan import Plan

__all__ = ["error_lines", "error_text", "nearest_plan", "shifted"]


def error_lines(error: MurakkabError) -> list[str]:
    """What a terminal shows of a mistake."""
    return f"{type(error).__name__}: {error}".split("\n")


def error_text(error: MurakkabError) -> str:
    """The same as one text."""
    return "\n".join(error_lines(error))


def nearest_plan(error: MurakkabError) -> Bundle | None:
    """The view of the plan that comes closest, when a goal cannot be met."""
    if isinstance(error, InfeasibleError) and isinstance(error.nearest, Plan):
        missed = f"{error.binding} is not met"
        shown = plan_view(error.nearest, title="Nearest plan")
        lead = tag("div", f"This plan comes closest; {missed}.")
        told: Any = shown.data[PLAN_TYPE]
        title = f"Nearest plan: {missed}"
        return Bundle(
            str(join([lead])) + shown.html,
            shown.text,
            {PLAN_TYPE: {**told, "title": title, "sheet": {**told["sheet"], "title": title}}},
        )
    return None


def shifted(error: LanguageError, lines: int) -> LanguageError:
    """The same error some lines further down (a body that was parsed without its header)."""
    error.line += lines
    return error
