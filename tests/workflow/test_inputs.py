"""Inputs: paths, folders, globs, lists and scalars become root items; what is wrong is told by name."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from murakkab_jupyter.core.errors import InputError, MurakkabError
from murakkab_jupyter.core.kinds import Audio, Document, Image, Transcript, Video
from murakkab_jupyter.workflow.inputs import gather, unchanged

from .conftest import VALUES


def write_sound(path, seconds=0.2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(8000 * seconds) * 2))
    return path


def write_video(path):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(5):
            picture = np.full((48, 64, 3), number * 40, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def roots(bound):
    """Gather the one variable `v` of a step."""

    def gathered(value, sentence="transcribe {v}"):
        workflow = bound(f"x <- {sentence}", v=value)
        return gather(workflow, {**VALUES, "v": value})

    return gathered


def names(found):
    return [Path(value.media.path).name for value in found.values["v"]]


def test_a_file_is_one_item(roots, tmp_path):
    found = roots(str(write_sound(tmp_path / "a.wav")))
    assert isinstance(found.values["v"][0], Audio)
    assert found.bad == {}
    assert names(roots(tmp_path / "a.wav")) == ["a.wav"]


def test_each_kind_of_file_becomes_its_value(roots, tmp_path):
    Picture.new("RGB", (8, 6)).save(tmp_path / "p.png")
    (tmp_path / "d.txt").write_text("Some words.")
    assert isinstance(roots(str(tmp_path / "p.png"), "read {v}").values["v"][0], Image)
    assert isinstance(roots(str(tmp_path / "d.txt"), "embed {v}").values["v"][0], Document)
    video = roots(str(write_video(tmp_path / "v.mp4")), "split {v} into scenes").values["v"][0]
    assert isinstance(video, Video)
    assert (video.width, video.height, video.has_audio) == (64, 48, False)


def test_a_folder_gives_its_files_of_the_kind_by_name(roots, tmp_path):
    for name in ("b.wav", "a.wav", ".hidden.wav", "notes.txt"):
        write_sound(tmp_path / name)
    (tmp_path / "inside.wav").mkdir()
    for folder in (tmp_path, f"{tmp_path}/", str(tmp_path)):
        assert names(roots(folder)) == ["a.wav", "b.wav"]


def test_what_is_left_out_of_a_folder_is_said_with_what_to_do(roots, tmp_path):
    (tmp_path / "a.txt").write_text("Some words.")
    for name in ("b.odt", "c.pptx", "d.bin"):
        (tmp_path / name).write_bytes(b"PK\3\4\0")
    found = roots(f"{tmp_path}/", "summarise {v}")
    assert [value.text for value in found.values["v"]] == ["Some words."]
    (note,) = found.notes
    assert "3 files are left out" in note
    assert "b.odt, c.pptx, d.bin" in note
    assert ".odt: save it as .docx, .pdf or .txt" in note
    (tmp_path / "a.txt").unlink()
    with pytest.raises(InputError, match=r"holds no document files, only b\.odt") as caught:
        roots(f"{tmp_path}/", "summarise {v} @summarisation")
    assert ".odt: save it" in str(caught.value)


@pytest.mark.parametrize("value", ["{0}", "{0}/*", "{0}/**/*", "{0}/"])
def test_the_path_of_a_folder_is_no_text_to_summarise(roots, tmp_path, value):
    folder = tmp_path / "my papers"
    folder.mkdir()
    (folder / "a.txt").write_text("Some words.")
    (found,) = roots(value.format(folder), "summarise {v}").values["v"]
    assert found.text == "Some words."


@pytest.mark.parametrize(
    "value", ["/home/nobody/papers", "~/papers-that-are-not", "./papers", "../nowhere/*"]
)
def test_a_path_where_nothing_is_is_no_text_to_summarise(roots, tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no file"):
        roots(value, "summarise {v}")


@pytest.mark.parametrize("value", ["and/or", "/help", "a * b / c", "either/or *maybe*", "docs", "km/h"])
def test_words_with_signs_of_paths_are_texts(roots, tmp_path, monkeypatch, value):
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert roots(value, "summarise {v}").values["v"] == [value]


def test_folders_inside_a_folder_are_told_of(roots, tmp_path):
    (tmp_path / "a.txt").write_text("Some words.")
    (tmp_path / "2024").mkdir()
    (note,) = roots(f"{tmp_path}/", "summarise {v}").notes
    assert "1 folder is in" in note
    assert "not searched (2024)" in note
    assert "/**/*" in note


def test_what_is_doubtful_in_documents_is_told_once_for_all_of_them(roots, tmp_path):
    for n in range(9):
        (tmp_path / f"{n}.txt").write_bytes(b"gr\xf6\xdfer")
    (note,) = roots(f"{tmp_path}/", "summarise {v}").notes
    assert "no UTF-8, so read as Windows-1252" in note
    assert "0.txt" in note
    assert "more." in note


def test_a_folder_of_one_kind_has_nothing_to_say(roots, tmp_path):
    write_sound(tmp_path / "a.wav")
    assert roots(tmp_path).notes == ()


@pytest.mark.parametrize("name", ["report.odt", "report.xlsx"])
def test_a_file_that_is_not_read_is_no_text_and_says_how_to_convert_it(roots, tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"no file at {name}"):
        roots(name, "summarise {v}")
    (tmp_path / name).write_bytes(b"PK, whatever it holds")
    with pytest.raises(InputError, match="no file that can be read as a document") as caught:
        roots(name, "summarise {v}")
    assert "Save" in str(caught.value)
    assert ".docx" in str(caught.value)


def test_a_file_of_an_unknown_kind_is_read_when_it_is_there_and_holds_words(roots, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.org").write_text("Words of a file.")
    assert [value.text for value in roots("notes.org", "summarise {v}").values["v"]] == ["Words of a file."]
    assert roots("gone.org", "summarise {v}").values["v"] == ["gone.org"]  # nothing says that it is a path


def test_a_glob_gives_what_it_matches_by_name(roots, tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.wav", "a.wav", "deep/c.wav", "x.txt"):
        write_sound(tmp_path / name)
    assert names(roots(f"{tmp_path}/*.wav")) == ["a.wav", "b.wav"]
    assert names(roots(f"{tmp_path}/**/*.wav")) == ["a.wav", "b.wav", "c.wav"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(roots, tmp_path):
    assert names(roots(str(write_sound(tmp_path / "take[1].wav")))) == ["take[1].wav"]


def test_a_list_keeps_its_order_and_may_mix_files_and_folders(roots, tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("b.wav", "a.wav", "more/c.wav"):
        write_sound(tmp_path / name)
    found = roots([str(tmp_path / "b.wav"), tmp_path / "a.wav", f"{tmp_path}/more/"])
    assert names(found) == ["b.wav", "a.wav", "c.wav"]


def test_a_home_folder_is_expanded(roots, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_sound(tmp_path / "a.wav")
    assert names(roots("~/a.wav")) == ["a.wav"]
    with pytest.raises(InputError, match="no file at"):
        roots("~nobody-of-this-name/a.wav")


def test_a_scalar_is_one_value_and_a_list_of_texts_is_many(roots):
    assert roots("What?", "summarise {v}").values["v"] == ["What?"]
    assert roots(("b", "a"), "summarise {v}").values["v"] == ["b", "a"]
    assert roots(3, "embed {v}").values["v"] == ["3"]
    assert roots({"k": 1}, "embed {v}").values["v"] == [{"k": 1}]


def test_values_of_a_kind_go_through(roots):
    said = Transcript(())
    assert roots([said], "embed {v}").values["v"] == [said]
    thing = object()
    assert roots(thing, "write about {v}").values["v"] == [thing]


def test_one_unreadable_file_among_good_ones_is_bad_and_nothing_else_is_lost(roots, tmp_path):
    good = write_sound(tmp_path / "good.wav")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("This is no sound.")
    found = roots([str(tmp_path / "empty.wav"), str(good), str(tmp_path / "text.wav")])
    assert [value is None for value in found.values["v"]] == [True, False, True]
    assert set(found.bad) == {("v", (("v", 0),)), ("v", (("v", 2),))}
    assert "empty.wav" in found.bad["v", (("v", 0),)]
    assert "text.wav" in found.bad["v", (("v", 2),)]


def test_an_empty_text_among_texts_is_bad(roots):
    found = roots(["words", " "], "summarise {v}")
    assert list(found.bad) == [("v", (("v", 1),))]


@pytest.mark.parametrize(
    ("value", "sentence", "message"),
    [
        ("missing.wav", "transcribe {v}", "no file at missing.wav"),
        (["{tmp}/good.wav", "{tmp}/missing.wav"], "transcribe {v}", "missing.wav"),
        ("{tmp}/*.mp3", "transcribe {v}", "no file matches"),
        ("{tmp}/void/", "transcribe {v}", "is empty"),
        ("{tmp}/", "split {v} into scenes", "holds no video files"),
        ([], "transcribe {v}", "v is an empty list"),
        ((), "summarise {v}", "v is an empty list"),
        ("{tmp}/empty.wav", "transcribe {v}", "empty.wav is empty"),
        ("{tmp}/text.mp4", "split {v} into scenes", "text.mp4"),
        (["{tmp}/empty.wav", "{tmp}/text.wav"], "transcribe {v}", "None of the 2 items of v"),
        ("https://example.org/a.wav", "transcribe {v}", "is a web address"),
        ("s3://bucket/a.wav", "transcribe {v}", "is a web address"),
        ("bad\0path.wav", "transcribe {v}", "no file can have"),
        ("x" * 5000, "transcribe {v}", "no file at xxx"),
        (["", " "], "summarise {v}", "None of the 2 items of v"),
        ([""], "transcribe {v}", "holds an empty path"),
        ("", "transcribe {v}", "`v` is an empty text"),
        ("  ", "summarise {v}", "`v` is an empty text"),
    ],
)
def test_what_cannot_be_read_is_told_at_once_by_name(roots, tmp_path, value, sentence, message):
    write_sound(tmp_path / "good.wav")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "void").mkdir()
    for name in ("text.mp4", "text.wav"):
        (tmp_path / name).write_text("This is no media.")

    def placed(one):
        return one.replace("{tmp}", str(tmp_path)) if isinstance(one, str) else one

    given = type(value)(map(placed, value)) if isinstance(value, list | tuple) else placed(value)
    if sentence == "split {v} into scenes" and value == "{tmp}/":
        (tmp_path / "text.mp4").unlink()
    with pytest.raises(MurakkabError) as caught:
        roots(given, sentence)
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_variable_that_lost_its_value_is_told(bound):
    workflow = bound("x <- summarise {q}")
    with pytest.raises(InputError, match="q has no value"):
        gather(workflow, {})


def test_a_value_of_another_kind_than_bound_is_told(bound):
    workflow = bound("x <- embed {v}", v={"a": 1})
    with pytest.raises(InputError, match="holds a str, and a record is needed"):
        gather(workflow, {"v": "words"})


def test_what_collections_hold_is_compared_with_what_was_gathered(bound, tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_sound(folder / "a.wav")
    workflow = bound("x <- transcribe {v}", v=str(folder))
    given = {"v": str(folder)}
    found = gather(workflow, given)
    assert unchanged(workflow, given, found)
    write_sound(folder / "a.wav", seconds=0.4)
    assert not unchanged(workflow, given, found)
    found = gather(workflow, given)
    (folder / "b.txt").write_text("no sound")
    assert unchanged(workflow, given, found)
    write_sound(folder / "b.wav")
    assert not unchanged(workflow, given, found)
    (folder / "a.wav").unlink()
    (folder / "b.wav").unlink()
    assert not unchanged(workflow, given, found)


def test_a_list_is_compared_item_by_item(bound):
    items = ["one", "two"]
    workflow = bound("x <- summarise {v}", v=items)
    found = gather(workflow, {"v": items})
    assert unchanged(workflow, {"v": ["one", "two"]}, found)
    assert not unchanged(workflow, {"v": ["two", "one"]}, found)
    items.append("three")
    assert not unchanged(workflow, {"v": items}, found)


def test_a_video_without_a_picture_is_heard_where_only_its_sound_is_asked_for(roots, tmp_path):
    song = write_sound(tmp_path / "meeting.wav").rename(tmp_path / "meeting.mp4")
    write_video(tmp_path / "film.mp4")
    (tmp_path / "notes.mp4").write_text("No media at all.")
    found = roots(str(tmp_path))
    assert [type(value).__name__ for value in found.values["v"]] == ["Video", "Audio", "NoneType"]
    assert list(found.bad) == [("v", (("v", 2),))]
    with pytest.raises(InputError, match="holds no picture"):
        roots(str(song), "split {v} into scenes")
