"""Reasons: why the runner-up lost, which limit binds, why no plan is feasible, what the user should know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.figure import Figure, money
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.left_out import left_out_notes
from murakkab_jupyter.planner.margin import margin_note, margin_of
from murakkab_jupyter.planner.modes import Candidates, Mode
from murakkab_jupyter.planner.plan import Alternative, Configuration, Plan
from murakkab_jupyter.planner.quality import SHARES, Judge
from murakkab_jupyter.planner.search import Picks, Search, after, hundredths
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.workflow.goal import TIERS, Goal, Objective

__all__ = [
    "amount",
    "binding_of",
    "difference",
    "infeasible",
    "keeps",
    "loses",
    "notes_of",
    "option_of",
    "rounded_up",
]

UNITS: Mapping[str, str] = {"latency": "s", "energy": "J", "cost": "USD", "cpu": "s"}
FIGURES: Mapping[str, Objective] = {
    "deadline": "latency",
    "budget": "cost",
    "max-energy": "energy",
    "quality": "quality",
}
TYPED: Mapping[str, str] = {"deadline": "s", "budget": "usd", "max-energy": "J"}
"""Units as an option takes them."""
EXTREMES: Mapping[str, tuple[str, str]] = {
    "deadline": ("the fastest plan", "takes"),
    "budget": ("the cheapest plan", "costs"),
    "max-energy": ("the most frugal plan", "spends"),
    "quality": ("the best plan", "reaches"),
}


def amount(value: float, unit: str) -> str:
    """A value for people: `12.3 s`, `28.2 kJ`, `410 µ$`, `0.86`."""
    if unit == "1":
        return f"{value:.2f}"
    if unit == "USD":
        return money(value)
    if unit == "J" and value >= 999.5:
        size, unit = (1e6, "MJ") if value >= 999.5e3 else (1e3, "kJ")
        value /= size
    if value >= 100:
        return f"{value:.0f} {unit}"
    return f"{value:.3g} {unit}"


def of(objective: str, value: float) -> str:
    return amount(abs(value), UNITS.get(objective, "1"))


def shown(search: Search, picks: Picks, objective: Objective) -> str:
    """What `Search.value` is a figure of: the objective, or the CPU-seconds that stand in where that is unknown."""
    return objective if objective == "quality" or search.knows(picks, objective) else "cpu"


def called(figure: str) -> str:
    return "CPU time" if figure == "cpu" else figure


def worse(figure: str, here: float, there: float) -> bool:
    """Whether a figure is worse elsewhere by what can be seen in its three digits."""
    return there > here and of(figure, there) != of(figure, here)


def rounded_up(value: float) -> float:
    """The next number of two significant digits, with a little room: what to type to be feasible."""
    if value <= 0:
        return 0.0
    size = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value * 1.02 / size) * size:.3g}")


def loses(search: Search, picks: Picks, place: int, goal: Goal) -> Alternative | None:
    """The runner-up of a step: the best other mode with all else the same, another agent where there is one."""
    name = search.names[place]
    modes = search.modes[name]
    mine = modes[picks[place]].configuration
    others = [
        other
        for other in range(len(modes))
        if other != picks[place] and not search.crowded(search.swapped(picks, place, other))
    ]
    if not others:
        return None
    unlike = [other for other in others if modes[other].configuration.agent != mine.agent]
    unlike = unlike or [o for o in others if modes[o].configuration.options != mine.options] or others

    def swapped(other: int) -> Picks:
        return search.swapped(picks, place, other)

    # Whatever was judged already costs nothing; else the most promising by estimate is judged.
    best = min(unlike, key=lambda other: search.guess(swapped(other), goal))
    known = [other for other in unlike if swapped(other) in search.evaluations]
    rival = min([best, *known], key=lambda other: search.key(swapped(other), goal))
    return Alternative(modes[rival].configuration, reason(search, picks, swapped(rival), place, goal))


def reason(search: Search, picks: Picks, rival: Picks, place: int, goal: Goal) -> str:
    """One sentence with figures on why a rival lost."""
    name = search.names[place]
    theirs, mine = search.modes[name][rival[place]], search.modes[name][picks[place]]
    objective = goal.objectives[0]
    first = shown(search, picks, objective)
    here, there = search.value(picks, objective), search.value(rival, objective)
    broken = search.excess(rival, goal)
    gain = ""
    if first != "quality" and there < here * (1 - 1e-6) and there > 0:
        ratio = here / there
        gain = f"{ratio:.1f}x less {called(first)}" if first != "latency" else f"{ratio:.1f}x faster"
        if ratio < 1.05:
            gain = f"{(1 - there / here) * 100:.1f} % less {'time' if first == 'latency' else called(first)}"
        if ratio < 1.0005:
            gain = ""  # nothing that can be seen
    elif first == "quality" and there < here:
        gain = f"{(here - there) * 100:.0f} points better"
    if "quality" in broken and goal.floor is not None:
        fault = quality_fault(search, rival, theirs, goal)
    elif broken:
        limit = max(broken, key=lambda one: broken[one])
        value = search.value(rival, FIGURES[limit])
        fault = (
            f"takes {of('latency', value)}" if limit == "deadline" else f"needs {of(FIGURES[limit], value)}"
        )
        fault += f", over your {limit} of {of(FIGURES[limit], dict_of(goal)[limit])}"
        if not search.knows(rival, FIGURES[limit]):
            fault = f"nobody can say whether it keeps your {limit}: its {FIGURES[limit]} is unknown"
    elif doubt := doubts(search, picks, rival, goal):
        fault = doubt
    elif first == "quality":
        drop = (there - here) * 100
        if drop > 0.05:
            fault = f"the workflow's quality would be {drop:.0f} points lower ({-there:.2f})"
        else:
            fault = tie(search, picks, rival, goal)
    elif worse(first, here, there):
        fault = (
            f"the workflow would take {of(first, there)} instead of {of(first, here)}"
            if (first == "latency")
            else f"the workflow would need {of(first, there)}{' of CPU time' if first == 'cpu' else ''} "
            f"instead of {of(first, here)}"
        )
        mine_q, theirs_q = mine.quality.value, theirs.quality.value
        if mine_q is not None and theirs_q is not None and theirs_q >= mine_q + 0.005:
            fault += f", for {100 * (theirs_q - mine_q):.0f} points of quality here"
    else:
        fault = tie(search, picks, rival, goal, better=bool(gain))
    if others := held_for(search, picks, rival, place):
        fault += f" ({mine.configuration.engine} would be held for {others} all the same)"
    what = difference(mine.configuration, theirs.configuration)
    return f"{what}: {gain}, but {fault}." if gain else f"{what}: {fault}."


def held_for(search: Search, picks: Picks, rival: Picks, place: int) -> str:
    """The other steps whose engine a rival would leave to them, taking one with GPUs of its own; empty where there are none."""
    name = search.names[place]
    mine, theirs = search.configurations(picks), search.configurations(rival)[name]
    if not (mine[name].engine and theirs.gpus and theirs.engine and theirs.engine != mine[name].engine):
        return ""
    sharing = [one for one in mine if one != name and mine[one].engine == mine[name].engine]
    return " and ".join(sharing) if mine[name].gpus else ""


def keeps(search: Search, picks: Picks, goal: Goal) -> str:
    """Why a plan reserves neither more nor fewer cores, and no other hosts: the best of the other reservations, all modes the same."""
    held = search.estimator.held
    if len(held) < 2:
        return ""
    others = [one for one in search.levels(picks) if one != picks]
    if not others:
        return "its steps need them all"
    rival = min(others, key=lambda one: search.key(one, goal))
    mine, theirs = held[picks[-1]], held[rival[-1]]
    where = str(theirs.each)
    if mine.hosts != theirs.hosts:
        hosts = theirs.hosts or tuple(search.estimator.host_cores)
        names = f"host {hosts[0]}" if len(hosts) == 1 else f"each of {len(hosts)} hosts"
        where += f" of {names}"
    return f"with {where}, {fault_of(search, picks, rival, goal)}"


def fault_of(search: Search, picks: Picks, rival: Picks, goal: Goal) -> str:
    """What a rival with the same modes would be worse at."""
    objective = goal.objectives[0]
    first = shown(search, picks, objective)
    here, there = search.value(picks, objective), search.value(rival, objective)
    broken = search.excess(rival, goal)
    if not broken and (doubt := doubts(search, picks, rival, goal)):
        return f"it {doubt}"
    if broken:
        limit = max(broken, key=lambda one: broken[one])
        return (
            f"it would miss {named(limit, goal)} ({of(FIGURES[limit], search.value(rival, FIGURES[limit]))})"
        )
    if first != "quality" and worse(first, here, there):
        return f"{called(first)} would be {of(first, there)} instead of {of(first, here)}"
    if first != "quality" and worse(first, there, here):
        but = tie(search, picks, rival, goal, better=True)
        return f"{called(first)} would be {of(first, there)} instead of {of(first, here)}, but {but}"
    return f"it would be {tie(search, picks, rival, goal)}"


def doubts(search: Search, picks: Picks, rival: Picks, goal: Goal) -> str | None:
    """Which limit a rival keeps less surely than the plan, in words; None where it keeps all as surely."""
    here, there = search.risk(picks, goal), search.risk(rival, goal)
    less = {
        limit: share for limit, share in there.items() if hundredths(share) > hundredths(here.get(limit, 0.0))
    }
    if not less:
        return None
    limit = max(less, key=lambda one: less[one])
    totals = search.exact(rival).totals
    value = search.value(rival, FIGURES[limit])
    most = value * (1.0 + margin_of(totals, limit, goal.confidence))
    verb = "take" if limit == "deadline" else "need"
    return (
        f"may {verb} {of(FIGURES[limit], most)} ({of(FIGURES[limit], value)} expected), "
        f"too unsure for your {limit} of {of(FIGURES[limit], dict_of(goal)[limit])}"
    )


def difference(a: Configuration, b: Configuration) -> str:
    """What sets the second apart, as its reason begins: its agent, or what else differs where they have one."""
    if a.agent != b.agent:
        return b.agent
    words = [f"{key}={value}" for key, value in b.options if dict(a.options).get(key) != value]
    if a.cores != b.cores:
        words.append(f"{b.cores} cores" if b.cores > 1 else "1 core")
    if a.instances != b.instances:
        words.append(f"{b.instances} instances" if b.instances > 1 else "1 instance")
    if a.gpus != b.gpus:
        words.append(f"{b.gpus} GPUs" if b.gpus > 1 else "1 GPU")
    if (a.siblings, a.part) != (b.siblings, b.part):
        many = f"{b.part}" if b.part else "all"
        words.append(f"{many} siblings in a call" if b.siblings else "without siblings in a call")
    if a.batch != b.batch and not (a.siblings or b.siblings):
        words.append(f"batch {b.batch}")
    return ", ".join(words) or b.agent


def tie(search: Search, picks: Picks, rival: Picks, goal: Goal, *, better: bool = False) -> str:
    """Why a rival that is as good at the first objective lost, or a little better as far as figures go."""
    for objective in (*goal.objectives[1:], *after(goal)):
        here, there = search.value(picks, objective), search.value(rival, objective)
        what = shown(search, picks, objective)
        if worse(what, here, there):
            more = f"{called(what)} would be {of(what, there)} instead of {of(what, here)}"
            return more if better else f"no better, and {more}"
    return "no different, as far as is known"


def quality_fault(search: Search, rival: Picks, theirs: Mode, goal: Goal) -> str:
    """How far a rival lies under the floor."""
    if theirs.quality.value is None:
        return "its quality is unknown, which fails a floor"
    asked = (
        SHARES[goal.floor] * search.judge.reachable if isinstance(goal.floor, str) else float(goal.floor or 0)
    )
    score = search.score(rival)
    points = (asked - score) * 100
    floor = f"{goal.floor} ({asked:.2f})" if isinstance(goal.floor, str) else f"{asked:.2f}"
    shown = f"{points:.0f} point{'s' if round(points) != 1 else ''}" if points >= 0.5 else "less than a point"
    return f"{shown} worse than your floor {floor}"


def dict_of(goal: Goal) -> dict[str, float]:
    """The limits of a goal that are numbers."""
    return {
        name: value
        for name, value in (
            ("deadline", goal.deadline_s),
            ("budget", goal.budget_usd),
            ("max-energy", goal.max_energy_j),
        )
        if value is not None
    }


def named(limit: str, goal: Goal) -> str:
    """`quality good`, `a deadline of 12 s`."""
    if limit == "quality":
        return f"quality {goal.floor}"
    return f"a {limit} of {of(FIGURES[limit], dict_of(goal)[limit])}"


def without(goal: Goal, limit: str) -> Goal:
    """The goal without one of its limits."""
    if limit == "quality":
        return replace(goal, quality=0.0)
    field = {"deadline": "deadline_s", "budget": "budget_usd", "max-energy": "max_energy_j"}[limit]
    # The floor in force stays in force.
    return replace(goal, **{field: None, "quality": goal.floor})  # type: ignore[arg-type]


def binding_of(search: Search, picks: Picks, goal: Goal, found_best: Picks | None = None) -> str | None:
    """The limit without which the first objective would gain most, in words; None when none binds.

    `found_best` is the best plan within the limits, where another one is taken: what that one gives up is no limit's doing.
    """
    stated = [*dict_of(goal), *(["quality"] if goal.floor not in (None, 0.0) else [])]
    first = goal.objectives[0]
    best: tuple[float, str] | None = None
    for limit in stated:
        if limit == "quality" and first == "quality":
            continue
        free = without(goal, limit)
        found = min(
            [*search.promising(free)[:2], *search.evaluations]
            if search.space > search.effort
            else list(search.all()),
            key=lambda other, free=free: search.key(other, free),  # type: ignore[misc]
        )
        here, there = search.value(picks, first), search.value(found, first)
        had = min(here, search.value(found_best or picks, first))
        if not here or there >= had - abs(had) * 0.01:
            continue
        share = (here - there) / abs(here)
        limited = named(limit, goal)
        if first == "quality":
            words = f"{limited}: without it quality could be {-there:.2f} instead of {-here:.2f}"
        else:
            what = shown(search, picks, first)
            words = (
                f"{limited}: without it {called(what)} could be {of(what, there)} instead of {of(what, here)}"
            )
            if limit == "quality":
                part = " of the steps that have one" if search.judge.blind else ""
                words += f" (at quality {search.score(found):.2f} instead of {search.score(picks):.2f}{part})"
        if best is None or share > best[0]:
            best = (share, words)
    return best[1] if best is not None else None


def option_of(search: Search, picks: Picks, limit: str) -> str | None:
    """What to type so that a plan keeps a limit (`--deadline 13s`); None where its figure is unknown."""
    if limit == "quality":
        score = search.score(picks)
        share = score / search.judge.reachable if search.judge.reachable else 0.0
        tier = next((name for name in TIERS if share >= SHARES[name] * (1 - 1e-9)), None)
        return f"--quality {tier or f'{math.floor(score * 100) / 100:.2f}'}"
    figure = search.exact(picks).totals.get(FIGURES[limit])
    if figure is None or figure.value is None:
        return None
    return f"--{limit} {rounded_up(figure.value):g}{TYPED[limit]}"


def infeasible(
    search: Search, picks: Picks, goal: Goal, limit: str, nearest: Plan, others: Sequence[str] = ()
) -> InfeasibleError:
    """The error that names the limit, the nearest feasible value, and what to type; `others` would do as well."""
    broken = search.excess(picks, goal)
    stated = [*dict_of(goal), *(["quality"] if goal.floor else [])]
    kept = [one for one in stated if one not in broken]
    also = f" that keeps {' and '.join(named(one, goal) for one in kept)}" if kept else ""
    # A limit that cannot be kept beside this one has to give way with it.
    missed = [limit, *(one for one in stated if one in broken and one != limit)]
    options = {one: option_of(search, picks, one) for one in missed}
    hint = f"Say {' '.join(words for words in options.values() if words)}"
    hint += "".join(f", or {words}" for words in others) + "."
    hint += "".join(f" Leave out --{one}." for one, words in options.items() if words is None)
    if limit == "quality":
        if search.judge.blind and not isinstance(goal.floor, str):
            blind = ", ".join(search.judge.blind)
            return InfeasibleError(
                f"No plan surely has a quality of {goal.floor}: the quality of step {blind} is unknown.",
                binding="quality",
                nearest=nearest,
                hint="Say --quality best, good, fair or basic (of what the agents can reach), or state the "
                "quality of your function: @agent(..., quality=0.9).",
            )
        score = search.score(picks)
        asked = (
            f"{goal.floor} ({SHARES[goal.floor] * search.judge.reachable:.2f})"
            if isinstance(goal.floor, str)
            else f"{goal.floor:g}"
        )
        message = f"No plan{also} has quality {asked}: {EXTREMES[limit][0]} {EXTREMES[limit][1]} {score:.2f} (a prior)."
        return InfeasibleError(message, binding="quality", nearest=nearest, hint=hint)
    objective = FIGURES[limit]
    asked = of(objective, dict_of(goal)[limit])
    figure = search.exact(picks).totals.get(objective)
    if figure is None or figure.value is None:
        return InfeasibleError(
            f"No plan surely keeps the {limit} of {asked}: its {objective} is unknown here.",
            binding=limit,
            nearest=nearest,
            hint="State watts and prices in a cluster file (--cluster), or leave the limit out.",
        )
    return InfeasibleError(
        f"No plan meets the {limit} of {asked}: "
        f"{EXTREMES[limit][0]}{also} {EXTREMES[limit][1]} {of(objective, figure.value)} ({figure.source}).",
        binding=limit,
        nearest=nearest,
        hint=hint,
    )


def notes_of(
    found: Mapping[str, Candidates],
    judge: Judge,
    chosen: Mapping[str, Mode],
    calls: Mapping[str, Prediction | None],
    result: Evaluation,
    goal: Goal,
    *,
    described: bool,
) -> tuple[str, ...]:
    """What the user should know about a plan.

    Parameters
    ----------
    found, judge
        What there was to choose from.
    chosen, calls
        The mode of each step, and what its profile says of one of its calls.
    result, goal
        True figures, and what the plan is for.
    described
        Whether the hardware is only written down: no run will correct what is a prior or a guess there
        (`unmeasured` says what nobody can predict).
    """
    notes = [
        note
        for limit, value in dict_of(goal).items()
        if (note := margin_note(result.totals, goal, limit, value, described=described)) is not None
    ]
    notes += [note for some in found.values() for note in some.notes]
    guesses = {
        name: "nothing is known of it" if (one := calls.get(name)) is None else one.guess for name in chosen
    }
    guessed = sorted({f"{chosen[name].configuration.agent} ({how})" for name, how in guesses.items() if how})
    if guessed and not described:
        notes.append(f"Nobody measured {', '.join(guessed)}: the first run does.")
    served = [name for name, mode in chosen.items() if mode.configuration.gpus and mode.configuration.engine]
    notes += [
        f"Step {name} is served by {chosen[name].configuration.agent}: {call.seconds.note}."
        for name in served
        if not guesses[name] and (call := calls[name]) is not None
    ]
    priors = [name for name in chosen if is_prior(result.steps.get(name, {}).get("cpu"))]
    # Of a step that a published server does, and of one that nobody measured, notes of their own say what is a guess.
    told = {*served, *(name for name, how in guesses.items() if how)}
    corrected = "" if described else "; a run corrects them"
    asked: dict[str, list[str]] = {}
    for name in priors:
        if name not in told and chosen[name].configuration.device == "remote":
            call = calls[name]
            asked.setdefault(call.seconds.note if call is not None else "", []).append(name)
    for why, names in asked.items():
        # A served model's are no figures of the reference machine.
        because = f" ({why})" if why else ""
        notes.append(f"Times of {', '.join(names)}, at a server, are priors{because}{corrected}.")
        told |= set(names)
    here = [name for name in priors if name not in told]
    if here and len(priors) == len(chosen):
        which = f"Times of {', '.join(here)}" if told else "Times"
        host = "the described one" if described else "this host"
        notes.append(f"{which} are priors (measured on the reference machine, scaled to {host}){corrected}.")
    elif here:
        notes.append(f"Times of {', '.join(here)} are priors{corrected}.")
    for objective in ("energy", "cost"):
        figure = result.totals.get(objective)
        if objective in goal.objectives and (figure is None or figure.value is None):
            notes.append(
                f"{objective.capitalize()} is unknown here: CPU-seconds were minimised in its place."
            )
    if judge.blind:
        blind = ", ".join(judge.blind)
        notes.append(
            f"The quality of {blind} is unknown: a floor in words is judged on the other steps."
            if isinstance(goal.floor, str)
            else f"The quality of {blind} is unknown, and so is the workflow's."
        )
    if goal.floor is not None and not isinstance(goal.floor, str) and goal.floor > 0:
        notes.append(
            f"Quality {goal.floor:g} was judged on a prior, the product of the steps' qualities; it was not "
            "measured end to end."
        )
    # What is not here comes after what is said of the plan itself.
    notes += left_out_notes(one for some in found.values() for one in some.left_out)
    return tuple(dict.fromkeys(notes))


def is_prior(figure: Figure | None) -> bool:
    return figure is not None and figure.source == "prior"
