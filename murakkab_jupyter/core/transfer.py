"""Files that are brought to hosts that do not see them: how many, how much, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.events import Event, FilesBrought
from murakkab_jupyter.core.figure import Figure

__all__ = ["PRIOR_NETWORK", "Transfer"]

PRIOR_NETWORK = Figure(
    100.0, "MB/s", 12.0, 1000.0, "prior", note="a guess: most of 1 Gbit/s; from 100 Mbit/s to 10 Gbit/s"
)
"""How fast files come to another host, where nobody said and nothing was measured."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What is brought to hosts that do not see the files, each file once to a host.

    Attributes
    ----------
    files
        How many copies are made.
    bytes
        In all of them.
    seconds
        What each takes, added up (s).
    """

    files: int
    bytes: int
    seconds: Figure

    @property
    def words(self) -> str:
        """`3 files, 360 MB, 3.6 s`."""
        count = f"{self.files} {'file' if self.files == 1 else 'files'}"
        took = "" if self.seconds.value is None else f", {self.seconds.value:.3g} s"
        return f"{count}, {self.bytes / 1e6:.3g} MB{took}"

    def to_json(self) -> dict[str, Any]:
        """`{files, bytes, seconds}`; the same in a plan and in the bill of its run."""
        return {"files": self.files, "bytes": self.bytes, "seconds": self.seconds.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Transfer:
        """Inverse of `to_json`."""
        return cls(int(data["files"]), int(data["bytes"]), Figure.from_json(data["seconds"]))

    @classmethod
    def of(cls, events: Iterable[Event]) -> Transfer | None:
        """What a run has brought; None where it was nothing."""
        told = [one for one in events if isinstance(one, FilesBrought)]
        if not told:
            return None
        seconds = sum(one.seconds for one in told)
        return cls(
            sum(one.files for one in told),
            sum(one.bytes for one in told),
            Figure(seconds, "s", seconds, seconds, "measured"),
        )
