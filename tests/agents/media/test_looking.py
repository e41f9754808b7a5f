"""A cheap look at a video: what it expects, what it costs, and that nothing odd makes it fail."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.agents.media import looking
from murakkab_jupyter.agents.media.container import open_container
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.media.looking import chosen, counted, look, look_at
from murakkab_jupyter.agents.perception.video import CONTENT_SCENES, seen_scenes
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.core.media import Media
from tests.conftest import BLUE, GREEN, RED, coloured, scene_pictures, write_video


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(looking, "_known", {})


def detected(video):
    agent = CONTENT_SCENES.make()
    agent.load(CONTENT_SCENES.settings({}), 1)
    return len(agent.call([Inputs((), {"video": video})])[0])


@pytest.mark.parametrize("gop", [5, 12, 250], ids=lambda gop: f"key frame each {gop}")
def test_as_many_scenes_are_expected_as_are_found(clips, gop):
    made = scene_pictures(RED, GREEN, BLUE, RED, each=24)
    video = probe(write_video(clips / f"four_{gop}.mp4", made, gop=gop), "video")
    found = look(video)
    assert detected(video) == 4
    assert found.low <= 4 <= found.high
    assert abs(found.scenes - 4) <= 1


@pytest.mark.media
def test_real_clips_are_within_the_band():
    from murakkab_jupyter.agents.weights.resolver import resolve

    for name in ("bikes", "obama-speech", "big-buck-bunny"):
        video = probe(resolve(name), "video")
        found = look(video)
        assert found.low <= detected(video) <= found.high, name


def test_a_video_without_a_cut_is_one_scene(clips):
    drift = [coloured((40 + n, 60, 80)) for n in range(60)]
    found = look(probe(write_video(clips / "drift.mp4", drift, gop=6), "video"))
    assert (found.scenes, found.low) == (1, 1)


def test_a_cut_that_the_encoder_did_not_mark_is_seen_in_the_pictures():
    # Key frames each second; the picture is another after the third.
    keys = [0.0, 1.0, 2.0, 3.0, 4.0]
    cuts, marked = counted(keys, [], [], {0: False, 1: False, 2: True, 3: False}, 4.5)
    assert 1.0 <= cuts <= 1.4
    assert not marked


def test_a_key_frame_out_of_turn_where_nothing_changed_is_no_cut():
    keys, marks = [0.0, 2.0, 3.5, 9.0], [2.0, 3.5]
    assert counted(keys, marks, marks, {0: True, 1: False, 2: False}, 10.0)[0] == 1.0
    assert counted(keys, marks, marks, {0: True, 1: True, 2: False}, 10.0) == (2.0, True)


def test_what_was_not_looked_at_is_like_what_was():
    keys = [float(n) for n in range(101)]
    every = counted(
        keys, [], [], dict.fromkeys(range(100), False) | dict.fromkeys(range(0, 100, 4), True), 100.5
    )
    some = counted(keys, [], [], dict.fromkeys(range(10), False) | dict.fromkeys((0, 4, 8), True), 100.5)
    assert some[0] == pytest.approx(every[0], rel=0.3)


def test_few_pictures_are_decoded_however_many_key_frames_there_are():
    assert chosen(5, 48) == [0, 1, 2, 3, 4]
    some = chosen(10_000, 12)
    assert len({n for gap in some for n in (gap, gap + 1)}) <= 12
    assert some[0] < 1_000
    assert some[-1] > 9_000
    assert chosen(0, 6) == []


def test_a_long_file_without_an_index_is_read_in_part(clips, monkeypatch):
    path = write_video(clips / "stream.ts", scene_pictures(*(RED, GREEN) * 10, each=20), gop=10)
    video = probe(path, "video")
    whole = look(video)
    with open_container(path) as container:
        size = sum(packet.size for packet in container.demux())
    monkeypatch.setattr(looking, "READ_BYTES", size // 2)
    half = look(video)
    assert whole.scenes == pytest.approx(20, abs=4)
    assert half.scenes == pytest.approx(whole.scenes, rel=0.35)
    assert half.keys < whole.keys


def test_files_that_are_odd_in_any_way_are_not_looked_at_and_nothing_is_raised(
    empty_file, text_as_video, truncated_video, tmp_path
):
    missing = Media(str(tmp_path / "gone.mp4"), "1" * 64, 10)
    for media in (*(Media.of(path) for path in (empty_file, text_as_video, truncated_video)), missing):
        assert look_at(Video(media, 10.0, 64, 48, 10.0, has_audio=False)) is None
    assert look_at("no video") is None
    assert seen_scenes(Video(missing, 10.0, 64, 48, 10.0, has_audio=False)) == {}


def test_a_damaged_file_is_looked_at_as_far_as_it_goes(clips):
    path = write_video(clips / "damaged.ts", scene_pictures(RED, GREEN, BLUE, RED, each=20))
    data = bytearray(path.read_bytes())
    spoilt = np.random.default_rng(1)
    for at in spoilt.integers(len(data) // 4, len(data), 60):
        data[at] ^= 0xFF
    path.write_bytes(data)
    media = Media.of(path)
    found = look_at(Video(media, 8.0, 64, 48, 10.0, has_audio=False))
    assert found is None or 1 <= found.scenes <= 8


def test_what_was_seen_is_kept_by_the_files_content(clips, tmp_path, monkeypatch):
    path = write_video(clips / "kept.mp4", scene_pictures(RED, GREEN))
    video = probe(path, "video")
    first = look_at(video)
    path.unlink()
    monkeypatch.setattr(looking, "_known", {})
    elsewhere = replace(video, media=replace(video.media, path="/elsewhere/copy.mp4"))
    assert look_at(elsewhere) == first
    (file,) = (tmp_path / "cache/looks").iterdir()
    assert json.loads(file.read_text())["scenes"] == first.scenes
    file.write_text('{"scenes": "many"}')
    monkeypatch.setattr(looking, "_known", {})
    assert look_at(elsewhere) is None, "a spoilt cache is no answer, and the file is gone"


def test_a_cache_that_cannot_be_written_is_no_matter(clips, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    assert look_at(probe(write_video(clips / "here.mp4", scene_pictures(RED, GREEN)), "video")) is not None
