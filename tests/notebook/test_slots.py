from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    Notice,
    Reconfigured,
    WorkerChanged,
)
from murakkab_jupyter.notebook.show import RESULTS_TYPE, RUN_TYPE, run_bundle
from murakkab_jupyter.notebook.views.slots import Slots, joined, mark_of


def started(at, step, task, worker="w"):
    return BatchStarted(at, step, task, worker, 0, 1, 1)


def ended(at, step, task, worker="w", done=1, **more):
    return BatchEnded(at, step, task, worker, done, 0, **more)


def bars_of(events):
    """What ran when and where; a batch that never ended lasts until the last event."""
    slots = Slots()
    for event in events:
        slots.take(event)
    return slots.bars()


def test_batches_that_overlap_lie_in_slots_of_their_own_and_a_free_slot_is_used_again():
    bars = bars_of(
        [started(0, "a", 0), started(1, "a", 1), ended(2, "a", 0), started(2, "b", 2), ended(3, "a", 1)]
    )
    assert [(bar.step, bar.slot, bar.start_s, bar.end_s) for bar in bars] == [
        ("a", 0, 0, 2),
        ("a", 1, 1, 3),
        ("b", 0, 2, 3),
    ]


def test_a_batch_that_is_tried_again_is_two_bars_the_first_in_vain():
    bars = bars_of(
        [started(0, "a", 0), BatchRetried(1, "a", 0, "lost"), started(2, "a", 0, "v"), ended(3, "a", 0, "v")]
    )
    assert [(bar.worker, bar.end_s, bar.wasted) for bar in bars] == [("w", 1, True), ("v", 3, False)]


def test_an_end_without_a_beginning_is_no_bar():
    assert bars_of([ended(1, "a", 7)]) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), max_size=120))
def test_bars_of_a_slot_never_overlap(batches):
    events = []
    for task, (begin, length) in enumerate(batches):
        events += [
            (task + begin, 1, started(task + begin, "a", task)),
            (task + begin + length, 0, ended(task + begin + length, "a", task)),
        ]
    bars = bars_of([one[2] for one in sorted(events, key=lambda one: one[:2])])
    assert len(bars) == len(batches)
    lanes = {}
    for bar in sorted(bars, key=lambda bar: bar.start_s):
        assert lanes.get(bar.slot, 0) <= bar.start_s
        lanes[bar.slot] = bar.end_s


def test_a_long_run_has_few_bars_and_loses_no_item():
    events = []
    for task in range(10_000):
        events += [started(task * 0.1, "a", task), ended(task * 0.1 + 0.09, "a", task, done=3)]
    bars = joined(bars_of(events), 400)
    assert len(bars) <= 400
    assert sum(bar.done for bar in bars) == 30_000
    assert sum(bar.batches for bar in bars) == 10_000


def test_steps_that_take_turns_leave_the_longest():
    events = []
    for task in range(1000):
        step = "ab"[task % 2]
        events += [started(task, step, task), ended(task + 0.5 + task / 4000, step, task)]
    bars = joined(bars_of(events), 400)
    assert len(bars) == 400
    assert min(bar.end_s - bar.start_s for bar in bars) > 0.6


def test_what_happened_is_told_with_its_time():
    events = [
        WorkerChanged(1, "w", "lost"),
        BatchRetried(2, "a", 0, "its worker was lost"),
        Reconfigured(3, "w was lost", "2 x 1", "1 x 1", "none"),
        Notice(4, "<b>"),
    ]
    marks = [mark_of(event) for event in events]
    assert [mark["kind"] for mark in marks] == ["lost", "retried", "reconfigured", "notice"]
    assert marks[0]["text"] == "worker w was lost"
    assert marks[3] == {"at_s": 4, "kind": "notice", "text": "<b>"}


def test_a_run_is_shown_as_html_and_text_and_compact_json(tmp_path):
    from murakkab_jupyter.session import Session

    def shout(text):
        return text.upper()

    with Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite", cores=1) as session:
        values = {"words": ["a", "b", "c"], "shout": shout}
        declaration = session.declare("%%murakkab loud\nsaid <- shout {words} @python:shout", values)
        run = session.run(declaration, reuse=False)
        data = run_bundle(run)._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain", RUN_TYPE, RESULTS_TYPE}
    told = data[RUN_TYPE]
    assert len(json.dumps(told, allow_nan=False)) < 6000
    sheet = told["sheet"]
    assert sheet["status"] == "done"
    assert sheet["by"].startswith("By the plan: ")
    assert [(step["name"], step["count"]) for step in sheet["steps"]] == [("said", "3 of 3")]
    assert sheet["bars"]
    assert {row["what"]: row["how"] for row in sheet["spent"]}["CPU time"] == "measured"
    assert sheet["lanes"][0]["worker"] == f"worker on {run.cluster.workers[0].host}"
    assert told["bill"]["rows"]
