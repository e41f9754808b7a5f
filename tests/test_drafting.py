"""Descriptions alone, in every face: steps to edit are shown, and nothing runs."""

from __future__ import annotations

import json

import pytest

from murakkab_jupyter.cli import main
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.job import Job
from murakkab_jupyter.session import Session
from murakkab_jupyter.verbs import is_description, meant


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MURAKKAB_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "profiles.sqlite"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.murakkab").write_text(
        "%%murakkab desk --minimize energy\nSummarise the reviews in 50 words.\n"
    )
    (tmp_path / "a.txt").write_text("The chair is fine. It came late.")
    return tmp_path


def test_planning_a_description_prints_its_steps_and_what_is_open(place, capsys):
    assert main(["plan", "job.murakkab"]) == 0
    out = capsys.readouterr().out
    assert "%%murakkab desk --minimize energy" in out
    assert "summary <- summarise {reviews} in 50 words" in out
    assert "Nothing has run" in out
    assert "reviews has no value yet" in out


def test_its_json_is_the_cell(place, capsys):
    assert main(["plan", "job.murakkab", "--input", "reviews=a.txt", "--json", "-"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["wants"] == {}
    (place / "made.murakkab").write_text(made["text"])
    assert main(["plan", "made.murakkab", "--input", "reviews=a.txt"]) == 0
    assert "Plan: desk" in capsys.readouterr().out


def test_running_a_description_runs_nothing_and_says_so_with_its_exit_code(place, capsys):
    assert main(["run", "job.murakkab", "--input", "reviews=a.txt"]) == 2
    assert "Nothing has run" in capsys.readouterr().out
    assert not (place / "journal.sqlite").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Read the reviews aloud.", "Nobody offers speech-synthesis"),
        ("Xyzzy.", "Nothing in this description"),
        ("a -> do this\nSummarise it.", "looks like a step"),
    ],
)
def test_what_cannot_be_made_of_it_is_one_error(place, capsys, text, told):
    (place / "job.murakkab").write_text(text)
    assert main(["plan", "job.murakkab"]) == 2
    assert told in capsys.readouterr().err


def test_a_writer_has_to_be_one_that_writes(place, capsys):
    assert main(["plan", "job.murakkab", "--writer", "extractive-summary"]) == 2
    assert "has no language model" in capsys.readouterr().err


def test_variables_that_a_description_speaks_of_are_meant():
    space = {"videos": "a.mp4", "other": "b", "print": print, "none": None}
    assert meant("%%murakkab other\nLook at the videos and print none.", space) == {"videos": "a.mp4"}
    assert meant("Shorten the reviews to 50 words.", {"words": ["a"], "reviews": ["b"]}) == {"reviews": ["b"]}
    assert meant("Shorten {reviews}, not the notes.", {"notes": ["a"], "reviews": ["b"]}) == {
        "reviews": ["b"]
    }
    assert is_description("Only words.")
    assert not is_description("")
    assert not is_description("x <- summarise {y}")


def test_a_job_without_tasks_is_decomposed_and_one_that_leaves_something_open_is_refused(place):
    job = Job("Summarise the texts.", inputs={"texts": ["One thing.", "Another."]}, tasks=[])
    assert "summary <- summarise {texts}" in job.text
    with pytest.raises(UsageError, match="labels open"):
        Job("Classify the texts.", inputs={"texts": ["One thing."]})


def test_inputs_that_have_nothing_in_common_meet_once_for_all(place):
    with Session() as session:
        draft = session.decompose("Summarise the letters and the notes.", {"letters": ["a"], "notes": ["b"]})
    assert "summary <- summarise {letters} and {notes}, per all" in draft.text


def test_a_session_decomposes_and_runs_nothing(place):
    with Session() as session:
        draft = session.decompose("Translate the letters into Dutch.", {"letters": ["Dear all."]})
    assert "translation <- translate {letters} into Dutch" in draft.text
    assert not (place / "journal.sqlite").exists()
