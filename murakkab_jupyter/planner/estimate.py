"""Quick estimates of a whole set of modes: they guide the search, and are never shown.

A step starts when the first of what it needs is there (all of it, where it gathers at the root) and its cores
are free, ends no sooner than what feeds it, and all steps together need their core-seconds. The figures that are shown come
from the simulator.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.hosts import ClusterView, EngineView, host_cores
from murakkab_jupyter.energy.estimate import JOULES_PER_KWH, SECONDS_PER_HOUR
from murakkab_jupyter.planner.cards import held_gpus, idle_w
from murakkab_jupyter.planner.expect import Expectation, Mean, expect, means_of
from murakkab_jupyter.planner.files import Files, Haul, files_to_bring, haul_of
from murakkab_jupyter.planner.holding import Held, held_of, idle_watts, reservations
from murakkab_jupyter.planner.modes import Load, Mode, load_of
from murakkab_jupyter.planner.quality import Judge
from murakkab_jupyter.profiles.profile import Prediction, Profiles
from murakkab_jupyter.workflow.model import Step, Workflow

__all__ = ["Estimate", "Estimator", "cluster_speed", "groups_of"]

UNPROFILED = Load(1e5, 1e5, 1e5, 1e5, 1e5)
"""What a mode without any profile is taken for in the search: something to avoid."""

MOST_CORES = 64
"""On more cores than this, steps are estimated never to wait for one another's cores."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Totals of a set of modes: seconds, CPU-seconds, joules, dollars, and the score of quality."""

    latency_s: float
    cpu_s: float
    energy_j: float
    cost_usd: float
    score: float


def cluster_speed(cluster: ClusterView) -> float:
    """CPU speed to plan with: of the slowest worker, so that none disappoints."""
    return min((worker.speed.value or 1.0 for worker in cluster.workers), default=1.0)


def with_start(load: Load, engine: EngineView) -> Load:
    """A load whose engine must be started first; each step that shares it is taken to pay, which the simulator does not."""
    start_s, cpu_s = engine.start.value or 0.0, engine.start_cpu.value or 0.0
    return replace(
        load,
        wall_s=load.wall_s + start_s,
        first_s=load.first_s + start_s,
        cpu_s=load.cpu_s + cpu_s,
        load_cpu_s=load.load_cpu_s + cpu_s,
    )


def first_hauls(files: Files | None, cluster: ClusterView) -> dict[str, Haul]:
    """What the first step to read some files waits for."""
    seen: set[str] = set()
    found: dict[str, Haul] = {}
    if files is None:
        return found
    for name, haul in haul_of(files, cluster).items():
        if not seen.issuperset(files.reads(name)):
            found[name] = haul
        seen.update(files.reads(name))
    return found


def quicker(load: Load, pace: float) -> Load:
    """The same on hosts that are so many times as fast."""
    return replace(
        load,
        wall_s=load.wall_s / pace,
        first_s=load.first_s / pace,
        call_s=load.call_s / pace,
        core_s=load.core_s / pace,
        cpu_s=load.cpu_s / pace,
        load_core_s=load.load_core_s / pace,
        load_cpu_s=load.load_cpu_s / pace,
    )


def taken(free: list[float], start: float, wall_s: float, cores: int, instances: int) -> tuple[float, float]:
    """When a step begins and ends on cores that are free from `free` on (ascending, changed in place).

    As on the cluster, each instance begins as soon as it finds cores, and those that are late leave more of the items to the others.
    """
    wide = min(cores, len(free))
    if not wide:
        return start, start + wall_s
    width = wide * instances
    if width <= len(free) and free[width - 1] <= start:
        free[:width] = [start + wall_s] * width
        free.sort()
        return start, start + wall_s
    most = min(instances, len(free) // wide)
    done, begun = math.inf, 0.0
    for n in range(most):
        ready = free[(n + 1) * wide - 1]
        if ready >= done:
            most = n
            break
        begun += ready if ready > start else start
        done = (begun + instances * wall_s) / (n + 1)
    first = free[wide - 1]
    free[: most * wide] = [done] * (most * wide)
    free.sort()
    return (first if first > start else start), done


def groups_of(step: Step, expectation: Expectation) -> float:
    """Parents that a step's items belong to."""
    return max(1.0, expectation.level_counts.get(step.at[:-1], 1.0))


class Estimator:
    """Estimates with everything that repeats kept.

    `fluid` is for the pipeline regime: steps share the cores all the time, instead of waiting for one another's.
    """

    def __init__(
        self,
        workflow: Workflow,
        modes: Mapping[str, Sequence[Mode]],
        *,
        roots: Mapping[str, Sequence[Any]],
        library: Library,
        profiles: Profiles,
        cluster: ClusterView,
        judge: Judge,
        means: Mapping[str, Mean] | None = None,
        fluid: bool = False,
    ) -> None:
        self.workflow = workflow
        self.means = means_of(workflow, roots, library) if means is None else means
        self.fluid = fluid
        self.names = tuple(modes)
        self.modes = {name: tuple(some) for name, some in modes.items()}
        self.roots = roots
        self.library = library
        self.profiles = profiles
        self.judge = judge
        self.cores = max(1, cluster.cores)
        self.cold = {one.name: one for one in cluster.engines if not one.warm}
        self.host_cores = host_cores(cluster.workers)
        self.held = reservations(cluster)
        """The reservations there are, the smallest first and all cores last."""
        self.hold(cluster)
        self._order = [
            (step.name, [(i.source, i.how == "gather", not step.at) for i in step.inputs])
            for step in workflow.steps
        ]
        self._files = files_to_bring(workflow, roots, cluster)
        self._hauls = first_hauls(self._files, cluster)
        self._expected: dict[tuple[Any, ...], Expectation] = {}
        self._loads: dict[int, dict[tuple[str, int], Load]] = {}
        self._steps = {step.name: step for step in workflow.steps}
        self._estimates: dict[tuple[int, ...], Estimate] = {}
        self.gpus = sum(len(worker.gpus) for worker in cluster.workers)
        self._held_gpus: dict[tuple[tuple[str, int], ...], int | None] = {}
        self._engines = {
            name: tuple((m.configuration.engine, m.configuration.gpus) for m in some)
            for name, some in self.modes.items()
        }
        self.uses_gpus = any(gpus and engine for some in self._engines.values() for engine, gpus in some)
        """Whether any mode has an engine that holds GPUs."""
        self._widths = {
            name: tuple(
                (max(one.cores, one.held_cores), one.instances) for one in (m.configuration for m in some)
            )
            for name, some in self.modes.items()
        }
        self._factors = {
            name: tuple(judge.factor(name, mode) for mode in some) for name, some in self.modes.items()
        }
        # Only options that differ between a step's modes can change what flows on.
        self._options = {
            name: tuple(mode.configuration.options for mode in some) for name, some in self.modes.items()
        }

    def hold(self, cluster: ClusterView) -> None:
        """Take speeds, watts and prices from a cluster."""
        hosts = {worker.host: worker for worker in cluster.workers}.values()
        self.cluster = cluster
        self.speed = cluster_speed(cluster)
        self.idle_w = math.fsum(idle_watts(w) for w in hosts)
        prices = [w.power.price_usd_per_hour.value for w in hosts]
        self.rent: float | None = None
        if prices and all(price is not None for price in prices):
            self.rent = math.fsum(price or 0.0 for price in prices) / SECONDS_PER_HOUR
        kwh = [w.power.electricity_usd_per_kwh.value for w in hosts]
        self.kwh = max((price for price in kwh if price is not None), default=0.2)

    def on(self, cluster: ClusterView) -> Estimator:
        """The same estimator for the same hosts with other speeds, watts, prices or network; reservations keep their order."""
        other = copy.copy(self)
        other.hold(cluster)
        other.held = [held_of(cluster, one.share) for one in self.held]
        other._hauls = first_hauls(self._files, cluster)
        other._loads, other._estimates = {}, {}
        return other

    def alike(self, modes: Mapping[str, Sequence[Mode]], profiles: Profiles, judge: Judge) -> Estimator:
        """The same estimator with other profiles, or qualities of the same modes."""
        other = copy.copy(self)
        other.modes = {name: tuple(some) for name, some in modes.items()}
        other.profiles, other.judge = profiles, judge
        other._loads, other._estimates = {}, {}
        other._factors = {
            name: tuple(judge.factor(name, mode) for mode in some) for name, some in modes.items()
        }
        return other

    def expectation(self, picks: Sequence[int]) -> Expectation:
        """What every step is expected to do under some modes, one index for each step (what follows is not read)."""
        key = tuple(self._options[name][pick] for name, pick in zip(self.names, picks, strict=False))
        found = self._expected.get(key)
        if found is None:
            chosen = {name: dict(options) for name, options in zip(self.names, key, strict=True)}
            found = self._expected[key] = expect(
                self.workflow, self.roots, self.library, chosen, means=self.means
            )
        return found

    def load(self, name: str, pick: int, expectation: Expectation) -> Load:
        """What a mode of a step does with what is expected."""
        # Expectations are kept, so that their identity is a key that costs nothing.
        known = self._loads.setdefault(id(expectation), {})
        found = known.get((name, pick))
        if found is None:
            here = expectation.steps[name]
            found = known[name, pick] = (
                load_of(
                    self.modes[name][pick].configuration,
                    self.profiles,
                    items=here.items,
                    work=here.work,
                    groups=groups_of(self._steps[name], expectation),
                    speed=self.speed,
                    idle_w=idle_w(self.modes[name][pick].configuration, self.cluster),
                )
                or UNPROFILED
            )
            cold = self.cold.get(self.modes[name][pick].configuration.engine)
            if cold is not None and here.items > 0:
                found = known[name, pick] = with_start(found, cold)
        return found

    def after_files(self, name: str, pick: int, load: Load, expectation: Expectation, held: Held) -> Load:
        """A load whose files must come first, to as many hosts as its instances will be on; those of steps before it are there."""
        haul, instances = self._hauls[name], self.modes[name][pick].configuration.instances
        each = max(1.0, expectation.steps[name].items / max(1, haul.files))
        copies = min(float(instances), each, float(len(held.hosts or self.host_cores))) * held.blind
        wall_s = max(load.wall_s + haul.first_s * held.blind, copies * haul.all_s + load.call_s)
        return replace(load, wall_s=wall_s, first_s=load.first_s + haul.first_s * held.blind)

    def one_call(self, name: str, pick: int, expectation: Expectation) -> Prediction | None:
        """What the profile says of one call of a step."""
        mode, here = self.modes[name][pick].configuration, expectation.steps[name]
        size = max(1.0, min(float(mode.batch), here.items))
        return self.profiles.call(
            mode.agent, mode.options, cores=mode.cores, items=size, work=size * here.work, speed=self.speed
        )

    def estimate(self, picks: tuple[int, ...]) -> Estimate:
        """Totals under some modes: one index for each step, and the last one into `held`."""
        found = self._estimates.get(picks)
        if found is None:
            found = self._estimates[picks] = self.compute(picks)
        return found

    def gpus_held(self, picks: Sequence[int]) -> int | None:
        """GPUs that engines hold under some modes; None where the cluster has not so many."""
        if not self.uses_gpus:
            return 0
        some = zip(self.names, picks, strict=False)
        wanted = {one for name, pick in some if (one := self._engines[name][pick])[0] and one[1]}
        key = tuple(sorted(wanted))
        if key not in self._held_gpus:
            configurations = [
                self.modes[name][pick].configuration for name, pick in zip(self.names, picks, strict=False)
            ]
            held = held_gpus(configurations, self.cluster)
            self._held_gpus[key] = None if held is None else sum(held.values())
        return self._held_gpus[key]

    @property
    def hauled(self) -> bool:
        """Whether any step waits for files to be brought."""
        return bool(self._hauls)

    @property
    def estimated(self) -> int:
        """How many different sets were estimated so far."""
        return len(self._estimates)

    def compute(self, picks: tuple[int, ...]) -> Estimate:
        """The same, worked out anew."""
        expectation = self.expectation(picks)
        pick_of = dict(zip(self.names, picks, strict=False))
        held = self.held[picks[-1]]
        known = self._loads.setdefault(id(expectation), {})
        first: dict[str, float] = {}
        end: dict[str, float] = {}
        core_s = cpu_s = gpu_j = 0.0
        score = 1.0
        # Loads are those of the slowest of all hosts.
        pace = held.speed / self.speed
        free = [0.0] * held.cores if held.cores <= MOST_CORES and not self.fluid else []
        for name, inputs in self._order:
            pick = pick_of[name]
            load = known.get((name, pick)) or self.load(name, pick, expectation)
            if pace != 1.0:
                load = quicker(load, pace)
            if name in self._hauls:
                load = self.after_files(name, pick, load, expectation, held)
            start = 0.0
            last = 0.0
            for source, gathers, at_root in inputs:
                if source in end:
                    start = max(start, end[source] if gathers and at_root else first[source])
                    last = max(last, end[source])
            done = start + load.wall_s
            if free:
                start, done = taken(free, start, load.wall_s, *self._widths[name][pick])
            first[name] = start + load.first_s
            end[name] = max(done, last + load.call_s)
            core_s += load.core_s
            cpu_s += load.cpu_s
            gpu_j += load.gpu_j
            score *= self._factors[name][pick]
        path = max(end.values(), default=0.0)
        area = core_s / held.cores
        latency = max(path, area)
        idle_watts, rent = held.idle_w, held.rent
        if self.uses_gpus:
            gpus = self.gpus_held(picks)
            share = (self.gpus if gpus is None else gpus) / max(1, self.gpus)
            idle_watts = max(idle_watts, share * self.idle_w)
            rent = None if rent is None or self.rent is None else max(rent, share * self.rent)
        energy = held.active_w * cpu_s + gpu_j + idle_watts * latency
        cost = rent * latency if rent is not None else energy / JOULES_PER_KWH * self.kwh
        return Estimate(latency, cpu_s, energy, cost, score)
