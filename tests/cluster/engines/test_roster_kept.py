"""Engines that are kept: known to the next session, also when they are down."""

from __future__ import annotations

import json

import pytest

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.perception.eyes import register as register_eyes
from murakkab_jupyter.agents.text.capabilities import register as register_text
from murakkab_jupyter.cluster.engines.roster import Roster
from murakkab_jupyter.core.errors import UsageError
from tests.agents.served.fake_openai import fake_server
from tests.cluster.engines.parts import KEY, serving, unconnected


def test_what_is_kept_is_known_to_the_next_session_also_when_it_is_down(roster, library, tmp_path) -> None:
    file = tmp_path / "engines.json"
    with serving() as server:
        roster.attach(server.url, name="mine", keep=True)
        again = Roster(library, unconnected, lambda: None, kept=file)
        assert [(one.name, one.state) for one in again.entries()] == [("mine", "attached")]
    down = Roster(Library(), unconnected, lambda: None, kept=file)
    assert [(one.name, one.state) for one in down.entries()] == [("mine", "unreachable")]
    roster.detach("mine")
    assert json.loads(file.read_text()) == {"engines": []}


def test_a_kept_server_that_was_down_is_asked_again_and_not_at_every_turn(
    roster, tmp_path, monkeypatch
) -> None:
    with serving() as server:
        roster.attach(server.url, name="mine", keep=True, rated=0.6)
        port = server.server_address[1]
    library = Library()
    register_text(library)
    later = Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json")
    assert [one.state for one in later.entries()] == ["unreachable"]
    with serving(port=port) as server:
        assert [one.state for one in later.entries()] == ["unreachable"]
        assert server.seen == []
        monkeypatch.setattr("murakkab_jupyter.cluster.engines.attached.LOOK_S", 0.0)
        later.recall()  # as a plan does before it reads pins
        assert library.agent("mine").url == server.url
        (entry,) = later.entries()
        assert (entry.state, entry.problem, entry.rated, entry.kept) == ("attached", "", 0.6, True)


def test_the_next_session_knows_that_a_kept_model_sees(roster, library, tmp_path) -> None:
    register_eyes(library)
    with fake_server() as fake:
        fake.sees = True
        entry = roster.attach(fake.url, name="mine", keep=True)
        (again,) = Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json").entries()
    assert "mine-eyes" in again.agents
    assert again.agents == entry.agents


def test_a_kept_engine_whose_key_is_gone_says_how_to_give_it(roster, library, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    with serving("keyed") as server:
        variable = roster.attach(server.url, name="mine", ask_key=lambda _: KEY, keep=True).endpoint.key_env
        monkeypatch.delenv(variable)
        (kept,) = Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json").entries()
    assert "wants a key" in kept.problem
    assert f"Set a valid key in the environment variable {variable}" in kept.problem


def test_a_kept_engine_whose_name_was_taken_since_is_there_with_the_reason(
    roster, tmp_path, monkeypatch
) -> None:
    with serving() as server:
        roster.attach(server.url, name="mine", keep=True)
        other = Library()
        register_text(other)
        other.add_agent(AgentSpec("mine", "1", "text-generation", "Another way.", "nowhere:Nothing"))
        again = Roster(other, unconnected, lambda: None, kept=tmp_path / "engines.json")
        (kept,) = again.entries()
        assert "There is an agent mine already" in kept.problem
        monkeypatch.setattr("murakkab_jupyter.cluster.engines.attached.AGAIN_S", 0.0)
        (kept,) = again.entries()
    assert "There is an agent mine already" in kept.problem  # asked again, it takes nobody's name either
    assert other.agent("mine").version == "1"


def test_keeping_another_forgets_none(roster, library, tmp_path) -> None:
    with serving() as server:
        roster.attach(server.url, name="one", keep=True)
        Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json").attach(
            server.url, name="two", keep=True
        )
        again = Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json")
        assert [one.name for one in again.entries()] == ["one", "two"]


def test_a_list_that_cannot_be_read_is_said(library, tmp_path) -> None:
    (tmp_path / "engines.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json").entries()


def test_plans_say_what_they_do_without_also_of_a_kept_server_that_was_never_there(
    roster, library, tmp_path
) -> None:
    with serving() as server:
        roster.attach(server.url, name="mine", keep=True)
    fresh = Library()
    register_text(fresh)
    later = Roster(fresh, unconnected, lambda: None, kept=tmp_path / "engines.json")
    (view,) = later.views()
    assert "cannot be reached" in view.problem
    assert fresh.agent("mine").engine == "mine"
