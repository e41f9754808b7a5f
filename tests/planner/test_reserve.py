"""Reserved cores are a lever of the plan: chosen by the goal, held by every step, said in words and in JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, EngineView, Gpu, HostPower, WorkerView
from murakkab_jupyter.notebook.views.frontier import frontier_view
from murakkab_jupyter.notebook.views.plan import PLAN_TYPE, plan_view
from murakkab_jupyter.planner.frontier import frontier
from murakkab_jupyter.planner.plan import Plan, Reservation
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.planner.told.explain import explain
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import Made, cluster_of, world_of

EDGES = {"hear": ["data"], "see": ["data"], "tell": ["hear", "see"]}
AGENTS = [
    Made("ear", "hear", 1.0, max_cores=1),
    Made("eye", "see", 1.0, max_cores=1),
    Made("bard", "tell", 0.5, parallel=0.5),
]
IDLE_HEAVY = HostPower(Figure(40.0, "W"), Figure(1.0, "W"), unknown("USD/h"), Figure(0.2, "USD/kWh"))


def world(*cores: int, agents=AGENTS, **more):
    return world_of(EDGES, agents, items=2, cluster=cluster_of(*(cores or (2,)), **more))


def plan_for(made, *objectives, **limits) -> Plan:
    return make_plan(made.workflow, Goal(objectives, 0.0, **limits), **made.arguments())


def test_on_two_cores_the_frugal_plan_reserves_one_and_the_fast_one_both():
    frugal, fast = (plan_for(world(), name) for name in ("energy", "latency"))
    assert (frugal.reserves.cores, fast.reserves.cores) == (1, 2)
    assert frugal.predicted["cpu"].value <= fast.predicted["cpu"].value
    assert frugal.predicted["energy"].value < fast.predicted["energy"].value
    assert frugal.predicted["latency"].value > fast.predicted["latency"].value


def test_every_step_fits_into_what_is_reserved():
    for objective in ("energy", "latency", "cost", "quality"):
        for cores in ((2,), (8,), (4, 2)):
            plan = plan_for(world(*cores), objective)
            for step in plan.steps.values():
                one = step.configuration
                assert one.cores <= plan.reserves.cores
                assert one.cores * one.instances <= sum(min(plan.reserves.cores, of) for of in cores)


def test_of_plans_that_are_as_good_the_one_with_fewer_cores_is_chosen():
    # One item after another on one core: more cores change nothing, and no watts are known to tell them apart.
    made = world_of({"a": ["data"]}, [Made("one", "a", 1.0, max_cores=1)], items=1,
                    cluster=cluster_of(8, power=HostPower()))  # fmt: skip
    assert plan_for(made, "latency").reserves.cores == 1


def test_a_deadline_makes_a_frugal_plan_reserve_more():
    free = plan_for(world(), "energy")
    fast = plan_for(world(), "latency").predicted["latency"].value
    bound = plan_for(world(), "energy", deadline_s=fast * 1.01)
    assert (free.reserves.cores, bound.reserves.cores) == (1, 2)
    assert "it would miss a deadline" in bound.reserves.reason or "need them all" in bound.reserves.reason


@pytest.mark.parametrize(("has", "reserved"), [(0, 1), (4, 4)])
def test_who_calls_an_engine_on_a_cpu_reserves_its_cores(has, reserved):
    made = world_of(
        {"a": ["data"]}, [Made("served", "a", 1.0, max_cores=1, remote=True)], items=1, cluster=cluster_of(8)
    )
    made.library.add_agent(replace(made.library.agent("served"), engine="e"), replace=True)
    made.cluster = replace(made.cluster, engines=(EngineView("e", host="h0", cores=has),))
    plan = plan_for(made, "energy")
    assert plan.reserves.cores == reserved
    told = plan_view(plan, made.workflow).text
    assert ("holds 4 cores of e" in told) is bool(has)


def test_who_uses_a_gpu_reserves_the_host_whole():
    made = world_of({"a": ["data"]}, [Made("card", "a", 1.0, max_cores=1, gpus=1)], items=1)
    made.cluster = ClusterView(
        tuple(replace(one, gpus=(Gpu(0, "H100", 80 * 10**9),)) for one in cluster_of(8).workers)
    )
    assert plan_for(made, "energy").reserves.cores == 8


def test_the_reason_has_figures_and_is_true():
    plan = plan_for(world(), "energy")
    assert plan.reserves.reason.startswith("with 2, energy would be ")
    problem = prepare(world().workflow, **world().arguments())
    search = problem.search
    picks = search.best(Goal(("energy",), 0.0))
    less, more = search.levels(picks)
    assert search.value(more, "energy") > search.value(less, "energy")


def test_the_largest_reservation_holds_everything_and_the_smallest_only_narrow_modes():
    search = prepare(world(8).workflow, **world(8).arguments()).search
    assert [one.each for one in search.estimator.held] == [1, 2, 4, 8]
    every = list(search.all())
    assert len(every) == search.space == len(set(every))
    assert all(search.settled(picks) == picks for picks in every)
    for picks in every[:: max(1, len(every) // 50)]:
        assert all(search.settled(near) == near for near in search.neighbours(picks))


def test_it_is_written_down_and_read_back():
    plan = plan_for(world(4, 2), "energy")
    data = json.loads(json.dumps(plan.to_json()))
    assert data["reserves"]["cores"] == plan.reserves.cores
    assert {*data["reserves"]["hosts"], *data["reserves"]["spared"]} == {"h0", "h1"}
    assert data["reserves"]["hosts"]["h0"] == {"cores": min(plan.reserves.cores, 4), "of": 4}
    assert Plan.from_json(data) == plan
    # A plan of an earlier version had whole hosts.
    del data["reserves"]
    assert Plan.from_json(data).reserves is None


def test_it_is_said_wherever_a_plan_is_shown():
    plan = plan_for(world(), "energy")
    words = "Reserves 1 of 2 cores of host h0: with 2, energy would be"
    assert words in explain(plan)
    shown = plan_view(plan)
    assert words in " ".join(shown.text.split())
    assert "1 of 2 cores of host h0" in shown.html
    assert shown.data[PLAN_TYPE]["remarks"][0].startswith(words)


@pytest.mark.parametrize(
    ("cores", "hosts", "words"),
    [
        (1, {"a": 2}, "1 of 2 cores of host a"),
        (4, {"a": 1}, "1 of 1 core of host a"),
        (4, {"a": 8, "b": 2}, "4 of 8 cores of host a, 2 of 2 cores of host b"),
        (8, {"a": 32, "b": 32}, "8 of 32 cores of each of 2 hosts"),
        (8, {"a": 32, "b": 32, "c": 16, "d": 4}, "at most 8 cores of each of 4 hosts"),
    ],
)
def test_reservations_in_words(cores, hosts, words):
    assert str(Reservation(cores, hosts)) == words


def test_the_frontier_has_plans_on_one_core_and_says_so():
    made = world(power=IDLE_HEAVY)
    plans = frontier(made.workflow, Goal(("energy",)), **made.arguments())
    assert {plan.reserves.cores for plan in plans} >= {1, 2}
    assert "Reserves" in frontier_view(plans).text
    assert "1 of 2 cores" in frontier_view(plans).text


def test_workers_of_one_host_are_filled_one_after_another():
    made = world(4)
    made.cluster = type(made.cluster)(tuple(WorkerView(n, "h", 2, 8 * 10**9) for n in ("w0", "w1")))
    search = prepare(made.workflow, **made.arguments()).search
    assert [(one.each, one.cores, one.widest) for one in search.estimator.held] == [
        (1, 1, 1),
        (2, 2, 2),
        (4, 4, 2),
    ]
