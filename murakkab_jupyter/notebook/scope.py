"""What a cell can speak of: the notebook's variables, and what has been declared and run."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.notebook.views.results import RUN_NAME
from murakkab_jupyter.verbs import Workbench, names_in

if TYPE_CHECKING:
    from murakkab_jupyter.run import Run

__all__ = ["Scope"]

NOT_THEIRS = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open", RUN_NAME})
"""Names that IPython or we put among the variables."""


def usable(name: str) -> bool:
    """Whether a name among the variables can be written in a cell, and is meant to be."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")


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

    def name_of(self, run: Run) -> str:
        """The variable that holds a run: its workflow's name where it does, else any; else `murakkab_run`."""
        own = run.workflow.name
        held = [name for name, value in list(self.space.items()) if value is run and usable(name)]
        return own if own in held else next((name for name in held if name != RUN_NAME), RUN_NAME)

    def values_for(self, text: str) -> tuple[dict[str, Any], list[str]]:
        """The values of a cell's variables, and the names that have none."""
        names, space = names_in(text), self.space
        return {n: space[n] for n in names if n in space}, [n for n in names if n not in space]
