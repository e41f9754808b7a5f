"""Engines by name, each with its agents in a library; no agent that is there is ever replaced by an engine's."""

from __future__ import annotations

from dataclasses import replace

from murakkab_jupyter.agents.language.writing import TASKS
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.serving import register_endpoint
from murakkab_jupyter.cluster.engines.entry import Entry
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.figure import Figure

__all__ = ["Book"]

PENDING_URL = "http://engine.not-started.invalid/v1"
"""What agents of an engine hold until it has an address: a name that can lead nowhere (RFC 6761)."""


class Book:
    """Engines by name.

    Parameters
    ----------
    library
        Where their agents are registered.

    Attributes
    ----------
    entries
        Each engine as it was last seen.
    starts
        What the latest start of each engine took here: seconds and CPU-seconds.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.entries: dict[str, Entry] = {}
        self.starts: dict[str, tuple[Figure, Figure]] = {}

    @property
    def known(self) -> tuple[Entry, ...]:
        """Every engine now; a run may add to them meanwhile, from its own thread."""
        return tuple(self.entries.values())

    def find(self, name: str) -> Entry:
        """An engine by name; raises `UsageError`."""
        if name in self.entries:
            return self.entries[name]
        msg = f"There is no engine {name[:60]!r}."
        raise UsageError(msg, hint=f"There are: {', '.join(self.entries) or 'none yet'}.")

    def untaken(self, name: str) -> str:
        """A name for an engine that nobody named: another one where an agent of that name does it in another way."""
        return f"{name}-served" if self.taken(name) else name

    def taken(self, name: str) -> str:
        """An agent that is no engine's and has a name that an engine's would get; empty where there is none."""
        own = {name, *(f"{name}{task.suffix}" for task in TASKS.values())}
        return next((one.name for one in self.library.agents() if one.name in own and one.engine != name), "")

    def put(self, entry: Entry) -> None:
        """Keep an entry; its agents stay as they are."""
        self.entries[entry.name] = entry

    def add(self, entry: Entry) -> Entry:
        """Keep an entry, and its agents in the library; raises `UsageError` where an agent has its name."""
        before = self.entries.get(entry.name)
        if before is not None and entry.rated is None:
            entry = replace(entry, rated=before.rated)
        if (before is None or not before.agents) and (taken := self.taken(entry.name)):
            msg = f"There is an agent {taken} already, so an engine cannot be called {entry.name}."
            raise UsageError(msg, hint=f"Give it another name: --name {entry.name}-served")
        if entry.status is not None and entry.status.start_s is not None:
            self.starts[entry.name] = (
                Figure(entry.status.start_s, "s", source="measured", note="its latest start here"),
                Figure(entry.status.start_cpu_s, "s", source="measured", note="its latest start here"),
            )
        offered = None if before is None else (before.endpoint, before.rated)
        if before is None or offered != (entry.endpoint, entry.rated) or not before.agents:
            entry = replace(entry, agents=self._offer(entry, before))
        else:
            entry = replace(entry, agents=before.agents)
        self.entries[entry.name] = entry
        return entry

    def remove(self, entry: Entry) -> None:
        """Forget an engine and its agents."""
        for agent in entry.agents:
            self.library.remove_agent(agent)
        del self.entries[entry.name]

    def _offer(self, entry: Entry, before: Entry | None) -> tuple[str, ...]:
        """Register an engine's agents: their names. Those of one that has no address yet say that a run starts it."""
        endpoint = entry.endpoint or (None if before is None else before.endpoint)
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
            self.library.add_agent(replace(shaped, engine=entry.name, quality=entry.rated), replace=True)
            names.append(spec.name)
        gone = set(() if before is None else before.agents) - set(names)
        for agent in gone:  # it could do more before
            self.library.remove_agent(agent)
        return tuple(names)
