"""Where the panel says a kernel's cluster is, without asking anybody."""

from __future__ import annotations

import pytest

from murakkab_jupyter.core.hosts import ClusterView, WorkerView
from murakkab_jupyter.notebook.clusters import addresses, cluster_json
from murakkab_jupyter.session import Session


class FakeCluster:
    """A connection that answers from what it has been given."""

    def __init__(self, workers=(), *, alive=True):
        self.address, self.local, self.alive = "tcp://10.0.0.1:8786", False, alive
        self._workers = tuple(workers)

    def seen(self):
        return ClusterView(self._workers)


@pytest.fixture
def session(tmp_path):
    with Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite") as one:
        yield one
        one._cluster = None


def test_before_anything_was_declared_it_says_what_the_first_run_will_do():
    told = cluster_json((), ())
    assert told["workers"] == []
    assert "first run" in told["why"]


def test_workers_of_a_scheduler_in_use_are_shown_before_the_first_run(session):
    session._cluster = FakeCluster([WorkerView("tcp://10.0.0.2:1", "10.0.0.2", 8, 2**33)])
    told = cluster_json((session,), ())
    assert told["address"] == "tcp://10.0.0.1:8786"
    assert told["why"] == ""
    assert told["workers"][0]["cores"] == 8
    assert told["workers"][0]["label"] == "worker on 10.0.0.2"
    assert (told["workers"][0]["busy"], told["workers"][0]["lost"]) == (0, False)


def test_a_scheduler_that_is_gone_or_has_no_workers_is_said(session):
    session._cluster = FakeCluster(alive=False)
    assert "is gone" in cluster_json((session,), ())["why"]
    session._cluster = FakeCluster()
    assert "has no workers" in cluster_json((session,), ())["why"]


def test_hardware_that_is_only_described_is_marked(tmp_path):
    with Session(cluster="laptop", journal=tmp_path / "j", profiles=tmp_path / "p") as one:
        told = cluster_json((one,), ())
    assert told["described"] is True
    assert len(told["workers"]) == len(one.described.workers)


def test_the_schedulers_in_use_are_known_by_their_addresses(session):
    assert addresses((session,)) == []
    session._cluster = FakeCluster()
    assert addresses((session,)) == ["tcp://10.0.0.1:8786"]
