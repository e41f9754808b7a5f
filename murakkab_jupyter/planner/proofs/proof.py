"""Join the search and the exact problem: exact solutions become candidates of the search, and its plan gets a proven gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.estimate import Estimator
from murakkab_jupyter.planner.modes import Mode
from murakkab_jupyter.planner.plan import Regime
from murakkab_jupyter.planner.proofs.bound import EFFORT, Bound, attempt, prove
from murakkab_jupyter.planner.proofs.pose import parts, pose
from murakkab_jupyter.planner.proofs.rich import RichProblem
from murakkab_jupyter.planner.proofs.scenarios import TooMany
from murakkab_jupyter.planner.proofs.unlike import cases
from murakkab_jupyter.planner.search import EVALUATIONS, SAME, Picks, Search
from murakkab_jupyter.planner.told.reasons import UNITS, amount, called, shown
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["LEAST", "Proof", "also_of", "proven"]

NONE = 5e-4
"""A gap of less than this share is none: figures are shown with three digits."""

LEAST = 1e-9
"""The same of a plan that is said to give something up."""

SLACK = 1e-6
"""A share by which sums may differ from those of the simulator."""

BEATEN = (
    "Nothing is proven of this plan: it does better than the bound that the exact problem gives, so that one of the two is wrong. Please "
    "report it with the workflow."
)

MOST_PROOFS = 12
"""Proofs of parts of the space and of kinds of hosts, together."""

LEVELS = 2
"""Reservations that are tried with each exact solution; one where a simulation takes so long that few are asked for."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of the best there is.

    Attributes
    ----------
    bound
        No plan of these modes under these profiles that is expected to keep the limits does better at the goal's first
        objective. None where nothing is proven.
    gap
        How far the plan may be from it, as a share of its own value (quality: in points).
    words
        Both in a sentence, or why there are none.
    """

    bound: float | None
    gap: float | None
    words: str


def proven(
    workflow: Workflow,
    search: Search,
    estimator: Estimator,
    cluster: ClusterView,
    picks: Picks,
    goal: Goal,
    *,
    effort: float = EFFORT,
    regime: Regime = "schedule",
    tried: bool = True,
) -> tuple[Picks, Proof | None]:
    """A plan that is no worse than `picks`, and what is proven of it (None: nothing).

    Parameters
    ----------
    workflow, search, estimator, cluster
        What is planned; the search knows what it has judged already.
    picks
        The best that the search found.
    goal
        What for.
    effort
        Deterministic seconds of OR-tools for each step of the proof, so that the answer repeats on any machine.
    regime
        In the pipeline regime a plan's figures are those of a line through two samples; the bound is of all items, so that
        it holds for what a replay of all of them would say.
    tried
        Whether exact solutions are tried as plans; without, the plan is `picks`.
    """
    objective = goal.objectives[0]
    if objective in ("energy", "cost") and partly_known(cluster, objective):
        # Of some plans nobody knows the figure: there is nothing that it could be compared with.
        return picks, None
    if search.space <= search.effort and regime == "schedule":
        if search.space == 1:
            return picks, Proof(
                abs(search.value(picks, objective)),
                0.0,
                "Optimal under these profiles: there is no other plan.",
            )

        return picks, simulated(search, picks, goal)
    if objective != "quality" and not search.knows(picks, objective):
        return picks, None

    def posed(
        part: Mapping[str, Sequence[int]] | None = None, case: tuple[ClusterView, int] = (cluster, 1)
    ) -> RichProblem:
        modes: Mapping[str, Sequence[Mode]] = search.modes
        if part:
            modes = {name: [modes[name][place] for place in places] for name, places in part.items()}
        return pose(
            workflow,
            modes,
            goal,
            roots=estimator.roots,
            library=estimator.library,
            profiles=estimator.profiles,
            cluster=case[0],
            judge=search.judge,
            levels=[held.each for held in estimator.held],
            kinds=case[1],
        )

    try:
        rich = posed()
        split = parts(workflow, search.modes, estimator.roots, estimator.library)
    except TooMany:
        return picks, None
    broken = bool(search.excess(picks, goal))
    value = abs(search.value(picks, objective))
    # A plan that breaks a limit says nothing about how good those are that keep it.
    reached = value if not broken else (0.0 if objective == "quality" else 10.0 * value)
    unlike = cases(cluster, search.modes.values()) if objective != "quality" else [(cluster, 1)]
    if len(split) * len(unlike) > MOST_PROOFS:
        split = [{}]  # what hosts take differs by more than what options leave to do
    if len(split) == len(unlike) == 1:
        found = prove(rich, objective, reached, effort=effort)
    else:
        some = [
            original(prove(posed(part, case), objective, reached, effort=effort), part)
            for part in split
            for case in unlike
        ]
        found = best_of(some, objective)
    if tried:
        rival = min(
            (
                some
                for one in solutions(rich, goal, found, reached, effort)
                for some in tries(search, one, goal)
            ),
            key=lambda some: search.key(some, goal),
            default=picks,
        )
        if search.key(rival, goal) < search.key(picks, goal):
            picks = search.polish([rival], goal, max(1, search.effort // 4))
    if search.excess(picks, goal):
        return picks, None
    value = abs(search.value(picks, objective))
    # What is continued from samples may come out below what is proven of all items.
    if regime != "pipeline" and beaten(found.value, value, objective):
        return picks, Proof(None, None, BEATEN)
    bound, gap = apart(found.value, value, objective)
    if objective != "quality" and bound <= 0 < value:
        return picks, None  # that nothing takes less than nothing is no proof
    return picks, Proof(bound, gap, words_of(goal, bound, gap, sampled=regime == "pipeline"))


def simulated(search: Search, picks: Picks, goal: Goal, none: float = NONE) -> Proof | None:
    """What is known of a plan where every plan was simulated."""

    def told(objective: str, value: float) -> str:
        # Where watts or prices are unknown, plans are compared by CPU time.
        return better(shown(search, picks, objective), value)  # type: ignore[arg-type]

    return tried_out(search, picks, goal, "the whole space of {} plans was simulated", told, none)


def also_of(
    search: Search, picks: Picks, goal: Goal, proof: Proof | None, regime: Regime, none: float = NONE
) -> Proof | None:
    """What a proof says of another plan than the one it was made for: a bound holds for all of them; a gap of less than `none` is none."""
    if proof is None or proof.bound is None:
        return proof
    objective = goal.objectives[0]
    if search.space <= search.effort and regime == "schedule":
        return simulated(search, picks, goal, none)
    value = abs(search.value(picks, objective))
    if regime != "pipeline" and beaten(proof.bound, value, objective):
        return Proof(None, None, BEATEN)
    bound, gap = apart(proof.bound, value, objective)
    return Proof(bound, gap, words_of(goal, bound, gap, sampled=regime == "pipeline", none=none))


def beaten(bound: float, value: float, objective: str) -> bool:
    """Whether a plan does better than what is said that none does."""
    if objective == "quality":
        return bound < value * (1.0 - SLACK)
    return bound > value * (1.0 + SLACK)


def apart(bound: float, value: float, objective: str) -> tuple[float, float]:
    """A bound, no better than the plan's own value, and how far that is from it."""
    if objective == "quality":
        bound = max(bound, value)
        return bound, bound - value
    bound = min(bound, value)
    return bound, 1.0 - bound / value if value > 0 else 0.0


def tried_out(
    search: Search,
    picks: Picks,
    goal: Goal,
    said: str,
    what: Callable[[str, float], str],
    none: float = NONE,
) -> Proof | None:
    """What is known where every plan was simulated: the best of those that are expected to keep the limits; None if none does.

    The plan itself may be another one: it keeps limits with the confidence that was asked for, and of objectives that are nearly
    equal the next one decides.

    Parameters
    ----------
    said
        That the plans were simulated, with a place for how many.
    what
        In words, what has more of an objective than a value.
    none
        A gap of less is none.
    """
    objective = goal.objectives[0]
    kept = [one for one in search.all() if not search.excess(one, goal)]
    if picks not in kept:
        return None
    value = abs(search.value(picks, objective))
    bound, gap = apart(abs(min(search.value(one, objective) for one in kept)), value, objective)
    told = said.format(f"{search.space:,}".replace(",", " "))
    if gap < none:
        return Proof(bound, gap, f"Optimal under these profiles: {told}.")
    words = f"Proven under these profiles: {told}; of those that are expected to keep the limits none {what(objective, bound)}; this one is within {away(objective, gap)} of that."
    if search.risk(picks, goal):
        words += f" None keeps them with {goal.confidence:.0%} confidence: this one comes closest."
    else:
        sure = abs(min(search.value(one, objective) for one in kept if not search.risk(one, goal)))
        near, left = apart(sure, value, objective)
        if near != bound:
            words += f" Of those that keep them with {goal.confidence:.0%} confidence, as this one does, none {what(objective, near)}."
        if left > 0:
            words += f" Objectives within {SAME:.0%} of each other leave the choice to the next."
    return Proof(bound, gap, words)


def partly_known(cluster: ClusterView, objective: str) -> bool:
    """Whether energy or cost is known on some hosts and not on others."""
    told = set()
    for power in {worker.power for worker in cluster.workers}:
        energy = power.idle_w.known and power.active_w_per_core.known
        bought = power.price_usd_per_hour.known or (energy and power.electricity_usd_per_kwh.known)
        told.add(energy if objective == "energy" else bought)
    return len(told) > 1


def original(found: Bound, part: Mapping[str, Sequence[int]]) -> Bound:
    """A part's bound with the places that its modes have among all."""
    if found.picks is None:
        return found
    picks = {name: part[name][place] if name in part else place for name, place in found.picks.items()}
    return replace(found, picks=picks)


def best_of(some: Sequence[Bound], objective: str) -> Bound:
    """Of bounds of parts that hold every plan together, the one that bounds them all."""
    return (max if objective == "quality" else min)(some, key=lambda one: one.value)


def solutions(
    rich: RichProblem, goal: Goal, found: Bound, reached: float, effort: float
) -> Iterator[Mapping[str, int]]:
    """Modes by step, of exact solutions: with all cores, and with what the relaxation would hold."""
    if found.picks is not None:
        yield found.picks
    holdings = [rich.holdings[-1], *([found.held] if found.held not in (None, rich.holdings[-1]) else [])]
    for held in holdings:
        picks = attempt(rich, goal.objectives[0], reached, held, effort=effort) if held is not None else None
        if picks is not None:
            yield picks


def tries(search: Search, solution: Mapping[str, int], goal: Goal) -> list[Picks]:
    """The plans to judge for one exact solution: with the reservations that look best."""
    some = search.levels((*(solution[name] for name in search.names), 0))
    return sorted(some, key=lambda picks: search.guess(picks, goal))[
        : LEVELS if search.effort >= EVALUATIONS else 1
    ]


def words_of(goal: Goal, bound: float, gap: float, *, sampled: bool = False, none: float = NONE) -> str:
    """The proof in a sentence; of a plan that was replayed on samples the bound alone is proven, since it is of all items."""
    objective = goal.objectives[0]
    shown = amount(bound, UNITS.get(objective, "1"))
    if sampled and objective != "quality":
        near = "at" if gap < none else f"within {away(objective, gap)} of"
        return (
            f"Proven over all items: under these profiles no plan of the modes considered has {better_of(objective)} than {shown}; "
            f"this one, continued from samples, is {near} that."
        )
    if gap < none:
        return f"Optimal under these profiles: no plan of the modes considered has {better_of(objective)} than {shown}."
    return (
        f"Proven: under these profiles no plan of the modes considered has {better_of(objective)} than {shown}; "
        f"this one is within {away(objective, gap)} of that."
    )


def away(objective: str, gap: float) -> str:
    """A gap in words."""
    if objective == "quality":
        return f"{100 * gap:.{0 if gap >= 0.01 else 1}f} points"
    return f"{100 * gap:.1f} %" if gap >= NONE else f"{100 * gap:.1g} %"


def better(objective: str, value: float) -> str:
    """`has less energy than 3 J`."""
    return f"has {better_of(objective)} than {amount(value, UNITS.get(objective, '1'))}"


def better_of(objective: str) -> str:
    return "more quality" if objective == "quality" else f"less {called(objective)}"
