"""A file that may not be read is its item's error, whatever it is and whatever it should have been."""

from __future__ import annotations

import pytest
from PIL import Image as Picture

from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.workflow.inputs import gather
from tests.unreadable import AWAY, spoil, without_rights

from .conftest import VALUES
from .test_inputs import write_sound, write_video


def write_picture(path):
    Picture.new("RGB", (8, 8), "red").save(path)


def write_words(path):
    path.write_text("A cat sat there.")


KINDS = {
    "video": (".mp4", write_video, "split {v} into scenes"),
    "audio": (".wav", write_sound, "transcribe {v}"),
    "image": (".png", write_picture, "detect the objects in {v}"),
    "document": (".txt", write_words, "split {v} into passages"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", [one for one in AWAY if one != "gone"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", ["list", "folder"])
def test_a_file_that_cannot_be_read_fails_alone(bound, tmp_path, kind, how, given):
    suffix, write, sentence = KINDS[kind]
    paths = [tmp_path / f"{name}{suffix}" for name in "abc"]
    for path in paths:
        write(path)
    spoil(paths[1], how)
    value = [str(path) for path in paths] if given == "list" else f"{tmp_path}/"
    with without_rights():
        workflow = bound(f"x <- {sentence}", v=value)
        found = gather(workflow, {**VALUES, "v": value})
    assert workflow.variable("v").kind == kind
    if given == "folder" and how == "folder":  # what is in folders inside is not looked for
        assert (len(found.values["v"]), found.bad) == (2, {})
        return
    assert [value is None for value in found.values["v"]] == [False, True, False]
    [(where, why)] = found.bad.items()
    assert where == ("v", (("v", 1),))
    assert paths[1].name in why


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("no permission", "may not be read"),
        ("pipe", "a pipe, a socket or a device"),
        ("device", "a pipe, a socket or a device"),
        ("dangling link", "a link to a file that is not there"),
        ("link to itself", "b.txt"),
    ],
)
def test_a_single_file_that_cannot_be_read_says_why_and_what_to_do(bound, tmp_path, how, why):
    path = tmp_path / "b.txt"
    write_words(path)
    spoil(path, how)
    with without_rights(), pytest.raises(InputError) as caught:
        gather(bound("x <- split {v} into passages", v=path), {**VALUES, "v": path})
    assert caught.value.hint
    assert why in str(caught.value)


def test_a_file_in_a_folder_that_may_not_be_looked_into_fails_alone(bound, tmp_path):
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "a.txt", tmp_path / "in" / "b.txt"]
    for path in paths:
        write_words(path)
    (tmp_path / "in").chmod(0)
    try:
        with without_rights():
            found = gather(bound("x <- split {v} into passages", v=paths), {**VALUES, "v": paths})
    finally:
        (tmp_path / "in").chmod(0o700)
    assert list(found.bad) == [("v", (("v", 1),))]


@pytest.mark.parametrize("how", ["folder", "gone", "dangling link"])
def test_files_of_an_earlier_run_keep_their_places_whatever_one_of_them_became(bound, tmp_path, how):
    paths = [tmp_path / f"{name}.txt" for name in "abc"]
    for path in paths:
        write_words(path)
    spoil(paths[1], how)
    if how == "folder":
        write_words(paths[1] / "d.txt")
        write_words(paths[1] / "e.txt")
    found = gather(bound("x <- split {v} into passages", v=paths), {**VALUES, "v": paths}, lost=True)
    assert [value is None for value in found.values["v"]] == [False, True, False]


def test_a_missing_file_among_others_is_a_mistake_in_the_call(bound, tmp_path):
    write_words(tmp_path / "a.txt")
    paths = [tmp_path / "a.txt", tmp_path / "typo.txt"]
    with pytest.raises(InputError, match="no file at"):
        gather(bound("x <- split {v} into passages", v=paths), {**VALUES, "v": paths})
