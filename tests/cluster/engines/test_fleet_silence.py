"""Engines on workers that do not answer, or not in time. The workers are fakes, but for the last test's."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.connect import connect
from murakkab_jupyter.cluster.engines import fleet as fleets
from murakkab_jupyter.cluster.engines.fleet import AsideError, Fleet, UnansweredError
from murakkab_jupyter.cluster.engines.keys import KeyRing
from murakkab_jupyter.cluster.engines.roster import Roster
from murakkab_jupyter.cluster.engines.shelf import engine_log
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.core.errors import ClusterError
from tests.cluster.engines.parts import config


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


def heard(mute: Mute, said: EngineStatus) -> Fleet:
    """A fleet that has heard of an engine in the east."""
    mute.says["tcp://east"] = [said]
    fleet = Fleet(mute)
    fleet.statuses()
    return fleet


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
    fleet = heard(mute, replace(ready("tcp://east"), state="starting"))
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
    fleet = heard(mute, ready("tcp://east"))
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
    fleet = heard(mute, ready("tcp://east"))
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
    fleet = heard(mute, ready("tcp://east"))
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
