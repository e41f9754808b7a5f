"""The engines that this process holds on the workers of a cluster: placed, watched, told to end."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from dataclasses import replace
from typing import Any

from distributed import Semaphore

from murakkab_jupyter.cluster.connect import Cluster
from murakkab_jupyter.cluster.engines.config import EngineConfig
from murakkab_jupyter.cluster.engines.lifetime import KeepAlive, idle_watts, keep_alive
from murakkab_jupyter.cluster.engines.shelf import (
    engine_lease_key,
    engine_log,
    engine_status,
    engine_use,
    keep_engine,
    start_engine,
    stop_engine,
)
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.cluster.probe import Probe
from murakkab_jupyter.cluster.silence import SILENT_S, ask_all, unless_gone
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.figure import unknown

__all__ = ["AsideError", "Fleet", "UnansweredError", "best"]

ENDED = ("failed", "stopped")

CARRY_S = 10.0
TURN_S = 60.0
"""How long a start may wait for another kernel's start of the same name; either returns before its server answers."""
POLL_S = 0.5
STATUS_S = 5.0
RUN_S = 30.0
"""What is asked of a worker returns at once; it may have to import what it takes first."""
LEEWAY_S = 3.0
"""What a kill after the grace, and the news of it, may take."""


class AsideError(ClusterError):
    """The worker of an engine that was waited for gives no sign of life, and others can do its work."""


class UnansweredError(ClusterError):
    """A worker was asked something and has not answered in time: it may do it yet."""


class Fleet:
    """Engines on a cluster's workers, held by this process.

    Parameters
    ----------
    cluster
        Where.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = cluster.client
        self.name = uuid.uuid4().hex[:12]
        self._leases: dict[str, Any] = {}
        self._heard: dict[str, list[EngineStatus]] = {}  # what each worker that is there last said
        self._owed: set[tuple[str, str]] = (
            set()
        )  # workers that may have an engine held from here, which is to end
        self._lock = threading.Lock()

    # --- start ------------------------------------------------------------------------------------------------

    def launch(self, config: EngineConfig, *, stop: Callable[[], bool] = lambda: False) -> EngineStatus:
        """Start an engine on the first worker that has room for it, or join one of its name; returns while it starts.

        A worker that may have it and misses a question is asked again, until it answers or is set aside.

        Raises
        ------
        ClusterError
            No worker has what it needs: the message says what each one lacks. Or it runs elsewhere, or otherwise.
        """
        with self._turn(config.name):
            return self._launch(config, stop)

    @contextlib.contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """One start of a name at a time, whichever kernel of the cluster asks: who comes second finds what the first started.

        The scheduler keeps the turn, and takes it from a kernel that it does not hear of for half a minute.
        """
        self.cluster.present()  # or there is no scheduler to ask
        turn = Semaphore(
            max_leases=1,
            name=f"murakkab-engine-{name}",
            scheduler_rpc=self.client.scheduler,
            loop=self.client.loop,
        )
        try:
            mine = turn.acquire(timeout=TURN_S)
        except (OSError, RuntimeError) as error:
            msg = f"The scheduler at {self.cluster.address} does not answer: {error}."
            raise ClusterError(msg, hint="Start it again, then the engine.") from error
        if not mine:
            msg = f"Somebody else has been starting engine {name} for {TURN_S:g} s."
            raise ClusterError(
                msg, hint="Look at engine list, and try again; or give this one another name: --name NAME."
            )
        try:
            yield
        finally:
            with contextlib.suppress(OSError, RuntimeError):  # it is gone, and the turn with it
                turn.release()
                # Else it would look after its turn for as long as this process lives.
                refreshing = getattr(turn, "refresh_callback", None)
                if refreshing is not None:
                    self.client.loop.add_callback(refreshing.stop)

    def _launch(self, config: EngineConfig, stop: Callable[[], bool] = lambda: False) -> EngineStatus:
        refused: list[str] = []
        first: ClusterError | None = None
        deadline = time.monotonic() + 2.0 * SILENT_S
        while True:
            places = self.places(config)
            statuses, mute = self._look(pay=False)  # what is left of an earlier start may be joined
            owed = {worker for worker, name in tuple(self._owed) if name == config.name}
            found = best(statuses, config.name, last=owed)
            if found is not None and found.state == "silent" and found.worker not in self.cluster.probes:
                self._owed.add((found.worker, config.name))
                found = None  # its worker is set aside: what it did is done elsewhere
            in_doubt: list[str] = []
            if found is None:
                in_doubt = [one for one in mute if one not in self._heard]
            elif found.state == "silent":
                in_doubt = [found.worker]
            if not in_doubt:
                break
            if stop() or time.monotonic() > deadline:
                raise does_not_answer(in_doubt, config.name)
            time.sleep(POLL_S)
        if found is not None and found.state not in ("stopping", *ENDED):
            # One name is one engine, wherever a start of it would find room now.
            if config.worker and found.worker not in places:
                msg = f"An engine {config.name} runs already, on worker {found.worker}."
                raise ClusterError(msg, hint="Stop it first, or give this one another name: --name NAME.")
            places = [found.worker]
        for worker in places:
            try:
                self._hold(worker)
                status = self._run(start_engine, config, self.name, worker=worker)
            except UnansweredError:
                # It may start there yet: another one elsewhere would be a second.
                self._owed.add((worker, config.name))
                raise
            except ClusterError as error:
                refused.append(f"{worker}: {error.message}")
                first = first or error
                continue
            assert isinstance(status, EngineStatus)
            self._owed.discard((worker, config.name))
            return status
        if first is not None and len(refused) == 1:
            raise first
        msg = f"No worker can start engine {config.name}: {' '.join(refused)}"
        raise ClusterError(msg, hint=first.hint if first is not None else None)

    def places(self, config: EngineConfig) -> list[str]:
        """Workers that could hold an engine, the likeliest first; raises `ClusterError` when there is none."""
        self.cluster.roll()
        probes = list(self.cluster.probes.values())
        if config.worker:
            named = [one for one in probes if config.worker in (one.address, one.host, one.name)]
            if not named:
                msg = f"There is no worker {config.worker[:80]!r}."
                known = ", ".join(one.address for one in probes) or "none"
                raise ClusterError(msg, hint=f"There are: {known}.")
            probes = named
        gpus = config.wanted_gpus
        able = [one for one in probes if one.gpu_slots >= gpus]
        if not able:
            offers = "; ".join(f"{one.address} {one.gpu_slots}" for one in probes) or "no worker is there"
            msg = (
                f"Engine {config.name} needs {gpus} {'GPU' if gpus == 1 else 'GPUs'}; workers offer {offers}."
            )
            raise ClusterError(msg, hint="Ask for fewer, or add a worker with GPUs.")

        def likeliest(one: Probe) -> tuple[bool, int, int]:
            # GPUs for who asks for them, or says nothing; hosts without for who asks for none.
            none_wanted = config.gpus == 0
            return (
                (one.gpu_slots > 0) is none_wanted,
                -one.gpu_slots if not none_wanted else 0,
                -one.free_bytes,
            )

        return [one.address for one in sorted(able, key=likeliest)]

    def wait(
        self,
        name: str,
        *,
        timeout_s: float,
        tell: Callable[[EngineStatus], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> EngineStatus:
        """Wait until an engine is ready.

        Parameters
        ----------
        name
            Which.
        timeout_s
            How long.
        tell
            Told how it is, twice a second.
        stop
            Whether to wait no more.

        Raises
        ------
        ClusterError
            It failed, was stopped, or is not ready in time; with its last words.
        AsideError
            Its worker was set aside.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            found, mute = self._look()
            status = best(found, name)
            if status is None and not mute:
                msg = f"Engine {name} is gone: its worker was lost."
                raise ClusterError(msg, hint="Start it again: engine start …")
            if status is not None:
                tell(status)
                if status.state == "ready":
                    self._settle(status)
                    return status
                if status.state in ENDED:
                    msg = f"Engine {name} {'could not be started' if status.start_s is None else 'is gone'}."
                    hint = f"Its log: {status.log}"
                    if "No module named 'vllm'" in status.error:
                        hint = f"Name an interpreter that has vLLM: --vllm-python PATH. {hint}"
                    raise ClusterError(f"{msg} {status.error}".strip(), hint=hint)
                if status.state == "silent":
                    self.cluster.roll()
                    if status.worker not in self.cluster.probes:
                        msg = (
                            f"Engine {name}: its worker {status.worker} was set aside, as it does not answer."
                        )
                        raise AsideError(msg, hint="Start it again, on another worker: engine start …")
            if time.monotonic() > deadline or stop():
                state = "silent" if status is None else status.state
                why = " Its worker does not answer." if state == "silent" else ""
                msg = f"Engine {name} is not ready: it is {state}.{why}"
                raise ClusterError(msg, hint=f"engine logs {name} shows what it is doing.")
            time.sleep(POLL_S)

    def _settle(self, status: EngineStatus) -> None:
        """Say how long it is to be kept, now that its start is measured."""
        if status.config.keep_alive_s is None:
            kept = self.kept(status)
            self._run(keep_engine, status.name, kept.seconds, worker=status.worker)

    def kept(self, status: EngineStatus) -> KeepAlive:
        """How long an idle engine is kept, and why."""
        view = next((one for one in self.cluster.view().workers if one.name == status.worker), None)
        if view is None:
            return KeepAlive(status.keep_alive_s or 0.0, "its worker is gone")
        gpu_w = view.gpus[0].idle_w if view.gpus else unknown("W")
        return keep_alive(
            status.start_s,
            status.start_cpu_s,
            idle_w=idle_watts(len(status.gpus), gpu_w),
            power=view.power,
        )

    # --- what is there ----------------------------------------------------------------------------------------

    def statuses(self) -> list[EngineStatus]:
        """Every engine on every worker, whoever holds it; those of a worker that does not answer, as last heard, are `silent`."""
        return self._look()[0]

    def _look(self, *, pay: bool = True) -> tuple[list[EngineStatus], list[str]]:
        """Every engine, and the workers that were asked and did not answer; who answers again is told what is to end."""
        if self.client.status != "running" or not (self.cluster.probes or self._heard):
            return [], []
        # Asking one that is gone would take as long as a connection may.
        present = self.cluster.present()
        workers = [one for one in self.cluster.probes if one in present]
        answers: dict[str, Any] = {}
        if workers:
            answers = ask_all(self.client, engine_status, workers=workers, timeout_s=STATUS_S)
        news = {worker: said for worker, said in answers.items() if not isinstance(said, BaseException)}
        if pay:
            news = {worker: self._pay(worker, said) for worker, said in news.items()}
        # One that is set aside is not asked.
        heard = {worker: said for worker, said in self._heard.items() if worker in present} | news
        self._heard = heard
        found: list[EngineStatus] = []
        for worker, said in sorted(heard.items()):
            found += said if worker in news else [unheard(one) for one in said]
        return found, [worker for worker in workers if isinstance(answers.get(worker), TimeoutError)]

    def _pay(self, worker: str, said: list[EngineStatus]) -> list[EngineStatus]:
        """Let go of engines that were given up while their worker did not answer; how they are then."""
        ending = set()
        for one in said:
            if (worker, one.name) in self._owed and one.state not in ENDED:
                with contextlib.suppress(ClusterError):  # at the next look then
                    if self._run(stop_engine, one.name, self.name, worker=worker):
                        ending.add(one.name)
                    self._owed.discard((worker, one.name))
        return [replace(one, state="stopping") if one.name in ending else one for one in said]

    def find(self, name: str) -> EngineStatus | None:
        """An engine by name: one that lives before one that is silent, and that before one that has ended."""
        return best(self._look()[0], name)

    def settled(self, name: str, *, stop: Callable[[], bool] = lambda: False) -> EngineStatus | None:
        """An engine by name; one that is silent is waited for until it answers, or its worker is set aside: then None.

        One that is being stopped is waited for too.
        """
        deadline = time.monotonic() + 2.0 * SILENT_S
        while True:
            status = self.find(name)
            waited = status is not None and status.state in ("silent", "stopping")
            if status is None or not waited or stop() or time.monotonic() > deadline:
                return status
            self.cluster.roll()
            if status.worker not in self.cluster.probes:
                return None
            time.sleep(POLL_S)

    def log(self, name: str, lines: int) -> str | None:
        """The last lines of an engine's log; None where there is no such engine."""
        status = self.find(name)
        return None if status is None else self._run(engine_log, name, lines, worker=status.worker)

    def use(self, name: str, who: str, *, begins: bool) -> None:
        """Say that an engine is used, or no more: it is not idle meanwhile."""
        status = self.find(name)
        if status is None:
            return
        if begins:  # a use lasts as long as whoever holds the engine
            self._hold(status.worker)
        self._run(engine_use, name, who, begins, self.name, worker=status.worker)

    # --- end --------------------------------------------------------------------------------------------------

    def stop(self, name: str, *, timeout_s: float = 15.0) -> bool:
        """End an engine whoever holds it, and wait until it is gone; False when there is none.

        Raises
        ------
        ClusterError
            It was told to end, and is still there after so long, its grace included. Or a worker that may have it does
            not answer.
        """
        ended = self._end(name, "", timeout_s)
        if ended is None:
            msg = f"Engine {name} was told to end, and is still there."
            raise ClusterError(msg, hint="Look again in a while: engine list. It is killed after its grace.")
        return ended

    def let_go(self, name: str, *, timeout_s: float = 15.0) -> bool:
        """Hold an engine no more: it ends unless others do; whether it ended. A silent worker is told when it answers."""
        return bool(self._end(name, self.name, timeout_s))

    def _end(self, name: str, holder: str, timeout_s: float) -> bool | None:
        """Whether an engine ended, wherever it runs; None where it was told to, and was not seen to."""
        found, mute = self._look()
        living = [one for one in found if one.name == name and one.state not in ENDED]
        silent = [] if living else mute
        told: dict[str, float] = {}
        for one in living:
            try:
                if one.state == "silent":
                    silent.append(one.worker)
                elif self._run(stop_engine, name, holder, worker=one.worker):
                    told[one.worker] = one.config.stop_grace_s
            except ClusterError:
                silent.append(one.worker)
        if silent and not holder:
            raise does_not_answer(silent, name)
        self._owed.update((worker, name) for worker in silent)
        if not told:
            return False
        deadline = time.monotonic() + max(timeout_s, max(told.values()) + LEEWAY_S)
        while time.monotonic() < deadline:
            if not any(
                one.name == name and one.worker in told and one.state not in ENDED for one in self.statuses()
            ):
                return True
            time.sleep(0.1)
        return None

    def close(self) -> None:
        """Let go of everything: engines that nobody else holds end."""
        with self._lock:
            held, self._leases = list(self._leases), {}
        if self.client.status != "running":
            return
        there = [worker for worker in held if worker in self.cluster.probes]
        # Where nobody answers, engines end once it is seen that our lease is gone.
        mine = [one for one in self.statuses() if one.worker in there and one.state != "silent"]
        for name in {one.name for one in mine}:
            workers = [one.worker for one in mine if one.name == name]
            ask_all(self.client, stop_engine, name, self.name, workers=workers, timeout_s=STATUS_S)

    def _hold(self, worker: str) -> None:
        """Hold a small value on a worker: when this process is gone, so is the value, and the worker knows."""
        with self._lock:
            if worker in self._leases:
                return
            key = engine_lease_key(self.name, worker)

            async def send() -> Any:
                return await self.client.scatter(
                    {key: True}, workers=[worker], hash=False, timeout=CARRY_S, asynchronous=True
                )

            try:
                held = self._within(2.0 * CARRY_S, send)
            except Exception as error:  # it died since it was last seen, and Dask says so in many ways
                msg = f"Worker {worker} takes nothing: {type(error).__name__} {error}".rstrip(" .") + "."
                raise ClusterError(msg, hint="Start it again, or name another: --worker W.") from error
            self._leases[worker] = held[key]

    def _run(self, function: Callable[..., Any], *arguments: Any, worker: str) -> Any:
        async def ask() -> Any:
            return await self.client.run(function, *arguments, workers=[worker], asynchronous=True)

        deadline = time.monotonic() + RUN_S
        try:
            return self._within(RUN_S, ask)[worker]
        except (OSError, KeyError) as error:
            msg = f"Worker {worker} does not answer: {error}."
            late = time.monotonic() > deadline
            raise (UnansweredError if late else ClusterError)(
                msg, hint="Look at its log. If it was lost, start it again; engines on it have ended then."
            ) from error

    def _within(self, seconds: float, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What a worker is asked; raises `OSError` when it has not answered after so long."""
        deadline = time.monotonic() + seconds
        return unless_gone(self.client, make, lambda: time.monotonic() > deadline)


def unheard(status: EngineStatus) -> EngineStatus:
    """What was last heard of an engine whose worker does not answer."""
    if status.state in ENDED:
        return status
    return replace(status, state="silent", error="Its worker does not answer.")


def best(found: Iterable[EngineStatus], name: str, *, last: Collection[str] = ()) -> EngineStatus | None:
    """Of engines of one name one that lives, else one that is silent, being stopped, or has ended; on some workers `last`."""

    def rank(one: EngineStatus) -> int:
        if one.state in ENDED:
            return 0
        if one.state == "stopping":
            return 1
        return 2 + 2 * (one.worker not in last) + (one.state != "silent")

    named = sorted((one for one in found if one.name == name), key=rank)
    return named[-1] if named else None


def does_not_answer(workers: Iterable[str], name: str) -> ClusterError:
    """Of workers that may have an engine and say nothing."""
    msg = (
        f"Worker {', '.join(sorted(workers))} does not answer: whether engine {name} runs there is not known."
    )
    return ClusterError(
        msg, hint="Try again in a while; a worker that gives no sign of life is soon set aside."
    )
