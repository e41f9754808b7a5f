"""Files on their way to hosts that do not see them, on the virtual clock: each once to a host, one after another.

They are sent from one place over one link, so that what goes to two hosts takes twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, WorkerView
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.core.transfer import Transfer
from murakkab_jupyter.planner.files import BYTES_PER_MB, pace_of
from murakkab_jupyter.simulate.durations import Span

__all__ = ["Delivery", "Links"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one call's files cost: seconds until all are there, and what of them was sent for it."""

    wait_s: float
    files: int
    bytes: int
    span: Span


class Links:
    """The link over which files leave the host that has them.

    Parameters
    ----------
    cluster
        Its workers, and how fast the link is.
    """

    def __init__(self, cluster: ClusterView) -> None:
        self._hosts: dict[str, str] = {}
        for view in cluster.workers:
            self.join(view)
        self._pace = pace_of(cluster)
        self._free_s = 0.0
        self._there: dict[tuple[str, str], float] = {}
        self.files = self.bytes = 0
        self.span = Span()

    def join(self, view: WorkerView) -> None:
        """A worker is there; one that sees the files needs none brought."""
        if not view.sees_files:
            self._hosts[view.name] = view.host

    def bring(self, worker: str, media: Iterable[Media], now_s: float) -> Delivery | None:
        """Have files where a call reads them; None where they are there."""
        host = self._hosts.get(worker)
        if host is None:
            return None
        until_s, files, size, span = now_s, 0, 0, Span()
        for one in media:
            key = (host, one.sha256)
            there_s = self._there.get(key)
            if there_s is None:
                sent = self._sent(one.size_bytes)
                there_s = self._free_s = max(now_s, self._free_s) + sent.seconds
                self._there[key] = there_s
                files, size = files + 1, size + one.size_bytes
                span.add(sent)
            until_s = max(until_s, there_s)
        self.files += files
        self.bytes += size
        if files:
            self.span.add(span)
        return Delivery(until_s - now_s, files, size, span) if files or until_s > now_s else None

    def _sent(self, size_bytes: int) -> Span:
        pace = self._pace
        megabytes = size_bytes / BYTES_PER_MB
        value = megabytes / (pace.value or 1.0)
        # The faster the link the shorter it takes: the ends change places.
        low = value if not pace.high else megabytes / pace.high
        high = value if not pace.low else megabytes / pace.low
        return Span(value, low, high, source=pace.source)

    @property
    def transfer(self) -> Transfer | None:
        """All that was brought; None where nothing was."""
        if not self.files:
            return None
        span = self.span
        return Transfer(
            self.files, self.bytes, Figure(span.seconds, "s", span.low_s, span.high_s, span.source)
        )
