"""A session with a journal and profiles of its own, for the tests of one file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from murakkab_jupyter.session import Session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    # Nothing that imports Dask is imported before pytest listens to logs: what it silences would be deaf then, too.
    from murakkab_jupyter.agents.library import Library
    from murakkab_jupyter.session import Session

    folder = tmp_path_factory.mktemp("session")
    library = Library()
    library.load_entry_points()
    with Session(
        library=library, journal=folder / "journal.sqlite", profiles=folder / "profiles.sqlite"
    ) as made:
        yield made
