"""What was heard by rule, judged by what jobs have taught: what is missing is added, what does not fit is left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from murakkab_jupyter.agents.text.vectors import Encoder
from murakkab_jupyter.workflow.decompose.clauses import clauses, stripped
from murakkab_jupyter.workflow.decompose.cues import TASKS, Task
from murakkab_jupyter.workflow.decompose.hear import Heard, with_context
from murakkab_jupyter.workflow.decompose.learnt import CAPABILITIES, MADE, Learnt, seen
from murakkab_jupyter.workflow.decompose.match import stems

__all__ = ["Judged", "judged"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What is asked for, in order, and what the user is told of it."""

    heard: list[Heard]
    notes: list[str]


def judged(
    heard: Sequence[Heard],
    there: Collection[str],
    description: str,
    inputs: Mapping[str, str],
    question: str,
    encoder: Encoder,
    model: Learnt,
    tasks: Mapping[str, Task] = TASKS,
) -> Judged | None:
    """The likeliest reading, or None where it is the one of the rules.

    Parameters
    ----------
    heard
        What the rules heard.
    there
        The capabilities of the steps that they make of it.
    description, inputs, question
        In the user's words; inputs with their kinds, and the one that holds a question.
    encoder, model, tasks
        What the model sees with, its weights, and the cues.
    """
    one = seen(description, inputs, question, encoder, tasks)
    known = set(there) & set(CAPABILITIES)
    clear = {part.number for part in heard}
    cues = {f"cue {part.capability}" for part in heard}
    whole = all(number in clear or names & cues for number, names in one.of_clause.items())
    chosen = model.chosen(
        one, inputs, question, known, whole=whole, clause_of={part.capability: part.number for part in heard}
    )
    if chosen == known or not one.of_clause:
        return None
    every = clauses(description)
    if not known and not any(model.because(name, one, every)[1] for name in chosen - MADE):
        # No word of it has ever asked for anything.
        return None
    spans = [stems(stripped(clause.text)) for clause in every]
    kept = [part for part in heard if part.capability in chosen or part.capability not in CAPABILITIES]
    notes = [
        f"“{part.clause}” was not taken as {part.capability}: the other steps fit the words better."
        for part in heard
        if part not in kept
    ]
    for name in CAPABILITIES:
        if name not in chosen or any(part.capability == name for part in kept):
            continue
        taken = {part.number for part in kept if part.capability not in MADE}
        number, words = model.because(name, one, every, taken)
        places = [
            spans[number].index(stem) for word in words for stem in stems(word) if stem in spans[number]
        ]
        at = sum(len(span) + 1 for span in spans[:number]) + min(places, default=0)
        kept.append(Heard(name, at, every[number].text.strip(), "learnt", number))
        if name not in known and name not in MADE:
            because = f", by “{'” and “'.join(words)}”" if words else ", by its likeness to other jobs"
            notes.append(f"“{every[number].text.strip()}” was taken as {name}{because}.")
    read = [clause for clause in every if clause.mood != "remark"]
    beside = with_context({part.capability: part for part in kept}, every, read)
    # What the rules heard has the clauses beside it already.
    kept = [beside[part.capability] if part.how == "learnt" else part for part in kept]
    return Judged(sorted(kept, key=lambda part: part.at), notes)
