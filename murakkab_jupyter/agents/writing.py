"""Writing: prompts for language models, and a check that what they wrote stands in the material.

A small model drifts. So a summary or an answer whose content words are not in the material is
replaced by the material's own best sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.agent import Agent, Failed, Inputs, Option, Tokens
from murakkab_jupyter.agents.answering import NOTHING, Ranker, about_objects, answer_from, question_of
from murakkab_jupyter.agents.chat import Chat, Message, Reply, Request, total
from murakkab_jupyter.agents.extractive import pick, sections
from murakkab_jupyter.agents.material import Piece, evidence_of, label_of, named, pieces, seen_in
from murakkab_jupyter.agents.paths import PATHS, Similar, agreed, similarities, spread
from murakkab_jupyter.agents.sentences import clean, content, coverage, split
from murakkab_jupyter.agents.vectors import WordLlamaStatic
from murakkab_jupyter.core.kinds import Answer, Boxes, Evidence, text_of

__all__ = ["TASKS", "AnswerWriter", "Opener", "SummaryWriter", "Task", "TextWriter", "Writer", "writer_of"]

Opener = Callable[[Mapping[str, Any], int], Chat]
"""`opener(options, cores)` loads a model."""

NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w'-]+")
GROUNDED = 0.7
"""Least share of a text's content words that must stand in the material."""
PASSAGES = 4
"""How many passages a model is given to answer from."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a language model can do for a step: the suffix of the agents' names, options, and needs beyond the model."""

    suffix: str
    summary: str
    options: tuple[Option, ...]
    modules: tuple[str, ...] = ()
    memory_bytes: int = 450_000_000


LENGTH = Option("max_tokens", int, 200, help="Most tokens to write.")
TEMPERATURE = Option("temperature", float, 0.0, help="0 always writes the same.")
TASKS: dict[str, Task] = {
    "text-generation": Task("", "Writes", (LENGTH, TEMPERATURE, PATHS)),
    "summarisation": Task("-summary", "Summarises", (Option("max_tokens", int, 96, help=LENGTH.help),)),
    "question-answering": Task(
        "-qa",
        "Answers",
        (Option("max_tokens", int, 64, help=LENGTH.help), PATHS),
        ("wordllama",),
        550_000_000,
    ),
}


class Writer(Agent):
    """What the agents with a language model share."""

    def __init__(self, opener: Opener) -> None:
        self.opener = opener
        self.options: Mapping[str, Any] = {}
        self.model: Chat | None = None
        self.last = Tokens()
        self.before: Tokens | None = None
        self.similar: Similar | None = None
        self.extracted = 0
        """Texts that did not stand in the material, and were replaced by sentences of it."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the model."""
        self.options = dict(options)
        self.model = self.opener(options, cores)

    @property
    def chat(self) -> Chat:
        """The model, loaded now if it was not."""
        if self.model is None:
            self.load({}, 1)
        assert self.model is not None
        return self.model

    @property
    def shortened(self) -> int:
        """Requests whose material had to be shortened, since loading."""
        return 0 if self.model is None else self.model.shortened

    def tokens(self) -> Tokens:
        """As the model counted them."""
        return self.last

    def tokens_so_far(self) -> Tokens | None:
        """As the model counts them while it writes."""
        before, now = self.before, None if self.model is None else self.model.spent()
        return None if before is None or now is None else now - before

    def notes(self) -> Sequence[str]:
        """What the model has to say beside its texts, each thing once."""
        return [] if self.model is None else list(self.model.notes)

    def close(self) -> None:
        """Let go of the model."""
        if self.model is not None:
            self.model.close()
            self.model = None

    def ask(self, requests: Sequence[Request]) -> list[Reply | Failed]:
        """Ask the model, by several paths where that is asked for, and keep count."""
        paths = max(1, int(self.options.get("paths", 1)))
        self.before = before = self.chat.spent()
        try:
            replies = self.chat.complete(spread(requests, paths))
        finally:
            after = self.chat.spent()
            if before is not None and after is not None:
                self.last = after - before
            self.before = None
        if before is None:
            self.last = total(replies)
        if paths == 1:
            return replies
        if self.similar is None:
            self.similar = similarities()
        return [agreed(replies[n : n + paths], self.similar) for n in range(0, len(replies), paths)]


class TextWriter(Writer):
    """Writes what the step's body, or its sentence, says."""

    def call(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One text for each item."""
        replies = self.ask([self.request(inputs) for inputs in batch])
        return [
            reply if isinstance(reply, Failed) else reply.text or Failed("The model wrote nothing.")
            for reply in replies
        ]

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


class SummaryWriter(Writer):
    """Keeps the list of what was seen; lets the model put what was said or written into one or two sentences."""

    def call(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One summary for each item; where there are no words to summarise, the model is not asked."""
        asked: list[int] = []
        requests: list[Request] = []
        for index, inputs in enumerate(batch):
            words = worded(inputs.values.get("material"))
            if words:
                asked.append(index)
                tokens = int(self.options.get("max_tokens", 96))
                lead: tuple[Message, ...] = SUMMARY_LEAD
                if inputs.prompt:
                    lead = ({"role": "system", "content": inputs.prompt},)
                requests.append(Request(lead, ("Said: ", ""), (words,), tokens))
        replies = dict(zip(asked, self.ask(requests), strict=True)) if requests else {}
        if not requests:
            self.last = Tokens()
        return [self.told(inputs, replies.get(index)) for index, inputs in enumerate(batch)]

    def told(self, inputs: Inputs, reply: Reply | Failed | None) -> str | Failed:
        """The summary of one item: what stands in the material of what the model wrote."""
        material = inputs.values.get("material")
        if reply is None:
            return " ".join(sections(material, 80)) or "There is nothing to summarise."
        if isinstance(reply, Failed):
            return reply
        words = worded(material)
        sentences = split(reply.text)
        if not reply.complete and len(sentences) > 1:
            sentences = sentences[:-1]
        if not sentences or not all(grounded(sentence, words, SUMMARY_LEAD) for sentence in sentences):
            self.extracted += 1
            sentences = pick(split(words), 60)
        text = " ".join(dict.fromkeys(clean(sentence) for sentence in sentences))
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


class AnswerWriter(Writer):
    """Finds the passages nearest to the question and lets the model answer from them; they are its evidence."""

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
            if about_objects(question):
                # A list that the material already holds needs no model.
                made[index] = answer_from(question, material, ranker, 2)
                continue
            found = ranker.rank(question, material)
            if not ranker.answers(question, found):
                made[index] = answer_from(question, material, ranker, 2)
                continue
            near: dict[str, Piece] = {}
            for one in found:
                if len(near) < PASSAGES and one.score >= 0.35 * found[0].score:
                    near.setdefault(one.text, one.piece)
            order = {one.text: one.position for one in reversed(found)}
            used = sorted(near.items(), key=lambda pair: order[pair[0]])
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

    def request(self, question: str, notes: Sequence[str], prompt: str | None) -> Request:
        """What to ask for one question."""
        frame = ["Notes:\n- ", *(["\n- "] * (len(notes) - 1)), f"\n\nQuestion: {question}"]
        lead = ANSWER_LEAD if not prompt else ({"role": "system", "content": prompt},)
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
        if (
            not text
            or not grounded(text, known, ANSWER_LEAD)
            or not (new & set(content(notes)) or yes_or_no(text))
        ):
            self.extracted += 1
            return answer_from(question, material, ranker, 1)
        return Answer(text, tuple(dict.fromkeys(cited(text, used))))


def cited(text: str, used: Sequence[tuple[str, Piece]]) -> list[Evidence]:
    """Passages that share content with an answer; all that were given where none does."""
    words = set(content(text))
    chosen = [
        (sentence, piece) for sentence, piece in used if len(words & set(content(sentence))) >= 2
    ] or list(used)
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
}


def writer_of(capability: str, opener: Opener) -> Writer:
    """The agent of a capability over a model."""
    return WRITERS[capability](opener)
