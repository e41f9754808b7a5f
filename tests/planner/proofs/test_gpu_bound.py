"""Bounds of plans with GPU servers: every plan of small random workflows is simulated, and no bound is beaten."""

import pytest

from murakkab_jupyter.planner.exact import cpsat
from murakkab_jupyter.planner.proofs.bound import prove
from murakkab_jupyter.planner.proofs.pose import gpu_cases
from murakkab_jupyter.planner.solve import make_plan
from tests.planner.gpu_worlds import gpu_world
from tests.planner.small import SEARCHED, judged, posed, small_worlds

WORLDS = 14


def gpu_worlds(count, *, first=0):
    """Small worlds in some of whose plans GPUs are held."""
    return small_worlds(
        count, first=first, made=gpu_world, largest=150, fits=lambda problem: problem.estimator.uses_gpus
    )


@pytest.mark.parametrize("solver", [True, False], ids=["or-tools", "own"])
def test_no_simulated_plan_beats_a_bound(solver, monkeypatch):
    if not solver:
        monkeypatch.setattr(cpsat, "available", lambda: False)
    tried = held = 0
    for seed, world, problem, goal, best in judged(gpu_worlds(WORLDS if solver else WORLDS // 3)):
        search, objective = problem.search, goal.objectives[0]
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
    for seed, world, _, goal, best in judged(gpu_worlds(WORLDS, first=700)):
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
