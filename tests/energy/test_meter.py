from __future__ import annotations

from pathlib import Path

import pytest

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.energy.meter import (
    EstimateMeter,
    HostMeter,
    best_meter,
    host_names,
)
from murakkab_jupyter.energy.nvml import NvmlMeter
from murakkab_jupyter.energy.rapl import RaplMeter


class FakePynvml:
    """Called like the module `pynvml`, with one GPU."""

    NVMLError = RuntimeError
    energy_mj = 0

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own name
        return None

    nvmlShutdown = nvmlInit  # noqa: N815 - as NVML spells it

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's own name
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802 - NVML's own name
        return index

    def nvmlDeviceGetUUID(self, gpu: int) -> str:  # noqa: N802 - NVML's own name
        return f"GPU-{gpu}"

    nvmlDeviceGetName = nvmlDeviceGetUUID  # noqa: N815 - as NVML spells it

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: int) -> int:  # noqa: N802 - NVML's own name
        return self.energy_mj

    def nvmlDeviceGetMigMode(self, gpu: int) -> list[int]:  # noqa: N802 - NVML's own name
        return [0, 0]


def fake_package(root: Path) -> Path:
    """A RAPL package as Linux lays it out; returns the file of its counter."""
    zone = root / "intel-rapl:0"
    zone.mkdir()
    for name, text in (("name", "package-0"), ("max_energy_range_uj", "262143328850"), ("energy_uj", "0")):
        (zone / name).write_text(text)
    return zone / "energy_uj"


POWER = HostPower(Figure(10.0, "W"), Figure(5.0, "W"))


class FakeClock:
    """CPU-seconds that a test sets."""

    def __init__(self) -> None:
        self.cpu_s = 0.0

    def __call__(self) -> float:
        return self.cpu_s


def test_the_estimate_is_idle_watts_for_the_time_and_busy_watts_for_the_cpu_seconds() -> None:
    clock = FakeClock()
    meter = EstimateMeter(POWER, 1_000_000, cpu_clock=clock)
    meter.start()
    clock.cpu_s = 0.01
    reading = meter.stop()
    assert reading.cpu_s == pytest.approx(0.01)
    assert reading.energy_j.value == pytest.approx(10.0 * reading.seconds + 5.0 * 0.01)
    assert (reading.energy_j.method, reading.boundary) == ("estimate", "node")


def test_the_estimate_never_claims_more_than_its_cores_nor_less_than_nothing() -> None:
    clock = FakeClock()
    meter = EstimateMeter(POWER, 2, cpu_clock=clock)
    meter.start()
    clock.cpu_s = 1e6
    reading = meter.stop()
    assert reading.cpu_s == pytest.approx(2 * reading.seconds)
    meter.start()
    clock.cpu_s = 0.0
    assert meter.stop().cpu_s == 0.0


def test_unknown_watts_still_give_cpu_seconds() -> None:
    meter = EstimateMeter(HostPower(), 64)
    meter.start()
    sum(range(2_000_000))
    reading = meter.stop()
    assert reading.energy_j.value is None
    assert reading.cpu_s is not None


def test_a_package_counter_comes_first_and_boundaries_stand_beside_each_other(tmp_path: Path) -> None:
    counter = fake_package(tmp_path)
    fake = FakePynvml()
    meter = HostMeter(EstimateMeter(POWER, 2), RaplMeter(tmp_path), NvmlMeter(fake, environment={}))
    meter.start()
    counter.write_text("4000000")
    fake.energy_mj += 7_000
    reading = meter.stop()
    assert (reading.boundary, reading.energy_j.value) == ("package", 4.0)
    found = reading.by_boundary()
    assert found["gpu"].energy_j.value == 7.0
    assert found["node"].energy_j.method == "estimate"
    assert set(found) == {"package", "gpu", "node"}
    assert all(one.cpu_s == reading.cpu_s and one.hosts == reading.hosts for one in found.values())


def test_a_counter_that_fails_on_the_way_leaves_the_estimate(tmp_path: Path) -> None:
    counter = fake_package(tmp_path)
    meter = HostMeter(EstimateMeter(POWER, 2), RaplMeter(tmp_path), None)
    meter.start()
    counter.unlink()
    reading = meter.stop()
    assert (reading.boundary, reading.energy_j.method, reading.beside) == ("node", "estimate", ())


def test_the_best_meter_of_this_host_reads_something() -> None:
    meter = best_meter(POWER, 2)
    meter.start()
    reading = meter.stop()
    assert reading.energy_j.value is not None
    assert reading.energy_j.method in ("counter", "estimate")
    assert "127.0.0.1" in reading.hosts
    assert set(host_names()) == set(reading.hosts)
