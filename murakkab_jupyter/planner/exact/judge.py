"""Which of two plans is better, given how far rounding can be off in each objective."""

from __future__ import annotations

import math
from collections.abc import Sequence

from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.problem import QUALITY, TOLERANCE, Solution
from murakkab_jupyter.planner.exact.start import Draft
from murakkab_jupyter.planner.exact.table import LOG_ZERO, Table

__all__ = ["Judge"]


class Judge:
    """Compares plans of one table by objectives in order of priority."""

    def __init__(self, table: Table, objectives: Sequence[str]) -> None:
        self.table, self.objectives = table, tuple(objectives)
        self.meters = [table.meter(name) for name in objectives]

    def slack(self, meter: int) -> int:
        """How far rounding can be off in a meter (-1: latency)."""
        return self.table.slack if meter < 0 else self.table.meters[meter].slack

    def is_zero(self, meter: int, value: int) -> bool:
        """Whether this is a quality of 0: all plans of quality 0 are equal."""
        if meter < 0 or self.table.meters[meter].name != QUALITY:
            return False
        return value >= self.zero_quality()

    def zero_quality(self) -> int:
        """From this -log of quality on, the quality is 0."""
        return math.floor(0.9 * LOG_ZERO * 4e9 * len(self.table.choices))

    def holding(self, limits: Limits, held: Draft | None, at: int) -> Limits:
        """The limits, and objective `at` no worse than it is in a draft."""
        meter = self.meters[at]
        if held is None or self.is_zero(meter, held.values[at]):
            return limits
        return limits.tightened(meter, held.values[at] + self.slack(meter))

    def better(self, limits: Limits, held: Draft | None, at: int) -> Limits:
        """Limits that only a plan keeps which is truly better than a draft in objective `at`."""
        meter = self.meters[at]
        if held is None:
            return limits
        if self.is_zero(meter, held.values[at]):
            return limits.tightened(meter, self.zero_quality() - 1)
        return limits.tightened(meter, held.values[at] - 1 - self.slack(meter))

    def as_good(self, found: Draft, held: Draft, until: int | None = None) -> bool:
        """Whether one draft is no worse than another in the objectives (before `until`)."""
        pairs = list(zip(found.values, held.values, self.meters, strict=True))[:until]
        return all(a <= b + self.slack(m) or self.is_zero(m, b) for a, b, m in pairs)

    def worse(self, one: Solution, other: Solution) -> bool:
        """Whether a plan is worse than another in the first objective in which their figures differ.

        Where units are rounded they do not tell small figures apart, and figures that are closer than the tolerance
        are equal.
        """
        for name, meter in zip(self.objectives, self.meters, strict=True):
            a, b = one.totals[name], other.totals[name]
            if abs(a - b) > (TOLERANCE * max(abs(a), abs(b)) if self.slack(meter) else 0.0):
                return a < b if name == QUALITY else a > b
        return False
