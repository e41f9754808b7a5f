"""Profiles as a file: from one host's store to another's."""

import json
import sqlite3

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.exchange import export_profiles, import_profiles
from murakkab_jupyter.profiles.observation import Observation
from murakkab_jupyter.profiles.published import shipped_published
from murakkab_jupyter.profiles.reference import Reference
from murakkab_jupyter.profiles.store import ProfileStore

CALL = {
    "agent": "a",
    "options": {"beam": 5},
    "cores": 1,
    "items": 2,
    "work": 3.0,
    "seconds": 1.5,
    "cpu_s": 1.4,
}


def filled():
    store = ProfileStore(None)
    store.add("elsewhere | cpu | 8 cores", 2.0, "7", [Observation.from_json(CALL)] * 3, date="2026-05-01")
    return store


def book(store, host="here", speed=1.0):
    return ProfileBook(Library(), store, reference=Reference("", "", (), ()), host=host, host_speed=speed)


def test_what_is_exported_is_imported_with_host_speed_date_and_version(tmp_path):
    file = tmp_path / "p.json"
    assert export_profiles(filled(), file) == 3
    store = ProfileStore(None)
    found = import_profiles(store, file)
    assert (found.observations, found.hosts) == (3, ("elsewhere | cpu | 8 cores",))
    assert store.dump() == filled().dump()
    assert store.dump()[0]["date"] == "2026-05-01"


def test_importing_again_doubles_nothing(tmp_path):
    file = tmp_path / "p.json"
    export_profiles(filled(), file)
    store = ProfileStore(None)
    import_profiles(store, file)
    assert import_profiles(store, file).observations == 0
    assert store.count() == 3


@pytest.mark.parametrize("on_disk", [False, True])
def test_an_import_that_fails_in_the_middle_leaves_nothing(tmp_path, monkeypatch, on_disk):
    file = tmp_path / "p.json"
    store = filled()
    store.add_served(shipped_published().served[:2])
    export_profiles(store, file)
    here = ProfileStore(tmp_path / "s.sqlite" if on_disk else None)

    def fails(self, profiles):
        with self.writing():
            self.db.execute("INSERT INTO nowhere VALUES (1)")

    with monkeypatch.context() as patch:
        patch.setattr(ProfileStore, "add_served", fails)
        with pytest.raises(ProfileError, match="was not imported"):
            import_profiles(here, file)
    assert here.count() == 0
    assert here.served() == ()
    found = import_profiles(here, file)
    assert (found.observations, found.served) == (3, 2)
    assert here.count() == 3


def test_what_another_host_observed_is_a_prior_here_and_scaled_by_its_speed(tmp_path):
    file = tmp_path / "p.json"
    export_profiles(filled(), file)
    here = book(ProfileStore(None))
    assert here.call("a", (("beam", 5),), cores=1, items=2, work=3.0).seconds.value != pytest.approx(3.0)
    here.take_in(file)
    figure = here.call("a", (("beam", 5),), cores=1, items=2, work=3.0).seconds
    assert figure.source == "prior"
    assert figure.value == pytest.approx(3.0)
    own = book(filled(), host="elsewhere | cpu | 8 cores", speed=2.0)
    assert own.call("a", (("beam", 5),), cores=1, items=2, work=3.0, speed=2.0).seconds.source == "measured"


def test_published_profiles_travel_too(tmp_path):
    store = filled()
    one = shipped_published().served[0]
    assert store.add_served([one, one]) == 1
    file = tmp_path / "p.json"
    export_profiles(store, file)
    other = ProfileStore(None)
    assert import_profiles(other, file).served == 1
    assert other.served() == (one,)


def test_an_empty_store_has_nothing_to_export(tmp_path):
    with pytest.raises(ProfileError, match="no profiles to export"):
        export_profiles(ProfileStore(None), tmp_path / "p.json")
    assert not (tmp_path / "p.json").exists()


def test_a_file_that_cannot_be_written_or_read_is_told(tmp_path):
    with pytest.raises(ProfileError, match="cannot be written"):
        export_profiles(filled(), tmp_path / "no" / "p.json")
    with pytest.raises(ProfileError, match="cannot be read"):
        import_profiles(ProfileStore(None), tmp_path / "no.json")


GOOD = {"host": "h", "speed": 1.0, "date": "2026-01-01", "version": "1", **CALL}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not parse"),
        ("[" * 100_000, "does not parse"),
        ("[1]", "no exported profiles"),
        ('{"kind": "another"}', "no exported profiles"),
        ('{"kind": "murakkab profiles", "format": 99}', "format 99"),
        ('{"kind": "murakkab profiles", "format": 1, "observations": 3}', "lists"),
    ],
)
def test_a_file_that_is_no_export_is_refused(tmp_path, text, says):
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(ProfileError, match=says):
        import_profiles(ProfileStore(None), file)


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": 1e9},
        {"seconds": 0},
        {"items": 0},
        {"cores": 0},
        {"work": float("inf")},
        {"speed": 0},
        {"speed": float("nan")},
        {"speed": 1e9},
        {"speed": "fast"},
        {"speed": True},
        {"host": ""},
        {"host": None},
        {"date": "soon"},
        {"version": 3},
        {"agent": 3},
        {"options": []},
    ],
)
def test_an_entry_that_makes_no_sense_stops_the_whole_import_and_is_named(tmp_path, change):
    file = tmp_path / "p.json"
    file.write_text(
        json.dumps({"kind": "murakkab profiles", "format": 1, "observations": [GOOD, {**GOOD, **change}]})
    )
    store = ProfileStore(None)
    with pytest.raises(ProfileError, match="Observation 1"):
        import_profiles(store, file)
    assert store.count() == 0


def test_a_speed_that_makes_no_sense_is_never_stored():
    store = ProfileStore(None)
    for speed in (0.0, -1.0, float("nan"), float("inf"), 1e9):
        with pytest.raises(ProfileError, match="speed"):
            store.add("h", speed, "1", [Observation.from_json(CALL)])
    assert store.count() == 0


def test_a_store_of_before_gets_a_place_for_published_profiles_only_when_one_comes(tmp_path):
    file = tmp_path / "p.sqlite"
    store = ProfileStore(file)
    assert store.served() == ()
    names = {name for (name,) in sqlite3.connect(file).execute("SELECT name FROM sqlite_master")}
    assert "served" not in names
    store.add_served(shipped_published().served[:2])
    assert len(ProfileStore(file).served()) == 2


def test_a_served_profile_that_was_damaged_in_the_store_is_an_error(tmp_path):
    store = ProfileStore(tmp_path / "p.sqlite")
    store.add_served(shipped_published().served[:1])
    with store.db:
        store.db.execute("UPDATE served SET data = '{}'")
    with pytest.raises(ProfileError, match="served profile that makes no sense"):
        store.served()
