"""Served language models: how a server's speed and energy change with the requests in flight, as others published it.

Joules a token fall five to ten times from few requests in flight to many, so one number would be wrong nearly everywhere:
a profile is a curve. Between published points it is interpolated without overshoot (monotone cubic, on logarithms);
outside their range a figure is a prior. Figures are of the GPUs alone, in steady state: the host is not included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.profiles.observation import number

__all__ = ["ServedPoint", "ServedProfile"]

MOST = 1e9

BETWEEN = 0.10
"""Band of a figure between two published points; what leaving points out showed (`benchmarks/curves.py`)."""

AT = 0.03
"""Band of a figure at a published point: what repeating a run would change, a guess."""

FAR = 2.0
"""How far a prior outside the published range may be off, as a factor."""


@dataclass(frozen=True, slots=True)
class ServedPoint:
    """One published operating point.

    Attributes
    ----------
    in_flight
        Requests that were worked on at once, on average.
    tokens_per_s
        Output tokens of the whole server a second.
    j_per_token
        Energy of all its GPUs for an output token (J).
    itl_s, itl_p90_s
        Time between the tokens of one request: median and 90th percentile (s); the latter may be unknown.
    power_w
        Average power of all its GPUs (W); may be unknown.
    """

    in_flight: float
    tokens_per_s: float
    j_per_token: float
    itl_s: float
    itl_p90_s: float | None = None
    power_w: float | None = None

    @classmethod
    def from_json(cls, data: Any) -> ServedPoint:
        """Read and check one; raises `ProfileError`."""
        if not isinstance(data, Mapping):
            msg = f"An operating point is a mapping, not {data!r}."
            raise ProfileError(msg)

        def maybe(key: str) -> float | None:
            return None if data.get(key) is None else positive(data, key)

        return cls(
            positive(data, "in_flight"),
            positive(data, "tokens_per_s"),
            positive(data, "j_per_token"),
            positive(data, "itl_s"),
            maybe("itl_p90_s"),
            maybe("power_w"),
        )

    def to_json(self) -> dict[str, float]:
        """Plain JSON; inverse of `from_json`."""
        names = ("in_flight", "tokens_per_s", "j_per_token", "itl_s", "itl_p90_s", "power_w")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class ServedProfile:
    """A model served by an engine on some GPUs: curves over the requests in flight.

    Attributes
    ----------
    model, task
        Which model, and the published workload that it was measured on.
    gpu, gpus
        Which GPUs, and how many together.
    source
        The citation.
    points
        By requests in flight, at least two.
    precision, parallel, engine, engine_version
        How it was served; empty where that is not stated.
    output_tokens
        Tokens of an answer in that workload, on average; None where that is not stated.
    params_b, active_params_b
        Billions of parameters, all and those that a token goes through; None where that is not stated.
    """

    model: str
    task: str
    gpu: str
    gpus: int
    source: str
    points: tuple[ServedPoint, ...]
    precision: str = ""
    parallel: str = ""
    engine: str = ""
    engine_version: str = ""
    output_tokens: float | None = None
    params_b: float | None = None
    active_params_b: float | None = None

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            msg = f"The profile of {self.model} on {self.gpus} {self.gpu} has {len(self.points)} points; a curve needs two."
            raise ProfileError(msg)
        if any(b.in_flight <= a.in_flight for a, b in pairwise(self.points)):
            msg = f"The points of {self.model} on {self.gpus} {self.gpu} do not stand by requests in flight."
            raise ProfileError(msg)
        if not self.source:
            msg = f"The profile of {self.model} on {self.gpus} {self.gpu} does not say where it is from."
            raise ProfileError(msg)

    @classmethod
    def from_json(cls, data: Any) -> ServedProfile:
        """Read and check one; raises `ProfileError` that says what is wrong."""
        if not isinstance(data, Mapping):
            msg = f"A served profile is a mapping, not {data!r}."
            raise ProfileError(msg)
        words = {key: data.get(key, "") for key in WORDS}
        if (
            not all(isinstance(word, str) for word in words.values())
            or not words["model"]
            or not words["gpu"]
        ):
            msg = f"A served profile names its model and its GPU: {words!r}."
            raise ProfileError(msg)
        gpus = data.get("gpus")
        if isinstance(gpus, bool) or not isinstance(gpus, int) or not 1 <= gpus <= 100_000:
            msg = f"A served profile's gpus must be a whole number from 1, not {gpus!r}."
            raise ProfileError(msg)
        listed = data.get("points")
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            msg = f"The points of {words['model']} are a list, not {listed!r}."
            raise ProfileError(msg)
        points = sorted((ServedPoint.from_json(one) for one in listed), key=lambda one: one.in_flight)

        def maybe(key: str) -> float | None:
            return None if data.get(key) is None else positive(data, key)

        return cls(
            gpus=gpus,
            points=tuple(points),
            output_tokens=maybe("output_tokens"),
            params_b=maybe("params_b"),
            active_params_b=maybe("active_params_b"),
            **words,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; inverse of `from_json`."""
        made: dict[str, Any] = {key: word for key in WORDS if (word := getattr(self, key))}
        made["gpus"] = self.gpus
        made.update({key: number for key in NUMBERS if (number := getattr(self, key)) is not None})
        made["points"] = [one.to_json() for one in self.points]
        return made

    @property
    def name(self) -> str:
        """What it is called where it is looked up: model, GPUs, how it is served, workload."""
        words = (self.model, "on", str(self.gpus), "x", self.gpu, self.precision, self.parallel, self.task)
        return " ".join(word for word in words if word)

    @property
    def range(self) -> tuple[float, float]:
        """Fewest and most requests in flight that were published."""
        return self.points[0].in_flight, self.points[-1].in_flight

    def covers(self, in_flight: float) -> bool:
        """Whether a load lies within what was published."""
        low, high = self.range
        return low <= in_flight <= high

    # --- figures ------------------------------------------------------------------------------------------------

    def tokens_per_s(self, in_flight: float) -> Figure:
        """Output tokens of the whole server a second.

        With fewer requests than were published each is taken to go as fast as with the fewest; with more, the
        server as a whole goes no faster than with the most.
        """
        low, high = self.range
        n = checked(in_flight)
        inside = self.at(min(max(n, low), high), lambda one: one.tokens_per_s)
        return self.figure(inside * min(1.0, n / low), "tok/s", n)

    def j_per_token(self, in_flight: float) -> Figure:
        """Energy of all GPUs for an output token (J): power over speed, which few requests share badly."""
        low, high = self.range
        n = checked(in_flight)
        inside = self.at(min(max(n, low), high), lambda one: one.j_per_token)
        # The power of few requests is hardly less than that of the fewest published, so each token pays more.
        return self.figure(inside * max(1.0, low / n), "J", n)

    def token_s(self, in_flight: float) -> Figure:
        """Median time between the tokens of one request (s); more requests than published wait their turn."""
        low, high = self.range
        n = checked(in_flight)
        inside = self.at(min(max(n, low), high), lambda one: one.itl_s)
        return self.figure(inside * max(1.0, n / high), "s", n)

    def request_s(self, in_flight: float, tokens_out: float) -> Figure:
        """Time of one request of so many output tokens (s), by Little's law: requests in flight over their rate."""
        speed = self.tokens_per_s(in_flight)
        return inverse(speed, checked(in_flight) * checked(tokens_out), "s")

    def energy_j(self, in_flight: float, tokens_out: float) -> Figure:
        """Energy of all GPUs for so many output tokens (J)."""
        return self.j_per_token(in_flight).scaled(checked(tokens_out))

    def power_w(self, in_flight: float) -> Figure:
        """Power of all GPUs (W): joules a token times tokens a second."""
        speed, energy = self.tokens_per_s(in_flight), self.j_per_token(in_flight)
        return self.figure((speed.value or 0.0) * (energy.value or 0.0), "W", checked(in_flight))

    def at(self, in_flight: float, of: Callable[[ServedPoint], float]) -> float:
        """A quantity between the published points."""
        return math.exp(
            monotone(
                [math.log(one.in_flight) for one in self.points],
                [math.log(of(one)) for one in self.points],
                math.log(in_flight),
            )
        )

    def figure(self, value: float, unit: str, in_flight: float) -> Figure:
        """A figure with the band and source that its place on the curve deserves."""
        cite = f"{self.source}; {self.engine} {self.engine_version} on {self.gpus} {self.gpu}".replace(
            "  ", " "
        )
        if not self.covers(in_flight):
            low, high = self.range
            note = f"outside the published {low:.0f}-{high:.0f} requests in flight; {cite}"
            return Figure(value, unit, value / FAR, value * FAR, "prior", note=note)
        near = min(abs(math.log(in_flight / one.in_flight)) for one in self.points)
        share = AT if near < 0.02 else BETWEEN
        return Figure(value, unit, value * (1 - share), value * (1 + share), "published", note=cite)


WORDS = ("model", "task", "gpu", "source", "precision", "parallel", "engine", "engine_version")
NUMBERS = ("output_tokens", "params_b", "active_params_b")


def positive(data: Mapping[str, Any], key: str) -> float:
    """A number above 0, or a `ProfileError` that names it."""
    value = number(data, key, MOST)
    if value == 0:
        msg = f"{key} must be more than 0."
        raise ProfileError(msg)
    return value


def checked(value: float) -> float:
    """A load or a number of tokens that makes sense."""
    if isinstance(value, bool) or not math.isfinite(value) or not 0 < value <= MOST:
        msg = f"A load is a number above 0, not {value!r}."
        raise ProfileError(msg)
    return float(value)


def inverse(figure: Figure, amount: float, unit: str) -> Figure:
    """An amount over a rate."""

    def over(rate: float | None) -> float | None:
        return None if not rate else amount / rate

    return Figure(
        over(figure.value),
        unit,
        over(figure.high),
        over(figure.low),
        figure.source,
        figure.method,
        figure.note,
    )


def monotone(x: Sequence[float], y: Sequence[float], at: float) -> float:
    """Cubic interpolation that never leaves the interval of its two neighbours (Fritsch and Butland's slopes)."""
    place = max(1, min(len(x) - 1, next((k for k, one in enumerate(x) if one >= at), len(x) - 1)))
    width = [b - a for a, b in pairwise(x)]
    slope = [(b - a) / w for (a, b), w in zip(pairwise(y), width, strict=True)]

    def tangent(k: int) -> float:
        if k in (0, len(x) - 1):
            return slope[0 if k == 0 else -1]
        left, right = slope[k - 1], slope[k]
        if left * right <= 0:
            return 0.0
        a, b = 2 * width[k] + width[k - 1], width[k] + 2 * width[k - 1]
        return (a + b) / (a / left + b / right)

    k = place - 1
    t = (at - x[k]) / width[k]
    square, cube = t * t, t * t * t
    return (
        (2 * cube - 3 * square + 1) * y[k]
        + (cube - 2 * square + t) * width[k] * tangent(k)
        + (3 * square - 2 * cube) * y[k + 1]
        + (cube - square) * width[k] * tangent(k + 1)
    )
