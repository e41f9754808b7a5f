"""How close proven bounds are: random small workflows, every plan simulated, the bound beside the best of them.

    python benchmarks/bounds.py [--worlds 100] [--gpu-worlds 40] [--unlike-worlds 40] [--first 20000] [--out benchmarks/results/bounds.md]

The worlds are those of the tests (`tests/planner/worlds.py`): one to four steps with streaming, gathers, opened levels,
batches, siblings, loading, interference, one or two hosts of the same or different speed, rent or electricity; and those of
`tests/planner/gpu_worlds.py`, where served models on GPUs can do some of the steps. Those with hosts of unlike speed, watts and price are
planned with few simulations, so that the bound is the plan's own, kind of hosts by kind (`planner/proofs/unlike.py`). A bound that the
best simulated plan beats would be an error; there must be none. Nothing is timed, so it may run on a busy machine.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import GAPS, RESULTS, gap_rows, header, table

from murakkab_jupyter.planner.proofs.bound import prove
from murakkab_jupyter.planner.proofs.proof import BEATEN
from murakkab_jupyter.planner.proofs.unlike import cases
from murakkab_jupyter.planner.solve import Problem, make_plan, prepare
from murakkab_jupyter.workflow.goal import Goal, Objective
from tests.planner.gpu_worlds import gpu_world
from tests.planner.small import SEARCHED, posed
from tests.planner.worlds import RandomWorld, random_world, unlike_world

LARGEST = 80
"""Plans of a world that is simulated whole."""

UNLIKE = "hosts of unlike kinds, kind by kind"

OBJECTIVES: tuple[Objective, ...] = ("latency", "energy", "cost", "quality")


def kind_of(world: RandomWorld) -> str:
    """What makes bounds weak: GPUs, interference, and hosts of different speed."""
    if world.cluster.engines:
        return f"{len(world.cluster.workers)} host(s), with GPUs"
    unlike = len({worker.speed.value for worker in world.cluster.workers}) > 1
    crowded = (world.profiles.interference.value or 1.0) > 1.0
    hosts = "hosts of different speed" if unlike else f"{len(world.cluster.workers)} host(s), alike"
    return f"{hosts}, {'interference 1.4' if crowded else 'no interference'}"


def bounds_of(world: RandomWorld, problem: Problem) -> Iterator[tuple[Goal, float, float]]:
    """For each objective, without and with a floor: the best of all plans by simulation, and the bound."""
    search = problem.search
    for objective in OBJECTIVES:
        for floor in (0.0, 0.95 * search.judge.reachable):
            goal = Goal((objective,), floor)
            kept = [picks for picks in search.all() if not search.excess(picks, goal)]
            best = abs(min(search.value(picks, objective) for picks in kept))
            rich = posed(world, problem, goal)
            yield goal, best, prove(rich, objective, best).value


def unlike_bounds(world: RandomWorld, problem: Problem) -> Iterator[tuple[Goal, float, float | None]]:
    """The same of plans made with few simulations on hosts of unlike kinds: the bound that the plan states, None where it states none.

    Infinite where the plan says that it beats its bound.
    """
    for objective in OBJECTIVES[:3]:
        goal = Goal((objective,), 0.0)
        best = abs(min(problem.search.value(picks, objective) for picks in problem.search.all()))
        plan = make_plan(world.workflow, goal, **world.arguments(), effort=SEARCHED)
        yield goal, best, math.inf if BEATEN in plan.notes else plan.bound


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--gpu-worlds", type=int, default=40)
    parser.add_argument("--unlike-worlds", type=int, default=40)
    parser.add_argument("--first", type=int, default=20_000, help="seed of the first world")
    parser.add_argument("--out", type=Path, default=RESULTS / "bounds.md")
    args = parser.parse_args()
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    wrong: list[str] = []
    for make, most in ((random_world, args.worlds), (gpu_world, args.gpu_worlds)):
        seed, left = args.first, most
        while left:
            world = make(seed)
            problem = prepare(world.workflow, **world.arguments())
            if 4 < problem.search.space <= LARGEST:
                left -= 1
                for goal, best, bound in bounds_of(world, problem):
                    objective = goal.objectives[0]
                    sign = -1 if objective == "quality" else 1
                    if sign * bound > sign * best + abs(best) * 1e-6:
                        wrong.append(f"seed {seed}, {goal}: bound {bound}, best {best}")
                    gaps[objective, kind_of(world)].append(abs(best - bound) / best if best else 0.0)
            seed += 1
    without, seed, left = 0, args.first, args.unlike_worlds
    while left:
        world = unlike_world(seed)
        problem = prepare(world.workflow, **world.arguments())
        told = cases(world.cluster, problem.search.modes.values())
        if SEARCHED < problem.search.space <= LARGEST and len(told) > 1:
            left -= 1
            for goal, best, stated in unlike_bounds(world, problem):
                if stated is None:
                    without += 1
                    continue
                if stated > best + abs(best) * 1e-6:
                    wrong.append(f"seed {seed}, unlike hosts, {goal}: bound {stated}, best {best}")
                gaps[goal.objectives[0], UNLIKE].append(abs(best - stated) / best if best else 0.0)
        seed += 1
    lines = [
        *header("Proven bounds beside the best of all plans"),
        "",
        f"{args.worlds} random workflows and {args.gpu_worlds} with GPU servers, {args.unlike_worlds} with hosts of unlike kinds, seeds from {args.first}; {sum(map(len, gaps.values()))} bounds, "
        f"{len(wrong)} of them beaten by a simulated plan (there must be none). {without} plans on unlike hosts state no bound.",
        "",
        *table(GAPS, gap_rows(gaps)),
        *(["", *wrong] if wrong else []),
    ]
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
