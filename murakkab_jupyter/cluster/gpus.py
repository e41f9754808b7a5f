"""GPUs of a host: which there are, and who holds which.

Instances and engines of one worker take from the same leases, so no GPU is given twice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.hosts import Gpu

__all__ = ["GpuLeases", "Lease", "gpus_here"]


def gpus_here() -> tuple[tuple[str, Gpu], ...]:
    """GPUs of this process as CUDA names them, with what NVML says of each; none without NVML.

    A GPU that is cut into MIG slices is not one GPU to use but as many as it has slices. One that NVML cannot
    describe is left out, and the others stay.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
        count = int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = [str(index) for index in range(count)] if visible is None else visible.split(",")
    found: list[tuple[str, Gpu]] = []
    for device in filter(None, (word.strip() for word in chosen)):
        if device.isdigit() and int(device) >= count:
            break  # CUDA ignores what follows a number that does not exist
        try:
            found.extend(described(pynvml, device))
        except pynvml.NVMLError:
            continue
    return tuple(found)


def described(nvml: Any, device: str) -> Iterator[tuple[str, Gpu]]:
    """A device, or the MIG slices of it."""
    handle = (
        nvml.nvmlDeviceGetHandleByIndex(int(device))
        if device.isdigit()
        else nvml.nvmlDeviceGetHandleByUUID(device)
    )
    slices = list(mig_slices(nvml, handle)) if not device.startswith("MIG-") else []
    if not slices:
        yield device, facts(nvml, handle, handle)
    for part in slices:
        yield text(nvml.nvmlDeviceGetUUID(part)), facts(nvml, part, handle)


def mig_slices(nvml: Any, handle: Any) -> Iterator[Any]:
    """The MIG slices of a GPU; none where it is whole, or too old to be cut."""
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
        most = int(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)) if current else 0
    except nvml.NVMLError:
        return
    for index in range(most):
        try:
            yield nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
        except nvml.NVMLError:  # that place is empty
            continue


def facts(nvml: Any, handle: Any, parent: Any) -> Gpu:
    """Name, memory and index of a GPU or a slice of one; a slice has its GPU's index."""
    try:
        index = int(nvml.nvmlDeviceGetIndex(parent))
    except nvml.NVMLError:  # a slice that is named by itself
        index = 0
    memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    return Gpu(index, text(nvml.nvmlDeviceGetName(handle)), memory)


def text(found: str | bytes) -> str:
    return found.decode() if isinstance(found, bytes) else found


@dataclass(slots=True, eq=False)
class Lease:
    """GPUs that somebody holds, until `alive` says that he is gone."""

    holder: str
    gpus: tuple[str, ...]
    alive: Callable[[], bool] = lambda: True


class GpuLeases:
    """Who holds which GPU of a worker.

    Parameters
    ----------
    names
        The GPUs there are, as CUDA names them.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self._leases: list[Lease] = []
        self._lock = threading.Lock()

    def take(self, holder: str, count: int) -> Lease:
        """Give GPUs to a holder; raises `ClusterError` when too few are free, and says who has them."""
        with self._lock:
            self._leases = [lease for lease in self._leases if lease.alive()]
            taken = {gpu for lease in self._leases for gpu in lease.gpus}
            free = [gpu for gpu in self.names if gpu not in taken]
            if len(free) < count:
                msg = (
                    f"{holder} needs {count} {'GPU' if count == 1 else 'GPUs'}; "
                    f"{len(free)} of {len(self.names)} are free here."
                )
                holders = sorted({lease.holder for lease in self._leases if lease.gpus})
                hint = f"Held by {', '.join(holders)}. " if holders else ""
                raise ClusterError(msg, hint=f"{hint}Plan fewer instances, or add a worker with GPUs.")
            lease = Lease(holder, tuple(free[:count]))
            self._leases.append(lease)
            return lease

    def give_back(self, lease: Lease) -> None:
        """End a lease."""
        with self._lock:
            if lease in self._leases:
                self._leases.remove(lease)

    def held(self) -> dict[str, str]:
        """Every GPU that is held, and by whom."""
        with self._lock:
            return {gpu: lease.holder for lease in self._leases if lease.alive() for gpu in lease.gpus}
