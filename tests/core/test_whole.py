"""Files that are written whole or not at all."""

import errno
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from murakkab_jupyter.core.whole import whole


def test_a_file_takes_the_place_of_another_once_it_is_whole(tmp_path):
    file = tmp_path / "out.json"
    with whole(file) as new:
        assert new.suffix == ".json"
        new.write_text("first")
        assert not file.exists()
    file.chmod(0o640)
    with whole(file) as new:
        new.write_text("second")
        assert file.read_text() == "first"
    assert file.read_text() == "second"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


def test_what_was_there_stays_where_writing_fails(tmp_path):
    file = tmp_path / "out.json"
    file.write_text("of yesterday")

    def write():
        with whole(file) as new:
            new.write_text("ha")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write()
    assert file.read_text() == "of yesterday"
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


def test_no_room_for_a_file_at_all_is_told_before_anything_is_touched(tmp_path, monkeypatch):
    file = tmp_path / "out.json"
    file.write_text("of yesterday")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)

    def write():
        with whole(file):
            pytest.fail("there is nothing to write to")

    with pytest.raises(OSError, match="No space"):
        write()
    monkeypatch.undo()
    assert file.read_text() == "of yesterday"


def test_a_folder_that_takes_no_new_files_is_no_hindrance(tmp_path, monkeypatch):
    file = tmp_path / "out.json"
    file.write_text("before")

    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    with whole(file) as new:
        assert new == file
    monkeypatch.undo()
    new.write_text("after")
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


def test_links_stay_links_and_files_of_several_names_stay_one(tmp_path):
    (tmp_path / "far").mkdir()
    real, link, twin = tmp_path / "far" / "real.json", tmp_path / "link.json", tmp_path / "twin.json"
    real.write_text("before")
    link.symlink_to(real)
    with whole(link) as new:
        new.write_text("after")
    assert link.is_symlink()
    assert real.read_text() == "after"
    twin.hardlink_to(real)
    with whole(real) as new:
        new.write_text("of both")
    assert twin.read_text() == "of both"


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard = []
    other = threading.Thread(target=lambda: heard.append(pipe.read_text()), daemon=True)
    other.start()
    with whole(pipe) as new:
        new.write_text("hello")
    other.join(60)
    assert heard == ["hello"]


def test_a_file_that_cannot_be_replaced_is_written_over(tmp_path, monkeypatch):
    """A file that is a mount of its own, as containers have them."""
    file = tmp_path / "out.json"
    file.write_text("before")

    def busy(*_):
        raise OSError(errno.EBUSY, "Device or resource busy")

    with whole(file) as new:
        new.write_text("after")
        monkeypatch.setattr(type(new), "replace", busy)
    monkeypatch.undo()
    assert file.read_text() == "after"
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


def test_what_is_open_already_is_written_to(tmp_path):
    """`/dev/stdout`, and `>(command)` of a shell: their links lead to no path that could be replaced."""
    reader, writer = os.pipe()
    link = tmp_path / "link.json"
    link.symlink_to(f"/dev/fd/{writer}")
    for name in (Path(f"/dev/fd/{writer}"), link):
        with whole(name) as new:
            new.write_text("hello")
        assert os.read(reader, 100) == b"hello"
    os.close(reader)
    os.close(writer)


def test_an_open_file_stays_the_same_file(tmp_path):
    """A shell that sent the output there (`> out.json`) goes on to write to it."""
    file = tmp_path / "out.json"
    with file.open("w") as opened:
        before = file.stat().st_ino
        with whole(Path(f"/dev/fd/{opened.fileno()}")) as new:
            new.write_text("hello")
    assert file.stat().st_ino == before
    assert file.read_text() == "hello"
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.parametrize("name", ["/", "."])
def test_a_folder_is_an_error_of_its_own(name):
    def write():
        with whole(Path(name)) as new:
            new.write_text("x")

    with pytest.raises(IsADirectoryError):
        write()


def test_links_that_go_round_are_an_error(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)

    def write():
        with whole(one) as new:
            new.write_text("x")

    with pytest.raises(OSError, match="symbolic links"):
        write()
    assert one.is_symlink()


def of_another_group(file, monkeypatch):
    real = os.stat

    def state(path, **more):
        found = list(real(path, **more))
        if path == file:
            found[stat.ST_GID] += 1
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", state)


def with_attributes(file, monkeypatch):
    monkeypatch.setattr(os, "listxattr", lambda path: ["user.tag"] if path == file else [], raising=False)
    monkeypatch.setattr(os, "getxattr", lambda *_: b"mine", raising=False)


def with_rights_that_cannot_be_given(_, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(shutil, "copymode", refused)


@pytest.mark.parametrize("made", [of_another_group, with_attributes, with_rights_that_cannot_be_given])
def test_what_a_new_file_would_not_have_is_kept(tmp_path, monkeypatch, made):
    file = tmp_path / "out.json"
    file.write_text("before")
    before = file.stat().st_ino
    with monkeypatch.context() as patched:
        made(file, patched)
        with whole(file) as new:
            assert new == file
            new.write_text("after")
    assert (file.stat().st_ino, file.read_text()) == (before, "after")
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


def test_attributes_that_every_file_of_a_folder_has_are_no_hindrance(tmp_path, monkeypatch):
    """A security label, say."""
    monkeypatch.setattr(os, "listxattr", lambda _: ["security.selinux"], raising=False)
    monkeypatch.setattr(os, "getxattr", lambda *_: b"a label", raising=False)
    file = tmp_path / "out.json"
    file.write_text("before")
    with whole(file) as new:
        assert new != file
        new.write_text("after")
    assert file.read_text() == "after"
