from __future__ import annotations

import time

from murakkab_jupyter.core.ancestry import ROOT
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    ItemFailed,
    LevelClosed,
    Notice,
    Reconfigured,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    Usage,
    WorkerChanged,
)
from murakkab_jupyter.core.hosts import Gpu, WorkerView
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop, StepProgress
from murakkab_jupyter.runtime.messages import (
    BatchCrashed,
    BatchDone,
    Begin,
    Cancel,
    Finish,
    Outcome,
    Record,
    Recorded,
    Restored,
    Retire,
    SetTimer,
    StopRequested,
    Submit,
    Tell,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from tests.runtime.loop_play import (
    Play,
    all_good,
    configure,
    expected_items,
    flow,
    many,
    step,
    video_flow,
    worker,
)

VIDEOS = {"videos": many("videos", 2), "question": (ROOT,)}


def playing(workflow, do=None, roots=None, *, workers=None, bad=None, seed=None, **configurations):
    loop = RunLoop(workflow, configure(workflow, **configurations))
    play = Play(loop, do or all_good(workflow), workers or [worker()], seed=seed)
    play.begin(roots or VIDEOS, bad=bad or {})
    return play


def one_step(roots=6, **configuration):
    """A step of some items that begins at once."""
    workflow = flow({"videos": True}, step("a", "videos", ("videos", "same")))
    loop = RunLoop(workflow, {"a": Configuration("agent", **configuration)})
    return Play(loop, all_good(workflow), [worker()]), {"videos": many("videos", roots)}


def failing(workflow, *lost, children=lambda name, key: 3):
    """Everything is done but the named `(step, ancestry)`."""
    good = all_good(workflow, children)

    def do(name, key):
        return Outcome(key, error="no") if (name, key) in lost else good(name, key)

    return do


def of(decisions, kind):
    return [decision for decision in decisions if isinstance(decision, kind)]


# --- the whole workflow -----------------------------------------------------------------------------------------


def test_the_six_step_workflow_does_every_item_once():
    workflow = video_flow()
    play = playing(workflow)
    assert play.to_the_end() == Finish("done", "6 of 6 steps done")
    want = expected_items(workflow, {"videos": 2}, lambda name, key: 3)
    for name, keys in want.items():
        assert sorted(o.ancestry for s, o in play.recorded if s == name) == sorted(keys)
    assert {e.step: e.done for e in play.told(StepEnded)} == {n: len(k) for n, k in want.items()}
    assert len(play.told(StepStarted)) == 6
    assert len(play.told(RunStarted)) == len(play.told(RunEnded)) == 1
    assert len(play.told(LevelClosed)) == 2 + 6
    assert not play.loaded


def test_ten_thousand_items_take_seconds_at_most():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("objects", "videos/scenes", ("scenes", "same")),
        step("summary", "videos", ("objects", "gather")),
        step("answer", "", ("summary", "gather")),
    )
    began = time.process_time()
    play = playing(
        workflow,
        all_good(workflow, lambda name, key: 100),
        {"videos": many("videos", 100)},
        workers=[worker(f"w{n}", 8) for n in range(4)],
        objects=Configuration("agent", instances=8, batch=4),
    )
    assert play.to_the_end().status == "done"
    assert play.loop.progress()["objects"].done == 10_000
    assert time.process_time() - began < 10


def test_the_same_messages_give_the_same_decisions():
    first, second = playing(video_flow(), seed=7), playing(video_flow(), seed=7)
    first.to_the_end()
    second.to_the_end()
    assert first.submitted == second.submitted
    assert first.events == second.events


def test_zero_children_give_the_gathers_an_empty_list():
    workflow = video_flow()
    play = playing(workflow, all_good(workflow, lambda name, key: 0))
    assert play.to_the_end().status == "done"
    progress = play.loop.progress()
    assert progress["answer"] == StepProgress(2, 0, 0, 2, None)
    assert progress["objects"] == StepProgress(0, 0, 0, 0, None)
    assert not play.told(ItemFailed)


def test_no_root_items_at_all_end_the_run():
    play = playing(video_flow(), roots={"videos": (), "question": (ROOT,)})
    assert play.to_the_end().status == "done"


def test_a_group_goes_on_while_another_parents_group_is_still_open():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("summary", "videos", ("scenes", "gather")),
    )
    one = Configuration("agent", instances=2)
    play = playing(workflow, scenes=one, summary=one)
    play.turn()
    first = next(task for task, batch in play.running.items() if batch.keys == ((("videos", 0),),))
    play.complete(first)
    play.recording.clear()
    play.send(Recorded(first))
    assert any(b.step == "summary" and b.keys == ((("videos", 0),),) for b in play.running.values())
    assert play.loop.progress()["scenes"].done == 1


def test_progress_knows_a_total_only_when_every_opener_above_has_ended():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("objects", "videos/scenes", ("scenes", "same")),
    )
    loop = RunLoop(workflow, configure(workflow), expected={"objects": 7.5})
    assert loop.progress()["objects"] == StepProgress(0, 0, 0, None, 7.5)
    play = Play(loop, all_good(workflow), [worker()])
    play.begin({"videos": many("videos", 2)})
    assert loop.progress()["scenes"].total == 2
    assert loop.progress()["objects"].total is None
    play.to_the_end()
    assert loop.progress()["objects"] == StepProgress(6, 0, 0, 6, 7.5)


# --- failures ---------------------------------------------------------------------------------------------------


def test_a_failed_partner_skips_the_item_and_names_the_step_at_the_root_of_it():
    workflow = flow(
        {"videos": True},
        step("a", "videos", ("videos", "same")),
        step("b", "videos", ("a", "same")),
        step("c", "videos", ("b", "same")),
    )
    play = playing(workflow, failing(workflow, ("a", (("videos", 0),))), {"videos": many("videos", 2)})
    finish = play.to_the_end()
    assert finish.status == "partial"
    assert "1 item failed and 2 were skipped" in finish.message
    assert "a, videos 0: no" in finish.message
    assert [(e.step, e.blame) for e in play.told(ItemFailed)] == [("a", None), ("b", "a"), ("c", "a")]


def test_a_gather_leaves_out_what_failed_and_says_so():
    workflow = video_flow()
    lost = ("objects", (("videos", 0), ("scenes", 1), ("frames", 2)))
    play = playing(workflow, failing(workflow, lost))
    assert play.to_the_end().status == "partial"
    assert [e.step for e in play.told(ItemFailed)] == ["objects"]
    assert play.loop.progress()["summary"] == StepProgress(6, 0, 0, 6, None)
    assert [n.message for n in play.told(Notice)] == [
        "summary, videos 0 / scenes 1: goes without 1 failed value."
    ]


def test_a_gather_of_which_everything_failed_is_skipped_with_the_blame():
    workflow = video_flow()
    lost = [("objects", (("videos", 0), ("scenes", 1), ("frames", n))) for n in range(3)]
    play = playing(workflow, failing(workflow, *lost))
    assert play.to_the_end().status == "partial"
    skipped = [e for e in play.told(ItemFailed) if e.blame]
    assert [(e.step, e.ancestry, e.blame) for e in skipped] == [
        ("summary", (("videos", 0), ("scenes", 1)), "objects")
    ]
    assert play.loop.progress()["answer"].done == 2


def test_nothing_exists_below_an_opener_that_failed_and_its_gathers_are_skipped():
    workflow = video_flow()
    play = playing(workflow, failing(workflow, ("scenes", (("videos", 0),))))
    assert play.to_the_end().status == "partial"
    progress = play.loop.progress()
    assert progress["objects"] == StepProgress(9, 0, 0, 9, None)
    assert progress["answer"] == StepProgress(1, 0, 1, 2, None)
    assert play.told(ItemFailed)[-1].blame == "scenes"


def test_a_failed_opener_is_left_out_further_up_where_others_remain():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("text", "videos/scenes", ("scenes", "same")),
        step("all", "", ("text", "gather")),
    )
    play = playing(workflow, failing(workflow, ("scenes", (("videos", 1),))), {"videos": many("videos", 2)})
    assert play.to_the_end().status == "partial"
    assert play.loop.progress()["all"].done == 1


def test_a_gather_over_several_levels_of_which_everything_failed_is_skipped():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("frames", "videos/scenes", ("scenes", "same"), opens=True),
        step("objects", "videos/scenes/frames", ("frames", "same")),
        step("all", "", ("objects", "gather")),
    )
    good = all_good(workflow)

    def do(name, key):
        return Outcome(key, error=f"no {key[0][1]}") if name == "objects" else good(name, key)

    play = playing(workflow, do, {"videos": many("videos", 2)}, seed=5)
    assert play.to_the_end().status == "failed"
    skipped = play.told(ItemFailed)[-1]
    assert (skipped.step, skipped.blame, skipped.error) == ("all", "objects", "objects failed: no 0")


def test_of_several_to_blame_the_oldest_is_named_whichever_failed_first():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("text", "videos/scenes", ("scenes", "same")),
        step("all", "", ("text", "gather")),
    )
    lost = [("scenes", (("videos", 1),)), *(("text", (("videos", 0), ("scenes", n))) for n in range(3))]
    for seed in range(5):
        play = playing(workflow, failing(workflow, *lost), {"videos": many("videos", 2)}, seed=seed)
        play.to_the_end()
        assert play.told(ItemFailed)[-1].blame == "text"


def test_everything_failed_is_a_failed_run():
    workflow = flow({"q": False}, step("a", "", ("q", "same")))
    play = playing(workflow, failing(workflow, ("a", ROOT)), {"q": (ROOT,)})
    assert play.to_the_end() == Finish("failed", "1 item failed; first: a, all: no")


def test_bad_root_items_behave_as_failed_items_of_their_variable():
    workflow = video_flow()
    bad = {("videos", (("videos", 1),)): "videos 1: truncated file"}
    play = playing(workflow, bad=bad)
    assert play.to_the_end().status == "partial"
    failures = [(e.step, e.ancestry, e.blame) for e in play.told(ItemFailed)]
    assert failures[0] == ("videos", (("videos", 1),), None)
    assert ("scenes", (("videos", 1),), "videos") in failures
    assert play.loop.progress()["answer"] == StepProgress(1, 0, 1, 2, None)


def test_a_bad_root_item_that_is_not_among_the_roots_counts_all_the_same():
    play = playing(
        video_flow(),
        roots={"videos": many("videos", 1), "question": (ROOT,)},
        bad={("videos", (("videos", 1),)): "empty"},
    )
    assert play.to_the_end().status == "partial"
    assert play.loop.progress()["scenes"] == StepProgress(1, 0, 1, 2, None)


def test_a_bad_scalar_skips_everything_that_refers_to_it():
    play = playing(video_flow(), bad={("question", ROOT): "empty"})
    finish = play.to_the_end()
    assert finish.status == "failed"
    assert play.loop.progress()["answer"].skipped == 2
    assert play.loop.progress()["summary"].done == 6


def test_many_gathers_that_go_without_something_are_summed_up():
    workflow = video_flow()
    lost = [("objects", (("videos", v), ("scenes", s), ("frames", 0))) for v in range(2) for s in range(3)]
    play = playing(workflow, failing(workflow, *lost))
    play.to_the_end()
    notices = [notice.message for notice in play.told(Notice)]
    assert len(notices) == 4
    assert notices[-1] == "6 items of summary went without 6 failed values in all."


def test_an_item_the_agent_says_nothing_of_fails_and_so_does_an_opener_without_a_count():
    workflow = flow({"videos": True}, step("scenes", "videos", ("videos", "same"), opens=True))
    play = playing(workflow, roots={"videos": many("videos", 2)}, scenes=Configuration("cutter", batch=2))
    play.turn()
    batch = play.running.pop(0)
    play.send(BatchDone(0, (Outcome(batch.keys[0]),)))
    play.send(Recorded(0))
    errors = [event.error for event in play.told(ItemFailed)]
    assert errors == [
        "cutter did not say how many values it made.",
        "cutter returned nothing for this item.",
    ]
    assert play.finish.status == "failed"


# --- durability ---------------------------------------------------------------------------------------------------


def test_nothing_counts_before_it_is_recorded():
    workflow = flow({"q": False}, step("a", "", ("q", "same")), step("b", "", ("a", "same")))
    play = playing(workflow, roots={"q": (ROOT,)})
    play.turn()
    said = play.send(BatchDone(0, (Outcome(ROOT),)))
    assert of(said, Record) == [Record(0, "a", (Outcome(ROOT),))]
    assert not of(said, Submit)
    assert play.loop.progress()["a"].done == 0
    said = play.send(Recorded(0))
    assert [submit.batch.step for submit in of(said, Submit)] == ["b"]
    assert play.loop.progress()["a"].done == 1


def begun_without_timer(workflow, roots, **configurations):
    """A loop that got `Begin` only, as a driver that restores would have it."""
    loop = RunLoop(workflow, configure(workflow, **configurations))
    decisions = loop.handle(Begin(roots, (worker(),)), 0.0)
    assert not of(decisions, Submit)
    assert of(decisions, SetTimer) == [SetTimer("begin", 0.0)]
    return loop


def test_restored_items_count_at_once_and_are_never_submitted():
    workflow = video_flow()
    loop = begun_without_timer(workflow, VIDEOS)
    videos = many("videos", 2)
    scenes = tuple(Outcome(key, children=3) for key in videos)
    assert not of(loop.handle(Restored("scenes", scenes), 0.0), Submit)
    frames = tuple(Outcome((*key, ("scenes", n)), children=0) for key in videos for n in range(3))
    loop.handle(Restored("frames", frames), 0.0)
    play = Play(loop, all_good(workflow), [worker()])
    play.send(TimerFired("begin"))
    play.to_the_end()
    assert {batch.step for batch in play.submitted} == {"transcript", "summary", "answer"}
    assert loop.progress()["scenes"].done == 2


def test_a_restored_failure_stays_a_failure():
    workflow = flow({"q": False}, step("a", "", ("q", "same")))
    loop = begun_without_timer(workflow, {"q": (ROOT,)})
    loop.handle(Restored("a", (Outcome(ROOT, error="no"),)), 0.0)
    assert of(loop.handle(TimerFired("begin"), 0.0), Finish)[0].status == "failed"


def test_a_run_of_which_everything_was_restored_ends_without_a_call():
    workflow = flow({"q": False}, step("a", "", ("q", "same")))
    loop = begun_without_timer(workflow, {"q": (ROOT,)})
    loop.handle(Restored("a", (Outcome(ROOT),)), 0.0)
    decisions = loop.handle(TimerFired("begin"), 0.0)
    assert of(decisions, Finish) == [Finish("done", "1 of 1 steps done")]
    assert not of(decisions, Submit)


def test_an_item_restored_before_its_opener_counts_once_the_opener_has_ended():
    workflow = video_flow()
    loop = begun_without_timer(workflow, VIDEOS)
    key = (("videos", 0), ("scenes", 1))
    loop.handle(Restored("transcript", (Outcome(key),)), 0.0)
    play = Play(loop, all_good(workflow), [worker()])
    play.send(TimerFired("begin"))
    assert play.to_the_end().status == "done"
    assert key not in [k for batch in play.submitted if batch.step == "transcript" for k in batch.keys]
    assert loop.progress()["transcript"].done == 6


def test_restored_siblings_do_not_hold_up_the_others_of_their_parent():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("a", "videos/scenes", ("scenes", "same")),
    )
    loop = begun_without_timer(
        workflow, {"videos": many("videos", 1)}, a=Configuration("agent", siblings=True)
    )
    loop.handle(Restored("scenes", (Outcome((("videos", 0),), children=3),)), 0.0)
    loop.handle(Restored("a", (Outcome((("videos", 0), ("scenes", 1))),)), 0.0)
    submits = of(loop.handle(TimerFired("begin"), 0.0), Submit)
    assert [submit.batch.keys for submit in submits] == [
        ((("videos", 0), ("scenes", 0)), (("videos", 0), ("scenes", 2)))
    ]


def test_an_item_restored_late_while_it_waits_is_not_submitted_any_more():
    play, roots = one_step(roots=3)
    play.begin(roots)
    play.turn()
    play.send(Restored("a", (Outcome((("videos", 2),)),)))
    play.to_the_end()
    assert [batch.keys for batch in play.submitted] == [((("videos", 0),),), ((("videos", 1),),)]
    assert play.loop.progress()["a"].done == 3


def test_an_item_restored_while_its_call_runs_is_not_counted_twice():
    play, roots = one_step(roots=1)
    play.begin(roots)
    play.turn()
    play.send(Restored("a", (Outcome((("videos", 0),)),)))
    assert play.finish is not None
    assert play.loop.progress()["a"].done == 1
    play, roots = one_step(roots=2, instances=2)
    play.begin(roots)
    play.turn()
    play.send(Restored("a", (Outcome((("videos", 0),)),)))
    play.complete(0)
    play.recording.clear()
    play.send(Recorded(0))
    assert play.loop.progress()["a"].done == 1
    assert play.to_the_end().status == "done"


def test_a_call_that_is_lost_after_its_items_were_restored_changes_nothing():
    play, roots = one_step(roots=2, instances=2)
    play.begin(roots)
    play.turn()
    play.send(Restored("a", (Outcome((("videos", 0),)),)))
    play.send(BatchCrashed(0, "gone", lost=True))
    play.running.pop(0)
    assert play.to_the_end().status == "done"
    assert len(play.submitted) == 2


# --- stale messages -----------------------------------------------------------------------------------------------


def test_unknown_double_and_late_messages_are_ignored():
    play, roots = one_step(roots=1)
    assert play.loop.handle(BatchDone(0, ()), 0.0) == []
    play.begin(roots)
    play.turn()
    for stale in (
        BatchDone(99, ()),
        BatchCrashed(99, "x", lost=True),
        Recorded(0),
        WorkerLost("nobody"),
        WorkerJoined(worker()),
        TimerFired("linger:nothing"),
        TimerFired("stranded:5"),
        Restored("nothing", (Outcome(ROOT),)),
        Begin(roots, ()),
    ):
        assert play.loop.handle(stale, 1.0) == [], stale
    play.to_the_end()
    assert play.loop.finished
    assert play.loop.handle(BatchDone(0, ()), 2.0) == []


def test_a_call_reported_both_crashed_and_lost_is_tried_again_once():
    play, roots = one_step(roots=1)
    play.begin(roots)
    play.turn()
    play.running.clear()
    play.send(BatchCrashed(0, "gone", lost=True))
    play.send(BatchCrashed(0, "gone", lost=True))
    play.send(BatchDone(0, (Outcome((("videos", 0),)),)))
    assert len(play.submitted) == 2
    assert len(play.running) == 1


# --- retries ------------------------------------------------------------------------------------------------------


def test_a_poisoned_item_fails_alone_after_the_batch_was_halved():
    play, roots = one_step(roots=8, batch=8)
    poison = (("videos", 5),)
    play.do = lambda name, key: "raise" if key == poison else Outcome(key)
    play.begin(roots)
    assert play.to_the_end().status == "partial"
    assert [(e.ancestry, e.error) for e in play.told(ItemFailed)] == [(poison, "ValueError: no")]
    assert play.loop.progress()["a"] == StepProgress(7, 1, 0, 8, None)
    assert [len(batch.keys) for batch in play.submitted if poison in batch.keys] == [8, 4, 2, 1]
    assert all(event.wasted for event in play.told(BatchEnded) if not event.done)
    assert len(play.told(BatchRetried)) == 3


def test_an_item_whose_instance_always_dies_is_failed_after_three_tries():
    play, roots = one_step(roots=4, batch=4)
    poison = (("videos", 2),)
    play.do = lambda name, key: "die" if key == poison else Outcome(key)
    play.begin(roots)
    assert play.to_the_end().status == "partial"
    (failure,) = play.told(ItemFailed)
    assert failure.ancestry == poison
    assert failure.error == "its process or its worker died 3 times while on it: the process died"
    assert [len(batch.keys) for batch in play.submitted if poison in batch.keys] == [4, 4, 1]
    assert play.loop.progress()["a"].done == 3


def test_what_died_is_tried_on_another_worker_where_there_is_one():
    workflow = flow({"q": False}, step("a", "", ("q", "same")))
    play = playing(workflow, roots={"q": (ROOT,)}, workers=[worker("w0", 4), worker("w1", 2)])
    assert play.turn()
    assert play.submitted[0].instance.worker == "w0"
    play.running.clear()
    play.send(BatchCrashed(0, "gone", lost=True))
    assert play.submitted[1].instance.worker == "w1"
    assert play.submitted[1].instance != play.submitted[0].instance


def test_the_usage_of_a_crashed_call_is_told_as_wasted():
    play, roots = one_step(roots=1)
    play.begin(roots)
    play.turn()
    play.running.clear()
    play.send(BatchCrashed(0, "no", usage=Usage(2.0, 1.5)))
    ended = play.told(BatchEnded)[0]
    assert ended.wasted
    assert ended.usage == Usage(2.0, 1.5)
    assert ended.failed == 1


# --- workers ------------------------------------------------------------------------------------------------------


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


# --- batches ------------------------------------------------------------------------------------------------------


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


# --- placement ----------------------------------------------------------------------------------------------------


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


# --- stop ---------------------------------------------------------------------------------------------------------


def test_stop_cancels_what_runs_submits_nothing_and_says_how_far_it_got():
    play = playing(video_flow())
    while not (play.told(StepEnded) and play.running):
        play.turn()
    running = sorted(play.running)
    said = play.send(StopRequested())
    assert sorted(cancel.task for cancel in of(said, Cancel)) == running
    assert not of(said, Submit)
    done = len(play.told(StepEnded))
    assert play.finish == Finish("stopped", f"stopped: {done} of 6 steps done; resume goes on with the rest")
    assert isinstance(said[-1], Finish)
    assert play.told(RunEnded)[-1].status == "stopped"
    assert play.loop.handle(BatchDone(running[0], ()), 1.0) == []
    assert play.loop.handle(Recorded(running[0]), 1.0) == []
    assert not play.loaded


def test_times_of_events_count_from_the_beginning_of_the_run():
    workflow = flow({"q": False}, step("a", "", ("q", "same")))
    loop = RunLoop(workflow, configure(workflow), run_id="r1", expected={"a": 1.0})
    decisions = loop.handle(Begin({"q": (ROOT,)}, (worker(),)), 100.0)
    assert of(decisions, Tell)[0].event == RunStarted(0.0, "r1", {"a": 1.0})
    assert of(decisions, SetTimer)[0].at_s == 100.0
    decisions = loop.handle(TimerFired("begin"), 101.5)
    assert of(decisions, Tell)[0].event == StepStarted(1.5, "a")
