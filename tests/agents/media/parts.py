"""What tests of media share."""

import numpy as np


def near(pixel, colour, tolerance=40):
    """Whether a pixel has this colour, but for what coding changed (each part of 0 to 255)."""
    return bool(np.all(np.abs(pixel.astype(int) - np.array(colour)) < tolerance))
