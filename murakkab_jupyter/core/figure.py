"""A figure: a value with its unit, its band, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal

__all__ = ["Figure", "Method", "Source", "fixed", "money", "per_time", "total", "unknown", "weakest"]

Source = Literal["measured", "published", "prior"]
"""`measured` on this host, `published` (cited), or `prior`: a guess, or a measurement made elsewhere."""

Method = Literal["counter", "estimate", "none"]
"""How a reading was got: from a hardware counter, from a model of one, or not at all."""

_STRENGTH: dict[Source, int] = {"prior": 0, "published": 1, "measured": 2}


def weakest(sources: Iterable[Source]) -> Source:
    """The weakest of some sources: what is derived from them is no stronger."""
    return min(sources, key=_STRENGTH.__getitem__, default="prior")


_EXACT = Context(prec=400)
"""Digits for the whole part of any float, and then some."""


def fixed(value: float, decimals: int = 0) -> str:
    """A finite number with so many decimals and commas between thousands; halves go away from 0.

    As people round, and JavaScript's `toFixed`: the panel says the same figures. Python's own formats take
    halves to the even digit.
    """
    least = Decimal(1).scaleb(-decimals)
    return f"{Decimal(float(value)).quantize(least, rounding=ROUND_HALF_UP, context=_EXACT):,f}"


def money(value: float) -> str:
    """Dollars for people: `$1.50`, `$0.0015`; below a tenth of a cent, millionths and billionths: `150 µ$`, `73 n$`.

    What is no number is `unknown`.
    """
    if not math.isfinite(value):
        return "unknown"
    if value == 0:
        return "$0"
    sign = "-" if value < 0 else ""
    if abs(value) >= 0.01:
        return f"{sign}${fixed(abs(value), 2)}"
    if abs(value) >= 0.9995e-3:
        return f"{sign}${fixed(abs(value), 5)}".rstrip("0")
    unit, size = ("µ$", 1e-6) if abs(value) >= 0.9995e-6 else ("n$", 1e-9)
    if abs(value) < 0.005e-9:
        return "< 0.01 n$"
    many = value / size
    return f"{fixed(many, 0 if abs(many) >= 99.95 else 1 if abs(many) >= 9.995 else 2)} {unit}"


def per_time(per_s: float) -> str:
    """`2/min`, `0.5/s`, `3/h`: a rate (1/s) as people say it, and as `--arrivals` reads it."""
    unit, often = next(
        (pair for pair in (("s", per_s), ("min", per_s * 60.0)) if pair[1] >= 1), ("h", per_s * 3600.0)
    )
    short = f"{often:.3g}"
    return f"{f'{float(short):.0f}' if 1000 <= often < 1e6 else short}/{unit}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that says where it comes from.

    Attributes
    ----------
    value
        The number in `unit`; None when unknown (never 0 for unknown).
    unit
        `s`, `J`, `USD`, `B`, `1` (a ratio) or another SI symbol.
    low, high
        The band the value is expected in, where one is known.
    source
        `measured`, `published` or `prior`.
    method
        For readings: `counter`, `estimate` or `none`.
    note
        Citation, boundary or caveat, in a few words.
    """

    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    source: Source = "prior"
    method: Method | None = None
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                msg = f"A figure's {name} must be finite or None, not {number!r}."
                raise ValueError(msg)

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def scaled(self, factor: float, unit: str | None = None) -> Figure:
        """The figure times a factor of 0 or more, in `unit` when that changes with it."""

        def times(number: float | None) -> float | None:
            return None if number is None else number * factor

        return replace(
            self,
            value=times(self.value),
            low=times(self.low),
            high=times(self.high),
            unit=unit or self.unit,
        )

    def to_json(self) -> dict[str, object]:
        """`{value, unit, low, high, source}`, with `method` and `note` where they are set."""
        data: dict[str, object] = {
            "value": self.value,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "source": self.source,
        }
        if self.method is not None:
            data["method"] = self.method
        if self.note:
            data["note"] = self.note
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Figure:
        """Inverse of `to_json`; raises `ValueError` or `TypeError` on bad data."""

        def number(key: str) -> float | None:
            raw = data.get(key)
            if raw is None:
                return None
            if isinstance(raw, bool) or not isinstance(raw, int | float):
                msg = f"A figure's {key} must be a number, not {raw!r}."
                raise ValueError(msg)
            return float(raw)

        source = data.get("source", "prior")
        if source not in _STRENGTH:
            msg = f"A figure's source is one of {', '.join(_STRENGTH)}, not {source!r}."
            raise ValueError(msg)
        method = data.get("method")
        if method not in (None, "counter", "estimate", "none"):
            msg = f"A figure's method is counter, estimate or none, not {method!r}."
            raise ValueError(msg)
        return cls(
            value=number("value"),
            unit=str(data["unit"]),
            low=number("low"),
            high=number("high"),
            source=source,
            method=method,
            note=str(data.get("note", "")),
        )

    def __str__(self) -> str:
        if self.value is None:
            return "unknown"
        return f"{self.value:.3g} {self.unit}" if self.unit != "1" else f"{self.value:.2f}"


def unknown(unit: str, note: str = "") -> Figure:
    """A figure that nobody knows."""
    return Figure(None, unit, source="prior", method="none", note=note)


def total(figures: Iterable[Figure], unit: str, note: str = "") -> Figure:
    """The sum of some figures of one unit: unknown if any is, as weak as the weakest.

    Bands add up as if all ends came together, which is wider than chance would have it; parts without
    a band count as exact.
    """
    parts = list(figures)
    for part in parts:
        if part.unit != unit:
            msg = f"Cannot add {part.unit} to {unit}."
            raise ValueError(msg)
    if any(part.value is None for part in parts):
        return unknown(unit, note)
    value = math.fsum(part.value or 0.0 for part in parts)
    low = high = None
    if any(part.low is not None or part.high is not None for part in parts):
        low = math.fsum(part.value or 0.0 if part.low is None else part.low for part in parts)
        high = math.fsum(part.value or 0.0 if part.high is None else part.high for part in parts)
    source = weakest(part.source for part in parts) if parts else "measured"
    methods = {part.method for part in parts} - {None}
    method: Method | None = None
    if methods:
        method = "estimate" if "estimate" in methods else ("none" if "none" in methods else "counter")
    return Figure(value, unit, low, high, source, method, note)
