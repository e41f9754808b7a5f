"""`python -m murakkab_jupyter.planner FILE.json`: JSON in, JSON out, and clear words on standard error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from murakkab_jupyter.planner.__main__ import start
from murakkab_jupyter.planner.exact import door
from murakkab_jupyter.planner.exact.door import main, read_question
from murakkab_jupyter.planner.problem import BadProblem, Mode, Undecided, solve

QUESTION = {
    "activities": [
        {
            "name": "a",
            "modes": [
                {"duration_s": 3, "demand": {"cpu": 2}, "consumes": {"energy": 5}},
                {"duration_s": 5, "demand": {"cpu": 1}, "consumes": {"energy": 2}},
            ],
        },
        {"name": "b", "modes": [{"duration_s": 4, "demand": {"cpu": 1}}], "predecessors": []},
    ],
    "capacity": {"cpu": 2},
    "objectives": ["energy", "latency"],
}


def written(folder: Path, data: object) -> str:
    path = folder / "problem.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return str(path)


def test_the_module_prints_a_solution(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "murakkab_jupyter.planner", written(tmp_path, QUESTION)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["feasible"] is True
    assert told["optimal"] is True
    assert told["totals"] == {"latency": 5.0, "quality": 1.0, "energy": 2.0}
    assert told["mode"] == {"a": 1, "b": 0}
    assert done.stderr == ""


def test_a_budget_of_what_nothing_consumes_is_told_with_the_nearest_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([written(tmp_path, QUESTION | {"budgets": {"enrgy": 1.0}})]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["feasible"] is True
    assert told.err == "Nothing consumes 'enrgy', so its budget limits nothing. Did you mean 'energy'?\n"


def test_objectives_can_be_given_beside_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([written(tmp_path, QUESTION), "--objectives", "latency", "--time-limit", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["bounds"] == {"latency": 5.0}


def test_infeasible_is_said_as_json_too_with_exit_code_four(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([written(tmp_path, QUESTION | {"deadline_s": 3})]) == 4
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["proof"] == "bound"
    assert (told["feasible"], told["constraint"], told["nearest"], told["limit"]) == (
        False,
        "deadline",
        5.0,
        3.0,
    )
    assert "No schedule keeps the deadline 3" in err
    assert told["hint"] == "Set the deadline to 5."


def test_what_stays_undecided_is_told_with_the_nearest_schedule_and_a_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """The fake solver is out of time at once; which it is with what it says."""
    nearest = solve(read_question(json.dumps(QUESTION))[0])

    def fake_out_of_time(*_: object) -> None:
        msg = "No schedule within the limits was found."
        raise Undecided(
            msg, nearest=nearest, breaks={"deadline": (3.0, 5.0)}, bounds={"latency": 2.0}, earliest_s=2.5
        )

    monkeypatch.setattr(door, "solve", fake_out_of_time)
    assert main([written(tmp_path, QUESTION)]) == 3
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["feasible"] is None
    assert told["breaks"] == {"deadline": {"limit": 3.0, "value": 5.0}}
    assert (told["bounds"], told["earliest_s"]) == ({"latency": 2.0}, 2.5)
    assert told["nearest"]["makespan_s"] == nearest.makespan_s
    assert "within the limits was found" in err


def changed(path: str, value: object) -> dict:
    data = json.loads(json.dumps(QUESTION))
    at = data
    *way, last = path.split("/")
    for name in way:
        at = at[int(name) if name.isdigit() else name]
    at[last] = value
    return data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "line 1, column 2: this is not JSON"),
        ("", "this is not JSON"),
        ("[]", "must be an object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"activities": [], "activities": []}', "written twice"),
        ('{"activities": [{"name": "a", "modes": [{"duration_s": NaN}]}]}', "NaN is not a figure"),
        ({}, "has no 'activities'"),
        ({"activities": 3}, "must be a list"),
        ({"activities": []}, "no activities"),
        (QUESTION | {"dedline_s": 3}, "Did you mean 'deadline_s'"),
        (QUESTION | {"objectives": 3}, "must be a list of names"),
        (QUESTION | {"objectives": ["speed"]}, "Nothing consumes 'speed'"),
        ('{"time_limit_s": 1' + "0" * 5000 + "}", "thousands of digits"),
        (QUESTION | {"capacity": [1]}, "must map names"),
        (QUESTION | {"capacity": []}, "must map names"),
        (QUESTION | {"budgets": 0}, "must map names"),
        (QUESTION | {"time_limit_s": "long"}, "time_limit_s must be a number"),
        (QUESTION | {"deadline_s": "soon"}, "deadline must be a number"),
        (changed("activities/0/modes", {}), "the modes must be a list"),
        (
            changed("activities/0/modes/0/duration_s", -1),
            "Activity 'a', mode 0: A mode's duration_s must not be negative",
        ),
        (changed("activities/0/modes/0/speed", 1), "Activity 'a', mode 0 has 'speed'"),
        (changed("activities/1/predecessors", ["z"]), "comes after 'z'"),
        (changed("activities/1/predecessors", [["a"]]), "must be names"),
        (changed("activities/1/predecessors", False), "must be a list"),
        (changed("activities/1/name", 7), "name must be a text"),
    ],
)
def test_a_bad_file_is_told_in_words_with_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: object, words: str
):
    assert main([written(tmp_path, data)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


def test_a_file_that_is_missing_or_no_text_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path / "none.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    assert main([str(tmp_path / "bytes.json")]) == 2
    assert "not text in UTF-8" in capsys.readouterr().err


def test_a_question_is_read_with_its_defaults():
    problem, objectives, limit_s = read_question(
        '{"activities": [{"name": "a", "modes": [{"duration_s": 1}]}]}'
    )
    assert (problem.capacity, objectives, limit_s) == ({}, ("latency",), 5.0)


def test_null_says_as_little_as_leaving_it_out():
    problem, objectives, limit_s = read_question(
        '{"activities": [{"name": "a", "modes": [{"duration_s": 1, "demand": null, "consumes": null, "quality": null}],'
        ' "predecessors": null}], "capacity": null, "budgets": null, "deadline_s": null, "min_quality": null,'
        ' "objectives": null, "time_limit_s": null}'
    )
    assert problem.activities[0].modes[0] == Mode(1)
    assert (problem.capacity, objectives, limit_s) == ({}, ("latency",), 5.0)


def test_a_mode_needs_a_duration():
    with pytest.raises(BadProblem, match="mode 0 has no 'duration_s'"):
        read_question('{"activities": [{"name": "a", "modes": [{}]}]}')
    with pytest.raises(BadProblem, match="duration_s must be a number"):
        read_question('{"activities": [{"name": "a", "modes": [{"duration_s": null}]}]}')


def test_an_interrupt_before_any_schedule_has_a_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("murakkab_jupyter.planner.exact.door.solve", interrupted)
    path = tmp_path / "problem.json"
    path.write_text('{"activities": [{"name": "a", "modes": [{"duration_s": 1}]}]}')
    assert main([str(path)]) == 130
    assert capsys.readouterr() == ("", "Interrupted before any schedule was found.\n")


def test_an_interrupt_while_modules_are_still_being_read_is_told_the_same_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    class Interrupted:
        """A module that is interrupted while it is read."""

        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "murakkab_jupyter.planner.exact.door", Interrupted())
    assert start() == 130
    assert capsys.readouterr() == ("", "Interrupted before any schedule was found.\n")
