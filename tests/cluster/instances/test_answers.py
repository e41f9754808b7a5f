"""Whose answers a worker takes: those of the instance's own process to the call that was made, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Inputs
from murakkab_jupyter.cluster.instances.pool import Pool, Recipe, Reply
from murakkab_jupyter.cluster.instances.ship import pack_agent
from murakkab_jupyter.cluster.instances.wire import Returned, send
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.runtime.messages import InstanceId
from tests.cluster.parts import alive, wait_for


class Odd(Agent):
    """Calls a function with each text, then gives the text back."""

    act: Callable[[str], Any]

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        pass

    def call(self, batch: Sequence[Inputs]) -> list[str]:
        texts = [str(inputs.values["material"]) for inputs in batch]
        for text in texts:
            type(self).act(text)
        return texts


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(folder=tmp_path)
    yield made
    made.close()


def call(pool: Pool, act: Callable[[str], Any], *texts: str, task: int = 0, run: str = "r") -> Reply:
    spec = AgentSpec("odd", "1", "word", "", type("Acting", (Odd,), {"act": staticmethod(act)}))
    recipe = Recipe("odd", "d", (), 1, 0, "text", False, 1_000_000)
    batch = cloudpickle.dumps(
        tuple(Inputs((("items", n),), {"material": one}) for n, one in enumerate(texts))
    )
    return pool.run_batch(
        run, task, InstanceId("s", 0, "w"), recipe, pack_agent(spec), batch, lambda told: None
    )


def values(reply: Reply) -> Any:
    assert reply.ending == "returned", reply.error
    return cloudpickle.loads(reply.values)


def fork_and_return(text: str) -> None:
    if os.fork():
        os.wait()  # so that the child has come back, too, before the instance answers


def fork_in_c(text: str) -> None:
    """As an extension module forks: Python hears nothing of it, so the child keeps the pipes."""
    import ctypes

    if pid := ctypes.CDLL(None).fork():
        os.waitpid(pid, 0)


@pytest.mark.parametrize("act", [fork_and_return, fork_in_c])
def test_a_forked_child_that_returns_answers_nothing(pool: Pool, act: Callable[[str], Any]) -> None:
    replies = [call(pool, act, f"value {n}", task=n) for n in range(10)]
    assert [values(reply) for reply in replies] == [(f"value {n}",) for n in range(10)]
    assert "came back from it" in replies[0].notes[0]
    assert len(pool.pids()) == 1


def test_a_forked_child_that_exits_answers_nothing() -> None:
    """`sys.exit` in a function is told as the item's failure: in a child it ends the child."""
    from murakkab_jupyter.agents.functions.python import function_agent
    from murakkab_jupyter.cluster.instances.instance import Serving
    from murakkab_jupyter.cluster.instances.wire import Call, Load

    def forks(text: str) -> str:
        if os.fork() == 0:
            sys.exit(0)
        os.wait()
        return text

    read, write = os.pipe()
    with os.fdopen(read, "rb") as answers:
        program = subprocess.Popen(
            [sys.executable, "-c", "import sys, cloudpickle; cloudpickle.load(sys.stdin.buffer)()"],
            stdin=subprocess.PIPE,
            pass_fds=(write,),
        )

        def serve() -> None:
            serving = Serving(write)
            spec = function_agent(forks, "forks")
            serving.load(Load("forks", cloudpickle.dumps(spec), {}, 1, "text", False))
            batch = (Inputs((("items", 0),), {"material": [("text", "a")]}),)
            serving.say(serving.call(Call(cloudpickle.dumps(batch))))

        program.communicate(cloudpickle.dumps(serve), timeout=120)
        os.close(write)
        assert program.returncode == 0
        assert answers.read().count(b"mkwire") == 1


def write_there(make: Callable[[int], Any]) -> Callable[[str], None]:
    """An action that writes to the pipe that carries answers, as only broken code would, for the text `bad`."""

    def act(text: str) -> None:
        if text == "bad":
            make(int(sys.argv[3]))

    return act


def another_process(descriptor: int) -> None:
    import ctypes

    if pid := ctypes.CDLL(None).fork():
        os.waitpid(pid, 0)
        return
    send(descriptor, Returned(cloudpickle.dumps(("forged",)), Usage(0.0, 0.0)), 2)
    os._exit(0)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda pipe: os.write(pipe, b"printed straight to a descriptor"), "is no answer"),
        (lambda pipe: os.write(pipe, b"\xff" * 40), "is no answer"),
        (
            lambda pipe: send(pipe, Returned(b"forged", Usage(0.0, 0.0)), 1),
            "belongs to call 1, not to call 2",
        ),
        (lambda pipe: send(pipe, "forged", 2), "a str"),
        (another_process, "another process"),
    ],
)
def test_what_is_no_answer_of_the_instance_to_the_call_is_refused(
    pool: Pool, make: Callable[[int], Any], why: str
) -> None:
    first = call(pool, write_there(make), "bad")  # loading is call 1, this is call 2
    assert first.ending == "lost"
    assert why in first.error
    assert "os._exit" in first.error
    wait_for(lambda: pool.pids() == [])
    assert values(call(pool, write_there(make), "good", task=1)) == ("good",)


def leave_a_child(file: Path, fork: Callable[[], int]) -> Callable[[str], None]:
    def act(text: str) -> None:
        if text != "leave":
            return
        if fork() == 0:
            os.setsid()
            file.write_text(str(os.getpid()))
            while True:
                signal.pause()
        while not file.exists() or not file.read_text():
            time.sleep(0.01)
        os._exit(3)  # the instance is gone, and its child holds the pipe

    import signal
    import time

    return act


def c_fork() -> int:
    import ctypes

    return ctypes.CDLL(None).fork()


@pytest.mark.parametrize("fork", [os.fork, c_fork])
def test_a_child_in_a_session_of_its_own_neither_holds_up_the_call_nor_stays(
    pool: Pool, tmp_path: Path, fork: Callable[[], int]
) -> None:
    file = tmp_path / "child"
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(call(pool, leave_a_child(file, fork), "leave")))
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "the call hangs"
    assert replies[0].ending == "lost"
    assert "exit code 3" in replies[0].error
    wait_for(lambda: not alive(int(file.read_text())))


def test_agents_may_have_processes_that_help_them(pool: Pool) -> None:
    def act(text: str) -> None:
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(2) as helpers:
            assert helpers.map(abs, [-1, -2, -3]) == [1, 2, 3]
        assert subprocess.run(["echo", "hello"], capture_output=True, check=True).stdout == b"hello\n"
        child = subprocess.Popen(
            ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert child.communicate(b"hello")[0] == b"hello"

    assert [values(call(pool, act, str(n), task=n)) for n in range(3)] == [(str(n),) for n in range(3)]
    assert len(pool.pids()) == 1
