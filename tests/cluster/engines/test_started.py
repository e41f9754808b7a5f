"""Engines that are started on a worker: ready, offered, stopped, and given no key of others."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.connect import Cluster, connect
from murakkab_jupyter.cluster.engines.config import EngineConfig
from murakkab_jupyter.cluster.engines.fleet import Fleet
from murakkab_jupyter.cluster.engines.roster import Roster
from murakkab_jupyter.cluster.engines.status import EngineStatus
from murakkab_jupyter.core.errors import ClusterError
from tests.cluster.engines.parts import KEY, config, serving


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(cores=1) as made:
        yield made


@pytest.fixture
def starting(library: Library, cluster: Cluster, tmp_path: Path) -> Iterator[Roster]:
    made = Roster(library, lambda: cluster, lambda: cluster, kept=tmp_path / "engines.json")
    yield made
    for one in made.entries():
        made.detach(one.name)
    made.close()


def test_of_an_engine_that_was_started_again_elsewhere_the_one_that_answers_counts(
    starting, monkeypatch
) -> None:
    """The first one's worker is set aside."""
    alive = EngineStatus(config(name="twice"), "ready", worker="tcp://east:1")
    silent = EngineStatus(config(name="twice"), "silent", worker="tcp://west:1")
    starting.know(config(name="twice"))
    with monkeypatch.context() as patch:
        patch.setattr(Fleet, "statuses", lambda _: [alive, silent])
        assert starting.look("twice").status is alive
        patch.setattr(Fleet, "statuses", lambda _: [silent])
        assert starting.look("twice").state == "silent"
        patch.setattr(Fleet, "statuses", lambda _: [])
        assert starting.look("twice").problem == "its worker was lost"


def test_an_attached_server_of_this_host_is_called_from_this_host(starting, cluster, monkeypatch) -> None:
    """Its address means another machine to workers elsewhere."""
    here = next(iter(cluster.probes.values()))
    far = {**cluster.probes, "tcp://far:1": replace(here, address="tcp://far:1", host="far")}
    with serving() as server:
        assert starting.host_of(starting.attach(server.url, name="near")) == ""
        monkeypatch.setattr(type(cluster), "probes", property(lambda _: far))
        assert starting.host_of(starting.find("near")) == here.host
        monkeypatch.setattr(type(cluster), "probes", property(lambda _: {"tcp://far:1": far["tcp://far:1"]}))
        entry = starting.attach(server.url, name="near")
        assert starting.host_of(entry) == ""
        assert any("workers are on others" in note for note in entry.found.notes)
        monkeypatch.undo()


def test_a_started_engine_offers_agents_at_its_address(starting, library) -> None:
    entry = starting.start(config())
    assert entry.state == "ready"
    assert library.agent("stand-in").url == entry.endpoint.url
    assert starting.stop("stand-in") is True
    assert starting.find("stand-in").state == "stopped"
    assert starting.stop("stand-in") is False
    assert "stand-in starting" in starting.logs("stand-in", 5)


def test_one_that_is_known_is_started_when_it_is_wanted(starting, library) -> None:
    starting.know(config(name="later"))
    assert library.agent("later").url.endswith(".invalid/v1")
    assert starting.find("later").state == "not started"
    entry = starting.ensure("later")
    assert library.agent("later").url == entry.endpoint.url
    assert starting.ensure("later").status.pid == entry.status.pid


def test_an_interrupted_start_leaves_nothing(starting) -> None:
    stop = threading.Event()

    def tell(status: object) -> None:
        stop.set()

    with pytest.raises(ClusterError, match="is not ready"):
        starting.start(config("silent", name="slow"), tell=tell, stop=stop.is_set)
    assert starting.find("slow").state == "stopped"
    assert starting.find("slow").status.pid == 0


def test_a_start_that_is_refused_leaves_the_one_of_that_name_alone(starting, cluster, library) -> None:
    first = starting.start(config())
    other = Roster(library, lambda: cluster, lambda: cluster, kept=Path("/nowhere/engines.json"))
    with pytest.raises(ClusterError, match="was started in another way"):
        other.start(config("silent"))
    stop = threading.Event()
    stop.set()
    joined = other.start(config(), stop=stop.is_set)  # it is ready: nothing to wait for
    assert joined.status.pid == first.status.pid
    other.close()
    assert starting.look("stand-in").state == "ready"


def test_a_failed_start_says_why_and_stays_known(starting) -> None:
    with pytest.raises(ClusterError, match="a stand-in has no memory"):
        starting.start(config("dying", name="poor"))
    assert starting.find("poor").state == "failed"


def test_where_vllm_is_missing_the_option_that_names_it_is_said(starting) -> None:
    said = "raise ModuleNotFoundError(\"No module named 'vllm'\")"
    bare = EngineConfig("m", "bare", command=shlex.join([sys.executable, "-c", said]), memory_bytes=1)
    with pytest.raises(ClusterError, match="could not be started") as caught:
        starting.start(bare)
    assert "--vllm-python" in caught.value.hint


def variable_of_worker(name: str) -> str | None:
    return os.environ.get(name)


def set_on_worker(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def test_a_started_server_gets_no_key_of_a_server_that_is_attached(starting, cluster, monkeypatch) -> None:
    held = {"THEIR_KEY": KEY, "OPENAI_API_KEY": KEY, "OF_NOBODY": "x"}
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    cluster.client.run(set_on_worker, held)
    try:
        with serving() as server:
            starting.attach(server.url, name="theirs", key_env="THEIR_KEY")
            entry = starting.start(config(name="ours"))
        seen = psutil.Process(entry.status.pid).environ()
        assert seen["OF_NOBODY"] == "x"
        assert KEY not in seen.values()
    finally:
        cluster.client.run(set_on_worker, dict.fromkeys(held))
        starting.detach("theirs")


def test_a_variable_that_workers_lack_is_found_though_it_is_set_here(starting, cluster, monkeypatch) -> None:
    cluster.client.run(set_on_worker, {"LATE_KEY": None})
    monkeypatch.setenv("LATE_KEY", KEY)
    (host,) = {one.host for one in cluster.probes.values()}
    (pid,) = cluster.client.run(os.getpid).values()
    expected = {} if pid == os.getpid() else {"LATE_KEY": (host,)}
    assert starting.unset_keys(["LATE_KEY"]) == expected


def test_workers_get_a_typed_key_where_nobody_listens_only(starting, cluster, monkeypatch) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    with serving("keyed") as server:
        variable = starting.attach(server.url, name="keyed", ask_key=lambda _: KEY).endpoint.key_env
        monkeypatch.setenv(variable, KEY)  # and gone again at the end
        assert list(cluster.client.run(variable_of_worker, variable).values()) == [KEY]
        monkeypatch.setattr("murakkab_jupyter.cluster.engines.keys.is_private", lambda _: False)
        with pytest.raises(ClusterError, match="in the clear"):
            starting.attach(server.url, name="another", key_env="EMPTY_ONE", ask_key=lambda _: KEY)
    starting.detach("keyed")
