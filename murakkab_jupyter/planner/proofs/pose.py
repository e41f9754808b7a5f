"""State a workflow, its modes and a goal as the richer problem of `rich`: least items, least times, what waits for what.

Everything here errs to the low side, so that what is proven of the problem holds for the simulator's runs: the
fastest worker's speed, the least work that any choice of options leaves, one instance's loading, no interference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, WorkerView, allotted, host_cores
from murakkab_jupyter.energy.estimate import JOULES_PER_KWH, SECONDS_PER_HOUR
from murakkab_jupyter.planner.cards import gpus_of_hosts
from murakkab_jupyter.planner.files import files_to_bring, haul_of
from murakkab_jupyter.planner.modes import Mode, ladder
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.proofs.calls import Costs
from murakkab_jupyter.planner.proofs.rich import (
    Amount,
    Host,
    Limits,
    RichMode,
    RichProblem,
    RichStep,
)
from murakkab_jupyter.planner.proofs.scenarios import Options, Scenarios
from murakkab_jupyter.planner.proofs.unlike import kinds_of
from murakkab_jupyter.planner.quality import SHARES, Judge
from murakkab_jupyter.profiles.interference import slowdown
from murakkab_jupyter.profiles.profile import Profiles
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["parts", "pose"]

MOST_PARTS = 8
"""Parts of the space of plans that are proven one by one."""

MOST_LEVELS = 8
MOST_HOSTS = 2
FIRST_CASES = 6
"""Reservations, numbers of hosts, and the least numbers of GPUs held that are told apart; more are taken together, at the cost of a weaker bound."""


def parts(
    workflow: Workflow,
    modes: Mapping[str, Sequence[Mode]],
    roots: Mapping[str, Sequence[Any]],
    library: Library,
) -> list[dict[str, list[int]]]:
    """Parts of the space of plans, each with the places of its modes by step; every plan is in one of them.

    Steps whose options change what flows are told apart by these, as many of them as few parts allow: posed one by one, a
    step has the work that goes with the options before it, and not the least of all.

    Raises
    ------
    TooMany
        As for `pose`.
    """
    scenarios = Scenarios.of(workflow, modes, roots, library)
    found: list[dict[str, list[int]]] = [{}]
    for name, some in modes.items():
        kinds: dict[Options, list[int]] = {}
        for place, mode in enumerate(some):
            kinds.setdefault(scenarios.kind(name, mode.configuration.options), []).append(place)
        if len(found) * len(kinds) > MOST_PARTS:
            kinds = {(): list(range(len(some)))}
        found = [{**part, name: places} for part in found for places in kinds.values()]
    return found


def pose(
    workflow: Workflow,
    modes: Mapping[str, Sequence[Mode]],
    goal: Goal,
    *,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    profiles: Profiles,
    cluster: ClusterView,
    judge: Judge,
    levels: Sequence[int],
    kinds: int = 1,
) -> RichProblem:
    """The richer problem of a workflow.

    Parameters
    ----------
    workflow, modes, goal, judge
        What is planned, and for what.
    roots, library, profiles, cluster
        Where items, times and workers are looked up.
    levels
        Cores of each host that may be reserved, ascending.
    kinds
        The least number of kinds of hosts that are used (1 or 2).

    Raises
    ------
    TooMany
        Options multiply what flows beyond what is walked.
    """
    scenarios = Scenarios.of(workflow, modes, roots, library)
    speed = max((worker.speed.value or 1.0 for worker in cluster.workers), default=1.0)
    costs = Costs(profiles, speed, cluster)
    hauls = surely_brought(workflow, roots, cluster)
    steps: list[RichStep] = []
    users = users_of(modes)
    for step in workflow.steps:
        amounts = {
            options: scenarios.amount(step.name, options)
            for options in dict.fromkeys(mode.configuration.options for mode in modes[step.name])
        }
        flows = scenarios.flows(step.name)
        some = [
            rich_mode(
                mode,
                judge.factor(step.name, mode),
                amounts[mode.configuration.options],
                costs,
                cluster,
                first=not flows,
                users=users,
            )
            for mode in modes[step.name]
        ]
        first_s, all_s = (
            hauls.get(step.name, (0.0, 0.0)) if all(a.items for a in amounts.values()) else (0, 0)
        )
        steps.append(RichStep(step.name, some, flows, first_s, all_s))
    sizes = {m.cores for step in steps for m in step.modes if m.cores}
    power = [worker.power for worker in {w.host: w for w in reversed(cluster.workers)}.values()]
    rented = any(one.price_usd_per_hour.known for one in power)
    kwh = [one.electricity_usd_per_kwh.value or 0.0 for one in power]
    limits = limits_of(goal, judge)

    def held(one: Configuration) -> int:
        return engine_gpus(one, cluster)

    shared = [view for name, count in users.items() if count > 1 and (view := cluster.engine(name))]
    return RichProblem(
        steps,
        holdings(
            cluster,
            levels,
            sizes,
            getattr(profiles, "interference", None),
            gpu_cases(
                {name: [held(one.configuration) for one in some] for name, some in modes.items()},
                least_gpus(modes, judge, limits.quality, held),
                sum(len(worker.gpus) for worker in cluster.workers),
                told_apart=dear(goal),
            ),
            kinds,
        ),
        usd_per_j=0.0 if rented else min(kwh, default=0.0) / JOULES_PER_KWH,
        # The simulator has a server with GPUs take the calls of two steps one after the other.
        engines={view.name: 1 for view in shared},
        engine_start_s={view.name: view.start.value or 0.0 for view in shared if not view.warm},
        limits=limits,
    )


def dear(goal: Goal) -> bool:
    """Whether it matters for a goal what is held: idle watts or rent."""
    return (
        goal.objectives[0] in ("energy", "cost")
        or goal.max_energy_j is not None
        or goal.budget_usd is not None
    )


def users_of(modes: Mapping[str, Sequence[Mode]]) -> dict[str, int]:
    """For each engine that holds GPUs, how many steps could call it."""
    found: dict[str, int] = {}
    for some in modes.values():
        for name in {one.configuration.engine for one in some if one.configuration.gpus}:
            if name:
                found[name] = found.get(name, 0) + 1
    return found


def engine_gpus(one: Configuration, cluster: ClusterView) -> int:
    """GPUs that a configuration's engine holds for the whole run, as `held_gpus` counts them."""
    view = cluster.engine(one.engine) if one.engine else None
    return one.gpus if view is not None and view.gpus else 0


def gpu_cases(
    gpus: Mapping[str, Sequence[int]], least: int, there: int, *, told_apart: bool
) -> list[tuple[int, int]]:
    """Cases of how many GPUs are held in all, each as at least and at most so many.

    Each number that some modes of the steps may add up to is a case; many are taken together, as are all where it does not matter.
    """
    sums = {0}
    for some in gpus.values():
        sums |= {held + more for held in sums for more in set(some) if held + more <= there}
    numbers = sorted({least, *(number for number in sums if number >= least)})
    if not told_apart:
        return [(least, numbers[-1])]
    cases, below = [], 0
    last = len(numbers) - 1
    # Most plans hold few: those are told apart one by one, more of them twice as many at a time.
    for place in sorted({*range(min(FIRST_CASES, last)), *(n - 1 for n in ladder(last + 1)), last}):
        cases.append((numbers[below], numbers[place]))
        below = place + 1
    return cases


def surely_brought(
    workflow: Workflow, roots: Mapping[str, Sequence[Any]], cluster: ClusterView
) -> dict[str, tuple[float, float]]:
    """Seconds from the start of every run until the first and the last files of a step are there; none where some host sees them.

    Files go one after another over one link: the first item has its own no sooner than they take alone. The last call comes
    after all have passed, where each file surely has an item: not where a step runs for parts of them, of which there may be none.
    """
    if any(worker.sees_files for worker in cluster.workers):
        return {}
    hauls = haul_of(files_to_bring(workflow, roots, cluster), cluster)
    return {
        step.name: (haul.first_s, haul.all_s if len(step.at) <= 1 else 0.0)
        for step in workflow.steps
        if (haul := hauls.get(step.name)) is not None
    }


def limits_of(goal: Goal, judge: Judge) -> Limits:
    floor = goal.floor
    asked = SHARES[floor] * judge.reachable if isinstance(floor, str) else floor
    return Limits(goal.deadline_s, goal.max_energy_j, goal.budget_usd, asked * (1 - 2e-9) if asked else None)


def least_gpus(
    modes: Mapping[str, Sequence[Mode]],
    judge: Judge,
    floor: float | None,
    held: Callable[[Configuration], int],
) -> int:
    """GPUs that engines hold in every plan that can keep the floor: those of a step that nothing else can do well enough."""
    best = {name: max((judge.factor(name, one) for one in some), default=0.0) for name, some in modes.items()}
    found = 0
    for name, some in modes.items():
        others = math.prod(value for other, value in best.items() if other != name)
        able = [one.configuration for one in some if not floor or judge.factor(name, one) * others >= floor]
        found = max(found, min(map(held, able), default=0))
    return found


def rich_mode(
    mode: Mode,
    quality: float,
    amount: Amount,
    costs: Costs,
    cluster: ClusterView,
    *,
    first: bool = False,
    users: Mapping[str, int] | None = None,
) -> RichMode:
    """A mode with its seconds and joules by call; what it costs to start an engine is shared among as many steps as use it (`users`)."""
    one = mode.configuration
    seconds, cpu_j, gpu_j = costs.of(one, amount)
    load_s, load_j = costs.load(one)
    engine = cluster.engine(one.engine) if one.engine else None
    sharing = (users or {}).get(one.engine, 0)
    start_s = 0.0
    if engine is not None and not engine.warm:
        start_s = engine.start.value or 0.0
        if sharing:
            # It is started once, whichever of the steps that could call it do.
            load_j += (engine.start_cpu.value or 0.0) * costs.least_w / sharing
    if first or not amount.items:
        # Nothing before it can have had its engine started.
        load_s, start_s = load_s + start_s, 0.0
    remote = one.waits
    abreast = one.instances
    if not remote and one.cores:
        abreast = min(abreast, sum(worker.cores // one.cores for worker in cluster.workers))
    # One that is still to be started holds nothing before it answers.
    held = one.held_cores if engine is None or (engine.warm and engine.host) else 0
    return RichMode(
        seconds=seconds.plus(costs.dispatch_s),
        busy_s=seconds,
        cpu_j=cpu_j,
        gpu_j=gpu_j,
        load_s=load_s,
        load_j=load_j,
        cores=held if remote else one.cores,
        instances=max(1, abreast),
        batch=max(1, one.batch),
        siblings=one.whole,  # parts are batches to a bound: no call holds more
        quality=quality,
        engine=one.engine if sharing else None,
        start_s=start_s,
        gpus=engine_gpus(one, cluster),
        amount=amount,
    )


def crowding_of(
    workers: Sequence[WorkerView],
    room: Mapping[str, int],
    sizes: Collection[int],
    interference: Figure | None,
) -> dict[int, float]:
    """For calls of each number of cores, how much more of what is reserved they take than they would alone.

    A call is slowed down by what is busy beside it when it starts. Of calls that run at the same instant only the one
    that started first may have been alone then: each other had at least the earlier ones beside it. The most that a worker
    gets done at any instant is therefore the best of all orders of calls that fit on it, and less than its cores.
    A call as large as what is reserved of a worker may have it to itself. Empty where nothing is slowed down.
    """
    factor = (interference.value if interference is not None else None) or 1.0
    found = dict.fromkeys(sizes, math.inf)
    for cores, most in {(worker.cores, room[worker.name]) for worker in workers if room[worker.name]}:
        best = [0.0] * (most + 1)
        """The most that can be done at once on what is left, by the cores that are busy already."""
        for busy in range(most - 1, -1, -1):
            for size in sizes:
                if size < most and busy + size <= most:
                    done = size / slowdown(factor, busy / (cores - size)) + best[busy + size]
                    best[busy] = max(best[busy], done)
        for size in sizes:
            share = 1.0 if size >= most or not best[0] else most / best[0]
            found[size] = min(found[size], max(1.0, share))
    return found if any(1.0 < share < math.inf for share in found.values()) else {}


def holdings(
    cluster: ClusterView,
    levels: Sequence[int],
    sizes: Collection[int],
    interference: Figure | None,
    gpus: Sequence[tuple[int, int]] = ((0, 0),),
    kinds: int = 1,
) -> list[Host]:
    """What a run may hold: so many cores of each host, and it pays for the hosts that it uses.

    For each number of hosts at most these cores and at least these watts; many numbers are taken together. Whoever holds
    GPUs (in each case at least so many, and at most so many at any one step) pays at least for their share of the hosts
    where that is least. Of two kinds of hosts it pays at least for one of each. The last has all there is.
    """
    whole = host_cores(cluster.workers)
    power = {worker.host: worker.power for worker in reversed(cluster.workers)}
    cards = {host: count for host, count in gpus_of_hosts(cluster).items() if count}
    gpu_idle = min(((power[h].idle_w.value or 0.0) / n for h, n in cards.items()), default=0.0)
    gpu_rent = min(
        ((power[h].price_usd_per_hour.value or 0.0) / n / SECONDS_PER_HOUR for h, n in cards.items()),
        default=0.0,
    )
    alike = [{worker.host for worker in some} for some in kinds_of(cluster).values()]
    found: list[Host] = []
    below = 0
    # Whichever hosts are reserved, no number of them has more cores or less idle watts than the best of so many.
    levels = sorted(set(levels))
    for level in few(len(levels), MOST_LEVELS):
        each, least = levels[level], levels[below]
        below = level + 1
        room = allotted(cluster.workers, each)
        crowding = crowding_of(cluster.workers, room, sizes, interference)
        cores = sorted((min(each, size) for size in whole.values()), reverse=True)
        share = {host: min(least, size) / size for host, size in whole.items()}
        idle = {host: part * (power[host].idle_w.value or 0.0) for host, part in share.items()}
        rent = {
            host: part * (power[host].price_usd_per_hour.value or 0.0) / SECONDS_PER_HOUR
            for host, part in share.items()
        }
        fewer = 0
        # One host or two alone are what most plans hold.
        for count in sorted({0, min(1, len(whole) - 1), *few(len(whole), MOST_HOSTS)}):
            number = count + 1
            if number >= kinds:
                paid = max(fewer + 1, kinds)
                found += [
                    Host(
                        sum(cores[:number]),
                        max(least_of(idle, paid, alike if kinds > 1 else ()), held * gpu_idle),
                        max(least_of(rent, paid, alike if kinds > 1 else ()), held * gpu_rent),
                        crowding,
                        each,
                        most,
                    )
                    for held, most in gpus
                ]
            fewer = number
    return [
        one
        for place, one in enumerate(found)
        if not any(other.as_good_as(one) for other in found[place + 1 :])
    ]


def least_of(figures: Mapping[str, float], count: int, alike: Sequence[Collection[str]]) -> float:
    """The least that so many hosts come to; where kinds are given, of at least two of them."""
    least = math.fsum(sorted(figures.values())[:count])
    each = sorted(min(figures[host] for host in some) for some in alike)
    return max(least, math.fsum(each[:2]))


def few(count: int, most: int) -> list[int]:
    """At most so many places of a list, its last one among them."""
    if count <= most:
        return list(range(count))
    return sorted({round((n + 1) * count / most) - 1 for n in range(most)})
