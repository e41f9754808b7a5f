"""One drive of a run loop on Dask: the calling thread's side of it, and its inbox."""

from __future__ import annotations

import heapq
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import cloudpickle

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.connect import Cluster, SchedulerSilentError
from murakkab_jupyter.cluster.engines.gate import ROUNDS, Checked, Gate
from murakkab_jupyter.cluster.flight import Brought, Fault, Flight, Landed, Orders, Told, work_of
from murakkab_jupyter.cluster.host import waits
from murakkab_jupyter.cluster.instances.pool import Reply
from murakkab_jupyter.cluster.roll import Roll, RollCall
from murakkab_jupyter.cluster.silence import ask_all
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.events import BatchRetried, EngineUsed, Event, FilesBrought, Notice, Usage
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.messages import (
    Batch,
    BatchCrashed,
    BatchDone,
    Begin,
    Called,
    Cancel,
    Decision,
    EngineLost,
    EngineReady,
    Finish,
    Message,
    Outcome,
    Record,
    Recorded,
    Restored,
    Retire,
    SetTimer,
    StartEngine,
    StopEngine,
    StopRequested,
    Submit,
    Tell,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from murakkab_jupyter.runtime.recorder import MISSING, Item, Recorder
from murakkab_jupyter.runtime.values import ValueStore
from murakkab_jupyter.workflow.model import Step, Workflow

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.engines.roster import Roster

__all__ = ["Drive", "Loop"]

STOP_S = 0.8
"""A loop that has not finished so long after it was told to stop is left behind."""

TICK_S = 0.1
ROLL_S = 2.0
WAIT_S = 5.0
"""A call that has not begun so long after it was sent is told."""

WAITS_S = 2.0
LAUNCHES = 3
"""Times that a batch is sent to a worker that is there but to which Dask fails to bring it."""

END_S = 3.0
"""How long instances may take to close at the end of a run."""


class Loop(Protocol):
    """What a driver needs of a run loop."""

    workflow: Workflow
    finished: bool
    heralds: Mapping[str, tuple[str, ...]]

    def handle(self, message: Message, now_s: float) -> list[Decision]:
        """Take one message in and say what to do."""
        ...


@dataclass
class Made:
    """What a task made, kept until the loop has it recorded."""

    step: Step
    configuration: Configuration
    items: dict[Ancestry, tuple[Inputs | None, Any]]
    usage: Usage | None
    reused: bool = False


class Drive:
    """See `DaskDriver.drive`."""

    def __init__(
        self,
        cluster: Cluster,
        library: Library,
        loop: Loop,
        *,
        store: ValueStore,
        recorder: Recorder,
        publish: Callable[[Event], None],
        stop: threading.Event,
        engines: Roster | None = None,
    ) -> None:
        self.name = uuid.uuid4().hex[:12]
        self.cluster = cluster
        self.library = library
        self.loop = loop
        self.store = store
        self.recorder = recorder
        self.publish = publish
        self.stop = stop
        self.inbox: queue.SimpleQueue[Message | Landed | Told | Brought | Roll | Fault | Checked | None] = (
            queue.SimpleQueue()
        )
        self.orders = Orders(self.name, cluster, library, self.inbox.put)
        self.gate = Gate(engines, self.name, self.inbox.put) if engines is not None else None
        self.waiting: dict[str, list[Flight]] = {}
        self.engine_of: dict[str, str] = {}
        self.tokens: dict[str, int] = {}
        self.flights: dict[int, Flight] = {}
        self.made: dict[int, Made] = {}
        self.unloadable: dict[tuple[str, Configuration], dict[str, str]] = {}
        self.timers: list[tuple[float, str]] = []
        self.workers: set[str] = set()
        self.limbo: list[Landed] = []
        self.waited: set[str] = set()
        self.look = threading.Event()
        self.finish: Finish | None = None
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="murakkab-record")
        self.over = threading.Event()
        self.interrupted = False
        self.began_s = time.monotonic()

    def now_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began_s

    def interrupt(self) -> None:
        """Stop the run; may be called from a signal handler."""
        self.interrupted = True
        self.inbox.put(None)  # wake up

    # --- the loop's thread -------------------------------------------------------------------------------------

    def run(self, begin: Begin, restored: Sequence[Restored]) -> Finish:
        """Drive to the end, and leave nothing behind."""
        self.began_s = time.monotonic()
        self.workers = {worker.name for worker in begin.workers}
        calls = RollCall(self.cluster, self.workers)
        watcher = threading.Thread(target=self._watch, args=(calls,), name="murakkab-workers", daemon=True)
        watcher.start()
        stopped = True
        try:
            finish = self._run(begin, restored)
            stopped = finish.status == "stopped"
        finally:
            if not stopped:
                self._share_engines()
            self.over.set()
            self.look.set()
            if self.gate is not None:
                self.gate.end()
            self.writer.shutdown(wait=not stopped)
            self.orders.end(self.workers, patience_s=0.0 if stopped else END_S)
        return finish

    def _run(self, begin: Begin, restored: Sequence[Restored]) -> Finish:
        told_s: float | None = None  # when the loop was told to stop
        first: list[Message] = [begin, *restored]
        while True:
            try:
                while first and self.finish is None:
                    self._feed(first.pop(0))
                if self.finish is not None:
                    return self.finish
                if told_s is None and (self.stop.is_set() or self.interrupted):
                    told_s = time.monotonic()
                    self._feed(StopRequested())
                elif told_s is not None and time.monotonic() - told_s > STOP_S:
                    return Finish("stopped", "stopped before all that had finished was written down")
                self._fire()
                self._next()
            except KeyboardInterrupt:  # one that no handler took
                self.interrupted = True
                if told_s is not None:
                    return Finish("stopped", "stopped")

    def _next(self) -> None:
        if self.finish is not None:
            return
        wait_s = TICK_S
        if self.timers:
            wait_s = min(wait_s, max(0.0, self.timers[0][0] - self.now_s()))
        try:
            arrived = self.inbox.get(timeout=wait_s)
        except queue.Empty:
            return
        match arrived:
            case None:
                pass
            case Fault():
                raise arrived.error
            case Told():
                self._publish(Notice(self.now_s(), arrived.message))
            case Brought(worker, size, seconds):
                self._publish(FilesBrought(self.now_s(), worker, 1, size, seconds))
            case Landed():
                self._land(arrived)
            case Roll():
                self._roll(arrived)
            case Checked():
                self._checked(arrived)
            case EngineReady():
                self._feed(arrived)
                self._answers(arrived.engine)
            case EngineLost():
                self._feed(arrived)
                if arrived.final:
                    self._refuse(arrived.engine)
            case _:
                self._feed(arrived)

    def _fire(self) -> None:
        while self.timers and self.timers[0][0] <= self.now_s() and self.finish is None:
            _, name = heapq.heappop(self.timers)
            self._feed(TimerFired(name))

    def _feed(self, message: Message) -> None:
        for decision in self.loop.handle(message, self.now_s()):
            match decision:
                case Tell():
                    self._publish(decision.event)
                case Submit():
                    self._submit(decision.batch)
                case Record():
                    self._record(decision)
                case Cancel():
                    self._cancel(decision.task)
                case Retire():
                    self.orders.retire(decision.instance)
                case StartEngine():
                    self._start(decision.engine)
                case StopEngine():
                    if self.gate is not None:
                        self.gate.let_go(decision.engine)
                case SetTimer():
                    heapq.heappush(self.timers, (decision.at_s, decision.name))
                case Finish():
                    self.finish = decision

    def _publish(self, event: Event) -> None:
        try:
            self.publish(event)
        except Exception:
            # A view that breaks must not take the run with it.
            logging.getLogger(__name__).exception("An event could not be shown")

    # --- batches -----------------------------------------------------------------------------------------------

    def _submit(self, batch: Batch) -> None:
        step = self.loop.workflow.step(batch.step)
        configuration = batch.configuration
        made = self.made[batch.task] = Made(step, configuration, {}, None)
        wanted: list[Inputs] = []
        for key in batch.keys:
            try:
                inputs = self.store.inputs_for(step, key)
            except KeyError as error:
                made.items[key] = (None, Failed(f"Its inputs cannot be put together: {error.args[0]}"))
                continue
            known = self.recorder.lookup(step, configuration, inputs)
            made.items[key] = (inputs, known)
            if known is MISSING:
                wanted.append(inputs)
        worker = batch.instance.worker
        flight = Flight(batch, step, tuple(wanted), reused=self._reused(made))
        made.reused = flight.reused > 0
        if not wanted:
            self._done(flight)
        elif worker not in self.cluster.probes:
            self.inbox.put(BatchCrashed(batch.task, f"worker {worker} is not there", lost=True))
        elif why := self.unloadable.get((batch.step, configuration), {}).get(worker):
            self._cannot_load(flight, why, None)
        else:
            self.flights[batch.task] = flight
            if batch.step in self.loop.heralds:
                self.inbox.put(Called(batch.step))
            self._launch(flight)

    # --- engines -----------------------------------------------------------------------------------------------

    def _launch(self, flight: Flight) -> None:
        """Send a batch on its way, once its engine answers."""
        name = flight.batch.configuration.engine
        if self.gate is not None and name:
            if why := self.gate.gone.get(name):
                self._fail(flight, why)
                return
            flight.life = self.gate.life(name)
            if flight.life is None:
                self.waiting.setdefault(name, []).append(flight)
                return
        self.orders.launch(flight)

    def _start(self, name: str) -> None:
        if self.gate is not None:
            if self.gate.starts(name):
                self._publish(
                    Notice(self.now_s(), f"Engine {name} is needed: it is started unless it answers already.")
                )
            self.gate.start(name)
        else:
            self.inbox.put(EngineReady(name))

    def _answers(self, name: str) -> None:
        """An engine answers: agents have its address now, and what waited for it goes on."""
        self.orders.renew()
        for flight in self.waiting.pop(name, []):
            if flight.batch.task in self.flights:
                self._launch(flight)

    def _share_engines(self) -> None:
        """Say what engines on our workers spent: each step's share is that of its tokens."""
        for name, (worker, cpu_s) in (self.gate.spent() if self.gate is not None else {}).items():
            tokens = {step: count for step, count in self.tokens.items() if self.engine_of.get(step) == name}
            whole = sum(tokens.values())
            for step, count in tokens.items():
                self._publish(EngineUsed(self.now_s(), step, name, worker, cpu_s * count / whole))

    def _refuse(self, name: str) -> None:
        """An engine cannot be had: what waits for it fails for that reason."""
        for flight in self.waiting.pop(name, []):
            self._launch(flight)

    def _fail(self, flight: Flight, why: str) -> None:
        if self.flights.pop(flight.batch.task, None) is None:
            return
        for inputs in flight.inputs:
            self.made[flight.batch.task].items[inputs.ancestry] = (inputs, Failed(why))
        self._done(flight)

    def _doubtful(self, landed: Landed) -> bool:
        """Whether what failed may have failed because an engine was lost: then that is looked into first."""
        flight, reply = landed.flight, landed.reply
        name = flight.batch.configuration.engine
        if self.gate is None or not name or reply is None or flight.rounds >= ROUNDS or landed.looked:
            return False
        if reply.ending == "returned":
            try:
                values = cloudpickle.loads(reply.values)
            except Exception:  # noqa: BLE001 - told where it lands
                return False
            if not any(isinstance(value, Failed) for value in values):
                return False
        self.gate.check(name, flight.life, landed)
        return True

    def _checked(self, checked: Checked) -> None:
        """A batch whose engine was lost meanwhile keeps what it made, and the rest is done again."""
        landed: Landed = checked.landed
        flight = landed.flight
        if flight.batch.task not in self.flights:
            return
        if not checked.again:
            self._land(replace(landed, looked=True))
            return
        made, reply = self.made[flight.batch.task], landed.reply
        left = [one for one in flight.inputs if one.ancestry not in landed.bad]
        if reply is not None and reply.usage is not None:
            made.usage = reply.usage.after(made.usage)
        if reply is not None and reply.ending == "returned":
            for inputs, value in zip(left, cloudpickle.loads(reply.values), strict=True):
                made.items[inputs.ancestry] = (inputs, value)
            left = [one for one in left if isinstance(made.items[one.ancestry][1], Failed)]
        for ancestry, reason in landed.bad.items():
            made.items[ancestry] = (made.items[ancestry][0], Failed(reason))
        flight.inputs = tuple(left)
        flight.rounds += 1
        engine = flight.batch.configuration.engine
        self._publish(
            BatchRetried(
                self.now_s(), flight.batch.step, flight.batch.task,
                f"{len(left)} {'item is' if len(left) == 1 else 'items are'} asked again: engine {engine} was lost",
            )
        )  # fmt: skip
        self._launch(flight)

    # --- their end ---------------------------------------------------------------------------------------------

    @staticmethod
    def _reused(made: Made) -> int:
        return sum(value is not MISSING and not isinstance(value, Failed) for _, value in made.items.values())

    def _land(self, landed: Landed) -> None:
        task = landed.flight.batch.task
        flight = self.flights.pop(task, None)
        if flight is None:  # cancelled, or on a worker that was lost
            return
        if landed.reply is not None and landed.reply.ending in ("gone", "stopped"):
            # Whether its worker is lost is known after the next look; then this was not the batch's fault.
            self.flights[task] = flight
            self.limbo.append(landed)
            self.look.set()
            return
        if self._doubtful(landed):
            self.flights[task] = flight
            return
        made = self.made[task]
        for ancestry, reason in landed.bad.items():
            made.items[ancestry] = (made.items[ancestry][0], Failed(reason))
        called = [inputs for inputs in flight.inputs if inputs.ancestry not in landed.bad]
        reply = landed.reply
        usage = reply.usage if reply is not None else None
        if usage is not None:
            usage = replace(usage, work=self._work(flight, called), worker=flight.batch.instance.worker)
            made.usage = usage = usage.after(made.usage)
            if engine := flight.batch.configuration.engine:
                self.engine_of[flight.batch.step] = engine
                count = (usage.tokens_in or 0) + (usage.tokens_out or 0)
                self.tokens[flight.batch.step] = self.tokens.get(flight.batch.step, 0) + max(1, count)
        match reply:
            case None:  # nothing was left to call with
                self._done(flight)
            case Reply(ending="returned"):
                try:
                    values = cloudpickle.loads(reply.values)
                except Exception as error:  # noqa: BLE001 - a user's class that cannot be read here
                    what = f"What {flight.batch.configuration.agent} returned cannot be read here"
                    self._crash(task, f"{what}: {type(error).__name__}: {error}", usage=usage)
                    return
                for inputs, value in zip(called, values, strict=True):
                    made.items[inputs.ancestry] = (inputs, value)
                self._done(flight)
            case Reply(ending="raised"):
                self._crash(task, reply.error, usage=usage)
            case Reply(ending="unloadable"):
                key = (flight.batch.step, flight.batch.configuration)
                self.unloadable.setdefault(key, {})[flight.batch.instance.worker] = reply.error
                self._cannot_load(flight, reply.error, usage)
            case Reply(ending="no memory"):
                self._cannot_load(flight, reply.error, usage)
            case _:
                self._crash(task, reply.error, lost=True, usage=usage)

    def _work(self, flight: Flight, called: Sequence[Inputs]) -> float:
        capability = self.library.capability(flight.step.capability)
        return work_of(capability, called, dict(flight.batch.configuration.options))

    def _cannot_load(self, flight: Flight, why: str, usage: Usage | None) -> None:
        """Try where it has not been tried; where that is nowhere, its items fail for that reason."""
        batch = flight.batch
        tried = self.unloadable.get((batch.step, batch.configuration), {})
        untried = self.workers - tried.keys() - {batch.instance.worker}
        if untried:
            # Memory may be free again later; what is not installed stays away.
            unable = batch.instance.worker in tried
            self._crash(batch.task, why, lost=not unable, unable=unable, usage=usage)
            return
        made = self.made[batch.task]
        for inputs in flight.inputs:
            made.items[inputs.ancestry] = (inputs, Failed(why))
        self._done(flight)

    def _crash(
        self,
        task: int,
        error: str,
        *,
        lost: bool = False,
        unable: bool = False,
        usage: Usage | None = None,
    ) -> None:
        self.made.pop(task, None)
        self.inbox.put(BatchCrashed(task, error, lost=lost, usage=usage, unable=unable))

    def _done(self, flight: Flight) -> None:
        batch, made = flight.batch, self.made[flight.batch.task]
        outcomes = []
        for key in batch.keys:
            value = made.items[key][1]
            if isinstance(value, Failed):
                outcomes.append(Outcome(key, error=value.reason))
            else:
                outcomes.append(Outcome(key, children=len(value) if flight.step.opens else None))
        self.inbox.put(BatchDone(batch.task, tuple(outcomes), made.usage, flight.reused))

    def _cancel(self, task: int) -> None:
        self.made.pop(task, None)
        flight = self.flights.pop(task, None)
        if flight is not None:
            for waiting in self.waiting.values():
                if flight in waiting:
                    waiting.remove(flight)
            self.orders.cancel(flight)

    # --- keeping -----------------------------------------------------------------------------------------------

    def _record(self, order: Record) -> None:
        """Put values where later steps find them, write them down, then say so."""
        made = self.made.pop(order.task)
        # Of a call that made only some of its items, what it took tells nothing of all of them.
        usage = None if made.reused else made.usage
        items: list[Item] = []
        for outcome in order.outcomes:
            inputs, value = made.items.get(outcome.ancestry, (None, None))
            if outcome.error is not None:
                value = Failed(outcome.error)
            else:
                self.store.put(order.step, outcome.ancestry, value)
            items.append((outcome.ancestry, inputs, value))

        def write() -> None:
            try:
                self.recorder.record(made.step, made.configuration, items, usage)
            except Exception as error:  # noqa: BLE001 - raised again in the drive's own thread
                self.inbox.put(Fault(error))
            else:
                self.inbox.put(Recorded(order.task))

        self.writer.submit(write)

    # --- workers -----------------------------------------------------------------------------------------------

    def _roll(self, roll: Roll) -> None:
        for why in roll.refused:
            self._publish(Notice(self.now_s(), f"A worker that joined is not used. {why}"))
        for worker in roll.silent:
            what = "it is waited for, since there is no other"
            self._publish(Notice(self.now_s(), f"Worker {worker} gives no sign of life: {what}."))
        for worker in roll.aside:
            what = "its calls are made elsewhere, and it is used again once it answers"
            self._publish(Notice(self.now_s(), f"Worker {worker} gives no sign of life: {what}."))
            # It keeps what it was given, and reads that its calls are given up when it answers again.
            self._leave(worker, self.orders.cancel, aside=True)
            self.orders.shed(worker)
        for worker in roll.lost:
            self.orders.forget(worker)
            self._leave(worker, self.orders.abandon)
        for view in roll.joined:
            self.workers.add(view.name)
            # If it was aside, what it was told then may not have reached it.
            self.orders.shed(view.name)
            self._feed(WorkerJoined(view))
        limbo, self.limbo = self.limbo, []
        for landed in limbo:
            flight, reply = landed.flight, landed.reply
            if flight.cancelled or reply is None or flight.batch.task not in self.flights:
                continue
            if flight.launches < LAUNCHES:
                self.orders.launch(flight)
            else:
                del self.flights[flight.batch.task]
                self._crash(flight.batch.task, reply.error, lost=True, usage=reply.usage)

    def _leave(self, worker: str, give_up: Callable[[Flight], None], *, aside: bool = False) -> None:
        """Use a worker no more: what it works on is done elsewhere."""
        self.workers.discard(worker)
        for task, flight in list(self.flights.items()):
            if flight.batch.instance.worker == worker:
                del self.flights[task]
                self.made.pop(task, None)
                give_up(flight)
        self._feed(WorkerLost(worker, aside=aside))

    def _watch(self, calls: RollCall) -> None:
        """Look who is there when the scheduler says that it changed, and every two seconds."""
        silent = False
        with self.cluster.on_change(self.look.set):
            while not self.over.is_set():
                self.look.wait(ROLL_S)
                self.look.clear()
                if self.over.is_set():
                    return
                try:
                    roll = calls.roll()
                except SchedulerSilentError as error:
                    # It may answer again: what runs runs on, and an interrupt stops the run as ever.
                    if not silent:
                        self.inbox.put(Told(f"{error} It is waited for."))
                    silent = True
                    continue
                except ClusterError as error:
                    self.inbox.put(Fault(error))
                    return
                except Exception as error:  # noqa: BLE001 - the drive decides, not this thread
                    if not self.over.is_set():
                        self.inbox.put(Fault(ClusterError(f"The scheduler is lost: {error}.")))
                    return
                silent = False
                self.inbox.put(roll)
                try:
                    self._look_who_waits()
                except Exception as error:  # noqa: BLE001 - this thread must go on: its next look says what is lost
                    logging.getLogger(__name__).info("nobody said which calls wait: %s", error)

    def _look_who_waits(self) -> None:
        """Say where calls have been sent that do not begin, since others' work has the worker: once a worker."""
        late: dict[str, list[Flight]] = {}
        for flight in list(self.flights.values()):
            if not flight.begun and flight.sent_s and time.monotonic() - flight.sent_s > WAIT_S:
                late.setdefault(flight.batch.instance.worker, []).append(flight)
        for worker, some in late.items():
            tasks = [flight.batch.task for flight in some]
            found = ask_all(
                self.cluster.client, waits, self.name, tasks, workers=[worker], timeout_s=WAITS_S
            ).get(worker)
            if not isinstance(found, tuple):
                continue
            waiting, others, paused = found
            for flight in some:
                flight.begun = flight.batch.task not in waiting
            if waiting and paused:
                self.orders.tell_paused(worker)
            elif waiting and others and worker not in self.waited:
                self.waited.add(worker)
                calls = "1 call waits" if len(waiting) == 1 else f"{len(waiting)} calls wait"
                ours = any(key.startswith("murakkab-") for key in others)
                number = "1 other task is" if len(others) == 1 else f"{len(others)} other tasks are"
                who = "another Murakkab run is" if ours else number
                self.inbox.put(Told(f"{calls} for worker {worker}: {who} at work there."))
