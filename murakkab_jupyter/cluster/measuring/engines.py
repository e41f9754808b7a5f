"""Measuring a model server: its speed at 1, 2, 4, ... requests in flight, until more bring no more.

Each level is a closed loop: as many askers as there are requests in flight, each with the next request as soon as its last
one is answered. Requests are unlike each other from their first word on, so that no cache of prefixes answers for them.
Joules are of a server on this very host alone (`joules`).
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.agents.language.chat import Message, Request, TooLong
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.loops import background
from murakkab_jupyter.agents.served.openai import OpenAIChat
from murakkab_jupyter.cluster.measuring.agents import Progress
from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.energy.meter import Meter
from murakkab_jupyter.energy.reading import Reading
from murakkab_jupyter.energy.server import ServerMeter
from murakkab_jupyter.profiles.engine import EngineCurve, EnginePoint, Metered
from murakkab_jupyter.profiles.hardware import host_cores, host_power
from murakkab_jupyter.profiles.store import today

__all__ = ["LoadChat", "Workload", "levels", "measure_engine"]

MOST_IN_FLIGHT = 256
GAIN = 1.05
"""A level that is not so many times as fast as the one before it is the last."""

WORDS = [
    "river",
    "bridge",
    "morning",
    "market",
    "engine",
    "letter",
    "garden",
    "window",
    "station",
    "harbour",
    "teacher",
    "village",
    "music",
    "paper",
    "winter",
    "summer",
    "number",
    "table",
    "kitchen",
    "mountain",
    "doctor",
    "forest",
    "island",
    "weather",
    "history",
    "science",
    "picture",
    "machine",
    "question",
    "answer",
]


@dataclass(frozen=True, slots=True)
class Workload:
    """What each request is like.

    Attributes
    ----------
    words
        Words of a request's material.
    tokens
        Tokens of an answer; a server that can be told so (vLLM) writes exactly as many.
    rounds
        Requests of each asker, at least.
    least
        Requests of a level, at least.
    seed
        Of the words: another one makes other requests.
    """

    words: int = 96
    tokens: int = 64
    rounds: int = 3
    least: int = 4
    seed: int = 0

    def requests(self) -> Iterator[Request]:
        """Requests without end, no two alike."""
        rng = random.Random(self.seed)  # noqa: S311 - test data
        for number in itertools.count(1):
            text = " ".join(rng.choices(WORDS, k=self.words))
            yield Request(
                (),
                (f"Story {number} of {rng.random()}. Tell a long story with these words: ", ""),
                (text,),
                self.tokens,
            )


class LoadChat(OpenAIChat):
    """Asks for answers of a stated length, where the server knows how; counts the requests that it turned away."""

    refused = 0

    def turned_away(self) -> None:
        """The server takes no more than it has."""
        self.refused += 1

    def body(self, messages: Sequence[Message], request: Request) -> dict[str, Any]:
        """The request as the API wants it."""
        made = super().body(messages, request)
        if self.endpoint.kind == "vllm":
            made |= {"ignore_eos": True, "min_tokens": request.max_tokens}
        return made


@dataclass
class Level:
    """What was seen at one level."""

    firsts: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    read: int = 0
    written: int = 0
    failed: list[str] = field(default_factory=list)


def levels(most: int) -> list[int]:
    """1, 2, 4, ... and the most."""
    steps = [2**n for n in range(most.bit_length()) if 2**n <= most]
    return steps if steps[-1] == most else [*steps, most]


def measure_engine(
    endpoint: Endpoint,
    *,
    host: str,
    at: Sequence[int] | None = None,
    most: int | None = None,
    workload: Workload | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    clock: Callable[[], float] = time.perf_counter,
    meter: Meter | None = None,
) -> EngineCurve:
    """Measure an endpoint's curve.

    Parameters
    ----------
    endpoint
        Which; one without a model's name is asked for its only model.
    host
        Measured from where.
    at
        Levels, in the order in which they are measured; 1, 2, 4, ... while they bring more, if None.
    most
        The highest of them; what the endpoint says, else 256, if None.
    workload
        What the requests are like.
    progress
        Told before each level.
    clock
        Seconds.
    meter
        Reads what the server spends; a `ServerMeter` when None and it is on this host.

    Returns
    -------
    EngineCurve
        With a point for each level.

    Raises
    ------
    ProfileError
        The server failed requests, or wrote nothing: no point can be made of that.
    AgentError
        It cannot be asked at all.
    """
    load = workload if workload is not None else Workload()
    own: ServerMeter | None = None
    chat = LoadChat(endpoint)
    try:
        chat.probe()
        steps = list(at) if at is not None else levels(most or chat.endpoint.max_in_flight or MOST_IN_FLIGHT)
        own = meter_of(chat.endpoint) if meter is None else None
        reader = meter or own
        readings: list[Reading] = []
        requests = load.requests()
        run_level(chat, 1, 1, requests, clock)  # the first answer of a server is slow: it does not count
        points: list[EnginePoint] = []
        read = written = 0
        refused_at: int | None = None
        for done, n in enumerate(steps):
            progress(Progress(done, len(steps), f"{n} in flight"))
            count = max(load.least, load.rounds * n)
            chat.refused = 0
            if reader is not None:
                reader.start()
            began = clock()
            try:
                seen = run_level(chat, n, count, requests, clock)
            except ProfileError:
                if not chat.refused or n == 1:
                    raise
            seconds = clock() - began
            reading = reader.stop() if reader is not None else None
            if chat.refused and n > 1:
                # Some waited to be asked again: that is no speed of so many in flight.
                refused_at = n if refused_at is None else min(n, refused_at)
                if at is None:
                    break
                continue
            readings += [] if reading is None else [reading]
            points.append(point_of(n, seen, seconds, None if reading is None else reading.energy_j.value))
            read, written = read + seen.read, written + seen.written
            if at is None and len(points) > 1 and points[-1].tokens_per_s < GAIN * points[-2].tokens_per_s:
                break
        progress(Progress(len(steps), len(steps), ""))
    finally:
        chat.close()
        if own is not None:
            own.close()
    if not points:
        msg = f"{endpoint.url} turned requests away (429) with {refused_at} in flight already."
        raise ProfileError(msg, hint="Measure fewer: --in-flight 1, or look at the limits of your account.")
    total = sum(one.requests for one in points)
    return EngineCurve(
        chat.endpoint.curve,
        host,
        today(),
        read / total,
        written / total,
        tuple(sorted(points, key=lambda one: one.in_flight)),
        refused_at=refused_at,
        metered=metered(points, readings, chat.endpoint),
    )


def meter_of(endpoint: Endpoint) -> ServerMeter | None:
    """What reads the joules of a server; None for one elsewhere."""
    if not endpoint.loopback:
        return None
    parts = urlsplit(endpoint.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return ServerMeter(port, host_power(host_cores()), host_cores())


def metered(points: Sequence[EnginePoint], readings: Sequence[Reading], endpoint: Endpoint) -> Metered:
    """How the joules of a curve were got, or why there are none."""
    if not readings:
        return Metered(
            note=f"not metered: {endpoint.host} is another host, and its counters are not read from here"
        )
    unread = [reading for reading in readings if not reading.energy_j.known]
    if unread:
        return Metered(note=unread[0].energy_j.note)
    if any(one.j_per_token is None for one in points):
        return Metered(note="not metered: a counter did not move")
    last = readings[-1]
    method = last.energy_j.method
    return Metered(last.boundary, "" if method in (None, "none") else str(method), last.energy_j.note)


def run_level(
    chat: OpenAIChat, n: int, count: int, requests: Iterator[Request], clock: Callable[[], float]
) -> Level:
    """So many requests, `n` in flight; raises `ProfileError` when some fail."""
    seen = background().run(closed_loop(chat, n, [next(requests) for _ in range(count)], clock))
    if seen.failed:
        msg = f"{len(seen.failed)} of {count} requests failed with {n} in flight: {seen.failed[0]}"
        raise ProfileError(msg, hint="A server that fails requests has no speed to speak of; see its log.")
    if not seen.written or not seen.firsts:
        msg = f"{chat.endpoint.url} wrote nothing."
        raise ProfileError(msg, hint="Is its model one that chats?")
    return seen


def tick(times: list[float], clock: Callable[[], float], text: str) -> None:
    """Note when a piece of an answer came."""
    times.append(clock())


async def closed_loop(
    chat: OpenAIChat, n: int, requests: Sequence[Request], clock: Callable[[], float]
) -> Level:
    """`n` askers share the requests."""
    seen = Level()
    waiting = iter(requests)

    async def asker() -> None:
        for request in waiting:
            began = clock()
            times: list[float] = []
            heard = partial(tick, times, clock)
            try:
                reply = await chat.converse(request.messages(), request, heard)
            except TooLong as too_long:
                reply = Failed(
                    f"a question of the workload does not fit into the model's context ({too_long})"
                )
            if isinstance(reply, Failed):
                seen.failed.append(reply.reason)
                return
            seen.read += reply.read
            seen.written += reply.written
            if times:
                seen.firsts.append(times[0] - began)
                seen.whole.append(clock() - began)
                seen.gaps += [b - a for a, b in itertools.pairwise(times)]

    await asyncio.gather(*(asker() for _ in range(n)))
    return seen


def point_of(n: int, seen: Level, seconds: float, joules: float | None) -> EnginePoint:
    """A level's figures."""
    gaps = seen.gaps or [seconds / seen.written]
    return EnginePoint(
        n,
        len(seen.whole),
        seen.written / seconds,
        median(seen.firsts),
        quantile(seen.firsts, 0.9),
        median(gaps),
        quantile(gaps, 0.99),
        median(seen.whole),
        joules / seen.written if joules else None,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so many of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
