"""What is kept of a user is readable by that user alone, from the moment that it is made."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from murakkab_jupyter.agents.media.noted import note
from murakkab_jupyter.cluster.engines.kept import kept_path, write_kept
from murakkab_jupyter.cluster.media import write_part
from murakkab_jupyter.core.media import cache_dir, media_cache
from murakkab_jupyter.core.private import data_dir, private_folder
from murakkab_jupyter.profiles.store import ProfileStore, user_store
from murakkab_jupyter.runtime.journal import Journal, default_path
from tests.runtime.test_journal import begin, record

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, and a umask that hides nothing."""
    for name in ("JOURNAL", "PROFILES", "ENGINES", "CACHE"):
        monkeypatch.delenv(f"MURAKKAB_{name}", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = os.umask(0)
    yield tmp_path
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    return [
        f"{path.relative_to(folder)} {stat.S_IMODE(path.stat().st_mode):o}"
        for path in folder.rglob("*")
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


async def use_everything(home: Path) -> None:
    """Open each store, write to it, and look at the files while they are open."""
    store = ProfileStore(user_store())
    with store.writing():
        store.db.execute("INSERT INTO observation VALUES (NULL, 'h', 1.0, 'd', 'v', 'a', '{}')")
    note("look", {"seconds": 1.0})
    write_kept(kept_path(), [])
    assert await write_part("part", 0, b"film", 4) == ""
    with Journal() as journal:
        begin(journal)
        record(journal, "one", "x" * 200_000, 0)
        assert default_path().with_name("journal.sqlite-wal").exists()
        assert user_store().with_name("profiles.sqlite-shm").exists()
        assert open_to_others(home) == []
        journal.end_run("one", "done")
    store.db.close()
    assert open_to_others(home) == []


@pytest.mark.parametrize("again", [False, True])
def test_what_is_kept_is_readable_by_its_owner_alone(home: Path, again: bool) -> None:
    import asyncio

    asyncio.run(use_everything(home))
    if again:  # as earlier versions left it
        with Journal() as journal:
            journal.prune()
        for path in home.rglob("*"):
            if path.suffix != ".lock":  # never was open
                path.chmod(0o755 if path.is_dir() else 0o644)
        for folder in (home / "share", home / "cache"):
            folder.chmod(0o700)  # the user's own
        asyncio.run(use_everything(home))


def test_files_beside_an_open_database_are_tightened_and_its_locks_stay(home: Path) -> None:
    with Journal() as journal:
        begin(journal)
        beside = [default_path().with_name(f"journal.sqlite{suffix}") for suffix in ("", "-wal", "-shm")]
        for path in beside:
            path.chmod(0o644)
        journal.database.connection.execute("BEGIN IMMEDIATE")
        with Journal():
            assert {stat.S_IMODE(path.stat().st_mode) for path in beside} == {0o600}
        other = sqlite3.connect(default_path(), timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
        journal.database.connection.execute("ROLLBACK")
        journal.end_run("one", "done")


def test_nothing_is_open_to_others_even_for_a_moment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing needs a `chmod` that is made anew."""

    def refuse(self: Path, mode: int) -> None:
        msg = f"{self} was made open to others"
        raise AssertionError(msg)

    monkeypatch.setattr(Path, "chmod", refuse)
    with Journal() as journal, ProfileStore(user_store()).guard():
        begin(journal)
        record(journal, "one", "x" * 200_000, 0)
        assert open_to_others(home) == []
        journal.end_run("one", "done")


def test_a_folder_that_the_user_named_stays_as_it_is(home: Path) -> None:
    shared = home / "shared"
    shared.mkdir(mode=0o755)
    private_folder(shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    for ours in (data_dir(), cache_dir(), media_cache()):
        assert stat.S_IMODE(private_folder(ours).stat().st_mode) == 0o700
