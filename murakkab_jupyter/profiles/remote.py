"""Agents whose work a server does: what a call takes, by the server's curve and by what calls took here.

The curve says how the requests in flight share the server; observations of any call move it as a whole, for they say how long
questions and answers really are. Where nobody measured a curve, a server is taken to serve each request as fast as one
alone: then requests beyond those in flight wait, and no choice of how many are in flight is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.profiles.engine import EngineCurve, EnginePoint
from murakkab_jupyter.profiles.observation import Observation
from murakkab_jupyter.profiles.profile import NO_PROFILE

__all__ = [
    "ASSUMED",
    "IN_FLIGHT",
    "REMOTE_CPU_S",
    "REMOTE_ITEM_S",
    "guessed",
    "is_of",
    "of_curve",
    "serve",
    "shift",
]

IN_FLIGHT = "in_flight"
"""The option that says how many requests an instance has in flight at a server."""

PATHS = "paths"

REMOTE_ITEM_S = 2.0
"""A request alone at a server that nobody measured (s): a guess."""

REMOTE_CPU_S = 0.01
"""CPU time of asking a server for one item (s): a prior."""

ANSWER_TOKENS = 60.0
"""Tokens of an answer, of an item's work: a prior, until calls have been seen."""

BAND = (0.6, 1.7)
GUESS_BAND = (0.05, 20.0)


def assumed(in_flight: int) -> EnginePoint:
    rate = in_flight * ANSWER_TOKENS / REMOTE_ITEM_S
    return EnginePoint(in_flight, 1, rate, 0.2, 0.2, 0.03, 0.03, REMOTE_ITEM_S)


ASSUMED = EngineCurve("assumed", "", "", 128.0, ANSWER_TOKENS, (assumed(1), assumed(4096)))
"""A server that nobody measured."""


def is_of(curve: EngineCurve, spec: AgentSpec) -> bool:
    """Whether a curve is of an agent's server: of its URL and model, or of the engine that is started for it."""
    if spec.engine and curve.name.startswith(f"engine {spec.engine} "):
        return True
    return bool(spec.curve) and (
        curve.name == spec.curve or (" " not in spec.curve and curve.name.startswith(f"{spec.curve} "))
    )


def serve(curve: EngineCurve, options: Mapping[str, Any], items: float, work: float) -> float:
    """Seconds that a server takes for a call's items, by its curve."""
    paths = max(1.0, float(options.get(PATHS, 1)))
    requests = max(1.0, items * paths)
    each = max(1.0, work / requests)
    written = min(each, ANSWER_TOKENS, float(options.get("max_tokens", ANSWER_TOKENS)))
    return curve.batch_s(float(options.get(IN_FLIGHT, 1)), requests, max(1.0, each - written), written)


def shift(curve: EngineCurve, calls: Iterable[tuple[Mapping[str, Any], Observation]]) -> float:
    """How much longer calls took than a curve says, whatever was in flight: options and observation of each."""
    logs = []
    for options, one in calls:
        expected = serve(curve, options, one.items, one.work)
        if expected > 0 and one.seconds > 0:
            logs.append(math.log(one.seconds / expected))
    # One pseudo-observation of "no shift" keeps a single odd call from moving everything.
    return math.exp(math.fsum(logs) / (len(logs) + 1))


def of_curve(curve: EngineCurve, seconds: float, in_flight: float) -> Figure:
    """A call's seconds by a measured curve."""
    rate = curve.tokens_per_s(in_flight)
    note = (
        f"its server at {in_flight:.0f} in flight ({rate.value:.0f} tok/s {rate.source}); "
        "how long answers are is a guess until some have run"
    )
    return Figure(seconds, "s", seconds * BAND[0], seconds * BAND[1], "prior", note=note)


def how_guessed(spec: AgentSpec) -> str:
    """How calls of a server are guessed that nobody measured or called, and what would measure it."""
    whose = spec.engine or spec.url
    measured = f"; `murakkab profile engine {whose}` measures it" if whose else ""
    return f"{REMOTE_ITEM_S:g} s for {ANSWER_TOKENS:g} tokens at its server, a guess{measured}"


def guessed(seconds: float, calls: int, how: str) -> Figure:
    """A call's seconds at a server that nobody measured, after so many calls of it; `how` is said before the first."""
    if calls:
        note = f"{calls} calls on this host; what the server can do at once was not measured"
        return Figure(seconds, "s", seconds * BAND[0], seconds * BAND[1], "prior", note=note)
    note = f"{NO_PROFILE}: {how}"
    return Figure(seconds, "s", seconds * GUESS_BAND[0], seconds * GUESS_BAND[1], "prior", note=note)
