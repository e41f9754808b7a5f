"""Discs that lie on each other in a picture, set apart until each can be read and hit."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["spread"]

ROUNDS = 80
TURN = math.pi * (3 - math.sqrt(5))
"""Radians; the golden angle, by which points in one place leave it in different directions."""

Point = tuple[float, float]


def spread(points: Sequence[Point], gap: float, low: Point, high: Point) -> list[Point]:
    """Places for discs, each as near to its point as a few rounds of pushing apart leave it.

    Parameters
    ----------
    points
        Where the discs should be.
    gap
        The least distance between two centres.
    low, high
        Corners of the room there is for centres.

    Returns
    -------
    list[tuple[float, float]]
        One place a point, in the same order; the same for the same points. In a room that is too small some
        may still be nearer to each other than `gap`.
    """
    places = [list(point) for point in points]
    for _ in range(ROUNDS):
        moved = False
        for one in range(len(places)):
            for other in range(one + 1, len(places)):
                moved |= push(places[one], places[other], gap, TURN * other)
        for place in places:
            for axis in (0, 1):
                place[axis] = min(high[axis], max(low[axis], place[axis]))
        if not moved:
            break
    return [(x, y) for x, y in places]


def push(one: list[float], other: list[float], gap: float, turn: float) -> bool:
    """Move two places that are too near away from each other; returns whether they were."""
    across, up = other[0] - one[0], other[1] - one[1]
    apart = math.hypot(across, up)
    if apart >= gap - 0.01:
        return False
    if apart < 1e-6:
        across, up, apart = math.cos(turn), math.sin(turn), 1.0
        missing = gap
    else:
        missing = gap - apart
    for axis, part in enumerate((across / apart, up / apart)):
        one[axis] -= part * missing / 2
        other[axis] += part * missing / 2
    return True
