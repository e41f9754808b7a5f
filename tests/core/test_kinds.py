from __future__ import annotations

import io
import json
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from murakkab_jupyter.core.kinds import (
    KINDS,
    Answer,
    Audio,
    Box,
    Boxes,
    Document,
    Evidence,
    Frame,
    Image,
    Origin,
    Passage,
    Scene,
    Segment,
    Transcript,
    Video,
    decode,
    encode,
    kind_of,
    measure,
    origin_of,
    text_of,
)
from murakkab_jupyter.core.media import Media

times = st.floats(allow_nan=False, allow_infinity=False)
words = st.text()
sizes = st.integers(1, 10_000)
optional = st.none() | times
media = st.builds(Media, words, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0))
videos = st.builds(Video, media, times, sizes, sizes, times, st.booleans())
audios = st.builds(Audio, media, times)
origins = st.builds(Origin, words, optional, optional)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | times | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "video": videos,
    "audio": audios,
    "image": st.builds(Image, media, sizes, sizes),
    "document": st.builds(Document, media, words),
    "scene": st.builds(Scene, videos | audios, times, times),
    "frame": st.builds(Frame, videos, times),
    "transcript": st.builds(
        Transcript, st.lists(st.builds(Segment, times, times, words)).map(tuple), words, words
    ),
    "boxes": st.builds(Boxes, st.lists(st.builds(Box, words, *[times] * 5)).map(tuple)),
    "answer": st.builds(
        Answer, words, st.lists(st.builds(Evidence, words, optional, optional, words)).map(tuple)
    ),
    "passage": st.builds(Passage, words, times, st.none() | origins),
    "text": words,
    "record": st.dictionaries(words, plain),
    "vector": npst.arrays(
        npst.floating_dtypes(endianness="=") | npst.integer_dtypes() | npst.boolean_dtypes(),
        npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
}
VIDEO = Video(Media("/a.mp4", "a" * 64, 10), 10.0, 1920, 1080, 25.0, True)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    return bool(left == right)


def test_every_kind_is_tested() -> None:
    assert set(STRATEGIES) == set(KINDS) - {"any"}


@pytest.mark.parametrize("kind", sorted(STRATEGIES))
def test_every_value_of_a_kind_comes_back_from_its_codec(kind: str) -> None:
    @given(STRATEGIES[kind])
    def comes_back(value: Any) -> None:
        written = encode(value)
        assert written is not None
        assert written[0] == kind == kind_of(value)
        back = decode(*written)
        assert type(back) is type(value)
        assert same(back, value)

    comes_back()


@given(plain.filter(lambda value: not isinstance(value, str | dict)))
@example([])
@example([[], [{}]])
@example(None)
@example(True)
def test_plain_values_come_back_as_json(value: Any) -> None:
    written = encode(value)
    assert written is not None
    assert written[0] == "json"
    back = decode(*written)
    assert type(back) is type(value)
    assert back == value


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    "value",
    [
        object(),
        bytearray(b"bytes"),
        {1, 2},
        (1, 2),
        Pair(1, 2),
        {1: "int key"},
        {"deep": {None: 1}},
        {"deep": [(1, 2)]},
        [object()],
        float("nan"),
        float("inf"),
        {"x": float("nan")},
        Transcript((Segment(float("nan"), 1.0, "x"),)),
        np.array([object()]),
        np.ma.array([1, 2], mask=[True, False]),
        1 + 2j,
    ],
)
def test_what_would_not_come_back_as_itself_has_no_codec(value: Any) -> None:
    assert encode(value) is None


@given(st.binary())
@example(b"")
def test_bytes_come_back_as_they_are(value: bytes) -> None:
    written = encode(value)
    assert written == ("bytes", value)
    assert decode(*written) == value


@pytest.mark.parametrize(
    "value",
    [np.int64(3), np.uint8(255), np.float32(1.5), np.float16("nan"), np.bool_(True), np.complex64(1 + 2j)],
)
def test_numbers_of_numpy_come_back_as_they_are(value: Any) -> None:
    written = encode(value)
    assert written is not None
    assert written[0] == "scalar"
    back = decode(*written)
    assert type(back) is type(value)
    assert back.tobytes() == value.tobytes()


def test_an_array_is_no_number() -> None:
    with pytest.raises(ValueError, match="no scalar"):
        decode("scalar", npy(np.arange(3)))


def test_a_text_that_is_no_utf8_such_as_an_odd_file_name_comes_back_as_itself() -> None:
    encoded = encode("caf\udce9.mp4")
    assert encoded is not None
    assert decode(*encoded) == "caf\udce9.mp4"


def test_a_value_that_holds_itself_has_no_codec() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert encode(loop) is None
    assert encode({"loop": loop}) is None


def test_a_mapping_of_another_type_comes_back_as_a_plain_one() -> None:
    written = encode(OrderedDict(b=1, a=2))
    assert written is not None
    assert decode(*written) == {"b": 1, "a": 2}


# --- bytes from elsewhere -------------------------------------------------------------------------------------


@given(
    st.sampled_from([*KINDS, "json", "bytes", "scalar", "pickle"]),
    st.binary() | plain.map(lambda v: json.dumps(v).encode()),
)
@example("vector", b"\x93NUMPY")
@example("json", b"[" * 100_000)
@example("record", b"[[1, 2]]")
@example("scene", b'{"media":{"media":{}}}')
@example("boxes", b'[["a", 1, 2]]')
@example("frame", b'{"video": "width", "time_s": 1}')
def test_any_bytes_give_a_value_or_a_value_error(kind: str, data: bytes) -> None:
    try:
        value = decode(kind, data)
    except ValueError:
        return
    assert kind in ("json", "bytes", "scalar", "any") or isinstance(value, KINDS[kind].type)


def npy(value: Any, *, pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=pickle)
    return buffer.getvalue()


def test_an_array_of_pickles_is_refused() -> None:
    with pytest.raises(ValueError, match="no vector"):
        decode("vector", npy(np.array([{"a": 1}], dtype=object), pickle=True))


def test_an_array_that_promises_more_than_it_holds_is_refused_before_memory_is_taken() -> None:
    data = npy(np.zeros(3))
    promised = data.replace(b"'shape': (3,), ", b"'shape': (2**40,), ".ljust(15))
    huge = data.replace(b"(3,)", b"(9999999999999,)").replace(b" " * 12, b"", 1)
    for bad in (promised, huge, data[:-1], data + b"x", data[:20]):
        with pytest.raises(ValueError, match="no vector"):
            decode("vector", bad)


@pytest.mark.parametrize("kind", ["any", "pickle", ""])
def test_a_kind_without_a_codec_is_a_value_error(kind: str) -> None:
    with pytest.raises(ValueError, match="No codec"):
        decode(kind, b"")


def test_evidence_times_are_numbers_or_unknown() -> None:
    bad = b'{"text": "a", "evidence": [{"source": "s", "start_s": "<script>", "end_s": 1, "text": ""}]}'
    with pytest.raises(ValueError, match="no answer"):
        decode("answer", bad)


# --- words, places and sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("words", "words"),
        (Transcript((Segment(0, 1, " a "), Segment(1, 2, "b"))), "a b"),
        (
            Boxes((Box("cat", 1, 0, 0, 1, 1), Box("dog", 1, 0, 0, 1, 1), Box("dog", 1, 0, 0, 1, 1))),
            "2 x dog, cat",
        ),
        (Answer("yes"), "yes"),
        (Passage("so"), "so"),
        (Segment(0, 1, "x"), "x"),
        (Document(Media("/d.txt", "", 1), "read"), "read"),
        (Scene(VIDEO, 1.0, 2.5), "1.0-2.5 s of a.mp4"),
        (Frame(VIDEO, 1.5), "1.5 s of a.mp4"),
        (VIDEO, "a.mp4"),
        ({"b": 1, "a": "é"}, '{"a": "é", "b": 1}'),
        (["a", None, "b"], "a\nb"),
        (3, "3"),
        (np.array([1, 2]), "[1 2]"),
    ],
)
def test_a_value_is_put_in_words(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    "value", [{"deep": Answer("yes")}, {"at": Segment(0, 1, "x")}, {1: {2, 3}}, {"v": np.array([1.0])}]
)
def test_a_record_of_anything_is_put_in_words_and_not_refused(value: Any) -> None:
    assert text_of(value)
    assert measure(value)["tokens"] > 0


def test_a_value_says_where_it_lies() -> None:
    assert origin_of(Scene(VIDEO, 1.0, 2.0)) == Origin("/a.mp4", 1.0, 2.0)
    assert origin_of(Frame(VIDEO, 1.0)) == Origin("/a.mp4", 1.0, 1.0)
    assert origin_of(VIDEO) == Origin("/a.mp4", 0.0, 10.0)
    assert origin_of(Image(Media("/i.png", "", 1), 1, 1)) == Origin("/i.png")
    assert origin_of(Passage("p", origin=Origin("/o"))) == Origin("/o")
    assert origin_of("words") is None


def test_sizes_of_a_list_add_up_and_its_largest_picture_counts() -> None:
    small = Image(Media("/i.png", "", 1), 1000, 1000)
    assert measure(VIDEO)["megapixels"] == pytest.approx(2.0736)
    five = measure(Scene(VIDEO, 0.0, 5.0))
    assert (five["duration_s"], five["count"]) == (5.0, 1.0)
    assert (five["megapixels"], five["frames"]) == (pytest.approx(2.0736), pytest.approx(125.0))
    assert measure([small, Frame(VIDEO, 1.0)]) == {
        "count": 2.0,
        "megapixels": pytest.approx(2.0736),
        # A second and a half of the video is decoded to reach its picture.
        "decoded_megapixels": pytest.approx(1.0 + 2.0736 * 25 * 1.5),
    }
    assert measure([Scene(VIDEO, 0.0, 2.0), Scene(VIDEO, 2.0, 5.0)])["duration_s"] == 5.0
    assert measure([]) == {"count": 0.0}
    assert measure("four") == {"tokens": 1.0, "count": 1.0}
    assert measure(np.zeros(4))["bytes"] == 32.0
    broken = Video(VIDEO.media, 0.0, 1, 1, 25.0, False)
    assert measure(Scene(broken, 0.0, 1.0))["frames"] == 0.0


# --- large values: none is looked into item by item -------------------------------------------------------------


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"abc"), b""])
def test_bytes_are_measured_by_their_number_and_never_as_a_text_for_each(value: Any) -> None:
    assert measure(value) == {"count": 1.0, "bytes": float(len(value))}
    assert text_of(value) == f"{len(value)} bytes"


@given(st.lists(st.none() | st.booleans() | st.integers() | times | words, min_size=1))
@example(["a", None, 2.5])
def test_a_list_of_plain_values_measures_what_its_items_do_together(values: list[Any]) -> None:
    parts = [measure(one) for one in values]
    together = {unit: sum(part.get(unit, 0.0) for part in parts) for unit in ("count", "tokens")}
    assert measure(values) == pytest.approx(together)


@pytest.mark.parametrize("more", [[], ["twelve signs"] * 1000])
def test_a_long_list_of_numbers_is_measured_by_some_of_them(more: list[Any]) -> None:
    values = [index / 7 for index in range(60_001)] + more
    whole = sum(len(str(one)) for one in values) / 4.0
    found = measure(values)
    assert found["count"] == len(values)
    assert found["tokens"] == pytest.approx(whole, rel=0.02)
