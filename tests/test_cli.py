"""The command line, as a user's shell runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from murakkab_jupyter.cli import Line, main, read_inputs
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.notebook.live import STOP_S
from murakkab_jupyter.profiles.hardware import host_cores
from murakkab_jupyter.profiles.store import ProfileStore
from tests.agents.served.fake_openai import fake_server

CELL = """%%murakkab sums --minimize latency
Summarise texts.

summary <- summarise {texts} @extractive-summary
overall <- summarise {summary}, per all @extractive-summary
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a workflow and two documents, and a journal of its own."""
    monkeypatch.setenv("MURAKKAB_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "profiles.sqlite"))
    monkeypatch.setenv("MURAKKAB_ENGINES", str(tmp_path / "engines.json"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sums.murakkab").write_text(CELL)
    (tmp_path / "a.txt").write_text("The council met. It decided to build a bridge. Work begins in May.")
    (tmp_path / "b.txt").write_text("Cyclists asked for a lane. The mayor agreed after a long debate.")
    return tmp_path


INPUTS = ["--input", "texts=a.txt", "--input", "texts=b.txt"]


def test_a_run_prints_plan_results_and_bill_and_ends_with_0(place, capsys):
    assert main(["run", "sums.murakkab", *INPUTS]) == 0
    out = capsys.readouterr().out
    assert out.index("Plan: sums") < out.index("Results (done)") < out.index("Bill: sums")
    assert "build a bridge" in out
    assert "b.txt" in out


def test_json_on_standard_output_is_alone_there(place, capsys):
    assert main(["run", "sums.murakkab", *INPUTS, "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data["plan"]["steps"]["summary"]) >= {
        "agent",
        "device",
        "cores",
        "instances",
        "batch",
        "predicted",
    }
    assert len(data["outputs"]["summary"]) == 2
    assert {"ancestry", "value"} <= set(data["outputs"]["summary"][0])
    assert data["events"]


def test_json_to_a_file_leaves_the_words_on_standard_output(place, capsys):
    assert main(["plan", "sums.murakkab", *INPUTS, "--minimize", "energy", "--json", "plan.json"]) == 0
    told = json.loads((place / "plan.json").read_text())
    assert told["goal"]["objectives"] == ["energy"]
    assert told["plan"]["steps"]["summary"]["predicted"]["latency"]["unit"] == "s", (
        "as in the report of a run"
    )
    assert set(told["predicted"]) == {"latency", "cpu", "energy", "cost", "quality"}
    assert "Plan: sums" in capsys.readouterr().out


def test_a_frontier_as_json_has_the_frame_of_a_plan_and_says_what_it_covers(place, capsys):
    assert main(["frontier", "sums.murakkab", *INPUTS, "--json", "frontier.json"]) == 0
    told = json.loads((place / "frontier.json").read_text())
    out = " ".join(capsys.readouterr().out.split())
    assert told["workflow"]["name"] == "sums"
    assert told["goal"]["objectives"] == ["latency"]
    assert told["coverage"]["shown"] == len(told["plans"]) >= 1
    assert told["coverage"]["words"] in out
    assert "--take" not in out, "a terminal keeps no plan that was taken"
    first = told["plans"][0]
    assert first["steps"]["summary"]["agent"] == "extractive-summary"
    assert set(first["predicted"]) == {"latency", "cpu", "energy", "cost", "quality"}
    assert main(["plan", "sums.murakkab", *INPUTS, "--json", "plan.json"]) == 0
    plan = json.loads((place / "plan.json").read_text())
    assert {"format", "version", "workflow", "goal"} <= set(plan) & set(told)
    assert set(first) == set(plan["plan"])


@pytest.mark.parametrize("verb", ["plan", "explain", "frontier"])
def test_more_cores_than_this_host_has_are_planned_for_and_it_is_said_once(verb, place, capsys):
    here = host_cores()
    assert main([verb, "sums.murakkab", *INPUTS, "--cores", str(here + 1)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.count(f"Planned for {here + 1} cores; this host has {here}") == 1
    assert main([verb, "sums.murakkab", *INPUTS, "--cores", str(here)]) == 0
    assert "Planned for" not in capsys.readouterr().out


def test_json_that_cannot_be_written_is_told_before_anything_is_run(place, capsys):
    assert main(["run", "sums.murakkab", *INPUTS, "--json", str(place / "none" / "x.json")]) == 2
    assert capsys.readouterr().out == ""
    assert not (place / "journal.sqlite").exists()


def test_results_are_shown_when_the_disk_is_full_at_the_end(place, capsys):
    assert main(["run", "sums.murakkab", *INPUTS, "--json", "/dev/full"]) == 2
    shown = capsys.readouterr()
    assert "build a bridge" in shown.out
    assert "Bill: sums" in shown.out
    assert "/dev/full cannot be written: No space left on device." in shown.err


def test_an_input_that_a_resumed_run_does_not_know_is_told(place, capsys):
    (place / "c.txt").write_bytes(b"\x81\x8d\x00\x01\x90")
    assert main(["run", "sums.murakkab", *INPUTS, "--input", "texts=c.txt"]) == 3
    capsys.readouterr()
    assert main(["resume", "--input", "txts=a.txt"]) == 2
    assert "Did you mean {texts}?" in capsys.readouterr().err


def test_nothing_that_is_said_of_an_input_steers_the_terminal(place, capsys):
    name = "c\x1b]0;pwned\x07\x9b31m\u202e.txt"
    (place / name).write_bytes(b"\x81\x8d\x00\x01\x90")
    assert main(["run", "sums.murakkab", *INPUTS, "--input", f"texts={name}"]) == 3
    assert main(["run", f"{name}.murakkab", *INPUTS]) == 2
    assert main(["run", "sums.murakkab", *INPUTS, "--input", f"texts={name}", "--json", "-"]) == 3
    shown = capsys.readouterr()
    assert shown.out.count("pwned") > 1
    assert "pwned" in shown.err
    assert not set(shown.out + shown.err) & set("\x1b\x07\x9b\u202e")


def test_resuming_says_first_which_run_it_goes_on_with(place, capsys):
    (place / "c.txt").write_bytes(b"\x81\x8d\x00\x01\x90")
    assert main(["run", "sums.murakkab", *INPUTS, "--input", "texts=c.txt"]) == 3
    capsys.readouterr()
    assert main(["resume"]) == 3
    said = capsys.readouterr()
    first = said.err.splitlines()[0]
    found = re.fullmatch(r"Going on with run (\w+) of sums, begun [\d-]+ [\d:]+, which lacked items\.", first)
    assert found
    assert f"Run {found[1]}: partial" in said.out
    assert main(["resume", found[1]]) == 3
    assert "Going on with" not in capsys.readouterr().err


def test_history_and_bill_know_earlier_runs(place, capsys):
    assert main(["run", "sums.murakkab", *INPUTS]) == 0
    capsys.readouterr()
    assert main(["history", "--json", "-"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert [run["workflow"] for run in runs] == ["sums"]
    assert main(["bill", runs[0]["run"]]) == 0
    assert "idle" in capsys.readouterr().out


def test_results_of_an_earlier_run_go_to_files(place, capsys):
    assert main(["run", "sums.murakkab", *INPUTS]) == 0
    assert main(["export", "sums", "out.csv", "out.parquet"]) == 0
    assert "Wrote out.csv, out.parquet." in capsys.readouterr().out
    assert "build a bridge" in (place / "out.csv").read_text()
    assert main(["export", "sums", "out.srt"]) == 2
    assert main(["export", "sums", "out.docx"]) == 2


@pytest.mark.parametrize(
    ("other", "said"), [("more.json", "Only a run of this session"), ("more.docx", "exported as .docx")]
)
def test_of_several_files_none_is_written_where_one_cannot_be(place, capsys, other, said):
    assert main(["run", "sums.murakkab", *INPUTS]) == 0
    assert main(["export", "sums", "more.csv", other]) == 2
    assert said in capsys.readouterr().err
    assert not (place / "more.csv").exists()


def test_an_unreadable_file_among_others_makes_the_run_partial_and_is_named(place, capsys):
    (place / "c.txt").write_bytes(b"\x81\x8d\x00\x01\x90")
    assert main(["run", "sums.murakkab", *INPUTS, "--input", "texts=c.txt"]) == 3
    out = capsys.readouterr().out
    assert "c.txt" in out
    assert "build a bridge" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["pln"], 2, "Did you mean plan?"),
        (["run"], 2, "needs a file"),
        (["run", "none.murakkab"], 2, "cannot be read"),
        (["run", "sums.murakkab"], 2, "{texts}"),
        (["run", "sums.murakkab", "--input", "texts=nowhere.txt"], 2, "nowhere.txt"),
        (["run", "sums.murakkab", "--input", "texts"], 2, "NAME=VALUE"),
        (["run", "sums.murakkab", "--minimise", "energy"], 2, "--minimize"),
        (["plan", "sums.murakkab", *INPUTS, "--deadline", "1ms"], 4, "InfeasibleError"),
        (["bill"], 2, "Nothing has been run yet"),
        (["resume"], 2, "no unfinished run to resume.\nSee the history of runs: murakkab history."),
        (["agents", "extractive-sumary"], 2, "Did you mean extractive-summary?"),
        (["models", "wisper-base"], 2, "whisper-base"),
        (["export", "out.json"], 2, "Nothing has been run"),
        (["run", "sums.murakkab", *INPUTS, "--cores", "none"], 2, "whole number"),
        (["run", "sums.murakkab", *INPUTS, "--json", "none/x.json"], 2, "there is no folder none"),
        (["plan", "sums.murakkab", *INPUTS, "--json", "."], 2, "it is a folder"),
        (["agents", "--json", "none/x.json"], 2, "cannot be written"),
        (["run", "sums.murakkab", *INPUTS, "--input", "text=a.txt"], 2, "Did you mean {texts}?"),
        (["plan", "sums.murakkab", *INPUTS, "--input", "summary=a.txt"], 2, "It refers to {texts}."),
    ],
)
def test_a_mistake_is_a_message_on_standard_error_and_an_exit_code(place, capsys, words, code, said):
    assert main(words) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_an_impossible_goal_shows_the_nearest_plan(place, capsys):
    assert main(["plan", "sums.murakkab", *INPUTS, "--deadline", "1ms"]) == 4
    assert "Nearest plan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["agents"], "extractive-summary"),
        (["models"], "licence"),
        (["cluster"], "cores"),
        (["help"], "resume"),
        ([], "resume"),
        (["run", "--help"], "--input NAME=VALUE"),
        (["--version"], "murakkab 0."),
        (["profile", "extractive-summary"], "Profile"),
    ],
)
def test_what_needs_no_workflow_answers(place, capsys, words, said):
    assert main(words) == 0
    assert said in capsys.readouterr().out


def test_a_servers_curve_is_measured_shown_and_kept(place, capsys):
    with fake_server() as server:
        assert main(["profile", "engine", server.url, "--in-flight", "2", "--json", "curve.json"]) == 0
        out = capsys.readouterr().out
        assert "Tokens a second" in out
        assert "not metered: the server is in the very process that asks it" in out
        kept = ProfileStore(place / "profiles.sqlite")
        (curve,) = kept.engines()
        kept.close()
        assert curve.name == f"{server.url} fake-model"
        assert json.loads((place / "curve.json").read_text())["points"][0]["in_flight"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["profile", "engine"], "takes one server"),
        (["profile", "engine", "http://h/v1", "--measure"], "takes one server"),
        (["profile", "engine", "http://h/v1", "--in-flight", "many"], "whole number"),
        (["profile", "--in-flight", "4"], "goes with an engine"),
        (["profile", "engine", "extractive-summary"], "no server of its own"),
        (["profile", "engine", "nobody"], "no agent 'nobody'"),
        (["profile", "engine", "http://me:sk-1@h/v1"], "may not hold a user"),
    ],
)
def test_a_server_that_cannot_be_measured_is_told_in_words(place, capsys, words, said):
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_a_workflow_as_python(place, capsys):
    assert main(["export", "sums.murakkab", "--python", *INPUTS]) == 0
    code = capsys.readouterr().out.removeprefix("Python\n")
    compile(code, "exported", "exec")
    assert "{texts}" in code


def test_a_workflow_as_a_python_file(place, capsys, tmp_path):
    file = tmp_path / "sums.py"
    assert main(["export", "sums.murakkab", str(file), "--python", *INPUTS]) == 0
    assert f"Wrote {file}" in capsys.readouterr().out
    compile(file.read_text(encoding="utf-8"), "exported", "exec")
    assert main(["export", "sums.murakkab", str(tmp_path / "none" / "sums.py"), "--python", *INPUTS]) == 2
    assert "sums.py cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.txt", "out"])
def test_python_is_written_to_no_file_of_another_kind(place, capsys, name):
    assert main(["export", "sums.murakkab", name, "--python", *INPUTS]) == 2
    said = capsys.readouterr()
    assert f"ends in .py, not to '{name}'" in said.err
    assert "import" not in said.out


def test_inputs_that_are_repeated_become_a_list():
    assert read_inputs(["videos=a=b.mp4", "videos=c.mp4", "question=why?"]) == {
        "videos": ["a=b.mp4", "c.mp4"],
        "question": "why?",
    }
    with pytest.raises(UsageError):
        read_inputs(["no value"])


def test_a_folder_is_no_text(place):
    (place / "docs").mkdir()
    assert read_inputs(["texts=docs", "question=docs or not?", "other=docs/"]) == {
        "texts": "docs/",
        "question": "docs or not?",
        "other": "docs/",
    }


def test_a_fault_of_ours_is_one_line_without_a_traceback(place, capsys, monkeypatch):
    def broken(words, bench):
        msg = "boom \x1b[31m at http://me:pa55@host/"
        raise RuntimeError(msg)

    monkeypatch.setattr("murakkab_jupyter.cli.execute", broken)
    assert main(["plan"]) == 1
    err = capsys.readouterr().err
    assert "RuntimeError: boom \ufffd[31m at http://***@host/" in err
    assert "Traceback" not in err


class Terminal:
    """A fake terminal."""

    def __init__(self) -> None:
        self.written = ""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


def test_the_live_line_overwrites_itself_and_is_cleared():
    terminal = Terminal()
    line = Line(terminal)
    line.put("long words")
    line.put("short")
    line.end()
    assert terminal.written == "\rlong words\rshort     \r     \r"


def test_help_is_there_without_loading_heavy_things():
    code = (
        "import sys; from murakkab_jupyter.cli import main; main(['help']);"
        "print([m for m in ('IPython', 'distributed', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


TIMED = """
import signal, sys, time
from murakkab_jupyter import cli

interrupted = time.monotonic()

def noted(number, frame):
    global interrupted
    interrupted = time.monotonic()
    raise KeyboardInterrupt

def tell(text):
    said(text)
    print(time.monotonic() - interrupted, flush=True)

signal.signal(signal.SIGINT, noted)
said, cli.tell = cli.tell, tell
code = cli.main(sys.argv[1:])
print(time.monotonic() - interrupted, flush=True)
sys.exit(code)
"""
"""The command line, which prints how long after an interrupt the last word came, and the end."""


def test_an_interrupt_stops_within_a_second_with_one_line(place):
    (place / "many").mkdir()
    text = "The council met today and decided on the bridge. " * 400
    for number in range(1500):
        (place / "many" / f"{number}.txt").write_text(f"Number {number}. {text}")
    process = subprocess.Popen(
        [sys.executable, "-c", TIMED, "run", "sums.murakkab", "--input", "texts=many"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
        start_new_session=True,
    )
    try:
        journal = place / "journal.sqlite"
        wait_for_item(journal, process)
        process.send_signal(signal.SIGINT)
        said = process.stderr.readline()
        code = process.wait(60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert re.match(r"stopped: 0 of 2 steps done; go on with: murakkab resume \w+$", said)
    told_s, ended_s = (float(line) for line in process.stdout.read().splitlines()[-2:])
    # It waits for workers no longer than this; what is more, a slow machine takes.
    assert STOP_S < 1.0
    assert told_s < ended_s < 5.0
    assert code == 130
    assert "murakkab_jupyter/" not in process.stderr.read(), "no traceback of ours"


def wait_for_item(journal, process) -> None:
    """Until the journal holds a finished item."""
    import sqlite3

    ends = time.monotonic() + 120
    while time.monotonic() < ends and process.poll() is None:
        if journal.exists():
            try:
                with sqlite3.connect(journal) as connection:
                    if connection.execute("SELECT count(*) FROM items").fetchone()[0]:
                        return
            except sqlite3.Error:
                pass
        time.sleep(0.02)
    pytest.fail(f"nothing was done; exit code {process.poll()}: {process.communicate(timeout=5)}")
