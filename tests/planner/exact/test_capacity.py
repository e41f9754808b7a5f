"""How much capacity would do, where an activity fits none or no other limit alone is to blame."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.planner.exact import cpsat
from murakkab_jupyter.planner.exact.capacity import feasible
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem, solve
from tests.planner.exact.oracle import best_of


def why_not(problem: Problem, objectives: tuple[str, ...] = ("latency",)) -> Infeasible:
    with pytest.raises(Infeasible) as caught:
        solve(problem, objectives)
    return caught.value


def test_the_capacity_that_is_offered_is_enough_for_every_activity():
    problem = Problem(
        [Activity("a", [Mode(1, {"gpu": 2})]), Activity("b", [Mode(1, {"gpu": 5})])], {"gpu": 1}
    )
    error = why_not(problem)
    assert (error.constraint, error.nearest, error.others, error.proven) == ("capacity:gpu", 5.0, (), True)
    assert "'b' needs 5 of gpu" in error.message
    assert solve(replace(problem, capacity={"gpu": 5})).makespan_s == 2.0


@pytest.mark.parametrize("solver", [True, False])
def test_the_capacity_that_is_offered_keeps_the_other_limits_and_one_less_does_not(
    solver: bool, monkeypatch: pytest.MonkeyPatch
):
    if not solver:
        monkeypatch.setattr(cpsat, "available", lambda: False)
    acts = [Activity(f"a{i}", [Mode(4, {"cpu": 2}), Mode(2, {"cpu": 3})]) for i in range(4)]
    problem = Problem(acts, {"cpu": 1}, deadline_s=4)
    error = why_not(problem)
    assert (error.constraint, error.nearest, error.others) == ("capacity:cpu", 6.0, ())
    assert best_of(replace(problem, capacity={"cpu": 6}), ("latency",)) == (4.0,)
    assert best_of(replace(problem, capacity={"cpu": 5}), ("latency",)) is None


def test_each_resource_that_alone_would_do_is_a_choice():
    error = why_not(
        Problem([Activity("a", [Mode(1, {"cpu": 6}), Mode(1, {"gpu": 2})])], {"cpu": 4, "gpu": 1})
    )
    assert error.choices == {"capacity:cpu": 6.0, "capacity:gpu": 2.0}
    assert error.constraint == "capacity:cpu"
    assert "Set the capacity of cpu to 6, or the capacity of gpu to 2." in str(error)


def test_capacities_that_must_grow_together_are_told_together():
    problem = Problem(
        [Activity("a", [Mode(1, {"cpu": 2, "gpu": 1})]), Activity("b", [Mode(1, {"gpu": 3})])],
        {"cpu": 1, "gpu": 0},
    )
    error = why_not(problem)
    assert {error.constraint, *error.others} == {"capacity:cpu", "capacity:gpu"}
    assert "Set the capacity of cpu to 2 and the capacity of gpu to 3." in str(error)
    assert error.together == {"capacity:cpu": 2.0, "capacity:gpu": 3.0}
    assert solve(replace(problem, capacity={"cpu": 2, "gpu": 3})).optimal


def test_a_limit_that_stands_in_the_way_beside_the_capacity_is_named_too():
    error = why_not(Problem([Activity("a", [Mode(9, {"cpu": 2})])], {"cpu": 1}, deadline_s=5))
    assert (error.constraint, error.nearest, error.others) == ("capacity:cpu", 2.0, ("deadline",))
    assert str(error).endswith("Set the capacity of cpu to 2. Then also the deadline to 9.")
    assert error.together == {"capacity:cpu": 2.0, "deadline": 9.0}
    assert error.choices == {"capacity:cpu": 2.0}


def test_a_capacity_is_blamed_where_no_other_limit_alone_would_do():
    """What fits is late and dear; what is soon and cheap fits only with one more, and a third for all at once."""
    modes = [Mode(9, {"cpu": 1}, {"usd": 5}), Mode(3, {"cpu": 2}, {"usd": 1})]
    problem = Problem([Activity(n, modes) for n in "ab"], {"cpu": 1}, {"usd": 4}, deadline_s=5)
    for limit in ({"deadline_s": None}, {"budgets": {}}, {"capacity": {"cpu": 3}}):
        assert best_of(replace(problem, **limit), ("latency",)) is None
    assert best_of(replace(problem, capacity={"cpu": 4}), ("latency",)) == (3.0,)
    error = why_not(problem)
    assert (error.choices, error.limit, error.others) == ({"capacity:cpu": 4.0}, 1.0, ())
    assert "with 1 of cpu" in error.message


def test_whether_a_schedule_keeps_all_limits_is_proven_either_way():
    problem = Problem([Activity(n, [Mode(3, {"cpu": 1})]) for n in "abcd"], {"cpu": 1}, deadline_s=6)
    assert feasible(replace(problem, capacity={"cpu": 2}), 1.0) is True
    assert feasible(problem, 1.0) is False
