from __future__ import annotations

import time
from dataclasses import replace

import pytest

from murakkab_jupyter.core.ancestry import ROOT
from murakkab_jupyter.core.events import Reconfigured, WorkerChanged
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.messages import StopRequested, WorkerJoined, WorkerLost
from murakkab_jupyter.simulate.driver import Simulation, simulate
from murakkab_jupyter.simulate.durations import Span, together
from tests.simulate.samples import RoundProfiles, cluster, configurations, library, video, video_flow, view

ROOTS = {"videos": [video("short", 10.0), video("long", 80.0)], "question": ["what is said?"]}


def simulated(workflow=None, *, views=(), profiles=None, changes=(), roots=None, **steps) -> Simulation:
    flow = workflow or video_flow()
    return simulate(
        flow,
        configurations(flow, **steps),
        roots=ROOTS if roots is None else roots,
        library=library(),
        profiles=profiles or RoundProfiles(),
        cluster=cluster(*views),
        changes=changes,
    )


def busiest(simulation: Simulation) -> dict[str, int]:
    """The most cores that were held at once on each worker."""
    most: dict[str, int] = {}
    for name, calls in simulation.timeline().items():
        moments = sorted({call.start_s for call in calls})
        most[name] = max(sum(c.cores for c in calls if c.start_s <= at < c.end_s) for at in moments)
    return most


def test_a_long_video_gets_more_scenes_than_a_short_one():
    simulation = simulated()
    assert simulation.status == "done"
    items = {name: step.items for name, step in simulation.steps.items()}
    # A scene lasts five seconds by the capability's prior; three frames a scene are pinned.
    assert items == {"scenes": 2, "frames": 18, "transcript": 18, "objects": 54, "summary": 18, "answer": 2}
    closed = {
        e.ancestry: e.children
        for e in simulation.events
        if type(e).__name__ == "LevelClosed" and e.step == "scenes"
    }
    assert closed == {(("videos", 0),): 2, (("videos", 1),): 16}


def test_the_makespan_of_one_step_is_load_and_calls_one_after_the_other():
    flow = video_flow()
    only = type(flow)(flow.name, "", flow.variables, flow.steps[:1], flow.goal, "")
    simulation = simulated(only, scenes=Configuration("cutter"), profiles=RoundProfiles(load_s=2.0))
    # One instance: 2 s of load, then two calls of 0.1 + 0.1 s.
    assert simulation.makespan_s == pytest.approx(2.4)
    step = simulation.steps["scenes"]
    assert (step.calls, step.loads, step.load_s) == (2, 1, 2.0)
    assert step.cpu.value == pytest.approx(2.4)
    assert step.core_seconds == {"w0": pytest.approx(2.4)}
    assert step.start.value == 0.0
    assert step.end.value == pytest.approx(2.4)


def test_more_cores_and_more_instances_end_sooner_and_faster_workers_too():
    base = simulated(views=[view(cores=4)])
    fast = {name: Configuration("agent", instances=4, batch=4) for name in base.steps}
    assert simulated(views=[view(cores=4)], **fast).makespan_s < base.makespan_s
    assert simulated(views=[view(cores=4, speed=2.0)]).makespan_s < base.makespan_s * 0.6


def test_no_worker_ever_has_more_busy_cores_than_it_has():
    steps = {
        name: Configuration("agent", cores=2, instances=3, batch=2) for name in ("objects", "transcript")
    }
    simulation = simulated(views=[view("w0", 3), view("w1", 2)], **steps)
    most = busiest(simulation)
    assert set(most) == {"w0", "w1"}
    assert most["w0"] <= 3
    assert most["w1"] <= 2


def test_the_same_question_gets_the_same_answer():
    assert simulated() == simulated()


def test_a_lever_changes_what_is_made():
    flow = video_flow()
    steps = tuple(
        s
        if s.name != "frames"
        else type(s)(s.name, s.sentence, s.capability, s.at, s.opens, s.kind, s.inputs)
        for s in flow.steps
    )
    free = type(flow)(flow.name, "", flow.variables, steps, flow.goal, "")
    one = simulated(free, frames=Configuration("agent", options=(("count", 1),)))
    four = simulated(free, frames=Configuration("agent", options=(("count", 4),)))
    assert one.steps["objects"].items == 18
    assert four.steps["objects"].items == 72


def test_bands_come_from_the_predictions_and_the_weakest_source_shows():
    simulation = simulated(profiles=RoundProfiles(load_s=0.0))
    makespan = simulation.makespan
    # Each step's calls are half to twice as long as expected; that of one is independent of the others'.
    assert makespan.value * 0.5 < makespan.low < makespan.value < makespan.high < makespan.value * 2
    assert makespan.source == "prior"  # the fake's loads are


def test_errors_of_steps_even_out_and_what_they_share_does_not():
    def step(seconds, low=0.9, high=1.3, shared=(1.0, 1.0)):
        return Span(
            seconds, seconds * low, seconds * high, shared_low=shared[0], shared_high=shared[1]
        )  # fmt: skip

    assert together([step(5.0)]) == (pytest.approx(0.9), pytest.approx(1.3))
    assert together([step(5.0), step(5.0)])[1] == pytest.approx(1 + 0.3 / 2**0.5)
    shared = [step(5.0, shared=(0.9, 1.3)), step(5.0, shared=(0.9, 1.3))]
    assert together(shared) == (pytest.approx(0.9), pytest.approx(1.3))
    assert together([]) == together([Span()]) == (1.0, 1.0)


def test_an_agent_nobody_knows_is_a_guess_that_says_so():
    known = {
        f"{name}-agent": (0.1, 0.1, 0.0) for name in ("scenes", "frames", "transcript", "objects", "answer")
    }
    simulation = simulated(profiles=RoundProfiles(known))
    assert simulation.guessed == ("summary-agent",)
    assert simulation.makespan.source == "prior"
    assert simulation.status == "done"


def test_no_inputs_give_an_empty_run_and_no_figures_from_nothing():
    simulation = simulated(roots={"videos": [], "question": ["?"]})
    assert simulation.status == "done"
    assert simulation.makespan_s == 0.0
    assert simulation.steps["scenes"].start is None


# --- drift --------------------------------------------------------------------------------------------------------


def test_a_worker_that_dies_costs_time_and_no_item():
    views = [view("w0", 2), view("w1", 2)]
    steps = {name: Configuration("agent", instances=2, batch=4) for name in configurations(video_flow())}
    calm = simulated(views=views, **steps)
    drift = simulated(views=views, changes=[(calm.makespan_s / 2, WorkerLost("w1"))], **steps)
    assert drift.status == "done"
    assert {n: s.items for n, s in drift.steps.items()} == {n: s.items for n, s in calm.steps.items()}
    assert drift.makespan_s > calm.makespan_s
    assert sum(call.wasted for call in drift.calls) >= 1
    assert sum(step.wasted_core_seconds for step in drift.steps.values()) > 0
    assert [e.change for e in drift.events if isinstance(e, WorkerChanged)] == ["lost"]
    assert any(isinstance(e, Reconfigured) and "w1 was lost" in e.cause for e in drift.events)
    assert all(call.end_s <= calm.makespan_s / 2 for call in drift.calls if call.worker == "w1")


def test_a_worker_that_joins_makes_it_faster():
    steps = {name: Configuration("agent", instances=2, batch=1) for name in configurations(video_flow())}
    calm = simulated(views=[view("w0", 2)], **steps)
    drift = simulated(views=[view("w0", 2)], changes=[(1.0, WorkerJoined(view("w1", 2)))], **steps)
    assert drift.makespan_s < calm.makespan_s
    assert {call.worker for call in drift.calls} == {"w0", "w1"}


def test_when_the_only_worker_dies_the_run_ends_half_a_minute_later():
    drift = simulated(changes=[(3.0, WorkerLost("w0"))])
    assert drift.status in ("partial", "failed")
    assert "no worker is left" in drift.message
    assert drift.events[-1].at_s == pytest.approx(33.0)


def test_a_stop_ends_it_there_and_then():
    stopped = simulated(changes=[(2.0, StopRequested())])
    assert stopped.status == "stopped"
    assert stopped.makespan_s == 2.0


# --- speed --------------------------------------------------------------------------------------------------------


def best_of(times: int, work) -> float:
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def test_a_hundred_items_are_simulated_in_milliseconds():
    flow = video_flow()
    made, profiles, where, how = library(), RoundProfiles(), cluster(), configurations(flow)
    roots = {"videos": [video("a", 30.0), video("b", 60.0)], "question": ["?"]}

    def once():
        return simulate(flow, how, roots=roots, library=made, profiles=profiles, cluster=where)

    assert sum(step.items for step in once().steps.values()) == 112
    assert best_of(10, once) < 0.1  # about 3 ms: a guard, not a measure


def test_ten_thousand_gpus_that_are_only_described_are_simulated_in_seconds():
    from murakkab_jupyter.core.hosts import Gpu, WorkerView

    workers = [
        WorkerView(f"h{n}", f"h{n}", 64, 10**12, tuple(Gpu(g, "described", 80 * 10**9) for g in range(8)))
        for n in range(1250)
    ]
    gpu = Configuration("agent", device="gpu", gpus=1, instances=10_000, batch=8)
    cpu = Configuration("agent", instances=10_000, batch=8)
    steps = dict.fromkeys(("scenes", "frames", "transcript", "summary", "answer"), cpu)
    began = time.process_time()
    simulation = simulated(
        views=workers,
        roots={"videos": [video(f"v{n}", 100.0) for n in range(100)], "question": ["?"]},
        objects=gpu,
        **steps,
    )
    assert simulation.status == "done"
    assert simulation.steps["objects"].items == 6000
    assert time.process_time() - began < 30


def test_the_root_is_the_key_of_a_scalar():
    from murakkab_jupyter.planner.items import ItemMeasures

    flow = video_flow()
    measures = ItemMeasures(flow, configurations(flow), ROOTS, library())
    assert measures.roots["question"] == (ROOT,)
    assert measures.roots["videos"] == ((("videos", 0),), (("videos", 1),))


class Seen(RoundProfiles):
    """Round profiles of a host on which a second busy core costs half as much again, as runs have seen them there."""

    interference = Figure(1.5, "1", 1.2, 2.0)
    dispatch_s = 0.0


class Crowded(Seen):
    """The same, of another host: what calls take where each is alone."""

    def call(self, *args, **rest):
        found = super().call(*args, **rest)
        return replace(
            found, seconds=replace(found.seconds, source="prior"), cpu_s=replace(found.cpu_s, source="prior")
        )


class Far(RoundProfiles):
    dispatch_s = 0.25


def test_a_call_beside_a_busy_core_takes_longer_and_more_cpu_and_one_alone_does_not():
    flow = video_flow()
    only = type(flow)(flow.name, "", flow.variables, flow.steps[:1], flow.goal, "")
    alone = simulated(only, scenes=Configuration("cutter"), profiles=Crowded(load_s=0.0))
    assert alone.makespan_s == pytest.approx(0.4)
    pair = simulated(only, scenes=Configuration("cutter", instances=2), profiles=Crowded(load_s=0.0))
    # The first to start finds the other core free.
    assert pair.makespan_s == pytest.approx(0.2 * 1.5)
    assert pair.steps["scenes"].cpu.value == pytest.approx(0.2 + 0.3)


def test_what_runs_have_seen_has_the_busy_neighbours_in_it():
    flow = video_flow()
    only = type(flow)(flow.name, "", flow.variables, flow.steps[:1], flow.goal, "")
    pair = simulated(only, scenes=Configuration("cutter", instances=2), profiles=Seen(load_s=0.0))
    assert pair.makespan_s == pytest.approx(0.2)


def test_cores_are_free_again_after_a_call_that_was_cut_short_by_a_lost_worker():
    lost = simulated(views=(view("w0"), view("w1")), profiles=Crowded(), changes=[(1.5, WorkerLost("w1"))])
    assert lost.status == "done"
    assert all(call.end_s >= call.start_s for call in lost.calls)


def test_the_way_of_a_batch_takes_time_but_no_cpu():
    flow = video_flow()
    only = type(flow)(flow.name, "", flow.variables, flow.steps[:1], flow.goal, "")
    near = simulated(only, scenes=Configuration("cutter"))
    far = simulated(only, scenes=Configuration("cutter"), profiles=Far())
    assert far.makespan_s == pytest.approx(near.makespan_s + 2 * 0.25)
    assert far.steps["scenes"].cpu.value == pytest.approx(near.steps["scenes"].cpu.value)


def test_models_that_do_not_fit_together_are_switched_and_that_is_counted():
    class Large(RoundProfiles):
        """Round profiles of models that hold five of a worker's eight gigabytes."""

        def memory(self, agent, options):
            return Figure(5e9, "B")

    apart = simulated(views=(view(cores=2),), profiles=Large())
    together = simulated(views=(view(cores=2),))
    loads = {name: (apart.steps[name].loads, together.steps[name].loads) for name in apart.steps}
    assert sum(one for one, _ in loads.values()) >= sum(other for _, other in loads.values())
    assert apart.makespan_s > together.makespan_s
    held = 0
    for call in apart.calls:
        beside = [
            other
            for other in apart.calls
            if other.step != call.step and other.start_s < call.end_s and call.start_s < other.end_s
        ]
        held += bool(beside)
    assert held == 0, "two of them never work at once"
    assert apart.status == "done"
