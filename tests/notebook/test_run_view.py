"""A run as its events tell it, and the view that is made from that."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchStarted,
    CoresReserved,
    EngineUsed,
    ItemFailed,
    ItemsRestored,
    LevelClosed,
    Notice,
    RunEnded,
    RunStarted,
    StepEnded,
    Usage,
    WorkerChanged,
)
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook.views.html import shorten
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.run import MOST_LANES, MOST_STATIC_BARS, run_section, run_sheet, run_view
from murakkab_jupyter.notebook.views.slots import MOST_MARKS
from murakkab_jupyter.notebook.views.state import RunState
from murakkab_jupyter.planner.plan import Plan, Reservation
from murakkab_jupyter.planner.standing import Standing
from murakkab_jupyter.planner.told.explain import explain
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.verbs import Declared
from murakkab_jupyter.workflow.declaration import Declaration
from tests.notebook import samples


def step_of(sheet, name):
    return next(step for step in sheet["steps"] if step["name"] == name)


def test_steps_are_counted_from_events_alone():
    steps = samples.run_state().steps()
    assert (steps["scenes"].done, steps["scenes"].total) == (1, 1)
    assert (steps["frames"].done, steps["frames"].failed, steps["frames"].total) == (2, 1, 5)
    assert steps["objects"].total is None  # frames has still to say how many there are
    assert steps["answer"].total == 1
    assert steps["transcript"].busy


def test_skipped_items_are_not_failed_ones():
    key = (("videos", 0), ("scenes", 0))
    state = samples.run_state(
        [ItemFailed(1, "summary", key, "no", "transcript"), ItemFailed(1, "frames", key, "no")]
    )
    assert (state.steps()["summary"].skipped, state.steps()["summary"].failed) == (1, 0)
    assert state.steps()["frames"].failed == 1


def test_what_an_earlier_part_of_the_run_made_counts_as_done():
    state = samples.run_state([RunStarted(0, "ab", {}), ItemsRestored(0, "transcript", 3)])
    assert state.steps()["transcript"].done == 3
    assert state.steps()["transcript"].given == 3


def test_what_an_earlier_part_of_the_run_made_is_no_pace_of_a_step():
    began = [RunStarted(0, "ab", {"transcript": 5}), ItemsRestored(0, "transcript", 3)]
    called = [
        BatchStarted(0, "transcript", 1, "w", 0, 1, 1),
        BatchEnded(4, "transcript", 1, "w", 1, 0, 0, None),
    ]
    state = samples.run_state([*began, *called])
    # One item in 4 s, which is slower than planned: the other takes as long, whatever came of the first part.
    planned_s = (7.8 - 3.1) / 5
    assert planned_s < state.left_s("transcript") <= 4.0


def test_what_earlier_runs_made_is_told_beside_the_step():
    state = samples.run_state(
        [
            RunStarted(0, "ab", {"transcript": 5}),
            BatchEnded(1, "transcript", 1, "w", 5, 0, 3, None),
            StepEnded(1, "transcript", 5, 0, 0),
        ]
    )
    assert step_of(run_sheet(state), "transcript")["count"] == "5 of 5, 3 from an earlier run"
    state.end("done", "")
    assert "3 from an earlier run" in run_view(state).text


def test_the_end_of_a_step_overrules_what_was_counted():
    state = samples.run_state([ItemsRestored(0, "transcript", 3), StepEnded(1, "transcript", 5, 0, 0)])
    assert state.steps()["transcript"].total == 5
    assert state.steps()["transcript"].complete


def test_events_of_steps_that_nobody_knows_change_nothing():
    events = [
        BatchStarted(0, "ghost", 0, "w", 0, 1, 1),
        BatchEnded(1, "ghost", 0, "w", 1, 0),
        LevelClosed(1, "ghost", (), 3),
    ]
    assert samples.run_state(events).steps() == samples.run_state([]).steps()


def test_what_was_used_so_far_is_what_a_bill_made_now_would_say():
    state = samples.run_state()
    more = [CoresReserved(5.0, samples.LEFT, 1, 2), EngineUsed(5.0, "summary", "gguf", samples.LEFT, 2.5)]
    for event in more:
        state.take(event)
    told = [*samples.story(), *more]
    bill = Bill.of(told, samples.plan(), samples.cluster(), seconds=state.seconds)
    assert state.spent().actual() == bill.total.actual()


def test_a_step_takes_as_long_as_its_pace_and_the_plan_say_and_before_that_as_the_plan_says():
    state = samples.run_state()
    paced = (state.seconds - 3.0) * 2 / 3  # three of five are over
    begins, ends = (state.plan.steps["frames"].predicted[key].value for key in ("start", "end"))
    assert (ends - begins) * 2 / 5 < state.left_s("frames") < paced
    assert state.left_s("summary") == pytest.approx(14.9 - state.seconds)
    assert state.left_s("scenes") is None


def test_static_and_live_view_are_drawn_from_one_sheet():
    state = samples.run_state()
    sheet = run_sheet(state)
    shown = run_view(state)
    for words in [one[key] for one in sheet["steps"] for key in ("state", "count", "left")]:
        assert words in shown.text
        assert words in shown.html
    for row in sheet["spent"]:
        assert row["used"] in shown.text
        assert row["how"] in shown.html
    for mark in sheet["marks"]:
        assert mark["at"] in shown.html


def test_the_values_that_came_last_stand_in_both_forms_and_a_sheet_without_them_says_nothing_of_them():
    latest = [("transcript", "videos 0 / scenes 3", "The vote was nine to four.")]
    state = samples.run_state()
    shown = run_view(state, latest=latest)
    for words in latest[0]:
        assert words in shown.html
        assert words in shown.text
    assert run_sheet(state, latest=latest)["latest"] == [list(latest[0])]
    assert "latest" not in run_sheet(state)
    assert "Latest value" not in run_view(state).html


def test_a_lost_worker_is_told_with_what_came_of_it():
    text = run_view(samples.run_state()).text
    assert "✕ 5.0 s  worker on right was lost" in text
    assert "↻ 5.0 s  transcript is tried again: worker on right was lost" in text
    assert "tcp://" not in text
    assert "2 workers, 4 cores → 1 worker, 2 cores; 5 items go elsewhere" in " ".join(text.split())


def test_workers_are_called_by_their_host_and_a_number_where_it_has_had_several():
    back = "tcp://127.0.0.1:4003"
    told = Notice(7.0, f"Worker {back} declares 4 cores; 2 cores of {back} reserved at tcp://10.0.0.1:8786")
    more = [
        WorkerChanged(6.0, back, "joined", 2, "right"),
        BatchStarted(6.0, "frames", 9, back, 0, 1, 1),
        told,
    ]
    state = samples.run_state([*samples.story(), *more])
    sheet = run_sheet(state)
    assert {(lane["title"], lane["worker"]) for lane in sheet["lanes"]} == {
        (samples.LEFT, "worker on left"),
        (samples.RIGHT, "worker 1 on right"),
        (back, "worker 2 on right"),
    }
    said = [mark["text"] for mark in sheet["marks"]]
    assert said[0] == "worker 1 on right was lost"
    assert "worker 2 on right joined" in said
    assert said[-1].startswith("Worker 2 on right declares 4 cores; 2 cores of worker 2 on right reserved")
    assert said[-1].endswith("tcp://10.0.0.1:8786")  # no worker of the run


def test_a_worker_that_was_started_again_is_reckoned_with_its_hosts_watts():
    back = "tcp://127.0.0.1:4003"
    more = [
        WorkerChanged(6.0, back, "joined", 2, "right"),
        BatchStarted(6.0, "frames", 9, back, 0, 1, 1),
        BatchEnded(7.0, "frames", 9, back, 1, 0, usage=Usage(1.0, 1.0)),
    ]
    state = samples.run_state([*samples.story(), *more])
    energy = state.spent().energy_j
    assert energy.value is not None
    bill = Bill.of([*samples.story(), *more], samples.plan(), samples.cluster(), seconds=state.seconds)
    assert energy == bill.total.energy_j


def test_a_run_says_by_which_plan_it_ran():
    shown = run_view(samples.run_state())
    (line,) = {run_sheet(samples.run_state())["by"]}
    assert line.startswith(f"By the plan: {samples.plan().goal} · scenes by ")
    assert "scenes by scenedetect-content (stride=2) on cpu, 1 × 2 cores; " in line
    assert line in shown.html
    assert line.split(" · ")[0] in shown.text


def test_a_run_by_a_plan_that_was_taken_says_which_and_claims_no_goal():
    made = replace(
        samples.plan(),
        standing=Standing(("fastest",), ("17 points of quality",)),
        reserves=Reservation(1, {"left": 2}),
    )
    one = Declared(Declaration(samples.newsroom(), {}), None)
    state = samples.run_state()
    state.plan = one.take(made, 3)
    line = run_sheet(state)["by"]
    assert line.startswith("By plan 3 of the frontier (fastest) · reserves 1 of 2 cores · scenes by ")
    assert "quality good" not in line
    assert Plan.from_json(one.plan.to_json()).taken == "plan 3 of the frontier (fastest)"
    assert "plan 3 of the frontier (fastest)" in plan_view(one.plan).text.splitlines()[0]
    assert explain(one.plan).startswith("Plan for newsroom: plan 3 of the frontier (fastest).")


def test_energy_says_how_it_was_got_and_unknown_is_no_zero():
    energy = next(row for row in run_sheet(samples.run_state())["spent"] if row["what"] == "Energy")
    assert energy["how"] == "estimate from CPU-seconds"
    assert energy["plan"].startswith("~")
    nothing = run_sheet(samples.run_state([]))["spent"]
    assert next(row for row in nothing if row["what"] == "Energy")["used"] != "0 J"


def test_bars_lie_in_slots_of_their_worker_and_those_in_vain_are_marked():
    sheet = run_sheet(samples.run_state())
    workers = [sheet["lanes"][bar[0]]["title"] for bar in sheet["bars"]]
    assert set(workers) == {samples.LEFT, samples.RIGHT}
    in_vain = [bar for bar in sheet["bars"] if bar[5] & 1]
    assert len(in_vain) == 1
    assert sheet["lanes"][in_vain[0][0]]["title"] == samples.RIGHT
    assert all(0 <= bar[2] <= bar[3] <= sheet["end_s"] for bar in sheet["bars"])


def test_an_ended_run_says_used_and_shows_nothing_to_go():
    state = samples.run_state([*samples.story(), RunEnded(9.0, "partial", "1 item failed")])
    text = run_view(state).text
    assert "partial" in text
    assert "to go" not in text
    assert "So far" not in text


def test_a_run_that_failed_as_a_whole_says_why():
    state = samples.run_state()
    assert run_sheet(state)["message"] == ""
    state.end("failed", f"Worker {samples.LEFT} was lost, and <b>no</b> other is left.")
    sheet, shown = run_sheet(state), run_view(state)
    assert sheet["message"] in shown.text
    assert "&lt;b&gt;no&lt;/b&gt; other is left." in shown.html
    assert samples.LEFT not in sheet["message"]  # workers are called as everywhere


def test_the_static_time_line_says_in_words_when_each_step_ran_and_where_the_plan_ends():
    failed = BatchEnded(6.0, "frames", 3, samples.LEFT, 2, 1, usage=Usage(1.0, 0.9))
    state = samples.run_state([*samples.story(), failed])
    sheet, shown = run_sheet(state), run_view(state)
    assert sheet["plan_s"] is not None
    for text in (shown.text, html.unescape(re.sub("<[^>]*>", "", shown.html))):
        said = " ".join(text.split())
        assert f"┆ the plan's end, {sheet['plan_end']}" in said
        assert "scenes, 0 s to 3.00 s" in said or "scenes 0 s to 3.00 s" in said
        assert "3.00 s to 6.00 s, some failed" in said
        assert "some in vain" in said
    lanes = [line for line in shown.text.splitlines() if "slot " in line and "│" in line]
    assert len(lanes) == len(sheet["lanes"])
    assert "aaa" in lanes[0]
    assert "✕" in "".join(lanes)
    assert "░" in lanes[-1]  # in vain, on the worker that was lost
    assert all("┆" in line for line in lanes)
    plain, marked = (
        sum("border-bottom:4px solid" in bar for bar in run_view(one).html.split("<div"))
        for one in (samples.run_state(), state)
    )
    assert (plain, marked) == (0, 1)
    assert shown.html.count("border-left:2px dashed") == len(sheet["lanes"])


def test_the_time_line_of_a_resumed_run_ends_with_its_last_part_though_all_parts_took_longer():
    total = samples.bill().total
    for whole_s in (9.0, 900.0):
        state = samples.run_state([*samples.story(), RunEnded(9.0, "done")])
        state.end("done", "", replace(total, latency_s=Figure(whole_s, "s")))
        sheet = run_sheet(state)
        assert (sheet["end_s"], state.seconds) == (9.0, whole_s)
        assert "0 s to 9.00 s" in run_view(state).text


def test_the_plans_end_which_is_for_the_whole_run_is_not_on_the_time_line_of_its_last_part():
    for ended in ([], [RunEnded(9.0, "done")]):
        whole, last = (
            samples.run_state([RunStarted(0, "ab", {}), *restored, *samples.story(), *ended])
            for restored in ([], [ItemsRestored(0.0, "transcript", 3)])
        )
        for one in (whole, last):
            one.plan = replace(one.plan, predicted={**one.plan.predicted, "latency": Figure(5.0, "s")})
        assert run_sheet(whole)["plan_s"] == 5.0
        assert "the plan's end" in run_view(whole).text
        sheet, shown = run_sheet(last), run_view(last)
        assert (sheet["plan_s"], sheet["plan_end"]) == (None, None)
        assert "┆" not in shown.text
        assert "the plan's end" not in html.unescape(shown.html)
        assert "2px dashed" not in shown.html


def test_the_name_of_a_step_that_is_cut_stands_whole_in_its_title():
    long = "a_name_that_is_longer_than_its_place_in_a_table"
    state = samples.run_state()
    heads = re.findall("<th[^>]*>", run_section(run_sheet(state))[0][3])
    assert heads
    assert not [one for one in heads if "title=" in one]
    sheet = run_sheet(state)
    sheet["steps"][0]["name"] = long
    page = run_section(sheet)[0][3]
    assert f">{shorten(long, 32)}<" in page
    assert f'title="{long}"' in page


def test_what_each_bar_says_stands_in_the_page_and_not_in_titles_alone():
    state = samples.run_state()
    page = run_view(state).html
    said = html.unescape(re.sub("<[^>]+>", "", page.split("Each bar in words", 1)[1]))
    words = [bar[4] for bar in run_sheet(state, most_bars=MOST_STATIC_BARS)["bars"]]
    assert len(words) >= 3
    assert [one for one in words if one not in said] == []
    assert "slot 1: " in said


def test_a_run_without_bars_has_no_time_line_in_text():
    assert "What ran when" not in run_view(samples.run_state([])).text
    assert "What ran when" not in run_view(samples.run_state(), bars=False).text


def test_many_marks_keep_the_first_and_the_last():
    state = samples.run_state([Notice(float(i), f"notice {i}") for i in range(500)])
    assert len(state.marks) == MOST_MARKS
    assert state.marks[0]["text"] == "notice 0"
    assert state.marks[-1]["text"] == "notice 499"
    assert state.marks_left_out == 500 - MOST_MARKS


def long_run(batches, workers=3):
    events = [RunStarted(0.0, "long", {"transcript": float(batches)})]
    for task in range(batches):
        at = task * 0.01
        worker = f"tcp://10.0.0.{task % workers}:1"
        events += [
            BatchStarted(at, "transcript", task, worker, 0, 1, 1),
            BatchEnded(at + 0.02, "transcript", task, worker, 1, 0, usage=Usage(0.02, 0.02)),
        ]
    return sorted(events, key=lambda event: event.at_s)


def test_ten_thousand_items_stay_a_small_message_and_a_small_page():
    state = samples.run_state(long_run(10_000))
    assert state.steps()["transcript"].done == 10_000
    assert len(json.dumps(run_sheet(state))) < 120_000
    assert len(run_view(state).html) < 45_000


def test_more_slots_than_a_page_can_show_are_counted():
    state = samples.run_state(long_run(200, workers=100))
    sheet = run_sheet(state)
    assert len(sheet["lanes"]) == MOST_LANES
    assert f"and {sheet['lanes_left_out']} more slots" in run_view(state).html


@settings(max_examples=40, deadline=None)
@given(st.permutations(samples.story()))
def test_any_order_of_events_makes_a_view(events):
    state = samples.run_state(events)
    shown = run_view(state)
    assert "newsroom" in shown.text
    json.dumps(run_sheet(state), allow_nan=False)


@pytest.mark.parametrize("whole_s", [0.0, 2e-7, 0.04163, 0.4999, 12.34567, 362_242.3456])
def test_no_bar_ends_after_the_time_line_and_short_runs_are_told_as_finely_as_long_ones(whole_s):
    events = [
        RunStarted(0.0, "ab12", {}),
        BatchStarted(0.0, "scenes", 0, samples.LEFT, 0, 1, 1),
        BatchEnded(0.3 * whole_s, "scenes", 0, samples.LEFT, 1, 0),
        BatchStarted(0.3 * whole_s, "frames", 1, samples.LEFT, 0, 1, 1),
        BatchEnded(whole_s, "frames", 1, samples.LEFT, 1, 0),
        RunEnded(whole_s, "done"),
    ]
    state = RunState(samples.newsroom(), samples.plan(), samples.cluster())
    state.read(events)
    sheet = run_sheet(state)
    assert sheet["end_s"] > 0
    first, last = sheet["bars"]
    assert last[3] <= sheet["end_s"]
    assert first[3] == last[2]
    assert abs(first[3] - 0.3 * whole_s) <= 0.002 * sheet["end_s"]
    assert "What ran when" in run_view(state).html
