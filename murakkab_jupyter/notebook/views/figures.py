"""Figures in words: units always, where they come from always, unknown never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from murakkab_jupyter.core.figure import Figure, fixed, money
from murakkab_jupyter.notebook.views.html import Html, tag

__all__ = [
    "LEGEND",
    "amount",
    "band",
    "figure",
    "figure_text",
    "is_prior",
    "legend",
    "origin",
    "size_text",
    "time_text",
    "timecode",
]

MARKS = {"measured": "", "published": "°", "prior": "~"}
LEGEND = {
    "prior": "~ prior: a guess, or measured on another machine",
    "published": "° published by others",
    "measured": "no mark: measured on this host",
}


def amount(value: float | None, unit: str) -> str:
    """A number with its unit, short and readable."""
    if value is None or not math.isfinite(value):
        return "unknown"
    match unit:
        case "s":
            return time_text(value)
        case "J":
            return scaled(value, (("MJ", 1e6), ("kJ", 1e3), ("J", 1.0), ("mJ", 1e-3)), "J")
        case "W":
            return scaled(value, (("kW", 1e3), ("W", 1.0)), "W")
        case "B":
            return size_text(value)
        case "USD":
            return money(value)
        case "1":
            return fixed(value, 2)
    return f"{short(value)} {unit}"


def short(value: float) -> str:
    """Three significant digits, without exponents where they can be read."""
    if not math.isfinite(value):
        return "unknown"
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 100:
        return fixed(value)
    if size >= 10:
        return fixed(value, 1)
    if size >= 0.1:
        return fixed(value, 2)
    exact = Decimal(float(value))
    two = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), rounding=ROUND_HALF_UP)
    if abs(two) >= Decimal("1e-6"):
        return f"{two.normalize():f}"
    return repr(float(two)).replace("e-0", "e-")


def scaled(value: float, steps: tuple[tuple[str, float], ...], base: str) -> str:
    if value == 0:
        return f"0 {base}"
    for unit, size in steps:
        if abs(value) >= size:
            return f"{short(value / size)} {unit}"
    unit, size = steps[-1]
    return f"{short(value / size)} {unit}"


def whole(value: float) -> int:
    return int(Decimal(float(value)).to_integral_value(ROUND_HALF_UP))


def time_text(seconds: float) -> str:
    """`0.42 s`, `12.3 s`, `2 min 05 s`, `1 h 20 min`."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds >= 3600:
        hours, rest = divmod(whole(seconds / 60), 60)
        return f"{hours} h {rest:02d} min"
    if seconds >= 99.95:
        minutes, rest = divmod(whole(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    if 0 < seconds < 0.01:
        return f"{short(seconds * 1000)} ms"
    return f"{short(seconds)} s"


def size_text(size: float) -> str:
    """Bytes as `B`, `kB`, `MB` or `GB`."""
    return scaled(size, (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)), "B") if size >= 1 else "0 B"


def timecode(seconds: float | None) -> str:
    """`0:07`, `12:40`, `1:02:03`: a place in a recording."""
    if seconds is None:
        return ""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def figure_text(one: Figure | None) -> str:
    """A figure with the mark of its source."""
    if one is None or one.value is None:
        return "unknown"
    return f"{MARKS[one.source]}{amount(one.value, one.unit)}"


def figure(one: Figure | None) -> Html:
    """The same for HTML: the title has the band, the source, and where there is a note, the note."""
    if one is None or one.value is None:
        why = "" if one is None else one.note
        return tag("span", "unknown", title=why or None, style="opacity:.74;font-style:italic")
    return tag(
        "span", figure_text(one), title="; ".join(part for part in (range_of(one), origin(one)) if part)
    )


def is_prior(one: Figure | None) -> bool:
    """Whether a figure is a guess: a prior, or not known at all."""
    return one is None or one.value is None or one.source == "prior"


def origin(one: Figure | None) -> str:
    """Where a figure comes from, for those who ask."""
    if one is None:
        return "unknown"
    if one.value is None:
        return one.note or "unknown"
    words = one.source if not one.note else f"{one.source}: {one.note}"
    return f"{words} ({one.method})" if one.method else words


def band(one: Figure | None) -> str:
    """A figure with the band it is expected in, where one is known."""
    text = figure_text(one)
    wide = range_of(one)
    return f"{text} ({wide})" if wide else text


def range_of(one: Figure | None) -> str:
    """The band that a figure is expected in, `2.00 s to 5.00 s`; empty where none is known."""
    if one is None or one.value is None or one.low is None or one.high is None:
        return ""
    low, high = amount(one.low, one.unit), amount(one.high, one.unit)
    return "" if low == high else f"{low} to {high}"


def legend(figures: Iterable[Figure | None]) -> str:
    """What the marks among some figures mean; only those that occur."""
    sources = {one.source for one in figures if one is not None and one.value is not None}
    return " · ".join(words for source, words in LEGEND.items() if source in sources)
