"""What calls of a published server take: exactly as published where it was published, and marked where it was not."""

from __future__ import annotations

import dataclasses
import math

import pytest

from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.profiles.inference import call, cite, quality, reading, starting, tokens_of
from murakkab_jupyter.profiles.published import shipped_published
from murakkab_jupyter.profiles.served import ServedProfile

SHIPPED = shipped_published().served
EACH = pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.name)
LLAMA = next(one for one in SHIPPED if "8B" in one.model and one.gpu == "H100")


def served(one: ServedProfile, in_flight: float, *, requests: float | None = None, read: float = 0.0, **more):
    return call(
        one, requests=requests or 4 * in_flight, read=read, written=100.0, in_flight=in_flight, **more
    )


@EACH
def test_at_a_published_point_a_call_takes_exactly_what_was_published(one):
    for point in one.points:
        found = served(one, point.in_flight)
        tokens = 4 * point.in_flight * 100.0
        assert found.seconds.value == pytest.approx(tokens / point.tokens_per_s, rel=1e-9)
        assert found.energy_j.value == pytest.approx(tokens * point.j_per_token, rel=1e-9)
        assert (found.seconds.source, found.energy_j.source) == ("published", "published")
        assert "arXiv 2505.06371" in found.seconds.note
        assert f"{point.in_flight:.0f} in flight" in found.seconds.note


@EACH
def test_whole_numbers_in_flight_stand_for_the_averages_that_were_published(one):
    for point in one.points:
        found = served(one, round(point.in_flight))
        assert found.seconds.source == "published"
        assert found.energy_j.value == pytest.approx(
            4 * round(point.in_flight) * 100 * point.j_per_token, rel=0.02
        )


@EACH
def test_between_two_points_a_call_lies_between_them(one):
    for left, right in zip(one.points, one.points[1:], strict=False):
        middle = math.sqrt(left.in_flight * right.in_flight)
        joules = served(one, middle).energy_j.value / (4 * middle * 100)
        low, high = sorted((left.j_per_token, right.j_per_token))
        assert low * (1 - 1e-9) <= joules <= high * (1 + 1e-9)
        assert served(one, middle).seconds.source == "published"


def test_beyond_what_was_published_the_figures_are_priors_and_say_so():
    low, high = LLAMA.range
    for load in (low / 2, high * 2):
        found = served(LLAMA, load)
        for figure in (found.seconds, found.energy_j):
            assert figure.source == "prior"
            assert f"outside the published {low:.0f}-{high:.0f} in flight" in figure.note
            assert figure.high / figure.low >= 4 * (1 - 1e-9)


def test_few_requests_are_read_off_where_they_are_and_not_where_the_lever_stands():
    few = served(LLAMA, 256, requests=16)
    assert few.energy_j.value == pytest.approx(served(LLAMA, 16, requests=16).energy_j.value)
    assert "16 in flight" in few.seconds.note


def test_replicas_share_the_requests_and_each_is_as_busy_as_the_lever_says():
    one, two = served(LLAMA, 64, requests=512), served(LLAMA, 64, requests=512, replicas=2)
    assert two.seconds.value == pytest.approx(one.seconds.value / 2)
    assert two.energy_j.value == pytest.approx(one.energy_j.value)
    assert two.cpu_s.value == pytest.approx(one.cpu_s.value)


def test_nobody_shares_one_request():
    one, many = served(LLAMA, 64, requests=1, read=1000), served(LLAMA, 64, requests=1, read=1000, replicas=4)
    assert many.seconds.value == pytest.approx(one.seconds.value)
    assert many.energy_j.value == pytest.approx(one.energy_j.value)
    three, two = (
        served(LLAMA, 64, requests=3, read=1000, replicas=2),
        served(LLAMA, 64, requests=2, read=1000),
    )
    assert three.seconds.value == pytest.approx(two.seconds.value), "the replica with two of them ends last"


def test_prompts_take_time_and_energy_and_how_fast_they_are_read_is_a_prior():
    short, long = served(LLAMA, 64), served(LLAMA, 64, read=2000)
    assert long.seconds.value > short.seconds.value
    assert long.energy_j.value > short.energy_j.value
    assert long.seconds.source == "prior"
    assert "published: ML.ENERGY" in long.seconds.note
    assert "a guess" in long.seconds.note
    assert long.seconds.high - long.seconds.low > short.seconds.high - short.seconds.low


def test_a_model_of_unknown_size_is_taken_to_read_no_faster_than_it_writes():
    nameless = dataclasses.replace(LLAMA, params_b=None, active_params_b=None)
    assert reading(nameless).value == max(point.tokens_per_s for point in LLAMA.points)
    assert reading(LLAMA).value > reading(nameless).value
    assert quality(nameless) is None
    assert "unknown size" in starting(nameless)[0].note


def test_start_and_quality_are_guesses_that_grow_with_the_model():
    large = next(one for one in SHIPPED if "70B" in one.model)
    for figure in (*starting(large), quality(large)):
        assert figure.source == "prior"
        assert "a guess" in figure.note
        assert figure.low < figure.value < figure.high
    assert starting(large)[0].value > starting(LLAMA)[0].value
    assert 1.0 > quality(large).value > quality(LLAMA).value > 0.5


@pytest.mark.parametrize(
    ("capability", "options", "work", "read", "written"),
    [
        ("summarisation", {}, 1060.0, 1000.0, 60.0),
        ("summarisation", {"words": 100}, 1060.0, 1000.0, 140.0),
        ("text-generation", {"paths": 3}, 3180.0, 1000.0, 60.0),
        ("text-generation", {"max_tokens": 20}, 1060.0, 1000.0, 20.0),
        ("classification", {}, 500.0, 500.0, 2.0),
        ("translation", {}, 800.0, 400.0, 400.0),
        ("question-answering", {}, 900.0, 900.0, 40.0),
    ],
)
def test_work_is_split_into_what_is_read_and_what_is_written(capability, options, work, read, written):
    found = tokens_of(default_library().capability(capability), options, work)
    assert found == (pytest.approx(read), pytest.approx(written))


def test_a_citation_names_the_card_its_number_and_the_load():
    large = next(one for one in SHIPPED if "70B" in one.model and one.gpu == "H100")
    assert cite(large, 32).startswith("published: ML.ENERGY Benchmark v3.0 (arXiv 2505.06371)")
    assert "4 x H100" in cite(large, 32)
    assert cite(large, 32).endswith("32 in flight")
