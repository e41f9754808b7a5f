"""The library: every capability and agent known here, built-in or from another package.

A package adds its own with an entry point in the group `murakkab_jupyter.agents` that names a function
`register(library)`. The built-in ones come through the same door.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.core.errors import AgentError, UsageError

__all__ = ["GROUP", "Availability", "Library", "default_library"]

GROUP = "murakkab_jupyter.agents"


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an agent could run here: `missing` says what is not installed, one sentence each."""

    missing: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


class Library:
    """Capabilities and agents by name. Later registrations may not change earlier ones."""

    def __init__(self) -> None:
        self._capabilities: dict[str, Capability] = {}
        self._agents: dict[str, AgentSpec] = {}
        self._packages: dict[str, str] = {}
        self.broken: dict[str, str] = {}
        """Entry points that could not be loaded, and why; shown by `murakkab agents`."""
        self._registering = "session"

    def add_capability(self, capability: Capability) -> None:
        """Add a capability; raises `AgentError` where another one has the name."""
        known = self._capabilities.get(capability.name)
        if known is not None and known != capability:
            msg = (
                f"There is a capability {capability.name!r} already, from {self.package_of(capability.name)}."
            )
            raise AgentError(msg, hint="Choose another name, or add agents to the existing capability.")
        self._capabilities[capability.name] = capability
        self._packages.setdefault(capability.name, self._registering)

    def add_agent(self, agent: AgentSpec, *, replace: bool = False) -> None:
        """Add an agent; `replace` lets a notebook cell that is run again register its function again.

        Raises `AgentError` where its capability is unknown, or another agent has its name and is not replaced.
        """
        if agent.capability not in self._capabilities:
            msg = f"Agent {agent.name!r} offers {agent.capability!r}, which is no capability here."
            raise AgentError(msg, hint=self._suggest(agent.capability, self._capabilities))
        known = self._agents.get(agent.name)
        if known is not None and known != agent and not replace:
            msg = f"There is an agent {agent.name!r} already, from {self.package_of(agent.name)}."
            raise AgentError(msg, hint="Choose another name.")
        self._agents[agent.name] = agent
        self._packages[agent.name] = self._registering

    def copy(self) -> Library:
        """Another library with all that is in this one: what is added to it is not seen here."""
        made = Library()
        made._capabilities = dict(self._capabilities)
        made._agents = dict(self._agents)
        made._packages = dict(self._packages)
        made.broken = dict(self.broken)
        return made

    def remove_agent(self, name: str) -> None:
        """Take an agent out, if it is there: its server was let go."""
        self._agents.pop(name, None)
        self._packages.pop(name, None)

    def capability(self, name: str) -> Capability:
        """A capability by name; raises `UsageError` with the nearest names."""
        try:
            return self._capabilities[name]
        except KeyError:
            msg = f"There is no capability {name!r}."
            raise UsageError(msg, hint=self._suggest(name, self._capabilities)) from None

    def agent(self, name: str) -> AgentSpec:
        """An agent by name; raises `UsageError` with the nearest names."""
        try:
            return self._agents[name]
        except KeyError:
            msg = f"There is no agent {name!r}."
            raise UsageError(msg, hint=self._suggest(name, self._agents)) from None

    def capabilities(self) -> Iterator[Capability]:
        """All capabilities, in order of registration."""
        return iter(tuple(self._capabilities.values()))

    def agents(self, capability: str | None = None) -> Iterator[AgentSpec]:
        """All agents, or those of one capability, in order of registration."""
        return iter(
            tuple(a for a in self._agents.values() if capability is None or a.capability == capability)
        )

    def package_of(self, name: str) -> str:
        """The distribution that registered a capability or agent; `session` for the user's own functions."""
        return self._packages.get(name, "session")

    def is_builtin(self, name: str) -> bool:
        """Whether a capability or agent came with murakkab-jupyter itself."""
        return self.package_of(name) == "murakkab-jupyter"

    def availability(self, agent: AgentSpec) -> Availability:
        """What this host lacks for an agent, weights among it that are not here and may not be fetched."""
        missing = [
            f"Python module {name} is not installed"
            for name in agent.needs.modules
            if importlib.util.find_spec(name) is None
        ]
        missing += [
            f"program {name} is not on the path"
            for name in agent.needs.executables
            if shutil.which(name) is None
        ]
        from murakkab_jupyter.agents.weights.resolver import withheld

        missing += [reason for name in agent.needs.weights if (reason := withheld(name))]
        return Availability(tuple(missing))

    def load_entry_points(self, points: list[EntryPoint] | None = None) -> None:
        """Register everything that installed packages offer, built-in ones first; a broken package is noted, not fatal."""
        found = points if points is not None else list(entry_points(group=GROUP))

        def order(point: EntryPoint) -> tuple[bool, str]:
            package = point.dist.name if point.dist else ""
            return package != "murakkab-jupyter", point.name

        for point in sorted(found, key=order):
            self._registering = point.dist.name if point.dist else point.name
            try:
                point.load()(self)
            except Exception as error:  # noqa: BLE001 - another package's fault must not take ours down
                self.broken[point.name] = f"{type(error).__name__}: {error}"
            finally:
                self._registering = "session"

    def _suggest(self, name: str, known: dict[str, Capability] | dict[str, AgentSpec]) -> str:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        if near:
            return f"Did you mean {' or '.join(near)}?"
        return f"There are: {', '.join(sorted(known)) or 'none'}."


@functools.cache
def default_library() -> Library:
    """The library of this process, with everything that installed packages offer."""
    library = Library()
    library.load_entry_points()
    return library
