"""Quality of a plan before any pilot: the product of its steps' qualities, a prior that says so.

A floor in words is relative: `good` is 95 % of the highest product that the available agents can reach. A
floor in numbers is compared with the product itself. A step none of whose agents has a known quality
cannot be judged: it leaves a relative floor alone, makes the total unknown, and fails a floor in numbers.
Beside agents whose quality is known, one whose quality is unknown fails any floor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from murakkab_jupyter.core.figure import Figure, unknown, weakest
from murakkab_jupyter.planner.modes import Mode

__all__ = ["SHARES", "Judge", "product"]

SHARES: Mapping[str, float] = {"best": 1.0, "good": 0.95, "fair": 0.80, "basic": 0.50}
"""Share of what can be reached that each tier asks for."""

NOTE = "product of the steps' qualities: an assumption, not measured end to end"


def product(qualities: Mapping[str, Figure]) -> Figure:
    """The product of the steps' qualities; unknown, with the steps to blame, when any is."""
    lacking = [name for name, figure in qualities.items() if figure.value is None]
    if lacking:
        return unknown("1", f"quality of {', '.join(lacking)} is unknown")
    if not qualities:
        return Figure(1.0, "1", 1.0, 1.0, "prior", note=NOTE)
    values = list(qualities.values())
    return Figure(
        math.prod(one.value or 0.0 for one in values),
        "1",
        math.prod((one.value or 0.0) if one.low is None else one.low for one in values),
        math.prod((one.value or 0.0) if one.high is None else one.high for one in values),
        weakest(["prior", *(one.source for one in values)]),
        note=NOTE,
    )


class Judge:
    """Scores plans' quality against what the available agents can reach."""

    def __init__(self, steps: Mapping[str, Sequence[Mode]]) -> None:
        self.best: dict[str, float | None] = {}
        for name, modes in steps.items():
            known = [mode.quality.value for mode in modes if mode.quality.value is not None]
            self.best[name] = max(known) if known else None
        self.reachable = math.prod(value for value in self.best.values() if value is not None)
        """The highest product over the steps that can be judged."""
        self.blind = tuple(name for name, value in self.best.items() if value is None)
        """Steps that cannot be judged."""

    def factor(self, step: str, mode: Mode) -> float:
        """What a mode contributes to the score: 1 where nothing is known of the whole step, 0 where only of it."""
        if self.best[step] is None:
            return 1.0
        return mode.quality.value if mode.quality.value is not None else 0.0

    def shortfall(self, score: float, floor: str | float | None) -> float:
        """How far a score lies under a floor, as a share of it (0 when it meets it)."""
        if floor is None:
            return 0.0
        asked = SHARES[floor] * self.reachable if isinstance(floor, str) else float(floor)
        if not isinstance(floor, str) and self.blind and asked > 0:
            return 1.0
        if asked <= 0:
            return 0.0
        # Products of the same factors in another order must not differ.
        return max(0.0, 1.0 - score / asked) if score < asked * (1 - 1e-9) else 0.0
