"""How long an engine that nobody uses is kept: until keeping it has cost what starting it again would."""

from __future__ import annotations

from dataclasses import dataclass

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import HostPower

__all__ = ["LEAST_S", "MOST_S", "UNKNOWN_S", "KeepAlive", "keep_alive"]

LEAST_S = 60.0
MOST_S = 3600.0
UNKNOWN_S = 900.0
"""Where nobody knows what idling costs: the next workflow of somebody at work is rarely further away."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Seconds that an idle engine is kept, and why, in a sentence with figures."""

    seconds: float
    reason: str


def keep_alive(
    start_s: float | None, start_cpu_s: float | None, *, idle_w: float | None, power: HostPower
) -> KeepAlive:
    """How long to keep an idle engine.

    Whoever stops when idling has cost as much as a new start never pays more than twice the least possible, whenever
    the next use comes (the ski-rental bound).

    Parameters
    ----------
    start_s, start_cpu_s
        Seconds and CPU-seconds that a start takes; None when unknown.
    idle_w
        Watts that the idle engine takes beside what its host takes anyway: of the GPUs it holds; about 0 W on a CPU
        host, where it only holds memory; None when unknown.
    power
        Watts of the host, for what a start takes.
    """
    per_core = power.active_w_per_core.value
    if start_s is None or idle_w is None or per_core is None:
        why = "kept {:.0f} s when idle: what it costs to start it or to keep it is not known"
        return KeepAlive(UNKNOWN_S, why.format(UNKNOWN_S))
    start_j = (start_cpu_s if start_cpu_s is not None else start_s) * per_core + start_s * idle_w
    if idle_w <= 0:
        why = "kept {:.0f} s when idle: a start takes about {:.0f} J, and keeping it takes memory, no watts to speak of"
        return KeepAlive(MOST_S, why.format(MOST_S, start_j))
    seconds = min(MOST_S, max(LEAST_S, start_j / idle_w))
    why = "kept {:.0f} s when idle: a start takes about {:.0f} J, keeping it {:.0f} W"
    return KeepAlive(seconds, why.format(seconds, start_j, idle_w))


def idle_watts(gpus: int, idle_w: Figure) -> float | None:
    """Watts of an idle engine's GPUs; 0 without any, None where nobody knows."""
    if not gpus:
        return 0.0
    return None if idle_w.value is None else gpus * idle_w.value
