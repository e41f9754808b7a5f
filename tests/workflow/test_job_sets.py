"""The sets of jobs that methods learn from and are judged on."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

from murakkab_jupyter.workflow.decompose import decompose

DATA = Path(__file__).parents[2] / "benchmarks" / "data" / "decompose"


def jobs(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]


def benchmark():
    spec = importlib.util.spec_from_file_location("decompose_benchmark", DATA.parents[1] / "decompose.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sets_for_judging_are_the_ones_that_were_committed():
    for name in ("held", "strangers"):
        assert hashlib.sha256((DATA / f"{name}.jsonl").read_bytes()).hexdigest() == benchmark().SETS[name]


def test_the_set_is_as_large_and_as_free_of_capability_words_as_it_says(library):
    held, development = jobs("held"), jobs("development")
    assert len(held) + len(development) >= 60
    assert len({job["domain"] for job in [*held, *development]}) >= 6
    assert sum(job["free"] for job in held) * 3 >= len(held)
    names = {part for c in library.capabilities() for part in c.name.split("-")} - {"to", "python"}
    stop = {"text", "question"}  # also names of inputs
    roots = {re.sub(r"(?:ation|ion|al|ing)$", "", name) for name in names - stop}
    for job in held:
        if job["free"]:
            words = re.findall(r"\w+", str(job["description"]).lower())
            assert not [
                word for word in words for root in roots if word.startswith(root) and len(root) > 3
            ], job
        assert {one for edge in job["edges"] for one in edge} <= set(job["nodes"])
        assert set(job["nodes"]) <= {c.name for c in library.capabilities()}


@pytest.mark.media
@pytest.mark.parametrize(("name", "least"), [("development", 0.95), ("varied", 0.9), ("strangers", 0.9)])
def test_sets_that_methods_learn_from_are_understood(library, name, least):
    pytest.importorskip("wordllama")
    module = benchmark()
    right = proposed = gold = 0
    for job in module.jobs(name):
        values = module.values_of(job)
        draft = decompose(job["description"], library=library, values=values)
        nodes, _ = module.graph(draft.text, values, dict(draft.wants), library)
        right += len(nodes & set(job["nodes"]))
        proposed += len(nodes)
        gold += len(job["nodes"])
    assert 2 * right / (proposed + gold) >= least
