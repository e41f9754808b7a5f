"""What a cell can speak of: the notebook's variables, and what has been declared and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.verbs import Workbench, names_in

__all__ = ["Scope"]

NOT_THEIRS = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open", "murakkab_run"})
"""Names that IPython or we put among the variables."""


@dataclass(frozen=True)
class Scope:
    """What names mean in a notebook.

    Attributes
    ----------
    bench
        What has been declared and run.
    space
        The notebook's variables, as they are now.
    """

    bench: Workbench
    space: Mapping[str, Any]

    def named(self) -> dict[str, Any]:
        """The user's own variables."""
        return {
            name: value
            for name, value in self.space.items()
            if not name.startswith("_") and name not in NOT_THEIRS
        }

    def values_for(self, text: str) -> tuple[dict[str, Any], list[str]]:
        """The values of a cell's variables, and the names that have none."""
        names, space = names_in(text), self.space
        return {n: space[n] for n in names if n in space}, [n for n in names if n not in space]
