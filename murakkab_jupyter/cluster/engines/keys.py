"""Keys of servers: those that were typed in here, and whether the variables that plans name are set where calls are made.

A key is in the environment of the processes that ask, and nowhere else.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence

from murakkab_jupyter.cluster.connect import Cluster, is_private
from murakkab_jupyter.cluster.silence import ask_all
from murakkab_jupyter.core.errors import ClusterError

__all__ = ["KeyRing"]

ASK_S = 5.0


class KeyRing:
    """Keys that were typed in here.

    Parameters
    ----------
    connected
        The cluster that is connected now, if there is one.
    """

    def __init__(self, connected: Callable[[], Cluster | None]) -> None:
        self._connected = connected
        self._typed: set[str] = set()
        """Variables whose values were typed in here: workers that run already have not inherited them."""

    def take(self, variable: str, key: str) -> None:
        """Keep a key that was typed in, here and on workers that run; raises `ClusterError` where others could listen."""
        os.environ[variable] = key
        self._typed.add(variable)
        try:
            self.share()
        except ClusterError:
            self._typed.discard(variable)
            del os.environ[variable]
            raise

    def share(self, cluster: Cluster | None = None) -> None:
        """Give keys that were typed in here to workers that run already, where nobody can listen; raises `ClusterError`."""
        cluster = cluster or self._connected()
        if cluster is None or not self._typed:
            return
        if not is_private(cluster.address):
            names = ", ".join(sorted(self._typed))
            msg = f"A typed key cannot be sent to workers at {cluster.address} in the clear."
            raise ClusterError(msg, hint=f"Set {names} in the workers' environment, or use tls://.")
        # One that is set aside has to be given them when it is back: `lacking` names it then.
        workers = [one for one in cluster.present() if one not in cluster.aside]
        for variable in sorted(self._typed) if workers else ():
            answers = ask_all(
                cluster.client, set_variable, variable, os.environ[variable], workers=workers, timeout_s=ASK_S
            )
            deaf = [one for one in cluster.probes if isinstance(answers.get(one), BaseException)]
            if deaf:
                msg = f"Worker {', '.join(sorted(deaf))} does not answer: {variable} cannot be set there."
                raise ClusterError(msg, hint="Type it again once the worker answers, or is set aside.")

    def lacking(self, variables: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Variables that are not set where calls are made, each with the hosts that lack it.

        Those are the workers of the cluster that is connected; before one is, this process, whose environment workers
        that are started here inherit.
        """
        cluster = self._connected()
        answers: Mapping[str, list[str]] = {}
        if cluster is not None and variables and cluster.alive:
            present = cluster.present()
            workers = [one for one in cluster.probes if one in present]
            if workers:
                said = ask_all(cluster.client, unset_of, list(variables), workers=workers, timeout_s=ASK_S)
                answers = {one: names for one, names in said.items() if not isinstance(names, BaseException)}
        if cluster is None or not answers:
            here = socket.gethostname()
            return dict.fromkeys(unset_of(variables), (here,))
        probes = cluster.probes
        found: dict[str, dict[str, None]] = {}
        for worker, names in answers.items():
            for name in names:
                host = probes[worker].host if worker in probes else worker
                found.setdefault(name, {})[host] = None
        return {name: tuple(hosts) for name, hosts in found.items()}


# --- what Dask runs on a worker -------------------------------------------------------------------------------


def set_variable(name: str, value: str) -> None:
    """Set a variable of a worker's environment, which its instances inherit."""
    os.environ[name] = value


def unset_of(names: Sequence[str]) -> list[str]:
    """Which of some variables are not set here, or are empty."""
    return [name for name in names if not os.environ.get(name, "").strip()]
