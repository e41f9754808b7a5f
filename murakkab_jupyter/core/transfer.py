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

SHORTEST_S = 0.001
"""What takes less is not told more exactly."""


def size_words(size: int) -> str:
    """`360 MB`, `12.5 kB`, `423 bytes`."""
    if size >= 1e5:
        return f"{size / 1e6:.3g} MB"
    if size >= 1e3:
        return f"{size / 1e3:.3g} kB"
    return f"{size} byte{'' if size == 1 else 's'}"


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
        """`3 files, 360 MB, 3.6 s`; what is small as `423 bytes, less than 1 ms`."""
        count = f"{self.files} {'file' if self.files == 1 else 'files'}"
        seconds = self.seconds.value
        if seconds is None:
            return f"{count}, {size_words(self.bytes)}"
        took = f"{seconds:.3g} s" if seconds >= SHORTEST_S or not seconds else "less than 1 ms"
        return f"{count}, {size_words(self.bytes)}, {took}"

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
