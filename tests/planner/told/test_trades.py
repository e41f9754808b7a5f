"""Shadow trade-offs: offers that were simulated, keep the floor, and are about something else than what was asked for."""

import re

import pytest

from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.planner.told.trades import together
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import Made, world_of
from tests.planner.test_solve import plan_for

SLOW_AND_FRUGAL = (
    Made("frugal", "a", 1.0, 0.9, parallel=0.0, max_cores=1, load_s=0.0),
    Made("quick", "a", 0.9, 0.9, parallel=0.0, max_cores=1, call_s=0.0, load_s=0.0),
)


def world(quick_cpu):
    """Two agents of one quality; the quick one is quicker but takes more CPU time."""

    class Costly(type(world_of({"a": ["data"]}, SLOW_AND_FRUGAL).profiles)):
        def call(self, agent, options, **more):
            found = super().call(agent, options, **more)
            if agent != "quick":
                return found
            cpu = found.cpu_s.scaled(quick_cpu)
            return type(found)(found.seconds, cpu, None)

    made = world_of({"a": ["data"]}, SLOW_AND_FRUGAL, items=4)
    made.profiles = Costly(made.profiles.agents, {})
    return made


def test_a_little_more_time_would_save_much_energy():
    plan = plan_for(world(3.0), Goal(("latency",), 0.5))
    assert plan.steps["a"].configuration.agent == "quick"
    offer = next(one for one in plan.trades if "of energy" in one)
    more_s, share = re.match(r"([\d.]+) s more would save (\d+) % of energy", offer).groups()
    other = plan_for(world(3.0), Goal(("energy",), 0.5))
    here, there = plan.predicted, other.predicted
    assert float(more_s) <= there["latency"].value - here["latency"].value + 0.01
    assert int(share) == pytest.approx(100 * (1 - there["energy"].value / here["energy"].value), abs=1)


def test_no_offer_where_nothing_is_saved():
    assert plan_for(world(0.5), Goal(("latency",), 0.5)).trades == ()


def test_an_offer_keeps_the_floor():
    agents = (
        Made("good", "a", 1.0, 0.95, load_s=0.0),
        Made("poor", "a", 0.2, 0.4, load_s=0.0),
    )
    plan = plan_for(world_of({"a": ["data"]}, agents), Goal(("energy",), "good"))
    assert plan.steps["a"].configuration.agent == "good"
    assert not any("quality 0.4" in one for one in plan.trades)


def test_what_costs_the_same_stands_in_one_sentence():
    assert together(["save 74 % of cost", "save 71 % of energy"]) == "save 74 % of cost and 71 % of energy"
    assert (
        together(["bring quality 0.90 instead of 0.80", "save 12 % of energy"])
        == "bring quality 0.90 instead of 0.80 and save 12 % of energy"
    )


def test_trades_and_priors_come_through_json():
    plan = plan_for(world(3.0), Goal(("latency",), 0.5))
    again = Plan.from_json(plan.to_json())
    assert again.trades == plan.trades
    assert again.priors == plan.priors
    assert (again.bound, again.gap, again.proof) == (plan.bound, plan.gap, plan.proof)
