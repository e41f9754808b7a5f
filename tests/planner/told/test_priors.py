"""Priors that matter: those at whose ends another agent would be chosen, and no others."""

from dataclasses import replace

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.solve import prepare
from murakkab_jupyter.planner.told.priors import cluster_at
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import Made, SyntheticProfiles, cluster_of, world_of
from tests.planner.test_solve import plan_for


class Banded(SyntheticProfiles):
    """Synthetic profiles whose times may be half or twice as long; `measured` ones are sure."""

    measured = ()

    def call(self, agent, options, **more):
        found = super().call(agent, options, **more)
        source = "measured" if agent in self.measured else "prior"

        def band(figure):
            return Figure(figure.value, "s", figure.value / 2, figure.value * 2, source, note=figure.note)

        return Prediction(band(found.seconds), band(found.cpu_s))

    def quality(self, agent, options):
        return Figure(self.agents[agent].quality, "1")


def plan_of(seconds, *, measured=()):
    agents = [Made(f"agent{n}", "a", s, 0.9, load_s=0.0) for n, s in enumerate(seconds)]
    world = world_of({"a": ["data"]}, agents)
    world.profiles = Banded(world.profiles.agents, {})
    world.profiles.measured = measured
    return plan_for(world, Goal(("latency",), 0.5))


def test_a_close_rival_makes_both_priors_matter():
    plan = plan_of([1.0, 1.5])
    assert plan.steps["a"].configuration.agent == "agent0"
    told = " ".join(plan.priors)
    assert (
        "If agent0 took 2 times as long as assumed (high end of its prior), a would be done by agent1" in told
    )
    assert (
        "If agent1 took 0.5 times as long as assumed (low end of its prior), a would be done by agent1"
        in told
    )
    assert len(plan.priors) == 2


def test_a_distant_rival_changes_nothing_and_the_plan_says_so():
    (told,) = plan_of([1.0, 50.0]).priors
    assert "the same agents would be chosen" in told


def test_what_was_measured_is_no_prior():
    assert plan_of([1.0, 1.5], measured=("agent0", "agent1")).priors == ()
    told = plan_of([1.0, 1.5], measured=("agent0",)).priors
    assert [one.split(" took")[0] for one in told] == ["If agent1"]


def test_a_step_without_a_choice_has_no_prior_that_matters():
    assert plan_of([1.0]).priors == ()


def test_every_prior_that_matters_is_told():
    """The plan view shows the first and sends on to `explain`, which has to know the others."""
    told = plan_of([1.0, 1.1, 1.2, 1.3, 1.4]).priors
    assert all(one.startswith("If agent") for one in told)
    assert all(f"agent{n}" in " ".join(told) for n in range(5))


def test_rivals_that_would_each_take_a_step_share_a_sentence():
    own, rivals = plan_of([1.0, 1.1, 1.2, 1.3]).priors
    assert own.startswith("If agent0 took 2 times as long as assumed (high end of its prior)")
    assert rivals == (
        "If agent1 took 0.5 times as long as assumed, agent2 0.5 times as long as assumed or agent3 0.5 times as "
        "long as assumed (low ends of their priors), a would be done by that one instead of agent0."
    )


def two_kinds(objective, power, *, speed=None, **limits):
    """A fast agent that computes on two cores and a slow frugal one, so that it matters what idling burns."""
    agents = [
        Made("fast", "a", 1.0, parallel=1.0, max_cores=2, load_s=0.0, call_s=0.0),
        Made("lean", "a", 1.2, parallel=0.0, max_cores=1, load_s=0.0),
    ]
    world = world_of({"a": ["data"]}, agents, items=4, cluster=cluster_of(2, power=power))
    if speed is not None:
        (worker,) = world.cluster.workers
        world.cluster = replace(world.cluster, workers=(replace(worker, speed=speed),))
    world.profiles = Sure(world.profiles.agents, {})
    return plan_for(world, Goal((objective,), 0.5, **limits))


class Sure(SyntheticProfiles):
    """Synthetic profiles that were measured: nothing of an agent is a prior."""

    def call(self, agent, options, **more):
        found = super().call(agent, options, **more)
        factor = 1.0 if agent == "fast" else 0.6
        return Prediction(
            replace(found.seconds, source="measured"),
            replace(found.cpu_s, source="measured", value=found.cpu_s.value * factor),
        )

    def quality(self, agent, options):
        return Figure(self.agents[agent].quality, "1")


def watts(idle_high):
    return HostPower(
        Figure(1.0, "W", 0.5, idle_high, "prior"), Figure(4.0, "W"), unknown("USD/h"), Figure(0.2, "USD/kWh")
    )


def test_idle_watts_that_would_change_the_agent_are_told():
    plan = two_kinds("energy", watts(200.0))
    assert plan.steps["a"].configuration.agent == "lean"
    (told,) = plan.priors
    assert told == (
        "If idle watts of the hosts were 200 times as many as assumed (high end of its prior), a would be done by fast "
        "instead of lean."
    )


def test_watts_that_change_nothing_and_watts_that_nobody_asked_for_are_no_priors_that_matter():
    (told,) = two_kinds("energy", watts(1.5)).priors
    assert "its prior at either end of its band the same agents" in told
    assert two_kinds("latency", watts(200.0)).priors == ()


def test_a_speed_that_is_a_prior_is_tried_too():
    slow = Figure(1.0, "1", 0.5, 2.0, "prior")
    (told,) = two_kinds("latency", watts(1.5), speed=slow).priors
    assert "its prior at either end of its band the same agents" in told


def test_priors_of_hosts_are_moved_on_all_of_them_and_nothing_else():
    one = cluster_of(2, 4, power=watts(200.0))
    high = cluster_at(one, "idle", "high")
    assert [worker.power.idle_w.value for worker in high.workers] == [200.0, 200.0]
    assert [worker.power.active_w_per_core for worker in high.workers] == [Figure(4.0, "W")] * 2
    assert cluster_at(one, "active", "high") == one, "known exactly"
    assert cluster_at(one, "network", "low").network.value == 12.0
    world = world_of({"a": ["data"]}, [Made("fast", "a", 1.0)], items=4, cluster=one)
    estimator = prepare(world.workflow, **world.arguments()).estimator
    there = estimator.on(high)
    assert [held.share for held in there.held] == [held.share for held in estimator.held]
    assert there.held[-1].idle_w == 400.0
    assert estimator.held[-1].idle_w == 2.0
