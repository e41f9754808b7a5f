"""The store of observations: an SQLite file that every run adds to.

A file that is not such a store, or is damaged, is a `ProfileError`; it is never replaced.
"""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.profiles.observation import Observation

__all__ = ["FORMAT", "ProfileStore", "Row", "user_store"]

FORMAT = 1
APPLICATION_ID = 0x4D4B5052  # "MKPR"

SCHEMA = """
CREATE TABLE IF NOT EXISTS observation (
    id INTEGER PRIMARY KEY, host TEXT NOT NULL, speed REAL NOT NULL, date TEXT NOT NULL, version TEXT NOT NULL,
    agent TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_agent ON observation (agent, id);
"""

Row = tuple[str, float, str, Observation]
"""`(host, speed, version of the agent, observation)`."""


def user_store() -> Path:
    """Where the user's own observations are kept: `MURAKKAB_PROFILES`, else beside the user's other data."""
    stated = os.environ.get("MURAKKAB_PROFILES")
    if stated:
        return Path(stated)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "murakkab" / "profiles.sqlite"


class ProfileStore:
    """Observations on disk. `path` None keeps them in memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path or ":memory:", timeout=10.0, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self.broken(str(error)) from error
        try:
            self.check()
        except ProfileError:
            self.db.close()
            raise

    def check(self) -> None:
        """Create an empty store, or make sure that an old one is whole and of this format."""
        with self.guard():
            empty = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if empty:
                self.db.execute("PRAGMA journal_mode = WAL")
                self.db.executescript(SCHEMA)
                self.db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self.db.execute(f"PRAGMA user_version = {FORMAT}")
                self.db.commit()
                return
            application = self.db.execute("PRAGMA application_id").fetchone()[0]
            version = self.db.execute("PRAGMA user_version").fetchone()[0]
            sound = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if application != APPLICATION_ID:
            why = "it is another program's database"
            raise self.broken(why)
        if version != FORMAT:
            why = f"its format is {version}, and this version reads {FORMAT}"
            raise self.broken(why)
        if sound != "ok":
            raise self.broken(str(sound))

    def broken(self, why: str) -> ProfileError:
        """The error of a store that cannot be used."""
        return ProfileError(
            f"The profile store {self.path} cannot be used: {why}.",
            hint="It was left as it is. Move it away to start a new one, or name another store.",
        )

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn any database error into one that says which store."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise self.broken(str(error)) from error

    def add(self, host: str, speed: float, version: str, observations: Iterable[Observation]) -> None:
        """Add observations made on a host; durable when it returns."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        with self.guard(), self.db:
            self.db.executemany(
                "INSERT INTO observation (host, speed, date, version, agent, data) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (host, speed, today, version, one.agent, json.dumps(one.to_json(), allow_nan=False))
                    for one in observations
                ],
            )

    def rows(self, agent: str, latest: int = 400) -> list[Row]:
        """The latest observations of an agent, oldest first."""
        with self.guard():
            found = self.db.execute(
                "SELECT host, speed, version, data FROM observation WHERE agent = ? ORDER BY id DESC LIMIT ?",
                (agent, latest),
            ).fetchall()
        made: list[Row] = []
        for host, speed, version, data in reversed(found):
            try:
                made.append((str(host), float(speed), str(version), Observation.from_json(json.loads(data))))
            except (ValueError, TypeError, ProfileError) as error:
                why = f"it holds an observation of {agent} that makes no sense ({error})"
                raise self.broken(why) from error
        return made

    def count(self) -> int:
        """How many observations it holds."""
        with self.guard():
            return int(self.db.execute("SELECT count(*) FROM observation").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()
