"""What a workflow is expected to do, and what a look at its inputs changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.agents.perception.video import FRAME_EXTRACTION, SCENE_DETECTION, SEEN
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.planner.expect import MOST_LOOKS, count_notes, expect, root_measures
from murakkab_jupyter.planner.items import ItemMeasures
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.workflow.language import declare

CELL = "%%murakkab w\nscenes <- split {videos} into scenes\nframes <- take 3 frames from {scenes}\n"
WORKFLOW = declare(CELL, library=default_library(), values={"videos": ["a.mp4"]})
FILES = {
    "scenes": Configuration("content-scenes"),
    "frames": Configuration("uniform-frames", (("count", 3),)),
}


def video(number: int = 0, seconds: float = 30.0) -> Video:
    return Video(
        Media(f"/videos/{number}.mp4", f"{number:064d}", 10), seconds, 640, 360, 25.0, has_audio=True
    )


def library(looks):
    made = Library()
    made.add_capability(replace(SCENE_DETECTION, looks=looks))
    made.add_capability(FRAME_EXTRACTION)
    return made


def seen(scenes, low, high, marked=1.0):
    return dict(zip(SEEN, (scenes, low, high, marked), strict=True))


def test_without_a_look_a_scene_is_expected_each_five_seconds_and_said_to_be_a_guess():
    some = library(None)
    found = expect(WORKFLOW, {"videos": [video()]}, some).steps
    assert found["scenes"].made.value == 6
    assert found["frames"].items == 6
    assert found["frames"].made.value == 18
    (note, *rest) = count_notes(WORKFLOW, {"videos": [video()]}, some, {})
    assert note == "scenes: 6 expected (2 to 18), a guess, one each 5 s."
    assert rest == []


def test_what_was_seen_is_expected_of_every_step_below():
    some = library(lambda _: seen(11, 7, 16))
    roots = {"videos": [video()]}
    found = expect(WORKFLOW, roots, some).steps
    assert found["scenes"].made.value == 11
    assert (found["scenes"].made.low, found["scenes"].made.high, found["scenes"].made.source) == (
        7,
        16,
        "prior",
    )
    assert found["frames"].items == 11
    assert not set(found["scenes"].each) & set(SEEN), "a scene has no scenes of its own"
    assert found["scenes"].each["duration_s"] == pytest.approx(30 / 11)
    assert "11 expected (7 to 16), by a look at key frames." in count_notes(WORKFLOW, roots, some, {})[0]


def test_an_agent_that_goes_by_key_frames_is_expected_to_find_those():
    some = library(lambda _: seen(11, 7, 16, 4))
    short, long = ({"scenes": {"longest_s": longest}} for longest in (15.0, 5.0))
    assert expect(WORKFLOW, {"videos": [video()]}, some, short).steps["scenes"].made.value == 4
    assert expect(WORKFLOW, {"videos": [video()]}, some, long).steps["scenes"].made.value == 6


def test_silent_videos_tell_nothing_of_those_with_sound():
    silent = [replace(video(n, 10.0), has_audio=False) for n in range(30)]
    spoken = [video(n, 10.0) for n in range(30, 60)]
    some = library(lambda value: {"speech_s": value.duration_s if value.has_audio else 0.0})
    measures = root_measures(WORKFLOW, "videos", [*silent, *spoken], some)
    assert [one["speech_s"] for one in measures] == pytest.approx([0.0] * 30 + [10.0] * 30)
    # A single one among them, which is not at one of the even distances, is looked at besides.
    measures = root_measures(WORKFLOW, "videos", [*silent, spoken[0]], some)
    assert [one["speech_s"] for one in measures] == [0.0] * 30 + [10.0]


def test_of_many_videos_some_are_looked_at_and_the_others_are_like_them():
    asked = []

    def look(value):
        asked.append(value)
        return seen(value.duration_s / 2, value.duration_s / 4, value.duration_s)

    some, roots = library(look), {"videos": [video(n, 10.0 + n % 3) for n in range(1000)]}
    measures = root_measures(WORKFLOW, "videos", roots["videos"], some)
    assert len(asked) == MOST_LOOKS
    assert [one["scenes"] for one in measures[:3]] == pytest.approx([5.0, 5.5, 6.0])
    found = expect(WORKFLOW, roots, some).steps["scenes"]
    assert found.made.value == pytest.approx(sum(one.duration_s for one in roots["videos"]) / 2)
    assert f"{MOST_LOOKS} of 1000 looked at" in count_notes(WORKFLOW, roots, some, {})[0]


def test_a_look_that_fails_or_says_nothing_leaves_the_guess():
    def broken(value):
        raise RuntimeError("another package's fault")

    for look in (broken, lambda _: {}):
        assert expect(WORKFLOW, {"videos": [video()]}, library(look)).steps["scenes"].made.value == 6


def test_the_simulator_expects_what_the_planner_does():
    some = library(lambda _: seen(11, 7, 16))
    items = ItemMeasures(WORKFLOW, FILES, {"videos": [video()]}, some)
    (key,) = items.roots["videos"]
    items.start("scenes", key)
    assert items.finish("scenes", key) == 11
