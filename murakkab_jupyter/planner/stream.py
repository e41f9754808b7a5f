"""A stretch of arrivals: when values come, how long each takes, and whether more of them wait at its end than at its beginning.

Two streams of one rate: *evenly* spaced (a deterministic arrival process, `D` in Kendall's notation), and a *Poisson* stream
(`M`): given how many come in a stretch, their times are independent and uniform over it, so the stretch has exactly the rate
that was asked for. Its dice have a fixed seed: the same question has the same answer.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from murakkab_jupyter.core.figure import Figure

__all__ = [
    "SEED",
    "Kind",
    "Stream",
    "drain",
    "evenly",
    "growth",
    "most_at_once",
    "poisson",
    "queue",
    "share_of",
    "steady_part",
]

Kind = Literal["evenly", "poisson"]

SEED = 1
"""Of the Poisson stream's dice."""

WARM_UP = 4
"""The first value in so many begins at an empty system: it is left out (warm-up deletion)."""

GROWING = 0.05
"""A backlog grows where less than this share less is done than arrives: batches alone make a stretch uneven by some percent."""


def evenly(count: int, rate_per_s: float) -> tuple[float, ...]:
    """Times (s) of evenly spaced arrivals."""
    return tuple(n / rate_per_s for n in range(count))


def poisson(count: int, rate_per_s: float, seed: int = SEED) -> tuple[float, ...]:
    """Times (s) of a Poisson stream that has so many arrivals in `count / rate_per_s` seconds."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    return tuple(sorted(dice.uniform(0.0, count / rate_per_s) for _ in range(count)))


def queue(service_s: float, arrive_s: Sequence[float]) -> tuple[float, ...]:
    """How long each arrival takes (s) where one after the other is served for so long (Lindley's recursion)."""
    free, found = 0.0, []
    for at_s in arrive_s:
        free = max(free, at_s) + service_s
        found.append(free - at_s)
    return tuple(found)


def steady_part(delays_s: Sequence[float]) -> tuple[float, ...]:
    """What is left after the warm-up."""
    return tuple(delays_s[len(delays_s) // WARM_UP :])


def share_of(delays_s: Sequence[float], share: float) -> float:
    """So long (s) takes that share of some values at most: the nearest rank."""
    ordered = sorted(delays_s)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def most_at_once(arrive_s: Sequence[float], delays_s: Sequence[float]) -> int:
    """The most values that were there at once: waiting or in work."""
    # What ends at the instant at which another comes makes room for it.
    changes = sorted(
        [(at, 1) for at in arrive_s] + [(at + took, -1) for at, took in zip(arrive_s, delays_s, strict=True)]
    )
    here = most = 0
    for _, change in changes:
        here += change
        most = max(most, here)
    return most


def drain(arrive_s: Sequence[float], delays_s: Sequence[float]) -> float:
    """Seconds from the last arrival until everything is done."""
    return max(at + took for at, took in zip(arrive_s, delays_s, strict=True)) - arrive_s[-1]


def growth(shorter_s: float, longer_s: float, more: int, rate_per_s: float) -> float:
    """By how many values a second the backlog of an evenly spaced stream grows; 0 where it does not.

    Where less is done than arrives, what is left after the last arrival is more the longer the stream was: each value more adds
    what the slowest stage needs more than the time between two arrivals. How long single values take is in neither: steps may
    take their turns so that early values are done late.

    Parameters
    ----------
    shorter_s, longer_s
        The drains of a stream and of one with `more` values before it.
    """
    each_s = max(0.0, longer_s - shorter_s) / max(1, more)
    done_per_s = rate_per_s / (1.0 + each_s * rate_per_s)
    return rate_per_s - done_per_s if done_per_s < (1.0 - GROWING) * rate_per_s else 0.0


@dataclass(frozen=True, slots=True)
class Stream:
    """What the simulator saw of a plan while values arrived.

    Attributes
    ----------
    kind
        `evenly` or `poisson`.
    values
        How many arrived.
    half, most
        So long (s) at most took half of them, and 95 % of them, from arrival to the last call's end.
    at_once
        The most that were waiting or in work at one time.
    grows_per_s
        By how many values a second the backlog grew; 0 where it did not.
    """

    kind: Kind
    values: int
    half: Figure
    most: Figure
    at_once: int
    grows_per_s: float = 0.0

    @property
    def words(self) -> str:
        """Its delays in a few words."""
        name = "evenly spaced" if self.kind == "evenly" else f"as a Poisson stream (seed {SEED})"
        return f"{name}, half of {self.values} took {shown(self.half)} at most and 95 % of them {shown(self.most)}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "kind": self.kind,
            "values": self.values,
            "half": self.half.to_json(),
            "most": self.most.to_json(),
            "at_once": self.at_once,
            "grows_per_s": self.grows_per_s,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Stream:
        """Inverse of `to_json`."""
        return cls(
            data["kind"],
            int(data["values"]),
            Figure.from_json(data["half"]),
            Figure.from_json(data["most"]),
            int(data["at_once"]),
            float(data["grows_per_s"]),
        )


def shown(seconds: Figure) -> str:
    return f"{seconds.value or 0.0:.3g} s"
