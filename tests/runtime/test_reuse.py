from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.kinds import (
    Answer,
    Box,
    Boxes,
    Evidence,
    Frame,
    Origin,
    Passage,
    Segment,
    Transcript,
)
from murakkab_jupyter.runtime.reuse import media_in, relocated, reuse_key, sources_in
from tests.runtime.shelf import at, inputs, media, scene, video

OTHER = "b" * 64


def key(**changes: Any) -> str | None:
    stated: dict[str, Any] = {
        "agent": "writer",
        "version": "1",
        "options": (("beam", 5),),
        "inputs": inputs(prompt="Sum up.", sentence="sum up scene"),
        "prompted": True,
    }
    return reuse_key(**{**stated, **changes})


def test_the_same_work_has_the_same_key() -> None:
    assert key() == key()
    assert len(key() or "") == 64


def test_results_of_earlier_journals_are_found_still() -> None:
    values = {
        "vector": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "words": ["a", 1, 2.5, None, True],
        "deep": [["a"], {"b": [1, (2, 3)]}],
        "empty": np.zeros((0, 3)),
        "zero": np.array(3),
        "when": np.array(["2024-01-01"], dtype="M8[D]"),
        "u": np.array(["", ""]),
    }
    kept = "bce205d0305126f1ac4c453d1ed27c805472122b69fb951564ba71db6ab677d2"
    assert key(agent="a", options=(), inputs=inputs(values=values), prompted=False) == kept


def test_numbers_of_numpy_count_by_type_and_value() -> None:
    values = [np.int64(3), np.int64(4), np.int32(3), np.float32(3.0), 3, np.True_, True]
    keys = [key(inputs=inputs(values={"scene": value})) for value in values]
    assert None not in keys
    assert len(set(keys)) == len(values)


def test_arrays_of_records_count_by_their_fields() -> None:
    types: list[Any] = [
        [("x", "<i4"), ("y", "<f4")],
        [("x", "<f4"), ("y", "<i4")],
        [("y", "<i4"), ("x", "<f4")],
        [("x", "<i4"), ("y", "<i4")],
        [("x", "<i4", (2,))],
        [("x", [("in", "<i4"), ("out", "<i4")])],
        {"names": ["x"], "formats": ["<i4"], "itemsize": 8},
        "V8",
    ]
    keys = [key(inputs=inputs(values={"scene": np.zeros(3, dtype)})) for dtype in types]
    assert None not in keys
    assert len(set(keys)) == len(types)
    assert keys[0] == key(inputs=inputs(values={"scene": np.zeros(3, types[0])}))
    overlap = np.dtype({"names": ["x", "y"], "formats": ["<i4", "<i4"], "offsets": [0, 2]})
    assert key(inputs=inputs(values={"scene": np.zeros(3, overlap)})) is None


def test_bytes_count_by_what_they_hold() -> None:
    one, other = (key(inputs=inputs(values={"scene": data})) for data in (b"one", b"other"))
    assert one == key(inputs=inputs(values={"scene": b"one"}))
    assert len({one, other, key(inputs=inputs(values={"scene": "one"}))}) == 3


def test_where_an_item_stands_does_not_count() -> None:
    assert key() == key(inputs=inputs(at(3, 1), prompt="Sum up.", sentence="sum up scene"))


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "other"},
        {"version": "2"},
        {"options": (("beam", 1),)},
        {"options": (("beam", "5"),)},
        {"options": (("beam", 5.0),)},
        {"inputs": inputs(prompt="Translate.", sentence="sum up scene")},
        {"inputs": inputs(prompt="Sum up.", sentence="sum up scenes")},
        {"inputs": inputs(prompt="Sum up.", sentence="sum up scene", values={"scene": scene(1.0)})},
        {"inputs": inputs(prompt="Sum up.", sentence="sum up scene", values={"other": scene()})},
        {"inputs": inputs(prompt="Sum up.", sentence="sum up scene", values={"scene": scene(sha256=OTHER)})},
        {
            "inputs": inputs(
                prompt="Sum up.", sentence="sum up scene", origins={"scene": Origin("/a", 1.0, 2.0)}
            )
        },
        {"prompted": False},
    ],
)
def test_whatever_a_result_depends_on_changes_the_key(change: dict[str, Any]) -> None:
    assert key(**change) != key()


def test_words_do_not_count_where_the_capability_takes_none() -> None:
    plain = key(prompted=False)
    assert plain == key(prompted=False, inputs=inputs(prompt="Translate.", sentence="say it otherwise"))


def test_media_count_by_content_and_not_by_path() -> None:
    here = inputs(values={"scene": scene(path="/a/x.mp4")}, origins={"scene": Origin("/a/x.mp4", 0.0, 5.0)})
    moved = inputs(values={"scene": scene(path="/b/y.mp4")}, origins={"scene": Origin("/b/y.mp4", 0.0, 5.0)})
    assert key(inputs=here) == key(inputs=moved)


def test_an_origin_counts_by_content_where_its_file_is_known_and_else_by_path() -> None:
    first = inputs(values={"context": "words"}, origins={"context": Origin("/a/x.mp4", 0.0, 5.0)})
    second = inputs(values={"context": "words"}, origins={"context": Origin("/b/y.mp4", 0.0, 5.0)})
    assert key(inputs=first) != key(inputs=second)
    assert key(inputs=first, paths={"/a/x.mp4": OTHER}) == key(inputs=second, paths={"/b/y.mp4": OTHER})


@pytest.mark.parametrize(
    "value", [object(), bytearray(b"bytes"), {1: "x"}, [object()], np.array([object()]), {"a": {2, 3}}]
)
def test_a_value_without_a_codec_has_no_key(value: object) -> None:
    assert key(inputs=inputs(values={"context": value})) is None


VALUES: list[Any] = [
    None,
    True,
    1,
    1.0,
    "1",
    [],
    [1],
    (1,),
    ["1"],
    {},
    {"a": 1},
    {"a": 2},
    np.array([1, 2]),
    np.array([1.0, 2.0]),
    np.array([[1, 2]]),
    video(),
    scene(),
    Frame(video(), 1.0),
    Transcript(),
    Transcript((Segment(0.0, 1.0, "hi"),)),
    Boxes(),
    Boxes((Box("cat", 0.5, 0.0, 0.0, 1.0, 1.0),)),
    Answer("yes"),
    Answer("yes", (Evidence("/films/a.mp4", 1.0, 2.0, "so"),)),
    Passage("yes"),
    Passage("yes", 0.5),
]


def test_unlike_values_have_unlike_keys() -> None:
    found = [key(inputs=inputs(values={"context": value})) for value in VALUES]
    assert None not in found
    assert len(set(found)) == len(VALUES)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False)))
def test_the_order_of_a_record_does_not_count(record: dict[str, Any]) -> None:
    turned = dict(reversed(record.items()))
    assert key(inputs=inputs(values={"context": record})) == key(inputs=inputs(values={"context": turned}))


def test_references_are_found_however_deep() -> None:
    deep = [("a", [scene(path="/x")]), {"b": Frame(video("/y", OTHER), 1.0)}, Answer("t", (Evidence("/z"),))]
    assert [one.path for one in media_in(deep)] == ["/x", "/y"]
    assert sources_in(deep) == {"/x", "/y", "/z"}


def test_a_reused_value_points_at_where_its_files_lie_now() -> None:
    moved = {"/old.mp4": "/new.mp4"}
    assert relocated([scene(path="/old.mp4"), scene(path="/kept.mp4")], moved) == [
        scene(path="/new.mp4"),
        scene(path="/kept.mp4"),
    ]
    answer = Answer("yes", (Evidence("/old.mp4", 1.0, 2.0), Evidence("/kept.mp4")))
    assert relocated(answer, moved).evidence == (
        replace(answer.evidence[0], source="/new.mp4"),
        answer.evidence[1],
    )
    assert relocated(Passage("p", 1.0, Origin("/old.mp4")), moved).origin == Origin("/new.mp4")
    assert relocated(media("/old.mp4"), moved).path == "/new.mp4"
    for untouched in (None, "text", 1, {"path": "/old.mp4"}, Transcript()):
        assert relocated(untouched, moved) == untouched
