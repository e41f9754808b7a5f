"""Engines on the workers of a Dask cluster: placed, shared, held, ended with whoever held them. Servers are stand-ins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Scheduler, SpecCluster

from murakkab_jupyter.cluster.connect import Cluster, connect
from murakkab_jupyter.cluster.engines.ask import Server
from murakkab_jupyter.cluster.engines.fleet import Fleet
from murakkab_jupyter.cluster.local import LocalWorker
from murakkab_jupyter.core.errors import ClusterError
from tests.cluster.engines.parts import config
from tests.cluster.parts import wait_for, wait_for_workers

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(cores=2) as made:
        yield made


@pytest.fixture
def fleet(cluster: Cluster) -> Iterator[Fleet]:
    made = Fleet(cluster)
    yield made
    for one in made.statuses():
        made.stop(one.name)


def test_an_engine_is_started_on_the_worker_and_answers(fleet) -> None:
    fleet.launch(config())
    status = fleet.wait("stand-in", timeout_s=60)
    assert status.worker in fleet.cluster.probes
    assert Server(status.endpoint.url).complete("stand-in")[1].problem == ""
    assert "stand-in starting" in fleet.log("stand-in", 5)


def test_how_long_it_is_kept_comes_from_what_its_start_took(fleet) -> None:
    fleet.launch(config(wait=0.5))
    status = fleet.wait("stand-in", timeout_s=60)
    kept = fleet.kept(status)
    assert fleet.find("stand-in").keep_alive_s == kept.seconds
    assert "a start takes about" in kept.reason


def test_a_second_start_of_the_same_joins_it_and_of_another_is_refused(fleet, cluster) -> None:
    fleet.launch(config())
    first = fleet.wait("stand-in", timeout_s=60)
    other = Fleet(cluster)
    other.launch(config())
    assert other.wait("stand-in", timeout_s=60).pid == first.pid
    with pytest.raises(ClusterError, match="was started in another way"):
        other.launch(config("sick"))
    other.close()
    assert fleet.find("stand-in").state == "ready"  # the first still holds it
    fleet.close()
    wait_for(lambda: fleet.find("stand-in").state == "stopped")


def test_an_engine_that_does_not_end_is_not_said_to_have_ended(fleet, monkeypatch) -> None:
    fleet.launch(config("stubborn", stop_grace_s=5.0))
    fleet.wait("stand-in", timeout_s=60)
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.fleet.LEEWAY_S", -4.5)
    with pytest.raises(ClusterError, match="was told to end, and is still there"):
        fleet.stop("stand-in", timeout_s=0.1)
    assert fleet.find("stand-in").state == "stopping"
    wait_for(lambda: fleet.find("stand-in").state == "stopped")
    assert fleet.stop("stand-in") is False


def test_what_cannot_start_says_why_with_its_last_words(fleet) -> None:
    fleet.launch(config("dying", name="poor"))
    with pytest.raises(ClusterError, match="a stand-in has no memory") as caught:
        fleet.wait("poor", timeout_s=60)
    log = Path(str(caught.value).rsplit("Its log: ", 1)[1])
    assert "no memory" in log.read_text()


def test_too_little_memory_is_refused_before_anything_starts(fleet) -> None:
    with pytest.raises(ClusterError, match=r"needs about 1000000.0 GB of memory, and its worker's host has"):
        fleet.launch(config(memory_bytes=10**15))
    assert fleet.find("stand-in") is None or fleet.find("stand-in").pid == 0


def test_gpus_that_nobody_has_are_refused_with_what_there_is(fleet) -> None:
    with pytest.raises(ClusterError, match="needs 7 GPUs; workers offer"):
        fleet.launch(config(gpus=7))


def test_an_idle_one_is_stopped_and_a_used_one_is_not(fleet) -> None:
    fleet.launch(config(name="used", keep_alive_s=0.5))
    fleet.use("used", "a run", begins=True)
    fleet.wait("used", timeout_s=60)
    fleet.launch(config(name="idle", keep_alive_s=0.5))
    wait_for(lambda: fleet.find("idle").state == "stopped")
    assert fleet.find("idle").start_s is not None  # it answered before it was idle
    assert fleet.find("used").state == "ready"
    fleet.use("used", "a run", begins=False)
    wait_for(lambda: fleet.find("used").state == "stopped")


# --- unlike workers -------------------------------------------------------------------------------------------


@pytest.fixture
def unlike() -> Iterator[str]:
    """A worker without GPU and one that declares two: a plain Dask resource on this host, so this tests placement only."""

    def worker(name: str, resources: dict[str, int]) -> dict:
        options = {
            "host": "127.0.0.1",
            "nthreads": 2,
            "resources": resources,
            "memory_limit": 0,
            "dashboard": False,
        }
        return {"cls": LocalWorker, "options": {"name": name, "options": options}}

    with SpecCluster(
        workers={"plain": worker("plain", {"cores": 1}), "gpus": worker("gpus", {"cores": 1, "GPU": 2})},
        scheduler={
            "cls": Scheduler,
            "options": {
                "host": "127.0.0.1",
                "port": 0,
                "dashboard": False,
                "dashboard_address": "127.0.0.1:0",
            },
        },
        silence_logs=50,
    ) as made:
        yield made.scheduler_address


def test_gpus_are_leased_by_number_and_given_back(unlike) -> None:
    with connect(unlike) as cluster:
        wait_for_workers(cluster, 2)
        fleet = Fleet(cluster)
        names = {one.address: one.name for one in cluster.probes.values()}
        first = fleet.launch(config(name="one", gpus=1))
        second = fleet.launch(config(name="two", gpus=1))
        assert {names[first.worker], names[second.worker]} == {"gpus"}
        assert (first.gpus, second.gpus) == (("0",), ("1",))
        with pytest.raises(ClusterError, match=r"needs 1 GPU; 0 of 2 are free here") as caught:
            fleet.launch(config(name="three", gpus=1))
        assert "Held by Engine one, Engine two" in str(caught.value)
        assert names[fleet.launch(config(name="none", gpus=0)).worker] == "plain"

        def declared() -> float:
            found = cluster.client.sync(cluster.client.scheduler.identity, n_workers=-1)
            return float(found["workers"][first.worker]["resources"]["GPU"])

        wait_for(lambda: declared() == 0)  # Dask gives them to no task meanwhile
        fleet.stop("one")
        wait_for(lambda: declared() == 1)
        assert fleet.launch(config(name="three", gpus=1)).gpus == ("0",)
        named = fleet.launch(replace(config(name="four", gpus=0), worker="gpus"))
        assert names[named.worker] == "gpus"
        fleet.close()


def test_a_worker_that_died_since_it_was_seen_leaves_the_engine_to_the_next(place, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.fleet.CARRY_S", 3.0)
    place.scheduler()
    place.worker("lives")
    doomed = place.worker("dies")
    with connect(place.address) as cluster:
        wait_for_workers(cluster, 2)
        at = {one.name: one.address for one in cluster.probes.values()}
        fleet = Fleet(cluster)
        doomed.kill()
        doomed.wait()
        monkeypatch.setattr(fleet, "places", lambda _: [at["dies"]])
        with pytest.raises(ClusterError, match=f"Worker {at['dies']}"):
            fleet.launch(config())
        monkeypatch.setattr(fleet, "places", lambda _: [at["dies"], at["lives"]])
        assert fleet.launch(config()).worker == at["lives"]
        fleet.close()


def test_one_name_is_one_engine_wherever_another_would_start_it(unlike) -> None:
    with connect(unlike) as cluster:
        wait_for_workers(cluster, 2)
        at = {one.name: one.address for one in cluster.probes.values()}
        first, second = Fleet(cluster), Fleet(cluster)
        first.launch(config(gpus=0, worker="gpus"))
        pid = first.wait("stand-in", timeout_s=60).pid
        assert second.places(config(gpus=0))[0] == at["plain"]
        assert second.launch(config(gpus=0)).worker == at["gpus"]
        assert [one.pid for one in second.statuses()] == [pid]
        with pytest.raises(ClusterError, match=f"runs already, on worker {at['gpus']}"):
            second.launch(config(gpus=0, worker="plain"))
        first.close()
        assert second.find("stand-in").state == "ready"  # the second holds it now
        second.stop("stand-in")
        assert second.launch(config(gpus=0)).worker == at["plain"]
        second.close()


def test_kernels_that_start_one_name_in_the_same_instant_start_one(unlike, monkeypatch) -> None:
    """Each would rather have it on another worker, so nothing but their turns keeps them apart."""
    with connect(unlike) as one, connect(unlike) as two:
        clusters = (one, two)
        for each in clusters:
            wait_for_workers(each, 2)
        fleets = [Fleet(c) for c in clusters]
        order = sorted(one.probes)
        for fleet, wanted in zip(fleets, (order, order[::-1]), strict=True):
            monkeypatch.setattr(fleet, "places", lambda _, wanted=wanted: list(wanted))
        for name in ("first", "second", "third"):
            together = threading.Barrier(2)

            def start(fleet: Fleet, name: str = name, together: threading.Barrier = together) -> str:
                together.wait(60)
                return fleet.launch(config(name=name, gpus=0)).worker

            with ThreadPoolExecutor(2) as pool:
                workers = list(pool.map(start, fleets))
            assert len(set(workers)) == 1
            assert len([found for found in fleets[0].statuses() if found.name == name]) == 1
        for fleet in fleets:
            fleet.close()


def test_a_start_does_not_wait_for_ever_for_another_kernels(fleet, cluster, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.fleet.TURN_S", 0.3)
    with fleet._turn("stand-in"), pytest.raises(ClusterError, match="has been starting engine stand-in"):
        Fleet(cluster).launch(config())
    assert fleet.launch(config()).worker in cluster.probes
