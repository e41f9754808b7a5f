"""A stretch of arrivals: when values come, how long each takes, and whether more of them wait at its end than at its beginning.

Two streams of one rate: *evenly* spaced (a deterministic arrival process, `D` in Kendall's notation), and a *Poisson* stream
(`M`): given how many come in a stretch, their times are independent and uniform over it, so the stretch has exactly the rate
that was asked for. Its dice have a fixed seed: the same question has the same answer.

A stretch is too short to show the longest waits of a queue that is well used, and one of a given number cannot run away. So what 95 %
take is corrected by what theory knows of such a queue (a *control variate*): the bottleneck as an M/D/1 queue, once in the long
run and once on the same arrivals.
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
    "steady_share",
    "waits",
]

Kind = Literal["evenly", "poisson"]

SEED = 1
"""Of the Poisson stream's dice."""

WARM_UP = 4
"""The first value in so many begins at an empty system: it is left out (warm-up deletion)."""

MOST_USED = 0.999
"""A queue that is used more than this has no steady state within any hour that matters."""

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


def waits(used: float, share: float) -> float:
    """So many services at most waits that share of the values of an M/D/1 queue in the long run.

    By the asymptotic tail `P(W > x) = (1 - u) / (u t - 1) * exp(-u (t - 1) x)`, where `t > 1` solves `t = exp(u (t - 1))`
    (H. C. Tijms, A First Course in Stochastic Models, section 9.2: the Cramer-Lundberg tail for services of one length).

    Parameters
    ----------
    used
        The queue's utilisation `u`.
    share
        In (0, 1).
    """
    used = min(used, MOST_USED)
    if used <= 1.0 - share:
        return 0.0  # so many find nobody there
    low, high = 1.0 / used, 2.0 / used
    while math.log(high) / (high - 1.0) > used:
        high *= 2.0
    for _ in range(60):
        root = 0.5 * (low + high)
        low, high = (root, high) if math.log(root) / (root - 1.0) > used else (low, root)
    at_zero = (1.0 - used) / (used * high - 1.0)
    return max(0.0, math.log(at_zero / (1.0 - share)) / (used * (high - 1.0)))


def steady_share(
    delays_s: Sequence[float], arrive_s: Sequence[float], each_s: float, rate_per_s: float, share: float
) -> float:
    """So long (s) takes that share of a long Poisson stream at most, by what was seen of a stretch of it; no less than that.

    Parameters
    ----------
    delays_s, arrive_s
        How long each value of the stretch took, and when it came (s).
    each_s
        Seconds between two values that the bottleneck needs: the service of the M/D/1 queue that the stretch is corrected by.
    """
    seen = share_of(steady_part(delays_s), share)
    model = share_of(steady_part(queue(each_s, arrive_s)), share) - each_s
    return max(seen, seen + each_s * waits(each_s * rate_per_s, share) - model)


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
        So long (s) at most took half of them, and 95 % of them, from arrival to the last call's end. Of a Poisson stream `most`
        is of a long one (`steady_share`).
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
        evenly_spaced = self.kind == "evenly"
        name = "evenly spaced" if evenly_spaced else f"as a Poisson stream (seed {SEED})"
        of = "of them" if evenly_spaced else "in the long run"
        return (
            f"{name}, half of {self.values} took {shown(self.half)} at most and 95 % {of} {shown(self.most)}"
        )

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
