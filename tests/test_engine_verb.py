"""The verb `engine`, in a terminal and in a notebook. Servers are stand-ins."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from murakkab_jupyter.cli import main
from murakkab_jupyter.notebook.show import show
from murakkab_jupyter.verbs import Workbench, parse_request
from murakkab_jupyter.verbs.engines import config_of
from tests.cluster.engines.parts import SCRIPT, serving
from tests.cluster.parts import alive, wait_for

KEY = "sk-secret-of-the-test-0123456789"
COMMAND = f"{sys.executable} {SCRIPT} --host {{host}} --port {{port}} --name {{name}}"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MURAKKAB_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "profiles.sqlite"))
    monkeypatch.setenv("MURAKKAB_ENGINES", str(tmp_path / "engines.json"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_attached_in_a_terminal_it_serves_the_next_command(place, capsys) -> None:
    (place / "a.txt").write_text("The council met. It decided to build a bridge.")
    (place / "note.murakkab").write_text(
        "%%murakkab note\nsaid <- write a note about {text} @mine max_tokens=8\n"
    )
    with serving() as server:
        assert main(["engine", "attach", server.url, "--name", "mine"]) == 0
        assert "plans may use mine, mine-summary, mine-qa" in capsys.readouterr().out
        assert main(["run", "note.murakkab", "--input", "text=a.txt", "--json", "out.json"]) == 0
        capsys.readouterr()
        # A process of its own, as in a terminal: this one's library knows the engine already.
        for words in (["plan", "note.murakkab", "--input", "text=a.txt"], ["agents", "mine"]):
            done = subprocess.run(
                [sys.executable, "-m", "murakkab_jupyter", *words],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, "mine" in done.stdout) == (0, True), done.stderr
        assert main(["engine", "list", "--json", "-"]) == 0
        (listed,) = json.loads(capsys.readouterr().out)
        assert (listed["name"], listed["state"], listed["context_tokens"]) == ("mine", "attached", 2048)
    done = subprocess.run(
        [sys.executable, "-m", "murakkab_jupyter", "plan", "note.murakkab", "--input", "text=a.txt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "Step said cannot be done here: mine: " in done.stderr
    assert "See to the server and plan again" in done.stderr
    assert "cannot be reached" in done.stderr
    assert main(["engine", "detach", "mine"]) == 0
    assert main(["engine", "list"]) == 0
    assert "No engine is known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["engine", "atach", "http://x/v1"], "Did you mean attach?"),
        (["engine", "attach"], "engine attach needs URL"),
        (["engine", "stop", "a", "b"], "takes at most 2 words"),
        (["engine", "stop", "--gpus", "1", "x"], "--gpus goes with engine start, not with engine stop"),
        (["engine", "start", "m", "--gpus", "many"], "--gpus cannot be 'many'"),
        (["engine", "start", "m", "--lora", "law"], "Write --lora NAME=PATH"),
        (["engine", "start", "m", "--gpu-memory", "0"], "--gpu-memory cannot be '0'"),
        (["engine", "start", "m", "--vllm-python", "/nowhere/python"], "/nowhere/python is not on host"),
        (["engine", "start", "/nowhere/smollm2"], "no model at /nowhere/smollm2"),
        (["engine", "stop", "nobody"], "There is no engine 'nobody'"),
        (["engine", "attach", "http://user:pw@host/v1"], "may not hold a user, a password"),
        (["engine", "attach", "http://127.0.0.1:9/v1"], "cannot be reached"),
    ],
)
def test_mistakes_are_said_with_what_to_do(place, capsys, words, said) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_no_answer_holds_a_key(place, monkeypatch, capsys) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    monkeypatch.setenv("MINE", KEY)
    with serving("keyed") as server:
        assert main(["engine", "attach", server.url, "--key-env", "MINE", "--json", "out.json"]) == 0
        assert main(["engine", "list"]) == 0
        monkeypatch.setenv("MINE", "wrong-" + KEY)
        assert main(["engine", "attach", server.url, "--key-env", "MINE"]) == 2
    shown = capsys.readouterr()
    kept = (place / "engines.json").read_text() + (place / "out.json").read_text()
    assert KEY not in shown.out + shown.err + kept
    assert "key from MINE" in shown.out


def test_every_option_of_start_reaches_the_configuration() -> None:
    line = (
        "engine start org/m --name n --vllm-python /p --gpus 2 --tensor-parallel 2 --replicas 1 --max-num-seqs 9 "
        "--max-model-len 99 --dtype bfloat16 --quantization fp8 --lora a=/b --lora c=/d --eager --gpu-memory 0.5 "
        "--memory-gb 3 --host 0.0.0.0 --port 8123 --keep-alive 2min --worker w --arg=--x --arg=--y --cores 3"
    )
    request = parse_request(shlex.split(line), "cli")
    made = config_of("org/m", request)
    assert (made.name, made.python, made.gpus, made.tensor_parallel, made.cores) == ("n", "/p", 2, 2, 3)
    assert (made.max_num_seqs, made.max_model_len, made.dtype, made.quantization) == (
        9,
        99,
        "bfloat16",
        "fp8",
    )
    assert made.lora == (("a", "/b"), ("c", "/d"))
    assert (made.eager, made.gpu_memory_utilization, made.memory_bytes) == (True, 0.5, 3 * 10**9)
    assert (made.host, made.port, made.keep_alive_s, made.worker) == ("0.0.0.0", 8123, 120.0, "w")
    assert made.arguments == ("--x", "--y")


def test_in_a_notebook_an_engine_is_started_shown_and_stopped(place) -> None:
    bench = Workbench()
    try:
        line = f'engine start none --name n --cores 1 --memory-gb 0.03 --command "{COMMAND}"'
        outcome = bench.do(parse_request(shlex.split(line), "magic"), "magic")
        shown = show(outcome)
        for text in (shown.text, shown.html):
            assert "ready" in text
            assert "answered after" in text
        again = bench.do(parse_request(shlex.split(f"{line} --keep-alive 60"), "magic"), "magic")
        said = "n runs already, so not taken: --keep-alive 60 s (it is kept by its own figures)"
        assert said in show(again).text
        known = bench.do(
            parse_request(shlex.split(f"{line} --keep-alive 60 --when-needed"), "magic"), "magic"
        )
        assert said in show(known).text
        assert "of at most" in show(known).text  # its counters show its use
        logs = bench.do(parse_request(["engine", "logs", "n", "--cores", "1"], "magic"), "magic")
        assert "stand-in starting" in show(logs).text
        stopped = bench.do(parse_request(["engine", "stop", "n", "--cores", "1"], "magic"), "magic")
        assert "n is stopped" in show(stopped).text
        assert not (place / "engines.json").exists()  # nothing is kept unless that is asked for
    finally:
        bench.close()


def test_one_that_shows_no_counters_is_said_to_stay_until_it_is_stopped(place) -> None:
    bench = Workbench()
    try:
        command = f"{COMMAND} --metrics none"
        line = f'engine start none --name n --cores 1 --memory-gb 0.03 --keep-alive 60 --command "{command}"'
        shown = show(bench.do(parse_request(shlex.split(line), "magic"), "magic")).text
        assert "It shows no counters of its use, so --keep-alive does not end it" in shown
        assert "kept until it is stopped" in shown
    finally:
        bench.close()


def test_in_a_terminal_it_serves_until_an_interrupt_and_leaves_nothing(place) -> None:
    words = [
        "engine",
        "start",
        "none",
        "--name",
        "n",
        "--cores",
        "1",
        "--memory-gb",
        "0.03",
        "--command",
        COMMAND,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "murakkab_jupyter", *words, "--json", "out.json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "It serves until you press Ctrl-C" in line
    pid = json.loads((place / "out.json").read_text())[0]["pid"]
    assert alive(pid)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.wait(20) == 0
    assert time.monotonic() - began < 20
    wait_for(lambda: not alive(pid))
