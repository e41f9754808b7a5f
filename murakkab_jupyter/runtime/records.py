"""What the journal knows of a run, where it is by default, and what never gets into it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.redact import redacted

__all__ = ["Pruned", "RunRecord", "default_path", "is_alive", "kept_as", "owner", "without_secrets"]

SECRET = re.compile(
    r"(^|[_-])(api[_-]?key|secret|password|passwd|authorization|token|credentials?)$", re.IGNORECASE
)


def default_path() -> Path:
    """`MURAKKAB_JOURNAL`, else `murakkab/journal.sqlite` in the user's data folder."""
    stated = os.environ.get("MURAKKAB_JOURNAL")
    if stated:
        return Path(stated).expanduser()
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "murakkab" / "journal.sqlite"


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
        Whether the process that runs it is still there.
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


def owner() -> tuple[int, float]:
    """The process that runs here, told apart from a later one with the same number."""
    import psutil

    return os.getpid(), float(psutil.Process().create_time())


def is_alive(pid: int, started: float) -> bool:
    """Whether a process that was started then still runs."""
    import psutil

    try:
        return bool(abs(psutil.Process(pid).create_time() - started) < 1.0)
    except (psutil.Error, ValueError):
        return False
