"""Writing: prompts for language models, and a check that what they wrote stands in the material.

A small model drifts. So a summary or an answer whose content words are not in the material is
replaced by the material's own best sentences. A model that somebody attached is asked whatever the material is;
what is given without asking it is told of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.agents.agent import Failed, Inputs, Option, Tokens
from murakkab_jupyter.agents.language.chat import (
    CHARACTERS_PER_TOKEN,
    OVERHEAD_TOKENS,
    Message,
    Reply,
    Request,
)
from murakkab_jupyter.agents.language.paths import PATHS
from murakkab_jupyter.agents.language.structured import ClassWriter, RecordWriter, TranslationWriter, parts_of
from murakkab_jupyter.agents.language.writer import Opener, Task, Writer
from murakkab_jupyter.agents.text.answering import NOTHING, Ranker, about_objects, answer_from, question_of
from murakkab_jupyter.agents.text.classify import LABELS
from murakkab_jupyter.agents.text.extract import FIELDS
from murakkab_jupyter.agents.text.extractive import pick, sections, within
from murakkab_jupyter.agents.text.material import Piece, evidence_of, label_of, named, pieces, seen_in
from murakkab_jupyter.agents.text.sentences import clean, content, coverage, split
from murakkab_jupyter.agents.text.vectors import WordLlamaStatic
from murakkab_jupyter.core.kinds import Answer, Boxes, Evidence, text_of

__all__ = [
    "TASKS",
    "AnswerWriter",
    "Opener",
    "SmallAnswerWriter",
    "SummaryWriter",
    "Task",
    "TextWriter",
    "Writer",
    "writer_of",
]

NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w'-]+")
GROUNDED = 0.7
"""Least share of a text's content words that must stand in the material."""
PASSAGES = 4
"""How many passages a very small model is given to answer from, and how many are evidence where the answer names none."""


LENGTH = Option("max_tokens", int, 200, help="Most tokens to write.", least=1)
TEMPERATURE = Option("temperature", float, 0.0, help="0 always writes the same.")
STANDING = Option(
    "grounded",
    bool,
    True,
    help="Give sentences of the material in place of what does not stand in it; false trusts the model: its words are "
    "taken as they are.",
)
TASKS: dict[str, Task] = {
    "text-generation": Task("", "Writes", (LENGTH, TEMPERATURE, PATHS)),
    "summarisation": Task(
        "-summary",
        "Summarises",
        (
            replace(LENGTH, default=96),
            Option("words", int, 0, help="Most words of the summary; 0 leaves it to max_tokens.", least=0),
            STANDING,
        ),
    ),
    "question-answering": Task(
        "-qa",
        "Answers",
        (replace(LENGTH, default=64), PATHS, STANDING),
        ("wordllama",),
        550_000_000,
    ),
    "classification": Task("-label", "Classifies", (LABELS, replace(LENGTH, default=32), PATHS)),
    "extraction": Task("-extract", "Extracts", (FIELDS, replace(LENGTH, default=256))),
    "translation": Task(
        "-translate",
        "Translates",
        (
            Option("language", str, "", help="The language to translate into."),
            Option("source", str, "", help="The language to translate from; found out when left out."),
            Option("max_tokens", int, 0, help="Most tokens of each part; by its length when 0.", least=0),
        ),
    ),
}


class TextWriter(Writer):
    """Writes what the step's body, or its sentence, says."""

    def call(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One text for each item."""
        return [self.told_of(reply) for reply in self.ask([self.request(inputs) for inputs in batch])]

    def request(self, inputs: Inputs) -> Request:
        """What to ask for one item."""
        given = listed(inputs.values.get("material"))
        instruction = (inputs.prompt or inputs.sentence or "Write about the material.").strip()
        if inputs.prompt is not None:
            # A body has its references filled in; what it does not mention still belongs to the step.
            given = [(name, text) for name, text in given if text not in inputs.prompt]
        tokens = int(self.options.get("max_tokens", LENGTH.default))
        temperature = float(self.options.get("temperature", 0.0))
        if not given:
            return Request((), ("", ""), (instruction,), tokens, temperature)
        frame = [f"{label_of(given[0][0])}:\n"]
        frame += [f"\n\n{label_of(name)}:\n" for name, _ in given[1:]]
        frame.append(f"\n\n{instruction}")
        return Request((), tuple(frame), tuple(text for _, text in given), tokens, temperature)


SUMMARY_LEAD = (
    {
        "role": "system",
        "content": "You rewrite notes as one or two plain sentences. You use only facts of the notes and keep names and numbers.",
    },
    {
        "role": "user",
        "content": "Said: So this is our new ferry, the Aurora. She runs on batteries alone and crosses the fjord in twenty minutes. Tickets cost four euros.",
    },
    {
        "role": "assistant",
        "content": "The new ferry Aurora runs on batteries alone and crosses the fjord in twenty minutes; tickets cost four euros.",
    },
)


BETWEEN = "\n- "
UNKNOWN_ROOM = 24_000
"""Characters that one request may hold where a model does not say what fits."""
ROUNDS = 6


NO_WORDS = "Some items brought no words to summarise: the model was not asked about them."


class SummaryWriter(Writer):
    """Keeps the list of what was seen; lets the model put what was said or written into a few sentences.

    Words that do not fit into one request are summarised part by part, and the parts' summaries together,
    as often as it takes (map and reduce).
    """

    def call(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One summary for each item; where there are no words to summarise, the model is not asked."""
        spent = Tokens()
        made: list[str | Failed | None] = [None] * len(batch)
        asked: list[int] = []
        requests: list[Request] = []
        brought: list[str] = []
        for index, inputs in enumerate(batch):
            words = worded(inputs.values.get("material"))
            if not words:
                self.said[NO_WORDS] = None
                made[index] = (
                    " ".join(sections(inputs.values.get("material"), 80)) or "There is nothing to summarise."
                )
                continue
            short = self.condensed(words, inputs)
            spent += self.last
            if isinstance(short, Failed):
                made[index] = short
                continue
            asked.append(index)
            brought.append(short)
            requests.append(self.request(short, inputs))
        self.last = Tokens()
        replies = self.ask(requests) if requests else []
        self.last = spent + self.last
        for index, words, reply in zip(asked, brought, replies, strict=True):
            made[index] = reply if isinstance(reply, Failed) else self.told(batch[index], words, reply)
        return [one if one is not None else Failed("Nothing was summarised.") for one in made]

    def request(self, words: str, inputs: Inputs) -> Request:
        """What to ask of some words."""
        lead: tuple[Message, ...] = SUMMARY_LEAD
        if inputs.prompt:
            lead = ({"role": "system", "content": inputs.prompt},)
        return Request(lead, ("Said: ", ""), (words,), self.most_tokens)

    @property
    def most_tokens(self) -> int:
        """Tokens to write: what is asked for in words, if that is more."""
        return max(int(self.options.get("max_tokens", 96)), 2 * int(self.options.get("words") or 0))

    def condensed(self, words: str, inputs: Inputs) -> str | Failed:
        """Words that fit into one request: themselves, or the summaries of their parts."""
        self.last = Tokens()
        spent = Tokens()
        context = self.chat.context_tokens
        room = UNKNOWN_ROOM
        if context is not None:
            fixed = self.request("", inputs).fixed
            room = int((context - self.most_tokens - OVERHEAD_TOKENS) * CHARACTERS_PER_TOKEN) - fixed
            room = max(room, 400)
        for _ in range(ROUNDS):
            if len(words) <= room:
                break
            # Parts of like length: a last part of two sentences would get as many words as the others.
            parts = parts_of(words.replace("\n", " "), max(400, len(words) // (len(words) // room + 1) + 200))
            replies = self.ask([self.request(part, inputs) for part in parts])
            spent += self.last
            failed = next((reply for reply in replies if isinstance(reply, Failed)), None)
            if failed is not None:
                self.last = spent
                return failed
            shorter = [
                self.standing(part, reply)
                for part, reply in zip(parts, replies, strict=True)
                if isinstance(reply, Reply)
            ]
            words = "\n".join(" ".join(sentences) for sentences in shorter)
        self.last = spent
        return words

    def standing(self, words: str, reply: Reply) -> list[str]:
        """The sentences of a reply, or the words' own best ones where a reply does not stand in them."""
        sentences = split(reply.text)
        self.cut_off = self.cut_off or not (sentences or reply.complete)
        if not reply.complete and len(sentences) > 1:
            sentences = sentences[:-1]
        checked = bool(self.options.get("grounded", True))
        stands = not checked or all(grounded(sentence, words, SUMMARY_LEAD) for sentence in sentences)
        if not sentences or not stands:
            self.extracted += 1
            sentences = pick(split(words), int(self.options.get("words") or 60))
        return list(dict.fromkeys(clean(sentence) for sentence in sentences))

    def told(self, inputs: Inputs, words: str, reply: Reply) -> str:
        """The summary of one item: what stands in the material of what the model wrote."""
        sentences = self.standing(words, reply)
        most = int(self.options.get("words") or 0)
        text = " ".join(within(sentences, most) if most else sentences)
        material = inputs.values.get("material")
        boxes = [part for _, value in pairs(material) for part in flat(value) if isinstance(part, Boxes)]
        if not boxes:
            return text
        objects = ", ".join(label if n == 1 else f"{n} x {label}" for label, n in seen_in(boxes).items())
        return f"Seen: {objects or 'nothing recognised'}. {text}"


ANSWER_LEAD = (
    {
        "role": "system",
        "content": "You answer the question in one short sentence from the notes. You use only the notes.",
    },
    {
        "role": "user",
        "content": "Notes:\n- The ferry Aurora runs on batteries alone.\n- She crosses the fjord in twenty minutes.\n- Tickets cost four euros.\n\nQuestion: How long does the ferry take?",
    },
    {"role": "assistant", "content": "The ferry crosses the fjord in twenty minutes."},
)
"""What a very small model is told; it would say that nothing answers wherever it is told that it may."""
ASKED_LEAD = (
    {
        "role": "system",
        "content": (
            "You answer the question in one short sentence from the notes, in their own words where you can. You use only "
            f"the notes. Where they do not answer it, you reply exactly: {NOTHING}"
        ),
    },
    *ANSWER_LEAD[1:],
)
NONE_SAID = re.compile(r"nothing in the (?:material|notes) answers[^.,;!?]*[.!]?", re.IGNORECASE)

UNASKED = (
    "Some questions were answered without the model, which is too small to be asked where no sentence of the material comes "
    "near, or where only the objects seen are asked for (grounded=false asks it all the same)."
)
NO_MATERIAL = "Some questions had no material to be answered from: the model was not asked."
NEAREST = (
    "Some material did not fit: the model was given the passages of it that come nearest to the question."
)
UNSUPPORTED = (
    f'Some answers of the model did not stand in the material, and no sentence of it came near the question: "{NOTHING}" is '
    "given instead (grounded=false takes the model's words as they are)."
)


class AnswerWriter(Writer):
    """Lets the model answer from the material; what the answer rests on is its evidence.

    The model reads all of the material, or where that does not fit the passages that come nearest to the question.
    """

    lead: tuple[Message, ...] = ASKED_LEAD

    def __init__(self, opener: Opener) -> None:
        super().__init__(opener)
        self.ranker: Ranker | None = None

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the model and the encoder."""
        super().load(options, cores)
        self.ranker = Ranker(WordLlamaStatic())

    def call(self, batch: Sequence[Inputs]) -> list[Answer | Failed]:
        """One answer for each item."""
        if self.ranker is None:
            self.load({}, 1)
        ranker = self.ranker
        assert ranker is not None
        made: list[Answer | Failed | None] = [None] * len(batch)
        asked: list[tuple[int, str, list[tuple[str, Piece]], list[Piece]]] = []
        requests: list[Request] = []
        for index, inputs in enumerate(batch):
            question = question_of(inputs)
            if isinstance(question, Failed):
                made[index] = question
                continue
            material = pieces(inputs, "context")
            if not material:
                self.said[NO_MATERIAL] = None
                made[index] = Answer(NOTHING)
                continue
            used = self.notes_for(question, material, ranker, inputs.prompt)
            if isinstance(used, Answer):
                made[index] = used
                continue
            asked.append((index, question, used, material))
            requests.append(self.request(question, [text for text, _ in used], inputs.prompt))
        replies = self.ask(requests) if requests else []
        if not requests:
            self.last = Tokens()
        for (index, question, used, material), reply in zip(asked, replies, strict=True):
            made[index] = (
                reply if isinstance(reply, Failed) else self.checked(question, used, material, reply, ranker)
            )
        return [one if one is not None else Answer(NOTHING) for one in made]

    @property
    def trusted(self) -> bool:
        """Whether the model's words are taken as they are, and it judges itself what the material says."""
        return not self.options.get("grounded", True)

    def notes_for(
        self, question: str, material: Sequence[Piece], ranker: Ranker, prompt: str | None
    ) -> list[tuple[str, Piece]] | Answer:
        """What the model reads, in order: all of the material, or as much of it as fits, nearest to the question first."""
        everything: dict[str, Piece] = {}
        for piece in material:
            everything.setdefault(noted(piece), piece)
        room = self.room(question, prompt)
        # Where the step wants what does not fit to fail, the model is given all of it and says so.
        if sum(len(text) + len(BETWEEN) for text in everything) <= room or self.chat.too_long == "fail":
            return list(everything.items())
        self.said[NEAREST] = None
        left = room
        kept: dict[str, tuple[int, Piece]] = {}
        for one in ranker.rank(question, material):
            text = noted(one.piece)
            if len(text) > room:
                text = one.text
            if text in kept or (kept and left < len(text)):
                continue
            kept[text] = one.position, one.piece
            left -= len(text) + len(BETWEEN)
        return [
            (text, piece) for text, (_, piece) in sorted(kept.items(), key=lambda pair: pair[1][0])
        ] or list(everything.items())

    def room(self, question: str, prompt: str | None) -> int:
        """Characters of material that fit into one request."""
        context = self.chat.context_tokens
        if context is None:
            return UNKNOWN_ROOM
        tokens = context - int(self.options.get("max_tokens", 64)) - OVERHEAD_TOKENS
        return int(tokens * CHARACTERS_PER_TOKEN) - self.request(question, [""], prompt).fixed

    def request(self, question: str, notes: Sequence[str], prompt: str | None) -> Request:
        """What to ask for one question."""
        frame = ["Notes:\n- ", *([BETWEEN] * (len(notes) - 1)), f"\n\nQuestion: {question}"]
        lead = self.lead if not prompt else ({"role": "system", "content": prompt},)
        return Request(lead, tuple(frame), tuple(notes), int(self.options.get("max_tokens", 64)))

    def checked(
        self,
        question: str,
        used: Sequence[tuple[str, Piece]],
        material: Sequence[Piece],
        reply: Reply,
        ranker: Ranker,
    ) -> Answer:
        """The answer, if it stands in the passages; else the best sentence itself."""
        notes = " ".join(text for text, _ in used)
        known = f"{notes} {question}"
        text = reply.text.strip()
        new = set(content(text)) - set(content(question))
        self.cut_off = self.cut_off or not reply.complete
        if NONE_SAID.fullmatch(text):
            return Answer(NOTHING)
        stands = self.trusted or (
            grounded(text, known, ANSWER_LEAD) and bool(new & set(content(notes)) or yes_or_no(text))
        )
        if not text or not stands:
            found = answer_from(question, material, ranker, 1)
            if found.text == NOTHING:
                self.said[UNSUPPORTED] = None
            else:
                self.extracted += 1
            return found
        return Answer(text, tuple(dict.fromkeys(cited(question, text, used, ranker))))


class SmallAnswerWriter(AnswerWriter):
    """For a very small model: it answers from the few nearest sentences, and is not asked where none comes near."""

    lead = ANSWER_LEAD

    def notes_for(
        self, question: str, material: Sequence[Piece], ranker: Ranker, prompt: str | None
    ) -> list[tuple[str, Piece]] | Answer:
        """The few nearest sentences, in order; or the answer where the model is not asked."""
        if self.trusted:
            return super().notes_for(question, material, ranker, prompt)
        found = ranker.rank(question, material)
        if about_objects(question) or not ranker.answers(question, found):
            self.said[UNASKED] = None
            return answer_from(question, material, ranker, 2)
        near: dict[str, Piece] = {}
        for one in found:
            if len(near) < PASSAGES and one.score >= 0.35 * found[0].score:
                near.setdefault(one.text, one.piece)
        order = {one.text: one.position for one in reversed(found)}
        return sorted(near.items(), key=lambda pair: order[pair[0]])


def noted(piece: Piece) -> str:
    """A piece as a note for the model: of a bare list of objects, what it is."""
    return f"Seen: {piece.text}." if piece.sort == "seen" else piece.text


def cited(question: str, text: str, used: Sequence[tuple[str, Piece]], ranker: Ranker) -> list[Evidence]:
    """Sentences that share content with an answer; those nearest to question and answer where none does."""
    words = set(content(text))
    rows = [(sentence, piece) for note, piece in used for sentence in split(note)]
    shared = [len(words & set(content(sentence))) for sentence, _ in rows]
    most = sorted((n for n in range(len(rows)) if shared[n] >= 2), key=lambda n: -shared[n])[:PASSAGES]
    chosen = [rows[n] for n in sorted(most)]
    if not chosen:
        near = ranker.rank(f"{question} {text}", [replace(piece, text=note) for note, piece in used])
        chosen = [(one.text, one.piece) for one in sorted(near[:PASSAGES], key=lambda one: one.position)]
    return [evidence_of(piece, sentence) for sentence, piece in chosen]


def grounded(text: str, known: str, lead: Sequence[Message]) -> bool:
    """Whether a text stands in what is known: most of its words do, all of its numbers and names, none from the examples."""
    words = set(content(known))
    examples = {word for message in lead[1:] for word in content(message["content"])}
    names = set(content(" ".join(NAME.findall(text))))
    return (
        coverage(text, known) >= GROUNDED
        and numbers(text) <= numbers(known)
        and names <= words
        and not (set(content(text)) & examples) - words
    )


def yes_or_no(text: str) -> bool:
    return text.lower().startswith(("yes", "no"))


def numbers(text: str) -> set[str]:
    """Numbers written in digits; a text may hold no others than its material."""
    return {number.replace(",", "") for number in re.findall(r"\d+(?:[.,:]\d+)*", text)}


def pairs(material: Any) -> list[tuple[str, Any]]:
    if material is None:
        return []
    return list(material) if named(material) else [("material", material)]


def flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def listed(material: Any) -> list[tuple[str, str]]:
    """`(name, text)` of every input that has words; pictures' objects are put together."""
    found = []
    for name, value in pairs(material):
        parts = flat(value)
        if parts and all(isinstance(part, Boxes) for part in parts):
            text = ", ".join(label if n == 1 else f"{n} x {label}" for label, n in seen_in(parts).items())
        else:
            text = "\n".join(filter(None, (text_of(part) for part in parts)))
        if text:
            found.append((name, text))
    return found


def worded(material: Any) -> str:
    """Everything but objects, in words."""
    return " ".join(
        text_of(part) for _, value in pairs(material) for part in flat(value) if not isinstance(part, Boxes)
    ).strip()


WRITERS: dict[str, type[Writer]] = {
    "text-generation": TextWriter,
    "summarisation": SummaryWriter,
    "question-answering": AnswerWriter,
    "classification": ClassWriter,
    "extraction": RecordWriter,
    "translation": TranslationWriter,
}


def writer_of(capability: str, opener: Opener) -> Writer:
    """The agent of a capability over a model."""
    return WRITERS[capability](opener)
