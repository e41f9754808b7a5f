"""A column of figures in whole numbers: the largest unit that divides all of them, and how many units each has.

Figures are meant as they are written (0.1 is a tenth). Thousands of fractions would take most of the 50 ms that
re-planning has, so floating point does what it can do without doubt, and fractions the rest: the result is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from math import gcd

import numpy as np
import numpy.typing as npt

from murakkab_jupyter.planner.exact.check import as_written

__all__ = ["FINEST", "Column", "Whole", "units_of"]

FINEST = 2**40
"""The most quanta that the longest schedule may have."""

Whole = npt.NDArray[np.int64]

DIGITS = 12
"""Digits behind the point up to which a common unit is looked for without fractions."""
CERTAIN = 1e15
"""Whole numbers below have 15 decimal digits, and no two decimals of so few digits are the same float."""
MANY = 2.0 * FINEST
"""More units than that is more than any limit leaves (`Column.units`)."""
BEYOND = 2**62
DOUBT = 2.0**-10
"""Below `MANY` units a quotient of floats is off by 3 x 2**-12 at most, so farther from a whole number it is right."""
SMALLEST = 1e-280
"""Units below are left to fractions: floats lose digits there."""


class Column:
    """Figures of many modes."""

    def __init__(self, values: Sequence[float]) -> None:
        self.values = values
        self.array = np.array(values, dtype=np.float64)

    @cached_property
    def decimals(self) -> tuple[Whole, int] | None:
        """The figures times a power of ten, and that power, where they are decimals of 15 digits at most."""
        largest = float(self.array.max(initial=0.0))
        for digits in range(DIGITS + 1):
            power = 10.0**digits
            if largest * power >= CERTAIN:
                return None
            # Both sides of the division are exact, so it gives the float that is nearest to this decimal.
            shifted = np.rint(self.array * power)
            if bool((shifted / power == self.array).all()):
                return shifted.astype(np.int64), digits
        return None

    def quantum(self, most: Fraction) -> tuple[Fraction, bool]:
        """The largest quantum that divides all figures, if `most` has few enough of it; else a very fine one."""
        if not self.array.any() or not most:
            return Fraction(1), True
        if self.decimals is not None:
            tens, digits = self.decimals
            common = Fraction(int(np.gcd.reduce(tens)), 10**digits)
            return (common, True) if most <= common * FINEST else (most / FINEST, False)
        common = Fraction(0)
        for value in self.values:
            if value:
                one = as_written(value)
                common = Fraction(
                    gcd(common.numerator * one.denominator, one.numerator * common.denominator),
                    common.denominator * one.denominator,
                )
                # It only gets smaller from here on.
                if most > common * FINEST:
                    return most / FINEST, False
        return common, True

    def units(self, unit: Fraction) -> Whole:
        """How many units each figure has, rounded up; `BEYOND` for what no limit leaves.

        The unit is one that `quantum` gave, so a limit, or the sum of all figures, has about `FINEST` of it at most.
        """
        if self.decimals is not None:
            tens, digits = self.decimals
            step = unit * 10**digits
            if step.denominator == 1:
                # Nothing is above 10^15, so a larger step makes one unit of everything.
                rounded: Whole = -(-tens // min(step.numerator, BEYOND))
                return rounded
        size = float(unit)
        if size < SMALLEST:
            return np.array([self.exactly(value, unit) for value in self.values], dtype=np.int64)
        with np.errstate(over="ignore"):
            quotient = self.array / size
        many = quotient >= MANY
        quotient[many] = 0.0
        units = np.ceil(quotient).astype(np.int64)
        close = np.abs(quotient - np.rint(quotient)) < DOUBT
        for at in np.flatnonzero(close & (self.array > 0.0)).tolist():
            units[at] = self.exactly(self.values[at], unit)
        units[many] = BEYOND
        return units

    @staticmethod
    def exactly(value: float, unit: Fraction) -> int:
        """One figure, in fractions."""
        return min(units_of(as_written(value), unit), BEYOND)


def units_of(value: Fraction, unit: Fraction) -> int:
    """How many units a value has, rounded up."""
    return -(-value.numerator * unit.denominator // (value.denominator * unit.numerator))
