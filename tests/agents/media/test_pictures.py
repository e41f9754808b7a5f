"""Pictures: the one shown at its time, upright, kept within a budget, from videos and images however odd."""

import struct
from pathlib import Path

import numpy as np
import pytest

from murakkab_jupyter.agents.media.files import probe, read_frame, thumbnail
from murakkab_jupyter.agents.media.pictures import CACHE, Cache
from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.kinds import Frame, Image
from tests.agents.media.parts import near
from tests.conftest import BLUE, GREEN, RED, coloured, scene_pictures, tone


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


def test_a_thumbnail_is_a_small_jpeg(three_scenes):
    from io import BytesIO

    from PIL import Image as Pillow

    data = thumbnail(Frame(probe(three_scenes, "video"), 1.0), width=32)
    picture = Pillow.open(BytesIO(data))
    assert (picture.format, picture.size) == ("JPEG", (32, 24))
    assert len(data) < 5000


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


def test_pictures_of_many_scenes_are_what_was_drawn(make_video):
    colours = [RED, GREEN, BLUE, RED]
    video = probe(make_video("four.mp4", scene_pictures(*colours, each=5), gop=50), "video")
    seen = [read_frame(Frame(video, 0.5 * index + 0.25))[20, 20] for index in (3, 1, 2, 0)]
    assert [near(pixel, colours[index]) for pixel, index in zip(seen, (3, 1, 2, 0), strict=True)] == [
        True
    ] * 4


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
