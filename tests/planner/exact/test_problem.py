"""Bad problems are refused when they are stated, with words that say what is wrong."""

from __future__ import annotations

import math
import pickle

import pytest

from murakkab_jupyter.core.errors import InfeasibleError, UsageError
from murakkab_jupyter.planner.problem import Activity, BadProblem, Infeasible, Mode, Problem, solve

ONE = Mode(1.0)


def test_a_mode_has_the_stated_names_and_defaults():
    mode = Mode(2, {"cpu": 1})
    assert (mode.duration_s, mode.demand, mode.consumes, mode.quality) == (2.0, {"cpu": 1}, {}, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_figures_that_are_not_finite_are_refused_everywhere(bad: float):
    makers = [
        lambda: Mode(bad),
        lambda: Mode(1, {"cpu": bad}),
        lambda: Mode(1, {}, {"energy": bad}),
        lambda: Mode(1, quality=bad),
        lambda: Problem([Activity("a", [ONE])], {"cpu": bad}),
        lambda: Problem([Activity("a", [ONE])], {}, {"energy": bad}),
        lambda: Problem([Activity("a", [ONE])], deadline_s=bad),
        lambda: Problem([Activity("a", [ONE])], min_quality=bad),
    ]
    for make in makers:
        with pytest.raises(BadProblem, match="must be finite"):
            make()


def test_negative_figures_are_refused_everywhere():
    makers = [
        lambda: Mode(-1),
        lambda: Mode(1, {"cpu": -1}),
        lambda: Mode(1, {}, {"energy": -0.5}),
        lambda: Mode(1, quality=-0.1),
        lambda: Problem([Activity("a", [ONE])], {"cpu": -1}),
        lambda: Problem([Activity("a", [ONE])], {}, {"energy": -1}),
        lambda: Problem([Activity("a", [ONE])], deadline_s=-1),
        lambda: Problem([Activity("a", [ONE])], min_quality=-0.1),
        lambda: solve(Problem([Activity("a", [ONE])]), time_limit_s=-1),
    ]
    for make in makers:
        with pytest.raises(BadProblem, match="must not be negative"):
            make()


def test_only_limits_are_said_to_be_left_out():
    for make in (
        lambda: Mode(math.inf),
        lambda: solve(Problem([Activity("a", [ONE])]), time_limit_s=math.inf),
    ):
        with pytest.raises(BadProblem) as caught:
            make()
        assert "Leave" not in str(caught.value)
    with pytest.raises(BadProblem, match="Leave a limit out if there is none"):
        Problem([Activity("a", [ONE])], deadline_s=math.inf)


@pytest.mark.parametrize("value", [1e13, 10**400])
def test_huge_durations_are_refused(value: float):
    with pytest.raises(BadProblem, match="too large to be meant"):
        Mode(value)


def test_huge_consumption_is_refused():
    with pytest.raises(BadProblem, match="too large to be meant"):
        Mode(1, {}, {"energy": 1e300})


def test_a_quality_above_one_is_refused():
    with pytest.raises(BadProblem, match="share of one"):
        Mode(1, quality=1.2)
    with pytest.raises(BadProblem, match="share of one"):
        Problem([Activity("a", [ONE])], min_quality=80)


def test_half_a_processor_cannot_be_demanded():
    with pytest.raises(BadProblem, match="whole number"):
        Mode(1, {"cpu": 0.5})


@pytest.mark.parametrize("bad", ["3", None, True, [1], 1j])
def test_what_is_no_number_is_refused(bad: object):
    with pytest.raises(BadProblem, match="must be a number"):
        Mode(bad)


def test_names_of_objectives_cannot_be_consumed():
    with pytest.raises(BadProblem, match="objective of its own"):
        Mode(1, {}, {"latency": 1})


def test_demand_must_map_names():
    with pytest.raises(BadProblem, match="must map names"):
        Mode(1, ["cpu"])
    with pytest.raises(BadProblem, match="names are texts"):
        Mode(1, {3: 1})


def test_an_activity_without_modes_is_refused():
    with pytest.raises(BadProblem, match="'a' has no modes"):
        Activity("a", [])


def test_modes_and_predecessors_are_lists():
    with pytest.raises(BadProblem, match="must be a list"):
        Activity("a", [ONE], "b")
    with pytest.raises(BadProblem, match="must be a list"):
        Activity("a", ONE)
    with pytest.raises(BadProblem, match="must be Mode objects"):
        Activity("a", [3])


def test_an_activity_needs_a_name():
    with pytest.raises(BadProblem, match="name must be a text"):
        Activity("", [ONE])


def test_no_activities_are_refused():
    with pytest.raises(BadProblem, match="no activities"):
        Problem([])


def test_activities_are_a_list_of_activities():
    with pytest.raises(BadProblem, match="must be a list"):
        Problem({"a": 1})
    with pytest.raises(BadProblem, match="Activity objects"):
        Problem(["a"])


def test_two_activities_of_one_name_are_refused():
    with pytest.raises(BadProblem, match="Two activities are called 'a'"):
        Problem([Activity("a", [ONE]), Activity("a", [ONE])])


def test_an_unknown_predecessor_is_named():
    with pytest.raises(BadProblem, match="'b' comes after 'c', which there is not"):
        Problem([Activity("a", [ONE]), Activity("b", [ONE], ["c"])])


def test_a_circle_is_shown_in_its_order():
    with pytest.raises(
        BadProblem, match=r"in a circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)"
    ):
        Problem([Activity("a", [ONE], ["c"]), Activity("b", [ONE], ["a"]), Activity("c", [ONE], ["b"])])


def test_an_activity_cannot_wait_for_itself():
    with pytest.raises(BadProblem, match="circle: a -> a"):
        Problem([Activity("a", [ONE], ["a"])])


def test_a_chain_of_ten_thousand_has_no_circle():
    chain = [Activity("0", [ONE])] + [Activity(str(i), [ONE], [str(i - 1)]) for i in range(1, 10_000)]
    assert len(Problem(chain).activities) == 10_000


def test_a_resource_that_the_capacity_does_not_name_is_refused():
    with pytest.raises(BadProblem, match="demands 'gpu', of which the capacity says nothing"):
        Problem([Activity("a", [Mode(1, {"gpu": 1})])], {"cpu": 1})


def test_an_objective_that_nothing_consumes_is_refused():
    problem = Problem([Activity("a", [Mode(1, {}, {"energy": 1})])])
    with pytest.raises(BadProblem, match="Nothing consumes 'enrgy'") as caught:
        solve(problem, ("enrgy",))
    assert "energy" in str(caught.value)


def test_objectives_are_named_once_and_at_least_one():
    problem = Problem([Activity("a", [ONE])])
    with pytest.raises(BadProblem, match="twice"):
        solve(problem, ("latency", "latency"))
    with pytest.raises(BadProblem, match="no objective"):
        solve(problem, ())


@pytest.mark.parametrize("objectives", [None, 5, {"latency"}, {"latency": 1}, b"latency", iter(("latency",))])
def test_objectives_are_a_list(objectives: object):
    """A set has no order of priority."""
    with pytest.raises(BadProblem, match="must be a list of names in order of priority"):
        solve(Problem([Activity("a", [ONE])]), objectives)


def test_a_hint_is_a_solution():
    with pytest.raises(BadProblem, match="hint must be a Solution"):
        solve(Problem([Activity("a", [ONE])]), hint={"a": 0})


def test_only_a_problem_can_be_solved():
    with pytest.raises(BadProblem, match="needs a Problem"):
        solve([Activity("a", [ONE])])


def test_bad_problems_are_usage_errors_and_value_errors():
    assert issubclass(BadProblem, UsageError)
    assert issubclass(BadProblem, ValueError)


def test_no_capacity_for_what_is_needed_names_the_resource_and_what_would_do():
    problem = Problem([Activity("a", [Mode(1, {"gpu": 3}), Mode(1, {"gpu": 2})])], {"gpu": 0})
    with pytest.raises(Infeasible, match="needs 2 of gpu, and there are 0") as caught:
        solve(problem)
    assert (caught.value.constraint, caught.value.limit, caught.value.nearest) == ("capacity:gpu", 0.0, 2.0)


def test_infeasible_is_the_error_of_plans_and_survives_a_pickle():
    problem = Problem([Activity("a", [Mode(3)])], deadline_s=2)
    with pytest.raises(InfeasibleError) as caught:
        solve(problem)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.constraint, again.nearest, again.binding) == ("deadline", 3.0, "deadline")


def test_numbers_of_numpy_are_numbers():
    import numpy as np

    assert Mode(np.float64(1.5), {"cpu": np.int64(2)}, {"energy": np.float32(0.5)}).demand == {"cpu": 2}
