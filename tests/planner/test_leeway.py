"""Leeway: of plans that predictions do not tell apart the one that takes less of the rest, with what was given up in words and in the gap."""

from __future__ import annotations

import re

import pytest

from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.leeway import choice, given_up, looked, part_of, share_of, spared
from murakkab_jupyter.planner.search import SAME
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.planner.told.explain import explain
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.small import goals_of, small_worlds
from tests.planner.synthetic import Made, cluster_of, world_of
from tests.planner.test_recall import what
from tests.planner.test_solve import plan_for, value, video_world

FEW = 16
"""Simulations that a search may ask for: it sees little of a large world."""

FRUGAL, QUICK = "frugal", "quick"


def world(share, cpu=3.0, quality=(0.9, 0.9), **more):
    """Two agents: the quick one takes that share of the time less, and so many times the CPU time."""
    agents = (
        Made(FRUGAL, "a", 1.0, quality[0], parallel=0.0, max_cores=1, load_s=0.0),
        Made(QUICK, "a", 1.0 - share, quality[1], parallel=0.0, max_cores=1, load_s=0.0),
    )
    made = world_of({"a": ["data"]}, agents, items=4, **more)

    class Costly(type(made.profiles)):
        def call(self, agent, options, **asked):
            found = super().call(agent, options, **asked)
            return found if agent != QUICK else Prediction(found.seconds, found.cpu_s.scaled(cpu), None)

    made.profiles = Costly(made.profiles.agents, {})
    return made


def chosen(plan):
    return plan.steps["a"].configuration.agent


def test_hardly_less_time_does_not_buy_much_energy():
    plan = plan_for(world(0.004), Goal(("latency",), 0.5))
    assert chosen(plan) == FRUGAL
    told = next(one for one in plan.trades if "slower than the best plan found" in one)
    assert re.match(r"0\.[34] % slower than the best plan found, for (1/2\.\d|\d+ %)", told), told
    assert "of the energy" in told or "less energy" in told
    assert told in explain(plan)
    # What it gives up is in its gap, and the bound is that of the faster plan.
    assert plan.bound < value(plan, "latency")
    assert plan.gap == pytest.approx(1.0 - plan.bound / value(plan, "latency"))
    assert 0.002 < plan.gap < 0.01
    assert not plan.proof.startswith("Optimal")
    # Its runner-up is a little faster, and is not told as if it were not.
    runner_up = plan.steps["a"].runner_up
    assert runner_up.configuration.agent == QUICK
    assert "no better" not in runner_up.reason
    assert re.search(r"% less time, but energy would be .+ instead of", runner_up.reason), runner_up.reason


def test_what_predictions_tell_apart_is_what_was_asked_for():
    plan = plan_for(world(0.05), Goal(("latency",), 0.5))
    assert chosen(plan) == QUICK
    assert not any("plan found" in one for one in plan.trades)
    assert plan.gap == pytest.approx(0.0, abs=1e-9)


def test_hardly_less_energy_does_not_buy_much_time():
    # The quick one takes a little more CPU time, and half the time.
    plan = plan_for(world(0.5, cpu=2.01), Goal(("energy",), 0.5))
    fast = plan_for(world(0.5, cpu=2.01), Goal(("latency",), 0.5))
    assert chosen(plan) == chosen(fast) == QUICK


def test_nothing_is_given_up_for_as_little():
    plan = plan_for(world(0.004, cpu=1.004), Goal(("latency",), 0.5))
    assert chosen(plan) == QUICK
    assert not any("plan found" in one for one in plan.trades)


def test_a_limit_is_no_objective():
    made = world(0.004)
    fastest = min(
        value(plan_for(world(0.004, cpu=1.0), Goal(("latency",), 0.5)), "latency"),
        value(plan_for(made, Goal(("latency",), 0.5)), "latency"),
    )
    plan = plan_for(made, Goal(("latency",), 0.5, deadline_s=fastest * 1.001, confidence=0.5))
    assert chosen(plan) == QUICK
    assert value(plan, "latency") <= fastest * 1.001


def test_best_quality_is_best_and_as_good_plans_are_told_apart_by_the_rest():
    best = plan_for(world(0.0, quality=(0.9, 0.904)), Goal(("quality",)))
    assert chosen(best) == QUICK
    same = plan_for(world(0.004), Goal(("quality",)))
    assert chosen(same) == FRUGAL
    assert same.gap == 0.0
    # With a second objective a little quality is not worth much of it.
    assert chosen(plan_for(world(0.0, quality=(0.9, 0.904)), Goal(("quality", "energy")))) == FRUGAL


def test_where_no_watts_are_known_cores_are_not_reserved_for_nothing():
    made = world_of(
        {"a": ["data"]},
        [Made("one", "a", 1.0, parallel=0.002, max_cores=8, load_s=0.0)],
        items=1,
        cluster=cluster_of(8, power=HostPower()),
    )
    plan = plan_for(made, Goal(("latency",), 0.5))
    assert plan.reserves.cores == 1
    assert "1 core reserved instead of" in plan.trades[0]


def test_nobody_gives_up_quality_that_was_not_asked_to():
    """A quicker plan of better quality stays, also where the floor would let the other pass."""
    for goal in (Goal(("latency",)), Goal(("latency",), 0.4)):
        plan = plan_for(world(0.004, quality=(0.86, 0.9)), goal)
        assert chosen(plan) == QUICK


def test_a_plan_that_gives_something_up_is_not_told_to_be_optimal():
    plan = plan_for(world(0.0004), Goal(("latency",), 0.5))
    assert chosen(plan) == FRUGAL
    assert 0 < plan.gap < 0.0005
    assert "Optimal" not in plan.proof
    assert re.search(r"within 0\.0\d % of", plan.proof), plan.proof


def test_a_limit_is_not_blamed_for_what_was_given_up():
    made = world(0.009)
    free = plan_for(made, Goal(("latency",), 0.5))
    assert chosen(free) == FRUGAL
    limited = plan_for(made, Goal(("latency",), 0.5, max_energy_j=1e6))
    assert chosen(limited) == FRUGAL
    assert limited.binding is None


def test_every_small_world_gives_up_no_more_than_the_leeway_and_repeats():
    seen = 0
    for _, made, problem in small_worlds(2):
        search = problem.search
        for goal in goals_of(problem):
            keys = {one: search.key(one, goal) for one in search.all()}
            best = min(keys, key=keys.__getitem__)
            if search.excess(best, goal):
                continue
            first = goal.objectives[0]
            picks = choice(search, goal, keys)
            assert not search.excess(picks, goal)
            assert keys[picks][:3] == keys[best][:3]
            here, there = search.value(picks, first), search.value(best, first)
            assert here <= there + abs(there) * (0 if first == "quality" else SAME) + 1e-9
            assert search.score(picks) >= search.score(best) * (1 - 1e-9)
            for axis in ("latency", "energy", "cost"):
                assert search.value(picks, axis) <= search.value(best, axis) * (1 + SAME) + 1e-12
            plan = make_plan(made.workflow, goal, **made.arguments())
            assert what(plan) == (search.configurations(picks), search.reserved(picks))
            assert make_plan(made.workflow, goal, **made.arguments(), known=(plan,)) == plan
            assert plan.bound is None or abs(there) == pytest.approx(plan.bound)
            seen += picks != best
    assert seen


def test_a_large_space_is_looked_through_for_what_can_be_had_for_as_much():
    made, goal = video_world(cluster=cluster_of(32)), Goal(("energy",))
    search = prepare(made.workflow, **made.arguments(), effort=FEW).search
    best = search.best(goal)
    before = len(search.evaluations)
    found = looked(search, best, goal)
    picks = spared(search, found, goal)
    assert before < len(search.evaluations) <= before + FEW
    assert search.value(found, "energy") <= search.value(best, "energy")
    assert search.value(picks, "energy") <= search.value(found, "energy") * (1 + SAME)
    assert search.value(picks, "latency") < search.value(best, "latency") * 0.8
    told = given_up(search, picks, found, goal)[0]
    assert re.match(
        r"0\.\d % more energy( and \d+ more cores? reserved)? than the best plan found, for \d\d % less time",
        told,
    ), told


@pytest.mark.parametrize("goal", [Goal(("latency",)), Goal(("energy",)), Goal(("latency", "energy"))])
def test_a_wide_search_repeats_and_stays_close(goal):
    plan = plan_for(video_world(cluster=cluster_of(4)), goal)
    assert plan_for(video_world(cluster=cluster_of(4)), goal, known=(plan,)) == plan


def test_words():
    assert share_of(1.00004, 1.0) == "0.004 %"
    assert share_of(1.0084, 1.0) == "0.8 %"
    assert share_of(1.000000005, 1.0) == "less than 0.001 %"
    assert part_of("cost", 1.0, 8.0) == "1/8 of the cost"
    assert part_of("latency", 3.0, 4.0) == "25 % less time"
    assert part_of("cost", 0.0, 3.0) == "no cost"
