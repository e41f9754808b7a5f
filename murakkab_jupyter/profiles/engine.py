"""Measured servers: how a server's speed changes with the requests in flight, as it was seen from here.

The points are of one workload (so many tokens read and written). Between them a figure is interpolated as those of
published servers are; beyond them the server is taken to go no faster, and the figure is a prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.core.figure import Figure, Source, unknown
from murakkab_jupyter.profiles.observation import number
from murakkab_jupyter.profiles.served import monotone, positive

__all__ = ["EngineCurve", "EnginePoint", "HeldOut", "Metered"]

MOST = 1e9
AT = 0.10
"""Band of a figure at a measured point: the widest of three repeats lay 9 % from the median (`benchmarks/results/engine_curve.md`)."""
BETWEEN = 0.20
"""Band between two points: left-out levels of one server were predicted within 5 % (same page); others may bend more."""
FAR = 2.0


@dataclass(frozen=True, slots=True)
class EnginePoint:
    """A server with so many requests in flight, seen from here.

    Attributes
    ----------
    in_flight
        Requests in flight.
    requests
        How many were made.
    tokens_per_s
        Output tokens of all of them a second.
    ttft_s, ttft_p90_s
        Time from a request to its first token: median and 90th percentile (s).
    itl_s, itl_p99_s
        Time between the tokens of one request: median and 99th percentile (s).
    request_s
        Median time of a whole request (s).
    j_per_token
        Energy for an output token (J), where it was metered or estimated.
    """

    in_flight: int
    requests: int
    tokens_per_s: float
    ttft_s: float
    ttft_p90_s: float
    itl_s: float
    itl_p99_s: float
    request_s: float
    j_per_token: float | None = None

    @classmethod
    def from_json(cls, data: Any) -> EnginePoint:
        """Read and check one; raises `ProfileError`."""
        if not isinstance(data, Mapping):
            msg = f"A point of a server's curve is a mapping, not {data!r}."
            raise ProfileError(msg)
        joules = data.get("j_per_token")
        return cls(
            in_flight=int(positive(data, "in_flight")),
            requests=int(positive(data, "requests")),
            tokens_per_s=positive(data, "tokens_per_s"),
            ttft_s=positive(data, "ttft_s"),
            ttft_p90_s=positive(data, "ttft_p90_s"),
            itl_s=positive(data, "itl_s"),
            itl_p99_s=positive(data, "itl_p99_s"),
            request_s=positive(data, "request_s"),
            j_per_token=None if joules is None else positive(data, "j_per_token"),
        )

    def to_json(self) -> dict[str, float]:
        """Plain JSON; inverse of `from_json`."""
        names = ("in_flight", "requests", *RATES, "j_per_token")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


RATES = ("tokens_per_s", "ttft_s", "ttft_p90_s", "itl_s", "itl_p99_s", "request_s")


@dataclass(frozen=True, slots=True)
class Metered:
    """How the joules of a curve were got.

    Attributes
    ----------
    boundary
        What they were counted around: `gpu`, `package` or `node`; empty where there are none.
    method
        `counter` or `estimate`; empty where there are none.
    note
        How exactly, or why there are none.
    """

    boundary: str = ""
    method: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.method not in ("", "counter", "estimate"):
            msg = f"Joules are got by a counter or an estimate, not by {self.method!r}."
            raise ProfileError(msg)

    @property
    def why_none(self) -> str:
        """Why there are no joules."""
        return self.note or "not metered: no counter reads what the server spends"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A level that was left out, and how far the others were off there: predicted over measured, less 1."""

    in_flight: int
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """The relative error."""
        return self.predicted / self.measured - 1.0


@dataclass(frozen=True, slots=True)
class EngineCurve:
    """A served model's curve over the requests in flight, measured from one host.

    Attributes
    ----------
    name
        What it is kept under: the server's URL, or what it is known as, and the model's name.
    host, date
        Measured from which host, and when.
    prompt_tokens, output_tokens
        Tokens read and written by a request, on average.
    points
        By requests in flight; at least one.
    refused_at
        Requests in flight at which the server turned some away (429): it takes fewer at once; None where it took all.
    metered
        How its joules were got, or why there are none.
    """

    name: str
    host: str
    date: str
    prompt_tokens: float
    output_tokens: float
    points: tuple[EnginePoint, ...]
    refused_at: int | None = None
    metered: Metered = Metered()

    def __post_init__(self) -> None:
        if not self.points:
            msg = f"The curve of {self.name} has no points."
            raise ProfileError(msg)
        if any(b.in_flight <= a.in_flight for a, b in pairwise(self.points)):
            msg = f"The points of {self.name} do not stand by requests in flight."
            raise ProfileError(msg)

    @classmethod
    def from_json(cls, data: Any) -> EngineCurve:
        """Read and check one; raises `ProfileError` that says what is wrong."""
        if not isinstance(data, Mapping):
            msg = f"A server's curve is a mapping, not {data!r}."
            raise ProfileError(msg)
        words = {key: data.get(key, "") for key in ("name", "host", "date")}
        energy = {key: data.get(key, "") for key in ("boundary", "method", "note")}
        if not all(isinstance(word, str) for word in energy.values()):
            msg = f"How the joules of {words['name']!r} were got is said in words, not {energy!r}."
            raise ProfileError(msg)
        if energy["boundary"] and not energy["method"]:  # as it was written before there were estimates
            energy["method"] = "counter"
        if not all(isinstance(word, str) for word in words.values()) or not words["name"]:
            msg = f"A server's curve says whose it is: {words!r}."
            raise ProfileError(msg)
        listed = data.get("points")
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            msg = f"The points of {words['name']} are a list, not {listed!r}."
            raise ProfileError(msg)
        refused = data.get("refused_at")
        points = sorted((EnginePoint.from_json(one) for one in listed), key=lambda one: one.in_flight)
        return cls(
            prompt_tokens=number(data, "prompt_tokens", MOST),
            output_tokens=positive(data, "output_tokens"),
            points=tuple(points),
            refused_at=None if refused is None else int(positive(data, "refused_at")),
            metered=Metered(**energy),
            **words,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; inverse of `from_json`."""
        return {
            "name": self.name,
            "host": self.host,
            "date": self.date,
            "boundary": self.metered.boundary,
            "method": self.metered.method,
            "note": self.metered.note,
            "prompt_tokens": self.prompt_tokens,
            "output_tokens": self.output_tokens,
            **({} if self.refused_at is None else {"refused_at": self.refused_at}),
            "points": [one.to_json() for one in self.points],
        }

    @property
    def range(self) -> tuple[int, int]:
        """Fewest and most requests in flight that were measured."""
        return self.points[0].in_flight, self.points[-1].in_flight

    # --- figures --------------------------------------------------------------------------------------------------

    def tokens_per_s(self, in_flight: float) -> Figure:
        """Output tokens of all requests a second."""
        low, _ = self.range
        inside = self.at(in_flight, lambda one: one.tokens_per_s)
        return self.figure(inside * min(1.0, in_flight / low), "tok/s", in_flight)

    def ttft_s(self, in_flight: float) -> Figure:
        """Median time to the first token (s)."""
        return self.figure(
            self.at(in_flight, lambda one: one.ttft_s) * self.waiting(in_flight), "s", in_flight
        )

    def itl_s(self, in_flight: float) -> Figure:
        """Median time between the tokens of one request (s)."""
        return self.figure(
            self.at(in_flight, lambda one: one.itl_s) * self.waiting(in_flight), "s", in_flight
        )

    def j_per_token(self, in_flight: float) -> Figure:
        """Energy for an output token (J), by counter or estimate; unknown, with the reason, where neither was there."""
        if not self.metered.method or any(one.j_per_token is None for one in self.points):
            return unknown("J", self.metered.why_none)
        value = self.at(in_flight, lambda one: one.j_per_token or 0.0)
        if self.metered.method == "estimate":
            return Figure(value, "J", value / FAR, value * FAR, "prior", "estimate", self.metered.note)
        figure = self.figure(value, "J", in_flight)
        return replace(
            figure, method="counter", note=f"{self.metered.note or self.metered.boundary}; {figure.note}"
        )

    def request_s(self, in_flight: float, tokens_in: float, tokens_out: float) -> float:
        """Time of one request with so many others in flight (s), of any length.

        What a request of the measured workload takes is known (Little's law: requests in flight over their rate). The
        share of it until the first token grows with the tokens read, the rest with the tokens written.
        """
        n = max(1.0, in_flight)
        whole = n * self.output_tokens / (self.tokens_per_s(n).value or 1.0)
        first = min(whole, self.ttft_s(n).value or 0.0)
        read = max(0.1, tokens_in / self.prompt_tokens) if self.prompt_tokens else 1.0
        return first * read + (whole - first) * tokens_out / self.output_tokens

    def batch_s(self, in_flight: float, items: float, tokens_in: float, tokens_out: float) -> float:
        """Time of so many requests (s), of which so many are in flight at once."""
        n = max(1.0, min(in_flight, items))
        return self.request_s(n, tokens_in, tokens_out) * max(1.0, items / n)

    def waiting(self, in_flight: float) -> float:
        """More requests than measured wait their turn."""
        return max(1.0, in_flight / self.range[1])

    def at(self, in_flight: float, of: Callable[[EnginePoint], float]) -> float:
        """A quantity between the measured points; that of the nearest end beyond them."""
        low, high = self.range
        if len(self.points) == 1:
            return of(self.points[0])
        return math.exp(
            monotone(
                [math.log(one.in_flight) for one in self.points],
                [math.log(max(of(one), 1e-12)) for one in self.points],
                math.log(min(max(in_flight, low), high)),
            )
        )

    def figure(self, value: float, unit: str, in_flight: float) -> Figure:
        """A figure with the band and source that its place on the curve deserves."""
        low, high = self.range
        where = f"{self.name}, {self.date}, {self.prompt_tokens:.0f} tokens in, {self.output_tokens:.0f} out"
        if not low <= in_flight <= high:
            note = f"outside the measured {low}-{high} requests in flight; {where}"
            return Figure(value, unit, value / FAR, value * FAR, "prior", note=note)
        share = AT if any(one.in_flight == in_flight for one in self.points) else BETWEEN
        source: Source = "measured"
        return Figure(value, unit, value * (1 - share), value * (1 + share), source, note=where)

    def held_out(self) -> tuple[HeldOut, ...]:
        """For each level between the ends: what the others say of its tokens a second."""
        found = []
        for index in range(1, len(self.points) - 1):
            point = self.points[index]
            others = replace(self, points=(*self.points[:index], *self.points[index + 1 :]))
            predicted = others.tokens_per_s(point.in_flight).value or 0.0
            found.append(HeldOut(point.in_flight, point.tokens_per_s, predicted))
        return tuple(found)
