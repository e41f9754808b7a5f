"""Clusters that the notebook's own code made: found where it keeps them, with what stands in their way."""

from __future__ import annotations

import asyncio

import pytest
from distributed import Client, LocalCluster, Scheduler, Worker

from murakkab_jupyter.notebook.own import MOST_WORKERS, OwnClusters, find, workers_json

QUIET = {"dashboard_address": None}


@pytest.fixture
def cluster():
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, **QUIET) as one:
        yield one


def test_a_cluster_is_found_by_its_variable_and_a_client_of_it_is_no_other_one(cluster):
    with Client(cluster, set_as_default=False) as client:
        [one] = find({"x": 1, "_3": cluster, "mine": cluster, "client": client})
    assert (one.name, one.kind, one.address) == ("mine", "LocalCluster", cluster.scheduler_address)


def test_a_client_that_made_its_cluster_stands_for_it(cluster):
    with Client(cluster, set_as_default=False) as client:
        [one] = find({"client": client})
    assert (one.name, one.kind) == ("client", "LocalCluster")


def test_a_cluster_that_no_variable_holds_is_found_too_and_one_in_use_is_not(cluster):
    [one] = find({})
    assert (one.name, one.kind) == ("", "LocalCluster")
    assert find({"mine": cluster}, {cluster.scheduler_address}) == []


def test_one_that_is_closed_is_no_longer_found():
    one = LocalCluster(n_workers=0, processes=False, **QUIET)
    one.close()
    assert find({"mine": one}) == []


def test_what_has_nothing_to_do_with_dask_is_left_alone():
    class Odd:
        @property
        def __class__(self):
            raise AssertionError

    assert find({"odd": Odd(), "kind": LocalCluster}) == []


def test_a_cluster_of_ours_is_not_the_notebooks_own(tmp_path):
    from murakkab_jupyter.cluster.local import local_cluster

    with local_cluster(cores=1, gpus=0, memory_bytes=2**30, dashboard=False) as ours:
        assert find({"ours": ours}) == []


def test_its_workers_are_told_without_asking_and_with(cluster):
    own = OwnClusters({"mine": cluster})
    [told] = own.to_json()
    assert [(one["cores"], one["busy"], one["label"]) for one in told["workers"]] == [
        (2, 0, "worker on this host")
    ]
    own.ask()
    assert own.to_json() == [told]
    assert "processes of their own" in told["why"]


def test_one_without_workers_says_how_it_gets_some():
    with LocalCluster(n_workers=0, protocol="tcp", processes=True, **QUIET) as one:
        [told] = OwnClusters({"mine": one}).to_json()
        assert told["workers"] == []
        assert told["why"] == "It has no workers yet. mine.scale(2) starts two."


def test_a_scheduler_elsewhere_is_asked_for_its_workers_and_one_that_is_gone_is_said():
    async def elsewhere() -> None:
        scheduler = await Scheduler(port=0, dashboard=False, host="127.0.0.1")
        worker = await Worker(scheduler.address, nthreads=3)
        client = await asyncio.to_thread(Client, scheduler.address, set_as_default=False, timeout=60)
        own = OwnClusters({"far": client})
        [told] = own.to_json()
        assert (told["name"], told["kind"], told["workers"], told["why"]) == ("far", "", None, "")
        await asyncio.to_thread(own.ask)
        [told] = own.to_json()
        assert [one["cores"] for one in told["workers"]] == [3]
        await worker.close()
        await asyncio.to_thread(own.ask)
        assert "no workers yet" in own.to_json()[0]["why"]
        await scheduler.close()
        for _ in range(100):  # Dask says when, or goes on trying: either is right
            await asyncio.sleep(0.1)
            if client.status != "running":
                break
        await asyncio.to_thread(own.ask)
        said = [one["why"] for one in own.to_json()]
        assert said in (
            [],
            ["Its scheduler is gone, or cannot be reached any more. Dask goes on trying for a while."],
        )
        await asyncio.to_thread(client.close)

    asyncio.run(elsewhere())


def test_a_scheduler_that_does_not_answer_in_time_is_said(cluster, monkeypatch):
    async def never(_: object) -> dict:
        await asyncio.sleep(60)  # much longer than it is waited for
        return {}

    monkeypatch.setattr("murakkab_jupyter.notebook.own.identity", never)
    monkeypatch.setattr("murakkab_jupyter.notebook.own.ASK_S", 0.05)
    own = OwnClusters({"mine": cluster})
    own.ask()
    assert own.to_json()[0]["why"] == "Its scheduler does not answer."


def test_workers_on_other_hosts_have_names_gpus_and_how_busy_they_are():
    rows = workers_json(
        {
            "tcp://10.0.0.2:1": {"host": "10.0.0.2", "nthreads": 4, "memory_limit": 0, "resources": {"GPU": 2},
                                 "metrics": {"task_counts": {"executing": 9}}},
            "tcp://10.0.0.2:2": {"host": "10.0.0.2", "nthreads": 1, "gpu": {"name": ["A10"]}, "status": "closed"},
        }
    )  # fmt: skip
    assert [one["label"] for one in rows] == ["worker 1 on 10.0.0.2", "worker 2 on 10.0.0.2"]
    assert [(one["busy"], one["memory_bytes"], one["gpus"], one["lost"]) for one in rows] == [
        (4, None, ["2 GPUs"], False),
        (0, None, ["A10"], True),
    ]


def test_a_crowd_of_workers_is_cut_and_counted(cluster, monkeypatch):
    many = {f"tcp://10.0.0.2:{number}": {"nthreads": 1} for number in range(MOST_WORKERS + 5)}
    monkeypatch.setattr("murakkab_jupyter.notebook.own.told", lambda _: many)
    [told] = OwnClusters({"mine": cluster}).to_json()
    assert (len(told["workers"]), told["left_out"]) == (MOST_WORKERS, 5)
