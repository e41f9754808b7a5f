"""The frontier, and a plan in words."""

from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.explain import explain, say
from murakkab_jupyter.planner.frontier import AXES, MOST_POINTS, frontier
from murakkab_jupyter.planner.solve import make_plan
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import Made, cluster_of, world_of
from tests.planner.test_solve import video_world


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
    assert all("gives up" in plan.notes[-1] for plan in plans)
    assert any("points of quality" in plan.notes[-1] for plan in plans)
    assert any("more (" in plan.notes[-1] for plan in plans)


def test_what_is_unknown_is_neither_best_nor_given_up():
    world = video_world(cluster=cluster_of(2, power=HostPower()))
    plans = frontier(world.workflow, Goal(), **world.arguments())
    said = " ".join(plan.notes[-1] for plan in plans)
    assert "points of quality" in said
    assert not any(word in said for word in (" J", "$", "energy", "cheapest"))


def test_the_frontier_is_the_same_every_time_and_small_ones_are_whole():
    world = world_of(
        {"a": ["data"]},
        [Made("slow", "a", 2.0, 0.9, max_cores=1), Made("fast", "a", 0.2, 0.5, max_cores=1)],
        items=1,
    )
    plans = frontier(world.workflow, Goal(), **world.arguments())
    assert plans == frontier(world.workflow, Goal(), **world.arguments())
    assert [plan.steps["a"].configuration.agent for plan in plans] == ["fast", "slow"]


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
