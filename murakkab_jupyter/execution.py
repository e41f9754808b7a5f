"""One run carried out: driven on its cluster, metered, billed, written down, learnt from."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.core.events import BatchEnded, BatchStarted, CoresReserved, Event, Notice, RunStatus
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.core.kinds import Audio, Document, Image, Video
from murakkab_jupyter.energy.meter import best_meter
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.run import Run
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.runtime.journal import Journal
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import Begin, Restored
from murakkab_jupyter.runtime.observe import Observing
from murakkab_jupyter.workflow.declaration import Declaration

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.connect import Cluster
    from murakkab_jupyter.cluster.engines.roster import Roster

__all__ = ["Execution"]


@dataclass(frozen=True, slots=True)
class Execution:
    """A run, and all that it is carried out with.

    Attributes
    ----------
    run, loop, declaration
        What is run: the object that others watch, the state machine that decides, the workflow with its values.
    restored
        What an earlier part of the run has finished.
    cluster, engines
        Where.
    journal, library, profiles
        Where it is written down, and what learns from it.
    reuse
        Whether items that were made before are taken from the journal.
    """

    run: Run
    loop: RunLoop
    declaration: Declaration
    restored: Sequence[Restored]
    cluster: Cluster
    engines: Roster
    journal: Journal
    library: Library
    profiles: ProfileBook
    reuse: bool = True

    def carry_out(self) -> None:
        """Drive the run to its end, with its meter and its bill, and write down how it ended.

        Whatever goes wrong, the run ends: somebody is waiting for it.
        """
        from murakkab_jupyter.cluster.driver import DaskDriver

        run, cluster = self.run, self.cluster
        status: RunStatus = "failed"
        message = ""
        bill: Bill | None = None
        error: BaseException | None = None
        recorder: Observing | None = None
        earlier = self.earlier() if self.restored else []

        def publish(event: Event) -> None:
            self.journal.save_event(run.id, event)
            run.publish(event)

        def notify(text: str) -> None:
            publish(Notice(time.monotonic() - started, text))

        started = time.monotonic()
        try:
            for notice in cluster.notices:
                notify(notice)
            recorder = self.recorder(notify)
            power = run.cluster.workers[0].power if run.cluster.workers else HostPower()
            meter = best_meter(power, run.cluster.cores) if cluster.local else None
            if meter is not None:
                meter.start()
            started = time.monotonic()
            try:
                finish = DaskDriver(cluster, library=self.library, engines=self.engines).drive(
                    self.loop,
                    beginning(run, self.declaration),
                    store=run.store,
                    recorder=recorder,
                    publish=publish,
                    stop=run.stopping,
                    restored=self.restored,
                )
                status, message = finish.status, finish.message
            finally:
                seconds = time.monotonic() - started
                reading = meter.stop() if meter is not None else None
                # A meter knows nothing of what an earlier part of the run spent.
                bill = (
                    Bill.of([*earlier, *run.events], run.plan, run.cluster)
                    if earlier
                    else Bill.of(run.events, run.plan, run.cluster, reading, seconds=seconds)
                )
        except BaseException as caught:  # noqa: BLE001 - handed to whoever waits for the run
            error, message = caught, str(caught)
        try:
            self.journal.end_run(run.id, status, message)
        except Exception as caught:  # noqa: BLE001 - the same
            error = error or caught
        finally:
            run.end(status, message, bill, error)
        if recorder is not None and recorder.unsettled:
            # Hosts that joined in mid-run are measured now, as they would be for the next plan.
            with contextlib.suppress(MurakkabError):
                cluster.view()
                recorder.settle()

    def earlier(self) -> list[Event]:
        """The events of a resumed run's earlier parts; on this host, its worker had another address then."""
        run = self.run
        events = list(self.journal.events(run.id))
        if self.cluster.local and len(run.cluster.workers) == 1:
            here = run.cluster.workers[0].name
            events = [
                replace(one, worker=here)
                if isinstance(one, BatchStarted | BatchEnded | CoresReserved)
                else one
                for one in events
            ]
        return events

    def recorder(self, notify: Callable[[str], None]) -> Observing:
        """What writes down what is made, and learns from the calls that made it."""
        media = [
            value.media
            for _, _, value in self.declaration.items()
            if isinstance(value, Video | Audio | Image | Document)
        ]
        kept = self.journal.recorder(
            self.run.id, library=self.library, media=media, reuse=self.reuse, notify=notify
        )
        # What is observed on other hosts is filed under them, also under those that joined since.
        cluster = self.cluster
        workers = None if cluster.local else lambda: cluster.seen().workers
        return Observing(kept, self.library, self.profiles, workers)


def beginning(run: Run, declaration: Declaration) -> Begin:
    """What the loop is told first: root items, workers, and the items that cannot be read."""
    keys: dict[str, tuple[Ancestry, ...]] = dict.fromkeys(declaration.roots.values, ())
    for name, ancestry, _ in declaration.items():
        keys[name] = (*keys[name], ancestry)
    return Begin(keys, run.cluster.workers, declaration.roots.bad)
