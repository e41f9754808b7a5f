from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.core.errors import JournalError
from murakkab_jupyter.core.events import (
    BatchEnded,
    ItemFailed,
    Notice,
    RunEnded,
    RunStarted,
    StepStarted,
    Usage,
)
from murakkab_jupyter.runtime.journal import Journal, default_path
from murakkab_jupyter.runtime.recorder import MISSING
from tests.runtime.shelf import HEARD, at, inputs, library, settings


def begin(journal: Journal, run_id: str = "one", **more: Any) -> None:
    stated: dict[str, Any] = {
        "name": "w",
        "text": "cell",
        "values": {"videos": ["a.mp4"]},
        "plan": {"goal": {"x": 1}},
    }
    journal.start_run(run_id, **{**stated, **more})


def record(journal: Journal, run_id: str, value: Any, *ancestry: int) -> None:
    recorder = journal.recorder(run_id, library=library())
    recorder.record(HEARD, settings(), [(at(*ancestry), inputs(), value)], None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.sqlite"


def test_the_default_path_is_stated_or_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MURAKKAB_JOURNAL", "/somewhere/j.sqlite")
    assert default_path() == Path("/somewhere/j.sqlite")
    monkeypatch.delenv("MURAKKAB_JOURNAL")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_path() == Path("/data/murakkab/journal.sqlite")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_path() == Path("/home/someone/.local/share/murakkab/journal.sqlite")


def test_a_run_comes_back_as_it_was_written(path: Path) -> None:
    with Journal(path) as journal:
        begin(
            journal,
            values={"videos": ["ü.mp4"], "n": 3},
            plan={"steps": {}, "goal": {"objectives": ["cost"]}},
        )
        record(journal, "one", "hello", 0)
    with Journal(path) as journal:
        found = journal.find("one")
        assert found is not None
        assert (found.name, found.text, found.status, found.items) == ("w", "cell", "running", 1)
        assert found.values == {"videos": ["ü.mp4"], "n": 3}
        assert found.goal == {"objectives": ["cost"]}
        assert found.plan["steps"] == {}
        assert "python" in found.versions
        assert found.ended is None
        assert found.alive
        journal.end_run("one", "partial", "one failed")
        found = journal.find("one")
        assert found is not None
        assert (found.status, found.message, found.alive) == ("partial", "one failed", False)
        assert found.ended is not None
        assert journal.find("two") is None


def test_runs_come_newest_first_and_the_latest_unfinished_is_not_a_whole_or_a_running_one(path: Path) -> None:
    with Journal(path) as journal:
        for name, status in (("stopped", "stopped"), ("whole", "done")):
            begin(journal, name)
            journal.end_run(name, status)
        begin(journal, "mine")
        assert [one.run_id for one in journal.runs()] == ["mine", "whole", "stopped"]
        found = journal.latest_unfinished()
        assert found is not None
        assert found.run_id == "stopped"


def test_what_was_broken_off_goes_on_before_what_ended_without_some_items(path: Path) -> None:
    def latest(journal: Journal) -> str | None:
        found = journal.latest_unfinished()
        return None if found is None else found.run_id

    with Journal(path) as journal:
        for name in ("early", "late"):
            begin(journal, name)
            journal.end_run(name, "partial", "1 item failed")
        assert latest(journal) == "late"  # its failed items are tried again
        for status in ("stopped", "failed"):
            begin(journal, status)
            journal.end_run(status, status)
            begin(journal, f"after {status}")
            journal.end_run(f"after {status}", "partial", "1 item failed")
            assert latest(journal) == status
        for name in ("stopped", "failed"):
            journal.claim(name)
            journal.end_run(name, "done")
        assert latest(journal) == "after failed"


def test_a_run_id_is_used_once(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        with pytest.raises(JournalError, match="already") as caught:
            begin(journal)
        assert caught.value.hint


BEGIN = "begin(journal); record(journal, 'one', 'survives', 0)"
CLAIM = "journal.claim('one')"


@contextmanager
def client(path: Path, doing: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that does something to a journal and then lives on; it is killed at the end."""
    script = (
        "import os, signal, subprocess, sys\n"
        "from tests.runtime.test_journal import Journal, begin, record\n"
        "journal = Journal(sys.argv[1])\n"
        f"{doing}\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def test_a_killed_run_is_found_and_can_be_claimed(path: Path) -> None:
    with client(path, BEGIN), Journal(path) as journal:
        assert journal.latest_unfinished() is None
        with pytest.raises(JournalError, match="under way"):
            journal.claim("one")
    with Journal(path) as journal:
        found = journal.latest_unfinished()
        assert found is not None
        assert (found.run_id, found.status, found.alive) == ("one", "running", False)
        claimed = journal.claim("one")
        assert claimed == found
        assert journal.latest_unfinished() is None
        journal.release(claimed)
        assert journal.latest_unfinished() == found
        assert journal.claim("one").run_id == "one"
        assert list(journal.finished("one")) == [("heard", at(0), "survives")]
        with pytest.raises(JournalError, match="no run"):
            journal.claim("unknown")


def test_events_come_back_as_they_were(path: Path) -> None:
    events = [
        RunStarted(0.0, "one", {"heard": 2.0}),
        BatchEnded(1.0, "heard", 1, "w", 1, 1, 0, Usage(1.0, 0.5, tokens_in=3), wasted=True),
        ItemFailed(1.0, "heard", at(0, 1), "no", None),
        Notice(2.0, "fine"),
        RunEnded(3.0, "partial", "1 failed"),
    ]
    with Journal(path) as journal:
        begin(journal)
        for event in events:
            journal.save_event("one", event)
        assert list(journal.events("one")) == events
        assert list(journal.events("two")) == []


def test_events_are_written_with_the_next_items(path: Path) -> None:
    with Journal(path) as journal, Journal(path) as other:
        begin(journal)
        journal.save_event("one", Notice(0.0, "first"))
        assert list(other.events("one")) == []
        record(journal, "one", "x", 0)
        assert list(other.events("one")) == [Notice(0.0, "first")]
        for number in range(100):
            journal.save_event("one", Notice(float(number), "many"))
        assert len(list(other.events("one"))) == 101


def test_a_skipped_item_has_a_row_and_may_still_be_made(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        journal.save_event("one", ItemFailed(1.0, "heard", at(0), "no scene", blame="scenes"))
        journal.pages.flush()
        assert list(journal.finished("one")) == []
        rows = journal.database.connection.execute("SELECT status, error FROM items").fetchall()
        assert rows == [("skipped", "no scene")]
        record(journal, "one", "after all", 0)
        assert list(journal.finished("one")) == [("heard", at(0), "after all")]


# --- files that are no journal --------------------------------------------------------------------------------


def refuses(path: Path, match: str) -> None:
    before = path.read_bytes()
    with pytest.raises(JournalError, match=match) as caught:
        Journal(path)
    assert caught.value.hint
    assert path.read_bytes() == before


def test_a_text_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    for length in (1, 100, 1000):
        (tmp_path / "notes").write_text("dear diary, " * length)
        refuses(tmp_path / "notes", "not a database")


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    refuses(tmp_path / "other.db", "no journal")


@pytest.mark.parametrize("version", [0, 99])
def test_a_journal_of_another_format_is_refused_and_left_as_it_is(path: Path, version: int) -> None:
    Journal(path).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {version}")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    refuses(path, f"format {version}")


def test_a_damaged_journal_is_an_error_and_left_as_it_is(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        for number in range(200):
            record(journal, "one", "x" * 500, number)
        journal.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with (
        pytest.raises(JournalError, match=r"malformed|not a database|corrupt") as caught,
        Journal(path) as journal,
    ):
        list(journal.finished("one"))
    assert caught.value.hint
    assert path.read_bytes() == data


def test_a_folder_or_a_path_under_a_file_cannot_be_a_journal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path, tmp_path / "file" / "journal.sqlite"):
        with pytest.raises(JournalError, match="cannot be opened") as caught:
            Journal(place)
        assert "MURAKKAB_JOURNAL" in str(caught.value)


def test_a_closed_journal_says_so(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.runs()


def test_a_full_disk_is_an_error_that_keeps_what_was_there(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        record(journal, "one", "first", 0)
        pages = journal.database.connection.execute("PRAGMA page_count").fetchone()[0]
        journal.database.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="full") as caught:
            record(journal, "one", "x" * 60_000, 1)
        assert "space" in str(caught.value)
        assert list(journal.finished("one")) == [("heard", at(0), "first")]


def test_a_run_that_a_full_disk_ended_is_over_and_goes_on_once_there_is_room(path: Path) -> None:
    """Its end cannot be written, and its process (a notebook's kernel) lives on: it was taken for one under way."""
    with Journal(path) as journal:
        begin(journal)
        record(journal, "one", "first", 0)
        journal.save_event("one", StepStarted(0.5, "heard"))
        connection = journal.database.connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="full"):
            record(journal, "one", "x" * 60_000, 1)
        with pytest.raises(JournalError, match="full"):
            journal.end_run("one", "failed", "no room " * 10_000)
        left = journal.latest_unfinished()
        assert left is not None
        assert (left.run_id, left.status, left.alive) == ("one", "failed", False)
        assert left.ended is not None
        connection.execute("PRAGMA max_page_count = 1000000")
        # Nothing that waited was lost with the transactions that failed, and its end is for others to read.
        assert list(journal.events("one")) == [StepStarted(0.5, "heard")]
        assert journal.runs()[0].message.startswith("no room")
        with Journal(path) as other:
            assert connection.execute("SELECT status FROM runs").fetchone() == ("failed",)
            assert other.claim("one").status == "failed"
        found = journal.find("one")
        assert found is not None
        assert (found.status, found.alive) == ("running", True)


def test_a_quota_is_an_error_that_says_so_and_a_journal_closes_all_the_same(path: Path) -> None:
    """Over a quota, or a limit on a file's size, SQLite speaks of an I/O error."""
    script = (
        "import resource, signal, sys\n"
        "from murakkab_jupyter.core.errors import JournalError\n"
        "from murakkab_jupyter.core.events import StepStarted\n"
        "from murakkab_jupyter.runtime.journal import Journal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with Journal(sys.argv[1]) as journal:\n"
        "    journal.start_run('one', name='w', text='cell', values={}, plan={})\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "    journal.save_event('one', StepStarted(0.5, 'heard'))\n"
        "    try:\n"
        "        journal.end_run('one', 'failed', 'no room ' * 10_000)\n"
        "    except JournalError as error:\n"
        "        print(error)\n"
        "print('closed')\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True, timeout=300
    )
    assert "quota" in made.stdout
    assert made.stdout.endswith("closed\n")
    assert made.stderr == ""
    with Journal(path) as journal:
        left = journal.latest_unfinished()
        assert left is not None
        assert (left.run_id, left.alive) == ("one", False)


def test_a_run_that_a_full_disk_ended_is_claimed_although_its_end_was_never_written(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        connection = journal.database.connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="full"):
            journal.end_run("one", "failed", "no room " * 10_000)
        assert journal.claim("one").status == "failed"
        connection.execute("PRAGMA max_page_count = 1000000")
        assert [(one.status, one.alive) for one in journal.runs()] == [("running", True)]


def fill(journal: Journal) -> None:
    """Let the disk be full: the file grows no more."""
    pages = journal.database.connection.execute("PRAGMA page_count").fetchone()[0]
    journal.database.connection.execute(f"PRAGMA max_page_count = {pages}")


def free(journal: Journal) -> None:
    journal.database.connection.execute("PRAGMA max_page_count = 1000000")


LONG = "no room " * 10_000
"""A message that the pages that are there do not hold."""


def full_at_the_end(journal: Journal, run_id: str = "one") -> None:
    """A run that a full disk ends, whose end cannot be written."""
    begin(journal, run_id)
    journal.save_event(run_id, StepStarted(0.5, "heard"))
    fill(journal)
    with pytest.raises(JournalError, match="full"):
        journal.end_run(run_id, "failed", LONG)
    free(journal)


def test_events_of_a_run_that_was_let_go_of_stand_in_nobodys_way(path: Path) -> None:
    with Journal(path) as journal, Journal(path) as other:
        full_at_the_end(journal)
        begin(journal, "two")  # writes the end of the first, and what waited with it
        assert list(other.events("one")) == [StepStarted(0.5, "heard")]
        # A word after the end, and a run that another process lets go of.
        journal.save_event("one", Notice(2.0, "late"))
        journal.save_event("one", ItemFailed(2.0, "said", at(0), "no", blame="heard"))
        assert other.prune().runs == ("one",)
        journal.save_event("two", RunEnded(1.0, "done", ""))
        journal.end_run("two", "done")
        assert list(other.events("two")) == [RunEnded(1.0, "done", "")]
        assert list(other.events("one")) == []


def test_a_run_ends_where_there_is_room_for_its_end_and_not_for_its_events(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        fill(journal)
        long = [Notice(0.5, "x" * 3000)] * 60
        for one in long:
            journal.save_event("one", one)
        journal.end_run("one", "failed", "m")
        with Journal(path) as other:
            assert [(one.status, one.message) for one in other.runs()] == [("failed", "m")]
        # What waits is read all the same, and so is what lies on the disk.
        assert list(journal.events("one")) == long
        free(journal)
        assert list(journal.events("one")) == long


def test_events_that_a_full_disk_does_not_take_are_tried_again_by_the_hundred(path: Path) -> None:
    """Each try that fails is told: a thousand events are not a thousand errors."""
    told = 0
    with Journal(path) as journal:
        begin(journal)
        fill(journal)
        for number in range(1000):
            try:
                journal.save_event("one", Notice(float(number), "x" * 500))
            except JournalError:
                told += 1
        assert told == 10
        free(journal)
        assert len(list(journal.events("one"))) == 1000


def test_an_end_that_was_not_written_is_never_written_over_a_run_that_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal, Journal(path) as other:
        full_at_the_end(journal)
        writing = journal.pages.writing

        def late() -> Any:
            monkeypatch.undo()
            assert other.claim("one").status == "failed"  # by another thread, before this one has the lock
            return writing()

        monkeypatch.setattr(journal.pages, "writing", late)
        assert [(one.status, one.alive) for one in journal.runs()] == [("running", True)]


def test_an_end_that_was_not_written_is_never_written_over_a_run_of_another_process(path: Path) -> None:
    with Journal(path) as journal:
        full_at_the_end(journal)
        for lock in path.with_name(path.name + ".runs").iterdir():
            lock.unlink()  # else nobody could have resumed it
        with client(path, CLAIM):
            assert [(one.status, one.alive) for one in journal.runs()] == [("running", True)]
        assert [(one.status, one.alive) for one in journal.runs()] == [("running", False)]
        status = journal.database.connection.execute("SELECT status FROM runs").fetchone()
        assert status == ("running",)


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_that_cannot_be_let_go_of_on_a_full_disk_is_not_under_way(path: Path, killed: bool) -> None:
    with Journal(path) as journal:
        if killed:
            with client(path, BEGIN):
                pass
        else:
            full_at_the_end(journal)
        claimed = journal.claim("one")
        fill(journal)
        with pytest.raises(JournalError, match="full"):
            journal.release(replace(claimed, message=LONG))
        left = journal.latest_unfinished()
        assert left is not None
        assert (left.status, left.alive) == (claimed.status, False)
        free(journal)
        assert [(one.status, one.alive) for one in journal.runs()] == [(claimed.status, False)]
        with Journal(path) as other:
            assert other.claim("one").status == claimed.status


class Breaking:
    """A connection that is interrupted, or breaks, as it commits."""

    def __init__(self, connection: sqlite3.Connection, error: BaseException, *, first: bool) -> None:
        self._connection, self._error, self._first = connection, error, first

    def execute(self, statement: str, *more: Any) -> sqlite3.Cursor:
        if statement != "COMMIT":
            return self._connection.execute(statement, *more)
        if not self._first:
            self._connection.execute(statement)
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.parametrize("committed", [True, False])
def test_an_interrupt_as_a_run_ends_doubles_and_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    with Journal(path) as journal:
        begin(journal)
        journal.save_event("one", StepStarted(0.5, "heard"))
        with monkeypatch.context() as patched:
            broken = Breaking(journal.database.connection, KeyboardInterrupt(), first=not committed)
            patched.setattr(journal.database, "connection", broken)
            with pytest.raises(KeyboardInterrupt):
                journal.end_run("one", "stopped", "m")
        left = journal.find("one")
        assert left is not None
        assert (left.status, left.alive) == ("stopped", False)
        assert [one.status for one in journal.runs()] == ["stopped"]
        assert list(journal.events("one")) == [StepStarted(0.5, "heard")]
        with Journal(path) as other:
            assert list(other.events("one")) == [StepStarted(0.5, "heard")]


def test_a_claim_that_is_not_written_leaves_the_run_as_it_ended(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        full_at_the_end(journal)
        with monkeypatch.context() as patched:
            broken = Breaking(
                journal.database.connection, sqlite3.OperationalError("database or disk is full"), first=True
            )
            patched.setattr(journal.database, "connection", broken)
            with pytest.raises(JournalError, match="full"):
                journal.claim("one")
        assert [(one.status, one.alive) for one in journal.runs()] == [("failed", False)]


def test_events_that_are_lost_as_a_journal_closes_are_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """But for a full disk, which whoever wrote last was told of."""
    for statement, told in (("DROP TABLE events", True), ("PRAGMA max_page_count = 1", False)):
        caplog.clear()
        with Journal(path.with_name(f"{told}.sqlite")) as journal:
            begin(journal)
            journal.save_event("one", Notice(0.5, "x" * 60_000))
            journal.database.connection.execute(statement)
        journal.close()  # once more tells nothing more
        assert ("no such table" in caplog.text) is told
        assert len([one for one in caplog.records if one.name == "murakkab_jupyter.runtime.journal"]) == told


# --- a journal from another person's machine is data ----------------------------------------------------------


def tampered(path: Path, statement: str, *values: Any) -> Journal:
    with Journal(path) as journal:
        begin(journal)
        record(journal, "one", "hello", 0)
    with sqlite3.connect(path) as other:
        other.execute(statement, values)
    other.close()
    return Journal(path)


PICKLE = b"cos\nsystem\n(S'touch owned'\ntR."


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("vector", PICKLE),
        ("vector", b"\x93NUMPY\x01\x00"),
        ("text", b"{"),
        ("json", b"[" * 100_000),
        ("scene", b'{"media": 3}'),
        ("any", b"x"),
        ("no-such-kind", b"x"),
        ("text", b"\xff\xfe"),
    ],
)
def test_bytes_that_are_no_value_are_an_error_and_run_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, data: bytes
) -> None:
    path.parent.mkdir()
    monkeypatch.chdir(path.parent)
    with (
        tampered(path, "UPDATE parts SET kind = ?, data = ?", kind, data) as journal,
        pytest.raises(JournalError, match="corrupt"),
    ):
        list(journal.finished("one"))
    assert not (path.parent / "owned").exists()


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "", "A" * 64])
def test_a_file_name_that_is_no_hash_is_not_followed(path: Path, name: str) -> None:
    with (
        tampered(path, "UPDATE parts SET data = NULL, file = ?", name) as journal,
        pytest.raises(JournalError, match="no SHA-256 hash"),
    ):
        list(journal.finished("one"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE items SET ancestry = '[[1, 2]]'",
        "UPDATE items SET ancestry = '{'",
        "UPDATE items SET children = 5",
        "DELETE FROM parts",
        "UPDATE runs SET plan = '{'",
    ],
)
def test_rows_that_make_no_sense_are_an_error(path: Path, statement: str) -> None:
    with tampered(path, statement) as journal, pytest.raises(JournalError, match="corrupt"):
        list(journal.finished("one") if journal.runs() else ())


def test_an_event_that_makes_no_sense_is_an_error(path: Path) -> None:
    statement = "INSERT INTO events (run_id, event) VALUES ('one', '{\"event\": \"Exec\"}')"
    with tampered(path, statement) as journal, pytest.raises(JournalError, match="corrupt"):
        list(journal.events("one"))


def test_a_file_that_holds_something_else_is_an_error_that_names_it(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        record(journal, "one", "x" * 100_000, 0)
        ((_, file),) = journal.pages.blobs.digests()
        file.write_bytes(b'"other"')
        with pytest.raises(JournalError, match=file.name) as caught:
            list(journal.finished("one"))
        assert "delete it" in str(caught.value)


def test_a_journal_can_be_carried_to_another_place(path: Path, tmp_path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        record(journal, "one", "x" * 100_000, 0)
    shutil.copytree(path.parent, tmp_path / "copy")
    with Journal(tmp_path / "copy" / path.name) as journal:
        assert list(journal.finished("one")) == [("heard", at(0), "x" * 100_000)]


def test_only_its_owner_reads_a_journal(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        record(journal, "one", "x" * 100_000, 0)
        ((_, file),) = journal.pages.blobs.digests()
        for one in (path, file):
            assert stat.S_IMODE(one.stat().st_mode) == 0o600


def test_secrets_in_a_plan_or_among_values_are_not_written_down(path: Path) -> None:
    with Journal(path) as journal:
        begin(
            journal,
            values={"password": "hunter2", "q": "x"},
            plan={"steps": {"a": {"options": {"api_key": "sk-9"}}}},
        )
        found = journal.find("one")
        assert found is not None
        assert found.values == {"q": "x"}
        assert found.plan == {"steps": {"a": {"options": {}}}}


# --- many at once ---------------------------------------------------------------------------------------------


def test_several_processes_write_one_journal(path: Path) -> None:
    script = (
        "import sys\n"
        "from tests.runtime.test_journal import Journal, begin, record\n"
        "with Journal(sys.argv[1]) as journal:\n"
        "    begin(journal, sys.argv[2])\n"
        "    for number in range(30):\n"
        "        record(journal, sys.argv[2], number, number)\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, str(path), f"run{n}"], cwd=Path(__file__).parents[2])
        for n in range(3)
    ]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    with Journal(path) as journal:
        for n in range(3):
            assert [value for _, _, value in journal.finished(f"run{n}")] == list(range(30))


def test_several_threads_write_one_journal(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)

        def write(video: int) -> None:
            for number in range(20):
                record(journal, "one", number, video, number)

        threads = [threading.Thread(target=write, args=(video,)) for video in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list(journal.finished("one"))) == 80


def test_opening_a_journal_again_leaves_the_locks_of_the_first_alone(path: Path) -> None:
    script = "import sys, sqlite3\nsqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')\n"
    with Journal(path) as journal:
        with journal.database.writing():
            Journal(path).close()
            other = subprocess.run(
                [sys.executable, "-c", script, str(path)], check=False, capture_output=True, text=True
            )
        assert "locked" in other.stderr


def test_a_journal_that_another_process_holds_for_long_is_an_error(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        journal.database.connection.execute("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked") as caught:
            record(journal, "one", "x", 0)
        assert "try again" in str(caught.value)
        other.execute("ROLLBACK")
        other.close()
        record(journal, "one", "x", 0)


# --- room on disk ---------------------------------------------------------------------------------------------


def test_pruning_lets_go_of_the_oldest_ended_runs_and_their_files(path: Path) -> None:
    with Journal(path) as journal:
        for name in ("old", "stopped", "new", "mine"):
            begin(journal, name)
            record(journal, name, f"{name} " * 50_000, 0)
        for name, status in (("old", "done"), ("stopped", "stopped"), ("new", "done")):
            journal.end_run(name, status)
        pruned = journal.prune(keep_bytes=journal.size_bytes() - 1)
        assert pruned.runs == ("old",)
        assert pruned.after_bytes < pruned.before_bytes - 150_000
        assert journal.find("old") is None
        assert len(list(journal.pages.blobs.digests())) == 3
        assert journal.prune().runs == ("new", "stopped")
        assert [one.run_id for one in journal.runs()] == ["mine"]
        assert list(journal.finished("mine")) == [("heard", at(0), "mine " * 50_000)]


def test_pruning_leaves_what_is_younger_than_asked(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        journal.end_run("one", "done")
        assert journal.prune(older_than_s=3600).runs == ()


def test_pruning_beside_a_reader_lets_go_all_the_same(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        record(journal, "one", "x" * 100_000, 0)
        journal.end_run("one", "done")
        journal.database.connection.execute("PRAGMA busy_timeout = 1")
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM runs").fetchall()
        assert journal.prune().runs == ("one",)
        reader.close()
        assert list(journal.pages.blobs.digests()) == []


def test_a_file_that_two_runs_share_stays_as_long_as_one_of_them(path: Path) -> None:
    with Journal(path) as journal:
        for name in ("one", "two"):
            begin(journal, name)
            record(journal, name, "same " * 50_000, 0)
        assert len(list(journal.pages.blobs.digests())) == 1
        journal.end_run("one", "done")
        assert journal.prune().runs == ("one",)
        assert list(journal.finished("two")) == [("heard", at(0), "same " * 50_000)]


def test_a_new_run_makes_room_within_the_budget(path: Path) -> None:
    with Journal(path, budget_bytes=600_000) as journal:
        begin(journal, "old")
        record(journal, "old", "x" * 250_000, 0)
        journal.end_run("old", "done")
        begin(journal, "next")
        record(journal, "next", "y" * 150_000, 0)
        journal.end_run("next", "done")
        begin(journal, "last")
        assert [one.run_id for one in journal.runs()] == ["last", "next"]


def test_a_write_that_is_cut_off_leaves_no_file_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(path) as journal:
        begin(journal)

        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(JournalError, match="No space left"):
            record(journal, "one", "x" * 100_000, 0)
        monkeypatch.undo()
        assert [one for one in journal.pages.blobs.folder.rglob("*") if one.is_file()] == []
        assert list(journal.finished("one")) == []


def test_a_file_that_another_process_removes_while_it_is_looked_at_is_written_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        monkeypatch.setattr(Path, "is_file", lambda _: True)  # a moment ago
        digest = journal.pages.blobs.put(b"said")
        journal.pages.path = path.with_name("gone")
        assert journal.pages.size_bytes() == 4
        monkeypatch.undo()
        journal.pages.path = path
        assert journal.pages.blobs.get(digest) == b"said"


def test_each_batch_of_fifty_is_one_write_to_disk(path: Path) -> None:
    """What keeps the journal fast: thousands of items a second, on a disk that takes a hundred writes."""
    with Journal(path) as journal:
        begin(journal)
        recorder = journal.recorder("one", library=library())
        done: list[str] = []
        journal.database.connection.set_trace_callback(done.append)
        began = time.perf_counter()
        for batch in range(40):
            items = [(at(batch, n), inputs(), f"what was said in scene {n} of {batch}") for n in range(50)]
            recorder.record(HEARD, settings(), items, None)
        took_s = time.perf_counter() - began
        journal.database.connection.set_trace_callback(None)
        assert len(list(journal.finished("one"))) == 2000
        assert sum(statement.startswith("COMMIT") for statement in done) == 40
        assert took_s < 20.0  # a third of a second where nothing else is at work


def test_failed_items_are_final_in_their_run(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        record(journal, "one", Failed("cannot hear"), 0)
        assert list(journal.finished("one")) == [("heard", at(0), Failed("cannot hear"))]


def test_the_latest_run_of_a_cell_is_found_and_what_it_kept_can_be_made_again(path: Path) -> None:
    with Journal(path) as journal:
        for run_id in ("one", "two"):
            begin(journal, run_id, text="a <- b")
        begin(journal, "three", text="c <- d")
        assert journal.latest_of("nothing") is None
        latest = journal.latest_of("a <- b")
        assert latest is not None
        assert latest.run_id == "two"
        record(journal, "two", "old", 0)
        record(journal, "two", "new", 0)  # what is kept is final
        ((step, ancestry, value),) = journal.finished("two")
        assert value == "old"
        journal.forget("two", [(step, ancestry)])
        assert list(journal.finished("two")) == []
        recorder = journal.recorder("three", library=library())
        assert recorder.lookup(HEARD, settings(), inputs()) == "old"  # of the same inputs
        record(journal, "two", object(), 0)  # cannot be kept
        assert recorder.lookup(HEARD, settings(), inputs()) is MISSING
        record(journal, "two", "new", 0)
        assert recorder.lookup(HEARD, settings(), inputs()) == "new"
        assert [one[2] for one in journal.finished("two")] == ["new"]
