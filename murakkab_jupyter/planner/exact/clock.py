"""What is left of a time limit, and whether somebody said stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Clock"]


@dataclass
class Clock:
    """Counts a time limit down from when it is made."""

    limit_s: float
    stop: threading.Event | None = None
    began: float = field(default_factory=time.monotonic)
    halted: bool = False
    kept_s: float = 0.0
    """Seconds kept back for what comes after the search: to state the answer and check it."""

    @property
    def left(self) -> float:
        """Seconds left for the search; below 0 when time is up."""
        return self.until - time.monotonic()

    @property
    def until(self) -> float:
        """When the search has to end, by the monotonic clock."""
        return self.began + self.limit_s - self.kept_s

    @property
    def rest(self) -> float:
        """Seconds for saying why there is no schedule: a few, even where time is up."""
        return max(self.left, 0.1 * self.limit_s, 0.02)

    def after(self, seconds: float) -> Callable[[], bool]:
        """Tells whether so many seconds have passed, or somebody said stop."""
        until = time.monotonic() + seconds
        return lambda: time.monotonic() > until or (self.stop is not None and self.stop.is_set())

    @property
    def stopped(self) -> bool:
        """Whether somebody said stop."""
        return self.halted or (self.stop is not None and self.stop.is_set())

    @property
    def over(self) -> bool:
        """Whether to stop: time is up, or somebody said so."""
        return self.stopped or self.left <= 0
