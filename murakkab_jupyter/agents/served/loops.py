"""Asynchronous calls from code that is not asynchronous: an event loop in a thread of its own.

A notebook's own thread runs a loop already, and may not wait in it.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Background", "background"]

T = TypeVar("T")


class Background:
    """A loop that runs for as long as the process does."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="murakkab calls", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there and wait for it; whatever interrupts the wait cancels the work, which closes what it holds open."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


@functools.cache
def background() -> Background:
    """The loop of this process."""
    return Background()
