"""Workers that are suspended: nothing waits for them for long, their work is done elsewhere, and they are used again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import Status, Worker
from distributed.comm import CommClosedError

from murakkab_jupyter.cluster import connect as connecting
from murakkab_jupyter.cluster import drive as driving
from murakkab_jupyter.cluster.connect import Cluster, SchedulerSilentError, connect
from murakkab_jupyter.cluster.flight import Fault
from murakkab_jupyter.cluster.host import instances
from murakkab_jupyter.cluster.roll import Roll
from murakkab_jupyter.cluster.silence import Silence
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.events import BatchEnded, BatchStarted, Event, Notice, WorkerChanged
from murakkab_jupyter.core.figure import unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.session import Session
from tests.cluster.hosts import Place
from tests.cluster.parts import (
    Run,
    held_after,
    holding,
    one_step,
    setting,
    wait_for,
    wait_for_workers,
)

PATIENCE_S = 5.0
"""Shorter than in use; yet who is only slow, on a machine that others use too, must be heard of meanwhile."""


def test_who_was_heard_of_lately_is_not_silent() -> None:
    silence = Silence(patience_s=10.0)
    assert silence.look({"east": 1.0, "west": 1.0}, now_s=100.0) == set()
    assert silence.look({"east": 1.0, "west": 8.0}, now_s=109.0) == set()
    assert silence.look({"east": 1.0, "west": 8.0}, now_s=111.0) == {"east"}
    assert silence.look({"east": 12.0, "west": 8.0}, now_s=112.0) == set()
    assert silence.look({"west": 8.0}, now_s=130.0) == {"west"}


def test_who_did_not_answer_is_silent_until_something_is_heard() -> None:
    silence = Silence(patience_s=10.0)
    silence.look({"east": 1.0}, now_s=0.0)
    silence.mute("east", now_s=0.0)
    assert silence.look({"east": 1.0}, now_s=1.0) == {"east"}
    assert silence.look({"east": 2.0}, now_s=2.0) == set()


def test_who_is_heard_of_and_never_answers_is_asked_ever_more_rarely() -> None:
    silence = Silence()
    asked_s = []
    for second in range(1000):
        if not silence.look({"east": float(second)}, now_s=float(second)):
            asked_s.append(second)
            silence.mute("east", now_s=float(second))
    assert asked_s == [0, 1, 31, 91, 211, 451, 931]
    silence.heed("east")
    silence.mute("east", now_s=1000.0)
    assert silence.look({"east": 1001.0}, now_s=1001.0) == set()


def test_who_never_answered_is_asked_soon_once_nobody_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, here, asked_s = [0.0], {"tcp://east", "tcp://west"}, []

    def unanswered(client: Any, function: Any, *, workers: set[str], timeout_s: float) -> dict[str, Any]:
        asked_s.append(now_s[0])
        return dict.fromkeys(workers, TimeoutError())

    monkeypatch.setattr(connecting, "ask_all", unanswered)
    monkeypatch.setattr(connecting, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    cluster = Cluster(SimpleNamespace(subscribe_topic=lambda *_: None))
    cluster._probes = {"tcp://east": SimpleNamespace()}
    monkeypatch.setattr(cluster, "present", lambda: dict.fromkeys(here, now_s[0]))
    for second in range(1, 301):
        now_s[0] = float(second)
        cluster.roll()
    assert asked_s == [1.0, 2.0, 32.0, 92.0, 212.0]
    here.remove("tcp://east")
    for second in range(301, 312):
        now_s[0] = float(second)
        cluster.roll()
    # The look that finds the other one lost asks already.
    assert asked_s[5:] == [301.0, 306.0, 311.0]


def test_a_worker_that_cannot_be_reached_is_not_asked_at_every_look_and_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def unanswered(client: Any, function: Any, *, workers: set[str], timeout_s: float) -> dict[str, Any]:
        asked.append(workers)
        return dict.fromkeys(workers, TimeoutError())

    monkeypatch.setattr(connecting, "ask_all", unanswered)
    cluster = Cluster(SimpleNamespace(subscribe_topic=lambda *_: None))
    heard_s = itertools.count(1.0)
    monkeypatch.setattr(cluster, "present", lambda: {"tcp://east": next(heard_s)})
    for _ in range(6):
        cluster.roll()
    assert len(asked) == 2
    (told,) = cluster.notices
    assert "does not answer" in told


def test_what_was_so_of_a_worker_that_answers_now_or_left_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer: Any = TimeoutError()
    monkeypatch.setattr(connecting, "ask_all", lambda *_, workers, **__: dict.fromkeys(workers, answer))
    cluster = Cluster(SimpleNamespace(subscribe_topic=lambda *_: None))
    cluster.notices.append("NO TLS")
    heard_s, here = itertools.count(1.0), {"tcp://east"}
    monkeypatch.setattr(cluster, "present", lambda: dict.fromkeys(here, next(heard_s)))
    cluster.roll()
    assert len(cluster.notices) == 2
    answer = ValueError("strange")
    cluster.roll()
    assert cluster.notices == ["NO TLS"]
    (told,) = cluster.unused
    assert told.startswith("A worker is not used. Worker tcp://east cannot be used: ValueError: strange.")
    here.clear()
    cluster.roll()
    assert cluster.unused == ()
    here.add("tcp://west")
    answer = TimeoutError()
    cluster.roll()
    assert "tcp://west does not answer" in cluster.notices[1]
    here.clear()
    cluster.roll()
    assert cluster.notices == ["NO TLS"]


def test_while_the_scheduler_stands_still_no_worker_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, heard_s, waits_s = [0.0], [1.0], [0.0]
    monkeypatch.setattr(connecting, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    monkeypatch.setattr(connecting, "ask_all", lambda *_, **__: {})
    cluster = Cluster(SimpleNamespace(subscribe_topic=lambda *_: None))
    cluster._probes = {"tcp://east": SimpleNamespace(), "tcp://west": SimpleNamespace()}

    def present() -> dict[str, float]:
        now_s[0] += min(waits_s[0], 30.0)
        if waits_s[0] > 30.0:
            raise SchedulerSilentError("The scheduler does not answer.")
        return {"tcp://east": 1.0, "tcp://west": heard_s[0]}

    monkeypatch.setattr(cluster, "present", present)
    cluster.roll()
    now_s[0], waits_s[0] = 5.0, 29.0  # it stood still, and answers before it reads what the workers sent
    cluster.roll()
    assert (cluster.aside, cluster.waited) == (frozenset(), frozenset())
    waits_s[0] = 600.0
    for _ in range(20):
        with pytest.raises(SchedulerSilentError):
            cluster.roll()
        now_s[0] += 2.0
    waits_s[0], heard_s[0] = 0.0, 2.0  # one is heard of first
    cluster.roll()
    assert (cluster.aside, cluster.waited) == (frozenset(), frozenset())
    now_s[0], heard_s[0] = now_s[0] + 21.0, 3.0
    cluster.roll()
    assert cluster.aside == {"tcp://east"}  # which really is silent


def test_two_looks_that_wait_for_one_measurement_at_once_both_go_on() -> None:
    """A plan and a run look at the same cluster."""
    cluster = Cluster(SimpleNamespace(subscribe_topic=lambda *_: None))
    measured = (unknown("1"), HostPower())

    def result(timeout: float) -> Any:
        cluster._asked.pop("a host")  # the other look had the answer first
        return measured

    cluster._asked["a host"] = ("tcp://east", SimpleNamespace(done=lambda: True, result=result))
    cluster._survey()
    assert cluster._surveys == {"a host": measured}


def test_a_question_that_fails_between_two_looks_does_not_end_the_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(*_: Any, **__: Any) -> dict[str, Any]:
        message = "the stream is closed"
        raise CommClosedError(message)

    monkeypatch.setattr(driving, "ask_all", closed)
    client = SimpleNamespace(subscribe_topic=lambda *_: None)
    cluster = SimpleNamespace(client=client, on_change=lambda _: contextlib.nullcontext())
    drive = driving.Drive(
        cluster, None, None, store=None, recorder=None, publish=None, stop=threading.Event()
    )
    batch = SimpleNamespace(task=1, instance=SimpleNamespace(worker="tcp://east"))
    drive.flights[1] = SimpleNamespace(begun=False, sent_s=time.monotonic() - 60.0, batch=batch)
    rolls = iter([Roll(), Roll(lost=("tcp://east",))])

    def roll() -> Roll:
        drive.look.set()
        found = next(rolls, None)
        if found is None:
            message = "The scheduler is gone."
            raise ClusterError(message)
        return found

    drive.look.set()
    watcher = threading.Thread(target=drive._watch, args=(SimpleNamespace(roll=roll),))
    watcher.start()
    watcher.join(60.0)
    told = [drive.inbox.get_nowait() for _ in range(drive.inbox.qsize())]
    assert told[:2] == [Roll(), Roll(lost=("tcp://east",))]
    assert isinstance(told[2], Fault)


def lines(diary: Path) -> list[str]:
    return diary.read_text().splitlines() if diary.exists() else []


def held_run(
    cluster: Cluster, diary: Path, first: int, on_event: Callable[[Event], None] = lambda event: None
) -> Run:
    """24 items, of which those after the first are held until a worker is suspended."""
    return Run(
        cluster,
        one_step(),
        {"said": held_after(first, diary, diary.with_name("gate"), batch=2, instances=2)},
        {"items": [str(number) for number in range(24)]},
        on_event=on_event,
    )


def slow_run(cluster: Cluster, diary: Path, on_event: Callable[[Event], None] = lambda event: None) -> Run:
    return Run(
        cluster,
        one_step(),
        {"said": setting("slow", batch=2, instances=2, seconds=0.2, diary=str(diary))},
        {"items": [str(number) for number in range(24)]},
        on_event=on_event,
    )


def suspending(
    process: Popen[bytes], ready: Callable[[], bool], gate: Path | None = None
) -> threading.Thread:
    """Suspends a process once it is time, from a thread that is started, and lets go of what is held."""

    def suspend() -> None:
        try:
            wait_for(ready)
            os.kill(process.pid, signal.SIGSTOP)
        finally:
            if gate is not None:
                gate.touch()

    thread = threading.Thread(target=suspend)
    thread.start()
    return thread


def is_silent(scheduler: Popen[bytes], ask: Callable[[], object]) -> None:
    """What is asked of a scheduler while it is suspended fails and says so; it goes on afterwards."""
    os.kill(scheduler.pid, signal.SIGSTOP)
    try:
        with pytest.raises(SchedulerSilentError, match="does not answer"):
            ask()
    finally:
        os.kill(scheduler.pid, signal.SIGCONT)


def test_a_worker_that_is_suspended_holds_nothing_up_and_doubles_nothing(
    place: Place, tmp_path: Path
) -> None:
    place.scheduler()
    asleep = place.worker("east")
    place.worker("west")
    diary = tmp_path / "diary"

    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=60)
        cluster._silence.patience_s = PATIENCE_S
        thread = suspending(asleep, lambda: holding(asleep.pid, diary, 6), diary.with_name("gate"))
        ran = held_run(cluster, diary, 6).go()
        thread.join()
    assert ran.finish.status == "done", ran.finish.message
    assert list(ran.store.outputs("said").values()) == [str(number) for number in range(24)]
    assert sum(batch.done for batch in ran.batches("said")) == 24
    assert [change.change for change in ran.of(WorkerChanged)] == ["lost"]
    (told,) = [n.message for n in ran.of(Notice) if "no sign of life" in n.message]
    assert "made elsewhere" in told


def test_a_worker_that_wakes_up_again_is_used_again(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    asleep = place.worker("east")
    place.worker("west")
    diary, gate = tmp_path / "diary", tmp_path / "gate"
    joined: list[str] = []

    def wake(event: Event) -> None:
        if isinstance(event, WorkerChanged) and event.change == "lost":
            os.kill(asleep.pid, signal.SIGCONT)
        elif isinstance(event, WorkerChanged) and event.change == "joined":
            joined.append(event.worker)
        elif isinstance(event, BatchStarted) and event.worker in joined:
            gate.touch()  # until then no item is made

    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=60)
        cluster._silence.patience_s = PATIENCE_S
        thread = suspending(asleep, lambda: len(lines(diary)) >= 2)
        ran = Run(
            cluster,
            one_step(),
            {"said": setting("slow", batch=1, instances=2, seconds=0.05, diary=str(diary), gate=str(gate))},
            {"items": [str(number) for number in range(24)]},
            on_event=wake,
        ).go()
        thread.join()
    assert gate.exists(), "the one that woke up was given work"
    assert ran.finish.status == "done", ran.finish.message
    assert sum(batch.done for batch in ran.batches("said")) == 24
    assert [change.change for change in ran.of(WorkerChanged)] == ["lost", "joined"]


def test_a_worker_that_wakes_up_again_keeps_no_idle_instance_that_nobody_counts(place: Place) -> None:
    """Each would keep its memory and its GPU, while others are loaded beside it."""
    place.scheduler()
    asleep = place.worker("east", cores=2)
    place.worker("west", cores=2)
    stop, shed = threading.Event(), threading.Event()
    ended: list[str] = []
    before: set[tuple[str, int]] = set()

    with connect(place.address) as cluster:
        wait_for_workers(cluster, 2)
        cluster._silence.patience_s = PATIENCE_S
        (east,) = [one.address for one in cluster.probes.values() if one.name == "east"]

        def wake(event: Event) -> None:
            if isinstance(event, BatchEnded):
                ended.append(event.worker)
            elif isinstance(event, WorkerChanged):
                ended.append(event.change)
                if event.change == "lost":
                    os.kill(asleep.pid, signal.SIGCONT)

        def living() -> set[tuple[str, int]]:
            found = cluster.client.run(instances, workers=[east])[east]
            return {(one["step"], one["index"]) for one in found}

        def suspend() -> None:
            try:
                wait_for(lambda: len(ended) == 3)
                wait_for(lambda: len(living()) == 2)  # of which one at most is at work
                before.update(living())
                os.kill(asleep.pid, signal.SIGSTOP)
                wait_for(lambda: "joined" in ended)
                wait_for(lambda: not before & living())
                shed.set()
            finally:
                os.kill(asleep.pid, signal.SIGCONT)
                stop.set()

        thread = threading.Thread(target=suspend)
        thread.start()
        Run(
            cluster,
            one_step(),
            {"said": setting("odd", batch=1, instances=4)},
            {"items": ["A", "B", "C", "wait"]},
            stop=stop,
            on_event=wake,
        ).go()
        thread.join()
    assert len(before) == 2
    assert shed.is_set()


def test_the_only_worker_is_waited_for_and_that_is_said(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    asleep = place.worker("east")
    diary = tmp_path / "diary"

    def wake(event: Event) -> None:
        if isinstance(event, Notice) and "no sign of life" in event.message:
            os.kill(asleep.pid, signal.SIGCONT)

    with connect(place.address) as cluster:
        cluster._silence.patience_s = PATIENCE_S
        thread = suspending(asleep, lambda: holding(asleep.pid, diary, 4), diary.with_name("gate"))
        ran = held_run(cluster, diary, 4, wake).go()
        thread.join()
    assert ran.finish.status == "done", ran.finish.message
    assert sum(batch.done for batch in ran.batches("said")) == 24
    assert not ran.of(WorkerChanged)
    (told,) = [n.message for n in ran.of(Notice) if "no sign of life" in n.message]
    assert "waited for" in told


def test_a_cluster_with_a_suspended_worker_is_connected_to_and_the_other_is_used(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.scheduler()
    asleep = place.worker("east")
    place.worker("west")
    with connect(place.address) as cluster:
        wait_for_workers(cluster, 2)  # what an answer takes the first time is behind them
    monkeypatch.setattr(connecting, "PROBE_S", 4.0)
    os.kill(asleep.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    with connect(place.address) as cluster:
        assert [probe.name for probe in cluster.probes.values()] == ["west"]
        assert any("does not answer" in notice for notice in cluster.notices)
    assert time.monotonic() - began_s < 60.0


def test_a_cluster_whose_only_worker_is_suspended_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.scheduler()
    asleep = place.worker("east")
    with connect(place.address):
        os.kill(asleep.pid, signal.SIGSTOP)
    monkeypatch.setattr(connecting, "PROBE_S", 1.0)
    with pytest.raises(ClusterError, match="do not answer"):
        connect(place.address, workers_timeout_s=3.0)


def test_a_scheduler_that_is_suspended_in_mid_run_is_waited_for_and_that_is_said(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.scheduler()
    place.worker("east")
    (scheduler, _) = place.processes
    ended: list[Event] = []

    def on(event: Event) -> None:
        if isinstance(event, BatchEnded) and not ended:
            ended.append(event)
            monkeypatch.setattr(connecting, "PRESENT_S", 3.0)
            os.kill(scheduler.pid, signal.SIGSTOP)
        if isinstance(event, Notice) and "scheduler" in event.message:
            os.kill(scheduler.pid, signal.SIGCONT)

    with connect(place.address) as cluster:
        cluster.view()
        ran = slow_run(cluster, tmp_path / "diary", on).go()
        is_silent(scheduler, cluster.view)
    assert ran.finish.status == "done", ran.finish.message
    assert sum(batch.done for batch in ran.batches("said")) == 24
    told = [n.message for n in ran.of(Notice) if "scheduler" in n.message]
    assert told
    assert all("It is waited for." in one for one in told)


def test_a_scheduler_that_is_suspended_while_its_workers_are_looked_for_is_said(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.scheduler()
    place.worker("east")
    (scheduler, _) = place.processes
    with connect(place.address) as cluster:
        monkeypatch.setattr(connecting, "PRESENT_S", 1.0)
        is_silent(scheduler, cluster.admit)


def test_a_cluster_whose_only_worker_is_paused_is_connected_to_and_a_plan_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connecting, "SURVEY_S", 1.0)  # it begins nothing
    place.scheduler()
    # Dask's own watch over memory would let it go on at once.
    place.worker("east", env={"DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False"})

    def pause(dask_worker: Worker) -> None:
        dask_worker.status = Status.paused

    def paused() -> bool:
        cluster.roll()
        return bool(cluster.paused)

    with connect(place.address) as cluster:
        assert cluster.wants == ()
        cluster.client.run(pause)
        wait_for(paused)
    with Session(
        cluster=place.address, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite"
    ) as session:
        declaration = session.declare(
            "short <- summarise {texts} @extractive-summary", {"texts": ["The moon pulls the sea."]}
        )
        plan = session.plan(declaration)
    assert [one for one in plan.notes if one.startswith("Dask has paused every worker")]


def test_a_plan_and_each_run_name_a_worker_that_is_not_used_and_none_that_left(
    place: Place, tmp_path: Path
) -> None:
    place.scheduler()
    place.worker("east")
    with Session(
        cluster=place.address, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite"
    ) as session:

        def told() -> list[int]:
            plan = session.plan(declaration)
            run = session.run(declaration, plan)
            assert run.status == "done"
            return [sum("less than one core" in one for one in said) for said in (plan.notes, run.notices)]

        declaration = session.declare(
            "short <- summarise {texts} @extractive-summary", {"texts": ["The moon pulls the sea."]}
        )
        assert told() == [0, 0]
        misfit = place.worker("west", "--resources", "cores=0.5", declared=False)
        cluster = session.connect()

        def refused() -> bool:
            cluster.roll()
            return bool(cluster.refused)

        wait_for(refused, 120.0)
        assert told() == [1, 1]
        misfit.kill()
        wait_for(lambda: not refused())
        assert told() == [0, 0]


@pytest.mark.parametrize("when", ["before", "in mid-run"])
def test_a_worker_that_dask_has_paused_is_waited_for_and_that_is_said_once(
    place: Place, tmp_path: Path, when: str
) -> None:
    place.scheduler()
    # Dask's own watch over memory would let it go on at once.
    place.worker("east", env={"DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False"})
    ended: list[Event] = []
    with connect(place.address) as cluster:

        async def set_status(name: str) -> None:
            def there(dask_worker: Worker) -> None:
                dask_worker.status = Status[name]

            await cluster.client.run(there, asynchronous=True)

        def soon(name: str) -> Any:
            return asyncio.run_coroutine_threadsafe(set_status(name), cluster.client.loop.asyncio_loop)

        def paused() -> bool:
            cluster.roll()
            return bool(cluster.paused)

        def on(event: Event) -> None:
            if isinstance(event, BatchEnded) and when == "in mid-run" and not ended:
                ended.append(event)
                soon("paused").result(timeout=60)
            if isinstance(event, Notice) and "paused" in event.message:
                soon("running")

        cluster.view()
        (east,) = cluster.probes
        if when == "before":
            soon("paused").result(timeout=60)
            wait_for(paused, 60)
        ran = slow_run(cluster, tmp_path / "diary", on).go()
    assert ran.finish.status == "done", ran.finish.message
    assert sum(batch.done for batch in ran.batches("said")) == 24
    (told,) = [n.message for n in ran.of(Notice) if "paused" in n.message]
    assert east in told
