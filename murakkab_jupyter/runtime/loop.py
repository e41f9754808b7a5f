"""The run loop: what happened goes in, what to do comes out. No clock, no threads, no I/O in it.

    loop = RunLoop(workflow, configurations)
    for decision in loop.handle(Begin(roots, workers), now_s=0.0): ...

The driver carries the decisions out and reports back. The same loop runs on Dask and, on a virtual
clock, in the simulator, so what is tested there is what serves a user.

- Items become ready one by one (`items`), are put into calls (`batching`) and get a place (`placement`).
- What an agent made counts only once the driver says `Recorded`.
- A call that raises is halved until the poisoned item fails alone; a call whose worker or instance died is
  tried again elsewhere, then item by item.
- Stop, loss and join are messages like any other. Late and double messages change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from murakkab_jupyter.core.ancestry import Ancestry, format_ancestry
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    Event,
    ItemFailed,
    LevelClosed,
    Notice,
    Reconfigured,
    RunEnded,
    RunStarted,
    RunStatus,
    StepEnded,
    StepStarted,
    Usage,
    WorkerChanged,
)
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.batching import Group, ReadyQueue, halves
from murakkab_jupyter.runtime.items import Item, Ledger, State
from murakkab_jupyter.runtime.messages import (
    Batch,
    BatchCrashed,
    BatchDone,
    Begin,
    Cancel,
    Decision,
    Finish,
    Message,
    Outcome,
    Record,
    Recorded,
    Restored,
    Retire,
    SetTimer,
    StopRequested,
    Submit,
    Tell,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from murakkab_jupyter.runtime.placement import Demand, Instance, Place, Pool
from murakkab_jupyter.workflow.model import Step, Workflow

__all__ = ["RunLoop", "StepProgress"]

TRIES = 3
"""Calls that may die on an item before it is failed."""

JOIN_WAIT_S = 30.0
"""How long to wait for a worker when none can go on."""

PATIENCE_S = 2.0
"""How long a step that finds no room lets later steps fill the gaps before a worker is kept free for it."""

FIRST_LINGER_S = 0.1
LINGER_SHARE = 0.25
"""A batch that is not full waits at most this share of the step's usual call for more items."""

TOLD_NOTICES = 3


class StepProgress(NamedTuple):
    """How far a step is: items that ended each way, how many there are (None while unknown), how many were expected."""

    done: int
    failed: int
    skipped: int
    total: int | None
    expected: float | None


class Running(NamedTuple):
    """A call under way."""

    batch: Batch
    items: list[Item]
    instance: Instance
    since_s: float


class StepState:
    """What the loop keeps of one step."""

    __slots__ = (
        "active",
        "blocked_s",
        "call_s",
        "configuration",
        "demand",
        "ended",
        "flush",
        "left_out",
        "linger",
        "losers",
        "patient",
        "queue",
        "running",
        "started",
        "step",
        "upstream",
    )

    def __init__(self, step: Step, configuration: Configuration, upstream: tuple[str, ...]) -> None:
        self.step = step
        self.configuration = configuration
        self.upstream = upstream
        cores = 0 if configuration.device == "remote" else configuration.cores
        limit = max(1, configuration.instances)
        self.demand = Demand(step.name, cores, configuration.gpus, limit)
        self.queue = ReadyQueue(siblings=configuration.siblings)
        self.active = 0  # calls running or being recorded
        self.running = 0  # items in these
        self.started = False
        self.ended = False
        self.linger = False  # a timer is set
        self.flush = False  # it has fired
        self.blocked_s: float | None = None
        self.patient = True
        self.call_s: float | None = None
        self.left_out = 0
        self.losers = 0

    @property
    def batch(self) -> int:
        return max(1, self.configuration.batch)


class RunLoop:
    """The state machine of one run.

    Parameters
    ----------
    workflow
        Bound workflow.
    configurations
        How each step is done.
    expected
        Items each step is expected to do, for progress.
    run_id
        Said in `RunStarted`.
    seconds
        Seconds that all of each step's work is expected to take: weights of the longest remaining path
        (every step weighs the same without them).
    """

    def __init__(
        self,
        workflow: Workflow,
        configurations: Mapping[str, Configuration],
        *,
        expected: Mapping[str, float] | None = None,
        run_id: str = "",
        seconds: Mapping[str, float] | None = None,
    ) -> None:
        self.workflow = workflow
        self.finished = False
        self._expected = dict(expected or {})
        self._run_id = run_id
        self._ledger = Ledger(workflow)
        self._pool = Pool()
        self._tasks: dict[int, Running] = {}
        self._recording: dict[int, tuple[str, dict[Ancestry, Item], tuple[Outcome, ...]]] = {}
        self._next_task = 0
        self._start_s = 0.0
        self._now_s = 0.0
        self._begun = False
        self._planned_cores = 0
        self._checked = False
        self._stranded: int | None = None
        self._strandings = 0
        self._stuck = ""
        self._bad_roots = 0
        self._first_error = ""
        self._out: list[Decision] = []
        above: dict[str, tuple[str, ...]] = {}
        for step in workflow.steps:
            found: dict[str, None] = {}
            for one in step.inputs:
                if one.source in above:
                    found |= {one.source: None, **dict.fromkeys(above[one.source])}
            for opener in step.at:
                if opener in above:
                    found |= {opener: None, **dict.fromkeys(above[opener])}
            above[step.name] = tuple(found)
        self._steps = {s.name: StepState(s, configurations[s.name], above[s.name]) for s in workflow.steps}
        self._order = self._by_remaining_path(seconds or {})

    def _by_remaining_path(self, seconds: Mapping[str, float]) -> list[StepState]:
        """Steps with the longest way to the end first: what is late there makes everything late."""
        left: dict[str, float] = {}
        for step in reversed(self.workflow.steps):
            after = [left[s.name] for s in self.workflow.steps if s.name in left and self._feeds(step, s)]
            left[step.name] = max(1e-9, seconds.get(step.name, 1.0)) + max(after, default=0.0)
        place = {step.name: n for n, step in enumerate(self.workflow.steps)}
        names = sorted(left, key=lambda name: (-left[name], place[name]))
        return [self._steps[name] for name in names]

    @staticmethod
    def _feeds(step: Step, other: Step) -> bool:
        return step.name in other.at or any(one.source == step.name for one in other.inputs)

    # --- what others see --------------------------------------------------------------------------------------

    def progress(self) -> dict[str, StepProgress]:
        """How far each step is, in the workflow's order."""
        told: dict[str, StepProgress] = {}
        for name, state in self._steps.items():
            done, failed, skipped = self._ledger.counts[name]
            total = self._ledger.total(state.step) if self._begun else None
            told[name] = StepProgress(done, failed, skipped, total, self._expected.get(name))
        return told

    def handle(self, message: Message, now_s: float) -> list[Decision]:
        """Take one message in and say what to do.

        Parameters
        ----------
        message
            What happened.
        now_s
            The driver's clock (s); timers are set on the same clock, events count from `Begin`.
        """
        self._now_s = now_s
        if self.finished or (not self._begun and not isinstance(message, Begin)):
            return []
        out = self._out = []
        match message:
            case Begin():
                if not self._begun:
                    self._begin(message)
                return out
            case Restored():
                self._restore(message)
                return out
            case BatchDone():
                self._done(message)
            case BatchCrashed():
                self._crashed(message)
            case Recorded():
                self._recorded(message)
            case WorkerJoined():
                self._joined(message)
            case WorkerLost():
                self._lost(message)
            case StopRequested():
                self._stop(message)
            case TimerFired():
                self._fired(message)
        if not self.finished:
            self._account()
        if not self.finished:
            self._dispatch()
        return out

    # --- messages -----------------------------------------------------------------------------------------------

    def _begin(self, message: Begin) -> None:
        self._begun = True
        self._start_s = self._now_s
        for view in message.workers:
            self._pool.join(view)
        self._planned_cores = self._pool.cores
        self._tell(RunStarted(0.0, self._run_id, dict(self._expected)))
        self._ledger.begin(message.roots, message.bad)
        self._bad_roots = len(message.bad)
        for (name, ancestry), error in sorted(message.bad.items()):
            self._tell(ItemFailed(self._at(), name, ancestry, error))
            self._first_error = self._first_error or f"{name}, {format_ancestry(ancestry)}: {error}"
        # Items that an earlier run finished are told right after this message: nothing starts before them.
        self._out.append(SetTimer("begin", self._now_s))

    def _restore(self, message: Restored) -> None:
        for outcome in message.outcomes:
            item = self._ledger.find(message.step, outcome.ancestry)
            waits = item is not None and item.queued and item.state is State.READY
            if self._ledger.restore(message.step, outcome) and waits and item is not None:
                self._steps[message.step].queue.forget(item)
        if self._checked:  # a late one
            self._account()
            if not self.finished:
                self._dispatch()

    def _done(self, message: BatchDone) -> None:
        task = self._tasks.pop(message.task, None)
        if task is None:
            return
        state = self._steps[task.batch.step]
        self._pool.release(task.instance)
        took = self._now_s - task.since_s
        state.call_s = took if state.call_s is None else 0.7 * state.call_s + 0.3 * took
        said = {outcome.ancestry: outcome for outcome in message.outcomes}
        nothing = f"{state.configuration.agent} returned nothing for this item."
        outcomes = tuple(said.get(key) or Outcome(key, error=nothing) for key in task.batch.keys)
        if state.step.opens:
            silent = f"{state.configuration.agent} did not say how many values it made."
            outcomes = tuple(
                Outcome(o.ancestry, error=silent) if o.error is None and o.children is None else o
                for o in outcomes
            )
        failed = sum(outcome.error is not None for outcome in outcomes)
        self._tell(
            BatchEnded(
                self._at(),
                task.batch.step,
                message.task,
                task.batch.instance.worker,
                len(outcomes) - failed,
                failed,
                message.reused,
                message.usage,
            )
        )
        for item in task.items:
            if item.state is State.RUNNING:
                item.state = State.RECORDING
        items = {item.node.ancestry: item for item in task.items}
        self._recording[message.task] = (task.batch.step, items, outcomes)
        self._out.append(Record(message.task, task.batch.step, outcomes))

    def _recorded(self, message: Recorded) -> None:
        found = self._recording.pop(message.task, None)
        if found is None:
            return
        step, items, outcomes = found
        state = self._steps[step]
        state.active -= 1
        state.running -= len(items)
        for outcome in outcomes:
            self._ledger.settle(items[outcome.ancestry], outcome)

    def _crashed(self, message: BatchCrashed) -> None:
        task = self._tasks.pop(message.task, None)
        if task is None:
            return
        if message.lost:
            self._pool.drop(task.instance)
            # The driver may hold what is left of it.
            self._out.append(Retire(task.batch.instance))
            self._again(task, message.error, message.usage)
            return
        self._pool.release(task.instance)
        self._end_call(task)
        items = [item for item in task.items if item.state is State.READY]
        self._wasted(task, message.usage, failed=len(items) == 1)
        if len(items) == 1:
            self._ledger.settle(items[0], Outcome(items[0].node.ancestry, error=message.error))
            return
        self._tell(
            BatchRetried(self._at(), task.batch.step, message.task, f"tried in halves: {message.error}")
        )
        self._steps[task.batch.step].queue.again(halves(items))

    def _again(self, task: Running, why: str, usage: Usage | None) -> None:
        """A call died with its worker or instance: whole once more, then item by item, then no more."""
        self._end_call(task)
        items = [item for item in task.items if item.state is State.READY]
        for item in items:
            item.tries += 1
        worker = task.batch.instance.worker
        avoid = worker if worker in self._pool.workers else None
        given_up = [item for item in items if item.tries >= TRIES]
        self._wasted(task, usage, failed=len(given_up))
        for item in given_up:
            error = f"its worker or instance died {item.tries} times while on it: {why}"
            self._ledger.settle(item, Outcome(item.node.ancestry, error=error))
        left = [item for item in items if item.tries < TRIES]
        if not left:
            return
        if len(left) > 1 and max(item.tries for item in left) == TRIES - 1:
            groups, how = [Group([item], avoid) for item in left], "item by item"
        else:
            groups, how = [Group(left, avoid)], "again"
        self._tell(BatchRetried(self._at(), task.batch.step, task.batch.task, f"tried {how}: {why}"))
        self._steps[task.batch.step].queue.again(groups)

    def _end_call(self, task: Running) -> None:
        state = self._steps[task.batch.step]
        state.active -= 1
        state.running -= len(task.items)
        for item in task.items:
            if item.state is State.RUNNING:
                item.state = State.READY

    def _wasted(self, task: Running, usage: Usage | None, *, failed: int = 0) -> None:
        batch = task.batch
        self._tell(
            BatchEnded(
                self._at(),
                batch.step,
                batch.task,
                batch.instance.worker,
                0,
                int(failed),
                usage=usage,
                wasted=True,
            )
        )

    def _joined(self, message: WorkerJoined) -> None:
        before = self._pool.describe()
        if not self._pool.join(message.worker):
            return
        self._tell(WorkerChanged(self._at(), message.worker.name, "joined", message.worker.cores))
        more = self._widen()
        after = self._pool.describe() + (f"; {more}" if more else "")
        self._tell(Reconfigured(self._at(), f"worker {message.worker.name} joined", before, after))
        self._stranded = None

    def _widen(self) -> str:
        """More cores than were planned for: as many more instances of each step, in proportion."""
        if not self._planned_cores:
            self._planned_cores = self._pool.cores
        told = []
        for state in self._steps.values():
            planned = max(1, state.configuration.instances)
            limit = max(planned, planned * self._pool.cores // self._planned_cores)
            if limit > state.demand.limit and not state.ended:
                told.append(f"up to {limit} instances of {state.step.name}")
            state.demand = Demand(state.step.name, state.demand.cores, state.demand.gpus, limit)
        return ", ".join(told)

    def _lost(self, message: WorkerLost) -> None:
        before = self._pool.describe()
        gone = [task for task in self._tasks.values() if task.batch.instance.worker == message.worker]
        if self._pool.lose(message.worker) is None:
            return
        self._widen()
        self._tell(WorkerChanged(self._at(), message.worker, "lost"))
        for task in gone:
            del self._tasks[task.batch.task]
            self._again(task, f"worker {message.worker} was lost", None)
        moved = sum(len(task.items) for task in gone)
        after = self._pool.describe()
        if moved:
            after += f"; {moved} {'item goes' if moved == 1 else 'items go'} elsewhere"
        self._tell(Reconfigured(self._at(), f"worker {message.worker} was lost", before, after))

    def _fired(self, message: TimerFired) -> None:
        kind, _, rest = message.name.partition(":")
        if kind == "linger" and rest in self._steps:
            self._steps[rest].flush = True
        elif kind == "blocked" and rest in self._steps:
            self._steps[rest].patient = self._steps[rest].blocked_s is None
        elif kind == "stranded" and self._stranded is not None and rest == str(self._stranded):
            self._give_up()

    def _stop(self, message: StopRequested) -> None:
        for task in self._tasks.values():
            self._wasted(task, None)
            self._out.append(Cancel(task.batch.task))
        self._finish("stopped", f"{message.reason}: {self._so_far()}; run the cell again to go on")

    # --- consequences ---------------------------------------------------------------------------------------------

    def _account(self) -> None:
        """Tell what has ended, queue what is ready, and end steps and the run."""
        ledger = self._ledger
        for item in ledger.ended:
            state = self._steps.get(item.step)
            if state is None:
                continue
            if item.state is State.DONE:
                if state.step.opens:
                    self._tell(LevelClosed(self._at(), item.step, item.node.ancestry, item.present))
            else:
                self._tell_failure(item)
        for item in ledger.ready:
            if item.state is not State.READY:  # an earlier run had it
                continue
            state = self._steps[item.step]
            if item.left_out:
                self._tell_left_out(state, item)
            item.queued = True
            state.queue.add(item)
        for item in ledger.ended:
            # An item that was never queued counts for its siblings all the same.
            if not item.queued and item.step in self._steps:
                self._steps[item.step].queue.gone(item)
        ledger.ready = []
        ledger.ended = []
        for state in self._steps.values():
            if not state.ended and ledger.total(state.step) == ledger.settled(state.step.name):
                self._end_step(state)
        if all(state.ended for state in self._steps.values()):
            self._conclude()

    def _end_step(self, state: StepState) -> None:
        state.ended = True
        name = state.step.name
        if state.losers > TOLD_NOTICES:
            items = f"{state.losers} items of {name}"
            self._tell(Notice(self._at(), f"{items} went without {state.left_out} failed values in all."))
        for instance in self._pool.of_step(name):
            self._retire(instance)
        self._tell(StepEnded(self._at(), name, *self._ledger.counts[name]))

    def _conclude(self) -> None:
        """Every step has ended: say how."""
        counts = [self._ledger.counts[name] for name in self._steps]
        failed = sum(count[1] for count in counts) + self._bad_roots
        skipped = sum(count[2] for count in counts)
        if not failed and not skipped:
            self._finish("done", self._so_far())
            return
        lost = f"{failed} {'item' if failed == 1 else 'items'} failed"
        if skipped:
            lost += f" and {skipped} {'was' if skipped == 1 else 'were'} skipped because of that"
        self._finish(self._short_status(), f"{lost}; first: {self._first_error}")

    def _short_status(self) -> RunStatus:
        done = sum(self._ledger.counts[step.name][0] for step in self.workflow.sinks())
        return "partial" if done else "failed"

    def _so_far(self) -> str:
        ended = sum(state.ended for state in self._steps.values())
        return f"{ended} of {len(self._steps)} steps done"

    def _finish(self, status: RunStatus, message: str) -> None:
        for name in self._steps:
            for instance in self._pool.of_step(name):
                self._retire(instance)
        self.finished = True
        self._tell(RunEnded(self._at(), status, message))
        self._out.append(Finish(status, message))

    # --- submitting -------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Submit everything that has a place, most urgent step first."""
        if not self._checked:
            self._checked = True
            if self._pool.workers and not self._check():
                return
        kept: set[str] = set()
        for state in self._order:
            if state.queue:
                self._fill(state, kept)
        if not self._tasks and not self._recording:
            self._strand()
        else:
            self._stranded = None

    def _fill(self, state: StepState, kept: set[str]) -> None:
        """Submit calls of one step until it has nothing that is due, or no room."""
        queue = state.queue
        while queue:
            demand = state.demand
            place = self._pool.find(demand, avoid=queue.peek_avoid(), closed=kept, move=not state.patient)
            if place is None:
                self._wait_for_room(state, kept)
                return
            size = state.batch
            if not queue.full(size) or not queue.siblings:
                quiet = not any(self._steps[name].active for name in state.upstream)
                if not queue.full(size) and not quiet and not state.flush and not self._last(state):
                    self._linger(state)
                    return
                if quiet and not queue.siblings and queue.size:
                    # Nothing more can come for now: share what there is among the instances that are free.
                    room = self._pool.room(demand, max(1, queue.size))
                    size = min(size, -(-queue.size // max(1, room)))
            group = queue.take(size)
            if not group.items:
                continue
            self._submit(state, group, place)

    def _last(self, state: StepState) -> bool:
        """Whether every item that is still to end is ready or running: nothing more can fill a batch."""
        total = self._ledger.total(state.step)
        if total is None:
            return False
        return total - self._ledger.settled(state.step.name) - state.running <= state.queue.size

    def _linger(self, state: StepState) -> None:
        if state.linger:
            return
        state.linger = True
        wait_s = FIRST_LINGER_S if state.call_s is None else LINGER_SHARE * state.call_s
        self._out.append(SetTimer(f"linger:{state.step.name}", self._now_s + min(1.0, max(0.01, wait_s))))

    def _wait_for_room(self, state: StepState, kept: set[str]) -> None:
        """Nothing has room: after a while, keep the likeliest worker free, or steps that need less would always win."""
        busy = self._pool.instances.get(state.step.name, {})
        if len(busy) >= state.demand.limit and not self._pool.idle.get(state.step.name):
            return  # all its instances are working
        if state.blocked_s is None:
            state.blocked_s = self._now_s
            self._out.append(SetTimer(f"blocked:{state.step.name}", self._now_s + PATIENCE_S))
        elif not state.patient:
            target = self._pool.target(state.demand)
            if target is not None:
                kept.add(target)

    def _submit(self, state: StepState, group: Group, place: Place) -> None:
        for instance in place.evict:
            self._retire(instance)
        instance = place.instance or self._pool.start(state.demand, place.worker)
        task = self._next_task
        self._next_task += 1
        self._pool.occupy(instance, task, state.demand.cores)
        for item in group.items:
            item.state = State.RUNNING
        keys = tuple(item.node.ancestry for item in group.items)
        batch = Batch(task, state.step.name, instance.id, keys, state.configuration)
        self._tasks[task] = Running(batch, group.items, instance, self._now_s)
        state.active += 1
        state.running += len(keys)
        state.linger = state.flush = False
        state.blocked_s, state.patient = None, True
        if not state.started:
            state.started = True
            self._tell(StepStarted(self._at(), state.step.name))
        self._tell(
            BatchStarted(
                self._at(),
                state.step.name,
                task,
                place.worker,
                instance.id.index,
                len(keys),
                state.demand.cores,
            )
        )
        self._out.append(Submit(batch))

    def _retire(self, instance: Instance) -> None:
        self._pool.drop(instance)
        self._out.append(Retire(instance.id))

    # --- when nothing can go on -------------------------------------------------------------------------------------

    def _check(self) -> bool:
        """Refuse at once what no worker could ever do."""
        for state in self._steps.values():
            if not state.ended and not self._pool.able(state.demand):
                self._finish("failed", f"{self._lack(state)}; plan again for this cluster")
                return False
        return True

    def _lack(self, state: StepState) -> str:
        demand = state.demand
        wants = [f"{demand.cores} {'core' if demand.cores == 1 else 'cores'}"] if demand.cores else []
        wants += [f"{demand.gpus} {'GPU' if demand.gpus == 1 else 'GPUs'}"] if demand.gpus else []
        views = [worker.view for worker in self._pool.workers.values()]
        most = f"{max((view.cores for view in views), default=0)} cores"
        if demand.gpus:
            most += f" and {max((len(view.gpus) for view in views), default=0)} GPUs"
        return f"step {state.step.name} needs a worker with {' and '.join(wants)}; the largest has {most}"

    def _strand(self) -> None:
        """Nothing runs and nothing can: wait a while for a worker, then end the run."""
        if self._stranded is not None:
            return
        waiting = [state for state in self._order if state.queue]
        self._strandings += 1
        self._stranded = self._strandings
        if not self._pool.workers:
            why = "no worker is left"
        elif waiting:
            why = self._lack(waiting[0])
        else:
            why = "nothing that is left can become ready"
        self._stuck = why
        self._tell(Notice(self._at(), f"Waiting {JOIN_WAIT_S:g} s for a worker to join: {why}."))
        self._out.append(SetTimer(f"stranded:{self._stranded}", self._now_s + JOIN_WAIT_S))

    def _give_up(self) -> None:
        self._finish(
            self._short_status(),
            f"{self._stuck}, and none joined within {JOIN_WAIT_S:g} s; {self._so_far()}; run the cell again to go on",
        )

    # --- telling ----------------------------------------------------------------------------------------------------

    def _at(self) -> float:
        return self._now_s - self._start_s

    def _tell(self, event: Event) -> None:
        self._out.append(Tell(event))

    def _tell_failure(self, item: Item) -> None:
        ancestry = item.node.ancestry
        if item.state is State.FAILED:
            if not self._first_error:
                self._first_error = f"{item.step}, {format_ancestry(ancestry)}: {item.cause}"
            self._tell(ItemFailed(self._at(), item.step, ancestry, item.cause))
            return
        self._tell(
            ItemFailed(self._at(), item.step, ancestry, f"{item.blame} failed: {item.cause}", item.blame)
        )

    def _tell_left_out(self, state: StepState, item: Item) -> None:
        state.left_out += item.left_out
        state.losers += 1
        if state.losers <= TOLD_NOTICES:
            what = f"{item.left_out} failed {'value' if item.left_out == 1 else 'values'}"
            where = format_ancestry(item.node.ancestry)
            self._tell(Notice(self._at(), f"{item.step}, {where}: goes without {what}."))
