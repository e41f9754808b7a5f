"""Completion in a cell and on a `%murakkab` line: by the kernel, so in every front end that asks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, SimpleMatcherResult, context_matcher

from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.verbs import OPTIONS, VERBS
from murakkab_jupyter.workflow.goal import OBJECTIVES, TIERS

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext

    from murakkab_jupyter.notebook.magics import MurakkabMagics

__all__ = ["matcher", "suggestions"]

Suggestion = tuple[str, str]
"""What may be typed, and what it is."""

WORD = re.compile(r"[^\s{}@=,]*$")
STEP = re.compile(r"^([A-Za-z_]\w*)\s*<-", re.MULTILINE)
CHOICES = {
    "--minimize": tuple(one for one in OBJECTIVES if one != "quality"),
    "--maximize": ("quality",),
    "--quality": TIERS,
}


def suggestions(before: str, whole: str, magics: MurakkabMagics) -> list[Suggestion]:
    """What may come at the cursor: `before` is the text up to it, `whole` the whole cell."""
    line = before.rsplit("\n", 1)[-1]
    word = WORD.search(line)
    typed = word.group() if word else ""
    lead = line[: len(line) - len(typed)]
    if line.startswith(("%%murakkab", "%murakkab")):
        found = of_header(line, lead, magics)
    elif lead.endswith("{"):
        found = of_names(before, magics)
    elif lead.endswith("@"):
        found = of_pins(magics)
    elif re.search(r",\s*per\s+$", lead):
        found = [*((name, "level") for name in STEP.findall(before)), ("all", "level: the root")]
    else:
        return []
    return [pair for pair in found if pair[0].startswith(typed) and pair[0] != typed]


def of_header(line: str, lead: str, magics: MurakkabMagics) -> Iterable[Suggestion]:
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    words = lead.split()
    last = words[-1] if words else ""
    if last in CHOICES:
        return [(choice, f"value of {last}") for choice in CHOICES[last]]
    own = [
        (f"--{name}", option.help)
        for name, option in OPTIONS.items()
        if "magic" in option.faces and name != "help"
    ]
    options = [(f"--{name}", what) for name, (_, what) in GOAL_OPTIONS.items()] + own
    if line.startswith("%%"):
        return options
    if len(words) <= 1:
        return [(verb.name, verb.summary) for verb in VERBS if "magic" in verb.faces]
    names: list[Suggestion] = [(name, "workflow") for name in magics.desk.declared]
    if words[1] in {"bill", "resume", "stop", "export"}:
        names = [(run_id, "run") for run_id in magics.desk.runs()]
    elif words[1] in {"agents", "profile"}:
        names = [(agent.name, agent.summary) for agent in library(magics).agents()]
    return [*names, *options]


def of_names(before: str, magics: MurakkabMagics) -> Iterable[Suggestion]:
    steps = [(f"{name}}}", "step") for name in STEP.findall(before)]
    space = magics.space
    hidden = {"In", "Out", "exit", "quit", "get_ipython", "open"}
    variables = [
        (f"{name}}}", f"variable: {type(value).__name__}")
        for name, value in list(space.items())
        if not name.startswith("_") and name not in hidden and not callable(value) and name.isidentifier()
        if type(value).__name__ != "module"
    ]
    return [*steps, *variables]


def of_pins(magics: MurakkabMagics) -> Iterable[Suggestion]:
    known = library(magics)
    return [
        *((agent.name, f"agent: {agent.summary}") for agent in known.agents()),
        *((capability.name, f"capability: {capability.summary}") for capability in known.capabilities()),
        ("python:", "a function of yours"),
    ]


def library(magics: MurakkabMagics) -> Any:
    return magics.desk.session().library


def matcher(magics: MurakkabMagics) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """A matcher for IPython's completer that knows murakkab's cells and lines."""

    @context_matcher()  # type: ignore[untyped-decorator]
    def murakkab_matcher(context: CompletionContext) -> SimpleMatcherResult:
        whole = context.full_text
        lines = whole.split("\n")
        before = "\n".join(
            [*lines[: context.cursor_line], lines[context.cursor_line][: context.cursor_position]]
        )
        current = before.rsplit("\n", 1)[-1]
        if not (whole.startswith("%%murakkab") or current.startswith("%murakkab")):
            return {"completions": []}
        try:
            found = suggestions(before, whole, magics)
        except MurakkabError:
            found = []
        token = context.token
        word = WORD.search(current)
        typed = word.group() if word else ""
        head = token[: len(token) - len(typed)] if token.endswith(typed) else ""
        return {
            "completions": [SimpleCompletion(head + text, type=what) for text, what in found],
            "suppress": True,
        }

    return murakkab_matcher  # type: ignore[no-any-return]
