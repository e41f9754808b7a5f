"""Limits in words, and their values as text that keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from murakkab_jupyter.planner.exact.problem import TOLERANCE

__all__ = ["as_set", "figure", "moves", "words"]

DIGITS = 9
"""Digits of a value that is offered; rounded to the nearest it may break the limit by more than the tolerance."""


def words(limit: str) -> str:
    """A limit's name as a sentence has it."""
    kind, _, name = limit.partition(":")
    return {"deadline": "the deadline", "quality": "the least quality"}.get(kind, f"the {kind} of {name}")


def as_set(limit: float) -> str:
    """A limit as it was set: never so short that it looks like the value which it misses."""
    return f"{limit:.12g}"


def figure(value: float, *, up: bool) -> str:
    """A value of nine digits at most, rounded up (or down) where the nearest would be beyond it by more than a trifle."""
    near = float(f"{value:.{DIGITS}g}")
    if (near - value if up else value - near) >= -abs(value) * TOLERANCE / 4:
        return f"{near:.{DIGITS}g}"
    context = Context(prec=DIGITS, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    return f"{float(context.create_decimal(Decimal(repr(value)))):.{DIGITS}g}"


def offered(limit: str, value: float) -> str:
    """A value that a limit could be set to: whoever does gets a schedule."""
    return f"{value:.0f}" if limit.startswith("capacity:") else figure(value, up=limit != "quality")


def moves(values: Mapping[str, float]) -> list[str]:
    """What to set each limit to, in words."""
    return [f"{words(limit)} to {offered(limit, value)}" for limit, value in values.items()]
