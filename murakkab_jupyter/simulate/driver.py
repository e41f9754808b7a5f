"""The virtual-clock driver of the run loop: what a plan would do, on a cluster that may only be described.

The decisions are those of the loop that serves a user; only the clock and the calls are made up, from
profiles. The same question always gets the same answer.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.events import Event, FilesBrought, RunStatus, Usage
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, EngineView, Share, WorkerView
from murakkab_jupyter.planner.files import Files
from murakkab_jupyter.planner.items import ItemMeasures
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.profile import Profiles
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import (
    Arrived,
    Batch,
    BatchDone,
    Begin,
    Called,
    Cancel,
    EngineReady,
    Finish,
    InstanceId,
    Message,
    Outcome,
    Record,
    Recorded,
    Retire,
    SetTimer,
    StartEngine,
    StopEngine,
    Submit,
    Tell,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from murakkab_jupyter.runtime.reserve import reserved_core_s
from murakkab_jupyter.simulate.durations import Durations, Span, together
from murakkab_jupyter.simulate.links import Links
from murakkab_jupyter.simulate.predict import evaluation
from murakkab_jupyter.simulate.simulation import Call, SimulatedStep, Simulation
from murakkab_jupyter.simulate.weights import step_memory, step_seconds
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["Simulation", "evaluation", "simulate"]


@dataclass(slots=True)
class Started:
    """A call on the virtual clock; `wait_s` of it for files that are brought to its host."""

    batch: Batch
    start_s: float
    load: Span | None
    work: float
    span: Span
    wait_s: float = 0.0


@dataclass(slots=True)
class Sums:
    """What is added up of one step."""

    first_s: float | None = None
    last_s: float = 0.0
    span: Span = field(default_factory=Span)
    loading: Span = field(default_factory=Span)
    moving: Span = field(default_factory=Span)
    cpu: dict[str, Span] = field(default_factory=dict)
    core_seconds: dict[str, float] = field(default_factory=dict)
    loads: int = 0
    calls: int = 0
    items: int = 0
    wasted_core_seconds: float = 0.0

    def spent(self) -> Span:
        """CPU-seconds on all workers."""
        whole = Span()
        for span in self.cpu.values():
            whole.add(span)
        return whole


class VirtualDriver:
    """Plays cluster and clock for one loop."""

    def __init__(
        self,
        loop: RunLoop,
        measures: ItemMeasures,
        durations: Durations,
        workers: Iterable[WorkerView],
        changes: Iterable[tuple[float, Message]],
        engines: Iterable[EngineView] = (),
        files: Files | None = None,
        links: Links | None = None,
        arrive_s: Mapping[Ancestry, float] | None = None,
    ) -> None:
        self.loop = loop
        self.arrive_s = dict(arrive_s or {})
        self.ends_s: dict[Ancestry, float] = {}
        """When the last call of each value that arrived was over."""
        self.files = files
        self.links = links
        self.configurations = {step.name: loop.configuration(step.name) for step in loop.workflow.steps}
        self.measures = measures
        self.durations = durations
        views = tuple(workers)
        self.speeds = {view.name: view.speed.value or 1.0 for view in views}
        self.cores = {view.name: view.cores for view in views}
        self.busy: dict[str, int] = dict.fromkeys(self.cores, 0)
        self.clock: list[tuple[float, int, Message]] = []
        self.order = itertools.count()
        self.now_s = 0.0
        self.running: dict[int, Started] = {}
        self.loaded: set[InstanceId] = set()
        self.soon: deque[Message] = deque()
        self.calls: list[Call] = []
        self.events: list[Event] = []
        self.sums: dict[str, Sums] = {step.name: Sums() for step in loop.workflow.steps}
        self.finish: Finish | None = None
        self.engines = {view.name: view for view in engines}
        # Where inputs keep arriving everything has long been loaded and started.
        self.steady = bool(self.arrive_s)
        self.met: set[InstanceId] = set()
        self.ready = {view.name for view in self.engines.values() if view.warm or self.steady}
        self.waiting: list[Batch] = []
        self.free_s: dict[str, float] = {}
        """When each engine that holds GPUs has done what it was given."""
        for at_s, message in changes:
            self.later(at_s, message)
        for ancestry, at_s in self.arrive_s.items():
            self.later(at_s, Arrived(ancestry))

    def later(self, at_s: float, message: Message) -> None:
        heapq.heappush(self.clock, (at_s, next(self.order), message))

    def run(self, begin: Begin) -> None:
        self.soon.append(begin)
        while self.finish is None:
            if self.soon:
                message = self.soon.popleft()
            elif self.clock:
                at_s, _, message = heapq.heappop(self.clock)
                self.now_s = max(self.now_s, at_s)
            else:
                break
            if isinstance(message, BatchDone):
                if message.task not in self.running:
                    continue  # cancelled, or lost with its worker
                message = self.done(message)
            elif isinstance(message, WorkerLost):
                self.lost(message.worker)
            elif isinstance(message, WorkerJoined):
                self.speeds[message.worker.name] = message.worker.speed.value or 1.0
                self.cores[message.worker.name] = message.worker.cores
                self.busy[message.worker.name] = 0
                if self.links is not None:
                    self.links.join(message.worker)
            elif isinstance(message, EngineReady):
                self.answers(message.engine)
            for decision in self.loop.handle(message, self.now_s):
                match decision:
                    case Tell(event):
                        self.events.append(event)
                    case Submit(batch):
                        self.submit(batch)
                    case Record(task):
                        self.soon.append(Recorded(task))
                    case SetTimer(name, at_s):
                        if at_s <= self.now_s:
                            self.soon.append(TimerFired(name))
                        else:
                            self.later(at_s, TimerFired(name))
                    case Retire(instance):
                        self.loaded.discard(instance)
                    case StartEngine(engine):
                        self.start(engine)
                    case StopEngine():
                        pass  # what it costs to keep is not this run's
                    case Cancel(task) if task in self.running:
                        self.waste(self.ended(task))
                    case Finish():
                        self.finish = decision

    def start(self, name: str) -> None:
        """An engine is wanted: it answers now, or once it is started, which the first step that calls it pays."""
        view = self.engines.get(name)
        if view is None or view.warm or self.steady:
            self.soon.append(EngineReady(name))
            return
        start_s, cpu = view.start.value or 0.0, view.start_cpu
        step = next(s for s, one in self.configurations.items() if one.engine == name)
        spent = Span(
            cpu_s=cpu.value or 0.0,
            cpu_low_s=cpu.value or 0.0 if cpu.low is None else cpu.low,
            cpu_high_s=cpu.value or 0.0 if cpu.high is None else cpu.high,
            source=cpu.source,
        )
        worker = view.worker if view.worker in self.cores else next(iter(self.cores), "")
        self.sums[step].cpu.setdefault(worker, Span()).add(spent)
        self.sums[step].core_seconds.setdefault(worker, 0.0)
        low = start_s if view.start.low is None else view.start.low
        high = start_s if view.start.high is None else view.start.high
        self.sums[step].loading.add(Span(start_s, low, high, source=view.start.source))
        self.later(self.now_s + start_s, EngineReady(name, view.host, start_s))

    def answers(self, name: str) -> None:
        """An engine answers: the batches that waited for it are done."""
        self.ready.add(name)
        waited, self.waiting = self.waiting, []
        for batch in waited:
            self.submit(batch)

    def submit(self, batch: Batch) -> None:
        if batch.step in self.loop.heralds:
            self.soon.append(Called(batch.step))
            if (name := batch.configuration.engine) and name in self.engines and name not in self.ready:
                self.waiting.append(batch)
                return
        start, step = self.measures.start, batch.step
        work = 0.0
        for key in batch.keys:
            work += start(step, key)
        speed = self.speeds[batch.instance.worker]
        # The cores that are busy when it starts are taken to be busy until it ends.
        share = self.share_beside(batch)
        span = self.durations.beside(self.durations.call(step, len(batch.keys), work, speed), share)
        load = None
        took_s = span.seconds + self.durations.dispatch_s
        if self.steady and batch.instance not in self.met:
            self.met.add(batch.instance)
            self.loaded.add(batch.instance)
        if batch.instance not in self.loaded:
            self.loaded.add(batch.instance)
            load = self.durations.beside(self.durations.load(step, speed), share)
            took_s += load.seconds
        wait_s = self.fetched(batch)
        took_s += wait_s
        if self.steady and all(key[:1] not in self.arrive_s for key in batch.keys):
            # What is made once for all values was made long ago.
            span, load, wait_s, took_s = Span(), None, 0.0, 0.0
        begin_s = self.turn(batch, took_s)
        self.running[batch.task] = Started(batch, begin_s, load, work, span, wait_s)
        self.later(begin_s + took_s, BatchDone(batch.task, ()))

    def fetched(self, batch: Batch) -> float:
        """Seconds until the files that a call reads are on its host."""
        if self.links is None or self.files is None or not self.files.reads(batch.step):
            return 0.0
        media = (one for key in batch.keys for one in self.files.of(batch.step, key))
        found = self.links.bring(batch.instance.worker, media, self.now_s)
        if found is None:
            return 0.0
        if found.files:
            self.sums[batch.step].moving.add(found.span)
            self.events.append(
                FilesBrought(self.now_s, batch.instance.worker, found.files, found.bytes, found.span.seconds)
            )
        return found.wait_s

    def turn(self, batch: Batch, took_s: float) -> float:
        """When a call begins: now, or when its engine is through with another step's.

        Published curves say what a server does with so many requests of one kind. Two steps' calls at once would be more
        of them and no slower together than one after the other, so that is what they are taken to be.
        """
        name = batch.configuration.engine
        if not batch.configuration.gpus or not name:
            return self.now_s
        begin_s = max(self.now_s, self.free_s.get(name, 0.0))
        self.free_s[name] = begin_s + took_s
        return begin_s

    def share_beside(self, batch: Batch) -> float:
        """Share of a worker's other cores that are busy; the batch's own become busy."""
        worker, own = batch.instance.worker, held_cores(batch)
        others = self.cores.get(worker, 1) - own
        share = self.busy.get(worker, 0) / others if others > 0 and own else 0.0
        self.busy[worker] = self.busy.get(worker, 0) + own
        return share

    def ended(self, task: int) -> Started:
        """A call is over; its cores are free."""
        started = self.running.pop(task)
        self.busy[started.batch.instance.worker] -= held_cores(started.batch)
        return started

    def done(self, message: BatchDone) -> BatchDone:
        """The clock reached the end of a call: what it made, and what it used."""
        started = self.ended(message.task)
        batch, span, load = started.batch, started.span, started.load
        sums = self.count(started)
        sums.span.add(span)
        cpu = sums.cpu.setdefault(batch.instance.worker, Span())
        cpu.add(span)
        if load is not None:
            sums.loads += 1
            sums.loading.add(load)
            cpu.add(load)
        finish, step = self.measures.finish, batch.step
        outcomes = tuple(Outcome(key, finish(step, key)) for key in batch.keys)
        if self.steady:
            self.ends_s |= {key[:1]: self.now_s for key in batch.keys if key}
        usage = Usage(
            span.seconds,
            span.cpu_s,
            0.0 if load is None else load.seconds,
            0.0 if load is None else load.cpu_s,
            energy_j=span.gpu_j,
            work=started.work,
        )
        return BatchDone(message.task, outcomes, usage)

    def count(self, started: Started, *, wasted: bool = False) -> Sums:
        batch = started.batch
        sums = self.sums[batch.step]
        worker = batch.instance.worker
        cores = held_cores(batch)
        # As on the bill, a call that waits for its files computes nothing yet.
        held = cores * max(0.0, self.now_s - started.start_s - started.wait_s)
        sums.core_seconds[worker] = sums.core_seconds.get(worker, 0.0) + held
        if sums.first_s is None or started.start_s < sums.first_s:
            sums.first_s = started.start_s
        sums.last_s = self.now_s
        sums.calls += 1
        if wasted:
            sums.wasted_core_seconds += held
        else:
            sums.items += len(batch.keys)
        self.calls.append(
            Call(
                batch.step,
                worker,
                batch.instance.index,
                started.start_s,
                self.now_s,
                len(batch.keys),
                cores,
                0.0 if started.load is None else started.load.seconds,
                wasted,
            )
        )
        return sums

    def waste(self, started: Started) -> None:
        """A call that was cut short: its CPU time so far counts in proportion."""
        sums = self.count(started, wasted=True)
        whole = started.span.seconds + (0.0 if started.load is None else started.load.seconds)
        cpu_s = started.span.cpu_s + (0.0 if started.load is None else started.load.cpu_s)
        ran_s = max(0.0, self.now_s - started.start_s - started.wait_s)
        share = min(1.0, ran_s / whole) if whole else 0.0
        spent = Span(cpu_s=cpu_s * share, cpu_low_s=cpu_s * share, cpu_high_s=cpu_s * share, source="prior")
        sums.cpu.setdefault(started.batch.instance.worker, Span()).add(spent)

    def lost(self, worker: str) -> None:
        for task, started in list(self.running.items()):
            if started.batch.instance.worker == worker:
                self.waste(self.ended(task))
        self.loaded = {instance for instance in self.loaded if instance.worker != worker}
        self.waiting = [batch for batch in self.waiting if batch.instance.worker != worker]


def held_cores(batch: Batch) -> int:
    """Cores that a batch keeps busy; one that waits for a server elsewhere keeps none."""
    return batch.configuration.held_cores


def simulate(
    workflow: Workflow,
    configurations: Mapping[str, Configuration],
    *,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    profiles: Profiles,
    cluster: ClusterView,
    changes: Iterable[tuple[float, Message]] = (),
    reserve: Share | int | None = None,
    arrive_s: Sequence[float] = (),
) -> Simulation:
    """Run the loop on a virtual clock.

    Parameters
    ----------
    workflow, configurations
        What is run and how.
    roots
        For each variable, its values in order (one for a scalar).
    library, profiles, cluster
        Where capabilities, durations and workers are looked up.
    changes
        What happens on the way, as `(at_s, message)`: `WorkerLost`, `WorkerJoined`, `StopRequested`.
    reserve
        What the run may use: a share of the cluster, or so many cores of each host; all when None.
    arrive_s
        When each value of the workflow's list arrives (s), ascending; all are there from the start when empty. Queues then build on
        instances that are loaded and engines that run already: it is a stretch of a steady state, not a run from its start.
    """
    measures = ItemMeasures(workflow, configurations, roots, library)
    durations = Durations(profiles, configurations)
    seconds = step_seconds(workflow, configurations, roots=roots, library=library, profiles=profiles)
    hosts = {view.name: view.host for view in cluster.engines if view.host}
    memory = step_memory(configurations, library=library, profiles=profiles)
    loop = RunLoop(workflow, configurations, seconds=seconds, reserve=reserve, hosts=hosts, memory=memory)
    coming = list(changes)
    joining = (message.worker for _, message in coming if isinstance(message, WorkerJoined))
    blind = not all(view.sees_files for view in (*cluster.workers, *joining))
    files = Files(workflow, roots) if blind else None
    links = Links(cluster) if files else None
    arriving = arrivals_of(workflow, measures, arrive_s)
    driver = VirtualDriver(
        loop, measures, durations, cluster.workers, coming, cluster.engines, files, links, arriving
    )
    driver.run(Begin(measures.roots, cluster.workers, coming=frozenset(arriving)))
    whole = Span()
    parts = []
    for sums in driver.sums.values():
        part = Span()
        part.add(sums.span)
        part.add(sums.loading)
        part.add(sums.moving)
        parts.append(part)
        whole.add(part)
    low, high = together(parts)
    makespan_s = max((call.end_s for call in driver.calls), default=0.0)
    steps = {name: told(sums, whole) for name, sums in driver.sums.items()}
    status: RunStatus = "failed" if driver.finish is None else driver.finish.status
    return Simulation(
        steps=steps,
        makespan_s=makespan_s,
        makespan=Figure(makespan_s, "s", makespan_s * low, makespan_s * high, whole.source),
        cpu_band=together((sums.spent() for sums in driver.sums.values()), cpu=True),
        calls=tuple(driver.calls),
        events=tuple(driver.events),
        status=status,
        message="" if driver.finish is None else driver.finish.message,
        guessed=tuple(durations.guessed),
        reserved_core_s=reserved_core_s(driver.events, makespan_s),
        transfer=None if links is None else links.transfer,
        delays_s=tuple(max(0.0, driver.ends_s.get(key, at_s) - at_s) for key, at_s in arriving.items()),
    )


def arrivals_of(
    workflow: Workflow, measures: ItemMeasures, arrive_s: Sequence[float]
) -> dict[Ancestry, float]:
    """When each value of the workflow's list arrives; raises `ValueError` where these are not as many as there are values."""
    if not arrive_s:
        return {}
    lists = [variable.name for variable in workflow.variables if variable.level]
    keys = [key for name in lists for key in measures.roots[name]]
    if len(lists) != 1 or len(keys) != len(arrive_s):
        msg = f"{len(arrive_s)} arrivals for {len(keys)} values of {len(lists)} lists."
        raise ValueError(msg)
    return dict(zip(keys, arrive_s, strict=True))


def told(sums: Sums, whole: Span) -> SimulatedStep:
    """The sums of one step as figures."""
    start_s = sums.first_s
    all_of_it = sums.spent()
    start = None if start_s is None else whole.banded(start_s)
    end = None if start_s is None else whole.banded(sums.last_s)
    timed = sums.span if sums.span.seconds else whole
    latency = (
        Figure(0.0, "s", 0.0, 0.0, "measured") if start_s is None else timed.banded(sums.last_s - start_s)
    )
    return SimulatedStep(
        start=start,
        end=end,
        latency=latency,
        cpu=all_of_it.cpu,
        gpu=all_of_it.gpu,
        called_s=sums.span.seconds,
        cpu_by_worker={name: span.cpu for name, span in sums.cpu.items()},
        core_seconds=dict(sums.core_seconds),
        wasted_core_seconds=sums.wasted_core_seconds,
        loads=sums.loads,
        load_s=sums.loading.seconds,
        calls=sums.calls,
        items=sums.items,
    )
