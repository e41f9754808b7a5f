"""Completion in a cell and on a `%murakkab` line: by the kernel, so in every front end that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from IPython.core.completer import SimpleCompletion, SimpleMatcherResult, context_matcher

from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.verbs import OPTIONS, VERBS

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext

    from murakkab_jupyter.notebook.scope import Scope

__all__ = ["cell_suggestions", "line_suggestions", "matcher"]

Pair = tuple[str, str]
"""What may be typed, and what it is."""

OF_RUNS = frozenset({"bill", "resume", "stop", "export"})
OF_AGENTS = frozenset({"agents", "profile"})


def line_suggestions(line: str, scope: Scope) -> tuple[str, list[Pair]]:
    """What is typed of the last word of a `%murakkab` line, and what it may become."""
    from murakkab_jupyter.workflow.language.describe import suggestions
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    words = line.split(" ")
    typed = words[-1]
    before = [word for word in words[:-1] if word]
    library = scope.bench.session().library
    verbs = [(verb.name, verb.summary) for verb in VERBS if "magic" in verb.faces]
    found: Iterable[Pair]
    if len(before) <= 1 or before[1] == "help":
        found = verbs
    elif typed.startswith("-") or before[-1].startswith("--"):
        # Options and their values are those of a cell's first line.
        text = f"%%murakkab w {' '.join(before[2:])} {typed}"
        _, known = suggestions(text, len(text), library=library, values={})
        own = [(f"--{name}", one.help) for name, one in OPTIONS.items() if "magic" in one.faces]
        pairs = [*((one.text, one.detail) for one in known), *(own if typed.startswith("-") else ())]
        verb = next((one for one in VERBS if one.name == before[1]), None)
        mine = (
            {f"--{name}" for name in (*verb.options, *(GOAL_OPTIONS if verb.goal else ()))} if verb else set()
        )
        found = {text: what for text, what in pairs if not text.startswith("--") or text in mine}.items()
    elif before[1] in OF_RUNS:
        found = ((run_id, "run") for run_id in scope.bench.runs())
    elif before[1] in OF_AGENTS:
        found = ((agent.name, agent.summary) for agent in library.agents())
    else:
        found = ((name, "workflow") for name in scope.bench.declared)
    return typed, [pair for pair in found if pair[0].startswith(typed)]


def cell_suggestions(text: str, offset: int, scope: Scope) -> tuple[str, list[Pair]]:
    """What is typed at a place of a cell, and what it may become."""
    from murakkab_jupyter.workflow.language.describe import suggestions

    library = scope.bench.session().library
    spot, found = suggestions(text, offset, library=library, values=scope.named())
    own = {f"--{name}": one.help for name, one in OPTIONS.items()}
    return spot.typed, [(one.text, own.get(one.text, one.detail)) for one in found]


def matcher(scope: Scope) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """A matcher for IPython's completer that knows murakkab's cells and lines."""

    @context_matcher()  # type: ignore[untyped-decorator]
    def murakkab_matcher(context: CompletionContext) -> SimpleMatcherResult:
        text = context.full_text
        lines = text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        offset = sum(len(one) + 1 for one in lines[: context.cursor_line]) + context.cursor_position
        try:
            if text.startswith("%%murakkab"):
                typed, found = cell_suggestions(text, offset, scope)
            elif line.startswith("%murakkab"):
                typed, found = line_suggestions(line, scope)
            else:
                return {"completions": []}
        except MurakkabError:
            return {"completions": []}
        return {
            "completions": [SimpleCompletion(one, type=what) for one, what in found],
            "matched_fragment": typed,
            "suppress": True,
        }

    return murakkab_matcher  # type: ignore[no-any-return]
