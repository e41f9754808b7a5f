"""Bounds: on random workflows that were simulated whole, no bound is beaten and no plan is farther off than stated."""

import functools
import math
import random
from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, Gpu, HostPower, WorkerView
from murakkab_jupyter.core.kinds import Document
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.planner.exact import cpsat
from murakkab_jupyter.planner.modes import Mode
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.proofs import bound as bound_module
from murakkab_jupyter.planner.proofs import proof as proof_module
from murakkab_jupyter.planner.proofs.bound import Bound, attempt, prove
from murakkab_jupyter.planner.proofs.pose import least_of
from murakkab_jupyter.planner.proofs.rich import (
    Amount,
    CallCost,
    Flow,
    Host,
    Limits,
    RichMode,
    RichProblem,
    RichStep,
)
from murakkab_jupyter.planner.proofs.unlike import cases
from murakkab_jupyter.planner.search import SAME
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.small import SEARCHED, best_of, judged, posed, small_worlds
from tests.planner.synthetic import Made, cluster_of, world_of
from tests.planner.worlds import random_world, unlike_world

WORLDS = 18


@pytest.mark.parametrize("solver", [True, False], ids=["or-tools", "own"])
def test_no_simulated_plan_beats_a_bound(solver, monkeypatch):
    if not solver:
        monkeypatch.setattr(cpsat, "available", lambda: False)
    tried = 0
    for seed, world, problem, goal, best in judged(small_worlds(WORLDS if solver else WORLDS // 3)):
        tried += 1
        rich = posed(world, problem, goal)
        kept = [p for p in problem.search.all() if not problem.search.excess(p, goal)]
        for picks in (kept[0], kept[-1]):  # whatever plan is at hand
            reached = abs(problem.search.value(picks, goal.objectives[0]))
            value = prove(rich, goal.objectives[0], reached).value
            if goal.objectives[0] == "quality":
                assert value >= -best * (1 - 1e-6), (seed, goal)
            else:
                assert value <= best * (1 + 1e-6) + 1e-12, (seed, goal)
    assert tried > WORLDS, "there were too few worlds to prove anything"


def test_no_bound_is_beaten_where_siblings_go_in_parts(monkeypatch):
    monkeypatch.setattr("murakkab_jupyter.planner.modes.LONG_CALL_S", 0.3)
    monkeypatch.setattr("murakkab_jupyter.planner.modes.PART_S", 0.2)

    def parted(problem):
        return any(one.configuration.part for some in problem.search.modes.values() for one in some)

    for seed, world, problem, goal, best in judged(small_worlds(2, fits=parted)):
        rich = posed(world, problem, goal)
        kept = [p for p in problem.search.all() if not problem.search.excess(p, goal)]
        value = prove(rich, goal.objectives[0], abs(problem.search.value(kept[-1], goal.objectives[0]))).value
        if goal.objectives[0] == "quality":
            assert value >= -best * (1 - 1e-6), (seed, goal)
        else:
            assert value <= best * (1 + 1e-6) + 1e-12, (seed, goal)


@pytest.mark.parametrize("branching", [False, True])
def test_a_plan_is_no_farther_from_the_best_than_its_gap(branching):
    proven = 0
    made = functools.partial(random_world, branching=branching)
    for seed, world, _, goal, best in judged(small_worlds(WORLDS, first=5000, made=made)):
        plan = make_plan(world.workflow, goal, **world.arguments(), effort=SEARCHED)
        objective = goal.objectives[0]
        value = plan.predicted[objective].value
        assert plan.gap is not None
        assert plan.bound is not None
        if objective == "quality":
            assert -best <= value + plan.gap + 1e-9, (seed, goal)
        else:
            assert best >= value * (1 - plan.gap) * (1 - 1e-6), (seed, goal)
            assert plan.bound == pytest.approx(value * (1 - plan.gap))
        proven += plan.gap < 0.05
    assert proven > 3 * WORLDS, "most bounds are close"


def test_hosts_that_are_unlike_are_bounded_kind_by_kind():
    """The fastest host's speed beside the cheapest host's watts would leave gaps of a half and more in most of these."""
    gaps = []

    def several(problem):
        return len(problem.estimator.cluster.workers) > 1

    for seed, world, problem in small_worlds(WORLDS, made=unlike_world, fits=several):
        assert len(cases(world.cluster, problem.search.modes.values())) in (1, 3), seed
        for objective in ("energy", "cost"):
            goal = Goal((objective,), 0.0)
            best = best_of(problem.search, goal)
            plan = make_plan(world.workflow, goal, **world.arguments(), effort=SEARCHED)
            if plan.bound is not None:
                assert plan.bound <= best * (1 + 1e-6) + 1e-12, (seed, objective)
                gaps.append(1 - plan.bound / best)
    assert len(gaps) > WORLDS
    assert sorted(gaps)[len(gaps) * 3 // 4] < 0.05


def test_a_run_on_two_kinds_of_hosts_pays_for_one_of_each():
    figures = {"a": 1.0, "b": 2.0, "c": 9.0}
    assert least_of(figures, 2, ()) == 3.0
    assert least_of(figures, 2, [{"a", "b"}, {"c"}]) == 10.0
    assert least_of(figures, 3, [{"a", "b"}, {"c"}]) == 12.0


def test_kinds_of_hosts_are_told_apart_where_what_they_take_is_a_matter_of_hosts():
    def hosts(*speeds, **more):
        workers = [
            WorkerView(f"w{n}", f"h{n}", 4, 8_000_000_000, speed=Figure(speed, "1"), **more)
            for n, speed in enumerate(speeds)
        ]
        return ClusterView(tuple(workers))

    def told(cluster, modes=()):
        return [([one.name for one in case.workers], kinds) for case, kinds in cases(cluster, modes)]

    assert told(hosts(1.0, 1.0)) == [(["w0", "w1"], 1)]
    assert told(hosts(1.0, 2.0, 1.0)) == [(["w0", "w2"], 1), (["w1"], 1), (["w0", "w1", "w2"], 2)]
    assert len(told(hosts(1.0, 2.0, 3.0, 4.0))) == 1, "too many kinds"
    card = Gpu(0, "card", 8_000_000_000, unknown("W"), unknown("W"))
    assert len(told(hosts(1.0, 2.0, gpus=(card,)))) == 1, "GPUs are held whatever runs"
    served = Mode(Configuration("served", device="remote"), unknown("1"))
    assert len(told(hosts(1.0, 2.0), [[served]])) == 1, "a server's calls are nobody's"


def test_exact_solutions_never_make_a_plan_worse():
    for _, world, _problem in small_worlds(15, first=900):
        for objective in ("latency", "energy"):
            goal = Goal((objective,), 0.0)
            search = prepare(world.workflow, **world.arguments(), effort=SEARCHED).search
            alone = search.value(search.best(goal), objective)
            plan = make_plan(world.workflow, goal, **world.arguments(), effort=SEARCHED)
            # What is left to the next objective aside.
            assert plan.predicted[objective].value <= alone * (1 + SAME)
            assert plan.bound <= alone * (1 + 1e-9)


def test_a_space_that_was_simulated_whole_is_optimal():
    _, world, problem = next(small_worlds(1))
    plan = make_plan(world.workflow, Goal(("latency",)), **world.arguments())
    assert plan.gap == 0
    assert plan.bound == plan.predicted["latency"].value
    assert f"the whole space of {problem.search.space} plans was simulated" in plan.proof


def with_files(seed):
    """A random world whose texts lie in files that some or all of its hosts do not see."""
    world, dice = random_world(seed), random.Random(seed)
    blind = [dice.random() < 0.7 for _ in world.cluster.workers]
    kinds = [dice.choice(("text", "scene")) for _ in world.workflow.steps]
    return replace(
        world,
        workflow=replace(
            world.workflow,
            steps=tuple(replace(s, kind=k) for s, k in zip(world.workflow.steps, kinds, strict=True)),
        ),
        cluster=replace(
            world.cluster,
            workers=tuple(
                replace(w, sees_files=not b) for w, b in zip(world.cluster.workers, blind, strict=True)
            ),
            network=Figure(10.0, "MB/s", 5.0, 20.0, "published"),
        ),
        roots={
            "data": [
                Document(
                    Media(f"/{n}", f"hash {n % 4}", (n % 4 + 1) * dice.choice((1, 1_000_000, 8_000_000))),
                    text,
                )
                for n, text in enumerate(world.roots["data"])
            ]
        },
    )


def test_no_plan_beats_a_bound_where_files_are_brought():
    tried = brought = later = 0
    for seed, world, problem, goal, best in judged(small_worlds(WORLDS, first=300, made=with_files)):
        objective = goal.objectives[0]
        if objective == "quality":
            continue
        tried += 1
        rich = posed(world, problem, goal)
        later += any(step.complete_s for step in rich.steps)
        brought += all(problem.search.exact(p).transfer is not None for p in problem.search.all())
        assert prove(rich, objective, best).value <= best * (1 + 1e-6) + 1e-12, (seed, goal)
    assert tried > WORLDS
    assert brought > WORLDS
    assert later > WORLDS, "there were too few worlds whose files every plan must bring"


def test_what_every_plan_must_bring_is_in_the_bound():
    def latency(**more):
        return prove(RichProblem([RichStep("a", [mode(3)], **more)], [TWO]), "latency", 60.0).value

    assert latency() == pytest.approx(3.0, rel=1e-3)
    assert latency(release_s=5.0) == pytest.approx(8.0, rel=1e-3)
    assert latency(release_s=5.0, complete_s=30.0) == pytest.approx(33.0, rel=1e-3)


# --- by hand ------------------------------------------------------------------------------------------------------


TWO, FREE = Host(2), Limits()


def mode(seconds, *, cores=1, joules=0.0, quality=1.0):
    """One call of so many seconds, for one item."""
    cost = CallCost(0.0, seconds)
    return RichMode(
        cost,
        cost,
        CallCost(),
        CallCost(0.0, joules),
        cores=cores,
        quality=quality,
        amount=Amount((1.0,), ((1, 1.0),)),
    )


def chain(*steps, host=TWO, limits=FREE):
    made = []
    for n, modes in enumerate(steps):
        flows = [Flow(f"s{n - 1}", 1, whole=True)] if n else []
        made.append(RichStep(f"s{n}", modes, flows))
    return RichProblem(made, [host], limits=limits)


def test_a_chain_takes_the_sum_of_its_fastest_modes():
    rich = chain([mode(3), mode(2)], [mode(5)])
    assert prove(rich, "latency", 9.0).value == pytest.approx(7.0, rel=0.01)


def test_a_deadline_makes_the_frugal_mode_too_slow():
    frugal, quick = mode(9, joules=1.0), mode(2, joules=10.0)
    assert prove(chain([frugal, quick]), "energy", 10.0).value == pytest.approx(1.0, rel=1e-3)
    late = chain([frugal, quick], limits=Limits(deadline_s=5.0))
    assert prove(late, "energy", 10.0).value == pytest.approx(10.0, rel=1e-3)


def test_a_floor_rules_a_mode_out():
    rich = chain([mode(1, quality=0.5), mode(4, quality=0.9)], limits=Limits(quality=0.8))
    assert prove(rich, "latency", 8.0).value == pytest.approx(4.0, rel=0.01)


def test_idle_watts_are_weighed_against_what_is_saved():
    slow, quick = mode(10, joules=10.0), mode(2, joules=30.0)
    assert prove(chain([slow, quick], host=Host(2, idle_w=1.0)), "energy", 40.0).value == pytest.approx(
        20.0, rel=0.02
    )
    assert prove(chain([slow, quick], host=Host(2, idle_w=9.0)), "energy", 60.0).value == pytest.approx(
        48.0, rel=0.02
    )


def test_work_must_fit_under_the_cores():
    beside = RichProblem(
        [RichStep(f"s{n}", [mode(4)]) for n in range(6)], [Host(2)]
    )  # six steps of one core, on two
    assert prove(beside, "latency", 14.0).value == pytest.approx(12.0, rel=0.01)


def test_without_a_solver_small_bounds_are_the_same(monkeypatch):
    rich = chain(
        [mode(3, joules=5), mode(2, joules=9)], [mode(5, joules=1), mode(4, joules=4)],
        host=Host(2, idle_w=1.5), limits=Limits(deadline_s=7.5),
    )  # fmt: skip
    with_solver = prove(rich, "energy", 30.0).value
    monkeypatch.setattr(bound_module.cpsat, "available", lambda: False)
    assert prove(rich, "energy", 30.0).value == pytest.approx(with_solver, rel=0.02)
    assert attempt(rich, "energy", 30.0, rich.holdings[0]) is None


def test_where_nothing_is_better_the_bound_is_what_was_reached():
    assert prove(chain([mode(3)]), "latency", 3.0).value == pytest.approx(3.0, rel=1e-4)


def test_an_attempt_keeps_capacity():
    wide, narrow = mode(4, cores=2), mode(5, cores=1)
    rich = RichProblem([RichStep(f"s{n}", [wide, narrow]) for n in range(2)], [Host(2)])
    assert attempt(rich, "latency", 9.0, rich.holdings[0])["s0"] == 1
    assert attempt(rich, "latency", 9.0, rich.holdings[0])["s1"] == 1
    assert math.isfinite(prove(rich, "latency", 9.0).value)


def test_what_ties_under_another_holding_takes_no_round_of_its_own():
    """Four reservations under which the same makespans are open: one cut after another would leave a wide window."""
    held = [Host(cores) for cores in (2, 4, 8, 16)]
    rich = replace(chain([mode(3), mode(2)], [mode(5)]), holdings=held)
    assert prove(rich, "latency", 60.0).value == pytest.approx(7.0, rel=0.01)


PAID = HostPower(Figure(10.0, "W"), Figure(3.0, "W"), Figure(1.0, "USD/h"), unknown("USD/kWh"))


@pytest.mark.parametrize("objective", ["cost", "energy"])
def test_nothing_is_proven_where_the_figures_of_some_hosts_are_unknown(objective):
    agents = [Made(f"{step}{n}", step, 1.0 + n, 0.9 - n / 10, max_cores=1) for step in "ab" for n in range(3)]
    world = world_of({"a": ["data"], "b": ["a"]}, agents, items=4, cluster=cluster_of(4, 4, power=PAID))
    known = make_plan(world.workflow, Goal((objective,), 0.5), **world.arguments(), effort=SEARCHED)
    assert known.proof
    one, other = world.cluster.workers
    world.cluster = replace(world.cluster, workers=(one, replace(other, power=HostPower())))
    mixed = make_plan(world.workflow, Goal((objective,), 0.5), **world.arguments(), effort=SEARCHED)
    assert (mixed.proof, mixed.bound, mixed.gap) == (None, None, None)


def test_a_plan_of_known_cost_comes_before_one_of_unknown_cost():
    world = world_of(
        {"a": ["data"]}, [Made("one", "a", 1.0, max_cores=1)], cluster=cluster_of(4, 4, power=PAID)
    )
    one, other = world.cluster.workers
    dear = replace(PAID, price_usd_per_hour=Figure(1e6, "USD/h"))
    world.cluster = replace(
        world.cluster, workers=(replace(one, power=dear), replace(other, power=HostPower()))
    )
    problem = prepare(world.workflow, **world.arguments())
    best = problem.search.best(Goal(("cost",), 0.5))
    assert problem.search.knows(best, "cost") == any(
        problem.search.knows(some, "cost") for some in problem.search.all()
    )


def test_that_nothing_costs_less_than_nothing_is_no_proof(monkeypatch):
    world = next(iter(small_worlds(1)))[1]
    monkeypatch.setattr("murakkab_jupyter.planner.proofs.proof.prove", lambda *_a, **_k: Bound(0.0))
    plan = make_plan(world.workflow, Goal(("latency",), 0.0), **world.arguments(), effort=SEARCHED)
    assert plan.proof is None


@pytest.mark.parametrize(("objective", "share"), [("latency", 1.01), ("quality", 0.99)])
def test_a_bound_that_the_plan_beats_is_no_proof(objective, share, monkeypatch):
    _, world, _problem = next(small_worlds(1))
    whole = make_plan(world.workflow, Goal((objective,), 0.0), **world.arguments())
    found = Bound(share * whole.predicted[objective].value)
    monkeypatch.setattr(proof_module, "prove", lambda *_, **__: found)
    plan = make_plan(world.workflow, Goal((objective,), 0.0), **world.arguments(), effort=SEARCHED)
    assert (plan.bound, plan.gap, plan.proof) == (None, None, None)
    assert any(
        note.startswith("Nothing is proven of this plan: it does better than the bound")
        for note in plan.notes
    )
