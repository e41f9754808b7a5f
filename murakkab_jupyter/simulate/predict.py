"""From a simulated run to the figures a plan shows: latency, CPU, energy, cost and quality of each step and in all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from murakkab_jupyter.core.figure import Figure, total, unknown, weakest
from murakkab_jupyter.core.hosts import ClusterView, WorkerView, host_cores
from murakkab_jupyter.energy.estimate import active_energy_j, boundary_words, cost_usd, idle_energy_j
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

    A step's energy is what its own CPU-seconds (and GPU) add. Totals add the idle energy of every host that
    was used, for the whole run, by the share of its cores that was reserved. A step's cost is that of the core-seconds it held
    (rented) or of its energy (one's own machine); the total is that of what was reserved of the hosts used, for the whole run.
    """
    views = {view.name: view for view in cluster.workers}
    sizes = host_cores(cluster.workers)
    steps: dict[str, dict[str, Figure]] = {}
    by_host: dict[str, list[Figure]] = {}
    gpu: list[Figure] = []
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
            held = alike(held_s, one.latency)
            costs.append(cost_usd(energy, held, 1.0 / max(1, sizes[view.host]), view.power))
        if one.gpu_j is not None:
            gpu.append(Figure(one.gpu_j, "J", source=one.cpu.source, method="estimate"))
            parts.append(gpu[-1])
        steps[step.name] = {
            "latency": one.latency,
            "start": one.start or unknown("s", "no items"),
            "end": one.end or unknown("s", "no items"),
            "cpu": one.cpu,
            "energy": total(parts, "J"),
            "cost": total(costs, "USD"),
            "quality": profiles.quality(configuration.agent, configuration.options),
        }
    return Evaluation(steps, totals(simulation, steps, by_host, gpu, views.values()))


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
    gpu: list[Figure],
    workers: Iterable[WorkerView],
) -> dict[str, Figure]:
    """Figures of the whole run: steps and idle together."""
    energies: list[Figure] = list(gpu)
    costs: list[Figure] = []
    views = list(workers)
    sizes = host_cores(views)
    shares = reserved_shares(simulation.reserved_core_s, views, simulation.makespan_s)
    power = {view.host: view.power for view in reversed(views) if view.host in by_host}
    for host in dict.fromkeys(view.host for view in views if view.host in by_host):
        idle = idle_energy_j(simulation.makespan, power[host], shares[host])
        energy = total([*by_host[host], idle], "J")
        energies.append(energy)
        costs.append(cost_usd(energy, simulation.makespan, shares[host], power[host]))
    held = None if simulation.reserved_core_s is None else sum(shares[host] * sizes[host] for host in power)
    covers = boundary_words(held, sum(sizes[host] for host in power))
    return {
        "latency": simulation.makespan,
        "cpu": total((step["cpu"] for step in steps.values()), "s"),
        "energy": total(energies, "J", f"{covers}: CPU-seconds x watts, and idle watts"),
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
