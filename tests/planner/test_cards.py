"""GPUs that engines hold: shared by steps, on one worker for each replica, never more than there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, EngineView, Gpu, HostPower, Share, WorkerView
from murakkab_jupyter.planner.cards import gpu_shares, held_gpus, idle_w, unstated_note
from murakkab_jupyter.planner.plan import Configuration


def worker(name: str, count: int, kind: str = "H100", idle: float | None = 80.0) -> WorkerView:
    watts = Figure(idle, "W")
    cards = tuple(Gpu(n, kind, 80 * 10**9, idle_w=watts) for n in range(count))
    return WorkerView(name, f"host-{name}", 16, 10**12, cards, power=HostPower(Figure(100.0, "W")))


def view(*workers: WorkerView) -> ClusterView:
    engines = (
        EngineView("small", False, gpus=1, gpu_names=("H100",)),
        EngineView("large", False, gpus=4, gpu_names=("H100",)),
    )
    return ClusterView(workers, described=True, engines=engines)


def on(engine: str, gpus: int) -> Configuration:
    return Configuration(f"{engine}-summary", device="gpu", gpus=gpus, engine=engine)


def test_steps_that_call_one_engine_share_its_gpus():
    assert held_gpus([on("small", 1), on("small", 2), on("small", 1)], view(worker("a", 8))) == {"a": 2}


def test_the_gpus_of_a_replica_are_on_one_worker():
    two = view(worker("a", 3), worker("b", 5))
    assert held_gpus([on("large", 4), on("small", 3)], two) == {"a": 2, "b": 5}
    assert held_gpus([on("large", 8)], two) is None


def priced(one: WorkerView, usd: float, idle: float = 100.0) -> WorkerView:
    return replace(one, power=HostPower(Figure(idle, "W"), price_usd_per_hour=Figure(usd, "USD/h")))


def test_gpus_are_held_where_their_share_of_the_host_costs_least():
    two = view(priced(worker("a", 4), 98.0), priced(worker("b", 8), 60.0))
    assert held_gpus([on("large", 4)], two) == {"b": 4}
    frugal = view(priced(worker("a", 8), 60.0, idle=900.0), priced(worker("b", 8), 60.0, idle=700.0))
    assert held_gpus([on("small", 1)], frugal) == {"b": 1}, "the same price: where they burn less idle"


def test_room_matters_more_than_price():
    two = view(priced(worker("a", 6), 10.0), priced(worker("b", 4), 98.0))
    two = replace(two, engines=(*two.engines, EngineView("triple", False, gpus=3, gpu_names=("H100",))))
    assert held_gpus([on("large", 4), on("triple", 6)], two) == {"b": 4, "a": 6}


def test_more_than_there_are_is_no_plan():
    assert held_gpus([on("large", 4), on("small", 5)], view(worker("a", 8))) is None


def test_gpus_of_another_kind_do_not_count():
    assert held_gpus([on("small", 1)], view(worker("a", 8, "A100"))) is None


def test_steps_without_an_engine_hold_none():
    assert held_gpus([Configuration("cpu"), Configuration("own", gpus=1)], view(worker("a", 1))) == {}


def test_shares_are_of_each_hosts_gpus():
    shares = gpu_shares({"a": 2}, view(worker("a", 8), worker("b", 0)))
    assert shares == {"host-a": 0.25, "host-b": 0.0}


def test_an_energy_that_gpus_leave_unknown_says_so():
    one = worker("a", 8, idle=None)
    bare = view(replace(one, power=HostPower()), worker("b", 0))
    (words,) = unstated_note(unknown("J"), bare, Share(0))
    assert "idle watts of the GPUs of host-a" in words
    assert unstated_note(unknown("J"), bare, Share(0, ("host-b",))) == ()
    assert unstated_note(Figure(1.0, "J"), bare, Share(0)) == ()
    assert unstated_note(unknown("J"), view(worker("a", 8)), Share(0)) == ()


def test_idle_watts_are_left_out_only_where_the_host_has_them():
    assert idle_w(on("large", 8), view(worker("a", 8))) == pytest.approx(640)
    assert idle_w(on("large", 8), view(worker("a", 8, idle=None))) == 0.0
    assert idle_w(Configuration("cpu"), view(worker("a", 8))) == 0.0
