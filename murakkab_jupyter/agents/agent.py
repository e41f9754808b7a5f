"""An agent: one implementation of a capability, in two halves.

`AgentSpec` is data: importing it loads no model. `Agent` is what an instance's process makes from the
spec's factory, loads once, and calls with batches.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Origin
from murakkab_jupyter.core.redact import redacted

__all__ = ["Agent", "AgentSpec", "Failed", "Inputs", "Needs", "Option", "Progress", "Tokens"]

Progress = Callable[[str, int, int | None], None]
"""`progress(what, done_bytes, total_bytes)`, called while something is fetched."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An item that this agent could not do, and why, in one sentence that says what to do about it."""

    reason: str

    def __post_init__(self) -> None:
        # It is kept and shown, and may repeat what an exception says: addresses with keys, for one.
        object.__setattr__(self, "reason", redacted(self.reason))


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything one item brings to an agent.

    Attributes
    ----------
    ancestry
        The item's key.
    values
        For each port: a value; a list where the input is gathered; a list of `(name, value)` where the
        port takes several references (each value again a list where gathered).
    origins
        For each port, where its value comes from in the user's media: an `Origin`, None, or, for a
        gathered value, a list of these, and for a port of several, a list of such in the same order.
    prompt
        The step's body with its references filled in, or None.
    sentence
        The step as the user wrote it, without its references' braces; the instruction of a text step.
    """

    ancestry: Ancestry
    values: Mapping[str, Any]
    origins: Mapping[str, Any] = field(default_factory=dict)
    prompt: str | None = None
    sentence: str = ""

    def origin(self, port: str) -> Origin | None:
        """The single origin of a port's value, or None."""
        found = self.origins.get(port)
        return found if isinstance(found, Origin) else None


@dataclass(frozen=True, slots=True)
class Option:
    """Something an agent can be told.

    Attributes
    ----------
    name, type, default
        As a pin writes it: `beam=5`.
    choices
        The values it may take; for a lever, those the planner may choose among.
    lever
        Whether the planner may set it (a pin, or a sentence's slot, still wins).
    help
        One line.
    required
        Whether the agent can do nothing until it is stated (which file, which server).
    check
        Says, when a pin states it, what is wrong with a value (a whole sentence, without the value), or "".
        A value that is refused is shown nowhere.
    least
        The least number that a pin may state, of what there must be some of (words, sentences).
    """

    name: str
    type: type[int] | type[float] | type[str] | type[bool]
    default: Any
    choices: tuple[Any, ...] = ()
    lever: bool = False
    help: str = ""
    required: bool = False
    check: Callable[[Any], str] | None = None
    least: int | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What an agent cannot do without.

    Attributes
    ----------
    modules
        Importable modules, e.g. `("faster_whisper",)`.
    weights
        Names known to `murakkab_jupyter.agents.weights.resolver`.
    executables
        Programs on the path, e.g. `("tesseract",)`.
    memory_bytes
        Resident memory of a loaded instance (a prior until measured).
    gpus
        GPUs an instance must have.
    """

    modules: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    executables: tuple[str, ...] = ()
    memory_bytes: int = 200_000_000
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens a call read and wrote.

    `cached` of those read its server still knew; `wasted` of all came to nothing (a try that failed, an answer given up).
    """

    read: int = 0
    written: int = 0
    cached: int = 0
    wasted: int = 0

    def __add__(self, more: Tokens) -> Tokens:
        """Both together."""
        return Tokens(
            self.read + more.read,
            self.written + more.written,
            self.cached + more.cached,
            self.wasted + more.wasted,
        )

    def __sub__(self, before: Tokens) -> Tokens:
        """What came since."""
        return Tokens(
            self.read - before.read,
            self.written - before.written,
            self.cached - before.cached,
            self.wasted - before.wasted,
        )


class Agent(ABC):
    """A loaded implementation, alone in its process with the cores it was given.

    An instance's process makes it with no arguments, calls `load` once, then `call` for each batch,
    never two at once.
    """

    @abstractmethod
    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load weights and be ready. `options` has a value for every option; raise `AgentError` when it cannot."""

    @abstractmethod
    def call(self, batch: Sequence[Inputs]) -> Sequence[Any]:
        """One value for each item, in the same order: a value, a list of values where the capability opens a level, or `Failed`.

        An exception fails the whole call; the run then tries the batch in halves, so that a poisoned
        item fails alone.
        """

    def tokens(self) -> Tokens | None:
        """Tokens of the last call, or None where none are counted."""
        return None

    def tokens_so_far(self) -> Tokens | None:
        """Tokens of the call that is under way, asked from another thread; None where only whole calls are counted."""
        return None

    def notes(self) -> Sequence[str]:
        """What the user should know of the last call, in whole sentences that do not depend on the item."""
        return ()

    def close(self) -> None:  # noqa: B027 - optional to override
        """Let go of everything that does not go with the process."""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One implementation of a capability, described.

    Attributes
    ----------
    name
        In kebab case, unique in the library: `whisper-base`.
    version
        Changes whenever its outputs may change: part of the key under which results are reused.
    capability
        Name of the capability it offers.
    summary
        One sentence.
    factory
        `"package.module:Class"`, or a picklable callable, that makes the `Agent`.
    options
        What it can be told.
    needs
        What it cannot do without.
    max_cores
        More cores than this do not help an instance.
    max_batch
        Most items in a call; 1 for an agent that does not gain from batches.
    siblings
        Whether it gains from having all items of one parent in one call, in order (transcribe a whole
        video once, cut by scene): the planner may then choose such batches, or neighbouring parts of them where a call would take long.
    neighbours
        Whether what it gains from in a call are neighbours of one source (scenes that follow each other). Files of their own then
        go one by one: together they cost as much, and on fewer instances.
    remote
        Whether its work is done by a server elsewhere (the instance only waits).
    url
        Where that server is, when it is remote.
    engine
        Name of the engine that serves it, where the session knows one: it may have to be started first.
    curve
        What the curve of that server's speed is kept under, when it has one.
    fixture
        Why it exists although a plan should never want it (a deliberately bad candidate); empty for real agents.
    stand_in
        Why it does what it cannot really do, as a plan's notes say it; empty for real agents. Planned only where no
        other agent can do the step.
    only
        What it is no good for, as the notes of a plan that chooses it say; empty where there is nothing to say.
    quality
        How well it does its step, 0..1, as its author states it (a prior); None when nobody says.
    """

    name: str
    version: str
    capability: str
    summary: str
    factory: str | Callable[[], Agent]
    options: tuple[Option, ...] = ()
    needs: Needs = field(default_factory=Needs)
    max_cores: int = 1
    max_batch: int = 16
    siblings: bool = False
    neighbours: bool = False
    remote: bool = False
    url: str = ""
    engine: str = ""
    curve: str = ""
    fixture: str = ""
    stand_in: str = ""
    only: str = ""
    quality: float | None = None

    def option(self, name: str) -> Option | None:
        """The option of that name, if there is one."""
        return next((option for option in self.options if option.name == name), None)

    def settings(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Every option with the chosen value or its default; options it does not have are left out."""
        return {option.name: chosen.get(option.name, option.default) for option in self.options}

    def make(self) -> Agent:
        """Make the agent (in the instance's process); raises `AgentError` when its code cannot be imported."""
        if not isinstance(self.factory, str):
            return self.factory()
        module_name, _, attribute = self.factory.partition(":")
        try:
            made = getattr(importlib.import_module(module_name), attribute)()
        except (ImportError, AttributeError) as error:
            msg = f"Agent {self.name} cannot be imported: {error}."
            raise AgentError(
                msg, hint=f"Install what it needs: {', '.join(self.needs.modules) or module_name}."
            ) from error
        if not isinstance(made, Agent):
            msg = f"{self.factory} makes a {type(made).__name__}, not an Agent."
            raise AgentError(msg)
        return made
