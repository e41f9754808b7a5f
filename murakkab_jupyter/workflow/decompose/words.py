"""A description to a cell without a language model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.vectors import Encoder
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.decompose.clauses import VERBS
from murakkab_jupyter.workflow.decompose.cues import TASKS, TEXT_BEARING, Task
from murakkab_jupyter.workflow.decompose.draft import Draft, given, nearest_encoder, written
from murakkab_jupyter.workflow.decompose.hear import NEAR, hear
from murakkab_jupyter.workflow.decompose.match import cue_words
from murakkab_jupyter.workflow.decompose.refuse import misfit, refusal, unknown
from murakkab_jupyter.workflow.decompose.spelling import corrected
from murakkab_jupyter.workflow.decompose.wire import Wiring, wire
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language.meaning import PYTHON

__all__ = ["decompose", "known"]


def known(library: Library) -> dict[str, Capability]:
    """Capabilities that steps may have: all but functions, which only a pin reaches."""
    return {c.name: c for c in library.capabilities() if c.name != PYTHON and offered(c.name, library)}


def offered(name: str, library: Library) -> bool:
    return any(True for _ in library.agents(name))


def decompose(
    description: str,
    *,
    library: Library,
    values: Mapping[str, Any] | None = None,
    name: str | None = None,
    goal: Goal | None = None,
    encoder: Encoder | None = None,
    tasks: Mapping[str, Task] = TASKS,
    near: float = NEAR,
) -> Draft:
    """Turn a description into the text of a cell. Nothing runs.

    Parameters
    ----------
    description
        In the user's words.
    library
        Whose capabilities may be used.
    values
        Variables it works on; without any, its nouns say what they are ("the videos").
    name, goal
        Of the workflow.
    encoder
        For the match by meaning; WordLlama, where it is installed, by default.
    tasks, near
        Cues and paraphrases by the name of a task, and the least cosine of the match by meaning.

    Returns
    -------
    Draft
        The cell, what it still needs, and what was assumed.

    Raises
    ------
    UsageError
        When it asks for something that nobody offers, or for nothing that is known; names the nearest.
    """
    if not description.strip():
        msg = "The description is empty."
        raise UsageError(
            msg, hint="Say what the workflow should do, for example: Summarise the calls in German."
        )
    inputs = given(description, values)
    capabilities = known(library)
    by_meaning = encoder if encoder is not None else nearest_encoder()
    read, slips = corrected(description, vocabulary(inputs.media))
    heard = hear(
        read, inputs.media, capabilities, by_meaning, question=inputs.question, near=near, known=tasks
    )
    for one in heard:
        if one.capability not in capabilities:
            raise refusal(one.capability, one.clause, capabilities, by_meaning)
    wiring = wire(heard, Wiring(capabilities, inputs.media, inputs.question, read))
    if not wiring.steps:
        raise unknown(read, capabilities, by_meaning, inputs.media)
    guesses = [
        f"“{one.clause}” was taken as {one.capability}, by likeness alone."
        for one in heard
        if one.how == "meaning"
    ] + [f"“{word}” was read as “{meant}”." for word, meant in slips.items()]
    try:
        return written(
            wiring.steps,
            description=description,
            library=library,
            given=inputs,
            wants=wiring.wants,
            name=name,
            goal=goal,
            notes=guesses,
        )
    except LanguageError as error:
        raise misfit(heard, error) from error


def vocabulary(inputs: Mapping[str, str]) -> set[str]:
    """Words that tasks and inputs are said with."""
    cued = {word for task in TASKS.values() for cue in task.cues for word in cue_words(cue)}
    named = {part for name in inputs for part in re.findall(r"[a-z]+", name.lower())}
    return cued | named | VERBS | TEXT_BEARING
