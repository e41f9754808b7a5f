"""Workflows and a driver for tests of the run loop: it plays the cluster, in any order and with any faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from murakkab_jupyter.core.ancestry import ROOT, Ancestry, child
from murakkab_jupyter.core.events import Event
from murakkab_jupyter.core.hosts import WorkerView
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import (
    Batch,
    BatchCrashed,
    BatchDone,
    Begin,
    Cancel,
    Decision,
    Finish,
    InstanceId,
    Outcome,
    Record,
    Recorded,
    Retire,
    SetTimer,
    Submit,
    Tell,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

CORES = 4


def step(name: str, at: str = "", *inputs: tuple[str, str], opens: bool = False) -> Step:
    """A step at level `videos/scenes` with inputs `(source, how)`."""
    level = tuple(at.split("/")) if at else ()
    return Step(
        name=name,
        sentence=f"{name} of " + " and ".join(f"{{{source}}}" for source, _ in inputs),
        capability="test",
        at=level,
        opens=opens,
        kind="text",
        inputs=tuple(Input(source, "material", how) for source, how in inputs),
    )


def flow(variables: Mapping[str, bool], *steps: Step) -> Workflow:
    """A workflow; `variables` says of each whether it is a collection."""
    return Workflow(
        name="test",
        description="",
        variables=tuple(Variable(n, "text", (n,) if many else ()) for n, many in variables.items()),
        steps=steps,
        goal=Goal(),
        text="",
    )


def video_flow() -> Workflow:
    """The six steps of the design, by hand."""
    return flow(
        {"videos": True, "question": False},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("frames", "videos/scenes", ("scenes", "same"), opens=True),
        step("transcript", "videos/scenes", ("scenes", "same")),
        step("objects", "videos/scenes/frames", ("frames", "same")),
        step("summary", "videos/scenes", ("objects", "gather"), ("transcript", "same")),
        step("answer", "videos", ("question", "broadcast"), ("summary", "gather")),
    )


def configure(workflow: Workflow, **changes: Configuration) -> dict[str, Configuration]:
    """One core, two instances, batches of four, unless said otherwise."""
    plain = Configuration("agent", instances=2, batch=4)
    return {one.name: changes.get(one.name, plain) for one in workflow.steps}


def worker(name: str = "w0", cores: int = CORES) -> WorkerView:
    return WorkerView(name, name, cores, 8_000_000_000)


def many(name: str, number: int) -> tuple[Ancestry, ...]:
    return tuple(((name, n),) for n in range(number))


Do = Callable[[str, Ancestry], Outcome | str]
"""What becomes of one item: an outcome, or `raise` / `die` for its whole call."""


class Play:
    """Plays driver and cluster for one loop, and checks at every step that nothing is given twice.

    Parameters
    ----------
    loop, do
        The loop, and what becomes of each item.
    seed
        Order in which calls return and records are confirmed; None for first in, first out.
    losses
        Messages number -> worker to lose (it joins again later), for drift.
    """

    def __init__(
        self,
        loop: RunLoop,
        do: Do,
        workers: Sequence[WorkerView],
        *,
        seed: int | None = None,
        losses: Mapping[int, str] | None = None,
    ) -> None:
        self.loop = loop
        self.do = do
        self.workers = {view.name: view for view in workers}
        self.random = None if seed is None else random.Random(seed)
        self.losses = dict(losses or {})
        self.now_s = 0.0
        self.running: dict[int, Batch] = {}
        self.loaded: set[InstanceId] = set()
        self.recording: list[int] = []
        self.timers: list[tuple[float, str]] = []
        self.pending: list[object] = []
        self.events: list[Event] = []
        self.submitted: list[Batch] = []
        self.recorded: list[tuple[str, Outcome]] = []
        self.finish: Finish | None = None
        self.messages = 0

    def begin(
        self, roots: Mapping[str, Sequence[Ancestry]], **rest: Mapping[tuple[str, Ancestry], str]
    ) -> None:
        self.send(Begin({k: tuple(v) for k, v in roots.items()}, tuple(self.workers.values()), **rest))

    def send(self, message: object) -> list[Decision]:
        decisions = self.loop.handle(message, self.now_s)
        for decision in decisions:
            assert self.finish is None, "something follows Finish"
            self.carry_out(decision)
        self.check()
        return decisions

    def carry_out(self, decision: Decision) -> None:
        match decision:
            case Submit(batch):
                assert batch.instance.worker in self.workers, "submitted to a worker that is gone"
                assert batch.task not in self.running
                busy = {other.instance for other in self.running.values()}
                assert batch.instance not in busy, "two calls on one instance"
                self.running[batch.task] = batch
                self.loaded.add(batch.instance)
                self.submitted.append(batch)
            case Cancel(task):
                del self.running[task]
            case Record(task, name, outcomes):
                self.recording.append(task)
                self.recorded += [(name, outcome) for outcome in outcomes]
            case Retire(instance):
                self.loaded.discard(instance)
            case SetTimer(name, at_s):
                assert at_s >= self.now_s
                self.timers.append((at_s, name))
            case Tell(event):
                self.events.append(event)
            case Finish():
                self.finish = decision

    def check(self) -> None:
        used: dict[str, int] = {}
        for batch in self.running.values():
            cores = 0 if batch.configuration.device == "remote" else batch.configuration.cores
            used[batch.instance.worker] = used.get(batch.instance.worker, 0) + cores
        for name, cores in used.items():
            assert cores <= self.workers[name].cores, "a worker is oversubscribed"

    def pick(self, number: int) -> int:
        return 0 if self.random is None else self.random.randrange(number)

    def turn(self) -> bool:
        """Let one thing happen; False when nothing can."""
        self.messages += 1
        lost = self.losses.pop(self.messages, None)
        if lost is not None:
            self.toggle(lost)
            return True
        choices = [("run", task) for task in self.running] + [("record", task) for task in self.recording]
        if choices:
            kind, task = choices[self.pick(len(choices))]
            self.now_s += 0.01
            if kind == "record":
                self.recording.remove(task)
                self.send(Recorded(task))
                if self.random is not None and self.random.random() < 0.1:
                    self.send(Recorded(task))  # a double
            else:
                self.complete(task)
            return True
        if self.timers:
            self.timers.sort()
            at_s, name = self.timers.pop(0)
            self.now_s = max(self.now_s, at_s)
            self.send(TimerFired(name))
            return True
        return False

    def toggle(self, name: str, *, aside: bool = False) -> None:
        if name in self.workers:
            gone = self.workers.pop(name)
            self.pending.append(gone)
            self.running = {t: b for t, b in self.running.items() if b.instance.worker != name}
            self.loaded = {one for one in self.loaded if one.worker != name}
            self.send(WorkerLost(name, aside=aside))
        else:
            back = next(view for view in self.pending if view.name == name)
            self.pending.remove(back)
            self.workers[name] = back
            self.send(WorkerJoined(back))

    def complete(self, task: int) -> None:
        batch = self.running.pop(task)
        said = [self.do(batch.step, key) for key in batch.keys]
        if "die" in said:
            self.loaded.discard(batch.instance)
            self.send(BatchCrashed(task, "the process died", lost=True))
        elif "raise" in said:
            self.send(BatchCrashed(task, "ValueError: no"))
        else:
            done = BatchDone(task, tuple(said))
            self.send(done)
            if self.random is not None and self.random.random() < 0.1:
                self.send(done)  # a double

    def to_the_end(self, most: int = 1_000_000) -> Finish:
        for _ in range(most):
            if self.finish is not None:
                return self.finish
            assert self.turn(), f"the loop waits for ever: {self.loop.progress()}"
        raise AssertionError("the loop does not end")

    def told(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


def all_good(workflow: Workflow, children: Callable[[str, Ancestry], int] = lambda name, key: 3) -> Do:
    """Every item is done; an opener makes `children(step, ancestry)`."""
    opens = {one.name: one.opens for one in workflow.steps}

    def do(name: str, key: Ancestry) -> Outcome:
        return Outcome(key, children=children(name, key) if opens[name] else None)

    return do


def expected_items(
    workflow: Workflow, roots: Mapping[str, int], children: Callable[[str, Ancestry], int]
) -> dict[str, list[Ancestry]]:
    """Every item of every step when nothing fails, by brute force."""
    levels: dict[tuple[str, ...], list[Ancestry]] = {(): [()]}
    for name, number in roots.items():
        levels[(name,)] = list(many(name, number))
    items: dict[str, list[Ancestry]] = {}
    for one in workflow.steps:
        items[one.name] = levels[one.at]
        if one.opens:
            levels[one.level] = [
                child(key, one.name, n) for key in items[one.name] for n in range(children(one.name, key))
            ]
    return items


VIDEOS = {"videos": many("videos", 2), "question": (ROOT,)}


def playing(workflow, do=None, roots=None, *, workers=None, bad=None, seed=None, **configurations):
    loop = RunLoop(workflow, configure(workflow, **configurations))
    play = Play(loop, do or all_good(workflow), workers or [worker()], seed=seed)
    play.begin(roots or VIDEOS, bad=bad or {})
    return play


def one_step(roots=6, **configuration):
    """A step of some items that begins at once."""
    workflow = flow({"videos": True}, step("a", "videos", ("videos", "same")))
    loop = RunLoop(workflow, {"a": Configuration("agent", **configuration)})
    return Play(loop, all_good(workflow), [worker()]), {"videos": many("videos", roots)}


def failing(workflow, *lost, children=lambda name, key: 3):
    """Everything is done but the named `(step, ancestry)`."""
    good = all_good(workflow, children)

    def do(name, key):
        return Outcome(key, error="no") if (name, key) in lost else good(name, key)

    return do


def of(decisions, kind):
    return [decision for decision in decisions if isinstance(decision, kind)]
