"""The journal's SQLite file: opening it, knowing that it is one, and saying so in words when it is not.

WAL lets other processes read while one writes. `synchronous=FULL` makes a commit survive a power cut, not
only a killed kernel: an item counts only once it is durable, and one commit serves a whole batch.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from murakkab_jupyter.core.errors import JournalError
from murakkab_jupyter.core.faults import remedy
from murakkab_jupyter.core.private import private_file, private_folder

__all__ = ["Database", "is_full"]

APPLICATION_ID = 0x4D55524B  # "MURK"
VERSION = 1
BUSY_MS = 30_000
SMALLEST_BYTES = 512  # the smallest page of a SQLite file

SCHEMA = """
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, inputs TEXT NOT NULL, goal TEXT NOT NULL,
  plan TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, pid_started REAL NOT NULL, versions TEXT NOT NULL,
  started REAL NOT NULL, ended REAL, status TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE items (
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, step TEXT NOT NULL,
  ancestry TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'skipped', 'unkept')),
  children INTEGER, error TEXT, reuse_key TEXT, agent TEXT NOT NULL, version TEXT NOT NULL, options TEXT NOT NULL,
  media TEXT NOT NULL, UNIQUE (run_id, step, ancestry));
CREATE INDEX items_by_key ON items (reuse_key) WHERE reuse_key IS NOT NULL;
CREATE TABLE parts (
  item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE, position INTEGER NOT NULL, kind TEXT NOT NULL,
  data BLOB, file TEXT, PRIMARY KEY (item, position)) WITHOUT ROWID;
CREATE INDEX parts_by_file ON parts (file) WHERE file IS NOT NULL;
CREATE TABLE events (
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, event TEXT NOT NULL);
CREATE INDEX events_by_run ON events (run_id);
"""


def is_full(error: JournalError) -> bool:
    """Whether a journal could not be written for want of room: a full disk, or a quota, of which SQLite says an I/O error."""
    text = str(error.__cause__) if isinstance(error.__cause__, sqlite3.Error) else ""
    return "full" in text or "disk I/O" in text


class Database:
    """One connection to a journal's file, used by one thread at a time. Never replaces a file it does not know."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        with self._opening():
            self._prepare()
            try:
                self.connection = sqlite3.connect(
                    path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False
                )
            except sqlite3.Error as error:
                raise self.fault(error) from error
            try:
                with self.told():
                    self._check()
            except BaseException:
                self.connection.close()
                raise

    @contextlib.contextmanager
    def told(self) -> Iterator[sqlite3.Connection]:
        """Use the connection; SQLite's faults become `JournalError`."""
        with self.lock:
            try:
                yield self.connection
            except sqlite3.Error as error:
                raise self.fault(error) from error

    @contextlib.contextmanager
    def writing(self, done: Callable[[], None] = lambda: None) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is durable at the end, or none. `done` is called once it is."""
        with self.told() as connection:
            connection.execute("BEGIN IMMEDIATE")
            committing = False
            try:
                yield connection
                committing = True
                connection.execute("COMMIT")
                done()
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                elif committing and not isinstance(error, sqlite3.Error):
                    done()  # interrupted when it was durable already
                raise

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self.connection.close()

    def fault(self, error: sqlite3.Error) -> JournalError:
        """What went wrong, and what to do."""
        text = str(error)
        otherwise = "It was left as it is. Restore it from a copy, or set MURAKKAB_JOURNAL to another path."
        hint = "Open it again." if "closed" in text else remedy(text, "MURAKKAB_JOURNAL", otherwise)
        return JournalError(f"The journal {self.path} cannot be used: {text}.", hint=hint)

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """One opener at a time: two that make a journal at once would find each other's half."""
        try:
            private_folder(self.path.parent)
            handle = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unopened(error) from error
        try:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            with contextlib.suppress(OSError):
                # Said outright: a process that was forked meanwhile would keep the lock with its copy.
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)

    def _prepare(self) -> None:
        # The file itself is never opened here once it exists: closing it would drop the locks that
        # SQLite holds on it elsewhere in this process.
        try:
            size = self.path.stat().st_size if self.path.exists() else None
            if size is not None and not self.path.is_file():
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            private_file(self.path)
        except OSError as error:
            raise self._unopened(error) from error
        if size and size < SMALLEST_BYTES:
            # SQLite would take this for an empty file, and write over it.
            msg = f"{self.path} is no journal: file is not a database."
            raise JournalError(msg, hint="It was left as it is; set MURAKKAB_JOURNAL to another path.")

    def _unopened(self, error: OSError) -> JournalError:
        msg = f"The journal {self.path} cannot be opened: {error.strerror or error}."
        return JournalError(msg, hint="Set MURAKKAB_JOURNAL to a path that can be written.")

    def _check(self) -> None:
        connection = self.connection
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if not (tables or self._number("application_id") or self._number("user_version")):
            connection.execute("PRAGMA journal_mode = WAL")
            with self.writing():
                for statement in filter(str.strip, SCHEMA.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
        if self._number("application_id") != APPLICATION_ID:
            msg = f"{self.path} is a SQLite file, but no journal."
            raise JournalError(msg, hint="It was left as it is; set MURAKKAB_JOURNAL to another path.")
        version = self._number("user_version")
        if version != VERSION:
            msg = f"The journal {self.path} has format {version}; this program reads format {VERSION}."
            hint = (
                "Update murakkab-jupyter" if version > VERSION else "Read it with an older murakkab-jupyter"
            )
            raise JournalError(msg, hint=f"{hint}, or set MURAKKAB_JOURNAL to another path.")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # A journal is data, from whomever: no function in its schema is trusted.
        connection.execute("PRAGMA trusted_schema = OFF")

    def _number(self, pragma: str) -> int:
        return int(self.connection.execute(f"PRAGMA {pragma}").fetchone()[0])
