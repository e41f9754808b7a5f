"""What stands in the outputs where live views cannot be drawn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from murakkab_jupyter.notebook import hub, screen
from murakkab_jupyter.notebook.room import Place, saved_bytes
from murakkab_jupyter.notebook.screen import Screen
from tests.notebook import samples


@pytest.fixture
def said(monkeypatch):
    shown = []
    monkeypatch.setattr(screen, "put", lambda bundle, handle=None: shown.append(bundle.text))
    return shown


def missing(monkeypatch):
    monkeypatch.setattr(hub, "installed", lambda: False)
    monkeypatch.setattr(screen, "installed", lambda: False)


def test_without_anywidget_one_sentence_says_what_is_missing_and_only_once(monkeypatch, said):
    missing(monkeypatch)
    one = Screen(redraws=True)
    assert not one.live
    one.say_still()
    one.say_still()
    assert said == [hub.MISSING]
    assert "pip install" in hub.MISSING


def test_who_switched_live_views_off_or_has_a_terminal_is_told_nothing(monkeypatch, said):
    missing(monkeypatch)
    Screen(redraws=True, wanted=lambda: False).say_still()
    Screen(redraws=False).say_still()
    assert said == []


class Handle:
    """Where a front end shows something: the bytes that its notebook would be saved with."""

    def __init__(self) -> None:
        self.size = 0

    def update(self, data, *, raw) -> None:
        assert raw
        self.size = saved_bytes(data)


def test_a_plan_that_takes_the_place_of_another_is_counted_as_it_is_saved(monkeypatch):
    handle = Handle()

    def display(data, *, raw, display_id):
        handle.update(data, raw=raw)
        return handle

    monkeypatch.setattr(screen, "display", display)
    one = Screen(
        redraws=True, wanted=lambda: False, limit_bytes=lambda: 10**6, place=lambda: Place("cell", 1)
    )
    plan = samples.plan()
    declared = SimpleNamespace(
        name="newsroom", declaration=SimpleNamespace(workflow=samples.newsroom()), plan=plan
    )
    one.plan(declared, plan)
    before = handle.size
    assert one.room.held(Place("cell", 1)) == before > 1000
    one.replan(declared, replace(plan, notes=(*plan.notes, "More is said of it now. " * 40)))
    assert one.room.held(Place("cell", 1)) == handle.size > before + 900
    one.replan(declared, plan)
    assert one.room.held(Place("cell", 1)) == handle.size == before


def test_a_terminal_has_no_live_views():
    assert not Screen(redraws=False).live
