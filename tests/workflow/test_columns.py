"""Columns of tables and arrays of texts are lists; what nobody can read is refused with what to write."""

from __future__ import annotations

import collections
import re
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from murakkab_jupyter.core.errors import InputError, LanguageError
from murakkab_jupyter.workflow.inputs import gather, unchanged
from murakkab_jupyter.workflow.language import declare
from murakkab_jupyter.workflow.language.sorts import as_listed

CELL = 'topic <- classify {reviews} into "praise, complaint"'
TEXTS = ["It came late.", "It fits well."]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(TEXTS),
        pd.Series(TEXTS, index=["b", "a"], dtype="string"),
        pd.Series(TEXTS, dtype="category"),
        pd.Index(TEXTS),
        pd.Series(TEXTS).array,
        pd.Series(TEXTS).values,
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        collections.deque(TEXTS),
        dict(enumerate(TEXTS)).values(),
    ],
    ids=lambda column: type(column).__name__,
)
def test_a_column_is_read_item_by_item(library, column):
    workflow = declare(CELL, library=library, values={"reviews": column})
    (variable,) = workflow.variables
    roots = gather(workflow, {"reviews": column})
    assert variable.level
    assert variable.kind == "text"
    assert roots.values["reviews"] == TEXTS
    assert unchanged(workflow, {"reviews": column}, roots)


def test_a_column_that_changed_is_seen(library):
    column = pd.Series(TEXTS)
    workflow = declare(CELL, library=library, values={"reviews": column})
    roots = gather(workflow, {"reviews": column})
    column[0] = "It never came."
    assert not unchanged(workflow, {"reviews": column}, roots)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_what_a_column_leaves_out_is_told_and_never_read_as_a_word(library, missing):
    column = pd.Series(["It came late.", missing], dtype=object)
    workflow = declare(CELL, library=library, values={"reviews": column})
    with pytest.raises(InputError, match="reviews holds None at position 1"):
        gather(workflow, {"reviews": column})


def test_nan_in_a_list_fails_alone(library):
    values = {"reviews": ["It came late.", float("nan")]}
    roots = gather(declare(CELL, library=library, values=values), values)
    assert list(roots.bad) == [("reviews", (("reviews", 1),))]


@pytest.mark.parametrize("first", ["It came late.", 0.5])
def test_nan_in_a_list_fails_alone_where_a_function_takes_it_too(library, first):
    def look(one: object) -> str:
        return str(one)

    values = {"readings": [first, float("nan")], "look": look}
    roots = gather(declare("x <- look at {readings} @python:look", library=library, values=values), values)
    assert roots.values["readings"] == [first, None]
    ((place, why),) = roots.bad.items()
    assert place == ("readings", (("readings", 1),))
    assert "holds NaN, which stands for nothing" in why


def test_a_vector_stays_one_value(library):
    values = {"reviews": np.zeros(3)}
    with pytest.raises(LanguageError, match="is vector"):
        declare(CELL, library=library, values=values)


class Thing:
    """Something that is no text."""


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ((one for one in TEXTS), "is a generator, which gives its items only once", "list(reviews)"),
        (map(str, TEXTS), "is a map, which gives its items only once", "list(reviews)"),
        (pd.DataFrame({"text": TEXTS}), "is a table, and texts are needed", 'reviews["text"]'),
        (b"late", "is bytes, and a text is needed", 'reviews.decode("utf-8")'),
        (memoryview(b"late"), "is a memoryview, and a text is needed", 'bytes(reviews).decode("utf-8")'),
        (
            [b"late", bytearray(b"broken")],
            "is a list of bytes",
            'bytes(one).decode("utf-8") for one in reviews',
        ),
        ([pd.DataFrame({"text": TEXTS})] * 2, "is a list of tables", 'for text in one["column"]'),
        (set(TEXTS), "is a set, which has no order", "sorted(reviews)"),
        (Thing(), "is a Thing, and a text is needed", "reviews = [str(x)"),
    ],
    ids=[
        "generator",
        "map",
        "table",
        "bytes",
        "memoryview",
        "list of bytes",
        "list of tables",
        "set",
        "object",
    ],
)
def test_what_no_text_can_be_read_from_is_refused_where_it_stands(library, value, message, hint):
    with pytest.raises(LanguageError, match=re.escape(message)) as caught:
        declare(CELL, library=library, values={"reviews": value})
    assert "line 1, column 19" in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        b"\x89PNG\r\n\x1a\n...",
        memoryview(b"\xff\xd8\xff\xe0..."),
        [b"GIF89a...", b"RIFF....WEBPVP8 "],
    ],
    ids=["PNG", "JPEG", "list"],
)
def test_a_picture_given_as_bytes_is_not_told_to_be_decoded_as_text(library, value):
    with pytest.raises(LanguageError) as caught:
        declare("a <- write a caption for {x}", library=library, values={"x": value})
    assert "decode" not in str(caught.value)
    told = "seen <- describe {x} @visual-description pictures={x}"
    assert told in str(caught.value)
    declare(f"{told}\na <- write a caption for {{seen}}", library=library, values={"x": value})


def test_a_list_of_which_one_is_bytes_is_no_list_of_bytes(library):
    declare("a <- write a reply to {x}", library=library, values={"x": ["It came late.", b"broken"]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pd.DataFrame({"text": TEXTS}), "is a table, and texts are needed"),
        (b"late", "is bytes, and a text is needed"),
        (set(TEXTS), "is a set, which has no order"),
    ],
    ids=["table", "bytes", "set"],
)
@pytest.mark.parametrize(
    "sentence", ["summarise {reviews}", "write a reply to {reviews}", "do it for {reviews} @text-generation"]
)
def test_what_writes_from_anything_refuses_them_too(library, sentence, value, message):
    with pytest.raises(LanguageError, match=re.escape(message)):
        declare(f"s <- {sentence}", library=library, values={"reviews": value})


def test_a_set_of_labels_is_told_to_become_one_text(library):
    values = {"reviews": TEXTS, "labels": {"praise", "complaint"}}
    with pytest.raises(LanguageError, match="is a set") as caught:
        declare("s <- classify {reviews} into {labels}", library=library, values=values)
    assert 'Write labels = ", ".join(sorted(labels)) before this cell.' in str(caught.value)
    values["labels"] = ", ".join(sorted(values["labels"]))
    assert declare("s <- classify {reviews} into {labels}", library=library, values=values).steps


def test_a_generator_is_refused_for_a_function_too_which_takes_a_table_whole(library):
    def shape(table: object) -> str:
        return str(table)

    text = "seen <- look at {table} @python:shape"
    with pytest.raises(LanguageError, match="only once"):
        declare(text, library=library, values={"table": iter(TEXTS), "shape": shape})
    workflow = declare(text, library=library, values={"table": pd.DataFrame({"a": [1]}), "shape": shape})
    assert not workflow.variables[0].level


@pytest.mark.parametrize("value", [3, 0.5, True, [0, 1, 2], [0.5, 1], [True], [1, "two"], pd.Series([1, 2])])
def test_a_function_gets_numbers_as_they_are(library, value):
    def double(number: object) -> object:
        return number

    values = {"numbers": value, "double": double}
    workflow = declare("x <- double {numbers} @python:double", library=library, values=values)
    found = gather(workflow, values).values["numbers"]
    given = list(value) if isinstance(value, list | pd.Series) else [value]
    assert found == given
    assert [type(one) for one in found] == [type(one) for one in as_listed(given)]


@pytest.mark.parametrize("step", ["x <- double {made} @python:double", CELL.replace("reviews", "made")])
def test_what_a_step_made_is_read_item_by_item_as_it_stands_in_the_outputs_of_a_run(library, step):
    def double(text: object) -> object:
        return text

    made = MappingProxyType({(("texts", index),): text for index, text in enumerate(TEXTS)})
    values = {"made": made, "double": double}
    workflow = declare(step, library=library, values=values)
    assert workflow.variables[0].level == ("made",)
    assert gather(workflow, values).values["made"] == TEXTS


def test_any_other_mapping_that_is_read_only_stays_whole(library):
    values = {"table": MappingProxyType({"a": 1}), "double": str.upper}
    workflow = declare("x <- double {table} @python:double", library=library, values=values)
    assert workflow.variables[0].level == ()


def test_who_reads_words_gets_numbers_written_out_also_beside_a_function(library):
    def double(number: object) -> object:
        return number

    values = {"numbers": [1, 2.5], "double": double}
    text = "short <- summarise {numbers}\nx <- double {numbers} @python:double"
    for cell in (text, "\n".join(reversed(text.splitlines()))):
        workflow = declare(cell, library=library, values=values)
        assert gather(workflow, values).values["numbers"] == ["1", "2.5"]


def test_an_empty_dict_is_no_value(library):
    with pytest.raises(LanguageError, match="`labels` is an empty dict, and there are no labels"):
        declare("k <- classify {q} into {labels}", library=library, values={"q": "late", "labels": {}})


def test_a_run_is_no_data_and_its_outputs_are_named(library):
    class Run:
        __module__ = "murakkab_jupyter.run"

    with pytest.raises(LanguageError, match=r"is a run, not data") as caught:
        declare("s <- summarise {news}", library=library, values={"news": Run()})
    assert 'news.outputs["STEP"]' in str(caught.value)
