"""Files on the virtual clock: brought once to each host that does not see them, seen by plan, bound and bill alike."""

import json
from dataclasses import replace

import pytest

from murakkab_jupyter.core.events import FilesBrought
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.kinds import Document
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.core.transfer import Transfer
from murakkab_jupyter.planner.plan import Configuration, Plan
from murakkab_jupyter.planner.solve import make_plan, prepare
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.runtime.messages import WorkerJoined, WorkerLost
from murakkab_jupyter.simulate.driver import evaluation, simulate
from murakkab_jupyter.simulate.links import Links
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.synthetic import Made, cluster_of, world_of

MB = 1_000_000
AGENTS = [Made("one", "a", 1.0, max_cores=1), Made("two", "b", 2.0, max_cores=1)]


def page(name, megabytes):
    return Document(Media(f"/pages/{name}.txt", name, megabytes * MB), "some words")


def world(*cores, sizes=(10,), blind=(), pace=None, edges=None):
    """Steps of one and two seconds an item, on hosts of which some do not see the pages."""
    made = world_of(edges or {"a": ["data"]}, AGENTS[: len(edges or "a")], cluster=cluster_of(*cores))
    workers = tuple(replace(w, sees_files=n not in blind) for n, w in enumerate(made.cluster.workers))
    made.cluster = replace(
        made.cluster, workers=workers, network=pace or Figure(10.0, "MB/s", source="published")
    )
    made.roots = {"data": [page(f"p{n}", size) for n, size in enumerate(sizes)]}

    def evaluate(configurations, reserve):
        return evaluation(
            run(made, configurations, reserve=reserve),
            made.workflow,
            configurations,
            made.profiles,
            made.cluster,
        )

    made.evaluate = evaluate
    return made


def run(made, configurations=None, **more):
    found = simulate(
        made.workflow,
        configurations or {s.name: Configuration(one.name) for s, one in zip(made.workflow.steps, AGENTS, strict=False)},
        roots=made.roots, library=made.library, profiles=made.profiles, cluster=made.cluster, **more,
    )  # fmt: skip
    assert found.status == "done"
    return found


def test_a_call_waits_for_its_file_and_is_not_charged_for_cores_meanwhile():
    here, there = run(world(1)), run(world(1, blind=(0,)))
    assert there.makespan_s == pytest.approx(here.makespan_s + 1.0)
    assert there.steps["a"].core_seconds == pytest.approx(here.steps["a"].core_seconds)
    assert (there.transfer.files, there.transfer.bytes) == (1, 10 * MB)
    assert there.transfer.seconds.value == pytest.approx(1.0)
    assert here.transfer is None


def test_each_file_is_brought_once_to_a_host_whoever_reads_it():
    found = run(world(1, blind=(0,), sizes=(10, 20), edges={"a": ["data"], "b": ["data"]}))
    assert (found.transfer.files, found.transfer.bytes) == (2, 30 * MB)
    told = [one for one in found.events if isinstance(one, FilesBrought)]
    assert [one.bytes for one in told] == [10 * MB, 20 * MB]


def test_files_share_one_link():
    both = {"a": Configuration("one", instances=2)}
    found = run(world(1, 1, blind=(0, 1), sizes=(10, 10)), both)
    # One second for the first file, two for the second, then loading and a second of work.
    assert found.makespan_s == pytest.approx(2.0 + 0.1 + 1.0)
    assert sorted(call.end_s for call in found.calls) == pytest.approx([2.1, 3.1])


def test_a_host_that_sees_the_files_gets_none():
    found = run(world(1, 1, blind=(1,), sizes=(10, 10)), {"a": Configuration("one", instances=2)})
    assert found.transfer.files == 1
    assert {one.worker for one in found.events if isinstance(one, FilesBrought)} == {"w1"}


def test_what_is_there_stays_there_when_a_worker_is_lost_and_comes_back():
    made = world(1, blind=(0,), sizes=(10,))
    (view,) = made.cluster.workers
    again = replace(view, name="again")
    found = run(made, changes=[(1.5, WorkerLost("w0")), (1.6, WorkerJoined(again))])
    assert found.transfer.files == 1


def test_a_joining_host_that_sees_no_files_has_them_brought():
    made = world(1, sizes=(10, 10, 10, 10))
    other = replace(made.cluster.workers[0], name="w9", host="h9", sees_files=False)
    found = run(made, {"a": Configuration("one", instances=2)}, changes=[(0.1, WorkerJoined(other))])
    assert found.transfer.files >= 1


def test_the_band_of_a_guessed_link_widens_the_makespan():
    sure = run(world(1, blind=(0,), pace=Figure(10.0, "MB/s", 10.0, 10.0)))
    guess = run(world(1, blind=(0,), pace=Figure(10.0, "MB/s", 1.0, 100.0)))
    assert guess.makespan.value == sure.makespan.value
    assert guess.makespan.high > sure.makespan.high
    assert (guess.transfer.seconds.low, guess.transfer.seconds.high) == pytest.approx((0.1, 10.0))


def test_a_plan_says_what_it_brings_and_so_does_its_json():
    made = world(2, 2, blind=(0, 1), sizes=(30, 30))
    plan = make_plan(made.workflow, Goal(("latency",), 0.0), **made.arguments())
    assert plan.transfer.files >= 2
    hosts = ", ".join(plan.reserves.hosts)
    assert any(note.startswith(f"Files are brought to {hosts}, which") for note in plan.notes)
    data = json.loads(json.dumps(plan.to_json()))
    assert data["transfer"]["bytes"] == plan.transfer.bytes
    assert Plan.from_json(data) == plan
    del data["transfer"]
    assert Plan.from_json(data).transfer is None


def test_the_bill_of_the_planned_run_says_the_same():
    made = world(2, 2, blind=(0, 1), sizes=(30, 30, 30))
    plan = make_plan(made.workflow, Goal(("latency",), 0.0), **made.arguments())
    configurations = {name: step.configuration for name, step in plan.steps.items()}
    found = run(made, configurations, reserve=plan.reserves.share)
    bill = Bill.of(found.events, plan, made.cluster)
    assert bill.transfer == replace(plan.transfer, seconds=bill.transfer.seconds)
    assert bill.transfer.seconds.value == pytest.approx(plan.transfer.seconds.value)
    assert bill.to_json()["transfer"]["files"] == plan.to_json()["transfer"]["files"]
    assert any("planned: " in note and "Files were brought" in note for note in bill.notes)


def test_the_planner_stays_where_the_files_are_when_bringing_them_costs_more_than_it_saves():
    far = world(2, 2, blind=(1,), sizes=(400, 400, 400, 400))
    plan = make_plan(far.workflow, Goal(("latency",), 0.0), **far.arguments())
    near = world(2, 2, sizes=(400, 400, 400, 400))
    best = make_plan(near.workflow, Goal(("latency",), 0.0), **near.arguments())
    assert best.predicted["latency"].value < plan.predicted["latency"].value < 40.0


def test_estimates_see_what_is_brought():
    sizes = (100, 100, 100)
    guesses = []
    for blind in ((), (0,)):
        made = world(1, blind=blind, sizes=sizes)
        search = prepare(made.workflow, **made.arguments()).search
        guesses.append(search.estimator.estimate(next(iter(search.all()))).latency_s)
    assert guesses[1] == pytest.approx(guesses[0] + 30.0, rel=0.2)


def test_nothing_is_sent_where_everything_is_seen():
    links = Links(world(1).cluster)
    assert links.bring("w0", [page("x", 1).media], 0.0) is None
    assert links.transfer is None
    assert isinstance(
        Links(world(1, blind=(0,)).cluster).bring("w0", [page("x", 1).media], 3.0).wait_s, float
    )
    assert Transfer.of([]) is None
