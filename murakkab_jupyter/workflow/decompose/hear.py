"""What a description asks for: capabilities, heard in its clauses without a language model.

Cues first (words in order, by their stems), lists of names and languages with them; a request without any is compared by
meaning with paraphrases. What the inputs cannot give is not heard: nobody speaks in a photo. Remarks are not heard,
unless nothing else says anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.text.sentences import bare_stem
from murakkab_jupyter.agents.text.vectors import Encoder
from murakkab_jupyter.workflow.decompose.clauses import (
    ASKS,
    VERBS,
    Clause,
    asked_in,
    clauses,
    first_word,
    stripped,
)
from murakkab_jupyter.workflow.decompose.cues import TASKS, Task
from murakkab_jupyter.workflow.decompose.match import Hit, hits_in, stems
from murakkab_jupyter.workflow.decompose.question import Scene, asked_of, reads_pictures
from murakkab_jupyter.workflow.decompose.say import fields_in, labels_in, target_language
from murakkab_jupyter.workflow.language.pattern import example

__all__ = ["TEXT_GOALS", "Heard", "hear", "task_of"]

SETS = re.compile(
    r"^(?:(?:and|but|then)\b[\s,]*)*(?:from|by|with|going by|using|based on|out of|for|in|of)\b",
    re.IGNORECASE,
)
"""What says of what, before what is to be done."""
PILES = re.compile(
    r"\b(?:tell|distinguish)\s+\w+\s+from\b|\b(?:put|divide|split|separate|sort|file|move|arrange)\b.*\b(?:into|under|in)\b",
    re.IGNORECASE,
)
"""How things are put under labels, where labels are named."""
OR = re.compile(r"(?:[:(]|\bone of\b)[^:(?]*\bor\b", re.IGNORECASE)
"""Alternatives that are named: "decide: refund, bug or praise"."""
LENGTH = re.compile(
    r"(?:(?:in|at most|about|max|no more than|just|only|with|each)\s+)*(?:a|an|one|two|three|four|five|six|ten|\d+|few|couple|some|single|short)\b[\w\s]*\b(?:words?|sentences?|lines?|paragraphs?|points?)\b(?:[\s,]+(?:each|apiece|per \w+|for (?:each|every)(?: \w+)?|at most|please|max|maximum|only))*[\s,]*[.!]?",
    re.IGNORECASE,
)
"""A clause that is a length alone."""
IN_SHORT = re.compile(
    r"\b(?:in|as)\s+(?:a|an|one|two|three|four|five|\d+|few|a few)\s+(?:\w+\s+)?(?:words?|sentences?|lines?|paragraphs?|points?)\b",
    re.IGNORECASE,
)
GREETING = re.compile(
    r"\W*(?:hi|hello|hey|dear|thanks|thank you|many thanks|cheers|regards|best|sorry|please)\b[^.]{0,30}$",
    re.IGNORECASE,
)
PLACE = re.compile(r"(?:for|from|in|of|on|with)\s+(?:each|every|all)\b.{0,30}:?", re.IGNORECASE)
TEXT_GOALS = frozenset(
    {
        "summarisation",
        "text-generation",
        "classification",
        "extraction",
        "translation",
        "question-answering",
        "visual-question-answering",
        "embedding",
    }
)
"""What is made of words, and answers from pictures."""

NEAR = 0.5
"""Least cosine at which a stretch without cues means a task by its paraphrases; chosen by cross-validation."""
FEWEST = 2
"""Words of a stretch that is compared by meaning."""
SOURCE = frozenset({"from", "after", "using", "with", "through", "of", "based", "by"})
PRODUCTS = (
    "summar",
    "overview",
    "digest",
    "recap",
    "transcript",
    "translation",
    "embedding",
    "abstract",
    "vector",
    "caption",
    "label",
    "short",
    "version",
    "gist",
)
"""How products of other tasks begin: "write a summary" asks for no other writing."""
PERCEIVING = frozenset(
    {"speech-to-text", "ocr", "object-detection", "frame-extraction", "scene-detection", "visual-description"}
)
NOT_FIELDS = frozenset(
    bare_stem(word)
    for word in """frame still text audio sound word passage keyframe scene picture image transcript transcription summary
    translation speech shot vector embedding label caption description answer reply letter report note object
    box thing animal gist summary overview version paragraph screenshot photo section part chunk""".split()  # noqa: SIM905 - a list of words reads better as one
)
"""What is asked for by itself, and is no field of a record."""
ASKED_TOO = frozenset(
    {
        "speech-to-text",
        "ocr",
        "visual-description",
        "object-detection",
        "classification",
        "extraction",
        "summarisation",
    }
)
"""What a question may ask for outright ("what is said in …?")."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A capability, the word at which it was heard, the stretch of text around it, and how: `cue` or `meaning`."""

    capability: str
    at: float
    clause: str
    how: str = "cue"
    number: int = -1
    """Of its clause."""


def task_of(capability: Capability) -> Task:
    """The cues of a capability: ours by its name, another's from its name, summary and sentences."""
    known = TASKS.get(capability.name)
    if known is not None:
        return known
    name = capability.name.replace("-", " ")
    said = tuple(re.sub(r"\{\w+\}|…", "it", example(pattern)) for pattern in capability.patterns)
    return Task((name,), (name, capability.summary, *said))


def can_be(name: str, kinds: set[str]) -> bool:
    """Whether inputs of some kinds can give what a task needs."""
    match name:
        case "scene-detection" | "frame-extraction":
            return "video" in kinds
        case "object-detection" | "ocr" | "visual-description" | "visual-question-answering":
            return bool({"video", "image"} & kinds)
        case "speech-to-text":
            return bool({"video", "audio"} & kinds)
        case "retrieval" | "chunking" | "embedding":
            return kinds != {"image"}
    return True


def hear(
    description: str,
    inputs: Mapping[str, str],
    capabilities: Mapping[str, Capability],
    encoder: Encoder | None = None,
    *,
    question: str = "",
    near: float = NEAR,
    known: Mapping[str, Task] = TASKS,
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
    question
        The input that holds a question, if there is one.
    near
        Least cosine of the match by meaning.
    known
        Cues and paraphrases by the name of a task.
    """
    tasks = {name: known.get(name) or task_of(capability) for name, capability in capabilities.items()}
    tasks |= {name: task for name, task in known.items() if name not in tasks}
    kinds = set(inputs.values())
    possible = {name: tasks[name] for name in sorted(tasks) if can_be(name, kinds)}
    offered = {name: task for name, task in possible.items() if name in capabilities}
    every = clauses(description)
    scene = Scene(description, inputs, possible, question, encoder)
    heard = in_clauses(every, scene, [one for one in every if one.mood != "remark"], offered, near)
    if not heard:
        heard = in_clauses(
            every, scene, [one for one in every if one.mood != "remark"], offered, near, fragments=True
        )
    if not heard:
        # Nothing but remarks: then they are all that there is to go by.
        told = replace(scene, tasks=offered)
        heard = in_clauses(every, told, [one for one in every if one.mood == "remark"], offered, near)
    return sorted(heard.values(), key=lambda one: one.at)


def in_clauses(
    every: Sequence[Clause],
    scene: Scene,
    read: Sequence[Clause],
    offered: Mapping[str, Task],
    near: float,
    *,
    fragments: bool = False,
) -> dict[str, Heard]:
    """What some of the clauses ask for, by capability; `fragments` compares also those without a verb by meaning."""
    nouns = {bare_stem(part) for name in scene.inputs for part in (name, *name.split("_"))}
    spans = [stems(stripped(clause.text)) for clause in every]
    offsets = [sum(len(words) + 1 for words in spans[:number]) for number in range(len(spans))]
    heard: dict[str, Heard] = {}
    folded: dict[int, int] = {}
    asks = bool(scene.question) or any(asked_in(clause) for clause in every)
    # Questions last: what answers them depends on what else is there.
    for asking in (False, True):
        for number, clause in enumerate(every):
            words = spans[number]
            if clause not in read or not words or bool(asked_in(clause)) is not asking:
                continue
            after_colon = number and every[number - 1].said.endswith(":") and not asked_in(every[number - 1])
            if asking and clause.mood == "question" and (after_colon or number - 1 in folded):
                first = folded.get(number - 1, number - 1)
                told = next((one for one in heard.values() if one.number == first), None)
                if told is not None and told.capability in {"text-generation", "summarisation"}:
                    # "Compare them: where do they differ?" says what to write of.
                    heard[told.capability] = replace(told, clause=f"{told.clause} {clause.text}")
                    folded[number] = first
                    continue
            found = of_clause(clause, words, scene, nouns, heard)
            if (
                set(found) == {"summarisation"}
                and LENGTH.fullmatch(clause.text.strip())
                and len(read) > 1
                and not fragments
            ):
                # "One sentence each." says how long what was asked for should be.
                continue
            said = clause.text.strip()
            for name, at in found.items():
                if name not in heard:
                    heard[name] = Heard(name, offsets[number] + at, said, number=number)
            looks = asks and reads_pictures(scene.kinds) and re.search(r"\blook(?:ing)?\b", clause.text)
            doing = (
                first_word(stripped(clause.text)) in VERBS
                or clause.mood == "question"
                or ASKS.search(clause.text)
            )
            bare = (
                len(words) <= FEWEST
                or looks
                or not (doing or fragments)
                or PLACE.fullmatch(clause.text.strip())
            )
            if not found and not bare and scene.encoder is not None:
                name = by_meaning(clause.text, offered, scene.encoder, near) or ""
                if name and name not in heard:
                    heard[name] = Heard(name, offsets[number], said, "meaning", number)
    return with_context(answered(heard, every), every, read)


def answered(heard: Mapping[str, Heard], every: Sequence[Clause]) -> dict[str, Heard]:
    """What was heard, without a question that the next sentence says how to answer: "What was agreed? Get the decisions …"."""
    question, record = heard.get("question-answering"), heard.get("extraction")
    made = dict(heard)
    if question and record and record.number > question.number:
        ended = [one for one in every[question.number : record.number] if one.mood == "question"][-1]
        said = ended, every[record.number]
        asked = all(one.mood != "request" for one in every[question.number : record.number])
        if (
            asked
            and said[0].said.endswith("?")
            and not re.match(
                r"(?:and|then|also|plus)\b|.*\b(?:too|also|as well)\b", said[1].said, re.IGNORECASE
            )
        ):
            del made["question-answering"]
    return made


def with_context(
    heard: Mapping[str, Heard], every: Sequence[Clause], read: Sequence[Clause]
) -> dict[str, Heard]:
    """What was heard, with the clauses beside it that only say of what: "going by the original", "but judge that by the full letter"."""
    used = {one.number for one in heard.values()}
    made = dict(heard)
    for number, clause in enumerate(every):
        if number in used or clause not in read or GREETING.match(clause.text):
            continue
        ahead = bool(SETS.match(clause.text)) and number + 1 in used
        beside = number + 1 if ahead else number - 1
        for name, one in heard.items():
            if one.number == beside:
                said = made[name].clause
                made[name] = replace(
                    made[name],
                    clause=f"{clause.text.strip()} {said}" if ahead else f"{said} {clause.text.strip()}",
                )
    return made


def of_clause(
    clause: Clause, words: Sequence[str], scene: Scene, nouns: set[str], before: Mapping[str, Heard]
) -> dict[str, float]:
    """What one clause asks for, with where."""
    if words[0] == "say" and reads_pictures(scene.kinds):
        # "Say what …" speaks to whom is asked.
        words = ["tell", *words[1:]]
    hits = sifted(hits_in(words, scene.tasks, nouns), words, clause, scene, before)
    asked = asked_in(clause)
    labels = labels_in(clause.text)
    if asked:
        direct = {name for name in hits if name in ASKED_TOO}
        if (
            clause.mood == "question"
            or not hits
            or set(hits) <= {"retrieval", *ASKED_TOO, "question-answering", "text-generation"}
        ):
            kept = asked_of(asked, labels, direct, words, scene, before)
            if kept == ["speech-to-text"] and IN_SHORT.search(clause.text):
                kept = ["speech-to-text", "summarisation"]
            rest = (
                {}
                if clause.mood == "question"
                else {n: h for n, h in hits.items() if n == "retrieval" or (n in PERCEIVING and n in before)}
            )
            hits = {**rest, **{name: hits.get(name, Hit(len(words), len(words), 1)) for name in kept}}
    elif "question-answering" in hits:
        kept = asked_of("", "", set(), words, scene, before)
        hits = {
            **{n: h for n, h in hits.items() if n != "question-answering"},
            **dict.fromkeys(kept, hits["question-answering"]),
        }
    either = bool(labels) and OR.search(clause.text) is not None
    if ", " in fields_in(clause.text) and not asked and not either and listed(clause, hits):
        hits.setdefault("extraction", Hit(len(words), len(words), 1))
    if labels and not hits and (either or PILES.search(clause.text)):
        hits["classification"] = Hit(0, 1, 1)
    language = target_language(clause.text, scene.description)
    places = {name: placed(hit.start, hits, words) for name, hit in hits.items()}
    if language and "translation" not in hits and clause.mood != "remark":
        places["translation"] = len(words) - 0.5
    return places


def listed(clause: Clause, hits: Mapping[str, Hit]) -> bool:
    """Whether a list of names in a clause is one of fields."""
    names = {
        bare_stem(word)
        for one in fields_in(clause.text).split(", ")
        for word in (one.split("_")[0], one.split("_")[-1])
    }
    if names & NOT_FIELDS or set(hits) & {
        "classification",
        "object-detection",
        "text-generation",
        "visual-description",
        "frame-extraction",
        "translation",
    }:
        return "extraction" in hits or ("classification" in hits and "as well as" in clause.text)
    return True


def sifted(
    hits: Mapping[str, Hit], words: Sequence[str], clause: Clause, scene: Scene, before: Mapping[str, Heard]
) -> dict[str, Hit]:
    """Hits of one stretch without those that only look like it."""
    kept = dict(hits)

    def after(name: str, many: int) -> set[str]:
        return set(words[kept[name].start + 1 : kept[name].start + 1 + many])

    def drop(*names: str) -> None:
        for name in names:
            kept.pop(name, None)

    if (
        "text-generation" in kept
        and len(kept) > 1
        and any(w.startswith(PRODUCTS) for w in after("text-generation", 4))
    ):
        drop("text-generation")
    if (
        "visual-description" in kept
        and "text-generation" in kept
        and kept["text-generation"].start >= kept["visual-description"].start
    ):
        # What pictures show is said by what sees them.
        drop("text-generation")
    if "text-generation" in kept:
        drop(*({"question-answering"} if kept["text-generation"].start == 0 else ()))
    if (
        "extraction" in kept
        and "mention" not in words
        and after("extraction", 2) & NOT_FIELDS
        and len(fields_in(clause.text).split(", ")) < 2
    ):
        drop("extraction")
    if "extraction" in kept and "ocr" in kept and len(fields_in(clause.text).split(", ")) < 2:
        # "Note every plate": reading it is noting it.
        drop("extraction")
    if (
        "extraction" in kept
        and "object-detection" in kept
        and not {"mention", "extract", "name"} & set(words)
    ):
        drop("extraction")
    if "ocr" in kept and "visual-description" in kept and words[kept["ocr"].start] != "read":
        # "a line of text on what can be seen"
        drop("ocr")
    if "object-detection" in kept and "ocr" in before and ", " in fields_in(clause.text):
        drop("object-detection")
    if "object-detection" in kept and "ocr" in kept and kept["ocr"].start <= kept["object-detection"].start:
        drop("object-detection")
    if "embedding" in kept:
        drop("retrieval")
    if "chunking" in kept:
        drop("retrieval", "extraction")
    if (
        "question-answering" in kept
        and "retrieval" in kept
        and kept["retrieval"].start < kept["question-answering"].start
    ):
        between = words[kept["retrieval"].start : kept["question-answering"].start]
        if {"that", "what", "which", "those"} & set(between):
            # "find the passages that answer the question" wants the passages.
            drop("question-answering")
    if (
        "scene-detection" in kept
        and "object-detection" in kept
        and words[kept["object-detection"].start] == "detect"
        and kept["scene-detection"].end - kept["object-detection"].start <= NEXT
    ):
        # "Detect the scenes" finds no things; "detect the cars in a frame of every scene" does.
        drop("object-detection")
    if {"frame-extraction", "scene-detection"} & set(kept) and scene.kinds >= {"video"}:
        drop("retrieval")
    if (
        "summarisation" in kept
        and "text-generation" in kept
        and words[kept["summarisation"].start] in {"in", "to"}
    ):
        drop("summarisation")
    return kept


NEXT = 4
"""Words from a verb to the end of what it is done to, where nothing lies between."""


def placed(at: int, hits: Mapping[str, Hit], words: Sequence[str]) -> float:
    """Where a hit counts in the order: "write a section from the summaries" needs the summaries first."""
    before = words[max(0, at - 3) : at]
    earlier = [hit.start for hit in hits.values() if hit.start < at]
    if earlier and SOURCE & set(before):
        return min(earlier) - 0.5
    return float(at)


def by_meaning(clause: str, tasks: Mapping[str, Task], encoder: Encoder, near: float = NEAR) -> str | None:
    """The task whose paraphrases lie nearest to a stretch, if near enough."""
    rows = [(name, text) for name, task in tasks.items() for text in task.examples]
    if not rows:
        return None
    vectors = encoder.encode([clause, *(text for _, text in rows)])
    scores = vectors[1:] @ vectors[0]
    best = int(scores.argmax())
    return rows[best][0] if float(scores[best]) >= near else None
