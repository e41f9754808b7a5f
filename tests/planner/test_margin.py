"""A limit is a promise: plans are made against the upper end of what a run may take."""

from dataclasses import replace

import pytest

from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.margin import margin_of, stretch
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.planner.solve import make_plan
from murakkab_jupyter.planner.told.explain import explain
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import Made, world_of

AGENTS = (
    Made("best", "only", 4.0, 0.95, parallel=0.0, load_s=0.0),
    Made("middle", "only", 3.0, 0.9, parallel=0.0, load_s=0.0),
    Made("quick", "only", 1.0, 0.6, parallel=0.0, load_s=0.0),
)


def world(share, agents=AGENTS, source="prior"):
    """A world of one step in which everything may take so much longer than expected."""
    made = world_of({"only": ["data"]}, agents, items=1)
    plain = made.evaluate

    def banded(configurations, reserve=None):
        found = plain(configurations, reserve)
        totals = {
            key: Figure(one.value, one.unit, one.value * 0.9, one.value * (1 + share), source)
            if key in ("latency", "cpu")
            else one
            for key, one in found.totals.items()
        }
        return Evaluation(found.steps, totals)

    return {**made.arguments(), "evaluate": banded, "workflow": made.workflow}


def plan_for(goal, share=0.3, **more) -> Plan:
    arguments = world(share, **more)
    return make_plan(arguments.pop("workflow"), goal, **arguments)


def agent(plan):
    return plan.steps["only"].configuration.agent


def test_a_deadline_is_planned_against_what_a_run_may_take():
    goal = Goal(("quality",), deadline_s=4.2)
    plan = plan_for(goal)
    assert agent(plan) == "middle", "4 s are expected of the best, and may be 5.2 s"
    assert plan.margins == {"deadline": pytest.approx(0.3)}
    assert plan.cautions == ()
    (said,) = [note for note in plan.notes if "margin" in note]
    assert said.startswith(
        "Planned with 30% margin to the deadline, so that 90% of runs should keep it: times are priors"
    )
    assert said in explain(plan)
    (best,) = plan_for(goal, agents=AGENTS[:2]).steps.values()
    assert "may take 5.2 s (4 s expected), too unsure for your deadline of 4.2 s" in best.runner_up.reason
    assert Plan.from_json(plan.to_json()) == plan


def test_with_a_confidence_of_one_half_what_is_expected_decides():
    assert agent(plan_for(Goal(("quality",), deadline_s=4.2, confidence=0.5))) == "best"


def test_more_confidence_takes_more_margin():
    assert [agent(plan_for(Goal(("quality",), deadline_s=4.2, confidence=c))) for c in (0.5, 0.9, 0.99)] == [
        "best",
        "middle",
        "quick",
    ]
    assert stretch(0.5) == 0.0
    assert stretch(0.9) == pytest.approx(1.0)


def test_what_was_measured_has_its_own_spread():
    plan = plan_for(Goal(("quality",), deadline_s=4.2), share=0.04, source="measured")
    assert agent(plan) == "best"
    assert any("measured on this host" in note for note in plan.notes)


def test_a_deadline_that_only_the_margin_breaks_is_planned_for_as_surely_as_can_be_and_the_risk_is_said():
    plan = plan_for(Goal(("quality",), deadline_s=1.1))
    assert agent(plan) == "quick"
    (said,) = plan.cautions
    assert not any("margin to the" in note for note in plan.notes)
    assert said.startswith("The deadline is at risk")
    assert explain(plan).splitlines()[1] == said
    assert "10% to spare, and 30% would be needed for 90% of runs to keep it" in said


def test_the_surest_plan_is_taken_where_all_are_at_risk():
    agents = (AGENTS[0], Made("nearly", "only", 3.9, 0.94, parallel=0.0, load_s=0.0))
    assert agent(plan_for(Goal(("quality",), deadline_s=4.2), agents=agents)) == "nearly"


def test_to_keep_a_deadline_more_surely_by_a_hair_is_worth_nothing():
    agents = (*AGENTS, Made("alike", "only", 1.002, 0.9, parallel=0.0, load_s=0.0))
    plan = plan_for(Goal(("quality",), deadline_s=1.1), agents=agents)
    assert plan.cautions, "both are at risk"
    assert agent(plan) == "alike"


def test_what_is_expected_to_break_a_deadline_is_infeasible_as_ever():
    with pytest.raises(InfeasibleError, match="No plan meets the deadline") as caught:
        plan_for(Goal(("quality",), deadline_s=0.9))
    assert caught.value.nearest.cautions == ()


def test_energy_and_budget_have_the_margin_of_the_times_they_are_made_of():
    free = plan_for(Goal(("quality",)))
    energy = free.predicted["energy"].value
    assert agent(plan_for(Goal(("quality",), max_energy_j=energy * 1.2))) != agent(free)
    kept = plan_for(Goal(("quality",), max_energy_j=energy * 1.31))
    assert agent(kept) == agent(free)
    assert kept.margins == {"max-energy": pytest.approx(0.3)}


def test_without_a_limit_there_is_no_margin_and_nothing_is_said():
    plan = plan_for(Goal(("energy",), "basic"))
    assert plan.margins == {}
    assert not any("margin" in note for note in plan.notes)


def test_a_total_without_a_band_has_no_margin():
    assert margin_of({"latency": Figure(3.0, "s")}, "deadline", 0.99) == 0.0
    assert margin_of({}, "deadline", 0.9) == 0.0


def test_a_plan_of_an_earlier_version_is_read():
    data = plan_for(Goal(("quality",), deadline_s=4.2)).to_json()
    data.pop("margins")
    data["goal"].pop("confidence")
    assert Plan.from_json(data).margins == {}
    assert replace(Plan.from_json(data).goal, deadline_s=None).confidence == 0.9


WIDE = (Made("wide", "only", 8.0, parallel=0.8, load_s=0.0),)


def test_a_plan_that_keeps_a_limit_surely_is_not_optimal_where_one_that_is_expected_to_keep_it_does_better():
    least = plan_for(Goal(("energy",), 0.0), agents=WIDE)
    deadline_s = least.predicted["latency"].value * 1.02
    plans = {
        c: plan_for(Goal(("energy",), 0.0, deadline_s=deadline_s, confidence=c), agents=WIDE)
        for c in (0.5, 0.9)
    }
    expected, sure = plans[0.5], plans[0.9]
    assert expected.predicted["energy"].value == pytest.approx(least.predicted["energy"].value)
    assert (expected.gap, expected.bound) == (0.0, expected.predicted["energy"].value)
    assert expected.proof.startswith("Optimal under these profiles: the whole space")
    assert sure.cautions == ()
    energy = sure.predicted["energy"].value
    assert energy > 1.01 * expected.bound
    assert sure.bound == pytest.approx(expected.bound)
    assert sure.gap == pytest.approx(1 - expected.bound / energy)
    assert sure.proof.startswith("Proven under these profiles: the whole space")
    assert (
        "Of those that keep them with 90% confidence, as this one does, none has less energy than"
        in sure.proof
    )


def test_where_no_plan_keeps_a_limit_surely_the_proof_says_so():
    agents = (AGENTS[0], Made("nearly", "only", 3.9, 0.8, parallel=0.0, load_s=0.0))
    plan = plan_for(Goal(("quality",), deadline_s=4.2), agents=agents)
    assert agent(plan) == "nearly"
    assert (plan.bound, plan.gap) == (pytest.approx(0.95), pytest.approx(0.15))
    assert (
        "this one is within 15 points of that. None keeps them with 90% confidence: this one comes closest."
        in plan.proof
    )


def test_what_a_tie_gives_up_is_in_the_gap():
    agents = (
        Made("slow", "only", 4.0, 0.9, parallel=0.0, load_s=0.0),
        Made("soon", "only", 1.0, 0.897, parallel=0.0, load_s=0.0),
    )
    plan = plan_for(Goal(("quality", "latency"), 0.0), agents=agents)
    assert agent(plan) == "soon"
    assert (plan.bound, plan.gap) == (pytest.approx(0.9), pytest.approx(0.003))
    assert (
        "within 0.3 points of that. Objectives within 1% of each other leave the choice to the next."
        in plan.proof
    )


def test_where_joules_are_unknown_the_proof_speaks_of_cpu_time():
    arguments = world(0.3)
    cluster = arguments["cluster"]
    dark = HostPower(unknown("W"), unknown("W"))
    arguments["cluster"] = replace(
        cluster, workers=tuple(replace(one, power=dark) for one in cluster.workers)
    )
    arguments["evaluate"] = no_joules(arguments["evaluate"])
    plan = make_plan(arguments.pop("workflow"), Goal(("energy", "quality"), 0.0, deadline_s=1.2), **arguments)
    assert (plan.bound, plan.gap) == (None, None)
    assert " J" not in plan.proof
    assert "CPU time" in plan.proof or plan.proof.startswith("Optimal")


def no_joules(evaluate):
    """An evaluator to which the joules are not known."""

    def told(configurations, reserve=None):
        found = evaluate(configurations, reserve)
        return Evaluation(found.steps, {**found.totals, "energy": unknown("J")})

    return told
