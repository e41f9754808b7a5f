"""Stand-ins for a model that sees: objects, written words and what else is at hand, put into words.

They are named for what they do, nobody measured their quality, and they are planned only where nothing else can do the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.media.pictures import READING, read_frame
from murakkab_jupyter.agents.perception.ocr import RAPIDOCR, RapidOcrAgent
from murakkab_jupyter.agents.perception.vision import LEAST_SCORE, SSD_NEEDS, SsdDetector
from murakkab_jupyter.agents.served.watching import PICTURES_OPTION, Shown, shown_in
from murakkab_jupyter.agents.text.answering import Ranker, answer_from, question_of
from murakkab_jupyter.agents.text.material import Piece, pieces, seen_in
from murakkab_jupyter.agents.text.vectors import WordLlamaStatic
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.core.kinds import Answer, Boxes, Origin, text_of

__all__ = ["TagsAndTextAnswer", "TagsAndTextDescription", "register"]

VERSION = f"1+{READING}"
NOTHING = "Nothing is recognised."


class TagsAndText(Agent):
    """Objects by a detector, written words by OCR."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load both."""
        self.most = max(1, int(options.get("pictures", PICTURES_OPTION.default)))
        self.detector = SsdDetector()
        self.detector.load({"least_score": options.get("least_score", LEAST_SCORE.default)}, cores)
        self.reader = RapidOcrAgent()
        self.reader.load({"least_score": 0.5}, cores)

    def seen(self, inputs: Inputs) -> list[tuple[Shown, Boxes, str]] | Failed:
        """Of each picture its objects and its written words."""
        found, _ = shown_in(inputs, self.most)
        if not found:
            return Failed("There is no picture to look at.")
        made = []
        for one in found:
            try:
                pixels = read_frame(one.picture)
            except MurakkabError as error:
                return Failed(" ".join(error.lines()))
            lines = dict.fromkeys(line.strip() for line in self.reader.read(pixels) if line.strip())
            made.append((one, Boxes(tuple(self.detector.find(pixels))), ", ".join(lines)))
        return made


class TagsAndTextDescription(TagsAndText):
    """A line such as `Seen: 2 x person. Written: NEWS. Beside: what was said.`."""

    def call(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One description for each item."""
        return [self.one(inputs) for inputs in batch]

    def one(self, inputs: Inputs) -> str | Failed:
        """The description of one item."""
        found = self.seen(inputs)
        if isinstance(found, Failed):
            return found
        counts = seen_in([boxes for _, boxes, _ in found])
        objects = ", ".join(label if n == 1 else f"{n} x {label}" for label, n in counts.items())
        written = ", ".join(dict.fromkeys(words for _, _, words in found if words))
        beside = " ".join(piece.text for piece in pieces(inputs, "context") if piece.sort != "seen")
        told = (("Seen", objects), ("Written", written), ("Beside", beside))
        return " ".join(f"{name}: {words.rstrip('.')}." for name, words in told if words) or NOTHING


class TagsAndTextAnswer(TagsAndText):
    """The nearest of the objects, written words and other words to a question."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load all three."""
        super().load(options, cores)
        self.ranker = Ranker(WordLlamaStatic())

    def call(self, batch: Sequence[Inputs]) -> list[Answer | Failed]:
        """One answer for each item."""
        return [self.one(inputs) for inputs in batch]

    def one(self, inputs: Inputs) -> Answer | Failed:
        """The answer of one item."""
        question = question_of(inputs)
        if isinstance(question, Failed):
            return question
        found = self.seen(inputs)
        if isinstance(found, Failed):
            return found
        material: list[Piece] = []
        for shown, boxes, written in found:
            where = Origin(shown.evidence.source, shown.evidence.start_s, shown.evidence.end_s)
            if objects := text_of(boxes):
                material.append(Piece("objects", objects, where, "seen"))
            if written:
                material.append(Piece("written", written, where))
        return answer_from(question, [*material, *pieces(inputs, "context")], self.ranker, 1)


NEEDS = Needs(
    modules=tuple(dict.fromkeys((*SSD_NEEDS.modules, *RAPIDOCR.needs.modules))),
    weights=SSD_NEEDS.weights,
    memory_bytes=650_000_000,
)
WHY = (
    "no model that sees is known, so {name} stands in: objects, written words and what is said, not a description. "
    "Attach one that sees: murakkab engine attach URL."
)


def register(library: Library) -> None:
    """Register the agents of this module."""
    options: tuple[Option, ...] = (LEAST_SCORE, PICTURES_OPTION)
    for name, capability, words, made, modules in (
        (
            "tags-and-text",
            "visual-description",
            "Lists objects (SSD) and written words (RapidOCR), and repeats what is beside them: a stand-in for a model that sees.",
            "TagsAndTextDescription",
            (),
        ),
        (
            "tags-and-text-qa",
            "visual-question-answering",
            "Answers with the nearest of objects (SSD), written words (RapidOCR) and what is beside them: a stand-in.",
            "TagsAndTextAnswer",
            ("wordllama",),
        ),
    ):
        library.add_agent(
            AgentSpec(
                name=name,
                version=VERSION,
                capability=capability,
                summary=words,
                factory=f"murakkab_jupyter.agents.perception.stand_in:{made}",
                options=options,
                needs=Needs((*NEEDS.modules, *modules), NEEDS.weights, (), NEEDS.memory_bytes),
                max_cores=4,
                max_batch=16,
                stand_in=WHY.format(name=name),
            )
        )
