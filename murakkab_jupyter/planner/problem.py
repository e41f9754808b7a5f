"""The door to the exact problem for whoever states one by hand; `planner/exact/` is the room behind it."""

from __future__ import annotations

from murakkab_jupyter.planner.exact.problem import (
    LATENCY,
    QUALITY,
    TOLERANCE,
    Activity,
    BadProblem,
    Infeasible,
    Mode,
    Problem,
    Solution,
    Undecided,
)
from murakkab_jupyter.planner.exact.solve import solve

__all__ = [
    "LATENCY",
    "QUALITY",
    "TOLERANCE",
    "Activity",
    "BadProblem",
    "Infeasible",
    "Mode",
    "Problem",
    "Solution",
    "Undecided",
    "solve",
]
