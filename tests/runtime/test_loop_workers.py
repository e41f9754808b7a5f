"""The run loop on workers that come and go: batches, places, what is given up for what."""

from __future__ import annotations

from murakkab_jupyter.core.ancestry import ROOT
from murakkab_jupyter.core.events import (
    BatchRetried,
    BatchStarted,
    ItemFailed,
    Notice,
    Reconfigured,
    WorkerChanged,
)
from murakkab_jupyter.core.hosts import Gpu, WorkerView
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import (
    Begin,
    Finish,
    Recorded,
    Retire,
    SetTimer,
    Submit,
    TimerFired,
)
from tests.runtime.loop_play import (
    Play,
    all_good,
    failing,
    flow,
    many,
    of,
    one_step,
    playing,
    step,
    worker,
)

# --- workers ---------------------------------------------------------------------------------------------------------


def test_the_calls_of_a_lost_worker_go_elsewhere_and_the_story_is_told():
    workflow = flow({"videos": True}, step("a", "videos", ("videos", "same")))
    play = playing(
        workflow,
        roots={"videos": many("videos", 4)},
        workers=[worker("w0", 1), worker("w1", 1)],
        a=Configuration("agent", instances=2),
    )
    play.turn()
    assert {batch.instance.worker for batch in play.running.values()} == {"w0", "w1"}
    play.toggle("w0")
    assert play.told(WorkerChanged) == [WorkerChanged(0.0, "w0", "lost")]
    assert play.told(Reconfigured) == [
        Reconfigured(
            0.0,
            "worker w0 was lost",
            "2 workers, 2 cores",
            "1 worker, 1 core; 1 item goes elsewhere",
        )
    ]
    assert play.to_the_end().status == "done"
    assert sorted(o.ancestry for _, o in play.recorded) == list(many("videos", 4))


def test_a_worker_that_is_silent_again_and_again_costs_no_item_since_nothing_died():
    workflow = flow({"videos": True}, step("a", "videos", ("videos", "same")))
    play = playing(
        workflow,
        roots={"videos": many("videos", 1)},
        workers=[worker("w0", 1), worker("w1", 1)],
        a=Configuration("agent", instances=1),
    )
    for _ in range(4):
        while not play.running:
            play.turn()
        (batch,) = play.running.values()
        play.toggle(batch.instance.worker, aside=True)
        play.toggle(batch.instance.worker)
    assert play.to_the_end().status == "done"
    assert not play.told(ItemFailed)
    causes = [one.cause for one in play.told(Reconfigured)]
    assert causes[0] == "worker w0 gives no sign of life"
    assert all("no sign of life" in one.reason for one in play.told(BatchRetried))


def test_an_item_on_which_every_worker_falls_silent_is_called_alone_and_given_up_in_the_end():
    workflow = flow({"videos": True}, step("a", "videos", ("videos", "same")))
    play = playing(
        workflow,
        roots={"videos": many("videos", 2)},
        workers=[worker("w0", 1), worker("w1", 1)],
        a=Configuration("agent", instances=1, batch=2),
    )
    bad, calls = max(many("videos", 2)), []
    while play.finish is None and len(calls) < 100:
        wrong = [batch for batch in play.running.values() if bad in batch.keys]
        if not wrong:
            assert play.turn()
            continue
        calls.append(len(wrong[0].keys))
        play.toggle(wrong[0].instance.worker, aside=True)
        play.toggle(wrong[0].instance.worker)
    assert calls == [2] * 4 + [1] * 8
    (failed,) = play.told(ItemFailed)
    assert "its worker died or gave no sign of life 12 times while on it: worker w" in failed.error
    assert play.finish.status == "partial"


def test_a_worker_that_joins_is_used_at_once_for_more_instances_than_were_planned():
    workflow = flow({"videos": True}, step("a", "videos", ("videos", "same")))
    play = playing(
        workflow,
        roots={"videos": many("videos", 9)},
        workers=[worker("w0", 1)],
        a=Configuration("agent", instances=1),
    )
    play.turn()
    assert len(play.running) == 1
    play.pending.append(worker("w1", 1))
    play.toggle("w1")
    assert {batch.instance.worker for batch in play.running.values()} == {"w0", "w1"}
    assert play.told(WorkerChanged) == [WorkerChanged(0.0, "w1", "joined", 1, "w1")]
    assert play.told(Reconfigured)[0].after == "2 workers, 2 cores; up to 2 instances of a"


def test_with_no_worker_left_the_run_waits_and_then_says_why_it_ends():
    play, roots = one_step(roots=2)
    play.begin(roots)
    play.turn()
    play.complete(0)
    play.recording.clear()
    play.send(Recorded(0))
    play.toggle("w0")
    assert play.told(Notice)[-1].message == "Waiting 30 s for a worker to join: no worker is left."
    finish = play.to_the_end()
    assert play.now_s >= 30
    assert finish.status == "partial"
    assert "no worker is left, and none joined within 30 s; 0 of 1 steps done" in finish.message
    assert "resume goes on" in finish.message


def test_with_no_worker_left_and_nothing_done_the_run_has_failed():
    play, roots = one_step(roots=2)
    play.begin(roots)
    play.turn()
    play.toggle("w0")
    assert play.to_the_end().status == "failed"


def test_a_worker_that_joins_in_time_goes_on_and_the_old_timer_does_nothing():
    play, roots = one_step(roots=2)
    play.begin(roots)
    play.turn()
    play.toggle("w0")
    play.toggle("w0")
    play.send(TimerFired("stranded:1"))
    assert play.finish is None
    assert play.to_the_end().status == "done"


def test_a_run_begun_without_workers_waits_for_one():
    play, roots = one_step(roots=2)
    view = play.workers.pop("w0")
    play.pending.append(view)
    play.begin(roots)
    play.turn()
    assert "no worker is left" in play.told(Notice)[0].message
    play.toggle("w0")
    assert play.to_the_end().status == "done"


def test_a_step_that_no_worker_is_large_enough_for_is_refused_at_once():
    play, roots = one_step(cores=8)
    play.begin(roots)
    play.turn()
    assert play.finish == Finish(
        "failed", "step a needs a worker with 8 cores; the largest has 4 cores; plan again for this cluster"
    )
    assert not play.submitted


def test_a_gpu_nobody_has_is_refused_at_once():
    play, roots = one_step(cores=1, gpus=1, device="gpu")
    play.begin(roots)
    play.turn()
    assert "needs a worker with 1 core and 1 GPU; the largest has 4 cores and 0 GPUs" in play.finish.message


def test_when_only_small_workers_are_left_the_run_waits_for_a_large_one():
    play, roots = one_step(roots=3, cores=4)
    play.workers["w1"] = worker("w1", 2)
    play.begin(roots)
    play.turn()
    play.toggle("w0")
    assert "step a needs a worker with 4 cores; the largest has 2 cores" in play.told(Notice)[-1].message
    play.toggle("w0")
    assert play.to_the_end().status == "done"


def test_gpus_are_held_by_instances_and_given_up_for_a_step_that_needs_them():
    workflow = flow(
        {"videos": True}, step("a", "videos", ("videos", "same")), step("b", "videos", ("a", "same"))
    )
    gpu = Configuration("agent", device="gpu", gpus=1)
    loop = RunLoop(workflow, {"a": gpu, "b": gpu})
    view = WorkerView("g", "g", 4, 1, (Gpu(0, "A", 1),))
    play = Play(loop, all_good(workflow), [view])
    play.begin({"videos": many("videos", 3)})
    most = 0
    while play.finish is None:
        assert play.turn()
        most = max(most, len(play.loaded))
    assert play.finish.status == "done"
    assert most == 1


# --- batches ---------------------------------------------------------------------------------------------------------


def test_what_there_is_is_shared_among_free_instances_when_nothing_more_can_come():
    play, roots = one_step(roots=6, batch=8, instances=2)
    play.begin(roots)
    play.turn()
    assert [len(batch.keys) for batch in play.running.values()] == [3, 3]


def test_a_batch_that_could_still_be_filled_waits_for_its_timer_only():
    workflow = flow(
        {"videos": True}, step("a", "videos", ("videos", "same")), step("b", "videos", ("a", "same"))
    )
    play = playing(
        workflow,
        roots={"videos": many("videos", 4)},
        a=Configuration("agent", instances=2),
        b=Configuration("agent", batch=4),
    )
    play.turn()
    play.complete(0)
    play.recording.remove(0)
    said = play.send(Recorded(0))
    assert not [s for s in of(said, Submit) if s.batch.step == "b"]
    (timer,) = of(said, SetTimer)
    assert timer.name == "linger:b"
    assert play.now_s < timer.at_s <= play.now_s + 1
    play.now_s = timer.at_s
    said = play.send(TimerFired("linger:b"))
    assert [(s.batch.step, len(s.batch.keys)) for s in of(said, Submit)] == [("b", 1)]
    # The next ones wait as well: more items of `a` are still to come.
    for task in sorted(task for task, batch in play.running.items() if batch.step == "a")[:2]:
        b = next(task for task, batch in play.running.items() if batch.step == "b")
        play.complete(b)
        play.send(Recorded(b))
        play.complete(task)
        said = play.send(Recorded(task))
        assert not [s for s in of(said, Submit) if s.batch.step == "b"]
        assert [timer.name for timer in of(said, SetTimer)] == ["linger:b"]
        assert [s.batch.step for s in of(play.send(TimerFired("linger:b")), Submit)] == ["b"]


def test_siblings_go_in_one_call_once_their_parent_is_closed():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("a", "videos/scenes", ("scenes", "same")),
        step("b", "videos/scenes", ("a", "same")),
    )
    lost = ("a", (("videos", 0), ("scenes", 1)))
    play = playing(
        workflow,
        failing(workflow, lost),
        {"videos": many("videos", 2)},
        b=Configuration("agent", siblings=True, batch=1),
        seed=3,
    )
    play.to_the_end()
    calls = {
        batch.keys[0][0]: [key[1][1] for key in batch.keys] for batch in play.submitted if batch.step == "b"
    }
    assert calls == {("videos", 0): [0, 2], ("videos", 1): [0, 1, 2]}


# --- placement -------------------------------------------------------------------------------------------------------


def test_a_call_at_a_server_elsewhere_holds_no_core():
    play, roots = one_step(roots=9, cores=4, instances=9, device="remote")
    play.begin(roots)
    play.turn()
    assert len(play.running) == 9
    assert {event.cores for event in play.told(BatchStarted)} == {0}


def test_a_warm_instance_is_preferred_and_new_ones_go_to_the_freest_worker():
    workflow = flow({"videos": True}, step("a", "videos", ("videos", "same")))
    play = playing(
        workflow,
        roots={"videos": many("videos", 6)},
        workers=[worker("w0", 2), worker("w1", 3)],
        a=Configuration("agent", instances=2),
    )
    play.turn()
    assert sorted(b.instance.worker for b in play.running.values()) == ["w0", "w1"]
    play.to_the_end()
    assert len({batch.instance for batch in play.submitted}) == 2


def test_an_urgent_step_that_needs_a_whole_worker_is_not_starved_by_small_ones():
    workflow = flow(
        {"videos": True, "films": True},
        step("first", "films", ("films", "same")),
        step("large", "films", ("first", "same")),
        step("small", "videos", ("videos", "same")),
    )
    play = playing(
        workflow,
        roots={"videos": many("videos", 400), "films": many("films", 1)},
        small=Configuration("agent", instances=4),
        large=Configuration("agent", cores=4),
        seed=1,
    )
    while play.finish is None:
        for at_s, name in sorted(play.timers):
            if at_s <= play.now_s:
                play.timers.remove((at_s, name))
                play.send(TimerFired(name))
        assert play.turn()
        play.now_s += 0.2
    order = [batch.step for batch in play.submitted]
    assert order.index("large") < 60  # of 402


def test_an_idle_instance_on_a_full_worker_is_given_up_after_a_while_for_one_on_a_free_worker():
    workflow = flow(
        {"v": True, "u": True},
        step("s", "v", ("v", "same")),
        step("a", "v", ("s", "same")),
        step("b", "u", ("u", "same")),
    )
    one = Configuration("agent")
    play = playing(
        workflow,
        roots={"v": many("v", 2), "u": many("u", 2)},
        workers=[worker("w0", 1), worker("w1", 1)],
        **dict.fromkeys(("s", "a", "b"), one),
    )
    play.turn()

    def end(name):
        task = next(task for task, batch in play.running.items() if batch.step == name)
        play.complete(task)
        play.recording.clear()
        return play.send(Recorded(task))

    def places():
        return {(batch.step, batch.instance.worker) for batch in play.running.values()}

    assert places() == {("s", "w0"), ("b", "w1")}
    end("s")  # its second item takes w0 again
    end("b")  # the first item of `a` takes w1
    assert places() == {("s", "w0"), ("a", "w1")}
    end("a")
    assert places() == {("s", "w0"), ("b", "w1")}
    said = end("s")  # `a` is idle on w1, which is full; w0 is free
    assert places() == {("b", "w1")}
    assert [timer.name for timer in of(said, SetTimer)] == ["blocked:a"]
    play.now_s += 2
    said = play.send(TimerFired("blocked:a"))
    assert [(retire.instance.step, retire.instance.worker) for retire in of(said, Retire)] == [("a", "w1")]
    assert places() == {("a", "w0"), ("b", "w1")}


def test_instances_are_retired_when_their_step_has_ended():
    workflow = flow({"q": False}, step("a", "", ("q", "same")), step("b", "", ("a", "same")))
    play = playing(workflow, roots={"q": (ROOT,)})
    play.turn()
    play.complete(0)
    play.recording.clear()
    said = play.send(Recorded(0))
    assert [retire.instance.step for retire in of(said, Retire)] == ["a"]


def test_the_longest_remaining_path_goes_first_and_weights_change_it():
    workflow = flow(
        {"q": False},
        step("short", "", ("q", "same")),
        step("long", "", ("q", "same")),
        step("end", "", ("long", "same")),
    )
    one = Configuration("agent")
    configurations = dict.fromkeys(("short", "long", "end"), one)
    begin = Begin({"q": (ROOT,)}, (worker("w0", 1),))

    def first(**rest):
        loop = RunLoop(workflow, configurations, **rest)
        loop.handle(begin, 0.0)
        return of(loop.handle(TimerFired("begin"), 0.0), Submit)[0].batch.step

    assert first() == "long"
    assert first(seconds={"short": 10.0, "long": 1.0, "end": 1.0}) == "short"
