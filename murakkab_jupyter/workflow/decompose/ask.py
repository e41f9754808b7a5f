"""A description to a cell by a language model that may only use capabilities that are known.

Its reply is held to a JSON schema: names of capabilities are an enumeration. It is bound like any cell; what
is wrong with it is told to the model once. After a second mistake the steps are found without it, by words and kinds,
and a note says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.language.chat import Chat, Message, Request
from murakkab_jupyter.agents.language.structured import json_in
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.decompose.draft import (
    Draft,
    Given,
    MisfitError,
    given,
    nearest_encoder,
    written,
)
from murakkab_jupyter.workflow.decompose.proposal import planned
from murakkab_jupyter.workflow.decompose.refuse import refusal
from murakkab_jupyter.workflow.decompose.words import decompose, known
from murakkab_jupyter.workflow.goal import Goal

__all__ = ["ask", "schema_for"]

MOST_STEPS = 8
MOST_TOKENS = 700
LEAD = """You turn the description of a job into steps. Each step uses one capability from the list and takes inputs by name: \
an input of the job, or an earlier step. Use as few steps as do the job. What no capability of the list can do goes \
into "missing", by a short name. Reply as JSON."""
EXAMPLE_ASK = """Job: Say in French what each talk is about.
Inputs: talks (audio)"""
EXAMPLE_REPLY = {
    "steps": [
        {
            "name": "transcript",
            "capability": "speech-to-text",
            "inputs": ["talks"],
            "say": "transcribe the speech",
        },
        {"name": "summary", "capability": "summarisation", "inputs": ["transcript"], "say": "summarise"},
        {"name": "french", "capability": "translation", "inputs": ["summary"], "say": "French"},
    ],
    "missing": [],
}


def schema_for(capabilities: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of a reply: capabilities by name only."""
    step = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "capability": {"enum": list(capabilities)},
            "inputs": {"type": "array", "items": {"type": "string"}, "maxItems": 4},
            "say": {"type": "string"},
        },
        "required": ["name", "capability", "inputs", "say"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": step, "maxItems": MOST_STEPS},
            "missing": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        },
        "required": ["steps", "missing"],
        "additionalProperties": False,
    }


def ask(
    description: str,
    chat: Chat,
    *,
    library: Library,
    values: Mapping[str, Any] | None = None,
    name: str | None = None,
    goal: Goal | None = None,
    fall_back: bool = True,
) -> Draft:
    """Let a language model turn a description into the text of a cell. Nothing runs.

    Parameters
    ----------
    description
        In the user's words.
    chat
        The model, wherever it runs.
    library
        Whose capabilities may be used.
    values
        Variables it works on; without any, its nouns say what they are.
    name, goal
        Of the workflow.
    fall_back
        Whether the steps are found without the model when its second reply cannot be bound either.

    Raises
    ------
    UsageError
        When it needs something that nobody offers, when the model cannot be asked; or when its second reply cannot be
        bound either and the description is not understood without it (or `fall_back` is false).
    """
    if not description.strip():
        msg = "The description is empty."
        raise UsageError(
            msg, hint="Say what the workflow should do, for example: Summarise the calls in German."
        )
    inputs = given(description, values)
    capabilities = known(library)
    lead = [
        {"role": "system", "content": f"{LEAD}\n\nCapabilities:\n{listing(capabilities)}"},
        {"role": "user", "content": EXAMPLE_ASK},
        {"role": "assistant", "content": json.dumps(EXAMPLE_REPLY)},
    ]
    told = ", ".join(f"{one} ({kind})" for one, kind in inputs.media.items())
    told += f", {inputs.question} (a question, text)" if inputs.question else ""
    question = f"Job: {' '.join(description.split())}\nInputs: {told}"
    first = reply(chat, lead, question, capabilities)
    try:
        return bound(first, description, library, capabilities, inputs, name, goal)
    except (LanguageError, MisfitError) as error:
        problem = f"{error.message} {error.hint}".strip()
    lead += [{"role": "user", "content": question}, {"role": "assistant", "content": first}]
    again = f"This does not work: {problem[:600]}\nReply again with the whole JSON, corrected."
    second = reply(chat, lead, again, capabilities)
    try:
        return bound(second, description, library, capabilities, inputs, name, goal)
    except (LanguageError, MisfitError) as error:
        msg = f"The model's steps do not fit together, also after it was told why: {error.message}"
        if not fall_back:
            hint = "Describe the job in other words, use another model, or decompose it without one."
            raise UsageError(msg, hint=hint) from error
        reason = error.message
    try:
        draft = decompose(description, library=library, values=values, name=name, goal=goal)
    except UsageError as error:
        hint = f"Without the model it was not understood either: {error.message} {error.hint or ''}"
        raise UsageError(msg, hint=hint.strip()) from error
    note = f"The model's steps were not used, since they do not fit together, also after it was told why: {reason} These were found without it."
    return replace(draft, notes=(note, *draft.notes))


def listing(capabilities: Mapping[str, Capability]) -> str:
    lines = []
    for name, one in capabilities.items():
        takes = "; ".join(
            f"{port.name}: {'anything' if 'any' in port.kinds else ' or '.join(sorted(port.kinds))}"
            for port in one.ports
        )
        lines.append(
            f"- {name}: {one.summary} Takes {takes}. Makes {'many ' if one.opens else ''}{one.output}."
        )
    return "\n".join(lines)


def reply(chat: Chat, lead: Sequence[Message], question: str, capabilities: Mapping[str, Capability]) -> str:
    """What the model says; raises `UsageError` when it says nothing."""
    request = Request(tuple(lead), (question,), (), MOST_TOKENS, schema=schema_for(list(capabilities)))
    (answer,) = chat.complete([request])
    if isinstance(answer, Failed) and "response_format" in answer.reason:
        (answer,) = chat.complete([Request(tuple(lead), (question,), (), MOST_TOKENS)])
    if isinstance(answer, Failed):
        msg = f"The language model could not be asked: {answer.reason}"
        raise UsageError(msg, hint="Check the model or its server, or decompose without one.")
    return answer.text


def bound(
    text: str,
    description: str,
    library: Library,
    capabilities: Mapping[str, Capability],
    inputs: Given,
    name: str | None,
    goal: Goal | None,
) -> Draft:
    """A reply as a draft; raises `MisfitError` or `LanguageError` with what is wrong with it."""
    record = json_in(text)
    stated = record.get("steps") if record else None
    if record is None or not isinstance(stated, list):
        msg = "The reply is no JSON object with steps."
        raise MisfitError(msg, hint="Reply with the JSON object only.")
    missing = [str(one) for one in record.get("missing") or () if str(one).strip()]
    offered = next((slug(one) for one in missing if slug(one) in capabilities), None)
    if offered is not None:
        msg = f"{offered} is not missing: it is in the list."
        raise MisfitError(msg, hint="Use it as a step.")
    if missing:
        raise refusal(slug(missing[0]), description, capabilities, nearest_encoder())
    if not stated:
        msg = "There are no steps."
        raise MisfitError(msg, hint="Give at least one step.")
    wants: dict[str, str] = {}
    steps = planned(stated, description, capabilities, inputs, wants)
    return written(
        steps, description=description, library=library, given=inputs, wants=wants, name=name, goal=goal
    )


def slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40] or "that"
