"""Posing a workflow's problem: least costs from profiles, what may be held, how calls crowd one another."""

import itertools

import pytest

from murakkab_jupyter.agents.agent import Option
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower, WorkerView
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.proofs.calls import Costs
from murakkab_jupyter.planner.proofs.pose import crowding_of, few, holdings, parts, pose
from murakkab_jupyter.planner.proofs.rich import Amount
from murakkab_jupyter.planner.proofs.scenarios import TooMany
from murakkab_jupyter.planner.solve import prepare
from murakkab_jupyter.profiles.interference import slowdown
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import POWER, Made, cluster_of, world_of
from tests.planner.worlds import random_world

AMOUNT = Amount((1.0, 2.0, 6.0))


class Bent:
    """Profiles that are not of the usual form: a call takes the square of its items, and half a second at least."""

    def call(self, agent, options, *, cores, items, work, speed=1.0):
        figure = Figure(max(0.5, items**2 * 0.1 + work * 0.01), "s")
        return Prediction(figure, figure)

    def load(self, agent, options, *, speed=1.0):
        return None


def test_the_parameters_of_a_profile_are_found_by_asking():
    world = random_world(1)
    costs = Costs(world.profiles, speed=1.0)
    for agent in world.profiles.agents:
        one = Configuration(agent, cores=1, batch=4)
        seconds, cpu, gpu = costs.of(one, AMOUNT)
        for items, work in itertools.product((1, 3, 7), (0.0, 2.5, 40.0)):
            found = world.profiles.call(agent, (), cores=1, items=items, work=work)
            assert seconds.at(items, work) == pytest.approx(found.seconds.value, rel=1e-5, abs=1e-9)
            assert seconds.at(items, work) <= found.seconds.value + 1e-12
            assert cpu.at(items, work) == pytest.approx(found.cpu_s.value, rel=1e-5, abs=1e-9)
            assert gpu.at(items, work) == 0.0


def test_a_profile_of_another_form_gives_only_its_least_call():
    seconds, _, _ = Costs(Bent(), 1.0).of(Configuration("bent", batch=4), AMOUNT)
    assert (seconds.call, seconds.item, seconds.unit) == (0.5, 0.0, 0.0)


class Silent:
    """Profiles of what has next to nothing to do where there is no work: much less than its line says."""

    def call(self, agent, options, *, cores, items, work, speed=1.0):
        seconds = 0.02 * items if work <= 0 else 1.0 + 0.1 * items + 0.5 * work
        return Prediction(Figure(seconds, "s"), Figure(seconds, "s"))

    def load(self, agent, options, *, speed=1.0):
        return None


def test_calls_without_work_do_not_hide_what_work_takes():
    seconds, _, _ = Costs(Silent(), 1.0).of(Configuration("silent", batch=4), Amount((0.0, 0.0, 6.0)))
    assert (seconds.call, seconds.item, seconds.unit) == pytest.approx((1.0, 0.1, 0.5), rel=1e-5)
    assert seconds.idle == pytest.approx((0.0, 0.02), rel=1e-5, abs=1e-9)
    assert seconds.at(3, 0.0) == pytest.approx(0.06, rel=1e-5)


def most_done(sizes, most, cores, factor):
    """By trying all orders of calls: the most that is done at one instant on so many of a worker's cores."""
    best = 0.0
    for count in range(1, most + 1):
        for calls in itertools.product(sizes, repeat=count):
            if sum(calls) <= most:
                before, done = 0, 0.0
                for size in calls:
                    done += size / slowdown(factor, before / max(1, cores - size))
                    before += size
                best = max(best, done)
    return best


@pytest.mark.parametrize("cores", [2, 3, 4, 5])
def test_crowding_is_that_of_the_best_order_of_calls(cores):
    worker = WorkerView("w", "h", cores, 10**9, power=POWER)
    sizes = [size for size in (1, 2) if size < cores]
    found = crowding_of([worker], {"w": cores}, sizes, Figure(1.5, "1"))
    for size in sizes:
        assert found[size] == pytest.approx(cores / most_done(sizes, cores, cores, 1.5))


def test_one_core_is_never_crowded():
    worker = WorkerView("w", "h", 4, 10**9, power=POWER)
    assert crowding_of([worker], {"w": 1}, [1], Figure(1.5, "1")) == {}
    assert crowding_of([worker], {"w": 4}, [1, 4], Figure(1.5, "1"))[4] == 1.0
    assert crowding_of([worker], {"w": 4}, [1, 2], None) == {}


def test_holdings_are_cheapest_and_largest_for_their_number_of_hosts():
    dear = HostPower(Figure(8.0, "W"), Figure(4.0, "W"), Figure(3.6, "USD/h"), unknown("USD/kWh"))
    cluster = cluster_of(4, 2, power=dear)
    one, both = holdings(cluster, [4], [1], None)
    assert (one.cores, one.idle_w, one.usd_per_s) == (4, 8.0, pytest.approx(0.001))
    assert (both.cores, both.idle_w) == (6, 16.0)
    half = holdings(cluster, [2, 4], [1], None)[0]
    assert (half.cores, half.idle_w, half.reserve) == (2, 4.0, 2)


def test_one_host_of_many_is_a_holding_of_its_own():
    cluster = cluster_of(*[4] * 8)
    assert [(one.cores, one.idle_w) for one in holdings(cluster, [4], [1], None)] == [
        (4, pytest.approx(2.0)),
        (8, pytest.approx(4.0)),
        (16, pytest.approx(6.0)),
        (32, pytest.approx(10.0)),
    ]


def test_few_places_of_many_keep_the_last():
    assert few(3, 4) == [0, 1, 2]
    for count in range(5, 40):
        places = few(count, 4)
        assert places == sorted(set(places))
        assert places[-1] == count - 1
        assert len(places) <= 4


def test_options_that_multiply_what_flows_are_too_many():
    levers = Option("beam", int, 1, (1, 2, 3, 4), lever=True)
    edges = {"a": ["data"], "b": ["a"], "c": ["b"], "d": ["c"]}
    agents = [Made(name, name, 1.0, options=(levers,)) for name in edges]
    world = world_of(edges, agents)
    # What flows depends on the lever of every step: 4 x 4 x 4 x 4 ways.
    for name in edges:
        capability = world.library.capability(f"cap-{name}")
        object.__setattr__(capability, "work", lambda inputs, options: float(options.get("beam", 1)))
    problem = prepare(world.workflow, **world.arguments(), effort=1)
    with pytest.raises(TooMany):
        pose(
            world.workflow, problem.search.modes, Goal(("latency",)), roots=world.roots, library=world.library,
            profiles=world.profiles, cluster=world.cluster, judge=problem.judge, levels=[1],
        )  # fmt: skip


def test_steps_whose_options_change_what_flows_are_posed_part_by_part():
    apart = 0
    for seed in range(40):
        world = random_world(seed, branching=True)
        problem = prepare(world.workflow, **world.arguments(), effort=1)
        modes = problem.search.modes
        some = parts(world.workflow, modes, world.roots, world.library)
        assert len(some) <= 8
        plans = [plan for part in some for plan in itertools.product(*(part[name] for name in modes))]
        assert sorted(plans) == sorted(itertools.product(*(range(len(one)) for one in modes.values())))
        apart += len(some) > 1
    assert apart > 5
