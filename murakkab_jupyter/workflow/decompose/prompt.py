"""What a language model is told: its task, examples, what there is, and a first guess to mend.

What is the same for every job comes first, so that a server that remembers what it has read reads it once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.language.chat import Message
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.workflow.decompose.draft import Given
from murakkab_jupyter.workflow.decompose.form import listing, named
from murakkab_jupyter.workflow.decompose.proposal import EXAMPLE_LANGUAGE
from murakkab_jupyter.workflow.decompose.refuse import foreign
from murakkab_jupyter.workflow.decompose.words import decompose
from murakkab_jupyter.workflow.language.bind import declare

__all__ = ["EXAMPLE_LACK", "EXAMPLE_VERB", "asked", "examples", "guess", "task"]

TASK = """You turn the description of a job into steps. Each step uses one capability of the list and reads inputs by name: \
inputs of the job, or results of other steps. Use as few steps as do the job. "say" tells a step what is special about it: a \
language, labels, fields, what to write. What the job needs and no capability of the list can do goes into "missing", by a \
short name; it is mostly empty. Reply as JSON."""
MEND = """ Where a first guess is given, it was made of the words alone: keep what is right in it, and mend what is wrong."""
EXAMPLE_LACK, EXAMPLE_VERB = "knitting", "knit"
"""What the example misses: no job is likely to ask for it, so that a model that repeats it is found out."""


def step(capability: str, *inputs: str, say: str = "") -> dict[str, Any]:
    return {"capability": capability, "inputs": list(inputs), "say": say}


EXAMPLES: tuple[tuple[str, Sequence[Mapping[str, Any]], Mapping[str, Any]], ...] = (
    (
        f"Job: Sort the posts into praise and blame, and {EXAMPLE_VERB} a scarf for the winner.\nInputs: posts (text)",
        [step("classification", "posts", say="praise, blame")],
        {"steps": [step("classification", "posts", say="praise, blame")], "missing": [EXAMPLE_LACK]},
    ),
    (
        "Job: What do the leases say about pets?\nInputs: leases (document), question (a question, text)",
        [step("question-answering", "question", "leases")],
        {
            "steps": [
                step("chunking", "leases"),
                step("retrieval", "passages", "question"),
                step("question-answering", "question", "hits"),
            ],
            "missing": [],
        },
    ),
    (
        f"Job: Say in {EXAMPLE_LANGUAGE} what each talk is about.\nInputs: talks (audio)",
        [
            step("speech-to-text", "talks"),
            step("summarisation", "transcript"),
            step("translation", "summary", say=EXAMPLE_LANGUAGE),
        ],
        {
            "steps": [
                step("speech-to-text", "talks"),
                step("summarisation", "transcript"),
                step("translation", "summary", say=EXAMPLE_LANGUAGE),
            ],
            "missing": [],
        },
    ),
)
"""Jobs, first guesses and replies; a guess may be wrong."""


def task(guessed: bool) -> Message:
    """The system's message."""
    return {"role": "system", "content": TASK + (MEND if guessed else "")}


def examples(capabilities: Mapping[str, Capability], guessed: bool) -> list[Message]:
    """Examples whose capabilities are all known here."""
    made: list[Message] = []
    for job, first, answer in EXAMPLES:
        if all(one["capability"] in capabilities for one in answer["steps"]):
            made.append({"role": "user", "content": job + (said(first) if guessed else "")})
            made.append({"role": "assistant", "content": json.dumps(answer)})
    return made


def said(first: Sequence[Mapping[str, Any]]) -> str:
    return f"\nFirst guess: {json.dumps(first)}"


def asked(
    within: Mapping[str, Capability], inputs: Given, first: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    """What stands before a job's description, and behind it."""
    told = ", ".join(f"{one} ({kind})" for one, kind in inputs.media.items())
    told += f", {inputs.question} (a question, text)" if inputs.question else ""
    return (
        f"Capabilities:\n{listing(within, inputs)}\n\nJob: ",
        f"\nInputs: {told}{said(first) if first else ''}",
    )


def guess(
    description: str, library: Library, values: Mapping[str, Any] | None, inputs: Given
) -> list[dict[str, Any]]:
    """The steps that a description's words and kinds give, in the form of a reply; none where they give none.

    Words are read in English: of another language they would only mislead.
    """
    if foreign(description):
        return []
    try:
        made = decompose(description, library=library, values=values)
        steps = declare(made.text, library=library, values={**made.wants, **inputs.values}).steps
    except MurakkabError:
        return []
    names = named([{"capability": one.capability} for one in steps])
    called = {one.name: str(stated["name"]) for one, stated in zip(steps, names, strict=True)}
    there = {*called, *inputs.media, inputs.question}
    return [
        step(
            one.capability,
            *dict.fromkeys(
                called.get(port.source, port.source)
                for port in one.inputs
                # What decompose() only asks the user for is no input of the job: a step binds it by itself.
                if port.port not in {"labels", "fields"} and port.source in there
            ),
            say=", ".join(str(value) for value in one.options.values()),
        )
        for one in steps
    ]
