"""The run loop where items fail: who is skipped, who is blamed, what is tried again."""

from __future__ import annotations

from murakkab_jupyter.core.ancestry import ROOT
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    ItemFailed,
    Notice,
    Usage,
)
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import StepProgress
from murakkab_jupyter.runtime.messages import (
    BatchCrashed,
    BatchDone,
    Finish,
    Outcome,
    Recorded,
)
from tests.runtime.loop_play import (
    all_good,
    failing,
    flow,
    many,
    one_step,
    playing,
    step,
    video_flow,
    worker,
)

# --- failures --------------------------------------------------------------------------------------------------------


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


# --- retries ---------------------------------------------------------------------------------------------------------


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
