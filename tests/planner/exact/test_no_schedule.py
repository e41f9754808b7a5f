"""That there is no schedule: the limits that are named, what is offered instead, and what it rests on."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import replace

import pytest

from murakkab_jupyter.planner.exact import cpsat, hunt
from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.check import faults_of
from murakkab_jupyter.planner.exact.clock import Clock
from murakkab_jupyter.planner.exact.hunt import Hunt
from murakkab_jupyter.planner.exact.infeasible import explain_infeasible
from murakkab_jupyter.planner.exact.problem import Faulty
from murakkab_jupyter.planner.exact.start import Draft, draft
from murakkab_jupyter.planner.exact.table import Table, tabulate
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem, solve
from tests.planner.exact.liar import LIAR

pytest.importorskip("ortools", reason="the extra `planner` is not installed")


def test_limits_whose_sums_cannot_be_kept_are_proven_so_at_once():
    """Every step alone could be done in time and well enough: that all cannot only their sum shows."""
    acts = [
        Activity(f"a{i:02}", [Mode(2 + k, {"cpu": 1 + k % 2}, {}, 0.5 + 0.04 * k) for k in range(12)])
        for i in range(40)
    ]
    problem = Problem(acts, {"cpu": 2}, {}, 110.0, 0.72**40)
    began = time.monotonic()
    with pytest.raises(Infeasible) as caught:
        solve(problem, ("latency",), 60.0)
    assert time.monotonic() - began < 30.0  # half a second where nothing else is at work
    assert caught.value.constraint in ("deadline", "quality")


def test_contradictory_limits_name_one_and_say_that_the_other_must_move_too():
    problem = Problem([Activity("a", [Mode(5, {}, {"usd": 5}, 0.5)])], {}, {"usd": 1}, 2.0, 0.9)
    with pytest.raises(Infeasible) as caught:
        solve(problem)
    error = caught.value
    assert {error.constraint, *error.others} == {"deadline", "quality", "budget:usd"}
    assert error.nearest == {"deadline": 5.0, "quality": 0.5, "budget:usd": 5.0}[error.constraint]


def test_limits_that_must_move_together_are_offered_at_values_that_do():
    """The deadline can be kept; it is not blamed for what it could be without the others."""
    listen = Activity("listen", [Mode(3, {}, {"usd": 4}, 0.8), Mode(9, {}, {"usd": 1}, 0.9)])
    problem = Problem([listen], {}, {"usd": 2}, deadline_s=5, min_quality=0.95)
    with pytest.raises(Infeasible) as caught:
        solve(problem)
    error = caught.value
    assert (error.constraint, error.nearest, error.others) == ("quality", 0.8, ("budget:usd",))
    assert "Set the least quality to 0.8. Then also the budget of usd to 4." in str(error)
    assert error.together == {"quality": 0.8, "budget:usd": 4.0}
    assert solve(replace(problem, min_quality=0.8, budgets={"usd": 4})).makespan_s == 3.0


@pytest.mark.parametrize("usd", [1.4917429521, 1.0135606234148287e-05, 20289069.3449, 3.0000001, 0.1 + 0.2])
def test_a_value_as_it_is_offered_in_words_does(usd: float):
    """Rounded to the nearest nine digits most would be too little by more than the tolerance."""
    problem = Problem([Activity("a", [Mode(1, {}, {"usd": usd}, 0.1234567898)])], {}, {"usd": usd / 2})
    with pytest.raises(Infeasible) as caught:
        solve(problem)
    offered = re.search(r"Set the budget of usd to (\S+)\.$", str(caught.value))
    assert offered
    assert solve(replace(problem, budgets={"usd": float(offered[1])})).optimal
    with pytest.raises(Infeasible) as caught:
        solve(replace(problem, budgets={}, min_quality=0.5))
    assert str(caught.value).endswith("Set the least quality to 0.123456789.")
    assert solve(replace(problem, budgets={}, min_quality=0.123456789)).optimal


def test_a_limit_that_is_missed_by_little_is_told_apart_from_what_it_misses():
    with pytest.raises(Infeasible, match=r"the deadline 2\.999997: the lowest possible is 3\."):
        solve(Problem([Activity("a", [Mode(3)])], {}, deadline_s=2.999997))


def test_a_budget_that_nothing_consumes_is_never_to_blame():
    with pytest.raises(Infeasible) as caught:
        solve(Problem([Activity("a", [Mode(3)])], budgets={"ghost": 0.0}, deadline_s=2))
    assert caught.value.choices == {"deadline": 3.0}


def claimed(problem: Problem) -> Hunt:
    """A hunt that has no plan yet, of which the solver says that there is none."""
    made = Hunt(tabulate(problem), ("latency",), Clock(60.0, None))
    made.best = None
    return made


def test_that_there_is_no_schedule_is_looked_into_by_a_search_of_our_own(monkeypatch: pytest.MonkeyPatch):
    false = claimed(replace(LIAR, deadline_s=14.0))
    false.rule_out()
    assert false.held is not None, "a schedule is worth more than a certificate"
    with pytest.raises(hunt.Impossible) as caught:
        claimed(replace(LIAR, deadline_s=13.0)).rule_out()
    assert caught.value.proof == "two"
    monkeypatch.setattr(hunt, "CHECK_NODES", 1)
    with pytest.raises(hunt.Impossible) as caught:
        claimed(replace(LIAR, deadline_s=13.0)).rule_out()
    assert caught.value.proof == "forms"
    monkeypatch.setattr(hunt, "ANEW", 0.0)
    with pytest.raises(hunt.Impossible) as caught:
        claimed(replace(LIAR, deadline_s=13.0)).rule_out()
    assert caught.value.proof == "solver"


@pytest.mark.parametrize("form", ["own", "variable"])
def test_where_our_own_search_gives_up_the_solver_is_asked_in_another_formulation(
    form: str, monkeypatch: pytest.MonkeyPatch
):
    """A fake solver that finds nothing in the form which is asked first."""
    real = cpsat.Model.minimise

    def blind(self: cpsat.Model, *args: object, **options: object) -> cpsat.Outcome:
        told = real(self, *args, **options)
        nothing = replace(told, picks=None, starts=None, bound=None, proven=False, impossible=True)
        return nothing if self.form == form else told

    monkeypatch.setattr(cpsat, "FORM", form)
    monkeypatch.setattr(cpsat.Model, "minimise", blind)
    monkeypatch.setattr(Hunt, "search", lambda *_: "unknown")
    hunting = claimed(replace(LIAR, deadline_s=14.0))
    hunting.rule_out()
    assert hunting.held is not None
    monkeypatch.setattr(hunt, "begin", lambda table, limits, wanted, **_: worst(table, limits, wanted))
    monkeypatch.setattr(hunt, "improve", lambda table, limits, wanted, best, **_: best)
    solution = solve(replace(LIAR, deadline_s=14.0), time_limit_s=60.0)
    assert (solution.makespan_s, faults_of(replace(LIAR, deadline_s=14.0), solution)) == (14.0, [])


def worst(table: Table, limits: Limits, wanted: list[int]) -> Draft:
    """A plan that misses limits: one activity after another."""
    picks = tuple(0 for _ in table.choices)
    ends = list(itertools.accumulate(some[0].duration for some in table.choices))
    return draft(table, limits, wanted, picks, [0, *ends[:-1]])


def test_where_only_sums_contradict_each_other_the_solver_is_asked_without_its_simplifications(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(Hunt, "search", lambda *_: "unknown")
    ways = [Mode(1, {}, {"usd": 2, "tokens": 9}), Mode(2, {}, {"usd": 9, "tokens": 2})]
    problem = Problem([Activity(f"a{i}", ways) for i in range(5)], {}, {"usd": 27, "tokens": 27})
    with pytest.raises(Infeasible) as caught:
        solve(problem, time_limit_s=60.0)
    assert (caught.value.proof, caught.value.choices) == (
        "forms",
        {"budget:usd": 31.0, "budget:tokens": 31.0},
    )


def test_where_modes_have_no_choice_the_solver_is_asked_without_its_simplifications(
    monkeypatch: pytest.MonkeyPatch,
):
    """Both formulations are the same model there."""
    real = cpsat.Model.minimise
    asked: list[object] = []

    def heard(self: cpsat.Model, *args: object, **options: object) -> cpsat.Outcome:
        asked.append(options.get("params"))
        return real(self, *args, **options)

    monkeypatch.setattr(cpsat.Model, "minimise", heard)
    hunting = claimed(
        Problem([Activity(f"a{i}", [Mode(3, {"cores": 2})]) for i in range(4)], {"cores": 3}, deadline_s=11.0)
    )
    assert hunting.asked_anew() == "forms"
    assert asked == [{"cp_model_presolve": False}]


def test_infeasible_says_what_it_rests_on(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(Infeasible) as caught:
        solve(replace(LIAR, deadline_s=1.0), time_limit_s=60.0)
    assert caught.value.proof == "bound"
    with pytest.raises(Infeasible) as caught:
        solve(replace(LIAR, deadline_s=13.0), time_limit_s=60.0)
    assert caught.value.proof in {"two", "search"}
    assert "certificate" not in str(caught.value)
    monkeypatch.setattr(Hunt, "search", lambda *_: "unknown")
    with pytest.raises(Infeasible) as caught:
        solve(replace(LIAR, deadline_s=13.0), time_limit_s=60.0)
    assert caught.value.proof == "forms"
    assert "certificate" not in str(caught.value)
    monkeypatch.setattr(hunt, "ANEW", 0.0)
    with pytest.raises(
        Infeasible, match="That there is none rests on the solver's certificate alone"
    ) as caught:
        solve(replace(LIAR, deadline_s=13.0), time_limit_s=60.0)
    assert caught.value.proof == "solver"


def test_no_limit_is_blamed_that_a_schedule_keeps():
    with pytest.raises(Faulty, match="no schedule was said to keep the limits, and there is one"):
        explain_infeasible(replace(LIAR, deadline_s=14.0), 10.0)
