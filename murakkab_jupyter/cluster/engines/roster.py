"""The engines that a session knows: attached by URL, or started by it; each offers agents to its plans."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.served.endpoint import LOOPBACK, Endpoint
from murakkab_jupyter.cluster.connect import Cluster
from murakkab_jupyter.cluster.engines.attached import Attached
from murakkab_jupyter.cluster.engines.book import Book
from murakkab_jupyter.cluster.engines.config import EngineConfig
from murakkab_jupyter.cluster.engines.entry import Entry, check_name
from murakkab_jupyter.cluster.engines.fleet import AsideError, Fleet, best
from murakkab_jupyter.cluster.engines.kept import kept_path
from murakkab_jupyter.cluster.engines.keys import KeyRing
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import EngineView
from murakkab_jupyter.profiles.hardware import host_cores

__all__ = ["Roster"]

START = Figure(
    60.0, "s", 30.0, 300.0, "prior", note="vLLM 0.32 with a small model took 36 to 157 s on two CPU cores"
)
START_CPU = Figure(
    60.0, "s", 30.0, 300.0, "prior", note="vLLM 0.32 with a small model took 52 CPU-seconds once"
)
"""What a first start takes, where nobody has seen one: a guess for small models."""


class Roster:
    """Engines by name.

    Parameters
    ----------
    library
        Where their agents are registered.
    connect
        The session's cluster, connected when an engine is started.
    connected
        The cluster that is connected now, if there is one.
    kept
        File of the attached ones that other sessions know too.
    """

    def __init__(
        self,
        library: Library,
        connect: Callable[[], Cluster],
        connected: Callable[[], Cluster | None],
        *,
        kept: Path | None = None,
    ) -> None:
        self.library = library
        self._connect = connect
        self._connected = connected
        self._book = Book(library)
        self._keys = KeyRing(connected)
        self._attached = Attached(
            self._book, self._keys, connected, kept=kept_path() if kept is None else kept
        )
        self._fleet: Fleet | None = None

    # --- attach -----------------------------------------------------------------------------------------------

    def attach(
        self,
        url: str,
        *,
        name: str = "",
        model: str = "",
        key_env: str | None = None,
        key_over_http: bool = False,
        ask_key: Callable[[str], str] | None = None,
        keep: bool = False,
        rated: float | None = None,
    ) -> Entry:
        """Look at a server that runs already, and let its model do steps; an address without `/v1` is tried with it too.

        Parameters
        ----------
        url
            Its base URL.
        name
            What to call it; made of the model's name by default.
        model
            Which of its models; may be left out where it has one.
        key_env
            Environment variable that holds its key.
        key_over_http
            Whether the key may be sent without encryption, where others can read it.
        ask_key
            Asked for the key, with a text to show, when the server wants one and no variable has it. The key
            then stays in this process's environment, for this server alone, and is neither shown nor written down.
        keep
            Whether later sessions of this user know it too (never its key).
        rated
            How well its model does its steps, 0..1, as you state it: a prior. Without it no plan with a floor on
            quality chooses it unpinned.

        Raises
        ------
        ClusterError
            It cannot be reached, is no such server, refuses the key, or cannot answer.
        AgentError
            Its key would be sent where others can read it; none is asked for then.
        """
        return self._attached.attach(
            url,
            name=name,
            model=model,
            key_env=key_env,
            key_over_http=key_over_http,
            ask_key=ask_key,
            keep=keep,
            rated=rated,
        )

    def untaken(self, name: str) -> str:
        """A name for an engine that nobody named: another one where an agent of that name does it in another way."""
        return self._book.untaken(name)

    def endpoint_at(self, url: str) -> Endpoint | None:
        """What is known of a server that was attached at an address, its key's variable among it; None of others."""
        return self._attached.endpoint_at(url)

    def detach(self, name: str) -> Entry:
        """Forget an engine; one that was started here is stopped."""
        entry = self.find(name)
        if entry.config is not None:
            self.stop(name)
        self._book.remove(entry)
        if entry.kept:
            self._attached.write()
        return entry

    # --- start and stop ---------------------------------------------------------------------------------------

    def know(self, config: EngineConfig, *, rated: float | None = None) -> Entry:
        """An engine that plans may choose, and that is started when a run needs it; `rated` as of `attach`.

        Raises `UsageError` where one that is attached has the name, or no pin could say it.
        """
        check_name(config.name)
        known = self._book.entries.get(config.name)
        if known is not None and known.config is None:
            msg = f"{config.name} is attached already."
            raise UsageError(msg, hint="Give this one another name: --name NAME, or detach the other.")
        return self._book.add(Entry(config.name, None, config=config, rated=rated))

    def start(
        self,
        config: EngineConfig,
        *,
        rated: float | None = None,
        tell: Callable[[EngineStatus], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Entry:
        """Start an engine on a worker that has room for it, and wait until it answers.

        Raises
        ------
        ClusterError
            No worker can, or it does not come to answer; with its last words.
        """
        self.know(config, rated=rated)
        fleet = self.fleet()
        status = fleet.launch(replace(config, withheld=self._key_names()), stop=stop)
        try:
            status = fleet.wait(config.name, timeout_s=config.start_timeout_s + 30.0, tell=tell, stop=stop)
        except BaseException:
            # An interrupt too: whoever asked does not wait for it any more. Others may have had it before.
            fleet.let_go(config.name, timeout_s=config.stop_grace_s + 3.0)
            self.refresh()
            raise
        return self._book.add(Entry(config.name, status.endpoint, config=config, status=status))

    def ensure(self, name: str, *, stop: Callable[[], bool] = lambda: False) -> Entry:
        """An engine that answers: started when it is not; raises `ClusterError`."""
        entry = self.find(name)
        if entry.config is None:
            return entry
        try:
            return self._ensure(entry, entry.config, stop)
        except AsideError:
            return self._ensure(entry, entry.config, stop)  # once more, on another worker

    def _ensure(self, entry: Entry, config: EngineConfig, stop: Callable[[], bool]) -> Entry:
        name = entry.name
        status = self.fleet().settled(name, stop=stop)
        if status is None or status.state in ("failed", "stopped"):
            return self.start(config, stop=stop)
        # Whoever started it may leave: it is held from here too.
        self.fleet().launch(replace(status.config, worker=status.worker), stop=stop)
        status = self.fleet().wait(name, timeout_s=config.start_timeout_s, stop=stop)
        return self._book.add(replace(entry, endpoint=status.endpoint, status=status))

    def stop(self, name: str) -> bool:
        """End a started engine; it stays known, and a plan may start it again. False when it was not running.

        Raises `UsageError` for one that was attached, which is not ours to stop.
        """
        entry = self._book.entries.get(name)
        if entry is not None and entry.config is None:
            msg = f"{name} was attached, not started here: it is not ours to stop."
            raise UsageError(msg, hint=f"To plan without it: engine detach {name}")
        if self._fleet is None and self._connected() is None:
            self.find(name)
            return False
        ended = self.fleet().stop(name)
        if not ended and entry is None:
            self.find(name)
        self.refresh()
        return ended

    def use(self, name: str, who: str, *, begins: bool) -> None:
        """Say that somebody begins or ends to use a started engine: it is not idle meanwhile."""
        entry = self._book.entries.get(name)
        if entry is not None and entry.config is not None and self._fleet is not None:
            self._fleet.use(name, who, begins=begins)

    def look(self, name: str) -> Entry:
        """An engine as it is now."""
        self.refresh()
        return self.find(name)

    def host_of(self, entry: Entry) -> str:
        """Where those that call an engine must be; empty when they may be anywhere."""
        cluster = self._connected()
        if cluster is None or entry.endpoint is None or not entry.endpoint.loopback:
            return ""
        if entry.config is None:  # it listens on this host, whichever workers there are
            here, hosts = socket.gethostname(), {one.host for one in cluster.probes.values()}
            return here if here in hosts and len(hosts) > 1 else ""
        if entry.status is None:
            return ""
        found = cluster.probes.get(entry.status.worker)
        return found.host if found is not None else ""

    def logs(self, name: str, lines: int) -> str:
        """The last lines of an engine's log; raises `UsageError` where it has none: it was attached, or never started."""
        if self._fleet is not None or self._connected() is not None:
            found = self.fleet().log(name, lines)
            if found is not None:
                return found
        entry = self.find(name)
        what = "was attached: its log is where it runs" if entry.config is None else "has not been started"
        msg = f"There is no log of {name}: it {what}."
        raise UsageError(msg)

    # --- what there is ----------------------------------------------------------------------------------------

    def recall(self) -> None:
        """Take up what is kept, so that pins may name it, and see which attached ones are there now."""
        self._attached.recall()

    def why_missing(self, said: str) -> str:
        """Which engine an error about a missing agent may mean, and why that cannot be used; empty for none."""
        return self._attached.why_missing(said)

    def unset_keys(self, variables: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Variables of keys that are not set where calls are made, each with the hosts that lack it."""
        return self._keys.lacking(variables)

    def entries(self) -> list[Entry]:
        """Every engine, as it is now."""
        self.recall()
        self.refresh()
        return list(self._book.known)

    def names(self) -> list[str]:
        """Engines that are known so far; nobody is asked."""
        self._attached.take_up()
        return list(self._book.entries)

    def find(self, name: str) -> Entry:
        """An engine by name; raises `UsageError`."""
        self._attached.take_up()
        return self._book.find(name)

    def refresh(self) -> None:
        """Look again at every started engine, and at engines that others started on the cluster."""
        self._attached.take_up()
        cluster = self._connected()
        if cluster is None or (cluster.local and not any(one.config for one in self._book.known)):
            return
        statuses = self.fleet().statuses()
        names = dict.fromkeys(one.name for one in statuses)
        found = {name: one for name in names if (one := best(statuses, name)) is not None}
        for name, status in found.items():
            entry = self._book.entries.get(name)
            if entry is not None and entry.config is None:
                continue
            if entry is None and status.state in ("failed", "stopped"):
                continue
            self._book.add(Entry(name, status.endpoint, config=status.config if entry is None else entry.config,
                            status=status, problem=status.error))  # fmt: skip
        for name, entry in list(self._book.entries.items()):
            if entry.config is not None and entry.status is not None and name not in found:
                self._book.add(replace(entry, endpoint=None, status=None, problem="its worker was lost"))

    def fleet(self) -> Fleet:
        """The engines on the session's cluster."""
        cluster = self._connect()
        if self._fleet is None or self._fleet.cluster is not cluster:
            self._fleet = Fleet(cluster)
        return self._fleet

    def views(self) -> tuple[EngineView, ...]:
        """What a plan needs to know of every engine."""
        found = []
        for entry in self.entries():
            if entry.config is None:
                view = EngineView(
                    entry.name, warm=not entry.problem, host=self.host_of(entry), problem=entry.problem
                )
                found.append(view)
                continue
            warm = entry.state == "ready"
            start, cpu = self._book.starts.get(entry.name, (START, START_CPU))
            worker = entry.status.worker if entry.status is not None else ""
            cores = self._cores_of(entry.config, entry.status if warm else None)
            found.append(
                EngineView(entry.name, warm, worker=worker, host=self.host_of(entry), cores=cores)
                if warm
                else EngineView(entry.name, False, start, cpu, cores=cores)
            )
        return tuple(found)

    def _cores_of(self, config: EngineConfig, status: EngineStatus | None) -> int:
        """CPU cores that a started engine keeps busy while it answers; 0 where GPUs do the work, or others may call it."""
        cluster = self._connected()
        probes = list(cluster.probes.values()) if cluster is not None else []
        if config.host not in LOOPBACK or (status is not None and status.gpus):
            return 0
        if config.gpus or (config.gpus is None and any(one.gpu_slots for one in probes)):
            return 0
        here = [one.cores for one in probes if status is None or one.address == status.worker]
        whole = max(here, default=0) or host_cores()
        return min(config.cores or whole, whole)

    def close(self) -> None:
        """Let go of what was started here."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.close()

    def keys_for(self, cluster: Cluster) -> None:
        """Give keys that were typed in here to the workers of a cluster that has just been connected."""
        if not cluster.local:
            self._keys.share(cluster)

    # --- inside -----------------------------------------------------------------------------------------------

    def _key_names(self) -> tuple[str, ...]:
        """Variables that hold keys of servers which plans of this session may ask."""
        asked = [getattr(one.factory, "endpoint", None) for one in self.library.agents()]
        asked += [one.endpoint for one in self._book.known]
        return tuple(sorted({one.key_env for one in asked if isinstance(one, Endpoint) and one.key_env}))
