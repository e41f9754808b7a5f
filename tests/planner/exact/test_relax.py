"""The linear relaxation bounds every plan, whatever multipliers it is given, and rules out only what cannot be."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from murakkab_jupyter.planner.exact.branch import Branch, Limits, OutOfNodes
from murakkab_jupyter.planner.exact.relax import Program, duration, relaxed, strained
from murakkab_jupyter.planner.exact.table import Table, tabulate
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem
from tests.planner.exact.oracle import best_of, random_case

pytest.importorskip("ortools", reason="the extra `planner` is not installed")


def tables(count: int) -> list[tuple[Problem, Table]]:
    found = []
    for seed in range(count):
        problem, _, size = random_case(seed)
        if size == "six":
            continue
        try:
            table = tabulate(problem)
        except Infeasible:
            continue
        if not table.hopeless:
            found.append((problem, table))
    return found


def optimum(problem: Problem, table: Table, meter: int) -> Fraction | None:
    """By brute force, in the table's units; quality is left out, as its units are logarithms."""
    name = "latency" if meter < 0 else table.meters[meter].name
    best = best_of(problem, (name,))
    if best is None:
        return None
    unit = table.quantum if meter < 0 else (table.meters[meter].unit or Fraction(1))
    return Fraction(best[0]) / unit


def test_no_plan_has_less_than_the_relaxation_says():
    compared = tight = 0
    for problem, table in tables(120):
        limits = Limits.of(table)
        meters = [-1, *(m for m, one in enumerate(table.meters) if one.name != "quality")]
        for meter in meters:
            best = optimum(problem, table, meter)
            found = relaxed(table, limits, meter)
            if best is None or found is None:
                continue
            compared += 1
            slack = table.slack if meter < 0 else table.meters[meter].slack
            assert found.bound - slack <= best * (1 + Fraction(1, 10**9)), (problem, meter)
            tight += found.value >= float(best) * 0.9
    assert compared > 150
    assert tight > compared / 3


def test_bad_multipliers_make_a_bound_weak_but_never_wrong():
    rng = random.Random(7)
    for problem, table in tables(40):
        best = optimum(problem, table, -1)
        if best is None:
            continue
        program = Program(table, Limits.of(table), timed=True, strain=False)
        for _ in range(5):
            duals = [rng.choice((0.0, rng.expovariate(3.0))) for _ in program.rows]
            _, bound, _ = program.bound(None, program.time, max(1, table.horizon), duals)
            assert bound - table.slack <= best * (1 + Fraction(1, 10**9))


def test_only_what_cannot_be_is_ruled_out():
    impossible = ruled = 0
    for problem, table in tables(250):
        feasible = best_of(problem, ("latency",)) is not None
        found = strained(table, Limits.of(table))
        impossible += not feasible
        if found is not None and found.bound > 0:
            ruled += 1
            assert not feasible
    assert impossible >= 10
    assert ruled >= impossible / 3


def test_work_that_fits_one_by_one_but_not_together_is_ruled_out():
    """Cheap modes are slow and good ones dear: only their sums show that no plan keeps deadline, budget and quality."""
    acts = [
        Activity(f"a{i}", [Mode(10, {"cpu": 1}, {"usd": 1}, 0.9), Mode(2, {"cpu": 1}, {"usd": 9}, 0.9)])
        for i in range(6)
    ]
    table = tabulate(Problem(acts, {"cpu": 1}, {"usd": 30}, 30.0))
    found = strained(table, Limits.of(table))
    assert found is not None
    assert found.bound > 0
    with pytest.raises(OutOfNodes):
        Branch(table, Limits.of(table), nodes=3, prefer=-1).find()


def test_the_shares_of_a_chain_without_limits_are_its_shortest_modes():
    acts = [
        Activity("a", [Mode(3), Mode(5, quality=0.5)]),
        Activity("b", [Mode(4, {}, {"usd": 1}), Mode(2, {}, {"usd": 2})], ["a"]),
    ]
    table = tabulate(Problem(acts))
    found = relaxed(table, Limits.of(table), -1)
    assert found is not None
    assert found.bound * table.quantum == 5
    for some, shares in zip(table.choices, found.shares, strict=True):
        shortest = min(range(len(some)), key=lambda k: duration(some[k]))
        assert shares[shortest] == pytest.approx(1.0)
