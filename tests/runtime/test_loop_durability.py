"""The run loop counts what is written down, and goes on from it."""

from __future__ import annotations

from murakkab_jupyter.core.ancestry import ROOT
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import (
    BatchCrashed,
    BatchDone,
    Begin,
    Finish,
    Outcome,
    Record,
    Recorded,
    Restored,
    SetTimer,
    Submit,
    TimerFired,
)
from tests.runtime.loop_play import (
    VIDEOS,
    Play,
    all_good,
    configure,
    flow,
    many,
    of,
    one_step,
    playing,
    step,
    video_flow,
    worker,
)


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


def test_a_run_that_goes_on_cuts_siblings_where_it_did_before_and_makes_the_missing_parts_alone():
    workflow = flow(
        {"videos": True},
        step("scenes", "videos", ("videos", "same"), opens=True),
        step("a", "videos/scenes", ("scenes", "same")),
    )
    loop = begun_without_timer(
        workflow, {"videos": many("videos", 1)}, a=Configuration("agent", siblings=True, batch=4)
    )
    (video,) = many("videos", 1)
    loop.handle(Restored("scenes", (Outcome(video, children=12),)), 0.0)
    loop.handle(Restored("a", tuple(Outcome((*video, ("scenes", n))) for n in (4, 5, 6, 7))), 0.0)
    play = Play(loop, all_good(workflow), [worker()])
    play.send(TimerFired("begin"))
    assert play.to_the_end().status == "done"
    assert [[key[1][1] for key in batch.keys] for batch in play.submitted] == [[0, 1, 2, 3], [8, 9, 10, 11]]


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
