from __future__ import annotations

import time

import pytest
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

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    ItemFailed,
    LevelClosed,
    Notice,
    Reconfigured,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    WorkerChanged,
)
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
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
    StopRequested,
    Submit,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)


def played(
    workflow, do=None, roots=None, *, workers=None, bad=None, seed=None, losses=None, **configurations
):
    loop = RunLoop(workflow, configure(workflow, **configurations))
    play = Play(loop, do or all_good(workflow), workers or [worker()], seed=seed, losses=losses)
    play.begin(roots or {"videos": many("videos", 2), "question": ((),)}, bad=bad or {})
    return play


def test_the_six_step_workflow_does_every_item_once():
    workflow = video_flow()
    play = played(workflow)
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
    big = Configuration("agent", instances=8, batch=4)
    began = time.perf_counter()
    play = played(
        workflow,
        all_good(workflow, lambda name, key: 100),
        {"videos": many("videos", 100)},
        workers=[worker(f"w{n}", 8) for n in range(4)],
        objects=big,
    )
    assert play.to_the_end().status == "done"
    assert play.loop.progress()["objects"].done == 10_000
    assert time.perf_counter() - began < 10
