"""Planning the video workflow with the profiles that ship, judged by the simulator. No model is run."""

from __future__ import annotations

import time

import pytest

from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.demo import CELL
from murakkab_jupyter.planner.frontier import frontier
from murakkab_jupyter.planner.search import SAME
from murakkab_jupyter.planner.solve import make_plan
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.hardware import Figure, local_worker_view
from murakkab_jupyter.profiles.profile import NO_PROFILE
from murakkab_jupyter.profiles.reference import shipped_reference
from murakkab_jupyter.profiles.store import ProfileStore
from murakkab_jupyter.simulate.driver import evaluation, simulate
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language import declare

GOALS = {"energy": Goal(("energy",)), "latency": Goal(("latency",)), "quality": Goal(("quality",))}


class Job:
    """The demo's workflow on made-up videos of a minute, on this host as two cores."""

    def __init__(self, videos=1, cores=2):
        self.library = default_library()
        values = {"videos": ["a.mp4"] * videos, "question": "What is said about the bridge?"}
        self.workflow = declare(CELL, library=self.library, values=values)
        self.roots = {
            "videos": [
                Video(Media(f"{n}.mp4", str(n), 1), 60.0, 640, 360, 25.0, True) for n in range(videos)
            ],
            "question": [values["question"]],
        }
        self.book = ProfileBook(self.library, ProfileStore(None), host="here", host_speed=1.0)
        self.view = ClusterView(
            (local_worker_view(cores=cores, memory_bytes=16 * 10**9, speed=Figure(1.0, "1")),)
        )

    def evaluate(self, configurations, reserve):
        simulation = simulate(
            self.workflow,
            configurations,
            roots=self.roots,
            library=self.library,
            profiles=self.book,
            cluster=self.view,
            reserve=reserve,
        )
        return evaluation(simulation, self.workflow, configurations, self.book, self.view)

    def arguments(self):
        return {
            "roots": self.roots,
            "library": self.library,
            "profiles": self.book,
            "cluster": self.view,
            "evaluate": self.evaluate,
        }

    def plan(self, goal, **more):
        return make_plan(self.workflow, goal, **self.arguments(), **more)


@pytest.fixture(scope="module")
def job():
    return Job()


@pytest.fixture(scope="module")
def plans(job):
    return {name: job.plan(goal) for name, goal in GOALS.items()}


def test_every_built_in_agent_of_the_workflow_is_profiled_and_its_quality_known(job):
    shipped = shipped_reference()
    profiled = {one.agent for one in shipped.observations}
    judged = {one.agent for one in shipped.qualities}
    for step in job.workflow.steps:
        for spec in job.library.agents(step.capability):
            if spec.fixture or spec.remote or not job.library.is_builtin(spec.name):
                continue
            if job.library.availability(spec).ready:
                assert spec.name in profiled, f"{spec.name} has no observations"
                assert spec.name in judged, f"{spec.name} has no quality"


def test_three_goals_choose_plans_that_differ_in_an_agent_or_in_cores(plans):
    def chosen(plan):
        return tuple(
            (s.configuration.agent, s.configuration.cores, s.configuration.cores * s.configuration.instances)
            for s in plan.steps.values()
        )

    assert len({chosen(plan) for plan in plans.values()}) == 3


def test_each_goals_plan_is_the_best_at_it(plans):
    for name in ("energy", "latency"):
        least = min(plan.predicted[name].value for plan in plans.values())
        assert plans[name].predicted[name].value <= least * (1 + SAME)
    most = max(plan.predicted["quality"].value for plan in plans.values())
    assert plans["quality"].predicted["quality"].value == pytest.approx(most)


def test_every_figure_is_a_prior_with_a_band_and_no_agent_is_a_guess(plans):
    for plan in plans.values():
        for name in ("latency", "cpu", "energy", "cost", "quality"):
            figure = plan.predicted[name]
            assert figure.source == "prior"
            assert figure.low < figure.value < figure.high, name
        assert not any(NO_PROFILE in note or "Nobody measured" in note for note in plan.notes)


def test_a_plan_takes_seconds_at_most(job):
    started = time.process_time()
    job.plan(GOALS["energy"])
    assert time.process_time() - started < 15.0  # about 0.6 s of CPU: a guard, not a measure


def test_a_short_search_comes_close_to_a_long_one(job):
    for name in ("energy", "latency"):
        short, long = job.plan(GOALS[name]), job.plan(GOALS[name], effort=250)
        assert short.predicted[name].value <= long.predicted[name].value * 1.05


def test_the_frontier_of_the_video_workflow_has_several_points(job):
    points = frontier(job.workflow, Goal(), **job.arguments())
    assert 3 <= len(points) <= 30
    assert len({tuple(s.configuration.agent for s in p.steps.values()) for p in points}) > 1


def test_more_cores_are_never_predicted_to_be_slower():
    few, many = Job(videos=2, cores=2), Job(videos=2, cores=8)
    goal = GOALS["latency"]
    assert many.plan(goal).predicted["latency"].value <= few.plan(goal).predicted["latency"].value * (
        1 + SAME
    )
