"""Speech: from sound to timed words."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.media.listening import listen_to
from murakkab_jupyter.agents.media.sound import RATE, Samples, has_sound, read_audio
from murakkab_jupyter.agents.media.stretches import (
    Stretch,
    Word,
    cut,
    is_silent,
    spans_of,
    spread_words,
    stretches,
    windows,
)
from murakkab_jupyter.agents.weights.resolver import resolve
from murakkab_jupyter.core.errors import AgentError, MurakkabError
from murakkab_jupyter.core.kinds import Measure, Segment, Transcript

__all__ = [
    "MOONSHINE_TINY",
    "SPEECH_TO_TEXT",
    "WHISPER_BASE",
    "WHISPER_LARGE_V3_TURBO",
    "MoonshineAgent",
    "SpeechAgent",
    "WhisperAgent",
    "WhisperBase",
    "WhisperLargeV3Turbo",
    "register",
]

TOKENS_PER_SECOND = 3.5
"""Expected tokens a second of speech: 150 words a minute, 1.4 tokens a word; a prior."""

QUIET = 0.1
"""A second in which nobody speaks, in seconds of speech: it is decoded, and given to a small detector of voices (0.005 s of Whisper's and
0.012 s of Moonshine's time on the reference machine, where speech takes them 0.06-0.1 s)."""

MOST_REPEATED = 4
"""Words that fit into the half second by which two lines of Moonshine's overlap."""

NO_TRACK = "no track of sound"
SILENT = "silent"
NO_SPEECH = "no speech heard"

Heard = tuple[Segment, tuple[Word, ...]]
"""A segment with times from the start of the samples, and its words."""


def audio_seconds(inputs: Mapping[str, Measure]) -> float:
    speech = inputs.get("speech", {})
    return speech.get("audio_s", speech.get("duration_s", 0.0))


def speech_seconds(inputs: Mapping[str, Measure]) -> float:
    """Seconds in which somebody may speak, as a look at the sound says; all of it where nobody looked."""
    audio_s = audio_seconds(inputs)
    return min(audio_s, inputs.get("speech", {}).get("speech_s", audio_s))


def work_of(speech_s: float, audio_s: float) -> float:
    """Seconds of speech that recognising sound is worth; nothing where nobody speaks."""
    return speech_s + QUIET * max(0.0, audio_s - speech_s) if speech_s > 0 else 0.0


def expected(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    return work_of(speech_seconds(inputs), audio_seconds(inputs))


def heard(inputs: Mapping[str, Measure], options: Mapping[str, Any], made: Any) -> float:
    """The work that a transcript shows: whoever it is of spoke for as long as its segments last."""
    if not isinstance(made, Transcript):
        return expected(inputs, options)
    speech_s = sum(max(0.0, one.end_s - one.start_s) for one in made.segments)
    return work_of(speech_s, max(speech_s, audio_seconds(inputs)))


def sounding(value: object) -> Measure:
    """What a look at the sound of a file says."""
    found = listen_to(value)
    return {} if found is None else {"speech_s": found.speech_s}


def words(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    speech_s, audio_s = speech_seconds(inputs), audio_seconds(inputs)
    why = ""
    if "speech_s" in inputs.get("speech", {}):
        share = speech_s / audio_s if audio_s else 0.0
        why = (
            f"speech in about {share:.0%} of the sound, by a look at it"
            if share
            else "no speech, by a look at the sound"
        )
        why = why if audio_s else "no sound, so nothing to hear"
    return Yield(1.0, {"tokens": TOKENS_PER_SECOND * speech_s, "count": 1.0}, why=why)


SPEECH_TO_TEXT = Capability(
    name="speech-to-text",
    summary="Transcribe the speech of a scene, a video or an audio file, with times.",
    ports=(Port("speech", frozenset({"scene", "video", "audio"})),),
    output="transcript",
    patterns=(
        "transcribe [all] [speech|audio|words|what is said] [in|from|of] [each|all] {speech}",
        "[run] (speech-to-text|speech to text|speech recognition|transcription) on [each|all] {speech}",
        "(get|make|write|give) (transcript|transcripts|transcription) of [each|all] {speech}",
        "what is (said|spoken) in [each|all] {speech}",
    ),
    unit="speech_s",
    work=expected,
    yields=words,
    worked=heard,
    looks=sounding,
)


class SpeechAgent(Agent):
    """What recognisers have in common: reading sound, keeping silence from them, cutting by scene."""

    def call(self, batch: Sequence[Inputs]) -> Sequence[Any]:
        """One transcript for each scene, video or audio file; neighbouring scenes of a source are heard as one."""
        results: list[Any] = [None] * len(batch)
        for stretch in stretches(spans_of([item.values["speech"] for item in batch])):
            try:
                made = self.transcribe(stretch)
            except MurakkabError as error:
                made = [Failed(" ".join(error.lines()))] * len(stretch.spans)
            for span, value in zip(stretch.spans, made, strict=True):
                results[span.index] = value
        return results

    def transcribe(self, stretch: Stretch) -> list[Any]:
        """One transcript for each span of a stretch."""
        if not has_sound(stretch.track):
            return [Transcript(note=NO_TRACK)] * len(stretch.spans)
        samples = read_audio(stretch.track, stretch.start_s, stretch.end_s)
        if is_silent(samples):
            return [Transcript(note=SILENT)] * len(stretch.spans)
        heard, language = self.hear(samples, stretch)
        moved = [
            (later(segment, stretch), tuple(later(word, stretch) for word in spoken))
            for segment, spoken in heard
        ]
        made = []
        for span in stretch.spans:
            segments = cut(moved, span)
            made.append(Transcript(segments, language, "" if segments else NO_SPEECH))
        return made

    @abstractmethod
    def hear(self, samples: Samples, stretch: Stretch) -> tuple[list[Heard], str]:
        """What is said in 16 kHz samples, times from their start, and in which language."""


def later(segment: Segment, stretch: Stretch) -> Segment:
    """A segment with times of its source; Whisper rounds some up to beyond the end of the sound."""
    start_s = min(segment.start_s + stretch.start_s, stretch.end_s)
    return Segment(start_s, min(segment.end_s + stretch.start_s, stretch.end_s), segment.text)


class MoonshineAgent(SpeechAgent):
    """Moonshine tiny, English, through its own runtime (which finds speech with a voice detector first)."""

    longest_s = 60.0

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the model."""
        folder = resolve("moonshine-tiny")
        try:
            from moonshine_voice import ModelArch
            from moonshine_voice.errors import MoonshineError
            from moonshine_voice.transcriber import Transcriber
        except (ImportError, OSError) as error:
            msg = f"Moonshine cannot be loaded: {error}."
            raise AgentError(
                msg, hint="pip install moonshine-voice==0.0.62 (it needs libportaudio2 on some systems)"
            ) from error
        try:
            self._model = Transcriber(str(folder), ModelArch.TINY, options={"identify_speakers": "false"})
        except MoonshineError as error:
            msg = f"Moonshine cannot load its weights from {folder}: {error}."
            raise AgentError(msg, hint="Remove the folder, so that they are fetched again.") from error
        self._rest = np.zeros(RATE, np.float32)

    def hear(self, samples: Samples, stretch: Stretch) -> tuple[list[Heard], str]:
        """Lines of speech; Moonshine gives no times of words, so they are spread over their line."""
        heard: list[Heard] = []
        for begin, end in windows(samples, self.longest_s):
            last: Segment | None = None
            # Its voice detector remembers the end of the last call: without a rest, a call that ended in
            # speech makes the next one begin with a word ("You") that nobody said.
            self._model.transcribe_without_streaming(self._rest, RATE)
            found = self._model.transcribe_without_streaming(samples[begin:end], RATE)
            for line in found.lines:
                start_s = begin / RATE + float(line.start_time)
                end_s = min(start_s + float(line.duration), samples.size / RATE)
                text = tidy(str(line.text))
                here = samples[round(start_s * RATE) : round(end_s * RATE)]
                if text and not is_silent(here):
                    segment = Segment(start_s, end_s, text)
                    if last is not None:
                        segment = without_repeat(last, segment)
                    if segment.text:
                        heard.append((segment, spread_words(segment)))
                        last = segment
        return heard, "en"

    def close(self) -> None:
        """Free the model."""
        self._model.close()


def without_repeat(before: Segment, line: Segment) -> Segment:
    """A line without the words that it shares with the end of the one before.

    A long stretch of speech is cut into lines that overlap by half a second, so what is said there is heard twice.
    """
    if line.start_s >= before.end_s:
        return line
    old, new = before.text.split(), line.text.split()
    for count in range(min(MOST_REPEATED, len(old), len(new)), 0, -1):
        if [bare(word) for word in old[-count:]] == [bare(word) for word in new[:count]]:
            return Segment(min(before.end_s, line.end_s), line.end_s, " ".join(new[count:]))
    return line


def bare(word: str) -> str:
    return re.sub(r"\W", "", word).lower()


def tidy(text: str) -> str:
    """Without what stands for nothing: doubled commas and blanks; empty where no letter or digit is left."""
    text = re.sub(r"\s+", " ", re.sub(r",(\s*,)+", ",", text)).strip()
    return text if re.search(r"\w", text) else ""


class WhisperAgent(SpeechAgent):
    """A Whisper model through faster-whisper (CTranslate2), in 8-bit integers on the CPU."""

    weights = ""
    unlikely_speech = 0.6
    unsure = -0.5

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the model with as many threads as it has cores."""
        folder = resolve(self.weights)
        try:
            from faster_whisper import WhisperModel
            from faster_whisper.vad import VadOptions, get_speech_timestamps
        except ImportError as error:
            msg = f"faster-whisper cannot be loaded: {error}."
            raise AgentError(msg, hint="pip install faster-whisper") from error
        try:
            self._model = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=cores, num_workers=1
            )
        except (RuntimeError, ValueError, OSError) as error:
            msg = f"Whisper cannot load its weights from {folder}: {error}."
            raise AgentError(msg, hint="Remove the folder, so that they are fetched again.") from error
        self._beam = int(options["beam"])
        self._language = str(options["language"])
        self._speech = get_speech_timestamps
        self._vad = VadOptions(min_silence_duration_ms=500)
        self._known: dict[str, str] = {}

    def hear(self, samples: Samples, stretch: Stretch) -> tuple[list[Heard], str]:
        """Segments with the times of their words, where a cut needs them."""
        # Whisper makes up words where nobody speaks, so a small voice detector is asked first.
        voiced = self._speech(samples, self._vad)
        if not voiced:
            return [], ""
        language = self.language(samples, voiced, stretch.track.media.sha256)
        found, _ = self._model.transcribe(
            samples,
            language=language,
            beam_size=self._beam,
            vad_filter=True,
            vad_parameters=self._vad,
            word_timestamps=len(stretch.spans) > 1,
            condition_on_previous_text=False,
        )
        heard: list[Heard] = []
        for segment in found:
            text = segment.text.strip()
            doubtful = segment.no_speech_prob > self.unlikely_speech and segment.avg_logprob < self.unsure
            if not text or doubtful:
                continue
            spoken = tuple(Word(float(w.start), float(w.end), w.word) for w in segment.words or ())
            heard.append((Segment(float(segment.start), float(segment.end), text), spoken))
        return heard, language

    def language(self, samples: Samples, voiced: Sequence[Mapping[str, int]], source: str) -> str:
        """The language said, or the one heard in the first speech of this source (asked once for a source)."""
        if self._language != "auto":
            return self._language
        if source not in self._known:
            begin = int(voiced[0]["start"])
            found, probability, _ = self._model.detect_language(samples[begin : begin + 30 * RATE])
            if probability < 0.5:
                return "en"  # a guess, not remembered: more speech may tell
            self._known[source] = str(found)
        return self._known[source]


class WhisperBase(WhisperAgent):
    """Whisper base: 74 million parameters."""

    weights = "whisper-base"


class WhisperLargeV3Turbo(WhisperAgent):
    """Whisper large-v3-turbo: 809 million parameters, from the hub."""

    weights = "whisper-large-v3-turbo"


LANGUAGE = Option(
    "language", str, "auto", help="a code such as en or de, or auto: ask the model once for a source"
)
# A beam of 5 made as many errors as one of 1 on our sample (3 of 148 words), for a tenth more CPU time: only a pin asks
# for more.
BEAM = Option(
    "beam",
    int,
    1,
    (1,),
    lever=True,
    help="hypotheses kept while decoding: more is slower, and may be better; a plan takes 1, a pin any number",
)

MOONSHINE_TINY = AgentSpec(
    name="moonshine-tiny",
    version="2+0.0.62",
    capability="speech-to-text",
    summary="Moonshine tiny: fast English speech recognition with a word wrong in fourteen.",
    factory="murakkab_jupyter.agents.perception.speech:MoonshineAgent",
    needs=Needs(modules=("moonshine_voice", "av"), weights=("moonshine-tiny",), memory_bytes=300_000_000),
    max_cores=2,
    max_batch=256,
    siblings=True,
    neighbours=True,
    only="hears English only, and writes down any other language as English that nobody said; for others pin @whisper-base.",
)

WHISPER_BASE = AgentSpec(
    name="whisper-base",
    version="2+1.0.0",
    capability="speech-to-text",
    summary="Whisper base: speech recognition in many languages, nearly without errors on clear speech.",
    factory="murakkab_jupyter.agents.perception.speech:WhisperBase",
    options=(BEAM, LANGUAGE),
    needs=Needs(modules=("faster_whisper", "av"), weights=("whisper-base",), memory_bytes=300_000_000),
    max_cores=4,
    max_batch=256,
    siblings=True,
    neighbours=True,
)

WHISPER_LARGE_V3_TURBO = AgentSpec(
    name="whisper-large-v3-turbo",
    version="2+main",
    capability="speech-to-text",
    summary="Whisper large-v3-turbo: the strongest open recogniser of speech that a CPU can bear; from the hub.",
    factory="murakkab_jupyter.agents.perception.speech:WhisperLargeV3Turbo",
    options=(BEAM, LANGUAGE),
    needs=Needs(
        modules=("faster_whisper", "av"), weights=("whisper-large-v3-turbo",), memory_bytes=1_700_000_000
    ),
    max_cores=8,
    max_batch=256,
    siblings=True,
    neighbours=True,
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    library.add_capability(SPEECH_TO_TEXT)
    library.add_agent(MOONSHINE_TINY)
    library.add_agent(WHISPER_BASE)
    library.add_agent(WHISPER_LARGE_V3_TURBO)
