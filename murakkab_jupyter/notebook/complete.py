"""Completion in a cell and on a `%murakkab` line: by the kernel, so in every front end that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from IPython.core.completer import SimpleCompletion, SimpleMatcherResult, context_matcher

from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.notebook.views.html import shorten
from murakkab_jupyter.verbs import OPTIONS, VERBS, Verb
from murakkab_jupyter.verbs.engines import ACTIONS

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext

    from murakkab_jupyter.notebook.scope import Scope

__all__ = ["cell_suggestions", "line_suggestions", "matcher"]

Pair = tuple[str, str]
"""What may be typed, and what it is."""

OF_RUNS = frozenset({"bill", "resume", "stop", "export"})
OF_ENGINES = frozenset({"status", "stop", "logs", "detach"})

TYPE_CHARS = 48
"""Of what an item of a list of completions is, so that the list fits a window of 800 pixels."""


def on_a_line(what: str) -> str:
    """What an item is, on one line: JupyterLab ends one at each blank and hyphen, and the next item lies over the second."""
    return shorten(what, TYPE_CHARS).replace(" ", "\u00a0").replace("-", "\u2011")


def line_suggestions(line: str, scope: Scope) -> tuple[str, list[Pair]]:
    """What is typed of the last word of a `%murakkab` line, and what it may become."""
    from murakkab_jupyter.workflow.language.describe import suggestions
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    words = line.lstrip().split(" ")
    typed = words[-1]
    before = [word for word in words[:-1] if word]
    verbs = {verb.name: verb for verb in VERBS if "magic" in verb.faces}
    found: Iterable[Pair] = ()
    if len(before) <= 1:
        found = ((verb.name, verb.summary) for verb in verbs.values())
    elif before[1] in verbs and (typed.startswith("-") or takes_value(before[-1])):
        # Options and their values are those of a cell's first line.
        verb = verbs[before[1]]
        option = "" if typed.startswith("-") else before[-1]
        # What a cell's line does not know takes any text.
        option = option if not option or option[2:] in GOAL_OPTIONS else "--cluster"
        text = f"%%murakkab w {option} {typed}"
        library, values = scope.bench.session().library, scope.named()
        spot, known = suggestions(text, len(text), library=library, values=values)
        typed = spot.typed
        own = [(f"--{name}", one.help) for name, one in OPTIONS.items() if "magic" in one.faces]
        pairs = [*((one.text, one.detail) for one in known), *(own if spot.kind == "option" else ())]
        mine = {f"--{name}" for name in verb.options if "magic" in OPTIONS[name].faces}
        mine |= {f"--{name}" for name in GOAL_OPTIONS} if verb.goal else set()
        found = {text: what for text, what in pairs if not text.startswith("--") or text in mine}.items()
    elif before[1] in verbs:
        found = of_verb(verbs[before[1]], before[2:], scope)
    return typed, [pair for pair in found if pair[0].startswith(typed)]


def takes_value(word: str) -> bool:
    """Whether a word is an option that the next word belongs to."""
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    name = word.removeprefix("--")
    own = OPTIONS.get(name)
    return word.startswith("--") and (name in GOAL_OPTIONS or (own is not None and own.form != "flag"))


def of_verb(verb: Verb, before: Sequence[str], scope: Scope) -> Iterable[Pair]:
    """What may be the next word of a verb, after these words and options."""
    given = [
        word
        for last, word in zip(("", *before), before, strict=False)
        if not word.startswith("--") and not takes_value(last)
    ]
    bench = scope.bench
    if len(given) >= verb.most_words:
        return
    match verb.name:
        case "help":
            yield from ((one.name, one.summary) for one in VERBS if "magic" in one.faces)
        case "models":
            from murakkab_jupyter.agents.weights.resolver import catalogue

            yield from ((one.name, one.summary) for one in catalogue())
        case "engine" if not given:
            yield from ((action, takes or "engines") for action, takes in ACTIONS.items())
        case "engine":
            if given[0] in OF_ENGINES:
                yield from ((name, "engine") for name in bench.session().engines.names())
        case "profile" if given[:1] == ["engine"]:
            if len(given) == 1:
                yield from ((name, "engine") for name in bench.session().engines.names())
        case "agents" | "profile":
            if verb.name == "profile" and not given and "--measure" not in before:
                yield "engine", "measure a model server"
            yield from ((agent.name, agent.summary) for agent in bench.session().library.agents())
        case "export" if "--python" in before:
            if not given:
                yield from ((name, "workflow") for name in bench.declared)
        case name if name in OF_RUNS:
            if not given:
                yield from ((run_id, "run") for run_id in bench.runs())
        case _:
            yield from ((name, "workflow") for name in bench.declared)


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
            elif line.lstrip().startswith("%murakkab"):
                typed, found = line_suggestions(line, scope)
            else:
                return {"completions": []}
        except MurakkabError:
            return {"completions": []}
        return {
            "completions": [SimpleCompletion(one, type=on_a_line(what)) for one, what in found],
            "matched_fragment": typed,
            "suppress": True,
        }

    return murakkab_matcher  # type: ignore[no-any-return]
