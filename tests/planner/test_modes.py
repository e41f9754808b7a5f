"""Modes: what could do a step here, and what rules the others out."""

from dataclasses import replace

import pytest

from murakkab_jupyter.agents.agent import AgentSpec, Needs, Option
from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.hosts import ClusterView, Gpu
from murakkab_jupyter.planner.left_out import left_out_notes
from murakkab_jupyter.planner.modes import candidates, fits, ladder, load_of, usable
from murakkab_jupyter.planner.plan import Configuration
from tests.planner.synthetic import Made, cluster_of, world_of

BEAM = Option("beam", int, 1, (1, 5), lever=True)


def found_in(world, items, *, groups=2.0, **changed):
    """What can do so many items of the step `hear` of a world."""
    return candidates(
        replace(world.workflow.step("hear"), **{"at": ("data", "scenes"), **changed}),
        library=world.library,
        profiles=world.profiles,
        cluster=world.cluster,
        items=items,
        work=1.0,
        groups=groups,
        speed=1.0,
    )


def modes_of(agents, *, step=None, cluster=None, items=6.0, pin=None, options=None, groups=2.0):
    world = world_of({"hear": ["data"]}, agents, cluster=cluster)
    found = found_in(world, items, groups=groups, agent=pin, options=options or {})
    return [mode.configuration for mode in found.modes], (*found.notes, *left_out_notes(found.left_out))


def test_every_lever_is_varied():
    modes, _ = modes_of(
        [
            Made("a", "hear", 1.0, options=(BEAM,), max_batch=4, call_s=0.5, parallel=0.7),
            Made("b", "hear", 0.5),
        ]
    )
    assert {one.agent for one in modes} == {"a", "b"}
    mine = [one for one in modes if one.agent == "a"]
    assert {dict(one.options)["beam"] for one in mine} == {1, 5}
    assert {one.cores for one in mine} == {1, 2}
    assert {one.instances for one in mine} == {1, 2}
    assert len({one.batch for one in mine}) > 1


def test_a_pinned_option_is_not_varied_and_a_pinned_agent_is_alone():
    agents = [Made("a", "hear", 1.0, options=(BEAM,)), Made("b", "hear", 0.5, options=(BEAM,))]
    modes, _ = modes_of(agents, pin="a", options={"beam": 5})
    assert {(one.agent, dict(one.options)["beam"]) for one in modes} == {("a", 5)}


def test_an_option_that_an_agent_lacks_rules_it_out():
    modes, _ = modes_of(
        [Made("a", "hear", 1.0, options=(BEAM,)), Made("b", "hear", 0.1)], options={"beam": 5}
    )
    assert {one.agent for one in modes} == {"a"}


def test_a_test_fixture_is_never_chosen_but_may_be_pinned():
    agents = [Made("a", "hear", 1.0), Made("bad", "hear", 0.1, fixture="deliberately bad")]
    assert {one.agent for one in modes_of(agents)[0]} == {"a"}
    assert {one.agent for one in modes_of(agents, pin="bad")[0]} == {"bad"}


def test_an_agent_that_must_be_told_something_serves_when_it_is_told():
    url = Option("url", str, "")
    agents = [Made("a", "hear", 1.0), Made("served", "hear", 0.1, options=(url,), fixture="needs a server")]
    assert {one.agent for one in modes_of(agents, options={"url": "http://x"})[0]} == {"served"}


def test_siblings_in_one_call_are_a_mode_of_agents_that_gain_from_it():
    modes, _ = modes_of([Made("a", "hear", 0.1, siblings=True, call_s=5.0)])
    assert any(one.siblings for one in modes)
    assert not any(one.siblings for one in modes_of([Made("a", "hear", 0.1, call_s=5.0)])[0])


def test_files_of_their_own_go_one_by_one_to_agents_that_gain_from_neighbours():
    hears = Made("a", "hear", 0.1, siblings=True, neighbours=True, call_s=5.0)
    assert any(one.siblings for one in modes_of([hears])[0])
    agents = [replace(hears, max_batch=64)]
    assert max(one.batch for one in modes_of(agents)[0]) > 1
    world = world_of({"hear": ["data"]}, agents)
    files = [mode.configuration for mode in found_in(world, 6.0, at=("data",)).modes]
    assert {(one.batch, one.siblings) for one in files} == {(1, False)}
    assert max(one.instances for one in files) == 2


def test_siblings_whose_call_would_be_long_go_in_parts_which_instances_can_share():
    long = Made("a", "hear", 1.0, siblings=True, call_s=0.5, max_batch=256)
    modes, _ = modes_of([long], items=300.0)
    together = [one for one in modes if one.siblings]
    assert together
    assert not any(one.whole for one in together)
    assert {one.batch for one in together if one.cores == 1} == {10}, "150 items a parent, of 10 s"
    assert {one.instances for one in together} >= {2}
    assert max(one.batch for one in modes if not one.siblings) <= 10, "a batch of many is as long"
    short, _ = modes_of([replace(long, call_s=5.0, max_batch=1)], items=12.0)
    assert {one.batch for one in short if one.siblings} == {1}, "11 s a parent"


def test_siblings_that_are_long_each_go_one_by_one():
    modes, _ = modes_of([Made("a", "hear", 60.0, siblings=True, call_s=5.0, max_batch=8)], items=6.0)
    assert {(one.batch, one.siblings) for one in modes} == {(1, False)}


def test_siblings_of_an_agent_that_nobody_measured_go_as_it_asks_for():
    world = world_of({"hear": ["data"]}, [Made("a", "hear", 9.0, siblings=True, call_s=5.0)])
    measured = world.profiles.call
    world.profiles.call = lambda *args, **more: replace(measured(*args, **more), guess="a guess")
    assert any(mode.configuration.whole for mode in found_in(world, 6.0).modes)


def test_no_mode_exceeds_a_worker_or_what_the_items_can_fill():
    cluster = cluster_of(4, 2)
    modes, _ = modes_of([Made("a", "hear", 1.0, max_cores=16, max_batch=64)], cluster=cluster, items=3.0)
    assert max(one.cores for one in modes) <= 4
    assert all(one.instances <= fits(one, 1e8, cluster) for one in modes)
    assert max(one.batch for one in modes) <= 4
    assert max(one.instances for one in modes) <= 3


def test_memory_limits_instances():
    cluster = cluster_of(8, memory_gb=3.0)
    modes, _ = modes_of([Made("a", "hear", 1.0, memory_bytes=1_000_000_000)], cluster=cluster, items=100.0)
    assert max(one.instances for one in modes) == 3


def test_dominated_modes_are_dropped():
    # Without anything parallel two cores only cost; without overhead a batch only delays.
    modes, _ = modes_of([Made("a", "hear", 1.0, parallel=0.0, max_batch=8)], items=1.0)
    assert [(one.cores, one.batch, one.instances) for one in modes] == [(1, 1, 1)]


def test_short_calls_are_batched_where_each_takes_its_way():
    world = world_of({"hear": ["data"]}, [Made("a", "hear", 0.001, max_batch=16)])

    def batches():
        found = found_in(world, 1000.0)
        return {mode.configuration.batch for mode in found.modes if mode.configuration.instances == 1}

    assert batches() == {1}
    world.profiles.dispatch_s = 0.012
    assert {1, 16} <= batches()
    known = world.profiles.call
    world.profiles.call = lambda *told, **more: replace(known(*told, **more), guess="a guess")
    assert batches() == {1}  # it may be long


@pytest.mark.parametrize(
    ("seconds", "items", "most"), [(0.05, 500.0, 16), (0.05, 2.0, 1), (0.5, 500.0, 1), (60.0, 500.0, 1)]
)
def test_calls_are_not_batched_further_where_their_ways_count_for_nothing(seconds, items, most):
    world = world_of({"hear": ["data"]}, [Made("a", "hear", seconds, max_batch=256)])
    world.profiles.dispatch_s = 0.012
    assert max(mode.configuration.batch for mode in found_in(world, items).modes) <= most


def test_a_step_that_no_agent_serves_says_what_to_do():
    with pytest.raises(InfeasibleError, match="none is known here") as caught:
        modes_of([])
    assert caught.value.binding == "capability cap-hear"
    assert "@agent" in str(caught.value)
    assert caught.value.nearest is None


def test_what_is_not_installed_is_named_with_how_to_install_it():
    missing = Made("a", "hear", 1.0, modules=("no_such_module",))
    with pytest.raises(InfeasibleError, match="no_such_module is not installed") as caught:
        modes_of([missing])
    assert "pip install" in str(caught.value)
    modes, notes = modes_of([missing, Made("b", "hear", 1.0)])
    assert {one.agent for one in modes} == {"b"}
    assert any("no_such_module" in note for note in notes)


def test_hardware_that_is_only_written_down_needs_nothing_installed_here():
    cluster = ClusterView(cluster_of(2).workers, described=True)
    modes, _ = modes_of([Made("a", "hear", 1.0, modules=("no_such_module",))], cluster=cluster)
    assert {one.agent for one in modes} == {"a"}


def test_a_gpu_that_no_worker_has_is_an_error_that_shows_what_they_offer():
    with pytest.raises(InfeasibleError, match=r"needs 0\.1 GB and 1 GPU") as caught:
        modes_of([Made("a", "hear", 1.0, gpus=1)])
    assert "w0: 2 cores, 8 GB, no GPU" in str(caught.value)
    assert caught.value.binding == "hardware"


def test_a_worker_with_a_gpu_takes_what_needs_one():
    worker = replace(cluster_of(2).workers[0], gpus=(Gpu(0, "H100", 80_000_000_000),))
    modes, _ = modes_of([Made("a", "hear", 1.0, gpus=1)], cluster=ClusterView((worker,)))
    assert {(one.device, one.gpus, one.instances) for one in modes} == {("gpu", 1, 1)}


def test_more_memory_than_any_worker_has_is_an_error():
    with pytest.raises(InfeasibleError, match="needs 100 GB"):
        modes_of([Made("a", "hear", 1.0, memory_bytes=100_000_000_000)])


def test_a_cluster_without_workers_is_an_error():
    with pytest.raises(InfeasibleError, match="no workers"):
        modes_of([Made("a", "hear", 1.0)], cluster=ClusterView(()))


def test_weights_that_may_not_be_fetched_rule_an_agent_out(monkeypatch):
    from murakkab_jupyter.agents.agent import AgentSpec, Needs
    from murakkab_jupyter.agents.weights import catalogue
    from murakkab_jupyter.agents.weights import resolver as weights
    from murakkab_jupyter.planner.modes import lacking

    world = world_of({"hear": ["data"]}, [Made("a", "hear", 1.0)])
    hub_only = next(one for one in catalogue.CATALOGUE if not one.packages)
    spec = AgentSpec(
        "x", "1", "cap-hear", "synthetic", "synthetic:none", needs=Needs(weights=(hub_only.name,))
    )
    monkeypatch.setenv("MURAKKAB_CACHE", "/nonexistent")
    monkeypatch.setenv("HF_HOME", "/nonexistent")
    monkeypatch.delenv("MURAKKAB_HUB", raising=False)
    monkeypatch.delenv("MURAKKAB_OFFLINE", raising=False)
    assert any("hub" in one for one in lacking(spec, world.library))
    monkeypatch.setenv("MURAKKAB_HUB", "yes")
    monkeypatch.setattr(weights, "hub_lack", lambda hub: None)
    assert not any(hub_only.name in one for one in lacking(spec, world.library))
    monkeypatch.setenv("MURAKKAB_OFFLINE", "1")
    assert any("MURAKKAB_OFFLINE" in one for one in lacking(spec, world.library))


def test_a_ladder_ends_with_the_most():
    assert ladder(1) == [1]
    assert ladder(6) == [1, 2, 4, 6]
    assert ladder(0) == []


def test_the_load_of_a_mode_counts_calls_waves_and_loading():
    world = world_of({"hear": ["data"]}, [Made("a", "hear", 1.0, load_s=3.0, max_batch=4)])
    one = Configuration("a", (), "cpu", 1, 0, 2, 2)
    load = load_of(one, world.profiles, items=6, work=1.0, groups=1.0, speed=1.0)
    assert load.wall_s == pytest.approx(3 + 2 * 2)
    assert load.first_s == pytest.approx(5)
    assert load.core_s == pytest.approx(6 + 2 * 3)
    assert load.cpu_s == pytest.approx(6 + 2 * 3)
    together = replace(one, siblings=True, batch=1)
    assert load_of(
        together, world.profiles, items=6, work=1.0, groups=2.0, speed=1.0
    ).wall_s == pytest.approx(6)
    parts = load_of(replace(one, siblings=True), world.profiles, items=6, work=1.0, groups=2.0, speed=1.0)
    assert (parts.calls, parts.call_s) == (4, pytest.approx(1.5))
    assert load_of(one, world.profiles, items=0, work=1.0, groups=1.0, speed=1.0).wall_s == 0


def test_a_dominated_agent_serves_where_no_other_that_can_be_told_is_here(monkeypatch):
    world = world_of({"hear": ["data"]}, [Made("plain", "hear", 1.0)])
    library, view = world.library, world.cluster
    (step,) = world.workflow.steps
    told = AgentSpec(
        "told", "1", step.capability, "synthetic", "synthetic:none", (BEAM,), fixture="Dominated."
    )
    absent = AgentSpec(
        "absent",
        "1",
        step.capability,
        "synthetic",
        "synthetic:none",
        (BEAM,),
        Needs(modules=("no_such_module",)),
    )
    library.add_agent(told)
    library.add_agent(absent)
    assert [one.name for one in usable(step, library, view)[0]] == ["plain"]
    found, _, left_out = usable(replace(step, options={"beam": 5}), library, view)
    assert [one.name for one in found] == ["told"]
    assert [one.agent for one in left_out] == ["absent"]
    library.add_agent(replace(absent, needs=Needs()), replace=True)
    assert [one.name for one in usable(replace(step, options={"beam": 5}), library, view)[0]] == ["absent"]
