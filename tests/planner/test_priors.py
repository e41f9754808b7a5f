"""Priors that matter: those at whose ends another agent would be chosen, and no others."""

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import Made, SyntheticProfiles, world_of
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
