"""Values that arrive over time in the simulator: queues build, nothing is loaded anew, and each one's way is timed."""

from dataclasses import replace

import pytest

from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.simulate.driver import simulate
from murakkab_jupyter.workflow.model import Variable
from tests.planner.synthetic import Made, cluster_of, world_of


def played(arrive_s, *, opens=None, edges=None, agents=None, cores=1, **shapes):
    edges = edges or {"a": ["data"]}
    agents = agents or [Made("slow", "a", 1.0, max_cores=1, max_batch=8, load_s=50.0, parallel=0.0)]
    world = world_of(edges, agents, items=len(arrive_s), cluster=cluster_of(cores), opens=opens)
    configurations = {
        one.step: shapes.get(one.step, Configuration(one.name, (), "cpu", 1, 0, 1, 1)) for one in agents
    }
    made = simulate(
        world.workflow, configurations, roots=world.roots, library=world.library, profiles=world.profiles,
        cluster=world.cluster, arrive_s=arrive_s,
    )  # fmt: skip
    assert made.status == "done"
    return made


def test_a_value_waits_for_those_before_it_and_nothing_is_loaded():
    made = played((0.0, 0.5, 10.0, 100.0))
    assert made.delays_s == pytest.approx((1.0, 1.5, 1.0, 1.0))
    assert made.steps["a"].loads == 0
    assert [call.start_s for call in made.calls] == pytest.approx([0.0, 1.0, 10.0, 100.0])


def test_where_more_arrives_than_is_done_each_value_takes_longer():
    made = played(tuple(0.5 * n for n in range(20)))
    assert made.delays_s == pytest.approx([1.0 + 0.5 * n for n in range(20)])


def test_a_queue_fills_batches():
    one = Made("slow", "a", 0.0, call_s=1.0, max_cores=1, max_batch=8, parallel=0.0)
    made = played(
        tuple(0.25 * n for n in range(40)), agents=[one], a=Configuration("slow", (), "cpu", 1, 0, 1, 8)
    )
    # Four arrive while a call is made, and go together: nobody waits for a full batch, and nothing piles up.
    assert {call.items for call in made.calls[2:-2]} == {4}
    assert max(made.delays_s) <= 2.25


def test_a_value_is_done_when_all_of_it_is():
    agents = [
        Made("cut", "a", 1.0, max_cores=1, parallel=0.0),
        Made("look", "b", 1.0, max_cores=1, parallel=0.0),
        Made("tell", "c", 1.0, max_cores=1, parallel=0.0),
    ]
    made = played(
        (0.0, 20.0), edges={"a": ["data"], "b": ["a"], "c": ["data", "b"]}, agents=agents, opens={"a": 3.0}
    )
    assert made.delays_s == pytest.approx((5.0, 5.0))


def test_what_is_made_once_was_made_before_anything_arrives():
    agents = [
        Made("once", "a", 500.0, max_cores=1, parallel=0.0),
        Made("each", "b", 1.0, max_cores=1, parallel=0.0),
    ]
    world = world_of({"a": ["data"], "b": ["a"]}, agents, items=2, cluster=cluster_of(1))
    first, second = world.workflow.steps
    flow = replace(
        world.workflow,
        variables=(*world.workflow.variables, Variable("text", "text", ())),
        steps=(
            replace(first, at=(), inputs=(replace(first.inputs[0], source="text"),)),
            replace(second, inputs=(replace(first.inputs[0], source="data"), *second.inputs)),
        ),
    )
    chosen = {one.step: Configuration(one.name, (), "cpu", 1, 0, 1, 1) for one in agents}
    made = simulate(
        flow, chosen, roots={**world.roots, "text": ["once"]}, library=world.library, profiles=world.profiles,
        cluster=world.cluster, arrive_s=(0.0, 5.0),
    )  # fmt: skip
    assert made.status == "done"
    assert made.delays_s == pytest.approx((1.0, 1.0))
    assert made.steps["a"].cpu.value == 0.0


def test_as_many_times_as_values_and_one_list():
    world = world_of({"a": ["data"]}, [Made("slow", "a", 1.0)], items=3)
    arguments = {
        "roots": world.roots, "library": world.library, "profiles": world.profiles, "cluster": world.cluster,
    }  # fmt: skip
    chosen = {"a": Configuration("slow", (), "cpu", 1, 0, 1, 1)}
    with pytest.raises(ValueError, match="2 arrivals for 3 values of 1 lists"):
        simulate(world.workflow, chosen, **arguments, arrive_s=(0.0, 1.0))
    two = type(world.workflow)(
        "two", "", (*world.workflow.variables, Variable("more", "text", ("more",))), world.workflow.steps,
        world.workflow.goal, "",
    )  # fmt: skip
    arguments["roots"] = {**world.roots, "more": ["b"]}
    with pytest.raises(ValueError, match="values of 2 lists"):
        simulate(two, chosen, **arguments, arrive_s=(0.0, 1.0, 2.0, 3.0))
