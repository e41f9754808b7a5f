"""What a driver asks of a journal: is this item known already, and keep these.

`Journal.recorder(run_id)` gives one that keeps items on disk; `MemoryRecorder` keeps them for as long
as it lives, for runs that want no journal.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.workflow.model import Step

__all__ = ["MISSING", "Item", "MemoryRecorder", "Missing", "Recorder"]


class Missing(Enum):
    """The type of `MISSING`, which no value can be mistaken for (None is a value)."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final[Literal[Missing.MISSING]] = Missing.MISSING
"""Nothing is known about an item."""

Item = tuple[Ancestry, Inputs | None, Any]
"""An item's key, what it was made from (None: never reused elsewhere), and its value, list of children, or `Failed`."""


class Recorder(Protocol):
    """Looks up and keeps the items of one run. Safe to call from several threads."""

    def lookup(self, step: Step, configuration: Configuration, inputs: Inputs) -> Any:
        """The value that the same agent made of the same inputs in any run, or `MISSING`.

        The value of a step that opens a level is the list of its children. Failed items are never found.
        """

    def record(
        self, step: Step, configuration: Configuration, items: Sequence[Item], usage: Usage | None
    ) -> None:
        """Keep the items of one batch; they are durable when this returns (an item is kept once, the first time)."""


class MemoryRecorder:
    """A recorder that writes nothing down: it finds nothing, and keeps items only for whoever asks it."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, Ancestry], Any] = {}
        self._lock = threading.Lock()

    @property
    def items(self) -> Mapping[tuple[str, Ancestry], Any]:
        """A copy of what was recorded so far, by step and ancestry."""
        with self._lock:
            return MappingProxyType(dict(self._items))

    def lookup(self, step: Step, configuration: Configuration, inputs: Inputs) -> Any:
        """Always `MISSING`."""
        return MISSING

    def record(
        self, step: Step, configuration: Configuration, items: Sequence[Item], usage: Usage | None
    ) -> None:
        """Keep the items in memory."""
        with self._lock:
            for ancestry, _, value in items:
                self._items.setdefault((step.name, ancestry), value)
