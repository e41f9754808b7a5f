"""The engines that a session knows: attached by URL, or started by it; each offers agents to its plans."""

from __future__ import annotations

import functools
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from murakkab_jupyter.agents.language.writing import TASKS
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.served.endpoint import LOOPBACK, Ability, Endpoint, name_problem
from murakkab_jupyter.agents.served.serving import register_endpoint
from murakkab_jupyter.cluster.connect import Cluster, is_private
from murakkab_jupyter.cluster.engines.ask import Found, KeyWantedError, Server, probe_server
from murakkab_jupyter.cluster.engines.config import EngineConfig
from murakkab_jupyter.cluster.engines.fleet import Fleet
from murakkab_jupyter.cluster.engines.kept import Kept, kept_path, read_kept, write_kept
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.core.errors import AgentError, ClusterError, UsageError
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import EngineView
from murakkab_jupyter.profiles.hardware import host_cores

__all__ = ["Entry", "Roster"]

PENDING_URL = "http://engine.not-started.invalid/v1"
"""What agents of an engine hold until it has an address: a name that can lead nowhere (RFC 6761)."""


AGAIN_S = 30.0
"""How soon a kept server that was down is asked again."""

START = Figure(
    60.0, "s", 30.0, 300.0, "prior", note="vLLM 0.32 with a small model took 36 to 157 s on two CPU cores"
)
START_CPU = Figure(
    60.0, "s", 30.0, 300.0, "prior", note="vLLM 0.32 with a small model took 52 CPU-seconds once"
)
"""What a first start takes, where nobody has seen one: a guess for small models."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One engine of a session.

    Attributes
    ----------
    name
        What pins call its agent for text-generation: `@NAME`.
    endpoint
        Where it answers; None while it does not.
    agents
        Names of the agents that it offers.
    config
        How it is started; None for an attached one.
    found
        What an attached one turned out to be.
    status
        What a started one says of itself; None before its first start.
    kept
        Whether it is remembered for other sessions.
    problem
        Why it cannot be used now.
    rated
        How well its model does its steps, 0..1, as the user states it.
    """

    name: str
    endpoint: Endpoint | None
    agents: tuple[str, ...] = ()
    config: EngineConfig | None = None
    found: Found | None = None
    status: EngineStatus | None = None
    kept: bool = False
    problem: str = ""
    rated: float | None = None

    @property
    def state(self) -> str:
        """`attached`, `unreachable`, `not started`, or how the started one is."""
        if self.config is None:
            return "unreachable" if self.problem else "attached"
        return "not started" if self.status is None else self.status.state


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
        self._kept = kept_path() if kept is None else kept
        self._entries: dict[str, Entry] = {}
        self._fleet: Fleet | None = None
        self._read = False
        self._asked_s: dict[str, float] = {}
        self._prompted: set[str] = set()
        """Variables whose values were typed in here: workers that run already have not inherited them."""
        self._starts: dict[str, tuple[Figure, Figure]] = {}
        """What the latest start of each engine took here: seconds and CPU-seconds."""

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
        check_name(name)
        self._take_up()  # or what was kept before would be forgotten below
        wanted = Endpoint(url, model, key_env, key_over_http=key_over_http)
        wanted.check_key()
        if not wanted.url.endswith("/v1"):
            first = Server(wanted.url, wanted.key()).ask(f"{wanted.url}/models")
            # Some answer every path with a page, or with an error of status 200.
            lists = isinstance(first.body, list) or (isinstance(first.body, dict) and "data" in first.body)
            other = first.status == 200 and not lists
            if first.status == 404 or other:
                wanted = replace(wanted, url=f"{wanted.url}/v1")
        probe = functools.partial(probe_server, wanted.url, model=model, key_over_http=key_over_http)
        # A key that was typed in before for this server serves again.
        typed = os.environ.get(wanted.typed_key, "").strip()
        variable = key_env or (wanted.typed_key if typed else None)
        try:
            found = probe(key=wanted.key(), key_env=variable)
        except KeyWantedError as error:
            wanted.check_key(wanted=True)
            if ask_key is None or (wanted.key() and not (typed and key_env is None)):
                error.hint = wanted.key_advice
                raise
            variable = key_env or wanted.typed_key
            key = ask_key(f"Key for {wanted.url} (kept in this process only, as {variable}): ").strip()
            if not key:
                error.hint = wanted.key_advice
                raise
            found = probe(key=key, key_env=variable)
            os.environ[variable] = key
            self._prompted.add(variable)
            try:
                self._share_keys()
            except ClusterError:
                self._prompted.discard(variable)
                del os.environ[variable]
                raise
        called = name or self.untaken(found.endpoint.slug() or "served")
        known, base, more = self._entries.get(called), called, 2
        # The same model on another server is another engine; with a name it is the user's to replace one.
        while not name and known is not None and not at(known, found.endpoint.url):
            called, more = f"{base}-{more}", more + 1
            known = self._entries.get(called)
        if known is not None and known.config is not None:
            msg = f"{called} is an engine that is started here."
            raise UsageError(msg, hint="Give this one another name: --name NAME, or detach the other.")
        notes = [one.replace("{name}", called) for one in found.notes]
        before = None if known is None else known.endpoint
        if before is not None and (before.url, before.model) != (found.endpoint.url, found.endpoint.model):
            notes.insert(0, f"{called} was {before.model} at {before.url} before: plans ask this one now.")
        cluster = self._connected()
        hosts = {one.host for one in cluster.probes.values()} if cluster is not None else set()
        if found.endpoint.loopback and hosts and socket.gethostname() not in hosts:
            notes.append(
                "It is on this host, and the cluster's workers are on others, where that address means themselves: "
                "attach it by an address that they know it by."
            )
        if key_env and not os.environ.get(key_env, "").strip():
            notes.append(
                f"No key was sent: {key_env} is not set here. Calls fail until it is set, before workers start."
            )
        keep = keep or (known is not None and known.kept)
        found = replace(found, notes=tuple(notes))
        entry = self._add(Entry(called, found.endpoint, found=found, kept=keep, rated=rated))
        if keep:
            self._write()
        return entry

    def untaken(self, name: str) -> str:
        """A name for an engine that nobody named: another one where an agent of that name does it in another way."""
        return f"{name}-served" if self._taken(name) else name

    def endpoint_at(self, url: str) -> Endpoint | None:
        """What is known of a server that was attached at an address, its key's variable among it; None of others."""
        self._take_up()
        bare = Endpoint(url, "").url
        return next((e.endpoint for e in self._entries.values() if e.config is None and at(e, bare)), None)

    def detach(self, name: str) -> Entry:
        """Forget an engine; one that was started here is stopped."""
        entry = self.find(name)
        if entry.config is not None:
            self.stop(name)
        for agent in entry.agents:
            self.library.remove_agent(agent)
        del self._entries[name]
        if entry.kept:
            self._write()
        return entry

    # --- start and stop ---------------------------------------------------------------------------------------

    def know(self, config: EngineConfig, *, rated: float | None = None) -> Entry:
        """An engine that plans may choose, and that is started when a run needs it; `rated` as of `attach`."""
        check_name(config.name)
        known = self._entries.get(config.name)
        if known is not None and known.config is None:
            msg = f"{config.name} is attached already."
            raise UsageError(msg, hint="Give this one another name: --name NAME, or detach the other.")
        return self._add(Entry(config.name, None, config=config, rated=rated))

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
        status = fleet.launch(replace(config, withheld=self._key_names()))
        try:
            status = fleet.wait(config.name, timeout_s=config.start_timeout_s + 30.0, tell=tell, stop=stop)
        except BaseException:
            # An interrupt too: whoever asked does not wait for it any more. Others may have had it before.
            fleet.let_go(config.name, timeout_s=config.stop_grace_s + 3.0)
            self.refresh()
            raise
        return self._add(Entry(config.name, status.endpoint, config=config, status=status))

    def ensure(self, name: str, *, stop: Callable[[], bool] = lambda: False) -> Entry:
        """An engine that answers: started when it is not; raises `ClusterError`."""
        entry = self.find(name)
        if entry.config is None:
            return entry
        status = self.fleet().find(name)
        if status is None or status.state in ("failed", "stopped"):
            return self.start(entry.config, stop=stop)
        # Whoever started it may leave: it is held from here too.
        self.fleet().launch(replace(status.config, worker=status.worker))
        status = self.fleet().wait(name, timeout_s=entry.config.start_timeout_s, stop=stop)
        return self._add(replace(entry, endpoint=status.endpoint, status=status))

    def stop(self, name: str) -> bool:
        """End a started engine; it stays known, and a plan may start it again. False when it was not running."""
        entry = self._entries.get(name)
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
        entry = self._entries.get(name)
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
        """The last lines of an engine's log."""
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
        """Take up what is kept, so that pins may name it; what does not answer now is there, but no plan uses it.

        One that did not answer is asked again, `AGAIN_S` later at the soonest.
        """
        self._take_up()
        for entry in list(self._entries.values()):
            asked_s = self._asked_s.get(entry.name)
            if entry.config is not None or not entry.problem or asked_s is None:
                continue
            if time.monotonic() - asked_s > AGAIN_S:
                self._ask(replace(entry, problem=""))

    def _take_up(self) -> None:
        if self._read:
            return
        self._read = True
        for one in read_kept(self._kept):
            abilities = frozenset(get_args(Ability)) & frozenset(one.abilities)
            if one.key_env is not None and (wrong := name_problem(one.key_env)):
                # Not named again: it may be the key itself, which the next list that is written leaves out.
                bare = Endpoint(one.url, one.model, abilities=abilities, key_over_http=one.key_over_http)
                problem = f"the variable of its key is named wrongly. {wrong} Attach it again."
                self._entries[one.name] = Entry(one.name, bare, kept=True, rated=one.rated, problem=problem)
                continue
            endpoint = Endpoint(
                one.url, one.model, one.key_env, abilities=abilities, key_over_http=one.key_over_http
            )
            self._ask(Entry(one.name, endpoint, kept=True, rated=one.rated))

    def _ask(self, entry: Entry) -> None:
        """See whether a kept server is there, as it was when it was attached."""
        kept = entry.endpoint
        assert kept is not None
        self._asked_s[entry.name] = time.monotonic()
        try:
            found = probe_server(
                kept.url,
                model=kept.model,
                key=kept.key(),
                key_env=kept.key_env,
                key_over_http=kept.key_over_http,
                answer=False,
            )
            # What it can do was found out by asking it, when it was attached.
            endpoint = replace(found.endpoint, abilities=kept.abilities)
            self._add(replace(entry, endpoint=endpoint, found=replace(found, endpoint=endpoint)))
        except (
            AgentError,
            ClusterError,
            UsageError,
        ) as error:  # it is down, or its name has been taken since
            advice = f" {kept.key_advice}" if isinstance(error, KeyWantedError) else ""
            self._entries[entry.name] = replace(entry, problem=f"{error.message}{advice}")

    def why_missing(self, said: str) -> str:
        """Which engine an error about a missing agent may mean, and why that cannot be used; empty for none."""
        for entry in self._entries.values():
            if entry.problem and re.search(rf"There is no agent.*`{re.escape(entry.name)}[`-]", said):
                return f"The engine {entry.name} offers nothing now: {entry.problem.rstrip('.')}."
        return ""

    def entries(self) -> list[Entry]:
        """Every engine, as it is now."""
        self.recall()
        self.refresh()
        return list(self._entries.values())

    def find(self, name: str) -> Entry:
        """An engine by name; raises `UsageError`."""
        self._take_up()
        if name in self._entries:
            return self._entries[name]
        msg = f"There is no engine {name[:60]!r}."
        raise UsageError(msg, hint=f"There are: {', '.join(self._entries) or 'none yet'}.")

    def refresh(self) -> None:
        """Look again at every started engine, and at engines that others started on the cluster."""
        self._take_up()
        cluster = self._connected()
        if cluster is None or (cluster.local and not any(one.config for one in self._entries.values())):
            return
        found: dict[str, EngineStatus] = {}
        for status in self.fleet().statuses():
            if status.name not in found or status.state not in ("failed", "stopped"):
                found[status.name] = status
        for name, status in found.items():
            entry = self._entries.get(name)
            if entry is not None and entry.config is None:
                continue
            if entry is None and status.state in ("failed", "stopped"):
                continue
            self._add(Entry(name, status.endpoint, config=status.config if entry is None else entry.config,
                            status=status, problem=status.error))  # fmt: skip
        for name, entry in list(self._entries.items()):
            if entry.config is not None and entry.status is not None and name not in found:
                self._add(replace(entry, endpoint=None, status=None, problem="its worker was lost"))

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
                found.append(EngineView(entry.name, warm=not entry.problem, host=self.host_of(entry)))
                continue
            warm = entry.state == "ready"
            start, cpu = self._starts.get(entry.name, (START, START_CPU))
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
        if self._prompted and not cluster.local:
            self._share_keys(cluster)

    # --- inside -----------------------------------------------------------------------------------------------

    def _taken(self, name: str) -> str:
        """An agent that is no engine's and has a name that an engine's would get; empty where there is none."""
        own = {name, *(f"{name}{task.suffix}" for task in TASKS.values())}
        return next((one.name for one in self.library.agents() if one.name in own and one.engine != name), "")

    def _add(self, entry: Entry) -> Entry:
        """Keep an entry, and its agents in the library."""
        before = self._entries.get(entry.name)
        if before is not None and entry.rated is None:
            entry = replace(entry, rated=before.rated)
        if (before is None or not before.agents) and (taken := self._taken(entry.name)):
            msg = f"There is an agent {taken} already, so an engine cannot be called {entry.name}."
            raise UsageError(msg, hint=f"Give it another name: --name {entry.name}-served")
        if entry.status is not None and entry.status.start_s is not None:
            self._starts[entry.name] = (
                Figure(entry.status.start_s, "s", source="measured", note="its latest start here"),
                Figure(entry.status.start_cpu_s, "s", source="measured", note="its latest start here"),
            )
        endpoint = entry.endpoint or (
            before.endpoint if before is not None and before.endpoint is not None else None
        )
        if (
            before is None
            or (before.endpoint, before.rated) != (entry.endpoint, entry.rated)
            or not before.agents
        ):
            shown = endpoint or Endpoint(
                PENDING_URL,
                entry.name,
                max_in_flight=None if entry.config is None else entry.config.max_num_seqs,
                context_tokens=None if entry.config is None else entry.config.max_model_len,
                kind="vllm",
            )
            names = []
            for spec in register_endpoint(shown, entry.name, library=self.library):
                pending = replace(
                    spec, summary=f"{spec.summary.split(' with ')[0]} with {entry.name}, which a run starts."
                )
                shaped = spec if endpoint is not None else pending
                shaped = replace(shaped, engine=entry.name, quality=entry.rated)
                self.library.add_agent(shaped, replace=True)
                names.append(spec.name)
            entry = replace(entry, agents=tuple(names))
        else:
            entry = replace(entry, agents=before.agents)
        self._entries[entry.name] = entry
        return entry

    def _key_names(self) -> tuple[str, ...]:
        """Variables that hold keys of servers which plans of this session may ask."""
        asked = [getattr(one.factory, "endpoint", None) for one in self.library.agents()]
        asked += [one.endpoint for one in self._entries.values()]
        return tuple(sorted({one.key_env for one in asked if isinstance(one, Endpoint) and one.key_env}))

    def _share_keys(self, cluster: Cluster | None = None) -> None:
        """Give keys that were typed in here to workers that run already, where nobody can listen."""
        cluster = cluster or self._connected()
        if cluster is None:
            return
        if not is_private(cluster.address):
            names = ", ".join(sorted(self._prompted))
            msg = f"A typed key cannot be sent to workers at {cluster.address} in the clear."
            raise ClusterError(msg, hint=f"Set {names} in the workers' environment, or use tls://.")
        for variable in self._prompted:
            cluster.client.run(set_variable, variable, os.environ[variable])

    def _write(self) -> None:
        kept = [
            Kept(
                e.name,
                e.endpoint.url,
                e.endpoint.model,
                e.endpoint.key_env,
                e.rated,
                tuple(sorted(e.endpoint.abilities)),
                e.endpoint.key_over_http,
            )
            for e in self._entries.values()
            if e.kept and e.endpoint is not None
        ]
        write_kept(self._kept, kept)


def at(entry: Entry, url: str) -> bool:
    """Whether an engine was attached at an address."""
    return entry.config is None and entry.endpoint is not None and entry.endpoint.url == url


def check_name(name: str) -> None:
    """Whether a pin can say this name; an empty one is made of the model's. Raises `UsageError`."""
    if name and not re.fullmatch(r"[^\W_][\w.\-]*", name):
        msg = f"An engine cannot be called {name[:60]!r}."
        raise UsageError(msg, hint="Pins name it: letters, digits, '-', '.' and '_', as in --name my-llama.")


def set_variable(name: str, value: str) -> None:
    """Set a variable of a worker's environment, which its instances inherit."""
    os.environ[name] = value
