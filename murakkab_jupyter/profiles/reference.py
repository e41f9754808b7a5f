"""The profiles that ship with the package: raw observations of the reference machine, and qualities.

Every `reference_*.json` of this folder is read. To the user's host they are priors.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.profiles.observation import Observation, Quality

__all__ = ["Reference", "read_reference", "shipped_reference"]


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
        tuple(one for part in parts for one in part.observations),
        tuple(one for part in parts for one in part.qualities),
    )
