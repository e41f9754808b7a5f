"""When the watch of a worker's engines ends one: with its holders, or idle where that can be seen. Servers are stand-ins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from murakkab_jupyter.cluster.engines.shelf import Shelf
from murakkab_jupyter.cluster.gpus import GpuLeases
from murakkab_jupyter.core.errors import ClusterError
from tests.cluster.engines.parts import config, family, gone
from tests.cluster.parts import wait_for


@pytest.fixture
def there() -> set[str]:
    return {"a", "b"}


@pytest.fixture
def shelf(tmp_path: Path, there: set[str]) -> Iterator[Shelf]:
    made = Shelf(leases=GpuLeases(), folder=tmp_path, held=there.__contains__)
    yield made
    made.close()


def test_the_use_of_a_killed_kernel_ends_with_it_while_another_holds_the_engine(shelf, there) -> None:
    shelf.start(config(), "a")
    shelf.start(config(), "b")
    engine = shelf.find("stand-in")
    assert engine.wait(60) == "ready"
    engine.use("a run", "a")
    assert engine.idle_s == 0.0
    there.remove("a")
    wait_for(lambda: engine.idle_s > 0.05)
    assert engine.state == "ready"
    there.remove("b")
    wait_for(lambda: engine.state == "stopped")


def test_a_mute_server_ends_with_its_holder_and_the_others_are_watched_meanwhile(shelf, there) -> None:
    shelf.start(config("mute", name="mute"), "a")
    shelf.start(config(name="well"), "b")
    mute, well = shelf.find("mute"), shelf.find("well")
    wait_for(lambda: mute.status().pid != 0)
    processes = family(mute.status().pid)
    assert well.wait(60) == "ready"
    wait_for(lambda: "asked" in mute.words(20))  # and will never answer
    there.remove("a")
    wait_for(lambda: gone(processes), 15)
    assert well.state == "ready"


def test_a_server_that_answers_no_look_keeps_the_watch_from_nothing(shelf, there, monkeypatch) -> None:
    shelf.start(config(name="one"), "a")
    engine = shelf.find("one")
    assert engine.wait(60) == "ready"
    looked, over = threading.Event(), threading.Event()

    def look() -> None:
        looked.set()
        over.wait(120.0)  # longer than what follows may take

    monkeypatch.setattr(engine, "look", look)
    assert looked.wait(60)
    there.remove("a")
    wait_for(lambda: engine.state == "stopped")
    over.set()


def test_one_whose_use_cannot_be_seen_is_not_ended_for_being_idle(shelf) -> None:
    shelf.start(config(name="seen", keep_alive_s=0.5), "a")
    shelf.start(config(name="unseen", keep_alive_s=0.5, metrics="none"), "a")
    seen, unseen = shelf.find("seen"), shelf.find("unseen")
    assert unseen.wait(60) == "ready"
    wait_for(lambda: seen.state == "stopped")
    wait_for(lambda: unseen.idle_s > 3.5)
    assert unseen.state == "ready"


def test_memory_that_one_which_is_being_started_will_take_is_promised_to_no_other(shelf, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.shelf.free_bytes", lambda: 15 * 10**11)
    shelf.start(config("silent", name="first", memory_bytes=10**12), "a")
    with pytest.raises(ClusterError, match=r"needs about 1000\.0 GB of memory, and its worker's host has 5"):
        shelf.start(config(name="second", memory_bytes=10**12), "a")
    shelf.find("first").kill()
    wait_for(lambda: shelf.find("first").over)
    assert shelf.start(config(name="second", memory_bytes=10**12), "a").state == "starting"


def test_a_log_that_another_worker_tidies_away_meanwhile_keeps_no_engine_from_starting(
    shelf, tmp_path: Path
) -> None:
    (tmp_path / "gone.log").symlink_to(tmp_path / "nowhere")  # listed, and not there when it is looked at
    assert shelf.start(config("silent"), "a").state == "starting"
