import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from murakkab_jupyter.agents.media.files import RATE, guess_kind, probe, read_audio, read_frame, thumbnail
from murakkab_jupyter.agents.media.pictures import CACHE, Cache
from murakkab_jupyter.core.errors import InputError, UsageError
from murakkab_jupyter.core.kinds import Audio, Document, Frame, Image, Video
from tests.conftest import BLUE, GREEN, RED, coloured, scene_pictures, tone


def near(pixel, colour, tolerance=40):
    return bool(np.all(np.abs(pixel.astype(int) - np.array(colour)) < tolerance))


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


def test_a_4k_portrait_video_is_read_upright(portrait_4k):
    video = probe(portrait_4k, "video")
    assert (video.width, video.height) == (2160, 3840)
    pixels = read_frame(Frame(video, 0.2))
    assert pixels.shape == (3840, 2160, 3)
    assert near(pixels[100, 1000], RED)
    assert near(pixels[3700, 1000], BLUE)
    CACHE.clear()


def test_a_video_from_a_phone_held_upright_is_shown_upright(make_video, clips):
    picture = np.concatenate([coloured(RED, 64, 24), coloured(BLUE, 64, 24)])
    data = bytearray(make_video("lying.mp4", [picture] * 3).read_bytes())
    matrix = data.find(b"tkhd") + 44  # the transformation in the header of its track
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path = clips / "turned.mp4"
    path.write_bytes(data)
    video = probe(path, "video")
    assert (video.width, video.height) == (48, 64)
    pixels = read_frame(Frame(video, 0.1))
    assert near(pixels[32, 42], RED)  # turned a quarter to the right: what was above is on the right
    assert near(pixels[32, 6], BLUE)


def test_turning_follows_the_frame_that_says_so():
    from murakkab_jupyter.agents.media.pictures import pixels_of

    class Turned:
        """A fake decoded frame: red above blue, to be shown a quarter turned to the left."""

        rotation = 90

        def to_ndarray(self, format):  # noqa: A002 - PyAV's name
            assert format == "rgb24"
            return np.concatenate([coloured(RED, 64, 24), coloured(BLUE, 64, 24)])

    pixels = pixels_of(Turned())
    assert pixels.shape == (64, 48, 3)
    assert near(pixels[32, 6], RED)


def test_a_frame_is_the_picture_shown_at_its_time(three_scenes):
    video = probe(three_scenes, "video")
    for time_s, colour in (
        (4.5, BLUE),
        (0.0, RED),
        (1.99, RED),
        (2.0, GREEN),
        (3.99, GREEN),
        (5.95, BLUE),
        (99.0, BLUE),
    ):
        assert near(read_frame(Frame(video, time_s))[20, 20], colour), time_s


def test_frames_of_a_variable_rate_are_found_by_time_not_by_number(make_video):
    path = make_video("variable.mp4", [coloured(c) for c in (RED, GREEN, BLUE)], pts=[0, 3, 30])
    video = probe(path, "video")
    assert near(read_frame(Frame(video, 0.29))[20, 20], RED)
    assert near(read_frame(Frame(video, 2.9))[20, 20], GREEN)
    assert near(read_frame(Frame(video, 3.0))[20, 20], BLUE)


def test_decoded_frames_are_kept_within_a_budget(three_scenes):
    video = probe(three_scenes, "video")
    picture_bytes = 64 * 48 * 3
    cache = Cache(max_bytes=2 * picture_bytes)
    first = cache.frame(Frame(video, 0.0))
    assert cache.frame(Frame(video, 0.0)) is first
    for time_s in (1.0, 2.0, 3.0):
        cache.frame(Frame(video, time_s))
    assert cache.frame(Frame(video, 3.0)) is cache.frame(Frame(video, 3.0))
    assert cache.frame(Frame(video, 0.0)) is not first
    cache.clear()


def test_a_decoded_frame_cannot_be_written_to(three_scenes):
    pixels = read_frame(Frame(probe(three_scenes, "video"), 1.0))
    with pytest.raises(ValueError):
        pixels[0, 0] = 0


def test_sound_is_read_as_mono_at_16_khz(humming_video):
    video = probe(humming_video, "video")
    whole = read_audio(video)
    assert whole.dtype == np.float32
    assert whole.size == pytest.approx(4 * RATE, abs=0.15 * RATE)
    spectrum = np.abs(np.fft.rfft(whole[RATE : 2 * RATE]))
    assert int(spectrum.argmax()) == 440


def test_a_stretch_of_sound_is_the_same_as_that_part_of_the_whole(clips):
    import wave

    path = clips / "noise.wav"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * 44_100)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes((noise * 32767).astype("<i2").tobytes())
    audio = probe(path, "audio")
    whole, part = read_audio(audio), read_audio(audio, 2.0, 3.0)
    assert part.size == RATE
    lags = [
        float(np.dot(part[100:-100], whole[2 * RATE + 100 + lag : 3 * RATE - 100 + lag]))
        for lag in range(-40, 41)
    ]
    assert abs(int(np.argmax(lags)) - 40) <= 1  # a sample of rounding at the most


def test_a_video_without_a_track_of_sound_gives_no_samples(three_scenes):
    assert read_audio(probe(three_scenes, "video")).size == 0


def test_a_stretch_after_the_end_gives_no_samples(sine_audio):
    assert read_audio(probe(sine_audio, "audio"), 10.0, 11.0).size == 0


def test_an_audio_file_is_probed_for_its_length(sine_audio):
    audio = probe(sine_audio, "audio")
    assert isinstance(audio, Audio)
    assert audio.duration_s == pytest.approx(3.0, abs=0.01)
    assert read_audio(audio, 1.0, 2.0).size == RATE


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


def test_an_image_is_probed_read_and_turned_as_its_camera_says(clips):
    from PIL import Image as Pillow

    path = clips / "turned.jpg"
    picture = Pillow.fromarray(coloured(GREEN, 40, 20))
    exif = Pillow.Exif()
    exif[0x0112] = 6  # show it a quarter turned
    picture.save(path, exif=exif)
    image = probe(path, "image")
    assert isinstance(image, Image)
    assert (image.width, image.height) == (20, 40)
    pixels = read_frame(image)
    assert pixels.shape == (40, 20, 3)
    assert near(pixels[5, 5], GREEN)


def test_what_is_no_image_is_named(text_as_video):
    with pytest.raises(InputError, match=r"text\.mp4 cannot be read as an image"):
        probe(text_as_video, "image")


def test_an_image_that_would_fill_the_memory_is_refused(clips, monkeypatch):
    from PIL import Image as Pillow

    path = clips / "large.png"
    Pillow.fromarray(coloured(RED, 100, 100)).save(path)
    monkeypatch.setattr("murakkab_jupyter.agents.media.pictures.MAX_MEGAPIXELS", 0.001)
    with pytest.raises(InputError, match="megapixels"):
        probe(path, "image")


def test_a_document_is_read_in_the_encodings_people_have(tmp_path):
    for name, data in (
        ("utf8.txt", "größer".encode()),
        ("bom.txt", b"\xef\xbb\xbf" + "größer".encode()),
        ("wide.txt", "größer".encode("utf-16")),
        ("latin.txt", "größer".encode("latin-1")),
    ):
        (tmp_path / name).write_bytes(data)
        document = probe(tmp_path / name, "document")
        assert isinstance(document, Document)
        assert document.text == "größer", name


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("quotes.txt", "\u201cgrößer\u201d".encode("cp1252"), "\u201cgrößer\u201d"),
        ("old.txt", b"gr\xf6\x81er", "gr\xf6\x81er"),
        ("page.html", b'<meta charset="windows-1251"><p>' + "Привет".encode("cp1251"), "Привет"),
        ("feed.xml", b'<?xml version="1.0" encoding="shift_jis"?>' + "港".encode("shift_jis"), "港"),
        ("lies.html", b'<meta charset="nonsense"><p>gr\xf6\xdfer', "größer"),
        ("open.html", b"<head><title>T</title><body><p>Words", "Words"),
    ],
)
def test_a_document_of_another_encoding_is_read_as_it_says_or_as_windows_had_it(tmp_path, name, data, text):
    (tmp_path / name).write_bytes(data)
    assert text in probe(tmp_path / name, "document").text


@pytest.mark.parametrize(
    ("name", "data"),
    [("blank.txt", b" \n\t\n"), ("app.html", b"<html><body><script>go()</script></body></html>")],
)
def test_a_document_without_words_is_named(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match="holds no words"):
        probe(tmp_path / name, "document")


def test_half_a_wide_character_is_no_document(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff\xfea\0b")
    with pytest.raises(InputError, match="no file that can be read as a document"):
        probe(tmp_path / "x.txt", "document")


def test_an_encrypted_pdf_says_what_is_missing(tmp_path, monkeypatch):
    pypdf = pytest.importorskip("pypdf")
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.4")

    def refuse(path):
        raise pypdf.errors.DependencyError("cryptography>=3.1 is required for AES algorithm")

    monkeypatch.setattr("pypdf.PdfReader", refuse)
    with pytest.raises(InputError, match="is encrypted") as caught:
        probe(tmp_path / "x.pdf", "document")
    assert "pip install cryptography" in str(caught.value)


def test_a_binary_file_is_no_document_and_a_huge_one_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    path.write_bytes(b"ab\0cd")
    with pytest.raises(InputError, match="no file that can be read as a document"):
        probe(path, "document")
    monkeypatch.setattr("murakkab_jupyter.agents.media.files.MAX_DOCUMENT_BYTES", 3)
    with pytest.raises(InputError, match="at most"):
        probe(path, "document")


def word_document(path: Path) -> Path:
    import docx

    made = docx.Document()
    made.add_heading("The bridge", 2)
    made.add_paragraph("The council decided to build it.")
    table = made.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Length", "140 m"
    made.save(str(path))
    return path


def test_a_word_document_is_read_with_its_headings_and_tables(tmp_path):
    found = probe(word_document(tmp_path / "a.docx"), "document")
    assert found.text == "## The bridge\nThe council decided to build it.\nLength | 140 m"


@pytest.mark.parametrize(
    "data", [b"PK\3\4 no zip", b"no zip at all", b"\xd0\xcf\x11\xe0 an old .doc, or a protected one"]
)
def test_what_is_no_word_document_is_named(tmp_path, data):
    path = tmp_path / "a.docx"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.docx cannot be read as a Word document"):
        probe(path, "document")


def test_a_word_document_that_unpacks_to_too_much_or_to_nothing_is_refused(tmp_path, monkeypatch):
    import docx

    docx.Document().save(str(tmp_path / "empty.docx"))
    with pytest.raises(InputError, match="holds no text"):
        probe(tmp_path / "empty.docx", "document")
    monkeypatch.setattr("murakkab_jupyter.agents.media.reading.MAX_DOCX_BYTES", 100)
    with pytest.raises(InputError, match="unpacks to"):
        probe(word_document(tmp_path / "a.docx"), "document")


def test_without_the_library_a_word_document_says_what_to_install(tmp_path, monkeypatch):
    path = word_document(tmp_path / "a.docx")
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(InputError, match="python-docx is not installed"):
        probe(path, "document")


def test_an_unknown_kind_is_a_usage_error(three_scenes):
    with pytest.raises(UsageError, match="smell"):
        probe(three_scenes, "smell")


def test_a_thumbnail_is_a_small_jpeg(three_scenes):
    from io import BytesIO

    from PIL import Image as Pillow

    data = thumbnail(Frame(probe(three_scenes, "video"), 1.0), width=32)
    picture = Pillow.open(BytesIO(data))
    assert (picture.format, picture.size) == ("JPEG", (32, 24))
    assert len(data) < 5000


def test_importing_media_loads_no_heavy_library():
    code = (
        "import sys, murakkab_jupyter.agents.builtin\n"
        "heavy = {'av', 'cv2', 'PIL', 'onnxruntime', 'faster_whisper', 'moonshine_voice', 'scenedetect', 'rapidocr'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def pieces_of_sound(path: Path, *starts: float) -> Path:
    """Half a second of a tone at each of these times (s)."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start_s in starts:
            frame = av.AudioFrame.from_ndarray(
                (tone(0.5) * 32767).astype(np.int16).reshape(1, -1), format="s16", layout="mono"
            )
            frame.sample_rate = RATE
            frame.pts = round(start_s * RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_times_that_jump_by_hours_are_a_fault_that_fills_no_memory(clips):
    audio = probe(pieces_of_sound(clips / "jump.mkv", 0.0, 90_000.0), "audio")
    with pytest.raises(InputError, match="jump by 25 hours") as caught:
        read_audio(audio)
    assert "ffmpeg" in str(caught.value.hint)
    part = read_audio(audio, 0.2, 4.2)
    assert part.size == 4 * RATE
    assert np.abs(part[: RATE // 4]).max() > 0.2
    assert not part[RATE:].any()
    assert not read_audio(audio, 50_000.0, 50_002.0).any()


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animated_image_is_taken_as_one_and_told(clips, suffix):
    from PIL import Image as Pillow

    moving, still = clips / f"moving.{suffix}", clips / f"still.{suffix}"
    first, second = (Pillow.new("RGB", (32, 24), colour) for colour in ("red", "blue"))
    first.save(moving, save_all=True, append_images=[second], duration=100)
    first.save(still)
    told = []
    for path in (moving, still):
        image = probe(path, "image", lambda what, file: told.append((what, file)))
        assert (image.width, image.height) == (32, 24)
    [(what, file)] = told
    assert "ffmpeg" in what
    assert Path(file) == moving.resolve()


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


def test_silence_between_two_pieces_of_sound_keeps_its_length(clips):
    samples = read_audio(probe(pieces_of_sound(clips / "gap.mkv", 0.0, 2.0), "audio"))
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    assert samples.size == pytest.approx(2.5 * RATE, abs=0.1 * RATE)
    assert not np.any((loud > 0.6 * RATE) & (loud < 1.9 * RATE))
    assert np.any(loud > 2.1 * RATE)


def test_pictures_of_many_scenes_are_what_was_drawn(make_video):
    colours = [RED, GREEN, BLUE, RED]
    video = probe(make_video("four.mp4", scene_pictures(*colours, each=5), gop=50), "video")
    seen = [read_frame(Frame(video, 0.5 * index + 0.25))[20, 20] for index in (3, 1, 2, 0)]
    assert [near(pixel, colours[index]) for pixel, index in zip(seen, (3, 1, 2, 0), strict=True)] == [
        True
    ] * 4


@pytest.mark.parametrize(("encoding", "told"), [("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16")])
def test_utf_16_without_its_mark_is_read_and_that_is_said(tmp_path, encoding, told):
    (tmp_path / "tank.txt").write_bytes("The tank holds 600 litres.\n".encode(encoding))
    notes = []
    text = probe(tmp_path / "tank.txt", "document", lambda what, which: notes.append(what)).text
    assert text.strip() == "The tank holds 600 litres."
    assert told in notes[0]


def test_a_stray_zero_in_a_text_is_left_out_and_that_is_said(tmp_path):
    (tmp_path / "lens.txt").write_bytes(
        b"The spare lens is stored in shed four, behind the oars and the paint.\0\n"
    )
    notes = []
    text = probe(tmp_path / "lens.txt", "document", lambda what, which: notes.append(what)).text
    assert text.endswith("the paint.\n")
    assert "zero bytes" in notes[0]


def test_bytes_that_are_no_text_are_refused_with_the_reason(tmp_path):
    (tmp_path / "all.txt").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(InputError, match="it holds zero bytes, as no text does"):
        probe(tmp_path / "all.txt", "document")


# --- files without a table of contents ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_key_frame(make_video) -> Path:
    """4 s of red, green, blue and red again as a broadcast's recording, with one key frame at its beginning."""
    pictures = scene_pictures(RED, GREEN, BLUE, RED, each=10)
    return make_video("recording.ts", pictures, gop=1000, sound=tone(4.0))


@pytest.mark.parametrize("apart_s", [15, 30])
def test_pictures_between_key_frames_far_apart_are_found_without_beginning_anew(
    make_video, monkeypatch, apart_s
):
    from murakkab_jupyter.agents.media.pictures import VideoReader

    pictures = scene_pictures(RED, GREEN, BLUE, GREEN, RED, each=12)
    path = make_video(f"far-{apart_s}.ts", pictures, fps=1, gop=apart_s)
    reader = VideoReader(path)
    opened = []
    open_anew = reader._open
    monkeypatch.setattr(reader, "_open", lambda: (opened.append(True), open_anew()))
    for time_s, colour in ((56.5, RED), (44.5, GREEN), (34.5, BLUE), (22.5, GREEN), (57.5, RED)):
        assert near(reader.at(time_s)[20, 20], colour), time_s
    assert not opened
    reader.close()


def bare(recording: Path, path: Path) -> Path:
    """The H.264 of a recording, as cameras write it: packets without times."""
    import av

    with av.open(str(recording)) as container:
        stream = container.streams.video[0]
        path.write_bytes(b"".join(bytes(packet) for packet in container.demux(stream)))
    return path


def test_pictures_are_found_in_a_recording_with_one_key_frame_wherever_one_looks_first(one_key_frame):
    video = probe(one_key_frame, "video")
    for time_s, colour in ((3.5, RED), (1.5, GREEN), (2.5, BLUE), (0.5, RED), (1.4, GREEN)):
        cache = Cache()
        assert near(cache.frame(Frame(video, time_s))[20, 20], colour), time_s
        cache.clear()


def test_a_seek_that_lands_too_late_is_made_good(one_key_frame, monkeypatch):
    from murakkab_jupyter.agents.media.pictures import VideoReader

    reader = VideoReader(one_key_frame)
    sought = []

    def late(time_s):
        """Stands behind the last picture."""
        sought.append(time_s)
        reader._stand(None)
        reader._frames = iter(())
        return True

    monkeypatch.setattr(reader, "_seek", late)
    assert near(reader.at(1.5)[20, 20], GREEN)
    assert sought == [1.5, 1.5 - 10.0]
    reader.close()


def test_a_bare_stream_has_the_length_and_the_pictures_that_its_packets_make(one_key_frame, clips):
    video = probe(bare(one_key_frame, clips / "bare.h264"), "video")
    # Nothing in it says how many pictures a second there are.
    assert video.duration_s * video.fps == pytest.approx(40, abs=1)
    cache = Cache()
    for share, colour in ((0.9, RED), (0.4, GREEN), (0.6, BLUE), (0.1, RED)):
        assert near(cache.frame(Frame(video, share * video.duration_s))[20, 20], colour), share
    cache.clear()


def song(path: Path, seconds: float, layout: str, kilobits: int) -> bytes:
    """The bytes of an MP3 file of a tone, which may stand behind each other."""
    import av

    with av.open(str(path), "w", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout=layout)
        stream.bit_rate = kilobits * 1000
        mono = tone(seconds)
        planes = np.stack([mono] * (2 if layout == "stereo" else 1))
        frame = av.AudioFrame.from_ndarray(planes.astype(np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = RATE, 0
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(576, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_sound_that_turns_from_mono_to_stereo_is_read_to_its_end(clips):
    parts = song(clips / "mono.mp3", 2.0, "mono", 64) + song(clips / "stereo.mp3", 3.0, "stereo", 64)
    path = clips / "turning.mp3"
    path.write_bytes(parts)
    samples = read_audio(probe(path, "audio"))
    assert samples.size == pytest.approx(5.0 * RATE, abs=0.3 * RATE)
    assert np.abs(samples[round(4.0 * RATE) : round(4.5 * RATE)]).max() > 0.2


def test_the_length_of_a_song_is_counted_not_guessed_from_its_beginning(clips):
    parts = song(clips / "dense.mp3", 1.0, "mono", 160) + song(clips / "thin.mp3", 9.0, "mono", 16)
    path = clips / "thinning.mp3"
    path.write_bytes(parts)
    assert probe(path, "audio").duration_s == pytest.approx(10.0, abs=0.3)


def test_a_video_lasts_as_long_as_somebody_speaks_over_its_last_picture(make_video):
    video = probe(make_video("slide.mp4", [coloured(BLUE)], sound=tone(6.0)), "video")
    assert video.duration_s == pytest.approx(6.0, abs=0.2)
    assert read_audio(video, 4.0, 5.0).size == RATE
    assert near(read_frame(Frame(video, 5.0))[20, 20], BLUE)


@pytest.fixture
def stray(clips) -> Callable[..., Path]:
    """`stray(*starts)`: 2 s of pictures with half a second of a tone at each of these times (s)."""
    import av

    def make(*starts: float) -> Path:
        path = clips / "stray.mkv"
        with av.open(str(path), "w") as container:
            film = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
            voice = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
            for index, picture in enumerate(scene_pictures(BLUE, each=20)):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = index
                container.mux(film.encode(frame))
            container.mux(film.encode(None))
            for start_s in starts:
                sound = (tone(0.5) * 32767).astype(np.int16).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
                frame.sample_rate, frame.pts = RATE, round(start_s * RATE)
                container.mux(voice.encode(frame))
            container.mux(voice.encode(None))
        return path

    return make


@pytest.mark.parametrize(
    ("starts", "length_s"),
    [
        ((0.0, 90_000.0), 2.0),  # a packet from nowhere
        ((90_000.0,), 2.0),
        ((0.0, 5.0, 90_000.0), 5.5),  # the last picture stays, but not for a day
        ((0.0, 9_000.0, 18_000.0), 18_000.5),  # a long day's talk with one picture
    ],
)
def test_a_stray_packet_of_sound_makes_no_video_longer(stray, starts, length_s):
    assert probe(stray(*starts), "video").duration_s == pytest.approx(length_s, abs=0.2)


# --- images that are rare -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_an_image_of_fractions_is_not_black(clips, white):
    from PIL import Image as Picture

    path = clips / f"fractions_{white:.0f}.tif"
    Picture.fromarray((np.linspace(0.0, white, 64 * 64).reshape(64, 64)).astype(np.float32)).save(path)
    pixels = read_frame(probe(path, "image"))
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1, 0] == 255
    assert pixels.mean() == pytest.approx(127.5, abs=2)


@pytest.mark.parametrize("suffix", [".heic", ".svg"])
def test_an_image_of_a_kind_that_is_not_read_says_what_to_do(clips, suffix):
    path = clips / f"holiday{suffix}"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    with pytest.raises(InputError) as caught:
        probe(path, "image")
    assert f"{suffix} is not read here: save it as .jpg or .png." in " ".join(caught.value.lines())
