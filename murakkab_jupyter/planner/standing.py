"""Where a plan stands among those of its frontier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a plan of a frontier is best in, and what it gives up.

    Attributes
    ----------
    leads
        What no other does better, in words: `fastest`, `least energy`, `cheapest`, `best quality`; where another does by so
        little that it counts for nothing: `fastest within 1 %`.
    lacks
        What it gives up against the best in each respect, with figures: `12 J (30 %)`, `4 points of quality`.
    """

    leads: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    @property
    def best(self) -> str:
        """What it is best in: `fastest, best quality`, or `in between`."""
        return ", ".join(self.leads) or "in between"

    @property
    def brief(self) -> str:
        """A sentence beside the other plans, as `Fastest; gives up 12 J (30 %)`."""
        given = f"; gives up {', '.join(self.lacks)}." if self.lacks else ": gives up nothing."
        return f"{self.best[:1].upper()}{self.best[1:]}{given}"

    @property
    def words(self) -> str:
        """The same where the others are not in sight."""
        return (
            f"{self.brief.removesuffix('.')} against the best in each respect." if self.lacks else self.brief
        )

    def to_json(self) -> dict[str, Any]:
        """`{leads, lacks, words}`."""
        return {"leads": list(self.leads), "lacks": list(self.lacks), "words": self.words}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Standing:
        """Inverse of `to_json`."""
        return cls(tuple(str(one) for one in data["leads"]), tuple(str(one) for one in data["lacks"]))
