"""One run carried out: driven on its cluster, metered, billed, written down, learnt from."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.core.events import BatchEnded, BatchStarted, CoresReserved, Event, Notice, RunStatus
from murakkab_jupyter.core.hosts import Gpu, HostPower, WorkerView
from murakkab_jupyter.core.kinds import Audio, Document, Image, Video
from murakkab_jupyter.core.media import find_media
from murakkab_jupyter.core.redact import redacted
from murakkab_jupyter.energy.meter import best_meter
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.run import Run
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.runtime.journal import Journal
from murakkab_jupyter.runtime.known import Known, known_beforehand
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import Begin, Outcome, Restored
from murakkab_jupyter.runtime.observe import Observing
from murakkab_jupyter.runtime.values import ValueStore
from murakkab_jupyter.simulate.weights import step_memory, step_seconds
from murakkab_jupyter.workflow.declaration import Declaration

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.connect import Cluster
    from murakkab_jupyter.cluster.engines.roster import Roster

__all__ = ["Execution", "made_before"]


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

    @classmethod
    def of(
        cls,
        run_id: str,
        declaration: Declaration,
        plan: Plan,
        finished: Iterable[tuple[str, Ancestry, Any]],
        *,
        cluster: Cluster,
        engines: Roster,
        journal: Journal,
        library: Library,
        profiles: ProfileBook,
        reuse: bool = True,
    ) -> Execution:
        """A run of a plan that is about to begin, or goes on from what is `finished`: `(step, ancestry, value)`, step by step."""
        workflow = declaration.workflow
        configurations = {name: step.configuration for name, step in plan.steps.items()}
        store = stored(declaration, library)
        restored = []
        for name, together in itertools.groupby(finished, key=lambda one: one[0]):
            outcomes = []
            for _, ancestry, value in together:
                store.put(name, ancestry, value)
                outcomes.append(Outcome(ancestry, len(value) if workflow.step(name).opens else None))
            restored.append(Restored(name, tuple(outcomes)))
        loop = RunLoop(
            workflow,
            configurations,
            expected={name: step.items for name, step in plan.steps.items()},
            run_id=run_id,
            reserve=None if plan.reserves is None else plan.reserves.share,
            seconds=step_seconds(
                workflow, configurations, roots=declaration.readable(), library=library, profiles=profiles
            ),
            hosts={one.name: one.host for one in engines.views() if one.host},
            memory=step_memory(configurations, library=library, profiles=profiles),
            most={name: library.agent(one.agent).max_batch for name, one in configurations.items()},
        )
        run = Run(run_id, workflow, plan, cluster.view(), loop, store)
        return cls(run, loop, declaration, restored, cluster, engines, journal, library, profiles, reuse)

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
            try:
                self.journal.save_event(run.id, event)
            finally:  # what a full disk does not take is shown and billed all the same
                run.publish(event)

        def notify(text: str) -> None:
            publish(Notice(time.monotonic() - started, text))

        started = time.monotonic()
        try:
            for notice in (*cluster.notices, *cluster.unused):
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
            # Its words are shown and kept: they may repeat an address with a password, or a key.
            error, message = caught, redacted(str(caught))
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
        return Observing(kept, self.library, self.profiles, workers, notify)


def stored(declaration: Declaration, library: Library) -> ValueStore:
    """The values of a declaration's variables that can be read."""
    store = ValueStore(declaration.workflow, library)
    for name, ancestry, value in declaration.items():
        if (name, ancestry) not in declaration.roots.bad:
            store.put(name, ancestry, value)
    return store


def made_before(
    declaration: Declaration,
    plan: Plan,
    journal: Journal,
    library: Library,
    *,
    patience_s: float | None = None,
) -> Known:
    """What of a plan earlier runs have made already; raises `JournalError` where the journal cannot be read."""
    patience = {} if patience_s is None else {"patience_s": patience_s}
    configurations = {name: step.configuration for name, step in plan.steps.items()}
    roots: dict[str, list[Ancestry]] = {name: [] for name in declaration.roots.values}
    for name, ancestry, _ in declaration.items():
        if (name, ancestry) not in declaration.roots.bad:
            roots[name].append(ancestry)
    # Nothing is called, so where does not matter: one worker that has room for every call.
    most = max(one.gpus for one in configurations.values())
    cores = max(max(one.cores, one.held_cores) for one in configurations.values())
    anywhere = WorkerView("", "", max(1, cores), 0, tuple(Gpu(n, "", 0) for n in range(most)))
    return known_beforehand(
        RunLoop(declaration.workflow, configurations),
        Begin({name: tuple(keys) for name, keys in roots.items()}, (anywhere,)),
        stored(declaration, library),
        journal.recorder("", library=library, media=find_media(declaration.readable())),
        **patience,
    )


def beginning(run: Run, declaration: Declaration) -> Begin:
    """What the loop is told first: root items, workers, and the items that cannot be read."""
    keys: dict[str, tuple[Ancestry, ...]] = dict.fromkeys(declaration.roots.values, ())
    for name, ancestry, _ in declaration.items():
        keys[name] = (*keys[name], ancestry)
    return Begin(keys, run.cluster.workers, declaration.roots.bad)
