"""The store of observations: durable, checked, and never silently replaced."""

import json
import signal
import sqlite3
import subprocess
import sys

import pytest

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.profiles.observation import Observation, Quality
from murakkab_jupyter.profiles.store import ProfileStore, user_store

GOOD = {
    "agent": "a",
    "options": {"beam": 5},
    "cores": 1,
    "items": 2,
    "work": 3.0,
    "seconds": 1.5,
    "cpu_s": 1.4,
}


def test_observations_are_still_there_when_the_store_is_opened_again(tmp_path):
    file = tmp_path / "deep" / "profiles.sqlite"
    first = ProfileStore(file)
    first.add("host", 1.25, "7", [Observation.from_json(GOOD)])
    first.close()
    again = ProfileStore(file)
    ((host, speed, version, one),) = again.rows("a")
    assert (host, speed, version) == ("host", 1.25, "7")
    assert one == Observation.from_json(GOOD)
    assert again.rows("b") == []


KILLED = """
import json, os, signal, sys
from pathlib import Path
from murakkab_jupyter.profiles.observation import Observation
from murakkab_jupyter.profiles.store import ProfileStore
store = ProfileStore(Path(sys.argv[1]))
store.add("host", 1.0, "7", [Observation.from_json(json.loads(sys.argv[2]))])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_observations_outlast_a_killed_process_though_no_call_waits_for_the_disk(tmp_path):
    file = tmp_path / "profiles.sqlite"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(file), json.dumps(GOOD)], check=False)
    assert ended.returncode == -signal.SIGKILL
    store = ProfileStore(file)
    assert store.count() == 1
    assert store.db.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL: at checkpoints


def test_a_store_without_a_write_ahead_log_waits_for_the_disk_as_ever(tmp_path):
    file = tmp_path / "profiles.sqlite"
    made = ProfileStore(file)
    assert made.db.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    made.close()
    assert ProfileStore(file).db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_file_that_is_no_database_is_an_error_and_is_left_as_it_is(tmp_path):
    file = tmp_path / "profiles.sqlite"
    file.write_bytes(b"these are my notes, not a database" * 50)
    before = file.read_bytes()
    with pytest.raises(ProfileError, match="cannot be used") as caught:
        ProfileStore(file)
    assert "left as it is" in str(caught.value)
    assert file.read_bytes() == before


def test_a_damaged_store_is_an_error_and_is_left_as_it_is(tmp_path):
    file = tmp_path / "profiles.sqlite"
    store = ProfileStore(file)
    store.add("h", 1.0, "1", [Observation.from_json(GOOD)] * 500)
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    data = bytearray(file.read_bytes())
    data[4096 : len(data) - 4096] = b"\xff" * (len(data) - 8192)
    file.write_bytes(bytes(data))
    with pytest.raises(ProfileError):
        ProfileStore(file).rows("a")
    assert file.read_bytes() == bytes(data)


def test_another_programs_database_is_refused(tmp_path):
    file = tmp_path / "other.sqlite"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    with pytest.raises(ProfileError, match="another program"):
        ProfileStore(file)


def test_a_store_of_another_format_is_refused(tmp_path):
    file = tmp_path / "profiles.sqlite"
    ProfileStore(file).close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ProfileError, match="format is 99"):
        ProfileStore(file)


def test_a_row_that_makes_no_sense_is_an_error_that_names_the_agent(tmp_path):
    store = ProfileStore(tmp_path / "profiles.sqlite")
    with store.db:
        store.db.execute(
            "INSERT INTO observation (host, speed, date, version, agent, data) VALUES ('h', 1, 'd', '1', 'a', ?)",
            (json.dumps({**GOOD, "seconds": -4}),),
        )
    with pytest.raises(ProfileError, match="observation of a that makes no sense"):
        store.rows("a")


def test_starts_of_processes_are_the_latest_of_a_host_and_rows_that_make_no_sense_are_passed_over(tmp_path):
    store = ProfileStore(tmp_path / "profiles.sqlite")
    row = "INSERT INTO observation (host, speed, date, version, agent, data) VALUES (?, 1, 'd', '1', 'a', ?)"
    kept = [("h", json.dumps({**GOOD, "start_s": one})) for one in (0.3, "abc", [1], True, 0.0, 0.1)]
    with store.db:
        store.db.executemany(
            row, [*kept, ("h", '{"start_s": 1'), ("h", json.dumps(GOOD)), ("other", kept[0][1])]
        )
    assert store.starts("h") == [0.1, 0.3]
    assert store.starts("nobody") == []


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProfileError):
        ProfileStore(tmp_path / "file" / "profiles.sqlite")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seconds", float("nan")), ("seconds", -1.0), ("seconds", float("inf")), ("seconds", 1e9), ("seconds", 0),
        ("seconds", "fast"), ("seconds", True), ("cpu_s", -0.1), ("cpu_s", 1e12), ("items", 0), ("items", -2),
        ("work", float("nan")), ("work", -1), ("cores", 0), ("cores", 1.5), ("cores", True), ("load_s", -1),
        ("load_cpu_s", float("inf")), ("memory_bytes", -5), ("options", [1]), ("agent", 7),
    ],
)  # fmt: skip
def test_an_observation_that_makes_no_sense_is_rejected(key, value):
    with pytest.raises(ProfileError):
        Observation.from_json({**GOOD, key: value})


def test_an_observation_that_lacks_something_is_rejected():
    with pytest.raises(ProfileError, match="cores"):
        Observation.from_json({key: value for key, value in GOOD.items() if key != "cores"})


def test_an_observation_survives_json():
    one = Observation.from_json(GOOD)
    assert Observation.from_json(json.loads(json.dumps(one.to_json()))) == one


@pytest.mark.parametrize(
    "bad",
    [
        {"agent": "a", "value": 1.2},
        {"agent": "a", "value": 0.5, "low": 0.6},
        {"value": 0.5},
        {"agent": "a", "value": float("nan")},
    ],
)
def test_a_quality_that_makes_no_sense_is_rejected(bad):
    with pytest.raises(ProfileError):
        Quality.from_json(bad)


def test_the_users_store_can_be_put_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "p.sqlite"))
    assert user_store() == tmp_path / "p.sqlite"
    monkeypatch.delenv("MURAKKAB_PROFILES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert user_store() == tmp_path / "murakkab" / "profiles.sqlite"


def test_a_store_that_a_full_disk_did_not_let_be_made_leaves_no_half_of_one(tmp_path, monkeypatch):
    """Tables without the store's mark would be taken for another program's from then on."""
    file = tmp_path / "profiles.sqlite"
    connect = sqlite3.connect

    class Full(sqlite3.Connection):
        """A disk that is full after the first table."""

        def execute(self, statement, *values):
            if "CREATE INDEX" in statement:
                why = "database or disk is full"
                raise sqlite3.OperationalError(why)
            return super().execute(statement, *values)

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=Full, **more))
    with pytest.raises(ProfileError, match="full") as caught:
        ProfileStore(file)
    assert "Free some space, or set MURAKKAB_PROFILES" in str(caught.value)
    monkeypatch.undo()
    assert ProfileStore(file).count() == 0


@pytest.mark.parametrize(
    ("why", "do"),
    [
        ("database is locked", "try again"),
        ("database or disk is full", "Free some space"),
        ("disk I/O error", "quota"),
        ("attempt to write a readonly database", "can be written"),
        ("database disk image is malformed", "Move it away"),
    ],
)
def test_what_to_do_about_a_store_fits_what_is_wrong(why, do):
    assert do in str(ProfileStore(None).broken(why))
