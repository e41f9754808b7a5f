"""Calls that take more items in mid-run: only where their way takes longer than their work, and never for long."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from murakkab_jupyter.core.events import BatchEnded, BatchRetried, Reconfigured, Usage
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.growth import CALL_S, CALLS, Growth, short
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import BatchDone, Outcome
from tests.runtime.loop_play import Play, all_good, configure, failing, flow, many, step, worker

# --- one step's calls -----------------------------------------------------------------------------------------------


def call(growth: Growth, items: int, *, way_s: float, each_s: float, left: int = 10_000, load_s: float = 0.0):
    usage = Usage(items * each_s, 0.0, load_s=load_s)
    return growth.saw(items, load_s + way_s + items * each_s, usage, left)


def rounds(growth: Growth, number: int, **took) -> list[int]:
    sizes = []
    for _ in range(number):
        call(growth, growth.size, **took)
        sizes.append(growth.size)
    return sizes


def test_calls_whose_way_is_longest_double_after_some_that_told_the_same():
    growth = Growth(1, 16)
    sizes = rounds(growth, CALLS + 5, way_s=0.017, each_s=0.0001)
    assert sizes == [1] * (CALLS - 1) + [2, 4, 8, 16, 16, 16]
    assert growth.way_s == pytest.approx(0.017)
    assert growth.each_s == pytest.approx(0.0001)


@pytest.mark.parametrize(
    ("took", "left"),
    [
        ({"way_s": 0.017, "each_s": 0.02}, 10_000),  # the work is longer
        ({"way_s": 0.017, "each_s": 0.0001}, 50),  # too little would be saved
        ({"way_s": 0.2, "each_s": 0.1}, 10_000),  # two would take too long: their values are large, perhaps
    ],
)
def test_calls_stay_as_planned_where_that_is_as_good(took, left):
    growth = Growth(1, 16)
    assert rounds(growth, 50, left=left, **took) == [1] * 50
    assert not growth.grown


def test_one_way_that_was_short_keeps_calls_as_planned():
    """Others on the host make ways long: the shortest is what the way takes by itself."""
    growth = Growth(1, 16)
    for _ in range(20):
        assert rounds(growth, CALLS - 1, way_s=0.05, each_s=0.02) == [1] * (CALLS - 1)
        call(growth, 1, way_s=0.01, each_s=0.02)
    assert not growth.grown


def test_loading_and_starting_are_no_part_of_a_way():
    growth = Growth(1, 16)
    for _ in range(50):
        growth.saw(1, 2.011, Usage(0.01, 0.0, load_s=1.5, start_s=0.5), 10_000)
    assert not growth.grown


def test_growth_ends_where_the_way_is_a_small_part_or_a_call_would_be_long():
    long = Growth(1, 1024)
    rounds(long, 40, way_s=0.017, each_s=0.005)
    assert long.size * 0.005 + 0.017 <= CALL_S
    assert long.size >= 8
    small = Growth(1, 1024)
    rounds(small, 40, way_s=0.001, each_s=0.0009)
    assert small.size == 16  # the way is 7 % of the work


def test_the_way_of_large_values_doubles_with_them_and_calls_stay_short():
    growth = Growth(1, 1024)
    for _ in range(40):
        items = growth.size
        call(growth, items, way_s=0.03 * items, each_s=0.0)
    assert 1 < growth.size <= CALL_S / 0.03


def test_a_call_that_becomes_long_is_cut_to_what_fits_and_never_below_the_plan():
    growth = Growth(2, 16)
    rounds(growth, CALLS + 5, way_s=0.017, each_s=0.0001)
    assert growth.size == 16
    call(growth, 16, way_s=0.017, each_s=0.1)
    assert growth.size == 4  # 16 took 1.6 s
    assert rounds(growth, 20, way_s=0.017, each_s=1.0) == [2] * 20


def test_calls_that_an_instance_dies_on_have_half_as_many_items_from_then_on():
    growth = Growth(1, 16)
    rounds(growth, CALLS + 5, way_s=0.017, each_s=0.0001)
    growth.died(16)
    growth.died(1)  # an item of it, tried alone: that was not the number's fault
    assert growth.size == 8
    assert rounds(growth, 5, way_s=0.017, each_s=0.0001) == [8] * 5
    for _ in range(9):
        growth.died(growth.size)
    assert growth.size == 1


def test_nothing_is_told_of_calls_that_cannot_grow():
    growth = Growth(16, 16)
    assert rounds(growth, 50, way_s=1.0, each_s=0.0) == [16] * 50
    assert (short(0.00012), short(0.017), short(CALL_S)) == ("0.12 ms", "17 ms", "0.5 s")
    assert [short(seconds) for seconds in (0.0, 1e-8, 1e-5)] == ["under 0.01 ms", "under 0.01 ms", "0.01 ms"]
    assert (short(0.0994), short(0.0996), short(0.1)) == ("99 ms", "0.1 s", "0.1 s")


@pytest.mark.parametrize(
    ("way_s", "each_s", "largest"),
    [
        (0.02, 0.0, 16),
        (0.02, 1e-310, 16),
        (0.02, 0.0001, 16),
        (0.1, 0.09, 4),  # four of them last 0.46 s
        (0.1, 0.3, 1),
        (0.6, 0.0, 16),
        (0.6, 0.1, 1),
    ],
)
def test_no_more_is_said_to_be_saved_than_the_largest_calls_that_stay_short_save(way_s, each_s, largest):
    growth = Growth(1, 16)
    growth.way_s, growth.each_s = way_s, each_s
    assert growth.gain_s(1000) == pytest.approx(1000 * way_s * (1 - 1 / largest))


# --- in a run -------------------------------------------------------------------------------------------------------


@dataclass
class Timed(Play):
    """A play whose calls take time: `way_s` each, and `each_s` an item."""

    way_s: float = 0.02
    each_s: float = 0.0001
    sizes: list[int] = field(default_factory=list)

    def __init__(self, loop, do, workers, *, way_s=0.02, each_s=0.0001, seed=None):
        Play.__init__(self, loop, do, workers, seed=seed)
        self.way_s, self.each_s, self.sizes = way_s, each_s, []

    def complete(self, task):
        batch = self.running[task]
        self.sizes.append(len(batch.keys))
        self.now_s += self.way_s + self.each_s * len(batch.keys) - 0.01  # a turn takes 0.01 s
        if any(self.do(batch.step, key) in ("raise", "die") for key in batch.keys):
            super().complete(task)
            return
        del self.running[task]
        said = tuple(self.do(batch.step, key) for key in batch.keys)
        self.send(BatchDone(task, said, Usage(self.each_s * len(batch.keys), 0.0)))


def timed(
    number=3000, do=None, *, most=16, workers=None, way_s=0.02, each_s=0.0001, **configuration
) -> Timed:
    workflow = flow({"rows": True}, step("a", "rows", ("rows", "same")))
    loop = RunLoop(workflow, configure(workflow, a=Configuration("agent", **configuration)), most={"a": most})
    play = Timed(loop, do or all_good(workflow), workers or [worker(cores=1)], way_s=way_s, each_s=each_s)
    play.begin({"rows": many("rows", number)})
    return play


def test_a_run_of_many_short_calls_grows_them_and_says_why():
    play = timed()
    assert play.to_the_end().status == "done"
    assert len(play.sizes) < 3000 / 14
    assert sum(play.sizes) == 3000
    [told] = play.told(Reconfigured)
    assert told == Reconfigured(
        told.at_s,
        "an item of a takes 0.1 ms, a call's way there and back 20 ms (measured)",
        "1 item in a call",
        "up to 16 items in a call, for about 0.5 s at most",
        told.gain,
    )
    assert told.gain == "up to about 56 s less"
    keys = [outcome.ancestry for _, outcome in play.recorded]
    assert len(keys) == len(set(keys)) == 3000


def test_without_what_agents_take_calls_are_as_planned():
    """So the simulator's are, whose proofs count calls as planned."""
    workflow = flow({"rows": True}, step("a", "rows", ("rows", "same")))
    play = Timed(RunLoop(workflow, {"a": Configuration("agent")}), all_good(workflow), [worker(cores=1)])
    play.begin({"rows": many("rows", 500)})
    play.to_the_end()
    assert play.sizes == [1] * 500
    assert not play.told(Reconfigured)


@pytest.mark.parametrize("fixed", [{"siblings": True}, {"device": "remote"}, {"engine": "llm"}])
def test_calls_of_servers_and_of_all_siblings_do_not_grow(fixed):
    workflow = flow({"rows": True}, step("a", "rows", ("rows", "same")))
    loop = RunLoop(workflow, {"a": Configuration("agent", **fixed)}, most={"a": 16})
    assert loop._steps["a"].growth.most == 1


def test_short_runs_stay_as_planned():
    play = timed(60)
    play.to_the_end()
    assert play.sizes == [1] * 60
    assert not play.told(Reconfigured)


def test_what_is_left_at_the_end_is_shared_among_the_instances():
    play = timed(600, workers=[worker("w0", 1), worker("w1", 1)], instances=2, most=512)
    play.to_the_end()
    assert max(play.sizes) > 16
    last = play.submitted[-4:]
    assert {batch.instance.worker for batch in last} == {"w0", "w1"}
    assert len(play.submitted[-1].keys) <= 4


def test_items_that_fail_in_a_grown_call_fail_alone():
    bad = {(("rows", n),) for n in range(7, 3000, 100)}
    workflow = flow({"rows": True}, step("a", "rows", ("rows", "same")))
    play = timed(do=failing(workflow, *(("a", key) for key in bad)))
    assert play.to_the_end().status == "partial"
    assert {outcome.ancestry for _, outcome in play.recorded if outcome.error} == bad
    assert len(play.recorded) == 3000
    assert len(play.sizes) < 3000 / 14


@pytest.mark.parametrize("how", ["raise", "die"])
def test_an_item_that_ends_its_whole_call_takes_no_other_with_it(how):
    workflow = flow({"rows": True}, step("a", "rows", ("rows", "same")))
    good = all_good(workflow)
    poisoned = (("rows", 1500),)
    play = timed(do=lambda name, key: how if key == poisoned else good(name, key))
    assert play.to_the_end().status == "partial"
    assert play.loop.progress()["a"][:3] == (2999, 1, 0)
    assert any(event.done == 16 for event in play.told(BatchEnded))
    assert play.told(BatchRetried)
    if how == "die":
        assert max(len(batch.keys) for batch in play.submitted[-100:]) == 8


@pytest.mark.parametrize(("aside", "size"), [(False, 8), (True, 16)])
def test_a_lost_worker_s_grown_call_is_made_elsewhere_and_may_have_been_too_large(aside, size):
    play = timed(workers=[worker("w0", 1), worker("w1", 1)], instances=2)
    while not any(len(batch.keys) == 16 for batch in play.running.values()):
        assert play.turn()
    lost = next(batch.instance.worker for batch in play.running.values() if len(batch.keys) == 16)
    play.toggle(lost, aside=aside)
    assert play.loop._steps["a"].growth.size == size
    assert play.to_the_end().status == "done"
    assert play.loop.progress()["a"].done == 3000


def test_reused_items_teach_nothing_of_a_call():
    play = timed(1)
    while not play.running:
        assert play.turn()
    [task] = play.running
    key = play.running.pop(task).keys[0]
    play.send(BatchDone(task, (Outcome(key),), None, reused=1))
    assert not play.loop._steps["a"].growth._seen
