"""Discs in a picture are set apart, and stay near to where they should be."""

from __future__ import annotations

import math
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.notebook.views.spread import spread

LOW, HIGH = (10.0, 10.0), (600.0, 250.0)
GAP = 20.0
places = st.tuples(st.floats(10, 600), st.floats(10, 250))


def nearest(points):
    return min(math.dist(one, other) for one, other in combinations(points, 2))


def test_those_that_have_room_stay_where_they_are():
    points = [(50.0, 50.0), (90.0, 50.0), (50.0, 90.0)]
    assert spread(points, GAP, LOW, HIGH) == points


def test_discs_in_one_place_can_each_be_hit():
    found = spread([(300.0, 120.0)] * 6, GAP, LOW, HIGH)
    assert nearest(found) > 0.9 * GAP
    assert all(math.dist(one, (300.0, 120.0)) < 2.5 * GAP for one in found)


@settings(max_examples=100, deadline=None)
@given(st.lists(places, min_size=2, max_size=20))
def test_they_keep_their_order_and_stay_in_the_picture_and_apart(points):
    found = spread(points, GAP, LOW, HIGH)
    assert len(found) == len(points)
    assert all(LOW[axis] <= one[axis] <= HIGH[axis] for one in found for axis in (0, 1))
    assert nearest(found) > 0.6 * GAP
    assert found == spread(points, GAP, LOW, HIGH)


def test_none_and_one_are_no_trouble():
    assert spread([], GAP, LOW, HIGH) == []
    assert spread([(20.0, 20.0)], GAP, LOW, HIGH) == [(20.0, 20.0)]
