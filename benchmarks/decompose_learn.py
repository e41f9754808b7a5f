"""The weights of `murakkab_jupyter/workflow/decompose/learnt.py` from jobs: regularised logistic regression, by Newton's method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from murakkab_jupyter.workflow.decompose.cues import TASKS, Task
from murakkab_jupyter.workflow.decompose.draft import given
from murakkab_jupyter.workflow.decompose.learnt import CAPABILITIES, Learnt, Seen, seen

LEAST = 2
"""Jobs in which a word must occur to be a feature."""
PENALTY = 1.0
"""Of the squared weights; chosen with the others by leaving a set out."""
STEPS = 15


def seen_of(
    job: Mapping[str, Any], values: Mapping[str, Any], encoder: Any, tasks: Mapping[str, Task] = TASKS
) -> Seen:
    """What the model sees of a job of a set."""
    there = given(job["description"], values)
    return seen(job["description"], there.media, there.question, encoder, tasks)


def fitted(jobs: Sequence[Mapping[str, Any]], rows: Sequence[Seen]) -> Learnt:
    """The model that some jobs teach; in the dual, since there are fewer jobs than features."""
    counts = Counter(name for row in rows for name in row.words)
    names = {name: n for n, name in enumerate(sorted(name for name in counts if counts[name] >= LEAST))}
    words = np.zeros((len(rows), len(names)))
    for row, one in zip(words, rows, strict=True):
        for name, value in one.words.items():
            if name in names:
                row[names[name]] = value
    features = np.concatenate([words, np.array([one.dense for one in rows])], axis=1)
    gram = features @ features.T
    columns = []
    for capability in CAPABILITIES:
        wanted = np.array([capability in job["nodes"] for job in jobs], float)
        dual = np.zeros(len(jobs))
        for _ in range(STEPS):
            odds = gram @ dual
            chance = 1 / (1 + np.exp(-odds))
            weight = np.maximum(chance * (1 - chance), 1e-4)
            dual = np.linalg.solve(gram + PENALTY * np.diag(1 / weight), odds + (wanted - chance) / weight)
        columns.append(features.T @ dual)
    weights = np.array(columns).T
    return Learnt(names, weights[: len(names)], weights[len(names) :])


def save(model: Learnt, path: Path) -> None:
    """Write a model as `learnt` reads it: half precision, which changes no choice that is not a tie."""
    np.savez_compressed(
        path,
        names=np.array(list(model.names)),
        words=model.words.astype(np.float16),
        dense=model.dense.astype(np.float16),
    )
