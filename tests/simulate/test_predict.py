from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.plan import Configuration, Plan, StepPlan
from murakkab_jupyter.runtime.bill import Bill
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


def evaluated(*views, profiles=None, reserve=None, **steps):
    flow = video_flow()
    how = configurations(flow, **steps)
    book = profiles or RoundProfiles()
    where = cluster(*views)
    simulation = simulate(
        flow, how, roots=ROOTS, library=library(), profiles=book, cluster=where, reserve=reserve
    )
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


def test_idle_energy_and_rent_are_those_of_the_reserved_share():
    simulation, result = evaluated(view("w0", 4), reserve=1)
    active = sum(step["energy"].value for step in result.steps.values())
    assert result.totals["energy"].value == pytest.approx(active + 10.0 * simulation.makespan_s / 4)
    assert result.totals["energy"].note.startswith("node, share of reserved cores 1/4")
    rented = replace(POWER, price_usd_per_hour=Figure(3.6, "USD/h", source="published"))
    simulation, result = evaluated(replace(view("w0", 4), power=rented), reserve=1)
    assert result.totals["cost"].value == pytest.approx(simulation.makespan_s * 0.001 / 4)
    assert sum(step["cost"].value for step in result.steps.values()) <= result.totals["cost"].value


def test_a_simulated_run_uses_no_more_than_it_reserved_and_takes_longer():
    two = {name: Configuration("agent", instances=2) for name in configurations(video_flow())}
    wide, _ = evaluated(view("w0", 2), reserve=2, **two)
    narrow, _ = evaluated(view("w0", 2), reserve=1, **two)
    calls = sorted(narrow.calls, key=lambda call: call.start_s)
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in itertools.pairwise(calls))
    assert narrow.makespan_s > wide.makespan_s
    assert narrow.reserved_core_s == {"w0": pytest.approx(narrow.makespan_s)}


def test_a_prediction_and_the_bill_of_the_same_run_have_one_boundary():
    flow = video_flow()
    how = configurations(flow)
    simulation, result = evaluated(view("w0", 2), reserve=1)
    plan = Plan("news", flow.goal, {name: StepPlan(one, 1.0, {}) for name, one in how.items()}, {})
    made = Bill.of(simulation.events, plan, cluster(view("w0", 2)), seconds=simulation.makespan_s)
    assert made.boundary == "node, share of reserved cores 1/2"
    assert result.totals["energy"].note.startswith(made.boundary)
    assert made.total.energy_j.value == pytest.approx(result.totals["energy"].value, rel=1e-5)


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
