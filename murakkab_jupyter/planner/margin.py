"""Margins: a limit is a promise, so it is planned against what a run may take, not against what it is expected to take.

Bands go from the 10th to the 90th percentile of what was observed. So a plan whose upper end keeps a limit aims at nine runs of
ten, the confidence that is asked for unless told otherwise; how often bands hold is measured (benchmarks/curves.py). For another one, the distance to the upper end is scaled as for a
normal distribution. Watts and prices are the same in a plan and in the bill of its run, so the margin of an energy or a budget
is that of the seconds and CPU-seconds that they are made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.workflow.goal import CONFIDENCE, Goal

__all__ = ["margin_note", "margin_of", "risk_note"]

RESTS_ON: Mapping[str, tuple[str, ...]] = {
    "deadline": ("latency",),
    "arrivals": ("latency",),
    "budget": ("latency", "cpu"),
    "max-energy": ("latency", "cpu"),
}
"""The totals in whose bands the margin of a limit lies."""

FIGURES: Mapping[str, str] = {"deadline": "latency", "budget": "cost", "max-energy": "energy"}


def margin_of(totals: Mapping[str, Figure], limit: str, confidence: float) -> float:
    """By which share a total may exceed what is expected, with such a confidence; 0 where its band is not known."""
    ends = []
    for name in RESTS_ON[limit]:
        figure = totals.get(name)
        if figure is not None and figure.value and figure.high is not None:
            ends.append(max(0.0, figure.high / figure.value - 1.0))
    return max(ends, default=0.0) * stretch(confidence)


def stretch(confidence: float) -> float:
    """How far out a confidence lies, with 1 at the upper end of a band."""
    return NormalDist().inv_cdf(confidence) / NormalDist().inv_cdf(CONFIDENCE)


def margin_note(
    totals: Mapping[str, Figure], goal: Goal, limit: str, value: float, *, described: bool
) -> str | None:
    """The margin that a plan keeps to a limit and what it rests on; None where there is none, or too little room for it.

    On hardware that is only `described` no run will make it smaller.
    """
    margin = margin_of(totals, limit, goal.confidence)
    if margin <= 0 or not surely(totals, goal, limit, value):
        return None
    return (
        f"Planned with {margin:.0%} margin to the {limit}, so that {goal.confidence:.0%} of runs should keep it: "
        f"{rests_on(totals, limit, described)}."
    )


def risk_note(
    totals: Mapping[str, Figure], goal: Goal, limit: str, value: float, *, described: bool
) -> str | None:
    """That a limit is at risk: its plan has less room than its margin; None where it has enough."""
    figure = totals.get(FIGURES[limit])
    if figure is None or figure.value is None or figure.value > value or surely(totals, goal, limit, value):
        return None
    margin = margin_of(totals, limit, goal.confidence)
    return (
        f"The {limit} is at risk: of the plans found this one keeps it most surely, with {room(figure.value, value)} to spare, "
        f"and {margin:.0%} would be needed for {goal.confidence:.0%} of runs to keep it: {rests_on(totals, limit, described)}. "
        "--confidence 50% plans by what is expected."
    )


def surely(totals: Mapping[str, Figure], goal: Goal, limit: str, value: float) -> bool:
    """Whether a limit is kept with its margin."""
    figure = totals.get(FIGURES[limit])
    if figure is None or figure.value is None:
        return False
    return figure.value * (1.0 + margin_of(totals, limit, goal.confidence)) <= value * (1 + 1e-9)


def rests_on(totals: Mapping[str, Figure], limit: str, described: bool) -> str:
    sources = {totals[name].source for name in RESTS_ON[limit] if name in totals}
    if sources == {"measured"}:
        return "times were measured on this host, and vary by as much"
    return f"times are priors{'' if described else '; runs here make them measured, and the margin smaller'}"


def room(expected: float, limit: float) -> str:
    return f"{max(0.0, limit / expected - 1.0):.0%}" if expected > 0 else "everything"
