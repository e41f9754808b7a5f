"""Chunking: long texts to passages that know where they stand (file, page, section, time)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Option, Tokens
from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.sentences import split, unwrapped
from murakkab_jupyter.core.kinds import Measure, Origin, Passage, Transcript, count_tokens, origin_of, text_of

__all__ = ["CHUNKING", "FixedChunks", "SectionChunks", "register", "sections_of"]

VERSION = "1"
DEFAULT_WORDS = 120
TOKENS_PER_WORD = 1.5
HEADING = re.compile(r"#{1,6}\s+(\S.*)")
UNDERLINED = re.compile(r"^(?! )(\S[^\n]{0,120})\n([=*~^-])\2{2,}[ \t]*$", re.MULTILINE)
"""A heading as reStructuredText and old Markdown write it."""
PAGE = "\f"

LONG = frozenset({"document", "text", "transcript", "answer"})


def passages(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    words = float(options.get("words", DEFAULT_WORDS) or DEFAULT_WORDS)
    tokens = inputs.get("document", {}).get("tokens", 0.0)
    count = max(1.0, round(tokens / (TOKENS_PER_WORD * words)))
    return Yield(count, {"tokens": tokens / count, "count": 1.0})


CHUNKING = Capability(
    name="chunking",
    summary="Cut a long text into passages that know their page or section.",
    ports=(Port("document", LONG),),
    output="passage",
    opens=True,
    patterns=(
        "(split|cut|divide|break) [each|all] {document} into (passages|chunks|paragraphs|sections|pieces)",
        "chunk [each|all] {document}",
    ),
    unit="tokens",
    work=lambda inputs, options: inputs.get("document", {}).get("tokens", 0.0),
    yields=passages,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text under one heading, on one page or between two times."""

    text: str
    origin: Origin | None = None


def sections_of(text: str) -> Iterator[tuple[str, str]]:
    """`(place, text)` of each page and section of a document: `page 3`, `Methods`, `page 3, Methods`."""
    paged = PAGE in text
    heading = ""
    for number, page in enumerate(UNDERLINED.sub(r"# \1", text).split(PAGE), 1):
        lines: list[str] = []
        for line in [*page.split("\n"), None]:
            found = HEADING.match(line) if line is not None else None
            if line is None or found:
                body = "\n".join(lines).strip()
                if body:
                    yield ", ".join(filter(None, (f"page {number}" if paged else "", heading))), body
                lines = []
            if found:
                heading = found[1].strip().strip('#*"` ')
            elif line is not None:
                lines.append(line)


def parts_of(value: Any, origin: Origin | None) -> Iterator[Part]:
    """The parts of a value: segments of a transcript with their times, pages and sections of anything else."""
    if isinstance(value, Transcript):
        for segment in value.segments:
            times = replace(origin, start_s=segment.start_s, end_s=segment.end_s) if origin else None
            yield Part(segment.text.strip(), times)
        return
    for place, text in sections_of(text_of(value)):
        yield Part(
            text, replace(origin, place=place) if origin else Origin("", place=place) if place else None
        )


def joined(parts: Sequence[Part]) -> Passage:
    """Parts as one passage, from where the first begins to where the last ends."""
    first, last = parts[0].origin, parts[-1].origin
    origin = first
    if first is not None and last is not None and last.end_s is not None:
        origin = replace(first, end_s=last.end_s)
    return Passage(" ".join(part.text for part in parts if part.text).strip(), 0.0, origin)


class SectionChunks(Agent):
    """Passages that end where sentences end, and never span two sections or pages."""

    def __init__(self) -> None:
        self.words = DEFAULT_WORDS
        self.last = Tokens()

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Nothing to load."""
        self.words = max(5, int(options.get("words") or DEFAULT_WORDS))

    def tokens(self) -> Tokens:
        """A count by length (four characters each): no tokenizer is involved."""
        return self.last

    def call(self, batch: Sequence[Inputs]) -> list[list[Passage] | Failed]:
        """The passages of each item, in order; none where there are no words."""
        made: list[list[Passage] | Failed] = []
        read = 0.0
        for inputs in batch:
            value = inputs.values.get("document")
            read += count_tokens(text_of(value))
            origin = origin_of(value) or inputs.origin("document")
            made.append([one for one in self.cut(list(parts_of(value, origin))) if one.text])
        self.last = Tokens(round(read), 0)
        return made

    def cut(self, parts: Sequence[Part]) -> Iterator[Passage]:
        """Parts as passages of at most so many words (a longer sentence stays whole)."""
        waiting: list[Part] = []
        size = 0
        for part in parts:
            timed = part.origin is not None and part.origin.start_s is not None
            place = part.origin.place if part.origin else ""
            before = waiting[-1].origin.place if waiting and waiting[-1].origin else ""
            if waiting and not timed and place != before:
                yield joined(waiting)
                waiting, size = [], 0
            for sentence in [part.text] if timed else split(unwrapped(part.text)):
                words = len(sentence.split())
                if waiting and size + words > self.words:
                    yield joined(waiting)
                    waiting, size = [], 0
                waiting.append(Part(sentence, part.origin))
                size += words
        if waiting:
            yield joined(waiting)


class FixedChunks(SectionChunks):
    """Passages of a fixed number of words, each beginning a quarter before the last one ended."""

    def cut(self, parts: Sequence[Part]) -> Iterator[Passage]:
        """Windows over all words, wherever sentences and sections end."""
        words = [Part(word, part.origin) for part in parts for word in part.text.split()]
        step = max(1, self.words - self.words // 4)
        for start in range(0, len(words), step):
            yield joined(words[start : start + self.words])
            if start + self.words >= len(words):
                return


WORDS = Option("words", int, DEFAULT_WORDS, help="Most words of a passage.", least=1)


def register(library: Library) -> None:
    """Register the capability and its agents."""
    library.add_capability(CHUNKING)
    by_section = AgentSpec(
        name="section-chunks",
        version=VERSION,
        capability="chunking",
        summary="Passages of whole sentences that stay within one section and page.",
        factory="murakkab_jupyter.agents.text.chunking:SectionChunks",
        options=(WORDS,),
        max_batch=64,
    )
    library.add_agent(by_section)
    library.add_agent(
        replace(
            by_section,
            name="fixed-chunks",
            summary="Passages of a fixed number of words that overlap by a quarter.",
            factory="murakkab_jupyter.agents.text.chunking:FixedChunks",
            fixture="Found no more answers (benchmarks/text_work.py), makes a third more passages, and cites places "
            "that span sections: pin it for texts without sentences.",
        )
    )
