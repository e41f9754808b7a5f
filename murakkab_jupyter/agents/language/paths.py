"""Several answers to one question, and the one that they agree on: the number of execution paths as a lever.

The first path is what the model would have said anyway; the others are sampled, each with a seed of its own, so that the
same question has the same paths. What most of them say wins; where no majority says the same, the one that lies
nearest to all the others (by word vectors, or by shared words where there are none).
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from murakkab_jupyter.agents.agent import Failed, Option
from murakkab_jupyter.agents.language.chat import Reply, Request
from murakkab_jupyter.agents.text.sentences import content
from murakkab_jupyter.agents.text.vectors import ENCODERS, Vectors

__all__ = ["PATHS", "Similar", "agreed", "similarities", "spread"]

PATHS = Option(
    "paths",
    int,
    1,
    (1, 3),
    lever=True,
    help="How many answers are sampled; what most of them say, or the most central one, is kept.",
)

SAMPLED = 0.7
"""Temperature of the further paths where none is stated."""

Similar = Callable[[Sequence[str]], Vectors]
"""Texts to a square of similarities."""


def spread(requests: Sequence[Request], paths: int) -> list[Request]:
    """Each request so many times, one after the other."""
    return [
        request
        if path == 0
        else replace(request, temperature=request.temperature or SAMPLED, seed=request.seed + path)
        for request in requests
        for path in range(paths)
    ]


def agreed(replies: Sequence[Reply | Failed], similar: Similar) -> Reply | Failed:
    """The reply that the paths of one request agree on; a failure only where all of them failed."""
    good = [reply for reply in replies if isinstance(reply, Reply) and reply.text]
    if len(good) < 2:
        return good[0] if good else replies[0]
    votes = Counter(" ".join(content(reply.text)) or reply.text for reply in good)
    said, count = votes.most_common(1)[0]
    if 2 * count > len(good):
        return next(r for r in good if (" ".join(content(r.text)) or r.text) == said)
    near = similar([reply.text for reply in good])
    # The first of equals: what the model would have said anyway.
    return good[int(np.argmax(np.round(near.sum(axis=1), 6)))]


def similarities() -> Similar:
    """By word vectors where they are installed, else by shared words."""
    if importlib.util.find_spec("wordllama") is None:
        return shared
    encoder = ENCODERS["wordllama"]()

    def similar(texts: Sequence[str]) -> Vectors:
        rows = encoder.encode(texts)
        found: Vectors = rows @ rows.T
        return found

    return similar


def shared(texts: Sequence[str]) -> Vectors:
    """Content words that two texts share, as a share of all that they have."""
    words = [set(content(text)) for text in texts]
    return np.array(
        [[len(a & b) / max(1, len(a | b)) for b in words] for a in words],
        dtype=np.float32,
    )
