"""Modes: every way one step could be done on a cluster, and what rules the others out.

A mode is an agent (available, of the right capability or pinned), its levers, cores of an instance,
instances, and batch. Modes that another one beats in every respect are dropped before any search.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.cards import held_gpus, idle_w
from murakkab_jupyter.planner.left_out import LeftOut, ways_out
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.unmeasured import lack
from murakkab_jupyter.profiles.options import PATHS
from murakkab_jupyter.profiles.profile import Profiles
from murakkab_jupyter.workflow.model import Step

__all__ = ["Candidates", "Load", "Mode", "candidates", "fits", "load_of"]

MOST_MODES = 48
"""Modes a step keeps after the dominated ones are dropped."""


IN_FLIGHT = "in_flight"
"""The lever of agents that ask a server: requests in flight."""

ADD = "Add one: a function of yours with @agent(capability=...), or a package that offers it (see `murakkab agents`)."

REPLICAS = "replicas"
"""The lever of servers that are only described: how many of them share a step's requests."""

SAME = 0.01
SAME_S = 0.002
"""Modes of one agent whose figures differ by less than this share and these seconds are one."""
WAY_SHARE = 0.1
"""Beside a call ten times as long, its way to the instance and back counts for nothing: one by one, items show how far it is."""
WAYS_S = 0.1
"""So much in all of a step's ways counts for nothing either."""


LONG_CALL_S = 15.0
"""Items of one parent go in one call unless it takes longer than this: nothing is seen of it meanwhile, a stop or a lost worker
loses all of it, and no other instance can share it."""
PART_S = 10.0
"""What a part of such a call takes, about: opening a file anew and hearing the borders of a part again is little beside it."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to do a step: its configuration, and its agent's quality there."""

    configuration: Configuration
    quality: Figure


@dataclass(frozen=True, slots=True)
class Load:
    """What a mode is estimated to do with a step's items.

    Attributes
    ----------
    wall_s
        From its first call to its last, with loading, if its cores are free.
    first_s
        Until its first call returns, with loading.
    call_s
        One call.
    core_s
        Core-seconds held.
    cpu_s
        CPU-seconds, with loading.
    gpu_j
        What its calls add to the energy of idle GPUs (J).
    load_core_s, load_cpu_s
        Of these core-seconds and CPU-seconds, what loading takes: once, however many items come.
    calls, instances
        Calls, and instances that share them.
    ways_s
        What the calls of an instance take beside themselves, one after another, as far as it counts beside them; 0 where nobody
        measured them.
    guess
        Whether nobody ever measured the agent.
    """

    wall_s: float
    first_s: float
    call_s: float
    core_s: float
    cpu_s: float
    gpu_j: float = 0.0
    load_core_s: float = 0.0
    load_cpu_s: float = 0.0
    calls: int = 0
    instances: int = 1
    ways_s: float = 0.0
    guess: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """The modes of one step, what the user should know of them, and the agents that are not among them."""

    modes: tuple[Mode, ...]
    notes: tuple[str, ...] = field(default=())
    left_out: tuple[LeftOut, ...] = field(default=())


def fits(configuration: Configuration, memory_bytes: float, cluster: ClusterView) -> int:
    """How many instances of a configuration the whole cluster can hold at once."""
    if configuration.engine and configuration.gpus and held_gpus([configuration], cluster) is None:
        return 0
    gpus = 0 if configuration.waits else configuration.gpus
    held = 0
    for worker in cluster.workers:
        if configuration.cores > worker.cores or gpus > len(worker.gpus):
            continue
        room = worker.cores // configuration.cores
        if memory_bytes > 0:
            room = min(room, int(worker.memory_bytes // memory_bytes))
        if gpus:
            room = min(room, len(worker.gpus) // gpus)
        held += room
    return held


def ladder(most: int) -> list[int]:
    """1, 2, 4, ... and `most` itself."""
    steps = [2**n for n in range(most.bit_length()) if 2**n <= most]
    return steps if not steps or steps[-1] == most else [*steps, most]


def settings(agent: AgentSpec, step: Step, profiles: Profiles) -> Iterator[tuple[tuple[str, Any], ...]]:
    """Every full set of options the planner may choose for an agent.

    Levers vary, but for those that the step fixes, and those of which nothing is known that tells their values apart.
    """
    free = [
        one
        for one in agent.options
        if one.lever
        and one.choices
        and one.name not in step.options
        and profiles.tells_apart(agent.name, one.name)
    ]
    base = agent.settings(step.options)
    for values in itertools.product(*(one.choices for one in free)):
        chosen = {**base, **{one.name: value for one, value in zip(free, values, strict=True)}}
        yield tuple(sorted(chosen.items()))


def load_of(
    mode: Configuration,
    profiles: Profiles,
    *,
    items: float,
    work: float,
    groups: float,
    speed: float,
    idle_w: float = 0.0,
) -> Load | None:
    """Estimate a mode's load, its GPUs burning `idle_w` anyway; None when there is no profile at all."""
    if items <= 0:
        return Load(0.0, 0.0, 0.0, 0.0, 0.0)
    size = min(float(mode.batch), max(1.0, items))
    if mode.siblings:
        family = max(1.0, items / max(1.0, groups))
        size = family / max(1, math.ceil(family / mode.part - 1e-9)) if mode.part else family
    calls = max(1, math.ceil(items / size - 1e-9))
    size = items / calls
    call = profiles.call(
        mode.agent, mode.options, cores=mode.cores, items=size, work=size * work, speed=speed
    )
    if call is None or call.seconds.value is None:
        return None
    start = profiles.load(mode.agent, mode.options, speed=speed)
    load_s = (start.seconds.value or 0.0) if start is not None else 0.0
    load_cpu_s = (start.cpu_s.value or 0.0) if start is not None else 0.0
    used = min(mode.instances, calls)
    busy = calls * call.seconds.value
    joules = 0.0 if call.energy_j is None else call.energy_j.value or 0.0
    cores = max(mode.cores, mode.held_cores)
    return Load(
        wall_s=load_s + math.ceil(calls / used) * call.seconds.value,
        first_s=load_s + call.seconds.value,
        call_s=call.seconds.value,
        core_s=cores * (busy + used * load_s),
        cpu_s=calls * (call.cpu_s.value or 0.0) + used * load_cpu_s + mode.engine_cores * busy,
        gpu_j=max(0.0, calls * joules - idle_w * busy),
        load_core_s=cores * used * load_s,
        load_cpu_s=used * load_cpu_s,
        calls=calls,
        instances=used,
        # Of long calls, and of calls that nobody measured, large batches would keep the first results for nothing, and a stop would lose much.
        ways_s=0.0
        if call.guess
        else max(
            0.0,
            math.ceil(calls / used)
            * (float(getattr(profiles, "dispatch_s", 0.0)) - WAY_SHARE * call.seconds.value)
            - WAYS_S,
        ),
        guess=bool(call.guess),
    )


def in_parts(mode: Configuration, load: Load, items: float) -> Configuration | None:
    """The same with calls of about `PART_S` where those of siblings would be long; None for a batch as long, which parts or single items replace.

    An agent that nobody measured gets what it asks for.
    """
    if load.guess or load.call_s <= LONG_CALL_S or load.calls <= 0:
        return mode
    size = items / load.calls
    part = math.ceil(size / math.ceil(load.call_s / PART_S))
    if mode.siblings:
        return replace(mode, batch=part) if part > 1 else None
    return None if mode.batch > part else mode


def candidates(
    step: Step,
    *,
    library: Library,
    profiles: Profiles,
    cluster: ClusterView,
    items: float,
    work: float,
    groups: float,
    speed: float,
    most: int = MOST_MODES,
    arriving: bool = False,
) -> Candidates:
    """The modes worth considering for a step.

    Parameters
    ----------
    step
        Which step.
    library, profiles, cluster
        What there is to choose from.
    items, work, groups
        What the step is expected to do (items in all, work of one, parents they belong to); batches and
        instances that could never be filled are left out.
    speed
        CPU speed of the workers.
    most
        Modes to keep.
    arriving
        Whether the values of the list keep arriving: nothing then waits for all of them.

    Raises
    ------
    InfeasibleError
        No agent can do it: the message says what is missing, or which hardware.
    """
    agents, notes, left_out = usable(step, library, cluster)
    kept: list[Mode] = []
    too_big: list[str] = []

    def load_for(one: Configuration) -> Load | None:
        return load_of(
            one,
            profiles,
            items=items,
            work=work * as_often(one, step),
            groups=groups,
            speed=speed,
            idle_w=idle_w(one, cluster),
        )

    for agent in agents:
        fit_any = False
        sets: dict[tuple[tuple[str, Any], ...], list[tuple[Mode, Load]]] = {}
        for options in settings(agent, step, profiles):
            quality = profiles.quality(agent.name, options)
            memory = profiles.memory(agent.name, options).value or float(agent.needs.memory_bytes)
            modes = sets.setdefault(answering(options), [])
            for shape in shapes(agent, options, step, cluster, memory, items, arriving=arriving):
                fit_any = True
                load = load_for(shape)
                mode: Configuration | None = shape
                if load is not None and agent.siblings:
                    mode = in_parts(shape, load, items)
                    load = load if mode in (None, shape) else load_for(mode)
                if load is not None and mode is not None:
                    modes.append((Mode(mode, quality), load))
        for modes in sets.values():
            kept.extend(undominated(modes))
        if not fit_any:
            too_big.append(need(agent))
    if not kept:
        raise nothing_fits(step, agents, too_big, cluster)
    if cluster.described:
        kept, unknown = predicted(kept, profiles, cluster)
        left_out += unknown
    loads: dict[Mode, Load | None] = {mode: load_for(mode.configuration) for mode in kept}
    # Fastest first; of those alike the one that asks least of a server; the text makes it the same every time.
    ordered = sorted(
        kept,
        key=lambda mode: (wall_s(loads[mode]), paths_of(mode.configuration.options), str(mode.configuration)),
    )
    return Candidates(tuple(thin(ordered, most, frugal(ordered, loads))), tuple(notes), tuple(left_out))


def answering(options: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """The options that answers depend on: modes that differ in the others alone compete with one another."""
    return tuple(pair for pair in options if pair[0] not in (IN_FLIGHT, REPLICAS))


def predicted(
    modes: list[Mode], profiles: Profiles, cluster: ClusterView
) -> tuple[list[Mode], tuple[LeftOut, ...]]:
    """The modes that can be predicted on hardware that is only written down, and what rules the others out.

    A guess does not compete with a prediction there, as no run will correct it; all stay where there are only guesses.
    """
    why = [lack(mode.configuration, profiles, cluster) for mode in modes]
    known = [mode for mode, reason in zip(modes, why, strict=True) if reason is None]
    if not known:
        return modes, ()
    out = {
        mode.configuration.agent: reason
        for mode, reason in zip(modes, why, strict=True)
        if reason is not None
    }
    return known, tuple(LeftOut(agent, (reason.shared,)) for agent, reason in out.items())


def paths_of(options: Iterable[tuple[str, Any]]) -> float:
    """How many answers are asked for: what they cost at somebody else's server is not known, but more is not less."""
    return float(dict(options).get(PATHS, 1))


def as_often(mode: Configuration, step: Step) -> float:
    """How often a mode does the work that a step is expected to have, where that is of the paths that the step states."""
    return paths_of(mode.options) / max(1.0, paths_of(step.options.items()))


def wall_s(load: Load | None) -> float:
    return math.inf if load is None else load.wall_s


def frugal(modes: Sequence[Mode], loads: Mapping[Mode, Load | None]) -> set[Mode]:
    """Of each agent, answers alike, and each number of GPUs, the mode whose calls take least energy of them."""
    best: dict[tuple[Any, ...], Mode] = {}
    for mode in modes:
        load, one = loads[mode], mode.configuration
        if one.gpus and load is not None:
            key = (one.agent, answering(one.options), one.gpus)
            least = loads[best[key]] if key in best else None
            if least is None or load.gpu_j < least.gpu_j:
                best[key] = mode
    return set(best.values())


def thin(modes: Sequence[Mode], most: int, keep: Collection[Mode] = ()) -> list[Mode]:
    """At most `most` modes: those to keep, of each agent and set of options its fastest, then evenly through the rest."""
    if len(modes) <= most:
        return list(modes)
    seen: set[tuple[str, tuple[tuple[str, Any], ...]]] = set()
    first: list[int] = []
    for index, mode in enumerate(modes):
        key = (mode.configuration.agent, answering(mode.configuration.options))
        if key not in seen or mode in keep:
            seen.add(key)
            first.append(index)
    rest = [index for index in range(len(modes)) if index not in set(first)]
    room = max(0, most - len(first))
    spread = [rest[int(n * len(rest) / room)] for n in range(room)] if room and rest else []
    return [modes[index] for index in sorted({*first, *spread})]


def undominated(modes: Sequence[tuple[Mode, Load]]) -> list[Mode]:
    """Modes of one agent and one set of options that no other beats in time, first result, GPU energy, and cores, CPU and GPUs held.

    What calls take beside themselves counts: where they are short, batches win by it. Beaten by less than `SAME` (and `SAME_S`)
    counts: no profile is that exact, and a search among equals is long.
    """

    def figures(entry: tuple[Mode, Load]) -> tuple[float, ...]:
        mode, load = entry
        one = mode.configuration
        held = max(one.cores, one.held_cores) * one.instances
        wall_s = load.wall_s + load.ways_s
        return (wall_s, load.first_s, load.core_s, load.cpu_s, float(held), load.gpu_j, float(one.gpus))

    # Of equal times the one with the sooner first result comes first; what summing in another order may change is no difference.
    rows = sorted(
        ((figures(entry), entry[0]) for entry in modes),
        key=lambda row: (float(f"{row[0][0]:.9g}"), *row[0][1:]),
    )
    kept: list[tuple[tuple[float, ...], Mode]] = []
    for row, mode in rows:
        if not any(
            all(a <= b * (1 + SAME) + SAME_S for a, b in zip(other, row, strict=True)) for other, _ in kept
        ):
            kept.append((row, mode))
    return [mode for _, mode in kept]


def shapes(
    agent: AgentSpec,
    options: tuple[tuple[str, Any], ...],
    step: Step,
    cluster: ClusterView,
    memory_bytes: float,
    items: float,
    *,
    arriving: bool = False,
) -> Iterator[Configuration]:
    """Cores, instances and batches that the cluster can hold and the items can fill."""
    device: Literal["cpu", "gpu", "remote"] = "cpu"
    if agent.needs.gpus:
        device = "gpu"
    elif agent.remote:
        device = "remote"
    chosen = dict(options)
    replicas = int(chosen.get(REPLICAS, 1))
    gpus = agent.needs.gpus * replicas
    # One instance has in flight what the lever says; a second one would double what it means.
    alone = agent.option(IN_FLIGHT) is not None
    count = max(1, math.ceil(items))
    if replicas > count and REPLICAS not in step.options:
        return  # some would never be asked anything
    engine = cluster.engine(agent.engine) if agent.engine else None
    engine_cores = 0 if engine is None else min(engine.cores, cluster.most_cores)
    widest = 1 if agent.remote else max(1, min(agent.max_cores, cluster.most_cores))
    # Values of a list have no source in common: a call of several would be as long as one of each.
    lone = agent.neighbours and len(step.at) <= 1
    sizes = [1] if lone else [b for b in ladder(max(1, agent.max_batch)) if b < 2 * count]
    if agent.remote and agent.needs.gpus:
        # A call that fills the server, and one that does so four times over: what lies between is like them.
        full = int(chosen.get(IN_FLIGHT, 1)) * replicas
        sizes = sorted({min(full, count), min(4 * full, count)})
    for cores in ladder(widest):
        one = Configuration(agent.name, options, device, cores, gpus, 1, 1, engine=agent.engine)
        room = fits(one, 0.0 if agent.remote else memory_bytes, cluster)
        for batch, siblings in [
            *((b, False) for b in sizes),
            *([(1, True)] if agent.siblings and not lone and len(step.at) > arriving else []),
        ]:
            calls = count if siblings else math.ceil(count / batch)
            for instances in ladder(min(room, calls, 1) if alone else min(room, calls)) if room else ():
                yield Configuration(
                    agent.name,
                    options,
                    device,
                    cores,
                    gpus,
                    instances,
                    batch,
                    siblings,
                    agent.engine,
                    engine_cores,
                )


def usable(
    step: Step, library: Library, cluster: ClusterView
) -> tuple[list[AgentSpec], list[str], list[LeftOut]]:
    """Agents that may do a step here, notes on them, and those that could, were something installed; `InfeasibleError` where there are none."""
    notes: list[str] = []
    found: list[AgentSpec] = []
    left_out: list[LeftOut] = []
    down: set[str] = set()
    offered = list(library.agents(step.capability))
    if step.agent is not None:
        offered = [library.agent(step.agent)]
    capability = library.capability(step.capability)
    slots = {slot.name for slot in capability.slots}
    stated = {
        name
        for name in step.options
        if name not in slots and any(agent.option(name) is not None for agent in offered)
    }
    able = [agent for agent in offered if all(agent.option(name) is not None for name in stated)]
    if step.agent is None:
        # One that only serves when told how is meant when a step tells it (url=..., gguf=...), never else.
        able = [a for a in able if all(o.name in step.options for o in a.options if o.required)]
        if stated and able:
            notes += ruled_out(step, stated, offered)
        # A dominated one is better than none where only it has what the step states.
        # So is one that only stands in, where nothing else can do the step at all.
        rounds = [
            [a for a in able if not a.fixture and not a.stand_in],
            [a for a in able if a.stand_in and not a.fixture],
            [a for a in able if a.fixture] if stated else [],
        ]
    else:
        rounds = [able]
    for some in rounds:
        if found:
            break
        for agent in some:
            lacks = () if cluster.described or agent.remote else lacking(agent, library)
            server = cluster.engine(agent.engine) if agent.engine else None
            if server is not None and server.problem:
                lacks = (server.problem.rstrip("."),)
                down.add(agent.name)
            if lacks:
                left_out.append(LeftOut(agent.name, tuple(lacks)))
            else:
                found.append(agent)
    if found:
        notes += [f"Step {step.name}: {agent.stand_in}" for agent in found if agent.stand_in]
        return found, notes, left_out
    missing = [f"{one.agent}: {'; '.join(one.reasons)}" for one in left_out]
    what = f"agent {step.agent}" if step.agent else f"any agent for {step.capability}"
    if missing:
        message = f"Step {step.name} cannot be done here: {'; '.join(missing)}."
        hint = 'Install what is missing; `pip install "murakkab-jupyter[demo]"` brings the built-in agents.'
        if all(": weights " in one and "; " not in one for one in missing):
            hint = "Connect to the network or allow the hub, or put the weights into $MURAKKAB_WEIGHTS/NAME yourself."
        if all(one.agent in down for one in left_out):
            hint = "See to the server and plan again, or pin another agent; murakkab engine list shows what answers."
        if step.agent is None and (ways := ways_out(offered, lambda agent: lacking(agent, library))):
            hint += "\nOr:\n" + "\n".join(f"  {way}" for way in ways)
    elif offered and not stated:
        message = f"Step {step.name}: nothing does {step.capability} here by itself."
        ways = ways_out(offered, lambda agent: lacking(agent, library))
        hint = "What would:\n" + "\n".join(f"  {way}" for way in ways) if ways else ADD
    elif offered:
        message = (
            f"Step {step.name}: no agent for {step.capability} has the option {', '.join(sorted(stated))}."
        )
        hint = f"There are: {', '.join(agent.name for agent in offered)}."
    else:
        message = f"Step {step.name} needs {what}, and none is known here."
        hint = ADD
    raise InfeasibleError(message, binding=f"capability {step.capability}", hint=hint)


def ruled_out(step: Step, stated: Collection[str], offered: Sequence[AgentSpec]) -> list[str]:
    """A note of the agents that would have been considered but for what a step states."""
    out = [
        agent.name
        for agent in offered
        if not agent.fixture and any(agent.option(name) is None for name in stated)
    ]
    if not out:
        return []
    said = " ".join(f"{name}={step.options[name]}" for name in sorted(stated))
    return [f"Step {step.name}: {said} rules out {', '.join(out)}, which cannot be told so."]


def lacking(agent: AgentSpec, library: Library) -> tuple[str, ...]:
    """What this host lacks for an agent, weights among it that are not here and may not be fetched."""
    return library.availability(agent).missing


def need(agent: AgentSpec) -> str:
    """What an instance of an agent needs, in words."""
    words = [f"{agent.needs.memory_bytes / 1e9:.3g} GB"]
    if agent.needs.gpus:
        words.append(f"{agent.needs.gpus} GPU{'s' if agent.needs.gpus > 1 else ''}")
    return f"{agent.name} needs {' and '.join(words)}"


def nothing_fits(
    step: Step, agents: Sequence[AgentSpec], too_big: Sequence[str], cluster: ClusterView
) -> InfeasibleError:
    """The error of a step that no worker has room for."""
    if not cluster.workers:
        return InfeasibleError(
            "The cluster has no workers.", binding="workers", hint="Start one, or leave out --cluster."
        )
    offers = "; ".join(
        f"{worker.name}: {worker.cores} cores, {worker.memory_bytes / 1e9:.3g} GB"
        + (f", {len(worker.gpus)} x {worker.gpus[0].name}" if worker.gpus else ", no GPU")
        for worker in cluster.workers[:6]
    )
    if not too_big:
        return InfeasibleError(
            f"Step {step.name}: no profile says what {', '.join(a.name for a in agents)} would take.",
            binding="profiles",
            hint="Measure it first.",
        )
    return InfeasibleError(
        f"Step {step.name} fits on no worker: {'; '.join(too_big)}; workers offer {offers}.",
        binding="hardware",
        hint="Choose another agent with @NAME, or a cluster that has what it needs.",
    )
