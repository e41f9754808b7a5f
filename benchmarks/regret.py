"""How much worse is the plan chosen from profiles than the best that could have been chosen? On a real video job.

    python benchmarks/regret.py [VIDEO] [--configurations 36] [--repeats 2] [--limit N] [--minutes M] [--out benchmarks/results/regret.md]

Takes the steps that matter most (by predicted core-seconds), some modes of each (agents, levers, cores, instances and
batches as unlike each other as can be) for every number of reserved cores, runs every combination for real with nothing reused, and compares the plan that
each goal chose from profiles that have not seen the video with the best combination that met the goal in truth. Quality is
the planner's prior in both. Every finished run is appended to `regret.json` beside the page, which a later call goes on from
(`--limit` says how many runs to make in this call, `--minutes` how long it may take). The plans that goals chose come first, then
the others in turn, and each repeat goes through all of them before the next begins. On two cores a repeat takes some five minutes. Meant for
an idle machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from clip import QUESTION, clip
from common import RESULTS, actual_of, header, job, load_average, predicted_of, table
from goals import said

from murakkab_jupyter.core.figure import unknown
from murakkab_jupyter.planner.modes import Mode
from murakkab_jupyter.planner.plan import Configuration, Plan
from murakkab_jupyter.planner.quality import Judge
from murakkab_jupyter.planner.solve import prepare
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.declaration import Declaration
from murakkab_jupyter.workflow.goal import MIN_ENERGY, MIN_LATENCY, Goal

Configurations = Mapping[str, Configuration]
Choice = tuple[int, Configurations]
"""Cores of each host that are reserved, and a configuration for every step."""

STEPS = 3
"""Steps whose modes are varied."""

SLACK = 1.15
"""The third goal's deadline: so much more than the fastest plan is predicted to take."""


def key_of(choice: Choice) -> str:
    """Names a choice in the file of results."""
    reserve, configurations = choice
    steps = {name: one.to_json() for name, one in configurations.items()}
    return json.dumps({"reserve": reserve, "steps": steps}, sort_keys=True)


def unlike(modes: Sequence[Mode], count: int) -> list[Mode]:
    """Some modes, each as unlike those before it as can be."""

    def gap(a: Configuration, b: Configuration) -> tuple[int, ...]:
        return (
            3 * (a.agent != b.agent) + 2 * (a.options != b.options) + 2 * (a.cores != b.cores)
            + 2 * (a.instances != b.instances) + (a.siblings != b.siblings) + (a.batch != b.batch),
        )  # fmt: skip

    kept = [modes[0]]
    while len(kept) < min(count, len(modes)):
        rest = [mode for mode in modes if mode not in kept]
        kept.append(max(rest, key=lambda m: min(gap(m.configuration, k.configuration) for k in kept)))
    return kept


def grid(
    session: Session, declaration: Declaration, base: Plan, count: int
) -> tuple[list[Choice], Mapping[str, Sequence[Mode]], tuple[str, ...]]:
    """Combinations to run, the modes there are, and the steps that are varied."""
    view = session.view
    problem = prepare(
        declaration.workflow,
        roots=declaration.readable(),
        library=session.library,
        profiles=session.profiles,
        cluster=view,
        evaluate=session.evaluator(declaration, view),
    )
    modes = problem.search.modes
    expectation = problem.estimator.expectation(tuple(0 for _ in modes))

    def weight(name: str) -> float:
        return max(problem.estimator.load(name, n, expectation).core_s for n in range(len(modes[name])))

    heavy = tuple(sorted((n for n in modes if len(modes[n]) > 1), key=weight, reverse=True)[:STEPS])
    settled = {name: step.configuration for name, step in base.steps.items()}
    need = problem.search.need
    levels = [
        (level, held.each)
        for level, held in enumerate(problem.estimator.held)
        if all(need(Mode(one, unknown("1"))) <= level for name, one in settled.items() if name not in heavy)
    ]
    made: list[Choice] = []
    for level, reserve in levels:
        fitting = [[mode for mode in modes[name] if need(mode) <= level] for name in heavy]
        sizes = [1] * len(heavy)
        while len(levels) * math.prod(sizes) < count:
            open_to = [n for n, some in enumerate(fitting) if sizes[n] < len(some)]
            if not open_to:
                break
            sizes[min(open_to, key=lambda n: sizes[n])] += 1
        few = [unlike(some, size) for some, size in zip(fitting, sizes, strict=True) if some]
        if len(few) == len(heavy):
            made += [
                (
                    reserve,
                    {**settled, **{n: mode.configuration for n, mode in zip(heavy, chosen, strict=True)}},
                )
                for chosen in itertools.product(*few)
            ]
    return made, modes, heavy


def score_of(configurations: Configurations, modes: Mapping[str, Sequence[Mode]], judge: Judge) -> float:
    """The planner's prior of a set's quality."""
    score = 1.0
    for name, one in configurations.items():
        alike = next(
            m
            for m in modes[name]
            if (m.configuration.agent, m.configuration.options) == (one.agent, one.options)
        )
        score *= judge.factor(name, alike)
    return score


def main() -> int:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--configurations", type=int, default=36)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None, help="most runs to make in this call")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no run later than this")
    parser.add_argument("--cores", type=int, default=None)
    parser.add_argument("--fresh", action="store_true", help="forget the results of earlier calls")
    parser.add_argument("--out", type=Path, default=RESULTS / "regret.md")
    args = parser.parse_args()
    video = args.video or clip()
    store = args.out.with_suffix(".json")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    known: dict[str, list[dict[str, float]]] = {}
    if store.exists() and not args.fresh:
        earlier = json.loads(store.read_text())
        if earlier["video"] != video.name:
            msg = f"{store} holds runs of {earlier['video']}; say --fresh to forget them."
            raise SystemExit(msg)
        known = earlier["runs"]
    lines = header("Regret: plans chosen from profiles against the best that could have been chosen", video)
    with job(video, args.question, cores=args.cores) as (session, declaration):
        session.connect()
        fastest = session.plan(declaration, MIN_LATENCY)
        goals: dict[str, Goal] = {
            "minimize energy": MIN_ENERGY,
            "minimize latency": MIN_LATENCY,
            "maximize quality within a deadline": Goal(
                ("quality",), None, round(predicted_of(fastest)["latency"] * SLACK, 1)
            ),
        }
        plans = {name: session.plan(declaration, goal) for name, goal in goals.items()}
        made, modes, heavy = grid(session, declaration, plans["minimize energy"], args.configurations)
        judge = Judge(modes)
        chosen = {name: choice_of(plan) for name, plan in plans.items()}
        everything = list({key_of(one): one for one in [*chosen.values(), *made]}.items())
        until_s = time.monotonic() + 60.0 * args.minutes
        left = args.limit if args.limit is not None else len(everything) * args.repeats
        warm = False
        for repeat in range(args.repeats):
            for number, (key, choice) in enumerate(everything):
                if left <= 0 or time.monotonic() > until_s or len(known.get(key, ())) > repeat:
                    continue
                if not warm:
                    # Not counted: it brings weights and libraries into the file cache.
                    actual_of(session.run(declaration, plans["minimize latency"], reuse=False))
                    warm = True
                plan = with_choice(plans["minimize latency"], choice)
                found = actual_of(session.run(declaration, plan, reuse=False))
                known.setdefault(key, []).append({**found, "load": load_average()})
                part = store.with_suffix(".part")
                part.write_text(json.dumps({"video": video.name, "runs": known}, indent=1))
                part.replace(store)
                left -= 1
                print(f"{repeat + 1}/{args.repeats} {number + 1}/{len(everything)}: {found}", flush=True)
    done = [(key, one) for key, one in everything if known.get(key)]
    lines += [
        f"- {len(done)} of {len(everything)} configurations run, {args.repeats} times each at most; varied: {', '.join(heavy)}, reserved cores",
        f"- Load average on the way: {mean([r['load'] for key, _ in done for r in known[key]]):.2f}"
        if done
        else "",
        "",
    ]
    worst = 0.0
    rows: list[list[Any]] = []
    for name, goal in goals.items():
        row, regret = judged(name, goal, plans[name], chosen[name], done, known, modes, judge)
        rows.append(row)
        worst = max(worst, regret)
    whole = len(done) == len(everything)
    verdict = "yes" if worst <= 0.10 else "NO, a limit was missed" if worst == float("inf") else "NO"
    verdict += "" if whole else " (so far: not every configuration was run)"
    head = [
        "goal",
        "chosen: predicted",
        "chosen: actual",
        "best that met the goal",
        "regret",
        "where they differ",
    ]
    lines += [*table(head, rows), "", f"Within 10 % for each goal: {verdict}."]
    text = "\n".join(lines) + "\n"
    args.out.write_text(text)
    print(text)
    return 0 if worst <= 0.10 and whole else 1


def choice_of(plan: Plan) -> Choice:
    """What a plan chose."""
    if plan.reserves is None:
        msg = "The plan reserves nothing."
        raise SystemExit(msg)
    return plan.reserves.cores, {name: step.configuration for name, step in plan.steps.items()}


def with_choice(plan: Plan, choice: Choice) -> Plan:
    """A plan with another choice; its predictions are not those of the new one and are not read."""
    reserve, configurations = choice
    return replace(
        plan,
        reserves=None if plan.reserves is None else replace(plan.reserves, cores=reserve, reason=""),
        steps={name: replace(step, configuration=configurations[name]) for name, step in plan.steps.items()},
    )


def judged(
    name: str,
    goal: Goal,
    plan: Plan,
    chosen: Choice,
    done: Sequence[tuple[str, Choice]],
    known: Mapping[str, Sequence[Mapping[str, float]]],
    modes: Mapping[str, Sequence[Mode]],
    judge: Judge,
) -> tuple[list[Any], float]:
    """One goal: its row, and its regret as a share (infinite where the chosen plan missed a limit that others met)."""
    objective = goal.objectives[0]

    def actual(key: str, figure: str) -> float:
        return mean(run[figure] for run in known[key])

    def value(key: str, one: Choice) -> float:
        return score_of(one[1], modes, judge) if objective == "quality" else actual(key, objective)

    def meets(key: str, one: Choice) -> bool:
        if judge.shortfall(score_of(one[1], modes, judge), goal.floor) > 0:
            return False
        return goal.deadline_s is None or actual(key, "latency") <= goal.deadline_s

    if not known.get(key_of(chosen)):
        return [name, "", "not run yet", "", "", ""], float("inf")
    able = [(key, one) for key, one in done if meets(key, one)]
    here = key_of(chosen)
    limit = ""
    if goal.deadline_s is not None:
        took, margin = plan.predicted["latency"].value or 0.0, plan.margins.get("deadline", 0.0)
        limit = (
            f" (deadline {goal.deadline_s:g} s: predicted {took:.2f} s, with {margin:.0%} margin; "
            f"actual {actual(here, 'latency'):.2f} s)"
        )
    mine = value(here, chosen)
    predicted = plan.predicted[objective].value or 0.0
    if not able:
        return [
            name + limit,
            f"{predicted:.2f}",
            f"{mine:.2f}",
            "none met it",
            "cannot be judged",
            "",
        ], float("inf")
    sign = -1.0 if objective == "quality" else 1.0
    best_key, best = min(able, key=lambda pair: sign * value(*pair))
    there = value(best_key, best)
    regret = sign * (mine - there) / there if there else 0.0
    words = f"{regret:.1%}"
    if not meets(here, chosen):
        late = actual(here, "latency") / goal.deadline_s - 1 if goal.deadline_s is not None else 0.0
        words += f"; missed the deadline by {late:.1%}" if late > 0 else "; below the floor of quality"
        regret = float("inf")
    changes = [f"reserved: {chosen[0]} -> {best[0]}"] if chosen[0] != best[0] else []
    changes += [
        f"{step}: {said(chosen[1][step])} -> {said(one)}"
        for step, one in best[1].items()
        if one != chosen[1][step]
    ]
    differ = "; ".join(changes)
    return [name + limit, f"{predicted:.2f}", f"{mine:.2f}", f"{there:.2f}", words, differ or "nothing"], max(
        0.0, regret
    )


if __name__ == "__main__":
    raise SystemExit(main())
