"""The run loop where an agent cannot be loaded: elsewhere it may be, and nowhere it fails for that reason."""

from __future__ import annotations

from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import BatchCrashed
from tests.runtime.loop_play import Play, all_good, flow, many, step, worker


def begun(roots, workers, **configuration):
    workflow = flow({"videos": True}, step("a", "videos", ("videos", "same")))
    play = Play(
        RunLoop(workflow, {"a": Configuration("agent", **configuration)}), all_good(workflow), workers
    )
    play.begin({"videos": many("videos", roots)})
    play.turn()
    return play


def test_where_an_agent_cannot_load_no_call_of_its_step_is_made_again():
    play = begun(4, [worker("w0", 2), worker("w1", 2)], instances=4)
    first = {batch.task: batch for batch in play.submitted}
    bad = [task for task, batch in first.items() if batch.instance.worker == "w0"]
    assert bad
    for task in bad:
        play.running.pop(task)
        play.send(BatchCrashed(task, "no such module", unable=True))
    assert play.to_the_end().status == "done"
    later = [batch for batch in play.submitted if batch.task not in first]
    assert later
    assert {batch.instance.worker for batch in later} == {"w1"}
    assert play.loop.progress()["a"].done == 4


def test_where_an_agent_loads_nowhere_its_items_fail_for_that_reason_and_the_run_ends():
    play = begun(3, [worker()])
    while play.running:
        task, _ = play.running.popitem()
        play.send(BatchCrashed(task, "no such module", unable=True))
    assert play.loop.finished
    assert play.loop.progress()["a"].failed == 3
