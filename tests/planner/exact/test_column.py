"""Whole numbers by floating point are those that fractions give, however the figures are written."""

from __future__ import annotations

import math
import random
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.planner.exact.check import as_written
from murakkab_jupyter.planner.exact.column import BEYOND, FINEST, Column
from murakkab_jupyter.planner.exact.table import Table, tabulate, undominated
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem
from tests.planner.exact.oracle import layered, random_case

FIGURES = st.one_of(
    st.integers(0, 10**6).map(float),
    st.integers(0, 10**6).map(lambda n: n / 100),
    st.integers(0, 10**9).map(lambda n: n / 10**9),
    st.floats(0, 1e12),
    st.floats(0, 1e-9),
    st.floats(1e-3, 1e3).map(lambda x: x / 3),
    st.sampled_from([0.0, 5e-324, 1e-300, 0.1, 1 / 3, 2.0**-30, 1e12, 123456789012345.0]),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(FIGURES, min_size=1, max_size=12), st.one_of(st.none(), FIGURES))
def test_the_quantum_and_the_units_are_those_of_fractions(values: list[float], limit: float | None):
    exact = [as_written(value) for value in values]
    most = sum(exact, Fraction(0)) if limit is None else min(sum(exact), as_written(limit))
    column = Column(values)
    quantum, whole = column.quantum(most)
    common = Fraction(0)
    for one in exact:
        common = Fraction(
            math.gcd(common.numerator * one.denominator, one.numerator * common.denominator),
            common.denominator * one.denominator,
        )
    if not common or not most:
        assert (quantum, whole) == (1, True)
    elif most <= common * FINEST:
        assert (quantum, whole) == (common, True)
    else:
        assert (quantum, whole) == (most / FINEST, False)
    for value, units in zip(exact, column.units(quantum).tolist(), strict=True):
        true = math.ceil(value / quantum)
        # What no limit leaves need not be counted, only be more than any limit.
        assert units == true or min(units, true) >= 2 * FINEST


def test_what_is_far_above_every_limit_is_not_counted():
    column = Column([1e12, 1e-9 / 3])
    quantum, whole = column.quantum(as_written(1e-9))
    assert not whole
    assert column.units(quantum).tolist() == [BEYOND, math.ceil(as_written(1e-9 / 3) / quantum)]


@pytest.mark.parametrize("values", [[1 / 3, 1e300], [5e-324, 1e-320]])
def test_units_that_floats_cannot_tell_are_counted_in_fractions(values: list[float]):
    quantum = as_written(values[0]) / 7
    assert Column(values).units(quantum).tolist() == [
        min(BEYOND, math.ceil(as_written(value) / quantum)) for value in values
    ]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 4_000_000]))
def test_a_mode_is_dropped_if_another_of_its_activity_is_no_worse_in_anything(seed: int, pairs: int):
    rng = random.Random(seed)
    owner = np.array(sorted(rng.choices(range(5), k=rng.randint(0, 25))), dtype=np.int64)
    rows = np.array([[rng.randint(0, 3) for _ in range(3)] for _ in owner], dtype=np.int64).reshape(-1, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("murakkab_jupyter.planner.exact.table.PAIRS", pairs)
        kept = undominated(rows, owner).tolist()
    listed = rows.tolist()

    def beats(a: int, b: int) -> bool:
        no_worse = all(x <= y for x, y in zip(listed[a], listed[b], strict=True))
        return a != b and owner[a] == owner[b] and no_worse and (listed[a] != listed[b] or a < b)

    assert kept == [b for b in range(len(listed)) if not any(beats(a, b) for a in range(len(listed)))]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6))
def test_of_very_many_modes_only_some_that_are_beaten_are_left(seed: int):
    rng = random.Random(seed)
    owner = np.array(sorted(rng.choices(range(3), k=rng.randint(1, 40))), dtype=np.int64)
    rows = np.array([[rng.randint(0, 3) for _ in range(3)] for _ in owner], dtype=np.int64).reshape(-1, 3)
    exact = undominated(rows, owner).tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("murakkab_jupyter.planner.exact.table.WIDE", 4)
        patch.setattr("murakkab_jupyter.planner.exact.table.PIVOTS", 2)
        kept = undominated(rows, owner).tolist()
        patch.setattr("murakkab_jupyter.planner.exact.table.PIVOTS", 100)
        all_pivots = undominated(rows, owner).tolist()
    assert kept == sorted(set(kept))
    assert set(exact) <= set(kept)
    assert len({(owner[at], *rows[at].tolist()) for at in kept}) == len(kept), "of equal ones the first"
    assert all_pivots == exact


def test_an_activity_of_very_many_modes_takes_little_memory():
    """All pairs of 30,000 modes would take gigabytes."""
    rng = random.Random(3)
    modes = [
        Mode(rng.randint(1, 10**6), {}, {"usd": rng.randint(1, 10**6)}, rng.random()) for _ in range(30_000)
    ]
    problem = Problem([Activity("a", modes)])
    tracemalloc.start()
    try:
        table = tabulate(problem)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200e6
    assert min(c.duration for c in table.choices[0]) == min(m.duration_s for m in modes)


def drifted(problem: Problem, seed: int) -> Problem:
    rng = random.Random(seed)
    return Problem(
        [
            Activity(
                a.name,
                [
                    Mode(
                        m.duration_s * rng.uniform(0.7, 1.6),
                        m.demand,
                        {n: v * rng.uniform(0.7, 1.6) for n, v in m.consumes.items()},
                        m.quality,
                    )
                    for m in a.modes
                ],
                a.predecessors,
            )
            for a in problem.activities
        ],
        problem.capacity,
        problem.budgets,
        problem.deadline_s,
        problem.min_quality,
    )


def true_to(table: Table) -> list[str]:
    """What a table has that its problem has not."""
    problem, wrong = table.problem, []
    by_name = {one.name: one for one in problem.activities}
    for name, some in zip(table.names, table.choices, strict=True):
        for choice in some:
            mode = by_name[name].modes[choice.index]
            if choice.duration != math.ceil(as_written(mode.duration_s) / table.quantum):
                wrong.append(f"{name} takes {choice.duration}")
            for r, units, share in zip(table.resources, choice.demand, table.capacity, strict=True):
                if mode.demand.get(r, 0) * share != units * problem.capacity[r]:
                    # Capacity is rounded down to whole shares.
                    gcd = math.gcd(*(m.demand.get(r, 0) for a in problem.activities for m in a.modes))
                    if gcd in (0, 1) or mode.demand.get(r, 0) % gcd:
                        wrong.append(f"{name} holds {units} of {r}")
            for meter, amount in zip(table.meters, choice.amounts, strict=True):
                value = as_written(mode.consumes.get(meter.name, 0.0))
                if meter.unit is not None and amount != math.ceil(value / meter.unit):
                    wrong.append(f"{name} consumes {amount} of {meter.name}")
    return wrong


def test_tables_are_true_to_their_problems():
    count = 0
    for seed in range(150):
        problem, _, _ = random_case(seed)
        for one in (problem, drifted(problem, seed)):
            try:
                table = tabulate(one)
            except Infeasible:
                continue
            count += 1
            assert true_to(table) == [], f"seed {seed}"
    for family in ("capacity", "correlated"):
        problem = layered(1, steps=30, modes=12, family=family)
        assert true_to(tabulate(problem)) == []
        assert true_to(tabulate(drifted(problem, 1))) == []
    assert count > 200
