"""What the journal knows of a run, where it is by default, and what never gets into it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.private import data_dir
from murakkab_jupyter.core.redact import redacted

__all__ = ["Pruned", "RunRecord", "default_path", "kept_as", "without_secrets"]

SECRET = re.compile(
    r"(^|[_-])(api[_-]?key|secret|password|passwd|authorization|token|credentials?)$", re.IGNORECASE
)


def default_path() -> Path:
    """`MURAKKAB_JOURNAL`, else `murakkab/journal.sqlite` in the user's data folder."""
    stated = os.environ.get("MURAKKAB_JOURNAL")
    if stated:
        return Path(stated).expanduser()
    return data_dir() / "journal.sqlite"


def without_secrets(data: Any) -> Any:
    """JSON without the entries whose names say that they are keys or passwords, and without those in addresses."""
    match data:
        case Mapping():
            return {key: without_secrets(part) for key, part in data.items() if not SECRET.search(str(key))}
        case list() | tuple():
            return [without_secrets(part) for part in data]
        case str():
            return redacted(data)
    return data


def kept_as(value: Any, kept: Any) -> bool:
    """Whether the journal would write a value down as one that it holds: the same JSON, secrets and tuples apart."""
    try:
        return json.dumps(without_secrets(value), default=str) == json.dumps(kept)
    except (TypeError, ValueError, RecursionError):
        return False


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the journal knows of one run.

    Attributes
    ----------
    run_id, name, text
        Its key, its workflow's name and the cell that says it.
    values
        Paths and scalars that it was declared with, as JSON.
    goal, plan
        As `Goal.to_json` and `Plan.to_json` wrote them (empty when none was given).
    host, versions
        Where it ran, and with which versions.
    started, ended
        Seconds since 1970; None while it has not ended, or was killed.
    status
        `running` (or killed while it ran), `done`, `partial`, `failed` or `stopped`.
    message
        How it ended, in one line.
    items
        Items that are kept.
    alive
        Whether somebody runs it now: holds its lock (`owners`).
    """

    run_id: str
    name: str
    text: str
    values: dict[str, Any]
    goal: dict[str, Any]
    plan: dict[str, Any]
    host: str
    versions: dict[str, str]
    started: float
    ended: float | None
    status: str
    message: str
    items: int
    alive: bool


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` let go of: runs, and bytes on disk before and after."""

    runs: tuple[str, ...]
    before_bytes: int
    after_bytes: int
