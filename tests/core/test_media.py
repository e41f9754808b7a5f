from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.media import Media, cache_dir, hash_file, media_cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "media"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a film")
    return path


def test_a_file_is_known_by_path_hash_and_size(clip: Path) -> None:
    media = Media.of(clip)
    assert media == Media(str(clip), hashlib.sha256(b"a film").hexdigest(), 6)
    assert media.name == "clip.mp4"
    assert media.local() == clip
    assert hash_file(clip) == media.sha256


def test_a_relative_path_or_one_under_home_is_made_whole(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    monkeypatch.setenv("HOME", str(clip.parent))
    assert Media.of("clip.mp4").path == Media.of("~/clip.mp4").path == str(clip)


@pytest.mark.parametrize(("name", "why"), [("missing.mp4", "No file at"), (".", "is a folder")])
def test_a_missing_file_or_a_folder_is_an_input_error_that_names_it(
    tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(InputError, match=why) as caught:
        Media.of(tmp_path / name)
    assert caught.value.hint


def test_a_file_that_changed_is_not_taken_for_the_one_declared(clip: Path) -> None:
    media = Media.of(clip)
    clip.write_bytes(b"another film")
    assert media.here() is None
    with pytest.raises(InputError, match=r"clip\.mp4") as caught:
        media.local()
    assert caught.value.hint


def test_a_shipped_copy_serves_where_the_path_does_not(clip: Path, cache: Path) -> None:
    media = Media.of(clip)
    clip.unlink()
    assert media.here() is None
    cache.mkdir(parents=True)
    copy = cache / f"{media.sha256}.mp4"
    copy.write_bytes(b"a fil")
    assert media.here() is None, "a copy that is cut short is not taken"
    copy.write_bytes(b"a film")
    assert media.here() == media.local() == media.cached() == copy


def test_a_path_that_cannot_be_looked_at_is_as_good_as_none(cache: Path) -> None:
    assert Media("/" + "x" * 5000, "a" * 64, 1).here() is None
    assert Media("bad\0path", "a" * 64, 1).here() is None


def test_the_cache_is_where_it_is_stated_or_in_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MURAKKAB_CACHE", "/stated")
    assert media_cache() == Path("/stated/media")
    monkeypatch.delenv("MURAKKAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_dir() == Path("/xdg/murakkab")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/one")
    assert cache_dir() == Path("/home/one/.cache/murakkab")
