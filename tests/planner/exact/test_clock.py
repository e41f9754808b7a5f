"""Time limits, stops and interrupts: the best so far with its gap, or what is known by then."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from murakkab_jupyter.planner.exact import cpsat, hunt
from murakkab_jupyter.planner.exact.around import Around
from murakkab_jupyter.planner.exact.branch import Branch, Limits, ranked
from murakkab_jupyter.planner.exact.check import faults_of
from murakkab_jupyter.planner.exact.infeasible import without
from murakkab_jupyter.planner.exact.start import Draft, draft
from murakkab_jupyter.planner.exact.table import tabulate
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem, Solution, Undecided, solve
from tests.planner.exact.oracle import layered

pytest.importorskip("ortools", reason="the extra `planner` is not installed")


def test_a_stop_from_another_thread_brings_the_best_so_far_with_its_gap():
    problem = layered(1, steps=120, modes=12, family="capacity", limits=False)
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    solution = solve(problem, ("latency",), 60.0, stop=stop)
    assert time.monotonic() - began < 30.0
    assert faults_of(problem, solution) == []
    assert solution.lower_bound <= solution.makespan_s


def test_after_a_stop_among_neighbourhoods_nothing_more_is_asked_of_the_solver(
    monkeypatch: pytest.MonkeyPatch,
):
    def halted(self: Around, limits: object, wanted: object, best: Draft, **_: object) -> Draft:
        self.halted = True
        return best

    def asked(*_: object, **__: object) -> cpsat.Outcome:
        raise AssertionError

    monkeypatch.setattr(hunt, "LARGE", 0)
    monkeypatch.setattr(Around, "improve", halted)
    monkeypatch.setattr(cpsat.Model, "best_of", asked)
    monkeypatch.setattr(cpsat.Model, "minimise", asked)
    problem = layered(1, steps=20, modes=6, family="capacity", limits=False)
    solution = solve(problem, ("latency",), 60.0)
    assert (faults_of(problem, solution), solution.optimal) == ([], False)


def test_an_interrupt_among_neighbourhoods_keeps_what_they_found(monkeypatch: pytest.MonkeyPatch):
    problem = layered(1, steps=20, modes=6, family="capacity", limits=False)
    table = tabulate(problem)
    worst = draft(table, Limits.of(table), [-1], (0,) * 20)
    better = draft(table, Limits.of(table), [-1], tuple(ranked(some, -1)[0] for some in table.choices))
    assert better.values < worst.values
    told = iter([better])

    def nearby(*_: object) -> Draft:
        try:
            return next(told)
        except StopIteration:
            raise KeyboardInterrupt from None

    around = Around(table)
    monkeypatch.setattr(around, "nearby", nearby)
    assert around.improve(Limits.of(table), [-1], worst, seconds=lambda: 9.0) == better
    assert around.halted


def test_an_interrupt_before_any_plan_keeps_the_limits_says_the_nearest(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hunt.Hunt, "run", interrupted)
    problem = layered(0, steps=20, modes=12, family="correlated")
    with pytest.raises(Undecided, match="before the interrupt") as caught:
        solve(problem, ("energy",), 60.0)
    assert caught.value.breaks
    assert 0 < caught.value.bounds["energy"] <= caught.value.nearest.totals["energy"]


def test_whether_the_solver_is_missing_is_told_without_importing_it():
    """Where time is up anyway, half a second for that would be late."""
    code = """
import sys
from murakkab_jupyter.planner.problem import Activity, Mode, Problem, Undecided, solve
problem = Problem([Activity(f"a{i}", [Mode(1, {}, {"usd": 2, "tokens": 9}), Mode(2, {}, {"usd": 9, "tokens": 2})])
                   for i in range(90)], {}, {"usd": 496, "tokens": 495})
try:
    solve(problem, time_limit_s=0)
except Undecided as error:
    print("missing" in str(error), "ortools" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_time_that_ends_before_anything_is_known_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpsat, "available", lambda: False)
    monkeypatch.setattr(cpsat, "installed", lambda: False)
    monkeypatch.setattr(hunt, "ALONE_NODES", 1)
    # Fastest and thriftiest modes exclude each other, so that no plan to begin with keeps both limits.
    acts = [
        Activity(
            f"a{i}",
            [Mode(1 + i, {}, {"usd": 9 - i}), Mode(9 - i, {}, {"usd": 1 + i})],
            [f"a{i - 1}"] if i else [],
        )
        for i in range(6)
    ]
    proven = []
    for usd, deadline in itertools.product(range(6, 50), repeat=2):
        table = tabulate(Problem(acts, {}, {"usd": usd}, deadline))
        limits = Limits.of(table)
        if table.hopeless or hunt.beyond(table, limits):
            continue
        if Branch(table, limits, nodes=10**6, prefer=-1).find() is None:
            proven.append(table.problem)
    assert proven
    with pytest.raises(Undecided, match="none is proven impossible") as caught:
        solve(proven[0], ("latency",), 0.05)
    error = caught.value
    assert error.nearest is not None
    assert set(error.breaks) <= {"deadline", "budget:usd"}
    assert error.breaks
    for limit, (most, value) in error.breaks.items():
        name = {"deadline": "latency"}.get(limit, "usd")
        assert value == error.nearest.totals[name] > most
        assert f"{limit} {value:.9g} instead of {most:.9g}" in str(error)
    assert "The solver is missing" in str(error)
    bare = proven[0]
    for limit in error.breaks:
        bare = without(bare, limit)
    assert faults_of(bare, error.nearest) == []
    assert 0 < error.bounds["latency"] <= error.nearest.makespan_s


@pytest.mark.parametrize("objectives", [("latency",), ("energy",), ("quality", "energy")])
def test_an_answer_to_a_hard_problem_always_says_how_far_it_is(objectives: tuple[str, ...]):
    """Of this family most problems cannot be solved to the end; what is known must be told all the same."""
    for seed in range(3):
        problem = layered(seed, steps=16, modes=10, family="correlated")
        try:
            answer: Solution | Infeasible | Undecided = solve(problem, objectives, 1.0)
        except (Infeasible, Undecided) as error:
            answer = error
        if isinstance(answer, Solution):
            assert faults_of(problem, answer) == []
            assert 0 <= answer.gap < 1
        elif isinstance(answer, Infeasible):
            assert answer.constraint in ("deadline", "quality")
            assert answer.nearest > 0
        else:
            assert answer.nearest is not None
            assert answer.breaks
            assert answer.earliest_s is not None
            assert answer.earliest_s <= (problem.deadline_s or 0.0) * (1 + 1e-9)


@pytest.mark.parametrize("limit_s", [0.3, 1.0])
def test_the_time_limit_is_kept_whatever_the_size(limit_s: float):
    problem = layered(2, steps=60, modes=12, family="correlated")

    def took_s(most_s: float) -> float:
        began = time.thread_time()
        with contextlib.suppress(Infeasible, Undecided):
            assert solve(problem, ("energy",), most_s).lower_bound > 0
        return time.thread_time() - began

    # What it does even in no time at all is the machine's.
    assert took_s(limit_s) < limit_s * 1.1 + 0.1 + 3 * took_s(0.0)


def test_where_the_solver_creeps_our_own_search_has_a_turn_before_time_is_up():
    """Found at random: durations without a common quantum, at which the solver's bound rises by single quanta for ever."""
    mem, cpu, gpu = ({"mem": 1, "gpu": 1}, {"cpu": 3, "mem": 1, "gpu": 1}, {"cpu": 3, "mem": 1})
    rows = [(491743194776, cpu), (224145436517, {"cpu": 1, "gpu": 1}), (54803285212, gpu), (97537622097, mem)]
    acts = [Activity(f"a{i}", [Mode(units * 1.8266e-11, demand)]) for i, (units, demand) in enumerate(rows)]
    began = time.monotonic()
    solution = solve(Problem(acts, {"mem": 1, "cpu": 3, "gpu": 1}), time_limit_s=40.0)
    assert (solution.optimal, faults_of(Problem(acts, {"mem": 1, "cpu": 3, "gpu": 1}), solution)) == (
        True,
        [],
    )
    assert time.monotonic() - began < 30.0


INTERRUPTED = """
from murakkab_jupyter.planner.exact import hunt
from murakkab_jupyter.planner.problem import solve
from murakkab_jupyter.planner.exact.check import faults_of
from tests.planner.exact.oracle import layered
problem = layered(1, steps=120, modes=12, family="capacity", limits=False)
take = hunt.Hunt.take
def told(self, found, at=0):
    first, kept = self.best is None, take(self, found, at)
    if first:
        print("begun", flush=True)
    return kept
hunt.Hunt.take = told
solution = solve(problem, ("latency",), 60.0)
print(faults_of(problem, solution), solution.optimal, 0 < solution.lower_bound <= solution.makespan_s, flush=True)
"""


@pytest.mark.parametrize("after_s", [0.5, 7.0])
def test_an_interrupt_brings_the_best_so_far_with_its_gap(after_s: float):
    """Early it meets our own search, later the solver, which catches the signal itself."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        timer = threading.Timer(after_s, process.send_signal, [signal.SIGINT])
        timer.start()
        told = process.stdout.read()
        timer.cancel()
    assert told == "[] False True\n"
