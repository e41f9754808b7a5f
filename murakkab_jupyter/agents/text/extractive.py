"""Extractive agents: they say only what the material says, without a language model and without weights.

A summary is a template over what was seen, and the sentences of what was said that matter most
(LexRank), in their order and in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Option, Tokens
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.material import label_of, named, seen_in
from murakkab_jupyter.agents.text.sentences import central, clean, split, unwrapped
from murakkab_jupyter.core.kinds import Boxes, Transcript, count_tokens, text_of

__all__ = ["ExtractiveSummary", "ExtractiveText", "pick", "register", "sections", "within"]

VERSION = "2"
TOGETHER = 160
"""Sentences that are compared with each other at once."""
HEADING = re.compile(r"#{1,6}\s+")
Score = Callable[[Sequence[str]], Sequence[float]]
"""How central each sentence is to the others."""


def within(sentences: Sequence[str], words: int) -> list[str]:
    """The first sentences that fit into so many words; at least one, cut where it alone is longer."""
    kept: list[str] = []
    left = words
    for sentence in sentences:
        size = len(sentence.split())
        if size > left:
            break
        kept.append(sentence)
        left -= size
    return kept or [" ".join(sentence.split()[:words]) + " …" for sentence in sentences[:1]]


def pick(sentences: Sequence[str], words: int, score: Score = central) -> list[str]:
    """The most central sentences that fit into so many words, in their order; at least one, none twice.

    Of more than `TOGETHER` sentences, parts are shortened first, then what is left of them (map and reduce):
    comparing all with all would cost the square of their number.
    """
    kept = list(dict.fromkeys(sentences))
    if sum(len(sentence.split()) for sentence in kept) <= words:
        return kept
    while len(kept) > TOGETHER:
        parts = -(-len(kept) // TOGETHER)
        size = -(-len(kept) // parts)
        half = max(1, size // 2)
        shorter: list[str] = []
        for start in range(0, len(kept), size):
            part = kept[start : start + size]
            scores = score(part)
            best = sorted(range(len(part)), key=lambda index: (-scores[index], index))[:half]
            shorter += [part[index] for index in sorted(best)]
        kept = shorter
    scores = score(kept)
    chosen: list[int] = []
    left = words
    for index in sorted(range(len(kept)), key=lambda index: (-scores[index], index)):
        size = len(kept[index].split())
        if size <= left or not chosen:
            chosen.append(index)
            left -= size
        if left <= 0:
            break
    return [kept[index] for index in sorted(chosen)]


def sections(material: Any, words: int, score: Score = central) -> list[str]:
    """A template over `(name, value)` pairs: what was seen, what was said, and the rest under its own name."""
    pairs = material if named(material) else [("material", material)]
    seen: list[Boxes] = []
    looked = False
    spoken: list[Transcript] = []
    rest: list[tuple[str, list[str]]] = []
    for name, value in pairs:
        parts = list(value) if isinstance(value, list | tuple) else [value]
        looked = looked or (any(isinstance(p, Boxes) for p in parts))
        seen += [part for part in parts if isinstance(part, Boxes)]
        spoken += [part for part in parts if isinstance(part, Transcript)]
        others = [part for part in parts if not isinstance(part, Boxes | Transcript)]
        texts = [sentence for part in others for sentence in split(unwrapped(text_of(part)))]
        # A line of signs alone (the underline of a heading) says nothing.
        texts = [sentence for sentence in texts if any(sign.isalnum() for sign in sentence)]
        # A heading is no sentence, and stands only where there is nothing below it.
        texts = [one for one in texts if not HEADING.match(one)] or [HEADING.sub("", one) for one in texts]
        if texts:
            rest.append((name, texts))
    said = [sentence for transcript in spoken for sentence in split(transcript.text)]
    share = max(12, words // max(1, bool(said) + len(rest)))
    lines: list[str] = []
    if looked:
        counts = seen_in(seen)
        objects = ", ".join(label if n == 1 else f"{n} x {label}" for label, n in counts.items())
        lines.append(f"Seen: {objects or 'nothing recognised'}.")
    if said:
        lines.append(f"Said: “{' '.join(clean(sentence) for sentence in pick(said, share, score))}”")
    elif spoken:
        notes = ", ".join(dict.fromkeys(transcript.note for transcript in spoken if transcript.note))
        lines.append(f"Nothing is said ({notes})." if notes else "Nothing is said.")
    alone = not lines and len(rest) == 1
    for name, texts in rest:
        kept = " ".join(pick(texts, share, score))
        lines.append(kept if alone else f"{label_of(name)}: {kept}")
    return lines


def words_of(material: Any) -> str:
    return text_of([value for _, value in material] if named(material) else material)


class Extractive(Agent):
    """What the extractive agents share."""

    def __init__(self) -> None:
        self.words = 80
        self.last = Tokens()

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Nothing to load."""
        self.words = int(options.get("words", 80))

    def tokens(self) -> Tokens:
        """A count by length (four characters each): no tokenizer is involved."""
        return self.last

    def call(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One text for each item."""
        made = [self.one(inputs) for inputs in batch]
        read = sum(count_tokens(words_of(inputs.values.get("material"))) for inputs in batch)
        written = sum(count_tokens(text) for text in made if isinstance(text, str))
        self.last = Tokens(round(read), round(written))
        return made

    def one(self, inputs: Inputs) -> str | Failed:
        """The text of one item."""
        lines = sections(inputs.values.get("material"), self.words, self.score)
        return " ".join(lines) or "There is nothing to summarise."

    def score(self, sentences: Sequence[str]) -> Sequence[float]:
        """How much each sentence matters."""
        return central(sentences)


class ExtractiveSummary(Extractive):
    """What was seen, and the sentences that matter most of what was said or written."""


class LeadSummary(Extractive):
    """What was seen, and the first sentences of what was said or written."""

    def score(self, sentences: Sequence[str]) -> Sequence[float]:
        """The earlier the better."""
        return [-float(index) for index in range(len(sentences))]


class ExtractiveText(Extractive):
    """The same, for a text step: it can list and quote, not write freely."""

    def one(self, inputs: Inputs) -> str | Failed:
        """The text of one item."""
        lines = sections(inputs.values.get("material"), self.words)
        if not lines:
            return Failed(
                "extractive-text only quotes what a step brings, and this one brings nothing. "
                "Refer to an input, or pin a language model (@smollm2-135m)."
            )
        return " ".join(lines)


WORDS = Option("words", int, 80, help="How many words of the material to keep at most.", least=1)


def register(library: Library) -> None:
    """Register the agents of this module."""
    summary = AgentSpec(
        name="extractive-summary",
        version=VERSION,
        capability="summarisation",
        summary="Lists what was seen and quotes the sentences that matter most (LexRank); invents nothing.",
        factory="murakkab_jupyter.agents.text.extractive:ExtractiveSummary",
        options=(WORDS,),
        max_batch=64,
    )
    library.add_agent(summary)
    library.add_agent(
        replace(
            summary,
            name="lead-summary",
            summary="Lists what was seen and quotes the first sentences; nearly free, and misses what comes later.",
            factory="murakkab_jupyter.agents.text.extractive:LeadSummary",
        )
    )
    library.add_agent(
        AgentSpec(
            name="extractive-text",
            version=VERSION,
            capability="text-generation",
            summary="Lists and quotes the material, whatever the sentence asks for; it writes nothing of its own.",
            factory="murakkab_jupyter.agents.text.extractive:ExtractiveText",
            options=(WORDS,),
            max_batch=64,
            fixture="It did what its sentence says in 0 of 28 texts (benchmarks/text_quality.py): pin it to have the material quoted.",
        )
    )
