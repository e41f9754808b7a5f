"""Which hosts a plan reserves: few choices, kept to by run and simulator, and bounds that hold for all of them."""

import json
import random
from dataclasses import replace

import pytest

from murakkab_jupyter.core.events import CoresReserved
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, EngineView, HostPower, Share, WorkerView, allotted
from murakkab_jupyter.notebook.views.frontier import reserved, same_plan
from murakkab_jupyter.planner.holding import choices_of_hosts, reservations
from murakkab_jupyter.planner.plan import Configuration, Plan, Reservation
from murakkab_jupyter.planner.proofs.bound import prove
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.planner.told.explain import explain
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.runtime.messages import EngineReady, WorkerJoined, WorkerLost
from murakkab_jupyter.simulate.driver import evaluation, simulate
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.small import judged, posed, small_worlds
from tests.planner.synthetic import Made, cluster_of, world_of
from tests.planner.worlds import random_world

FRUGAL = HostPower(Figure(2.0, "W"), Figure(2.0, "W"), unknown("USD/h"), Figure(0.2, "USD/kWh"))
HUNGRY = HostPower(Figure(90.0, "W"), Figure(2.0, "W"), unknown("USD/h"), Figure(0.2, "USD/kWh"))
WORLDS = 12


def test_idle_watts_that_are_stated_as_none_are_none():
    def held(idle):
        return reservations(unlike((8, HostPower(idle, Figure(2.0, "W")))))[-1].idle_w

    assert held(Figure(0.0, "W")) == 0.0
    assert held(unknown("W")) == pytest.approx(6.4), "unknown: a guess, to search with"


def unlike(*cores_and_power):
    return ClusterView(
        tuple(
            WorkerView(f"w{n}", f"h{n}", cores, 8 * 10**9, power=power)
            for n, (cores, power) in enumerate(cores_and_power)
        )
    )


def simulated(cluster, *, items=4, agents=None):
    """A world of one step that is judged by the simulator."""
    made = world_of(
        {"a": ["data"]}, agents or [Made("one", "a", 1.0, max_cores=1)], items=items, cluster=cluster
    )
    made.evaluate = lambda configurations, reserve: evaluation(
        run(made, configurations, reserve=reserve), made.workflow, configurations, made.profiles, made.cluster
    )
    return made


def run(made, configurations, **more):
    return simulate(
        made.workflow, configurations, roots=made.roots, library=made.library, profiles=made.profiles,
        cluster=made.cluster, **more,
    )  # fmt: skip


def plan_for(made, objective="energy", **limits):
    return make_plan(made.workflow, Goal((objective,), 0.0, **limits), **made.arguments())


# --- the choices ----------------------------------------------------------------------------------------------


def test_one_host_has_the_reservations_that_it_had():
    assert choices_of_hosts(cluster_of(8)) == [()]
    assert [(one.each, one.cores, one.hosts) for one in reservations(cluster_of(8))] == [
        (1, 1, ()), (2, 2, ()), (4, 4, ()), (8, 8, ()),
    ]  # fmt: skip


def test_alike_hosts_one_half_and_all():
    assert choices_of_hosts(cluster_of(2, 2)) == [("h0",), ()]
    many = cluster_of(*[4] * 9)
    assert [len(one) for one in choices_of_hosts(many)] == [1, 4, 0]


def test_unlike_hosts_by_kind_and_few_kinds_only():
    assert choices_of_hosts(unlike((2, FRUGAL), (8, HUNGRY))) == [("h1",), ("h0",), ()]
    mixed = unlike((2, FRUGAL), (2, FRUGAL), (8, HUNGRY))
    assert choices_of_hosts(mixed) == [("h2",), ("h0",), ("h0", "h1"), ()]
    each_its_own = unlike(*[(n, FRUGAL) for n in range(1, 9)])
    assert choices_of_hosts(each_its_own) == [("h7",), ("h6",), ("h5",), ()]


def test_speeds_that_differ_by_little_are_of_one_kind_and_sight_is_not():
    two = cluster_of(2, 2)
    close = replace(two, workers=(two.workers[0], replace(two.workers[1], speed=Figure(1.03, "1"))))
    assert choices_of_hosts(close) == [("h0",), ()]
    blind = replace(two, workers=(two.workers[0], replace(two.workers[1], sees_files=False)))
    assert choices_of_hosts(blind) == [("h0",), ("h1",), ()]


@pytest.mark.parametrize("cores", [(1,), (2, 2), (4, 2), (3, 3, 3), (1, 4, 4, 9)])
def test_reservations_ascend_and_end_with_everything(cores):
    found = reservations(cluster_of(*cores))
    assert [one.cores for one in found] == sorted(one.cores for one in found)
    assert (found[-1].cores, found[-1].hosts) == (sum(cores), ())
    assert len({(one.each, one.hosts) for one in found}) == len(found)


def test_a_share_gives_other_hosts_nothing():
    workers = cluster_of(4, 2).workers
    assert allotted(workers, Share(3, ("h0",))) == {"w0": 3, "w1": 0}
    assert allotted(workers, Share(None, ("h1",))) == {"w0": 0, "w1": 2}
    assert allotted(workers, 3) == {"w0": 3, "w1": 2}
    assert Share.of(None).whole
    assert not Share.of(3).whole


# --- plans ----------------------------------------------------------------------------------------------------


def test_the_frugal_plan_takes_the_frugal_host_alone():
    made = simulated(unlike((4, HUNGRY), (2, FRUGAL)))
    frugal, fast = plan_for(made), plan_for(made, "latency")
    assert dict(frugal.reserves.hosts) == {"h1": 2}
    assert dict(frugal.reserves.spared) == {"h0": 4}
    assert set(fast.reserves.hosts) >= {"h0"}
    assert frugal.predicted["energy"].value < fast.predicted["energy"].value
    assert "and no core of host h0" in explain(frugal)
    # What all hosts alike would need: the search without this choice.
    alike = min(
        evaluation(run(made, {"a": step}, reserve=each), made.workflow, {"a": step}, made.profiles, made.cluster)
        .totals["energy"].value
        for each in (1, 2, 4)
        for step in (Configuration("one", instances=n) for n in (1, 2, 4))
    )  # fmt: skip
    assert frugal.predicted["energy"].value <= alike


def test_one_host_of_two_is_reserved_where_the_second_saves_too_little():
    power = replace(HUNGRY, idle_w=Figure(40.0, "W"))
    made = simulated(unlike((2, power), (2, power)), items=2)
    plan = plan_for(made)
    assert len(plan.reserves.hosts) == 1
    assert plan.reserves.reason


def test_a_deadline_brings_the_other_host_in():
    made = simulated(unlike((4, HUNGRY), (2, FRUGAL)), items=12)
    free, fast = plan_for(made), plan_for(made, "latency")
    bound = plan_for(made, deadline_s=fast.predicted["latency"].value * 1.3)
    assert set(free.reserves.hosts) == {"h1"}
    assert "h0" in bound.reserves.hosts


def test_whoever_calls_a_server_on_loopback_reserves_its_host():
    made = simulated(cluster_of(2, 2), agents=[Made("served", "a", 1.0, max_cores=1, remote=True)], items=2)
    made.library.add_agent(replace(made.library.agent("served"), engine="e"), replace=True)
    made.cluster = replace(made.cluster, engines=(EngineView("e", host="h1", cores=2),))
    search = prepare(made.workflow, **made.arguments()).search
    assert all(search.reserved(picks).covers("h1") for picks in search.all())
    assert "h1" in plan_for(made).reserves.hosts


def test_it_is_written_down_and_read_back():
    plan = plan_for(simulated(unlike((4, HUNGRY), (2, FRUGAL))))
    data = json.loads(json.dumps(plan.to_json()))
    assert data["reserves"]["hosts"] == {"h1": {"cores": plan.reserves.cores, "of": 2}}
    assert data["reserves"]["spared"] == {"h0": 4}
    assert Plan.from_json(data) == plan
    assert plan.reserves.share == Share(plan.reserves.cores, ("h1",))
    del data["reserves"]["spared"]  # as an earlier version wrote it
    assert Plan.from_json(data).reserves.share == Share(plan.reserves.cores)


def test_plans_on_other_hosts_are_told_apart_wherever_plans_are_compared():
    plan = plan_for(simulated(unlike((4, HUNGRY), (2, FRUGAL))))
    cores = plan.reserves.cores
    here = replace(plan, reserves=Reservation(cores, {"h1": 2}, spared={"h0": 2}))
    there = replace(plan, reserves=Reservation(cores, {"h0": 2}, spared={"h1": 2}))
    some = replace(plan, reserves=Reservation(cores, {"h0": 2, "h1": 2}, spared={"h2": 2}))
    assert same_plan(here, here)
    assert not same_plan(here, there)
    words = [reserved(one)[0] for one in (here, there, some)]
    assert words == [
        f"{cores} of 2 cores of h1", f"{cores} of 2 cores of h0", f"{cores} of 2 cores a host, 2 of 3 hosts",
    ]  # fmt: skip


def test_gpus_of_a_host_whose_cores_are_spared_are_told():
    kept = Reservation(4, {"a": 8}, gpus={"g": 2}, gpus_of={"g": 8}, spared={"g": 96})
    assert str(kept) == "4 of 8 cores of host a and 2 of 8 GPUs of host g and no core of host g"
    assert Reservation.from_json(json.loads(json.dumps(kept.to_json()))) == kept
    many = Reservation(4, {"a": 8}, spared={f"b{n}": 8 for n in range(5)})
    assert str(many).endswith("and no core of 5 others")


# --- the run keeps to it --------------------------------------------------------------------------------------


def told_cores(found):
    return [(one.worker, one.cores) for one in found.events if isinstance(one, CoresReserved)]


def test_no_call_lands_on_a_host_that_is_not_reserved_and_none_of_it_is_charged():
    made = simulated(unlike((4, HUNGRY), (2, FRUGAL)))
    wide = {"a": Configuration("one", instances=4)}
    found = run(made, wide, reserve=Share(2, ("h1",)))
    assert {call.worker for call in found.calls} == {"w1"}
    assert told_cores(found) == [("w0", 0), ("w1", 2)]
    plan = replace(plan_for(made), steps=plan_for(made).steps)
    bill = Bill.of(found.events, plan, made.cluster)
    assert bill.idle.energy_j.value == pytest.approx(2.0 * bill.total.latency_s.value, rel=1e-3)


def test_where_the_reserved_host_is_lost_another_makes_up_for_it():
    made = simulated(unlike((4, HUNGRY), (2, FRUGAL)))
    found = run(
        made, {"a": Configuration("one", instances=2)}, reserve=Share(2, ("h1",)), changes=[(0.5, WorkerLost("w1"))]
    )  # fmt: skip
    assert found.status == "done"
    assert told_cores(found)[-1] == ("w0", 2)
    assert {call.worker for call in found.calls if not call.wasted} == {"w0"}


def test_a_spared_host_that_is_lost_or_joins_changes_nothing():
    made = simulated(unlike((4, HUNGRY), (2, FRUGAL)))
    wide = {"a": Configuration("one", instances=2)}
    plain = run(made, wide, reserve=Share(2, ("h1",)))
    other = replace(made.cluster.workers[0], name="w9")
    found = run(
        made, wide, reserve=Share(2, ("h1",)), changes=[(0.2, WorkerLost("w0")), (0.3, WorkerJoined(other))]
    )
    assert found.makespan_s == plain.makespan_s
    assert {call.worker for call in found.calls} == {"w1"}


def test_on_another_cluster_its_hosts_are_as_good_as_those_that_were_planned():
    made = simulated(cluster_of(2, 2))
    found = run(made, {"a": Configuration("one", instances=2)}, reserve=Share(1, ("elsewhere",)))
    assert found.status == "done"
    assert [cores for _, cores in told_cores(found)] == [1, 1]


def test_a_call_that_needs_a_spared_host_gets_it():
    made = simulated(unlike((4, FRUGAL), (2, FRUGAL)), agents=[Made("one", "a", 1.0, max_cores=4)])
    found = run(made, {"a": Configuration("one", cores=4)}, reserve=Share(2, ("h1",)))
    assert found.status == "done"
    assert {call.worker for call in found.calls} == {"w0"}


@pytest.mark.parametrize("known", [True, False], ids=["known before", "started in mid-run"])
@pytest.mark.parametrize("has", [0, 2])
def test_calls_of_an_engine_on_a_spared_host_are_made_there(known, has):
    made = simulated(cluster_of(2, 4), agents=[Made("served", "a", 1.0, max_cores=1, remote=True)])
    made.library.add_agent(replace(made.library.agent("served"), engine="e"), replace=True)
    start = {"warm": False, "start": Figure(9.0, "s"), "start_cpu": Figure(1.0, "s")}
    engine = EngineView("e", host="h1") if known else EngineView("e", **start)
    made.cluster = replace(made.cluster, engines=(engine,))
    asks = Configuration("served", device="remote", engine="e", engine_cores=has)
    changes = [] if known else [(0.5, EngineReady("e", "h1", 0.5))]
    found = run(made, {"a": asks}, reserve=Share(1, ("h0",)), changes=changes)
    assert found.status == "done"
    assert {call.worker for call in found.calls if call.start_s > 0.5} == {"w1"}
    if has:
        assert told_cores(found)[-1] == ("w1", has)


# --- bounds ---------------------------------------------------------------------------------------------------


def with_hosts(seed):
    """A random world on two or three hosts that are unlike."""
    world, dice = random_world(seed), random.Random(seed)
    workers = tuple(
        replace(
            world.cluster.workers[0],
            name=f"w{n}",
            host=f"h{n}",
            cores=dice.choice((1, 2, 3)),
            speed=Figure(dice.choice((1.0, 1.5)), "1"),
            power=replace(world.cluster.workers[0].power, idle_w=Figure(dice.choice((1.0, 30.0)), "W")),
        )
        for n in range(dice.choice((2, 2, 3)))
    )
    return replace(world, cluster=ClusterView(workers))


def test_no_plan_on_any_choice_of_hosts_beats_a_bound():
    tried = alone = 0
    for seed, world, problem, goal, best in judged(small_worlds(WORLDS, made=with_hosts)):
        objective = goal.objectives[0]
        if objective == "quality":
            continue
        tried += 1
        kept = [p for p in problem.search.all() if not problem.search.excess(p, goal)]
        chosen = min(kept, key=lambda picks: problem.search.key(picks, goal))
        alone += bool(problem.search.reserved(chosen).hosts)
        assert prove(posed(world, problem, goal), objective, best).value <= best * (1 + 1e-6) + 1e-12, (
            seed,
            goal,
        )
    assert tried > WORLDS
    assert alone > WORLDS, "some hosts alone are often the best choice"
