"""Options that a pin fixes, each read as the type its agent says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.agents.agent import Option
from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.workflow.language.suggest import listed, near
from murakkab_jupyter.workflow.language.syntax import KeyNode, Place, Ref, StepNode

__all__ = ["options_of", "pinned_options"]

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})
TYPE_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
LONGEST_NUMBER = 60


def options_of(capability: Capability, agent: str | None, library: Library) -> list[Option]:
    """Options that a step may be told: of its pinned agent, else of every agent of its capability; and slots."""
    found: list[Option] = []
    for spec in library.agents(capability.name):
        if agent is None or spec.name == agent:
            found += spec.options
    found += [Option(slot.name, slot.type, None) for slot in capability.slots]
    return found


def of_function(function: Callable[..., Any]) -> Sequence[Option]:
    """Options of a Python function: its keyword-only parameters with a plain default."""
    from murakkab_jupyter.agents.functions.python import PYTHON, options_of

    try:
        return options_of(function, PYTHON)
    except (TypeError, ValueError):  # a built-in function may have no signature
        return ()


def pinned_options(
    node: StepNode, capability: Capability, agent: str | None, library: Library, function: object
) -> dict[str, Any]:
    """The options of a step's pin.

    Raises
    ------
    LanguageError
        For an unknown key, a value of another type, or one that is no choice.
    """
    if node.pin is None:
        return {}
    known = of_function(function) if callable(function) else options_of(capability, agent, library)
    found: dict[str, Any] = {}
    for key in node.pin.keys:
        if isinstance(key.value, Ref):
            continue
        if key.name in found:
            msg = f"`{key.name}` is given twice."
            raise key.place.error(msg, "Leave one out.")
        fitting = [option for option in known if option.name == key.name]
        if not fitting:
            raise unknown(key, capability, known)
        found[key.name] = read(key, key.value, fitting)
    return found


def unknown(key: KeyNode, capability: Capability, known: Sequence[Option]) -> Exception:
    ports = [port.name for port in capability.ports]
    if key.name in ports:
        return key.value_place.error(
            f"`{key.name}` is a port of {capability.name}: it takes a reference.",
            f"Put the value in a variable and write {key.name}={{variable}}",
        )
    names = list(dict.fromkeys([*(option.name for option in known), *ports]))
    close = near(key.name, names)
    hint = f"Did you mean {' or '.join(close)}?" if close else ""
    if capability.name == "python":
        hint = f"{hint} An option of a function is keyword-only and has a default: def f(x, *, {key.name[:60]}=…).".strip()
    options = listed(dict.fromkeys(option.name for option in known))
    return key.place.error(
        f"{capability.name} has no option `{key.name[:60]}`.",
        f"{hint} Options: {options}; ports: {listed(ports)}.".strip(),
    )


def read(key: KeyNode, text: str, options: Sequence[Option]) -> Any:
    for option in options:
        value = typed(text, option.type, quoted=key.form == "string")
        if value is None:
            continue
        if option.choices and not option.lever and value not in option.choices:
            msg = f"`{key.name}` cannot be {text[:60]!r}."
            raise key.value_place.error(
                msg,
                f"Choices: {listed(str(c) for c in option.choices)}.",
            )
        if option.lever and counts(option.choices) and value <= 0:
            msg = f"`{key.name}` cannot be {text[:60]}."
            raise key.value_place.error(
                msg,
                f"Give a number more than 0, for example {key.name}={example(option)}",
            )
        if option.least is not None and value < option.least:
            msg = f"`{key.name}` cannot be {text[:60]}."
            raise key.value_place.error(
                msg, f"Give {option.least} or more, for example {key.name}={example(option)}"
            )
        problem = option.check(value) if option.check is not None else ""
        if problem:
            raise unseen(key.value_place).error(problem, option.help)
        return value
    msg = f"`{key.name}` takes {TYPE_WORDS[options[0].type]}, not {text[:60]!r}."
    raise key.value_place.error(
        msg,
        f"Write, for example, {key.name}={example(options[0])}",
    )


def stated_problem(
    capability: Capability, key: str, value: object, library: Library
) -> tuple[str, str] | None:
    """What an option's own check says of a value that no pin states, and what would be right."""
    for agent in library.agents(capability.name):
        for option in agent.options:
            problem = option.check(value) if option.name == key and option.check is not None else ""
            if problem:
                return problem, option.help
    return None


def unseen(place: Place) -> Place:
    """The same place, in a line that does not show what stands there: it may be a secret."""
    begin, end = place.column - 1, place.column - 1 + place.width
    return replace(place, source=f"{place.source[:begin]}{'*' * place.width}{place.source[end:]}")


def counts(choices: Sequence[Any]) -> bool:
    """Whether a lever's choices are numbers of something, of which there is never none."""
    return bool(choices) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and one > 0 for one in choices
    )


def typed(text: str, kind: type, *, quoted: bool) -> Any:
    """A literal as a type, or None where it is none."""
    if kind is str:
        return text
    if quoted:
        return None
    if kind is bool:
        folded = text.casefold()
        return True if folded in TRUE else False if folded in FALSE else None
    if len(text) > LONGEST_NUMBER or "_" in text:
        return None
    try:
        value = kind(text)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def example(option: Option) -> str:
    if option.choices:
        return str(option.choices[0])
    if option.default is not None:
        return str(option.default)
    return {int: "3", float: "0.5", bool: "true"}.get(option.type, "words")
