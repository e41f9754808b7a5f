"""Numbers that are equal, zero, tiny or huge are told apart and summed as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.planner.exact.check import faults_of
from murakkab_jupyter.planner.exact.table import tabulate
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem, solve
from tests.planner.exact.oracle import best_of, compare

pytest.importorskip("ortools", reason="the extra `planner` is not installed")


def test_sums_of_tenths_keep_a_limit_that_is_their_sum():
    chain = [
        Activity("a", [Mode(0.1, {}, {"usd": 0.1})]),
        Activity("b", [Mode(0.2, {}, {"usd": 0.2})], ["a"]),
    ]
    solution = solve(Problem(chain, {}, {"usd": 0.3}, 0.3), ("usd", "latency"))
    assert solution.optimal
    assert solve(Problem(chain, {}, {"usd": 0.1 + 0.2}, 0.1 + 0.2)).makespan_s == pytest.approx(0.3)
    with pytest.raises(Infeasible):
        solve(Problem(chain, {}, {}, 0.2999))


def test_equal_products_of_quality_are_equal_and_the_next_objective_decides():
    acts = [
        Activity("a", [Mode(9, quality=0.9), Mode(1, quality=0.6)]),
        Activity("b", [Mode(9, quality=0.4), Mode(1, quality=0.6)]),
    ]
    # 0.9 x 0.4 = 0.6 x 0.6, and floats do not agree; 0.9 x 0.6 is the best, so it is ruled out by a pairing.
    both = Problem(acts, deadline_s=20)
    assert solve(both, ("quality", "latency")).totals["quality"] == pytest.approx(0.54)
    exactly_equal = Problem([Activity("x", [Mode(9, quality=0.9 * 0.4), Mode(1, quality=0.6 * 0.6)])])
    assert solve(exactly_equal, ("quality", "latency")).makespan_s == 1.0


def test_a_quality_of_zero_is_the_worst_there_is_but_a_plan_all_the_same():
    acts = [
        Activity("a", [Mode(1, quality=0.0), Mode(9, quality=0.1)]),
        Activity("b", [Mode(1, quality=0.5)]),
    ]
    assert solve(Problem(acts), ("quality",)).totals["quality"] == pytest.approx(0.05)
    forced = Problem([*acts, Activity("c", [Mode(1, quality=0.0)])])
    solution = solve(forced, ("quality", "latency"))
    assert (solution.totals["quality"], solution.makespan_s, solution.optimal) == (0.0, 1.0, True)
    with pytest.raises(Infeasible) as caught:
        solve(replace(forced, min_quality=0.1))
    assert (caught.value.constraint, caught.value.nearest) == ("quality", 0.0)


def test_very_long_and_very_short_activities_stand_beside_each_other():
    acts = [
        Activity("long", [Mode(1e9, {"cpu": 1})]),
        Activity("short", [Mode(1e-3, {"cpu": 1})], ["long"]),
        Activity("odd", [Mode(1 / 3, {"cpu": 1})]),
    ]
    assert solve(Problem(acts, {"cpu": 1})).makespan_s == pytest.approx(1e9 + 1e-3 + 1 / 3, rel=1e-12)


def test_activities_of_no_length_hold_nothing():
    acts = [
        Activity("a", [Mode(2, {"cpu": 1})]),
        Activity("b", [Mode(0, {"cpu": 1})]),
        Activity("c", [Mode(0, {"cpu": 1})], ["b"]),
    ]
    assert solve(Problem(acts, {"cpu": 1})).makespan_s == 2.0


def test_of_equally_fast_plans_the_one_that_uses_less_is_taken():
    acts = [
        Activity("a", [Mode(2, {}, {"energy": 5}), Mode(2, {}, {"energy": 3})]),
        Activity("b", [Mode(4, {}, {"energy": 9})]),
    ]
    slack = Activity("c", [Mode(1, {}, {"energy": 8}), Mode(3, {}, {"energy": 1})])
    solution = solve(Problem([*acts, slack]))
    assert (solution.makespan_s, solution.totals["energy"]) == (4.0, 13.0)


@pytest.mark.parametrize(
    ("modes", "objectives", "best"),
    [
        ([Mode(1, {}, {"wh": 1e12}), Mode(1, {}, {"wh": 3e-9}), Mode(1, {}, {"wh": 1e-9})], ("wh",), 1e-9),
        ([Mode(1e9), Mode(3e-9), Mode(1e-9)], ("latency",), 1e-9),
        (
            [Mode(1e11, {}, {"wh": 0.0}), Mode(2e-9, {}, {"wh": 0.0}), Mode(0, {}, {"wh": 3.3})],
            ("latency", "wh"),
            0,
        ),
    ],
)
def test_a_small_best_is_told_from_its_neighbours_beside_huge_modes(modes, objectives, best):
    problem = Problem([Activity("a", modes)])
    solution = solve(problem, objectives)
    assert solution.totals[objectives[0]] == best == best_of(problem, objectives)[0]
    assert (solution.optimal, solution.lower_bound) == (True, best)


@pytest.mark.parametrize("small", [1e-9, 5e-324])
def test_limits_far_above_all_that_can_be_reached_bind_nothing(small: float):
    modes = [Mode(small, {"cpu": 1}, {"usd": small}), Mode(small * 3, {"cpu": 1}, {"usd": small * 2})]
    problem = Problem([Activity(n, modes) for n in "ab"], {"cpu": 1}, {"usd": 1e15}, deadline_s=1e12)
    for objectives in (("latency", "usd"), ("usd",), ("quality",)):
        solution = solve(problem, objectives)
        assert (solution.optimal, solution.binding[1:], faults_of(problem, solution)) == (True, (), [])
    assert solve(problem, ("usd",)).totals["usd"] == 2 * small


def test_a_limit_is_binding_too_where_all_plans_within_it_have_quality_zero():
    modes = [Mode(1, {}, {"usd": 1}, 0.0), Mode(1, {}, {"usd": 9}, 0.9)]
    solution = solve(Problem([Activity("a", modes)], budgets={"usd": 2}), ("quality",))
    assert (solution.totals["quality"], solution.binding) == (0.0, ("budget:usd",))


def test_of_plans_of_quality_zero_the_old_one_is_kept_where_it_is_better_in_the_next_objective():
    acts = [
        Activity("a", [Mode(1, {}, {}, 0.0)]),
        Activity("b", [Mode(2, {}, {}, 0.5), Mode(9, {}, {}, 0.9)]),
    ]
    problem = Problem(acts)
    old = solve(problem, ("quality", "latency"))
    assert solve(problem, ("quality", "latency"), 0.0, hint=old).makespan_s == old.makespan_s == 2.0


def test_an_old_plan_that_is_better_by_less_than_a_unit_is_kept_where_time_is_too_short_to_tell():
    modes = [Mode(1, {}, {"usd": 1e12}), Mode(1, {}, {"usd": 1e-9}, 0.9), Mode(1, {}, {"usd": 0.0}, 0.5)]
    problem = Problem([Activity("a", modes)])
    old = solve(problem, ("usd", "quality"))
    assert old.totals["usd"] == 0.0
    assert solve(problem, ("usd", "quality"), 0.0, hint=old).mode == old.mode


def test_a_budget_for_what_nothing_consumes_is_kept():
    assert solve(Problem([Activity("a", [Mode(1)])], {}, {"usd": 0})).optimal


def test_an_empty_capacity_means_no_resources_at_all():
    assert solve(Problem([Activity(n, [Mode(1)]) for n in "ab"])).makespan_s == 1.0


def test_memory_may_be_said_in_bytes():
    gigabyte = 10**9
    acts = [Activity(f"a{i}", [Mode(1 + i / 3, {"bytes": (3 + i) * gigabyte})]) for i in range(4)]
    problem = Problem(acts, {"bytes": 8 * gigabyte})
    solution = solve(problem)
    assert compare(problem, ("latency",), solution) == []
    assert solution.binding == ("capacity:bytes",)
    assert tabulate(problem).capacity == (8,)
