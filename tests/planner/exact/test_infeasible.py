"""Saying why there is no schedule takes no more time than it was given."""

from __future__ import annotations

import types

import pytest

from murakkab_jupyter.planner.exact import capacity, infeasible
from murakkab_jupyter.planner.exact.capacity import Least, least_capacity
from murakkab_jupyter.planner.problem import Activity, Mode, Problem

NAMES = [f"b{i}" for i in range(9)]
TIGHT = Problem(
    [Activity("a", [Mode(5, {"cpu": 1}, dict.fromkeys(NAMES, 2.0), 0.5)])],
    {"cpu": 1, "gpu": 1},
    dict.fromkeys(NAMES, 1.0),
    deadline_s=1.0,
    min_quality=0.9,
)
"""Eleven limits, none of which can be kept."""


class Watch:
    """A clock on which time passes only where work is pretended."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def use_all(self, _problem: Problem, _limit: str, seconds: float, **_: object) -> None:
        """As a search that takes all seconds it is given and finds nothing."""
        self.now_s += seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    for room in (capacity, infeasible):
        monkeypatch.setattr(room, "time", types.SimpleNamespace(monotonic=made.monotonic))
    return made


@pytest.mark.parametrize("late_s", [0.0, 100.0])
def test_all_that_is_asked_of_many_limits_is_within_the_time_given(
    late_s: float, watch: Watch, monkeypatch: pytest.MonkeyPatch
):
    seconds = 20.0
    monkeypatch.setattr(infeasible, "nearest", watch.use_all)

    def slow(_problem: Problem, _lows: object, seconds: float, **_: object) -> dict[str, Least]:
        watch.now_s += seconds + late_s
        return {}

    monkeypatch.setattr(capacity, "least_capacities", slow)
    error = infeasible.explain_infeasible(TIGHT, seconds)
    assert error.together == {}
    assert watch.now_s - late_s <= 1.1 * seconds + 1e-9


def test_capacities_are_tried_within_the_time_given(watch: Watch, monkeypatch: pytest.MonkeyPatch):
    """Halving the bytes of a memory takes forty tries, each of which has a least time."""
    tried = []

    def slow(problem: Problem, seconds: float, **_: object) -> bool:
        watch.now_s += seconds
        tried.append(problem.capacity["bytes"])
        return problem.capacity["bytes"] >= 2**39

    monkeypatch.setattr(capacity, "feasible", slow)
    problem = Problem([Activity("a", [Mode(5, {"bytes": 2**39})])], {"bytes": 1})
    least = least_capacity(problem, "bytes", 2, 0.1)
    assert least is not None
    assert (least.proven, least.value >= 2**39) == (False, True)
    assert watch.now_s <= 0.15
    assert len(tried) < 10
