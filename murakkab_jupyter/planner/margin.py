"""Margins: a limit is a promise, so it is planned against what a run may take, not against what it is expected to take.

Bands go from the 10th to the 90th percentile. So a plan whose upper end keeps a limit keeps it in nine runs of ten, which is
the confidence that is asked for unless told otherwise; for another one, the distance to the upper end is scaled as for a
normal distribution. Watts and prices are the same in a plan and in the bill of its run, so the margin of an energy or a budget
is that of the seconds and CPU-seconds that they are made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.workflow.goal import CONFIDENCE, Goal

__all__ = ["margin_note", "margin_of"]

RESTS_ON: Mapping[str, tuple[str, ...]] = {
    "deadline": ("latency",),
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


def margin_note(totals: Mapping[str, Figure], goal: Goal, limit: str, value: float) -> str | None:
    """What a plan says of the margin to a limit and what it rests on; that the limit is at risk, where there is too little."""
    figure = totals.get(FIGURES[limit])
    if figure is None or figure.value is None:
        return None
    margin = margin_of(totals, limit, goal.confidence)
    if margin <= 0:
        return None
    sources = {totals[name].source for name in RESTS_ON[limit] if name in totals}
    why = (
        "times were measured on this host, and vary by as much"
        if sources == {"measured"}
        else "times are priors; runs here make them measured, and the margin smaller"
    )
    share = f"{goal.confidence:.0%} of runs"
    if figure.value * (1.0 + margin) <= value * (1 + 1e-9):
        return f"Planned with {margin:.0%} margin to the {limit}, so that {share} keep it: {why}."
    return (
        f"The {limit} is at risk: this is the plan that keeps it most surely, with {room(figure.value, value)} to spare, "
        f"and {margin:.0%} would be needed for {share} to keep it: {why}. --confidence 50% plans by what is expected."
    )


def room(expected: float, limit: float) -> str:
    return f"{max(0.0, limit / expected - 1.0):.0%}" if expected > 0 else "everything"
