"""The frontier, and a plan in words."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView
from murakkab_jupyter.planner.coverage import SAME, Coverage
from murakkab_jupyter.planner.estimate import Estimator
from murakkab_jupyter.planner.frontier import (
    AXES,
    MOST_POINTS,
    clearly_beats,
    frontier,
    standing,
    undominated,
)
from murakkab_jupyter.planner.quality import SHARES as FLOORS
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.planner.told.explain import explain, say
from murakkab_jupyter.workflow.goal import TIERS, Goal
from tests.planner.synthetic import POWER, Made, cluster_of, world_of
from tests.planner.test_solve import video_world
from tests.planner.worlds import replay_of


def sign(axis, value):
    return -value if axis == "quality" else value


def test_no_plan_of_the_frontier_is_beaten_by_another_in_every_respect():
    world = video_world()
    plans = frontier(world.workflow, Goal(), **world.arguments())
    assert 3 <= len(plans) <= MOST_POINTS
    rows = [tuple(sign(axis, plan.predicted[axis].value) for axis in AXES) for plan in plans]
    for row in rows:
        assert not any(
            all(a <= b for a, b in zip(other, row, strict=True)) and other != row for other in rows
        )
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_no_point_stays_that_another_clearly_beats_in_one_respect_and_nearly_equals_in_all():
    # Latency, energy, cost, quality (negative): the second is 0.5 % slower, and takes half the energy.
    rows = {
        (0,): (10.0, 8.0, 1.0, -0.9),
        (1,): (10.05, 4.0, 1.0, -0.9),
        (2,): (5.0, 9.0, 1.0, -0.9),
        (3,): (10.2, 3.99, 1.0, -0.9),
    }
    search = SimpleNamespace(value=lambda picks, axis: rows[picks][AXES.index(axis)])
    assert undominated(search, list(rows)) == [(2,), (1,)]


def test_points_that_each_nearly_equal_the_next_do_not_all_vanish():
    rows = {(n,): (1.0 + 0.008 * n, 1.0 - 0.008 * n, 1.0, -0.9) for n in range(40)}
    search = SimpleNamespace(value=lambda picks, axis: rows[picks][AXES.index(axis)])
    kept = undominated(search, list(rows))
    assert kept
    for one in kept:
        assert not any(clearly_beats(rows[other], rows[one]) for other in kept)


@pytest.mark.parametrize("floor", TIERS)
def test_the_frontier_has_a_plan_near_that_of_each_floor_that_goals_name(floor):
    world = video_world()
    plans = frontier(world.workflow, Goal(), **world.arguments())
    alone = make_plan(world.workflow, Goal(("energy",), floor), **world.arguments())
    asked = FLOORS[floor] * max(plan.predicted["quality"].value for plan in plans) * (1 - 1e-9)
    there = [plan for plan in plans if plan.predicted["quality"].value >= asked]
    frugal = min(plan.predicted["energy"].value for plan in there)
    assert frugal <= alone.predicted["energy"].value * 1.02


def test_the_ends_of_the_frontier_are_near_what_each_goal_alone_finds():
    world = video_world()
    plans = frontier(world.workflow, Goal(), **world.arguments())
    for axis in AXES:
        alone = make_plan(world.workflow, Goal((axis,), 0.0), **world.arguments()).predicted[axis].value
        ends = min(sign(axis, plan.predicted[axis].value) for plan in plans)
        assert ends <= sign(axis, alone) + abs(alone) * 0.03


def test_every_point_says_what_it_gives_up():
    world = video_world()
    plans = frontier(world.workflow, Goal(), **world.arguments())
    assert all("gives up" in plan.standing.words for plan in plans)
    assert any("points of quality" in plan.standing.words for plan in plans)
    assert any(re.search(r"gives up .*\d J \(\d+ %\)", plan.standing.words) for plan in plans)


def test_one_alone_is_best_and_what_is_as_good_but_for_a_little_says_so():
    rows = {
        "first": {"latency": 2.0, "energy": 9.0, "cost": 2.0, "quality": -0.5},
        "second": {"latency": 2.01, "energy": 7.0, "cost": 2.0, "quality": -0.9},
        "third": {"latency": 4.0, "energy": 7.05, "cost": 3.0, "quality": -0.899},
    }
    search = SimpleNamespace(
        judge=SimpleNamespace(blind=()),
        names=("a",),
        modes={"a": {one: SimpleNamespace(quality=Figure(0.5, "1")) for one in "fst"}},
        value=lambda p, axis: rows[p][axis],
        knows=lambda p, axis: True,
    )
    best = {axis: min(rows, key=lambda p, axis=axis: rows[p][axis]) for axis in AXES}
    leads = {one: set(standing(search, one, best).leads) for one in rows}
    assert leads == {
        "first": {"fastest", "cheapest"},  # they tie
        "second": {"fastest within 1 %", "least energy", "cheapest", "best quality"},
        "third": {"least energy within 1 %", "best quality within 1 %"},
    }
    world = video_world()
    plans = frontier(world.workflow, Goal(), **world.arguments())
    for axis, lead in (("latency", "fastest"), ("energy", "least energy"), ("cost", "cheapest")):
        values = [plan.predicted[axis].value for plan in plans]
        assert {value for plan, value in zip(plans, values, strict=True) if lead in plan.standing.leads} == {
            min(values)
        }


def test_what_is_unknown_is_neither_best_nor_given_up():
    world = video_world(cluster=cluster_of(2, power=HostPower()))
    plans = frontier(world.workflow, Goal(), **world.arguments())
    said = " ".join(plan.standing.words for plan in plans)
    assert "points of quality" in said
    assert not any(word in said for word in (" J", "$", "energy", "cheapest"))
    assert plans.coverage.unknown == ("energy", "cost")
    assert "unknown here, and so compared by CPU time: energy and cost" in plans.coverage.words


def test_the_frontier_is_the_same_every_time_and_small_ones_are_whole():
    world = world_of(
        {"a": ["data"]},
        [Made("slow", "a", 2.0, 0.9, max_cores=1), Made("fast", "a", 0.2, 0.5, max_cores=1)],
        items=1,
    )
    plans = frontier(world.workflow, Goal(), **world.arguments())
    assert plans == frontier(world.workflow, Goal(), **world.arguments())
    assert [plan.steps["a"].configuration.agent for plan in plans] == ["fast", "slow"]


TWO = (Made("slow", "a", 2.0, 0.9, max_cores=1), Made("fast", "a", 0.2, 0.5, max_cores=1))


def test_a_frontier_of_a_space_tried_whole_is_exact_and_says_so():
    world = world_of({"a": ["data"], "b": ["a"]}, [*TWO, Made("b", "b", 0.5, max_cores=1)], items=1)
    plans = frontier(world.workflow, Goal(), **world.arguments())
    told = plans.coverage
    search = prepare(world.workflow, **world.arguments()).search
    everything = list(search.all())
    assert told.simulated == told.space == len(everything) == world.asked
    assert told.whole
    assert told.exact
    assert f"all {told.space} plans of the modes considered were simulated" in told.words
    assert "exact" in told.words
    rows = [tuple(sign(axis, plan.predicted[axis].value) for axis in AXES) for plan in plans]
    for picks in everything:
        there = [search.value(picks, axis) for axis in AXES]
        assert any(all(a <= b + abs(b) * SAME for a, b in zip(row, there, strict=True)) for row in rows)


def test_a_frontier_that_was_searched_for_says_how_much_was_simulated_and_estimated(monkeypatch):
    estimated = set()
    compute = Estimator.compute

    def counting(self, picks):
        estimated.add(picks)
        return compute(self, picks)

    monkeypatch.setattr(Estimator, "compute", counting)
    world = video_world()
    plans = frontier(world.workflow, Goal(), **world.arguments())
    told = plans.coverage
    assert told.simulated == world.asked < told.space
    assert told.estimated == len(estimated)
    assert told.shown == len(plans) <= told.points
    assert not told.whole
    assert "exact" not in told.words
    assert f"{told.simulated} of " in told.words
    assert f"after {told.estimated:,} were estimated" in told.words
    assert "epsilon-constraint" in told.words
    assert f"the least energy and latency at each of {len(told.floors)} floors" in told.words
    assert told.to_json()["method"] == "epsilon-constraint"


def test_the_objectives_that_were_minimised_are_those_that_are_told():
    rented = replace(POWER, price_usd_per_hour=Figure(1.0, "USD/h"))
    world = video_world(cluster=cluster_of(2, power=rented))
    assert frontier(world.workflow, Goal(("cost",)), **world.arguments()).coverage.objectives == (
        "cost",
        "energy",
        "latency",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"regime": "pipeline"}, "on samples of the items: not proven"),
        ({"unpredicted": True}, "how they compare is not known"),
        ({"points": 57}, "30 of its 57 points are shown"),
        ({"space": 5_200_000_000, "simulated": 90}, "90 of about 5.2 x 10^9 plans"),
    ],
)
def test_no_coverage_claims_more_than_was_done(change, said):
    plain = Coverage(48, 48, 0, (), (), points=30, shown=30)
    assert plain.exact
    told = replace(plain, **change)
    assert said in told.words
    assert told.exact == ("frontier is exact" in told.words) == (set(change) == {"points"})


def test_quality_is_that_of_the_steps_where_it_is_known():
    world = world_of({"a": ["data"], "b": ["a"]}, [*TWO, Made("mine", "b", 0.5, None)], items=1)
    said = [plan.standing.words for plan in frontier(world.workflow, Goal(), **world.arguments())]
    assert any("40 points of quality of the steps whose quality is known" in one for one in said)
    assert all("of the steps" in one for one in said if "quality" in one)
    nobody = world_of({"a": ["data"]}, [replace(one, quality=None) for one in TWO], items=1)
    said = [plan.standing.words for plan in frontier(nobody.workflow, Goal(), **nobody.arguments())]
    assert not any("quality" in one for one in said)


def test_an_unknown_quality_is_not_a_loss_of_points():
    slow, fast = TWO
    world = world_of({"a": ["data"]}, [slow, replace(fast, quality=None)], items=1)
    said = [plan.standing.words for plan in frontier(world.workflow, Goal(), **world.arguments())]
    assert any("a known quality (that of a is unknown here)" in one for one in said)
    assert not any("points" in one for one in said)


def test_an_explanation_names_choices_figures_sources_and_runners_up():
    plan = make_plan(video_world().workflow, Goal(("energy",)), **video_world().arguments())
    text = explain(plan)
    for name, step in plan.steps.items():
        assert f"{name}: {step.configuration.agent}" in text
    assert "Runner-up" in text
    assert "(prior)" in text or ", prior)" in text
    assert "minimize energy" in text
    for note in plan.notes:
        assert note in text


def test_an_unknown_figure_is_said_to_be_unknown():
    assert say(None) == "unknown"
    world = world_of({"a": ["data"]}, [Made("mine", "a", 1.0, None)])
    assert "quality unknown" in explain(make_plan(world.workflow, Goal(), **world.arguments()))


def test_where_the_best_of_a_figure_is_nothing_no_share_of_it_is_told():
    world = world_of({"a": ["data"]}, [Made("x", "a", 1.0, max_cores=8)], items=6)

    def rented(price):
        return HostPower(Figure(8.0, "W"), Figure(4.0, "W"), Figure(price, "USD/h"), unknown("USD/kWh"))

    workers = [
        WorkerView("w0", "h0", 2, 8_000_000_000, power=rented(0.0)),
        WorkerView("w1", "h1", 8, 8_000_000_000, power=rented(2.0)),
    ]
    world = replace(world, cluster=ClusterView(tuple(workers)))
    replay = replay_of(world)
    arguments = {**world.arguments(), "evaluate": lambda *one: replay(world.roots, *one)}
    plans = frontier(world.workflow, Goal(("cost",), 0.0), **arguments)
    costs = [plan.predicted["cost"].value for plan in plans]
    assert min(costs) == 0 < max(costs)
    dear = plans[costs.index(max(costs))].standing
    assert [lack for lack in dear.lacks if "$" in lack and "%" not in lack], dear
