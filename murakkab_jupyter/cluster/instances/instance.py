"""An instance: the main program of a loaded agent's own process.

    python -m murakkab_jupyter.cluster.instances.instance PARENT_PID READ_FD WRITE_FD

The Dask worker starts it with its thread counts and GPUs already in the environment, talks to it over two
pipes, and owns it: it ends when the worker's process ends, however that ends. What agents print goes to a
log file, whose last lines are shown when something breaks.
"""

from __future__ import annotations

import mmap
import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Inputs, Tokens
from murakkab_jupyter.agents.weights.resolver import missing, reporting, resolve
from murakkab_jupyter.cluster.instances.contract import check_values
from murakkab_jupyter.cluster.instances.parent import die_with
from murakkab_jupyter.cluster.instances.wire import (
    Call,
    Close,
    Load,
    Loaded,
    Progressed,
    Raised,
    Returned,
    Spent,
    Unloadable,
    receive,
    send,
)
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.core.events import Usage

__all__ = ["Serving", "main"]

COUNT_S = 0.5
"""How often a call that counts tokens says how far it is."""

STRAY = (
    "A child process that it forked came back from it, and was ended; its value was not used. "
    "End such a child with os._exit(), or use multiprocessing or subprocess."
)


def cpu_s() -> float:
    """CPU time of this process, all its threads, and its children that ended."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def gpu_energy_j() -> float | None:
    """What the counters of this instance's GPUs read (J); None where there is no GPU or no counter."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not visible:
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        total_mj = 0
        for device in visible.split(","):
            handle = (
                pynvml.nvmlDeviceGetHandleByIndex(int(device))
                if device.isdigit()
                else pynvml.nvmlDeviceGetHandleByUUID(device)
            )
            total_mj += int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    except pynvml.NVMLError:
        return None
    return total_mj / 1000.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: wall clock, CPU time and GPU energy so far."""

    wall_s: float
    used_s: float
    energy_j: float | None

    @classmethod
    def now(cls) -> Mark:
        return cls(time.perf_counter(), cpu_s(), gpu_energy_j())

    def usage(self) -> Usage:
        """What was used since."""
        end = Mark.now()
        energy = None
        if self.energy_j is not None and end.energy_j is not None:
            energy = end.energy_j - self.energy_j
        return Usage(
            seconds=end.wall_s - self.wall_s,
            cpu_s=max(0.0, end.used_s - self.used_s),
            memory_bytes=peak_bytes(),
            energy_j=energy,
        )


def explain(error: BaseException) -> str:
    """An agent's exception in one or two lines: what a user did wrong as it is, anything else with its place."""
    if isinstance(error, MurakkabError):
        return str(error)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        last = frames[-1]
        # A function that travelled whole has left its file behind.
        place = f"line {last.lineno}" if last.filename.startswith("<") else f"{last.filename}:{last.lineno}"
        said += f" ({place}, in {last.name})"
    return said


class Serving:
    """An agent that is loaded once and called for each batch."""

    def __init__(self, write: int) -> None:
        self.write = write
        self.order: Load | None = None
        self.agent: Agent | None = None
        self.number = 0
        """Of the order that is worked on, counted as the worker counts them; its answer carries it."""
        self.writing = threading.Lock()
        self.process = os.getpid()
        self.strays = mmap.mmap(-1, 1)
        """Set by forked children, with whom it is shared, that came back from the agent."""

    def load(self, order: Load) -> Loaded | Unloadable:
        """Make the agent and load it."""
        mark = Mark.now()
        try:
            spec = cloudpickle.loads(order.spec)
            if not isinstance(spec, AgentSpec):
                msg = f"{type(spec).__name__} is no AgentSpec"
                raise TypeError(msg)
            agent = spec.make()
            with reporting(self.progress):
                fetched = self.fetch(spec)
                agent.load(order.options, order.cores)
        except Exception as error:  # noqa: BLE001 - another's code: whatever it raises is the answer
            traceback.print_exc()
            return Unloadable(f"Agent {order.agent} cannot load: {explain(error)}", as_load(mark.usage()))
        self.order, self.agent = order, agent
        used = mark.usage()
        return Loaded(used.seconds, used.cpu_s, used.memory_bytes, fetched.seconds, fetched.cpu_s)

    def fetch(self, spec: AgentSpec) -> Usage:
        """Bring the weights here that are not: counted apart, since the next loading finds them."""
        wanted = missing(spec.needs.weights)
        if not wanted:
            return Usage(0.0, 0.0)
        mark = Mark.now()
        for one in wanted:
            resolve(one.name)
        return mark.usage()

    def progress(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        """Pass on that something is being fetched."""
        self.say(Progressed(what, done_bytes, total_bytes))

    def say(self, message: object) -> None:
        """Send a message whole, whichever thread has it; a forked child that comes here ends, and is told."""
        if os.getpid() != self.process:
            self.strays[0] = 1
            os._exit(1)
        with self.writing:
            send(self.write, message, self.number)

    def notes(self, agent: Agent) -> tuple[str, ...]:
        """What the user should know of the call."""
        stray, self.strays[0] = self.strays[0], 0
        return (*agent.notes(), STRAY) if stray else tuple(agent.notes())

    @contextmanager
    def counting(self, agent: Agent) -> Iterator[None]:
        """Pass on how many tokens a call has used while it lasts, where its agent counts them."""
        over = threading.Event()

        def count() -> None:
            told: Tokens | None = None
            while not over.wait(COUNT_S):
                now = agent.tokens_so_far()
                if now is not None and now != told:
                    told = now
                    self.say(Spent(now.read, now.written))

        if type(agent).tokens_so_far is Agent.tokens_so_far:
            yield
            return
        thread = threading.Thread(target=count, name="tokens", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()  # nothing may follow the answer

    def call(self, order: Call) -> Returned | Raised:
        """Call the agent with one batch and check what it returns."""
        if self.agent is None or self.order is None:
            msg = "A call came before the agent was loaded."
            raise RuntimeError(msg)
        mark = Mark.now()
        try:
            batch: tuple[Inputs, ...] = cloudpickle.loads(order.batch)
            with self.counting(self.agent):
                returned = self.agent.call(batch)
            values = check_values(
                self.order.agent,
                returned,
                items=len(batch),
                kind=self.order.kind,
                opens=self.order.opens,
            )
            usage = with_tokens(mark.usage(), self.agent.tokens())
            return Returned(pack(self.order.agent, values), usage, self.notes(self.agent))
        except Exception as error:  # noqa: BLE001 - another's code: whatever it raises is the answer
            traceback.print_exc()
            return Raised(explain(error), mark.usage())

    def close(self) -> None:
        """Let the agent let go."""
        if self.agent is not None:
            try:
                self.agent.close()
            except Exception:  # noqa: BLE001 - it goes anyway; its log says why
                traceback.print_exc()


def with_tokens(usage: Usage, tokens: Tokens | None) -> Usage:
    if tokens is None:
        return usage
    return replace(
        usage,
        tokens_in=tokens.read,
        tokens_out=tokens.written,
        tokens_cached=tokens.cached or None,
        tokens_wasted=tokens.wasted or None,
    )


def pack(agent: str, values: tuple[Any, ...]) -> bytes:
    try:
        return bytes(cloudpickle.dumps(values))
    except Exception as error:
        msg = (
            f"what agent {agent} returned cannot leave its process ({type(error).__name__}: {error}): "
            f"return data (texts, numbers, lists, arrays, a file's path), not what is of type {odd_type(values)}"
        )
        raise TypeError(msg) from error


def odd_type(values: tuple[Any, ...]) -> str:
    """The type of the first value that cannot be pickled."""
    for value in values:
        try:
            cloudpickle.dumps(value)
        except Exception:  # noqa: BLE001 - a user's class may raise anything
            return type(value).__name__
    return "tuple"


def as_load(usage: Usage) -> Usage:
    """Use that was spent on loading."""
    return Usage(0.0, 0.0, usage.seconds, usage.cpu_s, usage.memory_bytes)


def close_in_children(descriptors: list[int]) -> None:
    """Have forked children, which run no other program, close what is the instance's alone."""

    def close() -> None:
        while descriptors:  # once: in a child's own children, these numbers may be other files
            os.close(descriptors.pop())

    os.register_at_fork(after_in_child=close)


def listen(read: int, orders: queue.SimpleQueue[Any]) -> None:
    """Pass orders on; when the worker's process is gone, so is everything here, at once."""
    try:
        while True:
            orders.put(receive(read))
    except (EOFError, OSError):
        if os.getpgrp() == os.getpid():  # with whatever it started
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)


def main(arguments: list[str] | None = None) -> int:
    """Serve orders until told to close or left alone."""
    parent, read, write = (int(word) for word in (sys.argv[1:] if arguments is None else arguments))
    die_with(parent)
    for descriptor in (read, write):  # an agent's own children must not hold the pipes open
        os.set_inheritable(descriptor, False)
    close_in_children([read, write])
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # an interrupt in a terminal is the run's to handle, not ours
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(read, orders), name="orders", daemon=True).start()
    serving = Serving(write)
    while True:
        order = orders.get()
        serving.number += 1
        match order:
            case Load() as load:
                answer: object = serving.load(load)
            case Call() as call:
                answer = serving.call(call)
            case Close():
                serving.close()
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)  # threads of libraries must not keep a closed instance alive
            case other:
                msg = f"No such order: {other!r}."
                raise TypeError(msg)
        serving.say(answer)


if __name__ == "__main__":
    sys.exit(main())
