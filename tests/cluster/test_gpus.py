"""Which GPUs there are, and who holds which; NVML is a fake with the names and errors of the real one."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from murakkab_jupyter.cluster.gpus import GpuLeases, gpus_here
from murakkab_jupyter.core.errors import ClusterError


class FakeNVMLError(Exception):
    pass


class FakeNvml:
    """Two GPUs: 0 is cut into two MIG slices with an empty place between, 1 is whole. 2 is broken."""

    NVMLError = FakeNVMLError

    def __init__(self, missing: bool = False) -> None:
        self.missing = missing

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own name
        if self.missing:
            raise FakeNVMLError("NVML Shared Library Not Found")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's own name
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:  # noqa: N802 - NVML's own name
        if index == 2:
            raise FakeNVMLError("GPU is lost")
        return f"gpu{index}"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:  # noqa: N802 - NVML's own name
        return {"MIG-a": "mig0", "MIG-b": "mig2", "GPU-1": "gpu1"}[uuid]

    def nvmlDeviceGetMigMode(self, handle: Any) -> list[int]:  # noqa: N802 - NVML's own name
        if handle == "gpu1":
            raise FakeNVMLError("Not Supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int:  # noqa: N802 - NVML's own name
        return 3

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int) -> Any:  # noqa: N802 - NVML's own name
        if index == 1:
            raise FakeNVMLError("Not Found")
        return f"mig{index}"

    def nvmlDeviceGetUUID(self, handle: Any) -> str:  # noqa: N802 - NVML's own name
        return {"mig0": "MIG-a", "mig2": "MIG-b"}[handle]

    def nvmlDeviceGetName(self, handle: Any) -> str | bytes:  # noqa: N802 - NVML's own name
        return b"H100 MIG 3g.40gb" if handle.startswith("mig") else "L4"

    def nvmlDeviceGetIndex(self, handle: Any) -> int:  # noqa: N802 - NVML's own name
        if handle.startswith("mig"):
            raise FakeNVMLError("Not Supported")
        return int(handle[-1])

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:  # noqa: N802 - NVML's own name
        return type("Memory", (), {"total": 24 * 2**30})()


def test_a_cut_gpu_is_its_slices_and_a_broken_one_takes_no_other_with_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = gpus_here()
    assert [name for name, _ in found] == ["MIG-a", "MIG-b", "1"]
    assert [gpu.index for _, gpu in found] == [0, 0, 1]
    assert found[0][1].name == "H100 MIG 3g.40gb"


def test_a_slice_may_be_named_by_itself(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-b,1")
    assert [name for name, _ in gpus_here()] == ["MIG-b", "1"]


def test_without_nvml_there_are_none(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(missing=True))
    assert gpus_here() == ()


def test_a_gpu_is_never_given_twice_and_comes_back() -> None:
    leases = GpuLeases(("0", "1", "2"))
    one, two = leases.take("Engine a", 2), leases.take("Agent b", 1)
    assert (one.gpus, two.gpus) == (("0", "1"), ("2",))
    with pytest.raises(ClusterError, match="needs 1 GPU; 0 of 3 are free") as caught:
        leases.take("Agent c", 1)
    assert "Held by Agent b, Engine a" in str(caught.value)
    leases.give_back(one)
    assert leases.take("Agent c", 1).gpus == ("0",)


def test_the_dead_hold_nothing() -> None:
    leases = GpuLeases(("0",))
    leases.take("Engine a", 1).alive = lambda: False
    assert leases.held() == {}
    assert leases.take("Engine b", 1).gpus == ("0",)


def test_who_wants_none_gets_none() -> None:
    assert GpuLeases().take("Agent a", 0).gpus == ()
