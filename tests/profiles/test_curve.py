"""Fitting a curve, and reading it between and beyond what was observed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.profiles.curve import Point, fit

parameter = st.floats(0.0, 10.0).map(lambda x: 0.0 if x < 1e-3 else x)


@settings(max_examples=60, deadline=None)
@given(parameter, parameter, st.floats(1e-3, 10.0))
def test_a_curve_without_noise_is_found_again(call, item, unit):
    points = [
        Point(1, items, work, call + items * item + work * unit)
        for items, work in ((1, 1.0), (1, 8.0), (4, 3.0), (8, 40.0), (16, 9.0))
    ]
    curve = fit(points)
    for point in points:
        assert curve.at(1, point.items, point.work) == pytest.approx(point.y, rel=1e-5)
    assert curve.at(1, 32, 100.0) == pytest.approx(call + 32 * item + 100 * unit, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.floats(1, 50), st.floats(0, 100), st.floats(1e-4, 1e3)),
        min_size=1,
        max_size=12,
    )
)
def test_a_fit_of_anything_is_finite_never_negative_and_grows_with_work(raw):
    curve = fit([Point(cores, items, work, y) for cores, items, work, y in raw])
    assert min(curve.call, curve.item, curve.unit) >= 0
    for cores in (1, 2, 3, 8, 64):
        values = [curve.at(cores, items, items * 2.0) for items in (1, 2, 4, 100)]
        assert all(math.isfinite(v) and v >= 0 for v in values)
        assert values == sorted(values)
    assert 0 < curve.low <= 1 <= curve.high


def test_one_observation_predicts_growth_with_work_not_a_constant():
    curve = fit([Point(1, 2, 10.0, 5.0)])
    assert curve.at(1, 4, 20.0) == pytest.approx(10.0)


def test_one_observation_without_work_grows_with_items():
    assert fit([Point(1, 2, 0.0, 5.0)]).at(1, 4, 0.0) == pytest.approx(10.0)


def test_cores_between_two_measured_ones_lie_between_them():
    curve = fit([Point(1, 1, w, w) for w in (1.0, 5.0)] + [Point(4, 1, w, 0.4 * w) for w in (1.0, 5.0)])
    assert curve.at(4, 1, 5.0) < curve.at(3, 1, 5.0) < curve.at(2, 1, 5.0) < curve.at(1, 1, 5.0)


def test_beyond_the_measured_cores_time_follows_amdahls_law():
    # 1 core: 10 s, 2 cores: 6 s, so 80 % is parallel.
    curve = fit([Point(1, 1, 10.0, 10.0), Point(2, 1, 10.0, 6.0)])
    assert curve.at(8, 1, 10.0) == pytest.approx(10 * (0.2 + 0.8 / 8), rel=0.01)


def test_more_cores_than_measured_never_help_where_they_did_not():
    curve = fit([Point(1, 1, 10.0, 10.0), Point(2, 1, 10.0, 12.0)])
    assert curve.at(8, 1, 10.0) == pytest.approx(12.0)


def test_cpu_time_does_not_shrink_beyond_the_measured_cores():
    curve = fit([Point(1, 1, 10.0, 10.0)], shrinks=False)
    assert curve.at(4, 1, 10.0) == pytest.approx(10.0)


def test_the_band_holds_most_of_what_was_observed():
    points = [Point(1, 1, float(w), w * (1 + 0.3 * math.sin(w))) for w in range(1, 40)]
    curve = fit(points)
    inside = [
        curve.low * curve.at(1, 1, p.work) <= p.y * 1.0001
        and p.y <= curve.high * curve.at(1, 1, p.work) * 1.0001
        for p in points
    ]
    assert sum(inside) >= 0.75 * len(points)
    assert curve.high > 1.1


def test_calls_over_in_no_time_do_not_decide_what_long_ones_take():
    quick = [
        Point(1, 1, 20.0, 1e-5),
        Point(1, 1, 30.0, 1e-5),
        Point(1, 1, 60.0, 4e-5),
        Point(1, 2, 40.0, 2e-5),
    ]
    curve = fit([*quick, Point(1, 1, 8000.0, 0.24), Point(1, 1, 16000.0, 0.5)])
    assert curve.at(1, 1, 16000.0) == pytest.approx(0.5, rel=0.2)


def test_no_points_are_no_curve():
    with pytest.raises(ValueError, match="at least one"):
        fit([])
