"""NVML against a fake `pynvml` module, with the names and errors of the real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from murakkab_jupyter.energy.nvml import FIRST_NAMESPACE, NvmlMeter, numbers_are_nvmls, visible


class FakeNVMLError(Exception):
    pass


@dataclass
class FakeGpu:
    name: str | bytes = "NVIDIA H100"
    uuid: str = "GPU-aaaa"
    energy_mj: int = 0
    mig: bool | None = None
    fault: str = ""
    computing: list[int] | None = field(default_factory=list)
    """Numbers of processes; None where they are not listed."""
    drawing: list[int] = field(default_factory=list)


@dataclass
class FakePynvml:
    """Called like the module `pynvml`; what it says is what its GPUs hold."""

    gpus: list[FakeGpu] = field(default_factory=list)
    missing: bool = False
    open: int = 0
    NVMLError: type[Exception] = FakeNVMLError

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own name
        if self.missing:
            raise FakeNVMLError("NVML Shared Library Not Found")
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802 - NVML's own name
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's own name
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:  # noqa: N802 - NVML's own name
        return self.gpus[index]

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:  # noqa: N802 - NVML's own name
        return gpu.uuid

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str | bytes:  # noqa: N802 - NVML's own name
        return gpu.name

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:  # noqa: N802 - NVML's own name
        if gpu.fault:
            raise FakeNVMLError(gpu.fault)
        return gpu.energy_mj

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[Any]:  # noqa: N802 - NVML's own name
        if gpu.computing is None:
            raise FakeNVMLError("Insufficient Permissions")
        return [SimpleNamespace(pid=pid) for pid in gpu.computing]

    def nvmlDeviceGetGraphicsRunningProcesses(self, gpu: FakeGpu) -> list[Any]:  # noqa: N802 - NVML's own name
        return [SimpleNamespace(pid=pid) for pid in gpu.drawing]

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:  # noqa: N802 - NVML's own name
        if gpu.mig is None:
            raise FakeNVMLError("Not Supported")
        return [int(gpu.mig), int(gpu.mig)]


def meter_of(fake: FakePynvml, **environment: str) -> NvmlMeter:
    return NvmlMeter(fake, environment=environment)


def test_gpus_are_counted_in_joules_and_added() -> None:
    fake = FakePynvml([FakeGpu(energy_mj=1_000), FakeGpu(uuid="GPU-bbbb", energy_mj=50_000)])
    meter = meter_of(fake)
    meter.start()
    fake.gpus[0].energy_mj += 2_500
    fake.gpus[1].energy_mj += 1_000
    reading = meter.stop()
    assert reading.energy_j.value == pytest.approx(3.5)
    assert (reading.energy_j.method, reading.boundary) == ("counter", "gpu")
    meter.close()
    assert fake.open == 0


def test_a_gpu_split_by_mig_is_counted_whole_and_says_so() -> None:
    fake = FakePynvml([FakeGpu(mig=True)])
    meter = meter_of(fake, CUDA_VISIBLE_DEVICES="MIG-1234")
    meter.start()
    fake.gpus[0].energy_mj += 500
    reading = meter.stop()
    assert reading.energy_j.value == pytest.approx(0.5)
    assert "MIG" in reading.energy_j.note


def test_a_gpu_without_a_counter_is_left_out_with_its_reason() -> None:
    fake = FakePynvml([FakeGpu(fault="Not Supported", mig=True)])
    meter = meter_of(fake)
    assert not meter.available
    assert "GPU 0: Not Supported" in meter.reason
    assert fake.open == 0
    meter.start()
    assert meter.stop().energy_j.value is None


def test_one_readable_gpu_is_enough() -> None:
    fake = FakePynvml([FakeGpu(fault="No Permission"), FakeGpu(uuid="GPU-b", name=b"Tesla V100")])
    meter = meter_of(fake)
    assert meter.names == ("Tesla V100",)


def test_no_driver_gives_the_reason() -> None:
    meter = meter_of(FakePynvml(missing=True))
    assert not meter.available
    assert "Shared Library Not Found" in meter.reason


def test_a_gpu_that_is_lost_on_the_way_gives_no_number() -> None:
    fake = FakePynvml([FakeGpu()])
    meter = meter_of(fake)
    meter.start()
    fake.gpus[0].fault = "GPU is lost"
    reading = meter.stop()
    assert reading.energy_j.value is None
    assert "GPU is lost" in reading.energy_j.note


def test_a_gpu_that_fails_at_the_start_gives_no_number() -> None:
    fake = FakePynvml([FakeGpu()])
    meter = meter_of(fake)
    fake.gpus[0].fault = "GPU is lost"
    meter.start()
    assert "GPU is lost" in meter.stop().energy_j.note


def test_a_driver_that_was_reloaded_gives_no_number() -> None:
    fake = FakePynvml([FakeGpu(energy_mj=9_000)])
    meter = meter_of(fake)
    meter.start()
    fake.gpus[0].energy_mj = 10
    assert meter.stop().energy_j.value is None


def test_only_visible_gpus_are_counted() -> None:
    fake = FakePynvml([FakeGpu(name="first"), FakeGpu(name="second", uuid="GPU-bbbb")])
    assert meter_of(fake, CUDA_VISIBLE_DEVICES="1").names == ("second",)
    assert meter_of(fake, CUDA_VISIBLE_DEVICES="").reason.endswith("no GPU that this process may use")


@pytest.mark.parametrize(
    ("stated", "seen"),
    [
        (None, True),
        ("", False),
        ("-1", False),
        ("0", False),
        ("0, 1", True),
        ("0,-1,1", False),
        ("GPU-abc", True),
        ("GPU-xyz", False),
        ("MIG-1", True),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(stated: str | None, seen: bool) -> None:
    assert visible(1, "GPU-abcdef", stated) is seen


def test_the_real_module_on_this_host_reads_or_says_why() -> None:
    meter: Any = NvmlMeter()
    assert meter.available is not bool(meter.reason)
    meter.start()
    assert (meter.stop().energy_j.method == "counter") is meter.available


@pytest.mark.parametrize(
    ("computing", "ours", "pids", "used"),
    [
        ([7], True, {7, 8}, True),
        ([7], True, {8}, False),
        ([], True, {8}, False),
        ([7], False, {7}, True),
        ([7], False, {8}, None),
        (None, True, {8}, None),
    ],
)
def test_who_computes_on_a_gpu_is_known_where_nvml_lists_it_by_our_numbers(
    monkeypatch, computing, ours, pids, used
) -> None:
    monkeypatch.setattr("murakkab_jupyter.energy.nvml.numbers_are_nvmls", lambda: ours)
    assert meter_of(FakePynvml([FakeGpu(computing=computing)])).used_by(pids) is used


def test_numbers_are_nvmls_in_the_first_namespace_alone(monkeypatch) -> None:
    inode = [FIRST_NAMESPACE]
    monkeypatch.setattr("murakkab_jupyter.energy.nvml.Path.stat", lambda _: SimpleNamespace(st_ino=inode[0]))
    assert numbers_are_nvmls()
    inode[0] += 1
    assert not numbers_are_nvmls()

    def refused(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("murakkab_jupyter.energy.nvml.Path.stat", refused)
    assert not numbers_are_nvmls()
