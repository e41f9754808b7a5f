"""NVML: the energy counters of NVIDIA GPUs (Volta and later), in millijoules since the driver was loaded.

A GPU that is split (MIG) is counted whole, with whatever the other parts do, and says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.energy.reading import Reading

__all__ = ["NvmlMeter", "numbers_are_nvmls", "visible"]

FIRST_NAMESPACE = 0xEFFFFFFC
"""The inode of Linux's first PID namespace (PROC_PID_INIT_INO in linux/proc_ns.h)."""


def visible(index: int, uuid: str, stated: str | None) -> bool:
    """Whether `CUDA_VISIBLE_DEVICES` (None where it is not set) lets a process use this GPU."""
    if stated is None:
        return True
    for word in (part.strip() for part in stated.split(",")):
        # CUDA stops at the first entry that names no GPU; MIG entries carry no parent, so they show all.
        if not word or word.startswith("-"):
            return False
        if word == str(index) or word.startswith("MIG-"):
            return True
        if word.startswith("GPU-") and uuid.startswith(word):
            return True
    return False


def numbers_are_nvmls() -> bool:
    """Whether processes have the numbers here that NVML knows them by: in a container they have others, or are not listed."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == FIRST_NAMESPACE
    except OSError:
        return False


class NvmlMeter:
    """Counts the joules of the GPUs that this process may use. `reason` says why, when it cannot.

    Parameters
    ----------
    nvml
        A module with `pynvml`'s functions; `pynvml` itself when None.
    environment
        Where `CUDA_VISIBLE_DEVICES` is looked up; the process's own when None.
    """

    def __init__(self, nvml: Any = None, *, environment: Mapping[str, str] | None = None) -> None:
        self.names: tuple[str, ...] = ()
        self.reason = ""
        self._handles: list[Any] = []
        self._split = False
        self._before: list[int] = []
        self._started_s: float | None = None
        if nvml is None:
            try:
                import pynvml as nvml  # type: ignore[no-redef,unused-ignore]
            except ImportError:
                self.reason = "no GPU counters: nvidia-ml-py is not installed"
                return
        self._nvml = nvml
        stated = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
        self._find(stated)

    @property
    def available(self) -> bool:
        """Whether there is a GPU to read."""
        return bool(self._handles)

    def start(self) -> None:
        """Begin, or begin again."""
        self._started_s = time.perf_counter()
        self._before = []
        if self.available:
            try:
                self._before = self._read_mj()
            except self._nvml.NVMLError as error:
                self.reason = f"the GPU counters could not be read: {error}"

    def stop(self) -> Reading:
        """The energy since `start`; unknown, with the reason, when the counters could not be read."""
        seconds = 0.0 if self._started_s is None else time.perf_counter() - self._started_s
        if not self._before:
            return Reading(unknown("J", self.reason or "not started"), "gpu", seconds)
        try:
            after = self._read_mj()
        except self._nvml.NVMLError as error:
            return Reading(
                unknown("J", f"the GPU counters could not be read to the end: {error}"), "gpu", seconds
            )
        if any(now < before for now, before in zip(after, self._before, strict=True)):
            return Reading(unknown("J", "the GPU driver was loaded again meanwhile"), "gpu", seconds)
        spent = (sum(after) - sum(self._before)) / 1e3
        note = f"gpu: NVML {', '.join(self.names)}"
        if self._split:
            note += "; split by MIG, counted whole"
        return Reading(Figure(spent, "J", source="measured", method="counter", note=note), "gpu", seconds)

    def used_by(self, pids: Collection[int]) -> bool | None:
        """Whether one of these processes computes on the GPUs now; None where NVML cannot say."""
        listed: set[int] = set()
        said = numbers_are_nvmls()
        for handle in self._handles:
            for of in (
                self._nvml.nvmlDeviceGetComputeRunningProcesses,
                self._nvml.nvmlDeviceGetGraphicsRunningProcesses,  # Vulkan
            ):
                try:
                    listed.update(int(one.pid) for one in of(handle))
                except self._nvml.NVMLError:  # split by MIG, or a driver that does not list them
                    said = False
        if not listed.isdisjoint(pids):
            return True
        return False if said else None

    def close(self) -> None:
        """Let go of NVML."""
        if self._handles:
            self._handles, self._before = [], []
            self._nvml.nvmlShutdown()

    def _read_mj(self) -> list[int]:
        return [int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) for handle in self._handles]

    def _find(self, stated: str | None) -> None:
        nvml = self._nvml
        try:
            nvml.nvmlInit()
            count = int(nvml.nvmlDeviceGetCount())
        except nvml.NVMLError as error:
            self.reason = f"no GPU counters: {error}"
            return
        names, faults = [], []
        for index in range(count):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                if not visible(index, text(nvml.nvmlDeviceGetUUID(handle)), stated):
                    continue
                name = text(nvml.nvmlDeviceGetName(handle))
                nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
            except nvml.NVMLError as error:
                faults.append(f"GPU {index}: {error}")
                continue
            names.append(name)
            self._handles.append(handle)
            self._split = self._split or self._is_split(handle)
        self.names = tuple(names)
        if not self._handles:
            self.reason = "no GPU counters: " + ("; ".join(faults) or "no GPU that this process may use")
            nvml.nvmlShutdown()

    def _is_split(self, handle: Any) -> bool:
        try:
            current, _ = self._nvml.nvmlDeviceGetMigMode(handle)
        except self._nvml.NVMLError:
            return False  # GPUs before Ampere cannot be split
        return bool(current)


def text(raw: str | bytes) -> str:
    """Older bindings give bytes."""
    return raw.decode(errors="replace") if isinstance(raw, bytes) else raw
