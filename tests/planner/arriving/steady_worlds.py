"""Random worlds that are small enough to simulate every plan of with arrivals: what a bound of the steady state is held against."""

import math

from murakkab_jupyter.planner.arriving.arrivals import Arrivals
from murakkab_jupyter.planner.arriving.steady import Steady
from murakkab_jupyter.planner.solve import prepare
from murakkab_jupyter.workflow.goal import OBJECTIVES, Goal
from tests.planner.worlds import random_world, replay_of

LARGEST = 40
"""Plans of a world that is simulated whole."""


def steady_of(world, rate_per_s, *, wide=False):
    """A search for a rate; a wide one has instances for more values than are at hand, as a plan's has."""
    arrivals = Arrivals.of(world.workflow, world.roots, world.library, world.cluster, rate_per_s)
    arguments = world.arguments()
    if wide:
        arguments |= {"roots": arrivals.many(world.cluster.cores)}
    ready = prepare(world.workflow, **arguments, effort=LARGEST, arriving=True)
    return Steady(ready.search, arrivals, replay_of(world))


def small_worlds(count, *, first=0, made=random_world):
    """Worlds that are small enough to be simulated whole, with a rate that some of their plans sustain and others do not."""
    seed = first
    while count:
        world = made(seed)
        probe = steady_of(world, 1e-6)
        if 3 < probe.search.space <= LARGEST and math.isfinite(probe.least.most_per_s()):
            count -= 1
            yield seed, world, 0.6 * probe.least.most_per_s()
        seed += 1


def goals_of(steady, rate):
    """Each objective, without and with a floor and a deadline that some plans keep."""
    search = steady.search
    kept = [p for p in search.all() if not search.excess(p, Goal(("cost",), 0.0, arrivals_per_s=rate))]
    times = sorted(search.value(picks, "latency") for picks in kept)
    for objective in OBJECTIVES:
        yield Goal((objective,), 0.0, arrivals_per_s=rate)
        if objective != "quality":
            yield Goal((objective,), 0.95 * search.judge.reachable, arrivals_per_s=rate)
        if objective != "latency" and times:
            yield Goal((objective,), 0.0, arrivals_per_s=rate, deadline_s=times[len(times) // 3])
