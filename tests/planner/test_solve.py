"""Plans: chosen for a goal, equal to brute force where that can be tried, and honest when nothing is feasible."""

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.agents.agent import Option
from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.planner.quality import SHARES
from murakkab_jupyter.planner.search import EVALUATIONS, SAME
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language import parse_goal_options
from tests.planner.synthetic import Made, cluster_of, world_of

BEAM = Option("beam", int, 1, (1, 5), lever=True)
WHOLE = 10**9
"""An effort that tries out every set of modes."""

VIDEO = {
    "scenes": ["data"],
    "frames": ["scenes"],
    "transcript": ["scenes"],
    "objects": ["frames"],
    "summary": ["objects", "transcript"],
    "answer": ["summary"],
}
AGENTS = (
    Made("scene-good", "scenes", 3.0, 0.95, parallel=0.5),
    Made("scene-fast", "scenes", 0.3, 0.75),
    Made("frame-taker", "frames", 0.05, 0.95),
    Made("hear-tiny", "transcript", 0.5, 0.9, load_s=0.5, siblings=True),
    Made("hear-base", "transcript", 0.9, 0.97, options=(BEAM,), load_s=1.0, siblings=True),
    Made("see-good", "objects", 0.1, 0.83, max_batch=8, parallel=0.9),
    Made("see-fast", "objects", 0.05, 0.6, max_batch=8),
    Made("sum-llm", "summary", 2.0, 0.8, max_batch=4, load_s=1.0),
    Made("sum-quick", "summary", 0.01, 0.78, max_batch=8),
    Made("qa-llm", "answer", 2.0, 0.8),
    Made("qa-quick", "answer", 0.1, 0.7),
)
QUALITY = {("hear-base", 5): 0.985}


def video_world(agents=AGENTS, **more):
    return world_of(VIDEO, agents, items=1, opens={"scenes": 9.0, "frames": 3.0}, quality_of=QUALITY, **more)


def plan_for(world, goal, **more) -> Plan:
    return make_plan(world.workflow, goal, **{**world.arguments(), **more})


def value(plan, name):
    return plan.predicted[name].value


# --- random small worlds ---------------------------------------------------------------------------------------

shapes = st.sampled_from(
    [
        {"a": ["data"]},
        {"a": ["data"], "b": ["a"]},
        {"a": ["data"], "b": ["data"], "c": ["a", "b"]},
        {"a": ["data"], "b": ["a"], "c": ["a"]},
    ]
)


@st.composite
def worlds(draw):
    edges = draw(shapes)
    agents = [
        Made(
            f"{step}{n}",
            step,
            draw(st.sampled_from([0.1, 0.3, 1.0, 2.5])),
            draw(st.sampled_from([0.5, 0.7, 0.9, 1.0])),
            parallel=draw(st.sampled_from([0.0, 0.5, 1.0])),
            max_cores=draw(st.sampled_from([1, 2])),
            load_s=draw(st.sampled_from([0.0, 0.4])),
        )
        for step in edges
        for n in range(draw(st.integers(1, 2)))
    ]
    return world_of(edges, agents, items=draw(st.integers(1, 3)), cluster=cluster_of(2))


goals = st.builds(
    Goal,
    objectives=st.sampled_from(
        [("latency",), ("energy",), ("cost",), ("quality",), ("latency", "energy"), ("quality", "cost")]
    ),
    quality=st.sampled_from([None, "best", "good", "fair", "basic", 0.0, 0.4, 0.8]),
    deadline_s=st.sampled_from([None, 1.0, 3.0, 10.0]),
    max_energy_j=st.sampled_from([None, 10.0, 40.0]),
)


def brute_force(world, goal):
    """All sets of modes with their totals and score, by an independent walk over every one."""
    problem = prepare(world.workflow, **world.arguments(), effort=WHOLE)
    names = list(problem.found)
    best = 1.0
    for some in problem.found.values():
        best *= max(mode.quality.value for mode in some.modes)
    rows = []
    for chosen in itertools.product(*(problem.found[name].modes for name in names)):
        made = {name: mode.configuration for name, mode in zip(names, chosen, strict=True)}
        score = 1.0
        for mode in chosen:
            score *= mode.quality.value
        need = max(one.cores * one.instances for one in made.values())
        for reserve in (one for one in (1, 2) if one >= need):
            totals = world.evaluate(made, reserve).totals
            rows.append(({key: figure.value for key, figure in totals.items()}, score))
    floor = goal.quality if goal.quality is not None else ("good" if goal.objectives[0] != "quality" else 0.0)
    asked = SHARES[floor] * best if isinstance(floor, str) else floor
    return [
        (totals, score)
        for totals, score in rows
        if score >= asked * (1 - 1e-9)
        and (goal.deadline_s is None or totals["latency"] <= goal.deadline_s * (1 + 1e-9))
        and (goal.max_energy_j is None or totals["energy"] <= goal.max_energy_j * (1 + 1e-9))
    ]


@settings(max_examples=80, deadline=None)
@given(worlds(), goals)
def test_a_small_plan_equals_brute_force(world, goal):
    feasible = brute_force(world, goal)
    first = goal.objectives[0]
    try:
        plan = plan_for(world, goal, effort=WHOLE)
    except InfeasibleError as error:
        nearest = error.nearest
        plan = None
    if plan is None:
        assert not feasible
        assert isinstance(nearest, Plan)
        return
    assert feasible
    best = (
        max(score for _, score in feasible)
        if first == "quality"
        else min(totals[first] for totals, _ in feasible)
    )
    # A hundredth is left to the next objective: always where several are given, else where it is not quality that is asked for.
    exact = goal.objectives == ("quality",)
    assert value(plan, first) == pytest.approx(best, rel=1e-6 if exact else SAME + 1e-3)
    # What that leaves is in the gap: the bound is of the best plan.
    assert plan.bound is None or plan.bound == pytest.approx(best, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(worlds(), goals)
def test_relaxing_a_limit_never_worsens_the_objective(world, goal):
    goal = replace(goal, objectives=goal.objectives[:1])
    try:
        tight = plan_for(world, goal, effort=WHOLE)
    except InfeasibleError:
        return
    looser = [
        replace(goal, deadline_s=None, quality=goal.floor),
        replace(goal, max_energy_j=None, quality=goal.floor),
        replace(goal, quality=0.0),
        replace(
            goal, deadline_s=None if goal.deadline_s is None else goal.deadline_s * 2, quality=goal.floor
        ),
    ]
    first = goal.objectives[0]
    for relaxed in looser:
        loose = plan_for(world, relaxed, effort=WHOLE)
        here, there = value(tight, first), value(loose, first)
        exact = goal.objectives == ("quality",)
        assert no_worse(first, here, there, 0.0 if exact else SAME)
        assert tight.bound is None or loose.bound is None or no_worse(first, tight.bound, loose.bound)


def no_worse(objective, here, there, leeway=0.0):
    """Whether a figure is no worse than another one, but for what is left to the next objective."""
    if objective == "quality":
        return there >= here * (1 - leeway) * (1 - 1e-9)
    return there <= here * (1 + leeway) * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.sampled_from(["latency", "energy", "cost", "quality"]), st.data())
def test_adding_an_agent_never_worsens_the_objective(world, objective, data):
    # A floor in words moves with what can be reached, so the floor is a number here.
    goal = Goal((objective,), 0.1)
    before = plan_for(world, goal, effort=WHOLE)
    step = data.draw(st.sampled_from([s.name for s in world.workflow.steps]))
    extra = Made(
        f"{step}-extra",
        step,
        data.draw(st.sampled_from([0.05, 0.6, 4.0])),
        data.draw(st.sampled_from([0.4, 1.0])),
    )
    edges = {s.name: [i.source for i in s.inputs] for s in world.workflow.steps}
    bigger = world_of(edges, [*world.profiles.agents.values(), extra], items=len(world.roots["data"]))
    after = plan_for(bigger, goal, effort=WHOLE)
    here, there = value(before, objective), value(after, objective)
    assert no_worse(objective, here, there, 0.0 if objective == "quality" else SAME)
    assert before.bound is None or after.bound is None or no_worse(objective, before.bound, after.bound)


@settings(max_examples=25, deadline=None)
@given(worlds(), goals)
def test_the_same_question_has_the_same_answer(world, goal):
    def answer():
        try:
            return plan_for(world, goal, effort=6)
        except InfeasibleError as error:
            return (error.message, error.binding, error.nearest)

    assert answer() == answer()


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.sampled_from(["latency", "energy", "quality"]))
def test_no_instance_exceeds_a_worker_and_no_step_the_cluster(cores, objective):
    world = video_world(cluster=cluster_of(*cores, memory_gb=2.0))
    plan = plan_for(world, Goal((objective,)), effort=6)
    for step in plan.steps.values():
        one = step.configuration
        assert one.cores <= max(cores)
        assert one.instances <= sum(count // one.cores for count in cores)


# --- the video workflow ------------------------------------------------------------------------------------------


def test_three_goals_choose_unlike_plans_ordered_as_asked():
    world = video_world()
    plans = {name: plan_for(world, Goal((name,))) for name in ("energy", "latency", "quality")}
    assert value(plans["energy"], "energy") <= value(plans["latency"], "energy")
    assert value(plans["latency"], "latency") <= value(plans["energy"], "latency")
    assert value(plans["quality"], "quality") >= max(value(p, "quality") for p in plans.values())
    chosen = [tuple(s.configuration for s in plan.steps.values()) for plan in plans.values()]
    assert len(set(chosen)) == 3


def test_a_large_space_takes_few_evaluations_and_comes_close_to_a_long_search():
    for objective in ("energy", "latency", "quality"):
        quick_world, long_world = video_world(), video_world()
        quick = plan_for(quick_world, Goal((objective,)))
        assert quick_world.asked <= EVALUATIONS + 15
        long = plan_for(long_world, Goal((objective,)), effort=600)
        assert value(quick, objective) == pytest.approx(value(long, objective), rel=0.03)


def test_planning_without_the_simulator_does_not_explode():
    import time

    world = video_world(cluster=cluster_of(8))
    started = time.process_time()
    plan_for(world, Goal(("energy",)))
    assert time.process_time() - started < 20.0  # about 0.6 s of CPU: a guard, not a measure


def test_options_that_change_what_flows_are_planned_with_their_consequences():
    # More frames are better, and every one of them costs the next step.
    from murakkab_jupyter.agents.capability import Capability, Port, Yield
    from murakkab_jupyter.agents.library import Library

    count = Option("count", int, 1, (1, 8), lever=True)
    agents = [
        Made("taker", "frames", 0.01, options=(count,)),
        Made("seer", "objects", 1.0),
    ]
    world = world_of({"frames": ["data"], "objects": ["frames"]}, agents, opens={"frames": 1.0}, items=1)
    library = Library()
    library.add_capability(
        Capability(
            "cap-frames", "synthetic", (Port("x", frozenset({"any"})),), "text", opens=True,
            yields=lambda inputs, options: Yield(float(options.get("count", 1)), {"tokens": 1.0}),
        )
    )  # fmt: skip
    library.add_capability(Capability("cap-objects", "synthetic", (Port("x", frozenset({"any"})),), "text"))
    for spec in world.library.agents():
        library.add_agent(spec)
    world.library = library

    class CountMatters(type(world.profiles)):
        def quality(self, agent, options):
            if agent == "taker":
                return Figure(0.9 if dict(options)["count"] == 8 else 0.6, "1")
            return Figure(0.9, "1")

    world.profiles = CountMatters(world.profiles.agents)
    few = plan_for(world, Goal(("energy",), "basic"))
    many = plan_for(world, Goal(("quality",)))
    assert dict(few.steps["frames"].configuration.options)["count"] == 1
    assert dict(many.steps["frames"].configuration.options)["count"] == 8
    assert (few.steps["objects"].items, many.steps["objects"].items) == (1, 8)
    assert value(many, "cpu") > 4 * value(few, "cpu")


def test_a_plan_has_figures_for_every_step_and_survives_json():
    plan = plan_for(video_world(), Goal(("energy",)))
    assert set(plan.predicted) >= {"latency", "cpu", "energy", "cost", "quality"}
    for step in plan.steps.values():
        assert {"latency", "cpu", "energy", "start", "end", "quality"} <= set(step.predicted)
    plan = replace(plan, cautions=("Planned for 64 cores; this host has 2.",))
    assert Plan.from_json(plan.to_json()) == plan


def test_the_runner_up_is_another_agent_with_a_reason_in_figures():
    plan = plan_for(video_world(), Goal(("energy",), "best"))
    rival = plan.steps["summary"].runner_up
    assert rival.configuration.agent == "sum-quick"
    assert "worse than your floor best" in rival.reason
    assert "less energy" in rival.reason
    alone = plan.steps["frames"].runner_up
    assert alone is None or alone.configuration.agent == "frame-taker"


def test_the_reason_says_when_quality_is_what_is_lost():
    plan = plan_for(video_world(), Goal(("quality",)))
    assert "points lower" in plan.steps["scenes"].runner_up.reason


def test_a_better_rival_that_takes_too_long_says_how_much_better_and_how_long():
    world = world_of({"a": ["data"]}, [Made("slow", "a", 5.0, 0.95), Made("quick", "a", 0.5, 0.7)], items=1)
    plan = plan_for(world, Goal(("quality",), deadline_s=2.0))
    assert plan.steps["a"].configuration.agent == "quick"
    reason = plan.steps["a"].runner_up.reason
    assert reason.startswith("slow: 25 points better, but takes ")
    assert reason.endswith("over your deadline of 2 s.")
    assert plan.binding.startswith("a deadline of 2 s: without it quality could be 0.95")


def test_the_binding_limit_says_what_it_costs():
    plan = plan_for(video_world(), Goal(("energy",), "best"))
    assert plan.binding.startswith("quality best: without it energy could be")
    free = plan_for(video_world(), Goal(("latency",), 0.0))
    assert free.binding is None


def test_a_deadline_is_kept_and_binds():
    world = video_world()
    fast = value(plan_for(world, Goal(("latency",))), "latency")
    plan = plan_for(world, Goal(("energy",), deadline_s=fast * 1.02))
    assert value(plan, "latency") <= fast * 1.02


# --- nothing is feasible -----------------------------------------------------------------------------------------


def ways_that_help(world, goal, error) -> list[str]:
    """The ways that a hint offers, each of which leads to a plan."""
    offered = error.hint.removeprefix("Say ").removesuffix(".").split(", or ")
    for words in offered:
        looser, others = parse_goal_options(words.split(), replace(goal, quality=goal.floor))
        assert not others
        plan_for(world, looser)
    return offered


def test_an_impossible_deadline_gives_the_nearest_plan_and_what_to_type():
    world = video_world()
    with pytest.raises(
        InfeasibleError, match="No plan meets the deadline of 1 s: the fastest plan"
    ) as caught:
        plan_for(world, Goal(("energy",), deadline_s=1.0))
    error = caught.value
    assert error.binding == "deadline"
    assert isinstance(error.nearest, Plan)
    assert f"{value(error.nearest, 'latency'):.3g} s" in error.message
    assert error.hint.startswith("Say --deadline ")
    assert ways_that_help(world, Goal(("energy",), deadline_s=1.0), error)


def test_an_impossible_budget_and_energy_say_what_would_do():
    world = video_world()
    for goal, name, unit in (
        (Goal(("latency",), budget_usd=1e-7), "budget", "usd"),
        (Goal(("latency",), max_energy_j=5.0), "max-energy", "J"),
    ):
        with pytest.raises(InfeasibleError) as caught:
            plan_for(world, goal)
        assert caught.value.binding == name
        ways = ways_that_help(world, goal, caught.value)
        assert re.fullmatch(rf"--{name} [\d.e-]+{unit}", ways[0])


def test_a_floor_that_could_be_lowered_is_only_offered_where_that_helps():
    world = world_of({"a": ["data"]}, [Made("slow", "a", 5.0, 1.0), Made("quick", "a", 0.5, 0.85)], items=1)
    goal = Goal(("energy",), "good", deadline_s=2.0)
    with pytest.raises(InfeasibleError) as caught:
        plan_for(world, goal)
    # Either limit may give way: one of them is named, and both are offered.
    ways = ways_that_help(world, goal, caught.value)
    assert "--quality fair" in ways
    assert any(one.startswith("--deadline") for one in ways)
    goal = Goal(("energy",), "good", deadline_s=0.001)
    with pytest.raises(InfeasibleError) as caught:
        plan_for(world, goal)
    assert "--quality" not in caught.value.hint
    assert ways_that_help(world, goal, caught.value)


def test_limits_that_must_give_way_together_are_told_together():
    world = video_world()
    goal = Goal(("latency",), "good", deadline_s=0.001, max_energy_j=0.001)
    with pytest.raises(InfeasibleError) as caught:
        plan_for(world, goal)
    ways = ways_that_help(world, goal, caught.value)
    assert len(ways) == 1
    assert re.fullmatch(r"--(deadline|max-energy) \S+ --(deadline|max-energy) \S+", ways[0])


def test_a_floor_without_other_limits_asks_for_no_other_limit_to_be_loosened():
    world = world_of({"a": ["data"]}, [Made("only", "a", 1.0, 0.9)], items=1)
    with pytest.raises(InfeasibleError) as caught:
        plan_for(world, Goal(("energy",), 0.99))
    assert caught.value.hint == "Say --quality best."


@settings(max_examples=40, deadline=None)
@given(worlds(), goals)
def test_every_way_that_a_hint_offers_leads_to_a_plan(world, goal):
    found = None
    try:
        plan_for(world, goal)
    except InfeasibleError as error:
        found = error
    assert found is None or ways_that_help(world, goal, found)


def test_an_impossible_floor_says_what_can_be_reached():
    with pytest.raises(InfeasibleError, match="the best plan reaches") as caught:
        plan_for(video_world(), Goal(("energy",), 0.99))
    assert caught.value.binding == "quality"
    assert "--quality best" in caught.value.hint


def test_limits_that_only_clash_together_name_one_and_keep_the_other():
    world = video_world()
    slow = value(plan_for(world, Goal(("energy",), "best")), "latency")
    best = value(plan_for(world, Goal(("latency",), "best")), "latency")
    assert best <= slow
    with pytest.raises(InfeasibleError) as caught:
        plan_for(world, Goal(("energy",), "best", deadline_s=best * 0.8))
    # Quality is missed by less than the deadline would be, so it is the one to give way.
    assert "that keeps a deadline" in caught.value.message
    assert "has quality best" in caught.value.message
    assert caught.value.binding == "quality"
    assert caught.value.hint.startswith("Say --quality good")


def test_an_unknown_quality_fails_a_floor_and_says_so():
    world = world_of({"a": ["data"]}, [Made("known", "a", 5.0, 0.9), Made("new", "a", 0.1, None)])
    plan = plan_for(world, Goal(("energy",)))
    assert plan.steps["a"].configuration.agent == "known"
    assert "its quality is unknown, which fails a floor" in plan.steps["a"].runner_up.reason
    assert plan_for(world, Goal(("energy",), 0.0)).steps["a"].configuration.agent == "new"


def test_a_step_whose_quality_nobody_knows_leaves_a_floor_in_words_and_fails_one_in_numbers():
    world = world_of(
        {"a": ["data"], "b": ["a"]}, [Made("known", "a", 1.0, 0.9), Made("mine", "b", 0.1, None)]
    )
    plan = plan_for(world, Goal(("energy",)))
    assert plan.predicted["quality"].value is None
    assert any("quality of b is unknown" in note for note in plan.notes)
    with pytest.raises(InfeasibleError, match="quality of step b is unknown") as caught:
        plan_for(world, Goal(("energy",), 0.5))
    assert caught.value.binding == "quality"


def test_a_quality_that_leaves_steps_out_is_told_as_such():
    agents = [Made("good", "a", 5.0, 0.9), Made("quick", "a", 0.1, 0.5), Made("mine", "b", 0.1, None)]
    plan = plan_for(world_of({"a": ["data"], "b": ["a"]}, agents), Goal(("energy",)))
    assert "at quality 0.50 instead of 0.90 of the steps that have one" in plan.binding


def test_a_floor_in_numbers_says_that_it_was_judged_on_a_prior():
    plan = plan_for(video_world(), Goal(("energy",), 0.3))
    assert any("judged on a prior" in note for note in plan.notes)


def test_where_energy_is_unknown_cpu_seconds_stand_in_and_a_limit_fails():
    world = video_world(cluster=cluster_of(2, power=HostPower()))
    plan = plan_for(world, Goal(("energy",)))
    assert plan.predicted["energy"].value is None
    assert any("Energy is unknown here" in note for note in plan.notes)
    reasons = [step.runner_up.reason for step in plan.steps.values() if step.runner_up is not None]
    said = " ".join([*reasons, plan.binding or "", plan.reserves.reason])
    assert "CPU time" in said
    assert " J" not in said
    assert "energy" not in said
    with pytest.raises(InfeasibleError, match="its energy is unknown") as caught:
        plan_for(world, Goal(("energy",), max_energy_j=1e9))
    assert caught.value.binding == "max-energy"


def test_on_a_rented_host_the_cheapest_plan_holds_least_of_it_for_its_time():
    rented = HostPower(Figure(50.0, "W"), Figure(5.0, "W"), Figure(3.6, "USD/h"), unknown("USD/kWh"))
    world = video_world(cluster=cluster_of(2, power=rented))
    cheap, fast = (plan_for(world, Goal((name,))) for name in ("cost", "latency"))
    for plan in (cheap, fast):
        held = plan.reserves.cores / 2 * value(plan, "latency")
        assert value(plan, "cost") == pytest.approx(3.6 / 3600 * held)
    assert value(cheap, "cost") < value(fast, "cost")
    assert (cheap.reserves.cores, fast.reserves.cores) == (1, 2)


def test_an_agent_without_a_profile_is_named_in_the_notes():
    world = world_of({"a": ["data"]}, [Made("guessed-one", "a", 1.0)])
    assert any("guessed-one" in note and "Nobody measured" in note for note in plan_for(world, Goal()).notes)


def test_priors_of_a_server_are_not_said_to_be_of_the_reference_machine():
    made = [Made("served", "a", 1.0, max_cores=1, remote=True), Made("here", "b", 1.0)]
    notes = plan_for(world_of({"a": ["data"], "b": ["data"]}, made), Goal()).notes
    assert "Times of a, at a server, are priors (synthetic); a run corrects them." in notes
    (local,) = [
        note
        for note in notes
        if "reference machine" in note or note == "Times of b are priors; a run corrects them."
    ]
    assert local.startswith("Times of b are priors")
    alone = plan_for(world_of({"a": ["data"]}, made[:1]), Goal()).notes
    assert not any("reference machine" in note for note in alone)


def test_no_items_at_all_still_make_a_plan():
    world = video_world()
    world.roots = {"data": []}
    plan = plan_for(world, Goal(("energy",)))
    assert all(step.items == 0 for step in plan.steps.values())


def test_a_plan_by_given_agents_keeps_to_them_and_to_the_floor_of_everybody():
    world = video_world()
    free = plan_for(world, Goal(("latency",), 0.1))
    given = {name: (one.configuration.agent, one.configuration.options) for name, one in free.steps.items()}
    given["objects"] = ("see-fast", given["objects"][1])
    held = plan_for(world, Goal(("latency",), 0.1), made_by=given)
    assert {n: (s.configuration.agent, s.configuration.options) for n, s in held.steps.items()} == given
    assert held.considered == free.considered == tuple(sorted(one.name for one in AGENTS))
    with pytest.raises(InfeasibleError, match="No plan has quality basic"):
        plan_for(world, Goal(("latency",), "basic"), made_by=given)
    with pytest.raises(InfeasibleError, match="Nothing here makes objects as it was made before"):
        plan_for(world, Goal(("latency",), 0.1), made_by={**given, "objects": ("see-gone", ())})
