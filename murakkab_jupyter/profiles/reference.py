"""The profiles that ship with the package: raw observations of the reference machine, and qualities.

Every `reference_*.json` of this folder is read, and rid of the time that a busy machine made agents wait. To the user's host they are priors.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from statistics import median
from typing import Any

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.profiles.observation import Observation, Quality

__all__ = ["Reference", "quiet", "read_reference", "shipped_reference"]

SURE_S = 0.002
"""CPU time is counted in steps: below this many seconds it says little."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Observations of the machine they were made on, and qualities."""

    machine: str
    date: str
    observations: tuple[Observation, ...]
    qualities: tuple[Quality, ...]


def read_reference(text: str, where: str) -> Reference:
    """Read one file's text; raises `ProfileError` that names the file and the entry."""
    try:
        data: Any = json.loads(text)
    except ValueError as error:
        msg = f"The reference profiles {where} do not parse: {error}."
        raise ProfileError(msg) from error
    if not isinstance(data, dict):
        msg = f"The reference profiles {where} are no JSON object."
        raise ProfileError(msg)
    observations: list[Observation] = []
    qualities: list[Quality] = []
    for index, raw in enumerate(data.get("observations", ())):
        try:
            observations.append(Observation.from_json(raw))
        except ProfileError as error:
            msg = f"Observation {index} of {where}: {error.message}"
            raise ProfileError(msg) from error
    for index, raw in enumerate(data.get("qualities", ())):
        try:
            qualities.append(Quality.from_json(raw))
        except ProfileError as error:
            msg = f"Quality {index} of {where}: {error.message}"
            raise ProfileError(msg) from error
    return Reference(
        str(data.get("machine", "")), str(data.get("date", "")), tuple(observations), tuple(qualities)
    )


def quiet(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Observations as an idle machine would have given them.

    Built-in agents compute in their own process and wait for nothing else, so on one core their wall time is their CPU
    time; what is above it they waited for a core that others had. An agent's own share of that waiting is taken
    out of its wall times on more cores too, but never below what its CPU time allows.
    """
    waits: dict[str, list[float]] = {}
    for one in observations:
        if one.cores == 1 and one.cpu_s > SURE_S:
            waits.setdefault(one.agent, []).append(one.seconds / one.cpu_s)
    share = {agent: max(1.0, median(ratios)) for agent, ratios in waits.items()}
    made: list[Observation] = []
    for one in observations:
        factor = share.get(one.agent, 1.0)
        least, most = one.cpu_s / one.cores, one.cpu_s * 1.02 + SURE_S
        made.append(
            replace(
                one,
                seconds=min(one.seconds, max(least, min(most, one.seconds / factor))),
                load_s=min(one.load_s, max(one.load_cpu_s, one.load_s / factor)),
            )
        )
    return tuple(made)


@functools.cache
def shipped_reference() -> Reference:
    """Everything that ships with the package."""
    folder = files("murakkab_jupyter.profiles")
    texts = sorted(
        (one.name, one.read_text())
        for one in folder.iterdir()
        if one.name.startswith("reference_") and one.name.endswith(".json")
    )
    parts = [read_reference(text, name) for name, text in texts]
    return Reference(
        "; ".join(dict.fromkeys(part.machine for part in parts if part.machine)),
        max((part.date for part in parts), default=""),
        quiet([one for part in parts for one in part.observations]),
        tuple(one for part in parts for one in part.qualities),
    )
