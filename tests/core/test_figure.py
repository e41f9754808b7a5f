from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.figure import Figure, money, total, unknown, weakest

sources = st.sampled_from(["measured", "published", "prior"])
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
figures = st.builds(
    Figure,
    numbers,
    st.sampled_from(["s", "J", "1"]),
    numbers,
    numbers,
    sources,
    st.sampled_from([None, "counter", "estimate", "none"]),
    st.text(),
)
joules = st.builds(
    Figure,
    st.floats(0, 1e12),
    st.just("J"),
    source=sources,
    method=st.sampled_from([None, "counter", "estimate"]),
)


@given(figures)
def test_a_figure_comes_back_from_json(figure: Figure) -> None:
    assert Figure.from_json(json.loads(json.dumps(figure.to_json()))) == figure


@given(figures)
def test_json_always_has_value_unit_band_and_source(figure: Figure) -> None:
    assert {"value", "unit", "low", "high", "source"} <= set(figure.to_json())


@pytest.mark.parametrize(
    "data",
    [
        {"value": "3", "unit": "s"},
        {"value": True, "unit": "s"},
        {"value": 1, "unit": "s", "source": "hearsay"},
        {"value": 1, "unit": "s", "source": ["prior"]},
        {"value": 1, "unit": "s", "method": "guess"},
        {"value": 1, "unit": "s", "method": {}},
        {"value": math.inf, "unit": "s"},
        {"value": 1},
    ],
)
def test_json_that_is_no_figure_is_refused(data: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Figure.from_json(data)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["value", "low", "high"])
def test_a_figure_is_finite_or_unknown(field: str, number: float) -> None:
    stated: dict[str, Any] = {"value": 1.0, field: number}
    with pytest.raises(ValueError, match=field):
        Figure(unit="s", **stated)


def test_unknown_is_shown_as_unknown_and_never_as_zero() -> None:
    figure = unknown("J", "no meter")
    assert str(figure) == "unknown"
    assert not figure.known
    assert figure.to_json()["value"] is None
    assert str(Figure(0.0, "J")) == "0 J"
    assert str(Figure(0.5, "1")) == "0.50"


def test_scaling_moves_the_band_too() -> None:
    figure = Figure(2.0, "s", 1.0, None, "measured").scaled(3.0, "J")
    assert figure == Figure(6.0, "J", 3.0, None, "measured")
    assert unknown("s").scaled(3.0).value is None


def test_what_is_derived_is_as_weak_as_the_weakest() -> None:
    assert weakest(["measured", "published", "measured"]) == "published"
    assert weakest(["measured", "prior", "published"]) == "prior"
    assert weakest([]) == "prior"


def test_a_sum_has_the_weakest_source_and_method() -> None:
    parts = [
        Figure(1.0, "J", 0.5, 2.0, "measured", "counter"),
        Figure(2.0, "J", source="published", method="estimate"),
    ]
    assert total(parts, "J", "why") == Figure(3.0, "J", 2.5, 4.0, "published", "estimate", "why")
    assert total(parts[:1], "J").method == "counter"


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    assert total([Figure(1.0, "J"), unknown("J")], "J").value is None


def test_a_sum_of_figures_without_bands_has_none() -> None:
    figure = total([Figure(1.0, "J"), Figure(2.0, "J")], "J")
    assert (figure.value, figure.low, figure.high) == (3.0, None, None)


def test_a_sum_of_nothing_is_nothing() -> None:
    assert total([], "J").value == 0.0


def test_unlike_units_are_not_added() -> None:
    with pytest.raises(ValueError, match="Cannot add s to J"):
        total([Figure(1.0, "s")], "J")


@given(st.lists(joules, max_size=8), st.randoms())
def test_the_order_of_a_sum_does_not_count(parts: list[Figure], random: Any) -> None:
    mixed = parts[:]
    random.shuffle(mixed)
    assert total(mixed, "J") == total(parts, "J")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "$0"),
        (1234.5, "$1,234.50"),
        (0.05, "$0.05"),
        (0.0015, "$0.0015"),
        (0.001, "$0.001"),
        (0.0009994, "999 µ$"),
        (0.0005, "500 µ$"),
        (1.9e-5, "19.0 µ$"),
        (9.999e-5, "100 µ$"),
        (9.996e-7, "1.00 µ$"),
        (7.3e-8, "73.0 n$"),
        (2.6e-10, "0.26 n$"),
        (1e-12, "< 0.01 n$"),
        (12.25e-6, "12.3 µ$"),  # half a digit: up
        (0.125, "$0.13"),
        (1.005, "$1.00"),  # a little less than half, as a float
        (1e18, "$1,000,000,000,000,000,000.00"),
        (-1.5, "-$1.50"),
        (-0.0005, "-500 µ$"),
        (-1e-7, "-100 n$"),
        (math.nan, "unknown"),
        (-math.inf, "unknown"),
    ],
)
def test_money_is_written_in_one_way(value, words):
    from murakkab_jupyter.planner.told.reasons import amount as in_reasons
    from murakkab_jupyter.workflow.goal import Goal

    assert money(value) == in_reasons(value, "USD") == words
    if 0 < value < 0.1:
        assert f"budget {words}" in str(Goal(budget_usd=value))
