"""The planner beside other ways to plan, judged by runs: simulated ones in worlds that no planner has seen, and real ones.

    python benchmarks/planners.py simulated [--seeds 20] [--worlds 20] [--first 1000]
    python benchmarks/planners.py real [--repeats 3]

*Simulated*: for every workflow of a seeded family (benchmarks/family.py: every figure made up) and for the demo's workflow with
the profiles that ship, each planner plans for several goals from profiles and expectations. Each plan is then replayed in
worlds (benchmarks/truth.py) where agents are faster or slower than profiled and levels open more or fewer items than expected.
Nothing of it but the planning seconds depends on the machine. *Real*: the demo's workflow on a video that gave no profile is
planned for three goals, and every plan is run on this machine, which should be idle.

A plan's value is compared with the best that any planner's plan reached in the same world (or by its median of real runs) while
keeping every limit; a search of the planner with five times its allowance takes part. Each half writes its own part of the page.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from statistics import mean, median

sys.path.insert(0, str(Path(__file__).parent))

from clip import QUESTION, clip
from common import RESULTS, actual_of, header, job, load_average, median_spread, table
from family import case, replayed
from truth import COUNT_SPREAD, SPEED_SPREAD, Turned

from murakkab_jupyter.core.hosts import Share
from murakkab_jupyter.planner.evaluate import Evaluation, Evaluator
from murakkab_jupyter.planner.plan import Configuration, Plan
from murakkab_jupyter.planner.rivals.baselines import BASELINES
from murakkab_jupyter.planner.search import EVALUATIONS, Picks, Search, limits
from murakkab_jupyter.planner.solve import Problem, plan_of, prepare
from murakkab_jupyter.workflow.goal import MIN_ENERGY, MIN_LATENCY, Goal

OURS = "murakkab"
LONG_EVALUATIONS = 5 * EVALUATIONS
LONG = "murakkab, five times the allowance"
ABOUT: dict[str, str] = {
    OURS: f"the planner's search, at most {EVALUATIONS} simulations a goal",
    LONG: f"the same with {LONG_EVALUATIONS}",
    "naive": "best model everywhere, of its shapes the fastest",
    "greedy": "weighted score at each step (quality, speed, frugality); 66 weightings tried, the best by simulation counts",
    "coordinate-ascent": "LLMSelector-like; 3 starts, the simulator asked until nothing improves",
    "paper-a5": "the paper's A.5 from a transcription, by labels: sums without a graph, one hardware profile for all",
    "heft": "upward rank and earliest finish, up to 8 variants of floor and criterion, the best by simulation counts",
}
CLEARLY = 0.01
"""A plan is better than ours where it is so by more than this share."""

LONGEST_S = 45.0
"""A plan that is predicted to run longer is not run for real, and the page says so."""

REAL_GOALS = ("energy", "latency", "quality, deadline")

MARK = {"simulated": "# Planners compared by simulated runs", "real": "# Planners compared by real runs"}

Turn = Callable[[Mapping[str, Configuration], Share, int], Evaluation]
"""Replays configurations on a reserved share of the cluster in a world of that number."""


class Remembered:
    """An evaluator that simulates a plan once for all planners, and counts for each what that took."""

    def __init__(self, evaluate: Evaluator) -> None:
        self.evaluate = evaluate
        self.known: dict[tuple[object, ...], tuple[Evaluation, float]] = {}
        self.spared_s = 0.0
        """CPU-seconds that simulations took whose results were given again."""

    def __call__(self, configurations: Mapping[str, Configuration], reserve: Share) -> Evaluation:
        """Figures of a simulated run."""
        key = (*configurations.items(), reserve)
        if key in self.known:
            found, took_s = self.known[key]
            self.spared_s += took_s
            return found
        began = time.process_time()
        found = self.evaluate(configurations, reserve)
        self.known[key] = found, time.process_time() - began
        return found


Maker = Callable[[int | None, Evaluator], Search]
"""A fresh search with so many evaluations (None: as usual)."""


@dataclass(frozen=True)
class Planned:
    """A planner's choice for one goal."""

    planner: str
    search: Search
    picks: Picks
    cpu_s: float

    @property
    def simulations(self) -> int:
        """What it asked of the simulator."""
        return len(self.search.evaluations)


@dataclass(frozen=True)
class Run:
    """One plan in one world: its value (the less the better), and whether it kept the floor and the deadline."""

    where: str
    goal: str
    planner: str
    value: float
    floor: bool
    in_time: bool | None
    cpu_s: float
    simulations: int
    at_risk: bool = False
    """Whether the plan said that its deadline is at risk (or cannot be kept at all)."""

    @property
    def kept(self) -> bool:
        """Whether every limit was kept."""
        return self.floor and self.in_time is not False


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


def planned(make: Maker, known: Remembered, goal: Goal, planners: Iterable[str]) -> list[Planned]:
    """Every planner's choice, each with a search of its own so that none profits from another."""
    found = []
    for planner in planners:
        search = make(LONG_EVALUATIONS if planner == LONG else None, known)
        began = time.process_time() + known.spared_s
        picks = BASELINES[planner](search, goal) if planner in BASELINES else search.best(goal)
        found.append(Planned(planner, search, picks, time.process_time() + known.spared_s - began))
    return found


# --- simulated ------------------------------------------------------------------------------------------------


def judged(where: str, make: Maker, evaluate: Evaluator, turn: Turn, worlds: range) -> list[Run]:
    """Every planner on every goal of one workflow, replayed in every world."""
    runs = []
    known = Remembered(evaluate)
    for name, goal in goals_of(make(None, known)).items():
        told: dict[tuple[object, ...], Evaluation] = {}
        for one in planned(make, known, goal, ABOUT):
            search, picks = one.search, one.picks
            configurations, reserve = search.configurations(picks), search.reserved(picks)
            floor = "quality" not in search.excess(picks, goal)
            at_risk = "deadline" in search.risk(picks, goal) or "deadline" in search.excess(picks, goal)
            for world in worlds:
                key = (*configurations.items(), reserve, world)
                if key not in told:
                    told[key] = turn(configurations, reserve, world)
                value, in_time = reached(search, picks, goal, told[key])
                runs.append(
                    Run(
                        f"{where} world {world}", name, one.planner, value, floor, in_time, one.cpu_s, one.simulations,
                        at_risk,
                    )
                )  # fmt: skip
    return runs


def reached(search: Search, picks: Picks, goal: Goal, found: Evaluation) -> tuple[float, bool | None]:
    """The goal's first objective as it turned out, and whether it was in time (None without a deadline)."""
    objective = goal.objectives[0]
    figures = {key: one.value for key, one in found.totals.items()}
    value = -search.score(picks) if objective == "quality" else figures[objective]
    late = [(figures[key] or 0.0) > limit * (1 + 1e-9) for _, key, limit in limits(goal)]
    return float(value or 0.0), not any(late) if late else None


def summary(runs: Sequence[Run]) -> list[list[str]]:
    """One line a planner."""
    best: dict[tuple[str, str], float] = {}
    ours: dict[tuple[str, str], Run] = {}
    for run in runs:
        at = run.where, run.goal
        if run.kept:
            best[at] = min(run.value, best.get(at, run.value))
        if run.planner == OURS:
            ours[at] = run
    lines = []
    for planner in dict.fromkeys(run.planner for run in runs):
        mine = [run for run in runs if run.planner == planner]
        timed = [run for run in mine if run.in_time is not None]
        ratios = sorted(ratio(run.value, best[run.where, run.goal]) for run in mine if run.kept)
        ahead = sum(beats(run, ours[run.where, run.goal]) for run in mine)
        behind = sum(beats(ours[run.where, run.goal], run) for run in mine)
        lines.append(
            [
                planner,
                share(sum(not run.floor for run in mine), len(mine)),
                *missed(timed),
                f"{median(ratios):.3f}" if ratios else "-",
                f"{ratios[int(0.9 * (len(ratios) - 1))]:.3f}" if ratios else "-",
                f"{ratios[-1]:.2f}" if ratios else "-",
                "-" if planner == OURS else share(ahead, len(mine)),
                "-" if planner == OURS else share(behind, len(mine)),
                f"{median(run.simulations for run in mine):.0f}",
                f"{median(run.cpu_s for run in mine):.2f}",
            ]
        )
    return lines


def missed(timed: Sequence[Run]) -> list[str]:
    """Deadlines missed: of all plans, of those that kept the margin to it, and of those that said it was at risk."""
    groups = (timed, [one for one in timed if not one.at_risk], [one for one in timed if one.at_risk])
    return [share(sum(not one.in_time for one in some), len(some)) for some in groups]


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "-"


def ratio(value: float, best: float) -> float:
    """Value over the best known; of quality (negative, so that less is better) the best known over the value."""
    if value == best:
        return 1.0
    over, under = (best, value) if best < 0 else (value, best)
    return over / under if under else float("inf")


def beats(one: Run, other: Run) -> bool:
    """Whether a run kept its limits where the other did not, or was clearly better."""
    if one.kept != other.kept:
        return one.kept
    return one.kept and one.value < other.value - CLEARLY * abs(other.value)


HEAD = [
    "planner", "floor missed", "deadline missed", "of plans with margin", "of plans at risk", "over best known, median", "p90", "worst", "better than ours", "worse than ours",
    "simulations", "CPU-s a plan",
]  # fmt: skip


def of_family(seed: int, worlds: int) -> list[Run]:
    """All runs of one workflow of the family."""
    made = case(seed)

    def search_of(effort: int | None, evaluate: Evaluator) -> Search:
        return prepare(made.workflow, effort=effort, **{**made.arguments(), "evaluate": evaluate}).search

    return judged(f"workflow {seed}", search_of, made.evaluate, made.turned, range(worlds))


def simulated(seeds: int, first: int, worlds: int, workers: int) -> list[str]:
    """The part of the page on simulated runs."""
    lines = header(MARK["simulated"].removeprefix("# "))
    lines += ["", *table(["planner", "how"], [[f"**{k}**", v] for k, v in ABOUT.items()])]
    runs: list[Run] = []
    with ProcessPoolExecutor(workers) as pool:
        for done, some in enumerate(pool.map(of_family, range(first, first + seeds), repeat(worlds)), 1):
            runs += some
            print(f"family {done}/{seeds}", flush=True)
    lines += [
        "",
        f"{seeds} made-up workflows (seeds from {first}), {worlds} worlds each: every agent's seconds times a factor (log-normal, {SPEED_SPREAD:g}),",
        f"counts of levels likewise ({COUNT_SPREAD:g}). A deadline can be missed by a plan that was predicted to keep it: nobody knew the world; of",
        "these, plans that kept the margin for 90 % and plans that said that the deadline was at risk are told apart. Over best",
        "known, of the runs that kept every limit: 1 is the best that any planner's plan reached in that world. Better or worse than ours: kept its limits",
        f"where the other did not, or by more than {CLEARLY:.0%}. CPU-s a plan are this machine's; no other figure depends on it.",
        "", "## Made-up workflows, all goals", "", *table(HEAD, summary(runs)),
    ]  # fmt: skip
    for goal in dict.fromkeys(run.goal for run in runs):
        lines += ["", f"### {goal}", "", *table(HEAD, summary([run for run in runs if run.goal == goal]))]
    with job(clip(), QUESTION) as (session, declaration):
        view = session.view

        def search_of(effort: int | None, evaluate: Evaluator) -> Search:
            return prepare(
                declaration.workflow, roots=declaration.readable(), library=session.library,
                profiles=session.profiles, cluster=view, evaluate=evaluate, effort=effort,
            ).search  # fmt: skip

        def demo_turn(configurations: Mapping[str, Configuration], reserve: Share, world: int) -> Evaluation:
            profiles = Turned(session.profiles, world)
            return replayed(
                declaration.workflow, configurations, reserve, declaration.readable(), session.library, profiles, view
            )  # fmt: skip

        runs = judged("demo", search_of, session.evaluator(declaration, view), demo_turn, range(worlds))
    lines += [
        "", "## The demo's workflow with the profiles that ship", "",
        f"{worlds} worlds; its scenes are counted by a look beforehand, so counts are as expected.", "",
        *table(HEAD, summary(runs)), "",
        "A.5 on its own problem (arrivals over a day, GPUs) is benchmarks/paper_day.py.",
    ]  # fmt: skip
    return lines


# --- real -----------------------------------------------------------------------------------------------------


def real(repeats: int, longest_s: float, names: Sequence[str]) -> list[str]:
    """The part of the page on real runs: every planner's plans of the demo's workflow."""
    lines = header(MARK["real"].removeprefix("# "), clip())
    loads: list[float] = []
    rows: list[list[str]] = []
    with job(clip(), QUESTION) as (session, declaration):
        session.connect()
        view = session.view

        evaluate = session.evaluator(declaration, view)

        def problem_of(effort: int | None, evaluate: Evaluator) -> Problem:
            return prepare(
                declaration.workflow, roots=declaration.readable(), library=session.library,
                profiles=session.profiles, cluster=view, evaluate=evaluate, effort=effort,
            )  # fmt: skip

        def search_of(effort: int | None, evaluate: Evaluator) -> Search:
            return problem_of(effort, evaluate).search

        known = Remembered(evaluate)
        problem = problem_of(None, known)
        goals = goals_of(problem.search)
        warmed = False
        for name in names:
            goal = goals[name]
            choices = planned(search_of, known, goal, (OURS, *BASELINES))
            plans: dict[tuple[object, ...], Plan] = {}
            for one in choices:
                plan = replace(plan_of(problem, one.picks, goal), goal=goal)
                plans.setdefault(identity(one), plan)
            able = {key: plan for key, plan in plans.items() if told(plan, "latency") <= longest_s}
            if able and not warmed:
                # Not counted: it brings weights and libraries into the file cache, as every later run finds them.
                actual_of(session.run(declaration, next(iter(able.values())), reuse=False))
                warmed = True
            runs: dict[tuple[object, ...], list[dict[str, float]]] = defaultdict(list)
            order = list(able)
            for lap in range(repeats):
                turn = lap % max(1, len(order))
                for key in order[turn:] + order[:turn]:
                    runs[key].append(actual_of(session.run(declaration, able[key], reuse=False)))
                    loads.append(load_average())
                    print(f"{name} {lap + 1}/{repeats}: {runs[key][-1]}", flush=True)
            rows += real_rows(name, goal, choices, plans, runs)
    lines += [
        "",
        f"{repeats} runs of each plan in turn, nothing reused, after one that is not counted; planners that chose the same plan share its runs.",
        f"Load average on the way {mean(loads):.2f}. Joules are the planner's estimate from CPU-seconds. Profiles have not seen the video; quality is a prior.",
        "Over best known: the median over the least median of all plans that kept floor and (by their median) deadline.",
        "",
        *table(
            [
                "goal", "planner", "floor kept", "deadline missed", "predicted", "actual, median (least-most)", "over best known",
                "seconds, median (least-most)", "CPU-s to plan",
            ],
            rows,
        ),
    ]  # fmt: skip
    return lines


def identity(one: Planned) -> tuple[object, ...]:
    """What is run: configurations and reserved cores."""
    return (*one.search.configurations(one.picks).items(), one.search.reserved(one.picks))


def told(plan: Plan, name: str) -> float:
    return plan.predicted[name].value or 0.0


def real_rows(
    name: str,
    goal: Goal,
    choices: Sequence[Planned],
    plans: Mapping[tuple[object, ...], Plan],
    runs: Mapping[tuple[object, ...], Sequence[Mapping[str, float]]],
) -> list[list[str]]:
    """One line a planner for one goal."""
    objective, deadline = goal.objectives[0], goal.deadline_s

    def value(key: tuple[object, ...]) -> float:
        if objective == "quality":
            return -told(plans[key], "quality")
        return median(run[objective] for run in runs[key])

    def kept(one: Planned) -> bool:
        key = identity(one)
        if not runs.get(key) or "quality" in one.search.excess(one.picks, goal):
            return False
        return deadline is None or median(run["latency"] for run in runs[key]) <= deadline

    best = min((value(identity(one)) for one in choices if kept(one)), default=None)
    first: dict[tuple[object, ...], str] = {}
    rows = []
    for one in choices:
        key = identity(one)
        plan, some = plans[key], runs.get(key, ())
        same = first.setdefault(key, one.planner)
        floor = "no" if "quality" in one.search.excess(one.picks, goal) else "yes"
        row = [name if deadline is None else f"{name} {deadline:.2f} s", one.planner, floor]
        if not some:
            row += [
                "-",
                f"{told(plan, objective):.2f}",
                f"not run: {told(plan, 'latency'):.0f} s predicted",
                "-",
                "-",
            ]
        else:
            late = (
                "-" if deadline is None else share(sum(run["latency"] > deadline for run in some), len(some))
            )
            was = (
                f"{told(plan, 'quality'):.3f}"
                if objective == "quality"
                else median_spread([run[objective] for run in some])
            )
            over = f"{ratio(value(key), best):.2f}" if best is not None and kept(one) else "-"
            row += [
                late,
                f"{told(plan, objective):.2f}",
                was,
                over,
                median_spread([run["latency"] for run in some]),
            ]
        row[1] += "" if same == one.planner else f" (as {same})"
        rows.append([*row, f"{one.cpu_s:.2f}"])
    return rows


# --- the page -------------------------------------------------------------------------------------------------


def parts_of(path: Path) -> dict[str, str]:
    """The parts that a page has, by their names."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    at = sorted((text.index(mark), name) for name, mark in MARK.items() if mark in text)
    ends = [*(start for start, _ in at[1:]), len(text)][: len(at)]
    return {name: text[start:end].strip() for (start, name), end in zip(at, ends, strict=True)}


def main() -> int:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=tuple(MARK))
    parser.add_argument("--seeds", type=int, default=20, help="workflows of the family")
    parser.add_argument("--first", type=int, default=1000, help="seed of the first one")
    parser.add_argument("--worlds", type=int, default=20, help="worlds that each plan is replayed in")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that simulate")
    parser.add_argument("--repeats", type=int, default=3, help="real runs of each plan")
    parser.add_argument("--goals", nargs="+", choices=REAL_GOALS, default=REAL_GOALS, help="of real runs")
    parser.add_argument("--longest", type=float, default=LONGEST_S, metavar="SECONDS")
    parser.add_argument("--out", type=Path, default=RESULTS / "planners.md")
    args = parser.parse_args()
    if args.part == "simulated":
        lines = simulated(args.seeds, args.first, args.worlds, args.workers)
    else:
        lines = real(args.repeats, args.longest, args.goals)
    text = "\n".join(lines)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    parts = {**parts_of(args.out), args.part: text}
    args.out.write_text("\n\n".join(parts[name] for name in MARK if name in parts) + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
