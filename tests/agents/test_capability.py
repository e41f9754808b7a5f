"""Capabilities of text: ports, kinds, work."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.capability import Port
from murakkab_jupyter.agents.functions.python import PYTHON
from murakkab_jupyter.agents.text.capabilities import SUMMARISATION, TEXT_GENERATION
from murakkab_jupyter.agents.text.retrieval import EMBEDDING, QUESTION_ANSWERING, RETRIEVAL


def test_a_port_of_any_takes_every_kind_and_any_fits_every_port():
    assert Port("x", frozenset({"any"})).accepts("boxes")
    assert Port("x", frozenset({"text"})).accepts("any")
    assert not Port("x", frozenset({"text"})).accepts("boxes")


@pytest.mark.parametrize(
    "capability", [SUMMARISATION, TEXT_GENERATION, EMBEDDING, RETRIEVAL, QUESTION_ANSWERING]
)
def test_work_grows_with_the_tokens_read(capability):
    port = capability.ports[0].name
    few = capability.work({port: {"tokens": 10.0}}, {})
    many = capability.work({port: {"tokens": 1000.0}}, {})
    assert many - few == 990


def test_retrieval_opens_a_level_of_top_k():
    assert RETRIEVAL.opens
    assert RETRIEVAL.yields({}, {"top_k": 3}).count == 3


def test_a_python_step_takes_anything():
    port = PYTHON.port("arguments")
    assert port.several
    assert port.optional
    assert port.accepts("video")
    assert PYTHON.port("other") is None
