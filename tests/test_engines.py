"""Engines in plans and runs, the whole way through the house on a real Dask cluster. Their servers are stand-ins."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.engines.ask import Server
from murakkab_jupyter.core.errors import ClusterError, InfeasibleError, MurakkabError
from murakkab_jupyter.core.events import BatchRetried, EngineUsed, ItemFailed, Notice, Reconfigured
from murakkab_jupyter.run import Run
from murakkab_jupyter.session import Session
from tests.cluster.engines.parts import config, serving
from tests.cluster.hosts import Place
from tests.cluster.parts import wait_for, wait_for_workers

CELL = """%%murakkab notes --minimize latency
said <- write a note about {{words}} @{agent} max_tokens=8{more}
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch) -> Iterator[Session]:
    monkeypatch.setenv("MURAKKAB_ENGINES", str(tmp_path / "engines.json"))
    library = Library()
    library.load_entry_points()
    with Session(
        library=library, journal=tmp_path / "journal.sqlite", profiles=tmp_path / "profiles.sqlite", cores=1
    ) as made:
        yield made


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.close()


def declared(session: Session, agent: str, count: int, more: str = ""):
    words = [f"word number {n}" for n in range(count)]
    return session.declare(CELL.format(agent=agent, more=more), {"words": words})


def whole(run: Run, count: int) -> bool:
    """Whether every item has one answer, and its own."""
    said = run.outputs["said"]
    return len(said) == count and all(f"word number {n}" in said[("words", n),] for n in range(count))


def test_an_attached_server_is_planned_and_called_like_any_agent(session) -> None:
    with serving() as server:
        session.engines.attach(server.url, name="mine")
        declaration = declared(session, "mine", 5)
        plan = session.plan(declaration)
        assert plan.steps["said"].configuration.engine == "mine"
        # Where more answers cost nothing that is known, none is bought that was not asked for.
        few = session.plan(declared(session, "mine", 2)).steps["said"].configuration
        assert dict(few.options)["paths"] == 1
        run = session.run(declaration, plan)
    assert run.status == "done"
    assert whole(run, 5)
    assert not any("is started" in text for text in run.notices)  # it is not ours to start


def test_a_plan_does_without_a_server_that_went_down_and_says_so(session, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.attached.LOOK_S", -1.0)
    text = "%%murakkab n --minimize latency\nsaid <- write a note about {word} @text-generation max_tokens=8"
    with serving() as server:
        session.engines.attach(server.url, name="mine", rated=0.9)
        declaration = session.declare(text, {"word": "harbour"})
        assert session.plan(declaration).steps["said"].configuration.agent == "mine"
        pinned = declared(session, "mine", 2)
    plan = session.plan(declaration)
    assert plan.steps["said"].configuration.agent != "mine"
    (note,) = [one for one in plan.notes if "Not considered" in one and "mine" in one]
    assert "cannot be reached" in note
    with pytest.raises(InfeasibleError, match="Step said cannot be done here: mine: http") as caught:
        session.plan(pinned)
    assert "See to the server and plan again" in caught.value.hint


@pytest.mark.parametrize("pinned", [True, False])
def test_a_plan_says_of_a_key_that_is_not_set(session, monkeypatch, pinned) -> None:
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    with serving() as server:
        if pinned:
            plan = session.plan(declared(session, "openai", 2, f" url={server.url} key_env=ABSENT_KEY"))
        else:
            session.engines.attach(server.url, name="mine", key_env="ABSENT_KEY")
            plan = session.plan(declared(session, "mine", 2))
        (caution,) = [one for one in plan.cautions if "ABSENT_KEY" in one]
        assert "is not set on" in caution
        assert f"said (@{'openai' if pinned else 'mine'})" in caution
        monkeypatch.setenv("ABSENT_KEY", "a-word")
        again = (
            session.plan(declared(session, "mine", 2))
            if not pinned
            else session.plan(declared(session, "openai", 2, f" url={server.url} key_env=ABSENT_KEY"))
        )
        assert not [one for one in again.cautions if "ABSENT_KEY" in one]


def test_a_run_starts_the_engine_its_plan_needs_and_keeps_it_for_the_next(session) -> None:
    session.engines.know(config(wait=1.5))
    declaration = declared(session, "stand-in", 4)
    cold = session.plan(declaration)
    assert any(
        "Engine stand-in is not running: the run starts it, in about 60 s (prior" in n for n in cold.notes
    )
    first = session.run(declaration, cold)
    assert first.status == "done"
    assert whole(first, 4)
    assert any("is started unless it answers already" in text for text in first.notices)
    status = session.engines.find("stand-in").status
    assert status.state == "ready"
    warm = session.plan(declaration)
    assert cold.predicted["latency"].value - warm.predicted["latency"].value > 20  # the start's prior
    second = session.run(declaration, warm, reuse=False)
    assert whole(second, 4)
    first_used, second_used = (
        [one for one in run.events if isinstance(one, EngineUsed)] for run in (first, second)
    )
    assert [one.step for one in first_used] == [one.step for one in second_used] == ["said"]
    # The first had it started, and pays for that; both are on the bill of the step.
    assert first_used[0].cpu_s > second_used[0].cpu_s
    assert first.bill.steps[0].cpu_s.value >= first_used[0].cpu_s
    assert session.engines.look("stand-in").status.pid == status.pid


def test_a_run_that_finds_everything_known_starts_no_engine(session) -> None:
    session.engines.know(config())
    declaration = declared(session, "stand-in", 3)
    assert session.run(declaration).status == "done"
    session.engines.stop("stand-in")
    again = session.run(declaration)
    assert again.status == "done"
    assert session.engines.look("stand-in").state == "stopped"


def written(server: Server) -> float:
    """Tokens that a stand-in has written so far; none where it did not answer in time."""
    return (server.metrics() or {}).get("vllm:generation_tokens_total", 0.0)


def test_an_engine_killed_in_the_middle_loses_no_item_and_doubles_none(session) -> None:
    # It is away for longer than its callers try again.
    session.engines.start(config(think=0.2, wait=9.0, max_num_seqs=4))
    declaration = declared(session, "stand-in", 60, " in_flight=4 timeout=20")
    started = session.run(declaration, background=True, reuse=False)
    entry = session.engines.find("stand-in")
    server = Server(entry.endpoint.url)
    wait_for(lambda: written(server) > 50)  # ten answers of sixty
    os.kill(entry.status.pid, signal.SIGKILL)
    started.wait(120)
    assert started.status == "done", started.errors
    assert whole(started, 60)
    kept = Counter((step, ancestry) for step, ancestry, _ in session.journal.finished(started.id))
    assert set(kept.values()) == {1}
    assert not [one for one in started.events if isinstance(one, ItemFailed)]
    causes = [one.cause for one in started.events if isinstance(one, Reconfigured)]
    assert any("engine stand-in is gone" in cause for cause in causes)
    assert any("engine stand-in is back" in cause for cause in causes)
    assert any("asked again" in one.reason for one in started.events if isinstance(one, BatchRetried))
    assert session.engines.look("stand-in").status.restarts == 1


def test_an_engine_whose_worker_is_killed_is_started_on_another(tmp_path, monkeypatch, place) -> None:
    monkeypatch.setenv("MURAKKAB_ENGINES", str(tmp_path / "engines.json"))
    library = Library()
    library.load_entry_points()
    place.scheduler()
    workers = {name: place.worker(name, cores=1) for name in ("one", "two")}
    with Session(
        library=library, cluster=place.address, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite"
    ) as session:
        session.connect()
        wait_for_workers(session.connect(), 2)
        entry = session.engines.start(config(think=0.2, max_num_seqs=4))
        server = Server(entry.endpoint.url)
        started = session.run(
            declared(session, "stand-in", 40, " in_flight=4 timeout=60"), background=True, reuse=False
        )
        wait_for(lambda: written(server) > 50)
        lost = session.connect().probes[entry.status.worker].name
        workers[lost].kill()
        started.wait(150)
        assert started.status == "done", started.errors
        assert whole(started, 40)
        now = session.engines.look("stand-in")
        assert now.status.worker != entry.status.worker
        assert now.endpoint != entry.endpoint


def test_a_run_whose_scheduler_is_killed_while_its_engine_starts_has_failed(
    tmp_path, monkeypatch, place
) -> None:
    monkeypatch.setenv("MURAKKAB_ENGINES", str(tmp_path / "engines.json"))
    library = Library()
    library.load_entry_points()
    place.scheduler()
    place.worker("one", cores=1)
    session = Session(
        library=library, cluster=place.address, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite"
    )
    session.engines.know(config("silent"))
    started = session.run(declared(session, "stand-in", 3), background=True)

    def loading() -> bool:
        status = session.engines.look("stand-in").status
        return status is not None and bool(status.pid)

    wait_for(loading)
    place.processes[0].kill()
    with contextlib.suppress(
        ClusterError
    ):  # raised where the run sees that its scheduler is gone before it hears of its engine
        started.wait(60)
    assert started.status == "failed"
    with contextlib.suppress(MurakkabError):  # its scheduler is gone
        session.close()


def test_what_an_engine_is_rated_lets_plans_with_a_floor_choose_it(session) -> None:
    with serving() as server:
        session.engines.attach(server.url, name="mine", rated=0.9)
        declaration = session.declare(
            "%%murakkab n --minimize latency\nsaid <- write a note about {word} @text-generation max_tokens=8",
            {"word": "harbour"},
        )
        assert session.plan(declaration).steps["said"].configuration.agent == "mine"
        quality = session.profiles.quality("mine", ())
        assert (quality.value, quality.source) == (0.9, "prior")


def test_an_engine_that_cannot_start_fails_its_items_with_its_last_words(session) -> None:
    session.engines.know(config("dying"))
    run = session.run(declared(session, "stand-in", 3))
    assert run.status == "failed"
    assert len(run.errors) == 3
    assert all("a stand-in has no memory" in text for _, _, text in run.errors)


def test_an_attached_server_that_goes_away_fails_its_items_and_a_resume_does_them(session) -> None:
    with serving(think_s=0.5) as server:
        port = server.server_address[1]
        session.engines.attach(server.url, name="mine")
        declaration = declared(session, "mine", 6, " in_flight=4 timeout=60")
        started = session.run(declaration, background=True, reuse=False)
        wait_for(lambda: server.running > 0)
    started.wait(120)
    assert started.status in ("failed", "partial")
    assert "Check the server, then resume the run" in started.errors[0][2]
    from tests.cluster.engines.standin import StandIn

    back = StandIn("127.0.0.1", port)
    threading.Thread(target=back.serve_forever, daemon=True).start()
    try:
        assert whole(session.resume(started.id), 6)
    finally:
        back.shutdown()
        back.server_close()


def test_a_stop_while_an_engine_starts_ends_the_run_at_once_and_the_engine_too(session) -> None:
    session.engines.know(config("silent"))
    started = session.run(declared(session, "stand-in", 3), background=True)
    wait_for(
        lambda: any(isinstance(one, Notice) and "is started" in one.message for one in started.events), 30
    )
    started.stop()
    started.wait(60)
    assert started.status == "stopped"

    def over() -> bool:
        entry = session.engines.look("stand-in")
        return entry.status is None or entry.status.pid == 0

    wait_for(over)
