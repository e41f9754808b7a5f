"""Plans for inputs that keep arriving: they sustain the rate, nothing smaller does, and refusals name the largest rate."""

import json
import random
from dataclasses import replace

import pytest

from murakkab_jupyter.core.errors import InfeasibleError, UsageError
from murakkab_jupyter.core.figure import Figure, per_time, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.planner.arriving.arrivals import Arrivals
from murakkab_jupyter.planner.arriving.steady import Steady
from murakkab_jupyter.planner.arriving.throughput import LeastRate, Throughput
from murakkab_jupyter.planner.frontier import frontier
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.planner.rate import Rate
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.planner.stream import Stream, queue
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language.options import goal_words, parse_goal_options
from murakkab_jupyter.workflow.model import Variable
from tests.planner.synthetic import Made, cluster_of, world_of
from tests.planner.worlds import random_world, replay_of

RENTED = HostPower(Figure(8.0, "W"), Figure(4.0, "W"), Figure(3.6, "USD/h"), unknown("USD/kWh"))
OWN = HostPower(Figure(8.0, "W"), Figure(4.0, "W"), unknown("USD/h"), Figure(0.36, "USD/kWh"))
SURE = 0.5
"""Confidence by what is expected, so that rates can be worked out by hand."""


def plan_for(world, per_s, *objectives, **limits):
    replay = replay_of(world)
    arguments = world.arguments() | {
        "evaluate": lambda configurations, reserve: replay(world.roots, configurations, reserve),
        "effort": limits.pop("effort", None),
    }
    goal = Goal(objectives or ("cost",), limits.pop("quality", 0.0), arrivals_per_s=per_s,
                confidence=limits.pop("confidence", SURE), **limits)  # fmt: skip
    return make_plan(world.workflow, goal, **arguments, replay=replay)


def chain(*, cores=8, power=RENTED, items=3, agents=None):
    """Two steps of one second and half a second a value, on one core each."""
    made = agents or [
        Made("slow", "a", 1.0, max_cores=1, load_s=0.0),
        Made("quick", "b", 0.5, max_cores=1, load_s=0.0),
    ]
    return world_of({"a": ["data"], "b": ["a"]}, made, items=items, cluster=cluster_of(cores, power=power))


@pytest.mark.parametrize(
    ("per_s", "cores"), [(0.3, 1), (0.6, 1), (0.9, 2), (1.2, 2), (1.9, 4), (2.5, 4), (4.0, 8), (5.0, 8)]
)
def test_the_smallest_reservation_that_sustains_the_rate_is_taken(per_s, cores):
    # A value takes 1.5 core-seconds, so that n cores take at most n / 1.5 a second.
    plan = plan_for(chain(), per_s)
    assert plan.reserves.cores == cores
    assert per_s <= plan.rate.sustained.value <= cores / 1.5 * 1.03
    assert plan.regime == "pipeline"


def test_an_hour_costs_what_is_held_for_an_hour():
    plan = plan_for(chain(), 0.9)
    assert plan.rate.cost.value == pytest.approx(3.6 * 2 / 8, rel=0.01)
    # 2 of 8 cores idle at 2 W for an hour, and 4 W for each of 1.5 CPU-seconds a value.
    assert plan.rate.energy.value == pytest.approx(3600 * (2.0 + 0.9 * 1.5 * 4.0), rel=0.03)


def test_on_a_machine_of_ones_own_an_hour_costs_its_electricity():
    plan = plan_for(chain(power=OWN), 0.9)
    assert plan.rate.cost.value == pytest.approx(plan.rate.energy.value / 3.6e6 * 0.36, rel=0.01)


def test_a_rate_that_nothing_sustains_is_refused_with_the_largest_that_is():
    with pytest.raises(InfeasibleError, match=r"No plan sustains arrivals of 9/s") as caught:
        plan_for(chain(), 9.0)
    error = caught.value
    assert error.binding == "arrivals"
    most = error.nearest.rate.sustained.value
    assert most == pytest.approx(8 / 1.5, rel=0.05)
    assert per_time(most) in str(error)
    goal, _ = parse_goal_options(str(error.hint).removeprefix("Say ").split(" or less")[0].split())
    assert plan_for(chain(), goal.arrivals_per_s).rate.sustained.value >= goal.arrivals_per_s


def test_what_is_sustained_is_what_the_simulator_then_does():
    for seed in (1, 2, 3, 5, 8):
        world = random_world(seed)
        plan = plan_for(world, 1e-3, "energy")
        configurations = {name: step.configuration for name, step in plan.steps.items()}
        values = [world.roots["data"][n % len(world.roots["data"])] for n in range(300)]
        found = replay_of(world)({"data": values}, configurations, plan.reserves.share)
        assert 300 / found.totals["latency"].value == pytest.approx(plan.rate.sustained.value, rel=0.1), seed


def test_no_plan_with_fewer_cores_sustains_it_by_brute_force():
    checked = 0
    for seed in range(40):
        world = random_world(seed, most_items=3)
        if len(world.cluster.workers) > 1 or not any(
            w.power.price_usd_per_hour.known for w in world.cluster.workers
        ):
            continue
        search = prepare(world.workflow, **world.arguments()).search
        if not 2 < search.space <= 60:
            continue
        values = {"data": [world.roots["data"][n % len(world.roots["data"])] for n in range(60)]}
        paces = {}
        for picks in search.all():
            few, more = (
                replay_of(world)({"data": values["data"][:n]}, search.configurations(picks), search.reserved(picks))
                .totals["latency"].value
                for n in (30, 60)
            )  # fmt: skip
            paces[picks] = 30 / (more - few)
        most = max(paces.values())
        plan = plan_for(world, 0.5 * most)
        able = min(search.reserved(picks).cores for picks, pace in paces.items() if pace > 0.56 * most)
        assert plan.reserves.cores <= able, seed
        checked += 1
    assert checked >= 3


def test_a_margin_is_kept_to_the_rate():
    wide = [Made("slow", "a", 1.0, max_cores=1, load_s=0.0)]
    world = world_of({"a": ["data"]}, wide, cluster=cluster_of(4, power=RENTED))
    # One core takes one a second; the profile's band goes to 1.2 s.
    assert plan_for(world, 0.9).reserves.cores == 1
    assert plan_for(world, 0.9, confidence=0.9).reserves.cores == 2
    assert plan_for(world, 0.7, confidence=0.9).reserves.cores == 1
    tight = plan_for(world, 3.8, confidence=0.9)
    assert any("rate is at risk" in one for one in tight.cautions)


@pytest.mark.parametrize("load_s", [0.0, 4.0, 60.0])
@pytest.mark.parametrize(("per_s", "cores"), [(20.0, 1), (45.0, 2), (90.0, 4)])
def test_loading_does_not_make_a_rate_need_more_cores(load_s, per_s, cores):
    # Instances stay loaded: 0.03 core-seconds a value are all that counts, however long loading takes.
    agents = [
        Made("slow", "a", 0.02, max_cores=1, load_s=load_s),
        Made("quick", "b", 0.01, max_cores=1, load_s=load_s),
    ]
    plan = plan_for(chain(cores=16, agents=agents), per_s)
    assert plan.reserves.cores == cores
    assert plan.rate.cost.value == pytest.approx(3.6 * cores / 16, rel=0.01)


def test_no_replay_promises_a_pace_that_no_stage_has():
    # As many instances as there are values to replay: both replays end after a round, and the line through them is flat.
    agents = [
        Made("wide", "a", 0.5, max_cores=1, max_batch=64, load_s=3.0),
        Made("plain", "b", 0.1, max_cores=1, load_s=3.0),
    ]
    world = chain(cores=32, agents=agents)
    with pytest.raises(InfeasibleError, match="the largest rate found is") as caught:
        plan_for(world, 1e6)
    # 0.6 core-seconds a value on 32 cores.
    assert caught.value.nearest.rate.sustained.value <= 32 / 0.6 * 1.03


def test_a_way_to_an_instance_and_back_counts_for_each_call():
    agents = [Made("slow", "a", 0.01, max_cores=1, load_s=0.0)]
    world = world_of({"a": ["data"]}, agents, items=3, cluster=cluster_of(4, power=RENTED))
    world.profiles.dispatch_s = 0.04
    # 50 ms of a core for each value.
    assert [plan_for(world, per_s).reserves.cores for per_s in (15.0, 35.0, 70.0)] == [1, 2, 4]
    with pytest.raises(InfeasibleError, match="the largest rate found is") as caught:
        plan_for(world, 100.0)
    assert caught.value.nearest.rate.sustained.value == pytest.approx(80.0, rel=0.05)


def asked_and_best(plan):
    words = plan.reserves.reason
    assert words.startswith("of the plans tried with fewer cores the best would sustain ")
    goal, _ = parse_goal_options(["--arrivals", words.split("sustain ")[1].split(",")[0]])
    return goal.arrivals_per_s, words


def test_why_no_less_is_reserved_does_not_contradict_the_plan():
    for per_s in (1.2, 2.5, 5.0):
        pace, words = asked_and_best(plan_for(chain(), per_s))
        assert pace < per_s
        assert "," not in words
    one = world_of({"a": ["data"]}, [Made("slow", "a", 1.0, max_cores=1, load_s=0.0)],
                   cluster=cluster_of(4, power=RENTED))  # fmt: skip
    # One core takes one a second, though not surely: the band goes to 1.2 s.
    pace, words = asked_and_best(plan_for(one, 0.9, confidence=0.9))
    assert pace > 0.9
    assert words.endswith("surely enough")
    least, _ = parse_goal_options(["--arrivals", words.split("only ")[1].split(" surely")[0]])
    assert least.arrivals_per_s < 0.9


def test_modes_of_a_plan_are_tried_on_smaller_reservations():
    world = chain(cores=8)
    ready = prepare(world.workflow, **world.arguments(), effort=24)
    arrivals = Arrivals.of(world.workflow, world.roots, world.library, world.cluster, 0.5)
    steady = Steady(ready.search, arrivals, replay_of(world))
    wide = max(steady.search.all(), key=lambda some: (steady.search.reserved(some).cores, some))
    smaller = list(steady.smaller(wide))
    held = [steady.search.estimator.held[some[-1]].cores for some in smaller]
    assert held == [4, 2, 1]
    for some in smaller:
        assert steady.search.holds(some) >> some[-1] & 1
    steady.search.best = lambda goal: wide
    best = steady.best(Goal(("cost",), 0.0, arrivals_per_s=0.5, confidence=SURE))
    assert steady.search.estimator.held[best[-1]].cores == 1


def test_a_limit_that_cannot_be_told_is_blamed_on_the_rate():
    world = chain()
    ready = prepare(world.workflow, **world.arguments(), effort=24)
    arrivals = Arrivals.of(world.workflow, world.roots, world.library, world.cluster, 0.5)
    steady = Steady(ready.search, arrivals, replay_of(world))
    goal = Goal(("cost",), 0.0, arrivals_per_s=0.5, confidence=SURE)
    slow = min(steady.search.all(), key=lambda some: some[-1])
    steady.search.excess = lambda picks, within: {"cost": 0.1} if picks == slow else {}
    limit, nearest = steady.missed(slow, goal)
    assert limit == "arrivals"
    assert nearest != slow


def test_a_floor_makes_the_rate_cost_more():
    agents = [
        Made("rough", "a", 0.2, quality=0.5, max_cores=1, load_s=0.0),
        Made("fine", "a", 2.0, quality=0.9, max_cores=1, load_s=0.0),
    ]
    world = world_of({"a": ["data"]}, agents, cluster=cluster_of(8, power=RENTED))
    rough, fine = plan_for(world, 1.5), plan_for(world, 1.5, quality="best")
    assert (rough.reserves.cores, fine.reserves.cores) == (1, 4)
    with pytest.raises(InfeasibleError, match="at quality best: the largest rate found is"):
        plan_for(world, 10.0, quality="best")
    with pytest.raises(InfeasibleError, match=r"has quality 0\.95") as caught:
        plan_for(world, 0.1, quality=0.95)
    assert caught.value.binding == "quality"


def test_limits_are_an_hours():
    assert plan_for(chain(), 0.9, budget_usd=1.0).rate.cost.value <= 1.0
    with pytest.raises(
        InfeasibleError, match=r"keeps the budget of 0\.5 \$ an hour: the best needs 0\.9 \$"
    ) as caught:
        plan_for(chain(), 0.9, budget_usd=0.5)
    assert caught.value.binding == "budget"
    with pytest.raises(InfeasibleError, match="keeps the max-energy of 100 J an hour"):
        plan_for(chain(), 0.9, max_energy_j=100.0)
    with pytest.raises(InfeasibleError, match="it is unknown here"):
        plan_for(chain(power=HostPower()), 0.5, budget_usd=1.0)


@pytest.mark.parametrize(
    "limits",
    [
        {"deadline_s": 2.0, "budget_usd": 0.5},
        {"deadline_s": 2.0, "max_energy_j": 9_000.0},
        {"budget_usd": 0.46, "max_energy_j": 5_000.0},
        {"deadline_s": 0.3, "budget_usd": 0.4, "max_energy_j": 9_000.0},
        {"quality": "best", "deadline_s": 2.5, "budget_usd": 0.5},
        {"quality": "best", "deadline_s": 0.5},
    ],
)
def test_limits_that_contradict_each_other_are_refused_with_what_would_do(limits):
    agents = [
        Made("slow", "a", 1.0, max_cores=4, load_s=0.0),
        Made("quick", "b", 0.5, max_cores=4, load_s=0.0),
    ]
    if "quality" in limits:
        agents.append(Made("rough", "a", 0.3, quality=0.5, max_cores=4, load_s=0.0))
    world = chain(agents=agents)
    with pytest.raises(InfeasibleError) as caught:
        plan_for(world, 0.3, **limits)
    words = str(caught.value)
    assert ("at quality best" in words) == ("quality" in limits)
    option = {"deadline": "deadline_s", "budget": "budget_usd", "max-energy": "max_energy_j"}
    assert caught.value.binding in option
    # The hint loosens what it names, and nothing that was kept.
    given, _ = parse_goal_options(str(caught.value.hint).removeprefix("Say ").split(":")[0].split())
    looser = {name: getattr(given, name) for name in option.values() if getattr(given, name) is not None}
    assert all(looser[name] > limits[name] for name in looser)
    for name, key in option.items():
        if key in limits and key not in looser:
            assert name in words.split(" has " if " has " in words else " keeps ", maxsplit=1)[0]
    assert plan_for(world, 0.3, **(limits | looser)).rate is not None


def test_without_a_list_each_arrival_is_a_run():
    world = chain()
    world.workflow = replace(
        world.workflow,
        variables=(Variable("data", "text", ()),),
        steps=tuple(replace(step, at=()) for step in world.workflow.steps),
    )
    world.roots = {"data": ["some text"]}
    plan = plan_for(world, 0.5)
    assert plan.rate.of == "runs, one after the other"
    assert plan.rate.sustained.value == pytest.approx(1 / 1.5, rel=0.05)
    with pytest.raises(InfeasibleError, match="largest rate found"):
        plan_for(world, 1.0)


def test_what_cannot_arrive_is_refused():
    two = chain()
    two.workflow = replace(
        two.workflow, variables=(*two.workflow.variables, Variable("more", "text", ("more",)))
    )
    with pytest.raises(UsageError, match="Arrivals are of one list, and this workflow has data and more"):
        plan_for(two, 1.0)
    empty = chain(items=0)
    with pytest.raises(UsageError, match="data is empty"):
        plan_for(empty, 1.0)
    world = chain()
    with pytest.raises(UsageError, match="Arrivals cannot be planned here"):
        make_plan(world.workflow, Goal(("cost",), 0.0, arrivals_per_s=1.0), **world.arguments())


def test_a_frontier_is_of_the_inputs_at_hand():
    world = chain()
    plans = frontier(world.workflow, Goal(("cost",), 0.0, arrivals_per_s=1.0), **world.arguments())
    assert all(plan.rate is None and plan.goal.arrivals_per_s is None for plan in plans)


def test_the_plan_says_it_and_comes_back_from_json():
    plan = plan_for(chain(), 0.9)
    assert plan.notes[0].startswith("Arrivals: 54/min (values of data)")
    assert "a is the slowest stage" in plan.notes[0]
    assert "An hour of it takes" in plan.notes[0]
    assert "come from the simulator" in plan.notes[1]
    assert plan.reserves.reason.startswith("of the plans tried with fewer cores the best would sustain 4")
    data = json.loads(json.dumps(plan.to_json()))
    assert data["rate"]["asked_per_s"] == 0.9
    assert Plan.from_json(data) == plan
    del data["rate"], data["goal"]["arrivals_per_s"]  # as an earlier version wrote it
    assert Plan.from_json(data).rate is None


def test_words_of_a_rate_without_watts():
    rate = Rate(0.01, "values of x", Figure(0.02, "1/s"), "a", unknown("J"), unknown("USD"))
    assert rate.words == (
        "Arrivals: 36/h (values of x), 50 % of what it can take: up to 1.2/min are sustained (prior), a is the slowest stage."
    )


@pytest.mark.parametrize(
    ("text", "per_s"), [("2/min", 1 / 30), ("0.5/s", 0.5), ("90/h", 0.025), ("3 / hour", 3 / 3600)]
)
def test_a_rate_is_read_and_written(text, per_s):
    goal, _ = parse_goal_options(["--arrivals", text])
    assert goal.arrivals_per_s == pytest.approx(per_s)
    assert parse_goal_options(goal_words(goal))[0] == goal
    assert Goal.from_json(json.loads(json.dumps(goal.to_json()))) == goal


@pytest.mark.parametrize(
    ("per_s", "words"),
    [(1990.4, "1990/s"), (1000.0, "1000/s"), (0.9, "54/min"), (1e-3, "3.6/h"), (2e9, "2e+09/s")],
)
def test_a_goal_and_its_plan_say_a_rate_in_one_unit(per_s, words):
    assert per_time(per_s) == words
    if per_s < 1e9:
        assert f"arrivals {words}" in str(Goal(("cost",), arrivals_per_s=per_s))


@pytest.mark.parametrize("text", ["1e-300/h", "1e-9/s", "1e10/s"])
def test_an_absurd_rate_is_refused(text):
    with pytest.raises(UsageError, match="--arrivals lies between 1e-08 and 1e\\+09 a second"):
        parse_goal_options([f"--arrivals={text}"])


@pytest.mark.parametrize("text", ["2", "2/", "/min", "2/fortnight", "-1/s", "0/s", "nan/s", "fast"])
def test_nonsense_is_no_rate(text):
    with pytest.raises(UsageError, match="--arrivals"):
        parse_goal_options([f"--arrivals={text}"])


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e-12, 1e12])
def test_a_goal_takes_no_absurd_rate(value):
    with pytest.raises(UsageError, match="--arrivals"):
        Goal(("cost",), arrivals_per_s=value)
    with pytest.raises(UsageError, match="--arrivals"):
        Goal(("cost",), arrivals_per_s=value, deadline_s=5.0)


@pytest.mark.parametrize("text", ["0s", "-1s", "nan", "soon"])
def test_a_deadline_for_each_value_is_as_sensible_as_any(text):
    with pytest.raises(UsageError, match="--deadline"):
        parse_goal_options(["--arrivals", "2/min", f"--deadline={text}"])


def seen(plan, kind):
    return next(one for one in plan.rate.streams if one.kind == kind)


def test_both_streams_are_simulated_and_the_plan_says_so():
    plan = plan_for(chain(), 0.6)
    # Nobody waits on two instances when values come each 1.67 s; at random, some do.
    assert seen(plan, "evenly").half.value == pytest.approx(1.5, rel=0.01)
    assert seen(plan, "poisson").most.value > seen(plan, "evenly").most.value
    words = plan.notes[0]
    assert "evenly spaced, half of" in words
    assert "as a Poisson stream (seed 1), half of" in words
    assert "The backlog does not grow." in words
    assert "J and $" in words.split("An hour of it takes")[1]
    data = json.loads(json.dumps(plan.to_json()))
    assert [one["kind"] for one in data["rate"]["streams"]] == ["evenly", "poisson"]
    del data["rate"]["streams"]  # as an earlier version wrote it
    assert Plan.from_json(data).rate.streams == ()


def test_figures_of_an_hour_are_those_of_the_stream():
    # A call takes as much for one as for eight: what is seen at a low rate is calls of one, not full batches.
    agents = [Made("slow", "a", 0.0, call_s=1.0, max_cores=1, max_batch=8, load_s=0.0, parallel=0.0)]
    world = world_of({"a": ["data"]}, agents, cluster=cluster_of(1, power=RENTED))
    seldom, often = plan_for(world, 0.02, "energy"), plan_for(world, 4.0, "energy")
    each = [
        (one.rate.energy.value - 8.0 * 3600) / 4.0 / 3600 / rate
        for one, rate in ((seldom, 0.02), (often, 4.0))
    ]
    assert each[0] == pytest.approx(1.0, rel=0.05)
    assert 1 / 8 <= each[1] < 0.5


def test_a_deadline_is_for_each_value():
    world = chain(agents=[
        Made("slow", "a", 1.0, max_cores=4, load_s=0.0), Made("quick", "b", 0.5, max_cores=4, load_s=0.0)
    ])  # fmt: skip
    free, hurried = plan_for(world, 0.3), plan_for(world, 0.3, deadline_s=2.0)
    assert seen(free, "poisson").most.value > 2.0 >= seen(hurried, "poisson").most.value
    assert hurried.reserves.cores > free.reserves.cores
    assert "for each value" in str(hurried.goal)
    with pytest.raises(InfeasibleError, match=r"has 95% of the values done within 0\.2 s") as caught:
        plan_for(world, 0.3, deadline_s=0.2)
    assert caught.value.binding == "deadline"
    words = str(caught.value.hint).removeprefix("Say ").split(":")[0].split()
    goal, _ = parse_goal_options(words)
    assert plan_for(world, 0.3, deadline_s=goal.deadline_s).rate is not None


@pytest.mark.parametrize("per_s", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("each", [1, 20])
def test_a_deadline_that_is_taken_is_kept_in_the_long_run(per_s, each):
    # A value is one call of a second, or twenty of a twentieth: of those a stretch has few values.
    agents = [Made("slow", "a", 1.0 / each, max_cores=1, load_s=0.0)]
    steps, opens = ({"a": ["data"]}, {}) if each == 1 else ({"a": ["data"], "b": ["a"]}, {"a": float(each)})
    if each > 1:
        agents.append(Made("free", "b", 1e-6, max_cores=1, load_s=0.0))
    world = world_of(steps, agents, cluster=cluster_of(1, power=RENTED), opens=opens)
    most = seen(plan_for(world, per_s), "poisson").most.value
    assert plan_for(world, per_s, deadline_s=1.01 * most).reserves.cores == 1
    service_s = 1.0 / plan_for(world, per_s).rate.sustained.value
    dice = random.Random(7)
    within = 0
    for _ in range(10):
        at, times = 0.0, []
        for _ in range(41_000):
            at += dice.expovariate(per_s)
            times.append(at)
        within += sum(one <= most for one in queue(service_s, times)[1_000:])
    assert within >= 0.93 * 400_000


def test_a_deadline_that_rests_on_theory_is_told():
    def caution(per_s, **limits):
        plan = plan_for(world, per_s, **limits)
        return next((one for one in plan.cautions if "rests on queueing theory" in one), "")

    world = world_of({"a": ["data"]}, [Made("slow", "a", 1.0, max_cores=1, load_s=0.0)],
                     cluster=cluster_of(1, power=RENTED))  # fmt: skip
    assert "of what is sustained arrives" in caution(0.8, deadline_s=30.0)
    assert caution(0.8) == caution(0.3, deadline_s=30.0) == ""
    world = world_of({"a": ["data"], "b": ["a"]},
                     [Made("x", "a", 0.02, max_cores=1, load_s=0.0), Made("y", "b", 0.0, max_cores=1, load_s=0.0)],
                     cluster=cluster_of(1, power=RENTED), opens={"a": 40.0})  # fmt: skip
    assert "only 15 values were simulated" in caution(0.3, deadline_s=30.0)


def test_a_deadline_that_is_only_just_kept_is_at_risk():
    world = chain()
    most = seen(plan_for(world, 0.3, "latency"), "poisson").most.value
    plan = plan_for(world, 0.3, deadline_s=1.01 * most, confidence=0.9)
    assert any(one.startswith("The deadline is at risk") for one in plan.cautions)


def test_latency_is_the_time_of_a_value():
    world = chain(agents=[
        Made("slow", "a", 1.0, max_cores=4, load_s=0.0), Made("quick", "b", 0.5, max_cores=4, load_s=0.0)
    ])  # fmt: skip
    cheap, soon = plan_for(world, 0.3, "cost"), plan_for(world, 0.3, "latency")
    assert seen(soon, "poisson").most.value < seen(cheap, "poisson").most.value
    assert soon.rate.cost.value > cheap.rate.cost.value


def test_a_backlog_that_grows_is_told():
    with pytest.raises(
        InfeasibleError, match=r"its backlog grows by 3\.\d+/s at the rate that was asked for"
    ) as caught:
        plan_for(chain(), 9.0)
    assert caught.value.nearest.rate.grows
    assert "The backlog grows by" in caught.value.nearest.notes[0]
    assert "An hour" not in caught.value.nearest.notes[0]
    # 1.5 core-seconds a value on 8 cores, whatever is planned.
    assert "No plan can sustain more than 5.33/s." in str(caught.value)


def test_the_largest_rate_that_is_named_does_not_grow():
    for seed in (2, 4, 9):
        world = random_world(seed)
        with pytest.raises(InfeasibleError) as caught:
            plan_for(world, 1e5)
        most = caught.value.nearest
        goal, _ = parse_goal_options(str(caught.value.hint).removeprefix("Say ").split(" or less")[0].split())
        replay = replay_of(world)
        arrivals = Arrivals.of(world.workflow, world.roots, world.library, world.cluster, goal.arrivals_per_s)
        configurations = {name: step.configuration for name, step in most.steps.items()}
        assert not arrivals.stream("evenly", replay, configurations, most.reserves.share).grows_per_s, seed


def test_one_plan_whose_backlog_grows_does_not_refuse_the_job(monkeypatch):
    stream = Arrivals.stream

    def hindered(self, kind, replay, configurations, reserve, *args, **options):
        found = stream(self, kind, replay, configurations, reserve, *args, **options)
        grows = reserve.cores == 1 and kind == "evenly" and (args[0] if args else self.rate_per_s) > 0.5
        return replace(found, grows_per_s=0.02) if grows else found

    assert plan_for(chain(), 0.6).reserves.cores == 1
    monkeypatch.setattr(Arrivals, "stream", hindered)
    plan = plan_for(chain(), 0.6)
    assert plan.reserves.cores == 2
    assert not plan.rate.grows
    assert plan.proof is None
    # Where nothing is faster it is refused as ever.
    with pytest.raises(InfeasibleError, match="No plan sustains arrivals of 36/min"):
        plan_for(chain(cores=1), 0.6)


def test_the_largest_rate_was_simulated(monkeypatch):
    world = chain()
    ready = prepare(world.workflow, **world.arguments(), effort=24)
    arrivals = Arrivals.of(world.workflow, world.roots, world.library, world.cluster, 0.5)
    steady = Steady(ready.search, arrivals, replay_of(world))
    picks = min(steady.search.all(), key=lambda some: some[-1])
    pace = 1.0 / steady.pace.value(picks, "latency")
    simulated = []

    def stream(self, kind, replay, configurations, reserve, rate_per_s=None, *, each_s=0.0):
        grows = 0.001 if rate_per_s > 0.5 * pace else 0.0
        simulated.append((rate_per_s, grows))
        return Stream(kind, 1, Figure(1.0, "s"), Figure(1.0, "s"), 1, grows)

    monkeypatch.setattr(Arrivals, "stream", stream)
    found = steady.sustained(picks)
    assert simulated[-1] == (pytest.approx(0.99 * found), 0.0)


def test_values_of_very_many_items_are_not_simulated_without_a_ceiling():
    # The shortest stretch of so many is far more than that of a usual one: fewer plans are replayed.
    world = world_of({"a": ["data"], "b": ["a"]},
                     [Made("x", "a", 0.02, max_cores=1, load_s=0.0), Made("y", "b", 0.01, max_cores=1, load_s=0.0)],
                     cluster=cluster_of(8, power=RENTED), opens={"a": 200.0})  # fmt: skip
    replay, items = replay_of(world), []

    def counted(roots, configurations, reserve, arrive_s=()):
        items.append(200 * len(roots["data"]))
        return replay(roots, configurations, reserve, arrive_s)

    goal = Goal(("cost",), 0.0, arrivals_per_s=0.25, confidence=SURE)
    arguments = world.arguments() | {
        "evaluate": lambda configurations, reserve: replay(world.roots, configurations, reserve)
    }
    assert make_plan(world.workflow, goal, **arguments, replay=counted).rate is not None
    assert sum(items) < 100_000


def test_what_is_made_from_all_that_arrives_is_refused():
    world = world_of({"a": ["data"], "b": ["a"]}, [Made("x", "a", 1.0), Made("y", "b", 1.0)])
    steps = list(world.workflow.steps)
    steps[1] = replace(steps[1], at=(), inputs=tuple(replace(one, how="gather") for one in steps[1].inputs))
    world.workflow = replace(world.workflow, steps=tuple(steps))
    with pytest.raises(UsageError, match="b is made from all of data, which keep arriving"):
        plan_for(world, 1.0)


def test_no_call_waits_for_all_values_of_the_list():
    agents = [Made("wide", "a", 0.1, max_cores=1, load_s=0.0, siblings=True)]
    plan = plan_for(world_of({"a": ["data"]}, agents, cluster=cluster_of(2, power=RENTED)), 0.5)
    assert not plan.steps["a"].configuration.siblings


def test_a_rate_that_is_kept_surely_is_not_optimal_where_what_is_expected_to_keep_it_costs_less():
    world = world_of(
        {"a": ["data"]},
        [Made("slow", "a", 1.0, max_cores=1, load_s=0.0)],
        cluster=cluster_of(4, power=RENTED),
    )
    expected, sure = (plan_for(world, 0.9, confidence=confidence) for confidence in (0.5, 0.9))
    assert (expected.gap, expected.bound) == (0.0, expected.rate.cost.value)
    assert expected.proof.startswith(
        "Optimal under these profiles: arrivals were simulated for the whole space"
    )
    assert sure.rate.cost.value > 1.5 * expected.rate.cost.value
    assert sure.bound == pytest.approx(expected.bound)
    assert sure.gap == pytest.approx(1 - expected.bound / sure.rate.cost.value)
    assert not sure.proof.startswith("Optimal")
    assert "keep them with 90% confidence, as this one does, none has less cost an hour than" in sure.proof


@pytest.mark.parametrize("value", [None, 10.0])
def test_a_bound_of_arrivals_that_the_plan_beats_is_no_proof(value, monkeypatch):
    monkeypatch.setattr(Throughput, "best", lambda self, objective: LeastRate(value))
    plan = plan_for(chain(), 0.9, effort=1)
    assert plan.rate.cost.value < 10.0
    assert (plan.bound, plan.gap, plan.proof) == (None, None, None)
    assert any(
        note.startswith("Nothing is proven of this plan: it does better than the bound")
        for note in plan.notes
    )
