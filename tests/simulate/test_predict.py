from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.simulate.driver import evaluation, simulate
from tests.simulate.samples import (
    POWER,
    RoundProfiles,
    cluster,
    configurations,
    library,
    video,
    video_flow,
    view,
)

ROOTS = {"videos": [video("a", 30.0)], "question": ["?"]}


def evaluated(*views, profiles=None, **steps):
    flow = video_flow()
    how = configurations(flow, **steps)
    book = profiles or RoundProfiles()
    where = cluster(*views)
    simulation = simulate(flow, how, roots=ROOTS, library=library(), profiles=book, cluster=where)
    return simulation, evaluation(simulation, flow, how, book, where)


def test_every_step_has_every_figure():
    _, result = evaluated()
    for figures in result.steps.values():
        assert set(figures) == {"latency", "start", "end", "cpu", "energy", "cost", "quality"}
        assert all(figure.known for figure in figures.values())
    assert set(result.totals) == {"latency", "cpu", "energy", "cost", "quality"}


def test_steps_and_idle_are_the_total():
    simulation, result = evaluated()
    active = sum(step["energy"].value for step in result.steps.values())
    assert result.totals["energy"].value == pytest.approx(active + 10.0 * simulation.makespan_s)
    assert result.totals["cpu"].value == pytest.approx(sum(s["cpu"].value for s in result.steps.values()))
    assert active == pytest.approx(5.0 * result.totals["cpu"].value)


def test_on_ones_own_machine_the_cost_is_that_of_the_energy():
    _, result = evaluated()
    assert result.totals["cost"].value == pytest.approx(result.totals["energy"].value / 3.6e6 * 0.3)


def test_on_rented_hosts_the_cost_is_that_of_the_time_of_those_used():
    rented = replace(POWER, price_usd_per_hour=Figure(3.6, "USD/h", source="published"))
    used, spare = replace(view("w0", 2), power=rented), replace(view("w1", 2), power=rented)
    simulation, result = evaluated(used, spare, scenes=Configuration("cutter"))
    hosts = {call.worker for call in simulation.calls}
    assert result.totals["cost"].value == pytest.approx(len(hosts) * simulation.makespan_s * 0.001)
    steps = sum(step["cost"].value for step in result.steps.values())
    assert steps <= result.totals["cost"].value


def test_two_workers_of_one_host_idle_once():
    views = [view("w0", 1, host="h"), view("w1", 1, host="h")]
    steps = {name: Configuration("agent", instances=2) for name in configurations(video_flow())}
    simulation, result = evaluated(*views, **steps)
    assert {call.worker for call in simulation.calls} == {"w0", "w1"}
    active = sum(step["energy"].value for step in result.steps.values())
    assert result.totals["energy"].value == pytest.approx(active + 10.0 * simulation.makespan_s)


def test_unknown_watts_make_unknown_energy_and_cost_never_zero():
    _, result = evaluated(replace(view(), power=HostPower()))
    assert not result.totals["energy"].known
    assert not result.totals["cost"].known
    assert result.totals["latency"].known


class NoQuality(RoundProfiles):
    """A fake book that does not know how good anything is."""

    def quality(self, agent, options):
        return unknown("1")


def test_an_unknown_quality_makes_the_total_unknown():
    _, result = evaluated(profiles=NoQuality())
    assert not result.totals["quality"].known
    _, result = evaluated()
    assert result.totals["quality"].value == pytest.approx(0.9**6)
    assert result.totals["quality"].source == "prior"
