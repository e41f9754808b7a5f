"""Transcripts as SubRip subtitles, one file a video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.kinds import Audio, Segment, Transcript, Video
from murakkab_jupyter.core.whole import whole

__all__ = ["srt_text", "write_srt"]

SHORTEST_MS = 1
JOINER = "\u2060"
"""Invisible; keeps a player from reading `<` or `{` as the beginning of a tag."""


def write_srt(
    transcripts: Mapping[Ancestry, Transcript] | Transcript,
    path: str | Path,
    *,
    media: Mapping[Ancestry, Video | Audio] | None = None,
) -> list[Path]:
    """Write one SRT file a video; the transcripts of its scenes are put together in the order of time.

    Parameters
    ----------
    transcripts
        As `run.outputs["transcript"]` gives them.
    path
        A folder (made when it is not there), or a file ending in `.srt`; several videos are then written
        beside it, as `FILE.VIDEO.srt`.
    media
        The videos by ancestry, whose names the files get; without them they are `videos-0.srt`, ...

    Returns
    -------
    list of Path
        The files written, in the order of the videos.

    Raises
    ------
    UsageError
        There is nothing to write, or a value is no transcript.
    """
    found: dict[Ancestry, Transcript] = (
        {(): transcripts} if isinstance(transcripts, Transcript) else dict(transcripts)
    )
    wrong = next((value for value in found.values() if not isinstance(value, Transcript)), None)
    if wrong is not None or not found:
        what = f"a {type(wrong).__name__}" if found else "nothing"
        msg = f"Subtitles are made from transcripts, not from {what}."
        raise UsageError(
            msg, hint='Give the output of a speech-to-text step, e.g. run.outputs["transcript"].'
        )
    videos: dict[Ancestry, list[Segment]] = {}
    for ancestry in sorted(found):
        videos.setdefault(ancestry[:1], []).extend(found[ancestry].segments)
    target = Path(path).expanduser()
    one_file = target.suffix.lower() == ".srt"
    folder = target.parent if one_file else target
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for ancestry, segments in videos.items():
        if one_file and len(videos) == 1:
            file = target
        else:
            lead = f"{target.stem}." if one_file else ""
            file = folder / f"{free_name(lead + stem(ancestry, media or {}), written)}.srt"
        with whole(file) as new:
            new.write_text(srt_text(segments), encoding="utf-8", newline="\n")
        written.append(file)
    return written


def srt_text(segments: Iterable[Segment]) -> str:
    """The cues of one video, in the order of time; segments without words are left out."""
    cues: list[str] = []
    for one in sorted(segments, key=lambda segment: (segment.start_s, segment.end_s)):
        # A cue ends at the first empty line, and `-->` would pass for a time line.
        words = " ".join(one.text.split()).replace("-->", "->")
        if not words:
            continue
        for sign in "<{":
            words = words.replace(sign, sign + JOINER)
        start_ms = max(0, round(one.start_s * 1000))
        end_ms = max(start_ms + SHORTEST_MS, round(one.end_s * 1000))
        cues.append(f"{len(cues) + 1}\n{clock(start_ms)} --> {clock(end_ms)}\n{words}\n")
    return "\n".join(cues)


def clock(milliseconds: int) -> str:
    """`00:01:02,345`."""
    seconds, left_ms = divmod(milliseconds, 1000)
    minutes, left_s = divmod(seconds, 60)
    hours, left_min = divmod(minutes, 60)
    return f"{hours:02}:{left_min:02}:{left_s:02},{left_ms:03}"


def stem(ancestry: Ancestry, media: Mapping[Ancestry, Any]) -> str:
    """The video's own name, else its variable and number."""
    video = media.get(ancestry)
    if isinstance(video, Video | Audio):
        return Path(video.media.path).stem
    return "-".join(f"{name}-{index}" for name, index in ancestry) or "transcript"


def free_name(name: str, taken: list[Path]) -> str:
    """A name that no file written before has: two videos in two folders may share theirs."""
    used = {path.stem.casefold() for path in taken}
    chosen, number = name, 2
    while chosen.casefold() in used:
        chosen, number = f"{name}-{number}", number + 1
    return chosen
