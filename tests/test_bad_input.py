"""Bad input on the whole way: command line or session, real media, a real Dask cluster.

Each says what is wrong with which item or line, and loses nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Inputs
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cli import main, read_inputs
from murakkab_jupyter.core.errors import AgentError, ClusterError, InputError, JournalError, LanguageError
from murakkab_jupyter.core.events import Notice
from murakkab_jupyter.session import Session

from .unreadable import AWAY, spoil, without_rights

SCENES = "scenes <- split {videos} into scenes @content-scenes\n"
FRAMES = SCENES + "frames <- take 2 frames from {scenes} @uniform-frames\n"
MEASURED = FRAMES + "sizes <- measure {frames} @python:measured\n"


def measured(frame: Any) -> str:
    from murakkab_jupyter.agents.media.files import read_frame

    height, width = read_frame(frame).shape[:2]
    return f"{width} x {height}"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("bad_input")
    library = Library()
    library.load_entry_points()
    library.add_capability(SPLITTING)
    library.add_agent(COMMA_SPLIT)
    with Session(
        library=library, journal=folder / "journal.sqlite", profiles=folder / "profiles.sqlite"
    ) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workflow, and a journal of its own."""
    monkeypatch.setenv("MURAKKAB_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "profiles.sqlite"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes.murakkab").write_text(SCENES)
    return tmp_path


# --- files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["empty_file", "text_as_video", "truncated_video"])
def test_a_file_that_is_no_video_ends_with_2_and_is_named(name, place, request, capsys):
    path = request.getfixturevalue(name)
    assert main(["run", "scenes.murakkab", "--input", f"videos={path}"]) == 2
    said = capsys.readouterr()
    assert str(path) in said.err
    assert said.out == ""


def test_a_missing_file_ends_with_2_and_says_where_it_was_looked_for(place, capsys):
    assert main(["run", "scenes.murakkab", "--input", "videos=gone.mp4"]) == 2
    said = capsys.readouterr().err
    assert "no file at gone.mp4" in said
    assert str(place) in said


def test_bad_files_among_good_ones_fail_alone(
    session, three_scenes, one_frame_video, empty_file, text_as_video, truncated_video
):
    videos = [empty_file, three_scenes, text_as_video, one_frame_video, truncated_video]
    run = session.run(session.declare(MEASURED, {"videos": videos, "measured": measured}))
    assert run.status == "partial"
    assert run.exit_code == 3
    failed = {ancestry: message for _, ancestry, message in run.errors}
    assert set(failed) == {(("videos", index),) for index in (0, 2, 4)}
    for index in (0, 2, 4):
        assert str(videos[index]) in failed[("videos", index),]
    made = run.outputs["sizes"]
    assert {ancestry[0] for ancestry in made} == {("videos", 1), ("videos", 3)}
    assert {ancestry[:2] for ancestry in made if ancestry[0] == ("videos", 1)} == {
        (("videos", 1), ("scenes", index)) for index in range(3)
    }


@pytest.mark.timeout(300)
def test_a_file_that_may_not_be_read_fails_alone_in_a_plan_and_in_a_run(place, capsys):
    (place / "cut.murakkab").write_text("passages <- split {docs} into passages\n")
    named = []
    for how in ("good", *AWAY[:5], "fine"):
        path = place / f"{how}.txt"
        path.write_text("A cat sat there.")
        spoil(path, how)
        named += ["--input", f"docs={path.name}"]
    with without_rights():
        assert main(["plan", "cut.murakkab", *named]) == 0
        assert "5 of 7 cannot be read" in capsys.readouterr().out
        assert main(["run", "cut.murakkab", *named, "--json", "out.json"]) == 3
    data = json.loads((place / "out.json").read_text())
    assert {Path(one["value"]["origin"]["source"]).name for one in data["outputs"]["passages"]} == {
        "good.txt",
        "fine.txt",
    }


@pytest.mark.timeout(300)
def test_files_that_are_spoilt_after_they_were_declared_fail_alone(session, three_scenes, tmp_path):
    ways = ["good", "gone", "folder", "pipe", "dangling link"]
    paths = [tmp_path / f"{number}.mp4" for number in range(len(ways))]
    for number, path in enumerate(paths):
        path.write_bytes(three_scenes.read_bytes() + bytes(number))  # each is another file
    declaration = session.declare(SCENES, {"videos": paths})
    for path, how in zip(paths, ways, strict=True):
        spoil(path, how)
    run = session.run(declaration, reuse=False)
    assert run.exit_code == 3
    assert {ancestry for _, ancestry, _ in run.errors} == {(("videos", number),) for number in range(1, 5)}
    assert len(run.outputs["scenes"]) == 3


def test_a_4k_portrait_stands_upright(session, portrait_4k):
    run = session.run(session.declare(MEASURED, {"videos": str(portrait_4k), "measured": measured}))
    assert run.status == "done"
    assert set(run.outputs["sizes"].values()) == {"2160 x 3840"}


@pytest.mark.media
def test_videos_without_sound_and_with_silence_have_no_speech_and_say_why(
    session, three_scenes, silent_video
):
    text = SCENES + "words <- transcribe the speech in {scenes}\n"
    run = session.run(session.declare(text, {"videos": [str(three_scenes), str(silent_video)]}))
    assert run.status == "done"
    words = run.outputs["words"]
    assert all(value.text == "" for value in words.values())
    assert {value.note for ancestry, value in words.items() if ancestry[0] == ("videos", 0)} == {
        "no track of sound"
    }
    assert {value.note for ancestry, value in words.items() if ancestry[0] == ("videos", 1)} == {"silent"}


class CommaSplit(Agent):
    """Parts of a text; none of a dash, and one value too few of a batch with "few"."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        pass

    def call(self, batch: Sequence[Inputs]) -> Sequence[Any]:
        texts = [inputs.values["text"] for inputs in batch]
        made = [[] if text == "-" else text.split(",") for text in texts]
        return made[1:] if "few" in texts else made


SPLITTING = Capability(
    "splitting",
    "Parts of a text",
    (Port("text", frozenset({"text"})),),
    "text",
    opens=True,
    patterns=("split {text} at commas",),
)
COMMA_SPLIT = AgentSpec("comma-split", "1", "splitting", "Splits at commas.", CommaSplit)
PARTS = "parts <- split {lines} at commas\nsaid <- list {parts}, per line @python:listed\n"


def listed(parts: list[str]) -> str:
    return f"{len(parts)} parts"


def test_a_parent_without_children_gives_an_empty_list_and_no_failure(session):
    run = session.run(session.declare(PARTS, {"lines": ["a,b", "-", "c"], "listed": listed}))
    assert run.status == "done"
    assert list(run.outputs["said"].values()) == ["2 parts", "0 parts", "1 parts"]


def test_an_agent_that_returns_too_few_values_loses_the_item_it_does_so_for_only(session):
    run = session.run(session.declare(PARTS, {"lines": ["a,b", "few", "c"], "listed": listed}))
    assert run.status == "partial"
    [(step, ancestry, message)] = run.errors
    assert (step, ancestry) == ("parts", (("lines", 1),))
    assert "comma-split" in message
    assert "0 values" in message
    assert list(run.outputs["said"].values()) == ["2 parts", "1 parts"]


def test_a_path_with_quotes_blanks_and_braces_is_a_path_like_any_other(place, three_scenes, capsys):
    name = 'my "clip" {one} isn\'t [1].mp4'
    (place / name).write_bytes(three_scenes.read_bytes())
    assert main(["run", "scenes.murakkab", "--input", f"videos={name}", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["outputs"]["scenes"]) == 3
    assert data["outputs"]["scenes"][0]["value"]["source"].endswith(name)


@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are Unicode")
def test_a_file_name_that_is_no_utf8_is_run_kept_and_exported(place, three_scenes, text_as_video):
    good, bad = "caf\udce9.mp4", "bad\udce9.mp4"
    (place / good).write_bytes(three_scenes.read_bytes())
    (place / bad).write_bytes(text_as_video.read_bytes())
    inputs = ["--input", f"videos={good}", "--input", f"videos={bad}"]
    assert main(["run", "scenes.murakkab", *inputs, "--json", "out.json"]) == 3
    data = json.loads((place / "out.json").read_text())
    assert len(data["outputs"]["scenes"]) == 3
    assert data["outputs"]["scenes"][0]["value"]["source"].endswith(good)
    assert main(["export", "out.csv", "out.parquet"]) == 0
    assert (place / "out.csv").stat().st_size > 0


# --- values ---------------------------------------------------------------------------------------------------


def test_an_empty_question_is_no_folder_and_an_error_at_its_line(place, three_scenes, capsys):
    assert read_inputs(["question="]) == {"question": ""}
    cell = "words <- transcribe the speech in {videos}\nanswer <- answer {question} from {words}\n"
    (place / "ask.murakkab").write_text(cell)
    call = ["run", "ask.murakkab", "--input", f"videos={three_scenes}", "--input"]
    assert main([*call, "question="]) == 2
    said = capsys.readouterr().err
    assert "line 2" in said
    assert "`question` is an empty text" in said


def test_braces_in_a_value_are_read_as_they_are(session):
    run = session.run(
        session.declare("sizes <- measure {texts} @python:same\n", {"texts": ["{a} {{b}}"], "same": same})
    )
    assert list(run.outputs["sizes"].values()) == ["{a} {{b}}"]


def same(text: str) -> str:
    return text


@pytest.mark.parametrize("value", [3, True, {"a": 1}, ["clip.mp4", 3]])
def test_a_value_that_can_be_no_video_is_an_error_at_its_line(session, value):
    with pytest.raises(LanguageError, match=r"line 1, column 17.* takes video"):
        session.declare(SCENES, {"videos": value})


@pytest.mark.parametrize("beam", ["-1", "0"])
def test_a_lever_of_numbers_takes_none_below_one(session, three_scenes, beam):
    text = f"words <- transcribe {{videos}} @whisper-base beam={beam}\n"
    with pytest.raises(LanguageError, match=f"`beam` cannot be {beam}") as caught:
        session.declare(text, {"videos": str(three_scenes)})
    assert "beam=1" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("before", "sentence", "capability"),
    [
        ("", "What is said in {videos}?", "speech-to-text"),
        ("", "Get the transcript of {videos}", "speech-to-text"),
        ("", "Speech to text on {videos}", "speech-to-text"),
        ("", "Detect scene changes in {videos}", "scene-detection"),
        ("pics <- take 1 frame from {videos}", "List the things you see in {pics}", "object-detection"),
        ("pics <- take 1 frame from {videos}", "What is shown in {pics}?", "object-detection"),
        ("pics <- take 1 frame from {videos}", "OCR {pics}", "ocr"),
        ("words <- transcribe {videos}", "Answer the question {q} using {words}", "question-answering"),
    ],
)
def test_what_people_write_is_understood(session, three_scenes, before, sentence, capability):
    text = f"{before}\nx <- {sentence}\n".lstrip()
    workflow = session.declare(text, {"videos": str(three_scenes), "q": "What?"}).workflow
    assert workflow.step("x").capability == capability


@pytest.mark.parametrize(
    "sentence",
    [
        "x <- Tell me what happens in {videos}",
        "x <- Describe {videos}",
        "x <- take a frame every 5 seconds from {videos}",
        "x <- Have a look at {videos}",
    ],
)
def test_what_is_not_understood_prints_pins_that_work_when_pasted(session, three_scenes, sentence):
    values = {"videos": str(three_scenes)}
    with pytest.raises(LanguageError) as caught:
        session.declare(sentence, values)
    pasted = [line.strip() for line in str(caught.value.hint).splitlines() if "@" in line]
    assert pasted
    for line in pasted:
        assert session.declare(line, values).workflow.step("x").sentence in line


def test_a_none_in_a_list_is_named_by_its_place(session, three_scenes):
    with pytest.raises(InputError, match="videos holds None at position 1"):
        session.declare(SCENES, {"videos": [str(three_scenes), None]})


# --- agents ---------------------------------------------------------------------------------------------------


def picky(text: str) -> str:
    if text == "bad":
        msg = "not this one"
        raise ValueError(msg)
    return text.upper()


def suicidal(text: str) -> str:
    if text == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return text.upper()


@pytest.mark.parametrize(
    ("function", "why"), [(picky, "ValueError: not this one"), (suicidal, "killed by SIGKILL")]
)
def test_an_agent_that_raises_or_dies_on_one_item_loses_that_item_only(session, function, why):
    name = function.__name__
    text = f"loud <- shout {{texts}} @python:{name}\nagain <- shout {{loud}} @python:{name}\n"
    run = session.run(session.declare(text, {"texts": ["a", "bad", "c"], name: function}), reuse=False)
    assert run.status == "partial"
    [(step, ancestry, message)] = run.errors
    assert (step, ancestry) == ("loud", (("texts", 1),))
    assert why in message
    assert list(run.outputs["again"].values()) == ["A", "C"]
    with pytest.raises(AgentError) as caught:
        run.raise_for_status()
    assert f"Run {run.id} is partial: " in str(caught.value)
    assert str(caught.value).count(why) == 1, "told once"


def test_a_worker_that_is_killed_in_mid_run_loses_nothing(session, tmp_path):
    import psutil

    flag = tmp_path / "killed"

    def fatal(text: str) -> str:
        if text == "b" and not flag.exists():
            flag.touch()
            psutil.Process(os.getpid()).parent().kill()
        return text.upper()

    run = session.run(
        session.declare("loud <- shout {texts} @python:fatal\n", {"texts": ["a", "b", "c"], "fatal": fatal})
    )
    assert flag.exists()
    assert run.status == "done"
    assert list(run.outputs["loud"].values()) == ["A", "B", "C"]


# --- surroundings ---------------------------------------------------------------------------------------------


def test_what_a_cluster_has_to_say_is_said_at_the_start_of_a_run(session):
    cluster = session.connect()
    cluster.notices.append("NO TLS: said by the test.")
    try:
        run = session.run(session.declare("x <- copy {texts} @python:same\n", {"texts": ["a"], "same": same}))
    finally:
        cluster.notices.clear()
    assert isinstance(run.events[0], Notice)
    assert run.notices[0] == "NO TLS: said by the test."
    assert run.report()["notices"][0] == "NO TLS: said by the test."


def test_the_command_line_says_notices_on_standard_error(place, three_scenes, monkeypatch, capsys):
    from murakkab_jupyter.cluster import connect

    def warned(*given: Any, **options: Any) -> Any:
        cluster = real(*given, **options)
        cluster.notices.append("NO TLS: said by the test.")
        return cluster

    real = connect.connect
    monkeypatch.setattr(connect, "connect", warned)
    assert main(["run", "scenes.murakkab", "--input", f"videos={three_scenes}", "--json", "-"]) == 0
    said = capsys.readouterr()
    assert said.err.count("NO TLS: said by the test.") == 1
    json.loads(said.out)


def strange(text: str) -> object:
    return object()


def test_values_that_cannot_be_kept_are_told(session):
    run = session.run(
        session.declare("x <- turn {texts} @python:strange\n", {"texts": ["a", "b"], "strange": strange})
    )
    assert run.status == "done"
    assert [one for one in run.notices if "x have no codec" in one]


def test_a_run_of_a_function_is_resumed_only_with_that_function_but_exported_without(
    session, tmp_path, monkeypatch, capsys
):
    run = session.run(
        session.declare("loud <- shout {texts} @python:picky\n", {"texts": ["a", "bad"], "picky": picky}),
        reuse=False,
    )
    with pytest.raises(JournalError, match="calls your function picky") as caught:
        session.resume(run.id)
    assert run.id in str(caught.value.hint)
    monkeypatch.setenv("MURAKKAB_JOURNAL", str(session.journal.path))
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "profiles.sqlite"))
    assert main(["export", run.id, str(tmp_path / "out.csv")]) == 0
    assert "A" in (tmp_path / "out.csv").read_text()


def test_a_machine_without_loopback_is_told_at_once(monkeypatch):
    from murakkab_jupyter.cluster import connect

    def refuse(*_: object, **__: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(connect.socket, "create_connection", refuse)
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1: Network is unreachable") as caught:
        connect.connect()
    assert "ip link set lo up" in str(caught.value.hint)


def test_the_command_line_ends_without_a_word_about_semaphores(place, three_scenes):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "murakkab_jupyter",
            "run",
            "scenes.murakkab",
            "--input",
            f"videos={three_scenes}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
