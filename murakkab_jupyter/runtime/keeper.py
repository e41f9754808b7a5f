"""The journal's recorder: encodes the items of a batch and keeps them in one commit."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core import kinds
from murakkab_jupyter.core.ancestry import ancestry_to_json
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.pages import Pages, compact, writable
from murakkab_jupyter.runtime.recorder import MISSING, Item
from murakkab_jupyter.runtime.records import without_secrets
from murakkab_jupyter.runtime.reuse import media_in, relocated, reuse_key, sources_in
from murakkab_jupyter.workflow.model import Step

__all__ = ["INLINE_BYTES", "JournalRecorder"]

INLINE_BYTES = 64 * 1024
"""Larger values are files of their own."""

LOOKED = 10_000
"""Most keys that are kept between looking for an item and recording it, so that large inputs are hashed once."""


class JournalRecorder:
    """Keeps the items of one run. Made by `Journal.recorder`.

    Attributes
    ----------
    unkept
        For each step, how many items are not kept (a value without a codec, or no room on disk): they are
        made again on resume.
    """

    def __init__(
        self,
        pages: Pages,
        run_id: str,
        library: Library,
        media: Iterable[Media],
        *,
        budget_bytes: int | None = None,
        reuse: bool = True,
        notify: Callable[[str], None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._pages = pages
        self._run_id = run_id
        self._library = library
        self._reuse = reuse
        self._notify = notify
        self._check = check
        self._media: dict[str, Media] = {}
        self._paths: dict[str, str] = {}
        self._looked: dict[int, tuple[Inputs, str | None]] = {}
        """The keys of what was looked for and is not recorded yet, by the identity of the inputs, which are held for that."""
        self._lock = threading.Lock()
        self._learn(media)
        self._room = None if budget_bytes is None else budget_bytes - pages.size_bytes()
        self.unkept: dict[str, int] = {}

    def lookup(self, step: Step, configuration: Configuration, inputs: Inputs) -> Any:
        """What the same agent made of the same inputs in any run, pointing at where the media lie now; else `MISSING`."""
        if not self._reuse:
            return MISSING
        key = self._key(step, configuration, inputs)
        with self._lock:
            self._looked[id(inputs)] = inputs, key
            if len(self._looked) > LOOKED:  # what was tried in vain, or stopped, is never recorded
                self._looked.pop(next(iter(self._looked)))
        if key is None:
            return MISSING
        with self._pages.database.told() as connection:
            # What is not kept has no key; what has one and is not `ok` was forgotten, as its run was to look again.
            rows = connection.execute(
                "SELECT id, children, media FROM items WHERE reuse_key = ? AND status IN ('ok', 'unkept')"
                " ORDER BY id DESC LIMIT 5",
                (key,),
            ).fetchall()
        for item, children, media in rows:
            if (children is not None) != step.opens:
                continue
            found, value = self._pages.load(item, children)
            if found:
                return self._placed(value, media, inputs)
            self._pages.forget(item)
        return MISSING

    def record(
        self, step: Step, configuration: Configuration, items: Sequence[Item], usage: Usage | None
    ) -> None:
        """Keep the items of one batch in one commit; durable when it returns. What is kept already stays as it is.

        Raises `JournalError` where they cannot be written, or the run is another process's by now.
        """
        version = self._version(configuration)
        options = compact(without_secrets(dict(configuration.options)))
        rows = [self._row(step, configuration, version, options, item) for item in items]
        with self._pages.writing() as connection:
            self._check()
            # Files first: a row never refers to a file that is not there. Inside the transaction, because
            # `prune` deletes unreferenced files under the same lock.
            for row, parts in rows:
                kept = [self._part(kind, data) for kind, data in parts]
                made = connection.execute(UPSERT, row).fetchone()
                if made is None:
                    continue
                connection.execute("DELETE FROM parts WHERE item = ?", made)
                connection.executemany(
                    "INSERT INTO parts VALUES (?, ?, ?, ?, ?)",
                    [(made[0], position, *part) for position, part in enumerate(kept)],
                )

    def _row(
        self, step: Step, configuration: Configuration, version: str, options: str, item: Item
    ) -> tuple[tuple[Any, ...], list[tuple[str, bytes]]]:
        ancestry, inputs, value = item
        status, children, error, key = "ok", None, None, None
        parts: list[tuple[str, bytes]] = []
        with self._lock:
            looked = self._looked.pop(id(inputs), None)  # held no longer, whatever became of it
        if isinstance(value, Failed):
            status, error = "failed", writable(value.reason)
        else:
            if step.opens:
                children = len(value)
            encoded = [kinds.encode(part) for part in (value if step.opens else (value,))]
            parts = [one for one in encoded if one is not None]
            lost = len(parts) < len(encoded)
            if lost or not self._fits(sum(len(data) for _, data in parts)):
                status, parts = "unkept", []
                self._miss(step.name, "have no codec" if lost else "do not fit the journal's disk budget")
            elif inputs is not None:
                key = looked[1] if looked is not None else self._key(step, configuration, inputs)
        paths: dict[str, str] = {}
        # Of what is not kept nothing is asked again, and it may be anything: a cycle of the user's own objects.
        if status == "ok" and inputs is not None:
            seen = sources_in((inputs.values, inputs.origins, value))
            paths = {path: self._paths[path] for path in seen if path in self._paths}
        row = (
            self._run_id,
            step.name,
            compact(ancestry_to_json(ancestry)),
            status,
            children,
            error,
            key,
            configuration.agent,
            version,
            options,
            compact(paths),
        )
        return row, parts

    def _part(self, kind: str, data: bytes) -> tuple[str, bytes | None, str | None]:
        if len(data) <= INLINE_BYTES:
            return kind, data, None
        return kind, None, self._pages.blobs.put(data)

    def _miss(self, step: str, why: str) -> None:
        with self._lock:
            self.unkept[step] = self.unkept.get(step, 0) + 1
            first = self.unkept[step] == 1
        if first and self._notify is not None:
            self._notify(
                f"Values of {step} {why}: they are not kept, and are made again if the run is resumed."
            )

    def _fits(self, size: int) -> bool:
        with self._lock:
            if self._room is None:
                return True
            if size > self._room:
                return False
            self._room -= size
            return True

    def _key(self, step: Step, configuration: Configuration, inputs: Inputs) -> str | None:
        try:
            self._learn(media_in(inputs.values))
        except (RecursionError, AttributeError):
            return None  # an object of the user's own that refers to itself or lacks a field
        return reuse_key(
            agent=configuration.agent,
            version=self._version(configuration),
            options=configuration.options,
            inputs=inputs,
            prompted=self._library.capability(step.capability).prompted,
            paths=self._paths,
        )

    def _learn(self, media: Iterable[Media]) -> None:
        for one in media:
            if one.path not in self._paths:
                with self._lock:
                    self._media.setdefault(one.sha256, one)
                    self._paths[one.path] = one.sha256

    def _version(self, configuration: Configuration) -> str:
        return self._library.agent(configuration.agent).version

    def _placed(self, value: Any, media: str, inputs: Inputs) -> Any:
        before: dict[str, str] = {**json.loads(media), **{one.path: one.sha256 for one in media_in(value)}}
        own = {
            path: self._paths[path]
            for path in sources_in((inputs.values, inputs.origins))
            if path in self._paths
        }
        # Copies of one file have one hash: the item's own copy comes before any other of the run.
        here = {
            **{digest: one.path for digest, one in self._media.items()},
            **{d: path for path, d in own.items()},
        }
        moved = {path: here[digest] for path, digest in before.items() if digest in here and path not in own}
        return relocated(value, moved)


UPSERT = (
    "INSERT INTO items (run_id, step, ancestry, status, children, error, reuse_key, agent, version, options, media)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (run_id, step, ancestry) DO UPDATE SET status = excluded.status, children = excluded.children,"
    " error = excluded.error, reuse_key = excluded.reuse_key, agent = excluded.agent, version = excluded.version,"
    " options = excluded.options, media = excluded.media"
    # An item that was kept well is final; one that could not be kept, was skipped, or failed and was tried again, is not.
    " WHERE items.status != 'ok' RETURNING id"
)
