"""What workers are called in views: by their hosts, for an address tells nobody which machine it was."""

from __future__ import annotations

import re
from collections.abc import Iterable

from murakkab_jupyter.core.events import Event, WorkerChanged
from murakkab_jupyter.core.hosts import WorkerView

__all__ = ["WorkerNames"]

ADDRESS = re.compile(r"(?:\b([Ww])orker )?\b([a-z]+://[^\s,;()]*[^\s,;()\]:.])")


class WorkerNames:
    """Names of a run's workers: `worker on HOST`, and with a number where a host has had several.

    A worker whose host nobody told is called by its address without the protocol.

    Parameters
    ----------
    workers
        Those that the run began with.
    events
        The run's so far.
    """

    def __init__(self, workers: Iterable[WorkerView], events: Iterable[Event] = ()) -> None:
        self._hosts: dict[str, str] = {}
        self._on: dict[str, list[str]] = {}
        for view in workers:
            self._add(view.name, view.host)
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        """Take in one event: a worker may have joined."""
        if isinstance(event, WorkerChanged) and event.change == "joined" and event.host:
            self._add(event.worker, event.host)

    def _add(self, worker: str, host: str) -> None:
        if "://" in worker and worker not in self._hosts:  # what is no address is a name already
            self._hosts[worker] = host
            self._on.setdefault(host, []).append(worker)

    def of(self, worker: str) -> str:
        """A worker's name."""
        host = self._hosts.get(worker)
        if host is None:
            return worker.rsplit("://", maxsplit=1)[-1]
        there = self._on[host]
        return f"worker on {host}" if len(there) == 1 else f"worker {there.index(worker) + 1} on {host}"

    def said(self, text: str) -> str:
        """A text with names in the place of workers' addresses; other addresses stay."""

        def name(found: re.Match[str]) -> str:
            if found[2] not in self._hosts:
                return found[0]
            words = self.of(found[2])
            return f"{words[0].upper()}{words[1:]}" if found[1] == "W" else words

        return ADDRESS.sub(name, text)
