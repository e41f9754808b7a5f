"""Random worlds that are small enough to simulate every plan of: what a bound or a search is held against."""

from murakkab_jupyter.planner.proofs.pose import pose
from murakkab_jupyter.planner.solve import prepare
from murakkab_jupyter.workflow.goal import OBJECTIVES, Goal
from tests.planner.worlds import random_world

LARGEST = 60
"""Plans of a world that is simulated whole."""

SEARCHED = 4
"""Evaluations of a search that must be much smaller than the space."""


def small_worlds(count, *, first=0, made=random_world, largest=LARGEST, fits=lambda problem: True):
    """Seeds of so many worlds that are small enough to be simulated whole, and large enough to have a choice."""
    seed = first
    while count:
        world = made(seed)
        problem = prepare(world.workflow, **world.arguments())
        if SEARCHED < problem.search.space <= largest and fits(problem):
            count -= 1
            yield seed, world, problem
        seed += 1


def judged(worlds):
    """Of small worlds: each goal that some plan meets, and the best value that any plan within its limits has."""
    for seed, world, problem in worlds:
        for goal in goals_of(problem):
            best = best_of(problem.search, goal)
            if best is not None:
                yield seed, world, problem, goal, best


def posed(world, problem, goal):
    return pose(
        world.workflow,
        problem.search.modes,
        goal,
        roots=world.roots,
        library=world.library,
        profiles=world.profiles,
        cluster=world.cluster,
        judge=problem.judge,
        levels=[held.each for held in problem.estimator.held],
    )


def goals_of(problem):
    """Each objective, without and with a floor and a deadline that some plans keep."""
    search = problem.search
    floor = 0.95 * search.judge.reachable
    times = sorted(search.value(picks, "latency") for picks in search.all())
    for objective in OBJECTIVES:
        yield Goal((objective,), 0.0)
        if objective != "quality":
            yield Goal((objective,), floor)
        if objective != "latency":
            yield Goal((objective,), 0.0, deadline_s=times[len(times) // 3])


def best_of(search, goal):
    """The best value that any plan within the limits has, by simulating all; None if there is none."""
    kept = [picks for picks in search.all() if not search.excess(picks, goal)]
    return min((search.value(picks, goal.objectives[0]) for picks in kept), default=None)
