"""Real runs on a real LocalCluster."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from distributed.diagnostics.plugin import SchedulerPlugin

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs
from murakkab_jupyter.cluster.connect import Cluster, connect
from murakkab_jupyter.cluster.drive import STOP_S
from murakkab_jupyter.cluster.host import instances
from murakkab_jupyter.core.ancestry import child
from murakkab_jupyter.core.errors import JournalError
from murakkab_jupyter.core.events import BatchRetried, BatchStarted, Event, ItemFailed, Usage
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.recorder import MISSING, Item, MemoryRecorder
from murakkab_jupyter.workflow.model import Step
from tests.cluster.parts import (
    Run,
    alive,
    instance_pids,
    library,
    one_step,
    setting,
    sleepers,
    wait_for,
    words_flow,
)

PLAN = {"words": setting("splitter"), "said": setting("shouter"), "joined": setting("joiner")}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(cores=2) as made:
        yield made


def left(cluster: Cluster) -> list[Any]:
    """Instances that are left on any worker."""
    return [one for found in cluster.client.run(instances).values() for one in found]


def test_a_workflow_with_a_level_runs_end_to_end(cluster: Cluster) -> None:
    ran = Run(cluster, words_flow(), PLAN, {"texts": ["a b c", "", "d e"]}).go()
    assert ran.finish.status == "done"
    assert list(ran.store.outputs("joined").values()) == ["A B C", "", "D E"]


def test_an_instance_is_loaded_once_with_its_cores_and_measured(cluster: Cluster) -> None:
    ran = Run(
        cluster, one_step(), {"said": setting("shouter", cores=2, loud=False)}, {"items": list("abcdefghij")}
    ).go()
    marks = {value.split()[1] for value in ran.store.outputs("said").values()}
    assert len(marks) == 1
    assert marks.pop().endswith("/2/2/False")
    usages = [batch.usage for batch in ran.batches("said")]
    assert len(usages) >= 3
    assert sum(usage.load_s > 0 for usage in usages) == 1
    assert all(usage.tokens_in == 7 and usage.tokens_out == 3 for usage in usages)
    assert all(usage.memory_bytes > 5_000_000 and usage.energy_j is None for usage in usages)
    assert sum(usage.work for usage in usages) == pytest.approx(10 / 4)  # a character is a quarter of a token


def test_the_environment_of_an_instance_leaves_it_only_its_own_threads(cluster: Cluster) -> None:
    class Env(Agent):
        def load(self, options: Any, cores: int) -> None:
            pass

        def call(self, batch: Sequence[Inputs]) -> list[Any]:
            names = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
            return [" ".join(f"{name}={os.environ[name]}" for name in names)] * len(batch)

    made = library()
    made.add_agent(AgentSpec("env", "1", "word", "Its environment.", Env))
    ran = Run(cluster, one_step(), {"said": setting("env", cores=1)}, {"items": ["x"]}, made).go()
    assert ran.store.get("said", child((), "items", 0)) == (
        "MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 RAYON_NUM_THREADS=1 CUDA_VISIBLE_DEVICES="
    )


def test_no_instance_is_left_after_a_run(cluster: Cluster) -> None:
    Run(cluster, words_flow(), PLAN, {"texts": ["a b"]}).go()
    wait_for(lambda: left(cluster) == [])
    wait_for(lambda: instance_pids(os.getpid()) == set())


@pytest.mark.parametrize(
    ("more", "carries"),
    [
        ({}, {"cores": 2}),
        ({"device": "remote"}, {}),
        ({"device": "remote", "engine_cores": 1}, {"cores": 1}),
        ({"device": "remote", "engine_cores": 64}, {"cores": 2}),
    ],
)
def test_tasks_carry_the_resources_that_workers_declare(
    cluster: Cluster, more: dict[str, Any], carries: dict[str, int]
) -> None:
    seen: list[Any] = []
    scheduler = cluster._local.scheduler

    class Watch(SchedulerPlugin):
        """Notes what a task may run on the moment it is sent to a worker."""

        def transition(self, key: object, start: str, finish: str, *args: object, **kwargs: object) -> None:
            task = scheduler.tasks.get(key)
            if task is not None and "-said-" in str(key) and finish == "processing":
                seen.append((dict(task.resource_restrictions or {}), set(task.worker_restrictions)))

    watch = Watch()
    scheduler.add_plugin(watch, name="watch")
    try:
        plan = {"said": replace(setting("shouter", cores=2), **more)}
        Run(cluster, one_step(), plan, {"items": ["x"]}).go()
    finally:
        scheduler.remove_plugin("watch")
    assert seen[0] == (carries, set(cluster.probes))


def test_more_cores_than_any_worker_has_are_refused_before_anything_starts(cluster: Cluster) -> None:
    ran = Run(cluster, one_step(), {"said": setting("shouter", cores=64)}, {"items": ["x"]}).go()
    assert ran.finish.status == "failed"
    assert "said" in ran.finish.message
    assert "64 cores" in ran.finish.message
    assert not ran.of(BatchStarted)


# --- items and instances that go wrong ------------------------------------------------------------------------


def only_failure(ran: Any) -> ItemFailed:
    (failed,) = ran.of(ItemFailed)
    return failed


def test_a_poisoned_item_fails_alone_and_says_where(cluster: Cluster) -> None:
    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A", "B", "raise", "C", "D"]}).go()
    assert ran.finish.status == "partial"
    assert sorted(ran.store.outputs("said").values()) == ["a", "b", "c", "d"]
    failed = only_failure(ran)
    assert failed.ancestry == child((), "items", 2)
    assert "this word is poison" in failed.error
    assert "in call)" in failed.error


def test_an_agent_that_returns_too_few_values_is_named(cluster: Cluster) -> None:
    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A", "few"]}).go()
    assert "Agent odd returned 0 values for 1 items" in only_failure(ran).error
    assert list(ran.store.outputs("said").values()) == ["a"]


def test_a_value_of_the_wrong_kind_is_named(cluster: Cluster) -> None:
    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["kind", "A"]}).go()
    assert "Agent odd returned int 42" in only_failure(ran).error


def test_a_value_that_cannot_leave_its_process_is_named(cluster: Cluster) -> None:
    ran = Run(cluster, one_step("loose"), {"said": setting("locked")}, {"items": ["x"]}).go()
    error = only_failure(ran).error
    assert "what agent locked returned cannot leave its process" in error
    assert "lock" in error.split("(")[1]
    assert "of type lock" in error


def test_a_value_that_cannot_be_sent_fails_at_once_and_alone_and_says_whose_it_is(cluster: Cluster) -> None:
    values = ["A", [threading.Lock()], "B"]
    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": values}).go()
    error = only_failure(ran).error
    assert error.startswith(
        "A value of {items}, of type lock, cannot be sent to where step said runs (TypeError: cannot pickle"
    )
    assert "inside the function" in error
    assert list(ran.store.outputs("said").values()) == ["a", "b"]
    assert not ran.of(BatchRetried)


def test_a_batch_of_which_nothing_can_be_sent_fails_at_once(cluster: Cluster) -> None:
    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": [threading.Lock()]}).go()
    assert "A value of {items}, of type lock, cannot be sent" in only_failure(ran).error
    assert not ran.of(BatchRetried)


def test_an_item_that_its_agent_gives_up_on_fails_with_the_agents_words(cluster: Cluster) -> None:
    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A", "fail"]}).go()
    assert only_failure(ran).error == "too quiet to hear"


def test_an_item_that_kills_its_instance_fails_alone_with_the_last_words(cluster: Cluster) -> None:
    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A", "die", "B"]}).go()
    assert sorted(ran.store.outputs("said").values()) == ["a", "b"]
    failed = only_failure(ran)
    assert failed.ancestry == child((), "items", 1)
    assert "SIGKILL" in failed.error
    assert "the last words of an instance" in failed.error


def test_an_instance_that_is_killed_from_outside_costs_no_item(cluster: Cluster, tmp_path: Path) -> None:
    diary, gate = tmp_path / "diary", tmp_path / "gate"

    def murder() -> None:
        try:
            wait_for(lambda: diary.exists() and "c" in diary.read_text().split())
            os.kill(int(diary.read_text().split()[0]), signal.SIGKILL)
        finally:
            gate.touch()

    killer = threading.Thread(target=murder)
    killer.start()
    ran = Run(
        cluster,
        one_step(),
        # The kill comes within the call: it ends no sooner.
        {"said": setting("slow", batch=1, seconds=0.1, diary=str(diary), gate=str(gate), held="c")},
        {"items": list("abcd")},
    ).go()
    killer.join()
    assert ran.finish.status == "done"
    assert list(ran.store.outputs("said").values()) == list("abcd")
    assert len({line.split()[0] for line in diary.read_text().splitlines()}) == 2
    (wasted,) = [batch for batch in ran.batches("said") if batch.wasted]
    assert wasted.usage is not None
    assert wasted.usage.seconds > 0


def test_an_agent_that_cannot_load_fails_its_items_with_the_reason(cluster: Cluster) -> None:
    ran = Run(
        cluster, one_step(), {"said": setting("odd", how="unloadable")}, {"items": list("abcdefgh")}
    ).go()
    assert ran.finish.status == "failed"
    failures = ran.of(ItemFailed)
    assert len(failures) == 8
    assert all("Agent odd cannot load" in one.error and "no weights" in one.error for one in failures)


def test_an_agent_that_needs_more_memory_than_there_is_is_refused(cluster: Cluster) -> None:
    made = library()
    from tests.cluster.parts import Needs, Shout

    made.add_agent(AgentSpec("huge", "1", "word", "Huge.", Shout, needs=Needs(memory_bytes=10**15)))
    ran = Run(cluster, one_step(), {"said": setting("huge")}, {"items": ["x"]}, made).go()
    assert "Agent huge needs 1000000.0 GB of memory" in only_failure(ran).error


def test_an_agent_that_refers_to_something_large_is_refused(cluster: Cluster) -> None:
    ballast = bytes(11 * 1024 * 1024)

    class Heavy(Agent):
        def load(self, options: Any, cores: int) -> None:
            self.size = len(ballast)

        def call(self, batch: Sequence[Inputs]) -> list[Any]:
            return [str(self.size)] * len(batch)

    made = library()
    made.add_agent(AgentSpec("heavy", "1", "word", "Heavy.", Heavy))
    ran = Run(cluster, one_step(), {"said": setting("heavy")}, {"items": ["x"]}, made).go()
    error = only_failure(ran).error
    assert "Agent heavy is 11.5 MB when packed" in error
    assert "MURAKKAB_FUNCTION_LIMIT" in error


def test_a_large_value_comes_back_and_goes_on(cluster: Cluster) -> None:
    ran = Run(cluster, one_step(), {"said": setting("odd", batch=1)}, {"items": ["A" * 3_000_000]}).go()
    assert ran.store.get("said", child((), "items", 0)) == "a" * 3_000_000


# --- stop -----------------------------------------------------------------------------------------------------


def test_a_stop_returns_within_a_second_and_leaves_the_workers_idle(cluster: Cluster, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    stop = threading.Event()
    at: list[float] = []

    def press() -> None:
        wait_for(lambda: diary.exists() and len(diary.read_text().splitlines()) >= 3)
        at.append(time.monotonic())
        stop.set()

    presser = threading.Thread(target=press)
    presser.start()
    run = Run(
        cluster,
        one_step(),
        {"said": setting("slow", batch=1, instances=2, seconds=0.3, diary=str(diary))},
        {"items": [str(number) for number in range(100)]},
        stop=stop,
    )
    ran = run.go()
    took = time.monotonic() - at[0]
    presser.join()
    assert ran.finish.status == "stopped"
    assert STOP_S < 1.0  # it waits for workers no longer; what is more, a slow machine takes
    assert took < 5.0
    assert ran.store.outputs("said")  # what had finished is kept
    assert isinstance(ran.recorder, MemoryRecorder)
    assert len(ran.recorder.items) == len(ran.store.outputs("said"))
    wait_for(lambda: instance_pids(os.getpid()) == set())
    wait_for(lambda: not any(cluster.client.processing().values()))
    assert Run(cluster, words_flow(), PLAN, {"texts": ["a b"]}).go().finish.status == "done"


def test_an_interrupt_is_a_stop(cluster: Cluster, tmp_path: Path) -> None:
    assert threading.current_thread() is threading.main_thread()
    diary = tmp_path / "diary"
    at: list[float] = []

    def press() -> None:
        wait_for(diary.exists)
        at.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    presser = threading.Thread(target=press)
    presser.start()
    ran = Run(
        cluster, one_step(), {"said": setting("slow", seconds=600.0, diary=str(diary))}, {"items": ["a"]}
    ).go()
    took = time.monotonic() - at[0]
    presser.join()
    assert ran.finish.status == "stopped"
    assert took < 5.0  # the item takes ten minutes
    assert signal.getsignal(signal.SIGINT) is before
    wait_for(lambda: instance_pids(os.getpid()) == set())


def test_a_stop_takes_what_an_instance_started_with_it(cluster: Cluster) -> None:
    stop = threading.Event()
    seen: set[int] = set()

    def press() -> None:
        def found() -> bool:
            seen.update(sleepers(os.getpid()))
            return bool(seen)

        try:
            wait_for(found)
        finally:
            stop.set()

    presser = threading.Thread(target=press)
    presser.start()
    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["wait"]}, stop=stop).go()
    presser.join()
    assert ran.finish.status == "stopped"
    assert seen
    wait_for(lambda: not any(alive(pid) for pid in seen))


def test_a_stop_before_the_beginning_runs_nothing(cluster: Cluster) -> None:
    stop = threading.Event()
    stop.set()
    ran = Run(cluster, one_step(), {"said": setting("shouter")}, {"items": ["a"]}, stop=stop).go()
    assert ran.finish.status == "stopped"
    wait_for(lambda: left(cluster) == [])


# --- keeping and reusing --------------------------------------------------------------------------------------


class Memory(MemoryRecorder):
    """A recorder that knows some words from before, and may break."""

    def __init__(self, known: dict[str, str], broken: str = "") -> None:
        super().__init__()
        self.known = known
        self.broken = broken
        self.usages: list[Usage | None] = []

    def lookup(self, step: Step, configuration: Configuration, inputs: Inputs) -> Any:
        return self.known.get(inputs.values["material"], MISSING)

    def record(
        self, step: Step, configuration: Configuration, items: Sequence[Item], usage: Usage | None
    ) -> None:
        if self.broken:
            raise JournalError(self.broken, hint="Free some disk space.")
        self.usages.append(usage)
        super().record(step, configuration, items, usage)


def test_items_that_are_known_are_not_called_again(cluster: Cluster) -> None:
    memory = Memory({"A": "from before", "C": "also from before"})
    ran = Run(
        cluster, one_step(), {"said": setting("odd")}, {"items": ["A", "B", "C", "fail"]}, recorder=memory
    ).go()
    assert list(ran.store.outputs("said").values()) == ["from before", "b", "also from before"]
    assert sum(batch.reused for batch in ran.batches("said")) == 2
    kept = {key[1][0][1]: value for key, value in memory.items.items()}
    assert kept == {0: "from before", 1: "b", 2: "also from before", 3: Failed("too quiet to hear")}


def test_what_a_call_took_is_told_but_teaches_nothing_where_some_of_its_items_were_known(
    cluster: Cluster,
) -> None:
    """What the others took, over the work of all, would be a rate that nobody measured."""
    for known, taught in (({"A": "from before"}, False), ({}, True)):
        memory = Memory(known)
        ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A", "B"]}, recorder=memory).go()
        [call] = ran.batches("said")
        assert (call.reused, call.done) == (len(known), 2)
        assert call.usage is not None
        assert [usage is not None for usage in memory.usages] == [taught]


def test_a_batch_of_known_items_starts_no_instance(cluster: Cluster) -> None:
    memory = Memory({"raise": "known", "die": "known too"})
    ran = Run(
        cluster, one_step(), {"said": setting("odd")}, {"items": ["raise", "die"]}, recorder=memory
    ).go()
    assert ran.finish.status == "done"
    assert memory.usages == [None]


def test_a_journal_that_cannot_be_written_ends_the_run_with_its_error(cluster: Cluster) -> None:
    memory = Memory({}, broken="The disk is full.")
    with pytest.raises(JournalError, match="The disk is full"):
        Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A"]}, recorder=memory).go()
    wait_for(lambda: left(cluster) == [])


def test_a_view_that_breaks_does_not_take_the_run_with_it(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        message = "no display"
        raise RuntimeError(message)

    ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A"]}, on_event=broken).go()
    assert ran.finish.status == "done"
    assert "An event could not be shown" in caplog.text


def test_remote_agents_wait_beside_each_other_without_taking_cores(cluster: Cluster, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    plan = {
        "said": setting("slow", device="remote", instances=6, batch=1, seconds=0.6, diary=str(diary)),
    }
    ran = Run(cluster, one_step(), plan, {"items": list("abcdef")}).go()
    assert ran.finish.status == "done"
    assert len({line.split()[0] for line in diary.read_text().splitlines()}) == 6


def test_no_more_calls_run_at_once_than_there_are_cores(cluster: Cluster, tmp_path: Path) -> None:
    spans: list[tuple[float, float]] = []

    class Span(Agent):
        def load(self, options: Any, cores: int) -> None:
            pass

        def call(self, batch: Sequence[Inputs]) -> list[Any]:
            began = time.monotonic()
            deadline = began + 0.05
            while time.monotonic() < deadline:
                sum(range(1000))
            return [f"{began} {time.monotonic()}" for _ in batch]

    made = library()
    made.add_agent(AgentSpec("span", "1", "word", "When it ran.", Span))
    plan = {"said": setting("span", instances=4, batch=1)}
    ran = Run(cluster, one_step(), plan, {"items": list("abcdefghijkl")}, made).go()
    spans = [tuple(map(float, one.split())) for one in ran.store.outputs("said").values()]
    most = max(sum(start <= at < end for start, end in spans) for at, _ in spans)
    assert most <= 2


def test_a_function_that_brings_a_megabyte_along_is_sent_once_and_runs(cluster: Cluster) -> None:
    ballast = os.urandom(1024 * 1024)

    class Laden(Agent):
        def load(self, options: Any, cores: int) -> None:
            self.size = len(ballast)

        def call(self, batch: Sequence[Inputs]) -> list[Any]:
            return [str(self.size)] * len(batch)

    made = library()
    made.add_agent(AgentSpec("laden", "1", "word", "Laden.", Laden))
    ran = Run(cluster, one_step(), {"said": setting("laden", batch=1)}, {"items": list("abc")}, made).go()
    assert list(ran.store.outputs("said").values()) == [str(len(ballast))] * 3
