"""A description to a cell without a language model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.vectors import Encoder, WordLlamaStatic
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.decompose.clauses import VERBS
from murakkab_jupyter.workflow.decompose.cues import TASKS, TEXT_BEARING, Task
from murakkab_jupyter.workflow.decompose.draft import Draft, given, nearest_encoder, written
from murakkab_jupyter.workflow.decompose.guess import inputs_for
from murakkab_jupyter.workflow.decompose.hear import NEAR, Heard, hear
from murakkab_jupyter.workflow.decompose.judge import judged
from murakkab_jupyter.workflow.decompose.learnt import Learnt, learnt
from murakkab_jupyter.workflow.decompose.match import cue_words
from murakkab_jupyter.workflow.decompose.refuse import foreign, misfit, refusal, unknown
from murakkab_jupyter.workflow.decompose.spelling import corrected, replaced
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
    model: Learnt | None = None,
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

    model
        Weights that judge what was heard; those that are shipped by default, where the encoder is the one that they
        were learnt with.

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
    capabilities = known(library)
    inputs = given(description, values, inputs_for(description, capabilities))
    by_meaning = encoder if encoder is not None else nearest_encoder()

    def reading(text: str) -> tuple[list[Heard], Wiring]:
        found = hear(
            text, inputs.media, capabilities, by_meaning, question=inputs.question, near=near, known=tasks
        )
        there = [one for one in found if one.capability in capabilities]
        return found, wire(there, Wiring(capabilities, inputs.media, inputs.question, text))

    read, slips = corrected(description, vocabulary(inputs.media))
    heard, wiring = reading(read)
    for word in tuple(slips):
        # A word that changes nothing is the user's own: "stormy" is no "story".
        others = {one: meant for one, meant in slips.items() if one != word}
        text = replaced(description, others)
        without = reading(text)
        if shape(without) == shape((heard, wiring)):
            read, slips, (heard, wiring) = text, others, without
    for one in heard:
        if one.capability not in capabilities:
            raise refusal(one.capability, one.clause, capabilities, by_meaning)
    if model is None and by_meaning is not None and by_meaning.name == WordLlamaStatic.name:
        model = learnt()
    other = None
    if model is not None and by_meaning is not None:
        there = {step.capability for step in wiring.steps}
        other = judged(heard, there, read, inputs.media, inputs.question, by_meaning, model, tasks)
    readings = [(heard, wiring, guessed(heard))]
    if other is not None:
        for one in other.heard:
            if one.capability not in capabilities:
                raise refusal(one.capability, one.clause, capabilities, by_meaning)
        again = wire(other.heard, Wiring(capabilities, inputs.media, inputs.question, read, settled=True))
        readings.insert(0, (other.heard, again, other.notes + guessed(other.heard)))
    readings = [one for one in readings if one[1].steps]
    if not readings:
        raise unknown(read, capabilities, by_meaning, inputs.media)
    assumed = [f"“{word}” was read as “{meant}”." for word, meant in slips.items()]
    if foreign(description):
        assumed.append(
            "This does not look like English, and was read as if it were: --writer AGENT has one read yours."
        )
    for said, made, notes in readings:
        try:
            return written(
                made.steps,
                description=description,
                library=library,
                given=inputs,
                wants=made.wants,
                name=name,
                goal=goal,
                notes=notes + assumed,
                english=not foreign(description),
            )
        except LanguageError as error:
            wrong = misfit(said, error)
            wrong.__cause__ = error
    raise wrong


def shape(reading: tuple[Sequence[Heard], Wiring]) -> tuple[object, ...]:
    """What is asked for, and which steps read what: all of a reading but the words in it."""
    heard, wiring = reading
    steps = [(step.name, step.capability, step.ports, step.per) for step in wiring.steps]
    return sorted(one.capability for one in heard), steps


def guessed(heard: Sequence[Heard]) -> list[str]:
    """What is told of what was heard by likeness alone."""
    return [
        f"“{one.clause}” was taken as {one.capability}, by likeness alone."
        for one in heard
        if one.how == "meaning"
    ]


def vocabulary(inputs: Mapping[str, str]) -> set[str]:
    """Words that tasks and inputs are said with."""
    cued = {word for task in TASKS.values() for cue in task.cues for word in cue_words(cue)}
    named = {part for name in inputs for part in re.findall(r"[a-z]+", name.lower())}
    return cued | named | VERBS | TEXT_BEARING
