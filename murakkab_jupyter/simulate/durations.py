"""How long calls and loads of a simulated run take: predictions of the profiles, asked once for each case."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from murakkab_jupyter.core.figure import Figure, Source, weakest
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.interference import slowdown
from murakkab_jupyter.profiles.profile import Prediction, Profiles

__all__ = ["GUESS_S", "Durations", "Span", "together"]

GUESS_S = 1.0
"""A call or load of an agent that no profile knows is guessed to take this long for each item (a `prior`)."""

GUESS_BAND = 10.0

LEAST_BUSY = 0.5
"""The least share of a server's cores that is taken to be busy while it answers: a guess."""


@dataclass(slots=True)
class Span:
    """Seconds, CPU-seconds and GPU joules, each with the ends of its band; adds up.

    `cpu_source` is where the CPU-seconds come from, where they are weaker than the seconds.
    `shared_low` and `shared_high` are the part of the band that all calls of a host have in common, as factors.
    """

    seconds: float = 0.0
    low_s: float = 0.0
    high_s: float = 0.0
    cpu_s: float = 0.0
    cpu_low_s: float = 0.0
    cpu_high_s: float = 0.0
    gpu_j: float | None = None
    gpu_low_j: float = 0.0
    gpu_high_j: float = 0.0
    source: Source = "measured"
    cpu_source: Source = "measured"
    shared_low: float = 1.0
    shared_high: float = 1.0

    def add(self, other: Span) -> None:
        """Add another span: as weak as the weaker of both."""
        whole = self.seconds + other.seconds
        if other.shared_low != self.shared_low or other.shared_high != self.shared_high:
            share = other.seconds / whole if whole else 0.0
            self.shared_low += (other.shared_low - self.shared_low) * share
            self.shared_high += (other.shared_high - self.shared_high) * share
        self.seconds = whole
        self.low_s += other.low_s
        self.high_s += other.high_s
        self.cpu_s += other.cpu_s
        self.cpu_low_s += other.cpu_low_s
        self.cpu_high_s += other.cpu_high_s
        if other.gpu_j is not None:
            self.gpu_j = (self.gpu_j or 0.0) + other.gpu_j
            self.gpu_low_j += other.gpu_low_j
            self.gpu_high_j += other.gpu_high_j
        if other.source != self.source:
            self.source = weakest((self.source, other.source))
        if other.cpu_source != self.cpu_source:
            self.cpu_source = weakest((self.cpu_source, other.cpu_source))

    def times(self, factor: float) -> Span:
        """So many times as long."""
        return Span(
            self.seconds * factor,
            self.low_s * factor,
            self.high_s * factor,
            self.cpu_s * factor,
            self.cpu_low_s * factor,
            self.cpu_high_s * factor,
            self.gpu_j,
            self.gpu_low_j,
            self.gpu_high_j,
            self.source,
            self.cpu_source,
            self.shared_low,
            self.shared_high,
        )

    @property
    def gpu(self) -> Figure | None:
        """The GPU's joules as a figure; None where no GPU is used."""
        if self.gpu_j is None:
            return None
        return Figure(self.gpu_j, "J", self.gpu_low_j, self.gpu_high_j, self.source, "estimate")

    @property
    def cpu(self) -> Figure:
        """The CPU-seconds as a figure."""
        source = weakest((self.source, self.cpu_source))
        return Figure(self.cpu_s, "s", self.cpu_low_s, self.cpu_high_s, source)

    def banded(self, seconds: float) -> Figure:
        """Other seconds that are as sure as these."""
        if not self.seconds:
            return Figure(seconds, "s", seconds, seconds, self.source)
        low, high = self.low_s / self.seconds, self.high_s / self.seconds
        return Figure(seconds, "s", seconds * low, seconds * high, self.source)


def answering(cores: int, call: Span) -> Span:
    """What a server without a GPU spends on a call that it answers: all of its cores meanwhile (a prior)."""
    return Span(
        cpu_s=cores * call.seconds,
        cpu_low_s=cores * call.low_s * LEAST_BUSY,
        cpu_high_s=cores * call.high_s,
        cpu_source="prior",
    )


class Durations:
    """Predictions for one set of configurations.

    `guessed` names the agents that no profile knows.
    """

    def __init__(self, profiles: Profiles, configurations: Mapping[str, Configuration]) -> None:
        self._profiles = profiles
        self._configurations = configurations
        self._calls: dict[tuple[str, int, float, float], Span] = {}
        self._loads: dict[tuple[str, float], Span] = {}
        self.guessed: dict[str, None] = {}
        # Profiles of no particular host know neither.
        self.dispatch_s = float(getattr(profiles, "dispatch_s", 0.0))
        interference: Figure | None = getattr(profiles, "interference", None)
        self._factor = (interference.value if interference is not None else None) or 1.0

    def beside(self, span: Span, busy_share: float) -> Span:
        """The same span while that share of the host's other cores is busy.

        What was seen on this host was mostly seen in runs, where other cores were busy too: it has that in it already.
        """
        if span.source == "measured":
            return span
        factor = slowdown(self._factor, busy_share)
        return span if factor == 1.0 else span.times(factor)

    def call(self, step: str, items: int, work: float, speed: float) -> Span:
        """One call of a step's agent."""
        key = (step, items, work, speed)
        span = self._calls.get(key)
        if span is None:
            one = self._configurations[step]
            cores = max(1, one.cores)
            prediction = self._profiles.call(
                one.agent, one.options, cores=cores, items=items, work=work, speed=speed
            )
            span = self._span(one.agent, prediction, items * GUESS_S)
            if one.engine_cores:
                span.add(answering(one.engine_cores, span))
            self._calls[key] = span
        return span

    def load(self, step: str, speed: float) -> Span:
        """Loading a step's agent."""
        key = (step, speed)
        span = self._loads.get(key)
        if span is None:
            one = self._configurations[step]
            prediction = self._profiles.load(one.agent, one.options, speed=speed)
            span = self._loads[key] = self._span(one.agent, prediction, GUESS_S)
        return span

    def _span(self, agent: str, prediction: Prediction | None, guess_s: float) -> Span:
        if prediction is None or prediction.seconds.value is None:
            self.guessed[agent] = None
            low, high = guess_s / GUESS_BAND, guess_s * GUESS_BAND
            return Span(guess_s, low, high, guess_s, low, high, source="prior")
        seconds, cpu = prediction.seconds, prediction.cpu_s
        value = max(0.0, seconds.value or 0.0)
        # A call whose CPU time nobody knows keeps one core busy.
        cpu_value = value if cpu.value is None else max(0.0, cpu.value)
        joules = prediction.energy_j
        gpu_j = None if joules is None else joules.value
        return Span(
            value,
            value if seconds.low is None else seconds.low,
            value if seconds.high is None else seconds.high,
            cpu_value,
            cpu_value if cpu.low is None else cpu.low,
            cpu_value if cpu.high is None else cpu.high,
            gpu_j,
            (gpu_j or 0.0) if joules is None or joules.low is None else joules.low,
            (gpu_j or 0.0) if joules is None or joules.high is None else joules.high,
            "prior" if cpu.value is None else weakest((seconds.source, cpu.source)),
            shared_low=prediction.shared[0],
            shared_high=prediction.shared[1],
        )


def together(parts: Iterable[Span], *, cpu: bool = False) -> tuple[float, float]:
    """The band of the sum of some steps' seconds (or CPU-seconds), as factors on it.

    What is a step's own (its agent, its inputs) is independent of the other steps: it adds up by squares. What the steps share (how
    fast their host is) does not even out, and is one more error independent of those.
    """
    whole = own_low = own_high = shared_low = shared_high = 0.0
    for part in parts:
        value, low, high = (
            (part.cpu_s, part.cpu_low_s, part.cpu_high_s) if cpu else (part.seconds, part.low_s, part.high_s)
        )
        if value <= 0:
            continue
        whole += value
        own_low += (value * (1.0 - own(low / value, part.shared_low))) ** 2
        own_high += (value * (own(high / value, part.shared_high) - 1.0)) ** 2
        shared_low += value * (1.0 - part.shared_low)
        shared_high += value * (part.shared_high - 1.0)
    if whole <= 0:
        return 1.0, 1.0
    return (
        max(0.0, 1.0 - math.hypot(math.sqrt(own_low), shared_low) / whole),
        1.0 + math.hypot(math.sqrt(own_high), shared_high) / whole,
    )


def own(end: float, shared: float) -> float:
    """The end of a band without the part that is shared: the inverse of two independent errors put together."""
    if shared == 1.0 or end <= 0:
        return end
    left = math.log(end) ** 2 - math.log(shared) ** 2
    return math.exp(math.copysign(math.sqrt(max(0.0, left)), math.log(end)))
