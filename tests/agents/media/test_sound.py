"""Sound: mono at 16 kHz, any stretch of it, its length counted, gaps and jumps told."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from murakkab_jupyter.agents.media import sound
from murakkab_jupyter.agents.media.files import RATE, probe, read_audio, read_frame
from murakkab_jupyter.agents.media.sound import GAP_S
from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.kinds import Audio, Frame
from tests.agents.media.parts import near
from tests.conftest import BLUE, coloured, scene_pictures, tone


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


def test_silence_between_two_pieces_of_sound_keeps_its_length(clips):
    samples = read_audio(probe(pieces_of_sound(clips / "gap.mkv", 0.0, 2.0), "audio"))
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    assert samples.size == pytest.approx(2.5 * RATE, abs=0.1 * RATE)
    assert not np.any((loud > 0.6 * RATE) & (loud < 1.9 * RATE))
    assert np.any(loud > 2.1 * RATE)


@pytest.mark.parametrize("apart_s", [0.48, 0.52])
def test_small_jumps_of_times_do_not_add_up(clips, apart_s):
    """Joined clips: each of the pieces of half a second begins 20 ms before the one before it ends, or after."""
    starts = [n * apart_s for n in range(40)] + [30.0]
    audio = probe(pieces_of_sound(clips / f"joined{apart_s}.mkv", *starts), "audio")
    whole, part = read_audio(audio), read_audio(audio, 29.0, 31.0)
    assert whole.size == pytest.approx(30.5 * RATE, abs=0.1 * RATE)
    end = round(starts[-2] * RATE) + RATE // 2
    assert np.flatnonzero(np.abs(whole[: 25 * RATE]) > 0.05)[-1] == pytest.approx(end, abs=0.1 * RATE)
    assert np.flatnonzero(np.abs(part) > 0.05)[0] == pytest.approx(RATE, abs=0.1 * RATE)


def frames_at(*pieces: tuple[float, float], rate: int = RATE) -> list:
    """Frames of 0.1 s of one level each: `(time, level)`."""
    import av

    made = []
    for time_s, level in pieces:
        samples = np.full((1, rate // 10), level, np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, round(time_s * rate), Fraction(1, rate)
        made.append(frame)
    return made


def spoken(first: int, last: int, level: float = 0.5) -> list[tuple[float, float]]:
    """Pieces of 0.1 s, from the first tenth to the last."""
    return [(n / 10, level) for n in range(first, last)]


def test_a_stray_time_that_goes_back_leaves_out_itself_alone(sine_audio, monkeypatch):
    pieces = [*spoken(0, 200), *spoken(20, 23, -0.9), *spoken(200, 400)]
    monkeypatch.setattr(sound, "decoded", lambda *_: frames_at(*pieces))
    audio = probe(sine_audio, "audio")
    whole, part = read_audio(audio), read_audio(audio, 0.0, 25.0)
    assert whole.size == pytest.approx(40 * RATE, abs=GAP_S * RATE)
    assert (whole == 0.5).all()
    assert part.size == 25 * RATE
    assert (part == 0.5).all()


def test_a_gap_longer_than_what_went_back_is_silent_for_the_rest_of_it(sine_audio, monkeypatch):
    pieces = [*spoken(0, 20), *spoken(10, 13, -0.9), *spoken(30, 40)]
    monkeypatch.setattr(sound, "decoded", lambda *_: frames_at(*pieces))
    whole = read_audio(probe(sine_audio, "audio"))
    assert whole.size == pytest.approx(4 * RATE, abs=GAP_S * RATE)
    assert (whole[: 2 * RATE] == 0.5).all()
    assert not whole[2 * RATE : 3 * RATE].any()
    assert (whole[3 * RATE :] == 0.5).all()


def test_what_went_back_is_left_out_to_the_last_sample(sine_audio, monkeypatch):
    pieces = [*spoken(0, 20, 0.0), *spoken(0, 5, 1.0)]
    monkeypatch.setattr(sound, "decoded", lambda *_: frames_at(*pieces, rate=44_100))
    whole = read_audio(probe(sine_audio, "audio"))
    assert whole.size == pytest.approx(2 * RATE, abs=GAP_S * RATE)
    assert np.abs(whole).max() < 0.1


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
                samples = (tone(0.5) * 32767).astype(np.int16).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
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
