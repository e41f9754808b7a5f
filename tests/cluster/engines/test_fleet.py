"""Engines on the workers of a Dask cluster: placed, shared, held, ended with whoever held them. Servers are stand-ins."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from distributed import Scheduler, SpecCluster

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.connect import Cluster, connect
from murakkab_jupyter.cluster.engines import fleet as fleets
from murakkab_jupyter.cluster.engines.ask import Server
from murakkab_jupyter.cluster.engines.fleet import AsideError, Fleet, UnansweredError
from murakkab_jupyter.cluster.engines.keys import KeyRing
from murakkab_jupyter.cluster.engines.roster import Roster
from murakkab_jupyter.cluster.engines.shelf import engine_log
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.cluster.local import LocalWorker
from murakkab_jupyter.core.errors import ClusterError
from tests.cluster.engines.parts import config, family, gone
from tests.cluster.hosts import Place
from tests.cluster.parts import wait_for, wait_for_workers

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(cores=2) as made:
        yield made


@pytest.fixture
def fleet(cluster: Cluster) -> Iterator[Fleet]:
    made = Fleet(cluster)
    yield made
    for one in made.statuses():
        made.stop(one.name)


def test_an_engine_is_started_on_the_worker_and_answers(fleet) -> None:
    fleet.launch(config())
    status = fleet.wait("stand-in", timeout_s=60)
    assert status.worker in fleet.cluster.probes
    assert Server(status.endpoint.url).complete("stand-in")[1].problem == ""
    assert "stand-in starting" in fleet.log("stand-in", 5)


def test_how_long_it_is_kept_comes_from_what_its_start_took(fleet) -> None:
    fleet.launch(config(wait=0.5))
    status = fleet.wait("stand-in", timeout_s=60)
    kept = fleet.kept(status)
    assert fleet.find("stand-in").keep_alive_s == kept.seconds
    assert "a start takes about" in kept.reason


def test_a_second_start_of_the_same_joins_it_and_of_another_is_refused(fleet, cluster) -> None:
    fleet.launch(config())
    first = fleet.wait("stand-in", timeout_s=60)
    other = Fleet(cluster)
    other.launch(config())
    assert other.wait("stand-in", timeout_s=60).pid == first.pid
    with pytest.raises(ClusterError, match="was started in another way"):
        other.launch(config("sick"))
    other.close()
    assert fleet.find("stand-in").state == "ready"  # the first still holds it
    fleet.close()
    wait_for(lambda: fleet.find("stand-in").state == "stopped")


def test_an_engine_that_does_not_end_is_not_said_to_have_ended(fleet, monkeypatch) -> None:
    fleet.launch(config("stubborn", stop_grace_s=5.0))
    fleet.wait("stand-in", timeout_s=60)
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.fleet.LEEWAY_S", -4.5)
    with pytest.raises(ClusterError, match="was told to end, and is still there"):
        fleet.stop("stand-in", timeout_s=0.1)
    assert fleet.find("stand-in").state == "stopping"
    wait_for(lambda: fleet.find("stand-in").state == "stopped")
    assert fleet.stop("stand-in") is False


def test_what_cannot_start_says_why_with_its_last_words(fleet) -> None:
    fleet.launch(config("dying", name="poor"))
    with pytest.raises(ClusterError, match="a stand-in has no memory") as caught:
        fleet.wait("poor", timeout_s=60)
    log = Path(str(caught.value).rsplit("Its log: ", 1)[1])
    assert "no memory" in log.read_text()


def test_too_little_memory_is_refused_before_anything_starts(fleet) -> None:
    with pytest.raises(ClusterError, match=r"needs about 1000000.0 GB of memory, and its worker's host has"):
        fleet.launch(config(memory_bytes=10**15))
    assert fleet.find("stand-in") is None or fleet.find("stand-in").pid == 0


def test_gpus_that_nobody_has_are_refused_with_what_there_is(fleet) -> None:
    with pytest.raises(ClusterError, match="needs 7 GPUs; workers offer"):
        fleet.launch(config(gpus=7))


def test_an_idle_one_is_stopped_and_a_used_one_is_not(fleet) -> None:
    fleet.launch(config(name="used", keep_alive_s=0.5))
    fleet.use("used", "a run", begins=True)
    fleet.wait("used", timeout_s=60)
    fleet.launch(config(name="idle", keep_alive_s=0.5))
    wait_for(lambda: fleet.find("idle").state == "stopped")
    assert fleet.find("idle").start_s is not None  # it answered before it was idle
    assert fleet.find("used").state == "ready"
    fleet.use("used", "a run", begins=False)
    wait_for(lambda: fleet.find("used").state == "stopped")


# --- unlike workers -------------------------------------------------------------------------------------------


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.close()


@pytest.fixture
def unlike() -> Iterator[str]:
    """A worker without GPU and one that declares two: a plain Dask resource on this host, so this tests placement only."""

    def worker(name: str, resources: dict[str, int]) -> dict:
        options = {
            "host": "127.0.0.1",
            "nthreads": 2,
            "resources": resources,
            "memory_limit": 0,
            "dashboard": False,
        }
        return {"cls": LocalWorker, "options": {"name": name, "options": options}}

    with SpecCluster(
        workers={"plain": worker("plain", {"cores": 1}), "gpus": worker("gpus", {"cores": 1, "GPU": 2})},
        scheduler={
            "cls": Scheduler,
            "options": {
                "host": "127.0.0.1",
                "port": 0,
                "dashboard": False,
                "dashboard_address": "127.0.0.1:0",
            },
        },
        silence_logs=50,
    ) as made:
        yield made.scheduler_address


def test_gpus_are_leased_by_number_and_given_back(unlike) -> None:
    with connect(unlike) as cluster:
        wait_for_workers(cluster, 2)
        fleet = Fleet(cluster)
        names = {one.address: one.name for one in cluster.probes.values()}
        first = fleet.launch(config(name="one", gpus=1))
        second = fleet.launch(config(name="two", gpus=1))
        assert {names[first.worker], names[second.worker]} == {"gpus"}
        assert (first.gpus, second.gpus) == (("0",), ("1",))
        with pytest.raises(ClusterError, match=r"needs 1 GPU; 0 of 2 are free here") as caught:
            fleet.launch(config(name="three", gpus=1))
        assert "Held by Engine one, Engine two" in str(caught.value)
        assert names[fleet.launch(config(name="none", gpus=0)).worker] == "plain"

        def declared() -> float:
            found = cluster.client.sync(cluster.client.scheduler.identity, n_workers=-1)
            return float(found["workers"][first.worker]["resources"]["GPU"])

        wait_for(lambda: declared() == 0)  # Dask gives them to no task meanwhile
        fleet.stop("one")
        wait_for(lambda: declared() == 1)
        assert fleet.launch(config(name="three", gpus=1)).gpus == ("0",)
        named = fleet.launch(replace(config(name="four", gpus=0), worker="gpus"))
        assert names[named.worker] == "gpus"
        fleet.close()


def test_a_worker_that_died_since_it_was_seen_leaves_the_engine_to_the_next(place, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.fleet.CARRY_S", 3.0)
    place.scheduler()
    place.worker("lives")
    doomed = place.worker("dies")
    with connect(place.address) as cluster:
        wait_for_workers(cluster, 2)
        at = {one.name: one.address for one in cluster.probes.values()}
        fleet = Fleet(cluster)
        doomed.kill()
        doomed.wait()
        monkeypatch.setattr(fleet, "places", lambda _: [at["dies"]])
        with pytest.raises(ClusterError, match=f"Worker {at['dies']}"):
            fleet.launch(config())
        monkeypatch.setattr(fleet, "places", lambda _: [at["dies"], at["lives"]])
        assert fleet.launch(config()).worker == at["lives"]
        fleet.close()


def test_one_name_is_one_engine_wherever_another_would_start_it(unlike) -> None:
    with connect(unlike) as cluster:
        wait_for_workers(cluster, 2)
        at = {one.name: one.address for one in cluster.probes.values()}
        first, second = Fleet(cluster), Fleet(cluster)
        first.launch(config(gpus=0, worker="gpus"))
        pid = first.wait("stand-in", timeout_s=60).pid
        assert second.places(config(gpus=0))[0] == at["plain"]
        assert second.launch(config(gpus=0)).worker == at["gpus"]
        assert [one.pid for one in second.statuses()] == [pid]
        with pytest.raises(ClusterError, match=f"runs already, on worker {at['gpus']}"):
            second.launch(config(gpus=0, worker="plain"))
        first.close()
        assert second.find("stand-in").state == "ready"  # the second holds it now
        second.stop("stand-in")
        assert second.launch(config(gpus=0)).worker == at["plain"]
        second.close()


def test_kernels_that_start_one_name_in_the_same_instant_start_one(unlike, monkeypatch) -> None:
    """Each would rather have it on another worker, so nothing but their turns keeps them apart."""
    with connect(unlike) as one, connect(unlike) as two:
        clusters = (one, two)
        for each in clusters:
            wait_for_workers(each, 2)
        fleets = [Fleet(c) for c in clusters]
        order = sorted(one.probes)
        for fleet, wanted in zip(fleets, (order, order[::-1]), strict=True):
            monkeypatch.setattr(fleet, "places", lambda _, wanted=wanted: list(wanted))
        for name in ("first", "second", "third"):
            together = threading.Barrier(2)

            def start(fleet: Fleet, name: str = name, together: threading.Barrier = together) -> str:
                together.wait(60)
                return fleet.launch(config(name=name, gpus=0)).worker

            with ThreadPoolExecutor(2) as pool:
                workers = list(pool.map(start, fleets))
            assert len(set(workers)) == 1
            assert len([found for found in fleets[0].statuses() if found.name == name]) == 1
        for fleet in fleets:
            fleet.close()


def test_a_start_does_not_wait_for_ever_for_another_kernels(fleet, cluster, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.fleet.TURN_S", 0.3)
    with fleet._turn("stand-in"), pytest.raises(ClusterError, match="has been starting engine stand-in"):
        Fleet(cluster).launch(config())
    assert fleet.launch(config()).worker in cluster.probes


# --- workers that do not answer ------------------------------------------------------------------------------


class Mute:
    """Two workers that answer as `says` has it: what engines say of themselves, or an exception."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.says: dict[str, Any] = {"tcp://east": [], "tcp://west": []}
        self.here = self.probes = {
            address: SimpleNamespace(address=address, name="", host="", gpu_slots=0, free_bytes=1)
            for address in self.says
        }
        self.client = SimpleNamespace(status="running")
        self.address = "tcp://scheduler"
        self.told: list[tuple[str, str]] = []
        self.rolls = 0
        monkeypatch.setattr(fleets, "ask_all", self.ask_all)
        monkeypatch.setattr(fleets, "POLL_S", 0.0)
        monkeypatch.setattr(Fleet, "_run", self.run)
        monkeypatch.setattr(Fleet, "_hold", lambda fleet, worker: None)
        monkeypatch.setattr(Fleet, "_settle", lambda fleet, status: None)

    def present(self) -> dict[str, float]:
        return dict.fromkeys(self.here, 1.0)

    def roll(self) -> None:
        self.rolls += 1

    def ask_all(self, client: Any, function: Any, *_: Any, workers: Any, timeout_s: float) -> dict[str, Any]:
        return {worker: self.says[worker] for worker in workers}

    def run(self, function: Any, *arguments: Any, worker: str) -> Any:
        self.told.append((function.__name__, worker))
        self.says[worker] = [replace(one, state="stopped") for one in self.says[worker]]
        return True


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Mute:
    return Mute(monkeypatch)


def ready(worker: str) -> EngineStatus:
    return EngineStatus(config("well"), "ready", worker=worker)


def test_what_a_worker_that_does_not_answer_has_is_silent_and_not_gone(mute, monkeypatch) -> None:
    monkeypatch.setattr(fleets, "SILENT_S", 0.0)
    fleet = Fleet(mute)
    mute.says["tcp://east"] = [ready("tcp://east")]
    assert fleet.find("stand-in").state == "ready"
    mute.says["tcp://east"] = TimeoutError()
    assert fleet.find("stand-in").state == "silent"
    with pytest.raises(ClusterError, match="Worker tcp://east does not answer"):
        fleet.stop("stand-in")
    with pytest.raises(ClusterError, match="Worker tcp://east does not answer"):
        fleet._launch(config())
    assert mute.told == []
    assert fleet.let_go("stand-in") is False
    mute.here = {"tcp://west": None}
    assert fleet.find("stand-in") is None


def test_one_of_which_nothing_was_ever_heard_may_have_it(mute, monkeypatch) -> None:
    monkeypatch.setattr(fleets, "SILENT_S", 0.0)
    mute.says["tcp://east"] = TimeoutError()
    fleet = Fleet(mute)
    with pytest.raises(ClusterError, match="whether engine stand-in runs there is not known"):
        fleet.stop("stand-in")
    with pytest.raises(ClusterError, match="whether engine stand-in runs there is not known"):
        fleet._launch(config())
    with pytest.raises(ClusterError, match=r"it is silent\. Its worker does not answer"):
        fleet.wait("stand-in", timeout_s=0.0)


def test_a_start_goes_on_when_its_worker_missed_one_question(mute) -> None:
    fleet = Fleet(mute)
    starting = replace(ready("tcp://east"), state="starting")
    mute.says["tcp://east"] = [starting]
    seen = []

    def tell(status: EngineStatus) -> None:
        seen.append(status.state)
        mute.says["tcp://east"] = TimeoutError() if len(seen) == 1 else [ready("tcp://east")]

    assert fleet.wait("stand-in", timeout_s=30.0, tell=tell).worker == "tcp://east"
    assert seen == ["starting", "silent", "ready"]


@pytest.mark.parametrize("heard", [True, False])
def test_a_start_asks_again_where_one_question_was_missed(mute, monkeypatch, heard) -> None:
    fleet = Fleet(mute)
    mute.says["tcp://east"] = [ready("tcp://east")]
    if heard:
        fleet.statuses()
    mute.says["tcp://east"] = TimeoutError()

    def roll() -> None:
        mute.rolls += 1
        if mute.rolls == 2:
            mute.says["tcp://east"] = [ready("tcp://east")]

    monkeypatch.setattr(mute, "roll", roll)
    monkeypatch.setattr(Fleet, "_run", lambda fleet, *_, worker: ready(worker))
    assert fleet._launch(config()).worker == "tcp://east"
    assert mute.rolls == 2
    mute.says["tcp://east"] = TimeoutError()
    with pytest.raises(ClusterError, match="does not answer"):
        fleet._launch(config(), lambda: True)  # who asked waits no more


def test_a_start_goes_elsewhere_once_a_worker_that_was_never_heard_is_set_aside(mute, monkeypatch) -> None:
    mute.says["tcp://east"] = TimeoutError()

    def roll() -> None:
        mute.rolls += 1
        if mute.rolls == 2:
            mute.probes = {"tcp://west": mute.probes["tcp://west"]}

    monkeypatch.setattr(mute, "roll", roll)
    monkeypatch.setattr(Fleet, "_run", lambda fleet, *_, worker: ready(worker))
    assert Fleet(mute)._launch(config()).worker == "tcp://west"


def aside(mute: Mute) -> None:
    """East answers no more, and the next look at the cluster sets it aside."""
    mute.says["tcp://east"] = TimeoutError()

    def roll() -> None:
        mute.probes = {"tcp://west": mute.here["tcp://west"]}

    mute.roll = roll


def back(mute: Mute, *said: EngineStatus) -> None:
    mute.probes, mute.roll = mute.here, lambda: None
    mute.says["tcp://east"] = list(said)


def test_a_start_whose_worker_is_set_aside_is_waited_for_no_more(mute) -> None:
    fleet = Fleet(mute)
    mute.says["tcp://east"] = [replace(ready("tcp://east"), state="starting")]
    fleet.statuses()
    aside(mute)
    with pytest.raises(AsideError, match=r"Engine stand-in: its worker tcp://east was set aside"):
        fleet.wait("stand-in", timeout_s=30.0)


def test_a_run_whose_engine_is_set_aside_while_it_starts_has_it_started_once_more(mute, monkeypatch) -> None:
    mute.local = False
    starts = []

    def run(fleet: Fleet, function: Any, *arguments: Any, worker: str) -> Any:
        if function.__name__ == "start_engine":
            starts.append(worker)
            state = "starting" if worker == "tcp://east" else "ready"
            mute.says[worker] = [replace(ready(worker), state=state)]
            return mute.says[worker][0]
        return True

    def sleep(seconds: float) -> None:
        if "tcp://east" in mute.probes:
            aside(mute)

    monkeypatch.setattr(Fleet, "_run", run)
    monkeypatch.setattr(Fleet, "_turn", lambda fleet, name: contextlib.nullcontext())
    monkeypatch.setattr(fleets, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    roster = Roster(Library(), lambda: mute, lambda: mute)
    roster.know(config())
    assert roster.ensure("stand-in").status.worker == "tcp://west"
    assert starts == ["tcp://east", "tcp://west"]


def test_the_engine_of_a_worker_that_was_set_aside_is_let_go_of_once_it_answers_again(
    mute, monkeypatch
) -> None:
    fleet = Fleet(mute)
    mute.says["tcp://east"] = [ready("tcp://east")]
    fleet.statuses()
    aside(mute)
    told = mute.told

    def run(fleet: Fleet, function: Any, *arguments: Any, worker: str) -> Any:
        told.append((function.__name__, worker))
        if function.__name__ == "start_engine":
            mute.says[worker] = [ready(worker)]
            return ready(worker)
        assert arguments == ("stand-in", fleet.name)
        return True

    monkeypatch.setattr(Fleet, "_run", run)
    assert fleet._launch(config()).worker == "tcp://west"
    assert fleet.find("stand-in").worker == "tcp://west"
    back(mute, ready("tcp://east"))
    assert fleet._launch(config()).worker == "tcp://west"  # before anybody was told
    assert [(one.worker, one.state) for one in fleet.statuses()] == [
        ("tcp://east", "stopping"),
        ("tcp://west", "ready"),
    ]
    assert fleet.find("stand-in").worker == "tcp://west"
    assert told.count(("stop_engine", "tcp://east")) == 1


def test_what_is_let_go_of_while_it_is_silent_ends_once_its_worker_answers(mute) -> None:
    fleet = Fleet(mute)
    mute.says["tcp://east"] = [ready("tcp://east")]
    fleet.statuses()
    mute.says["tcp://east"] = TimeoutError()
    assert fleet.let_go("stand-in") is False
    assert fleet.find("stand-in").state == "silent"
    assert mute.told == []
    back(mute, ready("tcp://east"))
    assert fleet.find("stand-in").state == "stopping"
    assert fleet.settled("stand-in").state == "stopped"
    assert mute.told == [("stop_engine", "tcp://east")]


def test_a_start_that_is_not_answered_is_not_made_elsewhere_and_ends_or_is_joined(mute, monkeypatch) -> None:
    fleet = Fleet(mute)
    slow = [True]

    def run(fleet: Fleet, function: Any, *_: Any, worker: str) -> Any:
        mute.told.append((function.__name__, worker))
        mute.says[worker] = [ready(worker)]
        if slow[0]:
            msg = "Worker tcp://east does not answer: in time."
            raise UnansweredError(msg)
        return ready(worker)

    monkeypatch.setattr(Fleet, "_run", run)
    with pytest.raises(UnansweredError):
        fleet._launch(config())
    assert mute.told == [("start_engine", "tcp://east")]
    slow[0] = False
    assert fleet._launch(config()).worker == "tcp://east"  # it is there by now
    assert fleet.find("stand-in").state == "ready"
    slow[0] = True
    with pytest.raises(UnansweredError):
        fleet._launch(config())
    slow[0] = False
    assert fleet.find("stand-in").state == "stopping"
    assert mute.told[-1] == ("stop_engine", "tcp://east")


def test_a_run_waits_for_its_silent_engine_and_has_another_once_its_worker_is_set_aside(
    mute, monkeypatch
) -> None:
    fleet = Fleet(mute)
    mute.says["tcp://east"] = [ready("tcp://east")]
    fleet.statuses()
    mute.says["tcp://east"] = TimeoutError()

    def wake() -> None:
        mute.says["tcp://east"] = [ready("tcp://east")]

    monkeypatch.setattr(mute, "roll", wake)
    assert fleet.settled("stand-in").state == "ready"

    def put_aside() -> None:
        mute.probes = {"tcp://west": mute.probes["tcp://west"]}

    mute.says["tcp://east"] = TimeoutError()
    monkeypatch.setattr(mute, "roll", put_aside)
    assert fleet.settled("stand-in") is None
    monkeypatch.setattr(Fleet, "_run", lambda fleet, *_, worker: ready(worker))
    assert fleet._launch(config()).worker == "tcp://west"


def test_every_worker_that_has_an_engine_of_the_name_is_told_to_end_it(mute) -> None:
    mute.says = {worker: [ready(worker)] for worker in mute.says}
    assert Fleet(mute).stop("stand-in") is True
    assert mute.told == [("stop_engine", "tcp://east"), ("stop_engine", "tcp://west")]


def test_nothing_is_asked_of_a_worker_without_an_end(place, monkeypatch) -> None:
    monkeypatch.setattr(fleets, "RUN_S", 1.0)
    monkeypatch.setattr(fleets, "CARRY_S", 0.5)
    monkeypatch.setattr(fleets, "STATUS_S", 0.5)
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.keys.ASK_S", 0.5)
    monkeypatch.setenv("SOME_KEY", "x")
    place.scheduler()
    asleep = place.worker("w")
    with connect(place.address) as cluster:
        (worker,) = cluster.probes
        fleet, ring = Fleet(cluster), KeyRing(lambda: cluster)
        fleet._leases["another"] = fleet._leases[worker] = None
        asleep.send_signal(signal.SIGSTOP)
        began_s = time.monotonic()
        with pytest.raises(ClusterError, match=f"Worker {worker} does not answer"):
            fleet._run(engine_log, "stand-in", 1, worker=worker)
        with pytest.raises(UnansweredError):
            fleet._run(engine_log, "stand-in", 1, worker=worker)
        del fleet._leases[worker]
        with pytest.raises(ClusterError, match=f"Worker {worker} takes nothing"):
            fleet._hold(worker)
        assert ring.lacking(["SOME_KEY"]) == {}
        with pytest.raises(ClusterError, match=f"Worker {worker} does not answer: OTHER_KEY cannot be set"):
            ring.take("OTHER_KEY", "y")
        assert "OTHER_KEY" not in os.environ
        fleet.close()
        assert time.monotonic() - began_s < 60.0
        asleep.send_signal(signal.SIGCONT)


# --- never an orphan ------------------------------------------------------------------------------------------

KERNEL = """
import sys, time
from murakkab_jupyter.cluster.connect import connect
from murakkab_jupyter.cluster.engines.fleet import Fleet
from tests.cluster.engines.parts import config
how, *address = sys.argv[1:]
fleet = Fleet(connect(address[0] if address else None))
status = fleet.launch(config(how, stop_grace_s=5.0))
if how == "mute":
    while not status.pid or "asked" not in (fleet.log("stand-in", 20) or ""):
        status = fleet.find("stand-in")
else:
    status = fleet.wait("stand-in", timeout_s=60)
print(status.pid, flush=True)
time.sleep(600)
"""


def kernel(*address: str, how: str = "well") -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A process that holds an engine, as a notebook's kernel does, and the engine's processes."""
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KERNEL), how, *address],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    processes = family(int(owner.stdout.readline()))
    assert len(processes) >= 2
    return owner, processes


def test_nothing_is_left_10_s_after_the_kernel_with_a_local_worker_was_killed() -> None:
    owner, processes = kernel()
    owner.kill()
    owner.wait()
    wait_for(lambda: gone(processes), 10)


def test_nothing_is_left_10_s_after_the_kernel_was_killed_of_a_server_that_accepts_and_never_answers(
    place,
) -> None:
    place.scheduler()
    place.worker("w", cores=1)
    owner, processes = kernel(place.address, how="mute")
    owner.kill()
    owner.wait()
    wait_for(lambda: gone(processes), 10)


@pytest.mark.parametrize("victim", ["kernel", "worker", "scheduler"])
def test_nothing_is_left_10_s_after_a_part_of_a_cluster_was_killed(place, victim) -> None:
    place.scheduler()
    worker = place.worker("w", cores=1)
    owner, processes = kernel(place.address)
    try:
        killed = {"kernel": owner, "worker": worker, "scheduler": place.processes[0]}[victim]
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        wait_for(lambda: gone(processes), 10)
    finally:
        owner.kill()
        owner.wait()
