"""Exactness: equal to brute force, honest bounds, relaxing never hurts, the same answer every time.

A few hundred random instances run here; `python benchmarks/planner.py exactness --count 5000` runs thousands.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.planner.exact import cpsat, hunt
from murakkab_jupyter.planner.exact.around import Around
from murakkab_jupyter.planner.exact.check import faults_of
from murakkab_jupyter.planner.exact.infeasible import without
from murakkab_jupyter.planner.exact.start import Draft
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem, Solution, solve
from tests.planner.exact.liar import LIAR
from tests.planner.exact.oracle import best_of, compare, layered, random_case

pytest.importorskip("ortools", reason="the extra `planner` is not installed")


NEIGHBOURHOODS = 40
"""Visited at a time where all that large problems go through is tried on tiny ones."""


def outcome(problem: Problem, objectives: tuple[str, ...], **options: object) -> Solution | Infeasible:
    try:
        return solve(problem, objectives, 30.0, **options)
    except Infeasible as error:
        return error


@pytest.mark.parametrize("block", range(10))
def test_random_problems_are_solved_as_by_brute_force(block: int):
    for seed in range(block * 30, block * 30 + 30):
        problem, objectives, size = random_case(seed)
        if size == "six":
            continue  # brute force takes seconds for these; the benchmark does not leave them out
        assert compare(problem, objectives, outcome(problem, objectives)) == [], f"seed {seed}"


def test_six_activities_with_six_modes_are_solved_as_by_brute_force():
    problem, objectives, size = random_case(17)
    seed = 17
    while size != "six":
        seed += 1
        problem, objectives, size = random_case(seed)
    assert compare(problem, objectives, outcome(problem, objectives)) == [], f"seed {seed}"


@pytest.mark.parametrize("form", ["own", "variable"])
def test_the_instance_that_a_release_of_the_solver_gets_wrong_is_right_here(
    form: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cpsat, "FORM", form)
    solution = solve(LIAR)
    assert (solution.makespan_s, solution.optimal, solution.lower_bound) == (14.0, True, 14.0)


def test_a_certificate_that_lies_is_overruled(monkeypatch: pytest.MonkeyPatch):
    """A fake solver that certifies 15 where 14 is the optimum, as a real release did."""
    real = cpsat.Model.minimise

    def lie(self: cpsat.Model, weights: object, seconds: float, **options: object) -> cpsat.Outcome:
        told = real(self, weights, seconds, **options)
        return replace(told, picks=None, starts=None, bound=15, proven=True)

    monkeypatch.setattr(cpsat.Model, "minimise", lie)
    monkeypatch.setattr(
        hunt, "begin", lambda table, limits, wanted, **_: hunt.draft(table, limits, wanted, (0, 0, 1, 0))
    )
    monkeypatch.setattr(hunt, "improve", lambda table, limits, wanted, best, **_: best)
    problem = replace(
        LIAR, activities=[*LIAR.activities[:3], replace(LIAR.activities[3], modes=(Mode(3, {"cpu": 2}),))]
    )
    assert best_of(problem, ("latency",)) == (14.0,)
    solution = solve(problem, time_limit_s=60.0)  # on a busy machine the import alone may take seconds
    assert (solution.makespan_s, solution.optimal, solution.lower_bound) == (14.0, True, 14.0)
    assert solution.proof == "overruled"


def test_a_claim_that_nothing_is_feasible_is_overruled(monkeypatch: pytest.MonkeyPatch):
    """A fake solver that calls everything infeasible."""
    nothing = cpsat.Outcome(None, None, None, proven=False, impossible=True, stopped=False)
    monkeypatch.setattr(cpsat.Model, "minimise", lambda *_, **__: nothing)
    solution = solve(replace(LIAR, deadline_s=14), time_limit_s=60.0)
    assert (solution.makespan_s, solution.optimal) == (14.0, True)


def test_small_certificates_are_confirmed_by_a_search_of_our_own():
    proofs = set()
    for seed in range(60):
        problem, objectives, size = random_case(seed)
        answer = outcome(problem, objectives)
        if size == "tiny" and isinstance(answer, Solution):
            proofs.add(answer.proof)
    assert proofs <= {"two", "bound", "search"}
    assert "two" in proofs


def test_without_the_solver_small_problems_are_still_exact(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpsat, "available", lambda: False)
    for seed in range(60):
        problem, objectives, size = random_case(seed)
        if size == "tiny":
            answer = outcome(problem, objectives)
            assert compare(problem, objectives, answer) == [], f"seed {seed}"


@pytest.mark.parametrize("large", [False, True])
def test_what_large_problems_go_through_is_exact_on_small_ones(large: bool, monkeypatch: pytest.MonkeyPatch):
    """The linear relaxation, plans from it, links, the way to the deadline, and (where large) neighbourhoods first."""
    patched = {"LINEAR": 0, "LINEAR_S": 0.0, "PATIENCE": 0, "LARGE": 0 if large else hunt.LARGE}
    for name, value in patched.items():
        monkeypatch.setattr(hunt, name, value)
    # Nothing to begin with, so that these have something to do.
    monkeypatch.setattr(hunt, "improve", lambda table, limits, wanted, best, **_: best)
    around, visited = Around.improve, []

    def some(self: Around, *given: Any, seconds: Callable[[], float], **more: Any) -> Draft:
        """So many neighbourhoods instead of seconds: of three activities, all of them are seen in a few."""
        turns = self.turn + NEIGHBOURHOODS
        visited.append(self)
        return around(self, *given, seconds=lambda: seconds() if self.turn < turns else 0.0, **more)

    monkeypatch.setattr(Around, "improve", some)
    for seed in range(300, 345):
        problem, objectives, size = random_case(seed)
        if size == "tiny":
            assert compare(problem, objectives, outcome(problem, objectives)) == [], f"seed {seed}"
    assert any(one.turn >= NEIGHBOURHOODS for one in visited) == large


def test_where_no_plan_is_at_hand_the_solver_is_asked_for_any_before_the_best(
    monkeypatch: pytest.MonkeyPatch,
):
    """With everything else silenced: it finds the only plan, and proves where there is none."""
    for name, value in {"LINEAR": 0, "PATIENCE": 0}.items():
        monkeypatch.setattr(hunt, name, value)
    bad = lambda table, limits, wanted, *_, **__: hunt.draft(table, limits, wanted, (0,) * len(table.choices))  # noqa: E731
    for name in ("begin", "improve", "guided"):
        monkeypatch.setattr(hunt, name, bad)
    monkeypatch.setattr(hunt.Hunt, "linear", False)
    asked = []
    real = hunt.Hunt.decide
    monkeypatch.setattr(hunt.Hunt, "decide", lambda self: (asked.append(1), real(self)))
    acts = [
        Activity(f"a{i}", [Mode(4, {"cpu": 1}, {"usd": 1}), Mode(2, {"cpu": 1}, {"usd": 3})])
        for i in range(3)
    ]
    solution = solve(Problem(acts, {"cpu": 1}, {"usd": 7}, 8.0), ("usd",), 60.0)
    assert (solution.totals["usd"], solution.makespan_s) == (7.0, 8.0)
    assert asked == [1]
    with pytest.raises(Infeasible) as caught:
        solve(Problem(acts, {"cpu": 1}, {"usd": 6}, 8.0), ("usd",), 60.0)
    assert caught.value.constraint in ("deadline", "budget:usd")


def test_infeasible_names_the_nearest_value_of_each_limit_that_alone_would_do():
    told = 0
    for seed in range(200):
        problem, objectives, size = random_case(seed)
        answer = outcome(problem, objectives)
        if size == "six" or not isinstance(answer, Infeasible) or answer.constraint.startswith("capacity"):
            continue
        told += 1
        assert answer.proven
        for limit, value in answer.choices.items():
            bare = without(problem, limit)
            if answer.others:
                for other in answer.others:
                    bare = without(bare, other)
            name = {"deadline": "latency"}.get(limit, limit.removeprefix("budget:"))
            best = best_of(bare, (name,))
            assert best is not None
            assert value == pytest.approx(best[0], rel=1e-8, abs=1e-12)
            assert best_of(problem, (name,)) is None
    assert told >= 10


def test_binding_limits_are_those_without_which_it_would_be_better():
    for seed in range(120):
        problem, objectives, size = random_case(seed)
        answer = outcome(problem, objectives)
        if size != "tiny" or isinstance(answer, Infeasible):
            continue
        first = objectives[0]
        limits = [f"capacity:{name}" for name in sorted(problem.capacity)] + [
            f"budget:{name}" for name in sorted(problem.budgets)
        ]
        limits += ["deadline"] if problem.deadline_s is not None else []
        limits += ["quality"] if problem.min_quality else []
        truth = set()
        for limit in limits:
            best = best_of(without(problem, limit), (first,))
            assert best is not None
            gain = best[0] - answer.totals[first] if first == "quality" else answer.totals[first] - best[0]
            if gain > 1e-7 * max(1.0, answer.totals[first]):
                truth.add(limit)
        assert set(answer.binding) == truth, f"seed {seed}"


def test_optimal_answers_repeat_exactly():
    for seed in range(40):
        problem, objectives, _ = random_case(seed)
        first, second = outcome(problem, objectives), outcome(problem, objectives)
        if isinstance(first, Solution):
            assert first == second, f"seed {seed}"
    problem = layered(3, steps=12, modes=8, family="capacity")
    assert solve(problem, ("energy",)) == solve(problem, ("energy",))


def value(solution: Solution | Infeasible, name: str) -> float:
    if isinstance(solution, Infeasible):
        return float("inf")
    return -solution.totals[name] if name == "quality" else solution.totals[name]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_relaxing_a_limit_or_adding_a_mode_never_worsens_the_objective(seed: int, rng: random.Random):
    problem, objectives, size = random_case(seed)
    if size == "six":
        return
    before = outcome(problem, objectives[:1])
    relaxed = [replace(problem, capacity={n: c + 1 for n, c in problem.capacity.items()})]
    if problem.deadline_s is not None:
        relaxed.append(replace(problem, deadline_s=problem.deadline_s * 1.3))
    if problem.min_quality is not None:
        relaxed.append(replace(problem, min_quality=problem.min_quality * 0.8))
    relaxed += [replace(problem, budgets={**problem.budgets, n: b * 1.3}) for n, b in problem.budgets.items()]
    at = rng.randrange(len(problem.activities))
    richer = list(problem.activities)
    extra = Mode(
        rng.uniform(0.5, 9), {}, {n: rng.uniform(0, 9) for n in problem.consumed}, rng.uniform(0.5, 1)
    )
    richer[at] = replace(richer[at], modes=(*richer[at].modes, extra))
    relaxed.append(replace(problem, activities=richer))
    for other in relaxed:
        after = value(outcome(other, objectives[:1]), objectives[0])
        best = value(before, objectives[0])
        assert after <= best + 1e-8 * abs(best) or after == best


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_no_schedule_beats_its_bound_or_breaks_a_rule_however_little_time_there_is(seed: int):
    problem = layered(seed, steps=14, modes=6, family="capacity", limits=False)
    solution = solve(problem, ("energy", "latency"), 0.02)
    assert faults_of(problem, solution) == []
    assert 0 <= solution.gap < 1
    assert solution.lower_bound <= solution.totals["energy"]


def test_the_bound_of_a_short_solve_holds_for_the_long_one():
    problem = layered(5, steps=16, modes=8, family="capacity")
    short, long = solve(problem, ("energy",), 0.05), solve(problem, ("energy",), 20.0)
    assert long.optimal
    assert short.lower_bound <= long.totals["energy"] * (1 + 1e-9)
    assert short.totals["energy"] >= long.totals["energy"] * (1 - 1e-9)


def test_a_warm_start_is_never_worse_than_the_old_plan():
    for seed in range(5):
        problem = layered(seed, steps=40, modes=8, family="capacity")
        old = solve(problem, ("energy", "latency"), 0.5)
        again = solve(problem, ("energy", "latency"), 0.03, hint=old)
        assert (again.totals["energy"], again.makespan_s) <= (
            old.totals["energy"] * (1 + 1e-9),
            old.makespan_s * (1 + 1e-9),
        ) or (again.totals["energy"] < old.totals["energy"])


def test_a_hint_from_another_problem_does_no_harm():
    old = solve(LIAR)
    other = Problem([Activity("a0", [Mode(3)]), Activity("new", [Mode(1)], ["a0"])])
    assert solve(other, hint=old).makespan_s == 4.0
    assert (
        solve(replace(LIAR, deadline_s=14), hint=replace(old, mode=dict.fromkeys(old.mode, 99))).makespan_s
        == 14.0
    )


@pytest.mark.parametrize("objectives", [("usd", "latency"), ("quality", "usd")])
def test_where_no_limit_is_in_the_way_of_the_first_objective_its_best_is_seen_at_once(
    objectives: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    """However many modes there are, and without the solver."""
    monkeypatch.setattr(cpsat, "available", lambda: False)
    rng = random.Random(4)
    modes = [Mode(rng.randint(1, 999), {"cpu": 1}, {"usd": rng.random()}, rng.random()) for _ in range(900)]
    problem = Problem([Activity("a", modes), Activity("b", modes, ["a"])], {"cpu": 1}, deadline_s=2000)
    solution = solve(problem, objectives, time_limit_s=0.0)
    best = {
        "usd": 2 * min(m.consumes["usd"] for m in modes),
        "quality": max(m.quality for m in modes) ** 2,
    }[objectives[0]]
    assert solution.totals[objectives[0]] == best
