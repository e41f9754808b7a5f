"""How long an idle engine is kept."""

from __future__ import annotations

from murakkab_jupyter.cluster.engines.lifetime import LEAST_S, MOST_S, UNKNOWN_S, keep_alive
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import HostPower

POWER = HostPower(active_w_per_core=Figure(10.0, "W", source="prior"))


def test_until_idling_has_cost_what_a_start_would() -> None:
    kept = keep_alive(100.0, 300.0, idle_w=40.0, power=POWER)
    assert kept.seconds == (300 * 10 + 100 * 40) / 40
    assert "a start takes about 7000 J, keeping it 40 W" in kept.reason


def test_a_costlier_start_is_kept_longer_and_a_costlier_idle_less() -> None:
    base = keep_alive(100.0, 300.0, idle_w=40.0, power=POWER).seconds
    assert keep_alive(200.0, 600.0, idle_w=40.0, power=POWER).seconds > base
    assert keep_alive(100.0, 300.0, idle_w=80.0, power=POWER).seconds < base


def test_it_stays_within_a_minute_and_an_hour() -> None:
    assert keep_alive(1.0, 1.0, idle_w=700.0, power=POWER).seconds == LEAST_S
    assert keep_alive(600.0, 9000.0, idle_w=1.0, power=POWER).seconds == MOST_S
    assert keep_alive(60.0, 60.0, idle_w=0.0, power=POWER).seconds == MOST_S


def test_what_is_not_known_is_said() -> None:
    for kept in (
        keep_alive(None, None, idle_w=40.0, power=POWER),
        keep_alive(60.0, 60.0, idle_w=None, power=POWER),
        keep_alive(60.0, 60.0, idle_w=40.0, power=HostPower()),
    ):
        assert kept.seconds == UNKNOWN_S
        assert "not known" in kept.reason
