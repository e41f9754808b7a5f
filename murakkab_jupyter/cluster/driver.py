"""The Dask driver of the run loop: carries out what the loop decides, and tells it what happened.

    DaskDriver(cluster).drive(loop, begin, store=store, recorder=recorder, publish=print, stop=Event())

One Dask task is one batch. The loop, the values and the events live in the calling thread; media are sent,
tasks submitted and results fetched beside it, and all of them report to one inbox. An interrupt is a stop:
`drive` returns within a second of it, whatever the workers do.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.cluster.connect import Cluster
from murakkab_jupyter.cluster.drive import Drive, Loop
from murakkab_jupyter.core.events import Event
from murakkab_jupyter.runtime.messages import Begin, Finish, Restored
from murakkab_jupyter.runtime.recorder import Recorder
from murakkab_jupyter.runtime.values import ValueStore

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.engines.roster import Roster

__all__ = ["DaskDriver"]


class DaskDriver:
    """Runs loops on a cluster.

    Parameters
    ----------
    cluster
        Where.
    library
        Agents and capabilities that the loops' configurations name.
    engines
        Model servers that those agents call.
    """

    def __init__(
        self, cluster: Cluster, *, library: Library | None = None, engines: Roster | None = None
    ) -> None:
        self.engines = engines
        self.cluster = cluster
        self.library = default_library() if library is None else library

    def drive(
        self,
        loop: Loop,
        begin: Begin,
        *,
        store: ValueStore,
        recorder: Recorder,
        publish: Callable[[Event], None],
        stop: threading.Event,
        restored: Sequence[Restored] = (),
    ) -> Finish:
        """Run a loop to its end.

        Parameters
        ----------
        loop
            A loop that has not begun.
        begin, restored
            What it is told first.
        store
            Values; those of variables and of what is restored are in it.
        recorder
            Finds what is known already, and keeps what is made.
        publish
            Called in this thread with every event.
        stop
            Set by anyone to stop the run. An interrupt of this thread does the same.

        Returns
        -------
        Finish
            How it ended. No instance of the run is left when it returns, but after a stop, when the workers
            have been told to kill theirs.

        Raises
        ------
        ClusterError
            When the scheduler is lost.
        MurakkabError
            When the recorder cannot keep what was made.
        """
        drive = Drive(
            self.cluster,
            self.library,
            loop,
            store=store,
            recorder=recorder,
            publish=publish,
            stop=stop,
            engines=self.engines,
        )
        with interrupts(drive.interrupt):
            return drive.run(begin, restored)


@contextlib.contextmanager
def interrupts(act: Callable[[], None]) -> Iterator[None]:
    """Have an interrupt call `act` instead of breaking into whatever is being done; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is None or before == signal.SIG_IGN:  # someone else's, or not wanted
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
