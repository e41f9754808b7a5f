from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter import __version__
from murakkab_jupyter.core.events import ItemFailed, Notice
from murakkab_jupyter.core.kinds import Audio, Document, Frame, Image, Origin, Passage
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.runtime.readable import readable
from murakkab_jupyter.runtime.report import report
from tests.runtime.shelf import at, media, scene, video
from tests.runtime.stage import A, FakeRun
from tests.runtime.till import Tape, cluster, counted, plan

FIGURES = {"latency", "cpu", "energy", "cost", "quality"}
FIELDS = {"value", "unit", "low", "high", "source"}


def told(**changes: Any) -> dict[str, Any]:
    tape = Tape().call().end(10.0)
    tape.events += [
        ItemFailed(1.0, "heard", at(0, 1), "cannot hear"),
        ItemFailed(1.0, "answer", at(1), "no transcript", blame="heard"),
        Notice(2.0, "fine"),
    ]
    bill = Bill.of(tape.events, plan("heard", "seen"), cluster(), counted(200.0))
    made: dict[str, Any] = json.loads(
        json.dumps(report(FakeRun(**{"events": tape.events, "bill": bill, **changes})), allow_nan=False)
    )
    return made


def test_a_step_of_the_plan_says_who_does_it_and_what_was_predicted() -> None:
    step = told()["plan"]["steps"]["heard"]
    assert {key: step[key] for key in ("agent", "device", "cores", "instances", "batch")} == {
        "agent": "heard-agent",
        "device": "cpu",
        "cores": 2,
        "instances": 1,
        "batch": 4,
    }
    assert step["options"] == {"beam": 5}
    assert step["runner_up"]["reason"] == "Slower."
    assert set(step["predicted"]) >= FIGURES


def test_predicted_and_actual_hold_the_same_figures_with_unit_band_and_source() -> None:
    data = told()
    for side in ("predicted", "actual"):
        assert set(data[side]) >= FIGURES
        for name in FIGURES:
            assert set(data[side][name]) >= FIELDS, name
    assert data["actual"]["latency"]["value"] == 10.0
    assert data["actual"]["energy"]["method"] == "estimate"
    assert {name: data["actual"][name]["unit"] for name in FIGURES} == {
        name: data["predicted"][name]["unit"] for name in FIGURES
    }


def test_quality_that_was_not_measured_is_unknown_and_says_why() -> None:
    quality = told()["actual"]["quality"]
    assert quality["value"] is None
    assert "not measured" in quality["note"]


def test_figures_that_nobody_predicted_are_unknown_and_not_left_out() -> None:
    bare = replace(plan("heard"), predicted={})
    assert told(plan=bare)["predicted"]["energy"] == {
        "value": None,
        "unit": "J",
        "low": None,
        "high": None,
        "source": "prior",
        "method": "none",
        "note": "not predicted",
    }


def test_a_run_under_way_has_a_report_without_actual_figures() -> None:
    data = told(bill=None, status="running")
    assert data["bill"] is None
    assert data["actual"]["energy"]["value"] is None
    assert data["outputs"]["whole"] == [{"ancestry": [], "value": {"films": 2}}]


def test_an_answer_has_its_text_and_the_evidence_it_rests_on() -> None:
    (answer,) = told()["outputs"]["answer"]
    assert answer["ancestry"] == [["videos", 0]]
    assert answer["value"]["text"] == "A cat."
    assert answer["value"]["evidence"] == [{"source": A, "start_s": 5.0, "end_s": 10.0, "text": "cat"}]


def test_every_step_has_its_outputs_in_readable_form() -> None:
    outputs = told()["outputs"]
    assert set(outputs) == {"scenes", "heard", "seen", "vector", "answer", "whole"}
    assert outputs["scenes"][1]["value"] == {"source": A, "start_s": 5.0, "end_s": 10.0}
    assert outputs["heard"][0]["value"]["text"] == "hello there"
    assert outputs["heard"][1]["value"]["note"] == "no audio track"
    assert outputs["seen"][0]["value"]["counts"] == {"cat": 2}
    assert outputs["vector"][0]["value"] == [1.0, 2.0]


def test_errors_name_the_item_and_the_step_to_blame() -> None:
    data = told()
    assert data["errors"] == [
        {
            "step": "heard",
            "ancestry": [["videos", 0], ["scenes", 1]],
            "item": "videos 0 / scenes 1",
            "error": "cannot hear",
            "blame": None,
        },
        {
            "step": "answer",
            "ancestry": [["videos", 1]],
            "item": "videos 1",
            "error": "no transcript",
            "blame": "heard",
        },
    ]
    assert data["notices"] == ["fine"]


def test_the_report_says_what_was_run_and_how_it_ended() -> None:
    data = told()
    assert (data["run"], data["status"], data["message"], data["version"]) == (
        "one",
        "partial",
        "1 failed",
        __version__,
    )
    assert data["workflow"]["name"] == "news"
    assert "answer <-" in data["workflow"]["text"]
    assert data["goal"]["objectives"] == ["cost"]
    assert data["events"][0]["event"] == "RunStarted"
    assert data["bill"]["total"]["counted"]["package"]["value"] == 200.0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (math.nan, None),
        (math.inf, None),
        (np.float32(0.5), 0.5),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        (Frame(video(A), 2.0), {"source": A, "time_s": 2.0}),
        (
            Passage("p", 0.5, Origin(A, 1.0, 2.0)),
            {"text": "p", "score": 0.5, "origin": {"source": A, "start_s": 1.0, "end_s": 2.0}},
        ),
        (Audio(media(A), 3.0), {"source": A, "duration_s": 3.0}),
        (Image(media(A), 4, 3), {"source": A, "width": 4, "height": 3}),
        (Document(media(A), "words"), {"source": A, "text": "words"}),
        (np.zeros((1, 2), dtype=int), [[0, 0]]),
        (b"\x89PNG", {"bytes": 4}),
        ([bytearray(3)], [{"bytes": 3}]),
    ],
)
def test_values_are_shown_as_plain_json(value: object, shown: object) -> None:
    assert readable(value) == shown


def test_a_video_shows_its_size_and_a_scene_its_times() -> None:
    assert readable(video(A))["width"] == 640
    assert readable([scene(1.0)])[0]["end_s"] == 6.0


def test_a_long_array_is_summarised() -> None:
    shown = readable(np.arange(2000.0))
    assert (shown["shape"], shown["min"], shown["max"], len(shown["first"])) == ([2000], 0.0, 1999.0, 8)
    assert readable(np.array(["x"] * 2000))["shape"] == [2000]


def test_a_value_of_the_users_own_is_shown_as_python_shows_it() -> None:
    class Own:
        def __repr__(self) -> str:
            return "Own()" * 1000

    shown = readable(Own())
    assert shown["repr"].startswith("Own()")
    assert len(shown["repr"]) == 1000


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(plain)
def test_whatever_an_agent_makes_can_be_written_as_json(value: object) -> None:
    json.dumps(readable(value), allow_nan=False)
