"""Workers that are suspended: nothing waits for them for long, their work is done elsewhere, and they are used again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from murakkab_jupyter.cluster import connect as connecting
from murakkab_jupyter.cluster.connect import Cluster, connect
from murakkab_jupyter.cluster.silence import Silence
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.events import Event, Notice, WorkerChanged
from tests.cluster.hosts import Place
from tests.cluster.parts import Run, one_step, setting, wait_for


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.close()


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
    silence.mute("east")
    assert silence.look({"east": 1.0}, now_s=1.0) == {"east"}
    assert silence.look({"east": 2.0}, now_s=2.0) == set()


def lines(diary: Path) -> list[str]:
    return diary.read_text().splitlines() if diary.exists() else []


def slow_run(cluster: Cluster, diary: Path, on_event: Callable[[Event], None] = lambda event: None) -> Run:
    return Run(
        cluster,
        one_step(),
        {"said": setting("slow", batch=2, instances=2, seconds=0.2, diary=str(diary))},
        {"items": [str(number) for number in range(24)]},
        on_event=on_event,
    )


def test_a_worker_that_is_suspended_holds_nothing_up_and_doubles_nothing(
    place: Place, tmp_path: Path
) -> None:
    place.scheduler()
    asleep = place.worker("east")
    place.worker("west")
    diary = tmp_path / "diary"

    def suspend() -> None:
        wait_for(lambda: len(lines(diary)) >= 6, 30)
        os.kill(asleep.pid, signal.SIGSTOP)

    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=20)
        cluster._silence.patience_s = 3.0
        thread = threading.Thread(target=suspend)
        thread.start()
        ran = slow_run(cluster, diary).go()
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
    diary = tmp_path / "diary"

    def suspend() -> None:
        wait_for(lambda: len(lines(diary)) >= 4, 30)
        os.kill(asleep.pid, signal.SIGSTOP)

    def wake(event: Event) -> None:
        if isinstance(event, WorkerChanged) and event.change == "lost":
            os.kill(asleep.pid, signal.SIGCONT)

    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=20)
        cluster._silence.patience_s = 2.0
        thread = threading.Thread(target=suspend)
        thread.start()
        ran = Run(
            cluster,
            one_step(),
            {"said": setting("slow", batch=1, instances=2, seconds=0.25, diary=str(diary))},
            {"items": [str(number) for number in range(60)]},
            on_event=wake,
        ).go()
        thread.join()
    assert ran.finish.status == "done", ran.finish.message
    assert sum(batch.done for batch in ran.batches("said")) == 60
    assert [change.change for change in ran.of(WorkerChanged)] == ["lost", "joined"]


def test_the_only_worker_is_waited_for_and_that_is_said(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    asleep = place.worker("east")
    diary = tmp_path / "diary"

    def suspend() -> None:
        wait_for(lambda: len(lines(diary)) >= 4, 30)
        os.kill(asleep.pid, signal.SIGSTOP)

    def wake(event: Event) -> None:
        if isinstance(event, Notice) and "no sign of life" in event.message:
            os.kill(asleep.pid, signal.SIGCONT)

    with connect(place.address) as cluster:
        cluster._silence.patience_s = 2.0
        thread = threading.Thread(target=suspend)
        thread.start()
        ran = slow_run(cluster, diary, wake).go()
        thread.join()
    assert ran.finish.status == "done", ran.finish.message
    assert sum(batch.done for batch in ran.batches("said")) == 24
    assert not ran.of(WorkerChanged)
    (told,) = [n.message for n in ran.of(Notice) if "no sign of life" in n.message]
    assert "waited for" in told


def test_a_cluster_with_a_suspended_worker_is_connected_to_and_the_other_is_used(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "PROBE_S", 1.0)
    place.scheduler()
    asleep = place.worker("east")
    place.worker("west")
    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=20)
    os.kill(asleep.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    with connect(place.address) as cluster:
        assert [probe.name for probe in cluster.probes.values()] == ["west"]
        assert any("does not answer" in notice for notice in cluster.notices)
    assert time.monotonic() - began_s < 15.0


def test_a_cluster_whose_only_worker_is_suspended_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "PROBE_S", 1.0)
    place.scheduler()
    asleep = place.worker("east")
    with connect(place.address):
        os.kill(asleep.pid, signal.SIGSTOP)
    with pytest.raises(ClusterError, match="do not answer"):
        connect(place.address, workers_timeout_s=3.0)
