"""What a description asks for: capabilities, heard in its words without a language model.

Cues first (words in order, by their stems); a stretch without any is compared by meaning with examples.
What the inputs cannot give is not heard: nobody speaks in a photo.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.perception.coco import COCO_90
from murakkab_jupyter.agents.text.sentences import bare_stem
from murakkab_jupyter.agents.text.vectors import Encoder
from murakkab_jupyter.workflow.decompose.cues import TASKS, Task
from murakkab_jupyter.workflow.decompose.say import fields_in
from murakkab_jupyter.workflow.language.pattern import example

__all__ = ["TEXT_GOALS", "Heard", "clauses", "hear", "task_of"]

TEXT_GOALS = frozenset(
    {
        "summarisation",
        "text-generation",
        "classification",
        "extraction",
        "translation",
        "question-answering",
        "embedding",
    }
)
"""What is made of words."""

NEAR = 0.5
"""Least cosine at which a stretch without cues means a task by its examples; chosen on the development set."""
GAP = 4
LONG = 6
Span = tuple[int, int, int]
"""First word, the one after the last, and how many words the cue has."""
WORD = re.compile(r"[\w']+(?:[-;/][\w']+)*|[:?]")
BREAK = re.compile(
    r"(?<=[.;!?])\s+|(?<=:)\s+(?=[a-z]+ )|,?\s+(?:and\s+)?then\s+|,\s+(?:and|but)\s+", re.IGNORECASE
)
SOURCE = frozenset({"from", "after", "using", "with", "through", "of", "based"})
MADE = frozenset(
    {
        "summary",
        "summari",
        "overview",
        "digest",
        "recap",
        "transcript",
        "transcription",
        "translation",
        "speech",
        "embedding",
        "abstract",
    }
)
"""How products of other tasks begin."""
SEEN = frozenset(bare_stem(word) for word in ("see", "seen", "visible", "shown", "appear", "on"))
"""What is said of writing as well as of things."""
NOT_FIELDS = frozenset(
    {"frame", "still", "text", "audio", "sound", "word", "passage", "keyframe", "scene", "picture", "image"}
)


@dataclass(frozen=True, slots=True)
class Heard:
    """A capability, the word at which it was heard, the stretch of text around it, and how: `cue` or `meaning`."""

    capability: str
    at: float
    clause: str
    how: str = "cue"


def stems(text: str) -> list[str]:
    """Stems of all words, in order; `-` and `;` keep words together."""
    return [bare_stem(word) for word in WORD.findall(text.lower())]


@cache
def cue_stems(cue: str) -> tuple[str, ...]:
    return tuple(
        "*" if word == "*" else bare_stem(word)
        for word in re.findall(r"\*|[\w']+(?:[-;/][\w']+)*|[:?]", cue.lower())
    )


def same(part: str, word: str) -> bool:
    """Whether a word is a cue's: of a long one ("summar") the beginning is enough."""
    return word == part or (len(part) >= LONG and word.startswith(part))


def found(cue: str, words: Sequence[str]) -> Span | None:
    """Where a cue lies in some stems, or None."""
    parts = cue_stems(cue)
    for start, word in enumerate(words):
        if not same(parts[0], word):
            continue
        at, gap, ok = start + 1, 0, True
        for part in parts[1:]:
            if part == "*":
                gap = GAP
                continue
            place = next((n for n in range(at, min(len(words), at + gap + 1)) if same(part, words[n])), None)
            if place is None:
                ok = False
                break
            at, gap = place + 1, 0
        if ok:
            return start, at, len(parts)
    return None


def clauses(description: str) -> list[str]:
    """Stretches of a description that ask for one thing each, roughly."""
    return [
        part.strip() for part in BREAK.split(" ".join(description.split())) if part and part.strip(" .,;")
    ]


def task_of(capability: Capability) -> Task:
    """The cues of a capability: ours by its name, another's from its name, summary and sentences."""
    known = TASKS.get(capability.name)
    if known is not None:
        return known
    name = capability.name.replace("-", " ")
    said = tuple(re.sub(r"\{\w+\}|…", "it", example(pattern)) for pattern in capability.patterns)
    return Task((name,), (name, capability.summary, *said))


def hear(
    description: str,
    inputs: Mapping[str, str],
    capabilities: Mapping[str, Capability],
    encoder: Encoder | None = None,
) -> list[Heard]:
    """The capabilities that a description asks for, in its order, each once.

    Parameters
    ----------
    description
        In the user's words.
    inputs
        Names of the inputs, with their kinds.
    capabilities
        Those that may be used, by name. Tasks that none of them offers are heard too, where words name them.
    encoder
        For the match by meaning; without one only cues count.
    """
    tasks = {name: task_of(capability) for name, capability in capabilities.items()}
    tasks |= {name: task for name, task in TASKS.items() if name not in tasks}
    possible = {name: tasks[name] for name in sorted(tasks) if can_be(name, inputs.values())}
    if "object-detection" in possible:
        seen = possible["object-detection"]
        possible["object-detection"] = Task((*seen.cues, *COCO_90.values()), seen.examples)
    nouns = {bare_stem(name) for name in inputs}
    heard: dict[str, Heard] = {}
    offset = 0
    for clause in clauses(description):
        words = stems(clause)
        hits = sifted(hits_in(words, possible, nouns), words, clause)
        for name, (at, _, _) in hits.items():
            if name not in heard:
                heard[name] = Heard(name, offset + placed(at, hits, words), clause)
        if not hits and encoder is not None:
            near = by_meaning(clause, possible, encoder)
            if near is not None and near not in heard:
                heard[near] = Heard(near, offset, clause, "meaning")
        offset += len(words) + 1
    return sorted(heard.values(), key=lambda one: one.at)


def hits_in(words: Sequence[str], tasks: Mapping[str, Task], nouns: Collection[str]) -> dict[str, Span]:
    """The first cue of each task in a stretch.

    A word that names an input is no cue ("the letters"), nor is one inside a longer cue of another task ("price tags").
    """
    every: list[tuple[str, Span]] = []
    for name, task in tasks.items():
        for cue in task.cues:
            span = found(cue, words)
            if span is not None and not (span[1] - span[0] == 1 and words[span[0]] in nouns):
                every.append((name, span))
    hits: dict[str, Span] = {}
    for name, span in every:
        inside = any(
            other != name and begin <= span[0] and span[1] <= end and end - begin == size > span[2]
            for other, (begin, end, size) in every
        )
        if not inside and (name not in hits or span < hits[name]):
            hits[name] = span
    return hits


def can_be(name: str, kinds: Collection[str]) -> bool:
    """Whether inputs of some kinds can give what a task needs."""
    match name:
        case "scene-detection" | "frame-extraction":
            return "video" in kinds
        case "object-detection" | "ocr":
            return bool({"video", "image"} & set(kinds))
        case "speech-to-text":
            return bool({"video", "audio"} & set(kinds))
    return True


def sifted(hits: Mapping[str, Span], words: Sequence[str], clause: str) -> dict[str, Span]:
    """Hits of one stretch without those that only look like it."""
    kept = dict(hits)

    def begins(name: str) -> int:
        return kept[name][0]

    def after(name: str, many: int) -> set[str]:
        return set(words[begins(name) + 1 : begins(name) + 1 + many])

    def said(name: str) -> str:
        return words[begins(name)]

    if (
        "text-generation" in kept
        and len(kept) > 1
        and any(w.startswith(m) for w in after("text-generation", 4) for m in MADE)
    ):
        # "write a summary" asks for no other writing.
        del kept["text-generation"]
    if "extraction" in kept and after("extraction", 2) & NOT_FIELDS:
        del kept["extraction"]
    if "extraction" in kept and "ocr" in kept and len(fields_in(clause).split(", ")) < 2:
        # "Note every plate": reading it is noting it.
        del kept["extraction"]
    if "object-detection" in kept and "ocr" in kept and said("object-detection") in SEEN:
        del kept["object-detection"]
    if "retrieval" in kept and "embedding" in kept:
        # "embed them for later search"
        del kept["retrieval"]
    if (
        "question-answering" in kept
        and "retrieval" in kept
        and begins("retrieval") < begins("question-answering")
    ):
        between = words[begins("retrieval") : begins("question-answering")]
        if {"that", "what", "which", "those"} & set(between):
            # "find the passages that answer the question" wants the passages.
            del kept["question-answering"]
    if "summarisation" in kept and "text-generation" in kept and said("summarisation") in {"in", "to"}:
        # "describe it in one sentence" says how long.
        del kept["summarisation"]
    return kept


def placed(at: int, hits: Mapping[str, Span], words: Sequence[str]) -> float:
    """Where a hit counts in the order: "write a section from the summaries" needs the summaries first."""
    before = words[max(0, at - 3) : at]
    earlier = [begin for begin, _, _ in hits.values() if begin < at]
    if earlier and SOURCE & set(before):
        return min(earlier) - 0.5
    return float(at)


def by_meaning(clause: str, tasks: Mapping[str, Task], encoder: Encoder) -> str | None:
    """The task whose examples lie nearest to a stretch, if near enough."""
    rows = [(name, text) for name, task in tasks.items() for text in task.examples]
    vectors = encoder.encode([clause, *(text for _, text in rows)])
    scores = vectors[1:] @ vectors[0]
    best = int(scores.argmax()) if rows else -1
    return rows[best][0] if best >= 0 and float(scores[best]) >= NEAR else None
