"""How close bounds of plans for arrivals are: random small workflows, every plan simulated while values arrive, the bound beside the best.

    python benchmarks/bounds_arrivals.py [--worlds 16] [--gpu-worlds 4] [--first 30000] [--out benchmarks/results/bounds_arrivals.md]

The worlds are those of the tests (`tests/planner/arriving/steady_worlds.py`), with a rate of 60 % of what is proven to be more than any plan
sustains. Energy and cost are an hour's, latency what 95 % of the values of a Poisson stream take at most. A bound that the best
simulated plan beats would be an error; there must be none. Nothing is timed, so it may run on a busy machine.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import GAPS, RESULTS, gap_rows, header, table

from tests.planner.arriving.steady_worlds import goals_of, small_worlds, steady_of
from tests.planner.gpu_worlds import gpu_world
from tests.planner.worlds import random_world, unlike_world


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=16, help="of each kind without GPUs")
    parser.add_argument("--gpu-worlds", type=int, default=4)
    parser.add_argument("--first", type=int, default=30_000, help="seed of the first world")
    parser.add_argument("--out", type=Path, default=RESULTS / "bounds_arrivals.md")
    args = parser.parse_args()
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    wrong: list[str] = []
    kinds = (
        ("hosts of one kind of watts", random_world, args.worlds),
        ("hosts unlike in watts and speed", unlike_world, args.worlds),
        ("with GPU servers", gpu_world, args.gpu_worlds),
    )
    for kind, made, most in kinds:
        for seed, world, rate in small_worlds(most, first=args.first, made=made):
            steady = steady_of(world, rate)
            search = steady.search
            for goal in goals_of(steady, rate):
                objective = goal.objectives[0]
                kept = [picks for picks in search.all() if not search.excess(picks, goal)]
                if not kept:
                    continue
                best = abs(min(search.value(picks, objective) for picks in kept))
                bound = steady.posed(goal).best(objective).value
                sign = -1 if objective == "quality" else 1
                if bound is None or sign * bound > sign * best + abs(best) * 1e-6:
                    wrong.append(f"{kind}, seed {seed}, {goal}: bound {bound}, best {best}")
                    continue
                gaps[objective, kind].append(abs(best - bound) / best if best else 0.0)
    lines = [
        *header("Bounds of plans for arrivals beside the best of all plans"),
        "",
        f"{args.worlds} random workflows on hosts of each kind and {args.gpu_worlds} with GPU servers, seeds from {args.first}; "
        f"{sum(map(len, gaps.values())) + len(wrong)} bounds, {len(wrong)} of them beaten by a simulated plan (there must be none).",
        "",
        *table(GAPS, gap_rows(gaps)),
        *(["", *wrong] if wrong else []),
    ]
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
