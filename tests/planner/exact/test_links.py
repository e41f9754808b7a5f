"""Links say what every schedule keeps: with them the solver has the same optimum, and sees sooner what cannot be."""

from __future__ import annotations

import pytest

from murakkab_jupyter.planner.exact import cpsat, links, relax
from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.table import tabulate
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem
from tests.planner.exact.oracle import best_of, random_case

pytest.importorskip("ortools", reason="the extra `planner` is not installed")

CPU = {"cpu": 1}
BARRIERS = Problem(
    [
        Activity("a", [Mode(4, CPU)]),
        *(Activity(f"b{i}", [Mode(3, CPU), Mode(2, {"cpu": 2})], ["a"]) for i in range(3)),
        Activity("c", [Mode(5)], ["b0", "b1", "b2"]),
        Activity("d", [Mode(1, CPU)], ["c"]),
    ],
    {"cpu": 2},
)
"""Wide between narrow: while `a`, `c` and `d` run, cores lie idle."""


def test_links_are_what_comes_before_after_and_between():
    table = tabulate(BARRIERS)
    assert table.names == ("a", "b0", "b1", "b2", "c", "d")
    found = {(one.first, one.then, one.members) for one in links.links(table, 0)}
    assert found == {
        (None, 4, (0, 1, 2, 3)),
        (None, 5, (0, 1, 2, 3)),
        (0, None, (1, 2, 3, 5)),
        (0, 4, (1, 2, 3)),
        (0, 5, (1, 2, 3)),
    }


def test_the_relaxation_counts_capacity_that_lies_idle_in_narrow_parts(monkeypatch: pytest.MonkeyPatch):
    table = tabulate(BARRIERS)
    limits = Limits.of(table)
    linked = relax.relaxed(table, limits, -1)
    monkeypatch.setattr(links, "LINKED", 0)
    plain = relax.relaxed(table, limits, -1)
    assert best_of(BARRIERS, ("latency",)) == (15.0,)
    assert plain is not None
    assert linked is not None
    # 4 + 9/2 + 5 + 1, in whole seconds.
    assert plain.bound * table.quantum < linked.bound * table.quantum == 15


def test_many_activities_are_not_linked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(links, "LINKED", 5)
    assert list(links.links(tabulate(BARRIERS), 0)) == []


def test_with_links_the_solver_has_the_optimum_of_brute_force():
    linked = 0
    for seed in range(700, 960):
        problem, _, size = random_case(seed)
        if size == "six" or problem.budgets or problem.min_quality or problem.deadline_s is not None:
            continue
        try:
            table = tabulate(problem)
        except Infeasible:
            continue
        model = cpsat.Model(table, Limits.of(table), timed=True)
        model.add_links()
        outcome = model.minimise({-1: 1}, 60.0)
        best = best_of(problem, ("latency",))
        assert best is not None
        assert outcome.bound is not None
        assert float(outcome.bound * table.quantum) == pytest.approx(best[0], rel=1e-9), f"seed {seed}"
        linked += any(list(links.links(table, r)) for r in range(len(table.capacity)))
    assert linked > 15


def test_sums_too_large_for_the_solver_are_left_out():
    huge = 2**40
    acts = [
        Activity(f"a{i}", [Mode(1 + i / 3, {"bytes": huge - i})], [f"a{i - 1}"] if i else [])
        for i in range(4)
    ]
    table = tabulate(Problem(acts, {"bytes": huge}))
    model = cpsat.Model(table, Limits.of(table), timed=True)
    model.add_links()
    assert model.minimise({-1: 1}, 30.0).proven
