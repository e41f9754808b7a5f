"""Sets of options: how unlike two are, and what of one set says about another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.profiles.observation import Observation, Quality
from murakkab_jupyter.profiles.profile import options_key

__all__ = ["PATHS", "Options", "as_many_paths", "distance", "nearest"]

Options = tuple[tuple[str, Any], ...]

PATHS = "paths"
"""The option that says how often everything is done."""


def as_many_paths(one: Observation, have: Mapping[str, Any], wanted: Mapping[str, Any]) -> Observation:
    """An observation as it would have been with the wanted number of paths: each does all of the work again."""
    there, here = have.get(PATHS, 1), wanted.get(PATHS, 1)
    if there == here or there < 1:
        return one
    factor = here / there
    return replace(one, seconds=one.seconds * factor, cpu_s=one.cpu_s * factor, work=one.work * factor)


def distance(have: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
    """How unlike two sets of options are; 0 when every option that both have is equal."""
    gap = 0.0
    for key in have.keys() & wanted.keys():
        a, b = have[key], wanted[key]
        if a == b:
            continue
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b))
        gap += min(1.0, abs(a - b) / (abs(a) + abs(b))) if numbers and (abs(a) + abs(b)) > 0 else 1.0
    return gap


def nearest(known: Sequence[Quality], options: Options) -> tuple[Quality, bool] | None:
    """The quality whose options are nearest, and whether they are the same."""
    best: tuple[float, int, str, Quality] | None = None
    for one in known:
        # Of equally near ones, the one that says most about its options.
        rank = (distance(one.options, dict(options)), -len(one.options), options_key(one.options))
        if best is None or rank < best[:3]:
            best = (*rank, one)
    return None if best is None else (best[3], best[0] == 0.0)
