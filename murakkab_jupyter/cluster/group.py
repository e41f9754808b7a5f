"""A program in a process group of its own, which ends, with whatever it started, when this process does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["ProcessGroup", "last_lines"]


MARK = "MURAKKAB_GROUP"
"""Variable that a program and all that it starts have in their environment, with a value of its own."""

GUARD = """read _
kill -9 -"$1"
for file in $(grep -ls -- "$2" /proc/[0-9]*/environ); do
    file=${file#/proc/}
    kill -9 "${file%/environ}"
done"""

SWEEPS = 5
"""A child may fork while it is looked for: so often at most."""


def kill_marked(mark: str) -> None:
    """Kill every process that has `NAME=value` in the environment that it was started with."""
    for _ in range(SWEEPS):
        found = False
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if mark.encode() in environ.read_bytes():
                    found = True
                    os.kill(int(environ.parent.name), signal.SIGKILL)
        if not found:
            return


class ProcessGroup:
    """One running program and its children.

    It cannot be left behind: a guard kills the whole group when this process ends, however it ends. Children that left the
    group (`setsid`) are known by a variable of their environment, and end with it too.

    Parameters
    ----------
    name
        For the thread's name.
    words
        Program and arguments.
    env
        Its whole environment.
    log
        File that takes what it prints.
    pass_fds
        Descriptors that it inherits.
    at_end
        Called once it has ended and been counted, in the thread that waited for it.

    Raises
    ------
    OSError
        It cannot be started.

    Attributes
    ----------
    pid
        Its number, which is its group's too.
    ended
        Set once nothing is left of it.
    status
        How it ended, as `os.wait4` says.
    cpu_s
        CPU-seconds of it and of the children it waited for, once it has ended.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        pass_fds: Sequence[int] = (),
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.pid = 0
        self.ended = threading.Event()
        self.status = 0
        self.cpu_s = 0.0
        self._at_end = at_end
        self._failure: OSError | None = None
        self._started = threading.Event()
        self._lock = threading.Lock()
        self._mark = f"{MARK}={uuid.uuid4().hex}"
        # The kernel kills the child when the *thread* that started it ends, so that thread stays and waits.
        threading.Thread(
            target=self._keep,
            args=(list(words), self._marked(env), log, tuple(pass_fds)),
            name=name,
            daemon=True,
        ).start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def alive(self) -> bool:
        """Whether the program is there."""
        return not self.ended.is_set()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and whatever it started."""
        with self._lock:
            # Before it is reaped its number cannot belong to anyone else.
            if self.alive and self.pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)

    def kill(self) -> None:
        """End it and whatever it started, now."""
        self.signal(signal.SIGKILL)

    def how(self) -> str:
        """How it ended: `was killed by SIGKILL`, `ended with exit code 1`."""
        code = os.waitstatus_to_exitcode(self.status)
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def _keep(self, words: list[str], env: dict[str, str], log: Path, pass_fds: tuple[int, ...]) -> None:
        try:
            with log.open("ab") as file:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    pass_fds=pass_fds,
                    env=env,
                    start_new_session=True,
                )
        except OSError as error:
            self._failure = error
            self.ended.set()
            self._started.set()
            return
        self.pid = process.pid
        guard = self._guard()
        self._started.set()
        # Wait without reaping first, so that `kill` can never hit a stranger with the same number.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            # Children that it left behind go with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                _, self.status, used = os.wait4(self.pid, 0)
                self.cpu_s = used.ru_utime + used.ru_stime
            process.returncode = os.waitstatus_to_exitcode(self.status)
            kill_marked(self._mark)
            self.ended.set()
        if guard is not None:
            guard.kill()
            guard.communicate()
        self._at_end()

    def _marked(self, env: Mapping[str, str]) -> dict[str, str]:
        name, _, value = self._mark.partition("=")
        return {**env, name: value}

    def _guard(self) -> subprocess.Popen[bytes] | None:
        """A shell that kills the whole group when this process ends: the kernel alone would leave its children.

        It waits for the end of a pipe that only this process holds open.
        """
        try:
            return subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "sh", str(self.pid), self._mark],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return None  # no shell, or no processes left: the program itself still ends with this process


def last_lines(log: Path, lines: int) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 800 * lines))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])
