"""A run never uses more of a host than it reserved, in any order of events; what a reservation comes to over time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.events import CoresReserved, Event, Reconfigured, RunStarted
from murakkab_jupyter.core.hosts import WorkerView, allotted
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import Decision, Submit, Tell, WorkerLost
from murakkab_jupyter.runtime.reserve import reserved_core_s, reserved_shares
from tests.runtime.loop_play import Play, all_good, configure, flow, many, step, worker
from tests.runtime.test_loop_properties import QUICK, World, worlds


def on(name: str, host: str, cores: int) -> WorkerView:
    return replace(worker(name, cores), host=host)


class Watched(Play):
    """A play that checks at every decision that nobody uses more cores than the run said it reserved."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.reserved: dict[str, int] = {}

    def carry_out(self, decision: Decision) -> None:
        super().carry_out(decision)
        if isinstance(decision, Tell) and isinstance(decision.event, CoresReserved):
            event = decision.event
            assert 0 <= event.cores <= event.of
            self.reserved[event.worker] = event.cores
        if isinstance(decision, Submit):
            used: dict[str, int] = {}
            for batch in self.running.values():
                cores = 0 if batch.configuration.device == "remote" else batch.configuration.cores
                used[batch.instance.worker] = used.get(batch.instance.worker, 0) + cores
            for name, cores in used.items():
                assert cores <= self.reserved[name], "more cores are used than were reserved"


@QUICK
@given(
    worlds(faults=False),
    st.integers(1, 6),
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(2, 40), st.sampled_from(["a1", "a2", "b1"])), max_size=4),
)
def test_no_more_is_used_than_is_reserved_and_no_more_reserved_than_is_needed(
    world: World, reserve: int, seed: int, when: list[tuple[int, str]]
) -> None:
    workers = [on("a1", "a", 2), on("a2", "a", 2), on("b1", "b", 4)]
    losses: dict[int, str] = {}
    for at, name in when:
        losses.setdefault(at, name)
    play = Watched(
        RunLoop(world.workflow, world.configurations, reserve=reserve),
        world.do, workers, seed=seed, losses=losses,
    )  # fmt: skip
    play.begin(world.roots)
    for _ in range(20_000):
        if play.finish is not None:
            break
        if not play.running and not play.recording and len(play.workers) < 3:
            play.toggle(next(view.name for view in workers if view.name not in play.workers))
        else:
            assert play.turn()
    assert play.finish is not None
    planned = sum(allotted(workers, reserve).values())
    widest = max((c.cores for c in world.configurations.values() if c.device != "remote"), default=0)
    held: dict[str, int] = {}
    for event in play.told(CoresReserved):
        held[event.worker] = event.cores
        # Beyond what was planned only what a single call needs on one worker, whatever its host's other worker (2) has.
        by_host = {"a": held.get("a1", 0) + held.get("a2", 0), "b": held.get("b1", 0)}
        for host, cores in by_host.items():
            assert cores <= max(reserve, planned, widest + 2), (host, by_host)
    if not losses and widest <= max(allotted(workers, reserve).values()):
        assert held == allotted(workers, reserve)


def pair(reserve: int, workers: list[WorkerView], **configuration: object) -> Watched:
    workflow = flow({"v": True}, step("a", "v", ("v", "same")))
    how = Configuration("agent", **{"instances": 8, **configuration})
    play = Watched(
        RunLoop(workflow, configure(workflow, a=how), reserve=reserve), all_good(workflow), workers
    )
    play.begin({"v": many("v", 12)})
    play.turn()  # nothing starts before restored items would have been told
    return play


def test_of_an_idle_host_only_the_reserved_cores_are_used() -> None:
    play = pair(1, [worker("w0", 4)])
    assert len(play.running) == 1
    assert play.told(CoresReserved) == [CoresReserved(0.0, "w0", 1, 4)]
    assert play.to_the_end().status == "done"


def test_a_loop_that_reserves_nothing_uses_whole_hosts_and_tells_nothing_of_it() -> None:
    workflow = flow({"v": True}, step("a", "v", ("v", "same")))
    play = Play(
        RunLoop(workflow, configure(workflow, a=Configuration("agent", instances=8))),
        all_good(workflow),
        [worker()],
    )
    play.begin({"v": many("v", 12)})
    play.turn()  # nothing starts before restored items would have been told
    assert len(play.running) == 4
    assert not play.told(CoresReserved)


def test_when_a_worker_is_lost_another_host_makes_up_for_it_and_the_story_is_told() -> None:
    play = pair(2, [on("w0", "a", 2), on("w1", "b", 4)])
    assert len(play.running) == 4
    play.toggle("w0")
    assert play.told(CoresReserved)[-2:] == [CoresReserved(0.0, "w0", 0, 2), CoresReserved(0.0, "w1", 4, 4)]
    [change] = play.told(Reconfigured)
    assert "2 more cores of w1 reserved" in change.after
    assert len(play.running) == 4
    assert play.to_the_end().status == "done"


def test_the_other_worker_of_the_same_host_takes_over_its_reservation() -> None:
    play = pair(2, [on("w0", "a", 2), on("w1", "a", 2)])
    assert [(e.worker, e.cores) for e in play.told(CoresReserved)] == [("w0", 2), ("w1", 0)]
    play.toggle("w0")
    assert [(e.worker, e.cores) for e in play.told(CoresReserved)][2:] == [("w0", 0), ("w1", 2)]
    assert play.to_the_end().status == "done"


def test_what_a_call_needs_at_once_is_reserved_even_if_the_plan_was_made_for_other_workers() -> None:
    play = pair(1, [worker("w0", 4)], cores=3)
    [change] = play.told(Reconfigured)
    assert "step a needs 3 cores" in change.cause
    assert "2 more cores of w0 reserved" in change.after
    assert play.to_the_end().status == "done"


def test_what_no_worker_has_is_still_refused_at_once() -> None:
    play = pair(1, [worker("w0", 4)], cores=8)
    assert play.to_the_end().status == "failed"
    assert play.finish is not None
    assert "the largest has" in play.finish.message


def test_losing_a_worker_twice_changes_nothing_more() -> None:
    play = pair(1, [on("w0", "a", 2), on("w1", "b", 2)])
    play.toggle("w0")
    before = len(play.events)
    play.send(WorkerLost("w0"))
    assert len(play.events) == before


# --- over time ------------------------------------------------------------------------------------------------


def test_core_seconds_follow_every_change_until_the_end() -> None:
    events: list[Event] = [
        RunStarted(0.0, "one"),
        CoresReserved(0.0, "w0", 1, 2),
        CoresReserved(0.0, "w1", 1, 4),
        CoresReserved(3.0, "w0", 0, 2),
        CoresReserved(3.0, "w1", 2, 4),
    ]
    assert reserved_core_s(events, 10.0) == {"w0": 3.0, "w1": 3.0 + 14.0}
    assert reserved_core_s(events, 2.0) == {"w0": 2.0, "w1": 2.0}
    shares = reserved_shares({"w0": 3.0, "w1": 17.0}, [on("w0", "a", 2), on("w1", "b", 4)], 10.0)
    assert shares == pytest.approx({"a": 3 / 20, "b": 17 / 40})


def test_a_part_that_was_killed_holds_nothing_after_the_next_began() -> None:
    events = [CoresReserved(0.0, "w0", 2, 2), RunStarted(5.0, "one"), CoresReserved(5.0, "w9", 1, 2)]
    assert reserved_core_s(events, 8.0) == {"w0": 10.0, "w9": 3.0}


def test_a_run_of_an_earlier_version_held_whole_hosts() -> None:
    assert reserved_core_s([RunStarted(0.0, "one")], 8.0) is None
    assert reserved_shares(None, [on("w0", "a", 2)], 8.0) == {"a": 1.0}
