"""Real runs on a real LocalCluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from murakkab_jupyter.cluster.connect import Cluster, connect
from tests.cluster.parts import Run, setting, words_flow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(cores=2) as made:
        yield made


def test_a_workflow_with_a_level_runs_end_to_end(cluster: Cluster) -> None:
    ran = Run(
        cluster,
        words_flow(),
        {"words": setting("splitter"), "said": setting("shouter"), "joined": setting("joiner")},
        {"texts": ["a b c", "", "d e"]},
    ).go()
    assert ran.finish.status == "done"
    assert list(ran.store.outputs("joined").values()) == ["A B C", "", "D E"]
