"""The steady state as the exact problem: on random workflows whose every plan was simulated with arrivals, no bound is beaten."""

from dataclasses import replace

import pytest

from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.arriving import throughput
from murakkab_jupyter.planner.exact.problem import Undecided
from murakkab_jupyter.workflow.goal import OBJECTIVES, Goal
from murakkab_jupyter.workflow.model import Variable
from tests.planner.arriving.steady_worlds import goals_of, small_worlds, steady_of
from tests.planner.arriving.test_arrivals import plan_for
from tests.planner.gpu_worlds import gpu_world
from tests.planner.synthetic import Made, cluster_of, world_of
from tests.planner.worlds import random_world, unlike_world


@pytest.mark.parametrize(("made", "count"), [(random_world, 7), (unlike_world, 4), (gpu_world, 3)])
def test_no_plan_that_was_simulated_with_arrivals_beats_a_bound(made, count):
    tried = sharp = 0
    for seed, world, rate in small_worlds(count, made=made):
        steady = steady_of(world, rate)
        search = steady.search
        for goal in goals_of(steady, rate):
            objective = goal.objectives[0]
            kept = [picks for picks in search.all() if not search.excess(picks, goal)]
            bound = steady.posed(goal).best(objective).value
            if not kept:
                continue
            tried += 1
            best = min(search.value(picks, objective) for picks in kept)
            assert bound is not None, (seed, goal)
            if objective == "quality":
                assert bound >= -best * (1 - 1e-6), (seed, goal)
            else:
                assert bound <= best * (1 + 1e-6) + 1e-12, (seed, goal)
                sharp += bound >= 0.9 * best
    assert tried > 3 * count, "there were too few worlds to prove anything"
    assert sharp > tried / 4, "bounds as weak as these prove nothing"


def test_a_plan_is_no_farther_from_the_best_than_its_gap():
    proven = 0
    for seed, world, rate in small_worlds(3, first=300):
        whole = steady_of(world, rate).search
        for objective in OBJECTIVES:
            goal = Goal((objective,), 0.0, arrivals_per_s=rate, confidence=0.5)
            kept = [picks for picks in whole.all() if not whole.excess(picks, goal)]
            if not kept:
                continue
            best = abs(min(whole.value(picks, objective) for picks in kept))
            try:
                plan = plan_for(world, rate, objective, effort=3)
            except InfeasibleError:
                continue  # with so few replays it may not be found
            if plan.gap is None:
                continue
            proven += 1
            figure = {
                "latency": lambda plan: next(s.most for s in plan.rate.streams if s.kind == "poisson"),
                "energy": lambda plan: plan.rate.energy,
                "cost": lambda plan: plan.rate.cost,
                "quality": lambda plan: plan.predicted["quality"],
            }[objective](plan)
            if objective == "quality":
                assert best <= figure.value + plan.gap + 1e-9, seed
            else:
                assert plan.bound <= best * (1 + 1e-6), seed
                assert figure.value * (1 - plan.gap) == pytest.approx(plan.bound, rel=1e-6), seed
            assert ("Proven" in plan.proof) or ("Optimal" in plan.proof)
            assert "sustains the rate" in plan.proof
    assert proven >= 6


RENTED = HostPower(Figure(8.0, "W"), Figure(4.0, "W"), Figure(3.6, "USD/h"), unknown("USD/kWh"))


def chain(items=3, **world):
    agents = [Made("slow", "a", 1.0, max_cores=1), Made("quick", "b", 0.5, max_cores=1)]
    return world_of(
        {"a": ["data"], "b": ["a"]}, agents, items=items, cluster=cluster_of(8, power=RENTED), **world
    )


def test_an_hour_and_a_value_by_hand():
    least = steady_of(chain(), 0.9, wide=True).posed(Goal(("energy",), 0.0))
    # 1.5 core-seconds each 1.11 s want two cores of 8: 2 W idle, and 4 W for each CPU-second.
    assert least.best("energy").value == pytest.approx(3600 * (2.0 + 0.9 * 1.5 * 4.0), rel=1e-4)
    assert least.best("cost").value == pytest.approx(3.6 * 2 / 8, rel=1e-4)
    assert least.best("latency").value == pytest.approx(1.5, rel=1e-4)
    assert least.best("quality").value == pytest.approx(0.81, rel=1e-4)
    assert least.most_per_s() == pytest.approx(8 / 1.5, rel=1e-4)


def test_values_that_are_many_and_different_have_a_way_as_well():
    world = chain()
    world.roots = {"data": [f"text {n}" for n in range(12)]}
    least = steady_of(world, 0.9).posed(Goal(("latency",), 0.0))
    assert not least.alone
    assert least.best("latency").value == pytest.approx(1.5, rel=1e-4)


def test_what_is_done_once_for_all_values_is_no_stage():
    world = chain()
    first, second = world.workflow.steps
    world.workflow = replace(
        world.workflow,
        variables=(*world.workflow.variables, Variable("text", "text", ())),
        steps=(
            replace(first, at=(), inputs=(replace(first.inputs[0], source="text"),)),
            replace(second, inputs=(replace(first.inputs[0], source="data"), *second.inputs)),
        ),
    )
    world.roots = {**world.roots, "text": ["once"]}
    world.profiles.agents = {**world.profiles.agents, "slow": Made("slow", "a", 500.0, max_cores=1)}
    least = steady_of(world, 1.0, wide=True).posed(Goal(("energy",), 0.0))
    assert least.most_per_s() == pytest.approx(8 / 0.5, rel=1e-4)
    assert least.best("latency").value == pytest.approx(0.5, rel=1e-4)
    plan = plan_for(world, 3.0)
    assert plan.rate.slowest == "b"
    assert plan.rate.sustained.value == pytest.approx(4.0, rel=0.1)


def test_where_nothing_keeps_up_there_is_no_bound():
    steady = steady_of(chain(), 9.0)
    for objective in OBJECTIVES:
        assert steady.posed(Goal((objective,), 0.0)).best(objective).value is None


def test_a_deadline_or_a_budget_that_nothing_keeps_has_no_bound():
    steady = steady_of(chain(), 0.9)
    assert steady.posed(Goal(("cost",), 0.0, deadline_s=1.0)).best("cost").value is None
    assert steady.posed(Goal(("energy",), 0.0, budget_usd=0.5)).best("energy").value is None
    assert steady.posed(Goal(("energy",), 0.0, max_energy_j=100.0)).best("energy").value is None


def test_where_time_is_up_what_is_proven_counts(monkeypatch):
    least = steady_of(chain(), 0.9).posed(Goal(("energy",), 0.0))

    def undecided(*_):
        raise Undecided("time is up", bounds={"energy": 7.0})

    monkeypatch.setattr(throughput, "solve", undecided)
    assert least.best("energy").value == 7.0
    assert least.best("cost").value == 0.0
    assert least.best("quality").value == 1.0


def test_what_nothing_takes_any_of_is_bounded_by_nothing():
    world = chain()
    free = HostPower(Figure(0.0, "W"), Figure(0.0, "W"), unknown("USD/h"), Figure(0.2, "USD/kWh"))
    world.cluster = cluster_of(8, power=free)
    assert steady_of(world, 0.9).posed(Goal(("energy",), 0.0)).best("energy").value == 0.0


def test_more_items_than_are_walked_have_no_bound(monkeypatch):
    monkeypatch.setattr("murakkab_jupyter.planner.proofs.scenarios.MOST_VISITS", 10)
    steady = steady_of(chain(), 0.9)
    assert steady.least is None
    picks = steady.best(Goal(("cost",), 0.0, arrivals_per_s=0.9))
    steady.search.effort = 1
    assert steady.proven(picks, Goal(("cost",), 0.0, arrivals_per_s=0.9)) == (picks, None)


def test_runs_one_after_the_other_are_bounded_with_their_loading():
    world = chain()
    world.workflow = replace(
        world.workflow,
        variables=(Variable("data", "text", ()),),
        steps=tuple(replace(step, at=()) for step in world.workflow.steps),
    )
    world.roots = {"data": ["some text"]}
    steady = steady_of(world, 0.1)
    least = steady.posed(Goal(("energy",), 0.0))
    found = least.best("latency").value
    assert found >= 1.5
    goal = Goal(("latency",), 0.0, arrivals_per_s=0.1)
    assert found <= min(steady.search.value(picks, "latency") for picks in steady.search.all())
    assert least.best("energy").value <= min(
        steady.search.value(picks, "energy")
        for picks in steady.search.all()
        if not steady.search.excess(picks, goal)
    )
