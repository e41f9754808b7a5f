"""The journal's pages: values and events as they lie on disk, in one SQLite file and in files beside it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from murakkab_jupyter.core import kinds
from murakkab_jupyter.core.ancestry import ancestry_to_json
from murakkab_jupyter.core.errors import JournalError
from murakkab_jupyter.core.events import Event, ItemFailed, RunEnded, event_to_json
from murakkab_jupyter.runtime.blobs import Blobs
from murakkab_jupyter.runtime.database import Database

__all__ = ["Pages", "compact", "writable"]

EVENTS_HELD = 100
"""Events wait for the next commit, at most this many: losing the last few to a crash loses no item."""


def compact(data: object) -> str:
    """JSON without spaces; what JSON cannot hold (a value of an event or option) is written as text."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    # A file's name that is no UTF-8 has characters that only an escape can hold.
    return text if is_utf8(text) else json.dumps(data, separators=(",", ":"), default=str)


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def writable(text: str) -> str:
    """A text that can be written as UTF-8: characters that cannot are replaced."""
    return text if is_utf8(text) else text.encode(errors="replace").decode()


class Pages:
    """What lies at a journal's path: its database, the files of large values, and the events that wait to be written.

    Parameters
    ----------
    path
        Of the database.

    Raises
    ------
    JournalError
        The file is corrupt, of another format or version, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path)
        self.blobs = Blobs(path.with_name(path.name + ".files"))
        self._events: list[tuple[str, str]] = []
        self._skips: list[tuple[str, str, str, str]] = []

    def size_bytes(self) -> int:
        """Disk in use."""
        size = self.blobs.size_bytes()
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            with contextlib.suppress(FileNotFoundError):  # whoever closes the journal last removes the second
                size += path.stat().st_size
        return size

    def load(self, item: int, children: int | None) -> tuple[bool, Any]:
        """Whether an item's value is still there, and the value; raises `JournalError` for bytes that are none."""
        with self.database.told() as connection:
            parts = connection.execute(
                "SELECT kind, data, file FROM parts WHERE item = ? ORDER BY position", (item,)
            ).fetchall()
        if len(parts) != (1 if children is None else children):
            msg = f"The journal {self.path} is corrupt: item {item} has {len(parts)} parts."
            raise JournalError(msg, hint="Restore it from a copy, or set MURAKKAB_JOURNAL to another path.")
        values = []
        for kind, data, file in parts:
            raw = self.blobs.get(file) if file is not None else data
            if raw is None:
                return False, None
            try:
                values.append(kinds.decode(kind, raw))
            except ValueError as error:
                msg = f"The journal {self.path} is corrupt: {error}"
                raise JournalError(
                    msg, hint="Restore it from a copy, or set MURAKKAB_JOURNAL to another path."
                ) from error
        return True, values[0] if children is None else values

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, with the events that wait at its end. Where it fails (a full disk), they wait on."""
        with self.database.lock, self.database.writing(self.let_go) as connection:
            yield connection
            self._write_held(connection)

    def forget(self, item: int) -> None:
        """Let an item whose file is gone be made, and kept, again."""
        with self.database.writing() as connection:
            connection.execute("UPDATE items SET status = 'unkept', reuse_key = NULL WHERE id = ?", (item,))

    def save_event(self, run_id: str, event: Event) -> None:
        """Keep an event: with the next items, at the end of the run, or when a hundred wait."""
        with self.database.lock:
            self._events.append((run_id, compact(event_to_json(event))))
            if isinstance(event, ItemFailed) and event.blame not in (None, event.step):
                at = compact(ancestry_to_json(event.ancestry))
                self._skips.append((run_id, event.step, at, writable(event.error)))
            # A disk that takes nothing is tried again with every hundred, not with every one.
            if len(self._events) % EVENTS_HELD == 0 or isinstance(event, RunEnded):
                self.flush()

    def held(self, run_id: str) -> list[str]:
        """The events of a run that wait, oldest first."""
        with self.database.lock:
            return [event for run, event in self._events if run == run_id]

    def let_go(self) -> None:
        """Have nothing wait any more."""
        self._events.clear()
        self._skips.clear()

    def _write_held(self, connection: sqlite3.Connection) -> None:
        # Those of a run that was let go of meanwhile go with it, and stand in nobody's way.
        connection.executemany(
            "INSERT INTO events (run_id, event) SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM runs WHERE run_id = ?1)",
            self._events,
        )
        # A row for what was skipped, which never stands in the way of making it later.
        connection.executemany(
            "INSERT OR IGNORE INTO items (run_id, step, ancestry, status, error, agent, version, options, media)"
            " SELECT ?1, ?2, ?3, 'skipped', ?4, '', '', '{}', '{}' WHERE EXISTS (SELECT 1 FROM runs WHERE run_id = ?1)",
            self._skips,
        )

    def flush(self) -> None:
        """Write the events that wait."""
        with self.database.lock:
            if self._events:
                with self.writing():
                    pass
