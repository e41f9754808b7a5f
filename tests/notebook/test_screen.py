"""What stands in the outputs where live views cannot be drawn."""

from __future__ import annotations

import pytest

from murakkab_jupyter.notebook import hub, screen
from murakkab_jupyter.notebook.screen import Screen


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


def test_a_terminal_has_no_live_views():
    assert not Screen(redraws=False).live
