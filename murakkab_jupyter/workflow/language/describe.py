"""What help and completion need to know: capabilities by example, and what can be typed at a place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.workflow.goal import OBJECTIVES, TIERS
from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS, OTHER_OPTIONS
from murakkab_jupyter.workflow.language.parse import MAGIC, STEP
from murakkab_jupyter.workflow.language.pattern import example
from murakkab_jupyter.workflow.language.settings import options_of
from murakkab_jupyter.workflow.language.sorts import MEDIA_KINDS, sort_of

__all__ = ["CapabilityHelp", "Spot", "Suggestion", "capabilities", "names_in_scope", "spot_at", "suggestions"]

SpotKind = Literal["option", "option-value", "reference", "pin", "pin-key", "level", "sentence", "text"]


@dataclass(frozen=True, slots=True)
class CapabilityHelp:
    """A capability for people: its summary, sentences that mean it, its ports, options and agents."""

    name: str
    summary: str
    examples: tuple[str, ...]
    ports: tuple[str, ...]
    output: str
    options: tuple[str, ...]
    agents: tuple[str, ...]
    package: str


@dataclass(frozen=True, slots=True)
class Spot:
    """What stands at a place of a cell: what sort of thing, what is typed of it, and what it belongs to.

    `start` is the offset where the typed part begins; `owner` the option or the pin's target; a reference has one where
    it is an option's value.
    """

    kind: SpotKind
    typed: str
    start: int
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something that can be typed, and one line about it."""

    text: str
    detail: str


def capabilities(library: Library) -> list[CapabilityHelp]:
    """Every capability, built-in ones first."""
    found = [help_of(capability, library) for capability in library.capabilities()]
    return sorted(found, key=lambda one: one.package != "murakkab-jupyter")


def help_of(capability: Capability, library: Library) -> CapabilityHelp:
    return CapabilityHelp(
        name=capability.name,
        summary=capability.summary,
        examples=tuple(example(pattern) for pattern in capability.patterns),
        ports=tuple(
            f"{port.name} ({' or '.join(sorted(port.kinds))}{', optional' if port.optional else ''})"
            for port in capability.ports
        ),
        output=f"many {capability.output}" if capability.opens else capability.output,
        options=tuple(dict.fromkeys(option.name for option in options_of(capability, None, library))),
        agents=tuple(agent.name for agent in library.agents(capability.name)),
        package=library.package_of(capability.name),
    )


def names_in_scope(text: str, offset: int, values: Mapping[str, object]) -> list[Suggestion]:
    """Names that a reference at `offset` may use: other steps of the cell (earlier ones first), then variables."""
    line = text.count("\n", 0, max(0, offset))
    before: list[Suggestion] = []
    after: list[Suggestion] = []
    for number, row in enumerate(text.split("\n")):
        found = STEP.match(row)
        if found and number != line:
            sentence = row[found.end() :].strip()
            (before if number < line else after).append(Suggestion(found[1], f"step: {sentence[:60]}"))
    taken = {one.text for one in (*before, *after)}
    variables = [
        Suggestion(name, f"variable: {described(value)}")
        for name, value in values.items()
        if name.isidentifier() and not name.startswith("_") and name not in taken and is_data(value)
    ]
    return [*before, *after, *variables]


def is_data(value: object) -> bool:
    return value is not None and not callable(value) and type(value).__name__ != "module"


def described(value: object) -> str:
    sort = sort_of(value)
    if sort.many:
        return f"list of {sort.likely[0]}"
    return sort.likely[0]


def spot_at(text: str, offset: int) -> Spot:
    """What is being typed at an offset (in a cell that need not parse yet)."""
    offset = max(0, min(offset, len(text)))
    begin = text.rfind("\n", 0, offset) + 1
    row = text[begin:offset]
    if begin == 0 and row.startswith(MAGIC):
        return option_spot(row, offset)
    opened = row.rfind("{")
    if opened >= 0 and "}" not in row[opened:] and not row[:opened].endswith("{"):
        typed = row[opened + 1 :]
        if not typed or typed.isidentifier():
            return Spot("reference", typed, offset - len(typed))
    found = STEP.match(row)
    if not found:
        return Spot("text", "", offset)
    pin = re.search(r"\s@(\S*)((?:\s+\S+)*)(\s*)\Z", row)
    if pin and not pin[2] and not pin[3]:
        return Spot("pin", pin[1], offset - len(pin[1]))
    if pin:
        typed = "" if pin[3] else pin[2].split()[-1]
        return Spot("pin-key", typed, offset - len(typed), pin[1])
    level = re.search(r",\s*per\s+(\w*)\Z", row)
    if level:
        return Spot("level", level[1], offset - len(level[1]))
    typed = row[found.end() :]
    return Spot("sentence", typed, begin + found.end())


def option_spot(row: str, offset: int) -> Spot:
    words = row.split(" ")
    typed = words[-1]
    last = words[-2] if len(words) > 1 else ""
    if typed.startswith("-"):
        return Spot("option", typed, offset - len(typed))
    if last.startswith("--") and (
        last[2:] in GOAL_OPTIONS or OTHER_OPTIONS.get(last[2:]) in {"value", "many"}
    ):
        if typed.startswith("{") and "}" not in typed:
            return Spot("reference", typed[1:], offset - len(typed) + 1, last[2:])
        return Spot("option-value", typed, offset - len(typed), last[2:])
    return Spot("option", typed, offset - len(typed))


def suggestions(
    text: str, offset: int, *, library: Library, values: Mapping[str, object]
) -> tuple[Spot, list[Suggestion]]:
    """What can be typed at an offset, beginning with what is typed already."""
    spot = spot_at(text, offset)
    typed = spot.typed.casefold()
    return spot, [
        one for one in offered(spot, text, offset, library, values) if one.text.casefold().startswith(typed)
    ]


def offered(
    spot: Spot, text: str, offset: int, library: Library, values: Mapping[str, object]
) -> list[Suggestion]:
    match spot.kind:
        case "option":
            goal = [Suggestion(f"--{name}", what) for name, (_, what) in GOAL_OPTIONS.items()]
            return goal + [Suggestion(f"--{name}", form) for name, form in OTHER_OPTIONS.items()]
        case "option-value":
            if spot.owner == "quality":
                return [Suggestion(tier, "of what the agents here can reach") for tier in TIERS]
            if spot.owner == "maximize":
                return [Suggestion("quality", "objective")]
            if spot.owner == "minimize":
                return [Suggestion(name, "objective") for name in OBJECTIVES if name != "quality"]
        case "reference" if spot.owner:
            # A line takes texts and numbers.
            plain = {
                name: one
                for name, one in values.items()
                if isinstance(one, str | int | float) and not isinstance(one, bool)
            }
            return names_in_scope("", 0, plain)
        case "reference":
            return names_in_scope(text, offset, values)
        case "pin":
            known = [Suggestion(c.name, c.summary) for c in library.capabilities()]
            known += [Suggestion(a.name, a.summary) for a in library.agents()]
            functions = [
                name for name, value in values.items() if callable(value) and not name.startswith("_")
            ]
            return known + [Suggestion(f"python:{name}", "function") for name in functions]
        case "pin-key":
            return keys_of(spot.owner, library)
        case "level":
            return levels_in(text, values)
        case "sentence":
            return [
                Suggestion(sentence, one.name) for one in capabilities(library) for sentence in one.examples
            ]
    return []


def keys_of(target: str, library: Library) -> list[Suggestion]:
    agent = next((a for a in library.agents() if a.name == target), None)
    name = agent.capability if agent else target
    capability = next((c for c in library.capabilities() if c.name == name), None)
    if capability is None:
        return []
    ports = [Suggestion(f"{p.name}=", f"port: {' or '.join(sorted(p.kinds))}") for p in capability.ports]
    options = options_of(capability, agent.name if agent else None, library)
    named = {f"{option.name}=": option.help or option.type.__name__ for option in options}
    return ports + [Suggestion(key, f"option: {what}") for key, what in named.items()]


def levels_in(text: str, values: Mapping[str, object]) -> list[Suggestion]:
    """Names that may open a level: steps, lists and media; and `all`."""
    found = [Suggestion("all", "once for everything")]
    found += list(names_in_scope(text, len(text), {}))
    for name, value in values.items():
        if name.isidentifier() and is_data(value):
            sort = sort_of(value)
            if sort.many or sort.likely[0] in MEDIA_KINDS:
                found.append(Suggestion(name, f"variable: {described(value)}"))
    return found
