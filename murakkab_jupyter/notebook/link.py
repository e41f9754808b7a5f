"""The kernel's end of the side panel: runs, workflows, workers and energy, pushed through a comm.

The front end opens a comm of the target `murakkab`; the kernel then sends its state at once, after every
cell, and while a run goes on, from a thread of its own. Nothing is computed while no panel listens.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.clean import cleaned
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.version import VERSION
from murakkab_jupyter.notebook.clusters import addresses, cluster_json
from murakkab_jupyter.notebook.hub import apart
from murakkab_jupyter.notebook.own import OwnClusters
from murakkab_jupyter.notebook.watch import Watch

if TYPE_CHECKING:
    from murakkab_jupyter.run import Run
    from murakkab_jupyter.verbs import Workbench

__all__ = ["TARGET", "Link", "connect"]

LOG = logging.getLogger(__name__)
TARGET = "murakkab"
EVERY_S = 0.5
SHARE = 0.02
"""Of its thread's time that a push may take: a run that is slow to tell is told less often."""
POWER_S = 1.0
"""Between two readings of a meter: a shorter time says less of what is drawn."""
OWN_S = 2.0
"""Between two looks at clusters of the notebook's own."""
MOST_RUNS = 20


@contextlib.contextmanager
def unharmed() -> Iterator[None]:
    """What goes wrong in here is logged, and tried again the next time: a panel must not stand still for it."""
    try:
        yield
    except Exception:
        LOG.info("The side panel could not be told how it goes.", exc_info=True)


class Link:
    """Tells every open panel what this kernel has.

    Parameters
    ----------
    bench
        What has been declared and run.
    space
        The notebook's variables, to find clusters of its own among them.
    """

    def __init__(self, bench: Workbench, space: Mapping[str, Any] | None = None) -> None:
        self._bench = bench
        self._own = OwnClusters({} if space is None else space, lambda: addresses(bench.opened))
        self._comms: dict[str, Any] = {}
        self._watches: dict[str, Watch] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._looker: threading.Thread | None = None
        self._meter: Any = None
        self._metered = 0.0
        self._power: tuple[Figure, ...] = ()

    # --- comms ------------------------------------------------------------------------------------------------

    def register(self, manager: Any) -> None:
        """Answer comms of our target."""
        manager.register_target(TARGET, self.opened)

    def opened(self, comm: Any, message: Any = None) -> None:
        """A panel has opened a comm."""
        with self._lock:
            self._comms[comm.comm_id] = comm

        def closed(_: Any) -> None:
            with self._lock:
                self._comms.pop(comm.comm_id, None)

        comm.on_close(closed)
        comm.on_msg(self.told)
        self.tell()
        self._follow()
        self._look_after()

    def told(self, message: Any) -> None:
        """A panel asks: `{"ask": "state"}`, or `{"stop": RUN}`; or it goes: `{"bye": true}`."""
        data = message["content"]["data"]
        if isinstance(data, dict) and data.get("bye") is True:
            self._part(message["content"]["comm_id"])
            return
        wanted = data.get("stop") if isinstance(data, dict) else None
        run = self._bench.run_named(wanted) if isinstance(wanted, str) else None
        if run is not None:
            run.stop()
        self.tell()

    def _part(self, comm_id: str) -> None:
        """Close the comm of a panel that goes.

        Were it closed by the front end, JupyterLab would end the comm's subshell in the same moment, and the
        kernel drop the close message half read: asyncio complains of that in the output of some cell.
        """
        with self._lock:
            comm = self._comms.pop(comm_id, None)
        if comm is not None:
            apart(comm.close)

    def follow(self, run: Run) -> None:
        """A run has begun."""
        with self._lock:
            self._watches.pop(run.id, None)  # one that goes on is the latest again
            self._watches[run.id] = Watch(run)
            ended = [key for key, one in self._watches.items() if one.run.ended]
            # What no panel shows any more is let go, with all that the run holds.
            for key in ended[: max(0, len(self._watches) - MOST_RUNS)]:
                del self._watches[key]
        self._follow()

    def _follow(self) -> None:
        """Push from a thread as long as a run goes on and somebody listens."""
        self._wake.set()
        with self._lock:
            if self._thread is not None or not self._comms or not self._running():
                return
            self._thread = threading.Thread(target=self._push, name="murakkab-panel", daemon=True)
            self._thread.start()

    def _look_after(self) -> None:
        """Tell of clusters of the notebook's own as they change, as long as there are any and somebody listens."""
        with self._lock:
            if self._looker is not None or not self._comms or not self._own.to_json():
                return
            self._looker = threading.Thread(target=self._look, name="murakkab-clusters", daemon=True)
            self._looker.start()

    def _look(self) -> None:
        before = None
        try:
            while True:
                with unharmed():
                    self._own.ask()
                    now = self._own.to_json()
                    if now != before:
                        before = now
                        self.tell()
                with self._lock:
                    # Looked for under the lock, so that a cluster that is made now starts a thread of its own.
                    if not self._comms or not self._own.to_json():
                        self._looker = None
                        return
                time.sleep(OWN_S)  # a look at others' schedulers: nobody tells when they change
        finally:
            with self._lock:
                if self._looker is threading.current_thread():
                    self._looker = None

    def _running(self) -> list[Watch]:
        return [watch for watch in self._watches.values() if not watch.run.ended]

    def _push(self) -> None:
        try:
            self._push_on()
        finally:
            # Whatever ended it, the next run or panel starts another; one that has begun since is left alone.
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _push_on(self) -> None:
        while True:
            began = time.thread_time()
            with self._lock:
                running = self._running() if self._comms else []
                if not running:
                    # Under the lock, so that a run that begins now starts a thread of its own.
                    self._thread = None
            if not running:
                break
            with unharmed():
                for watch in running:
                    watch.weigh()
                self._measure(running)
            with unharmed():
                self.tell()
            pause = max(EVERY_S, (time.thread_time() - began) / SHARE)
            with contextlib.suppress(Exception):
                running[0].run.wait(pause)
        self._meter, self._power = None, ()
        with unharmed():
            self.tell()

    def _measure(self, running: list[Watch]) -> None:
        """Watts of this host since the last look; runs on other hosts say nothing here."""
        from murakkab_jupyter.energy.meter import best_meter, host_names

        view = running[0].run.cluster
        mine = [w for w in view.workers if w.host in host_names()]
        if len(mine) != len(view.workers) or not mine:
            self._power = ()
            return
        if self._meter is None:
            self._meter = best_meter(mine[0].power, view.cores)
            self._meter.start()
            self._metered = time.monotonic()
            return
        if time.monotonic() - self._metered < POWER_S:
            return
        reading = self._meter.stop()
        self._meter.start()
        self._metered = time.monotonic()
        self._power = tuple(
            Figure(
                one.energy_j.value / one.seconds,
                "W",
                source=one.energy_j.source,
                method=one.energy_j.method,
                note=one.energy_j.note,
            )
            for one in (reading, *reading.beside)
            if one.energy_j.value is not None and one.seconds > 0
        )

    def ran(self, *_: object) -> None:
        """A cell has run: it may have changed anything."""
        self.tell()
        self._look_after()

    def tell(self) -> None:
        """Send the state to every open panel."""
        with self._lock:
            comms = list(self._comms.values())
        if not comms:
            return
        state = self.state()
        for comm in comms:
            try:
                apart(comm.send, state)
            except Exception:  # noqa: BLE001 - a panel that is gone must not end a run or a cell
                with self._lock:
                    self._comms.pop(comm.comm_id, None)

    # --- what is told -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything a panel shows, as plain JSON, clean."""
        with self._lock:
            watches = list(self._watches.values())[-MOST_RUNS:]
        for watch in watches:
            watch.read()
        sessions = self._bench.opened
        told = {
            "format": 1,
            "version": VERSION,
            "runs": [watch.to_json() for watch in reversed(watches)],
            "workflows": [
                {
                    "name": one.name,
                    "steps": len(one.declaration.workflow.steps),
                    "goal": str(one.declaration.workflow.goal),
                    "planned": one.plan is not None,
                    "latest": name == self._bench.latest and not self._bench.unready,
                }
                for name, one in list(self._bench.declared.items())
            ],
            "cluster": cluster_json(sessions, watches),
            "own": self._own.to_json(),
            "power": [one.to_json() for one in self._power],
        }
        # A step's or a worker's name, or an agent's words, may hold what reorders a line.
        return {name: cleaned(data) for name, data in told.items()}


def connect(link: Link, shell: Any) -> Callable[[], None] | None:
    """Answer this shell's panels; None where it has no kernel with comms (a terminal)."""
    kernel = getattr(shell, "kernel", None)
    manager = getattr(kernel, "comm_manager", None)
    if manager is None:
        return None
    link.register(manager)
    shell.events.register("post_run_cell", link.ran)
    return link.ran
