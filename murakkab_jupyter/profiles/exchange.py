"""Profiles as a file: what one host observed, for another; and what others published, for both.

An observation keeps the host that it was made on, so that on any other host it is a prior.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.core.whole import whole
from murakkab_jupyter.profiles.engine import EngineCurve
from murakkab_jupyter.profiles.mlenergy import from_mlenergy
from murakkab_jupyter.profiles.served import ServedProfile
from murakkab_jupyter.profiles.store import ProfileStore, today

__all__ = ["FORMAT", "MLENERGY", "Imported", "export_profiles", "import_profiles"]

KIND = "murakkab profiles"
FORMAT = 1
MLENERGY = "mlenergy"
"""In place of a file: the published profiles that the package `mlenergy-data` reads; `mlenergy:FOLDER` from a copy."""

MOST_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought: new observations, hosts that they are from, new published profiles."""

    observations: int
    hosts: tuple[str, ...]
    served: int


def export_profiles(store: ProfileStore, path: str | Path) -> int:
    """Write everything that a store holds to a JSON file; says how many observations.

    Raises
    ------
    ProfileError
        There is nothing to write, or the file cannot be written.
    """
    rows, served, engines = store.dump(), store.served(), store.engines()
    if not rows and not served and not engines:
        msg = "There are no profiles to export: nothing was observed here yet."
        raise ProfileError(msg, hint="Run a workflow, or measure agents: murakkab profile --measure AGENT.")
    data = {
        "kind": KIND,
        "format": FORMAT,
        "exported": today(),
        "observations": rows,
        "served": [one.to_json() for one in served],
        "engines": [one.to_json() for one in engines],
    }
    file = Path(path).expanduser()
    try:
        with whole(file) as new:
            new.write_text(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    except OSError as error:
        msg = f"{file} cannot be written: {error.strerror or error}."
        raise ProfileError(msg, hint="Name a file in a folder that may be written to.") from error
    return len(rows)


def import_profiles(store: ProfileStore, what: str | Path) -> Imported:
    """Take in a file that `export_profiles` wrote, all or nothing; what is here already is not doubled.

    Raises
    ------
    ProfileError
        The file cannot be read or is no such file, or an entry makes no sense (it says which).
    """
    name = str(what)
    if name == MLENERGY or name.startswith(f"{MLENERGY}:"):
        return Imported(0, (), store.add_served(from_mlenergy(name.partition(":")[2] or None)))
    file = Path(what).expanduser()
    data = read(file)
    rows, listed, curves = (data.get(key, []) for key in ("observations", "served", "engines"))
    if not all(isinstance(one, list) for one in (rows, listed, curves)):
        msg = f"In {file}, observations, served and engines are lists."
        raise ProfileError(msg)
    try:
        served = [ServedProfile.from_json(one) for one in listed]
        engines = [EngineCurve.from_json(one) for one in curves]
        with store.writing():
            count = store.load(rows)
            for engine in engines:
                store.add_engine(engine)
            new = store.add_served(served) if served else 0
    except ProfileError as error:
        msg = f"{file} was not imported. {error.message}"
        raise ProfileError(msg, hint=error.hint) from error
    hosts = tuple(dict.fromkeys(row["host"] for row in rows))
    return Imported(count, hosts, new)


def read(file: Path) -> Mapping[str, Any]:
    """The file as checked JSON."""
    try:
        if file.stat().st_size > MOST_BYTES:
            msg = f"{file} is larger than {MOST_BYTES // 1_000_000} MB: that is no export of profiles."
            raise ProfileError(msg)
        data: Any = json.loads(file.read_text("utf-8"))
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror or error}."
        raise ProfileError(msg, hint="Name a file that `murakkab profile --export FILE` wrote.") from error
    except (ValueError, RecursionError) as error:
        msg = f"{file} does not parse: {error}."
        raise ProfileError(msg, hint="Name a file that `murakkab profile --export FILE` wrote.") from error
    if not isinstance(data, Mapping) or data.get("kind") != KIND:
        msg = f"{file} holds no exported profiles."
        raise ProfileError(msg, hint="Name a file that `murakkab profile --export FILE` wrote.")
    if data.get("format") != FORMAT:
        msg = f"{file} has format {data.get('format')!r}, and this version reads {FORMAT}."
        raise ProfileError(msg, hint="Export it again with this version.")
    return data
