"""The pieces under a run: contract, wire, pool, packing, media references, memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Tokens
from murakkab_jupyter.agents.weights.resolver import reporting
from murakkab_jupyter.cluster.gpus import GpuLeases
from murakkab_jupyter.cluster.instances import pool as pools
from murakkab_jupyter.cluster.instances.contract import check_values, fits
from murakkab_jupyter.cluster.instances.pool import Pool, Recipe, Reply
from murakkab_jupyter.cluster.instances.process import environment
from murakkab_jupyter.cluster.instances.ship import limit_bytes, own_modules, pack_agent
from murakkab_jupyter.cluster.instances.wire import (
    Load,
    Loaded,
    Progressed,
    Returned,
    Unloadable,
    receive,
    send,
)
from murakkab_jupyter.cluster.media import find_media, readable
from murakkab_jupyter.cluster.memory import free_bytes
from murakkab_jupyter.core.errors import AgentError, UsageError
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.core.kinds import Frame, Scene, Transcript, Video
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.runtime.messages import InstanceId
from tests.cluster.parts import Odd, Slow, alive, wait_for

# --- the contract ---------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.text(), st.just(Failed("no"))), max_size=6))
def test_values_of_the_right_kind_and_number_pass_unchanged(values: list[Any]) -> None:
    assert check_values("a", values, items=len(values), kind="text", opens=False) == tuple(values)


@given(st.lists(st.text(), max_size=6), st.integers(0, 6))
def test_any_other_number_is_refused(values: list[str], items: int) -> None:
    if items == len(values):
        return
    with pytest.raises(AgentError, match=f"returned {len(values)} values for {items} items"):
        check_values("a", values, items=items, kind="text", opens=False)


@pytest.mark.parametrize("returned", [None, "text", b"bytes", 3, {"a": 1}, (x for x in "ab")])
def test_what_is_no_list_is_refused(returned: object) -> None:
    with pytest.raises(AgentError, match="not a list of values"):
        check_values("a", returned, items=2, kind="any", opens=False)


@pytest.mark.parametrize("value", ["words", 3, None, {"a": 1}])
def test_an_opener_must_make_lists(value: object) -> None:
    with pytest.raises(AgentError, match="makes a list of text"):
        check_values("a", [value], items=1, kind="text", opens=True)


def test_an_openers_children_must_be_of_the_kind() -> None:
    assert check_values("a", [[], ("x",)], items=2, kind="text", opens=True) == ([], ("x",))
    with pytest.raises(AgentError, match="a list with int 3"):
        check_values("a", [["x", 3]], items=1, kind="text", opens=True)


@pytest.mark.parametrize(
    ("value", "kind", "right"),
    [
        (Transcript(), "transcript", True),
        ("said", "transcript", False),
        (np.zeros(3), "vector", True),
        ([0.0, 1.0], "vector", False),
        ({"a": 1}, "record", True),
        (None, "record", True),
        (3, "text", False),
        (object(), "any", True),
        (object(), "a kind of another package", True),
    ],
)
def test_what_fits_a_kind(value: object, kind: str, right: bool) -> None:
    assert fits(value, kind) is right


def test_a_long_value_is_shown_short() -> None:
    with pytest.raises(AgentError) as caught:
        check_values("a", [list(range(1000))], items=1, kind="text", opens=False)
    assert len(caught.value.message) < 200


# --- the wire -------------------------------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        try:
            os.close(end)
        except OSError:
            continue


def test_a_message_larger_than_the_pipe_arrives_whole(pipe: tuple[int, int]) -> None:
    message = Returned(os.urandom(3_000_000), Usage(1.0, 0.5))
    sender = threading.Thread(target=send, args=(pipe[1], message))
    sender.start()
    assert receive(pipe[0]) == message
    sender.join()


def test_the_end_of_the_pipe_is_told_from_a_message(pipe: tuple[int, int]) -> None:
    send(pipe[1], Progressed("x", 1, None))
    os.write(pipe[1], b"\0\0\0")  # a frame that was cut off
    os.close(pipe[1])
    assert receive(pipe[0]) == Progressed("x", 1, None)
    with pytest.raises(EOFError):
        receive(pipe[0])


# --- the pool -------------------------------------------------------------------------------------------------


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(folder=tmp_path)
    yield made
    made.close()


def call(
    pool: Pool,
    items: Sequence[Any],
    *,
    factory: Any = Odd,
    run: str = "r",
    task: int = 0,
    index: int = 0,
    options: tuple[tuple[str, Any], ...] = (("how", ""),),
    memory_bytes: int = 1_000_000,
    gpus: int = 0,
    tell: Any = lambda progress: None,
) -> Reply:
    spec = AgentSpec("agent", "1", "word", "", factory)
    recipe = Recipe("agent", "d", options, 1, gpus, "text", False, memory_bytes)
    batch = tuple(Inputs((("items", n),), {"material": item}) for n, item in enumerate(items))
    return pool.run_batch(
        run, task, InstanceId("s", index, "w"), recipe, pack_agent(spec), cloudpickle.dumps(batch), tell
    )


def values(reply: Reply) -> Any:
    assert reply.ending == "returned", reply.error
    return cloudpickle.loads(reply.values)


def test_an_instance_serves_many_batches_and_another_index_gets_its_own(pool: Pool) -> None:
    assert values(call(pool, ["A"])) == ("a",)
    (first,) = pool.pids()
    call(pool, ["B"])
    assert pool.pids() == [first]
    call(pool, ["B"], index=1)
    assert len(pool.pids()) == 2


def test_another_configuration_replaces_the_instance(pool: Pool) -> None:
    call(pool, ["A"])
    (first,) = pool.pids()
    call(pool, ["A"], options=(("how", "else"),))
    (second,) = pool.pids()
    assert first != second
    assert not alive(first)


def test_two_batches_at_once_take_turns_on_one_instance(pool: Pool) -> None:
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda n=n: replies.append(call(pool, ["A"], task=n))) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [values(reply) for reply in replies] == [("a",)] * 4
    assert sum(reply.usage is not None and reply.usage.load_s > 0 for reply in replies) == 1
    assert sum(reply.usage is not None and reply.usage.start_s > 0 for reply in replies) == 1
    assert len(pool.pids()) == 1


def test_a_stopped_run_is_refused_and_leaves_no_process(pool: Pool) -> None:
    call(pool, ["A"])
    (pid,) = pool.pids()
    pool.stop_run("r")
    wait_for(lambda: not Path(f"/proc/{pid}").exists())  # no zombie either
    assert call(pool, ["A"]).ending == "stopped"
    assert values(call(pool, ["A"], run="another")) == ("a",)


def slow(pool: Pool, diary: Path, replies: list[Reply], task: int = 0, index: int = 0) -> threading.Thread:
    options = (("diary", str(diary)), ("seconds", 600.0))
    thread = threading.Thread(
        target=lambda: replies.append(
            call(pool, ["x"], factory=Slow, options=options, task=task, index=index)
        )
    )
    thread.start()
    wait_for(diary.exists)
    return thread


def test_a_cancelled_batch_ends_at_once_and_the_next_starts_afresh(pool: Pool, tmp_path: Path) -> None:
    replies: list[Reply] = []
    thread = slow(pool, tmp_path / "diary", replies, task=7)
    (pid,) = pool.pids()
    pool.cancel_task("r", 7)
    thread.join(60)
    assert [reply.ending for reply in replies] == ["stopped"]
    assert replies[0].usage is not None
    assert replies[0].usage.cpu_s >= 0
    assert not alive(pid)
    assert values(call(pool, ["A"], task=8)) == ("a",)


def test_instances_that_are_shed_end_at_once_idle_or_not_and_others_may_come(
    pool: Pool, tmp_path: Path
) -> None:
    replies: list[Reply] = []
    thread = slow(pool, tmp_path / "diary", replies, task=7)
    call(pool, ["A"], index=1)
    call(pool, ["A"], index=2)
    pids = {one["index"]: one["pid"] for one in pool.instances()}  # numbers begin anew: no order tells
    shed, kept = (pids[0], pids[1]), pids[2]
    pool.shed("r", [("s", 0), ("s", 1), ("s", 9)])
    thread.join(60)
    assert [reply.ending for reply in replies] == ["lost"]
    wait_for(lambda: not any(alive(pid) for pid in shed))
    wait_for(lambda: pool.pids() == [kept])
    assert values(call(pool, ["A"], index=1)) == ("a",)
    pool.shed("unknown", [("s", 0)])


def test_an_instance_that_is_shed_while_it_waits_for_room_starts_nothing(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[Reply] = []
    waited: list[Reply] = []
    thread = slow(pool, tmp_path / "diary", at_work, task=7)
    monkeypatch.setattr(pool, "_room", lambda: -1)  # a fake small host
    waiting = threading.Thread(target=lambda: waited.append(call(pool, ["A"], task=8, index=1)))
    waiting.start()
    wait_for(lambda: ("s", 1) in pool._runs["r"].slots and pool._runs["r"].slots["s", 1].task == 8)
    pool.shed("r", [("s", 0), ("s", 1)])
    monkeypatch.setattr(pool, "_room", lambda: 10**12)
    thread.join(60)
    waiting.join(60)
    assert [reply.ending for reply in at_work + waited] == ["lost", "lost"]
    wait_for(lambda: pool.pids() == [])


def test_a_batch_that_was_cancelled_before_it_came_is_refused(pool: Pool) -> None:
    pool.cancel_task("r", 3)
    assert call(pool, ["A"], task=3).ending == "stopped"
    assert pool.pids() == []


def test_a_retired_instance_closes_its_agent(pool: Pool, tmp_path: Path) -> None:
    note = tmp_path / "note"

    class Closing(Agent):
        def load(self, options: Any, cores: int) -> None:
            pass

        def call(self, batch: Sequence[Inputs]) -> list[str]:
            return ["x"] * len(batch)

        def close(self) -> None:
            note.write_text("closed")

    call(pool, ["A"], factory=Closing)
    (pid,) = pool.pids()
    pool.retire("r", "s", 0)
    wait_for(lambda: not alive(pid))
    assert note.read_text() == "closed"
    pool.retire("r", "s", 0)  # again changes nothing


def test_an_instance_that_is_killed_is_reaped_and_reported(pool: Pool, tmp_path: Path) -> None:
    replies: list[Reply] = []
    thread = slow(pool, tmp_path / "diary", replies)
    os.kill(pool.pids()[0], signal.SIGKILL)
    thread.join(60)
    assert replies[0].ending == "lost"
    assert "was killed by SIGKILL" in replies[0].error


def test_tokens_of_a_call_that_never_returned_are_known(pool: Pool) -> None:
    class Counting(Agent):
        def load(self, options: Any, cores: int) -> None:
            pass

        def call(self, batch: Sequence[Inputs]) -> list[str]:
            time.sleep(600)
            return []

        def tokens_so_far(self) -> Tokens:
            return Tokens(11, 4)

    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(call(pool, ["A"], factory=Counting, task=5)))
    thread.start()
    wait_for(lambda: any(process.spent is not None for process in pool._processes))
    pool.cancel_task("r", 5)
    thread.join(60)
    assert replies[0].usage is not None
    assert (replies[0].usage.tokens_in, replies[0].usage.tokens_out) == (11, 4)


def test_what_an_agent_has_to_say_beside_its_values_arrives(pool: Pool) -> None:
    class Saying(Agent):
        def load(self, options: Any, cores: int) -> None:
            pass

        def call(self, batch: Sequence[Inputs]) -> list[str]:
            return ["x"] * len(batch)

        def notes(self) -> list[str]:
            return ["It was long."]

    assert call(pool, ["A"], factory=Saying).notes == ("It was long.",)


def test_an_idle_instance_gives_way_when_memory_is_short(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    call(pool, ["A"], index=0)
    (first,) = pool.pids()
    monkeypatch.setattr(pools, "free_bytes", lambda: 10**9 if not alive(first) else 0)  # a fake small host
    assert values(call(pool, ["B"], index=1)) == ("b",)
    assert not alive(first)


def test_a_busy_instance_is_waited_for_when_memory_is_short(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies: list[Reply] = []
    thread = slow(pool, tmp_path / "diary", replies, task=0, index=0)
    (first,) = pool.pids()
    monkeypatch.setattr(pools, "free_bytes", lambda: 10**9 if not alive(first) else 0)  # a fake small host
    second: list[Reply] = []
    waiting = threading.Thread(target=lambda: second.append(call(pool, ["B"], task=1, index=1)))
    waiting.start()
    assert second == []
    pool.cancel_task("r", 0)
    thread.join(60)
    waiting.join(60)
    assert values(second[0]) == ("b",)


def test_no_room_at_all_is_said_in_gigabytes(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "free_bytes", lambda: 2 * 10**9)  # a fake small host
    reply = call(pool, ["A"], memory_bytes=5 * 10**9)
    assert reply.ending == "no memory"
    assert "needs 5.0 GB" in reply.error
    assert "2.0 GB free" in reply.error


def test_gpus_that_are_not_there_are_refused(pool: Pool) -> None:
    reply = call(pool, ["A"], gpus=1)
    assert reply.ending == "lost"
    assert "needs 1 GPU; 0 of 0 are free" in reply.error


def test_each_instance_gets_gpus_of_its_own(tmp_path: Path) -> None:
    class Which(Agent):
        def load(self, options: Any, cores: int) -> None:
            pass

        def call(self, batch: Sequence[Inputs]) -> list[str]:
            return [os.environ["CUDA_VISIBLE_DEVICES"]] * len(batch)

    pool = Pool(
        gpus=GpuLeases(("GPU-a", "GPU-b", "GPU-c")), folder=tmp_path
    )  # names only, nothing is computed on them
    try:
        seen = [values(call(pool, ["x"], factory=Which, gpus=1, index=n))[0] for n in range(3)]
        assert seen == ["GPU-a", "GPU-b", "GPU-c"]
        assert "0 of 3 are free" in call(pool, ["x"], factory=Which, gpus=1, index=3).error
    finally:
        pool.close()


def test_a_run_whose_lease_is_gone_is_stopped(tmp_path: Path) -> None:
    there = threading.Event()
    there.set()
    pool = Pool(folder=tmp_path, leased=lambda run: there.is_set())
    try:
        call(pool, ["A"])
        (pid,) = pool.pids()
        there.clear()
        wait_for(lambda: not alive(pid))
        assert call(pool, ["A"]).ending == "stopped"
    finally:
        pool.close()


def test_a_closed_pool_leaves_nothing(tmp_path: Path) -> None:
    pool = Pool(folder=tmp_path)
    call(pool, ["A"])
    (pid,) = pool.pids()
    pool.close()
    assert not alive(pid)
    assert list(tmp_path.iterdir()) == []
    assert call(pool, ["A"]).ending == "stopped"


def test_what_is_fetched_while_loading_is_told(pool: Pool) -> None:
    class Fetching(Agent):
        def load(self, options: Any, cores: int) -> None:
            from murakkab_jupyter.agents.weights import resolver as weights

            progress = weights._reporter.get()
            assert progress is not None
            progress("fake weights", 5, 10)

        def call(self, batch: Sequence[Inputs]) -> list[str]:
            return ["x"] * len(batch)

    told: list[Progressed] = []
    assert values(call(pool, ["A"], factory=Fetching, tell=told.append)) == ("x",)
    assert told == [Progressed("fake weights", 5, 10)]


def test_weights_that_are_not_here_are_fetched_before_loading_and_counted_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from murakkab_jupyter.agents.weights.catalogue import Weight
    from murakkab_jupyter.cluster.instances import instance as instances

    def fetch(name: str) -> None:
        assert name == "fake"
        time.sleep(0.2)  # what fetching takes, which is told apart below

    here = Weight("fake", "", "MIT", "", "")
    monkeypatch.setattr(instances, "missing", lambda names: [here] if "fake" in names else [])
    monkeypatch.setattr(instances, "resolve", fetch)

    def loaded(needs: Needs) -> Loaded | Unloadable:
        spec = AgentSpec("odd", "1", "word", "", Odd, needs=needs)
        order = Load("odd", cloudpickle.dumps(spec), {"how": "fake"}, 1, "text", False)
        return instances.Serving(-1).load(order)

    made = loaded(Needs(weights=("fake",)))
    assert isinstance(made, Loaded)
    assert 0.2 <= made.fetch_s <= made.load_s
    other = loaded(Needs())
    assert isinstance(other, Loaded)
    assert other.fetch_s == 0.0


def test_reporting_lasts_as_long_as_its_block() -> None:
    from murakkab_jupyter.agents.weights import resolver as weights

    def report(what: str, done: int, total: int | None) -> None:
        pass

    with reporting(report):
        assert weights._reporter.get() is report
    assert weights._reporter.get() is None


# --- environment, packing, memory, media ----------------------------------------------------------------------


def test_the_environment_names_cores_and_gpus() -> None:
    made = environment(3, ("1", "2"), {"OMP_NUM_THREADS": "64", "HOME": "/x"})
    assert made["OMP_NUM_THREADS"] == made["RAYON_NUM_THREADS"] == "3"
    assert made["CUDA_VISIBLE_DEVICES"] == "1,2"
    assert made["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"  # the numbers are NVML's
    assert made["HOME"] == "/x"
    assert environment(1, ())["CUDA_VISIBLE_DEVICES"] == ""


def test_installed_modules_travel_by_name_and_own_ones_whole() -> None:
    own = {module.__name__ for module in own_modules()}
    assert "tests.cluster.parts" in own
    assert not own & {"numpy", "json", "murakkab_jupyter.core.media", "__main__"}


def test_what_cannot_be_packed_is_said() -> None:
    lock = threading.Lock()

    class Holding(Odd):
        def load(self, options: Any, cores: int) -> None:
            self.lock = lock

    with pytest.raises(AgentError, match=r"Agent holding cannot be sent to a worker: .*lock") as caught:
        pack_agent(AgentSpec("holding", "1", "word", "", Holding))
    assert "inside the function" in str(caught.value)


def test_a_limit_may_be_written_with_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limit_bytes("MURAKKAB_SHIP_LIMIT", 7) == 7
    monkeypatch.setenv("MURAKKAB_SHIP_LIMIT", "4GiB")
    assert limit_bytes("MURAKKAB_SHIP_LIMIT", 7) == 4 * 1024**3
    monkeypatch.setenv("MURAKKAB_SHIP_LIMIT", "much")
    with pytest.raises(UsageError, match="'much' is no size"):
        limit_bytes("MURAKKAB_SHIP_LIMIT", 7)


def test_free_memory_is_what_a_containers_limit_leaves(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 300000\n")
    assert free_bytes(tmp_path) == 400_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(tmp_path) == pytest.approx(free, rel=0.5)


def test_media_are_found_however_deep() -> None:
    media = [Media(f"/{n}.mp4", str(n), n) for n in range(3)]
    video = [Video(one, 1.0, 2, 2, 1.0, False) for one in media]
    value = {
        "a": [("x", Scene(video[0], 0, 1))],
        "b": Frame(video[1], 0.0),
        "c": (video[2], "text", np.ones(2), None),
    }
    assert list(find_media(value)) == media


def test_a_file_of_the_same_size_but_other_content_is_not_that_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    media = Media.of(file)
    assert readable(file, media)
    file.write_text("two")
    assert not readable(file, media)
    assert readable(file, media, hashed_bytes=1)  # larger than what is hashed: its size has to do
    file.unlink()
    assert not readable(file, media)


def test_the_shipped_copy_of_a_file_is_read_before_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "a.txt"
    file.write_text("one")
    media = Media.of(file)
    assert media.here() == file
    media.cached().parent.mkdir(parents=True)
    media.cached().write_text("one")
    assert media.here() == media.cached()
