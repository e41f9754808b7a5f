"""Agents of a served model. The server is a fake that keeps to the protocol, over real HTTP."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.language.writer import Writer
from murakkab_jupyter.agents.language.writing import TASKS
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.serving import EndpointWriter, register_openai
from murakkab_jupyter.agents.text.capabilities import register as register_text
from murakkab_jupyter.agents.text.retrieval import register as register_retrieval
from murakkab_jupyter.core.errors import AgentError
from tests.agents.served.fake_openai import FakeServer, fake_server, piece

SECRET = "sk-very-secret-0123456789"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as fake:
        yield fake


def test_specs_and_pickles_hold_no_key(server, monkeypatch):
    monkeypatch.setenv("THEIR_KEY", SECRET)
    library = Library()
    register_text(library)
    register_retrieval(library)
    specs = register_openai(server.url, "fake-model", key_env="THEIR_KEY", library=library)
    assert [spec.name for spec in specs] == [f"fake-model{task.suffix}" for task in TASKS.values()]
    assert SECRET.encode() not in pickle.dumps(specs)
    assert SECRET not in repr(specs)
    assert all(spec.remote for spec in specs)


@pytest.fixture
def opened(server) -> Iterator[Callable[..., Writer]]:
    """Loads agents of the server, and closes them at the end."""
    made: list[Writer] = []

    def loaded(options: dict[str, object], capability: str = "text-generation") -> Writer:
        agent = EndpointWriter(capability, Endpoint(server.url, "fake-model"))()
        agent.load(options, 1)
        made.append(agent)
        return agent

    yield loaded
    for agent in made:
        agent.close()


def test_a_step_is_written_by_the_served_model(server, opened):
    agent = opened({"max_tokens": 32, "temperature": 0.0})
    item = Inputs((), {"material": [("notes", "Rain tomorrow.")]}, sentence="Write a warning from notes")
    (text,) = agent.call([item])
    assert "Rain tomorrow." in text
    assert "Write a warning" in text
    assert server.asked[-1]["temperature"] == 0
    assert agent.tokens().written == 5


@pytest.mark.parametrize("too_long", ["shorten", "fail"])
def test_what_is_too_long_is_shortened_or_fails_as_the_step_says(server, opened, too_long):
    server.most_characters = 1600
    agent = opened({"too_long": too_long, "max_tokens": 64})
    (made,) = agent.call([Inputs((), {"material": [("notes", "word " * 900)]}, sentence="Write a note")])
    if too_long == "fail":
        assert isinstance(made, Failed)
        assert "does not fit into the model's context" in made.reason
    else:
        assert made.startswith("heard:")
        assert any("shortened" in note for note in agent.notes())


@pytest.mark.parametrize("capability", ["text-generation", "translation"])
@pytest.mark.parametrize(("finish", "said"), [("stop", "wrote nothing"), ("length", "max_tokens=N")])
def test_an_answer_of_nothing_fails_its_item_and_says_why(server, opened, capability, finish, said):
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 16}}
    server.script = [lambda handler, _: handler.stream(piece("", finish), usage, "[DONE]")]
    agent = opened({"language": "French"}, capability)
    empty, good = agent.call(
        [Inputs((), {"text": text, "material": [("n", text)]}, sentence="Write") for text in ("a", "b")]
    )
    empty, good = (empty, good) if isinstance(empty, Failed) else (good, empty)
    assert said in empty.reason or "cut off" in empty.reason
    assert good.startswith("heard:")


def test_a_body_is_the_prompt(server, opened):
    agent = opened({})
    item = Inputs((), {"material": [("notes", "Rain.")]}, prompt="Translate: Rain.", sentence="Write notes")
    assert agent.call([item]) == ["heard: Translate: Rain."]


def test_no_server_named_says_what_to_pin():
    with pytest.raises(AgentError, match="url=") as caught:
        EndpointWriter("text-generation")().load({}, 1)
    assert "openai" in str(caught.value)
