"""One engine: started, seen to answer, started again, stopped. Its servers are stand-ins."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from murakkab_jupyter.cluster.engines.ask import Server
from murakkab_jupyter.cluster.engines.config import EngineConfig
from murakkab_jupyter.cluster.engines.counters import use_of
from murakkab_jupyter.cluster.engines.server import Engine
from murakkab_jupyter.core.errors import ClusterError
from tests.cluster.engines.parts import config, family, gone, owning
from tests.cluster.parts import wait_for


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[EngineConfig], Engine]]:
    engines = []

    def make(wanted: EngineConfig, **more: object) -> Engine:
        engines.append(Engine(wanted, log=tmp_path / f"{len(engines)}.log", **more))
        return engines[-1]

    yield make
    for engine in engines:
        engine.kill()


def test_it_is_ready_when_it_has_answered_and_not_before(start) -> None:
    engine = start(config(wait=1.0))
    assert engine.endpoint is None
    assert engine.wait(60) == "ready"
    status = engine.status(worker="w")
    assert status.endpoint is not None
    assert status.endpoint.model == "stand-in"
    assert status.start_s is not None
    assert status.start_s >= 1.0
    assert status.memory_bytes > 1_000_000


def test_a_server_that_is_healthy_but_cannot_answer_is_not_ready(start, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.server.SICK_S", 1.0)
    engine = start(config("sick"))
    assert engine.wait(60) == "failed"
    assert "dequant kernels require CUDA tensors" in engine.status().error


def test_one_that_never_answers_is_given_up_and_its_processes_end(start) -> None:
    engine = start(config("silent", start_timeout_s=5.0))
    wait_for(lambda: engine.status().pid != 0)
    processes = family(engine.status().pid)
    assert engine.wait(60) == "failed"
    assert "did not answer within 5 s" in engine.status().error
    assert "stand-in starting" in engine.status().error
    wait_for(lambda: gone(processes))


def test_one_that_dies_at_its_start_says_its_last_words_and_is_not_tried_again(start) -> None:
    engine = start(config("dying"))
    assert engine.wait(60) == "failed"
    assert "ended with exit code 1" in engine.status().error
    assert "OutOfMemoryError: a stand-in has no memory" in engine.status().error
    assert engine.status().restarts == 0


def test_a_killed_server_is_started_again_at_the_same_address(start) -> None:
    engine = start(config())
    assert engine.wait(60) == "ready"
    before = engine.status()
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: engine.state == "restarting")
    assert engine.endpoint is None
    assert engine.wait(60) == "ready"
    after = engine.status()
    assert after.pid != before.pid
    assert (after.endpoint, after.restarts) == (before.endpoint, 1)


def test_it_is_given_up_after_so_many_deaths(start) -> None:
    engine = start(config(restarts=0))
    assert engine.wait(60) == "ready"
    os.kill(engine.status().pid, signal.SIGKILL)
    wait_for(lambda: engine.state == "failed", 10)
    assert "was killed by SIGKILL" in engine.status().error


@pytest.mark.parametrize("how", ["well", "stubborn"])
def test_a_stop_leaves_nothing_also_of_one_that_ignores_it(start, how) -> None:
    engine = start(config(how, stop_grace_s=1.0))
    assert engine.wait(60) == "ready"
    processes = family(engine.status().pid)
    assert len(processes) >= 2
    engine.stop()
    assert engine.state == "stopped"
    wait_for(lambda: gone(processes))


def test_a_stop_while_it_starts_ends_it(start) -> None:
    engine = start(config("silent"))
    wait_for(lambda: engine.status().pid != 0)
    engine.stop()
    assert engine.state == "stopped"


@pytest.mark.parametrize("how", ["mute", "staring"])
def test_a_stop_does_not_wait_for_a_server_that_accepts_and_never_answers(start, how) -> None:
    engine = start(config(how))
    wait_for(lambda: engine.status().pid != 0)
    processes = family(engine.status().pid)
    port = engine._port
    wait_for(lambda: asked(port))
    engine.stop(wait=False)
    # Sooner than what it was asked is given up: after 60 s, of a picture after 30.
    wait_for(lambda: gone(processes), 25)
    wait_for(lambda: engine.state == "stopped")
    assert engine.status().error == ""


def asked(port: int) -> bool:
    """Whether this process holds a connection to a port."""
    return any(
        one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
        for one in psutil.Process().net_connections("tcp")
    )


def test_one_that_never_answers_about_a_picture_is_ready_and_taken_for_blind(start, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.server.SEES_S", 1.0)
    engine = start(config("staring"))
    assert engine.wait(60) == "ready"
    assert engine.endpoint.abilities == {"chat"}


def test_a_port_that_is_taken_is_said_before_anything_is_started(start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ClusterError, match=f"Port {port} on 127.0.0.1 is taken") as caught:
            start(config(port=port))
    assert f"engine attach http://127.0.0.1:{port}/v1" in str(caught.value)


def test_a_wrong_interpreter_model_or_adapter_is_said_at_once(start) -> None:
    with pytest.raises(ClusterError, match="/nowhere/python is not on host"):
        start(EngineConfig(model="m", python="/nowhere/python"))
    with pytest.raises(ClusterError, match="no model at /nowhere/model"):
        start(EngineConfig(model="/nowhere/model", python=sys.executable))
    with pytest.raises(ClusterError, match="no adapter law at /nowhere/law"):
        start(EngineConfig(model="m", python=sys.executable, lora=(("law", "/nowhere/law"),)))


def test_use_is_told_from_idleness(start) -> None:
    engine = start(config())
    assert engine.wait(60) == "ready"
    engine.use("a run")
    assert engine.idle_s == 0.0
    engine.done("a run")
    wait_for(lambda: engine.idle_s > 0.05)


def test_the_use_of_a_holder_that_is_gone_is_forgotten_and_no_others(start) -> None:
    engine = start(config())
    assert engine.wait(60) == "ready"
    engine.use("a run", "a kernel")
    engine.use("another run", "another kernel")
    engine.forget("a kernel")
    engine.done("another run")
    wait_for(lambda: engine.idle_s > 0.05)
    engine.use("another run", "another kernel")
    engine.forget("a kernel")
    assert engine.idle_s == 0.0


@pytest.mark.parametrize("metrics", ["vllm", "llamacpp", "sglang", "tgi"])
def test_one_that_is_asked_by_its_address_alone_is_not_idle(start, metrics) -> None:
    engine = start(config(think=1.5, metrics=metrics))
    assert engine.wait(60) == "ready"
    assert engine.use_seen

    def used() -> bool:
        """Whether a look after a while finds that somebody used it."""
        time.sleep(0.5)
        before = engine.idle_s
        engine.look()
        return engine.idle_s < before

    assert not used()
    server, looks = Server(engine.endpoint.url), []

    def working() -> bool:
        found = use_of(server.metrics() or {})
        return found is not None and found.now > 0

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(server.chat, "stand-in", "Hello there")
        while not answer.done():
            before, seen = working(), used()
            looks.append(seen)
            if before and working():  # no counter moved meanwhile
                assert seen
        assert not answer.result().problem
    # Where a machine is so slow that none saw it at work, one saw that counters had moved.
    assert any([*looks, used()])
    assert not used()


def test_use_cannot_be_seen_where_there_are_no_counters(start) -> None:
    engine = start(config(metrics="none"))
    assert engine.wait(60) == "ready"
    assert not engine.use_seen
    engine.look()
    assert not engine.status().use_seen


ORPHAN = """
import sys, time
from pathlib import Path
from murakkab_jupyter.cluster.engines.server import Engine
from tests.cluster.engines.parts import config
engine = Engine(config(), log=Path(sys.argv[1]))
engine.wait(30)
print(engine.status().pid, flush=True)
time.sleep(600)
"""


def test_nothing_is_left_when_the_process_that_owns_it_is_killed(tmp_path: Path) -> None:
    owner, processes = owning(ORPHAN, str(tmp_path / "log"))
    assert {os.getpgid(one.pid) for one in processes} == {processes[0].pid}
    owner.kill()
    owner.wait()
    began = time.monotonic()
    wait_for(lambda: gone(processes), 10)
    assert time.monotonic() - began < 10
    assert not psutil.pid_exists(processes[0].pid) or gone(processes)
