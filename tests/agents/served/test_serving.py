"""Agents of a served model. The server is a fake that keeps to the protocol, over real HTTP."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.agents.language.writing import TASKS
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.serving import EndpointWriter, register_openai
from murakkab_jupyter.agents.text.capabilities import register as register_text
from murakkab_jupyter.agents.text.retrieval import register as register_retrieval
from murakkab_jupyter.core.errors import AgentError
from tests.agents.served.fake_openai import FakeServer, fake_server

SECRET = "sk-very-secret-0123456789"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as fake:
        yield fake


def test_specs_and_pickles_hold_no_key(server, monkeypatch):
    monkeypatch.setenv("MURAKKAB_API_KEY", SECRET)
    library = Library()
    register_text(library)
    register_retrieval(library)
    specs = register_openai(server.url, "fake-model", library=library)
    assert [spec.name for spec in specs] == [f"fake-model{task.suffix}" for task in TASKS.values()]
    assert SECRET.encode() not in pickle.dumps(specs)
    assert SECRET not in repr(specs)
    assert all(spec.remote for spec in specs)


def test_a_step_is_written_by_the_served_model(server):
    agent = EndpointWriter("text-generation", Endpoint(server.url, "fake-model"))()
    agent.load({"max_tokens": 32, "temperature": 0.0}, 1)
    item = Inputs((), {"material": [("notes", "Rain tomorrow.")]}, sentence="Write a warning from notes")
    (text,) = agent.call([item])
    assert "Rain tomorrow." in text
    assert "Write a warning" in text
    assert server.asked[-1]["temperature"] == 0
    assert agent.tokens().written == 5


def test_a_body_is_the_prompt(server):
    agent = EndpointWriter("text-generation", Endpoint(server.url, "fake-model"))()
    agent.load({}, 1)
    item = Inputs((), {"material": [("notes", "Rain.")]}, prompt="Translate: Rain.", sentence="Write notes")
    assert agent.call([item]) == ["heard: Translate: Rain."]


def test_no_server_named_says_what_to_pin():
    with pytest.raises(AgentError, match="url=") as caught:
        EndpointWriter("text-generation")().load({}, 1)
    assert "openai" in str(caught.value)
