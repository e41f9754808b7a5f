from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.core.kinds import Answer, Evidence, Origin
from murakkab_jupyter.runtime import keeper
from murakkab_jupyter.runtime.journal import Journal
from murakkab_jupyter.runtime.keeper import JournalRecorder
from murakkab_jupyter.runtime.recorder import MISSING, MemoryRecorder, Recorder
from tests.runtime.shelf import HEARD, SCENES, at, inputs, library, media, scene, settings, step, video


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as made:
        yield made


def begin(journal: Journal, run_id: str = "one", **more: Any) -> JournalRecorder:
    journal.start_run(run_id, name="w", text="cell", values={}, plan={})
    return journal.recorder(run_id, library=more.pop("library", library()), **more)


def kept(journal: Journal, run_id: str = "one") -> dict[tuple[str, Any], Any]:
    return {(name, ancestry): value for name, ancestry, value in journal.finished(run_id)}


def test_the_memory_recorder_finds_nothing_and_keeps_the_first_of_each() -> None:
    recorder: Recorder = MemoryRecorder()
    recorder.record(HEARD, settings(), [(at(0), inputs(), "first")], None)
    recorder.record(HEARD, settings(), [(at(0), inputs(), "second"), (at(1), None, Failed("no"))], None)
    assert recorder.lookup(HEARD, settings(), inputs()) is MISSING
    assert isinstance(recorder, MemoryRecorder)
    assert dict(recorder.items) == {("heard", at(0)): "first", ("heard", at(1)): Failed("no")}


def test_missing_is_told_apart_from_none() -> None:
    assert repr(MISSING) == "MISSING"
    assert MISSING is not None


def test_items_are_there_when_record_returns_even_for_another_connection(journal: Journal) -> None:
    begin(journal).record(HEARD, settings(), [(at(0), inputs(), "hello"), (at(1), inputs(), None)], None)
    with sqlite3.connect(journal.path) as other:
        assert other.execute("SELECT COUNT(*) FROM items WHERE status = 'ok'").fetchone() == (2,)
    assert kept(journal) == {("heard", at(0)): "hello", ("heard", at(1)): None}


def test_children_of_an_opener_are_kept_one_by_one_with_their_number(journal: Journal) -> None:
    recorder = begin(journal)
    children = [scene(0.0), scene(5.0)]
    recorder.record(SCENES, settings("splitting"), [(at(0), inputs(), children), (at(1), inputs(), [])], None)
    assert kept(journal) == {("scenes", at(0)): children, ("scenes", at(1)): []}
    with sqlite3.connect(journal.path) as other:
        assert other.execute("SELECT COUNT(*) FROM parts").fetchone() == (2,)


def test_an_item_is_final_whatever_comes_later(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(HEARD, settings(), [(at(0), inputs(), "first")], None)
    recorder.record(HEARD, settings("writing"), [(at(0), inputs(), "second")], None)
    assert kept(journal) == {("heard", at(0)): "first"}


def test_a_failed_item_that_is_tried_again_may_come_out_well(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(HEARD, settings(), [(at(0), inputs(), Failed("no ears"))], None)
    assert kept(journal) == {("heard", at(0)): Failed("no ears")}
    assert list(journal.finished("one", failed=False)) == []
    recorder.record(HEARD, settings(), [(at(0), inputs(), "heard it")], None)
    assert kept(journal) == {("heard", at(0)): "heard it"}


def test_a_value_without_a_codec_is_not_kept_counted_and_told_once_a_step(journal: Journal) -> None:
    told: list[str] = []
    recorder = begin(journal, notify=told.append)
    recorder.record(HEARD, settings(), [(at(2), inputs(), object())], None)
    recorder.record(HEARD, settings(), [(at(0), inputs(), object()), (at(1), inputs(), "x")], None)
    recorder.record(SCENES, settings("splitting"), [(at(0), inputs(), [scene(), object()])], None)
    assert recorder.unkept == {"heard": 2, "scenes": 1}
    assert [text.split(":")[0] for text in told] == [
        "Values of heard have no codec",
        "Values of scenes have no codec",
    ]
    assert kept(journal) == {("heard", at(1)): "x"}


def test_a_value_without_a_codec_that_refers_to_itself_or_lacks_a_field_ends_no_run(
    journal: Journal,
) -> None:
    node, unset = make_dataclass("Tree", ["parent"]), make_dataclass("Unset", ["name"])
    loop, empty = node(None), unset.__new__(unset)
    loop.parent = loop
    recorder = begin(journal)
    recorder.record(HEARD, settings(), [(at(0), inputs(), loop), (at(1), inputs(), empty)], None)
    assert recorder.unkept == {"heard": 2}
    assert kept(journal) == {}
    for value in (loop, empty):
        assert recorder.lookup(HEARD, settings(), Inputs(at(0), {"tree": value})) is MISSING


def test_what_lies_under_an_opener_that_is_not_kept_is_left_out(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(
        SCENES, settings("splitting"), [(at(0), inputs(), [object()]), (at(1), inputs(), [scene()])], None
    )
    recorder.record(HEARD, settings(), [(at(0, 0), inputs(), "orphan"), (at(1, 0), inputs(), "child")], None)
    recorder.record(HEARD, settings(), [(at(1, 7), inputs(), "beyond its parent's children")], None)
    assert kept(journal) == {("scenes", at(1)): [scene()], ("heard", at(1, 0)): "child"}


def test_parents_come_before_their_children_even_when_kept_later(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(SCENES, settings("splitting"), [(at(0), inputs(), [object()])], None)
    recorder.record(HEARD, settings(), [(at(0, 0), inputs(), "child")], None)
    recorder.record(SCENES, settings("splitting"), [(at(0), inputs(), [scene()])], None)
    assert [name for name, _, _ in journal.finished("one")] == ["scenes", "heard"]


def test_a_large_value_is_a_file_and_comes_back(journal: Journal) -> None:
    recorder = begin(journal)
    array = np.arange(50_000.0)
    recorder.record(HEARD, settings(), [(at(0), inputs(), array), (at(1), inputs(), "x" * 70_000)], None)
    files = [path for path in journal.pages.blobs.folder.rglob("*") if path.is_file()]
    assert len(files) == 2
    found = kept(journal)
    np.testing.assert_array_equal(found["heard", at(0)], array)
    assert found["heard", at(1)] == "x" * 70_000


def test_a_large_value_whose_file_is_gone_is_made_again_and_kept_again(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(HEARD, settings(), [(at(0), inputs(), "x" * 70_000)], None)
    (path,) = (path for path in journal.pages.blobs.folder.rglob("*") if path.is_file())
    path.unlink()
    assert kept(journal) == {}
    assert recorder.lookup(HEARD, settings(), inputs()) is MISSING
    recorder.record(HEARD, settings(), [(at(0), inputs(), "x" * 70_000)], None)
    assert kept(journal) == {("heard", at(0)): "x" * 70_000}


def test_a_lookup_finds_what_another_run_made_under_another_name(journal: Journal) -> None:
    begin(journal).record(HEARD, settings(beam=5), [(at(0), inputs(at(0)), "hello")], None)
    second = begin(journal, "two")
    other = step("speech", sentence="say it in other words")
    assert second.lookup(other, settings(beam=5), inputs(at(4))) == "hello"
    assert second.lookup(other, settings(beam=1), inputs(at(4))) is MISSING
    assert second.lookup(other, settings(beam=5), inputs(values={"scene": scene(9.0)})) is MISSING


def test_another_version_of_an_agent_reuses_nothing(journal: Journal) -> None:
    begin(journal).record(HEARD, settings(), [(at(0), inputs(), "hello")], None)
    assert begin(journal, "two", library=library("2")).lookup(HEARD, settings(), inputs()) is MISSING


def test_failed_items_are_never_reused(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(HEARD, settings(), [(at(0), inputs(), Failed("no"))], None)
    assert recorder.lookup(HEARD, settings(), inputs()) is MISSING


def test_reuse_can_be_switched_off_and_needs_inputs(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(HEARD, settings(), [(at(0), inputs(), "hello"), (at(1), None, "no inputs")], None)
    assert begin(journal, "two", reuse=False).lookup(HEARD, settings(), inputs()) is MISSING
    nothing = Inputs((), {"scene": object()})
    recorder.record(HEARD, settings(), [(at(2), nothing, "odd")], None)
    assert recorder.lookup(HEARD, settings(), nothing) is MISSING


def test_a_reused_none_is_a_value(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(HEARD, settings(), [(at(0), inputs(), None)], None)
    assert recorder.lookup(HEARD, settings(), inputs()) is None


def test_what_was_made_of_a_moved_file_points_at_where_it_lies_now(journal: Journal) -> None:
    old, new = "/old/a.mp4", "/new/b.mp4"
    asked = step("answer", "writing")
    made = Answer("yes", (Evidence(old, 1.0, 2.0),))

    def split(path: str) -> Inputs:
        return inputs(values={"scene": video(path)})

    def ask(path: str) -> Inputs:
        return inputs(values={"context": "words"}, origins={"context": Origin(path, 1.0, 2.0)})

    first = begin(journal)
    first.record(SCENES, settings("splitting"), [(at(0), split(old), [scene(path=old)])], None)
    first.record(asked, settings("writing"), [((), ask(old), made)], None)
    second = begin(journal, "two", media=[media(new)])
    assert second.lookup(SCENES, settings("splitting"), split(new)) == [scene(path=new)]
    assert second.lookup(asked, settings("writing"), ask(new)) == Answer("yes", (Evidence(new, 1.0, 2.0),))


def test_of_two_copies_of_a_file_each_keeps_its_own_path(journal: Journal) -> None:
    recorder = begin(journal)
    for number, path in enumerate(("/a.mp4", "/copy.mp4")):
        asked = inputs(values={"scene": video(path)})
        found = recorder.lookup(SCENES, settings("splitting"), asked)
        if found is MISSING:
            found = [scene(path=path)]
        assert found == [scene(path=path)]
        recorder.record(SCENES, settings("splitting"), [(at(number), asked, found)], None)
    both = inputs(values={"scene": [video("/a.mp4"), video("/copy.mp4")]})
    recorder.record(HEARD, settings(), [(at(0), both, [1])], None)
    assert kept(journal)["scenes", at(1)] == [scene(path="/copy.mp4")]


def test_a_value_that_no_longer_fits_the_budget_is_not_kept(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite", budget_bytes=200_000) as journal:
        recorder = begin(journal)
        recorder.record(
            HEARD, settings(), [(at(0), inputs(), "x" * 300_000), (at(1), inputs(), "short")], None
        )
        assert recorder.unkept == {"heard": 1}
        assert kept(journal) == {("heard", at(1)): "short"}


def test_a_batch_is_kept_whole_or_not_at_all(journal: Journal) -> None:
    recorder = begin(journal)
    with pytest.raises(TypeError):
        recorder.record(
            SCENES, settings("splitting"), [(at(0), inputs(), [scene()]), (at(1), inputs(), 5)], None
        )
    assert kept(journal) == {}


def test_keys_and_passwords_in_options_are_not_written_down(journal: Journal) -> None:
    recorder = begin(journal)
    recorder.record(HEARD, settings(api_key="sk-12345", max_tokens=7), [(at(0), inputs(), "x")], None)
    journal.close()
    stored = b"".join(path.read_bytes() for path in journal.path.parent.rglob("*") if path.is_file())
    assert b"sk-12345" not in stored
    assert b"max_tokens" in stored


def test_what_was_looked_for_is_hashed_once_and_found_by_that_key(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str | None] = []
    real = keeper.reuse_key

    def counted(**stated: Any) -> str | None:
        made.append(real(**stated))
        return made[-1]

    monkeypatch.setattr(keeper, "reuse_key", counted)
    recorder = begin(journal)
    given = inputs(values={"scene": np.arange(5.0)})
    assert recorder.lookup(HEARD, settings(), given) is MISSING
    recorder.record(HEARD, settings(), [(at(0), given, "hello")], None)
    assert len(made) == 1
    same = inputs(values={"scene": np.arange(5.0)})
    assert recorder.lookup(HEARD, settings(), same) == "hello"


def test_what_is_recorded_is_held_no_longer_whatever_became_of_it(journal: Journal) -> None:
    recorder = begin(journal)
    looked = [inputs(values={"scene": text}) for text in "abc"]
    for given in looked:
        assert recorder.lookup(HEARD, settings(), given) is MISSING
    values = ("hello", Failed("no"), object())  # the last has no codec
    items = [(at(n), given, value) for n, (given, value) in enumerate(zip(looked, values, strict=True))]
    recorder.record(HEARD, settings(), items, None)
    assert not recorder._looked


def test_keys_of_what_is_never_recorded_do_not_pile_up(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LOOKED", 3)
    recorder = begin(journal)
    looked = [inputs(values={"scene": text}) for text in "abcdefgh"]
    for given in looked:
        assert recorder.lookup(HEARD, settings(), given) is MISSING
    assert len(recorder._looked) == 3
    recorder.record(HEARD, settings(), [(at(i), given, i) for i, given in enumerate(looked)], None)
    assert [recorder.lookup(HEARD, settings(), inputs(values={"scene": t})) for t in "ah"] == [0, 7]
