"""A problem that a release of the solver gets wrong."""

from __future__ import annotations

from murakkab_jupyter.planner.problem import Activity, Mode, Problem

LIAR = Problem(
    [
        Activity("a0", [Mode(7, {"cpu": 2}), Mode(5, {"cpu": 2})]),
        Activity("a1", [Mode(4, {"cpu": 2})], ["a0"]),
        Activity("a2", [Mode(2, {"cpu": 2}), Mode(7, {"gpu": 1})], ["a0"]),
        Activity("a3", [Mode(8, {"cpu": 1}), Mode(3, {"cpu": 2})], ["a1", "a2"]),
    ],
    {"cpu": 2, "gpu": 1},
)
"""OR-tools 9.15 certifies 15 for this one in the textbook form of modes; the optimum is 14."""
