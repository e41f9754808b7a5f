"""Make a plan: a mode for every step, chosen for a goal, with why and what else there was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import InfeasibleError, UsageError
from murakkab_jupyter.core.hosts import ClusterView, Share
from murakkab_jupyter.planner.arriving.arrivals import Arrivals
from murakkab_jupyter.planner.arriving.steady import EFFORT as ARRIVALS_EFFORT
from murakkab_jupyter.planner.arriving.steady import Steady, cannot
from murakkab_jupyter.planner.cards import gpus_of_hosts, held_gpus, unstated_note
from murakkab_jupyter.planner.estimate import Estimator, cluster_speed, groups_of
from murakkab_jupyter.planner.evaluate import Evaluation, Evaluator
from murakkab_jupyter.planner.expect import expect, means_of
from murakkab_jupyter.planner.files import made_note, transfer_note
from murakkab_jupyter.planner.leeway import given_up, looked, spared
from murakkab_jupyter.planner.margin import margin_of, risk_note
from murakkab_jupyter.planner.modes import Candidates, Mode, candidates
from murakkab_jupyter.planner.pipeline import Replay, longest, regime_of, stages
from murakkab_jupyter.planner.plan import Alternative, Configuration, Plan, Regime, Reservation, StepPlan
from murakkab_jupyter.planner.proofs.bound import EFFORT
from murakkab_jupyter.planner.proofs.proof import LEAST, Proof, also_of, proven
from murakkab_jupyter.planner.quality import Judge, product
from murakkab_jupyter.planner.recall import recalled
from murakkab_jupyter.planner.search import EVALUATIONS, Picks, Search, limits
from murakkab_jupyter.planner.told.priors import priors_that_matter
from murakkab_jupyter.planner.told.reasons import binding_of, infeasible, keeps, loses, notes_of, option_of
from murakkab_jupyter.planner.told.trades import trades
from murakkab_jupyter.profiles.profile import Profiles
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["Maker", "Problem", "make_plan", "plan_of", "prepare"]

HEAVY_CALLS = 150.0
"""A workflow of many calls takes longer to simulate: beyond this many, fewer evaluations are asked for."""

FIELDS: Mapping[str, str] = {
    "deadline": "deadline_s",
    "budget": "budget_usd",
    "max-energy": "max_energy_j",
}


Maker = tuple[str, tuple[tuple[str, Any], ...]]
"""What results depend on, their inputs aside: an agent and its options."""


def maker(mode: Mode) -> Maker:
    """Whose results a mode makes."""
    return mode.configuration.agent, mode.configuration.options


@dataclass(frozen=True)
class Problem:
    """Everything a search needs, made once for a workflow and a cluster."""

    workflow: Workflow
    found: Mapping[str, Candidates]
    estimator: Estimator
    judge: Judge
    search: Search
    regime: Regime = "schedule"


def prepare(
    workflow: Workflow,
    *,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    profiles: Profiles,
    cluster: ClusterView,
    evaluate: Evaluator,
    effort: int | None = None,
    arriving: bool = False,
    made_by: Mapping[str, Maker] | None = None,
) -> Problem:
    """List the modes of every step and set up the search; raises `InfeasibleError` for a step nobody can do."""
    means = means_of(workflow, roots, library)
    expectation = expect(workflow, roots, library, means=means)
    calls = sum(one.items for one in expectation.steps.values())
    regime = regime_of(workflow, roots, calls)
    speed = cluster_speed(cluster)
    found = {
        step.name: candidates(
            step,
            library=library,
            profiles=profiles,
            cluster=cluster,
            items=expectation.steps[step.name].items,
            work=expectation.steps[step.name].work,
            groups=groups_of(step, expectation),
            speed=speed,
            arriving=arriving,
        )
        for step in workflow.steps
    }
    modes = {name: some.modes for name, some in found.items()}
    judge = Judge(modes)
    if made_by is not None:
        # Floors are still of what everybody can reach.
        modes = {
            name: tuple(one for one in some if maker(one) == made_by[name]) for name, some in modes.items()
        }
        if lacking := [name for name, some in modes.items() if not some]:
            msg = f"Nothing here makes {', '.join(lacking)} as it was made before."
            raise InfeasibleError(
                msg, binding=f"step {lacking[0]}", hint="Plan without what was made before."
            )
    estimator = Estimator(
        workflow,
        modes,
        roots=roots,
        library=library,
        profiles=profiles,
        cluster=cluster,
        judge=judge,
        means=means,
        fluid=regime == "pipeline",
    )
    if effort is None:
        effort = max(8, int(EVALUATIONS * min(1.0, HEAVY_CALLS / max(1.0, calls))))
    search = Search(modes, estimator, judge, evaluate, effort=effort)
    if search.space == 0:
        raise too_few_gpus(modes, cluster)
    return Problem(workflow, found, estimator, judge, search, regime)


def make_plan(
    workflow: Workflow,
    goal: Goal,
    *,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    profiles: Profiles,
    cluster: ClusterView,
    evaluate: Evaluator,
    effort: int | None = None,
    proof_s: float = EFFORT,
    replay: Replay | None = None,
    made_by: Mapping[str, Maker] | None = None,
    known: Sequence[Plan] = (),
) -> Plan:
    """Choose a configuration for every step.

    Parameters
    ----------
    workflow, goal
        What to do, and what for.
    roots
        For each variable, its values.
    library, profiles, cluster
        What there is to choose from, how well it does, and where.
    evaluate
        Predicts what a set of configurations does (the simulator).
    effort
        How many evaluations the search may ask for; by default so many that a plan takes about a second.
    proof_s
        Deterministic seconds that OR-tools may spend on each step of the proof.
    replay
        Predicts the same of other values: what a plan for inputs that keep arriving is made with.
    made_by
        For each step the agent and options that it is to have, everything else still to be chosen; None for any. What such
        a plan says of being the best is of those alone.
    known
        Plans made before of the same workflow and inputs, for whatever goals: one that serves this goal better than what is found
        is taken. Not looked at where inputs keep arriving.

    Returns
    -------
    Plan
        The best plan found that keeps every limit.

    Raises
    ------
    InfeasibleError
        No plan keeps the limits (`nearest` is the one that comes closest), or a step has no agent that
        fits here.
    """
    if goal.arrivals_per_s is not None:
        if replay is None:
            msg = "Arrivals cannot be planned here: nothing replays other values than those at hand."
            raise UsageError(msg)
        arrivals = Arrivals.of(workflow, roots, library, cluster, goal.arrivals_per_s)
        ready = prepare(
            workflow,
            roots=arrivals.many(cluster.cores),
            library=library,
            profiles=profiles,
            cluster=cluster,
            evaluate=evaluate,
            effort=max(8, int(ARRIVALS_EFFORT / arrivals.burden)) if effort is None else effort,
            arriving=bool(arrivals.variable),
            made_by=made_by,
        )
        return keeping_up(ready, goal, Steady(ready.search, arrivals, replay))
    problem = prepare(
        workflow,
        roots=roots,
        library=library,
        profiles=profiles,
        cluster=cluster,
        evaluate=evaluate,
        effort=effort,
        made_by=made_by,
    )
    search = problem.search

    def closer(picks: Picks, *, tried: bool = True) -> tuple[Picks, Proof | None]:
        return proven(
            workflow,
            search,
            problem.estimator,
            cluster,
            picks,
            goal,
            effort=proof_s,
            regime=problem.regime,
            tried=tried,
        )

    def wider(picks: Picks, proof: Proof | None) -> tuple[Picks, Proof | None]:
        best = looked(search, picks, goal)
        return best, proof if best == picks else also_of(search, best, goal, proof, problem.regime)

    def remembered(picks: Picks, proof: Proof | None) -> tuple[Picks, Proof | None]:
        better = recalled(search, known, picks, goal)
        # As it is: asked again, with this plan known too, the answer is the same.
        return (picks, proof) if better == picks else closer(better, tried=False)

    first = search.best(goal)
    if search.crowded(first):
        raise too_few_gpus(search.modes, cluster)
    picks, proof = remembered(*wider(*closer(first)))
    if search.excess(picks, goal):
        limit, picks = unmet(search, picks, goal)
        if limit is not None:
            others = ways(search, goal, limit)
            raise infeasible(search, picks, goal, limit, plan_of(problem, picks, goal), others)
        picks, proof = remembered(*wider(*closer(picks)))
    best, picks = picks, spared(search, picks, goal)
    if picks != best:
        proof = also_of(search, picks, goal, proof, problem.regime, none=LEAST)
    binding = binding_of(search, picks, goal, best)
    made = plan_of(problem, picks, goal, alternatives=True)
    made = replace(
        made,
        binding=binding,
        trades=(*given_up(search, picks, best, goal), *trades(search, picks, goal)),
        priors=priors_that_matter(search, picks, goal),
    )
    if proof is None:
        return made
    if proof.bound is None:
        return replace(made, notes=(*made.notes, proof.words))
    objective = goal.objectives[0]
    sure = objective == "quality" or search.knows(picks, objective)
    return replace(
        made, bound=proof.bound if sure else None, gap=proof.gap if sure else None, proof=proof.words
    )


def keeping_up(problem: Problem, goal: Goal, steady: Steady) -> Plan:
    """A plan for inputs that keep arriving; raises `InfeasibleError` with the largest rate where none keeps up."""
    within = replace(goal, quality=goal.floor)
    picks, proof = steady.proven(steady.best(goal), within)
    if steady.search.crowded(picks):
        raise too_few_gpus(problem.search.modes, problem.estimator.cluster)
    missed = steady.missed(picks, goal)
    job = replace(goal, arrivals_per_s=None, deadline_s=None, budget_usd=None, max_energy_j=None)

    def planned(some: Picks) -> Plan:
        made, rate = plan_of(problem, some, job), steady.rate(some)
        items = steady.arrivals.items(made.steps)
        steps = {name: replace(step, items=items[name]) for name, step in made.steps.items()}
        reserves = made.reserves and replace(made.reserves, reason=steady.reason(some, goal))
        notes = (rate.words, RATE_NOTE, *made.notes)
        return replace(
            made, goal=goal, steps=steps, regime="pipeline", rate=rate, reserves=reserves, notes=notes
        )

    limit, nearest = missed or ("", picks)
    if not limit and nearest != picks:
        picks, proof = steady.proven(nearest, within)
        nearest = picks
    made = planned(nearest)
    rate = made.rate or steady.rate(nearest)
    if rate.grows and not limit:
        other = steady.faster(rate, goal)
        if other is not None:
            # It is no longer the best by the figures that were proven of.
            picks, proof, made = other, None, planned(other)
            rate = made.rate or steady.rate(other)
    if limit or rate.grows:
        most = math.inf if steady.least is None else steady.least.most_per_s()
        raise cannot(limit or BEHIND, rate, goal, made, steady.sustained(nearest), most)
    totals = steady.search.exact(picks).totals
    described = problem.estimator.cluster.described
    risks = [risk_note(totals, goal, name, limit, described=described) for name, _, limit in limits(goal)]
    doubt = steady.search.risk(picks, within)
    if "arrivals" in doubt:
        at_risk = (
            "The rate is at risk: of the plans found this one keeps up most surely, and one run in "
            f"{1 / (1 - goal.confidence):.3g} or more may fall behind."
        )
        risks.insert(0, at_risk)
    if goal.deadline_s is not None and "deadline" not in doubt:
        risks.append(rate.tail_note)
    made = replace(made, cautions=(*(one for one in risks if one), *made.cautions))
    if proof is None:
        return made
    if proof.bound is None:
        return replace(made, notes=(*made.notes, proof.words))
    return replace(made, bound=proof.bound, gap=proof.gap, proof=proof.words)


BEHIND = "arrivals"
"""The limit that is broken where a backlog grows."""

RATE_NOTE = (
    "Pipeline regime: the figures of arrivals come from the simulator, which lets values arrive over time on instances that are loaded. A run of "
    "this plan does the inputs at hand, once; that more keep arriving is simulated. Figures below are of the inputs at hand."
)


def too_few_gpus(modes: Mapping[str, Sequence[Mode]], cluster: ClusterView) -> InfeasibleError:
    """The error of steps whose engines need more GPUs than there are, whichever modes are taken."""
    steps = [name for name, some in modes.items() if all(one.configuration.gpus for one in some)]
    there = sum(len(worker.gpus) for worker in cluster.workers)
    return InfeasibleError(
        f"The engines of {', '.join(steps)} need more GPUs together than the {there} that there are.",
        binding="gpus",
        hint="Pin the same model in several steps, so that they share its engine, or smaller ones.",
    )


def unmet(search: Search, picks: Picks, goal: Goal) -> tuple[str | None, Picks]:
    """The limit to blame and the plan nearest to the goal; no limit when the closer look found a feasible plan.

    A limit is to blame when the rest of the goal (or most of it) can be kept without it; the one missed by least
    is named, and a floor that nobody stated only when nothing else will do.
    """
    found: list[tuple[int, bool, float, str, Picks]] = []
    for limit in sorted(search.excess(picks, goal)):
        closest = search.best(closest_to(goal, limit))
        broken = search.excess(closest, goal)
        if not broken:
            return None, closest
        hopeless = set(broken) - {limit, "quality"}
        if hopeless and limit != "quality" and "quality" in broken:
            # Limits that cannot be kept anyway must not push quality down as well.
            free = {FIELDS[name]: None for name in hopeless}
            closest = search.best(closest_to(replace(goal, quality=goal.floor, **free), limit))  # type: ignore[arg-type]
            broken = search.excess(closest, goal)
        silent = limit == "quality" and goal.quality is None
        found.append((len({*broken, limit}), silent, broken.get(limit, 0.0), limit, closest))
    _, _, _, limit, nearest = min(found)
    return limit, nearest


def ways(search: Search, goal: Goal, limit: str) -> list[str]:
    """What else could be typed: other limits which, loosened alone, leave a plan that keeps all the rest."""
    from murakkab_jupyter.workflow.language import parse_goal_options

    stated = [name for name, _, _ in limits(goal)] + (["quality"] if goal.floor else [])
    found: list[str] = []
    for other in stated:
        if other == limit:
            continue
        closest = search.best(closest_to(goal, other))
        words = option_of(search, closest, other)
        if words is None or set(search.excess(closest, goal)) != {other}:
            continue
        # Asked anew, as the user will: a search that knows less may find less.
        looser, _ = parse_goal_options(
            words.split(), goal if goal.quality else replace(goal, quality=goal.floor)
        )
        anew = Search(search.modes, search.estimator, search.judge, replayed(search), effort=search.effort)
        picks = anew.best(looser)
        if not anew.excess(picks, looser) or unmet(anew, picks, looser)[0] is None:
            found.append(words)
    return found


def replayed(search: Search) -> Evaluator:
    """An evaluator that does not ask again for what a search knows."""
    kept = {
        (tuple(search.configurations(picks).items()), search.reserved(picks)): result
        for picks, result in search.evaluations.items()
    }

    def evaluate(configurations: Mapping[str, Configuration], reserve: Share) -> Evaluation:
        result = kept.get((tuple(configurations.items()), reserve))
        return search.evaluator(configurations, reserve) if result is None else result

    return evaluate


def closest_to(goal: Goal, limit: str) -> Goal:
    """The goal whose best plan comes closest to a limit, the other limits kept."""
    objective = {"deadline": "latency", "budget": "cost", "max-energy": "energy", "quality": "quality"}[limit]
    kept: dict[str, Any] = {
        "confidence": goal.confidence,
        "deadline_s": goal.deadline_s,
        "budget_usd": goal.budget_usd,
        "max_energy_j": goal.max_energy_j,
    }
    field = FIELDS.get(limit)
    if field is not None:
        kept[field] = None
    floor = goal.floor if limit != "quality" else None
    if objective != "quality" and floor is None:
        floor = 0.0  # so that no floor of its own comes in
    return Goal((objective,), floor, **kept)  # type: ignore[arg-type]


def plan_of(problem: Problem, picks: Picks, goal: Goal, *, alternatives: bool = False) -> Plan:
    """Write a set of modes down as a plan, with true figures."""
    search, described = problem.search, problem.estimator.cluster.described
    result = search.exact(picks)
    expectation = problem.estimator.expectation(picks)
    chosen = {name: search.modes[name][pick] for name, pick in zip(search.names, picks, strict=False)}
    pick_of = dict(zip(search.names, picks, strict=False))
    steps: dict[str, StepPlan] = {}
    for place, (name, mode) in enumerate(chosen.items()):
        runner_up: Alternative | None = None
        if alternatives:
            runner_up = loses(search, picks, place, goal)
        steps[name] = StepPlan(
            configuration=mode.configuration,
            items=expectation.steps[name].items,
            predicted={**result.steps.get(name, {}), "quality": mode.quality},
            runner_up=runner_up,
        )
    return Plan(
        workflow=problem.workflow.name,
        goal=goal,
        steps=steps,
        reserves=reservation(problem, picks, keeps(search, picks, goal) if alternatives else ""),
        predicted={**result.totals, "quality": product({name: m.quality for name, m in chosen.items()})},
        regime=problem.regime,
        margins={
            name: round(margin_of(result.totals, name, goal.confidence), 4) for name, _, _ in limits(goal)
        },
        cautions=tuple(
            note
            for name, _, limit in limits(goal)
            if (note := risk_note(result.totals, goal, name, limit, described=described)) is not None
        ),
        transfer=result.transfer,
        considered=tuple(
            sorted({mode.configuration.agent for some in problem.found.values() for mode in some.modes})
        ),
        notes=(
            *paced_note(problem, picks, result),
            *unstated_note(result.totals.get("energy"), problem.estimator.cluster, search.reserved(picks)),
            *transfer_note(result.transfer, problem.estimator.cluster, search.reserved(picks)),
            *made_note(problem.workflow, problem.estimator.cluster, search.reserved(picks)),
            *notes_of(
                problem.found,
                problem.judge,
                chosen,
                {name: problem.estimator.one_call(name, pick_of[name], expectation) for name in chosen},
                result,
                goal,
                described=described,
            ),
        ),
    )


def reservation(problem: Problem, picks: Picks, reason: str) -> Reservation:
    """What is kept of each host: cores, and the GPUs of the engines."""
    cluster = problem.estimator.cluster
    cards = held_gpus(problem.search.configurations(picks).values(), cluster) or {}
    gpus: dict[str, int] = {}
    for worker in cluster.workers:
        if worker.name in cards:
            gpus[worker.host] = gpus.get(worker.host, 0) + cards[worker.name]
    of = {host: count for host, count in gpus_of_hosts(cluster).items() if host in gpus}
    held = problem.estimator.held[picks[-1]]
    sizes = problem.estimator.host_cores
    return Reservation(
        held.each,
        {host: size for host, size in sizes.items() if held.share.covers(host)},
        reason,
        gpus=gpus,
        gpus_of=of,
        spared={host: size for host, size in sizes.items() if not held.share.covers(host)},
    )


def paced_note(problem: Problem, picks: Picks, result: Evaluation) -> tuple[str, ...]:
    """In the pipeline regime: which stage sets the pace, and what the figures rest on."""
    if problem.regime != "pipeline":
        return ()
    slowest = stages(problem.estimator, picks, longest(problem.workflow, problem.estimator.roots))[0]
    pace = (
        ""
        if slowest.per_s is None
        else f" {slowest.step} is the slowest stage, {slowest.per_s:.3g} items a second."
    )
    latency = result.totals.get("latency")
    rests = f" Figures are {latency.note}." if latency is not None and latency.note else ""
    return (f"Pipeline regime:{pace}{rests}",)
