"""What a run is told of its engines, whatever goes wrong while it waits. The roster is a stand-in."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.engines.entry import Entry
from murakkab_jupyter.cluster.engines.gate import Checked, Gate
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.runtime.messages import EngineLost, EngineReady
from tests.cluster.engines.parts import config


class StandInRoster:
    """Fails at one of its calls."""

    def __init__(self, at: str = "", error: Exception | None = None) -> None:
        self.at, self.error = at, error
        self.uses: list[bool] = []

    def _now(self, call: str) -> Entry:
        if call == self.at and self.error is not None:
            raise self.error
        return Entry("e", None)

    def look(self, name: str) -> Entry:
        return self._now("look")

    def ensure(self, name: str, *, stop: Any) -> Entry:
        return self._now("ensure")

    def host_of(self, entry: Entry) -> str:
        self._now("host_of")
        return "here"

    def use(self, name: str, who: str, *, begins: bool) -> None:
        self.uses.append(begins)
        self._now("use")


@pytest.fixture
def told() -> queue.Queue[Any]:
    return queue.Queue()


@pytest.mark.parametrize("at", ["look", "ensure", "host_of"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClusterError("No worker has room.", hint="Add one."), "No worker has room."),
        (TimeoutError("Timed out after 10 s"), "TimeoutError: Timed out after 10 s"),
        (KeyError("tcp://w:1"), "KeyError: 'tcp://w:1'"),
    ],
)
def test_whatever_goes_wrong_the_run_hears_that_it_cannot_have_it(told, at, error, said) -> None:
    gate = Gate(StandInRoster(at, error), "a run", told.put)
    gate.start("e")
    assert told.get(timeout=60) == EngineLost("e", said, final=True)
    assert "e" in gate.gone
    gate.end()


def test_one_whose_use_cannot_be_noted_is_ready_all_the_same(told) -> None:
    gate = Gate(StandInRoster("use", TimeoutError("Timed out")), "a run", told.put)
    gate.start("e")
    ready = told.get(timeout=60)
    assert isinstance(ready, EngineReady)
    assert ready.host == "here"
    gate.end()


def test_a_batch_lands_when_its_engine_cannot_be_looked_at(told) -> None:
    gate = Gate(StandInRoster("look", TimeoutError("Timed out")), "a run", told.put)
    gate.check("e", "a life", "a batch")
    assert told.get(timeout=60) == Checked("a batch", again=False)
    gate.end()


def test_an_engine_that_came_when_its_run_was_over_is_not_used_for_ever(told) -> None:
    roster = StandInRoster()
    gate = Gate(roster, "a run", told.put)
    gate._over.set()
    gate.start("e")
    told.get(timeout=60)
    assert roster.uses == [True, False]


def test_of_an_engine_whose_worker_does_not_answer_that_is_said_and_not_that_it_was_started_again(
    told,
) -> None:
    why = "Its worker does not answer."
    roster = StandInRoster()
    settings = config()
    status = EngineStatus(settings, "silent", worker="tcp://w", pid=7, error=why)
    roster.look = lambda name: Entry(
        name, Endpoint("http://h/v1", "m"), config=settings, status=status, problem=why
    )
    gate = Gate(roster, "a run", told.put)
    gate._life["e"] = ("tcp://w", 7)
    gate.check("e", ("tcp://w", 7), "a batch")
    assert told.get(timeout=60) == EngineLost("e", why)
    gate.end()


@pytest.mark.parametrize("state", ["ready", "silent"])
def test_what_an_engine_spent_where_it_was_is_not_taken_off_what_it_spends_elsewhere(told, state) -> None:
    settings = config()
    roster = StandInRoster()

    def at(worker: str, cpu_s: float, state: str = "ready") -> Entry:
        status = EngineStatus(settings, state, worker=worker, pid=7, cpu_s=cpu_s)
        return Entry("e", Endpoint("http://h/v1", "m"), config=settings, status=status)

    now = {"look": at("tcp://w", 500.0), "ensure": at("tcp://w", 510.0)}
    roster.look = lambda name: now["look"]
    roster.ensure = lambda name, *, stop: now["ensure"]
    gate = Gate(roster, "a run", told.put)
    gate._ensure("e")
    now["look"] = at("tcp://w", 520.0)
    assert gate.spent() == {"e": ("tcp://w", 20.0)}
    now.update(look=at("tcp://w", 520.0, state), ensure=at("tcp://east", 0.0))
    gate._ensure("e")
    now["look"] = at("tcp://east", 120.0)
    assert gate.spent() == {"e": ("tcp://east", 120.0)}
    gate.end()
