"""A curve: how a quantity of a call (seconds, CPU-seconds) grows with items, work and cores.

    y(call) = (call + items x item + work x unit) x scale(cores),   scale(base cores) = 1

The three parameters are not negative and are fitted by least squares on relative errors, so that a call
of 100 ms counts as much as one of 10 s; one of a few milliseconds counts for less (`TINY`). With fewer distinct points than parameters, fewer are fitted.
`scale` holds what was measured at each number of cores; in between it is interpolated over 1/cores
(the form of Amdahl's law), and beyond the measured range it follows the law through the nearest points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Curve", "Point", "amdahl", "fit", "quantile"]

REWEIGHTINGS = 4
"""Rounds in which errors are weighed anew by what the last round predicts."""

LEAST_WORK = 1e-12

TINY = 0.005
"""Errors are relative to what is predicted and so much more (s): calls that are over in less say nothing of how those of seconds
grow, and little time hangs on them. It weighs down calls below some 30 ms. Without it a text of 60 tokens, shortened in 0.1 ms,
decided what one of 15,000 takes."""

PARALLEL_SHARE = 0.6
"""Share of a call assumed to gain from cores where only one number of cores was measured: a prior."""


@dataclass(frozen=True, slots=True)
class Point:
    """One observed quantity `y` of a call, and how much it counts."""

    cores: int
    items: float
    work: float
    y: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A fitted curve.

    Attributes
    ----------
    call, item, unit
        Parameters at `base` cores.
    scale
        Factor at each measured number of cores.
    low, high
        10th and 90th percentile of observed over fitted.
    points
        How many observations it rests on.
    shrinks
        Whether more cores may make it smaller (seconds) or never do (CPU-seconds).
    """

    call: float
    item: float
    unit: float
    scale: Mapping[int, float] = field(default_factory=lambda: {1: 1.0})
    low: float = 1.0
    high: float = 1.0
    points: int = 0
    shrinks: bool = True

    def at(self, cores: int, items: float, work: float) -> float:
        """The quantity of a call of `items` items with `work` in all on `cores` cores."""
        return (self.call + items * self.item + work * self.unit) * self.factor(cores)

    def factor(self, cores: int) -> float:
        """The factor at a number of cores."""
        known = sorted(self.scale)
        if cores in self.scale:
            return self.scale[cores]
        below = [c for c in known if c < cores]
        above = [c for c in known if c > cores]
        if below and above:
            a, b = below[-1], above[0]
            share = (1 / a - 1 / cores) / (1 / a - 1 / b)
            return self.scale[a] * math.pow(self.scale[b] / self.scale[a], share)
        if not self.shrinks:
            return self.scale[known[-1] if below else known[0]]
        edge = below[-1] if below else above[0]
        share = self.parallel_share()
        return self.scale[edge] * amdahl(cores, share) / amdahl(edge, share)

    def parallel_share(self) -> float:
        """Share of a call that gains from cores, from the two ends of what was measured; else a prior."""
        known = sorted(self.scale)
        if len(known) < 2:
            return PARALLEL_SHARE
        first, last = known[0], known[-1]
        ratio = self.scale[last] / self.scale[first]
        # ratio = amdahl(last) / amdahl(first), solved for the share.
        above = 1.0 - ratio
        below = (1 - 1 / last) - ratio * (1 - 1 / first)
        return min(1.0, max(0.0, above / below)) if below > 0 else 0.0


def amdahl(cores: int, share: float) -> float:
    """Time on some cores over time on one, when `share` of the work is parallel."""
    return (1.0 - share) + share / cores


def quantile(values: Sequence[float], weights: Sequence[float], q: float) -> float:
    """Weighted quantile, the lower of two where it falls between."""
    order = sorted(range(len(values)), key=values.__getitem__)
    goal = q * math.fsum(weights)
    seen = 0.0
    for index in order:
        seen += weights[index]
        if seen >= goal - 1e-12:
            return values[index]
    return values[order[-1]]


def parameters(points: Sequence[Point], scale: Mapping[int, float]) -> tuple[float, float, float]:
    """Non-negative least squares on errors relative to what is predicted, over every subset of the parameters.

    Relative to the prediction, not to the observation: a call that had nothing to do (a silent scene) then
    counts as one call among others, and does not pull the whole curve down to itself.
    """
    y = np.array([max(p.y, 1e-9) / scale.get(p.cores, 1.0) for p in points])
    weight = np.array([p.weight for p in points])
    # Work too small for arithmetic is none.
    matrix = np.array([[1.0, p.items, p.work if p.work > LEAST_WORK else 0.0] for p in points])
    distinct = len({(round(p.items, 6), round(p.work, 6)) for p in points})
    found = (float(np.average(y, weights=weight)), 0.0, 0.0)
    unit = np.maximum(y, 0.5 * found[0]) + TINY
    for _ in range(REWEIGHTINGS):
        found = subset(matrix, y, np.sqrt(weight) / unit, distinct) or found
        unit = matrix @ np.array(found) + TINY
    return found


def subset(
    matrix: np.ndarray, y: np.ndarray, root: np.ndarray, distinct: int
) -> tuple[float, float, float] | None:
    """The best non-negative parameters (exact, being few), or None where no subset has any."""
    goal = y * root
    best: tuple[float, tuple[float, float, float]] | None = None
    for size in range(1, min(3, distinct) + 1):
        # With one parameter, work explains best, then items: a lone overhead would predict no growth at all.
        for columns in itertools.combinations((2, 1, 0), size):
            part = matrix[:, columns] * root[:, None]
            if not np.all(np.any(part != 0.0, axis=0)):
                continue
            if size == 1 and columns == (0,) and best is not None and distinct == 1:
                continue
            solved, *_ = np.linalg.lstsq(part, goal, rcond=None)
            if np.any(solved < 0.0):
                continue
            error = float(np.sum((part @ solved - goal) ** 2))
            if best is None or error < best[0] * (1 - 1e-6) - 1e-12:
                full = [0.0, 0.0, 0.0]
                for column, value in zip(columns, solved, strict=True):
                    full[column] = float(value)
                best = (error, (full[0], full[1], full[2]))
    return None if best is None else best[1]


def fit(points: Sequence[Point], *, shrinks: bool = True) -> Curve:
    """Fit a curve to at least one point."""
    if not points:
        msg = "A curve needs at least one point."
        raise ValueError(msg)
    weight_at: dict[int, float] = {}
    for point in points:
        weight_at[point.cores] = weight_at.get(point.cores, 0.0) + point.weight
    base = max(sorted(weight_at), key=lambda c: weight_at[c])
    scale: dict[int, float] = {base: 1.0}
    found = parameters([p for p in points if p.cores == base], scale)
    for _ in range(3 if len(weight_at) > 1 else 0):
        curve = Curve(*found, scale={base: 1.0})
        for cores in weight_at:
            if cores == base:
                continue
            here = [p for p in points if p.cores == cores]
            took = math.fsum(p.weight * max(p.y, 1e-9) for p in here)
            alone = math.fsum(p.weight * curve.at(base, p.items, p.work) for p in here)
            scale[cores] = took / max(alone, 1e-9)
        found = parameters(points, scale)
    curve = Curve(*found, scale=dict(sorted(scale.items())), points=len(points), shrinks=shrinks)
    ratios = [max(p.y, 1e-9) / max(curve.at(p.cores, p.items, p.work), 1e-9) for p in points]
    weights = [p.weight for p in points]
    return Curve(
        *found,
        scale=curve.scale,
        low=min(1.0, quantile(ratios, weights, 0.1)),
        high=max(1.0, quantile(ratios, weights, 0.9)),
        points=len(points),
        shrinks=shrinks,
    )
