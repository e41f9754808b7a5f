"""The walk over all items: what a simulated run does, never more, and what surely waits for what."""

import random

import pytest

from murakkab_jupyter.planner.items import walk
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.solve import prepare
from murakkab_jupyter.simulate.driver import simulate
from tests.planner.worlds import random_world
from tests.simulate.samples import library, video, video_flow

PLAIN = {step.name: Configuration("x") for step in video_flow().steps}


def walked(*seconds):
    roots = {"videos": [video(f"v{n}", s) for n, s in enumerate(seconds)], "question": ["why?"]}
    return walk(video_flow(), PLAIN, roots, library())


@pytest.mark.parametrize("seed", range(40))
def test_no_run_does_less_than_the_walk_says(seed):
    world = random_world(seed)
    search = prepare(world.workflow, **world.arguments(), effort=1).search
    dice = random.Random(seed)
    picks = search.settled((*(dice.randrange(size) for size in search.sizes[:-1]), 0))
    chosen = search.configurations(picks)
    made = walk(world.workflow, chosen, world.roots, world.library)
    run = simulate(
        world.workflow, chosen, roots=world.roots, library=world.library, profiles=world.profiles,
        cluster=world.cluster,
    )  # fmt: skip
    for name, step in run.steps.items():
        assert len(made[name].works) <= step.items
        assert sum(count for count, _ in made[name].families) == len(made[name].works)
        assert sum(work for _, work in made[name].families) == pytest.approx(sum(made[name].works))


def test_one_video_makes_its_gathers_wait_for_everything():
    waits = {(name, one.source): one for name, step in walked(80.0).items() for one in step.waits}
    assert waits["frames", "scenes"].whole, "one video is one call: its scenes come all at once"
    assert waits["answer", "summary"].whole
    assert waits["summary", "objects"].starts == 3, "three frames of a scene"
    assert not waits["summary", "objects"].whole


def test_with_two_videos_an_answer_waits_for_its_own_scenes_alone():
    made = walked(80.0, 20.0)
    waits = {one.source: one for one in made["answer"].waits}
    scenes = [count for count, _ in made["transcript"].families]
    assert not waits["summary"].whole
    assert waits["summary"].starts == min(scenes)
    assert waits["summary"].ends


def test_the_options_that_what_flows_depends_on_are_noted():
    read = {}
    walk(video_flow(), PLAIN, {"videos": [video("v", 30.0)], "question": ["?"]}, library(), read=read)
    assert "count" in read["frames"]
    assert read["transcript"] == set()
