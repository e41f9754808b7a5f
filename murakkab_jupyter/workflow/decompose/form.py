"""The form of a model's reply: which capabilities the inputs of a job allow, and what each of them may read.

A JSON schema holds a reply to it, so that a model that is held to schemas can name neither what nobody offers nor a kind that
no port takes. Results are called by names that are fixed beforehand (`transcript`), since a schema cannot know what a
model calls its steps; so a reply need not say them. Only `enum`, `anyOf` and `maxItems` are used: servers differ in what else they know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.workflow.decompose.draft import Given
from murakkab_jupyter.workflow.language.chain import STEP_NAMES
from murakkab_jupyter.workflow.language.meaning import WORDLESS

__all__ = ["implied", "listing", "named", "reachable", "read_by", "results", "schema_for", "sources"]

MOST_STEPS = 8
MOST_INPUTS = 4
MOST_MISSING = 2
MANY = 4
"""So many results that can be read are not named one by one."""
BETWEEN = ("frame-extraction", "speech-to-text", "chunking", "ocr", "scene-detection", "retrieval")
"""What is put in between inputs and a step that reads what nothing of a reply makes, the likeliest first."""


def results(capability: str) -> tuple[str, str]:
    """What the results of a capability are called: of its first and its second step."""
    base = STEP_NAMES.get(capability, re.sub(r"\W", "_", capability))
    return base, f"{base}_2"


def reachable(capabilities: Mapping[str, Capability], inputs: Given) -> dict[str, Capability]:
    """The capabilities that can do anything with these inputs, directly or with what others make of them."""
    kinds = set(inputs.media.values()) | ({"text"} if inputs.question else set())
    found: dict[str, Capability] = {}
    while more := {
        name: one
        for name, one in capabilities.items()
        if name not in found
        and all(any(reads(port, kind) for kind in kinds) for port in needed(one))
        and any(reads(port, kind) for port in taken(one) for kind in kinds)
    }:
        found |= more
        kinds |= {one.output for one in more.values()}
    return {name: one for name, one in capabilities.items() if name in found}


def taken(capability: Capability) -> list[Port]:
    """The ports that steps of a job bind: all but those whose value is said in words."""
    return [port for port in capability.ports if not port.stated]


def needed(capability: Capability) -> list[Port]:
    return [port for port in taken(capability) if not port.optional and port.name != "question"]


def reads(port: Port, kind: str) -> bool:
    """Whether a port takes a kind; one of `any` kind takes words only."""
    return port.accepts(kind) and not ("any" in port.kinds and kind in WORDLESS)


def sources(name: str, within: Mapping[str, Capability], inputs: Given) -> list[str]:
    """What a capability may read: inputs, and results of the others, by name."""
    ports = taken(within[name])
    asked = any(port.name == "question" for port in ports)
    made = [one for one, kind in inputs.media.items() if any(reads(port, kind) for port in ports)]
    if inputs.question and (asked or any(port.optional and "any" in port.kinds for port in ports)):
        made.append(inputs.question)
    for other, one in within.items():
        if other != name and any(reads(port, one.output) for port in ports if port.name != "question"):
            made += results(other)
    return list(dict.fromkeys(made))


def schema_for(within: Mapping[str, Capability], inputs: Given) -> dict[str, Any]:
    """The JSON schema of a reply: capabilities that the inputs allow, each with the names that its ports take."""
    return {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                # A step is told by its first key, as some servers want it.
                "items": {"anyOf": [step_of(name, sources(name, within, inputs)) for name in within]},
                "maxItems": MOST_STEPS,
            },
            "missing": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_MISSING},
        },
        "required": ["steps", "missing"],
        "additionalProperties": False,
    }


def step_of(name: str, readable: Sequence[str]) -> dict[str, Any]:
    properties = {
        "capability": {"type": "string", "enum": [name]},
        "inputs": {
            "type": "array",
            "items": {"type": "string", "enum": list(readable)},
            "maxItems": MOST_INPUTS,
        },
        "say": {"type": "string"},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_by(step: Any) -> list[str]:
    """What a step of a reply says that it reads."""
    found = step.get("inputs") if isinstance(step, Mapping) else None
    return [str(source) for source in found] if isinstance(found, list) else []


def implied(
    stated: Sequence[Any], within: Mapping[str, Capability], inputs: Given
) -> list[tuple[dict[str, Any], str]]:
    """Steps that a reply leaves out though others read their results by name, each with the reader; by kinds, as far as they go.

    `transcript` can only be what speech-to-text makes, so its step is no guess; what it reads is the first input that it
    takes, else what lies `BETWEEN`.
    """
    makers = {called: name for name in within for called in results(name)}
    there = {*inputs.media, inputs.question, *(str(s.get("name")) for s in stated if isinstance(s, Mapping))}
    waiting = [
        (source, str(s.get("name"))) for s in stated if isinstance(s, Mapping) for source in read_by(s)
    ]
    made: list[tuple[dict[str, Any], str]] = []
    while waiting:
        source, reader = waiting.pop(0)
        if source in there or source not in makers:
            continue
        there.add(source)
        name = makers[source]
        readable = sources(name, within, inputs)
        given = [one for one in readable if one in inputs.media][:1]
        between = [results(one)[0] for one in BETWEEN if one in within and one != name]
        takes = given or [one for one in between if one in readable][:1]
        made.append(({"capability": name, "name": source, "inputs": takes, "say": ""}, reader))
        waiting += [(one, source) for one in takes]
    return made


def listing(within: Mapping[str, Capability], inputs: Given) -> str:
    """The same in words, a line for each capability.

    Inputs go by their kinds, and whatever steps write by that, so that it is the same text for every job with such inputs.
    """
    words = {results(name)[0] for name, one in within.items() if one.output not in WORDLESS}
    lines = []
    for name, one in within.items():
        there = [source for source in sources(name, within, inputs) if not source.endswith("_2")]
        kinds = dict.fromkeys(inputs.media[source] for source in there if source in inputs.media)
        made = [source for source in there if source not in inputs.media and source != inputs.question]
        if len(words.intersection(made)) >= MANY:
            made = [*(source for source in made if source not in words), "what any step writes"]
        read = [*(f"{kind} inputs" for kind in kinds), *made]
        read += ["the question"] if inputs.question in there else []
        lines.append(f"- {name}: {one.summary} Reads {', '.join(read)}. Makes {results(name)[0]}.")
    return "\n".join(lines)


def named(stated: Sequence[Any]) -> list[Any]:
    """The steps of a reply, each with the name of its result: of a capability's first, second and further steps."""
    seen: dict[str, int] = {}
    made: list[Any] = []
    for one in stated:
        capability = one.get("capability") if isinstance(one, Mapping) else None
        if not isinstance(capability, str) or str(one.get("name") or ""):
            made.append(one)
            continue
        first, second = results(capability)
        seen[capability] = seen.get(capability, 0) + 1
        number = seen[capability]
        made.append({**one, "name": first if number == 1 else second if number == 2 else f"{first}_{number}"})
    return made
