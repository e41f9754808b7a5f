"""Stretches of arrivals: their rate, what waits, and whether more and more of it does."""

import itertools
import json
import math
import random

import pytest

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.planner.stream import (
    Stream,
    drain,
    evenly,
    growth,
    most_at_once,
    poisson,
    queue,
    share_of,
    steady_part,
    steady_share,
    waits,
)


def test_both_streams_have_the_rate_that_was_asked_for():
    assert evenly(4, 2.0) == (0.0, 0.5, 1.0, 1.5)
    times = poisson(400, 2.0)
    assert len(times) == 400
    assert list(times) == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 200.0
    assert times == poisson(400, 2.0)
    assert times != poisson(400, 2.0, seed=2)
    # Gaps of a Poisson stream vary as much as they are long; evenly spaced ones do not vary.
    gaps = [b - a for a, b in itertools.pairwise(times)]
    mean = math.fsum(gaps) / len(gaps)
    assert math.sqrt(math.fsum((gap - mean) ** 2 for gap in gaps) / len(gaps)) == pytest.approx(
        mean, rel=0.15
    )


def test_one_after_the_other_waits_for_those_before_it():
    assert queue(2.0, (0.0, 1.0, 10.0)) == (2.0, 3.0, 2.0)


def test_poisson_arrivals_wait_as_queueing_theory_says():
    # M/D/1: half of used / (1 - used) services of waiting, on average, and the service itself.
    for used in (0.3, 0.6):
        delays = queue(1.0, poisson(20_000, used))
        assert math.fsum(delays) / len(delays) == pytest.approx(1 + 0.5 * used / (1 - used), rel=0.1)


def stream_of(count, rate, seed):
    """A Poisson stream as its gaps make it, of no given number in its time."""
    dice, at, times = random.Random(seed), 0.0, []
    for _ in range(count):
        at += dice.expovariate(rate)
        times.append(at)
    return times


@pytest.mark.parametrize("used", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("count", [12, 24, 200])
def test_what_is_stated_of_a_stretch_is_so_of_a_long_stream(used, count):
    times = poisson(count, used)
    stated = steady_share(queue(1.0, times), times, 1.0, used, 0.95)
    # 4,000 values of each of ten other streams.
    found = [d for seed in range(10) for d in queue(1.0, stream_of(5_000, used, seed))[1_000:]]
    assert 0.93 <= sum(one <= stated for one in found) / len(found) <= 0.97


def test_the_tail_of_a_queue_is_as_exact_as_it_is_known():
    # M/D/1 in closed form: while x is no more than a service, P(W <= x) = (1 - u) exp(u x).
    assert waits(0.5, 0.8) == pytest.approx(math.log(0.8 / 0.5) / 0.5, rel=0.02)
    assert waits(0.05, 0.95) == 0.0
    assert waits(0.9, 0.95) > waits(0.8, 0.95) > waits(0.5, 0.95) > 0.0
    assert math.isfinite(waits(1.0, 0.95))


def grown(rate, service_s=1.0):
    fewer, more = evenly(45, rate), evenly(90, rate)
    drains = [drain(times, queue(service_s, times)) for times in (fewer, more)]
    return growth(*drains, 45, rate)


def test_a_backlog_grows_by_what_is_not_done():
    assert grown(0.9) == 0.0
    assert grown(2.0) == pytest.approx(1.0, rel=0.05)
    assert grown(1.02) == 0.0  # by two percent: a stretch cannot tell
    assert grown(1.2) == pytest.approx(0.2, rel=0.05)


def test_shares_warm_up_and_how_many_are_there():
    assert share_of((4.0, 1.0, 3.0, 2.0), 0.5) == 2.0
    assert share_of((4.0, 1.0, 3.0, 2.0), 0.95) == 4.0
    assert steady_part((9.0, 1.0, 2.0, 3.0)) == (1.0, 2.0, 3.0)
    assert most_at_once((0.0, 1.0, 2.0), (1.0, 5.0, 5.0)) == 2  # the first ends as the second comes


def test_a_stream_says_what_it_was_and_comes_back_from_json():
    stream = Stream("poisson", 200, Figure(1.0, "s"), Figure(2.5, "s"), 7)
    assert (
        stream.words
        == "as a Poisson stream (seed 1), half of 200 took 1 s at most and 95 % in the long run 2.5 s"
    )
    assert Stream.from_json(json.loads(json.dumps(stream.to_json()))) == stream
