"""Each call teaches the profiles, under the host that it was made on."""

import platform

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import WorkerView
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.reference import Reference
from murakkab_jupyter.profiles.store import ProfileStore
from murakkab_jupyter.runtime.observe import Observing
from murakkab_jupyter.workflow.model import Step

STEP = Step("s", "hear it", "hear", (), opens=False, kind="text", inputs=())
HOW = Configuration("a", (("beam", 5),))


class Shelf:
    """A fake recorder that only counts."""

    def __init__(self):
        self.items = 0

    def lookup(self, step, configuration, inputs):
        return None

    def record(self, step, configuration, items, usage):
        self.items += len(items)


def worker(name, host, speed):
    return WorkerView(name, host, 8, 1_000, speed=speed)


MEASURED = Figure(2.0, "1", source="measured")
WORKERS = (
    worker("tcp://1", "server", MEASURED),
    worker("tcp://2", "guess", Figure(2.0, "1", source="prior")),
    worker("tcp://3", "nobody", unknown("1")),
    worker("tcp://4", platform.node(), MEASURED),
)


@pytest.fixture
def book():
    library = Library()
    library.add_capability(Capability("hear", "for a test", (Port("x", frozenset({"any"})),), "text"))
    return ProfileBook(
        library, ProfileStore(None), reference=Reference("", "", (), ()), host="here", host_speed=1.0
    )


def observe(book, usage, *, workers=None, value="heard"):
    shelf = Shelf()
    observing = Observing(shelf, book.library, book, workers)
    observing.record(STEP, HOW, [((), Inputs((), {"x": "words"}, {}), value)], usage)
    assert shelf.items == 1, "what was made is recorded, whatever it teaches"
    return book.store.dump()


def used(where=""):
    return Usage(0.5, 0.4, memory_bytes=7, worker=where)


def test_a_call_here_is_filed_under_this_host(book):
    (row,) = observe(book, used())
    assert (row["host"], row["speed"], row["seconds"]) == ("here", 1.0, 0.5)


def test_fetching_weights_is_no_part_of_loading(book):
    (seen,) = observe(book, Usage(0.5, 0.4, 9.0, 3.0, fetch_s=8.0, fetch_cpu_s=2.5))
    assert (seen["load_s"], seen["load_cpu_s"]) == pytest.approx((1.0, 0.5))


def test_how_long_the_process_started_is_kept(book):
    (seen,) = observe(book, Usage(0.5, 0.4, 9.0, 3.0, start_s=0.125))
    assert (seen["start_s"], seen["load_s"]) == (0.125, 9.0)


def test_a_call_elsewhere_is_filed_under_its_host_and_speed(book):
    (row,) = observe(book, used("tcp://1"), workers=lambda: WORKERS)
    assert (row["host"], row["speed"]) == ("server | 8 cores", 2.0)
    call = book.call("a", HOW.options, cores=1, items=1, work=row["work"])
    assert call.seconds.source == "prior"
    assert call.seconds.value == pytest.approx(1.0), "this host is half as fast"


def test_a_worker_of_an_attached_cluster_on_this_host_is_this_host(book):
    (row,) = observe(book, used("tcp://4"), workers=lambda: WORKERS)
    assert row["host"] == "here"


@pytest.mark.parametrize("where", ["tcp://2", "tcp://3", "tcp://9", ""])
def test_a_call_on_a_host_whose_speed_nobody_measured_teaches_nothing(book, where):
    assert observe(book, used(where), workers=lambda: WORKERS) == []


def test_a_failed_item_teaches_nothing(book):
    assert observe(book, used(), value=Failed("no")) == []


def test_what_was_reused_teaches_nothing(book):
    assert observe(book, None) == []


def test_calls_on_a_host_that_joined_on_the_way_are_kept_until_its_speed_is_known(book):
    """What the cluster says of a worker that has just joined, and later, once it was measured."""
    now = [worker("tcp://9", "late", unknown("1"))]
    observing = Observing(Shelf(), book.library, book, lambda: tuple(now))
    for where in ("tcp://9", "tcp://9", "tcp://gone"):
        observing.record(STEP, HOW, [((), Inputs((), {"x": "words"}, {}), "heard")], used(where))
    assert (observing.unsettled, book.store.dump()) == (3, [])
    now[:] = [worker("tcp://9", "late", MEASURED)]
    observing.settle()
    assert [row["host"] for row in book.store.dump()] == ["late | 8 cores"] * 2
    assert observing.unsettled == 0


def test_work_is_what_an_item_turned_out_to_be_where_its_capability_knows(book):
    heard = Capability(
        "see",
        "for a test",
        (Port("x", frozenset({"any"})),),
        "text",
        worked=lambda inputs, options, made: float(len(made)),
    )
    book.library.add_capability(heard)
    observing = Observing(Shelf(), book.library, book)
    step = Step("s", "see it", "see", (), opens=False, kind="text", inputs=())
    observing.record(step, HOW, [((), Inputs((), {"x": "words"}, {}), "heard")], used())
    assert book.store.dump()[0]["work"] == 5.0


def test_profiles_that_cannot_be_written_end_no_run(book):
    """They are told once; what is recorded is recorded all the same."""
    told = []
    shelf = Shelf()
    observing = Observing(shelf, book.library, book, notify=told.append)
    store = book.store.db
    store.execute(f"PRAGMA max_page_count = {store.execute('PRAGMA page_count').fetchone()[0]}")
    large = Configuration(
        "a", (("prompt", "x" * 100_000),)
    )  # more than the pages that are there have room for
    for number in range(3):
        observing.record(STEP, large, [((("x", number),), Inputs((), {"x": "words"}, {}), "heard")], used())
    assert shelf.items == 3
    assert len(told) == 1
    assert "goes on" in told[0]
    assert "Free some space" in told[0]
    assert book.store.count() == 0


def test_another_process_that_holds_the_profiles_for_a_while_stops_no_learning(book):
    """Three calls in a row that it keeps out do: each of them waited for it."""

    class Held:
        held = False
        learnt = tried = 0

        def observe(self, *_, **__):
            self.tried += 1
            if self.held:
                raise book.store.broken("database is locked")
            self.learnt += 1

    told, profiles = [], Held()
    observing = Observing(Shelf(), book.library, profiles, notify=told.append)
    for held in (False, True, True, False, True, True, False):
        profiles.held = held
        observing.record(STEP, HOW, [((), Inputs((), {"x": "words"}, {}), "heard")], used())
    assert (profiles.learnt, told) == (3, [])
    profiles.held = True
    for _ in range(5):
        observing.record(STEP, HOW, [((), Inputs((), {"x": "words"}, {}), "heard")], used())
    assert profiles.tried == 10
    assert len(told) == 1
    assert "Another process" in told[0]
