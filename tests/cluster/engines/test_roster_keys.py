"""Keys of engines: asked for, sent where they are named and nowhere else, written nowhere."""

from __future__ import annotations

import json
import socket

import pytest

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.engines.ask import KeyWantedError
from murakkab_jupyter.cluster.engines.roster import Roster
from murakkab_jupyter.core.errors import AgentError, ClusterError
from tests.agents.served.fake_openai import error, fake_server
from tests.cluster.engines.parts import KEY, serving, unconnected


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


def test_variables_that_are_not_set_are_found_where_calls_are_made(roster, monkeypatch) -> None:
    monkeypatch.setenv("SET_ONE", "x")
    monkeypatch.setenv("BLANK_ONE", " ")
    monkeypatch.delenv("GONE_ONE", raising=False)
    here = (socket.gethostname(),)
    lacking = roster.unset_keys(["SET_ONE", "BLANK_ONE", "GONE_ONE"])
    assert lacking == {"BLANK_ONE": here, "GONE_ONE": here}
