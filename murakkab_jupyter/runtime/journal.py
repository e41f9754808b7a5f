"""The journal: every finished item, durable before it is counted.

One SQLite file holds runs, items and events; values larger than 64 KiB are files beside it, named by
their hash. Values are written by the codecs of their kinds, never as pickles, so a journal from another
person's machine is data: loading it runs nothing.

Two keys. Within a run, `(run, step, ancestry)` is final, whatever the agent: resuming never does an item
twice. Across runs, the reuse key (`murakkab_jupyter.runtime.reuse`) finds what the same agent made of
the same inputs. Failed items are never reused in another run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.core.ancestry import Ancestry, ancestry_from_json, ancestry_to_json
from murakkab_jupyter.core.errors import JournalError
from murakkab_jupyter.core.events import Event, event_from_json
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.core.version import VERSION
from murakkab_jupyter.runtime import owners
from murakkab_jupyter.runtime.database import is_full
from murakkab_jupyter.runtime.keeper import JournalRecorder
from murakkab_jupyter.runtime.pages import Pages, compact, writable
from murakkab_jupyter.runtime.records import Pruned, RunRecord, default_path, without_secrets

__all__ = ["DEFAULT_BUDGET_BYTES", "Journal", "Pruned", "RunRecord", "default_path"]

DEFAULT_BUDGET_BYTES = 4 * 2**30
FULL_SHARE, KEPT_SHARE = 0.75, 0.5
"""A new run that finds the budget this full prunes to that share, so that it has room itself."""


UNWRITTEN: dict[tuple[Path, str], tuple[str, str, float | None]] = {}
"""How runs of this process ended (status, message, when) where no journal could take it, by its path and the run: on a
full disk nothing is written, and a run that is over must not be taken for one under way until its process ends. Its
lock is held until then: nobody else takes it for one that was killed."""

PATIENCE_S = 5.0
"""How long a run that has ended may still be locked: its owner drops the lock after writing down the end."""


class RunTakenError(JournalError):
    """Somebody else runs it."""


class Journal:
    """The journal at a path (the user's own by default), made when it is not there.

    Several threads and processes may use one journal at a time.

    Parameters
    ----------
    path
        Where it is, or is to be.
    budget_bytes
        Disk that it may fill; None for no limit. When three quarters are full, the oldest ended runs are let
        go as a new one begins; values that still do not fit are not kept (they are made again on resume).

    Raises
    ------
    JournalError
        The file is corrupt, of another format or version, or cannot be written. It is never replaced.
    """

    def __init__(
        self, path: str | Path | None = None, *, budget_bytes: int | None = DEFAULT_BUDGET_BYTES
    ) -> None:
        self.path = (default_path() if path is None else Path(path).expanduser()).absolute()
        self.budget_bytes = budget_bytes
        self.pages = Pages(self.path)
        self.database = self.pages.database
        # One for all names of a journal.
        real = Path(os.path.realpath(self.path))
        self._locks = real.with_name(real.name + ".runs")

    def close(self) -> None:
        """Write what is held and close the file; where a full disk takes no more, whoever wrote last was told."""
        try:
            self._write_ends()
            self.pages.flush()
        except JournalError as error:
            if not is_full(error):
                logging.getLogger(__name__).warning("The last events were not kept: %s", error)
            self.pages.let_go()
        self.database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- runs -------------------------------------------------------------------------------------------------

    def start_run(
        self,
        run_id: str,
        *,
        name: str,
        text: str,
        values: Mapping[str, Any],
        plan: Mapping[str, Any],
        goal: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        """Write down that a run begins; raises `JournalError` when there is one of that id already."""
        self._write_ends()
        if self.budget_bytes is not None and self.size_bytes() > FULL_SHARE * self.budget_bytes:
            self.prune(keep_bytes=int(KEPT_SHARE * self.budget_bytes))
        row = (
            run_id,
            name,
            writable(without_secrets(text)),
            compact(without_secrets(values)),
            compact(without_secrets(goal or plan.get("goal") or {})),
            compact(without_secrets(plan)),
            platform.node(),
            os.getpid(),
            compact({"murakkab-jupyter": VERSION, "python": platform.python_version(), **(versions or {})}),
            time.time(),
        )
        with self._taking(run_id) as (connection, record):
            if record is not None:
                msg = f"There is a run {run_id} in the journal already."
                raise JournalError(msg, hint="Resume it, or begin one with another id.")
            self._take(run_id, "another process")
            connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, NULL, 'running', '')", row
            )

    def claim(self, run_id: str) -> RunRecord:
        """Take over a run to resume it; raises `JournalError` when it is unknown, or somebody else runs it."""
        with self._taking(run_id) as (connection, record):
            if record is None:
                msg = f"There is no run {run_id} in the journal."
                raise JournalError(msg, hint="See the history of runs.")
            own = connection.execute("SELECT pid FROM runs WHERE run_id = ?", (run_id,)).fetchone()[0]
            # Before others may write: none of them must write that end over a run that goes on.
            if UNWRITTEN.pop((self.path, run_id), None) is None:
                patience_s = 0.0 if record.status == "running" else PATIENCE_S
                self._take(run_id, f"process {own} on {record.host}", patience_s=patience_s)
            connection.execute(
                "UPDATE runs SET status = 'running', message = '', ended = NULL, host = ?, pid = ?, pid_started = 0"
                " WHERE run_id = ?",
                (platform.node(), os.getpid(), run_id),
            )
        return replace(record, alive=False)  # else it was let go of between the two looks

    @contextlib.contextmanager
    def _taking(self, run_id: str) -> Iterator[tuple[sqlite3.Connection, RunRecord | None]]:
        """A transaction that takes over a run; where it fails, the run is whose it was."""
        ended, before = None, True
        try:
            with self.database.writing() as connection:
                ended, before = UNWRITTEN.get((self.path, run_id)), owners.holds(self._lock(run_id))
                yield connection, self.find(run_id)
        except BaseException:
            if ended is not None:
                UNWRITTEN[self.path, run_id] = ended
            elif not before:
                owners.drop(self._lock(run_id))
            raise

    def _lock(self, run_id: str) -> Path:
        # Hashed: a journal that somebody else wrote cannot name a file elsewhere.
        return self._locks / hashlib.sha256(writable(run_id).encode()).hexdigest()[:32]

    def _take(self, run_id: str, who: str, *, patience_s: float = 0.0) -> None:
        try:
            taken = owners.take(self._lock(run_id), patience_s=patience_s)
        except OSError as error:
            msg = f"Run {run_id} cannot be locked in {self._locks}: {error.strerror or error}."
            hint = "Set MURAKKAB_JOURNAL to a path that can be written, on a file system with locks."
            raise JournalError(msg, hint=hint) from error
        if not taken:
            msg = f"Run {run_id} is under way in {who}."
            raise RunTakenError(msg, hint="Wait for it, or stop it there first.")

    def _check_own(self, run_id: str) -> None:
        """Raise `JournalError` where a run is not this process's any more."""
        try:
            kept = owners.keep(self._lock(run_id))
        except OSError:
            kept = False
        if not kept:
            msg = f"Run {run_id} is not of this process any more: its lock was deleted, and another took it over."
            raise JournalError(msg, hint=f"Leave the files in {self._locks} alone while runs are under way.")

    def release(self, record: RunRecord) -> None:
        """Let go of a claimed run that did not begin: it is again as `claim` found it, one that was killed included."""
        self._write_end(record.run_id, (record.status, record.message, record.ended), host=record.host)

    def end_run(self, run_id: str, status: str, message: str = "") -> None:
        """Write down how a run of this process ended; where that cannot be written now, with what is written next.

        Raises `JournalError` where it cannot be written, or the run is not of this process.
        """
        self._write_end(run_id, (status, writable(without_secrets(message)), time.time()))

    def _write_end(
        self, run_id: str, ended: tuple[str, str, float | None], *, host: str | None = None
    ) -> None:
        self._check_own(run_id)
        try:
            try:
                with self.pages.writing() as connection:
                    connection.execute(ENDED, (*ended, host, run_id))
            except JournalError as error:
                if not is_full(error):
                    raise
                # There may be room for the end without the events that wait.
                with self.database.writing() as connection:
                    connection.execute(ENDED, (*ended, host, run_id))
        except BaseException:
            UNWRITTEN[self.path, run_id] = ended
            raise
        owners.drop(self._lock(run_id))

    def _write_ends(self) -> None:
        for key in [one for one in list(UNWRITTEN) if one[0] == self.path]:
            with contextlib.suppress(JournalError, OSError), self.database.lock:
                with self.pages.writing() as connection:
                    ended = UNWRITTEN.get(key)  # whoever claimed the run since has taken it
                    if ended is not None and owners.keep(self._lock(key[1])):
                        connection.execute(ENDED, (*ended, None, key[1]))
                if ended is not None and UNWRITTEN.get(key) is ended:
                    UNWRITTEN.pop(key, None)
                    owners.drop(self._lock(key[1]))

    def runs(self) -> list[RunRecord]:
        """Every run, newest first."""
        self._write_ends()
        with self.database.told() as connection:
            rows = connection.execute(f"{SELECT_RUNS} ORDER BY started DESC, runs.rowid DESC").fetchall()
        return [self._record(row) for row in rows]

    def find(self, run_id: str) -> RunRecord | None:
        """One run, or None."""
        with self.database.told() as connection:
            row = connection.execute(f"{SELECT_RUNS} WHERE run_id = ?", (run_id,)).fetchone()
        return None if row is None else self._record(row)

    def latest_of(self, text: str) -> RunRecord | None:
        """The latest run of a cell, or None."""
        with self.database.told() as connection:
            row = connection.execute(
                f"{SELECT_RUNS} WHERE text = ? ORDER BY started DESC, runs.rowid DESC LIMIT 1",
                (writable(without_secrets(text)),),
            ).fetchone()
        return None if row is None else self._record(row)

    def latest_unfinished(self) -> RunRecord | None:
        """The latest run to go on with, or None: stopped, killed or failed, not one that is under way.

        One that came to its own end without some items (`partial`) has made all it could: it is taken, to try those again,
        only where nothing was broken off.
        """
        left = [one for one in self.runs() if one.status != "done" and not one.alive]
        broken_off = (one for one in left if one.status != "partial")
        return next(broken_off, left[0] if left else None)

    # --- items ------------------------------------------------------------------------------------------------

    def recorder(
        self,
        run_id: str,
        *,
        library: Library | None = None,
        media: Iterable[Media] = (),
        reuse: bool = True,
        notify: Callable[[str], None] | None = None,
    ) -> JournalRecorder:
        """What a driver keeps the items of a run with.

        Parameters
        ----------
        run_id
            The run, started before.
        library
            Where agents' versions are looked up; everything that is installed when None.
        media
            Files that the run was given: reused results are made to point at them.
        reuse
            Whether results of other runs may be used.
        notify
            Called with a sentence, once a step, when an item of it cannot be kept.
        """
        return JournalRecorder(
            self.pages,
            run_id,
            library or default_library(),
            media,
            budget_bytes=self.budget_bytes,
            reuse=reuse,
            notify=notify,
            check=partial(self._check_own, run_id) if owners.holds(self._lock(run_id)) else lambda: None,
        )

    def finished(self, run_id: str, *, failed: bool = True) -> Iterator[tuple[str, Ancestry, Any]]:
        """`(step, ancestry, value)` of every kept item, openers before what they open.

        The value of a step that opens a level is the list of its children; of a failed item, `Failed`
        (left out when `failed` is false: they are then tried again). Left out as well is what lies under
        an opener whose own value is not kept: it would have no parent.
        """
        with self.database.told() as connection:
            rows = connection.execute(
                "SELECT id, step, ancestry, status, children, error FROM items"
                " WHERE run_id = ? AND status != 'skipped' ORDER BY id",
                (run_id,),
            ).fetchall()
        parsed = [(row, self._ancestry(row[2])) for row in rows]
        openers = {row[1] for row, _ in parsed if row[4] is not None}
        counts: dict[tuple[str, Ancestry], int] = {}

        def has_parents(ancestry: Ancestry) -> bool:
            return all(
                counts.get((name, ancestry[:depth]), 0) > index
                for depth, (name, index) in enumerate(ancestry)
                if name in openers
            )

        # A run that was resumed may have kept a parent after its children.
        for (item, step, _, status, children, error), ancestry in sorted(parsed, key=lambda one: len(one[1])):
            if not has_parents(ancestry) or status == "unkept":
                continue
            if status == "failed":
                if failed:
                    yield step, ancestry, Failed(error or "failed")
                continue
            found, value = self.pages.load(item, children)
            if not found:
                self.pages.forget(item)
            else:
                if children is not None:
                    counts[step, ancestry] = children
                yield step, ancestry, value

    def forget(self, run_id: str, items: Iterable[tuple[str, Ancestry]]) -> None:
        """Let items of a run be made, and kept, again: what was kept is final else, also when it is resumed.

        Where they would be made of the same inputs, they are found by their key still.
        """
        rows = [(run_id, step, compact(ancestry_to_json(ancestry))) for step, ancestry in items]
        with self.database.writing() as connection:
            connection.executemany(
                "UPDATE items SET status = 'unkept' WHERE run_id = ? AND step = ? AND ancestry = ?",
                rows,
            )

    def media(self, run_id: str) -> dict[str, set[str]]:
        """For each file that kept items of a run were made from, by path, the hashes it had then (SHA-256, in hex)."""
        with self.database.told() as connection:
            rows = connection.execute(
                "SELECT DISTINCT media FROM items WHERE run_id = ? AND status = 'ok'", (run_id,)
            ).fetchall()
        found: dict[str, set[str]] = {}
        for (text,) in rows:
            for path, digest in json.loads(text).items():
                found.setdefault(path, set()).add(digest)
        return found

    # --- events -----------------------------------------------------------------------------------------------

    def save_event(self, run_id: str, event: Event) -> None:
        """Keep an event: with the next items, at the end of the run, or when a hundred wait."""
        self.pages.save_event(run_id, event)

    def events(self, run_id: str) -> Iterator[Event]:
        """The events of a run, oldest first; raises `JournalError` at one that cannot be read."""
        with contextlib.suppress(JournalError):  # what a full disk does not take is here still
            self.pages.flush()
        with self.database.told() as connection:
            rows = connection.execute(
                "SELECT event FROM events WHERE run_id = ? ORDER BY id", (run_id,)
            ).fetchall()
            texts = [text for (text,) in rows] + self.pages.held(run_id)
        for text in texts:
            try:
                yield event_from_json(json.loads(text))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                msg = (
                    f"The journal {self.path} is corrupt: an event of run {run_id} cannot be read ({error})."
                )
                raise JournalError(msg, hint="Restore it from a copy.") from error

    # --- room on disk -----------------------------------------------------------------------------------------

    def size_bytes(self) -> int:
        """Disk in use."""
        return self.pages.size_bytes()

    def prune(self, *, keep_bytes: int = 0, older_than_s: float = 0.0) -> Pruned:
        """Let go of the oldest ended runs until no more than `keep_bytes` are in use.

        Runs that are under way, or ended less than `older_than_s` seconds ago, stay; so do resumable runs
        (stopped or killed), unless nothing else is left to let go of.
        """
        before = size = self.size_bytes()
        limit = time.time() - older_than_s
        gone: list[str] = []
        ended = [one for one in self.runs() if not one.alive and (one.ended or one.started) <= limit]
        for record in sorted(ended, key=lambda one: (one.status != "done", one.started)):
            if size <= keep_bytes:
                break
            try:
                with self._taking(record.run_id) as (connection, _):
                    if UNWRITTEN.pop((self.path, record.run_id), None) is None:
                        self._take(record.run_id, "another process")
                    connection.execute("DELETE FROM runs WHERE run_id = ?", (record.run_id,))
            except RunTakenError:
                continue  # it goes on
            owners.drop(self._lock(record.run_id))
            gone.append(record.run_id)
            self._sweep()
            size = self.size_bytes()
        self._sweep()
        return Pruned(tuple(gone), before, self.size_bytes())

    def _sweep(self) -> None:
        """Delete files that no item refers to, and give the pages of deleted rows back to the disk."""
        # Under the write lock, so that nobody refers to a file between the look and the deletion.
        with self.database.writing() as connection:
            used = {row[0] for row in connection.execute("SELECT file FROM parts WHERE file IS NOT NULL")}
            for digest, path in list(self.pages.blobs.digests()):
                if digest not in used:
                    path.unlink(missing_ok=True)
        # Another process may be reading or writing: then the free pages stay, and are used again.
        with self.database.lock, contextlib.suppress(sqlite3.OperationalError):
            self.database.connection.execute("VACUUM")
            self.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _ancestry(self, text: str) -> Ancestry:
        try:
            return ancestry_from_json(json.loads(text))
        except (ValueError, RecursionError) as error:
            msg = f"The journal {self.path} is corrupt: {error}"
            raise JournalError(msg, hint="Restore it from a copy.") from error

    def _record(self, row: tuple[Any, ...]) -> RunRecord:
        (
            run_id,
            name,
            text,
            values,
            goal,
            plan,
            host,
            versions,
            started,
            ended,
            status,
            message,
            count,
        ) = row
        try:
            parsed = [json.loads(part) for part in (values, goal, plan, versions)]
        except (ValueError, RecursionError) as error:
            msg = f"The journal {self.path} is corrupt: run {run_id} cannot be read ({error})."
            raise JournalError(msg, hint="Restore it from a copy.") from error
        alive = status == "running" and owners.is_held(self._lock(run_id))
        left = UNWRITTEN.get((self.path, run_id))
        if left is not None and alive:
            (status, message, ended), alive = left, False
        return RunRecord(
            run_id=run_id,
            name=name,
            text=text,
            values=parsed[0],
            goal=parsed[1],
            plan=parsed[2],
            host=host,
            versions=parsed[3],
            started=started,
            ended=ended,
            status=status,
            message=message,
            items=count,
            alive=alive,
        )


ENDED = "UPDATE runs SET status = ?, message = ?, ended = ?, host = ifnull(?, host) WHERE run_id = ?"
SELECT_RUNS = (
    "SELECT run_id, name, text, inputs, goal, plan, host, versions, started, ended, status, message,"
    " (SELECT COUNT(*) FROM items WHERE items.run_id = runs.run_id AND items.status = 'ok') FROM runs"
)
