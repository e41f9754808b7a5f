"""What a plan does with inputs that keep arriving: the rate that it sustains, and what an hour takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.figure import Figure, money, per_time
from murakkab_jupyter.energy.estimate import SECONDS_PER_HOUR
from murakkab_jupyter.planner.stream import Stream

__all__ = ["Rate"]

WELL_USED = 0.7
"""Share of what is sustained from which waiting grows steeply with every percent more that arrives."""

FEW_VALUES = 100
"""Of fewer values nobody can see what 95 % take."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Arrivals, and how a plan keeps up with them.

    Attributes
    ----------
    asked_per_s
        How many arrive a second, on average.
    of
        What arrives: `values of NAME`, or `runs`.
    sustained
        How many the slowest stage can take (1/s).
    slowest
        Which stage that is.
    energy, cost
        Of an hour at the rate that was asked for (J, USD): what is held for the whole hour, and what arrives in it.
    streams
        What the simulator saw while values arrived at that rate, evenly spaced and as a Poisson stream.
    """

    asked_per_s: float
    of: str
    sustained: Figure
    slowest: str
    energy: Figure
    cost: Figure
    streams: tuple[Stream, ...] = ()

    @property
    def grows(self) -> bool:
        """Whether more and more of them wait."""
        return any(one.grows_per_s for one in self.streams)

    @property
    def tail_note(self) -> str:
        """A caution where what 95 % of the values take is more worked out than seen; empty where it is not."""
        most = self.sustained.value or 0.0
        used = self.asked_per_s / most if most else 0.0
        values = min((one.values for one in self.streams), default=0)
        why = []
        if used > WELL_USED:
            why.append(
                f"{100 * used:.0f} % of what is sustained arrives, so that a little more makes values wait much longer"
            )
        if values < FEW_VALUES:
            why.append(f"only {values} values were simulated")
        if not why:
            return ""
        return f"What 95 % of the values take rests on queueing theory: {', and '.join(why)}."

    @property
    def words(self) -> str:
        """All of it in one sentence."""
        most = self.sustained.value or 0.0
        share = 100 * self.asked_per_s / most if most else 0.0
        busy = f", {'less than 1' if share < 1 else f'{share:.0f}'} % of what it can take" if most else ""
        hour, each = [], []
        many = self.asked_per_s * SECONDS_PER_HOUR
        if self.energy.value is not None:
            hour.append(joules(self.energy.value))
            each.append(joules(self.energy.value / many))
        if self.cost.value is not None:
            hour.append(money(self.cost.value))
            each.append(money(self.cost.value / many))
        # Of a backlog that grows, no hour is like the one before.
        told = bool(hour) and not self.grows
        an_hour = f" An hour of it takes {' and '.join(hour)}, {' and '.join(each)} each." if told else ""
        return (
            f"Arrivals: {per_time(self.asked_per_s)} ({self.of}){busy}: up to {per_time(most)} are sustained "
            f"({self.sustained.source}), {self.slowest} is the slowest stage.{an_hour}{self.queues}"
        )

    @property
    def queues(self) -> str:
        """What the streams showed, as sentences; empty where nothing was simulated."""
        if not self.streams:
            return ""
        told = "; ".join(one.words for one in self.streams)
        grows = max(one.grows_per_s for one in self.streams)
        backlog = f"grows by {per_time(grows)}" if grows else "does not grow"
        return f" Simulated from arrival to end: {told}. The backlog {backlog}."

    def to_json(self) -> dict[str, Any]:
        """`{asked_per_s, of, sustained, slowest, energy, cost, streams}`."""
        return {
            "asked_per_s": self.asked_per_s,
            "of": self.of,
            "sustained": self.sustained.to_json(),
            "slowest": self.slowest,
            "energy": self.energy.to_json(),
            "cost": self.cost.to_json(),
            "streams": [one.to_json() for one in self.streams],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rate:
        """Inverse of `to_json`."""
        return cls(
            float(data["asked_per_s"]),
            str(data["of"]),
            Figure.from_json(data["sustained"]),
            str(data["slowest"]),
            Figure.from_json(data["energy"]),
            Figure.from_json(data["cost"]),
            tuple(Stream.from_json(one) for one in data.get("streams", ())),
        )


def joules(value: float) -> str:
    """Joules for people."""
    kilo = value >= 1000
    return f"{value / (1000 if kilo else 1):.3g} {'kJ' if kilo else 'J'}"
