"""What calls of a published server take: seconds, joules and CPU time of some requests, how long it starts, how well it does.

Writing is as published, at the requests that are really in flight. What the publication does not say is a prior and marked so:
how fast prompts are read, the host's CPU time, the start, and the quality. A figure that holds a prior is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.core.figure import Figure, total
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.profiles.published import Card, shipped_published
from murakkab_jupyter.profiles.served import ServedProfile

__all__ = ["REPLICAS", "call", "cite", "quality", "reading", "starting", "tokens_of"]

REPLICAS = "replicas"
"""The option that says how many servers share a step's requests, each on GPUs of its own."""

PATHS = "paths"
ANSWER_TOKENS = 60.0
"""Tokens of an answer of which nothing is known: a prior, as capabilities have it."""
TOKENS_A_WORD = 1.4

READ_SHARE = 0.4
"""Share of a GPU's operations that reading prompts reaches: a guess, as is its band of a factor of two."""
READ_BAND = 2.0
WRITES_SLOWER = 20.0
"""Where nobody says how large a model is, it reads as fast as it writes at most, or up to so many times faster."""

BUSY_CORES = 1.0
"""Cores of the host that a GPU keeps busy while it serves: a guess (vLLM runs one process for each GPU)."""

START_S = 60.0
"""Start of a server without its weights: a guess, after vLLM 0.32's 36 to 157 s with a small model on two CPU cores."""
READ_WEIGHTS = 1e9
"""Bytes of weights that are read and laid out a second: a guess."""
BYTES: Mapping[str, float] = {"mxfp4": 0.55, "nvfp4": 0.55, "fp8": 1.0, "int8": 1.0}
"""Bytes of a parameter; two where it is none of these."""

ERRORS = 0.15
ERRORS_OF_B = 8.0
SHRINK = 0.25
"""A guess at quality: a model of 8 billion parameters fails 15 % of its items, and errors go with parameters^-0.25."""


def cite(profile: ServedProfile, in_flight: float) -> str:
    """Where figures at a load are from: `published: ML.ENERGY ..., H100, 32 in flight`, or that they lie outside."""
    cards = f"{profile.gpus} x {profile.gpu}" if profile.gpus > 1 else profile.gpu
    served = " ".join(one for one in (profile.engine, profile.engine_version, profile.precision) if one)
    low, high = profile.range
    where = f"{cards}{f', {served}' if served else ''}, {in_flight:.0f} in flight"
    if profile.covers(in_flight) or near_end(profile, in_flight):
        return f"published: {profile.source}, {where}"
    return f"prior, outside the published {low:.0f}-{high:.0f} in flight of {profile.source}, {where}"


def near_end(profile: ServedProfile, in_flight: float) -> bool:
    """Whether a load rounds to the fewest or the most that were published (an average of 7.98 is called 8)."""
    return any(round(end) == round(in_flight) for end in profile.range)


def within(profile: ServedProfile, in_flight: float) -> float:
    """The load, or the published end that it rounds to."""
    if profile.covers(in_flight):
        return in_flight
    return next((end for end in profile.range if round(end) == round(in_flight)), in_flight)


def tokens_of(capability: Capability, options: Mapping[str, Any], work: float) -> tuple[float, float]:
    """Tokens that a request reads and writes, of one item's work.

    How long answers are is the capability's expectation, and a prior.
    """
    each = max(0.0, work) / max(1.0, float(options.get(PATHS, 1)))
    if capability.name == "translation":
        return each / 2, max(1.0, each / 2)  # it writes about as much as it reads, and its work is both
    expected = float(capability.yields({}, options).each.get("tokens") or ANSWER_TOKENS)
    written = expected
    if options.get("words"):
        written = TOKENS_A_WORD * float(options["words"])
    if options.get("max_tokens"):
        written = min(written, float(options["max_tokens"]))
    # Work in tokens is what is read, and for texts without a fixed form what is written too.
    counted = expected if capability.name in ("text-generation", "summarisation") else 0.0
    return max(0.0, each - counted), max(1.0, written)


def reading(profile: ServedProfile) -> Figure:
    """Tokens of prompts that all GPUs of one server read a second: a prior."""
    sheet: Card | None = shipped_published().card(profile.gpu)
    if sheet is not None and profile.active_params_b:
        # Two operations for each parameter that a token goes through.
        value = READ_SHARE * sheet.bf16_flops * profile.gpus / (2e9 * profile.active_params_b)
        note = f"reading prompts at {READ_SHARE:.0%} of {sheet.bf16_flops / 1e12:.0f} TFLOPS ({sheet.source}), a guess"
        return Figure(value, "tok/s", value / READ_BAND, value * READ_BAND, "prior", note=note)
    value = max(point.tokens_per_s for point in profile.points)
    note = "reading prompts as fast as it writes at most, a guess"
    return Figure(value, "tok/s", value, value * WRITES_SLOWER, "prior", note=note)


def call(
    profile: ServedProfile,
    *,
    requests: float,
    read: float,
    written: float,
    in_flight: float,
    replicas: int = 1,
) -> Prediction:
    """Some requests at once, shared by the replicas.

    Parameters
    ----------
    profile
        The published curve.
    requests
        How many.
    read, written
        Tokens of each, of its prompt and of its answer.
    in_flight
        The most that each replica has in flight. Fewer requests than that leave it less busy: a curve is read where the load is.
    replicas
        Servers, each on GPUs of its own.

    Returns
    -------
    Prediction
        `seconds`; `energy_j` of all GPUs while they serve, their idle power included; `cpu_s` of the host.
    """
    # Nobody shares one request: the replica that has most of them ends last.
    share = max(1.0, requests if replicas == 1 else float(math.ceil(requests / replicas - 1e-9)))
    load = within(profile, max(1.0, min(float(in_flight), share)))
    writing = profile.request_s(load, written).scaled(max(1.0, share / load))
    energy = profile.energy_j(load, requests * written)
    notes = [cite(profile, load)]
    times, energies = [writing], [energy]
    if read > 0:
        rate = reading(profile)
        # Reading keeps the GPUs as busy as they were at most while this was measured.
        power = max(profile.power_w(point.in_flight).value or 0.0 for point in profile.points)
        times.append(over(read * share, rate))
        energies.append(over(read * requests, rate).scaled(power, "J"))
        notes.append(f"{rate.note}; how long answers are is a prior")
    note = "; ".join(notes)
    seconds = noted(total(times, "s"), note)
    cores = BUSY_CORES * profile.gpus * replicas
    busy = (seconds.value or 0.0) * cores
    cpu = Figure(busy, "s", busy / 2, busy * 2, "prior", note="a core of the host for each GPU, a guess")
    return Prediction(seconds, cpu, noted(total(energies, "J"), note))


def noted(figure: Figure, note: str) -> Figure:
    return Figure(figure.value, figure.unit, figure.low, figure.high, figure.source, note=note)


def over(amount: float, rate: Figure) -> Figure:
    """An amount over a rate that is known, with its band (s)."""
    value, low, high = rate.value or 1.0, rate.low or 1.0, rate.high or 1.0
    return Figure(amount / value, "s", amount / high, amount / low, rate.source, note=rate.note)


def weights_bytes(profile: ServedProfile) -> float | None:
    """Size of a model's weights as served (B); None where nobody says how large it is."""
    return None if profile.params_b is None else profile.params_b * 1e9 * BYTES.get(profile.precision, 2.0)


def starting(profile: ServedProfile) -> tuple[Figure, Figure]:
    """Seconds and CPU-seconds from nothing to a server that answers: priors."""
    size = weights_bytes(profile)
    seconds = START_S + (size or 0.0) / READ_WEIGHTS
    what = (
        "its weights, of unknown size, left out"
        if size is None
        else f"{size / 1e9:.0f} GB of weights at 1 GB/s"
    )
    note = f"a guess: {START_S:.0f} s, and {what}"
    cpu = seconds * BUSY_CORES * profile.gpus
    return (
        Figure(seconds, "s", seconds * 0.4, seconds * 3.0, "prior", note=note),
        Figure(cpu, "s", cpu * 0.3, cpu * 3.0, "prior", note=note),
    )


def quality(profile: ServedProfile) -> Figure | None:
    """How well a chat model does a step, guessed from its size alone: a prior; None where nobody says how large it is.

    Of a mixture of experts the size is the geometric mean of all parameters and those that a token goes through.
    """
    if not profile.params_b:
        return None
    size = math.sqrt(profile.params_b * (profile.active_params_b or profile.params_b))
    value = 1.0 - min(1.0, ERRORS * (ERRORS_OF_B / size) ** SHRINK)
    note = f"a guess by its size, {profile.params_b:.3g} B parameters: nobody measured it at this step"
    return Figure(value, "1", max(0.0, value - 0.25), min(1.0, value + 0.08), "prior", note=note)
