"""Bounds of plans with GPU servers: every plan of small random workflows is simulated, and no bound is beaten."""

import pytest

from murakkab_jupyter.planner.bound import prove
from murakkab_jupyter.planner.exact import cpsat
from murakkab_jupyter.planner.pose import gpu_cases
from murakkab_jupyter.planner.solve import make_plan, prepare
from tests.planner.gpu_worlds import gpu_world
from tests.planner.test_bound import best_of, goals_of, posed

LARGEST = 150
WORLDS = 14
SEARCHED = 4


def small_worlds(count, *, first=0):
    """Worlds that are small enough to be simulated whole, in some of whose plans GPUs are held."""
    seed = first
    while count:
        world = gpu_world(seed)
        problem = prepare(world.workflow, **world.arguments())
        if SEARCHED < problem.search.space <= LARGEST and problem.estimator.uses_gpus:
            count -= 1
            yield seed, world, problem
        seed += 1


@pytest.mark.parametrize("solver", [True, False], ids=["or-tools", "own"])
def test_no_simulated_plan_beats_a_bound(solver, monkeypatch):
    if not solver:
        monkeypatch.setattr(cpsat, "available", lambda: False)
    tried = held = 0
    for seed, world, problem in small_worlds(WORLDS if solver else WORLDS // 3):
        for goal in goals_of(problem):
            search, objective = problem.search, goal.objectives[0]
            best = best_of(search, goal)
            if best is None:
                continue
            tried += 1
            rich = posed(world, problem, goal)
            kept = [picks for picks in search.all() if not search.excess(picks, goal)]
            chosen = min(kept, key=lambda picks: search.value(picks, objective))
            held += bool(problem.estimator.gpus_held(chosen))
            for picks in (kept[0], kept[-1], chosen):
                value = prove(rich, objective, abs(search.value(picks, objective))).value
                if objective == "quality":
                    assert value >= -best * (1 - 1e-6), (seed, goal)
                else:
                    assert value <= best * (1 + 1e-6) + 1e-12, (seed, goal)
    assert tried > WORLDS
    assert held > tried // 6, "in too few worlds a plan with GPUs is best"


def test_most_plans_with_gpus_are_close_to_their_bound():
    gaps = []
    for seed, world, problem in small_worlds(WORLDS, first=700):
        for goal in goals_of(problem):
            best = best_of(problem.search, goal)
            if best is None:
                continue
            plan = make_plan(world.workflow, goal, **world.arguments(), effort=SEARCHED)
            value = plan.predicted[goal.objectives[0]].value
            assert plan.gap is not None
            if goal.objectives[0] == "quality":
                assert -best <= value + plan.gap + 1e-9, (seed, goal)
            else:
                assert best >= value * (1 - plan.gap) * (1 - 1e-6), (seed, goal)
            if any(one.configuration.gpus for one in plan.steps.values()):
                gaps.append(plan.gap)
    assert len(gaps) > WORLDS
    assert sorted(gaps)[len(gaps) // 2] < 0.1


def test_numbers_of_gpus_are_cases_only_where_they_cost_anything():
    gpus = {"a": [0, 1, 2], "b": [0, 4]}
    assert gpu_cases(gpus, 0, 5, told_apart=True) == [(0, 0), (1, 1), (2, 2), (4, 4), (5, 5)]
    assert gpu_cases(gpus, 1, 8, told_apart=True) == [(1, 1), (2, 2), (4, 4), (5, 5), (6, 6)]
    assert gpu_cases(gpus, 0, 8, told_apart=False) == [(0, 6)]
    many = gpu_cases({"a": list(range(40))}, 0, 100, told_apart=True)
    assert many[-1][1] == 39
    assert [low for low, _ in many[1:]] == [high + 1 for _, high in many[:-1]], "they leave no number out"
