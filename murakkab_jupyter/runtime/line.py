"""One line of a bill, and the grid its amounts lie on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.energy.reading import Boundary

__all__ = ["GRID", "Line", "measured", "on_grid", "split"]

GRID: Mapping[str, float] = {"J": 2.0**-20, "s": 2.0**-20, "USD": 2.0**-34}

UNMEASURED_QUALITY = "not measured: a run without labels or a pilot does not know how good it was"


def on_grid(figure: Figure) -> Figure:
    """The figure with its value on the grid of its unit, and a band that still holds it."""
    if figure.value is None:
        return figure
    step = GRID[figure.unit]
    value = round(figure.value / step) * step
    low = None if figure.low is None else min(figure.low, value)
    high = None if figure.high is None else max(figure.high, value)
    return replace(figure, value=value, low=low, high=high)


def measured(seconds: float) -> Figure:
    """Seconds on the grid."""
    return on_grid(Figure(max(0.0, seconds), "s", source="measured"))


def split(whole: Figure, rest: float, weights: list[float]) -> tuple[list[Figure], Figure]:
    """Share `rest` of a whole by weights, on the grid and never more than all of it; and what is left."""
    step = GRID[whole.unit]
    amount = whole.value or 0.0
    heavy = math.fsum(weights)
    # Rounded down, so that the parts never exceed the whole.
    values = [math.floor(min(rest, amount) * (w / heavy) / step) * step if heavy else 0.0 for w in weights]
    over = math.fsum(values) - amount
    if over > 0:
        heaviest = max(range(len(values)), key=values.__getitem__)
        values[heaviest] -= over
    bare = replace(whole, low=None, high=None)
    return [replace(bare, value=value) for value in values], replace(bare, value=amount - math.fsum(values))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill: a step, `idle` or `total`.

    Attributes
    ----------
    name, agent, device
        The step and who did it, where; empty for `idle` and `total`.
    done, failed, reused
        Items that it made, that failed, and that were taken from an earlier run (these are among `done`).
    begun
        False for a step that still had its items to do and made no call: it took no time and used nothing.
    latency_s
        From the first start to the last end (s); of `total`, of the whole run.
    seconds
        Seconds its instances were busy, loading included: several at once add up.
    core_s
        Core-seconds it held.
    cpu_s
        CPU-seconds it used.
    energy_j
        Energy (J) that can be compared with the predicted.
    cost_usd
        Cost (USD).
    counted
        For each boundary that a counter read: energy (J).
    tokens_in, tokens_out
        Tokens of language models; None where none are counted.
    tokens_cached, tokens_wasted
        Of `tokens_in`, those that a server still knew; of both, those that came to nothing.
    wasted_cpu_s, wasted_j
        The part of `cpu_s` and `energy_j` that came to nothing.
    predicted
        What the plan said: `latency`, `cpu`, `energy`, `cost`, `quality`.
    """

    name: str
    latency_s: Figure
    seconds: Figure
    core_s: Figure
    cpu_s: Figure
    energy_j: Figure
    cost_usd: Figure
    agent: str = ""
    device: str = ""
    done: int = 0
    failed: int = 0
    reused: int = 0
    begun: bool = True
    counted: Mapping[Boundary, Figure] = field(default_factory=dict)
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_wasted: int | None = None
    wasted_cpu_s: Figure = field(default_factory=lambda: Figure(0.0, "s", source="measured"))
    wasted_j: Figure = field(default_factory=lambda: Figure(0.0, "J", source="measured"))
    predicted: Mapping[str, Figure] = field(default_factory=dict)

    def actual(self) -> dict[str, Figure]:
        """What was used, under the names that plans use."""
        return {
            "latency": self.latency_s,
            "cpu": self.cpu_s,
            "energy": self.energy_j,
            "cost": self.cost_usd,
            "quality": unknown("1", UNMEASURED_QUALITY),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "name": self.name,
            "agent": self.agent,
            "device": self.device,
            "done": self.done,
            "failed": self.failed,
            "reused": self.reused,
            "begun": self.begun,
            "latency_s": self.latency_s.to_json(),
            "seconds": self.seconds.to_json(),
            "core_s": self.core_s.to_json(),
            "cpu_s": self.cpu_s.to_json(),
            "energy_j": self.energy_j.to_json(),
            "cost_usd": self.cost_usd.to_json(),
            "counted": {boundary: figure.to_json() for boundary, figure in self.counted.items()},
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "tokens_cached": self.tokens_cached,
            "tokens_wasted": self.tokens_wasted,
            "wasted": {"cpu_s": self.wasted_cpu_s.to_json(), "energy_j": self.wasted_j.to_json()},
            "predicted": {name: figure.to_json() for name, figure in self.predicted.items()},
        }
