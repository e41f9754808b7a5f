"""Fitting: the curves of one agent with one set of options, from this host's calls and from those made elsewhere.

What was observed elsewhere is a curve that is first shifted as a whole (this host may be slower or faster at this very
agent), then joined with this host's own calls. Both must bear calls that say little: one that had next to nothing to do
is over at once whatever the host, and a short one is mostly overhead. So a call counts for the shift by the work it did, and one
that was several times faster than the shifted curve allows did not do the work that it was thought to do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from murakkab_jupyter.core.figure import Source
from murakkab_jupyter.profiles.curve import Curve, Point, fit
from murakkab_jupyter.profiles.observation import Observation

__all__ = ["Fitted", "Range", "combine", "host_shift", "normal"]

REFERENCE_CALLS = 3.0
"""How many calls of this host the reference is worth: its weight when both are fitted together."""

ENOUGH_CALLS = 3
"""Fewer calls of this host than this leave a figure a prior."""

TINY_S = 0.002
"""Calls are compared as if each took so much longer: of shorter ones nobody knows how fast they are."""

STRETCH = 1.25
"""How far beyond the observed range a figure still counts as measured."""

SLOWER, FASTER = math.log(1.8), math.log(1.5)
"""How far hosts are from what their micro-benchmark says, as one standard deviation of the logarithm. Less is believed of faster:
most calls that are over far too soon had less to do than was thought."""

ODD = 0.5
"""How far calls of one host are from each other, as logarithms; those much farther off are odd, and few such prove nothing."""

SAYS_MOST = 2.0
"""What one call can say at most (as minus the logarithm of a likelihood), however far off it is."""

TOO_FAST = 1.0 / 3.0
"""A call below this share of what was then expected is left out: it had less to do than was thought."""

NOTHING_S = 0.02
"""An item with nothing to do, where none was seen here (s): opening the file and finding nothing; a prior."""


@dataclass(frozen=True, slots=True)
class Range:
    """What this host's observations cover."""

    calls: int
    cores: frozenset[int]
    items: tuple[float, float]
    work: tuple[float, float]

    def covers(self, cores: int, items: float, work: float) -> bool:
        """Whether a call lies within it."""
        return self.calls >= ENOUGH_CALLS and cores in self.cores and self.holds(cores, items, work)

    def holds(self, cores: int, items: float, work: float) -> bool:
        """Whether a call lies between the least and the most of it, a little more included."""
        return (
            min(self.cores, default=0) <= cores <= max(self.cores, default=0)
            and self.items[0] / STRETCH <= items <= self.items[1] * STRETCH
            and self.work[0] / STRETCH <= work <= self.work[1] * STRETCH
        )


NOWHERE = Range(0, frozenset(), (0.0, 0.0), (0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Fitted:
    """The curves of one agent with one set of options, at speed 1.

    Attributes
    ----------
    seconds, cpu
        Of a call.
    load_s, load_cpu_s, memory_bytes
        Of loading, and of a loaded instance; None where nobody saw it.
    range
        What this host's calls cover.
    known
        What all calls cover that the curves are fitted to, wherever they were made.
    source, note
        Where the curves come from.
    guess
        How they were guessed, where nobody measured the agent.
    spread
        Extra band for what the curves stand in for (other options, other agents).
    local_loads
        Loadings seen on this host.
    nothing_s
        Seconds of an item that has nothing to do (a silent scene); None where an item without work is work all the same.
    nothings
        Such calls seen on this host.
    """

    seconds: Curve
    cpu: Curve
    load_s: float | None
    load_cpu_s: float | None
    memory_bytes: float | None
    range: Range
    source: Source
    note: str
    spread: tuple[float, float] = (1.0, 1.0)
    local_loads: int = 0
    nothing_s: float | None = None
    nothings: int = 0
    known: Range = NOWHERE
    guess: str = ""

    def beyond(self, cores: int, items: float, work: float) -> bool:
        """Whether a call lies where the curves are continued, beyond all that anybody saw."""
        return self.known.calls > 0 and not self.known.holds(cores, items, work)


def normal(one: Observation, speed: float) -> Observation:
    """An observation as it would have been at speed 1."""
    return replace(
        one,
        seconds=one.seconds * speed,
        cpu_s=one.cpu_s * speed,
        load_s=one.load_s * speed,
        load_cpu_s=one.load_cpu_s * speed,
    )


def host_shift(ratios: Sequence[float], weights: Sequence[float]) -> float:
    """By which factor calls of this host are slower than a curve says, from the ratio of each and how much it counts.

    The most likely factor, where hosts lie around the curve (`SLOWER`, `FASTER`) and calls around their host's factor, some of
    them far off (`ODD`). A few calls move it part of the way; a few that are off by very much do not move it; many that
    agree do.
    """
    heavy = [(ratio, weight) for ratio, weight in zip(ratios, weights, strict=True) if weight > 0]
    if not heavy:
        return 1.0
    logs = np.log([ratio for ratio, _ in heavy])
    weight = np.array([one for _, one in heavy])
    tried = np.unique(np.concatenate([np.linspace(min(0.0, logs.min()), max(0.0, logs.max()), 200), logs]))
    belief = np.where(tried > 0, tried / SLOWER, tried / FASTER) ** 2 / 2
    off = (logs - tried[:, None]) ** 2
    doubt = SAYS_MOST * (weight * off / (off + ODD**2)).sum(axis=1)
    return float(math.exp(tried[int(np.argmin(belief + doubt))]))


def significance(calls: Sequence[Observation], near: Sequence[Observation]) -> list[float]:
    """How much each call says of how fast work is done: the square of its work over that of an ordinary call, 1 at most.

    A call with a tenth of the work is mostly overhead, and overhead is not what a host's speed multiplies.
    """
    ordinary = median(one.work for one in near)
    if ordinary <= 0:
        return [1.0] * len(calls)
    return [min(1.0, one.work / ordinary) ** 2 for one in calls]


def combine(
    here: Sequence[Observation], near: Sequence[Observation], note: str, spread: tuple[float, float]
) -> Fitted:
    """One fit of this host's observations and of others (`near`), which are first shifted to agree as a whole."""
    worked = any(one.work > 0 for one in near)
    # A call that had nothing to do (a silent video) says nothing of how fast work is done.
    busy = [one for one in here if one.work > 0 or not worked]
    near_busy = [one for one in near if one.work > 0 or not worked]
    seconds, kept = joined(busy, near_busy, "seconds", shrinks=True)
    cpu, _ = joined(busy, near_busy, "cpu_s", shrinks=False)

    def middle(name: str) -> float | None:
        for some in (here, near):
            found = [getattr(one, name) for one in some if getattr(one, name) > 0]
            if found:
                return float(median(found))
        # The reference writes down every loading: all of them 0 means that there is nothing to load.
        return 0.0 if near else None

    idle = [one.seconds / one.items for one in here if worked and one.work <= 0]
    return Fitted(
        seconds=seconds,
        cpu=cpu,
        load_s=middle("load_s"),
        load_cpu_s=middle("load_cpu_s"),
        memory_bytes=max((one.memory_bytes for one in (here or near) if one.memory_bytes > 0), default=None),
        range=range_of(kept),
        known=range_of([*kept, *near_busy]),
        source="measured" if len(kept) >= ENOUGH_CALLS else "prior",
        note=note if not kept else f"{len(kept)} calls on this host and the reference; outside their range",
        spread=spread if not kept else (1.0, 1.0),
        local_loads=sum(1 for one in here if one.load_s > 0),
        nothing_s=(float(median(idle)) if idle else NOTHING_S) if worked else None,
        nothings=len(idle),
    )


def range_of(calls: Sequence[Observation]) -> Range:
    """What some calls cover."""
    if not calls:
        return NOWHERE
    return Range(
        len(calls),
        frozenset(one.cores for one in calls),
        (min(one.items for one in calls), max(one.items for one in calls)),
        (min(one.work for one in calls), max(one.work for one in calls)),
    )


def joined(
    busy: Sequence[Observation], near: Sequence[Observation], name: str, *, shrinks: bool
) -> tuple[Curve, list[Observation]]:
    """A curve through calls of this host and shifted ones of others, and those of this host that were taken for what they are."""

    def points(some: Sequence[Observation], weight: float, factor: float = 1.0) -> list[Point]:
        return [Point(one.cores, one.items, one.work, getattr(one, name) * factor, weight) for one in some]

    if not near:
        return fit(points(busy, 1.0), shrinks=shrinks), list(busy)
    prior = fit(points(near, 1.0), shrinks=shrinks)
    if not busy:
        return prior, []
    ratios = [
        (getattr(one, name) + TINY_S) / (prior.at(one.cores, one.items, one.work) + TINY_S) for one in busy
    ]
    factor = host_shift(ratios, significance(busy, near))
    kept = [one for one, ratio in zip(busy, ratios, strict=True) if ratio >= factor * TOO_FAST]
    shifted = points(near, REFERENCE_CALLS / len(near), factor)
    return fit(points(kept, 1.0) + shifted, shrinks=shrinks), kept
