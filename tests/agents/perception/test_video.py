import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.media.frames import even_times
from murakkab_jupyter.agents.media.scenes import KeyframeScenes, out_of_turn, scenes_of
from murakkab_jupyter.agents.perception.video import (
    CONTENT_SCENES,
    FRAME_EXTRACTION,
    KEYFRAME_SCENES,
    UNIFORM_FRAMES,
)
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Audio, Frame, Scene, Video
from murakkab_jupyter.core.media import Media
from tests.conftest import BLUE, GREEN, RED, coloured, scene_pictures

GHOST = Video(Media("/nowhere/ghost.mp4", "0" * 64, 10), 60.0, 640, 360, 25.0, has_audio=False)


def run(spec, port, *values, **options):
    agent = spec.make()
    agent.load(spec.settings(options), 1)
    return list(agent.call([Inputs((("v", index),), {port: value}) for index, value in enumerate(values)]))


def times(scenes):
    return [(round(scene.start_s, 1), round(scene.end_s, 1)) for scene in scenes]


def test_content_scenes_cut_where_the_picture_changes(three_scenes):
    video = probe(three_scenes, "video")
    (scenes,) = run(CONTENT_SCENES, "video", video)
    assert times(scenes) == [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)]
    assert all(isinstance(scene, Scene) and scene.media == video for scene in scenes)


def test_leaving_pictures_out_moves_a_cut_by_no_more_than_was_left_out(three_scenes):
    (scenes,) = run(CONTENT_SCENES, "video", probe(three_scenes, "video"), frame_skip=3)
    assert [scene.start_s for scene in scenes] == pytest.approx([0.0, 2.0, 4.0], abs=0.41)
    assert len(scenes) == 3


@pytest.mark.parametrize("frame_skip", [1, 3])
def test_of_a_video_of_one_picture_a_second_none_is_left_out(make_video, frame_skip):
    path = make_video("lecture.mp4", scene_pictures(RED, GREEN, BLUE, each=5), fps=1)
    (scenes,) = run(CONTENT_SCENES, "video", probe(path, "video"), frame_skip=frame_skip)
    assert times(scenes) == [(0.0, 5.0), (5.0, 10.0), (10.0, 15.0)]


def test_cuts_of_a_variable_rate_have_the_times_of_the_video(make_video):
    pictures = [coloured(c) for c in (RED, RED, RED, GREEN, GREEN, GREEN)]
    path = make_video("vfr.mp4", pictures, pts=[0, 5, 40, 43, 60, 80])
    (scenes,) = run(CONTENT_SCENES, "video", probe(path, "video"), frame_skip=0)
    assert [scene.start_s for scene in scenes] == pytest.approx([0.0, 4.3], abs=0.01)


@pytest.mark.parametrize("spec", [CONTENT_SCENES, KEYFRAME_SCENES], ids=lambda spec: spec.name)
def test_a_video_without_a_cut_is_one_scene(spec, one_frame_video, silent_video):
    for path in (one_frame_video, silent_video):
        video = probe(path, "video")
        (scenes,) = run(spec, "video", video)
        assert scenes == [Scene(video, 0.0, video.duration_s)]


@pytest.mark.parametrize("spec", [CONTENT_SCENES, KEYFRAME_SCENES], ids=lambda spec: spec.name)
def test_no_scene_is_shorter_than_the_least_length(spec, make_video):
    path = make_video("flicker.mp4", scene_pictures(*[RED, GREEN, BLUE] * 4, each=4))
    (scenes,) = run(spec, "video", probe(path, "video"), min_scene_s=1.0)
    assert len(scenes) > 1 or spec is KEYFRAME_SCENES
    assert min(scene.end_s - scene.start_s for scene in scenes) >= 0.999


@pytest.mark.parametrize("spec", [CONTENT_SCENES, KEYFRAME_SCENES], ids=lambda spec: spec.name)
def test_one_bad_video_fails_alone(spec, three_scenes, sine_audio):
    video = probe(three_scenes, "video")
    sound = probe(sine_audio, "audio")
    unseen = Video(sound.media, 3.0, 64, 48, 25.0, has_audio=True)
    results = run(spec, "video", GHOST, video, unseen, sound)
    assert isinstance(results[0], Failed)
    assert "ghost.mp4" in results[0].reason
    assert len(results[1]) >= 1
    assert isinstance(results[1][0], Scene)
    assert "holds no picture" in results[2].reason
    assert "Audio" in results[3].reason


def test_a_video_whose_pictures_went_bad_fails(three_scenes, clips):
    video = probe(three_scenes, "video")
    data = bytearray(three_scenes.read_bytes())
    start, end = data.find(b"mdat") + 4, data.find(b"moov") - 4
    data[start:end] = bytes(end - start)
    path = clips / "rotten.mp4"
    path.write_bytes(data)
    rotten = dataclasses.replace(video, media=Media.of(path))
    (result,) = run(CONTENT_SCENES, "video", rotten)
    assert isinstance(result, Failed)
    assert "rotten.mp4" in result.reason


def test_key_frames_out_of_turn_are_cuts(make_video):
    path = make_video("encoder.mp4", scene_pictures(RED, GREEN, BLUE, each=25), gop=250)
    video = probe(path, "video")
    agent = KeyframeScenes()
    agent.load(KEYFRAME_SCENES.settings({}), 1)
    found = agent.keyframes(video)
    (scenes,) = agent.call([Inputs((), {"video": video})])
    assert [scene.start_s for scene in scenes] == pytest.approx([0.0, *found])


def test_key_frames_at_the_encoders_own_distance_are_no_cuts():
    assert out_of_turn([]) == []
    assert out_of_turn([1.0, 2.0, 3.0, 4.0]) == []
    assert out_of_turn([1.2, 3.04, 5.48, 7.48, 9.68]) == [1.2, 3.04, 5.48, 7.48, 9.68]
    assert out_of_turn([2.0, 4.0, 4.7, 6.7]) == [4.7]
    assert out_of_turn([5.0]) == []
    assert out_of_turn([3.0]) == [3.0]


def test_a_long_video_without_a_cut_is_divided_evenly_by_keyframe_scenes(make_video):
    path = make_video("long.mp4", [coloured(RED)] * 40, fps=1)
    (scenes,) = run(KEYFRAME_SCENES, "video", probe(path, "video"), longest_s=15.0)
    lengths = [scene.end_s - scene.start_s for scene in scenes]
    assert max(lengths) <= 15.0
    assert sum(lengths) == pytest.approx(40.0, abs=0.1)


@given(
    st.lists(st.floats(-5.0, 40.0, allow_nan=False), max_size=30),
    st.floats(0.04, 30.0),
    st.floats(0.0, 5.0),
)
def test_scenes_cover_the_whole_video_without_gaps_whatever_the_cuts(cuts, duration_s, shortest_s):
    video = dataclasses.replace(GHOST, duration_s=duration_s)
    scenes = scenes_of(video, cuts, shortest_s)
    assert scenes[0].start_s == 0.0
    assert scenes[-1].end_s == duration_s
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(scenes))
    if len(scenes) > 1:
        assert min(scene.end_s - scene.start_s for scene in scenes) >= shortest_s - 1e-9


def test_uniform_frames_lie_in_the_middles_of_even_parts_and_open_no_file():
    results = run(UNIFORM_FRAMES, "scene", Scene(GHOST, 10.0, 16.0), GHOST, count=3)
    assert [frame.time_s for frame in results[0]] == [11.0, 13.0, 15.0]
    assert [frame.time_s for frame in results[1]] == [10.0, 30.0, 50.0]
    assert all(isinstance(frame, Frame) for frame in results[0])


def test_no_more_frames_are_taken_than_there_are_pictures(one_frame_video):
    (frames,) = run(UNIFORM_FRAMES, "scene", probe(one_frame_video, "video"), count=3)
    assert len(frames) == 1


def test_a_count_below_one_is_an_error():
    with pytest.raises(AgentError, match="At least one"):
        run(UNIFORM_FRAMES, "scene", GHOST, count=0)


def test_frames_of_sound_fail_and_say_why(sine_audio):
    audio = probe(sine_audio, "audio")
    results = run(UNIFORM_FRAMES, "scene", audio, Scene(audio, 0.0, 1.0))
    assert [isinstance(result, Failed) for result in results] == [True, True]
    assert "no pictures" in results[0].reason
    assert isinstance(audio, Audio)


@given(st.floats(0, 1e4), st.floats(0.01, 1e4), st.integers(1, 50))
def test_even_times_lie_inside_and_in_order(start_s, length_s, count):
    found = even_times(start_s, start_s + length_s, count)
    assert len(found) == count
    assert found == sorted(found)
    assert start_s <= found[0]
    assert found[-1] <= start_s + length_s


def test_the_expected_number_of_frames_is_the_count():
    assert FRAME_EXTRACTION.yields({"scene": {"megapixels": 1.0}}, {"count": 2}).count == 2.0


@pytest.mark.media
def test_the_shots_of_a_real_street_are_found_by_both(street_video):
    video = probe(street_video, "video")
    for spec in (CONTENT_SCENES, KEYFRAME_SCENES):
        exact = {"frame_skip": 0} if spec.option("frame_skip") else {}
        (scenes,) = run(spec, "video", video, **exact)
        assert [round(scene.start_s, 1) for scene in scenes] == [0.0, 1.2, 3.0, 5.5, 7.5], spec.name
