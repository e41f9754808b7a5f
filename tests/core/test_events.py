from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core import events
from murakkab_jupyter.core.events import (
    BatchEnded,
    BatchRetried,
    BatchStarted,
    CoresReserved,
    EngineUsed,
    Event,
    FilesBrought,
    ItemFailed,
    ItemsRestored,
    LevelClosed,
    Notice,
    Reconfigured,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    Usage,
    WorkerChanged,
    event_from_json,
    event_to_json,
)

seconds = st.floats(0, 1e9)
counts = st.integers(0, 10**6)
words = st.text(max_size=8)
ancestries = st.lists(st.tuples(st.text(min_size=1), st.integers(0))).map(tuple)
usages = st.builds(Usage, seconds, seconds, seconds, seconds, counts, st.none() | counts, st.none() | counts)
ALL: dict[str, st.SearchStrategy[Any]] = {
    "RunStarted": st.builds(RunStarted, seconds, words, st.dictionaries(words, seconds)),
    "StepStarted": st.builds(StepStarted, seconds, words),
    "BatchStarted": st.builds(BatchStarted, seconds, words, counts, words, counts, counts, counts),
    "BatchEnded": st.builds(
        BatchEnded, seconds, words, counts, words, counts, counts, counts, st.none() | usages, st.booleans()
    ),
    "BatchRetried": st.builds(BatchRetried, seconds, words, counts, words),
    "ItemFailed": st.builds(ItemFailed, seconds, words, ancestries, words, st.none() | words),
    "ItemsRestored": st.builds(ItemsRestored, seconds, words, counts),
    "LevelClosed": st.builds(LevelClosed, seconds, words, ancestries, counts),
    "StepEnded": st.builds(StepEnded, seconds, words, counts, counts, counts),
    "WorkerChanged": st.builds(
        WorkerChanged, seconds, words, st.sampled_from(["lost", "joined"]), counts, words
    ),
    "CoresReserved": st.builds(CoresReserved, seconds, words, counts, counts),
    "FilesBrought": st.builds(FilesBrought, seconds, words, counts, counts, seconds),
    "Reconfigured": st.builds(Reconfigured, seconds, words, words, words, words),
    "EngineUsed": st.builds(EngineUsed, seconds, words, words, words, seconds),
    "Notice": st.builds(Notice, seconds, words),
    "RunEnded": st.builds(RunEnded, seconds, st.sampled_from(["done", "stopped"]), words),
}


def test_every_event_is_tested() -> None:
    known = {cls.__name__ for cls in Event.__subclasses__()}
    assert set(ALL) == known
    assert known <= set(events.__all__)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_event_comes_back_from_json(name: str) -> None:
    @given(ALL[name])
    def comes_back(event: Event) -> None:
        data = json.loads(json.dumps(event_to_json(event)))
        assert data["event"] == name
        assert event_from_json(data) == event

    comes_back()


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"event": "Usage"},
        {"event": "Event", "at_s": 1},
        {"event": ["Notice"]},
        {"event": "Notice"},
        {"event": "ItemFailed", "at_s": 1, "step": "a", "ancestry": "root", "error": "x"},
        {
            "event": "BatchEnded",
            "at_s": 1,
            "step": "a",
            "task": 1,
            "worker": "w",
            "done": 1,
            "failed": 0,
            "usage": 3,
        },
    ],
)
def test_json_that_is_no_event_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"This is no|An ancestry is"):
        event_from_json(data)


def test_what_a_later_version_adds_to_an_event_is_passed_over() -> None:
    assert event_from_json({"event": "Notice", "at_s": 1.0, "message": "m", "new": 1}) == Notice(1.0, "m")
    ended = BatchEnded(1.0, "a", 1, "w", 1, 0, usage=Usage(1.0, 0.5))
    data = event_to_json(ended)
    assert event_from_json({**data, "usage": {**data["usage"], "new": 1}}) == ended


def test_rounds_of_one_batch_add_up_and_what_was_never_counted_stays_unknown():
    first = Usage(1.0, 0.5, load_s=2.0, memory_bytes=30, tokens_in=7, work=3.0, worker="a")
    both = Usage(2.0, 0.25, memory_bytes=20, tokens_in=1, tokens_out=4, work=5.0, worker="b").after(first)
    assert (both.seconds, both.cpu_s, both.load_s, both.memory_bytes) == (3.0, 0.75, 2.0, 30)
    assert (both.tokens_in, both.tokens_out, both.tokens_cached, both.energy_j) == (8, 4, None, None)
    assert (both.work, both.worker) == (5.0, "b")
    assert first.after(None) is first
