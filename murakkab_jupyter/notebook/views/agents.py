"""The agents view: what each capability takes, makes and is asked for with, and below it who offers it here."""

from __future__ import annotations

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.notebook.views.html import (
    MUTED,
    Align,
    Bundle,
    Cell,
    Html,
    clean,
    frame,
    heading,
    note,
    table,
    tag,
    wrap_text,
)
from murakkab_jupyter.notebook.views.tables import listing_text
from murakkab_jupyter.workflow.language.pattern import example

__all__ = ["agents_view"]

COLUMNS: tuple[tuple[str, Align], ...] = (
    ("Agent", "left"),
    ("Options", "left"),
    ("Here", "left"),
)
FROM: tuple[str, Align] = ("From", "left")
OWN = "murakkab-jupyter"
SLOTS = {int: "a whole number", float: "a number", str: "a word"}


def agents_view(library: Library, only: str | None = None) -> Bundle:
    """Every capability with its ports, sentences and slots, once, above the agents that offer it here."""
    html: list[Html] = []
    text = ["Agents"]
    for capability in library.capabilities():
        known = list(library.agents(capability.name))
        agents = [one for one in known if only in (None, capability.name, one.name)]
        if not agents and only not in (None, capability.name):
            continue
        # Where all are our own, a column for that would cost the others their room.
        foreign = any(library.package_of(one.name) != OWN for one in agents)
        columns = (*COLUMNS, FROM) if foreign else COLUMNS
        rows = [row(one, library)[: len(columns)] for one in agents]
        facts = facts_of(capability)
        html += [
            heading(capability.name, capability.summary),
            facts_html(facts),
            table(columns, rows, caption=capability.name) if rows else note("No agent offers it yet."),
        ]
        text += ["", f"{capability.name}: {capability.summary}"]
        text += [line for title, said in facts for line in fact_text(title, said)]
        shown = listing_text(columns, rows) if rows else "\nNo agent offers it yet."
        text += [f"  {line}".rstrip() for line in shown.split("\n")]
    notes = [f"Where no package is named, it is {OWN}."] if html else []
    notes += [f"{name} could not be loaded: {why}" for name, why in library.broken.items()]
    if not html:
        notes.insert(0, f"There is no capability or agent {only!r}." if only else "No agents are installed.")
    text += ["", *(wrap_text(one) for one in notes)] if notes else []
    return Bundle(
        frame("Agents", heading("Agents"), *html, *(note(one) for one in notes)), clean("\n".join(text))
    )


def facts_of(capability: Capability) -> list[tuple[str, list[str]]]:
    """What is to be known of a capability: titles, each with its lines."""
    made = f"{capability.output}, any number: a level of its own" if capability.opens else capability.output
    facts = [
        ("takes", [port_words(port) for port in capability.ports]),
        ("makes", [made]),
        ("say", list(dict.fromkeys(example(one) for one in capability.patterns))),
        ("slots", [f"<{slot.name}>: {SLOTS[slot.type]}" for slot in capability.slots]),
    ]
    if capability.prompted:
        facts.append(("body", ["may hold a prompt"]))
    return [(title, said) for title, said in facts if said]


def port_words(port: Port) -> str:
    """`{speech}: audio, scene or video`."""
    kinds = sorted(port.kinds)
    said = (
        "anything"
        if "any" in kinds
        else " or ".join([*([", ".join(kinds[:-1])] if kinds[1:] else []), kinds[-1]])
    )
    more = [
        *(["a list of them"] if port.takes == "many" else []),
        *(["one or a list of them"] if port.takes == "either" else []),
        *(["several references"] if port.several else []),
        *(["may be left out"] if port.optional else []),
    ]
    return f"{{{port.name}}}: {'; '.join([said, *more])}"


def fact_text(title: str, said: list[str]) -> list[str]:
    """Lines of a fact: its title once, what is said below each other."""
    lines = [line for one in said for line in wrap_text(one, width=88).split("\n")]
    return [
        f"    {title if first else '':<5}  {line}"
        for first, line in zip([True, *([False] * len(lines))], lines, strict=False)
    ]


def facts_html(facts: list[tuple[str, list[str]]]) -> Html:
    """Titles on the left, what is said of each below each other on the right."""
    cells: list[Html] = []
    for title, said in facts:
        lines = [part for line in said for part in (tag("br"), line)][1:]
        cells += [tag("span", title, style=MUTED), tag("span", *lines)]
    return tag(
        "div",
        *cells,
        style="display:grid;grid-template-columns:4em minmax(0,1fr);font-size:12px;margin:0 0 4px",
    )


def row(agent: AgentSpec, library: Library) -> list[Cell | object]:
    lacking = library.availability(agent).missing
    return [
        Cell(agent.name, f"{agent.summary} {agent.fixture}".strip()),
        levers(agent),
        "ready" if not lacking else f"lacks: {'; '.join(lacking)}",
        library.package_of(agent.name),
    ]


def levers(agent: AgentSpec) -> str:
    words = []
    for option in agent.options:
        choices = "|".join(str(one) for one in option.choices) or option.type.__name__
        words.append(f"{option.name}={choices}")
    return ", ".join(words)
