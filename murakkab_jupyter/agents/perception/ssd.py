"""From what the heads of SSD-MobileNet-v2 say to boxes: anchors, decoding, and which of those that overlap are kept."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["anchors", "decode"]

Array = npt.NDArray[Any]

TRAINED_SIZE = 300
"""Pixels of a side of the pictures that the network was trained on; anchors keep their pixels in smaller ones."""
SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
"""Sizes of the anchors on the six maps, as shares of a picture, and of what would be the seventh."""
SHAPES = (1.0, 2.0, 0.5, 3.0, 0.3333)
"""Width to height."""
FIRST_STRIDE = 16
CENTRE, SIZE = 0.1, 0.2
"""What offsets and logarithms are multiplied with (the variances of SSD)."""

OVERLAP = 0.6
"""Of two boxes of a class that share more of their union than this, the surer is kept."""
MOST = 100
"""Boxes of a class that are looked at, and of a picture that are kept."""
LEAST_SCORE = 0.01
"""Nothing less sure is looked at."""


def shapes(level: int) -> list[tuple[float, float]]:
    """Heights and widths of the anchors on one map, as shares of a picture of the size trained on."""
    scale = SCALES[level]
    if level == 0:
        small = SCALES[0] / 2
        return [(small, small), *((scale / math.sqrt(one), scale * math.sqrt(one)) for one in SHAPES[1:3])]
    between = math.sqrt(scale * SCALES[level + 1])
    return [*((scale / math.sqrt(one), scale * math.sqrt(one)) for one in SHAPES), (between, between)]


@cache
def anchors(size: int) -> Array:
    """Anchors of a picture of `size` x `size` pixels: n x 4, centre (y, x) and size (height, width) as shares of it."""
    rows = []
    side = math.ceil(size / FIRST_STRIDE)
    for level in range(len(SCALES) - 1):
        centres = (np.arange(side) + 0.5) / side
        lengths = np.array(shapes(level)) * TRAINED_SIZE / size
        y, x, kind = np.meshgrid(centres, centres, np.arange(len(lengths)), indexing="ij")
        rows.append(np.stack([y, x, lengths[kind, 0], lengths[kind, 1]], axis=-1).reshape(-1, 4))
        side = math.ceil(side / 2)
    made: Array = np.concatenate(rows).astype(np.float32)
    made.flags.writeable = False
    return made


def corners(offsets: Array, around: Array) -> Array:
    """Boxes (n x 4: y1, x1, y2, x2 as shares of the picture) from what is said of these anchors."""
    centres = around[:, :2] + offsets[:, :2] * CENTRE * around[:, 2:]
    halves = np.exp(offsets[:, 2:] * SIZE) * around[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def kept(boxes: Array, scores: Array) -> list[int]:
    """Which boxes of one class are kept: the surest, and those that overlap none of the surer ones too much."""
    y1, x1, y2, x2 = boxes.T
    areas = (y2 - y1) * (x2 - x1)
    order = np.argsort(-scores, kind="stable")[:MOST]
    chosen = []
    while order.size:
        best, order = order[0], order[1:]
        chosen.append(int(best))
        height = np.minimum(y2[best], y2[order]) - np.maximum(y1[best], y1[order])
        width = np.minimum(x2[best], x2[order]) - np.maximum(x1[best], x1[order])
        shared = np.maximum(height, 0) * np.maximum(width, 0)
        order = order[shared <= OVERLAP * (areas[best] + areas[order] - shared)]
    return chosen


def decode(
    offsets: Array, scores: Array, size: int, least: float
) -> list[tuple[int, float, float, float, float, float]]:
    """Objects in one picture of `size` x `size` pixels, the surest first: class, score, x1, y1, x2, y2 as shares of the picture.

    Offsets are anchors x 4, scores anchors x 91, of which number 0, the background, is no object. The corners may lie
    outside the picture.
    """
    which, labels = np.nonzero(scores[:, 1:] > max(least, LEAST_SCORE))
    labels += 1
    sure = scores[which, labels]
    boxes = corners(offsets[which], anchors(size)[which])
    found = []
    for label in np.unique(labels):
        (of_class,) = np.nonzero(labels == label)
        for index in of_class[kept(boxes[of_class], sure[of_class])]:
            y1, x1, y2, x2 = boxes[index].tolist()
            found.append((int(label), float(sure[index]), x1, y1, x2, y2))
    return sorted(found, key=lambda one: -one[1])[:MOST]
