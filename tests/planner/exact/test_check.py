"""The checker finds every kind of broken rule: each test breaks one thing in a schedule that is right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.planner.exact import hunt
from murakkab_jupyter.planner.exact.check import faults, faults_of
from murakkab_jupyter.planner.exact.solve import Faulty
from murakkab_jupyter.planner.problem import Activity, Mode, Problem, solve

PROBLEM = Problem(
    [
        Activity("a", [Mode(0.1, {"cpu": 1}, {"energy": 0.1}, 0.9), Mode(5, {"cpu": 2}, {"energy": 1})]),
        Activity("b", [Mode(0.2, {"cpu": 2}, {"energy": 0.2}, 0.8)], ["a"]),
        Activity("c", [Mode(0.3, {"cpu": 1})]),
    ],
    {"cpu": 2},
    budgets={"energy": 0.3},
    deadline_s=0.6,
    min_quality=0.72,
)
START = {"a": 0.0, "b": 0.3, "c": 0.0}
MODE = {"a": 0, "b": 0, "c": 0}


def test_a_right_schedule_has_no_faults():
    assert faults(PROBLEM, START, MODE) == []


@pytest.mark.parametrize(
    ("start", "mode", "words"),
    [
        ({**START, "b": 0.05}, MODE, "b starts at 0.05, before a ends at 0.1"),
        ({**START, "b": 0.299}, MODE, "3 of cpu are held at 0.299, of which there are 2"),
        ({**START, "b": 0.41}, MODE, "after the deadline"),
        ({**START, "c": -1.0}, MODE, "c starts at -1.0"),
        ({**START, "c": float("nan")}, MODE, "c starts at nan"),
        (START, {**MODE, "c": 1}, "c has no mode 1"),
        ({"a": 0.0}, MODE, "exactly the problem's activities"),
    ],
)
def test_a_broken_rule_is_found(start: dict, mode: dict, words: str):
    found = faults(PROBLEM, start, mode)
    assert any(words in one for one in found), found


def test_more_than_a_budget_and_less_than_the_quality_are_found():
    tight = replace(PROBLEM, budgets={"energy": 0.29}, min_quality=0.73)
    assert [one.split(",")[0] for one in faults(tight, START, MODE)] == [
        "it consumes 0.3 of energy",
        "its quality is 0.72",
    ]


def test_one_that_holds_more_than_there_is_is_found_even_alone():
    alone = Problem([Activity("a", [Mode(5, {"cpu": 2})])], {"cpu": 1})
    assert faults(alone, {"a": 0.0}, {"a": 0}) == ["a holds 2 of cpu, of which there are 1"]


def test_activities_may_follow_each_other_at_the_same_instant():
    problem = Problem([Activity(n, [Mode(0.1, {"cpu": 1})]) for n in "xyz"], {"cpu": 1})
    assert faults(problem, {"x": 0.0, "y": 0.1, "z": 0.2}, dict.fromkeys("xyz", 0)) == []
    assert faults(problem, {"x": 0.0, "y": 0.1, "z": 0.199}, dict.fromkeys("xyz", 0)) != []


def test_false_figures_are_found():
    good = solve(PROBLEM, ("energy",))
    assert faults_of(PROBLEM, good) == []
    assert "makespan_s" in faults_of(PROBLEM, replace(good, makespan_s=0.4))[0]
    assert "totals[energy]" in faults_of(PROBLEM, replace(good, totals={**good.totals, "energy": 0.31}))[0]
    assert "totals[quality]" in faults_of(PROBLEM, replace(good, totals={**good.totals, "quality": 1.0}))[0]
    assert (
        "totals[energy]"
        in faults_of(PROBLEM, replace(good, totals={"latency": good.makespan_s, "quality": 0.72}))[0]
    )
    assert "nothing consumes" in faults_of(PROBLEM, replace(good, totals={**good.totals, "usd": 1.0}))[0]
    assert "the bound of energy" in faults_of(PROBLEM, replace(good, bounds={"energy": 0.4}))[0]


def test_a_quality_less_than_a_float_can_say_is_no_fault():
    faint = Problem([Activity(f"a{n}", [Mode(1, quality=1e-9)]) for n in range(40)])
    assert solve(faint, ("quality",)).totals["quality"] == 0.0


def test_a_schedule_that_fails_the_check_is_never_returned(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        hunt.Hunt, "solution", lambda self, real=hunt.Hunt.solution: replace(real(self), makespan_s=0.0)
    )
    with pytest.raises(Faulty, match="breaks a rule: makespan_s"):
        solve(PROBLEM)
