"""The kernel's end of live views: what is sent, what is heard, and what stays in a notebook."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.notebook import hub as module
from murakkab_jupyter.notebook.hub import KINDS, MOST_VIEWS, Hub, slot, source
from murakkab_jupyter.notebook.views.frontier import frontier_sheet
from murakkab_jupyter.notebook.views.html import Bundle
from murakkab_jupyter.notebook.views.plan_sheet import plan_sheet
from murakkab_jupyter.notebook.views.run import run_sheet
from tests.notebook import samples

SCRIPTS = sorted((Path(module.__file__).parent / "views" / "js").glob("*"))


class FakeWidget:
    """Stands in for a widget without a front end."""

    def __init__(self) -> None:
        self.sent: list[dict] = []

    def send(self, message: dict) -> None:
        json.dumps(message, allow_nan=False)
        self.sent.append(message)


@pytest.fixture
def hub(monkeypatch):
    one = Hub()
    widget = FakeWidget()
    monkeypatch.setattr(one, "_connect", lambda: setattr(one, "_widget", widget))
    monkeypatch.setattr(module, "apart", lambda call, *arguments: call(*arguments))
    one.sent = widget.sent
    return one


def said(hub):
    return [message["do"] for message in hub.sent]


def test_a_view_comes_with_its_style_and_script_once(hub):
    hub.open("plan", {"a": 1})
    assert said(hub) == ["style", "script", "show"]
    hub.open("plan", {"a": 2})
    hub.open("run", {})
    assert said(hub)[3:] == ["show", "script", "show"]


def test_a_front_end_that_begins_to_listen_is_told_everything_that_is_open(hub):
    first = hub.open("plan", {"a": 1})
    ended = hub.open("run", {})
    hub.close(ended)
    hub.sent.clear()
    hub._hear(None, {"ask": "all"})
    assert said(hub) == ["style", "script", "show", "hello"]
    assert hub.sent[2]["view"] == first
    assert hub.heard


def test_until_somebody_has_listened_a_view_is_sent_with_its_script_again(hub):
    view = hub.open("run", {})
    hub.sent.clear()
    hub.update(view, {}, again=True)
    assert said(hub) == ["style", "script", "show"]
    hub._hear(None, {"ask": "all"})
    hub.sent.clear()
    hub.update(view, {}, again=True)
    assert said(hub) == ["show"]


def test_what_is_done_in_a_view_is_done_and_answered(hub):
    done = []
    view = hub.open("frontier", {}, lambda message: done.append(message["plan"]) or "taken")
    hub._hear(None, {"ask": "act", "view": view, "plan": 3})
    assert done == [3]
    assert hub.sent[-1] == {"do": "said", "view": view, "text": "taken"}


def test_a_mistake_of_the_person_is_said_in_the_view(hub):
    def refuse(message):
        raise UsageError("There is no such plan.")

    view = hub.open("frontier", {}, refuse)
    hub._hear(None, {"ask": "act", "view": view})
    assert "There is no such plan." in hub.sent[-1]["text"]


@pytest.mark.parametrize(
    "message", [None, "stop", {}, {"ask": "act"}, {"ask": "act", "view": 7}, {"ask": ["x"]}]
)
def test_nonsense_from_a_page_does_nothing_but_answer(hub, message):
    done = []
    hub.open("run", {}, done.append)
    hub._hear(None, message)
    assert done == []


def test_a_front_end_that_is_gone_ends_nothing(hub):
    view = hub.open("run", {})

    class GoneWidget:
        def send(self, message):
            raise OSError

    hub._widget = GoneWidget()
    hub.update(view, {"a": 1})
    hub.close(view)


def test_old_views_are_forgotten_and_their_static_form_stays(hub):
    names = [hub.open("plan", {}) for _ in range(MOST_VIEWS + 5)]
    hub.sent.clear()
    hub.update(names[0], {"a": 1})
    assert hub.sent == []
    hub.update(names[-1], {"a": 1})
    assert said(hub) == ["show"]


def test_switched_off_or_without_anywidget_there_are_no_live_views(monkeypatch):
    assert not Hub(lambda: False).ready
    monkeypatch.setattr(module, "installed", lambda: False)
    assert not Hub().ready


def test_a_slot_holds_the_static_view_whole_and_names_the_live_one():
    bundle = slot(Bundle("<div>static</div>", "static", {"x/y": 1}), "run-1")
    assert bundle.html == '<div class="murakkab-slot" data-murakkab-view="run-1"><div>static</div></div>'
    assert (bundle.text, bundle.data) == ("static", {"x/y": 1})


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_each_script_is_small_and_takes_nothing_from_elsewhere(path):
    text = path.read_text()
    assert len(text.encode()) < 30_000
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"\bimport\s+[\w{*]|@import|url\(", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_reads_data_as_markup_or_code(path):
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|"
        r"\beval\b|new Function|setTimeout\(['\"`]|\bhref\b|\.src\b",
        path.read_text(),
    )
    assert found == []


def test_every_kind_of_view_has_its_script():
    assert all(source(f"{kind}.js").count("export default function") == 1 for kind in KINDS)


def test_sheets_are_plain_json_without_anything_infinite():
    for sheet in (
        plan_sheet(samples.plan(), samples.newsroom()),
        frontier_sheet([samples.plan(), samples.plan()]),
        run_sheet(samples.run_state()),
    ):
        assert json.loads(json.dumps(sheet, allow_nan=False)) == sheet
