"""One observed call of an agent, and one stated quality: what profiles are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.core.errors import ProfileError

__all__ = ["MOST_SECONDS", "Observation", "Quality"]

MOST_SECONDS = 1e6
"""A call that seems to take longer than this (12 days) is a broken clock, not an observation."""

MOST_WORK = 1e12


def number(data: Mapping[str, Any], key: str, most: float, default: float | None = None) -> float:
    """A finite number between 0 and `most`, or a `ProfileError` that names it."""
    raw = data.get(key, default)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        msg = f"An observation's {key} must be a number, not {raw!r}."
        raise ProfileError(msg)
    if not math.isfinite(raw) or raw < 0 or raw > most:
        msg = f"An observation's {key} must lie between 0 and {most:g}, not {raw!r}."
        raise ProfileError(msg)
    return float(raw)


@dataclass(frozen=True, slots=True)
class Observation:
    """One call of an instance.

    Attributes
    ----------
    agent, options
        Which agent, with every option it had.
    cores
        Cores of the instance.
    items, work
        Items of the call, and their work in all in the capability's unit.
    seconds, cpu_s
        Wall and CPU time of the call.
    load_s, load_cpu_s
        Wall and CPU time of loading, 0 when the call was not the first.
    memory_bytes
        Peak resident memory of the instance, 0 when it was not looked at.
    start_s
        Wall time of starting the instance's process, before it could load; 0 when the call was not the first, or nobody looked.
    """

    agent: str
    options: tuple[tuple[str, Any], ...]
    cores: int
    items: float
    work: float
    seconds: float
    cpu_s: float
    load_s: float = 0.0
    load_cpu_s: float = 0.0
    memory_bytes: float = 0.0
    start_s: float = 0.0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Observation:
        """Read and check one; raises `ProfileError` on NaN, negative or absurd numbers."""
        try:
            agent = data["agent"]
            options = data.get("options", {})
            cores = data["cores"]
        except (KeyError, TypeError) as error:
            msg = f"An observation lacks {error}."
            raise ProfileError(msg) from error
        if not isinstance(agent, str) or not isinstance(options, Mapping):
            msg = f"An observation names its agent and holds its options, not {agent!r} and {options!r}."
            raise ProfileError(msg)
        if isinstance(cores, bool) or not isinstance(cores, int) or not 1 <= cores <= 100_000:
            msg = f"An observation's cores must be a whole number from 1, not {cores!r}."
            raise ProfileError(msg)
        made = cls(
            agent=agent,
            options=tuple(sorted(options.items())),
            cores=cores,
            items=number(data, "items", MOST_WORK),
            work=number(data, "work", MOST_WORK),
            seconds=number(data, "seconds", MOST_SECONDS),
            cpu_s=number(data, "cpu_s", MOST_SECONDS * cores),
            load_s=number(data, "load_s", MOST_SECONDS, 0.0),
            load_cpu_s=number(data, "load_cpu_s", MOST_SECONDS, 0.0),
            memory_bytes=number(data, "memory_bytes", 1e15, 0.0),
            start_s=number(data, "start_s", MOST_SECONDS, 0.0),
        )
        if made.items == 0 or made.seconds == 0:
            msg = "An observation has at least one item and takes some time."
            raise ProfileError(msg)
        return made

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; inverse of `from_json`."""
        return {
            "agent": self.agent,
            "options": dict(self.options),
            "cores": self.cores,
            "items": self.items,
            "work": self.work,
            "seconds": self.seconds,
            "cpu_s": self.cpu_s,
            "load_s": self.load_s,
            "load_cpu_s": self.load_cpu_s,
            "memory_bytes": self.memory_bytes,
            **({"start_s": self.start_s} if self.start_s else {}),
        }


@dataclass(frozen=True, slots=True)
class Quality:
    """How well an agent does its step, 0..1, with a band and where that comes from."""

    agent: str
    value: float
    low: float
    high: float
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = "prior"
    note: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Quality:
        """Read and check one; raises `ProfileError` on what is no quality."""
        if not isinstance(data, Mapping) or not isinstance(data.get("agent"), str):
            msg = "A quality names its agent."
            raise ProfileError(msg)
        value = number(data, "value", 1.0)
        low = number(data, "low", 1.0, value)
        high = number(data, "high", 1.0, value)
        if not low <= value <= high:
            msg = f"A quality's band must hold its value: {low} <= {value} <= {high} for {data['agent']}."
            raise ProfileError(msg)
        source = str(data.get("source", "prior"))
        if source not in ("measured", "published", "prior"):
            # The table says where a number comes from in words; what it is worth here is a prior.
            return cls(
                data["agent"],
                value,
                low,
                high,
                dict(data.get("options", {})),
                "prior",
                "; ".join(part for part in (source, str(data.get("note", ""))) if part),
            )
        return cls(
            data["agent"], value, low, high, dict(data.get("options", {})), source, str(data.get("note", ""))
        )
