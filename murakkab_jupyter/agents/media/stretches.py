"""Stretches of sound: neighbouring scenes of one source are transcribed once and cut by time.

A recogniser pays for each call and loses the words that a cut goes through; so scenes that a call brings
together and that follow each other in their source are read as one stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from murakkab_jupyter.agents.media.sound import RATE, Samples
from murakkab_jupyter.core.kinds import Audio, Scene, Segment, Video

__all__ = ["Span", "Stretch", "Word", "cut", "is_silent", "spans_of", "spread_words", "stretches", "windows"]

GAP_S = 0.25
"""Scenes further apart than this are not read as one stretch."""

SILENCE = 1e-3
"""Sound that never exceeds this (-60 dB of full scale) is silence."""

Word = Segment
"""A single word with its times."""


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a source that an item asks for; `index` is the item's place in the batch."""

    index: int
    track: Video | Audio
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring spans of one source, in order of time."""

    track: Video | Audio
    start_s: float
    end_s: float
    spans: tuple[Span, ...]


def spans_of(values: Sequence[Scene | Video | Audio]) -> list[Span]:
    """What each item asks for: a scene its times, a file all of itself."""
    spans = []
    for index, value in enumerate(values):
        if isinstance(value, Scene):
            spans.append(Span(index, value.media, value.start_s, value.end_s))
        else:
            spans.append(Span(index, value, 0.0, value.duration_s))
    return spans


def stretches(spans: Sequence[Span]) -> list[Stretch]:
    """Group spans by source, and those that touch or overlap into stretches."""
    ordered = sorted(spans, key=lambda span: (span.track.media.sha256, span.track.media.path, span.start_s))
    made: list[Stretch] = []
    for span in ordered:
        last = made[-1] if made else None
        if last is not None and last.track == span.track and span.start_s <= last.end_s + GAP_S:
            made[-1] = replace(last, end_s=max(last.end_s, span.end_s), spans=(*last.spans, span))
        else:
            made.append(Stretch(span.track, span.start_s, span.end_s, (span,)))
    return made


def is_silent(samples: Samples) -> bool:
    """Whether there is nothing to hear."""
    return samples.size == 0 or float(np.abs(samples).max()) < SILENCE


def windows(samples: Samples, longest_s: float) -> list[tuple[int, int]]:
    """Cut samples into windows no longer than `longest_s`, each cut laid where it is quietest near its end."""
    longest, hop = round(longest_s * RATE), RATE // 10
    cuts, start = [], 0
    while samples.size - start > longest:
        search = start + longest * 2 // 3
        tail = samples[search : start + longest]
        loudness = np.square(tail[: tail.size // hop * hop].reshape(-1, hop)).mean(axis=1)
        end = search + int(loudness.argmin()) * hop + hop // 2
        cuts.append((start, end))
        start = end
    if samples.size > start:
        cuts.append((start, samples.size))
    return cuts


def spread_words(segment: Segment) -> tuple[Word, ...]:
    """A segment's words with times in proportion to their letters, for a recogniser that gives no times of words."""
    words = segment.text.split()
    letters = sum(len(word) + 1 for word in words)
    length_s = segment.end_s - segment.start_s
    made, at = [], segment.start_s
    for word in words:
        end = at + length_s * (len(word) + 1) / letters
        made.append(Word(at, end, word))
        at = end
    return tuple(made)


def cut(heard: Sequence[tuple[Segment, tuple[Word, ...]]], span: Span) -> tuple[Segment, ...]:
    """The part of what was heard that lies in a span: a word belongs where its middle lies.

    A segment that lies inside the span is kept whole; its times stay those of the source.
    """
    kept: list[Segment] = []
    for segment, words in heard:
        if span.start_s <= segment.start_s and segment.end_s <= span.end_s:
            kept.append(segment)
            continue
        inside = [word for word in words if span.start_s <= (word.start_s + word.end_s) / 2 < span.end_s]
        if inside:
            text = " ".join(word.text.strip() for word in inside)
            kept.append(
                Segment(max(span.start_s, inside[0].start_s), min(span.end_s, inside[-1].end_s), text)
            )
    return tuple(kept)
