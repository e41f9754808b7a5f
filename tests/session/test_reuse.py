"""What earlier runs made is taken again, and their agents stay where they are as good."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from murakkab_jupyter.core.events import BatchEnded
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.planner.plan import Configuration, Plan, StepPlan
from murakkab_jupyter.runtime.earlier import words_of
from murakkab_jupyter.runtime.known import known_beforehand
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.goal import Goal
from tests.session.parts import CELL, values


def test_results_are_reused_across_runs_and_the_bill_says_so(session: Session) -> None:
    cell = CELL.replace("shouting", "again").replace("loud ", "noise").replace("{loud}", "{noise}")
    words = [f"{word}{time.time_ns()}" for word in ("some", "words", "unheard", "before")]
    first = session.run(session.declare(cell, values(*words[:3])))
    second = session.run(session.declare(cell, values(*words)))

    assert sum(e.reused for e in first.events if isinstance(e, BatchEnded)) == 0
    assert sum(e.reused for e in second.events if isinstance(e, BatchEnded)) == 3
    assert second.outputs["count"] == f"4: {' '.join(words).upper()}"

    anew = session.run(session.declare(cell, values(*words[:3])), reuse=False)
    assert sum(e.reused for e in anew.events if isinstance(e, BatchEnded)) == 0


GIST = """%%murakkab gist --minimize latency
gist <- summarise {letters} in 12 words
"""


LETTERS = ["The bridge was built in May. It cost four million.", "Bread is baked hot. Dough rests for hours."]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier runs made is looked for to the end, however slow the machine."""
    monkeypatch.setitem(known_beforehand.__kwdefaults__, "patience_s", 120.0)
    monkeypatch.setattr("murakkab_jupyter.session.LOOK_S", 120.0)


SUMMARIES = ("lead-summary", "extractive-summary")


def by_another(plan: Plan, agent: str) -> Plan:
    """A plan with another agent for its step `gist`: what a planner chooses that a run has taught otherwise."""
    step = plan.steps["gist"]
    return replace(
        plan, steps={"gist": replace(step, configuration=replace(step.configuration, agent=agent))}
    )


def as_learnt(session: Session, monkeypatch: pytest.MonkeyPatch, quality: float = 0.67) -> None:
    """Let all agents be as good as one another, so that nothing but their times tells them apart."""
    monkeypatch.setattr("murakkab_jupyter.session.LOOK_S", 120.0)  # however slow the machine
    alike = Figure(quality, "1", source="prior")
    monkeypatch.setattr(session.profiles, "quality", lambda agent, options: alike)


def test_the_agents_of_a_run_that_made_everything_stay_where_they_are_as_good(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_learnt(session, monkeypatch)
    letters = [f"{one} That is note {time.time_ns()}." for one in LETTERS]  # of which nothing was ever made
    declaration = session.declare(GIST, {"letters": letters})
    plan = session.plan(declaration)
    chosen = plan.steps["gist"].configuration.agent
    other = next(name for name in SUMMARIES if name != chosen)
    assert set(SUMMARIES) <= set(plan.considered)
    assert Plan.from_json(plan.to_json()) == plan
    assert session.as_made(declaration, plan) is plan  # nothing is made yet
    first = session.run(declaration, by_another(plan, other))

    # Looked at without haste: neither the clock nor a busy machine decides.
    monkeypatch.setitem(known_beforehand.__kwdefaults__, "patience_s", -1.0)
    run = first
    for _ in range(3):
        taken = session.as_made(declaration, plan)
        assert taken.steps["gist"].configuration.agent == other
        said = [note for note in taken.notes if "has made everything already" in note]
        assert said == [taken.notes[0]]
        assert run.id in said[0]
        assert f"would now choose gist by {chosen}." in said[0]
        assert "whole space" not in session.explain(taken)
        assert (taken.proof, taken.bound, taken.gap, taken.binding, taken.trades, taken.priors) == (
            None,
            None,
            None,
            None,
            (),
            (),
        )
        assert taken.steps["gist"].runner_up is not None
        assert f"{chosen} is what the planner would choose now" in session.explain(taken)
        run = session.run(declaration, taken)
        assert sum(e.reused for e in run.events if isinstance(e, BatchEnded)) == 2
        assert list(run.outputs["gist"].values()) == list(first.outputs["gist"].values())

    elsewhere = replace(plan, goal=Goal(objectives=("energy",)))
    assert session.as_made(declaration, elsewhere) is elsewhere  # another goal is another question
    longer = session.declare(GIST, {"letters": [*letters, "Something new was written. Nobody read it."]})
    assert session.as_made(longer, plan) is plan  # there is something to be made
    monkeypatch.setattr("murakkab_jupyter.session.MOST_ITEMS", 1)
    assert session.as_made(declaration, plan) is plan  # too many to look for
    monkeypatch.undo()


def test_figures_of_agents_that_stay_are_those_of_now(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_learnt(session, monkeypatch)
    cell = GIST.replace("12", "13")
    declaration = session.declare(cell, {"letters": LETTERS})
    plan = session.plan(declaration)
    other = next(name for name in SUMMARIES if name != plan.steps["gist"].configuration.agent)
    old = by_another(plan, other)
    old = replace(
        old, predicted={**old.predicted, "latency": Figure(12345.0, "s", source="prior")}, notes=("Old.",)
    )
    session.run(declaration, old)
    taken = session.as_made(declaration, plan)
    assert taken.steps["gist"].configuration.agent == other
    assert taken.predicted["latency"].value != 12345.0
    assert "Old." not in taken.notes


def test_the_agents_of_a_run_give_way_to_better_ones_to_new_ones_and_where_limits_are_broken(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = GIST.replace("--minimize latency", "--maximize quality").replace("12", "14")
    declaration = session.declare(cell, {"letters": LETTERS})
    plan = session.plan(declaration)
    other = "lead-summary"
    assert plan.steps["gist"].configuration.agent != other
    session.run(declaration, by_another(plan, other))
    assert session.as_made(declaration, plan) is plan  # it is better

    as_learnt(session, monkeypatch)
    cell = GIST.replace("12", "15")
    declaration = session.declare(cell, {"letters": LETTERS})
    plan = session.plan(declaration)
    chosen = plan.steps["gist"].configuration.agent
    other = next(name for name in SUMMARIES if name != chosen)
    old = by_another(plan, other)
    session.run(declaration, replace(old, considered=(other,)))
    assert session.as_made(declaration, plan) is plan  # what it chooses was not to be had then

    soon = Goal(("latency",), deadline_s=1e-9)
    session.run(declaration, replace(old, goal=soon))
    limited = replace(plan, goal=soon)
    assert session.as_made(declaration, limited) is limited  # not in time by figures of now

    session.run(declaration, replace(old, taken="plan 2 of the frontier"))
    assert session.as_made(declaration, plan) is plan  # the goal did not choose that one


def test_what_the_planner_would_choose_is_named_where_options_alone_differ() -> None:
    def step(agent: str, **options: object) -> StepPlan:
        return StepPlan(Configuration(agent, tuple(sorted(options.items()))), 1, {})

    assert words_of(step("a", paths=3, top=1), step("a", paths=1, top=1)) == "a paths=3"
    assert words_of(step("b", paths=3), step("a", paths=1)) == "b"


def test_a_run_in_a_terminal_that_reuses_makes_nothing_anew_whatever_was_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], patient: None
) -> None:
    from murakkab_jupyter.cli import main

    monkeypatch.setenv("MURAKKAB_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "profiles.sqlite"))
    monkeypatch.chdir(tmp_path)
    for number, letter in enumerate(LETTERS):
        (tmp_path / f"{number}.txt").write_text(letter)
    (tmp_path / "gist.murakkab").write_text(GIST)
    call = ["run", "gist.murakkab", "--input", "letters=*.txt", "--json"]
    assert main([*call, "first.json"]) == 0
    chosen = json.loads((tmp_path / "first.json").read_text())["plan"]["steps"]["gist"]["agent"]
    other = "lead-summary" if chosen == "extractive-summary" else "extractive-summary"
    planned = Session.plan
    monkeypatch.setattr(
        Session, "plan", lambda self, *told, **options: by_another(planned(self, *told, **options), other)
    )
    assert main([*call, "again.json", "--reuse"]) == 0
    assert "Nothing has changed" in capsys.readouterr().out
    assert json.loads((tmp_path / "again.json").read_text())["plan"]["steps"]["gist"]["agent"] == chosen
    assert main([*call, "anew.json"]) == 0
    assert json.loads((tmp_path / "anew.json").read_text())["plan"]["steps"]["gist"]["agent"] == other
