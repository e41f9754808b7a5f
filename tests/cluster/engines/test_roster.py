"""What a session knows of engines, and what its library has of them. Servers are stand-ins."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.perception.eyes import register as register_eyes
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.text.capabilities import register as register_text
from murakkab_jupyter.agents.text.retrieval import register as register_retrieval
from murakkab_jupyter.cluster.connect import Cluster, connect
from murakkab_jupyter.cluster.engines.ask import KeyWantedError
from murakkab_jupyter.cluster.engines.config import EngineConfig
from murakkab_jupyter.cluster.engines.fleet import Fleet
from murakkab_jupyter.cluster.engines.roster import Roster
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.core.errors import AgentError, ClusterError, UsageError
from tests.agents.served.fake_openai import Handler, answers, error, fake_server, never
from tests.cluster.engines.parts import config, serving

KEY = "sk-secret-of-the-test-0123456789"


def unconnected() -> Cluster:
    msg = "no cluster is needed for this"
    raise AssertionError(msg)


@pytest.fixture
def library() -> Library:
    made = Library()
    register_text(made)
    register_retrieval(made)
    return made


@pytest.fixture
def roster(library: Library, tmp_path: Path) -> Roster:
    return Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json")


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


def test_a_typed_key_stays_in_this_process_and_is_written_nowhere(roster, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    asked = []

    def ask(text: str) -> str:
        asked.append(text)
        return KEY

    with serving("keyed") as server:
        entry = roster.attach(server.url, name="mine", ask_key=ask, keep=True)
        variable = entry.endpoint.key_env
        # The next commands of this process have it: of this server, and of no other.
        assert roster.attach(server.url, name="again", ask_key=ask).state == "attached"
        assert Endpoint(server.url, "").key() == KEY
        with serving("keyed") as other:
            with pytest.raises(KeyWantedError):
                roster.attach(other.url, name="other", ask_key=lambda _: "")
            assert set(other.seen) == {None}
        monkeypatch.delenv(variable)
    assert len(asked) == 1
    assert variable in asked[0]
    assert KEY not in repr(entry)
    assert KEY not in (tmp_path / "engines.json").read_text()


def test_a_typed_key_that_is_no_longer_right_is_asked_for_again(roster, monkeypatch) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    with serving("keyed") as server:
        monkeypatch.setenv(Endpoint(server.url, "").typed_key, "an old one")
        assert roster.attach(server.url, name="mine", ask_key=lambda _: KEY).state == "attached"


def test_a_key_that_nobody_named_for_a_server_is_not_sent_there(roster, monkeypatch) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    monkeypatch.setenv("MURAKKAB_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving("keyed") as server:
        with pytest.raises(KeyWantedError) as caught:
            roster.attach(server.url, ask_key=lambda _: "")
        assert set(server.seen) == {None}
        assert "--key-env VAR" in str(caught.value)
        assert "MURAKKAB_API_KEY is set, and goes only where it is named" in str(caught.value)
        assert roster.attach(server.url, key_env="MURAKKAB_API_KEY").state == "attached"


def test_nothing_is_asked_or_sent_in_the_clear(roster, monkeypatch, tmp_path) -> None:
    """`here.test` is this host by a name that does not say so."""
    monkeypatch.setenv("STANDIN_KEY", KEY)
    monkeypatch.setenv("MY_KEY", KEY)
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: real("127.0.0.1" if host == "here.test" else host, *rest, **more),
    )

    def ask(text: str) -> str:
        raise AssertionError(text)

    with serving("keyed") as server:
        url = server.url.replace("127.0.0.1", "here.test")
        with pytest.raises(AgentError, match="plain http"):
            roster.attach(url, key_env="MY_KEY")
        assert server.seen == []
        with pytest.raises(AgentError, match="plain http") as caught:
            roster.attach(url, ask_key=ask)
        assert set(server.seen) == {None}
        assert "--key-over-http" in str(caught.value)
        entry = roster.attach(url, key_env="MY_KEY", key_over_http=True, keep=True)
        assert entry.endpoint.key_over_http
        (again,) = Roster(roster.library, unconnected, lambda: None, kept=tmp_path / "engines.json").entries()
        assert (again.state, again.endpoint.key_over_http) == ("attached", True)


def test_a_key_is_asked_for_also_where_the_list_of_models_is_open_to_all(roster, monkeypatch) -> None:
    with fake_server() as fake:
        fake.script = [error(401, "No auth credentials found")]
        entry = roster.attach(fake.url, name="mine", ask_key=lambda _: KEY)
        assert fake.keys[-1] == f"Bearer {KEY}"
    monkeypatch.delenv(entry.endpoint.key_env)


def test_no_key_is_asked_for_where_nobody_is(roster) -> None:
    def ask(text: str) -> str:
        raise AssertionError(text)

    with pytest.raises(ClusterError, match="cannot be reached"):
        roster.attach("http://monkey.invalid:8000/v1", ask_key=ask)


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


def test_without_anybody_to_ask_a_wanted_key_is_an_error(roster, monkeypatch) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    with serving("keyed") as server, pytest.raises(ClusterError, match="wants a key"):
        roster.attach(server.url, ask_key=lambda _: "")


def test_a_key_of_a_named_variable_is_used_and_nobody_is_asked(roster, monkeypatch) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    monkeypatch.setenv("MY_KEY", KEY)
    with serving("keyed") as server:
        assert roster.attach(server.url, key_env="MY_KEY", ask_key=None).endpoint.key_env == "MY_KEY"


def test_a_variable_that_is_not_set_is_told_of_when_it_is_named(roster, monkeypatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with serving() as server:
        (note,) = [one for one in roster.attach(server.url, key_env="MY_KEY").found.notes if "MY_KEY" in one]
        assert "is not set here" in note
        monkeypatch.setenv("MY_KEY", KEY)
        assert not any("MY_KEY" in one for one in roster.attach(server.url, key_env="MY_KEY").found.notes)


def test_a_key_that_is_given_as_a_name_is_kept_and_shown_nowhere(roster, library, tmp_path) -> None:
    secret, file = "hf_AbCdEfGhIj0123456789", tmp_path / "engines.json"
    with serving() as server:
        with pytest.raises(AgentError, match="looks like a key") as caught:
            roster.attach(server.url, name="mine", key_env=secret, keep=True)
        assert secret not in str(caught.value)
        assert not file.exists()
        # A list that an earlier version wrote holds one: it is not shown, and the next list leaves it out.
        file.write_text(json.dumps({"engines": [{"name": "old", "url": server.url, "key_env": secret}]}))
        again = Roster(library, unconnected, lambda: None, kept=file)
        (old,) = again.entries()
        assert "Attach it again" in old.problem
        assert secret not in old.problem
        again.attach(server.url, name="mine", keep=True)
        assert secret not in file.read_text()


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


# --- there or not -------------------------------------------------------------------------------------------------


@pytest.fixture
def looking(monkeypatch) -> None:
    """Nothing is believed for longer than an instant."""
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.attached.LOOK_S", -1.0)


def test_an_attached_server_that_goes_down_is_noticed_and_so_is_its_return(roster, looking) -> None:
    with serving() as server:
        roster.attach(server.url, name="mine")
        port = server.server_address[1]
        assert [(one.warm, one.problem) for one in roster.views()] == [(True, "")]
    (view,) = roster.views()
    assert not view.warm
    assert "cannot be reached" in view.problem
    assert roster.find("mine").state == "unreachable"
    assert roster.find("mine").agents  # whatever runs still finds them
    with serving(port=port):
        assert [(one.warm, one.problem) for one in roster.views()] == [(True, "")]


def test_a_server_is_not_asked_at_every_turn(roster) -> None:
    with serving() as server:
        roster.attach(server.url, name="mine")
        asked = len(server.seen)
        for _ in range(5):
            roster.entries()
        assert len(server.seen) == asked


def test_servers_that_do_not_answer_are_waited_for_together(roster, looking, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.health.HEALTH_S", 3.0)
    with fake_server() as one, fake_server() as two, fake_server() as three:
        fakes = (one, two, three)
        for number, fake in enumerate(fakes):
            roster.attach(fake.url, name=f"m{number}")
            fake.models_step = never
        began = time.monotonic()
        problems = [view.problem for view in roster.views()]
        assert time.monotonic() - began < 8.5  # one after the other: 9
        for fake in fakes:
            fake.over.set()
    assert all("cannot be reached" in problem for problem in problems)


def test_one_that_hangs_is_not_waited_for_at_every_plan(roster, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.health.HEALTH_S", 0.3)
    with fake_server() as fake:
        roster.attach(fake.url, name="mine")
        fake.models_step = never
        monkeypatch.setattr("murakkab_jupyter.cluster.engines.attached.LOOK_S", -1.0)
        assert "no whole answer" in roster.views()[0].problem or "timed out" in roster.views()[0].problem
        asked = len(fake.keys)
        roster.views()
        assert len(fake.keys) == asked
        fake.over.set()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (error(401, "expired"), "wants a key, or another one (answers 401: expired)"),
        (error(502, "bad gateway"), "answers 502: bad gateway"),
        (answers(200, {"data": [{"id": "another"}]}), "serves fake-model no more"),
        (answers(200, b"<html></html>"), "does not answer as a server of the OpenAI API does any more"),
        (answers(302, {}, Location="http://elsewhere/"), "a redirect to http://elsewhere/"),
        (error(429, "slow down"), ""),
        (error(404, "no list"), ""),
    ],
)
def test_what_is_no_longer_well_is_said_and_what_is_only_busy_is_well(roster, looking, step, said) -> None:
    with fake_server() as fake:
        roster.attach(fake.url, name="mine")
        fake.models_step = step
        (view,) = roster.views()
    assert said in view.problem
    assert bool(view.problem) == bool(said)
    assert roster.find("mine").state == ("not usable" if said else "attached"), "it is there"


def test_a_server_that_serves_another_model_is_not_called_unreachable_and_what_it_has_is_said(
    roster, looking, tmp_path
) -> None:
    with fake_server() as fake:
        roster.attach(fake.url, name="mine", keep=True)
        fake.models = [{"id": "another"}]
        roster.recall()
        entry = roster.find("mine")
        assert (entry.state, "now it has another" in entry.problem) == ("not usable", True)
        fresh = Library()
        register_text(fresh)
        later = Roster(fresh, unconnected, lambda: None, kept=tmp_path / "engines.json").find("mine")
    assert later.state == "not usable"
    assert "has no model" in later.problem
    assert "It has another" in later.problem


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


def test_variables_that_are_not_set_are_found_where_calls_are_made(roster, monkeypatch) -> None:
    monkeypatch.setenv("SET_ONE", "x")
    monkeypatch.setenv("BLANK_ONE", " ")
    monkeypatch.delenv("GONE_ONE", raising=False)
    here = (socket.gethostname(),)
    lacking = roster.unset_keys(["SET_ONE", "BLANK_ONE", "GONE_ONE"])
    assert lacking == {"BLANK_ONE": here, "GONE_ONE": here}


# --- started ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(cores=1) as made:
        yield made


@pytest.fixture
def starting(library: Library, cluster: Cluster, tmp_path: Path) -> Iterator[Roster]:
    made = Roster(library, lambda: cluster, lambda: cluster, kept=tmp_path / "engines.json")
    yield made
    for one in made.entries():
        made.detach(one.name)
    made.close()


def test_of_an_engine_that_was_started_again_elsewhere_the_one_that_answers_counts(
    starting, monkeypatch
) -> None:
    """The first one's worker is set aside."""
    alive = EngineStatus(config(name="twice"), "ready", worker="tcp://east:1")
    silent = EngineStatus(config(name="twice"), "silent", worker="tcp://west:1")
    starting.know(config(name="twice"))
    with monkeypatch.context() as patch:
        patch.setattr(Fleet, "statuses", lambda _: [alive, silent])
        assert starting.look("twice").status is alive
        patch.setattr(Fleet, "statuses", lambda _: [silent])
        assert starting.look("twice").state == "silent"
        patch.setattr(Fleet, "statuses", lambda _: [])
        assert starting.look("twice").problem == "its worker was lost"


def test_an_attached_server_of_this_host_is_called_from_this_host(starting, cluster, monkeypatch) -> None:
    """Its address means another machine to workers elsewhere."""
    here = next(iter(cluster.probes.values()))
    far = {**cluster.probes, "tcp://far:1": replace(here, address="tcp://far:1", host="far")}
    with serving() as server:
        assert starting.host_of(starting.attach(server.url, name="near")) == ""
        monkeypatch.setattr(type(cluster), "probes", property(lambda _: far))
        assert starting.host_of(starting.find("near")) == here.host
        monkeypatch.setattr(type(cluster), "probes", property(lambda _: {"tcp://far:1": far["tcp://far:1"]}))
        entry = starting.attach(server.url, name="near")
        assert starting.host_of(entry) == ""
        assert any("workers are on others" in note for note in entry.found.notes)
        monkeypatch.undo()


def test_a_started_engine_offers_agents_at_its_address(starting, library) -> None:
    entry = starting.start(config())
    assert entry.state == "ready"
    assert library.agent("stand-in").url == entry.endpoint.url
    assert starting.stop("stand-in") is True
    assert starting.find("stand-in").state == "stopped"
    assert starting.stop("stand-in") is False
    assert "stand-in starting" in starting.logs("stand-in", 5)


def test_one_that_is_known_is_started_when_it_is_wanted(starting, library) -> None:
    starting.know(config(name="later"))
    assert library.agent("later").url.endswith(".invalid/v1")
    assert starting.find("later").state == "not started"
    entry = starting.ensure("later")
    assert library.agent("later").url == entry.endpoint.url
    assert starting.ensure("later").status.pid == entry.status.pid


def test_an_interrupted_start_leaves_nothing(starting) -> None:
    stop = threading.Event()

    def tell(status: object) -> None:
        stop.set()

    with pytest.raises(ClusterError, match="is not ready"):
        starting.start(config("silent", name="slow"), tell=tell, stop=stop.is_set)
    assert starting.find("slow").state == "stopped"
    assert starting.find("slow").status.pid == 0


def test_a_start_that_is_refused_leaves_the_one_of_that_name_alone(starting, cluster, library) -> None:
    first = starting.start(config())
    other = Roster(library, lambda: cluster, lambda: cluster, kept=Path("/nowhere/engines.json"))
    with pytest.raises(ClusterError, match="was started in another way"):
        other.start(config("silent"))
    stop = threading.Event()
    stop.set()
    joined = other.start(config(), stop=stop.is_set)  # it is ready: nothing to wait for
    assert joined.status.pid == first.status.pid
    other.close()
    assert starting.look("stand-in").state == "ready"


def test_a_failed_start_says_why_and_stays_known(starting) -> None:
    with pytest.raises(ClusterError, match="a stand-in has no memory"):
        starting.start(config("dying", name="poor"))
    assert starting.find("poor").state == "failed"


def test_where_vllm_is_missing_the_option_that_names_it_is_said(starting) -> None:
    said = "raise ModuleNotFoundError(\"No module named 'vllm'\")"
    bare = EngineConfig("m", "bare", command=shlex.join([sys.executable, "-c", said]), memory_bytes=1)
    with pytest.raises(ClusterError, match="could not be started") as caught:
        starting.start(bare)
    assert "--vllm-python" in caught.value.hint


def variable_of_worker(name: str) -> str | None:
    return os.environ.get(name)


def set_on_worker(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def test_a_started_server_gets_no_key_of_a_server_that_is_attached(starting, cluster, monkeypatch) -> None:
    held = {"THEIR_KEY": KEY, "OPENAI_API_KEY": KEY, "OF_NOBODY": "x"}
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    cluster.client.run(set_on_worker, held)
    try:
        with serving() as server:
            starting.attach(server.url, name="theirs", key_env="THEIR_KEY")
            entry = starting.start(config(name="ours"))
        seen = psutil.Process(entry.status.pid).environ()
        assert seen["OF_NOBODY"] == "x"
        assert KEY not in seen.values()
    finally:
        cluster.client.run(set_on_worker, dict.fromkeys(held))
        starting.detach("theirs")


def test_a_variable_that_workers_lack_is_found_though_it_is_set_here(starting, cluster, monkeypatch) -> None:
    cluster.client.run(set_on_worker, {"LATE_KEY": None})
    monkeypatch.setenv("LATE_KEY", KEY)
    (host,) = {one.host for one in cluster.probes.values()}
    (pid,) = cluster.client.run(os.getpid).values()
    expected = {} if pid == os.getpid() else {"LATE_KEY": (host,)}
    assert starting.unset_keys(["LATE_KEY"]) == expected


def test_workers_get_a_typed_key_where_nobody_listens_only(starting, cluster, monkeypatch) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    with serving("keyed") as server:
        variable = starting.attach(server.url, name="keyed", ask_key=lambda _: KEY).endpoint.key_env
        monkeypatch.setenv(variable, KEY)  # and gone again at the end
        assert list(cluster.client.run(variable_of_worker, variable).values()) == [KEY]
        monkeypatch.setattr("murakkab_jupyter.cluster.engines.keys.is_private", lambda _: False)
        with pytest.raises(ClusterError, match="in the clear"):
            starting.attach(server.url, name="another", key_env="EMPTY_ONE", ask_key=lambda _: KEY)
    starting.detach("keyed")
