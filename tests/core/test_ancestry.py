from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.ancestry import (
    ROOT,
    Ancestry,
    ancestry_from_json,
    ancestry_to_json,
    child,
    common_level,
    format_ancestry,
    format_level,
    is_prefix,
    level_of,
)

ancestries = st.lists(st.tuples(st.text(min_size=1), st.integers(0, 10**9))).map(tuple)
levels = st.lists(st.sampled_from("abc")).map(tuple)
SCENE: Ancestry = (("videos", 0), ("scenes", 3))


def test_a_child_lies_under_its_parent() -> None:
    frame = child(SCENE, "frames", 1)
    assert frame == (("videos", 0), ("scenes", 3), ("frames", 1))
    assert level_of(frame) == ("videos", "scenes", "frames")


def test_ancestries_are_shown_in_words() -> None:
    assert format_ancestry(SCENE) == "videos 0 / scenes 3"
    assert format_level(level_of(SCENE)) == "videos/scenes"
    assert format_ancestry(ROOT) == format_level(()) == "all"


@given(ancestries)
def test_an_ancestry_comes_back_from_json(ancestry: Ancestry) -> None:
    assert ancestry_from_json(json.loads(json.dumps(ancestry_to_json(ancestry)))) == ancestry


@pytest.mark.parametrize(
    "data",
    [
        None,
        "videos",
        {},
        [1],
        [["a"]],
        [["a", 1, 2]],
        [[1, "a"]],
        [["a", 1.5]],
        [["a", True]],
        [["a", -1]],
        [None],
    ],
)
def test_any_other_json_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="An ancestry is a list"):
        ancestry_from_json(data)


@given(ancestries, st.text(min_size=1), st.integers(0))
def test_a_parent_is_a_prefix_of_its_child(parent: Ancestry, opener: str, index: int) -> None:
    one = child(parent, opener, index)
    assert is_prefix(parent, one)
    assert not is_prefix(one, parent)
    assert is_prefix(level_of(parent), level_of(one))


@given(levels, levels)
def test_the_common_level_is_the_longest_that_both_lie_under(a: tuple[str, ...], b: tuple[str, ...]) -> None:
    common = common_level(a, b)
    assert common == common_level(b, a)
    assert is_prefix(common, a)
    assert is_prefix(common, b)
    assert a[: len(common) + 1] != b[: len(common) + 1] or len(common) in (len(a), len(b))


@given(levels, levels)
def test_a_prefix_is_the_common_level_with_what_it_leads_to(a: tuple[str, ...], b: tuple[str, ...]) -> None:
    assert is_prefix(a, b) == (common_level(a, b) == a)
