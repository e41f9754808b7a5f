"""Say what a compound AI workflow should do; it is planned, run and billed for you.

Public names are loaded when first used, so that `import murakkab_jupyter` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.version import VERSION

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__version__ = VERSION

_PUBLIC = {
    "Job": "murakkab_jupyter.job",
    "Run": "murakkab_jupyter.run",
    "Session": "murakkab_jupyter.session",
    "agent": "murakkab_jupyter.agents.functions.python",
    "Agent": "murakkab_jupyter.agents.agent",
    "AgentSpec": "murakkab_jupyter.agents.agent",
    "Capability": "murakkab_jupyter.agents.capability",
    "Goal": "murakkab_jupyter.workflow.goal",
    "MAX_QUALITY": "murakkab_jupyter.workflow.goal",
    "MIN_COST": "murakkab_jupyter.workflow.goal",
    "MIN_ENERGY": "murakkab_jupyter.workflow.goal",
    "MIN_LATENCY": "murakkab_jupyter.workflow.goal",
    "MurakkabError": "murakkab_jupyter.core.errors",
}

__all__ = ["__version__", "load_ipython_extension", *sorted(_PUBLIC)]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext murakkab_jupyter`: register the magics (again and again changes nothing)."""
    from murakkab_jupyter.notebook.magics import load

    load(shell)
