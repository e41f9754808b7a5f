"""Which call goes where, and when: most urgent step first, never more than a worker has."""

from __future__ import annotations

from collections.abc import Mapping

from murakkab_jupyter.core.events import BatchStarted, StepStarted
from murakkab_jupyter.runtime.batching import Group
from murakkab_jupyter.runtime.desk import Desk
from murakkab_jupyter.runtime.items import Ledger, State
from murakkab_jupyter.runtime.messages import Batch, Retire, Submit
from murakkab_jupyter.runtime.placement import Instance, Place, Pool
from murakkab_jupyter.runtime.steps import Running, StepState, by_remaining_path

__all__ = ["Dispatcher"]

PATIENCE_S = 2.0
"""How long a step that finds no room lets others fill the gaps before a worker is kept free for it."""

FIRST_LINGER_S = 0.1
LINGER_SHARE = 0.25
LINGER_S = (0.01, 1.0)
"""A batch that is not full waits at most this share of the step's usual call for more items, within these bounds."""


class Dispatcher:
    """Submits what is due; `tasks` are the calls under way.

    Parameters
    ----------
    desk, ledger, pool, steps
        What the loop shares with it.
    seconds
        Weights of the longest remaining path.
    """

    def __init__(
        self,
        desk: Desk,
        ledger: Ledger,
        pool: Pool,
        steps: Mapping[str, StepState],
        seconds: Mapping[str, float],
    ) -> None:
        self.tasks: dict[int, Running] = {}
        self._desk = desk
        self._ledger = ledger
        self._pool = pool
        self._steps = steps
        self._order = [steps[name] for name in by_remaining_path(ledger.workflow, seconds)]
        self._next_task = 0

    def submit_all(self) -> None:
        """Submit everything that has a place, most urgent step first."""
        kept: set[str] = set()
        for state in self._order:
            if state.queue:
                self._fill(state, kept)

    def waiting(self) -> StepState | None:
        """The most urgent step that has something ready and no place for it."""
        return next((state for state in self._order if state.queue), None)

    def retire(self, instance: Instance) -> None:
        """Let an instance go."""
        self._pool.drop(instance)
        self._desk.decide(Retire(instance.id))

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
            if not queue.siblings:
                quiet = not any(self._steps[name].active for name in state.upstream)
                if not queue.full(size) and not quiet and not state.flush and not self._last(state):
                    self._linger(state)
                    return
                # One that has grown waits for nobody, and leaves the others' share.
                size = max(size, min(state.growth.size, queue.size // demand.limit))
                if quiet and queue.size:
                    # Nothing more can come for now: share what there is among the instances that are free.
                    room = self._pool.room(demand, max(1, queue.size))
                    size = min(size, -(-queue.size // max(1, room)))
            group = queue.take(size)
            if group.items:
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
        self._desk.wake(f"linger:{state.step.name}", min(LINGER_S[1], max(LINGER_S[0], wait_s)))

    def _wait_for_room(self, state: StepState, kept: set[str]) -> None:
        """Nothing has room: after a while, keep the likeliest worker free, or steps that need less would always win."""
        loaded = self._pool.instances.get(state.step.name, {})
        if len(loaded) >= state.demand.limit and not self._pool.idle.get(state.step.name):
            return  # all its instances are working
        if state.blocked_s is None:
            state.blocked_s = self._desk.now_s
            self._desk.wake(f"blocked:{state.step.name}", PATIENCE_S)
        elif not state.patient:
            target = self._pool.target(state.demand)
            if target is not None:
                kept.add(target)

    def _submit(self, state: StepState, group: Group, place: Place) -> None:
        for evicted in place.evict:
            self.retire(evicted)
        instance = place.instance or self._pool.start(state.demand, place.worker)
        task = self._next_task
        self._next_task += 1
        self._pool.occupy(instance, task, state.demand.cores)
        for item in group.items:
            item.state = State.RUNNING
        keys = tuple(item.node.ancestry for item in group.items)
        name, desk = state.step.name, self._desk
        batch = Batch(task, name, instance.id, keys, state.configuration)
        self.tasks[task] = Running(batch, group.items, instance, desk.now_s)
        state.active += 1
        state.running += len(keys)
        state.linger = state.flush = False
        state.blocked_s, state.patient = None, True
        if not state.started:
            state.started = True
            desk.tell(StepStarted(desk.at_s, name))
        index, cores = instance.id.index, state.demand.cores
        desk.tell(BatchStarted(desk.at_s, name, task, place.worker, index, len(keys), cores))
        desk.decide(Submit(batch))
