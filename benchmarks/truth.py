"""How a run may turn out: the same agents, faster or slower than their profiles say, and other counts than expected.

A planner sees profiles and expectations; what it chose is judged in worlds drawn from here, which no planner has seen. In
every world each agent has one factor for its seconds and one for its CPU-seconds, and each step that opens a level one for
its count. All factors are log-normal, with a median of 1.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.profiles.profile import Prediction, Profiles

__all__ = ["COUNT_SPREAD", "SPEED_SPREAD", "Counted", "Turned"]

SPEED_SPREAD = 0.25
"""Standard deviation of the logarithm of seconds over predicted: first plans from priors were 7 to 25 % off on real videos."""

COUNT_SPREAD = 0.3
"""The same of counts over expected."""


class Turned:
    """Profiles as they turn out in one world; whatever is not drawn is asked of the profiles that were planned with."""

    def __init__(self, profiles: Profiles, world: int, spread: float = SPEED_SPREAD) -> None:
        self.profiles, self.world, self.spread = profiles, world, spread

    def __getattr__(self, name: str) -> Any:
        return getattr(self.profiles, name)

    def factors(self, agent: str) -> tuple[float, float]:
        """Seconds and CPU-seconds over what the profile says: they differ by a third of the spread."""
        chance = random.Random(f"{self.world} {agent}")
        seconds = chance.gauss(0.0, self.spread)
        return math.exp(seconds), math.exp(seconds + chance.gauss(0.0, self.spread / 3))

    def turned(self, agent: str, found: Prediction | None) -> Prediction | None:
        """A prediction as it turns out."""
        if found is None:
            return None
        seconds, cpu = self.factors(agent)
        return replace(found, seconds=found.seconds.scaled(seconds), cpu_s=found.cpu_s.scaled(cpu))

    def call(
        self, agent: str, options: tuple[tuple[str, Any], ...], *, cores: int, items: float, work: float, speed: float = 1.0
    ) -> Prediction | None:  # fmt: skip
        """A call, faster or slower by the agent's factor."""
        return self.turned(
            agent, self.profiles.call(agent, options, cores=cores, items=items, work=work, speed=speed)
        )

    def load(
        self, agent: str, options: tuple[tuple[str, Any], ...], *, speed: float = 1.0
    ) -> Prediction | None:
        """Loading, by the same factor."""
        return self.turned(agent, self.profiles.load(agent, options, speed=speed))


class Counted:
    """A library whose steps open more or fewer children than expected in one world."""

    def __init__(self, library: Library, world: int, spread: float = COUNT_SPREAD) -> None:
        self.library, self.world, self.spread = library, world, spread
        self.known: dict[str, Capability] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def capability(self, name: str) -> Capability:
        """The capability, with its count redrawn where it opens a level."""
        if name not in self.known:
            planned = found = self.library.capability(name)
            if planned.opens:
                factor = math.exp(random.Random(f"{self.world} {name}").gauss(0.0, self.spread))

                def yields(inputs: Mapping[str, Any], options: Mapping[str, Any]) -> Yield:
                    made = planned.yields(inputs, options)
                    return replace(made, count=float(max(1, round(made.count * factor))))

                found = replace(planned, yields=yields)
            self.known[name] = found
        return self.known[name]
