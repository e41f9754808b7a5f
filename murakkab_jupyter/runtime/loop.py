"""The run loop: what happened goes in, what to do comes out. No clock, no threads, no I/O in it.

    loop = RunLoop(workflow, configurations)
    for decision in loop.handle(Begin(roots, workers), now_s=0.0): ...

The driver carries the decisions out and reports back. The same loop runs on Dask and, on a virtual
clock, in the simulator, so what is tested there is what serves a user.

- Items become ready one by one (`items`), are put into calls (`batching`) and get a place (`placement`),
  the most urgent step first (`dispatch`).
- What an agent made counts only once the driver says `Recorded`.
- A call that raises is halved until the poisoned item fails alone; a call whose worker or instance died is
  tried again elsewhere, then item by item.
- Stop, loss and join are messages like any other. Late and double messages change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    ItemsRestored,
    LevelClosed,
    Notice,
    Reconfigured,
    RunEnded,
    RunStarted,
    RunStatus,
    StepEnded,
    Usage,
    WorkerChanged,
)
from murakkab_jupyter.core.hosts import Share
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.batching import Group, halves
from murakkab_jupyter.runtime.desk import Desk
from murakkab_jupyter.runtime.dispatch import Dispatcher
from murakkab_jupyter.runtime.engines import Engines
from murakkab_jupyter.runtime.growth import CALL_S, short
from murakkab_jupyter.runtime.items import Item, Ledger, State
from murakkab_jupyter.runtime.messages import (
    Arrived,
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
    StopRequested,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from murakkab_jupyter.runtime.placement import Pool
from murakkab_jupyter.runtime.reserve import Reserve
from murakkab_jupyter.runtime.steps import Running, StepProgress, StepState, upstream_of
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["RunLoop", "StepProgress"]

TRIES = 3
"""Calls that may die on an item before it is failed."""

APART = 4
ASIDES = 10
"""Calls of an item whose worker was set aside: from so many on it is called alone, then each counts as a death."""

ON = "resume goes on with the rest"
"""Of a run that ended early: true of the command line, a cell, the side panel and a program."""

JOIN_WAIT_S = 30.0
"""How long to wait for a worker when none can go on."""


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
    reserve
        What the run may use: a share of the cluster, or so many cores of each host; all when None.
    hosts
        For each engine that listens on loopback, its host: calls of it must be made there.
    memory
        Bytes that a loaded instance of each step holds; a worker that cannot hold two lets an idle one go.
    most
        Items that each step's agent takes in a call: so far calls may grow beyond the plan in mid-run (never without).
    """

    def __init__(
        self,
        workflow: Workflow,
        configurations: Mapping[str, Configuration],
        *,
        expected: Mapping[str, float] | None = None,
        run_id: str = "",
        seconds: Mapping[str, float] | None = None,
        reserve: Share | int | None = None,
        hosts: Mapping[str, str] | None = None,
        memory: Mapping[str, float] | None = None,
        most: Mapping[str, int] | None = None,
    ) -> None:
        self.workflow = workflow
        self.finished = False
        self._expected = dict(expected or {})
        self._run_id = run_id
        self._desk = Desk()
        self._ledger = Ledger(workflow)
        self._pool = Pool()
        self._reserve = Reserve(self._pool, self._desk, Share.of(reserve))
        upstream = upstream_of(workflow)
        self._steps = {
            s.name: StepState(s, configurations[s.name], upstream[s.name], (most or {}).get(s.name, 0))
            for s in workflow.steps
        }
        for state in self._steps.values():
            host = (hosts or {}).get(state.configuration.engine, "")
            held = (memory or {}).get(state.step.name, 0.0)
            # An engine that is still to be started keeps no cores busy before it answers.
            cores = state.configuration.held_cores if host else state.demand.cores
            state.demand = replace(state.demand, host=host, cores=cores, memory_bytes=held)
        self._engines = Engines(self._desk, self._pool, self._steps.values())
        self.heralds = self._engines.heralds
        self._dispatcher = Dispatcher(self._desk, self._ledger, self._pool, self._steps, seconds or {})
        self._tasks = self._dispatcher.tasks
        self._recording: dict[int, tuple[str, dict[Ancestry, Item], tuple[Outcome, ...]]] = {}
        self._begun = False
        self._checked = False  # whether anything has been submitted, or could have been
        self._planned_cores = 0
        self._stranded: int | None = None
        self._strandings = 0
        self._stuck = ""
        self._bad_roots = 0
        self._coming: dict[Ancestry, list[Item]] = {}
        """Root items that have not arrived yet, and what waits for them."""

    # --- what others see --------------------------------------------------------------------------------------

    def progress(self) -> dict[str, StepProgress]:
        """How far each step is, in the workflow's order."""
        told: dict[str, StepProgress] = {}
        for name, state in self._steps.items():
            done, failed, skipped = self._ledger.counts[name]
            total = self._ledger.total(state.step) if self._begun else None
            told[name] = StepProgress(done, failed, skipped, total, self._expected.get(name))
        return told

    def configuration(self, step: str) -> Configuration:
        """How a step is done."""
        return self._steps[step].configuration

    def handle(self, message: Message, now_s: float) -> list[Decision]:
        """Take one message in and say what to do.

        Parameters
        ----------
        message
            What happened.
        now_s
            The driver's clock (s); timers are set on the same clock, events count from `Begin`.
        """
        self._desk.now_s = now_s
        if self.finished or (not self._begun and not isinstance(message, Begin)):
            return []
        out = self._desk.out = []
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
            case Arrived():
                self._ledger.ready += self._coming.pop(message.ancestry, ())
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
            case Called():
                self._engines.called(message.step)
            case EngineReady():
                self._go_there(message)
                self._engines.ready(message)
            case EngineLost():
                self._engines.lost(message)
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
        self._desk.start_s = self._desk.now_s
        self._desk.tell(RunStarted(0.0, self._run_id, dict(self._expected)))
        self._reserve.begin(message.workers)
        self._planned_cores = self._pool.cores
        self._coming = {ancestry: [] for ancestry in message.coming}
        self._ledger.begin(message.roots, message.bad)
        self._bad_roots = len(message.bad)
        for (name, ancestry), error in sorted(message.bad.items()):
            self._desk.bad_root(name, ancestry, error)
        # Items that an earlier run finished are told right after this message: nothing starts before them.
        self._desk.wake("begin", 0.0)

    def _restore(self, message: Restored) -> None:
        restored = 0
        for outcome in message.outcomes:
            item = self._ledger.find(message.step, outcome.ancestry)
            waits = item is not None and item.queued and item.state is State.READY
            if not self._ledger.restore(message.step, outcome):
                continue
            restored += outcome.error is None
            if waits and item is not None:
                self._steps[message.step].queue.forget(item)
        if restored:
            self._desk.tell(ItemsRestored(self._desk.at_s, message.step, restored))
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
        took = self._desk.now_s - task.since_s
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
        self._grow(state, len(outcomes) - message.reused, took, message.usage)
        self._desk.tell(
            BatchEnded(
                self._desk.at_s,
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
        self._desk.decide(Record(message.task, task.batch.step, outcomes))

    def _grow(self, state: StepState, items: int, took_s: float, usage: Usage | None) -> None:
        """Have a step's calls take more items than planned, where the way of a call takes longer than its work."""
        growth, name = state.growth, state.step.name
        total = self._ledger.total(state.step)
        left = state.queue.size if total is None else total - self._ledger.settled(name) - state.running
        left = -(-left // state.demand.limit)
        if usage is None or not growth.saw(items, took_s, usage, left):
            return
        planned = f"{growth.planned} {'item' if growth.planned == 1 else 'items'} in a call"
        self._desk.tell(
            Reconfigured(
                self._desk.at_s,
                f"an item of {name} takes {short(growth.each_s)}, a call's way there and back {short(growth.way_s)} (measured)",
                planned,
                f"up to {growth.most} items in a call, for about {short(CALL_S)} at most",
                f"up to about {growth.gain_s(left):.0f} s less",
            )
        )

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
        if message.unable:
            self._unable(task, message)
            return
        if message.lost:
            self._pool.drop(task.instance)
            self._steps[task.batch.step].growth.died(len(task.items))
            # The driver may hold what is left of it.
            self._desk.decide(Retire(task.batch.instance))
            self._again(task, message.error, message.usage)
            return
        self._pool.release(task.instance)
        self._end_call(task)
        items = [item for item in task.items if item.state is State.READY]
        self._desk.wasted(task, message.usage, failed=len(items) == 1)
        if len(items) == 1:
            self._ledger.settle(items[0], Outcome(items[0].node.ancestry, error=message.error))
            return
        self._desk.tell(
            BatchRetried(self._desk.at_s, task.batch.step, message.task, f"tried in halves: {message.error}")
        )
        self._steps[task.batch.step].queue.again(halves(items))

    def _unable(self, task: Running, message: BatchCrashed) -> None:
        """An agent cannot be loaded on a worker: elsewhere it may be, and that is no fault of the items."""
        name, worker = task.batch.step, task.batch.instance.worker
        state = self._steps[name]
        self._pool.drop(task.instance)
        self._desk.decide(Retire(task.batch.instance))
        self._end_call(task)
        told = worker in self._pool.barred(name)
        self._pool.bar(name, worker)
        taken = self._reserve.need(state.demand)
        items = [item for item in task.items if item.state is State.READY]
        able = self._pool.able(state.demand)
        self._desk.wasted(task, message.usage, failed=0 if able else len(items))
        if able:
            if not told:
                more = f"; {taken}" if taken else ""
                self._desk.tell(
                    Notice(
                        self._desk.at_s,
                        f"Step {name} is done on other workers than {worker}{more}: {message.error}",
                    )
                )
            state.queue.again([Group(items, worker)] if items else [])
            return
        # Nobody is left who can: what is still to come is sent there all the same, and fails for the same reason.
        self._pool.open(name)
        for item in items:
            self._ledger.settle(item, Outcome(item.node.ancestry, error=message.error))

    def _again(self, task: Running, why: str, usage: Usage | None, *, died: bool = True) -> None:
        """A call died with its worker or instance: whole once more, then item by item, then no more.

        One that was given up because its worker is silent did not die: it is made again. Where that happens to an item
        time after time, it may be the item that makes workers silent.
        """
        self._end_call(task)
        items = [item for item in task.items if item.state is State.READY]
        for item in items:
            item.asides += not died
            item.tries += died or item.asides >= ASIDES
        worker = task.batch.instance.worker
        avoid = worker if worker in self._pool.workers else None
        given_up = [item for item in items if item.tries >= TRIES]
        self._desk.wasted(task, usage, failed=len(given_up))
        for item in given_up:
            error = f"its process or its worker died {item.tries} times while on it: {why}"
            if item.asides >= ASIDES:
                times = item.tries + ASIDES - 1
                error = f"its worker died or gave no sign of life {times} times while on it: {why}"
            self._ledger.settle(item, Outcome(item.node.ancestry, error=error))
        left = [item for item in items if item.tries < TRIES]
        if not left:
            return
        alone = any(item.tries == TRIES - 1 or item.asides >= APART for item in left)
        if len(left) > 1 and alone:
            groups, how = [Group([item], avoid) for item in left], "item by item"
        else:
            groups, how = [Group(left, avoid)], "again"
        self._desk.tell(
            BatchRetried(self._desk.at_s, task.batch.step, task.batch.task, f"tried {how}: {why}")
        )
        self._steps[task.batch.step].queue.again(groups)

    def _end_call(self, task: Running) -> None:
        state = self._steps[task.batch.step]
        state.active -= 1
        state.running -= len(task.items)
        for item in task.items:
            if item.state is State.RUNNING:
                item.state = State.READY

    def _joined(self, message: WorkerJoined) -> None:
        before = self._pool.describe()
        if self._reserve.knows(message.worker.name):
            return
        view = message.worker
        self._desk.tell(WorkerChanged(self._desk.at_s, view.name, "joined", view.cores, view.host))
        self._reserve.join(message.worker)
        taken = self._make_up()
        more = "; ".join(part for part in (taken, self._widen()) if part)
        after = self._pool.describe() + (f"; {more}" if more else "")
        self._desk.tell(Reconfigured(self._desk.at_s, f"worker {message.worker.name} joined", before, after))

    def _go_there(self, message: EngineReady) -> None:
        """An engine that listens on loopback was started on a host of which nothing is reserved: its calls are made there."""
        if not message.host or self._pool.has(message.host):
            return
        for state in self._steps.values():
            if state.ended or state.configuration.engine != message.engine:
                continue
            before = self._pool.describe()
            most = self._reserve.most(message.host)
            wanted = replace(state.demand, host=message.host, cores=min(state.configuration.held_cores, most))
            if taken := self._reserve.need(wanted):
                cause = f"engine {message.engine} was started on host {message.host}"
                after = f"{self._pool.describe()}; {taken}"
                self._desk.tell(Reconfigured(self._desk.at_s, cause, before, after))

    def _make_up(self) -> str:
        """Reserve what is needed where a worker's cores are gone; in words."""
        taken = [self._reserve.make_up()]
        taken += [self._reserve.need(state.demand) for state in self._steps.values() if not state.ended]
        return ", ".join(part for part in taken if part)

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
            state.demand = replace(state.demand, limit=limit)
        return ", ".join(told)

    def _lost(self, message: WorkerLost) -> None:
        before = self._pool.describe()
        gone = [task for task in self._tasks.values() if task.batch.instance.worker == message.worker]
        if message.worker not in self._pool.workers:
            self._reserve.lose(message.worker)  # one of a host that is not used
            return
        self._desk.tell(WorkerChanged(self._desk.at_s, message.worker, "lost"))
        self._reserve.lose(message.worker)
        what = "gives no sign of life" if message.aside else "was lost"
        taken = self._make_up()
        self._widen()
        for task in gone:
            del self._tasks[task.batch.task]
            if not message.aside:
                # Of a call that takes its whole worker down nothing else is heard.
                self._steps[task.batch.step].growth.died(len(task.items))
            self._again(task, f"worker {message.worker} {what}", None, died=not message.aside)
        moved = sum(len(task.items) for task in gone)
        after = self._pool.describe() + (f"; {taken}" if taken else "")
        if moved:
            after += f"; {moved} {'item goes' if moved == 1 else 'items go'} elsewhere"
        self._desk.tell(Reconfigured(self._desk.at_s, f"worker {message.worker} {what}", before, after))

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
            self._desk.wasted(task, None)
            self._desk.decide(Cancel(task.batch.task))
        self._finish("stopped", f"{message.reason}: {self._so_far()}; {ON}")

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
                    self._desk.tell(LevelClosed(self._desk.at_s, item.step, item.node.ancestry, item.present))
            else:
                self._desk.failure(item)
        for item in ledger.ready:
            if item.state is not State.READY:  # an earlier run had it
                continue
            if self._coming and (held := self._coming.get(item.node.ancestry[:1])) is not None:
                held.append(item)
                continue
            state = self._steps[item.step]
            if item.left_out:
                self._desk.left_out(state, item)
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
        self._desk.all_left_out(state)
        for instance in self._pool.of_step(name):
            self._dispatcher.retire(instance)
        self._desk.tell(StepEnded(self._desk.at_s, name, *self._ledger.counts[name]))
        self._engines.ended(name)

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
        self._finish(self._short_status(), f"{lost}; first: {self._desk.first_error}")

    def _short_status(self) -> RunStatus:
        done = sum(self._ledger.counts[step.name][0] for step in self.workflow.sinks())
        return "partial" if done else "failed"

    def _so_far(self) -> str:
        ended = sum(state.ended for state in self._steps.values())
        return f"{ended} of {len(self._steps)} steps done"

    def _finish(self, status: RunStatus, message: str) -> None:
        for name in self._steps:
            for instance in self._pool.of_step(name):
                self._dispatcher.retire(instance)
        self._engines.end()
        self.finished = True
        self._desk.tell(RunEnded(self._desk.at_s, status, message))
        self._desk.decide(Finish(status, message))

    # --- when nothing can go on -------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        if not self._checked:
            self._checked = True
            if self._pool.workers and not self._check():
                return
        self._dispatcher.submit_all()
        if not self._tasks and not self._recording and not self._coming:
            self._strand()
        else:
            self._stranded = None

    def _check(self) -> bool:
        """Refuse at once what no worker could ever do."""
        for state in self._steps.values():
            before = self._pool.describe()
            if not state.ended and (taken := self._reserve.need(state.demand)):
                # The plan was made for other workers.
                cause = f"step {state.step.name} needs {state.demand.cores} cores at once"
                self._desk.tell(
                    Reconfigured(self._desk.at_s, cause, before, f"{self._pool.describe()}; {taken}")
                )
            if not state.ended and not self._pool.able(state.demand):
                self._finish("failed", f"{self._pool.lack(state.demand)}; plan again for this cluster")
                return False
        return True

    def _strand(self) -> None:
        """Nothing runs and nothing can: wait a while for a worker, then end the run."""
        if self._stranded is not None:
            return
        waiting = self._dispatcher.waiting()
        self._strandings += 1
        self._stranded = self._strandings
        if not self._pool.workers:
            why = "no worker is left"
        elif waiting is not None:
            why = self._pool.lack(waiting.demand)
        else:
            why = "nothing that is left can become ready"
        self._stuck = why
        self._desk.tell(Notice(self._desk.at_s, f"Waiting {JOIN_WAIT_S:g} s for a worker to join: {why}."))
        self._desk.wake(f"stranded:{self._stranded}", JOIN_WAIT_S)

    def _give_up(self) -> None:
        self._finish(
            self._short_status(),
            f"{self._stuck}, and none joined within {JOIN_WAIT_S:g} s; {self._so_far()}; {ON}",
        )
