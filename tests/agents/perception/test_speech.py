import dataclasses
import itertools
import re
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.agents.media.files import RATE, probe
from murakkab_jupyter.agents.media.stretches import Span as StretchSpan
from murakkab_jupyter.agents.media.stretches import cut, is_silent, spans_of, spread_words, stretches, windows
from murakkab_jupyter.agents.perception.speech import (
    MOONSHINE_TINY,
    NO_SPEECH,
    QUIET,
    SPEECH_TO_TEXT,
    WHISPER_BASE,
    MoonshineAgent,
    SpeechAgent,
    WhisperBase,
    tidy,
)
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Audio, Scene, Segment, Transcript, Video, measure
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.planner.expect import count_notes, expect
from murakkab_jupyter.profiles.reference import shipped_reference
from murakkab_jupyter.workflow.language import declare
from tests.conftest import RED, scene_pictures, tone, write_video

GHOST = Video(Media("/nowhere/ghost.mp4", "0" * 64, 10), 60.0, 640, 360, 25.0, has_audio=True)
OTHER = dataclasses.replace(GHOST, media=Media("/nowhere/other.mp4", "1" * 64, 10))


class CountingAgent(SpeechAgent):
    """A fake recogniser: a word for every half second, and a note of each call."""

    def __init__(self):
        self.heard_s = []

    def load(self, options, cores):
        pass

    def hear(self, samples, stretch):
        self.heard_s.append(samples.size / RATE)
        count = round(samples.size / RATE * 2)
        words = tuple(Segment(i / 2, i / 2 + 0.5, f"w{i}") for i in range(count))
        return [(Segment(0.0, count / 2, " ".join(word.text for word in words)), words)], "en"


def call(agent, *values):
    return list(
        agent.call([Inputs((("s", index),), {"speech": value}) for index, value in enumerate(values)])
    )


@pytest.fixture(scope="session")
def moonshine():
    agent = MoonshineAgent()
    agent.load(MOONSHINE_TINY.settings({}), 2)
    yield agent
    agent.close()


@pytest.fixture(scope="session")
def whisper():
    agent = WhisperBase()
    agent.load(WHISPER_BASE.settings({}), 2)
    return agent


@pytest.fixture(params=["moonshine", "whisper"])
def recogniser(request):
    return request.getfixturevalue(request.param)


# --- stretches, with no model ---------------------------------------------------------------------------------


def test_neighbouring_scenes_of_a_source_are_heard_once_and_cut_by_time(humming_video):
    video = probe(humming_video, "video")
    agent = CountingAgent()
    scenes = [Scene(video, 0.0, 1.0), Scene(video, 1.0, 2.5), Scene(video, 2.5, 4.0)]
    results = call(agent, *scenes)
    assert agent.heard_s == pytest.approx([4.0], abs=0.1)
    assert [result.text for result in results] == ["w0 w1", "w2 w3 w4", "w5 w6 w7"]
    assert results[1].segments[0].start_s == pytest.approx(1.0)
    assert results[1].segments[0].end_s == pytest.approx(2.5)


def test_scenes_in_any_order_and_of_several_sources_keep_their_places(humming_video, sine_audio):
    video, audio = probe(humming_video, "video"), probe(sine_audio, "audio")
    agent = CountingAgent()
    results = call(agent, Scene(video, 2.0, 4.0), audio, Scene(video, 0.0, 2.0))
    assert len(agent.heard_s) == 2
    assert [result.text for result in results] == ["w4 w5 w6 w7", "w0 w1 w2 w3 w4 w5", "w0 w1 w2 w3"]


def test_scenes_far_apart_are_heard_apart():
    spans = spans_of([Scene(GHOST, 0.0, 5.0), Scene(GHOST, 20.0, 25.0), Scene(GHOST, 5.0, 8.0), OTHER])
    found = stretches(spans)
    assert [(s.track.media.name, s.start_s, s.end_s, [span.index for span in s.spans]) for s in found] == [
        ("ghost.mp4", 0.0, 8.0, [0, 2]),
        ("ghost.mp4", 20.0, 25.0, [1]),
        ("other.mp4", 0.0, 60.0, [3]),
    ]


@given(st.lists(st.floats(0.1, 20.0), min_size=1, max_size=12), st.randoms())
def test_every_word_of_a_stretch_lands_in_exactly_one_scene(lengths, chance):
    edges = list(itertools.accumulate([0.0, *lengths]))
    scenes = [Scene(GHOST, a, b) for a, b in itertools.pairwise(edges)]
    count = 40
    at = sorted(chance.uniform(0.0, edges[-1]) for _ in range(count + 1))
    words = tuple(Segment(a, b, f"w{i}") for i, (a, b) in enumerate(itertools.pairwise(at)))
    heard = [
        (Segment(part[0].start_s, part[-1].end_s, " ".join(w.text for w in part)), part)
        for part in (words[:15], words[15:])
    ]
    found = " ".join(segment.text for span in spans_of(scenes) for segment in cut(heard, span)).split()
    missing = {w.text for w in words} - set(found)
    assert len(found) == len(set(found))
    assert all((w.start_s + w.end_s) / 2 == edges[-1] for w in words if w.text in missing)


def test_words_are_spread_over_their_segment_by_their_letters():
    words = spread_words(Segment(10.0, 14.0, "a longerword"))
    assert [word.text for word in words] == ["a", "longerword"]
    assert words[0].start_s == 10.0
    assert words[-1].end_s == pytest.approx(14.0)
    assert words[0].end_s - words[0].start_s < 1.0
    assert spread_words(Segment(0.0, 1.0, "")) == ()


def test_a_segment_inside_a_scene_is_kept_as_it_was_said():
    whole = Segment(1.0, 2.0, "Exactly,  so.")
    assert cut([(whole, ())], StretchSpan(0, GHOST, 0.5, 2.0)) == (whole,)


@given(st.integers(0, 400), st.integers(1, 60))
def test_windows_cover_all_samples_in_order_and_none_is_too_long(tenths, longest_s):
    samples = np.ones(tenths * RATE // 10, np.float32)
    found = windows(samples, float(longest_s))
    assert [a for a, _ in found[1:]] == [b for _, b in found[:-1]]
    assert (found[0][0], found[-1][1]) == (0, samples.size) if samples.size else found == []
    assert all(0 < b - a <= longest_s * RATE for a, b in found)


def test_a_window_ends_where_it_is_quiet():
    samples = np.concatenate([tone(8.5), tone(0.5, loudness=0.0), tone(6.0)])
    (_, first_end), _ = windows(samples, 10.0)
    assert 8.5 <= first_end / RATE <= 9.0


def test_silence_is_silence_and_a_whisper_is_not():
    assert is_silent(np.zeros(0, np.float32))
    assert is_silent(np.full(100, 1e-5, np.float32))
    assert not is_silent(tone(0.1, loudness=0.01))


def test_no_track_and_silence_give_empty_transcripts_that_say_why(three_scenes, silent_video):
    agent = CountingAgent()
    mute, silent = probe(three_scenes, "video"), probe(silent_video, "video")
    results = call(agent, mute, Scene(mute, 0.0, 1.0), silent)
    assert results == [
        Transcript(note="no track of sound"),
        Transcript(note="no track of sound"),
        Transcript(note="silent"),
    ]
    assert agent.heard_s == [], "no model is asked for what cannot be heard"


def test_a_file_that_is_gone_fails_its_own_items_only(humming_video):
    results = call(
        CountingAgent(), Scene(GHOST, 0.0, 1.0), probe(humming_video, "video"), Scene(GHOST, 1.0, 2.0)
    )
    assert isinstance(results[0], Failed)
    assert "ghost.mp4" in results[0].reason
    assert isinstance(results[1], Transcript)
    assert isinstance(results[2], Failed)


def test_what_stands_for_nothing_is_tidied_away():
    assert tidy("In short,, the  period") == "In short, the period"
    assert tidy("?") == ""
    assert tidy(" . ") == ""


def work(**speech):
    return SPEECH_TO_TEXT.work({"speech": speech}, {})


def test_work_is_counted_in_seconds_of_speech_and_all_sound_is_speech_where_nobody_listened():
    assert work(duration_s=12.5) == work(audio_s=12.5) == 12.5
    assert work(audio_s=12.5, speech_s=2.5) == pytest.approx(2.5 + QUIET * 10.0)
    assert work(audio_s=12.5, speech_s=0.0) == 0.0
    assert work(duration_s=12.5, audio_s=0.0) == 0.0
    assert work(duration_s=12.5, audio_s=0.0, speech_s=5.0) == 0.0, "like the others, but without a track"


def test_work_that_was_done_is_what_the_transcript_shows():
    sound = {"speech": {"audio_s": 12.0}}
    said = Transcript((Segment(1.0, 3.0, "one"), Segment(4.0, 5.0, "two")), "en")
    assert SPEECH_TO_TEXT.worked(sound, {}, said) == pytest.approx(3.0 + QUIET * 9.0)
    assert SPEECH_TO_TEXT.worked(sound, {}, Transcript(note=NO_SPEECH)) == 0.0
    assert SPEECH_TO_TEXT.worked(sound, {}, "a transcript of another kind") == 12.0


def planned(path, cell="scenes <- split {videos} into scenes\nsaid <- transcribe {scenes}\n"):
    """Work of a step `said`, and what the plan would say of it."""
    video = probe(path, "video")
    library = default_library()
    workflow = declare(f"%%murakkab w\n{cell}", library=library, values={"videos": [str(path)]})
    found = expect(workflow, {"videos": [video]}, library).steps["said"]
    notes = count_notes(workflow, {"videos": [video]}, library, {})
    return found.items * found.work, [note for note in notes if note.startswith("said")]


def test_a_video_without_a_track_of_sound_is_planned_without_work(three_scenes):
    assert planned(three_scenes) == (0.0, ["said: no sound, so nothing to hear."])


def test_a_silent_track_and_a_hum_are_planned_without_work(silent_video, humming_video):
    quiet = (0.0, ["said: no speech, by a look at the sound."])
    assert planned(silent_video) == planned(humming_video) == quiet
    assert planned(silent_video, "said <- transcribe {videos}\n") == quiet


@pytest.mark.media
def test_a_real_speech_is_planned_with_as_much_work_as_it_turns_out_to_be(moonshine, speech_video):
    expected, notes = planned(speech_video, "said <- transcribe {videos}\n")
    video = probe(speech_video, "video")
    (made,) = moonshine.call([Inputs((), {"speech": video})])
    assert expected == pytest.approx(SPEECH_TO_TEXT.worked({"speech": measure(video)}, {}, made), rel=0.15)
    assert notes[0].startswith("said: speech in about 8")


def test_a_plan_takes_a_beam_of_one_since_five_was_no_better():
    beam = WHISPER_BASE.option("beam")
    assert beam.choices == (beam.default,) == (1,)
    known = {one.options["beam"]: one for one in shipped_reference().qualities if one.agent == "whisper-base"}
    assert known[5].value <= known[1].value, "if it is better now, let plans choose it"


def test_weights_that_cannot_be_read_are_an_agent_error(tmp_path, monkeypatch):
    pytest.importorskip("faster_whisper")
    pytest.importorskip("moonshine_voice")
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path))
    for name in ("whisper-base", "moonshine-tiny"):
        (tmp_path / name).mkdir()
    with pytest.raises(AgentError, match="Whisper cannot load"):
        WhisperBase().load(WHISPER_BASE.settings({}), 1)
    with pytest.raises(AgentError, match="Moonshine cannot load"):
        MoonshineAgent().load(MOONSHINE_TINY.settings({}), 1)


# --- real models ----------------------------------------------------------------------------------------------

TRUTH = "today after two years of negotiations the united states together with our international partners has achieved something"


def plain(text):
    return re.findall(r"[a-z']+", text.lower())


@pytest.mark.media
def test_real_speech_is_transcribed(recogniser, speech_video):
    (result,) = call(recogniser, probe(speech_video, "video"))
    assert len(set(plain(result.text)) & set(TRUTH.split())) >= 12, result.text
    assert result.language == "en"
    assert all(0.0 <= s.start_s < s.end_s <= 9.0 for s in result.segments)


@pytest.mark.media
def test_scenes_cut_from_one_hearing_hold_what_is_said_in_them(recogniser, speech_video):
    video = probe(speech_video, "video")
    scenes = [Scene(video, 0.0, 3.0), Scene(video, 3.0, 6.0), Scene(video, 6.0, video.duration_s)]
    results = call(recogniser, *scenes)
    assert "today" in plain(results[0].text)
    assert {"united", "states"} <= set(plain(results[1].text))
    assert {"international", "partners"} <= set(plain(results[2].text))
    for scene, result in zip(scenes, results, strict=True):
        assert all(scene.start_s <= s.start_s <= s.end_s <= scene.end_s + 0.05 for s in result.segments)


@pytest.mark.media
def test_one_scene_alone_has_times_of_the_source(recogniser, speech_video):
    video = probe(speech_video, "video")
    (result,) = call(recogniser, Scene(video, 3.0, 6.0))
    assert result.segments
    assert all(3.0 <= s.start_s < s.end_s <= 6.1 for s in result.segments)


@pytest.mark.media
def test_nothing_is_made_up_where_nobody_speaks(recogniser, clips, humming_video):
    path = clips / "noise.wav"
    noise = 0.05 * np.random.default_rng(0).standard_normal(6 * RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((noise * 32767).astype("<i2").tobytes())
    results = call(recogniser, probe(path, "audio"), probe(humming_video, "video"))
    assert [result.text for result in results] == ["", ""]
    assert {result.note for result in results} == {"no speech heard"}


@pytest.mark.media
def test_moonshine_does_not_begin_with_what_the_last_call_left(moonshine, speech_video):
    video = probe(speech_video, "video")
    first = call(moonshine, Scene(video, 0.0, 5.0))[0]  # ends in the middle of speech
    again = call(moonshine, Scene(video, 0.0, 5.0))[0]
    assert plain(first.text)[0] == "today"
    assert again.text == first.text
    assert [s.start_s for s in again.segments] == pytest.approx([s.start_s for s in first.segments], abs=0.1)


@pytest.mark.media
def test_speech_in_a_longer_file_is_found_at_its_time(recogniser, clips, speech_video):
    from murakkab_jupyter.agents.media.files import read_audio

    speech = read_audio(probe(speech_video, "video"))
    sound = np.concatenate([tone(40.0, loudness=0.0), speech, tone(30.0, loudness=0.0)])
    path = write_video(clips / "late.mp4", scene_pictures(RED, each=2), sound=sound)
    video = dataclasses.replace(probe(path, "video"), duration_s=sound.size / RATE)
    (result,) = call(recogniser, video)
    assert len(set(plain(result.text)) & set(TRUTH.split())) >= 10, result.text
    assert all(39.5 <= s.start_s < s.end_s <= 50.0 for s in result.segments)


@pytest.mark.media
def test_an_audio_file_is_an_input_like_a_video(recogniser, clips, speech_video):
    from murakkab_jupyter.agents.media.files import read_audio

    path = clips / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((read_audio(probe(speech_video, "video")) * 32767).astype("<i2").tobytes())
    audio = probe(path, "audio")
    assert isinstance(audio, Audio)
    (result,) = call(recogniser, audio)
    assert "negotiations" in plain(result.text)


def lines_of(*lines):
    """A Moonshine that hears these lines (start, end, text), whatever the sound."""

    class Line:
        def __init__(self, start_s, end_s, text):
            self.start_time, self.duration, self.text = start_s, end_s - start_s, text

    class Found:
        lines = ()

    class Fake:
        def transcribe_without_streaming(self, samples, rate):
            found = Found()
            found.lines = [Line(*line) for line in lines]
            return found

    agent = MoonshineAgent()
    agent._model, agent._rest = Fake(), np.zeros(RATE, np.float32)
    heard, _ = agent.hear(tone(20.0), None)
    return [(segment.start_s, segment.text) for segment, _ in heard]


def test_what_two_overlapping_lines_both_hear_is_written_once():
    assert lines_of(
        (0.0, 10.05, "The work will start in October."),
        (9.57, 12.3, "In October and cost four million dollars."),
    ) == [(0.0, "The work will start in October."), (10.05, "and cost four million dollars.")]


def test_words_that_are_said_twice_stay_where_lines_do_not_overlap():
    said = ((0.0, 4.0, "We said no."), (4.2, 6.0, "No is what we said."))
    assert lines_of(*said) == [(0.0, "We said no."), (4.2, "No is what we said.")]


def test_overlapping_lines_with_nothing_in_common_stay_whole_and_a_line_that_only_repeats_is_left_out():
    assert lines_of(
        (0.0, 5.0, "The storm came."), (4.7, 5.2, "storm came"), (5.1, 8.0, "Nobody was hurt.")
    ) == [(0.0, "The storm came."), (5.1, "Nobody was hurt.")]


def test_speech_that_is_said_to_end_after_the_sound_is_kept(sine_audio):
    class Rounding(CountingAgent):
        """Hears one line, without times of words, that ends a second after the sound."""

        def hear(self, samples, stretch):
            return [(Segment(0.0, samples.size / RATE + 1.0, "It is baked."), ())], "en"

    audio = probe(sine_audio, "audio")
    (made,) = call(Rounding(), audio)
    assert made.text == "It is baked."
    assert made.segments[0].end_s == audio.duration_s
