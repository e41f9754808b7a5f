"""Where a run's batches wait for their engines: started when needed, missed when gone, awaited when they come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.cluster.engines.ask import Server
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.runtime.messages import EngineLost, EngineReady

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.engines.entry import Entry
    from murakkab_jupyter.cluster.engines.roster import Roster

__all__ = ["Checked", "Gate"]

ROUNDS = 3
"""How often a batch is done again because its engine was lost."""

SPENT_S = 3.0
SETTLE_S = 1.0
"""How long the death of an engine may take to be noticed where it runs."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether the engine that a landed batch called was lost meanwhile, and is back: what failed is done again."""

    landed: Any
    again: bool


class Gate:
    """The engines of one run, and who waits for them. What takes time is done in threads, which report.

    Parameters
    ----------
    roster
        The session's engines.
    run
        Who uses them.
    report
        Takes `EngineReady`, `EngineLost` and `Checked`, from any thread.
    """

    def __init__(self, roster: Roster, run: str, report: Callable[[Any], None]) -> None:
        self.roster = roster
        self.run = run
        self.report = report
        self.gone: dict[str, str] = {}
        """Engines that cannot be had, and why."""
        self._life: dict[str, object] = {}
        self._before: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="murakkab-engines")
        self._over = threading.Event()

    def life(self, name: str) -> object | None:
        """What tells an engine's present life from its last; None while it does not answer."""
        return self._life.get(name)

    def starts(self, name: str) -> bool:
        """Whether an engine is one that is started here; an attached one is somebody else's to start."""
        try:
            return self.roster.find(name).config is not None
        except MurakkabError:
            return False

    def start(self, name: str) -> None:
        """Have an engine answer, then report `EngineReady`, or a final `EngineLost`."""
        self._threads.submit(self._ensure, name)

    def check(self, name: str, life: object, landed: Any) -> None:
        """See whether an engine still lives the life in which a batch called it; report `Checked`, once it answers."""
        self._threads.submit(self._check, name, life, landed)

    def let_go(self, name: str) -> None:
        """The run needs an engine no more: it is idle from now on, unless others use it."""
        self._threads.submit(self._use, name, False)

    def spent(self) -> dict[str, tuple[str, float]]:
        """For each engine on a worker that was used, the worker and the CPU-seconds it spent since, its start included.

        What runs beside this run and asks the same engine is not told apart.
        """
        asked = self._threads.submit(self._spent)
        try:
            return asked.result(timeout=SPENT_S)
        except Exception:  # noqa: BLE001 - the bill says less then, and nothing is lost
            return {}

    def _spent(self) -> dict[str, tuple[str, float]]:
        found = {}
        for name, before in self._before.items():
            status = self.roster.look(name).status
            if status is not None:
                found[name] = (status.worker, max(0.0, status.cpu_s - before))
        return found

    def end(self) -> None:
        """Stop waiting for anything. An engine that was still being started is given up."""
        self._over.set()
        self._threads.shutdown(wait=False)

    def _ensure(self, name: str) -> bool:
        began = time.monotonic()
        try:
            was = self.roster.look(name)
            entry = self.roster.ensure(name, stop=self._over.is_set)
            host = self.roster.host_of(entry)
        except Exception as error:  # noqa: BLE001 - nobody reads this thread's result: unsaid, the run would wait for ever
            known = isinstance(error, MurakkabError)
            self.gone[name] = str(error) if known else f"{type(error).__name__}: {error}"
            self._life.pop(name, None)
            said = error.message if isinstance(error, MurakkabError) else self.gone[name]
            self.report(EngineLost(name, said, final=True))
            return False
        self._life[name] = life_of(entry)
        self.gone.pop(name, None)
        if entry.config is not None:
            old, new = was.status, entry.status
            if old is not None and new is not None and old.worker != new.worker:
                self._before[name] = 0.0  # it moved: the new one's count has nothing of the old one's
            else:
                running = old is not None and was.state not in ("failed", "stopped")
                self._before.setdefault(name, old.cpu_s if old is not None and running else 0.0)
        self._use(name, True)
        if self._over.is_set():  # the run ended meanwhile, and has let go of it already
            self._use(name, False)
        self.report(EngineReady(name, host, time.monotonic() - began))
        return True

    def _check(self, name: str, life: object, landed: Any) -> None:
        try:
            why = self._missing(name, life)
            if why and self.life(name) == life:
                self._life.pop(name, None)
                self.report(EngineLost(name, why))
            again = bool(why) and self._ensure(name)
        except Exception:  # noqa: BLE001 - whatever went wrong, the batch must land
            again = False
        self.report(Checked(landed, again))

    def _missing(self, name: str, life: object) -> str:
        """Why an engine is not what it was; empty when it is."""
        entry = self.roster.look(name)
        if entry.config is None or entry.endpoint is None or entry.status is None:
            return "" if entry.config is None else entry.problem or "it does not answer"
        if life_of(entry) != life:
            silent = entry.status.state == "silent"
            return entry.problem if silent else "it was started again meanwhile"
        if not Server(entry.endpoint.url).ask(f"{entry.endpoint.url}/models").problem:
            return ""
        time.sleep(SETTLE_S)  # its death is noticed where it runs, within so long
        entry = self.roster.look(name)
        return "" if life_of(entry) == life else entry.problem or "it does not answer"

    def _use(self, name: str, begins: bool) -> None:
        try:
            self.roster.use(name, self.run, begins=begins)
        except Exception:  # noqa: BLE001 - it is gone, or its worker: whoever calls it will hear of that
            return


def life_of(entry: Entry) -> object:
    """Which process of an engine answers; an attached one is taken to live for ever."""
    if entry.config is None:
        return "attached"
    status = entry.status
    if status is None or status.state != "ready":
        return None
    return (status.worker, status.pid)
