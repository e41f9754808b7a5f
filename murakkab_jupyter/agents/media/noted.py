"""Notes on files, kept by the file's hash in the cache: what a cheap look saw need not be looked for again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from murakkab_jupyter.core.media import cache_dir, cache_folder
from murakkab_jupyter.core.private import write_private

__all__ = ["note", "noted"]


def place(name: str) -> Path:
    return cache_dir() / "looks" / f"{name}.json"


def noted(name: str) -> dict[str, float] | None:
    """The numbers noted under a name; None where there are none, or they cannot be read."""
    try:
        return {key: float(value) for key, value in json.loads(place(name).read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None  # a cache: anything odd is looked at again


def note(name: str, found: Mapping[str, float]) -> None:
    """Keep some numbers under a name."""
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs the next look
        cache_folder("looks")
        write_private(place(name), json.dumps(dict(found)))
