"""Files are told by kind, probed for what is in them, and named where nothing can be read."""

import subprocess
import sys
from pathlib import Path

import pytest

from murakkab_jupyter.agents.media.files import guess_kind, probe, read_frame
from murakkab_jupyter.core.errors import InputError, UsageError
from murakkab_jupyter.core.kinds import Frame, Video
from tests.agents.media.parts import near
from tests.conftest import BLUE, GREEN, RED, scene_pictures, tone


def test_kinds_are_guessed_by_suffix_whatever_its_case():
    assert guess_kind("a/b.MP4") == "video"
    assert guess_kind(Path("x.flac")) == "audio"
    assert guess_kind("x.jpeg") == "image"
    assert guess_kind("notes.md") == "document"
    assert guess_kind("x.unheard") is None
    assert guess_kind("noname") is None


def test_a_video_is_probed_for_length_size_rate_and_sound(three_scenes, silent_video):
    video = probe(three_scenes, "video")
    assert isinstance(video, Video)
    assert video.duration_s == pytest.approx(6.0, abs=0.05)
    assert (video.width, video.height, video.fps, video.has_audio) == (64, 48, 10.0, False)
    assert probe(silent_video, "video").has_audio


def test_a_video_of_one_picture_lasts_as_long_as_that_picture(one_frame_video):
    video = probe(one_frame_video, "video")
    assert video.duration_s == pytest.approx(0.1, abs=0.02)
    assert near(read_frame(Frame(video, 0.0))[20, 20], BLUE)
    assert near(read_frame(Frame(video, 5.0))[20, 20], BLUE)


def test_an_audio_file_is_no_video_and_a_silent_film_no_audio(sine_audio, three_scenes):
    with pytest.raises(InputError, match=r"sine\.wav holds no picture"):
        probe(sine_audio, "video")
    with pytest.raises(InputError, match=r"three_scenes\.mp4 holds no sound"):
        probe(three_scenes, "audio")


@pytest.mark.parametrize(
    ("fixture", "words"),
    [
        ("empty_file", "is empty"),
        ("text_as_video", "cannot be read"),
        ("truncated_video", "cannot be read"),
    ],
)
@pytest.mark.parametrize("kind", ["video", "audio"])
def test_what_is_no_media_is_named(fixture, words, kind, request):
    path = request.getfixturevalue(fixture)
    with pytest.raises(InputError, match=words) as caught:
        probe(path, kind)
    assert path.name in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.mp4"):
        probe(tmp_path / "nowhere.mp4", "video")


def test_a_file_cut_short_after_its_index_counts_only_what_is_there(clips, three_scenes):
    import av

    whole = clips / "indexed.mkv"
    with av.open(str(three_scenes)) as source, av.open(str(whole), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    cut = clips / "cut.mkv"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    video = probe(cut, "video")
    assert 0.5 < video.duration_s < 5.0 < probe(whole, "video").duration_s
    assert near(read_frame(Frame(video, 0.0))[20, 20], RED)
    assert read_frame(Frame(video, 5.9)).shape == (48, 64, 3)


def test_a_file_with_an_index_but_no_pictures_is_refused(clips, three_scenes):
    data = bytearray(three_scenes.read_bytes())
    start = data.find(b"mdat") + 4
    end = data.find(b"moov") - 4
    data[start:end] = bytes(end - start)
    path = clips / "zeroed.mp4"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"No picture can be decoded from .*zeroed\.mp4"):
        probe(path, "video")


def test_a_playlist_that_poses_as_a_video_opens_nothing_else(clips):
    path = clips / "playlist.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError):
        probe(path, "video")


def test_an_unknown_kind_is_a_usage_error(three_scenes):
    with pytest.raises(UsageError, match="smell"):
        probe(three_scenes, "smell")


def test_importing_media_loads_no_heavy_library():
    code = (
        "import sys, murakkab_jupyter.agents.builtin\n"
        "heavy = {'av', 'cv2', 'PIL', 'onnxruntime', 'faster_whisper', 'moonshine_voice', 'scenedetect', 'rapidocr'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_streams_joined_end_to_end_whose_times_begin_anew_are_told_and_whole_ones_are_not(
    clips, make_video, kind
):
    halves = [
        make_video(f"half_{kind}_{name}.ts", scene_pictures(*colours, each=20), sound=tone(4.0))
        for name, colours in (("one", (RED, GREEN)), ("two", (BLUE, RED)))
    ]
    for half in halves:
        assert probe(half, kind).duration_s == pytest.approx(4.0, abs=0.3)
    joined = clips / f"joined_{kind}.ts"
    joined.write_bytes(b"".join(half.read_bytes() for half in halves))
    with pytest.raises(InputError, match=f"{joined.name} begin anew") as caught:
        probe(joined, kind)
    assert "ffmpeg -i FILE" in str(caught.value.hint)
