from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from murakkab_jupyter.core.errors import JournalError
from murakkab_jupyter.runtime import owners
from murakkab_jupyter.runtime.journal import Journal
from tests.runtime.shelf import HEARD, at, inputs, library, settings
from tests.runtime.test_journal import BEGIN, CLAIM, begin, client


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def locks(path: Path) -> list[Path]:
    return list(path.with_name(path.name + ".runs").iterdir())


def test_a_killed_client_that_nobody_waited_for_has_no_run(path: Path) -> None:
    with client(path, BEGIN) as child, Journal(path) as journal:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        found = journal.latest_unfinished()
        assert found is not None
        assert (found.run_id, found.alive) == ("one", False)
        assert journal.claim("one").run_id == "one"


def test_a_run_stays_its_owners_when_the_wall_clock_steps(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Start times of processes are counted from a boot time, which moves with the clock."""
    started, clock = psutil.Process.create_time, time.time
    with client(path, BEGIN), Journal(path) as journal:
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: started(self) + 5.0)
        monkeypatch.setattr(time, "time", lambda: clock() + 5.0)
        assert journal.latest_unfinished() is None
        with pytest.raises(JournalError, match="under way"):
            journal.claim("one")


def test_two_sessions_of_one_process_exclude_each_other(path: Path) -> None:
    with Journal(path) as journal, Journal(path) as other:
        begin(journal)
        assert other.latest_unfinished() is None
        with pytest.raises(JournalError, match="under way"):
            other.claim("one")
        journal.end_run("one", "stopped")
        assert other.claim("one").status == "stopped"
        with pytest.raises(JournalError, match="under way"):
            journal.claim("one")


def test_a_journal_by_another_name_has_the_same_runs_under_way(path: Path) -> None:
    link = path.with_name("link.sqlite")
    with Journal(path) as journal:
        begin(journal)
        link.symlink_to(path)
        with Journal(link) as other:
            assert [one.alive for one in other.runs()] == [True]


@pytest.mark.parametrize(
    "start",
    [
        # By fork alone, and by fork and exec with every file that may be inherited.
        "pid = os.fork()\nif pid == 0: os.read(0, 1); os._exit(0)",
        "subprocess.Popen([sys.executable, '-c', 'input()'], close_fds=False)",
    ],
)
def test_a_child_does_not_keep_the_run_of_its_killed_parent(path: Path, start: str) -> None:
    with client(path, f"{BEGIN}\n{start}") as parent, Journal(path) as journal:
        (child,) = psutil.Process(parent.pid).children()
        if "fork" in start:
            # The child itself must have let go of the lock, not only be about to.
            deadline_s = time.monotonic() + 60
            while any(".runs/" in str(one) for one in links(child.pid)):
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
        assert journal.latest_unfinished() is None
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert child.is_running()
        found = journal.latest_unfinished()
        assert found is not None
        assert found.run_id == "one"
        assert child.is_running()
        child.kill()


def links(pid: int) -> list[Path]:
    found = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(one.readlink())
        except FileNotFoundError:
            continue
    return found


def test_a_run_whose_lock_file_was_deleted_is_locked_again_with_the_next_items(path: Path) -> None:
    with Journal(path) as journal, Journal(path) as other:
        begin(journal)
        recorder = journal.recorder("one", library=library())
        (lock,) = locks(path)
        lock.unlink()
        recorder.record(*record_arguments(0))
        assert lock.exists()
        assert owners.is_held(lock)
        with pytest.raises(JournalError, match="under way"):
            other.claim("one")


def test_a_run_that_was_taken_over_is_not_written_to_by_its_former_owner(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        recorder = journal.recorder("one", library=library())
        (lock,) = locks(path)
        lock.unlink()
        with client(path, CLAIM):
            with pytest.raises(JournalError, match="took it over"):
                recorder.record(*record_arguments(0))
            with pytest.raises(JournalError, match="took it over"):
                journal.end_run("one", "done")
            found = journal.find("one")
            assert found is not None
            assert (found.status, found.items, found.alive) == ("running", 0, True)


def record_arguments(index: int) -> tuple[Any, ...]:
    return HEARD, settings(), [(at(index), inputs(), "value")], None


def test_of_many_that_want_a_run_one_gets_it_while_others_look(path: Path) -> None:
    with client(path, BEGIN):
        pass
    won: list[str] = []
    lost: list[str] = []
    looking = threading.Event()

    def claim() -> None:
        with Journal(path) as journal:
            try:
                won.append(journal.claim("one").run_id)
            except JournalError as error:
                lost.append(str(error))

    def look() -> None:
        with Journal(path) as journal:
            while not looking.is_set():
                journal.runs()

    watcher = threading.Thread(target=look)
    watcher.start()
    threads = [threading.Thread(target=claim) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    looking.set()
    watcher.join()
    assert won == ["one"]
    assert len(lost) == 3
    assert all("under way" in one for one in lost)


def test_who_looks_at_a_lock_stands_in_nobodys_way(path: Path) -> None:
    """A look takes a shared lock for a moment: it must not be taken for an owner."""
    import fcntl

    lock = path.with_name("lock")
    lock.touch()
    with lock.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        timer = threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        timer.start()
        assert owners.take(lock)
        timer.join()
    owners.drop(lock)
    assert not lock.exists()


def test_a_run_of_an_earlier_version_that_was_killed_is_resumed(path: Path) -> None:
    with Journal(path) as journal:
        begin(journal)
        journal.end_run("one", "stopped")
    with sqlite3.connect(
        path
    ) as other:  # as earlier versions wrote it, by a process that is gone or has its number
        other.execute(
            "UPDATE runs SET status = 'running', ended = NULL, pid = ?, pid_started = ?",
            (os.getpid(), psutil.Process().create_time()),
        )
    other.close()
    with Journal(path) as journal:
        assert journal.claim("one").run_id == "one"


def test_locks_of_ended_and_pruned_runs_are_gone(path: Path) -> None:
    with client(path, BEGIN):
        pass
    with Journal(path) as journal:
        begin(journal, "two")
        journal.end_run("two", "done")
        assert len(locks(path)) == 1
        begin(journal, "three")
        assert journal.prune().runs == ("two", "one")
        assert len(locks(path)) == 1
        assert [one.run_id for one in journal.runs()] == ["three"]
        journal.end_run("three", "done")
