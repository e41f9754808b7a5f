"""Which served models a described cluster is offered: those whose published curve is of a GPU that it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.agents.language.writing import TASKS
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.hosts import ClusterView, Gpu, WorkerView
from murakkab_jupyter.profiles.described import find_cluster
from murakkab_jupyter.profiles.offers import CHAT, is_card, named, offers
from murakkab_jupyter.profiles.published import shipped_published

CURVES = shipped_published().served


def cluster(name: str, count: int = 8, memory_gb: float = 80, *, described: bool = True) -> ClusterView:
    cards = tuple(Gpu(n, name, int(memory_gb * 1e9)) for n in range(count))
    return ClusterView((WorkerView("w", "h", 32, 10**12, cards),), described=described)


def with_curves(found):
    return {agent.curve for agent in found.agents if agent.curve}


@pytest.mark.parametrize(("server", "gpu"), [("h100-server", "H100"), ("b200-server", "B200")])
def test_a_server_is_offered_every_chat_model_that_was_published_on_its_gpu(server, gpu):
    found = offers(find_cluster(server), CURVES)
    assert with_curves(found) == {one.name for one in CURVES if one.gpu == gpu and one.task in CHAT}
    assert found.notes == ()
    for agent in found.agents:
        assert agent.remote
        assert agent.engine in {one.name for one in found.engines}
    assert {agent.capability for agent in found.agents} == set(TASKS)
    assert all(not one.warm and one.start.source == "prior" for one in found.engines)


def test_levers_are_the_published_loads_and_as_many_replicas_as_there_is_room_for():
    found = offers(find_cluster("h100-server"), CURVES)
    large = next(agent for agent in found.agents if agent.name == "llama-3-1-70b-instruct-4xh100-summary")
    assert large.needs.gpus == 4
    assert large.option("replicas").choices == (1, 2)
    assert large.option("in_flight").choices == (8, 16, 32, 64, 128, 255, 511, 898)


def test_a_model_without_a_curve_on_this_gpu_is_offered_without_one():
    found = offers(find_cluster("b200-server"), CURVES)
    gemma = next(agent for agent in found.agents if agent.name == "gemma-3-27b-it-b200-summary")
    assert gemma.curve == ""


def test_a_cpu_host_and_a_real_cluster_are_offered_nothing():
    assert offers(find_cluster("laptop"), CURVES).agents == ()
    assert offers(cluster("H100", described=False), CURVES).agents == ()


@pytest.mark.parametrize(
    ("name", "memory_gb", "same"),
    [
        ("H100", 80, True),
        ("NVIDIA H100 80GB HBM3", 85, True),
        ("h100-sxm5", 80, True),
        ("NVIDIA H100 PCIe", 80, False),
        ("NVIDIA H100 NVL", 94, False),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 10, False),
        ("H100", 40, False),
        ("GH100", 80, False),
        ("A100", 80, False),
    ],
)
def test_only_the_card_that_was_measured_has_the_curve(name, memory_gb, same):
    assert is_card(Gpu(0, name, int(memory_gb * 1e9)), "H100") is same
    found = offers(cluster(name, memory_gb=memory_gb), CURVES)
    assert bool(with_curves(found)) is same
    assert bool(found.notes) is not same


def test_a_model_that_needs_more_gpus_than_a_host_has_is_not_offered():
    found = offers(cluster("H100", 2), CURVES)
    assert not any("70b" in agent.name for agent in found.agents)
    assert any("32b" in agent.name for agent in found.agents)


def test_names_tell_settings_apart():
    one = next(curve for curve in CURVES if curve.task in CHAT)
    fast = replace(one, precision="fp8")
    assert [name for name, _ in named([one, fast])] == [
        "llama-3-1-8b-instruct-h100-bfloat16",
        "llama-3-1-8b-instruct-h100-fp8",
    ]


def test_a_curve_that_was_brought_in_is_offered_like_one_that_ships():
    own = replace(CURVES[0], model="us/Ours-3B", gpu="L4", source="our own paper")
    found = offers(cluster("NVIDIA L4", 1, 24), (*CURVES, own))
    assert with_curves(found) == {own.name}


def test_whoever_makes_such_an_agent_is_told_that_there_is_no_server():
    agent = offers(find_cluster("h100-server"), CURVES).agents[0]
    with pytest.raises(AgentError, match="only described"):
        agent.make()
