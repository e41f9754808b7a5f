"""Joules of a model server on this host: the share of its processes, by the counter there is, else by the estimate of runs.

A server's processes are those that listen on its port, and their children. GPUs that one of them computes on are counted
whole; else, of the CPU packages, a server gets the idle and its share of the rest, as a run does on its bill; without a counter
the node is estimated from the server's CPU-seconds. Whoever asks the server is not in it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection
from dataclasses import replace

import psutil

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.energy.meter import EstimateMeter
from murakkab_jupyter.energy.nvml import NvmlMeter
from murakkab_jupyter.energy.processes import tree_cpu_s, tree_of
from murakkab_jupyter.energy.rapl import RaplMeter
from murakkab_jupyter.energy.reading import Reading

__all__ = ["ServerMeter", "busy_cpu_s", "listeners"]

LEAST = 0.2
"""A server that computes here keeps at least so much of a core busy; one that only passes requests on does not."""
CROWDED = 0.8
"""Where others keep so much of all cores busy, a server that computes gets as little as one that passes requests on."""


class ServerMeter:
    """Reads what the server at a port of this host spends. May be started again after it was stopped.

    Parameters
    ----------
    port
        Where it listens.
    power
        Watts of this host.
    cores
        Its cores.
    gpu, package
        Counters; those of this host when None.
    pids
        Who listens on a port.
    cpu_clock
        CPU-seconds of some processes and their children so far.
    host_clock
        CPU-seconds of everything on this host so far.
    """

    def __init__(
        self,
        port: int,
        power: HostPower,
        cores: int,
        *,
        gpu: NvmlMeter | None = None,
        package: RaplMeter | None = None,
        pids: Callable[[int], Collection[int]] | None = None,
        cpu_clock: Callable[[Collection[int]], float] | None = None,
        host_clock: Callable[[], float] | None = None,
    ) -> None:
        self._port = port
        self._power = power
        self._cores = cores
        self._gpu = NvmlMeter() if gpu is None else gpu
        self._package = RaplMeter() if package is None else package
        self._find = pids or listeners
        self._host_clock = host_clock or busy_cpu_s
        self._pids: frozenset[int] = frozenset()
        clock = cpu_clock or tree_cpu_s
        self._estimate = EstimateMeter(power, cores, cpu_clock=lambda: clock(self._pids))
        self._busy_s = 0.0
        self._started_s = 0.0

    def start(self) -> None:
        """Begin, or begin again."""
        self._pids = frozenset(self._find(self._port))
        self._started_s = time.perf_counter()
        self._busy_s = self._host_clock()
        self._estimate.start()
        for meter in (self._gpu, self._package):
            if meter.available:
                meter.start()

    def stop(self) -> Reading:
        """What was spent since `start`; unknown, with the reason, where nobody can say."""
        node = self._estimate.stop()
        busy_s = self._host_clock() - self._busy_s
        gpu = self._gpu.stop() if self._gpu.available else None
        package = self._package.stop() if self._package.available else None
        if not self._pids:
            return self._none("nobody here may see which process the server is")
        if os.getpid() in self._pids:
            return self._none("the server is in the very process that asks it")
        cpu_s = node.cpu_s or 0.0
        busy = cpu_s >= LEAST * node.seconds
        if gpu is not None and gpu.energy_j.known:
            used = self._gpu.used_by(tree_of(self._pids))
            if used:
                return gpu
            if used is None and busy:
                note = f"{gpu.energy_j.note}; NVML does not say here whether the server computes on it"
                return replace(gpu, energy_j=replace(gpu.energy_j, note=note))
        if not busy and busy_s - cpu_s > CROWDED * self._cores * node.seconds:
            return self._none(
                "other work keeps this host busy, and whether the server computes here cannot be told: measure again when it is idle"
            )
        if not busy:
            return self._none(
                "its process does next to nothing here: it passes requests on, or computes where no counter reads"
            )
        if package is not None and package.energy_j.known:
            return replace(package, energy_j=self._part(package, cpu_s, busy_s), cpu_s=cpu_s)
        note = "node: idle watts of this host, and the server's CPU-seconds x watts a busy core adds"
        return replace(node, energy_j=replace(node.energy_j, note=note))

    def close(self) -> None:
        """Let go of the counters."""
        self._gpu.close()

    def _part(self, package: Reading, cpu_s: float, busy_s: float) -> Figure:
        """The idle of a package counter's reading, and the server's share of the rest."""
        whole = package.energy_j.value or 0.0
        idle = min(whole, (self._power.idle_w.value or 0.0) * package.seconds)
        share = min(1.0, cpu_s / busy_s) if busy_s > 0 else 1.0
        note = f"{package.energy_j.note}: idle, and {share:.0%} of the rest, the server's share of the CPU-seconds"
        return replace(package.energy_j, value=idle + (whole - idle) * share, note=note)

    def _none(self, why: str) -> Reading:
        return Reading(unknown("J", f"not metered: {why}"), "node", time.perf_counter() - self._started_s)


def listeners(port: int) -> frozenset[int]:
    """Processes that listen on a TCP port of this host, as far as this user may see them."""
    found: set[int] = set()
    with contextlib.suppress(psutil.Error, OSError):
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:
                found.add(one.pid)
    return frozenset(found)


def busy_cpu_s() -> float:
    """CPU-seconds that everything on this host has used so far."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")))
