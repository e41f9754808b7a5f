"""A cluster of separate processes, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cluster.hosts import Place


@pytest.fixture
def place() -> Iterator[Place]:
    # Dask is imported by the tests, not before pytest listens to logs: what it silences would be deaf then, too.
    from tests.cluster.hosts import Place

    made = Place()
    yield made
    made.close()
