"""RAPL against a tree of files as Linux lays it out: fake only at the lowest level."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from murakkab_jupyter.energy.rapl import RaplMeter, find_zones

RANGE_UJ = 262_143_328_850


def fake_zone(root: Path, folder: str, name: str, energy_uj: int, range_uj: int = RANGE_UJ) -> Path:
    zone = root / folder
    zone.mkdir(parents=True)
    (zone / "name").write_text(f"{name}\n")
    (zone / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (zone / "energy_uj").write_text(f"{energy_uj}\n")
    return zone


def test_packages_are_added_and_zones_inside_or_around_them_are_not(tmp_path: Path) -> None:
    first = fake_zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = fake_zone(tmp_path, "intel-rapl:1", "package-1", 5_000_000)
    others = [
        fake_zone(tmp_path, "intel-rapl:2", "psys", 7_000_000),
        fake_zone(tmp_path, "intel-rapl:0:0", "core", 100),
        fake_zone(tmp_path, "intel-rapl:0:1", "dram", 100),
        fake_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000),
    ]
    meter = RaplMeter(tmp_path)
    meter.start()
    for zone, spent in ((first, 3_500_000), (second, 6_000_000), *((zone, 90_000_000) for zone in others)):
        (zone / "energy_uj").write_text(str(spent))
    reading = meter.stop()
    assert reading.energy_j.value == pytest.approx(2.5 + 1.0)
    assert (reading.energy_j.method, reading.energy_j.source, reading.boundary) == (
        "counter",
        "measured",
        "package",
    )
    assert "package-0" in reading.energy_j.note
    assert "package-1" in reading.energy_j.note
    assert reading.seconds >= 0


def test_a_counter_that_wraps_is_followed_over_the_end_of_its_range(tmp_path: Path) -> None:
    zone = fake_zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 2_000_000)
    meter = RaplMeter(tmp_path)
    meter.start()
    (zone / "energy_uj").write_text("1000000")
    meter.sample()
    (zone / "energy_uj").write_text("500000")
    assert meter.stop().energy_j.value == pytest.approx(3.0 + (RANGE_UJ - 500_000) / 1e6)


def test_the_watching_thread_looks_between_start_and_stop_and_ends_with_the_meter(tmp_path: Path) -> None:
    zone = fake_zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, range_uj=10_000_000)
    meter = RaplMeter(tmp_path, sample_s=0.001)
    seen = threading.Event()
    look = meter.sample

    def sample() -> None:
        look()
        if (
            threading.current_thread().name == "murakkab-rapl"
            and (zone / "energy_uj").read_text() == "1000000"
        ):
            seen.set()

    meter.sample = sample
    before = set(threading.enumerate())
    meter.start()
    replacement = tmp_path / "next"
    replacement.write_text("1000000")
    replacement.rename(zone / "energy_uj")
    assert seen.wait(60)
    # Twice round the range in all: without the look in between, one round would be lost.
    replacement.write_text("1500000")
    replacement.rename(zone / "energy_uj")
    assert meter.stop().energy_j.value == pytest.approx(2.5)
    own = set(threading.enumerate()) - before
    assert not [thread for thread in own if thread.name == "murakkab-rapl"]


def test_an_absent_tree_says_so(tmp_path: Path) -> None:
    meter = RaplMeter(tmp_path / "powercap")
    assert not meter.available
    assert "is absent" in meter.reason
    meter.start()
    reading = meter.stop()
    assert reading.energy_j.value is None
    assert "is absent" in reading.energy_j.note


def test_a_tree_without_packages_says_so(tmp_path: Path) -> None:
    fake_zone(tmp_path, "intel-rapl:0", "psys", 1)
    zones, reason = find_zones(tmp_path)
    assert zones == ()
    assert "no package" in reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_counter_for_root_only_says_how_to_open_it(tmp_path: Path) -> None:
    zone = fake_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    (zone / "energy_uj").chmod(0)
    assert "sudo chmod a+r" in RaplMeter(tmp_path).reason


def test_a_refused_counter_says_how_to_open_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    read = Path.read_text

    def refuse(self: Path, *args: object, **kwargs: object) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_text", refuse)
    meter = RaplMeter(tmp_path)
    assert not meter.available
    assert "sudo chmod a+r" in meter.reason


def test_a_package_that_cannot_be_read_makes_the_others_useless_too(tmp_path: Path) -> None:
    fake_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    broken = fake_zone(tmp_path, "intel-rapl:1", "package-1", 1)
    (broken / "energy_uj").write_text("nonsense")
    meter = RaplMeter(tmp_path)
    assert not meter.available
    assert "intel-rapl:1" in meter.reason


def test_a_counter_that_vanishes_on_the_way_gives_no_number(tmp_path: Path) -> None:
    zone = fake_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    meter = RaplMeter(tmp_path)
    meter.start()
    (zone / "energy_uj").unlink()
    reading = meter.stop()
    assert reading.energy_j.value is None
    assert "to the end" in reading.energy_j.note


def test_a_meter_may_be_started_again(tmp_path: Path) -> None:
    zone = fake_zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = RaplMeter(tmp_path)
    meter.start()
    (zone / "energy_uj").write_text("1000000")
    meter.start()
    (zone / "energy_uj").write_text("3000000")
    assert meter.stop().energy_j.value == pytest.approx(2.0)
