"""A description to a cell by a language model that may only use capabilities that are known.

Its reply is held to a JSON schema (`form`): names of capabilities, and for each the inputs and results of the kinds that
it takes, are enumerations. It is bound like any cell, whether its server keeps to schemas or not; what is wrong with it is told to
the model once. A second mistake is a refusal that names it, with what the way without a model would give.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.language.chat import Chat, Reply, Request
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
from murakkab_jupyter.workflow.decompose.form import named, reachable, results, schema_for
from murakkab_jupyter.workflow.decompose.guess import inputs_for
from murakkab_jupyter.workflow.decompose.prompt import (
    EXAMPLE_LACK,
    EXAMPLE_VERB,
    asked,
    examples,
    guess,
    task,
)
from murakkab_jupyter.workflow.decompose.proposal import planned
from murakkab_jupyter.workflow.decompose.refuse import foreign, kinds_of, refusal, unknown
from murakkab_jupyter.workflow.decompose.words import decompose, known
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language.suggest import listed

__all__ = ["ask"]

MOST_TOKENS = 700
NOTHING = frozenset({"", "none", "nothing", "null", "n-a", "empty"})
"""What a model writes where nothing is missing."""
WITHOUT = "without --writer (in Python, without model=)"


def ask(
    description: str,
    chat: Chat,
    *,
    library: Library,
    values: Mapping[str, Any] | None = None,
    name: str | None = None,
    goal: Goal | None = None,
    guessed: bool = True,
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
    guessed
        Whether the model is given what words and kinds make of the description, to mend it; else it is on its own.

    Raises
    ------
    UsageError
        When the model cannot be asked; or when its second reply is wrong too: names the capability that nobody offers, or
        the input that a step cannot take, and says what is found without a model.
    """
    if not description.strip():
        msg = "The description is empty."
        raise UsageError(
            msg, hint="Say what the workflow should do, for example: Summarise the calls in German."
        )
    capabilities = known(library)
    inputs = given(description, values, inputs_for(description, capabilities))
    within = reachable(capabilities, inputs)
    if not within:
        raise unknown(description, capabilities, nearest_encoder(), inputs.media)
    first = guess(description, library, values, inputs) if guessed else []
    before, behind = asked(within, inputs, first)
    job = " ".join(description.split())
    lead = (task(guessed), *examples(capabilities, guessed))
    request = Request(lead, (before, behind), (job,), MOST_TOKENS, schema=schema_for(within, inputs))

    def draft(answer: Reply) -> Draft:
        made = bound(answer, description, library, capabilities, inputs, name, goal)
        return replace(made, notes=(*made.notes, *chat.notes))

    said = reply(chat, request)
    try:
        return draft(said)
    except (LanguageError, MisfitError) as error:
        wrong = error
    problem = f"{wrong.message} {wrong.hint or ''}".strip()
    told = ({"role": "user", "content": before + job + behind}, {"role": "assistant", "content": said.text})
    again = f"This does not work: {problem[:600]}\nReply again with the whole JSON, corrected."
    try:
        second = reply(chat, replace(request, lead=(*lead, *told), frame=(again,), parts=()))
    except UsageError as error:
        # What was wrong is worth more than why it could not be told, as where both do not fit the model's context.
        raise refused(wrong, description, library, capabilities, values, told=False) from error
    try:
        return draft(second)
    except (LanguageError, MisfitError) as error:
        raise refused(error, description, library, capabilities, values) from error


def reply(chat: Chat, request: Request) -> Reply:
    """What the model says; raises `UsageError` when it says nothing."""
    (answer,) = chat.complete([request])
    if isinstance(answer, Failed) and "response_format" in answer.reason:
        (answer,) = chat.complete([replace(request, schema=None)])
    if isinstance(answer, Failed):
        msg = f"The language model could not be asked: {answer.reason}"
        raise UsageError(msg, hint=f"Check the model or its server, or ask for the steps {WITHOUT}.")
    return answer


def refused(
    wrong: LanguageError | MisfitError,
    description: str,
    library: Library,
    capabilities: Mapping[str, Capability],
    values: Mapping[str, Any] | None,
    told: bool = True,
) -> UsageError:
    """The error of a model's last mistake: what is wrong, and what the way without a model gives; whether it was told of it."""
    absent = wrong.absent if isinstance(wrong, MisfitError) else ""
    if absent:
        error = refusal(absent, description, capabilities, nearest_encoder())
        msg = f"{error.message} So says the model{', also when asked again' if told else ''}."
        hint = error.hint
    else:
        after = ", also after it was told why" if told else ""
        msg = f"The model's steps do not fit together{after}: {wrong.message}"
        # What a port takes is for people too; other hints tell the model how to reply.
        hint = wrong.hint if " takes " in (wrong.hint or "") else "Another model may do better."
    try:
        text = decompose(description, library=library, values=values).text
    except UsageError as error:
        way = f"Asked for {WITHOUT}, the steps are not found either: {error.message}"
    else:
        names = [line.partition("<-")[0].strip() for line in text.splitlines() if " <- " in line]
        way = f"Asked for {WITHOUT}, they are found by words and kinds: {listed(names)}."
    return UsageError(msg, hint=f"{hint or ''} {way}".strip())


def bound(
    answer: Reply,
    description: str,
    library: Library,
    capabilities: Mapping[str, Capability],
    inputs: Given,
    name: str | None,
    goal: Goal | None,
) -> Draft:
    """A reply as a draft; raises `MisfitError` or `LanguageError` with what is wrong with it."""
    record = json_in(answer.text)
    stated = record.get("steps") if record else None
    if record is None or not isinstance(stated, list):
        msg = "The reply is no JSON object with steps."
        if not answer.complete:
            msg = f"The reply is no whole JSON object: it was cut off after {answer.written or MOST_TOKENS} tokens."
        raise MisfitError(msg, hint="Reply with the JSON object only, and keep it short.")
    missing = record.get("missing")
    for one in missing if isinstance(missing, list) else ():
        wanted = slug(str(one))
        if wanted not in NOTHING and not repeated(wanted, description):
            raise missed(wanted, capabilities, inputs)
    if not stated:
        msg = "There are no steps."
        raise MisfitError(msg, hint="Give at least one step.")
    wants: dict[str, str] = {}
    notes: list[str] = []
    steps = planned(named(stated), description, capabilities, inputs, wants, notes)
    return written(
        steps,
        description=description,
        library=library,
        given=inputs,
        wants=wants,
        name=name,
        goal=goal,
        notes=notes,
        english=not foreign(description),
    )


def repeated(wanted: str, description: str) -> bool:
    """Whether a model only repeats what the example misses, of which the description says nothing."""
    return wanted == EXAMPLE_LACK and EXAMPLE_VERB not in description.lower()


def missed(wanted: str, capabilities: Mapping[str, Capability], inputs: Given) -> MisfitError:
    """The error of a reply that misses something: it may be there all the same."""
    there = next(
        (name for name in capabilities if wanted in {slug(name), slug(results(name)[0])}),
        None,
    )
    if there is None:
        return MisfitError(
            f"Nobody offers {wanted}, and you say that it is missing.",
            hint="If a capability of the list can do it, use that as a step and leave “missing” empty. If none can, reply the same again.",
            absent=wanted,
        )
    if there in reachable(capabilities, inputs):
        return MisfitError(f"{there} is not missing: it is in the list.", hint="Use it as a step.")
    has = listed(f"{name} ({kind})" for name, kind in inputs.media.items())
    return MisfitError(
        f"{there} takes {kinds_of(capabilities[there])}, and there is {has}.", hint="Do without it."
    )


def slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40]
