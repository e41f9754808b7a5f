"""A run that was stopped, killed or left unfinished goes on with what it had, and refuses what is another's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from murakkab_jupyter.core.errors import JournalError, LanguageError, UsageError
from murakkab_jupyter.core.events import BatchEnded
from murakkab_jupyter.session import Session
from tests.session.parts import initial, initials, joined

KEPT = """%%murakkab kept
gist <- summarise {letters} in 12 words
loud <- check {gist} @python:check
both <- joined {loud}, per all @python:joined
"""


def write_letters(folder: Path, names: str) -> None:
    """A text in a file for each letter, that begins with it."""
    for name in names:
        (folder / f"{name}.txt").write_text(f"{name.upper()} is here.")


def test_a_resumed_run_does_without_files_that_are_gone_and_takes_what_it_lacked_into_its_lists(
    session: Session, tmp_path: Path
) -> None:
    write_letters(tmp_path, "abcd")
    asked = tmp_path / "asked"

    def check(text: str) -> str:
        asked.open("a").write(text[0])
        if text[0] == "C" and not (tmp_path / "ready").exists():
            msg = "not yet"
            raise ValueError(msg)
        return text[0]

    given = {"letters": str(tmp_path / "*.txt"), "check": check, "joined": joined}
    run = session.run(session.declare(KEPT, given), reuse=False)
    assert run.status == "partial"
    assert run.outputs["both"] == "A B D"
    before = asked.read_text()

    (tmp_path / "ready").touch()
    (tmp_path / "a.txt").unlink()
    again = session.resume(run.id, values={"check": check, "joined": joined})
    assert again.status == "partial"
    [(step, ancestry, message)] = again.errors
    assert (step, ancestry) == ("letters", (("letters", 0),))
    assert "a.txt" in message
    assert list(again.outputs["loud"].values()) == ["A", "B", "C", "D"]
    assert again.outputs["both"] == "A B C D"
    assert set(asked.read_text().removeprefix(before)) == {"C"}  # what was done was not asked again


DIRECT = """%%murakkab direct
both <- joined {letters}, per all @python:joined
one <- check {letters} @python:check
alls <- joined {one}, per all @python:joined
"""


def test_a_resumed_run_takes_a_file_that_can_be_read_now_into_its_lists_and_keeps_them_so(
    session: Session, tmp_path: Path
) -> None:
    write_letters(tmp_path, "ac")
    damaged = tmp_path / "b.txt"
    damaged.write_bytes(bytes(range(256)) * 4)

    functions = {"check": initial, "joined": initials}
    given = {"letters": str(tmp_path / "*.txt"), **functions}
    run = session.run(session.declare(DIRECT, given), reuse=False)
    assert run.status == "partial"
    assert (run.outputs["both"], run.outputs["alls"]) == ("A C", "A C")

    still = session.resume(run.id, values=functions)  # nothing to be had by making them anew
    assert (still.status, still.outputs["both"]) == ("partial", "A C")
    assert not any(isinstance(event, BatchEnded) for event in still.events)

    damaged.write_text("B is here.")
    again = session.resume(run.id, values=functions)
    assert again.status == "done"
    assert (again.outputs["both"], again.outputs["alls"]) == ("A B C", "A B C")
    kept = {name: value for name, ancestry, value in session.journal.finished(run.id) if not ancestry}
    assert kept == {"both": "A B C", "alls": "A B C"}


def test_a_run_is_not_resumed_over_a_file_that_was_replaced_by_another_of_its_size(
    session: Session, tmp_path: Path
) -> None:
    write_letters(tmp_path, "ab")
    ready = tmp_path / "ready"

    def check(text: str) -> str:
        if text[0] == "B" and not ready.exists():
            msg = "not yet"
            raise ValueError(msg)
        return text

    given = {"letters": str(tmp_path / "*.txt"), "check": check, "joined": joined}
    run = session.run(session.declare(KEPT, given), reuse=False)
    assert run.status == "partial"
    ready.touch()
    replaced = tmp_path / "a.txt"
    before = replaced.stat()
    replaced.write_text("Z is here.")
    os.utime(replaced, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(JournalError, match=r"changed since: \S*a\.txt\.") as caught:
        session.resume(run.id, values={"check": check, "joined": joined})
    assert "again" in str(caught.value.hint)
    replaced.unlink()
    (tmp_path / "elsewhere").mkdir()
    for word in "AZ":
        (tmp_path / "elsewhere" / f"{word}.txt").write_text(f"{word} is here.")
    replaced.symlink_to(tmp_path / "elsewhere" / "Z.txt")
    with pytest.raises(JournalError, match=r"changed since: \S*/a\.txt\."):
        session.resume(run.id, values={"check": check, "joined": joined})
    replaced.unlink()
    replaced.symlink_to(tmp_path / "elsewhere" / "A.txt")
    again = session.resume(run.id, values={"check": check, "joined": joined})
    assert again.outputs["both"] == "A is here. B is here."


def test_a_file_of_which_nothing_was_made_may_be_another_when_its_run_goes_on(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    write_letters(tmp_path, "abz")
    link = tmp_path / "in" / "b.txt"
    (tmp_path / "in" / "a.txt").symlink_to(tmp_path / "a.txt")
    link.symlink_to(tmp_path / "b.txt")

    def check(text: object) -> str:
        words = str(getattr(text, "text", text))
        if words[0] == "B":
            msg = "never"
            raise ValueError(msg)
        return words

    cell = (
        "%%murakkab c\none <- check {letters} @python:check\nboth <- joined {one}, per all @python:joined\n"
    )
    functions = {"check": check, "joined": joined}
    run = session.run(session.declare(cell, {"letters": str(tmp_path / "in" / "*.txt"), **functions}))
    assert (run.status, run.outputs["both"]) == ("partial", "A is here.")
    link.unlink()
    link.symlink_to(tmp_path / "z.txt")
    again = session.resume(run.id, values=functions)
    assert (again.status, again.outputs["both"]) == ("done", "A is here. Z is here.")


def test_a_run_that_cannot_go_on_is_left_as_it_was(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_letters(tmp_path, "ac")
    damaged = tmp_path / "b.txt"
    damaged.write_bytes(bytes(range(256)) * 4)

    cell = "both <- joined {letters}, per all @python:joined\n"
    given = {"letters": str(tmp_path / "*.txt"), "joined": initials}
    run = session.run(session.declare(cell, given), reuse=False)
    assert run.outputs["both"] == "A C"
    damaged.write_text("B is here.")
    before, kept = session.journal.find(run.id), list(session.journal.finished(run.id))

    def nobody(*_: object, **__: object) -> None:
        msg = "no workers"
        raise UsageError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("murakkab_jupyter.session.Execution.of", nobody)
        with pytest.raises(UsageError, match="no workers"):
            session.resume(run.id, values={"joined": initials})
    assert session.journal.find(run.id) == before
    assert session.journal.latest_unfinished() == before
    assert list(session.journal.finished(run.id)) == kept
    assert session.resume(run.id, values={"joined": initials}).outputs["both"] == "A B C"


def test_a_run_goes_on_with_the_items_it_was_begun_with_and_refuses_others(
    session: Session, tmp_path: Path
) -> None:
    write_letters(tmp_path, "ac")
    ready = tmp_path / "ready"

    def check(text: object) -> str:
        first = initial(text)
        if first == "A" and not ready.exists():
            msg = "not yet"
            raise ValueError(msg)
        return first

    cell = (
        "%%murakkab c\none <- check {letters} @python:check\nboth <- joined {one}, per all @python:joined\n"
    )
    functions = {"check": check, "joined": joined}
    given = {"letters": str(tmp_path / "*.txt"), **functions}
    run = session.run(session.declare(cell, given), reuse=False)
    assert (run.status, run.outputs["both"]) == ("partial", "C")
    ready.touch()

    came = tmp_path / "b.txt"
    came.write_text("B is here.")
    with pytest.raises(JournalError, match="other values of letters") as caught:
        session.resume(run.id, values=given)
    assert "again" in str(caught.value.hint)
    with pytest.raises(JournalError, match="other values of letters"):
        session.resume(run.id, values={**given, "letters": [str(tmp_path / f"{one}.txt") for one in "ca"]})
    came.unlink()
    (tmp_path / "a.txt").rename(tmp_path / "away")
    with pytest.raises(JournalError, match="other values of letters"):
        session.resume(run.id, values=given)
    (tmp_path / "away").rename(tmp_path / "a.txt")
    record = session.journal.find(run.id)
    assert record is not None
    assert record.status == "partial"  # nothing was begun

    again = session.resume(run.id, values=given)
    assert (again.status, again.outputs["both"]) == ("done", "A C")


def test_a_run_of_an_earlier_version_is_resumed_and_exported_whatever_its_words(session: Session) -> None:
    from murakkab_jupyter.verbs.export import restored

    cell = "%%murakkab old --minimize latency\na <- summarise {letters} # short"
    letters = {"letters": ["The rent is 900 EUR. It is due in May.", float("nan")]}
    with pytest.raises(LanguageError, match="This comment"):
        session.declare(cell, letters)
    declaration = session.declare(cell, letters, earlier=True)
    run = session.run(declaration, session.plan(declaration))
    assert run.status == "partial"
    assert session.resume(run.id).wait().status == "partial"
    kept = restored(session, session.journal.find(run.id))
    assert kept.store.get("a", (("letters", 0),))


def test_a_run_in_the_background_is_awaited_stopped_and_resumed(session: Session, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def held(word: str) -> str:
        while word == "slow" and not gate.exists():
            time.sleep(0.01)
        return word.upper()

    cell = "loud <- shout {words} @python:held\n"
    given = {"words": ["quick", "slow"], "held": held}
    run = session.run(session.declare(cell, given), background=True)
    done = threading.Event()
    run.listen(lambda event: done.set() if isinstance(event, BatchEnded) and event.done else None)
    assert done.wait(60) or run.outputs["loud"]
    started = time.monotonic()
    run.stop()
    run.wait(60)
    assert time.monotonic() - started < 30.0  # it would go on for ever
    assert run.status == "stopped"
    assert run.exit_code == 130

    gate.touch()
    resumed = session.resume(run.id, values={"held": held})
    assert resumed.id == run.id
    assert resumed.status == "done"
    assert list(resumed.outputs["loud"].values()) == ["QUICK", "SLOW"]
    # The bill is of the whole run: both calls, and the one that was stopped.
    assert resumed.bill is not None
    assert resumed.bill.step("loud").done == 2


def test_a_run_that_makes_everything_anew_still_does_when_it_is_resumed(
    session: Session, tmp_path: Path
) -> None:
    gate, diary = tmp_path / "gate", tmp_path / "diary"

    def held(word: str) -> str:
        with diary.open("a") as file:
            file.write(f"{word}\n")
        while word == "slow" and not gate.exists():
            time.sleep(0.01)
        return word.upper()

    gate.touch()
    given = {"words": ["quick", "slow"], "held": held}
    declaration = session.declare("loud <- shout {words} @python:held\n", given)
    session.run(declaration)
    gate.unlink()
    run = session.run(declaration, background=True, reuse=False)
    deadline = time.monotonic() + 60
    while diary.read_text().split().count("slow") < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    run.stop()
    run.wait(60)
    gate.touch()
    resumed = session.resume(run.id, values={"held": held})
    assert resumed.status == "done"
    assert diary.read_text().split().count("slow") == 3  # not taken from the first run


SCRIPT = """
import sys, time
from pathlib import Path
from murakkab_jupyter.session import Session

def shout(word):
    return word.upper()

def hold(words):
    Path(FOLDER, "holding").touch()
    while True:
        time.sleep(0.01)

s = Session(journal=Path(FOLDER, "journal.sqlite"), profiles=Path(FOLDER, "profiles.sqlite"))
cell = "loud <- shout {words} @python:shout\\nheld <- hold {loud}, per all @python:hold"
s.run(s.declare(cell, {"words": ["a", "b"], "shout": shout, "hold": hold}))
"""


def test_a_run_whose_process_was_killed_is_resumed_with_what_it_had_finished(tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # a plain script, without a guard around its main part
    script.write_text(SCRIPT.replace("FOLDER", repr(str(tmp_path))))
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "holding").exists():
            assert process.poll() is None, "the script ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def whisper(word: str) -> str:
        return word.lower()

    def join(words: list[str]) -> str:
        return "-".join(words)

    with Session(journal=tmp_path / "journal.sqlite", profiles=tmp_path / "profiles.sqlite") as session:
        run = session.resume(values={"shout": whisper, "hold": join})
        assert run.status == "done"
        # What was finished is final, whoever does the rest.
        assert list(run.outputs["loud"].values()) == ["A", "B"]
        assert run.outputs["held"] == "A-B"
        with pytest.raises(JournalError, match="no unfinished run"):
            session.resume()
