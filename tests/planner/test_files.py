"""Which files steps read, and what it takes to bring them to hosts that do not see them."""

from dataclasses import replace

import pytest

from murakkab_jupyter.core.events import FilesBrought
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import Share
from murakkab_jupyter.core.kinds import Document
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.core.transfer import PRIOR_NETWORK, Transfer
from murakkab_jupyter.planner.files import Files, files_to_bring, haul_of, made_note, pace_of, transfer_note
from tests.planner.synthetic import cluster_of, workflow_of


def page(name, size_bytes=1_000_000):
    return Document(Media(f"/pages/{name}.txt", name, size_bytes), "some words")


def with_kind(workflow, **kinds):
    return replace(workflow, steps=tuple(replace(s, kind=kinds.get(s.name, s.kind)) for s in workflow.steps))


def blind(cluster, *which, network=None):
    workers = tuple(replace(w, sees_files=n not in which) for n, w in enumerate(cluster.workers))
    return replace(cluster, workers=workers, **({"network": network} if network else {}))


def test_what_was_cut_out_of_a_file_reads_it_and_what_was_made_of_it_does_not():
    workflow = with_kind(
        workflow_of({"cut": ["data"], "tell": ["cut"], "sum": ["tell"]}, opens=("cut",)), cut="scene"
    )
    files = Files(workflow, {"data": [page("a"), page("b")]})
    assert [files.reads(name) for name in ("cut", "tell", "sum")] == [("data",), ("data",), ()]
    first, second = (("data", 0),), (("data", 1), ("cut", 4))
    assert [one.sha256 for one in files.of("cut", first)] == ["a"]
    assert [one.sha256 for one in files.of("tell", second)] == ["b"]
    assert list(files.of("sum", first)) == []


def test_who_gathers_everything_reads_all_of_it():
    workflow = with_kind(workflow_of({"cut": ["data"]}), cut="scene")
    gather = replace(
        workflow.steps[0], name="all", at=(), inputs=(replace(workflow.steps[0].inputs[0], how="gather"),)
    )
    files = Files(replace(workflow, steps=(*workflow.steps, gather)), {"data": [page("a"), page("b")]})
    assert [one.sha256 for one in files.of("all", ())] == ["a", "b"]


def test_texts_are_no_files():
    files = Files(workflow_of({"a": ["data"]}), {"data": ["some text"] * 3})
    assert not files
    assert files.all_of("a") == ()
    assert haul_of(files, blind(cluster_of(2, 2), 1)) == {}


def test_a_haul_is_bytes_over_the_pace_and_a_file_counts_once():
    workflow = workflow_of({"a": ["data"], "b": ["data", "a"]})
    roots = {"data": [page("x", 4_000_000), page("y", 8_000_000), page("x", 4_000_000)]}
    there = cluster_of(2, 2)
    assert files_to_bring(workflow, roots, there) is None
    elsewhere = blind(there, 1, network=Figure(2.0, "MB/s"))
    found = haul_of(files_to_bring(workflow, roots, elsewhere), elsewhere)
    assert set(found) == {"a", "b"}
    assert (found["a"].first_s, found["a"].all_s, found["a"].files) == pytest.approx((2.0, 6.0, 2))


def test_a_pace_that_nobody_knows_is_a_guess_with_a_band():
    assert pace_of(cluster_of(2)) == PRIOR_NETWORK
    assert PRIOR_NETWORK.low < PRIOR_NETWORK.value < PRIOR_NETWORK.high
    assert pace_of(replace(cluster_of(2), network=Figure(0.0, "MB/s"))) == PRIOR_NETWORK


def test_the_note_says_what_goes_where_how_fast_and_what_is_not_counted():
    some = Transfer(3, 360_000_000, Figure(3.6, "s", 0.36, 30.0))
    (note,) = transfer_note(some, blind(cluster_of(2, 2, 2), 1, 2))
    assert note.startswith(
        "Files are brought to h1, h2, which do not see them, each once to a host: 3 files, 360 MB, 3.6 s at 100 MB/s (prior, 12 to 1000)"
    )
    (note,) = transfer_note(
        some, blind(cluster_of(2, 2), 1, network=Figure(500.0, "MB/s", source="measured"))
    )
    assert "which does not see them" in note
    assert "500 MB/s (measured)" in note
    assert transfer_note(None, cluster_of(2)) == ()
    (note,) = transfer_note(some, blind(cluster_of(2, 2, 2), 1, 2), Share(2, ("h0", "h2")))
    assert note.startswith("Files are brought to h2, which does not see them")


@pytest.mark.parametrize(
    ("size", "seconds", "words"),
    [
        (360_000_000, 3.6, "1 file, 360 MB, 3.6 s"),
        (12_500, 0.0025, "1 file, 12.5 kB, 0.0025 s"),
        (423, 3.85e-06, "1 file, 423 bytes, less than 1 ms"),
        (1, 0.0, "1 file, 1 byte, 0 s"),
        (423, None, "1 file, 423 bytes"),
    ],
)
def test_what_is_brought_is_told_in_units_of_its_size(size, seconds, words):
    assert Transfer(1, size, Figure(seconds, "s")).words == words


def test_what_steps_make_for_other_hosts_is_said_to_be_unknown():
    made = workflow_of({"a": ["data"], "b": ["a"], "c": ["a", "b"]})
    (note,) = made_note(made, cluster_of(2, 2, 2), Share(2, ("h0", "h2")))
    assert note.startswith("What comes of a, b goes to whichever of 2 hosts reads it")
    assert "unknown" in note
    assert made_note(made, cluster_of(2, 2), Share(2, ("h1",))) == ()
    assert made_note(made, cluster_of(4)) == ()
    assert made_note(workflow_of({"a": ["data"], "b": ["data"]}), cluster_of(2, 2)) == ()


def test_what_a_run_has_brought_is_the_sum_of_its_events_and_comes_back_from_json():
    events = [FilesBrought(0.0, "w1", 1, 1_000_000, 0.5), FilesBrought(2.0, "w2", 2, 3_000_000, 1.5)]
    some = Transfer.of(events)
    assert (some.files, some.bytes, some.seconds.value, some.seconds.source) == (
        3,
        4_000_000,
        2.0,
        "measured",
    )
    assert Transfer.from_json(some.to_json()) == some
    assert Transfer.of([]) is None
    assert Transfer(1, 500_000, Figure(None, "s")).words == "1 file, 0.5 MB"
