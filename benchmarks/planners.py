"""The planner beside other ways to plan, judged by simulated runs (and real ones with `--real`), not by its own estimates.

    python benchmarks/planners.py [--seeds 20] [--real] [--out benchmarks/results/planners.md]

For every workflow of a seeded family (benchmarks/family.py: every figure made up) and for the demo's workflow with the
profiles that ship, each planner plans for several goals; the simulator replays each plan on items. A plan that breaks a limit
counts as failed. What it loses is measured against the best plan that anybody found for that goal, a search of the planner with
ten times its allowance among them. With `--real`, the demo's workflow is planned for two goals and every plan is run.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from clip import QUESTION, clip
from common import RESULTS, actual_of, header, job, load_average, table
from family import case

from murakkab_jupyter.planner.baselines import BASELINES
from murakkab_jupyter.planner.search import EVALUATIONS, Picks, Search
from murakkab_jupyter.planner.solve import plan_of, prepare
from murakkab_jupyter.workflow.goal import MIN_ENERGY, MIN_LATENCY, Goal

OURS = "murakkab"
LONG_EVALUATIONS = 10 * EVALUATIONS
LONG = "murakkab, ten times the allowance"
ABOUT: dict[str, str] = {
    OURS: f"the planner, at most {EVALUATIONS} simulations a goal",
    LONG: f"the same with {LONG_EVALUATIONS}",
    "naive": "best model everywhere, of its shapes the fastest",
    "greedy": "weighted score at each step (quality, speed, frugality); 66 weightings tried, the best by simulation counts",
    "coordinate-ascent": "LLMSelector-like; 3 starts, the simulator asked until nothing improves",
    "paper-a5": "the paper's A.5 from a transcription, by labels: sums without a graph, one hardware profile for all",
    "heft": "upward rank and earliest finish, up to 8 variants of floor and criterion, the best by simulation counts",
}


def goals_of(search: Search) -> dict[str, Goal]:
    """Goals whose limits bind but can be kept."""
    fastest = search.value(search.best(Goal(("latency",), "basic")), "latency")
    return {
        "energy": MIN_ENERGY,
        "latency": MIN_LATENCY,
        "energy, fair, deadline": Goal(("energy",), "fair", round(fastest * 1.6, 4)),
        "quality, deadline": Goal(("quality",), None, round(fastest * 1.4, 4)),
        "cost then latency, basic": Goal(("cost", "latency"), "basic"),
    }


def compared(make: Callable[[int | None], Search]) -> list[dict[str, Any]]:
    """Every planner on every goal of one workflow, each with a search of its own so that none profits from another."""
    long = make(LONG_EVALUATIONS)
    rows: list[dict[str, Any]] = []
    for name, goal in goals_of(long).items():
        found: dict[str, tuple[Search, Picks, float]] = {}
        for planner in ABOUT:
            search = make(LONG_EVALUATIONS if planner == LONG else None)
            began = time.process_time()
            picks = BASELINES[planner](search, goal) if planner in BASELINES else search.best(goal)
            found[planner] = (search, picks, time.process_time() - began)
        objective = goal.objectives[0]
        values = {
            planner: search.value(picks, objective)
            for planner, (search, picks, _) in found.items()
            if not search.excess(picks, goal)
        }
        best = min(values.values(), default=math.nan)
        for planner, (search, _, seconds) in found.items():
            value = values.get(planner)
            rows.append(
                {
                    "goal": name, "planner": planner, "kept": value is not None, "possible": bool(values),
                    "loss": None if value is None else ((value - best) / abs(best) if best else 0.0),
                    "simulations": len(search.evaluations), "seconds": seconds,
                }
            )  # fmt: skip
    return rows


def summary(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """One line a planner over some goals: limits kept, what it loses where it kept them, what it took."""
    lines = []
    for planner in ABOUT:
        mine = [row for row in rows if row["planner"] == planner and row["possible"]]
        losses = sorted(row["loss"] for row in mine if row["kept"])
        lines.append(
            [
                planner,
                f"{sum(row['kept'] for row in mine)} of {len(mine)}",
                f"{median(losses):.1%}" if losses else "-",
                f"{mean(losses):.1%}" if losses else "-",
                f"{losses[int(0.9 * (len(losses) - 1))]:.1%}" if losses else "-",
                f"{max(losses):.1%}" if losses else "-",
                f"{median(row['simulations'] for row in mine):.0f}" if mine else "-",
                f"{median(row['seconds'] for row in mine):.2f}" if mine else "-",
            ]
        )
    return lines


HEAD = ["planner", "limits kept", "median loss", "mean", "p90", "worst", "simulations", "CPU-s a plan"]


def family(seed: int) -> Callable[[int | None], Search]:
    """Makes a fresh search of one workflow of the family."""
    made = case(seed)
    return lambda effort: prepare(made.workflow, effort=effort, **made.arguments()).search


def real(lines: list[str], repeats: int) -> None:
    """Run every planner's plans of the demo's workflow."""
    with job(clip(), QUESTION) as (session, declaration):
        session.connect()
        view = session.view
        loads, rows = [], []
        for name, goal in {"energy": MIN_ENERGY, "latency": MIN_LATENCY}.items():
            plans = {}
            for planner in (OURS, *BASELINES):
                problem = prepare(
                    declaration.workflow, roots=declaration.readable(), library=session.library,
                    profiles=session.profiles, cluster=view, evaluate=session.evaluator(declaration, view),
                )  # fmt: skip
                picks = (
                    BASELINES[planner](problem.search, goal)
                    if planner in BASELINES
                    else problem.search.best(goal)
                )
                kept = not problem.search.excess(picks, goal)
                plans[planner] = (replace(plan_of(problem, picks, goal), goal=goal), kept)
            runs: dict[str, list[dict[str, float]]] = {planner: [] for planner in plans}
            actual_of(session.run(declaration, plans[OURS][0], reuse=False))
            for _ in range(repeats):
                for planner, (plan, _kept) in plans.items():
                    runs[planner].append(actual_of(session.run(declaration, plan, reuse=False)))
                    loads.append(load_average())
                    print(name, planner, runs[planner][-1], flush=True)
            for planner, (plan, kept) in plans.items():
                told = plan.predicted[name].value or 0.0
                was = median(run[name] for run in runs[planner])
                quality = plan.predicted["quality"].value
                rows.append(
                    [
                        name,
                        planner,
                        "yes" if kept else "no",
                        f"{told:.2f}",
                        f"{was:.2f}",
                        "-" if quality is None else f"{quality:.2f}",
                    ]
                )
    lines += [
        "", "## Real runs of the demo's workflow", "",
        f"{repeats} runs of each, the median counts; load average on the way {mean(loads):.2f}. Profiles have not seen the video.", "",
        *table(["minimise", "planner", "floor kept", "predicted", "actual", "quality (prior)"], rows),
    ]  # fmt: skip


def main() -> int:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "planners.md")
    args = parser.parse_args()
    lines = header("Planners compared by simulated runs")
    lines += ["", *table(["planner", "how"], [[f"**{k}**", v] for k, v in ABOUT.items()])]
    rows: list[dict[str, Any]] = []
    for seed in range(args.seeds):
        rows += compared(family(seed))
        print(f"family {seed + 1}/{args.seeds}", flush=True)
    lines += ["", f"## {args.seeds} made-up workflows, all goals", "", *table(HEAD, summary(rows))]
    for goal in dict.fromkeys(row["goal"] for row in rows):
        lines += ["", f"### {goal}", "", *table(HEAD, summary([row for row in rows if row["goal"] == goal]))]
    with job(clip(), QUESTION) as (session, declaration):
        view = session.view

        def search(effort: int | None) -> Search:
            return prepare(
                declaration.workflow, roots=declaration.readable(), library=session.library,
                profiles=session.profiles, cluster=view, evaluate=session.evaluator(declaration, view), effort=effort,
            ).search  # fmt: skip

        lines += [
            "",
            "## The demo's workflow with the profiles that ship",
            "",
            *table(HEAD, summary(compared(search))),
        ]
    if args.real:
        real(lines, args.repeats)
    lines += [
        "",
        "A.5 on its own problem (arrivals over a day, GPUs) is benchmarks/paper_day.py.",
    ]
    text = "\n".join(lines) + "\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
