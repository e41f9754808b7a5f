from __future__ import annotations

import errno
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.kinds import Audio, Scene, Segment, Transcript
from murakkab_jupyter.runtime.export import to_pandas, to_parquet, to_srt
from murakkab_jupyter.runtime.srt import srt_text, write_srt
from tests.runtime.shelf import at, media, video
from tests.runtime.stage import WORKFLOW, A, FakeStore, transcript, values

# --- tables ---------------------------------------------------------------------------------------------------


def test_a_table_has_one_row_an_item_parents_before_children() -> None:
    table = to_pandas(WORKFLOW, FakeStore())
    assert list(table.columns) == [
        "videos_index",
        "scenes_index",
        "source",
        "start_s",
        "end_s",
        "scenes",
        "heard",
        "seen",
        "vector",
        "answer",
        "whole",
    ]
    columns = [
        [
            None if one is None else int(one)
            for one in table[name].astype(object).where(table[name].notna(), None)
        ]
        for name in ("videos_index", "scenes_index")
    ]
    indices = list(zip(*columns, strict=True))
    assert indices == [(None, None), (0, None), (0, 0), (0, 1), (1, 0)]


def test_cells_hold_words_and_say_where_they_come_from() -> None:
    table = to_pandas(WORKFLOW, FakeStore())
    first = table[(table.videos_index == 0) & (table.scenes_index == 0)].iloc[0]
    assert (first.source, first.start_s, first.end_s) == (A, 0.0, 5.0)
    assert first.heard == "hello there"
    assert first.seen is None
    np.testing.assert_array_equal(first.vector, [1.0, 2.0])
    second = table[(table.videos_index == 0) & (table.scenes_index == 1)].iloc[0]
    assert second.seen == "2 x cat"
    assert table[table.answer.notna()].iloc[0].answer == "A cat."
    assert table.iloc[0].whole == {"films": 2}


def test_raw_cells_hold_the_values_themselves() -> None:
    table = to_pandas(WORKFLOW, FakeStore(), raw=True)
    assert isinstance(table[table.scenes.notna()].iloc[0].scenes, Scene)
    assert isinstance(table[table.heard.notna()].iloc[0].heard, Transcript)


def test_an_empty_run_gives_an_empty_table() -> None:
    empty: dict[str, Any] = {name: {} for name in values()}
    table = to_pandas(WORKFLOW, FakeStore(empty))
    assert len(table) == 0
    assert "answer" in table.columns


def test_a_parquet_file_reads_back_with_the_types_of_its_values(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    store = FakeStore()
    store.made["seen"] = {at(0, 0): 1, at(0, 1): "mixed"}
    path = to_parquet(WORKFLOW, store, tmp_path / "deep" / "run.parquet")
    table = pq.read_table(path).to_pydict()
    assert table["videos_index"] == [None, 0, 0, 0, 1]
    assert table["heard"] == [None, None, "hello there", None, ""]
    assert table["vector"][2] == [1.0, 2.0]
    assert table["seen"] == [None, None, "1", '"mixed"', None]
    assert json.loads(table["whole"][0]) == {"films": 2}
    assert table["start_s"][3] == 5.0


@pytest.mark.parametrize(
    "column",
    [
        [1, 2],
        [1.5, 2],
        [True, False],
        [2**70, 1],
        [np.zeros((2, 2)), np.zeros(3)],
        [["a"], {"b": 1}],
        [object(), None],
        [float("inf"), 1.0],
        [b"bytes", "text"],
    ],
)
def test_whatever_a_step_makes_can_be_written_to_parquet(tmp_path: Path, column: list[Any]) -> None:
    import pyarrow.parquet as pq

    store = FakeStore()
    store.made["seen"] = {at(0, number): value for number, value in enumerate(column)}
    written = pq.read_table(to_parquet(WORKFLOW, store, tmp_path / "run.parquet")).to_pydict()["seen"]
    assert sum(one is not None for one in written) == sum(one is not None for one in column)


@pytest.mark.parametrize("module", ["pandas", "pyarrow"])
def test_a_missing_package_is_one_sentence_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=module) as caught:
        to_parquet(WORKFLOW, FakeStore(), tmp_path / "run.parquet")
    assert "murakkab-jupyter[export]" in str(caught.value)


# --- subtitles ------------------------------------------------------------------------------------------------


def test_scenes_of_a_video_become_one_file_named_after_it(tmp_path: Path) -> None:
    found = {
        at(0, 1): transcript(70.0, "later"),
        at(0, 0): transcript(1.0, "first"),
        at(1, 0): transcript(0.0, "other"),
    }
    files = write_srt(
        found, tmp_path / "subtitles", media={at(0): video(A), at(1): Audio(media("/else/b.mp3"), 9.0)}
    )
    assert [file.name for file in files] == ["a.srt", "b.srt"]
    assert files[0].read_text() == (
        "1\n00:00:01,000 --> 00:00:01,500\nfirst\n\n2\n00:01:10,000 --> 00:01:10,500\nlater\n"
    )


def test_videos_without_a_name_and_of_one_name_get_files_of_their_own(tmp_path: Path) -> None:
    found = {at(n): transcript(0.0, f"v{n}") for n in range(3)}
    names = {at(0): video("/x/clip.mp4"), at(1): video("/y/CLIP.mp4")}
    assert [one.name for one in write_srt(found, tmp_path, media=names)] == [
        "clip.srt",
        "CLIP-2.srt",
        "videos-2.srt",
    ]


def test_one_video_may_be_written_to_a_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out.SRT"
    assert write_srt(transcript(0.0, "a"), target) == [target]
    assert write_srt({at(0, 0): Transcript()}, target) == [target]
    assert target.read_text() == ""
    both = {at(0): transcript(0.0, "a"), at(1): transcript(0.0, "b")}
    files = write_srt(both, target, media={at(1): video("/x/clip.mp4")})
    assert [one.name for one in files] == ["out.videos-0.srt", "out.clip.srt"]
    assert files[1].read_text().endswith("\nb\n")


def test_subtitles_that_a_full_disk_does_not_take_leave_those_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.srt"
    target.write_text("of yesterday")

    def full(file: Path, *_: Any, **__: Any) -> None:
        with file.open("w") as half:
            half.write("1")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            write_srt(transcript(0.0, "a"), target)
    assert target.read_text() == "of yesterday"
    assert [one.name for one in tmp_path.iterdir()] == ["out.srt"]


@pytest.mark.parametrize("wrong", [{at(0): "text"}, {}])
def test_what_is_no_transcript_is_refused(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(UsageError, match="from transcripts"):
        write_srt(wrong, tmp_path)


def test_words_cannot_break_the_file_or_become_tags() -> None:
    text = srt_text([Segment(0.0, 1.0, "a\n\n2\n00:00:05,000 --> 00:00:06,000\n<b>x</b> {\\an8}")])
    assert text.count("\n\n") == 0
    assert text.count("-->") == 1
    assert "<b>" not in text
    assert "{\\" not in text


def test_times_round_to_milliseconds_and_a_cue_always_lasts() -> None:
    assert "01:02:03,457 --> 01:02:03,458" in srt_text([Segment(3723.4567, 3723.4567, "x")])
    assert "00:00:59,999 --> 00:01:00,000" in srt_text([Segment(59.999, 59.9999, "x")])
    assert "00:00:00,000 -->" in srt_text([Segment(-1.0, 2.0, "x")])
    assert "100:00:00,000" in srt_text([Segment(0.0, 360_000.0, "x")])


CUE = re.compile(r"(\d+)\n(\d\d+):(\d\d):(\d\d),(\d{3}) --> (\d\d+):(\d\d):(\d\d),(\d{3})\n[^\n]+\n")


@given(st.lists(st.builds(Segment, st.floats(-10, 1e5), st.floats(-10, 1e5), st.text())))
def test_any_segments_give_numbered_cues_in_the_order_of_time(segments: list[Segment]) -> None:
    text = srt_text(segments)
    cues = [CUE.fullmatch(block + "\n") for block in text.rstrip("\n").split("\n\n")] if text else []
    assert all(cues)
    assert len(cues) == sum(bool(one.text.split()) for one in segments)
    found = [[int(group) for group in cue.groups()] for cue in cues if cue]
    assert [one[0] for one in found] == list(range(1, len(found) + 1))
    starts = [((h * 60 + m) * 60 + s) * 1000 + ms for _, h, m, s, ms, *_ in found]
    ends = [((h * 60 + m) * 60 + s) * 1000 + ms for *_, h, m, s, ms in found]
    assert starts == sorted(starts)
    assert all(start < end for start, end in zip(starts, ends, strict=True))


def test_the_transcripts_of_a_run_become_subtitles_named_after_its_videos(tmp_path: Path) -> None:
    files = to_srt(WORKFLOW, FakeStore(), tmp_path)
    assert [one.name for one in files] == ["a.srt", "b.srt"]
    assert "hello" in files[0].read_text()
    assert files[1].read_text() == ""


def test_a_run_without_transcripts_or_with_two_sets_says_so(tmp_path: Path) -> None:
    store = FakeStore()
    store.made["answer"] = {at(0): transcript(0.0, "translated")}
    with pytest.raises(UsageError, match="heard, answer"):
        to_srt(WORKFLOW, store, tmp_path)
    assert [one.name for one in to_srt(WORKFLOW, store, tmp_path, step="answer")] == ["a.srt"]
    store.made["heard"] = store.made["answer"] = {}
    with pytest.raises(UsageError, match="no transcripts"):
        to_srt(WORKFLOW, store, tmp_path)
