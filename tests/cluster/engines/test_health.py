"""Whether an attached server is there still, and well."""

from __future__ import annotations

import time

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.capabilities import register as register_text
from murakkab_jupyter.cluster.engines.roster import Roster
from tests.agents.served.fake_openai import answers, error, fake_server, never, wait_until
from tests.cluster.engines.parts import serving, unconnected


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
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.health.HEALTH_S", 10.0)
    with fake_server() as one, fake_server() as two, fake_server() as three:
        fakes = (one, two, three)
        for number, fake in enumerate(fakes):
            roster.attach(fake.url, name=f"m{number}")
            fake.models_step = never
        began = time.monotonic()
        problems = [view.problem for view in roster.views()]
        assert time.monotonic() - began < 25.0  # one after the other: 30
        for fake in fakes:
            fake.over.set()
    assert all("cannot be reached" in problem for problem in problems)


def test_one_that_hangs_is_not_waited_for_at_every_plan(roster, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.health.HEALTH_S", 0.3)
    with fake_server() as fake:
        roster.attach(fake.url, name="mine")
        fake.models_step = never
        attached = len(fake.keys)
        monkeypatch.setattr("murakkab_jupyter.cluster.engines.attached.LOOK_S", -1.0)
        problem = roster.views()[0].problem
        assert "no whole answer" in problem or "timed out" in problem
        assert wait_until(lambda: len(fake.keys) > attached)  # it may hear of it later than that is given up
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
