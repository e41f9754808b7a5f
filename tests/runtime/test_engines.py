"""When the run loop has engines started, and when it lets them go."""

from __future__ import annotations

from dataclasses import replace

from murakkab_jupyter.core.events import BatchStarted, Reconfigured
from murakkab_jupyter.core.hosts import WorkerView
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import (
    BatchDone,
    Begin,
    Called,
    Decision,
    EngineLost,
    EngineReady,
    Finish,
    Message,
    Outcome,
    Record,
    Recorded,
    StartEngine,
    StopEngine,
    StopRequested,
    Submit,
    Tell,
    TimerFired,
)
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

LEVEL = ("words",)
ROOTS = {"words": ((("words", 0),),)}


def step(name: str, source: str) -> Step:
    return Step(name, f"do {{{source}}}", "word", LEVEL, False, "text", (Input(source, "material", "same"),))


FLOW = Workflow(
    "flow",
    "",
    (Variable("words", "text", LEVEL),),
    (step("heard", "words"), step("said", "heard"), step("told", "said")),
    Goal(),
    "",
)
REMOTE = Configuration("served", device="remote", engine="e")


class Play:
    """A loop that is told things; `out` is all it ever decided."""

    def __init__(self, hosts: dict[str, str] | None = None, *, cores: int = 1, engine_cores: int = 0) -> None:
        remote = replace(REMOTE, engine_cores=engine_cores)
        configurations = {"heard": Configuration("local"), "said": remote, "told": remote}
        self.loop = RunLoop(FLOW, configurations, hosts=hosts)
        self.out: list[Decision] = []
        self.say(
            Begin(ROOTS, (WorkerView("a", "host-a", cores, 10**9), WorkerView("b", "host-b", cores, 10**9)))
        )
        self.say(TimerFired("begin"))

    def say(self, message: Message) -> None:
        self.out += self.loop.handle(message, 0.0)

    def all(self, kind: type) -> list:
        return [one for one in self.out if isinstance(one, kind)]

    def do(self) -> None:
        """The latest batch is done and recorded."""
        batch = self.all(Submit)[-1].batch
        self.say(BatchDone(batch.task, tuple(Outcome(key) for key in batch.keys)))
        assert self.all(Record)[-1].task == batch.task
        self.say(Recorded(batch.task))


def test_what_feeds_a_step_heralds_its_engine() -> None:
    assert Play().loop.heralds == {"heard": ("e",), "said": ("e",), "told": ("e",)}


def test_an_engine_is_started_when_something_is_really_done_and_once() -> None:
    play = Play()
    assert not play.all(StartEngine)  # a batch was submitted, but it may be known
    play.say(Called("heard"))
    play.say(Called("heard"))
    assert play.all(StartEngine) == [StartEngine("e")]


def test_a_run_that_finds_everything_known_starts_none_and_stops_none() -> None:
    play = Play()
    for _ in range(3):
        play.do()
    assert play.all(Finish)[0].status == "done"
    assert not play.all(StartEngine)
    assert not play.all(StopEngine)


def test_it_is_let_go_when_the_last_step_that_calls_it_has_ended_and_not_before() -> None:
    play = Play()
    play.say(Called("heard"))
    play.say(EngineReady("e"))
    play.do()
    play.do()
    assert not play.all(StopEngine)
    play.do()
    assert play.all(StopEngine) == [StopEngine("e")]
    assert play.out.index(StopEngine("e")) < play.out.index(play.all(Finish)[0])


def test_a_stopped_run_lets_it_go_also_while_it_starts() -> None:
    play = Play()
    play.say(Called("heard"))
    play.say(StopRequested())
    assert play.all(StopEngine) == [StopEngine("e")]


def test_calls_are_made_where_the_engine_listens() -> None:
    for host in ("host-a", "host-b"):
        play = Play({"e": host})
        play.do()
        assert play.all(Submit)[-1].batch.step == "said"
        assert play.all(Submit)[-1].batch.instance.worker == host[-1]


def held(play: Play, step: str) -> list[int]:
    """Cores that calls of a step held when they began."""
    return [
        one.event.cores
        for one in play.all(Tell)
        if isinstance(one.event, BatchStarted) and one.event.step == step
    ]


def test_calls_of_a_warm_engine_hold_its_cores() -> None:
    play = Play({"e": "host-b"}, cores=2, engine_cores=2)
    play.do()
    assert held(play, "said") == [2]
    assert play.loop._pool.workers["b"].free_cores == 0
    play.do()
    play.do()
    assert play.loop._pool.workers["b"].free_cores == 2


def test_while_an_engine_starts_its_calls_hold_nothing_and_from_then_on_what_there_is() -> None:
    play = Play(cores=2, engine_cores=64)
    play.do()
    assert held(play, "said") == [0]
    (worker,) = {one.batch.instance.worker for one in play.all(Submit) if one.batch.step == "said"}
    assert play.loop._pool.workers[worker].free_cores == 2
    play.say(EngineReady("e"))
    assert play.loop._pool.workers[worker].free_cores == 0
    play.do()
    assert held(play, "told") == [2]


def test_its_death_and_its_return_are_told_as_a_story() -> None:
    play = Play()
    play.say(Called("heard"))
    play.say(EngineReady("e"))
    play.say(EngineLost("e", "killed"))
    play.say(EngineLost("e", "killed"))  # every batch under way reports it
    play.say(EngineReady("e", took_s=4.0))
    told = [one.event for one in play.all(Tell) if isinstance(one.event, Reconfigured)]
    assert [one.cause for one in told] == ["engine e is gone: killed", "engine e is back"]


def test_an_engine_of_another_run_means_nothing() -> None:
    play = Play()
    before = len(play.out)
    play.say(EngineReady("other"))
    play.say(EngineLost("other", "gone", final=True))
    assert not [one for one in play.out[before:] if isinstance(one, Tell | StartEngine | StopEngine)]
