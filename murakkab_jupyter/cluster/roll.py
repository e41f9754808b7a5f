"""Who joined a cluster and who was lost, as news for each who follows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from murakkab_jupyter.core.hosts import WorkerView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from murakkab_jupyter.cluster.probe import Probe

__all__ = ["Roll", "RollCall"]


@dataclass(frozen=True, slots=True)
class Roll:
    """What changed among a cluster's workers since the last look: views of those that joined, names of those lost for good."""

    joined: tuple[WorkerView, ...] = ()
    lost: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """Why workers that joined are not used."""
    aside: tuple[str, ...] = ()
    """Names of those that give no sign of life, and whose work others can do: they join again when they answer."""
    silent: tuple[str, ...] = ()
    """Names of those that have begun to give none, where nobody else is there: they are waited for."""


class Workers(Protocol):
    """What is followed: a cluster."""

    @property
    def probes(self) -> Mapping[str, Probe]:
        """What each usable worker said of itself, by address."""

    @property
    def refused(self) -> Mapping[str, str]:
        """Why each worker that is there is not used, by address."""

    @property
    def aside(self) -> frozenset[str]:
        """Workers that give no sign of life, and whose work others can do."""

    @property
    def waited(self) -> frozenset[str]:
        """Workers that give none, where nobody else is there."""

    def roll(self) -> None:
        """Look who is there."""

    def view_of(self, found: Probe) -> WorkerView:
        """A worker as plans see it."""


class RollCall:
    """One follower's news of a cluster. Plans, engines and other runs look at the same workers: none takes another's news.

    Parameters
    ----------
    cluster
        Which.
    known
        Workers that the follower knows already.
    """

    def __init__(self, cluster: Workers, known: Iterable[str]) -> None:
        self._cluster = cluster
        there = cluster.probes
        self._known = {address: there.get(address) for address in known}
        self._aside: set[str] = set()
        self._waited: set[str] = set()
        self._refused = set(cluster.refused)

    def roll(self) -> Roll:
        """Look who is there, and say what is new since the last time; raises `ClusterError` when the scheduler is gone."""
        self._cluster.roll()
        there, refused = self._cluster.probes, self._cluster.refused
        aside, waited = self._cluster.aside, self._cluster.waited
        put_aside: list[str] = []
        lost: list[str] = []
        for name, before in self._known.items():
            now = there.get(name)
            if now is before and now is not None:
                continue
            # One that is probed anew in the same process was aside in between; in another it is another worker.
            again = now is not None and before is not None and now.pid == before.pid
            (put_aside if again or name in aside else lost).append(name)
        lost += [name for name in self._aside if name not in aside and name not in there]
        joined = [found for name, found in there.items() if self._known.get(name) is not found]
        made = Roll(
            tuple(self._cluster.view_of(found) for found in joined),
            tuple(lost),
            tuple(why for name, why in refused.items() if name not in self._refused),
            tuple(put_aside),
            tuple(sorted(waited - self._waited)),
        )
        self._known, self._refused = dict(there), set(refused)
        self._aside = (self._aside | set(put_aside)) & aside
        self._waited = set(waited)
        return made
