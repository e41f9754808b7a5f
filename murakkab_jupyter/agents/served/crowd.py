"""How many requests are in flight at once: as many as planned, fewer while a server turns requests away.

Each request that is turned away says that there was one too many, so that a server which takes N ends up with N. After
a while without that, one more is tried: a limit on requests a minute passes, one on requests at once does not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

__all__ = ["Crowd"]

PATIENCE = 4
"""So many times as many answers as are in flight, before one more is tried."""


class Crowd:
    """A gate for requests, used from one event loop: `async with crowd: ...`.

    Parameters
    ----------
    most
        Requests in flight at once, where the server takes them.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = most
        self.inside = 0
        self._well = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self.inside < self.limit and not self._waiting:
            self.inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it had been let in just now
                self._leave()
            else:
                with contextlib.suppress(ValueError):  # passed over already
                    self._waiting.remove(turn)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._well += 1
        if self.limit < self.most and self._well >= PATIENCE * self.limit:
            self.limit, self._well = self.limit + 1, 0
        self._leave()

    def fewer(self) -> None:
        """A request was turned away: there was one too many."""
        self.limit, self._well = max(1, self.limit - 1), 0

    def _leave(self) -> None:
        self.inside -= 1
        while self._waiting and self.inside < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.inside += 1
                turn.set_result(None)
