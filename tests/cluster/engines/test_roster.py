"""What a session knows of engines, and what its library has of them. Servers are stand-ins."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.cluster.engines.book import Book
from murakkab_jupyter.cluster.engines.entry import Entry
from murakkab_jupyter.cluster.engines.roster import Roster
from murakkab_jupyter.core.errors import UsageError
from tests.agents.served.fake_openai import Handler, error, fake_server
from tests.cluster.engines.parts import config, serving, unconnected


def test_an_attached_server_offers_agents_until_it_is_detached(roster, library) -> None:
    with serving() as server:
        entry = roster.attach(server.url, name="mine")
        assert entry.state == "attached"
        assert library.agent("mine").engine == "mine"
        assert library.agent("mine").url == server.url
        assert {"mine", "mine-summary", "mine-qa"} <= set(entry.agents)
        roster.detach("mine")
    assert not [agent for agent in library.agents() if agent.name.startswith("mine")]
    with pytest.raises(UsageError, match="no engine 'mine'"):
        roster.find("mine")


def test_an_address_without_v1_is_found_with_it(roster) -> None:
    with serving() as server:
        assert roster.attach(server.url.removesuffix("/v1")).endpoint.url == server.url


def test_an_address_without_v1_is_found_with_it_where_every_path_has_a_page(roster) -> None:
    with fake_server() as fake:
        fake.models_step = lambda handler, _: handler.answer(
            200, {"data": fake.models} if handler.path == "/v1/models" else b"<html></html>"
        )
        assert roster.attach(fake.url.removesuffix("/v1"), name="mine").endpoint.url == fake.url


def test_an_address_without_v1_is_found_with_it_where_the_server_is_starting(roster, monkeypatch) -> None:
    waits: list[float] = []
    clock = SimpleNamespace(sleep=waits.append, monotonic=time.monotonic)
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.ask.time", clock)
    with fake_server() as fake:
        starting = [error(503, "starting")]

        def answer(handler: Handler, body: dict[str, object]) -> None:
            if starting:
                starting.pop()(handler, body)
            elif handler.path == "/v1/models":
                handler.answer(200, {"data": fake.models})
            else:
                handler.answer(404, {"error": "no such page"})

        fake.models_step = answer
        assert roster.attach(fake.url.removesuffix("/v1")).endpoint.url == fake.url
    assert waits == [0.5]


def test_the_same_model_on_another_server_is_another_engine(roster) -> None:
    with serving() as one, serving() as other:
        names = [roster.attach(url).name for url in (one.url, other.url, one.url, other.url)]
    assert names == ["stand-in", "stand-in-2", "stand-in", "stand-in-2"]


def test_a_name_that_stood_for_another_server_is_taken_over_with_a_word(roster, library, tmp_path) -> None:
    with serving() as one, serving() as other:
        roster.attach(one.url, name="mine", keep=True)
        again = roster.attach(other.url, name="mine")
        assert again.found.notes[0] == f"mine was stand-in at {one.url} before: plans ask this one now."
        assert library.agent("mine").url == other.url
        assert other.url in (tmp_path / "engines.json").read_text()  # what was kept stays kept
        assert not any("before" in note for note in roster.attach(other.url, name="mine").found.notes)


def test_a_name_that_stood_for_another_model_of_the_server_is_taken_over_with_a_word(roster) -> None:
    with fake_server() as fake:
        fake.models = [{"id": "small"}, {"id": "large"}]
        roster.attach(fake.url, name="mine", model="small")
        again = roster.attach(fake.url, name="mine", model="large")
    assert again.found.notes[0] == f"mine was small at {fake.url} before: plans ask this one now."


@pytest.mark.parametrize("name", ["a b", "../x", "@x", "-x"])
def test_a_name_that_no_pin_can_say_is_refused(roster, name) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        roster.attach("http://127.0.0.1:9/v1", name=name)
    with pytest.raises(UsageError, match="cannot be called"):
        roster.know(config(name=name))


def test_an_engine_that_is_started_here_is_not_replaced_by_an_attached_one(roster) -> None:
    roster.know(config(name="ours"))
    with serving() as server, pytest.raises(UsageError, match="started here"):
        roster.attach(server.url, name="ours")
    assert roster.find("ours").state == "not started"


def test_an_agent_that_is_there_is_never_replaced(roster, library) -> None:
    library.add_agent(AgentSpec("stand-in", "1", "text-generation", "Another way.", "nowhere:Nothing"))
    with serving() as server:
        assert roster.attach(server.url).name == "stand-in-served"
        with pytest.raises(UsageError, match="There is an agent stand-in already"):
            roster.attach(server.url, name="stand-in")
    with pytest.raises(UsageError, match="There is an agent stand-in already"):
        roster.know(config())
    assert [roster.untaken(name) for name in ("stand-in", "other")] == ["stand-in-served", "other"]
    assert library.agent("stand-in").version == "1"


def test_what_was_attached_is_not_ours_to_stop(roster) -> None:
    with serving() as server:
        roster.attach(server.url, name="mine")
        with pytest.raises(UsageError, match="not ours to stop"):
            roster.stop("mine")


def test_two_models_of_one_server_do_chat_and_vectors_under_one_name_also_in_the_next_session(
    roster, library, tmp_path
) -> None:
    with fake_server() as fake:
        fake.models, fake.only_vectors = [{"id": "bge"}, {"id": "llama"}], {"bge"}
        entry = roster.attach(fake.url, name="mine", keep=True)
        assert {"mine", "mine-summary", "mine-search"} <= set(entry.agents)
        assert library.agent("mine").factory.endpoint.model == "llama"
        assert library.agent("mine-search").factory.endpoint.model == "bge"
        assert "bge" in library.agent("mine-search").summary
        again = Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json")
        assert again.entries()[0].agents == entry.agents
        assert again.entries()[0].endpoint.vectors_model == "bge"


def test_what_a_model_can_do_no_more_is_offered_no_more(roster, library) -> None:
    with fake_server() as fake:
        assert "mine-search" in roster.attach(fake.url, name="mine").agents
        fake.embeds = False
        fake.models = [{"id": "another"}]
        assert "mine-search" not in roster.attach(fake.url, name="mine").agents
    assert not [one for one in library.agents() if one.name == "mine-search"]


def test_who_reads_what_engines_there_are_is_not_disturbed_by_a_run_that_adds_one(library) -> None:
    book = Book(library)
    book.put(Entry("one", None, config=config(name="one")))
    for number, _ in enumerate(book.known):
        book.put(Entry(f"another {number}", None, config=config(name="another")))
    assert [one.name for one in book.known] == ["one", "another 0"]
