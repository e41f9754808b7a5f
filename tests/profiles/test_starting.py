"""How long an instance's process takes to start here, and how the figure is kept."""

from __future__ import annotations

import datetime
import json
import sys

import pytest

from murakkab_jupyter.profiles import starting
from murakkab_jupyter.profiles.starting import PROCESS, host_start, maker

DAY = datetime.date(2026, 11, 24)


def keep(folder, **changes):
    data = {**maker(), "date": DAY.isoformat(), "seconds": 0.2, **changes}
    (folder / "host_start.json").write_text(json.dumps(data))


def test_a_start_is_measured_once_and_kept(tmp_path, monkeypatch):
    first = host_start(cache=tmp_path, today=DAY)
    assert first.source == "measured"
    assert 0 < first.low < first.value < first.high
    monkeypatch.setattr(starting, "start_cpu_s", None)  # nobody is started again
    assert host_start(cache=tmp_path, today=DAY) == first


@pytest.mark.parametrize(
    "changes",
    [{"cpu": "another"}, {"python": "2.7"}, {"version": "0"}, {"date": "2026-01-01"}, {"seconds": "nan"}, {"seconds": -1}, {"date": "2026-11-23", "busy": True}],
)  # fmt: skip
def test_a_kept_start_of_something_else_is_measured_again(tmp_path, monkeypatch, changes):
    keep(tmp_path)
    assert host_start(cache=tmp_path, today=DAY).value == 0.2
    keep(tmp_path, **changes)
    monkeypatch.setattr(starting, "start_cpu_s", lambda: 0.3)
    assert host_start(cache=tmp_path, today=DAY).value == 0.3
    assert json.loads((tmp_path / "host_start.json").read_text())["seconds"] == 0.3


@pytest.mark.parametrize(("before", "after"), [(True, True), (True, False), (False, True), (False, False)])
def test_what_a_busy_host_took_may_be_far_too_much(tmp_path, monkeypatch, before, after):
    disturbed = before or after
    states = iter([before, after])
    monkeypatch.setattr(starting, "busy", lambda: next(states))
    monkeypatch.setattr(starting, "start_cpu_s", lambda: 0.3)
    first = host_start(cache=tmp_path, today=DAY)
    assert (first.low < 0.15) is disturbed
    assert host_start(cache=tmp_path, today=DAY) == first


def test_where_no_process_can_be_started_it_is_a_guess_that_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    assert host_start(cache=tmp_path, today=DAY) is PROCESS
    monkeypatch.undo()
    monkeypatch.setattr(starting, "INSTANCE", "no_such_module_of_ours")
    assert host_start(cache=tmp_path, today=DAY) is PROCESS
    assert not (tmp_path / "host_start.json").exists()


def test_a_home_that_cannot_be_written_to_costs_the_cache_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(starting, "start_cpu_s", lambda: 0.3)
    assert host_start(cache=tmp_path / "file", today=DAY).value == 0.3
