"""A cheap look at sound before anything is run: for how many seconds somebody may speak.

Recognisers hardly work where nobody speaks, so it is speech that they take time for, not sound. Some windows of the
sound are decoded (all of a short file), and loudness alone says what may be speech: sound that comes and goes and is not far below
the loudest. Music passes for speech, silence and steady noise do not; what was really said is known after a run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from murakkab_jupyter.agents.media.noted import note, noted
from murakkab_jupyter.agents.media.sound import RATE, Samples, has_sound, read_audio
from murakkab_jupyter.core.kinds import Audio, Video

__all__ = ["Heard", "listen_to", "spoken_s"]

LOG = logging.getLogger(__name__)

VERSION = 1
"""Part of the cache's key: what is listened to, and how it is counted."""

WINDOWS, WINDOW_S = 8, 8.0
"""Windows that are decoded of a longer file, at even distances, and their length (s)."""

HOP_S = 0.02
QUIETEST_DB, BELOW_LOUDEST_DB = -55.0, 25.0
"""Speech is no quieter than this, and no more than this below the loudest (95th percentile)."""

STEADY_DB = 6.0
"""Sound whose loudness varies by less (10th to 90th percentile) is no speech: a hum, wind, traffic."""

PAUSE_S, LEAST_S = 0.8, 0.1
"""Shorter pauses belong to speech; shorter sounds are none. With these, three real clips are taken to hold 28.2, 28.2 and 7.7 s of
speech, of which Moonshine hears 25.6-27.3, 28.4-29.7 and 6.9-8.2 s, by how they are cut."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Seconds of a file in which somebody may speak, and how many were listened to."""

    speech_s: float
    listened_s: float


_known: dict[str, Heard | None] = {}


def listen_to(value: object) -> Heard | None:
    """What a look at the sound of a video or audio file says; 0 s without a track of sound.

    None where it is neither, is not on this host, or cannot be read so. Never raises: a plan without it takes all sound for speech.
    """
    if not isinstance(value, Video | Audio):
        return None
    if not has_sound(value):
        return Heard(0.0, 0.0)
    key = value.media.sha256
    if key not in _known:
        kept = noted(f"{key}-sound-{VERSION}")
        try:
            _known[key] = listen(value) if kept is None else Heard(kept["speech_s"], kept["listened_s"])
        except Exception as error:  # noqa: BLE001 - a file that is odd in any way must not keep a plan from being made
            LOG.debug("nothing heard of %s: %s", value.media.path, error)
            _known[key] = None
        found = _known[key]
        if kept is None and found is not None:
            note(f"{key}-sound-{VERSION}", {"speech_s": found.speech_s, "listened_s": found.listened_s})
    return _known[key]


def listen(track: Video | Audio) -> Heard | None:
    """The same, whatever is kept."""
    if track.media.here() is None or track.duration_s <= 0:
        return None
    if track.duration_s <= WINDOWS * WINDOW_S:
        parts = [read_audio(track)]
    else:
        starts = [(n + 0.5) * track.duration_s / WINDOWS - WINDOW_S / 2 for n in range(WINDOWS)]
        parts = [read_audio(track, start, start + WINDOW_S) for start in starts]
    listened_s = sum(part.size for part in parts) / RATE
    if not listened_s:
        return Heard(0.0, 0.0)
    return Heard(spoken_s(parts) / listened_s * track.duration_s, listened_s)


def spoken_s(parts: list[Samples]) -> float:
    """Seconds of some stretches of samples, taken as one file's, in which somebody may speak."""
    levels = [loudness(part) for part in parts]
    every = np.concatenate(levels) if levels else np.zeros(0)
    if not every.size:
        return 0.0
    low, high, loudest = np.percentile(every, [10, 90, 95])
    if loudest < QUIETEST_DB or high - low < STEADY_DB:
        return 0.0
    least = max(QUIETEST_DB, loudest - BELOW_LOUDEST_DB)
    return float(sum(runs(level >= least) for level in levels) * HOP_S)


def loudness(samples: Samples) -> np.ndarray:
    """Decibels of full scale of each hop."""
    hop = round(HOP_S * RATE)
    whole = samples[: samples.size // hop * hop].reshape(-1, hop)
    levels: np.ndarray = 10.0 * np.log10(np.square(whole, dtype=np.float64).mean(axis=1) + 1e-12)
    return levels


def runs(loud: np.ndarray) -> int:
    """Hops of speech: loud ones, with short pauses filled and short sounds left out."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(np.int8), [0]))))
    total, start, end = 0, -1, -1
    for begin, stop in edges.reshape(-1, 2).tolist():
        if start >= 0 and (begin - end) * HOP_S < PAUSE_S:
            end = stop
            continue
        total += end - start if (end - start) * HOP_S >= LEAST_S else 0
        start, end = begin, stop
    return total + (end - start if (end - start) * HOP_S >= LEAST_S else 0)
