"""The pipeline regime: samples continued in a straight line agree with a replay of everything, and take its place only then."""

import random
from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.planner import pipeline
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.items import walk
from murakkab_jupyter.planner.pipeline import (
    MANY,
    SAMPLE,
    continued,
    regime_of,
    sampled,
    size_for,
    spread,
    stages,
)
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.worlds import random_world, replay_of

ERROR = 0.05
"""How far the continued line may be from a replay of all items."""


def with_items(seed, count):
    """A random world with so many texts of very different lengths."""
    world = random_world(seed)
    dice = random.Random(seed)
    world.roots = {"data": ["word " * int(dice.paretovariate(1.5) * 5) for _ in range(count)]}
    return world


def alike(seed):
    """Whether all workers are equally fast: else it is chance on which of them the instances of a sample land."""
    return len({worker.speed.value for worker in random_world(seed).cluster.workers}) == 1


@pytest.mark.parametrize("seed", [seed for seed in range(14) if alike(seed)][:6])
def test_the_line_agrees_with_a_replay_of_everything(seed):
    world = with_items(seed, 4096)
    search = prepare(world.workflow, **world.arguments(), effort=1).search
    evaluate = sampled(world.workflow, world.roots, world.library, replay_of(world))
    dice = random.Random(seed)
    for _ in range(2):
        picks = search.settled((*(dice.randrange(size) for size in search.sizes[:-1]), 0))
        asked = search.configurations(picks), search.reserved(picks)
        short, whole = evaluate(*asked), replay_of(world)(world.roots, *asked)
        for name in ("latency", "cpu", "energy", "cost"):
            assert short.totals[name].value == pytest.approx(whole.totals[name].value, rel=ERROR), (
                seed,
                name,
            )


def test_few_items_are_replayed_whole():
    asked = []
    world = with_items(0, 40)
    search = prepare(world.workflow, **world.arguments(), effort=1).search
    picks = next(search.all())
    evaluate = sampled(world.workflow, world.roots, world.library, replay_of(world, asked))
    evaluate(search.configurations(picks), search.reserved(picks))
    assert asked == [40]


def test_many_items_are_planned_on_samples_and_the_plan_says_so():
    asked = []
    world = with_items(3, 20_000)
    evaluate = sampled(world.workflow, world.roots, world.library, replay_of(world, asked))
    plan = make_plan(world.workflow, Goal(("latency",)), **{**world.arguments(), "evaluate": evaluate})
    assert plan.regime == "pipeline"
    assert max(asked) < 5_000
    note = next(one for one in plan.notes if one.startswith("Pipeline regime"))
    assert "of 20000 items" in note
    assert "slowest stage" in note
    assert plan.predicted["latency"].value > 0
    assert 0 < plan.bound <= plan.predicted["latency"].value
    assert plan.proof.startswith("Proven over all items: under these profiles no plan")


def test_the_rule_needs_many_items_and_a_list_to_sample():
    world = with_items(0, 4 * SAMPLE)
    assert regime_of(world.workflow, world.roots, MANY + 1) == "pipeline"
    assert regime_of(world.workflow, world.roots, MANY) == "schedule"
    assert regime_of(world.workflow, {"data": world.roots["data"][:100]}, MANY + 1) == "schedule"


def test_a_sample_is_as_large_on_average_as_all():
    dice = random.Random(1)
    values = ["x " * int(dice.paretovariate(1.5) * 5) for _ in range(10_000)]
    some = spread(values, 500)
    assert len(some) == 500
    assert sum(map(len, some)) / 500 == pytest.approx(sum(map(len, values)) / 10_000, rel=0.05)
    places = {id(value): n for n, value in enumerate(values)}
    assert [places[id(one)] for one in some] == sorted(places[id(one)] for one in some), "in their order"


def test_samples_grow_with_what_runs_at_once():
    one = Configuration("a", instances=2, batch=4)
    assert size_for({"a": one}) == SAMPLE
    wide = Configuration("a", instances=128, batch=8)
    assert size_for({"a": wide}) >= 4 * 128 * 8


def test_a_line_keeps_what_does_not_grow_and_is_never_below_nothing():
    def of(latency, quality):
        return Evaluation(
            {}, {"latency": Figure(latency, "s", latency - 1, latency + 2), "quality": Figure(quality, "1")}
        )

    made = continued(of(10.0, 0.9), of(14.0, 0.9), 5.0, "a line").totals
    assert made["latency"].value == pytest.approx(34.0)
    assert (made["latency"].low, made["latency"].high) == pytest.approx((33.0, 36.0))
    assert made["latency"].note == "a line"
    assert made["quality"].value == 0.9
    assert continued(of(10.0, 0.9), of(4.0, 0.9), 5.0, "").totals["latency"].value == 0.0


def test_more_instances_make_a_stage_faster():
    world = with_items(3, 4096)
    problem = prepare(world.workflow, **world.arguments(), effort=1)
    name = problem.search.names[0]
    modes = problem.search.modes[name]
    rates = {}
    for pick, mode in enumerate(modes):
        picks = (pick, *(0 for _ in problem.search.names[1:]), 0)
        one = mode.configuration
        key = (one.agent, one.options, one.cores, one.batch, one.siblings)
        stage = next(s for s in stages(problem.estimator, picks, 4096) if s.step == name)
        rates.setdefault(key, {})[one.instances] = stage.per_s
    compared = 0
    for by_instances in rates.values():
        for few, many in zip(sorted(by_instances), sorted(by_instances)[1:], strict=False):
            assert by_instances[many] > by_instances[few]
            compared += 1
    assert compared


def small_pipelines(monkeypatch, count):
    """Worlds in the pipeline regime, made so small that every plan can be replayed on all items."""
    monkeypatch.setattr(pipeline, "MANY", 100)
    monkeypatch.setattr(pipeline, "SAMPLE", 16)
    seed = 0
    while count:
        world = with_items(seed, 128)
        problem = prepare(world.workflow, **world.arguments(), effort=1)
        if problem.regime == "pipeline" and 2 < problem.search.space <= 24:
            count -= 1
            yield seed, world, problem
        seed += 1


def test_no_plan_replayed_on_all_items_beats_the_bound_of_the_pipeline(monkeypatch):
    tried = close = 0
    for seed, world, problem in small_pipelines(monkeypatch, 5):
        search = problem.search
        evaluate = sampled(world.workflow, world.roots, world.library, replay_of(world))
        whole = {
            picks: replay_of(world)(world.roots, search.configurations(picks), search.reserved(picks))
            for picks in search.all()
        }
        for objective in ("latency", "energy", "cost"):
            for floor in (0.0, 0.95 * search.judge.reachable):
                goal = Goal((objective,), floor)
                plan = make_plan(world.workflow, goal, **{**world.arguments(), "evaluate": evaluate})
                kept = [
                    found.totals[objective].value
                    for picks, found in whole.items()
                    if not search.judge.shortfall(search.score(picks), goal.floor)
                ]
                assert plan.regime == "pipeline"
                assert plan.bound <= min(kept) * (1 + 1e-6), (seed, goal)
                assert plan.bound == pytest.approx(plan.predicted[objective].value * (1 - plan.gap))
                tried += 1
                close += plan.bound > 0.5 * min(kept)
    assert tried == 30
    assert close > tried // 2, "a bound that says nothing is none"


def test_values_of_one_measure_are_worked_out_once():
    world = random_world(0)
    world.roots = {"data": ["word " * 7] * 50}
    asked = []
    first = world.workflow.steps[0].capability
    capability = world.library.capability(first)
    world.library._capabilities[first] = replace(
        capability, work=lambda inputs, options: asked.append(1) or capability.work(inputs, options)
    )
    search = prepare(world.workflow, **world.arguments(), effort=1).search
    asked.clear()
    walk(world.workflow, search.configurations(next(search.all())), world.roots, world.library)
    assert len(asked) == 1
