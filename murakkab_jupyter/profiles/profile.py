"""A profile: how long, how much CPU and how well one agent does a call, as a function of load and work.

    seconds(call) = call_s + items x item_s + work x unit_s

with one such curve for each (cores, batch) that was measured, and cores interpolated in between
(monotone: more cores never predict a slower call, except where that was measured). Outside the
measured range a prediction is a `prior`, whatever its inputs were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from murakkab_jupyter.core.figure import Figure

__all__ = ["NO_PROFILE", "Prediction", "Profiles", "options_key"]

NO_PROFILE = "no profile"
"""What the note of a figure says when nobody ever measured the agent: it is a wide guess, so that it can be planned."""


def options_key(options: Mapping[str, Any] | tuple[tuple[str, Any], ...]) -> str:
    """A stable text for a set of options: part of a profile's key."""
    pairs = options.items() if isinstance(options, Mapping) else options
    return " ".join(f"{key}={value}" for key, value in sorted(pairs))


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a call is expected to take.

    Attributes
    ----------
    seconds
        Wall time of the call (s), p50 with a band to p90.
    cpu_s
        CPU time of the call (s).
    energy_j
        GPU energy of the call (J); None where no GPU is used.
    shared
        The part of the bands that all calls of a host have in common, as factors: its speed may be misjudged. The rest is
        each agent's own, and evens out over the steps of a workflow.
    guess
        How it was guessed, in words, where nobody ever measured the agent; empty where something is known of it.
    """

    seconds: Figure
    cpu_s: Figure
    energy_j: Figure | None = None
    shared: tuple[float, float] = (1.0, 1.0)
    guess: str = ""


class Profiles(Protocol):
    """What the planner and the simulator ask for. Unknown is None, never 0."""

    def call(
        self,
        agent: str,
        options: tuple[tuple[str, Any], ...],
        *,
        cores: int,
        items: float,
        work: float,
        speed: float = 1.0,
    ) -> Prediction | None:
        """Predict one call of `items` items with `work` in all on `cores` cores of a host of `speed`."""

    def tells_apart(self, agent: str, option: str) -> bool:
        """Whether anything known says how a lever's values differ: a lever of which nothing is known keeps its default."""

    def load(
        self, agent: str, options: tuple[tuple[str, Any], ...], *, speed: float = 1.0
    ) -> Prediction | None:
        """Predict loading an instance."""

    def memory(self, agent: str, options: tuple[tuple[str, Any], ...]) -> Figure:
        """Resident memory of a loaded instance (B)."""

    def quality(self, agent: str, options: tuple[tuple[str, Any], ...]) -> Figure:
        """Quality of the agent at its step, 0..1 (unit `1`)."""
