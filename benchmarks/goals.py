"""Whether plans made for different goals differ, and what they really spend is ordered as predicted.

    python benchmarks/goals.py [VIDEO] [--question "..."] [--repeats 5] [--out benchmarks/results/goals.md]

Plans a video workflow for `--minimize energy`, `--minimize latency` and `--maximize quality` from profiles that have not
seen the video, then runs each plan several times in turn with nothing reused. For each pair of plans it counts in how
many of the paired runs (the n-th run of each) CPU-seconds and seconds were in the predicted order. Judged are the pairs
with the plan for energy in CPU-seconds, and those with the plan for latency in seconds; a predicted difference of less
than 2 % is no order. Meant for an idle machine.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))

from clip import QUESTION, clip
from common import RESULTS, actual_of, header, job, load_average, median_spread, predicted_of, table

from murakkab_jupyter.planner.plan import Configuration, Plan
from murakkab_jupyter.workflow.goal import MAX_QUALITY, MIN_ENERGY, MIN_LATENCY, Goal

GOALS: dict[str, Goal] = {"energy": MIN_ENERGY, "latency": MIN_LATENCY, "quality": MAX_QUALITY}
NAMES = {"cpu": "CPU-seconds", "latency": "seconds"}
GOAL_OF = {"cpu": "energy", "latency": "latency"}
"""The goal whose plan should have less of a figure than the others'."""

TIE = 0.02


def said(one: Configuration) -> str:
    """A configuration in a few words."""
    levers = " ".join(
        f"{key}={value}" for key, value in one.options if key in ("beam", "count", "frame_skip")
    )
    batch = "siblings" if one.siblings else f"batch {one.batch}"
    return f"{one.agent} {levers} {one.instances}x{one.cores}c {batch}".replace("  ", " ")


def differences(plans: dict[str, Plan]) -> list[list[str]]:
    """Steps whose configuration is not the same under every goal, and the cores that are reserved where these differ."""
    first = next(iter(plans.values()))
    rows = []
    for name in first.steps:
        words = [said(plan.steps[name].configuration) for plan in plans.values()]
        if len(set(words)) > 1:
            rows.append([name, *words])
    reserved = [str(plan.reserves) for plan in plans.values()]
    if len(set(reserved)) > 1:
        rows.append(["(reserved)", *reserved])
    return rows


def pairs(
    plans: dict[str, Plan], runs: dict[str, list[dict[str, float]]]
) -> tuple[list[list[str]], list[tuple[str, int, int]]]:
    """For each pair of plans and each figure: the predicted order, and how many paired runs had it."""
    rows, counts = [], []
    for (a, b), key in itertools.product(itertools.combinations(plans, 2), ("cpu", "latency")):
        one, other = predicted_of(plans[a])[key], predicted_of(plans[b])[key]
        promised = GOAL_OF[key] in (a, b)
        gap = other / one - 1 if one else 0.0
        low, high = (a, b) if one < other else (b, a)
        right = sum(x[key] < y[key] for x, y in zip(runs[low], runs[high], strict=True))
        number = len(runs[a])
        real = median(y[key] for y in runs[high]) / median(x[key] for x in runs[low]) - 1
        if abs(gap) < TIE:
            verdict = "predicted alike: not counted"
        elif not promised:
            verdict = f"{right} of {number} (no goal asks for it)"
        else:
            verdict = f"{right} of {number}"
            counts.append((f"{low} < {high} in {NAMES[key]}", right, number))
        rows.append([f"{low} < {high}", NAMES[key], f"{abs(gap):.0%}", f"{real:+.0%}", verdict])
    return rows, counts


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "video", type=Path, nargs="?", help="a video that gave no profile; one is made if left out"
    )
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cores", type=int, default=None)
    parser.add_argument("--out", type=Path, default=RESULTS / "goals.md")
    chosen = parser.parse_args()
    video = chosen.video or clip()
    lines = header("Plans for three goals, and what they really spent", video)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in GOALS}
    loads: list[float] = []
    with job(video, chosen.question, cores=chosen.cores) as (session, declaration):
        cluster = session.connect()
        cluster.view()
        plans = {name: session.plan(declaration, goal) for name, goal in GOALS.items()}
        # Not counted: it brings weights and libraries into the file cache, as every later run finds them.
        first = session.run(declaration, plans["quality"], reuse=False)
        actual_of(first)
        counts = [
            f"{name} {step.items:.0f}/{first.progress()[name][0]}"
            for name, step in plans["quality"].steps.items()
        ]
        order = list(GOALS)
        for repeat in range(chosen.repeats):
            # A turn of the order each time, so that no plan always runs after the same one.
            turn = repeat % len(order)
            for name in order[turn:] + order[:turn]:
                loads.append(load_average())
                runs[name].append(actual_of(session.run(declaration, plans[name], reuse=False)))
                print(f"{repeat + 1}/{chosen.repeats} {name}: {runs[name][-1]}", flush=True)
    lines += [
        f"- {chosen.repeats} runs of each plan in turn, nothing reused, after one run that is not counted; load average "
        f"on the way {median_spread(loads)}",
        f"- Items expected/found: {', '.join(counts)} (nobody knows a video's scenes beforehand; where they differ, so do "
        "predicted and actual)",
        "",
        "## What differs",
        "",
        *table(["step", *plans], differences(plans) or [["nothing", *("" for _ in plans)]]),
        "",
        "## Predicted and actual",
        "",
    ]
    rows = []
    for name, plan in plans.items():
        told = predicted_of(plan)
        row = [name]
        for key in ("latency", "cpu"):
            values = [run[key] for run in runs[name]]
            row += [f"{told[key]:.2f}", median_spread(values), f"{told[key] / median(values) - 1:+.0%}"]
        rows.append(row)
    head = ["goal", "predicted s", "actual s", "error", "predicted CPU-s", "actual CPU-s", "error"]
    lines += [*table(head, rows), "", "## Order", ""]
    paired, judged = pairs(plans, runs)
    lines += table(
        ["pair", "in", "predicted gap", "actual gap (medians)", "paired runs in that order"], paired
    )
    need = -(-4 * chosen.repeats // 5)
    low = [what for what, right, _ in judged if right < need]
    lines += [
        "",
        f"Ordered as predicted in at least 4 of 5 paired runs: {'yes' if not low else 'NOT ' + ', '.join(low)} "
        f"({len(judged)} pairs judged).",
    ]
    text = "\n".join(lines) + "\n"
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(text)
    print(text)
    return 1 if low else 0


if __name__ == "__main__":
    raise SystemExit(main())
