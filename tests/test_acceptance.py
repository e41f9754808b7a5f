"""The main job, whole: real media, real models, a real cluster, through the command line as a stranger would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from murakkab_jupyter.cli import main
from murakkab_jupyter.job import Job
from murakkab_jupyter.workflow.goal import MIN_COST

pytestmark = pytest.mark.media

FIGURES = ("latency", "cpu", "energy", "cost", "quality")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of `murakkab demo`."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MURAKKAB_JOURNAL", str(folder / "journal.sqlite"))
        patch.setenv("MURAKKAB_PROFILES", str(folder / "profiles.sqlite"))
        assert main(["demo", "--json", str(folder / "out.json")]) == 0
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def values(report: dict[str, Any], step: str) -> list[tuple[tuple[int, ...], Any]]:
    return [(tuple(index for _, index in one["ancestry"]), one["value"]) for one in report["outputs"][step]]


def test_the_transcript_says_what_is_said_and_nothing_where_nothing_is(report: dict[str, Any]) -> None:
    said = {key: json.dumps(value).lower() for key, value in values(report, "transcript")}
    speech = " ".join(text for key, text in said.items() if key[0] == 0)
    assert "two years of negotiations" in speech
    assert "united states" in speech
    silent = [value for key, value in values(report, "transcript") if key[0] == 1]
    assert silent
    assert all(value["segments"] == [] for value in silent)


def test_objects_are_seen_in_both_clips(report: dict[str, Any]) -> None:
    seen: dict[int, str] = {}
    for key, value in values(report, "objects"):
        seen[key[0]] = seen.get(key[0], "") + json.dumps(value)
    assert "person" in seen[0]
    assert any(label in seen[1] for label in ("car", "bicycle", "person"))


def test_every_scene_has_a_summary_and_the_scenes_cover_the_clips(report: dict[str, Any]) -> None:
    scenes = dict(values(report, "scenes"))
    assert set(scenes) == {key for key, _ in values(report, "summary")}
    for clip, length_s in ((0, 8.7), (1, 10.0)):
        own = [scene for key, scene in scenes.items() if key[0] == clip]
        assert own[0]["start_s"] == 0.0
        assert own[-1]["end_s"] == pytest.approx(length_s, abs=0.2)


def test_the_answer_holds_the_fact_and_points_at_the_clip_that_says_it(report: dict[str, Any]) -> None:
    [(_, answer)] = values(report, "answer")
    assert "two years" in answer["text"].lower()
    evidence = answer["evidence"][0]
    assert Path(evidence["source"]).name == "obama_speech.mp4"
    assert 0.0 <= evidence["start_s"] < evidence["end_s"] <= 8.8


def test_plan_and_bill_have_every_figure_with_its_source(report: dict[str, Any]) -> None:
    for where in (
        report["predicted"],
        report["actual"],
        *(s["predicted"] for s in report["plan"]["steps"].values()),
    ):
        for name in FIGURES:
            figure = where[name]
            assert {"value", "unit", "low", "high", "source"} <= set(figure)
            assert figure["source"] in {"measured", "published", "prior"}
    assert report["actual"]["cpu"]["value"] > 0
    assert report["actual"]["quality"]["value"] is None  # nobody measured it


def test_the_papers_listing_runs_as_printed(
    speech_video: Path, street_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MURAKKAB_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "profiles.sqlite"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").symlink_to(speech_video)
    (tmp_path / "b.mp4").symlink_to(street_video)

    run = Job(
        description="List objects shown/mentioned in the videos",
        inputs=["a.mp4", "b.mp4"],
        tasks=[
            "Extract frames from each video",
            "Run speech-to-text on all scenes",
            "Detect objects in the frames",
        ],
        constraints=MIN_COST,
    ).execute()

    assert run.status == "done"
    assert {key[0][1] for key in run.outputs["objects"]} == {0, 1}
    assert any("negotiations" in transcript.text for transcript in run.outputs["transcript"].values())
