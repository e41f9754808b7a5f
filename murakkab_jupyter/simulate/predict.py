"""From a simulated run to the figures a plan shows: latency, CPU, energy, cost and quality of each step and in all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from murakkab_jupyter.core.figure import Figure, total, unknown, weakest
from murakkab_jupyter.core.hosts import ClusterView, host_cores
from murakkab_jupyter.energy.estimate import active_energy_j, boundary_words, cost_usd, idle_energy_j
from murakkab_jupyter.planner.cards import gpu_shares, gpus_of_hosts, held_gpus, idle_w
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.profile import Profiles
from murakkab_jupyter.runtime.reserve import reserved_shares
from murakkab_jupyter.simulate.simulation import Simulation
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["evaluation"]


def evaluation(
    simulation: Simulation,
    workflow: Workflow,
    configurations: Mapping[str, Configuration],
    profiles: Profiles,
    cluster: ClusterView,
) -> Evaluation:
    """Figures of a simulated run, as the planner reads them.

    A step's energy is what its own CPU-seconds (and GPUs) add. Totals add the idle energy of every host that
    was used, for the whole run, by the share of it that was reserved: of its cores, or of its GPUs where engines hold
    a larger share of those. A step's cost is that of the core-seconds it held, or of its engine's GPUs while it was served
    (rented), or of its energy (one's own machine); the total is that of what was reserved of the hosts used, for the whole run.
    """
    views = {view.name: view for view in cluster.workers}
    sizes = host_cores(cluster.workers)
    cards = gpus_of_hosts(cluster)
    # A plan that needs more GPUs than there are is no plan; its figures are those of all of them.
    held = held_gpus(configurations.values(), cluster)
    gpus = {view.name: len(view.gpus) for view in cluster.workers} if held is None else held
    steps: dict[str, dict[str, Figure]] = {}
    by_host: dict[str, list[Figure]] = {views[name].host: [] for name, count in gpus.items() if count}
    for step in workflow.steps:
        one = simulation.steps[step.name]
        configuration = configurations[step.name]
        parts: list[Figure] = []
        costs: list[Figure] = []
        for name, held_s in one.core_seconds.items():
            if name not in views:  # joined on the way; nothing is known of its power
                parts.append(unknown("J"))
                costs.append(unknown("USD"))
                continue
            view = views[name]
            energy = active_energy_j(one.cpu_by_worker[name], view.power)
            parts.append(energy)
            by_host.setdefault(view.host, []).append(energy)
            taken = alike(held_s, one.latency)
            costs.append(cost_usd(energy, taken, 1.0 / max(1, sizes[view.host]), view.power))
        if one.gpu is not None:
            added = beyond(one.gpu, idle_w(configuration, cluster) * one.called_s)
            parts.append(added)
            served = alike(one.called_s, one.latency)
            for host, share in engine_hosts(configuration, cluster, one.core_seconds).items():
                by_host.setdefault(host, []).append(added.scaled(share))
                power = next(view.power for view in cluster.workers if view.host == host)
                holding = share * configuration.gpus / max(1, cards[host])
                costs.append(cost_usd(added.scaled(share), served, min(1.0, holding), power))
        steps[step.name] = {
            "latency": one.latency,
            "start": one.start or unknown("s", "no items"),
            "end": one.end or unknown("s", "no items"),
            "cpu": one.cpu,
            "energy": total(parts, "J"),
            "cost": total(costs, "USD"),
            "quality": profiles.quality(configuration.agent, configuration.options),
        }
    return Evaluation(
        steps, totals(simulation, steps, by_host, gpus, cluster), simulation.transfer, simulation.delays_s
    )


def beyond(energy: Figure, idle_j: float) -> Figure:
    """What of an energy is beyond the idle energy in it, never less than nothing."""

    def less(value: float | None) -> float | None:
        return None if value is None else max(0.0, value - idle_j)

    return replace(energy, value=less(energy.value), low=less(energy.low), high=less(energy.high))


def engine_hosts(
    configuration: Configuration, cluster: ClusterView, calls: Mapping[str, float]
) -> dict[str, float]:
    """The hosts whose GPUs a step's calls use, with the share of each; those of its instances where no engine holds any."""
    alone = held_gpus([configuration], cluster) or {}
    host_of = {view.name: view.host for view in cluster.workers}
    count = sum(alone.values())
    found: dict[str, float] = {}
    for name, share in (
        [(name, held / count) for name, held in alone.items()]
        if count
        else [(name, 1.0 / len(calls)) for name in calls if name in host_of]
    ):
        found[host_of[name]] = found.get(host_of[name], 0.0) + share
    return found


def alike(seconds: float, latency: Figure) -> Figure:
    """Core-seconds that are as sure as the time they were held in."""
    if not latency.value or latency.low is None or latency.high is None:
        return Figure(seconds, "s", source=latency.source)
    factor = seconds / latency.value
    return Figure(seconds, "s", latency.low * factor, latency.high * factor, latency.source)


def totals(
    simulation: Simulation,
    steps: Mapping[str, Mapping[str, Figure]],
    by_host: Mapping[str, list[Figure]],
    gpus: Mapping[str, int],
    cluster: ClusterView,
) -> dict[str, Figure]:
    """Figures of the whole run: steps and idle together."""
    energies: list[Figure] = []
    costs: list[Figure] = []
    views = cluster.workers
    sizes = host_cores(views)
    of_cores = reserved_shares(simulation.reserved_core_s, views, simulation.makespan_s)
    of_gpus = gpu_shares(gpus, cluster)
    power = {view.host: view.power for view in reversed(views) if view.host in by_host}
    for host in dict.fromkeys(view.host for view in views if view.host in by_host):
        # Whoever holds a GPU holds its share of the host: what is left of a host without GPUs is another offer.
        share = max(of_cores[host], of_gpus[host])
        idle = idle_energy_j(simulation.makespan, power[host], share)
        energy = total([*by_host[host], idle], "J")
        energies.append(energy)
        costs.append(cost_usd(energy, simulation.makespan, share, power[host]))
    held = None if simulation.reserved_core_s is None else sum(of_cores[host] * sizes[host] for host in power)
    covers = boundary_words(held, sum(sizes[host] for host in power))
    if any(gpus.values()):
        covers += f", of GPUs {sum(gpus.values())}/{sum(gpus_of_hosts(cluster)[host] for host in power)}"
    cpu = total((step["cpu"] for step in steps.values()), "s")
    if cpu.value is not None:
        low, high = simulation.cpu_band
        cpu = replace(cpu, low=cpu.value * low, high=cpu.value * high)
    return {
        "latency": simulation.makespan,
        "cpu": cpu,
        "energy": total(
            energies,
            "J",
            f"{covers}: CPU-seconds x watts, {'GPUs, ' if any(gpus.values()) else ''}and idle watts",
        ),
        "cost": total(costs, "USD"),
        "quality": product_of([step["quality"] for step in steps.values()]),
    }


def product_of(qualities: list[Figure]) -> Figure:
    """The product of the steps' qualities: a prior until the whole workflow is measured. Unknown if any is."""
    value = low = high = 1.0
    for quality in qualities:
        if quality.value is None:
            return unknown("1", "a step's quality is not known")
        value *= quality.value
        low *= quality.value if quality.low is None else quality.low
        high *= quality.value if quality.high is None else quality.high
    source = weakest([*(quality.source for quality in qualities), "prior"])
    return Figure(value, "1", low, high, source, note="product of the steps' qualities")
