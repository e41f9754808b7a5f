"""The worker's end of one instance: start its process, call it, kill it, know how it ended."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from murakkab_jupyter.cluster.group import ProcessGroup, last_lines
from murakkab_jupyter.cluster.instances.wire import (
    Call,
    Close,
    Load,
    Loaded,
    Progressed,
    Raised,
    RefusedError,
    Returned,
    Spent,
    Unloadable,
    receive,
    send,
)
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.profiles.starting import INSTANCE

__all__ = ["THREADS", "InstanceProcess", "LostError", "environment"]

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "PYTHON_CPU_COUNT",
    "MURAKKAB_CORES",
)
"""What libraries read to know how many threads they may start."""


ANSWERS: Mapping[type, tuple[type, ...]] = {Load: (Loaded, Unloadable), Call: (Returned, Raised)}
"""For each order, what answers it."""


class LostError(Exception):
    """The instance's process ended in the middle of something."""

    def __init__(self, reason: str, usage: Usage | None = None) -> None:
        super().__init__(reason)
        self.usage = usage


def environment(cores: int, gpus: tuple[str, ...], base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of an instance: as many threads as it has cores, and no GPUs but its own."""
    made = dict(os.environ if base is None else base)
    made.update(dict.fromkeys(THREADS, str(max(1, cores))))
    made["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    # The numbers are NVML's; CUDA alone would count the fastest GPU first.
    made["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    made["TOKENIZERS_PARALLELISM"] = "true" if cores > 1 else "false"
    # The same package as the worker's, and the same places to look for others.
    home = str(Path(__file__).parents[3])
    paths = [home, *(path for path in sys.path if path and path != home)]
    made["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return made


class InstanceProcess:
    """One instance's process and the two pipes to it.

    Parameters
    ----------
    name
        For the log and the thread's name.
    cores, gpus
        What it may use: a number of cores, GPUs as CUDA names them.
    log
        File that takes what the agent prints.
    """

    def __init__(self, name: str, *, cores: int, gpus: tuple[str, ...], log: Path) -> None:
        self.name = name
        self.gpus = gpus
        self.log = log
        self.loaded: Loaded | None = None
        self.spent: Spent | None = None
        self._counted_cpu_s = 0.0
        self._calls = 0
        self._pipes = threading.Lock()
        began = time.perf_counter()
        try:
            child_reads, self._to_child = os.pipe()
            self._from_child, child_writes = os.pipe()
            # A child of the instance may hold the pipe open when the instance is gone: its end is no sign of that.
            self._gone = os.eventfd(0)
            try:
                self._group = ProcessGroup(
                    f"instance {name}",
                    [
                        sys.executable,
                        "-m",
                        INSTANCE,
                        str(os.getpid()),
                        str(child_reads),
                        str(child_writes),
                    ],
                    env=environment(cores, gpus),
                    log=log,
                    pass_fds=(child_reads, child_writes),
                    at_end=self._close_pipes,
                )
            finally:
                os.close(child_reads)
                os.close(child_writes)
        except OSError as error:
            msg = f"No process could be started for agent {name}: {error}."
            raise ClusterError(msg, hint="Look at the worker's limits on processes and memory.") from error
        self.pid = self._group.pid
        self.ended = self._group.ended
        self._forked_s = time.perf_counter() - began

    def load(self, order: Load, progress: Callable[[Progressed], None]) -> Loaded | Unloadable:
        """Load the agent; raises `LostError` when the process ends meanwhile."""
        began = time.perf_counter()
        answer: Loaded | Unloadable = self._ask(order, progress)
        if isinstance(answer, Loaded):
            waited_s = time.perf_counter() - began - answer.load_s
            answer = replace(answer, start_s=self._forked_s + max(0.0, waited_s))
            self.loaded = answer
            self._counted_cpu_s = answer.load_cpu_s
        return answer

    def call(self, batch: bytes, progress: Callable[[Progressed], None]) -> Returned | Raised:
        """Call the agent with one batch; raises `LostError` when the process ends meanwhile."""
        answer: Returned | Raised = self._ask(Call(batch), progress)
        self._counted_cpu_s += answer.usage.cpu_s
        return answer

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return not self.ended.is_set()

    def memory_bytes(self) -> int:
        """Resident memory now; 0 when it is gone."""
        import psutil

        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def kill(self) -> None:
        """End it and whatever it started, now."""
        self._group.kill()

    def close(self, patience_s: float = 3.0) -> None:
        """Let the agent close; kill it when it does not end in time."""
        if self._pipes.acquire(blocking=False):  # not in the middle of a call
            try:
                if self.alive:
                    send(self._to_child, Close())
            except OSError:
                pass  # it is ending already
            finally:
                self._pipes.release()
            self.ended.wait(patience_s)
        self.kill()

    def last_words(self, lines: int = 5) -> str:
        """The last lines of what it printed."""
        return last_lines(self.log, lines)

    def _ask(self, order: object, progress: Callable[[Progressed], None]) -> Any:
        began = time.perf_counter()
        self.spent = None
        self._calls += 1
        with self._pipes:
            try:
                if not self.alive:
                    raise EOFError
                send(self._to_child, order)
                while isinstance(answer := self._hear(), Progressed | Spent):
                    if isinstance(answer, Spent):
                        self.spent = answer
                    else:
                        progress(answer)
                if not isinstance(answer, ANSWERS[type(order)]):
                    msg = f"it is a {type(answer).__name__}"
                    raise RefusedError(msg)
            except (OSError, EOFError):
                usage = self._end(began)  # one that closed its pipe but lives is of no use
                raise LostError(self._how(), usage) from None
            except RefusedError as error:
                usage = self._end(began)  # what else it would say may be another call's
                raise LostError(self._refusal(error), usage) from None
            return answer

    def _hear(self) -> Any:
        """The next message of the instance's process about the call that is under way; raises what `receive` does."""
        return receive(self._from_child, sender=self.pid, call=self._calls, wait=self._wait)

    def _wait(self) -> None:
        """Wait until there is something to read; raises `EOFError` when the process is gone and has left nothing."""
        poll = select.poll()
        for descriptor in (self._from_child, self._gone):
            poll.register(descriptor, select.POLLIN)
        if self._from_child not in dict(poll.poll()):
            raise EOFError

    def _end(self, began_s: float) -> Usage:
        """Kill the process in the middle of a call, and say what the call used."""
        self.kill()
        self.ended.wait()
        used = max(0.0, self._group.cpu_s - self._counted_cpu_s)
        usage = Usage(seconds=time.perf_counter() - began_s, cpu_s=used)
        if self.spent is not None:
            usage = replace(usage, tokens_in=self.spent.tokens_in, tokens_out=self.spent.tokens_out)
        return usage

    def _refusal(self, error: RefusedError) -> str:
        return (
            f"an answer of agent {self.name} was refused, and its process ended: {error}. Have its code write to no "
            "descriptor that it did not open, and end each child that it forks with os._exit()."
        )

    def _how(self) -> str:
        words = self.last_words()
        return f"the process of agent {self.name} {self._group.how()} in the middle of its work." + (
            f" Its last words:\n{words}" if words else ""
        )

    def _close_pipes(self) -> None:
        os.eventfd_write(self._gone, 1)
        with self._pipes:  # whoever was in a call has seen that it is gone
            for descriptor in (self._to_child, self._from_child, self._gone):
                os.close(descriptor)
