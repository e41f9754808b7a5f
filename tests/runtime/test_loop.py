"""The run loop: every item once, messages that come late, a stop."""

from __future__ import annotations

import time

from murakkab_jupyter.core.ancestry import ROOT
from murakkab_jupyter.core.events import (
    ItemFailed,
    LevelClosed,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
)
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop, StepProgress
from murakkab_jupyter.runtime.messages import (
    BatchCrashed,
    BatchDone,
    Begin,
    Cancel,
    Finish,
    Outcome,
    Recorded,
    Restored,
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
    of,
    one_step,
    playing,
    step,
    video_flow,
    worker,
)

# --- the whole workflow ----------------------------------------------------------------------------------------------


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


# --- stale messages --------------------------------------------------------------------------------------------------


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


# --- stop ------------------------------------------------------------------------------------------------------------


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
