"""The search: what it tries first, and what its estimates take for true."""

import math
from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.estimate import taken
from murakkab_jupyter.planner.search import SAME, loosened, unknown_of
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import cluster_of
from tests.planner.test_solve import VIDEO, video_world


@pytest.mark.parametrize(
    ("free", "cores", "instances", "begins", "ends", "left"),
    [
        ([0.0, 0.0], 1, 2, 1.0, 5.0, [5.0, 5.0]),  # all free: as alone
        ([0.0, 9.0], 1, 2, 1.0, 9.0, [9.0, 9.0]),  # the second core comes too late to help
        ([0.0, 5.0], 1, 2, 1.0, 7.0, [7.0, 7.0]),  # it helps with what is left
        ([0.0, 5.0], 2, 1, 5.0, 9.0, [9.0, 9.0]),  # one instance needs both cores
        ([0.0, 5.0], 4, 1, 5.0, 9.0, [9.0, 9.0]),  # more than there are
        ([3.0, 3.0], 0, 2, 1.0, 5.0, [3.0, 3.0]),  # a server elsewhere holds none
    ],
)
def test_instances_begin_as_soon_as_they_find_cores(free, cores, instances, begins, ends, left):
    some = list(free)
    assert taken(some, 1.0, 4.0, cores, instances) == (begins, ends)
    assert some == left


def test_a_step_takes_no_less_than_alone_and_no_longer_than_if_it_waited_for_all_its_cores():
    free = [0.0, 0.5, 2.0, 2.5, 7.0, 8.0]
    for cores in (1, 2, 3):
        for instances in range(1, 6 // cores + 1):
            start, end = taken(list(free), 0.2, 3.0, cores, instances)
            waited = max(0.2, free[cores * instances - 1]) + 3.0
            assert start >= 0.2
            assert 3.2 <= end <= waited + 1e-9


def test_of_each_step_and_of_the_reservations_the_best_neighbour_is_tried_early():
    search = prepare(
        (world := video_world(cluster=cluster_of(4))).workflow, **world.arguments(), effort=20
    ).search
    goal = Goal(("latency",), 0.0)
    here = search.promising(goal)[0]
    order = search.interleaved(here, goal)
    assert sorted(order) == sorted(set(search.neighbours(here)))
    places = [next(n for n, (a, b) in enumerate(zip(here, one, strict=True)) if a != b) for one in order]
    early = places[: 2 * len(VIDEO)]
    assert set(early) == set(places)
    for place in set(places):
        best = min(
            (one for one, n in zip(order, places, strict=True) if n == place),
            key=lambda one: search.guess(one, goal),
        )
        assert order[places.index(place)] == best


WATTS, KWH = Figure(2.0, "W"), Figure(0.2, "USD/kWh")


@pytest.mark.parametrize(
    ("power", "found"),
    [
        (HostPower(WATTS, WATTS, unknown("USD/h"), KWH), set()),
        (HostPower(WATTS, WATTS, unknown("USD/h"), unknown("USD/kWh")), {"cost"}),
        (HostPower(unknown("W"), WATTS, unknown("USD/h"), KWH), {"energy", "cost"}),
        (HostPower(unknown("W"), WATTS, Figure(1.0, "USD/h"), KWH), {"energy"}),
    ],
)
def test_what_no_host_knows_is_guessed_by_cpu_time_as_plans_are_compared(power, found):
    cluster = cluster_of(4, power=power)
    assert unknown_of(cluster) == found
    world = video_world(cluster=cluster)
    search = prepare(world.workflow, **world.arguments(), effort=20).search
    for one in found:
        goal = Goal((one,), 0.0)
        picks = search.promising(goal)[0]
        assert math.isclose(
            search.guess(picks, goal)[2], search.estimator.estimate(picks).cpu_s, rel_tol=1e-6
        )


def test_no_plan_that_a_search_simulated_is_better_for_its_goal_than_its_own():
    world = video_world(cluster=cluster_of(4, 8))
    for goal in (Goal(("latency",), 0.0), Goal(("energy",)), Goal(("quality",), None, 25.0)):
        made = make_plan(world.workflow, goal, **world.arguments())
        search = prepare(world.workflow, **world.arguments()).search
        picks = search.best(goal)
        assert search.key(picks, goal) == min(search.key(one, goal) for one in search.evaluations)
        objective = goal.objectives[0]
        sign = -1 if objective == "quality" else 1
        best = search.value(picks, objective)
        leeway = 0.0 if objective == "quality" else best * SAME  # what is given up for the next objective
        assert sign * made.predicted[objective].value <= best + leeway + 1e-9


@pytest.mark.parametrize("floor", [0.0, "fair", "good"])
def test_a_limit_that_is_broken_by_estimate_alone_takes_no_plan_away(floor):
    world = video_world()

    def sooner(configurations, reserve):
        found = world.evaluate(configurations, reserve)
        latency = Figure(0.85 * found.totals["latency"].value, "s")
        return replace(found, totals={**found.totals, "latency": latency})

    def best(deadline_s):
        search = prepare(world.workflow, **{**world.arguments(), "evaluate": sooner}).search
        picks = search.best(Goal(("energy",), floor, deadline_s, confidence=0.5))
        return search, picks

    search, free = best(None)
    takes_s = search.value(free, "latency")
    deadline_s = 1.05 * takes_s
    assert search.estimator.estimate(free).latency_s > deadline_s
    again, picks = best(deadline_s)
    assert again.value(picks, "latency") <= deadline_s
    assert again.value(picks, "energy") <= search.value(free, "energy") * (1 + 1e-9)
    assert len(again.evaluations) <= again.effort + 1


def test_a_looser_goal_has_wider_limits_and_the_same_floor():
    goal = Goal(("energy", "latency"), None, 10.0, 2.0, confidence=0.6)
    wider = loosened(goal, 1.5)
    assert (wider.deadline_s, wider.budget_usd, wider.max_energy_j) == (15.0, 3.0, None)
    assert replace(wider, deadline_s=10.0, budget_usd=2.0) == goal
