"""The list of attached engines that later sessions know too: names, addresses, names of variables; never a key."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.private import data_dir, write_private

__all__ = ["Kept", "kept_path", "read_kept", "write_kept"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One of them; `rated` and `key_over_http` as the user states it, `abilities` as they were found when it was attached."""

    name: str
    url: str
    model: str = ""
    key_env: str | None = None
    rated: float | None = None
    abilities: tuple[str, ...] = ("chat",)
    key_over_http: bool = False
    vectors_model: str = ""


def kept_path() -> Path:
    """`MURAKKAB_ENGINES`, else `murakkab/engines.json` in the user's data folder."""
    stated = os.environ.get("MURAKKAB_ENGINES")
    if stated:
        return Path(stated).expanduser()
    return data_dir() / "engines.json"


def read_kept(path: Path) -> list[Kept]:
    """The engines of a list; none where there is no such file, and `UsageError` where it is no such list."""
    known = {one.name for one in dataclasses.fields(Kept)}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["engines"]
        return [Kept(**{key: value for key, value in one.items() if key in known}) for one in listed]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        msg = f"The list of kept engines {path} cannot be read."
        raise UsageError(msg, hint="Delete it, and attach them again with --keep.") from None


def write_kept(path: Path, engines: Sequence[Kept]) -> None:
    """Write a list, whole or not at all."""
    listed = [dataclasses.asdict(one) for one in engines]
    write_private(path, json.dumps({"engines": listed}, indent=1))
