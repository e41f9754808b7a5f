from __future__ import annotations

from dataclasses import replace

from murakkab_jupyter.core.hosts import Gpu, WorkerView
from murakkab_jupyter.runtime.placement import Demand, Place, Pool
from tests.runtime.loop_play import worker

ONE = Demand("a", 1, 0, 4)


def run(pool: Pool, demand: Demand, task: int = 0, **how: object) -> Place | None:
    """Find a place and take it."""
    place = pool.find(demand, **how)
    if place is not None:
        for instance in place.evict:
            pool.drop(instance)
        pool.occupy(place.instance or pool.start(demand, place.worker), task, demand.cores)
    return place


def test_cores_are_held_by_calls_not_by_idle_instances():
    pool = Pool([worker("w0", 2)])
    assert run(pool, ONE)
    assert run(pool, ONE, 1)
    assert run(pool, ONE, 2) is None
    first = pool.of_step("a")[0]
    pool.release(first)
    assert run(pool, Demand("b", 1, 0, 1)) == Place("w0")
    assert len(pool.of_step("a")) == 2


def test_new_instances_spread_over_workers():
    pool = Pool([worker("w0", 4), worker("w1", 4)])
    assert [run(pool, ONE, n).worker for n in range(4)] == ["w0", "w1", "w0", "w1"]


def test_a_warm_instance_is_taken_before_a_new_one_on_a_freer_worker():
    pool = Pool([worker("w0", 2), worker("w1", 8)])
    instance = pool.start(ONE, "w0")
    assert pool.find(ONE) == Place("w0", instance)


def test_a_worker_to_avoid_is_taken_only_when_no_other_can():
    pool = Pool([worker("w0", 4), worker("w1", 1)])
    pool.start(ONE, "w0")
    assert pool.find(ONE, avoid="w0").worker == "w1"
    assert pool.find(Demand("a", 2, 0, 4), avoid="w0").worker == "w0"
    assert pool.find(Demand("b", 2, 0, 4), avoid="w0").worker == "w0"


def test_a_worker_kept_for_somebody_else_is_not_taken():
    pool = Pool([worker("w0", 4)])
    assert pool.find(ONE, closed={"w0"}) is None
    pool.start(ONE, "w0")
    assert pool.find(ONE, closed={"w0"}) is None


def test_an_idle_instance_is_given_up_for_another_worker_only_when_told():
    pool = Pool([worker("w0", 1), worker("w1", 1)])
    lone = Demand("a", 1, 0, 1)
    mine = pool.start(lone, "w0")
    other = pool.start(Demand("b", 1, 0, 1), "w0")
    pool.occupy(other, 0, 1)
    assert pool.find(lone) is None
    assert pool.find(lone, move=True) == Place("w1", None, [mine])


def test_never_more_instances_than_the_limit():
    pool = Pool([worker("w0", 8)])
    two = Demand("a", 1, 0, 2)
    assert run(pool, two)
    assert run(pool, two, 1)
    assert run(pool, two, 2, move=True) is None
    assert pool.room(two, 8) == 0
    assert pool.room(Demand("b", 3, 0, 9), 8) == 2
    assert pool.room(Demand("c", 0, 0, 9), 5) == 5


def test_gpus_are_held_by_loaded_instances_and_idle_ones_are_given_up():
    view = WorkerView("g", "g", 4, 1, (Gpu(0, "A", 1), Gpu(1, "A", 1)))
    pool = Pool([worker("w0", 64), view])
    a, b = Demand("a", 1, 1, 2), Demand("b", 1, 2, 1)
    assert run(pool, a).worker == "g"
    assert run(pool, a, 1).worker == "g"
    assert run(pool, b, 2) is None
    for instance in pool.of_step("a"):
        pool.release(instance)
    place = run(pool, b, 3)
    assert place.worker == "g"
    assert len(place.evict) == 2
    assert not pool.of_step("a")


def test_a_lost_worker_takes_its_instances_along_and_its_name_may_come_back():
    pool = Pool([worker("w0", 2)])
    run(pool, ONE)
    gone = pool.lose("w0")
    assert [instance.id.worker for instance in gone] == ["w0"]
    assert pool.lose("w0") is None
    assert pool.find(ONE) is None
    assert pool.join(worker("w0", 2))
    assert not pool.join(worker("w0", 2))
    assert pool.find(ONE) == Place("w0")
    assert pool.describe() == "1 worker, 2 cores"


def test_indexes_are_never_used_twice():
    pool = Pool([worker("w0", 2)])
    first = pool.start(ONE, "w0")
    pool.drop(first)
    assert pool.start(ONE, "w0").id != first.id


def test_the_freest_worker_is_found_after_thousands_of_changes():
    pool = Pool([worker(f"w{n}", 2) for n in range(50)])
    big = Demand("a", 1, 0, 1000)
    for task in range(3000):
        place = run(pool, big, task)
        if place is None:
            for instance in pool.of_step("a")[::2]:
                pool.release(instance)
                pool.drop(instance)
    free = {name: one.free_cores for name, one in pool.workers.items()}
    used = dict.fromkeys(free, 0)
    for instance in pool.of_step("a"):
        used[instance.id.worker] += instance.cores
    assert all(free[name] + used[name] == 2 for name in free)
    assert len(pool._freest) < 3000


def test_two_models_that_do_not_fit_together_take_turns():
    pool = Pool([replace(worker("w0", 4), memory_bytes=1000)])
    a, b = Demand("a", 1, 0, 2, memory_bytes=600), Demand("b", 1, 0, 2, memory_bytes=500)
    first = pool.start(a, "w0")
    pool.occupy(first, 1, 1)
    assert pool.find(b) is None, "the other model is at work: its memory is taken, whatever cores are free"
    pool.release(first)
    place = pool.find(b)
    assert place.evict == [first]
    pool.drop(first)
    second = pool.start(b, place.worker)
    assert pool.find(Demand("c", 1, 0, 1, memory_bytes=400)).evict == [], (
        "what fits beside it is loaded beside it"
    )
    pool.drop(second)
    assert pool.workers["w0"].free_memory == 1000


def test_memory_that_no_worker_has_is_all_of_one():
    pool = Pool([replace(worker("w0", 2), memory_bytes=1000)])
    huge = Demand("a", 1, 0, 1, memory_bytes=5000)
    assert pool.find(huge) == Place("w0"), "what an instance takes may be a guess"
    pool.start(huge, "w0")
    assert pool.workers["w0"].free_memory == 0


def test_a_worker_whose_memory_is_unknown_holds_anything():
    pool = Pool([replace(worker("w0", 2), memory_bytes=0)])
    pool.start(Demand("a", 1, 0, 1, memory_bytes=5000), "w0")
    assert pool.find(Demand("b", 1, 0, 1, memory_bytes=5000)) == Place("w0")
