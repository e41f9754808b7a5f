"""How close proven bounds are: random small workflows, every plan simulated, the bound beside the best of them.

    python benchmarks/bounds.py [--worlds 100] [--first 20000] [--out benchmarks/results/bounds.md]

The worlds are those of the tests (`tests/planner/worlds.py`): one to four steps with streaming, gathers, opened levels,
batches, siblings, loading, interference, one or two hosts of the same or different speed, rent or electricity. A bound that the
best simulated plan beats would be an error; there must be none. Nothing is timed, so it may run on a busy machine.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import RESULTS, header, table

from murakkab_jupyter.planner.bound import prove
from murakkab_jupyter.planner.pose import pose
from murakkab_jupyter.planner.solve import prepare
from murakkab_jupyter.workflow.goal import Goal, Objective
from tests.planner.worlds import RandomWorld, random_world

LARGEST = 80
"""Plans of a world that is simulated whole."""

OBJECTIVES: tuple[Objective, ...] = ("latency", "energy", "cost", "quality")


def kind_of(world: RandomWorld) -> str:
    """What makes bounds weak: interference, and hosts of different speed."""
    unlike = len({worker.speed.value for worker in world.cluster.workers}) > 1
    crowded = (world.profiles.interference.value or 1.0) > 1.0
    hosts = "hosts of different speed" if unlike else f"{len(world.cluster.workers)} host(s), alike"
    return f"{hosts}, {'interference 1.4' if crowded else 'no interference'}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--first", type=int, default=20_000, help="seed of the first world")
    parser.add_argument("--out", type=Path, default=RESULTS / "bounds.md")
    args = parser.parse_args()
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    wrong: list[str] = []
    seed, left = args.first, args.worlds
    while left:
        world = random_world(seed)
        problem = prepare(world.workflow, **world.arguments())
        search = problem.search
        if 4 < search.space <= LARGEST:
            left -= 1
            for objective in OBJECTIVES:
                for floor in (0.0, 0.95 * search.judge.reachable):
                    goal = Goal((objective,), floor)
                    kept = [picks for picks in search.all() if not search.excess(picks, goal)]
                    best = abs(min(search.value(picks, objective) for picks in kept))
                    rich = pose(
                        world.workflow,
                        search.modes,
                        goal,
                        roots=world.roots,
                        library=world.library,
                        profiles=world.profiles,
                        cluster=world.cluster,
                        judge=search.judge,
                        levels=[held.each for held in problem.estimator.held],
                    )
                    bound = prove(rich, objective, best).value
                    sign = -1 if objective == "quality" else 1
                    if sign * bound > sign * best + abs(best) * 1e-6:
                        wrong.append(f"seed {seed}, {goal}: bound {bound}, best {best}")
                    gaps[objective, kind_of(world)].append(abs(best - bound) / best if best else 0.0)
        seed += 1
    rows = []
    for (objective, kind), some in sorted(gaps.items()):
        some.sort()
        rows.append(
            [
                objective,
                kind,
                str(len(some)),
                f"{some[len(some) // 2]:.1%}",
                f"{some[int(len(some) * 0.9)]:.1%}",
                f"{some[-1]:.1%}",
            ]
        )
    lines = [
        *header("Proven bounds beside the best of all plans"),
        "",
        f"{args.worlds} random workflows, seeds from {args.first}; {sum(map(len, gaps.values()))} bounds, "
        f"{len(wrong)} of them beaten by a simulated plan (there must be none).",
        "",
        *table(["objective", "cluster", "bounds", "median gap", "90th percentile", "largest"], rows),
        *(["", *wrong] if wrong else []),
    ]
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
