"""Curves of served models: published points, monotone between them, priors outside."""

import dataclasses
import json
import math
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.mlenergy import from_mlenergy, grouped
from murakkab_jupyter.profiles.published import read_published, shipped_published
from murakkab_jupyter.profiles.reference import Reference
from murakkab_jupyter.profiles.served import ServedPoint, ServedProfile, monotone
from murakkab_jupyter.profiles.store import ProfileStore

SHIPPED = shipped_published()

LLAMA = {
    "model": "some/Model",
    "task": "chat",
    "gpu": "H100",
    "gpus": 1,
    "source": "a paper",
    "engine": "vLLM",
    "points": [
        {"in_flight": 8, "tokens_per_s": 1000, "j_per_token": 0.4, "itl_s": 0.008},
        {"in_flight": 64, "tokens_per_s": 5000, "j_per_token": 0.12, "itl_s": 0.0125},
        {"in_flight": 512, "tokens_per_s": 10000, "j_per_token": 0.07, "itl_s": 0.05},
    ],
}


def profile(**changes):
    return ServedProfile.from_json({**LLAMA, **changes})


def test_a_dozen_models_ship_each_row_with_its_source():
    assert len({one.model for one in SHIPPED.served}) >= 12
    for one in SHIPPED.served:
        assert "2505.06371" in one.source
        assert "0cd52da" in one.source
        assert one.engine_version
        assert len(one.points) >= 3
    assert all(one.price_usd_per_hour.note.count("@") == 1 for one in SHIPPED.prices)
    assert all(one.idle_w.source == "prior" for one in SHIPPED.watts if "placeholder" in one.idle_w.note)


@pytest.mark.parametrize(
    "one", SHIPPED.served, ids=lambda one: f"{one.model}-{one.task}-{one.gpus}x{one.gpu}"
)
def test_watts_tokens_and_joules_of_a_published_point_agree(one):
    for point in one.points:
        assert point.j_per_token * point.tokens_per_s == pytest.approx(point.power_w, rel=0.02)


@pytest.mark.parametrize(
    "one", SHIPPED.served, ids=lambda one: f"{one.model}-{one.task}-{one.gpus}x{one.gpu}"
)
def test_a_curve_goes_through_its_points_and_never_leaves_the_interval_between_two(one):
    for point in one.points:
        assert one.tokens_per_s(point.in_flight).value == pytest.approx(point.tokens_per_s)
        assert one.j_per_token(point.in_flight).value == pytest.approx(point.j_per_token)
        assert one.token_s(point.in_flight).value == pytest.approx(point.itl_s)
    for left, right in zip(one.points, one.points[1:], strict=False):
        for share in (0.1, 0.5, 0.9):
            load = left.in_flight + share * (right.in_flight - left.in_flight)
            low, high = sorted((left.j_per_token, right.j_per_token))
            assert low * (1 - 1e-9) <= one.j_per_token(load).value <= high * (1 + 1e-9)


def test_inside_the_range_a_figure_is_published_and_cited_outside_a_prior():
    one = profile()
    inside = one.tokens_per_s(100)
    assert inside.source == "published"
    assert "a paper" in inside.note
    assert "vLLM" in inside.note
    for load in (1, 7.9, 513, 4000):
        for figure in (one.tokens_per_s(load), one.j_per_token(load), one.token_s(load), one.power_w(load)):
            assert figure.source == "prior"
            assert "outside" in figure.note
            assert figure.high / figure.low >= 4 * (1 - 1e-9)


def test_joules_a_token_fall_with_load_and_a_lone_request_pays_most():
    one = profile()
    joules = [one.j_per_token(load).value for load in (1, 8, 20, 64, 200, 512, 2000)]
    assert joules == sorted(joules, reverse=True)
    assert one.j_per_token(1).value == pytest.approx(0.4 * 8)
    assert one.tokens_per_s(1).value == pytest.approx(1000 / 8)
    assert one.tokens_per_s(5000).value == pytest.approx(10000)


def test_a_request_takes_what_littles_law_says():
    one = profile()
    took = one.request_s(64, tokens_out=250)
    assert took.value == pytest.approx(64 * 250 / 5000)
    assert took.low <= took.value <= took.high
    assert one.energy_j(64, 250).value == pytest.approx(0.12 * 250)


@pytest.mark.parametrize("load", [0, -1, math.nan, math.inf, 1e12])
def test_a_load_that_makes_no_sense_is_an_error(load):
    with pytest.raises(ProfileError, match="above 0"):
        profile().tokens_per_s(load)


@given(
    st.lists(st.tuples(st.floats(0.05, 3), st.floats(-5, 5)), min_size=2, max_size=8),
    st.floats(0, 1),
)
def test_interpolation_never_overshoots(steps, share):
    x, y, here = [], [], 0.0
    for width, value in steps:
        here += width
        x.append(here)
        y.append(value)
    at = x[0] + share * (x[-1] - x[0])
    value = monotone(x, y, at)
    k = max(k for k in range(len(x) - 1) if x[k] <= at or k == 0)
    low, high = sorted((y[k], y[k + 1]))
    assert low - 1e-6 <= value <= high + 1e-6


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"points": []}, "needs two"),
        ({"points": LLAMA["points"][:1]}, "needs two"),
        ({"points": [LLAMA["points"][0]] * 2}, "do not stand"),
        ({"points": "many"}, "list"),
        ({"points": [3, 4]}, "mapping"),
        ({"gpus": 0}, "gpus"),
        ({"gpus": 1.5}, "gpus"),
        ({"gpus": True}, "gpus"),
        ({"model": ""}, "names its model"),
        ({"gpu": 7}, "names its model"),
        ({"source": ""}, "where it is from"),
        ({"output_tokens": -1}, "output_tokens"),
    ],
)
def test_a_served_profile_that_makes_no_sense_is_an_error(change, says):
    with pytest.raises(ProfileError, match=says):
        profile(**change)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 1e30, "fast", None, True])
@pytest.mark.parametrize("key", ["in_flight", "tokens_per_s", "j_per_token", "itl_s"])
def test_a_point_that_makes_no_sense_is_an_error_that_names_the_figure(key, value):
    with pytest.raises(ProfileError, match=key):
        ServedPoint.from_json({**LLAMA["points"][0], key: value})


def test_a_published_file_that_makes_no_sense_is_an_error_that_names_the_entry():
    with pytest.raises(ProfileError, match="do not parse"):
        read_published("{", "x.json")
    with pytest.raises(ProfileError, match="no JSON object"):
        read_published("[]", "x.json")
    with pytest.raises(ProfileError, match=r"Entry 1 of served in x\.json"):
        read_published(json.dumps({"served": [LLAMA, {**LLAMA, "gpus": -1}]}), "x.json")
    with pytest.raises(ProfileError, match="Entry 0 of prices"):
        read_published(json.dumps({"prices": [{"gpu": "X"}]}), "x.json")
    with pytest.raises(ProfileError, match="Entry 0 of watts"):
        read_published(json.dumps({"watts": [{"gpu": "X", "idle_w": 1, "peak_w": 2}]}), "x.json")


def test_a_served_profile_survives_json():
    one = profile()
    assert ServedProfile.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_the_book_finds_served_models_by_name_gpu_and_count():
    book = ProfileBook(Library(), ProfileStore(None), reference=Reference("", "", (), ()), host_speed=1.0)
    found = book.served("llama-3.1-8b-instruct", gpu="h100")
    assert [(one.gpu, one.gpus) for one in found] == [("H100", 1)]
    assert book.served("meta-llama/Llama-3.1-8B-Instruct", gpus=4) == ()
    assert len(book.served(task="video-chat")) >= 2
    assert book.served("nobody/heard-of-it") == ()
    book.store.add_served([profile()])
    assert book.served("some/model") == (profile(),)


# --- the package mlenergy-data ----------------------------------------------------------------------------------


def run(load, **changes):
    made = {
        "model_id": "m", "task": "chat", "gpu_model": "H100", "num_gpus": 1, "weight_precision": "bfloat16",
        "tensor_parallel": 1, "expert_parallel": 2, "data_parallel": 1, "max_num_seqs": load,
        "avg_batch_size": float(load), "output_throughput_tokens_per_sec": 100.0 * load,
        "energy_per_token_joules": 1.0 / load, "p50_itl_ms": 10.0, "p90_itl_ms": 20.0,
        "avg_power_watts": 100.0, "avg_output_len": 300.0,
    }  # fmt: skip
    return SimpleNamespace(**{**made, **changes})


def test_runs_that_differ_only_in_load_become_one_curve():
    (one,) = grouped([run(64), run(8), run(8.1), run(16, avg_batch_size=None), run(8, model_id="lonely")])
    assert [point.in_flight for point in one.points] == [8, 16, 64]
    assert one.points[0].itl_s == pytest.approx(0.01)
    assert one.parallel == "expert=2"
    assert one.output_tokens == pytest.approx(300)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlenergy", None)
    with pytest.raises(ProfileError, match="pip install mlenergy-data"):
        from_mlenergy()


def test_a_package_that_cannot_read_its_runs_is_told(monkeypatch, tmp_path):
    class Runs:
        """A fake of the package's door: it fails as a missing folder does."""

        @staticmethod
        def from_directory(folder):
            raise FileNotFoundError(folder)

    for name in ("mlenergy", "mlenergy.data"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "mlenergy.data.records", SimpleNamespace(LLMRuns=Runs))
    with pytest.raises(ProfileError, match="cannot read the runs"):
        from_mlenergy(tmp_path)


def test_leaving_a_point_out_moves_the_curve_by_less_than_its_band_says_most_of_the_time():
    missed = []
    for one in SHIPPED.served:
        for k in range(1, len(one.points) - 1):
            rest = dataclasses.replace(one, points=one.points[:k] + one.points[k + 1 :])
            figure = rest.j_per_token(one.points[k].in_flight)
            missed.append(not figure.low <= one.points[k].j_per_token <= figure.high)
    assert len(missed) > 60
    assert sum(missed) / len(missed) < 0.1
