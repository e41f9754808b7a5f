"""Workers that are there and do not answer: suspended, thrashing, or behind a network that drops what is sent.

Dask counts such a worker as lost after minutes. Until then whoever asks it anything waits, so nothing here asks
without an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

from distributed import Client

__all__ = ["SILENT_S", "Silence", "ask_all", "unless_gone"]

SILENT_S = 20.0
"""A worker that the scheduler has not heard of for so long is taken to be silent; it is heard of at least every 5 s."""

AGAIN_S = 30.0
LONGEST_S = 600.0
"""A worker that is heard of and twice did not answer is asked again after so long, then after twice that, up to this."""

ALONE_S = 5.0
"""And after no more than this where nobody else is there to work."""

EACH_S = 2.0
LOOK_S = 0.5


class Silence:
    """Which workers give no sign of life, by the scheduler's notes of when it last heard of each.

    Clocks of hosts are not compared: what counts is for how long, on this one, a note has stayed the same.
    """

    def __init__(self, patience_s: float = SILENT_S) -> None:
        self.patience_s = patience_s
        self._heard: dict[str, tuple[float, float]] = {}
        self._mute: set[str] = set()
        self._vain: dict[str, tuple[int, float]] = {}
        """How many questions a worker left unanswered, and when it left the last."""

    def look(self, last_seen: Mapping[str, float], now_s: float, *, alone: bool = False) -> set[str]:
        """The silent ones among all that there are.

        Parameters
        ----------
        last_seen
            For each worker, when the scheduler last heard of it, on the scheduler's clock.
        now_s
            Now, on a clock of this host.
        alone
            Whether nobody else is there to work: who did not answer is asked again soon.
        """
        news = {name for name, seen in last_seen.items() if self._heard.get(name, (None, 0.0))[0] != seen}
        self._heard = {
            name: (seen, now_s) if name in news else self._heard[name] for name, seen in last_seen.items()
        }
        self._vain = {name: found for name, found in self._vain.items() if name in last_seen}
        early = {name for name, (times, at_s) in self._vain.items() if now_s < at_s + penalty_s(times, alone)}
        self._mute = (self._mute & last_seen.keys()) - (news - early)
        return self._mute | {
            name for name, (_, since_s) in self._heard.items() if now_s - since_s > self.patience_s
        }

    def excuse(self, seconds: float) -> None:
        """For so long the scheduler itself stood still and could hear of nobody: that counts as nobody's silence."""
        self._heard = {name: (seen, since_s + seconds) for name, (seen, since_s) in self._heard.items()}

    def mute(self, name: str, now_s: float) -> None:
        """A worker did not answer a question: it is silent until something is heard of it.

        One that is heard of and cannot be reached all the same would hold up every look: it is left alone for a while.
        """
        times, _ = self._vain.get(name, (0, 0.0))
        self._vain[name] = (times + 1, now_s)
        self._mute.add(name)

    def heed(self, name: str) -> None:
        """A worker answered."""
        self._vain.pop(name, None)


def penalty_s(times: int, alone: bool) -> float:
    """For how long one that left so many questions unanswered is left alone."""
    if times < 2:
        return 0.0
    return min(AGAIN_S * 2.0 ** min(times - 2, 9), ALONE_S if alone else LONGEST_S)


def ask_all(
    client: Client, function: Callable[..., Any], *arguments: Any, workers: Collection[str], timeout_s: float
) -> dict[str, Any]:
    """Run something on workers beside their tasks: what each answered, an exception where it raised one or is silent."""

    async def ask(some: list[str], patience_s: float) -> dict[str, Any]:
        return dict(
            await asyncio.wait_for(
                client.run(function, *arguments, workers=some, on_error="return", asynchronous=True),
                patience_s,
            )
        )

    async def one(name: str) -> Any:
        try:
            return (await ask([name], EACH_S)).get(name, OSError("it went away"))
        except OSError as error:  # a TimeoutError is one
            return error

    async def everyone() -> dict[str, Any]:
        names = sorted(workers)
        try:
            return await ask(names, timeout_s)
        except TimeoutError:
            # One silent worker keeps the answers of all.
            return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))

    found: dict[str, Any] = client.sync(everyone)
    return found


def unless_gone(
    client: Client, make: Callable[[], Coroutine[Any, Any, Any]], gone: Callable[[], bool]
) -> Any:
    """Wait in this thread for something that a worker is asked on the client's loop.

    Raises
    ------
    OSError
        The worker was lost meanwhile.
    """
    asked = asyncio.run_coroutine_threadsafe(make(), client.loop.asyncio_loop)
    while True:
        try:
            return asked.result(timeout=LOOK_S)
        except TimeoutError as error:
            if asked.done() and not asked.cancelled() and asked.exception() is error:
                raise
            if gone():
                asked.cancel()
                msg = "The worker does not answer."
                raise OSError(msg) from None
