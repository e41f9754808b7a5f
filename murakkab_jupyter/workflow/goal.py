"""A goal: objectives in order of priority, and limits (SLOs)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.figure import money, per_time

__all__ = [
    "CONFIDENCE",
    "MAX_QUALITY",
    "MIN_COST",
    "MIN_ENERGY",
    "MIN_LATENCY",
    "OBJECTIVES",
    "TIERS",
    "Goal",
    "Objective",
]

Objective = Literal["cost", "energy", "latency", "quality"]
OBJECTIVES: tuple[Objective, ...] = ("cost", "energy", "latency", "quality")

TIERS: tuple[str, ...] = ("best", "good", "fair", "basic")
"""Relative quality floors: of what the available agents can reach, at least 100, 95, 80 or 50 percent
(named after the SLO tiers of arXiv 2508.18298, which uses p95, p80 and p50 of all configurations)."""


CONFIDENCE = 0.9
"""A limit is a promise: unless told otherwise a plan aims at nine runs of ten that keep it. Bands go from the 10th to the 90th
percentile of what was observed, so that this is the upper end of the band; runs that go otherwise may miss it more often."""

LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.99

LEAST_PER_S, MOST_PER_S = 1e-8, 1e9
"""Arrivals a second: from one in three years to a thousand million; anything else is a slip."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a plan is for.

    Attributes
    ----------
    objectives
        In order of priority; `quality` is maximised, the others minimised. Later ones break ties.
    quality
        Floor: a tier (`best`, `good`, `fair`, `basic`), a number in 0..1, or None.
        Minimising without a floor means `good`.
    deadline_s, budget_usd, max_energy_j
        Limits on the whole run, None for none.
    arrivals_per_s
        Inputs keep arriving, so many a second on average, and the plan is to keep up with them; None for a job now. Limits on money and
        energy are then an hour's, the deadline is for each value from its arrival to its end (95 % of them).
    confidence
        How surely these limits are to be kept: in so many of 1 runs, as far as figures are known; 0.5 goes by what is expected.
    """

    objectives: tuple[Objective, ...] = ("cost",)
    quality: str | float | None = None
    deadline_s: float | None = None
    budget_usd: float | None = None
    max_energy_j: float | None = None
    confidence: float = CONFIDENCE
    arrivals_per_s: float | None = None

    def __post_init__(self) -> None:
        if not self.objectives:
            msg = "A goal needs an objective."
            raise UsageError(msg, hint="Say --minimize cost, energy or latency, or --maximize quality.")
        for objective in self.objectives:
            if objective not in OBJECTIVES:
                msg = f"There is no objective {objective!r}."
                raise UsageError(msg, hint=f"There are: {', '.join(OBJECTIVES)}.")
        if len(set(self.objectives)) != len(self.objectives):
            msg = "The same objective is given twice."
            raise UsageError(msg, hint="Give each objective once, the most important first.")
        if isinstance(self.quality, str):
            if self.quality not in TIERS:
                msg = f"There is no quality {self.quality!r}."
                raise UsageError(msg, hint=f"Say one of {', '.join(TIERS)}, or a number from 0 to 1.")
        elif self.quality is not None and not 0 <= self.quality <= 1:
            msg = f"A quality floor lies between 0 and 1, not {self.quality!r}."
            raise UsageError(msg)
        if not LEAST_CONFIDENCE <= self.confidence <= MOST_CONFIDENCE:
            msg = f"A confidence lies between {LEAST_CONFIDENCE:g} and {MOST_CONFIDENCE:g}, not {self.confidence!r}."
            raise UsageError(
                msg, hint="0.5 plans by what is expected, 0.9 aims at nine runs of ten that keep a limit."
            )
        for name, value in (
            ("deadline", self.deadline_s),
            ("budget", self.budget_usd),
            ("max-energy", self.max_energy_j),
            ("arrivals", self.arrivals_per_s),
        ):
            if value is not None and not (math.isfinite(value) and value > 0):
                msg = f"--{name} must be more than 0, not {value!r}."
                raise UsageError(msg)
        if self.arrivals_per_s is not None and not LEAST_PER_S <= self.arrivals_per_s <= MOST_PER_S:
            msg = f"--arrivals lies between {LEAST_PER_S:g} and {MOST_PER_S:g} a second, not {self.arrivals_per_s:g}."
            raise UsageError(msg, hint="Write, for example, --arrivals 2/min")

    @property
    def floor(self) -> str | float | None:
        """The quality floor in force: the stated one; `good` when something is minimised first; else none."""
        if self.quality is not None:
            return self.quality
        return None if self.objectives[0] == "quality" else "good"

    @property
    def limited(self) -> bool:
        """Whether there is a deadline, a budget or a limit on energy."""
        return not (self.deadline_s is None and self.budget_usd is None and self.max_energy_j is None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "objectives": list(self.objectives),
            "quality": self.quality,
            "deadline_s": self.deadline_s,
            "budget_usd": self.budget_usd,
            "max_energy_j": self.max_energy_j,
            "confidence": self.confidence,
            "arrivals_per_s": self.arrivals_per_s,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Goal:
        """Inverse of `to_json`."""
        return cls(**{**data, "objectives": tuple(data["objectives"])})

    def __str__(self) -> str:
        words = [f"{'maximize' if o == 'quality' else 'minimize'} {o}" for o in self.objectives]
        if self.floor is not None:
            words.append(f"quality {self.floor}")
        if self.deadline_s is not None:
            each = " for each value" if self.arrivals_per_s is not None else ""
            words.append(f"deadline {self.deadline_s:g} s{each}")
        if self.budget_usd is not None:
            small = 0 < self.budget_usd < 0.9995e-3
            words.append(f"budget {money(self.budget_usd) if small else f'${self.budget_usd:g}'}")
        if self.max_energy_j is not None:
            words.append(f"max energy {self.max_energy_j:g} J")
        if self.arrivals_per_s is not None:
            words.append(f"arrivals {per_time(self.arrivals_per_s)}")
        if self.confidence != CONFIDENCE and (self.limited or self.arrivals_per_s is not None):
            words.append(f"limits kept with confidence {self.confidence:g}")
        return ", ".join(words)


MIN_COST = Goal(("cost",))
MIN_ENERGY = Goal(("energy",))
MIN_LATENCY = Goal(("latency",))
MAX_QUALITY = Goal(("quality",))
