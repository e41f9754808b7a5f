"""Meters: what a run spent, by the best means this host has.

RAPL counts the CPU packages, NVML the GPUs; where there is no counter for the CPUs, the whole host is
estimated from CPU-seconds. Readings of unlike boundaries stand beside each other and are never added.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Protocol

from murakkab_jupyter.core.figure import total
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.energy.estimate import active_energy_j, idle_energy_j
from murakkab_jupyter.energy.nvml import NvmlMeter
from murakkab_jupyter.energy.processes import tree_cpu_s
from murakkab_jupyter.energy.rapl import RaplMeter
from murakkab_jupyter.energy.reading import Reading

__all__ = [
    "EstimateMeter",
    "HostMeter",
    "Meter",
    "Reading",
    "best_meter",
    "host_names",
]


class Meter(Protocol):
    """Reads energy between `start` and `stop`. May be started again after it was stopped."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> Reading:
        """What was spent since `start`."""


def host_names() -> tuple[str, ...]:
    """What this host is called by itself and by a scheduler on it."""
    own = socket.gethostname()
    names = {"localhost", "127.0.0.1", "::1", own}
    with contextlib.suppress(OSError):
        names.update(str(entry[4][0]) for entry in socket.getaddrinfo(own, None))
    return tuple(sorted(names))


class EstimateMeter:
    """Estimates the host's energy from the CPU-seconds of this process and its children.

    Parameters
    ----------
    power
        Watts of the host.
    cores
        Cores that may have been busy: a cap on what clocks that tick may claim.
    cpu_clock
        CPU-seconds so far.
    """

    def __init__(self, power: HostPower, cores: int, *, cpu_clock: Callable[[], float] = tree_cpu_s) -> None:
        self._power = power
        self._cores = cores
        self._clock = cpu_clock
        self._cpu_s: float | None = None
        self._started_s = 0.0

    def start(self) -> None:
        """Begin, or begin again."""
        self._cpu_s = self._clock()
        self._started_s = time.perf_counter()

    def stop(self) -> Reading:
        """Idle watts for the time that passed, and busy watts for the CPU-seconds; `method` is `estimate`."""
        if self._cpu_s is None:
            self.start()
        seconds = time.perf_counter() - self._started_s
        # A child that ended unseen takes its time with it, so the difference may come out below 0.
        cpu_s = min(max(0.0, self._clock() - (self._cpu_s or 0.0)), seconds * self._cores)
        energy = total(
            (active_energy_j(cpu_s, self._power), idle_energy_j(seconds, self._power)),
            "J",
            "node: estimate from CPU-seconds",
        )
        return Reading(energy, "node", seconds, cpu_s)


class HostMeter:
    """All meters of this host at once: the packages by counter, else the node by estimate, and the GPUs beside it."""

    def __init__(self, estimate: EstimateMeter, rapl: RaplMeter | None, nvml: NvmlMeter | None) -> None:
        self._estimate = estimate
        self._rapl = rapl
        self._nvml = nvml

    def start(self) -> None:
        """Begin, or begin again."""
        for meter in (self._estimate, self._rapl, self._nvml):
            if meter is not None:
                meter.start()

    def stop(self) -> Reading:
        """The best reading; a counter that failed on the way leaves the estimate."""
        node = self._estimate.stop()
        counted = [meter.stop() for meter in (self._rapl, self._nvml) if meter is not None]
        known = [one for one in counted if one.energy_j.known]
        readings = [one for one in known if one.boundary == "package"]
        readings.append(node)
        readings.extend(one for one in known if one.boundary != "package")
        names = host_names()

        def placed(one: Reading, beside: tuple[Reading, ...] = ()) -> Reading:
            return Reading(one.energy_j, one.boundary, one.seconds, node.cpu_s, names, beside)

        return placed(readings[0], tuple(placed(one) for one in readings[1:]))


def best_meter(power: HostPower, cores: int) -> Meter:
    """The meters that work on this host, as one."""
    rapl, nvml = RaplMeter(), NvmlMeter()
    return HostMeter(
        EstimateMeter(power, cores), rapl if rapl.available else None, nvml if nvml.available else None
    )
