"""Beforehand: what earlier runs have made is found without a call, and what is stale is named."""

from __future__ import annotations

import pytest

from murakkab_jupyter.core.events import ItemFailed, RunStarted
from murakkab_jupyter.runtime.known import Absent, Known, known_beforehand, unread_before
from murakkab_jupyter.session import Session

CELL = """\
%%murakkab desk --minimize cost
kind <- mark {letters} @python:mark
loud <- shout {letters} @python:shout
both <- join {loud} and {kind}, per all @python:both
"""


def mark(letters):
    return f"<{letters}>"


def shout(letters):
    return letters.upper()


def both(loud, kind):
    return " ".join([*loud, *kind])


@pytest.fixture
def session(tmp_path):
    with Session(journal=tmp_path / "journal.sqlite", profiles=tmp_path / "profiles.sqlite", cores=1) as made:
        yield made


def said(session, letters, **functions):
    declaration = session.declare(
        CELL, {"letters": letters, "mark": mark, "shout": shout, "both": both, **functions}
    )
    return declaration, session.known(declaration, session.plan(declaration))


def test_what_a_run_will_take_and_what_it_will_make_is_said_beforehand(session, monkeypatch):
    monkeypatch.setitem(known_beforehand.__kwdefaults__, "patience_s", 120.0)  # on a slow machine too
    declaration, known = said(session, ["a", "b"])
    assert known == ""
    assert not (session._journal_path).exists()  # planning makes no journal
    session.run(declaration)
    _, known = said(session, ["a", "b"])
    assert known.startswith("Nothing has changed")
    assert "kind, loud, both" in known

    def shout_more(letters):
        return letters.upper() + "!"

    _, known = said(session, ["a", "b"], shout=shout_more)
    assert known == (
        "Taken from earlier runs: kind. To be made, because it or what it is made from is new: loud, both."
    )
    _, known = said(session, ["a", "b", "c"])
    assert "kind (2 of 3), loud (2 of 3)" in known
    assert known.endswith("the rest of kind, the rest of loud, both.")


def test_a_look_that_takes_too_long_says_that_it_did_not_see_all():
    assert str(Known({"a": 2, "b": 0}, {"a": 0, "b": 0}, whole=False)) == (
        "Taken from earlier runs: a. Not all items were looked for."
    )
    assert str(Known({"a": 0}, {"a": 3})) == ""


def test_what_is_absent_touches_what_is_made_from_it():
    absent = Absent()
    absent.add((("videos", 1), ("scenes", 2)))
    assert absent.touches(())
    assert absent.touches((("videos", 1),))
    assert absent.touches((("videos", 1), ("scenes", 2), ("frames", 0)))
    assert not absent.touches((("videos", 0),))
    assert not absent.touches((("videos", 1), ("scenes", 1)))


def test_what_a_run_could_not_read_is_that_of_its_latest_part():
    def lost(name, place):
        return ItemFailed(0.0, name, ((name, place),), "damaged")

    events = [
        RunStarted(0.0, "a"),
        lost("letters", 1),
        RunStarted(0.0, "a"),
        lost("letters", 2),
        lost("gist", 0),
    ]
    assert unread_before(events, {"letters"}) == {("letters", (("letters", 2),))}
    assert unread_before(events[:2], {"letters"}) == {("letters", (("letters", 1),))}
