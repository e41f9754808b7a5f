"""The paper's program on instances small enough to work out by hand."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("ortools")

from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.planner.rivals.paper import SPARE, Arrivals, Served, Variant, solve_whole

SMALL = Served("small", "small", "A", 1, 1000.0, 0.1, 0.01, 300.0, 1.0)
LARGE = Served("large", "large", "B", 2, 800.0, 0.2, 0.02, 600.0, 4.0)
QUICK, GOOD = Variant("quick", "small", 0.6, 100.0), Variant("good", "large", 0.9, 100.0)
PLENTY = {"A": 100, "B": 100}


def asks(**limits) -> Arrivals:
    return Arrivals("qa", 20.0, 10.0, (QUICK, GOOD), **limits)


def test_the_least_energy_is_the_fewest_instances_of_the_frugal_model():
    found = solve_whole([asks()], [SMALL, LARGE], PLENTY)
    # 20 requests x 1.15 x 100 tokens = 2,300 tokens a second: three instances of 1,000.
    assert found.instances == {"small": math.ceil(20 * SPARE * 100 / 1000), "large": 0}
    assert found.watts == pytest.approx(3 * 300)
    assert found.usd_per_hour == pytest.approx(3.0)
    assert found.optimal


def test_an_accuracy_that_only_the_large_model_reaches_takes_it():
    found = solve_whole([asks(accuracy=0.8)], [SMALL, LARGE], PLENTY, objective="cost")
    assert found.instances == {"small": 0, "large": 3}
    assert found.gpus([SMALL, LARGE]) == 6
    assert found.accuracy == pytest.approx(0.9)


def test_two_workflows_share_instances():
    one = Arrivals("one", 4.0, 2.0, (QUICK,))
    two = Arrivals("two", 4.0, 2.0, (Variant("q", "small", 0.6, 100.0),))
    # 460 tokens a second each: an instance of its own for either, and one for both.
    assert [solve_whole([some], [SMALL], PLENTY).instances["small"] for some in (one, two)] == [1, 1]
    both = solve_whole([one, two], [SMALL], PLENTY)
    assert both.instances["small"] == 1
    assert set(both.shares) == {"one", "two"}


def test_the_best_accuracy_within_a_budget_is_a_mix():
    # Four instances of the large model would be all; the budget has room for fewer.
    found = solve_whole([asks()], [SMALL, LARGE], PLENTY, objective="accuracy", budget_usd_per_hour=18.0)
    assert found.usd_per_hour <= 18.0 + 1e-9
    assert 0.6 < found.accuracy <= 0.9
    assert found.instances["large"] == 2


def test_filters_that_nothing_passes_and_too_few_gpus_are_infeasible_and_say_which():
    with pytest.raises(InfeasibleError, match="keeps its deadline") as caught:
        solve_whole([asks(deadline_s=0.5)], [SMALL, LARGE], PLENTY)
    assert caught.value.binding == "filters of qa"
    with pytest.raises(InfeasibleError, match="do not suffice") as caught:
        solve_whole([asks()], [SMALL, LARGE], {"A": 1, "B": 1})
    assert caught.value.binding == "gpus"
