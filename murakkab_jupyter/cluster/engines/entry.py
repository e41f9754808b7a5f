"""One engine of a session, attached or started, and the names that engines may have."""

from __future__ import annotations

import re
from dataclasses import dataclass

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.engines.ask import Found
from murakkab_jupyter.cluster.engines.config import EngineConfig
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.core.errors import UsageError

__all__ = ["Entry", "at", "check_name"]


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
        """`attached`, `unreachable`, `not usable` (it answers, and not as it should), `not started`, or how the started one is."""
        if self.config is None:
            if not self.problem:
                return "attached"
            return "unreachable" if "cannot be reached" in self.problem else "not usable"
        return "not started" if self.status is None else self.status.state


def at(entry: Entry, url: str) -> bool:
    """Whether an engine was attached at an address."""
    return entry.config is None and entry.endpoint is not None and entry.endpoint.url == url


def check_name(name: str) -> None:
    """Whether a pin can say this name; an empty one is made of the model's. Raises `UsageError`."""
    if name and not re.fullmatch(r"[^\W_][\w.\-]*", name):
        msg = f"An engine cannot be called {name[:60]!r}."
        raise UsageError(msg, hint="Pins name it: letters, digits, '-', '.' and '_', as in --name my-llama.")
