"""One engine on its worker: started, seen to answer, watched, started again, stopped, never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from murakkab_jupyter.agents.served.endpoint import Ability, Endpoint
from murakkab_jupyter.cluster.engines.ask import Server
from murakkab_jupyter.cluster.engines.checks import check_program, free_port, port_is_free
from murakkab_jupyter.cluster.engines.config import EngineConfig, argv, server_environment
from murakkab_jupyter.cluster.engines.counters import Use, use_of
from murakkab_jupyter.cluster.engines.status import EngineState, EngineStatus
from murakkab_jupyter.cluster.engines.why import last_words
from murakkab_jupyter.cluster.group import ProcessGroup, last_lines
from murakkab_jupyter.cluster.instances.parent import bound
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.energy.processes import tree_cpu_s, tree_of

__all__ = ["Engine", "own_cpus"]

POLL_S = 0.5
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
STABLE_S = 300.0
"""An engine that has answered for so long has its restarts back."""

SICK_S = 15.0
"""How long a server may fail every completion once it listens, before its start is given up."""

SEES_S = 30.0
"""How long a model that has answered in words may take to look at a small picture; else it is taken for blind."""

LOG_BYTES = 50_000_000
"""A log that is longer is begun anew at the next start."""

LINES = 12


class Engine:
    """A model server and whoever watches it.

    Parameters
    ----------
    config
        How it is started; its GPUs are those of `gpus`.
    log
        File that takes what it prints.
    gpus, cpus
        What it may use.
    python
        Interpreter that has vLLM, where the configuration names none.
    at_end
        Called when it is over: stopped, or given up.
    """

    def __init__(
        self,
        config: EngineConfig,
        *,
        log: Path,
        gpus: Sequence[str] = (),
        cpus: Sequence[int] = (),
        python: str = "",
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.config = config
        self.log = log
        self.gpus = tuple(gpus)
        self.keep_alive_s = config.keep_alive_s
        self._cpus = tuple(cpus)
        self._python = python
        self._at_end = at_end
        self._state: EngineState = "starting"
        self._error = ""
        self._abilities: frozenset[Ability] = frozenset({"chat"})
        self._group: ProcessGroup | None = None
        self._port = config.port
        self._start_s: float | None = None
        self._start_cpu_s: float | None = None
        self._spent_cpu_s = 0.0  # by processes that have ended
        self._restarts = 0
        self._users: dict[str, str] = {}  # who works with it, and the holder he belongs to
        self._used_s = time.monotonic()
        self._use: Use | None = None
        self._ended: ProcessGroup | None = None
        self._ending = threading.Lock()
        self._stop = threading.Event()
        self._changed = threading.Condition()
        check_program(config, python)
        self._claim_port()
        self._thread = threading.Thread(target=self._live, name=f"engine {config.name}", daemon=True)
        self._thread.start()

    # --- what others see --------------------------------------------------------------------------------------

    @property
    def state(self) -> EngineState:
        """How it is."""
        return self._state

    @property
    def over(self) -> bool:
        """Whether it is stopped or given up."""
        return self._state in ("stopped", "failed")

    @property
    def endpoint(self) -> Endpoint | None:
        """Where it answers; None unless it does."""
        if self._state != "ready":
            return None
        return Endpoint(
            self._url,
            self.config.name,
            max_in_flight=self.config.max_num_seqs,
            context_tokens=self.config.max_model_len,
            kind="openai" if self.config.command else "vllm",
            abilities=self._abilities,
        )

    def status(self, *, worker: str = "") -> EngineStatus:
        """What it says of itself."""
        group = self._group
        cpu_s, memory_bytes = used_by(group.pid) if group is not None and group.alive else (0.0, 0)
        return EngineStatus(
            config=self.config,
            state=self._state,
            endpoint=self.endpoint,
            worker=worker,
            host=socket.gethostname(),
            pid=group.pid if group is not None and group.alive else 0,
            gpus=self.gpus,
            start_s=self._start_s,
            start_cpu_s=self._start_cpu_s,
            cpu_s=self._spent_cpu_s + cpu_s,
            memory_bytes=memory_bytes,
            restarts=self._restarts,
            idle_s=self.idle_s,
            use_seen=self.use_seen,
            keep_alive_s=self.keep_alive_s,
            error=self._error,
            log=str(self.log),
        )

    def wait(self, timeout_s: float) -> EngineState:
        """Wait until it is ready or over, or for so long; how it is then."""
        with self._changed:
            self._changed.wait_for(lambda: self._state == "ready" or self.over, timeout_s)
        return self._state

    def words(self, lines: int) -> str:
        """The last lines of its log."""
        return last_lines(self.log, lines)

    # --- use --------------------------------------------------------------------------------------------------

    @property
    def idle_s(self) -> float:
        """Seconds since somebody used it; 0 while somebody does, or while it is not ready."""
        if self._users or self._state != "ready":
            return 0.0
        return time.monotonic() - self._used_s

    @property
    def use_seen(self) -> bool:
        """Whether its counters show who uses it by its address alone. Where they do not, nobody can call it idle."""
        return self._use is not None

    def use(self, who: str, holder: str = "") -> None:
        """Somebody works with it until `done`, or until his holder is forgotten."""
        self._users[who] = holder

    def done(self, who: str) -> None:
        """Somebody works with it no more."""
        if self._users.pop(who, None) is not None:
            self._used_s = time.monotonic()

    def forget(self, holder: str) -> None:
        """A holder is gone, and with him whoever of his worked with it."""
        for who, belongs in list(self._users.items()):
            if belongs == holder:
                self.done(who)

    def look(self) -> None:
        """See by the server's own counters whether anybody asked it anything, for instance from elsewhere."""
        if self._state == "ready":
            self._see()

    def _see(self) -> None:
        before, self._use = self._use, use_of(Server(self._url).metrics() or {})
        # One long request moves no counter until it ends; after a gap nobody knows what went on in it.
        if self._use is not None and (before is None or self._use.now or self._use != before):
            self._used_s = time.monotonic()

    # --- its end ----------------------------------------------------------------------------------------------

    def stop(self, *, wait: bool = True) -> None:
        """Ask it to end; kill what is left after its grace."""
        self._stop.set()
        if wait:
            self._thread.join(self.config.stop_grace_s + 5.0)

    def kill(self) -> None:
        """End it now."""
        self._stop.set()
        if self._group is not None:
            self._group.kill()
            self._group.ended.wait(2.0)

    # --- its life ---------------------------------------------------------------------------------------------

    @property
    def _url(self) -> str:
        host = self.config.host
        # A server that listens on every address is asked on this one.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}/v1"

    def _set(self, state: EngineState, error: str = "") -> None:
        with self._changed:
            if state == "ready" and self._stop.is_set():
                return
            self._state, self._error = state, error
            self._changed.notify_all()

    def _live(self) -> None:
        try:
            while not self._stop.is_set():
                answered = self._once()
                if self._stop.is_set() or answered is None:
                    break
                if answered >= STABLE_S:
                    self._restarts = 0
                if self._restarts >= self.config.restarts:
                    how = f"It died {self._restarts + 1} times. {self._last()}"
                    self._set("failed", how)
                    return
                wait_s = BACKOFF_S[min(self._restarts, len(BACKOFF_S) - 1)]
                self._restarts += 1
                self._set("restarting", self._last())
                self._stop.wait(wait_s)
            if not self.over:
                self._set("stopped")
        except Exception as error:  # noqa: BLE001 - nobody else would ever hear of it
            self._set("failed", f"{type(error).__name__}: {error}")
        finally:
            if self._group is not None:
                self._group.kill()
            self._at_end()

    def _once(self) -> float | None:
        """Start it and stay until it ends: seconds it answered for, or None when it is not worth another try."""
        began = time.monotonic()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.write_bytes(b"")
        config = replace(self.config, gpus=len(self.gpus))
        words = argv(config, port=self._port, python=self._python)
        try:
            group = self._group = ProcessGroup(
                f"engine {config.name}",
                bound(words),
                env=server_environment(config, gpus=self.gpus, cpus=self._cpus),
                log=self.log,
            )
        except OSError as error:
            self._set("failed", f"It cannot be started: {error}.")
            return None
        # A server that accepts and does not answer keeps whoever asks it: its end may not wait for that.
        threading.Thread(
            target=self._end_when_told, args=(group,), name=f"end {config.name}", daemon=True
        ).start()
        try:
            if not self._until_ready(group, began):
                return None
            since = time.monotonic()
            while not group.ended.wait(POLL_S) and not self._stop.is_set():
                pass
            return time.monotonic() - since
        finally:
            self._end(group)

    def _until_ready(self, group: ProcessGroup, began: float) -> bool:
        server, sick_since = Server(self._url), None
        while not self._stop.is_set():
            if group.ended.wait(POLL_S):
                if self._stop.is_set():
                    return False
                # A second start that fails is the same death; the first tells what is wrong with the configuration.
                if self._restarts:
                    return True
                self._set("failed", self._last())
                return False
            left = self.config.start_timeout_s - (time.monotonic() - began)
            if left <= 0:
                words = f"It did not answer within {self.config.start_timeout_s:g} s."
                self._set("failed", f"{words} Its last words:\n{last_words(self.log, LINES)}")
                return False
            ability, answer = server.complete(self.config.name, timeout_s=max(1.0, min(60.0, left)))
            if self._stop.is_set():
                return False
            if not answer.problem:
                more: set[Ability] = set()
                if ability == "chat":
                    more = server.more(self.config.name, answer, timeout_s=max(1.0, min(SEES_S, left)))
                self._abilities = frozenset({ability, *more})
                self._start_s = time.monotonic() - began
                self._start_cpu_s = used_by(group.pid)[0]
                self._see()
                self._used_s = time.monotonic()
                self._set("ready")
                return True
            if answer.status == 0:
                sick_since = None
                continue
            sick_since = sick_since or time.monotonic()
            if time.monotonic() - sick_since > SICK_S and answer.status != 503:
                self._set(
                    "failed",
                    f"It listens, but {answer.problem}, time and again. Its last words:\n{last_words(self.log, LINES)}",
                )
                return False
        return False

    def _end_when_told(self, group: ProcessGroup) -> None:
        while not self._stop.wait(POLL_S):
            if not group.alive:
                return
        self._end(group)

    def _end(self, group: ProcessGroup) -> None:
        """Nothing is left of it afterwards: asked first, where there is time to ask."""
        with self._ending:
            if self._ended is group:
                return
            self._ended = group
            if not group.alive:
                self._spent_cpu_s += group.cpu_s
                return
            if self._stop.is_set() and not self.over:
                self._set("stopping")
            self._spent_cpu_s += used_by(group.pid)[0]
            group.signal(signal.SIGTERM)
            if not group.ended.wait(self.config.stop_grace_s):
                group.kill()
                group.ended.wait()

    def _last(self) -> str:
        group = self._group
        how = group.how() if group is not None else "never ran"
        words = last_words(self.log, LINES)
        return f"The server {how}." + (f" Its last words:\n{words}" if words else "")

    def _claim_port(self) -> None:
        if self._port == 0:
            self._port = free_port(self.config.host)
        elif not port_is_free(self.config.host, self._port):
            msg = f"Port {self._port} on {self.config.host} is taken by another program."
            raise ClusterError(
                msg,
                hint="Leave the port out for a free one, or attach what runs there: "
                f"engine attach http://{self.config.host}:{self._port}/v1",
            )


def used_by(pid: int) -> tuple[float, int]:
    """CPU-seconds and resident bytes of a process and its children now."""
    import psutil

    memory_bytes = 0
    for one in tree_of((pid,)).values():
        with contextlib.suppress(psutil.Error):
            memory_bytes += one.memory_info().rss
    return tree_cpu_s((pid,)), memory_bytes


def own_cpus(count: int) -> tuple[int, ...]:
    """Numbers of so many cores that this process may use; all of them for 0."""
    allowed = sorted(os.sched_getaffinity(0))
    return tuple(allowed[:count] if count else allowed)
