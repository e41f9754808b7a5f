"""How busy neighbours slow a core down, and how the figure is kept."""

from __future__ import annotations

import datetime
import json

import pytest

from murakkab_jupyter.profiles import interference
from murakkab_jupyter.profiles.hardware import cpu_model, host_cores
from murakkab_jupyter.profiles.interference import MOST, host_interference, slowdown

DAY = datetime.date(2026, 11, 24)


def keep(folder, **changes):
    data = {"cpu": cpu_model(), "cores": host_cores(), "date": DAY.isoformat(), "factor": 1.3, **changes}
    (folder / "host_interference.json").write_text(json.dumps(data))


@pytest.fixture
def many(monkeypatch):
    if host_cores() < 2:
        monkeypatch.setattr(interference, "host_cores", lambda: 2)


def test_a_kept_factor_is_used_and_says_that_it_is_measured(tmp_path, many):
    keep(tmp_path, cores=interference.host_cores())
    found = host_interference(cache=tmp_path, today=DAY)
    assert found.value == 1.3
    assert found.source == "measured"
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    "changes",
    [{"cpu": "another"}, {"date": "2026-01-01"}, {"factor": 0.2}, {"factor": "nan"}, {"cores": 9999}],
)
def test_a_busy_host_without_a_kept_factor_of_its_own_is_a_prior_that_is_not_kept(
    tmp_path, many, monkeypatch, changes
):
    keep(tmp_path, **{"cores": interference.host_cores(), **changes})
    before = (tmp_path / "host_interference.json").read_text()
    monkeypatch.setattr(interference, "busy", lambda: True)
    found = host_interference(cache=tmp_path, today=DAY)
    assert found.source == "prior"
    assert found.low == 1.0 < found.value < found.high
    assert (tmp_path / "host_interference.json").read_text() == before


def test_an_idle_host_is_measured_once_and_kept(tmp_path, many, monkeypatch):
    monkeypatch.setattr(interference, "busy", lambda: False)
    monkeypatch.setattr(interference, "ALONE_S", 0.05)
    first = host_interference(cache=tmp_path, today=DAY)
    assert 1.0 <= first.value <= MOST
    assert host_interference(cache=tmp_path, today=DAY).value == first.value
    assert json.loads((tmp_path / "host_interference.json").read_text())["factor"] == first.value


@pytest.mark.parametrize(("percent", "is_busy"), [(3.0, False), (60.0, True)])
def test_a_host_is_busy_when_its_cores_are_in_use_now(monkeypatch, percent, is_busy):
    import psutil

    # A fake reading: the load average of what ended a minute ago plays no part.
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: percent)
    assert interference.busy() is is_busy


def test_the_slowdown_grows_with_the_share_of_busy_cores():
    assert slowdown(1.4, 0.0) == 1.0
    assert slowdown(1.4, 0.5) == pytest.approx(1.2)
    assert slowdown(1.4, 1.0) == slowdown(1.4, 7.0) == pytest.approx(1.4)
