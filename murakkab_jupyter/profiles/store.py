"""The store of observations: an SQLite file that every run adds to.

A file that is not such a store, or is damaged, is a `ProfileError`; it is never replaced.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.core.faults import remedy
from murakkab_jupyter.core.private import data_dir, private_file, private_folder
from murakkab_jupyter.profiles.engine import EngineCurve
from murakkab_jupyter.profiles.observation import Observation
from murakkab_jupyter.profiles.served import ServedProfile

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

SERVED = "CREATE TABLE IF NOT EXISTS served (id INTEGER PRIMARY KEY, data TEXT NOT NULL UNIQUE);"
"""Published profiles that the user brought in; made when the first one comes, so that older stores stay as they are."""

ENGINES = "CREATE TABLE IF NOT EXISTS engine (name TEXT NOT NULL, host TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (name, host));"
"""Curves of servers that were measured, the latest of each as seen from each host; made when the first one comes."""

MARKS = "CREATE TABLE IF NOT EXISTS mark (text TEXT PRIMARY KEY);"
"""What was measured on purpose and when; made when something is."""

MOST_SPEED = 1e4

Row = tuple[str, float, str, Observation]
"""`(host, speed, version of the agent, observation)`."""


def user_store() -> Path:
    """Where the user's own observations are kept: `MURAKKAB_PROFILES`, else beside the user's other data."""
    stated = os.environ.get("MURAKKAB_PROFILES")
    if stated:
        return Path(stated)
    return data_dir() / "profiles.sqlite"


class ProfileStore:
    """Observations on disk. `path` None keeps them in memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._writing = False
        try:
            if path is not None:
                private_folder(path.parent)
                with contextlib.suppress(OSError):  # SQLite says why it cannot be opened
                    private_file(path)
            self.db = sqlite3.connect(path or ":memory:", timeout=10.0, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self.broken(str(error)) from error
        try:
            self.check()
            self.hasten()
        except ProfileError:
            self.db.close()
            raise

    def check(self) -> None:
        """Create an empty store, or make sure that an old one is whole and of this format."""
        with self.guard():
            empty = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if empty:
                self.db.execute("PRAGMA journal_mode = WAL")
                # All of it or nothing: a full disk must leave no half, which would be another program's from then on.
                self.db.execute("BEGIN IMMEDIATE")
                with self.db:
                    for statement in filter(str.strip, SCHEMA.split(";")):
                        self.db.execute(statement)
                    self.db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    self.db.execute(f"PRAGMA user_version = {FORMAT}")
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

    def hasten(self) -> None:
        """Wait for the disk at checkpoints alone, not at each call's end: each value of a run waits for its observation to be kept."""
        with self.guard():
            if (
                self.db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            ):  # else the file could be damaged
                self.db.execute("PRAGMA synchronous = NORMAL")

    def broken(self, why: str) -> ProfileError:
        """The error of a store that cannot be used."""
        otherwise = "It was left as it is. Move it away to start a new one, or name another store."
        hint = remedy(why, "MURAKKAB_PROFILES", otherwise)
        return ProfileError(f"The profile store {self.path} cannot be used: {why}.", hint=hint)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn any database error into one that says which store."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise self.broken(str(error)) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction, all or nothing; one within another is a part of it."""
        with self.guard():
            if self._writing:
                yield
                return
            self._writing = True
            try:
                with self.db:
                    self.db.execute("BEGIN IMMEDIATE")
                    yield
            finally:
                self._writing = False

    def add(
        self,
        host: str,
        speed: float,
        version: str,
        observations: Iterable[Observation],
        *,
        date: str | None = None,
    ) -> None:
        """Add observations made on a host, today if no date is given; they outlast this process, and a power cut but for the last ones."""
        day = date if date is not None else today()
        self.insert([(host, checked_speed(speed), day, version, one) for one in observations])

    def insert(self, rows: Sequence[tuple[str, float, str, str, Observation]]) -> None:
        """Add rows, all or none."""
        with self.writing():
            self.db.executemany(
                "INSERT INTO observation (host, speed, date, version, agent, data) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (host, speed, date, version, one.agent, json.dumps(one.to_json(), allow_nan=False))
                    for host, speed, date, version, one in rows
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

    def starts(self, host: str, latest: int = 100) -> list[float]:
        """Seconds that the latest processes of instances took to start on a host, of those that were seen starting.

        A row that makes no sense is passed over: it is told where its agent is asked for (`rows`).
        """
        with self.guard():
            found = self.db.execute(
                "SELECT data FROM observation WHERE host = ? AND data LIKE '%\"start_s\"%' ORDER BY id DESC LIMIT ?",
                (host, latest),
            ).fetchall()
        made: list[float] = []
        for (data,) in found:
            with contextlib.suppress(ValueError, TypeError, ProfileError):
                made.append(Observation.from_json(json.loads(data)).start_s)
        return [start_s for start_s in made if start_s > 0]

    def dump(self) -> list[dict[str, Any]]:
        """Every observation with its host, speed, date and version, oldest first, as plain JSON."""
        with self.guard():
            found = self.db.execute(
                "SELECT host, speed, date, version, data FROM observation ORDER BY id"
            ).fetchall()
        made: list[dict[str, Any]] = []
        for host, speed, date, version, data in found:
            try:
                one = Observation.from_json(json.loads(data))
            except (ValueError, TypeError, ProfileError) as error:
                why = f"it holds an observation that makes no sense ({error})"
                raise self.broken(why) from error
            made.append({"host": host, "speed": speed, "date": date, "version": version, **one.to_json()})
        return made

    def load(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Take in what `dump` gave, all or nothing, without what is here already; says how many were new."""
        checked = [row_of(raw, index) for index, raw in enumerate(rows)]
        here = Counter(same(row_of(raw, index)) for index, raw in enumerate(self.dump()))
        new = []
        for row in checked:
            if here[same(row)] > 0:
                here[same(row)] -= 1
            else:
                new.append(row)
        self.insert(new)
        return len(new)

    def served(self) -> tuple[ServedProfile, ...]:
        """Published profiles that the user brought in."""
        with self.guard():
            if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'served'").fetchone():
                return ()
            found = self.db.execute("SELECT data FROM served ORDER BY id").fetchall()
        try:
            return tuple(ServedProfile.from_json(json.loads(data)) for (data,) in found)
        except (ValueError, ProfileError) as error:
            why = f"it holds a served profile that makes no sense ({error})"
            raise self.broken(why) from error

    def add_served(self, profiles: Iterable[ServedProfile]) -> int:
        """Keep published profiles, without those that are here already; says how many were new."""
        texts = [json.dumps(one.to_json(), allow_nan=False, sort_keys=True) for one in profiles]
        with self.writing():
            self.db.execute(SERVED)
            before = self.db.total_changes
            self.db.executemany("INSERT OR IGNORE INTO served (data) VALUES (?)", [(one,) for one in texts])
            return self.db.total_changes - before

    def engines(self) -> tuple[EngineCurve, ...]:
        """Curves of servers that were measured."""
        with self.guard():
            if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'engine'").fetchone():
                return ()
            found = self.db.execute("SELECT data FROM engine ORDER BY rowid").fetchall()
        try:
            return tuple(EngineCurve.from_json(json.loads(data)) for (data,) in found)
        except (ValueError, ProfileError) as error:
            why = f"it holds a server's curve that makes no sense ({error})"
            raise self.broken(why) from error

    def add_engine(self, curve: EngineCurve) -> None:
        """Keep a server's curve in place of an older one."""
        text = json.dumps(curve.to_json(), allow_nan=False, sort_keys=True)
        with self.writing():
            self.db.execute(ENGINES)
            self.db.execute("INSERT OR REPLACE INTO engine VALUES (?, ?, ?)", (curve.name, curve.host, text))

    def mark(self, text: str) -> None:
        """Remember that something was measured."""
        with self.writing():
            self.db.execute(MARKS)
            self.db.execute("INSERT OR IGNORE INTO mark (text) VALUES (?)", (text,))

    def marked(self, text: str) -> bool:
        """Whether something was measured."""
        with self.guard():
            if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'mark'").fetchone():
                return False
            return self.db.execute("SELECT 1 FROM mark WHERE text = ?", (text,)).fetchone() is not None

    def count(self) -> int:
        """How many observations it holds."""
        with self.guard():
            return int(self.db.execute("SELECT count(*) FROM observation").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()


def today() -> str:
    """The date, as it is written down."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def checked_speed(speed: Any) -> float:
    """A host's speed that makes sense."""
    if (
        isinstance(speed, bool)
        or not isinstance(speed, int | float)
        or not math.isfinite(speed)
        or not 1 / MOST_SPEED <= speed <= MOST_SPEED
    ):
        msg = f"A host's speed lies between {1 / MOST_SPEED:g} and {MOST_SPEED:g}, not {speed!r}."
        raise ProfileError(msg)
    return float(speed)


def same(row: tuple[str, float, str, str, Observation]) -> str:
    """A text that equal rows share; options may hold what has no hash."""
    return json.dumps([*row[:4], row[4].to_json()], sort_keys=True)


def row_of(raw: Any, index: int) -> tuple[str, float, str, str, Observation]:
    """One row of a dump; raises `ProfileError` that says which."""
    if not isinstance(raw, Mapping):
        msg = f"Observation {index} is a mapping, not {raw!r}."
        raise ProfileError(msg)
    words = [raw.get(key) for key in ("host", "date", "version")]
    host, date, version = words
    if not isinstance(host, str) or not host or not isinstance(date, str) or not isinstance(version, str):
        msg = f"Observation {index} says on which host, when, and of which version of its agent: {words!r}."
        raise ProfileError(msg)
    try:
        datetime.date.fromisoformat(date)
        return host, checked_speed(raw.get("speed")), date, version, Observation.from_json(raw)
    except ProfileError as error:
        msg = f"Observation {index}: {error.message}"
        raise ProfileError(msg) from error
    except ValueError as error:
        msg = f"Observation {index} has no date but {date!r}."
        raise ProfileError(msg) from error
