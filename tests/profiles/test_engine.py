"""The curve of a measured server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.profiles.engine import EngineCurve, EnginePoint, Metered
from murakkab_jupyter.profiles.exchange import export_profiles, import_profiles
from murakkab_jupyter.profiles.store import ProfileStore


def point(n: int, tokens_per_s: float, joules: float | None = None) -> EnginePoint:
    whole = n * 64 / tokens_per_s
    return EnginePoint(n, 8, tokens_per_s, whole / 10, whole / 8, whole / 70, whole / 50, whole, joules)


def curve(*points: EnginePoint) -> EngineCurve:
    rows = points or tuple(
        point(n, rate) for n, rate in ((1, 30.0), (2, 55.0), (4, 95.0), (8, 150.0), (16, 170.0))
    )
    return EngineCurve("http://host/v1 m", "here", "2026-01-02", 128.0, 64.0, rows)


def test_measured_levels_are_told_as_measured():
    for one in curve().points:
        figure = curve().tokens_per_s(one.in_flight)
        assert figure.value == pytest.approx(one.tokens_per_s)
        assert figure.source == "measured"


@given(st.floats(1, 16))
def test_between_levels_speed_lies_between_theirs(n):
    rates = curve().points
    value = curve().tokens_per_s(n).value
    low = max(one.tokens_per_s for one in rates if one.in_flight <= n)
    high = min(one.tokens_per_s for one in rates if one.in_flight >= n)
    assert low * 0.999 <= value <= high * 1.001


def test_beyond_the_last_level_the_server_is_no_faster_and_nobody_measured_it():
    figure = curve().tokens_per_s(64)
    assert figure.value == pytest.approx(170.0)
    assert figure.source == "prior"
    assert "outside" in figure.note
    assert curve().request_s(64, 128, 64) == pytest.approx(64 * 64 / 170)


@given(st.sampled_from([1, 2, 4, 8, 16]), st.integers(1, 200))
def test_a_batch_of_the_measured_workload_takes_its_tokens_over_the_rate(n, items):
    """Little's law, whatever the share of the first token."""
    seconds = curve().batch_s(n, items, 128, 64)
    if items >= n:
        assert seconds == pytest.approx(items * 64 / curve().tokens_per_s(n).value)


def test_longer_answers_take_longer_and_so_do_longer_questions():
    assert curve().request_s(4, 128, 128) > 1.8 * curve().request_s(4, 128, 64)
    assert curve().request_s(4, 1280, 64) > 1.8 * curve().request_s(4, 128, 64)


def test_joules_are_unknown_where_no_counter_read_them():
    unread = curve().j_per_token(4)
    assert not unread.known
    assert unread.note == "not metered: no counter reads what the server spends"
    said = replace(curve(), metered=Metered(note="not metered: it is elsewhere"))
    assert said.j_per_token(4).note == "not metered: it is elsewhere"


def test_counted_joules_are_measured_and_estimated_ones_are_a_prior_that_says_how():
    bare = curve(point(1, 30.0, 4.0), point(8, 150.0, 1.0))
    counted = replace(bare, metered=Metered("package", "counter", "package: RAPL")).j_per_token(4)
    assert 1.0 < counted.value < 4.0
    assert (counted.source, counted.method) == ("measured", "counter")
    assert counted.note.startswith("package: RAPL; ")
    estimated = replace(bare, metered=Metered("node", "estimate", "node: how")).j_per_token(4)
    assert (estimated.value, estimated.source, estimated.method) == (counted.value, "prior", "estimate")
    assert (estimated.note, estimated.high) == ("node: how", 2 * estimated.value)
    with pytest.raises(ProfileError, match="by a counter or an estimate"):
        Metered("node", "guess")


def test_a_curve_of_an_earlier_version_says_that_its_joules_were_counted():
    old = curve(point(1, 30.0, 4.0), point(8, 150.0, 1.0)).to_json() | {"boundary": "gpu"}
    for key in ("method", "note"):
        del old[key]
    assert EngineCurve.from_json(old).metered == Metered("gpu", "counter")
    assert EngineCurve.from_json(old).j_per_token(1).value == pytest.approx(4.0)
    with pytest.raises(ProfileError, match="said in words"):
        EngineCurve.from_json(old | {"note": 7})


def test_a_level_left_out_is_predicted_by_the_others():
    held = curve().held_out()
    assert [one.in_flight for one in held] == [2, 4, 8]
    assert all(abs(one.error) < 0.2 for one in held)


def test_a_curve_keeps_to_json():
    for one in (curve(), replace(curve(), metered=Metered("node", "estimate", "how"))):
        assert EngineCurve.from_json(json.loads(json.dumps(one.to_json()))) == one


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"points": []},
        {"points": "x"},
        {"output_tokens": 0},
        {"points": [{"in_flight": 1}]},
        {"points": [curve().points[0].to_json()] * 2},
    ],
)
def test_what_makes_no_sense_is_refused(change):
    with pytest.raises(ProfileError):
        EngineCurve.from_json({**curve().to_json(), **change})


def test_the_store_keeps_the_latest_of_each_host(tmp_path: Path):
    store = ProfileStore(tmp_path / "profiles.sqlite")
    assert store.engines() == ()
    newer = replace(curve(), date="2026-02-03")
    elsewhere = replace(curve(), host="there")
    for one in (curve(), elsewhere, newer):
        store.add_engine(one)
    assert set(store.engines()) == {elsewhere, newer}
    store.close()


def test_curves_travel_with_the_other_profiles(tmp_path: Path):
    here, there = ProfileStore(None), ProfileStore(None)
    here.add_engine(curve())
    export_profiles(here, tmp_path / "out.json")
    import_profiles(there, tmp_path / "out.json")
    assert there.engines() == (curve(),)
