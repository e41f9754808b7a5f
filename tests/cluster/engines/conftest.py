"""A library of agents on text, and the engines a session knows of, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from murakkab_jupyter.agents.library import Library
    from murakkab_jupyter.cluster.engines.roster import Roster

# As in the folder above: nothing that imports Dask is imported before pytest listens to logs.


@pytest.fixture
def library() -> Library:
    from murakkab_jupyter.agents.library import Library
    from murakkab_jupyter.agents.text.capabilities import register as register_text
    from murakkab_jupyter.agents.text.retrieval import register as register_retrieval

    made = Library()
    register_text(made)
    register_retrieval(made)
    return made


@pytest.fixture
def roster(library: Library, tmp_path: Path) -> Roster:
    from murakkab_jupyter.cluster.engines.roster import Roster
    from tests.cluster.engines.parts import unconnected

    return Roster(library, unconnected, lambda: None, kept=tmp_path / "engines.json")


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is believed for longer than an instant."""
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.attached.LOOK_S", -1.0)
