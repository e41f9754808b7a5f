"""What jobs have taught: how well each capability fits a description, and the likeliest set that its inputs allow.

A logistic model for each capability, over the words of the clauses that ask, the cues in them, the kinds of the
inputs and the likeness of meaning. What was heard by rule counts too; of all sets of capabilities that can be had from
the inputs, the one with the highest sum is taken. `benchmarks/decompose.py --learn` writes the weights.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from murakkab_jupyter.agents.text.capabilities import TEXTUAL
from murakkab_jupyter.agents.text.sentences import STOP
from murakkab_jupyter.agents.text.vectors import Encoder
from murakkab_jupyter.workflow.decompose.clauses import Clause, clauses, stripped
from murakkab_jupyter.workflow.decompose.cues import TASKS, Task
from murakkab_jupyter.workflow.decompose.match import hits_in, stems

__all__ = ["CAPABILITIES", "Learnt", "Seen", "learnt", "seen"]

Row = np.ndarray[Any, np.dtype[np.float64]]
Bits = np.ndarray[Any, np.dtype[np.bool_]]

CAPABILITIES = (
    "scene-detection",
    "frame-extraction",
    "speech-to-text",
    "object-detection",
    "ocr",
    "visual-description",
    "visual-question-answering",
    "chunking",
    "embedding",
    "retrieval",
    "question-answering",
    "summarisation",
    "text-generation",
    "classification",
    "extraction",
    "translation",
)
"""In the order of the weights."""
FILE = Path(__file__).with_name("learnt.npz")
HEARD = 1.25
"""What a capability gains that was heard by rule, and loses that was not; chosen with the others by leaving a set out."""
EAGER = 0.25
"""What each capability gains, so that F1 and not the number of errors is best."""
WHOLE = 1.0
"""What a capability loses besides that was not heard, where each clause that asks was heard as something else."""
LEAST = 0.15
"""Log-odds that a word must add to be named as a reason."""
LOST = 3.0
"""What a set loses for each clause that rules heard something in and that nothing of the set answers."""
MADE = frozenset({"frame-extraction", "chunking", "speech-to-text"})
"""What a step is put in for without being asked."""
TAKEN = 1.0
"""What a clause that asks for something else must add beyond one that does not."""
NAMED = 4.0
"""What is added to that for a capability that is heard and called by its name ("an embedding")."""
NAMES: Mapping[str, str] = {
    "scene-detection": "scene",
    "frame-extraction": "frame",
    "speech-to-text": "transcri",
    "object-detection": "detect",
    "ocr": "ocr",
    "visual-description": "descri",
    "chunking": "chunk",
    "embedding": "embed",
    "retrieval": "retriev",
    "question-answering": "answer",
    "summarisation": "summar",
    "text-generation": "write",
    "classification": "classif",
    "extraction": "extract",
    "translation": "translat",
}
"""How words begin that call a capability by its name."""
DENSE = 3.0
"""Weight of likeness beside words."""
CUE = 1.5
"""Weight of a cue beside a word."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model sees of a description.

    Attributes
    ----------
    words
        Features with their values, by name.
    dense
        Likeness to paraphrases, by task; vectors of the clauses (mean, largest) and of the whole.
    of_clause
        The features that each wanted clause has, by its number.
    vectors
        Of each wanted clause, by its number.
    """

    words: Mapping[str, float]
    dense: Row
    of_clause: Mapping[int, frozenset[str]]
    vectors: Mapping[int, Row]


@dataclass(frozen=True)
class Learnt:
    """Weights of the features, a column for each of `CAPABILITIES`."""

    names: Mapping[str, int]
    words: Row
    dense: Row
    _allowed: dict[tuple[frozenset[str], bool], Row] = field(default_factory=dict)

    def scores(self, one: Seen) -> Row:
        """How well each capability fits, as log-odds."""
        total = one.dense @ self.dense
        for name, value in one.words.items():
            if name in self.names:
                total = total + value * self.words[self.names[name]]
        return total

    def chosen(
        self,
        one: Seen,
        inputs: Mapping[str, str],
        question: str,
        heard: Collection[str],
        *,
        whole: bool = False,
        clause_of: Mapping[str, int] | None = None,
    ) -> set[str]:
        """The likeliest set that some inputs allow; empty where nothing was heard and nothing is likely.

        `whole` says that rules heard something in every clause that asks; `clause_of` in which they heard what.
        """
        gained = self.scores(one) + EAGER
        if heard:
            gained = gained + HEARD * (2 * np.isin(CAPABILITIES, list(heard)) - 1)
            named = [name in heard and called(name, one.words) for name in CAPABILITIES]
            gained = gained + NAMED * np.array(named)
            if whole:
                gained = gained - WHOLE * ~np.isin(CAPABILITIES, list(heard))
        key = frozenset(inputs.values()), bool(question)
        if key not in self._allowed:
            self._allowed[key] = allowed(*key)
        sets = self._allowed[key]
        totals = sets @ gained
        if clause_of:
            known = np.isin(CAPABILITIES, [*heard, *MADE])
            lost = -sets[:, ~known].sum(axis=1)
            for number in set(clause_of.values()):
                own = np.isin(CAPABILITIES, [name for name, at in clause_of.items() if at == number])
                lost = lost + (own.any() and ~(sets[:, own] > 0).any(axis=1))
            totals = totals - LOST * np.maximum(lost, 0)
        best = int(np.argmax(totals))
        if not heard and totals[best] < 0:
            return set()
        return {name for name, there in zip(CAPABILITIES, sets[best], strict=True) if there}

    def because(
        self, capability: str, one: Seen, every: Sequence[Clause], taken: Collection[int] = ()
    ) -> tuple[int, list[str]]:
        """The clause that speaks most for a capability, and the words in it that do (two at most).

        A clause that asks for something else already (`taken`) needs to speak for it more than others do.
        """
        column = CAPABILITIES.index(capability)

        def gain(name: str) -> float:
            return (
                one.words[name] * float(self.words[self.names[name], column]) if name in self.names else 0.0
            )

        mean = self.dense[len(TASKS) : len(TASKS) + 256, column] if one.vectors else np.zeros(0)
        totals = {
            number: sum(gain(name) for name in sorted(names))
            + float(DENSE * one.vectors[number] @ mean) / len(one.vectors)
            - TAKEN * (number in taken)
            for number, names in one.of_clause.items()
        }
        best = max(totals, key=lambda number: (totals[number], -number))
        said = {stem: word for word in _words(every[best].text) for stem in stems(word)}
        own = one.of_clause[best]
        gains = {
            stem: sum(gain(name) for name in (f"word {stem}", f"first {stem}") if name in own)
            for stem in said
        }
        # "And" is no reason that anybody would be told.
        top = sorted(
            (stem for stem in gains if gains[stem] > LEAST and said[stem].lower() not in STOP),
            key=lambda stem: (-gains[stem], stem),
        )
        return best, [said[stem] for stem in top[:2]]


def called(capability: str, words: Iterable[str]) -> bool:
    """Whether a word among some features calls a capability by its name."""
    stem = NAMES.get(capability)
    return stem is not None and any(word.startswith(f"word {stem}") for word in words)


def _words(text: str) -> list[str]:
    return [word.strip(".,;:!?()\"'") for word in text.split()]


def allowed(kinds: frozenset[str], question: bool) -> Row:
    """Sets of capabilities that can be had from inputs of some kinds, as rows of 0 and 1."""
    sets: Bits = (
        np.array(np.unravel_index(np.arange(2 ** len(CAPABILITIES)), (2,) * len(CAPABILITIES))).T == 1
    )
    has = dict(zip(CAPABILITIES, sets.T, strict=True))

    def some(names: Iterable[str]) -> Bits:
        there: Bits = np.any([has[name] for name in names], axis=0)
        return there

    pictures = some(("object-detection", "ocr", "visual-description", "visual-question-answering"))
    reading = some(CAPABILITIES[CAPABILITIES.index("chunking") :])
    fits = sets.any(axis=1) & (~has["retrieval"] | has["chunking"])
    if not kinds & {"video", "audio"}:
        fits &= ~has["speech-to-text"]
    if not kinds & {"video", "image"}:
        fits &= ~pictures
    if "video" not in kinds:
        fits &= ~has["scene-detection"] & ~has["frame-extraction"]
    elif "image" not in kinds:
        fits &= ~pictures | has["frame-extraction"]
    if not kinds & TEXTUAL:
        fits &= ~reading | has["speech-to-text"] | pictures
    if kinds == {"audio"}:
        fits &= has["speech-to-text"]
    if question:
        fits &= some(("question-answering", "visual-question-answering", "retrieval"))
    if kinds == {"document"}:
        # Long texts are searched before anything answers from them, unless something shortens them first.
        fits &= ~has["question-answering"] | some(("retrieval", "summarisation", "extraction", "translation"))
    rows: Row = sets[fits].astype(float)
    return rows


def seen(
    description: str,
    inputs: Mapping[str, str],
    question: str,
    encoder: Encoder,
    tasks: Mapping[str, Task] = TASKS,
) -> Seen:
    """What the model sees of a description and of the kinds of its inputs."""
    every = clauses(description)
    kinds = "+".join(sorted(set(inputs.values())))
    asks = "?" if question else ""
    words: dict[str, float] = {f"kind {kind}": 1.0 for kind in inputs.values()}
    words |= {f"kinds {kinds}": 1.0, f"question {bool(question)}": 1.0, "one": 1.0}
    words |= {f"input {stem}": 1.0 for name in inputs for stem in stems(name.replace("_", " "))}
    of_clause: dict[int, frozenset[str]] = {}
    texts: dict[int, str] = {}
    for number, clause in enumerate(every):
        words[f"mood {clause.mood}"] = 1.0
        said = stems(stripped(clause.text))
        if clause.mood == "remark" or not said:
            continue
        own = {f"word {stem}": 1.0 for stem in said} | {f"first {said[0]}": 1.0}
        for name in hits_in(said, tasks, ()):
            own |= {f"cue {name}": CUE, f"cue {name} of {kinds}{asks}": 1.0}
        own |= {f"cue {name} first": 1.0 for name in hits_in(said[:3], tasks, ())}
        words |= own
        of_clause[number] = frozenset(own)
        texts[number] = stripped(clause.text) or clause.text
    told = list(texts.values()) or [description]
    paraphrases = [(name, text) for name, task in tasks.items() for text in task.examples]
    vectors = encoder.encode([*told, " ".join(told), description, *(text for _, text in paraphrases)]).astype(
        float
    )
    rows, whole = vectors[: len(told)], vectors[len(told) : len(told) + 2].reshape(-1)
    near = rows @ vectors[len(told) + 2 :].T
    owners = np.array([name for name, _ in paraphrases])
    likeness = np.array([near[:, owners == name].max() for name in tasks])
    dense = DENSE * np.concatenate([likeness, rows.mean(axis=0), rows.max(axis=0), whole])
    return Seen(words, dense, of_clause, dict(zip(texts, rows, strict=False)))


@cache
def learnt(path: Path = FILE) -> Learnt:
    """The weights that are shipped."""
    with np.load(path) as kept:
        names = {str(name): number for number, name in enumerate(kept["names"])}
        return Learnt(names, kept["words"].astype(float), kept["dense"].astype(float))
