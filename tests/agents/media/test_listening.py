"""A look at sound: how long somebody may speak, without recognising anything."""

import numpy as np
import pytest

from murakkab_jupyter.agents.media import listening
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.media.listening import Heard, listen, listen_to, spoken_s
from murakkab_jupyter.agents.media.sound import RATE
from murakkab_jupyter.core.kinds import Image


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path))
    monkeypatch.setattr(listening, "_known", {})


def noise(seconds, level):
    return (np.random.default_rng(7).standard_normal(round(seconds * RATE)) * level).astype(np.float32)


def syllables(seconds, level=0.2):
    """Sound that comes and goes four times a second, as speech does (made up)."""
    time = np.arange(round(seconds * RATE)) / RATE
    envelope = np.clip(np.sin(2 * np.pi * 4 * time), 0.02, 1)
    return (np.sin(2 * np.pi * 220 * time) * envelope * level).astype(np.float32)


def test_speech_counts_and_its_short_pauses_with_it():
    assert spoken_s([syllables(6.0)]) == pytest.approx(6.0, abs=0.4)


def test_long_pauses_do_not_count():
    sound = np.concatenate([syllables(3.0), noise(5.0, 1e-4), syllables(2.0)])
    assert spoken_s([sound]) == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.2])
def test_silence_and_steady_noise_are_no_speech_however_loud(level):
    assert spoken_s([noise(5.0, level)]) == 0.0


def test_nothing_is_no_speech():
    assert spoken_s([]) == spoken_s([np.zeros(0, np.float32)]) == 0.0


def test_a_video_without_a_track_of_sound_has_no_speech(three_scenes):
    assert listen_to(probe(three_scenes, "video")) == Heard(0.0, 0.0)


def test_a_silent_track_has_none_either(silent_video):
    assert listen_to(probe(silent_video, "video")).speech_s == 0.0


def test_what_is_no_media_is_not_listened_to(silent_video):
    assert listen_to("words") is None
    assert listen_to(Image(probe(silent_video, "video").media, 2, 2)) is None


def test_a_hum_is_not_taken_for_speech(humming_video):
    video = probe(humming_video, "video")
    assert video.has_audio
    assert listen_to(video).speech_s == 0.0


@pytest.mark.media
def test_a_real_speech_is_heard_and_what_was_heard_is_kept(speech_video, monkeypatch):
    video = probe(speech_video, "video")
    first = listen_to(video)
    assert 0.6 * video.duration_s < first.speech_s <= video.duration_s
    monkeypatch.setattr(listening, "_known", {})
    monkeypatch.setattr(listening, "listen", lambda track: pytest.fail("it is kept"))
    assert listen_to(video) == first


def test_of_a_long_file_some_windows_are_heard_and_the_rest_is_taken_to_be_like_them(sine_audio, monkeypatch):
    track = probe(sine_audio, "audio")
    asked = []

    def fake_sound(track, start_s=0.0, end_s=None):
        asked.append((start_s, end_s))
        return syllables(end_s - start_s) if start_s < 3600 / 2 else noise(end_s - start_s, 1e-4)

    monkeypatch.setattr(listening, "read_audio", fake_sound)
    long = type(track)(track.media, 3600.0)
    found = listen(long)
    assert len(asked) == listening.WINDOWS
    assert found.listened_s == pytest.approx(listening.WINDOWS * listening.WINDOW_S, abs=0.1)
    assert found.speech_s == pytest.approx(1800, rel=0.1)


def test_a_file_that_cannot_be_read_is_no_error(sine_audio, monkeypatch):
    def broken(track, start_s=0.0, end_s=None):
        raise OSError

    monkeypatch.setattr(listening, "read_audio", broken)
    assert listen_to(probe(sine_audio, "audio")) is None
