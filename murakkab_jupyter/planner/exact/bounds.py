"""Bounds by plain arithmetic, so that a gap can be stated however little time there was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.problem import LATENCY, QUALITY, TOLERANCE
from murakkab_jupyter.planner.exact.schedule import heads_and_tails
from murakkab_jupyter.planner.exact.table import Table

__all__ = ["beyond", "least", "stated"]


def least(table: Table, meter: int, *, rounded: bool = False) -> int:
    """No plan has less of a meter; for latency (-1) no schedule ends earlier.

    Latency: the longest path with every mode at its shortest, and for each resource all work spread over its whole
    capacity, between the shortest way to any of it and the shortest way from any of it.
    `rounded` counts durations as the table has them, else what rounding up may have added is taken off.
    """
    if meter >= 0:
        return sum(min(c.amounts[meter] for c in some) for some in table.choices)
    shortest = table.shortest
    heads, tails = heads_and_tails(table, shortest)
    best = max(h + d for h, d in zip(heads, shortest, strict=True))
    for r, units in enumerate(table.capacity):
        works = [min(c.duration * c.demand[r] for c in some) for some in table.choices]
        users = [i for i, work in enumerate(works) if work]
        if users:
            spread = -(-sum(works) // units)
            best = max(best, min(heads[i] for i in users) + spread + min(tails[i] for i in users))
    return best if rounded else max(0, best - table.slack)


def beyond(table: Table, limits: Limits) -> bool:
    """Whether a limit is out of reach of any plan, by these bounds alone."""
    if limits.latency is not None and least(table, -1, rounded=True) > limits.latency:
        return True
    return any(most is not None and least(table, meter) > most for meter, most in enumerate(limits.meters))


def stated(table: Table, meter: int, value: int) -> float:
    """A bound in whole numbers as a figure of the problem, never tighter than it is."""
    if meter < 0:
        return float(value * table.quantum)
    one = table.meters[meter]
    if one.name == QUALITY:
        return min(1.0, math.exp(-(value - one.slack) * TOLERANCE / (4 * len(table.choices))))
    unit: Fraction = one.unit or Fraction(1)
    return float(max(0, value - one.slack) * unit)


def names(table: Table, meters: Sequence[int]) -> list[str]:
    """Objectives by name again."""
    return [LATENCY if meter < 0 else table.meters[meter].name for meter in meters]
