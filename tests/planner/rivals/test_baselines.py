"""The baselines choose as they say they do; none is better than everything tried, none is worse than it must be."""

from __future__ import annotations

import itertools

import pytest

from murakkab_jupyter.planner.rivals.baselines import (
    BASELINES,
    Sheet,
    coordinate_ascent,
    naive,
    shapes_with,
    whole_program,
)
from murakkab_jupyter.planner.solve import prepare
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import Made, cluster_of, world_of

EDGES = {"cut": ["data"], "hear": ["cut"], "see": ["cut"], "tell": ["hear", "see"]}
AGENTS = [
    Made("cutter", "cut", 0.2, 0.9),
    Made("sharp", "hear", 2.0, 0.95, max_batch=4),
    Made("quick", "hear", 0.5, 0.88, max_batch=4),
    Made("eagle", "see", 1.0, 0.9),
    Made("mole", "see", 0.2, 0.6),
    Made("bard", "tell", 0.4, 0.9, parallel=0.9),
]
GOALS = [
    Goal(("energy",)),
    Goal(("latency",), "fair"),
    Goal(("quality",), None, deadline_s=9.0),
    Goal(("energy",), "basic", deadline_s=6.0),
]


@pytest.fixture(scope="module")
def search():
    world = world_of(EDGES, AGENTS, items=4, cluster=cluster_of(4))
    return prepare(world.workflow, effort=10_000_000, **world.arguments()).search


@pytest.mark.parametrize("goal", GOALS, ids=str)
@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_chooses_a_mode_for_every_step_and_the_same_one_every_time(search, name, goal):
    picks = BASELINES[name](search, goal)
    assert len(picks) == len(search.sizes)
    assert all(0 <= pick < size for pick, size in zip(picks, search.sizes, strict=True))
    assert BASELINES[name](search, goal) == picks


@pytest.mark.parametrize("goal", GOALS, ids=str)
def test_none_beats_all_that_there_is(goal):
    world = world_of({"hear": ["data"], "tell": ["hear"]}, [*AGENTS[1:3], AGENTS[5]], items=2)
    search = prepare(world.workflow, effort=10_000_000, **world.arguments()).search
    best = min(search.key(picks, goal) for picks in search.all())
    for baseline in BASELINES.values():
        assert search.key(baseline(search, goal), goal) >= best


def test_naive_takes_the_best_agent_at_every_step(search):
    agents = [one.agent for one in search.configurations(naive(search, GOALS[0])).values()]
    assert agents == ["cutter", "sharp", "eagle", "bard"]


@pytest.mark.parametrize("goal", GOALS, ids=str)
def test_coordinate_ascent_cannot_be_improved_by_one_step(search, goal):
    picks = coordinate_ascent(search, goal)
    assert all(search.key(other, goal) >= search.key(picks, goal) for other in search.neighbours(picks))


def test_the_papers_program_is_the_best_by_its_own_sums(search):
    goal = Goal(("energy",), "fair")
    sheet = Sheet.of(search)
    picks = whole_program(search, goal)
    configurations = search.configurations(picks).values()
    assert {one.instances for one in configurations} == {1}
    assert search.score(picks) >= 0.8 * search.judge.reachable - 1e-9

    def spent(some):
        return sum(sheet.spent(name, pick, "energy") for name, pick in zip(search.names, some, strict=False))

    # With one core an instance, any of its own shapes of another agent that keeps the floor costs at least as much.
    others = itertools.product(*(shapes_with(sheet, name, 1) for name in search.names))
    able = [some for some in others if search.score(some) >= 0.8 * search.judge.reachable - 1e-9]
    assert spent(picks) <= min(map(spent, able)) + 1e-9


def test_a_deadline_that_its_sums_cannot_keep_leaves_the_papers_program_with_the_best_model_everywhere(
    search,
):
    goal = Goal(("energy",), "fair", deadline_s=0.01)
    assert whole_program(search, goal) == naive(search, goal)
