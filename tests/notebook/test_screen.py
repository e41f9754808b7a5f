"""What stands in the outputs where live views cannot be drawn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from murakkab_jupyter.notebook import hub, screen
from murakkab_jupyter.notebook.room import Place, saved_bytes
from murakkab_jupyter.notebook.screen import Screen
from murakkab_jupyter.session import Session
from murakkab_jupyter.verbs import Workbench
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


class Live(hub.Hub):
    """A hub of a front end that draws; nothing is sent."""

    def _connect(self) -> None: ...

    @property
    def ready(self) -> bool:
        return True


@pytest.fixture
def bench(tmp_path):
    made = Workbench(lambda **words: Session(journal=tmp_path / "j", profiles=tmp_path / "p", **words))
    yield made
    made.close()


def by(agent):
    plan = samples.plan()
    name, step = next(iter(plan.steps.items()))
    configuration = replace(step.configuration, agent=agent)
    return replace(plan, steps={**plan.steps, name: replace(step, configuration=configuration)})


TEXT = "%%murakkab gist\nsaid <- summarise {notes}\nreply <- answer {q} from {notes}, per all\n"


def declared(bench, text=TEXT, *, cluster=None, **values):
    one = bench.declare(text, {"q": "What?", **values}, session=bench.session(cluster))
    one.plan = by("as-planned")
    return one


@pytest.fixture
def stage(monkeypatch, bench):
    """Two plans on a frontier of a workflow, and what a click on the second says."""
    outputs: list[dict] = []

    def display(data, **_):
        place = len(outputs)
        outputs.append(data)
        return SimpleNamespace(update=lambda data, raw: outputs.__setitem__(place, data))

    monkeypatch.setattr(screen, "display", display)
    one = Screen(redraws=True, declared=bench.declared.get)
    one.hub = Live()
    first = declared(bench, notes=["a", "b"])
    one.plan(first, first.plan)
    one.frontier(first, [first.plan, by("from-the-frontier")])
    view = list(one.hub._views)[-1]

    def click() -> str:
        return hub.said_by(one.hub._views[view].act, {"what": "take", "plan": 2})

    return SimpleNamespace(screen=one, first=first, outputs=outputs, click=click)


def agent_of(declared):
    return next(iter(declared.plan.steps.values())).configuration.agent


def test_a_click_on_a_frontier_takes_its_plan(stage, bench):
    assert stage.click().startswith("Plan 2 is taken")
    assert agent_of(bench.find("gist")) == "from-the-frontier"
    assert "from-the-frontier" in stage.outputs[0]["text/plain"]


def changed_text(stage, bench, tmp_path):
    return declared(
        bench, TEXT.replace("summarise {notes}", "summarise {notes} in 9 words"), notes=["a", "b"]
    )


def changed_list(stage, bench, tmp_path):
    return declared(bench, notes=["a", "b", "c"])


def changed_question(stage, bench, tmp_path):
    return declared(bench, notes=["a", "b"], q="Who?")


def bound_anew(stage, bench, tmp_path):
    stage.first.declaration = bench.session().declare(TEXT, {"notes": ["b", "c"], "q": "What?"})
    stage.first.plan = by("as-planned")
    return stage.first


def added_to_in_place(stage, bench, tmp_path):
    stage.first.declaration.values["notes"].append("c")
    values = stage.first.declaration.values
    stage.first.declaration = bench.session().declare(TEXT, values)
    return stage.first


def moved_to_another_cluster(stage, bench, tmp_path):
    (tmp_path / "here.toml").write_text('[[workers]]\nname = "a"\ncores = 2\n')
    return declared(bench, cluster=str(tmp_path / "here.toml"), notes=["a", "b"])


@pytest.mark.parametrize(
    "change",
    [changed_text, changed_list, changed_question, bound_anew, added_to_in_place, moved_to_another_cluster],
)
def test_a_click_on_a_frontier_of_the_workflow_as_it_was_takes_nothing(stage, bench, tmp_path, change):
    now = change(stage, bench, tmp_path)
    stage.screen.plan(now, now.plan)
    before = list(stage.outputs)
    said = stage.click()
    assert said.startswith("This frontier is of the workflow as it was; show it again.")
    assert "%murakkab frontier gist" in said
    assert agent_of(bench.find("gist")) == "as-planned"
    assert stage.outputs == before


def test_a_click_is_heard_by_the_same_cell_run_again_and_under_another_goal(stage, bench):
    again = declared(bench, notes=["a", "b"])
    stage.screen.plan(again, again.plan)
    assert stage.click().startswith("Plan 2 is taken")
    assert bench.find("gist") is again
    assert agent_of(again) == "from-the-frontier"
    assert "from-the-frontier" in stage.outputs[-1]["text/plain"]
    again.plan = by("as-planned")
    other = again.declaration.workflow
    goal = replace(other.goal, objectives=("energy",))
    again.declaration = replace(again.declaration, workflow=replace(other, goal=goal))
    assert stage.click().startswith("Plan 2 is taken")
    assert agent_of(again) == "from-the-frontier"


def test_without_a_bench_what_was_shown_last_is_what_is_there(stage, bench):
    alone = Screen(redraws=True)
    alone.hub = Live()
    alone.plan(stage.first, stage.first.plan)
    alone.frontier(stage.first, [stage.first.plan, by("from-the-frontier")])
    act = alone.hub._views[list(alone.hub._views)[-1]].act
    assert hub.said_by(act, {"what": "take", "plan": 2}).startswith("Plan 2 is taken")
    now = declared(bench, notes=["c"])
    alone.plan(now, now.plan)
    assert "as it was" in hub.said_by(act, {"what": "take", "plan": 2})
    assert agent_of(now) == "as-planned"


def test_a_frontier_of_a_workflow_that_is_gone_takes_nothing(stage, bench):
    bench.declared.clear()
    assert stage.click().startswith("This frontier is of the workflow as it was")


def test_files_that_were_written_since_are_other_items(bench, tmp_path):
    page = tmp_path / "page.txt"
    page.write_text("The first page.")
    before = declared(bench, notes=[str(page)]).declaration
    assert declared(bench, notes=[str(page)]).declaration.same(before)
    page.write_text("The first page, written anew.")
    assert not declared(bench, notes=[str(page)]).declaration.same(before)
